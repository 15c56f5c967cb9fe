#include "carry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../editors/copies.h"
#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../scan/import.h"
#include "journal.h"
#include "mirror-stage.h"
#include "xalloc.h"

enum { DEEP = 4 };		/* folders in each other: a store has one */

static int copy_bytes(int from, int to)
{
	autofree char *p = NULL;
	ssize_t n;
	int e = 0;

	if (ioctl(to, FICLONE, from) == 0)	/* no room is needed for it */
		return 0;
	p = xmalloc(1 << 20);
	while (e == 0 && (n = io_read_full(from, p, 1 << 20)) > 0)
		e = io_write_all(to, p, (size_t)n);
	return e < 0 ? e : n < 0 ? (int)n : 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	autoclose int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), out = -1;
	int e;

	if (in < 0)
		return -errno;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (out < 0)
		return -errno;
	if ((e = copy_bytes(in, out)) < 0)
		return e;
	if (fchmod(out, st->st_mode & 0700) < 0 ||
	    futimens(out, (struct timespec[]){ st->st_atim, st->st_mtim }) < 0)
		return -errno;
	return io_sync(out);
}

/* Of a store in it: its log makes the rest again. */
static bool is_made_again(const char *name)
{
	return strncmp(name, "catalogue.", 10) == 0 || !strcmp(name, "lock") || !strcmp(name, "reserve");
}

static int copy(int from, int to, const char *name, int deep);

static int copy_folder(int from, int to, const char *name, int deep)
{
	autoclosedir DIR *d = NULL;
	autoclose int out = -1;
	const struct dirent *de;
	int e = io_opendir(from, name, &d);

	if (e < 0)
		return e;
	if (mkdirat(to, name, 0700) < 0 || (out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return -errno;
	while (e == 0 && (errno = 0, de = readdir(d)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, "..") && !is_made_again(de->d_name))
			e = copy(dirfd(d), out, de->d_name, deep - 1);
	if (e == 0)
		e = -errno;
	return e < 0 ? e : io_sync_dir(out);
}

static int copy(int from, int to, const char *name, int deep)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return deep ? copy_folder(from, to, name, deep) : -ELOOP;
	return S_ISREG(st.st_mode) ? copy_file(from, to, name, &st) : 0;
}

int carry_all(const char *from, const char *to)
{
	static const char *const names[] = {
		COPIES_NOW, COPIES_OLD, IMPORTED_LIST,
		JOURNAL_PENDING, JOURNAL_LAST, JOURNAL_NEXT, JOURNAL_COPY,
	};
	autoclose int a = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC), b = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int e = a < 0 || b < 0 ? -errno : 0;

	for (size_t i = 0; e == 0 && i < sizeof(names) / sizeof(*names); i++) {
		autofree char *path = xasprintf("%s/%s", to, names[i]);

		stage_remove(path);
		if ((e = copy(a, b, names[i], DEEP)) < 0)
			log_error_errno(e, "%s/%s: cannot be taken along to %s", from, names[i], to);
	}
	if (e == 0 && (e = io_sync_dir(b)) < 0)
		log_error_errno(e, "%s", to);
	return e < 0 ? EXIT_ENV : EXIT_DONE;
}
