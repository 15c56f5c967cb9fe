#include "around.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../config/config.h"
#include "../lib/auto.h"
#include "../lib/io.h"

enum { PATH_READ = 1 << 16 };

bool around_is_store(const char *dir)
{
	autoput(buf_release) struct buf log = BUF_INIT;

	if (buf_addstr(&log, dir) < 0 || buf_addstr(&log, "/log") < 0)
		return false;
	return access(log.data, F_OK) == 0 || errno == EACCES;
}

int around_above(const char *path, const char *parent, struct buf *ret)
{
	autoput(buf_release) struct buf place = BUF_INIT;
	char *slash;

	buf_reset(ret);
	if (buf_addstr(ret, path) < 0)
		return -ENOENT;
	while ((slash = strrchr(ret->data, '/')) && ret->data[1]) {
		slash[slash == ret->data] = '\0';
		buf_reset(&place);
		if (config_store_place(ret->data, parent, &place) == 0 && around_is_store(place.data))
			return 0;
	}
	return -ENOENT;
}

/* One store: is the folder it keeps gone? */
static bool is_gone(int dirfd, const char *name, struct buf *ret)
{
	autoclose int at = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	buf_reset(ret);
	if (at < 0 || io_read_file(at, "workspace", PATH_READ, ret) < 0 || !ret->len)
		return false;
	ret->data[strcspn(ret->data, "\n")] = 0;
	return *ret->data == '/' && access(ret->data, F_OK) < 0 && errno == ENOENT;
}

int around_gone(const char *parent, int (*fn)(const char *workspace, void *arg), void *arg)
{
	autoput(buf_release) struct buf dir = BUF_INIT, workspace = BUF_INIT;
	autoclosedir DIR *d = NULL;
	struct dirent *e;
	int r = config_store_place("/x", parent, &dir);

	if (r < 0)
		return -ENOENT;
	*strrchr(dir.data, '/') = 0;
	if (!(d = opendir(dir.data)))
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (e = readdir(d)))
		if (*e->d_name != '.' && is_gone(dirfd(d), e->d_name, &workspace))
			r = fn(workspace.data, arg);
	return r;
}

/* ---- the likeliest ------------------------------------------------------------- */

struct likely {
	const char *path;
	struct buf *best;
	int n, points;
};

static size_t dir_len(const char *path)
{
	return (size_t)(strrchr(path, '/') - path);
}

static int points(const char *a, const char *b)
{
	if (strcmp(a + dir_len(a), b + dir_len(b)) == 0)
		return 3;
	return dir_len(a) == dir_len(b) && strncmp(a, b, dir_len(a)) == 0 ? 2 : 0;
}

static int weigh(const char *workspace, void *arg)
{
	struct likely *l = arg;
	int p = points(workspace, l->path);

	l->n += p > 0;
	if (p <= l->points)
		return 0;
	l->points = p;
	buf_reset(l->best);
	return buf_addstr(l->best, workspace);
}

int around_moved(const char *path, const char *parent, struct buf *ret)
{
	struct likely l = { .path = path, .best = ret };
	int r = around_gone(parent, weigh, &l);

	return r < 0 ? r : l.n;
}
