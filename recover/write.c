#include "write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/io.h"
#include "../lib/log.h"
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
	struct stat st;
	/* its list may still be there: then its mask stays */
	bool as_it_was = want->flags & ENTRY_ACL &&
			 fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			 (st.st_mode & 07777) == (want->mode & 07777);

	if (want->kind != KIND_LINK && !as_it_was &&
		fchmodat(dirfd, name, want_mode(want), AT_SYMLINK_NOFOLLOW) < 0)
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
		if (fchmod(o->fd, want_mode(want)) < 0)
			return -errno;
	} else if (fstat(o->fd, &st) < 0 || ((st.st_mode ^ want_mode(want)) & 07777)) {
		if (fchmod(o->fd, want_mode(want)) < 0)	/* a default ACL had its say */
			return -errno;
	}
	return futimens(o->fd, t) < 0 ? -errno : 0;
}

static int create(int dirfd, const char *name, const struct plan_item *it)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dirfd, name, flags, want_mode(&it->want) & 0777);

	if (fd < 0 && errno == EEXIST && unlinkat(dirfd, name, 0) == 0)
		fd = openat(dirfd, name, flags, want_mode(&it->want) & 0777);
	return fd < 0 ? -errno : fd;
}

static int write_link(
	int dirfd, const char *name, const struct plan_item *it, const char *target)
{
	if (symlinkat(target, dirfd, name) < 0) {
		if (errno != EEXIST || unlinkat(dirfd, name, 0) < 0 ||
			symlinkat(target, dirfd, name) < 0)
			return -errno;
	}
	return write_meta(dirfd, name, &it->want);
}

