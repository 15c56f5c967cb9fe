#include "at.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/io.h"

/* The kernel's limit holds for one call and counts the NUL. */
enum { PIECE_MAX = PATH_MAX - 1, NEAR_MIN = 256 };

const char *at_base(const char *path, size_t *ret_parent_len)
{
	const char *slash = strrchr(path, '/');

	*ret_parent_len = slash ? (size_t)(slash - path) : 0;
	return slash ? slash + 1 : path;
}

/* Open the folders of path until what is left is short enough. *at stays -1 if it is at once. */
static int shorten(int rootfd, const char **path, int *at)
{
	char piece[PATH_MAX];

	while (strlen(*path) > PIECE_MAX) {
		size_t n = PIECE_MAX;
		int fd;

		while (n && (*path)[n] != '/')
			n--;
		if (!n)
			return -ENAMETOOLONG;
		memcpy(piece, *path, n);
		piece[n] = '\0';
		fd = io_open_beneath(*at < 0 ? rootfd : *at, piece, O_PATH | O_DIRECTORY, 0, 0);
		if (fd < 0)
			return fd;
		auto_close_(at);
		*at = fd;
		*path += n + 1;
	}
	return 0;
}

int at_open(int rootfd, const char *path, int flags)
{
	autoclose int at = -1;
	int r;

	if (!*path) {
		int fd = openat(rootfd, ".", flags | O_CLOEXEC);

		return fd < 0 ? -errno : fd;
	}
	r = shorten(rootfd, &path, &at);
	if (r < 0)
		return r;
	return io_open_beneath(at < 0 ? rootfd : at, path, flags, 0, 0);
}

void at_forget(struct at_near *n)
{
	auto_close_(&n->fd);
	n->fd = -1;
	buf_release(&n->path);
}

/* Make n the folder that is path's first len bytes. */
static int step(int rootfd, struct at_near *n, const char *path, size_t len)
{
	size_t have = n->path.len;
	bool above = n->fd >= 0 && have < len && path[have] == '/' &&
		     memcmp(path, n->path.data, have) == 0;
	autofree char *rest = NULL;
	int fd;

	if (n->fd >= 0 && have == len && memcmp(path, n->path.data, len) == 0)
		return 0;
	rest = above ? strndup(path + have + 1, len - have - 1) : strndup(path, len);
	if (!rest)
		return -ENOMEM;
	fd = at_open(above ? n->fd : rootfd, rest, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return fd;
	auto_close_(&n->fd);
	n->fd = fd;
	buf_reset(&n->path);
	return buf_add(&n->path, path, len);
}

int at_open_near(int rootfd, struct at_near *n, const char *path, int flags)
{
	struct stat st;
	size_t len;
	const char *base = at_base(path, &len);
	int fd;

	if (len < NEAR_MIN || step(rootfd, n, path, len) < 0) {
		at_forget(n);
		return at_open(rootfd, path, flags);
	}
	fd = io_open_beneath(n->fd, base, flags, 0, 0);
	if (fd >= 0 || (fd == -ENOENT && fstat(n->fd, &st) == 0 && st.st_nlink))
		return fd;
	at_forget(n);
	return at_open(rootfd, path, flags);
}

int at_stat(int rootfd, const char *path, struct stat *ret)
{
	autofree char *parent = NULL;
	autoclose int dir = -1;
	size_t len;
	const char *base = at_base(path, &len);

	if (len) {
		parent = strndup(path, len);
		if (!parent)
			return -ENOMEM;
		dir = at_open(rootfd, parent, O_PATH | O_DIRECTORY);
		if (dir < 0)
			return dir;
	}
	if (!*path)
		return fstat(rootfd, ret) < 0 ? -errno : 0;
	return fstatat(dir < 0 ? rootfd : dir, base, ret, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int at_open_file(int dirfd, const char *name)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = openat(dirfd, name, flags | O_NOATIME);

	if (fd < 0 && errno == EPERM)
		fd = openat(dirfd, name, flags);
	return fd < 0 ? -errno : fd;
}
