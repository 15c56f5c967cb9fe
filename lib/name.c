/* Names as bytes, and as people may see them. */
#include "lib/text.h"

#include <string.h>

/* RFC 3629: no overlong forms, no surrogates, nothing over U+10FFFF. All of that
 * shows in the first two bytes; the rest are continuations. */
size_t text_utf8_len(const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s;
	uint8_t low = 0x80, high = 0xbf;
	size_t n;

	if (len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if ((p[0] & 0xf0) == 0xe0)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (len < n || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool text_is_utf8(const char *s, size_t len)
{
	while (len) {
		size_t n = text_utf8_len(s, len);

		if (!n)
			return false;
		s += n;
		len -= n;
	}
	return true;
}

size_t text_print_len(const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t n = text_utf8_len(s, len);

	if (n == 1 && (p[0] < 0x20 || p[0] == 0x7f))
		return 0;
	if (n == 2 && p[0] == 0xc2 && p[1] < 0xa0)	/* C1: U+009B is another ESC [ */
		return 0;
	/* U+202A..202E, U+2066..2069: they make one name look like another. */
	if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae)
		return 0;
	if (n == 3 && p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)
		return 0;
	return n;
}

static bool is_plain(const char *s, size_t len, size_t *ret_n)
{
	*ret_n = text_print_len(s, len);
	return *ret_n && *s != '"' && *s != '\\';
}

static int add_escaped(struct buf *b, uint8_t c)
{
	static const char from[] = "\a\b\t\n\v\f\r\"\\", to[] = "abtnvfr\"\\";
	const char *at = c ? strchr(from, c) : NULL;

	if (at)
		return buf_printf(b, "\\%c", to[at - from]);
	return buf_printf(b, "\\%03o", c);
}

int text_quote_name(struct buf *b, const char *name, size_t len)
{
	size_t plain = 0, n;
	int r;

	while (plain < len && is_plain(name + plain, len - plain, &n))
		plain += n;
	if (plain == len)
		return buf_add(b, name, len);
	r = buf_addch(b, '"');
	for (size_t i = 0; r == 0 && i < len; i += n) {
		if (is_plain(name + i, len - i, &n)) {
			r = buf_add(b, name + i, n);
		} else {
			/* A sequence that must not be shown goes byte by byte. */
			n = 1;
			r = add_escaped(b, (uint8_t)name[i]);
		}
	}
	return r < 0 ? r : buf_addch(b, '"');
}
