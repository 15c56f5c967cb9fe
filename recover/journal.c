/* The file: 8 bytes of magic, then records: u32 length, u32 crc32 of the payload, payload. A
 * payload begins with its type: 'H' head, 'T' target (varint kind, mode, flags, size; u64 mtime;
 * id; parent; path), 'E' end of the description. Nothing after 'E'. */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <zlib.h>

#include "../lib/auto.h"
#include "../lib/io.h"
#include "xalloc.h"

#define MAGIC "HFRJ\r\n1\n"
#define JOURNAL_MAX (UINT32_C(1) << 30)

static uint32_t crc(const void *p, size_t n)
{
	return (uint32_t)crc32(0, p, (uInt)n);
}

static int add_record(struct buf *out, const struct buf *payload)
{
	int r;

	if ((r = buf_add_u32(out, (uint32_t)payload->len)) < 0 ||
	    (r = buf_add_u32(out, crc(payload->data, payload->len))) < 0)
		return r;
	return buf_add(out, payload->data, payload->len);
}

static int add_target(
	struct buf *out, struct buf *b, const char *path, const struct store_entry *e, bool parent)
{
	int r;

	buf_reset(b);
	if ((r = buf_addch(b, 'T')) < 0 || (r = buf_add_varint(b, e->kind)) < 0 ||
		(r = buf_add_varint(b, e->mode)) < 0 || (r = buf_add_varint(b, e->flags)) < 0 ||
		(r = buf_add_varint(b, e->size)) < 0 ||
		(r = buf_add_u64(b, (uint64_t)e->mtime_ns)) < 0 ||
		(r = buf_add(b, e->oid.b, 20)) < 0 || (r = buf_addch(b, parent)) < 0 ||
		(r = buf_addstr(b, path)) < 0)
		return r;
	return add_record(out, b);
}

static int add_end(struct buf *out)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = buf_addch(&b, 'E');

	return r < 0 ? r : add_record(out, &b);
}

int journal_format(const struct journal *j, const struct plan *p, struct buf *out)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r;

	if ((r = buf_add(out, MAGIC, 8)) < 0 || (r = buf_addch(&b, 'H')) < 0 ||
		(r = buf_add_u64(&b, j->op)) < 0 || (r = buf_addch(&b, j->undo)) < 0 ||
		(r = buf_addch(&b, j->delete_ok)) < 0 ||
		(r = buf_add_u64(&b, (uint64_t)j->time_ns)) < 0 ||
		(r = buf_add_u64(&b, j->safety_seq)) < 0 ||
		(r = buf_add(&b, j->safety.b, 20)) < 0 || (r = buf_add(&b, j->rev.b, 20)) < 0 ||
		(r = buf_addstr(&b, j->workspace)) < 0 || (r = add_record(out, &b)) < 0)
		return r;
	for (size_t i = 0; i < p->n; i++) {
		const struct plan_item *it = &p->item[i];

		if (it->action == PLAN_NOTHING || it->action == PLAN_BLOCKED)
			continue;
		if ((r = add_target(out, &b, it->path, &it->want, it->action == PLAN_PARENT)) < 0)
			return r;
	}
	return add_end(out);
}

static char *rest_of(struct cursor *c)
{
	char *s = xstrndup((const char *)c->p, (size_t)(c->end - c->p));

	c->p = c->end;
	return s;
}

static int parse_head(struct cursor *c, struct journal *j)
{
	const uint8_t *p;

	if (j->workspace)
		return -EBADMSG;
	j->op = cur_u64(c);
	j->undo = cur_u8(c);
	j->delete_ok = cur_u8(c);
	j->time_ns = (int64_t)cur_u64(c);
	j->safety_seq = cur_u64(c);
	if ((p = cur_bytes(c, 20)))
		memcpy(j->safety.b, p, 20);
	if ((p = cur_bytes(c, 20)))
		memcpy(j->rev.b, p, 20);
	if (c->bad || memchr(c->p, 0, (size_t)(c->end - c->p)))
		return -EBADMSG;
	j->workspace = rest_of(c);
	return *j->workspace == '/' ? 0 : -EBADMSG;
}

