#include "mounts.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/buf.h"
#include "../lib/io.h"

#define MOUNTINFO "/proc/self/mountinfo"

enum { MOUNTINFO_MAX = 16 << 20, POINT = 4, FIELDS = 5 };

int mounts_watch(struct loop *l, loop_fd_fn fn, void *arg, int *ret_fd)
{
	autoclose int fd = open(MOUNTINFO, O_RDONLY | O_CLOEXEC);
	int r;

	*ret_fd = -1;
	if (fd < 0)
		return 0;
	r = loop_add_fd(l, fd, EPOLLPRI, fn, arg);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

static bool is_octal(const char *p)
{
	return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' &&
	       p[2] <= '7';
}

/* proc(5) writes space, tab, newline and backslash of a path as \ooo. In place. */
static void unescape(char *p)
{
	char *to = p;

	while (*p) {
		if (*p == '\\' && is_octal(p + 1)) {
			*to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 4;
		} else {
			*to++ = *p++;
		}
	}
	*to = '\0';
}

static uint64_t add(uint64_t h, const char *s)
{
	do
		h = (h ^ (unsigned char)*s) * 1099511628211u;
	while (*s++);
	return h;
}

/* One line: mount id, its parent's, device, root in the device, mount point, ... */
static uint64_t add_line(uint64_t h, char *line, const char *path, size_t len)
{
	char *field[FIELDS], *rest = line;

	for (size_t i = 0; i < FIELDS; i++)
		if (!(field[i] = strsep(&rest, " ")))
			return h;
	unescape(field[POINT]);
	if (strncmp(field[POINT], path, len) != 0 || field[POINT][len] != '/' ||
		!field[POINT][len + 1])
		return h;
	for (size_t i = 0; i < FIELDS; i++)
		h = add(h, field[i]);
	return h;
}

uint64_t mounts_below(const char *path)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	uint64_t h = 14695981039346656037u;
	char *line, *rest;

	if (io_read_file(AT_FDCWD, MOUNTINFO, MOUNTINFO_MAX, &b) < 0 || !b.data)
		return 0;
	for (rest = b.data; (line = strsep(&rest, "\n")) != NULL;)
		h = add_line(h, line, path, strcmp(path, "/") == 0 ? 0 : strlen(path));
	return h;
}
