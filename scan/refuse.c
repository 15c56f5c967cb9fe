/* scan/refuse.c - what must not be a workspace. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "../lib/auto.h"
#include "../lib/buf.h"
#include "scan.h"

static bool same(const char *path, const struct stat *st)
{
	struct stat other;

	return stat(path, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

/* Is st one of path's ancestors? */
static bool above(const char *path, const struct stat *st)
{
	autofree char *p = strdup(path);
	char *slash;

	while (p && (slash = strrchr(p, '/')) != NULL && slash > p) {
		*slash = '\0';
		if (same(p, st))
			return true;
	}
	return false;
}

static bool is_store(const char *path)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct stat st;

	return buf_printf(&b, "%s/log/00000001.seg", path) == 0 && stat(b.data, &st) == 0 &&
	       S_ISREG(st.st_mode);
}

static bool in_store(const char *workspace)
{
	autofree char *p = strdup(workspace);
	char *slash;

	while (p && *p) {
		if (is_store(p))
			return true;
		slash = strrchr(p, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	return false;
}

/* /proc, /sys: made while they are read, and to read some of them does something. */
static bool is_kernels(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 &&
	       (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC ||
		       fs.f_type == DEBUGFS_MAGIC || fs.f_type == TRACEFS_MAGIC ||
		       fs.f_type == CGROUP2_SUPER_MAGIC || fs.f_type == CGROUP_SUPER_MAGIC ||
		       fs.f_type == DEVPTS_SUPER_MAGIC);
}

int scan_refuse(const char *workspace, const char **ret_why)
{
	const char *home = getenv("HOME");
	struct stat st;

	if (stat(workspace, &st) < 0)
		return -errno;
	*ret_why = NULL;
	if (same("/", &st))
		*ret_why = "it is the root of the file system";
	else if (home && *home == '/' && same(home, &st))
		*ret_why = "it is your home folder";
	else if (home && *home == '/' && above(home, &st))
		*ret_why = "your home folder is in it";
	else if (is_kernels(workspace))
		*ret_why = "its files are the kernel's";
	else if (in_store(workspace))
		*ret_why = "it is inside a store";
	return *ret_why ? -EPERM : 0;
}