static int parse_target(struct cursor *c, struct journal *j)
{
	struct store_entry e = { 0 };
	uint64_t kind = cur_varint(c), mode = cur_varint(c), flags = cur_varint(c);
	autofree char *path = NULL;
	const uint8_t *p;
	bool parent;

	e.size = cur_varint(c);
	e.mtime_ns = (int64_t)cur_u64(c);
	if ((p = cur_bytes(c, 20)))
		memcpy(e.oid.b, p, 20);
	parent = cur_u8(c);
	if (c->bad || kind > KIND_DIR || mode > UINT32_MAX || flags > UINT32_MAX ||
	    memchr(c->p, 0, (size_t)(c->end - c->p)))
		return -EBADMSG;
	e.kind = (enum store_kind)kind;
	e.mode = (uint32_t)mode;
	e.flags = (uint32_t)flags;
	path = rest_of(c);
	if (*path && !path_safe(path))
		return -EBADMSG;
	targets_add(&j->targets, path, &e, parent);
	return 0;
}

/* What could not be read begins at `at`. Was the file never whole - its end was not written yet, or
 * is zeros a power cut left - so that nothing was changed by it? Else it was, and is damaged. */
static bool never_whole(const uint8_t *data, size_t n, size_t at)
{
	autoput(buf_release) struct buf end = BUF_INIT;
	struct cursor c = { data + at, data + n, 0 };
	size_t left = n - at, alike = 0;
	bool zeros = true;

	for (size_t i = at; i < n && zeros; i++)
		zeros = !data[i];
	if (zeros)
		return true;
	if (add_end(&end) < 0)
		return false;
	if (n >= end.len && !memcmp(data + n - end.len, end.data, end.len))
		return false;
	if (at == 0)
		return n < 8 && !memcmp(data, MAGIC, n);
	if (left < 8)
		return true;
	/* the end's own record, hit: most of it is still as it should be */
	for (size_t i = 0; left == end.len && i < left; i++)
		alike += data[at + i] == (uint8_t)end.data[i];
	return alike < 6 && cur_u32(&c) > left - 8;
}

int journal_parse(const void *data, size_t n, struct journal *ret)
{
	struct cursor c = { data, (const uint8_t *)data + n, 0 };
	struct journal j = { .fd = -1 };
	const uint8_t *magic = cur_bytes(&c, 8);
	int r = magic && !memcmp(magic, MAGIC, 8) ? 0 : -EBADMSG;
	size_t at = r == 0 ? 8 : 0;	/* so far it is good */
	bool whole = false;

	while (r == 0 && !whole && c.p < c.end) {
		uint32_t len = cur_u32(&c), sum = cur_u32(&c);
		const uint8_t *p = cur_bytes(&c, len);
		struct cursor in = { p, p ? p + len : NULL, 0 };

		if (!p || !len || crc(p, len) != sum) {
			r = -EBADMSG;
			break;
		}
		switch (cur_u8(&in)) {
		case 'H':
			r = parse_head(&in, &j);
			break;
		case 'T':
			r = parse_target(&in, &j);
			break;
		case 'E':
			whole = true;
			break;
		default:
			r = -EBADMSG;
		}
		if (r == 0)
			at = (size_t)(c.p - (const uint8_t *)data);
	}
	if (r < 0 || !whole || !j.workspace) {
		journal_release(&j);
		return !whole && never_whole(data, n, at) ? -ENODATA : -EBADMSG;
	}
	targets_sort(&j.targets);
	*ret = j;
	return 0;
}

void journal_release(struct journal *j)
{
	if (j->fd >= 0)
		(void)close(j->fd);
	j->fd = -1;
	free(j->workspace);
	j->workspace = NULL;
	targets_release(&j->targets);
}

/* ---- the file -------------------------------------------------------------- */

/* Opens and locks dirfd/file; the name must still be the locked file's, for another
 * process may have ended its restore in between. */