/* fill writes the content into o. */
static int write_file(int dirfd, const char *name, struct plan_item *it,
	int (*fill)(struct out *o, void *arg), void *arg)
{
	struct out o = { .sparse = it->want.flags & ENTRY_SPARSE };
	int r;

	if ((o.fd = create(dirfd, name, it)) < 0)
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

/* Where an item's content goes: a name beside its own, which it gets once it is whole. */
struct place {
	int dirfd;
	const char *name;
	char tmp[256];
};

/* false: its folder cannot be had; it->error says why. */
static bool place_of(struct folder *f, struct plan_item *it, uint64_t op, struct place *p)
{
	p->dirfd = folder_of(f, it->path, &p->name);
	if (p->dirfd < 0) {
		it->error = p->dirfd;
		return false;
	}
	temporary_name(op, it->path, p->name, p->tmp);
	return true;
}

static void written(struct plan_item *it, int error)
{
	it->error = error;
	it->temp = it->written = !error;
}

void write_item(struct folder *f, struct plan_item *it, const void *p, size_t n, uint64_t op)
{
	struct place at;

	if (!place_of(f, it, op, &at))
		return;
	if (it->action == PLAN_META)
		it->error = write_meta(at.dirfd, at.name, &it->want);
	else if (it->want.kind == KIND_LINK)
		written(it, write_link(at.dirfd, at.tmp, it, p));
	else
		written(it, write_file(at.dirfd, at.tmp, it, fill_bytes, &(struct bytes){ p, n }));
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
		written(it, write_file(at.dirfd, at.tmp, it, fill_stream, &from));
}

/* ---- names ----------------------------------------------------------------------- */

/* Some file systems have no such renames (NFS, FAT, some of FUSE). */
static bool cannot(int e)
{
	return e == -EINVAL || e == -ENOSYS || e == -ENOTSUP;
}

static int rename_with(int dirfd, const char *from, const char *to, unsigned how)
{
	return renameat2(dirfd, from, dirfd, to, how) < 0 ? -errno : 0;
}

/* To a name where nothing is: -EEXIST if something is. */
static int rename_new(int dirfd, const char *from, const char *to)
{
	struct stat st;
	int r = rename_with(dirfd, from, to, RENAME_NOREPLACE);

	if (!cannot(r))
		return r;
	if (linkat(dirfd, from, dirfd, to, 0) == 0)
		return unlinkat(dirfd, from, 0) < 0 ? -errno : 0;
	if (errno == EEXIST || fstatat(dirfd, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(dirfd, from, dirfd, to) < 0 ? -errno : 0;
}

static int look(int dirfd, const char *name, struct had *ret)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	had_from_stat(&st, ret);
	return 0;
}

/* A rename is a change of the inode, so ctime says nothing here. */
static bool is_still(int dirfd, const char *name, const struct had *was)
{
	struct had now;

	if (look(dirfd, name, &now) < 0)
		return false;
	now.ctime_ns = was->ctime_ns;
	return had_same(&now, was);
}

enum { EXCHANGES = 16 };

/* Ours to the name, the old one out from under it; what came out is looked at where nobody else
 * writes. Was it another - somebody saved just then - it goes back, and so on until what comes out
 * is what was put in last: then the name has the newest and what is in hand is no loss. -ESTALE:
 * that was not ours, which is gone. */
static int exchange(int dirfd, const char *tmp, const char *name, const struct had *old)
{
	struct had expected = *old, in_hand;

	for (int i = 0; i < EXCHANGES; i++) {
		int r = look(dirfd, tmp, &in_hand);

		if (r == 0)
			r = rename_with(dirfd, tmp, name, RENAME_EXCHANGE);
		if (r == -ENOENT && i)	/* they deleted what was put in: theirs comes back */
			r = rename_new(dirfd, tmp, name);
		else if (r == 0 && is_still(dirfd, tmp, &expected))
			r = unlinkat(dirfd, tmp, 0) < 0 ? -errno : 0;
		else if (r == 0)
			r = 1;
		if (r <= 0)
			return i && !r ? -ESTALE : r;
		expected = in_hand;
	}
	log_warn("%s: was saved again and again while it was restored; a version is kept as %s",
		name, tmp);
	return -ESTALE;
}

static int put_in_place(int dirfd, const char *tmp, const char *name, const struct plan_item *it)
{
	struct had now;
	int r;

	if (it->action == PLAN_CREATE || it->had.kind == KIND_DIR || it->had.kind == KIND_GONE)
		return rename_new(dirfd, tmp, name);
	if ((r = look(dirfd, name, &now)) == -ENOENT)	/* nothing is lost by writing */
		return rename_new(dirfd, tmp, name);
	if (r < 0)
		return r;
	if (!had_same(&now, &it->had)) {
		(void)unlinkat(dirfd, tmp, 0);
		return -ESTALE;
	}
	r = exchange(dirfd, tmp, name, &it->had);
	if (r == -ENOENT)
		return rename_new(dirfd, tmp, name);
	return cannot(r) ? renameat(dirfd, tmp, dirfd, name) < 0 ? -errno : 0 : r;
}

void write_rename(struct folder *f, struct plan_item *it, uint64_t op)
{
	const char *name;
	char tmp[256];
	int dirfd = folder_of(f, it->path, &name);

	if (dirfd < 0) {	/* the folder was moved away: write_drop tries again later */
		it->error = dirfd;
		it->written = false;
		return;
	}
	it->temp = false;
	temporary_name(op, it->path, name, tmp);
	it->error = put_in_place(dirfd, tmp, name, it);
	if (it->error) {
		it->written = false;
		if (it->error != -ESTALE)	/* then it was seen to */
			(void)unlinkat(dirfd, tmp, 0);
	}
}

int write_delete(int dirfd, const char *name, const struct plan_item *it, uint64_t op)
{
	struct had now;
	char tmp[256];
	int r = look(dirfd, name, &now);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!had_same(&now, &it->had))
		return -ESTALE;
	temporary_name(op, it->path, name, tmp);
	r = rename_with(dirfd, name, tmp, RENAME_NOREPLACE);
	if (cannot(r))
		return unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (is_still(dirfd, tmp, &it->had))
		return unlinkat(dirfd, tmp, 0) < 0 ? -errno : 0;
	/* saved just then: it stays, unless it was saved once more */
	if (rename_new(dirfd, tmp, name) == -EEXIST)
		(void)unlinkat(dirfd, tmp, 0);
	return -ESTALE;
}

bool write_drop(struct folder *f, struct plan_item *it, uint64_t op)
{
	const char *name;
	char tmp[256];
	int dirfd = folder_of(f, it->path, &name);

	if (dirfd < 0)
		return false;
	temporary_name(op, it->path, name, tmp);
	if (unlinkat(dirfd, tmp, 0) < 0)
		return false;
	it->temp = false;
	return true;
}
