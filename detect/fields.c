/* detect/fields.c - see the header. */
#include "detect/fields.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

ssize_t fields_read(int fd, char *p, size_t size)
{
	size_t got = 0;
	ssize_t k = 1;

	/* A file of /proc comes a page at a time, less its last line: a shorter piece is the
	 * end, and asking again would cost as much as the first time. */
	while (k > 0 && got < size - 1) {
		k = pread(fd, p + got, size - 1 - got, (off_t)got);
		if (k < 0 && errno == EINTR) {
			k = 1;
			continue;
		}
		got += k > 0 ? (size_t)k : 0;
		if (k < 2048)
			break;
	}
	p[k < 0 ? 0 : got] = '\0';
	return k < 0 ? -errno : (ssize_t)got;
}

uint64_t fields_number(const char **p, const char *end)
{
	const char *start = *p;
	uint64_t v = 0;
	int over = 0;

	for (; *p < end && isdigit((unsigned char)**p); (*p)++)
		over |= __builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(**p - '0'), &v);
	return *p == start || over ? MACHINE_NONE : v;
}

uint64_t fields_times(uint64_t a, uint64_t b)
{
	uint64_t v;

	return a == MACHINE_NONE || __builtin_mul_overflow(a, b, &v) ? MACHINE_NONE : v;
}

static uint64_t last_number(const char *p, const char *end)
{
	uint64_t v = MACHINE_NONE;

	while (p < end) {
		if (isdigit((unsigned char)*p)) {
			v = fields_number(&p, end);
			if (end - p >= 3 && memcmp(p, " kB", 3) == 0)
				v = fields_times(v, 1024);
		} else {
			p++;
		}
	}
	return v;
}

void fields_take(const char *text, size_t n, const struct field *table, void *to)
{
	const char *p = text, *end = text + n;

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p)), *w = p;

		if (!eol)
			eol = end;
		while (w < eol && *w != ':' && *w != ' ' && *w != '\t')
			w++;
		for (const struct field *f = table; f->name; f++) {
			size_t len = strlen(f->name);

			if ((size_t)(w - p) == len && memcmp(p, f->name, len) == 0)
				*(uint64_t *)(void *)((char *)to + f->at) = last_number(w, eol);
		}
		p = eol + 1;
	}
}

uint64_t fields_single(const char *text, size_t n)
{
	return fields_number(&text, text + n);
}

uint64_t fields_single_fd(int fd)
{
	char text[64];
	ssize_t n = fd < 0 ? -1 : fields_read(fd, text, sizeof(text));

	return n < 0 ? MACHINE_NONE : fields_single(text, (size_t)n);
}