static int open_locked(int dirfd, const char *file, int flags, int *ret)
{
	for (int tries = 0; tries < 100; tries++) {
		autoclose int fd = openat(
			dirfd, file, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		struct stat mine, named;

		if (fd < 0)
			return errno == EACCES ? -EROFS : -errno;
		if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
			return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
		if (fstat(fd, &mine) < 0)
			return -errno;
		if (fstatat(dirfd, file, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
			named.st_ino == mine.st_ino) {
			*ret = take_fd(&fd);
			return 0;
		}
	}
	return -EBUSY;
}

static int write_new(int fd, struct journal *j, const struct plan *p)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r;

	if (getrandom(&j->op, sizeof(j->op), 0) != sizeof(j->op))
		return -EIO;
	if ((r = journal_format(j, p, &b)) < 0 || (r = io_pwrite_all(fd, b.data, b.len, 0)) < 0)
		return r;
	return io_sync(fd);
}

int journal_begin(int dirfd, struct journal *j, const struct plan *p)
{
	autoclose int fd = -1;
	struct stat st;
	int r = open_locked(dirfd, JOURNAL_PENDING, O_CREAT, &fd);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > 0)	/* one that waits to be finished */
		return -EBUSY;
	if ((r = write_new(fd, j, p)) < 0 || (r = io_sync_dir(dirfd)) < 0) {
		(void)unlinkat(dirfd, JOURNAL_PENDING, 0);
		return r;
	}
	journal_forget_copy(dirfd);
	j->fd = take_fd(&fd);
	return 0;
}

int journal_supersede(int dirfd, struct journal *j, const struct plan *p, struct journal *old)
{
	autoclose int fd = -1;
	int r;

	/* what a killed one left; the lock on `old` keeps others away */
	if (unlinkat(dirfd, JOURNAL_NEXT, 0) < 0 && errno != ENOENT)
		return -errno;
	if ((r = open_locked(dirfd, JOURNAL_NEXT, O_CREAT, &fd)) < 0)
		return r;
	if ((r = write_new(fd, j, p)) == 0 &&
		renameat(dirfd, JOURNAL_NEXT, dirfd, JOURNAL_PENDING) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dirfd, JOURNAL_NEXT, 0);
		return r;
	}
	journal_forget_copy(dirfd);
	j->fd = take_fd(&fd);
	(void)close(take_fd(&old->fd));
	return io_sync_dir(dirfd);
}

int journal_resume(int dirfd, struct journal *ret)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	autoclose int fd = -1;
	int r = open_locked(dirfd, JOURNAL_PENDING, 0, &fd);

	if (r < 0)
		return r;
	if ((r = io_read_rest(fd, JOURNAL_MAX, &b)) < 0)
		return r;
	r = journal_parse(b.data, b.len, ret);
	if (r == -ENODATA) {	/* nothing was changed by it */
		(void)unlinkat(dirfd, JOURNAL_PENDING, 0);
		return -ENOENT;
	}
	if (r < 0)
		return r;
	ret->fd = take_fd(&fd);
	return 0;
}

int journal_peek(int dirfd, struct journal *ret)
{
	autoclose int fd = openat(dirfd, JOURNAL_PENDING, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	autoput(buf_release) struct buf b = BUF_INIT;
	int r;

	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return -errno;
	if (lock.l_type != F_UNLCK)
		return -EBUSY;
	r = io_read_rest(fd, JOURNAL_MAX, &b);
	if (r == 0)
		r = journal_parse(b.data, b.len, ret);
	return r == -ENODATA ? -ENOENT : r;
}

int journal_last(int dirfd, struct journal *ret)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = io_read_file(dirfd, JOURNAL_LAST, JOURNAL_MAX, &b);

	return r < 0 ? r : journal_parse(b.data, b.len, ret);
}

int journal_end(int dirfd, struct journal *j)
{
	if (renameat(dirfd, JOURNAL_PENDING, dirfd, JOURNAL_LAST) < 0)
		return -errno;
	(void)close(take_fd(&j->fd));
	return io_sync_dir(dirfd);
}

void journal_drop(int dirfd, struct journal *j)
{
	(void)unlinkat(dirfd, JOURNAL_PENDING, 0);
	if (j->fd >= 0)
		(void)close(take_fd(&j->fd));
}

void journal_note_copy(int dirfd, const char *dir)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	if (store_canonical(dir, &b) == 0)
		(void)io_replace_file(dirfd, JOURNAL_COPY, b.data, b.len, 0600);
}

int journal_copied(int dirfd, struct buf *ret)
{
	int r = io_read_file(dirfd, JOURNAL_COPY, 1 << 16, ret);

	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

void journal_forget_copy(int dirfd)
{
	(void)unlinkat(dirfd, JOURNAL_COPY, 0);
}
