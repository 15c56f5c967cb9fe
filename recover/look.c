#include "look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/io.h"
#include "../store/hash.h"
#include "xalloc.h"

void folder_forget(struct folder *f)
{
	if (f->path && f->fd >= 0)
		(void)close(f->fd);
	free(f->path);
	f->path = NULL;
	f->fd = -1;
}

void folder_release(struct folder *f)
{
	folder_forget(f);
}

int folder_of(struct folder *f, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	*ret_name = !*path ? "." : slash ? slash + 1 : path;
	if (f->path && strlen(f->path) == n && !memcmp(f->path, path, n))
		return f->fd;
	folder_forget(f);
	f->path = xstrndup(path, n);
	f->fd = n ? io_open_beneath(f->root, f->path, O_RDONLY | O_DIRECTORY, 0, 0)
		  : fcntl(f->root, F_DUPFD_CLOEXEC, 3);
	if (f->fd == -EACCES)	/* a folder one may write to but not list */
		f->fd = io_open_beneath(f->root, f->path, O_PATH | O_DIRECTORY, 0, 0);
	if (f->fd == -1)
		f->fd = -errno;
	return f->fd;
}

void had_from_stat(const struct stat *st, struct had *ret)
{
	*ret = (struct had){
		.kind = S_ISREG(st->st_mode) ? KIND_FILE : S_ISLNK(st->st_mode) ? KIND_LINK :
			S_ISDIR(st->st_mode) ? KIND_DIR : KIND_SKIPPED,
		.mode = st->st_mode,
		.size = S_ISDIR(st->st_mode) ? 0 : (uint64_t)st->st_size,
		.mtime_ns = st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec,
		.ctime_ns = st->st_ctim.tv_sec * INT64_C(1000000000) + st->st_ctim.tv_nsec,
		.ino = st->st_ino,
	};
}

bool had_same(const struct had *a, const struct had *b)
{
	return a->kind == b->kind && a->mode == b->mode && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns && a->ino == b->ino;
}

int look_at(struct folder *f, const char *path, struct had *ret)
{
	const char *name;
	struct stat st;
	int dir = folder_of(f, path, &name);

	*ret = (struct had){ .kind = KIND_GONE };
	if (dir == -ENOENT || dir == -ENOTDIR || dir == -ELOOP)
		return 0;
	if (dir < 0)
		return dir;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	had_from_stat(&st, ret);
	return 0;
}

int hash_fd(int fd, uint64_t size, struct oid *ret)
{
	autofree char *block = xmalloc(1 << 17);
	uint64_t left = size;
	struct hash h;

	hash_begin(&h, "blob", size);
	for (;;) {
		ssize_t n = io_read_full(fd, block, 1 << 17);

		if (n < 0)
			return (int)n;
		if ((uint64_t)n > left)
			return -ESTALE;
		if (n == 0)
			break;
		hash_add(&h, block, (size_t)n);
		left -= (uint64_t)n;
	}
	if (left)
		return -ESTALE;
	hash_end(&h, ret);
	return 0;
}

int look_hash(struct folder *f, const char *path, const struct had *h, struct oid *ret)
{
	autoclose int fd = -1;
	const char *name;
	int dir = folder_of(f, path, &name);

	if (dir < 0)
		return dir;
	if (h->kind == KIND_LINK) {
		autofree char *target = xmalloc(h->size + 1);
		ssize_t n = readlinkat(dir, name, target, h->size + 1);

		if (n < 0)
			return -errno;
		if ((uint64_t)n != h->size)
			return -ESTALE;
		store_hash("blob", target, (size_t)n, ret);
		return 0;
	}
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : hash_fd(fd, h->size, ret);
}
