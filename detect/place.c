/* detect/place.c - the folders of the room; see detect.h. */
#include "detect/detect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/buf.h"
#include "lib/log.h"

enum { STEP = O_PATH | O_DIRECTORY | O_CLOEXEC };

/* One component below dir. Who may write to a folder on the way (/tmp) could lay a link there
 * for us: only the administrator's links and our own are followed. */
static int step(int dir, const char *name, bool make)
{
	int fd = openat(dir, name, STEP | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 && errno == ENOENT && make) {
		if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
			return -errno;
		fd = openat(dir, name, STEP | O_NOFOLLOW);
	}
	if (fd >= 0 || (errno != ELOOP && errno != ENOTDIR))
		return fd < 0 ? -errno : fd;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return -ELOOP;
	fd = openat(dir, name, STEP);
	return fd < 0 ? -errno : fd;
}

/* The folder at its end is ours and nobody else's to enter. */
static int make_private(int dir)
{
	autoclose int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid())
		return -EPERM;
	if ((st.st_mode & 0777) != 0700 && fchmod(fd, 0700) < 0)
		return -errno;
	return take_fd(&fd);
}

static int open_place(char *path, bool make)
{
	autoclose int at = open(*path == '/' ? "/" : ".", STEP);
	char *rest = path, *name;

	if (at < 0)
		return -errno;
	while ((name = strtok_r(rest, "/", &rest))) {
		int next = step(at, name, make);

		if (next < 0)
			return next;
		(void)close(at);
		at = next;
	}
	return make_private(at);
}

/* A path that is not absolute counts as unset: so says the XDG specification. */
static const char *absolute(const char *variable)
{
	const char *s = getenv(variable);

	return s && *s == '/' ? s : NULL;
}

static int state_path(struct buf *b)
{
	const char *all = getenv("HOLDFAST_STATE"), *xdg = absolute("XDG_STATE_HOME"),
		   *home = absolute("HOME");

	if (all && *all)
		return buf_addstr(b, all);
	if (xdg)
		return buf_printf(b, "%s/holdfast", xdg);
	if (!home)
		home = detect_user_home();
	return home ? buf_printf(b, "%s/.local/state/holdfast", home) : -ENOENT;
}

bool detect_state_is_known(void)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	return state_path(&b) == 0;
}

void detect_state_complain(int r)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	if (state_path(&b) < 0)
		log_error("where the state is kept is not known: HOME is not set, and user %u has no entry with a home; "
			  "HOLDFAST_STATE=DIR names a folder", (unsigned)geteuid());
	else
		(void)log_error_errno(r, "%s: the state folder (HOLDFAST_STATE names another)", b.data);
}

int detect_state_dir(void)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = state_path(&b);

	return r < 0 ? r : open_place(b.data, true);
}

int detect_state_dir_if_any(void)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = state_path(&b);

	return r < 0 ? r : open_place(b.data, false);
}

int detect_run_dir(void)
{
	const char *all = getenv("HOLDFAST_STATE"), *xdg = absolute("XDG_RUNTIME_DIR");
	autoput(buf_release) struct buf b = BUF_INIT;
	int r;

	if ((all && *all) || !xdg)
		return detect_state_dir();
	r = buf_printf(&b, "%s/holdfast", xdg);
	return r < 0 ? r : open_place(b.data, true);
}
