/* detect/json.c - see the header. */
#include "detect/json.h"

#include <inttypes.h>
#include <string.h>

#include "detect/machine.h"
#include "lib/text.h"

int json_string(struct buf *b, const char *s)
{
	int r = buf_addch(b, '"');

	while (r == 0 && *s) {
		unsigned char c = (unsigned char)*s;
		size_t n = c < 0x80 ? 1 : text_utf8_len(s, strnlen(s, 4));

		if (c == '"' || c == '\\')
			r = buf_printf(b, "\\%c", c);
		else if (c < 32 || c == 127)
			r = buf_printf(b, "\\u%04x", c);
		else if (n)
			r = buf_add(b, s, n);
		else
			r = buf_addstr(b, "\xef\xbf\xbd");
		s += n ? n : 1;
	}
	return r < 0 ? r : buf_addch(b, '"');
}

int json_key(struct buf *b, const char *key)
{
	char last = b->len ? b->data[b->len - 1] : '{';
	int r = last == '{' || last == '[' ? 0 : buf_addch(b, ',');

	if (r == 0)
		r = json_string(b, key);
	return r < 0 ? r : buf_addch(b, ':');
}

int json_field_string(struct buf *b, const char *key, const char *value)
{
	int r = json_key(b, key);

	if (r < 0)
		return r;
	return value ? json_string(b, value) : buf_addstr(b, "null");
}

int json_field(struct buf *b, const char *key, uint64_t value)
{
	int r = json_key(b, key);

	if (r < 0)
		return r;
	return value == MACHINE_NONE ? buf_addstr(b, "null") : buf_printf(b, "%" PRIu64, value);
}

int json_field_hundredths(struct buf *b, const char *key, uint64_t value)
{
	int r = json_key(b, key);

	if (r < 0)
		return r;
	return value == MACHINE_NONE
		       ? buf_addstr(b, "null")
		       : buf_printf(b, "%" PRIu64 ".%02u", value / 100, (unsigned)(value % 100));
}
