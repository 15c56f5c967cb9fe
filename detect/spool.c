/* The spool file. A record is "\n", the line, "\n", in one write: what a power cut leaves of one
 * never runs into the next. Empty lines are none. A record that is done with gets a '#' for its
 * first letter, in place: one byte is there or not. When all are done the file is cut to nothing,
 * under the exclusive lock; writers hold the shared one during their write, so that nothing comes
 * in between, and a judge that holds the exclusive one sees no half record but of the dead. Judges
 * have a lock of their own, spool.lock. Both go with the process that held them. */
#include "detect/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detect/detect.h"
#include "lib/auto.h"
#include "lib/io.h"
#include "lib/log.h"

enum {
	LINE = 4096, /* with both newlines */
	CHUNK = 1 << 16,
	SPOOL_MAX = 32 << 20, /* nobody judges: some day it is enough */
	BAD_MAX = 1 << 20,
};

int spool_open(int dirfd)
{
	autoclose int fd = openat(dirfd, DETECT_SPOOL,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat st;

	/* What is no file at all must not be waited for. */
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? take_fd(&fd) : -EINVAL;
}

static int lock(int fd, int how)
{
	while (flock(fd, how) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int spool_add_line(int fd, const char *text, size_t n)
{
	char line[LINE];
	struct stat st;
	ssize_t k;
	int r;

	if (n + 2 > sizeof(line))
		return -EMSGSIZE;
	line[0] = '\n';
	memcpy(line + 1, text, n);
	line[n + 1] = '\n';
	/* Whoever holds it may be stopped, or swapped out: a monitor does not wait for that. */
	r = lock(fd, LOCK_SH | LOCK_NB);
	if (r < 0)
		return r == -EWOULDBLOCK ? -EBUSY : r;
	if (fstat(fd, &st) == 0 && st.st_size > SPOOL_MAX) {
		r = -EFBIG;
	} else {
		k = write(fd, line, n + 2);
		r = k < 0 ? -errno : k < (ssize_t)n + 2 ? -ENOSPC : 0;
	}
	(void)flock(fd, LOCK_UN);
	return r;
}

int spool_add(int fd, const struct fact *f)
{
	char line[LINE];
	int n = fact_line(f, line, sizeof(line) - 2);

	return n < 0 ? n : spool_add_line(fd, line, (size_t)n);
}

struct drain {
	int dirfd, fd;
	int (*fn)(const struct fact *f, void *arg);
	void *arg;
	off_t at; /* of what buf begins with */
	size_t have;
	unsigned left; /* facts that fn did not take */
	int error;     /* of the last of those */
	bool said;
	char buf[CHUNK];
};

static void keep_bad(struct drain *d, const char *line, size_t n)
{
	autoclose int fd = openat(d->dirfd, DETECT_SPOOL ".bad",
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	if (!d->said)
		log_warn("spool: a damaged record of %zu bytes is kept in " DETECT_SPOOL ".bad", n);
	d->said = true;
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > BAD_MAX)
		return;
	if (io_write_all(fd, line, n) == 0)
		(void)io_write_all(fd, "\n", 1);
}

static int mark_done(struct drain *d, size_t from)
{
	return io_pwrite_all(d->fd, "#", 1, d->at + (off_t)from);
}

/* One line that is not empty, at buf[from], n long. Its place is known before the parser cuts it
 * up. */
static int one(struct drain *d, size_t from, size_t n)
{
	char copy[LINE];
	struct fact f;
	int r = -EINVAL;

	if (d->buf[from] == '#')
		return 0;
	if (n < sizeof(copy) && !memchr(d->buf + from, '\0', n)) {
		memcpy(copy, d->buf + from, n);
		copy[n] = '\0';
		r = fact_parse(copy, &f);
	}
	if (r < 0) {
		keep_bad(d, d->buf + from, n);
		return mark_done(d, from);
	}
	r = d->fn(&f, d->arg);
	if (r == 0)
		return mark_done(d, from);
	d->left++;
	d->error = r;
	return 0;
}

/* Hands over the whole lines of buf; what is left of it begins the next. */
static int lines(struct drain *d)
{
	size_t from = 0;
	int r = 0;

	while (r == 0 && from < d->have) {
		const char *nl = memchr(d->buf + from, '\n', d->have - from);
		size_t n = (nl ? (size_t)(nl - d->buf) : d->have) - from;

		if (!nl && (from || d->have < sizeof(d->buf)))
			break;
		if (n)
			r = one(d, from, n);
		from += n + (nl ? 1 : 0);
	}
	memmove(d->buf, d->buf + from, d->have - from);
	d->have -= from;
	d->at += (off_t)from;
	return r;
}

/* From where we stand to the end of the file. */
static int pass(struct drain *d)
{
	for (;;) {
		ssize_t k = io_pread_full(
			d->fd, d->buf + d->have, sizeof(d->buf) - d->have, d->at + (off_t)d->have);
		int r;

		if (k <= 0)
			return (int)k;
		d->have += (size_t)k;
		r = lines(d);
		if (r < 0)
			return r;
	}
}

/* No writer is at work. What stands without its newline was torn: it gets one, for the next pass.
 * 1: the file is empty now. */
static int finish(struct drain *d)
{
	struct stat st;
	int r = lock(d->fd, LOCK_EX);

	if (r < 0)
		return r;
	r = fstat(d->fd, &st) < 0 ? -errno : 0;
	if (r == 0 && d->at + (off_t)d->have == st.st_size) {
		if (d->have)
			r = io_pwrite_all(d->fd, "\n", 1, st.st_size);
		else if (!d->left)	/* an empty one is left alone: a judge that waits would see itself */
			r = st.st_size && ftruncate(d->fd, 0) < 0 ? -errno : 1;
	}
	(void)flock(d->fd, LOCK_UN);
	return r;
}

static int drain(struct drain *d)
{
	int r;

	do {
		off_t was = d->at;

		r = pass(d);
		if (r == 0)
			r = finish(d);
		/* Facts that were not taken stay; without new ones behind them it ends here. */
		if (r == 0 && d->left && !d->have && d->at == was)
			return d->error;
	} while (r == 0);
	return r < 0 ? r : 0;
}

static int take_lock(int dirfd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	autoclose int fd = openat(
		dirfd, DETECT_SPOOL ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_OFD_SETLK, &l) < 0)
		return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	return take_fd(&fd);
}

static bool something_came(const struct drain *d)
{
	struct stat st;

	return fstat(d->fd, &st) == 0 && st.st_size > d->at + (off_t)d->have;
}

int spool_drain(int dirfd, int (*fn)(const struct fact *f, void *arg), void *arg)
{
	autofree struct drain *d = calloc(1, sizeof(*d));
	autoclose int fd = -1;
	int r;

	if (!d)
		return -ENOMEM;
	fd = openat(dirfd, DETECT_SPOOL, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	*d = (struct drain){ .dirfd = dirfd, .fd = fd, .fn = fn, .arg = arg };
	do {
		autoclose int own = take_lock(dirfd);

		if (own < 0)
			return own;
		d->at = 0;
		d->have = d->left = 0;
		r = drain(d);
		if (r == 0)
			d->at = 0;
		/* A fact that came after our last look, whose judge found us at work: it is
		 * ours. */
		own = (auto_close_(&own), -1);
	} while (something_came(d));
	return r;
}
