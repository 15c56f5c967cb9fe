#include "write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/io.h"
#include "journal.h"

static struct timespec to_timespec(int64_t ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };

	if (t.tv_nsec < 0) {
		t.tv_nsec += 1000000000;
		t.tv_sec--;
	}
	return t;
}

int write_meta(int dirfd, const char *name, const struct store_entry *want)
{
	struct timespec t[2] = { { .tv_nsec = UTIME_OMIT }, to_timespec(want->mtime_ns) };

	if (want->kind != KIND_LINK &&
		fchmodat(dirfd, name, want->mode & 07777, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return utimensat(dirfd, name, t, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* ---- a file ------------------------------------------------------------ */

struct out {
	int fd;
	bool sparse;
	off_t at;
	bool hole;		/* the file ends in one so far */
};

static bool all_zero(const char *p, size_t n)
{
	return !n || (!*p && !memcmp(p, p + 1, n - 1));
}

/* Where holes were is not recorded, only that there were: whole blocks of zeros become holes. */
static int put_sparse(struct out *o, const char *p, size_t n)
{
	while (n) {
		size_t block = 4096 - (size_t)(o->at % 4096);
		int r;

		if (block > n)
			block = n;
		o->hole = all_zero(p, block);
		if (!o->hole && (r = io_pwrite_all(o->fd, p, block, o->at)) < 0)
			return r;
		o->at += (off_t)block;
		p += block;
		n -= block;
	}
	return 0;
}

static int put(const void *p, size_t n, void *arg)
{
	struct out *o = arg;

	/* a large file in hand: only the second, harder wish stops within it */
	if (interrupted == SIGTERM)
		return -EINTR;
	if (o->sparse)
		return put_sparse(o, p, n);
	return io_write_all(o->fd, p, n);
}

/* Mode and time through the descriptor: nobody can have put another file there. The mode was
 * given to open. */
static int finish_file(struct out *o, const struct store_entry *want)
{
	struct timespec t[2] = { { .tv_nsec = UTIME_OMIT }, to_timespec(want->mtime_ns) };
	struct stat st;

	if (o->hole && ftruncate(o->fd, o->at) < 0)
		return -errno;
	if (want->mode & 07000) {
		if (fchmod(o->fd, want->mode & 07777) < 0)
			return -errno;
	} else if (fstat(o->fd, &st) < 0 || ((st.st_mode ^ want->mode) & 07777)) {
		if (fchmod(o->fd, want->mode & 07777) < 0)	/* a default ACL had its say */
			return -errno;
	}
	return futimens(o->fd, t) < 0 ? -errno : 0;
}

/* The name to write under: its own where nothing is, else one beside it. */
static bool beside(const struct plan_item *it)
{
	return it->action == PLAN_REPLACE && it->had.kind != KIND_DIR && it->had.kind != KIND_GONE;
}

static int create(int dirfd, const char *name, const struct plan_item *it, bool temp)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dirfd, name, flags, it->want.mode & 0777);

	if (fd < 0 && errno == EEXIST && temp && unlinkat(dirfd, name, 0) == 0)
		fd = openat(dirfd, name, flags, it->want.mode & 0777);
	return fd < 0 ? -errno : fd;
}

static int write_link(
	int dirfd, const char *name, const struct plan_item *it, const char *target, bool temp)
{
	if (symlinkat(target, dirfd, name) < 0) {
		if (errno != EEXIST || !temp || unlinkat(dirfd, name, 0) < 0 ||
			symlinkat(target, dirfd, name) < 0)
			return -errno;
	}
	return write_meta(dirfd, name, &it->want);
}

/* fill writes the content into o. */
static int write_file(int dirfd, const char *name, struct plan_item *it, bool temp,
	int (*fill)(struct out *o, void *arg), void *arg)
{
	struct out o = { .sparse = it->want.flags & ENTRY_SPARSE };
	int r;

	if ((o.fd = create(dirfd, name, it, temp)) < 0)
		return o.fd;
	r = fill(&o, arg);
	if (r == 0)
		r = finish_file(&o, &it->want);
	if (close(o.fd) < 0 && r == 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dirfd, name, 0);
	return r == -EDQUOT ? -ENOSPC : r;
}

struct bytes {
	const void *p;
	size_t n;
};

static int fill_bytes(struct out *o, void *arg)
{
	struct bytes *b = arg;

	return b->n ? put(b->p, b->n, o) : 0;
}

/* Where an item's content goes: its own name, or one beside it that is renamed later. */
struct place {
	int dirfd;
	const char *name;
	bool temp;
	char tmp[256];
};

/* false: its folder cannot be had; it->error says why. */
static bool place_of(struct folder *f, struct plan_item *it, uint64_t op, struct place *p)
{
	p->dirfd = folder_of(f, it->path, &p->name);
	p->temp = beside(it);
	if (p->dirfd < 0) {
		it->error = p->dirfd;
		return false;
	}
	if (p->temp) {
		journal_temp_name(op, it->path, p->name, p->tmp);
		p->name = p->tmp;
	}
	return true;
}

static void written(struct plan_item *it, const struct place *p, int error)
{
	it->error = error;
	it->temp = p->temp && !error;
	it->written = !error;
}

void write_item(struct folder *f, struct plan_item *it, const void *p, size_t n, uint64_t op)
{
	struct place at;

	if (!place_of(f, it, op, &at))
		return;
	if (it->action == PLAN_META)
		it->error = write_meta(at.dirfd, at.name, &it->want);
	else if (it->want.kind == KIND_LINK)
		written(it, &at, write_link(at.dirfd, at.name, it, p, at.temp));
	else
		written(it, &at,
			write_file(at.dirfd, at.name, it, at.temp, fill_bytes,
				&(struct bytes){ p, n }));
}

struct stream {
	struct store *s;
	const struct oid *id;
};

static int fill_stream(struct out *o, void *arg)
{
	struct stream *st = arg;

	return store_stream_blob(st->s, st->id, put, o);
}

void write_stream(struct store *s, struct folder *f, struct plan_item *it, uint64_t op)
{
	struct stream from = { s, &it->want.oid };
	struct place at;

	if (place_of(f, it, op, &at))
		written(it, &at, write_file(at.dirfd, at.name, it, at.temp, fill_stream, &from));
}

void write_rename(struct folder *f, struct plan_item *it, uint64_t op)
{
	const char *name;
	char tmp[256];
	struct stat st;
	struct had now;
	int dirfd = folder_of(f, it->path, &name);

	if (dirfd < 0) {	/* the folder was moved away: write_drop tries again later */
		it->error = dirfd;
		it->written = false;
		return;
	}
	it->temp = false;
	journal_temp_name(op, it->path, name, tmp);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		/* deleted meanwhile: nothing is lost by writing */
		it->error = errno == ENOENT ? 0 : -errno;
	} else {
		had_from_stat(&st, &now);
		it->error = had_same(&now, &it->had) ? 0 : -ESTALE;
	}
	if (!it->error && renameat(dirfd, tmp, dirfd, name) < 0)
		it->error = -errno;
	if (it->error) {
		it->written = false;
		(void)unlinkat(dirfd, tmp, 0);
	}
}

bool write_drop(struct folder *f, struct plan_item *it, uint64_t op)
{
	const char *name;
	char tmp[256];
	int dirfd = folder_of(f, it->path, &name);

	if (dirfd < 0)
		return false;
	journal_temp_name(op, it->path, name, tmp);
	if (unlinkat(dirfd, tmp, 0) < 0)
		return false;
	it->temp = false;
	return true;
}
