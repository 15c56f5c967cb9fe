/* Fields and numbers of a peer: any bytes are read without a step too far, and
 * what our writer makes comes back as it was. */
#include <stdlib.h>
#include <string.h>

#include "lib/ctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int yes)
{
	if (!yes)
		abort();
}

static char *copy_of(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1);

	check(s != NULL);
	memcpy(s, data, size);
	s[size] = '\0';
	return s;
}

static void read_any(const uint8_t *data, size_t size)
{
	char *text = copy_of(data, size), *rest = text, *line, *field;

	while ((line = ctl_next_line(&rest)))
		while ((field = ctl_next_field(&line)))
			check(field >= text && field + strlen(field) <= text + size);
	free(text);
}

/* The bytes cut at NULs are the fields of one line. */
static void round_trip(const uint8_t *data, size_t size)
{
	char *text = copy_of(data, size), *line;
	struct buf b = BUF_INIT;

	check(ctl_add_field(&b, "verb") == 0);
	for (char *p = text; p < text + size; p += strlen(p) + 1)
		check(ctl_add_field(&b, p) == 0);
	check(!strchr(b.data, '\n'));
	line = b.data;
	check(strcmp(ctl_next_field(&line), "verb") == 0);
	for (char *p = text; p < text + size; p += strlen(p) + 1)
		check(strcmp(ctl_next_field(&line), p) == 0);
	check(ctl_next_field(&line) == NULL);
	buf_release(&b);
	free(text);
}

static void numbers(const uint8_t *data, size_t size)
{
	struct cursor c = { .p = data, .end = data + size };

	while (!c.bad && c.p < c.end) {
		const uint8_t *at = c.p;
		uint64_t v = cur_varint(&c);
		struct buf b = BUF_INIT;

		if (!c.bad) {	/* one spelling: writing it again gives the same bytes */
			check(buf_add_varint(&b, v) == 0);
			check(b.len == (size_t)(c.p - at) && memcmp(b.data, at, b.len) == 0);
		}
		buf_release(&b);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_any(data, size);
	round_trip(data, size);
	numbers(data, size);
	return 0;
}
