/* Where a workspace's store is, and who writes to it. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../config/config.h"
#include "internal.h"

/* realpath of the longest part that exists, the rest appended as it is (but for "." and ".."). */
int store_canonical(const char *workspace, struct buf *ret)
{
	autofree char *path = NULL, *real = NULL;
	autoput(buf_release) struct buf abs = BUF_INIT;
	char cwd[PATH_MAX];
	size_t len;

	if (!*workspace)
		return -ENOENT;
	if (*workspace != '/') {
		if (!getcwd(cwd, sizeof(cwd)))
			return -errno;
		if (buf_printf(&abs, "%s/", cwd) < 0)
			return -ENOMEM;
	}
	if (buf_addstr(&abs, workspace) < 0)
		return -ENOMEM;
	path = buf_detach(&abs, &len);
	for (size_t cut = len;;) {
		char keep = path[cut];

		path[cut] = 0;
		real = realpath(cut ? path : "/", NULL);
		path[cut] = keep;
		if (real)
			return buf_printf(ret, "%s%s%s",
				strcmp(real, "/") == 0 && cut < len ? "" : real,
				cut < len && path[cut] != '/' ? "/" : "", path + cut);
		if (errno != ENOENT && errno != ENOTDIR)
			return -errno;
		while (cut > 0 && path[cut - 1] == '/')
			path[--cut] = 0, len = cut;
		while (cut > 0 && path[cut - 1] != '/')
			cut--;
		if (cut > 1)
			cut--;
		if (strcmp(path + cut, "/..") == 0 || strcmp(path + cut, "/.") == 0)
			return -ENOENT;
	}
}

int store_place(const char *workspace, const char *override, const char *parent, struct buf *ret)
{
	const char *env = getenv("HOLDFAST_STORE");

	if (!override && env && *env)
		override = env;
	return override ? store_canonical(override, ret)
			: config_store_place(workspace, parent, ret);
}

static bool same_folder(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int store_keeps(const char *dir, const char *workspace, struct buf *ret)
{
	autoput(buf_release) struct buf path = BUF_INIT, kept = BUF_INIT;
	int r = buf_printf(&path, "%s/workspace", dir);

	if (r == 0)
		r = io_read_file(AT_FDCWD, path.data, 65536, &kept);
	if (r == -ENOENT || r == -ENOTDIR || (r >= 0 && !kept.len))
		return 1;
	if (r < 0)
		return r;
	if (strcmp(kept.data, workspace) == 0 || same_folder(kept.data, workspace))
		return 1;
	return buf_addstr(ret, kept.data);
}

int store_writer(const char *dir, pid_t *ret_pid)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	autoput(buf_release) struct buf path = BUF_INIT;
	autoclose int fd = -1;
	char text[32] = "";
	ssize_t n;

	if (buf_printf(&path, "%s/lock", dir) < 0)
		return -ENOMEM;
	fd = open(path.data, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		fd = open(path.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fcntl(fd, F_OFD_GETLK, &fl) < 0)
		return -errno;
	if (fl.l_type == F_UNLCK)
		return 0;
	n = io_read_full(fd, text, sizeof(text) - 1);
	if (ret_pid)
		*ret_pid = n > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
	return 1;
}
