/* detect/learned.c - see the header. */
#include "detect/learned.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/ctl.h"
#include "lib/io.h"
#include "lib/sha1.h"
#include "lib/text.h"

#define FILE_NAME "learned"

enum { FILE_MAX = 1 << 20, KEY = 16 };

void learned_key(const char *folder, const char *const *argv, char ret[static 17])
{
	autoput(buf_release) struct buf b = BUF_INIT;
	uint8_t id[20] = { 0 };
	const char *base = argv[0] ? strrchr(argv[0], '/') : NULL;
	int r = buf_add(&b, folder, strlen(folder) + 1);

	for (unsigned i = 0; r == 0 && argv[i]; i++) {
		const char *word = i == 0 && base ? base + 1 : argv[i];

		r = buf_add(&b, word, strlen(word) + 1);
	}
	if (r == 0)
		sha1_text(b.data, b.len, id);
	text_hex(id, KEY / 2, ret);
}

static bool number(char **line, uint64_t *ret)
{
	const char *s = ctl_next_field(line);
	char *end;

	errno = 0;
	*ret = s && *s >= '0' && *s <= '9' ? strtoull(s, &end, 10) : 0;
	return s && *s >= '0' && *s <= '9' && !errno && !*end && *ret < INT64_MAX;
}

static bool parse(char *line, struct learned *ret)
{
	uint64_t when;
	const char *end;

	if (!number(&line, &when) || !number(&line, &ret->ram) || !number(&line, &ret->shm) ||
		!number(&line, &ret->gpu))
		return false;
	end = ctl_next_field(&line);
	ret->at_least = end && strcmp(end, "oom") == 0;
	return end && (ret->at_least || strcmp(end, "ok") == 0);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The last runs, oldest first. Of those that fitted the largest counts; one that did not fit says
 * more than a smaller one that did, and nothing once a larger one has fitted. */
static void add_up(const struct learned *row, unsigned n, struct learned *ret)
{
	*ret = (struct learned){ .runs = n };
	for (unsigned i = 0; i < n; i++) {
		if (row[i].ram >= ret->ram)
			ret->at_least = row[i].at_least;
		ret->ram = larger(ret->ram, row[i].ram);
		ret->shm = larger(ret->shm, row[i].shm);
		ret->gpu = larger(ret->gpu, row[i].gpu);
	}
}

int learned_find(int dirfd, const char *key, struct learned *ret)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct learned row[LEARNED_LAST];
	unsigned n = 0;
	char *rest, *line;
	int r = io_read_file(dirfd, FILE_NAME, FILE_MAX, &b);

	if (r < 0)
		return r;
	rest = b.data;
	while (rest && (line = ctl_next_line(&rest))) {
		struct learned x;

		if (strncmp(line, key, KEY) != 0 || line[KEY] != '\t' || !parse(line + KEY + 1, &x))
			continue;
		if (n == LEARNED_LAST) {
			memmove(row, row + 1, (LEARNED_LAST - 1) * sizeof(*row));
			n--;
		}
		row[n++] = x;
	}
	if (!n)
		return -ENOENT;
	add_up(row, n, ret);
	return 0;
}

/* The newest half stays, whole lines. */
static int trim(int dirfd, const struct buf *b)
{
	unsigned lines = 0;
	const char *p = b->data + b->len;

	while (p > b->data && lines <= LEARNED_KEPT / 2)
		if (*--p == '\n')
			lines++;
	if (p > b->data)
		p++;
	return io_replace_file(dirfd, FILE_NAME, p, (size_t)(b->data + b->len - p), 0600);
}

static unsigned count(const struct buf *b)
{
	unsigned n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += b->data[i] == '\n';
	return n;
}

int learned_add(int dirfd, const char *key, uint64_t real_ms, const struct learned *x)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	autoclose int lock =
		openat(dirfd, FILE_NAME ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	autoclose int fd = -1;
	char line[160];
	int n, r;

	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return -errno;
	fd = openat(dirfd, FILE_NAME, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	n = snprintf(line, sizeof(line),
		"%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%s\n", key, real_ms,
		x->ram, x->shm, x->gpu, x->at_least ? "oom" : "ok");
	r = io_write_all(fd, line, (size_t)n);
	if (r == 0)
		r = io_read_file(dirfd, FILE_NAME, FILE_MAX, &b);
	if (r == -EFBIG)
		return ftruncate(fd, 0) < 0 ? -errno : 0; /* no file of ours */
	return r == 0 && count(&b) > LEARNED_KEPT ? trim(dirfd, &b) : r;
}
