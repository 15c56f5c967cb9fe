/* A store that nobody wants any more: all its snapshots go. */
#include "recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../editors/copies.h"
#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/question.h"
#include "../lib/text.h"
#include "../store/mirrored.h"
#include "mirror-stage.h"
#include "out.h"
#include "stores.h"
#include "xalloc.h"

enum { D_YES = 1 };
#define AWAY ".dropped"		/* behind the name of a store that is taken away */

const struct opt drop_opts[] = {
	OPT_YES(D_YES),
	{ 0 },
};

static void close_store(struct store **s)
{
	store_close(*s);
}

/* What is shown before anything goes. */
static int show(struct store *s, const char *dir, const char *workspace)
{
	struct store_totals t;
	char size[16];
	int e = store_totals(s, &t);

	if (e < 0) {
		log_error_errno(e, "%s", dir);
		return EXIT_ENV;
	}
	printf("workspace  ");
	out_name(*workspace ? workspace : "(not known)");
	printf("%s\nstore      ", *workspace && access(workspace, F_OK) < 0 ? "  (gone)" : "");
	out_name(dir);
	printf("\nsnapshots  %llu, %s\n", (unsigned long long)t.snapshots,
		text_size(t.log_bytes + t.catalogue_bytes, size));
	(void)fflush(stdout);
	return EXIT_DONE;
}

static int confirm(bool yes)
{
	if (yes)
		return EXIT_DONE;
	if (!isatty(STDIN_FILENO)) {
		log_error("not dropped: nobody to ask; --yes does it without asking");
		return EXIT_USAGE;
	}
	if (!question_typed("all of them go, for ever", NULL)) {
		log_error("not dropped");
		return EXIT_NO;
	}
	return EXIT_DONE;
}

/* The files of a folder but one; folders in it are nobody's we know, and stay. */
static int empty(int at, const char *name, const char *but)
{
	autoclosedir DIR *d = NULL;
	struct dirent *e;
	int r = io_opendir(at, name, &d);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((errno = 0, e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, but) &&
			unlinkat(dirfd(d), e->d_name, 0) < 0 && errno != EISDIR && errno != EPERM)
			return -errno;
	return -errno;
}

/* All of a store that has no name any more; last what it is known by. */
static int remove_away(const char *away)
{
	static const char *const ours[] = { MIRROR_DIR, COPIES_NOW, COPIES_OLD };
	autoclose int fd = open(away, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int e;

	if (fd < 0)
		return -errno;
	if ((e = empty(fd, "log", "")) < 0 || (unlinkat(fd, "log", AT_REMOVEDIR) < 0 && errno != ENOENT && (e = -errno)) ||
	    (e = empty(fd, ".", "workspace")) < 0)
		return e;
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
		autofree char *path = xasprintf("%s/%s", away, ours[i]);

		stage_remove(path);
	}
	(void)unlinkat(fd, "workspace", 0);
	return rmdir(away) < 0 ? -errno : 0;
}

static bool is_left(int parent, const char *name)
{
	size_t n = strlen(name), k = strlen(AWAY);
	autoclose int fd = -1;

	if (*name != '.' || n <= k + 1 || strcmp(name + n - k, AWAY) != 0)
		return false;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && store_is(fd);
}

/* Out of sight first, in one step: half a store is none. */
static int drop(const char *dir)
{
	const char *slash = strrchr(dir, '/');
	autofree char *away = xasprintf("%.*s/.%s" AWAY, (int)(slash - dir), dir, slash + 1);

	if (rename(dir, away) < 0) {
		if (errno != ENOTEMPTY && errno != EEXIST)
			return -errno;
		/* One of that name was dropped before, and whoever did it was ended. */
		if (remove_away(away) < 0 || rename(dir, away) < 0)
			return -errno;
	}
	return remove_away(away);
}

void stores_sweep(const char *parent)
{
	autoclosedir DIR *d = opendir(parent);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		autofree char *away = xasprintf("%s/%s", parent, e->d_name);
		int r;

		if (!is_left(dirfd(d), e->d_name) || store_writer(away, NULL) == 1)
			continue;
		if ((r = remove_away(away)) < 0)
			log_warn_errno(r, "%s: what is left of a dropped store", away);
		else
			log_info("%s: what was left of a dropped store is gone", away);
	}
}

int cmd_drop(struct recover *r, const struct args *a)
{
	autoput(buf_release) struct buf dir = BUF_INIT, workspace = BUF_INIT;
	autoput(close_store) struct store *s = NULL;
	autoput(buf_release) struct buf parent = BUF_INIT;
	int e = config_load(&r->cfg, NULL, NULL, NULL), rc;

	if (e < 0 && e != -EINVAL)
		return context_failed(r, e, "cannot read the settings");
	if ((rc = stores_parent(r, &parent)))
		return rc;
	stores_sweep(parent.data);
	if ((rc = stores_find(r, a->arg[0], &dir, &workspace)) ||
		(rc = stores_lock(dir.data, &s)) || (rc = show(s, dir.data, workspace.data)) ||
		(rc = confirm(a->on[D_YES])))
		return rc;
	if ((e = drop(dir.data)) < 0) {
		log_error_errno(e, "%s", dir.data);
		return EXIT_PART;
	}
	if (!r->quiet)
		log_info("%s: dropped", dir.data);
	return EXIT_DONE;
}
