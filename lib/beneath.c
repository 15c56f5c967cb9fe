/* Opening below a folder without ever leaving it: the kernel's openat2(2) where
 * it may be called, else one component at a time. */
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/auto.h"

/* The kernel would allow "a/../b", which stays inside; no name of ours needs it. */
static int check_path(const char *path)
{
	if (!path[0])
		return -ENOENT;
	if (path[0] == '/')
		return -EXDEV;
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");

		if (n == 2 && memcmp(p, "..", 2) == 0)
			return -EXDEV;
		p += n;
		p += strspn(p, "/");
	}
	return 0;
}

static bool is_link(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* O_DIRECTORY turns the ELOOP of O_NOFOLLOW into ENOTDIR: look which it was. */
static int walk_error(int dirfd, const char *name)
{
	int e = errno;

	if (e == ENOTDIR && is_link(dirfd, name))
		return -ELOOP;
	return e == EDQUOT ? -ENOSPC : -e;
}

static int same_device(int fd, dev_t dev)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_dev == dev ? 0 : -EXDEV;
}

static int open_last(int dirfd, const char *name, int flags, mode_t mode, bool same_fs, dev_t dev)
{
	autoclose int fd = -1;
	struct stat st;
	int r;

	/* Looked at first, so that O_TRUNC does not empty a file over there. */
	if (same_fs && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev != dev)
		return -EXDEV;
	if ((flags & O_PATH) && !(flags & O_NOFOLLOW) && is_link(dirfd, name))
		return -ELOOP;
	fd = openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return walk_error(dirfd, name);
	r = same_fs ? same_device(fd, dev) : 0;
	return r < 0 ? r : take_fd(&fd);
}

int io_open_beneath_walk(int dirfd, const char *path, int flags, mode_t mode, int same_fs)
{
	autoclose int at = -1;
	char name[NAME_MAX + 1];
	struct stat top = { 0 };
	int r = check_path(path);

	if (r < 0)
		return r;
	if (same_fs && fstatat(dirfd, ".", &top, 0) < 0)
		return -errno;
	for (;;) {
		size_t n = strcspn(path, "/");
		const char *next = path + n + strspn(path + n, "/");
		int dir;

		if (n > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path, n);
		name[n] = '\0';
		if (path[n] == '/')
			flags |= *next ? 0 : O_DIRECTORY;
		if (!*next)
			return open_last(
				at < 0 ? dirfd : at, name, flags, mode, same_fs, top.st_dev);
		dir = openat(
			at < 0 ? dirfd : at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir < 0)
			return walk_error(at < 0 ? dirfd : at, name);
		auto_close_(&at);
		at = dir;
		/* Devices, not mounts: a bind mount of the same file system passes here. */
		r = same_fs ? same_device(at, top.st_dev) : 0;
		if (r < 0)
			return r;
		path = next;
	}
}

int io_open_beneath(int dirfd, const char *path, int flags, mode_t mode, int same_fs)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? mode & 07777 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | (same_fs ? RESOLVE_NO_XDEV : 0),
	};
	int r = check_path(path);
	long fd;

	if (r < 0)
		return r;
	if (strlen(path) >= PATH_MAX)		/* the kernel takes a path in pieces only */
		return io_open_beneath_walk(dirfd, path, flags, mode, same_fs);
	do
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	while (fd < 0 && errno == EINTR);
	if (fd >= 0)
		return (int)fd;
	/* EPERM is what a container's filter says for a call it does not know; EAGAIN
	 * is a rename elsewhere that made the kernel unsure. */
	if (errno == ENOSYS || errno == EPERM || errno == EAGAIN)
		return io_open_beneath_walk(dirfd, path, flags, mode, same_fs);
	return errno == EDQUOT ? -ENOSPC : -errno;
}
