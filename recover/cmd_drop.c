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
#include "../lib/text.h"
#include "../store/mirrored.h"
#include "mirror-stage.h"
#include "out.h"
#include "stores.h"
#include "xalloc.h"

enum { D_YES = 1 };

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
	char line[16];

	if (yes)
		return EXIT_DONE;
	if (!isatty(STDIN_FILENO)) {
		log_error("not dropped: nobody to ask; --yes does it without asking");
		return EXIT_USAGE;
	}
	fputs("all of them go, for ever. Type yes: ", stderr);
	if (!fgets(line, sizeof(line), stdin) || strcmp(line, "yes\n") != 0) {
		log_error("not dropped");
		return EXIT_NO;
	}
	return EXIT_DONE;
}

/* The files of a folder; folders in it are nobody's we know, and stay. */
static int empty(int at, const char *name)
{
	autoclosedir DIR *d = NULL;
	struct dirent *e;
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!(d = fdopendir(fd))) {
		close(fd);
		return -errno;
	}
	while ((errno = 0, e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") &&
			unlinkat(fd, e->d_name, 0) < 0 && errno != EISDIR && errno != EPERM)
			return -errno;
	return -errno;
}

/* Out of sight first, in one step: half a store is none. */
static int drop(struct store *s, const char *dir)
{
	const char *slash = strrchr(dir, '/');
	autofree char *away = xasprintf("%.*s/.%s.dropped", (int)(slash - dir), dir, slash + 1);
	static const char *const ours[] = { MIRROR_DIR, COPIES_NOW, COPIES_OLD };
	int fd = store_dirfd(s), e;

	if (rename(dir, away) < 0)
		return -errno;
	if ((e = empty(fd, "log")) < 0 || (unlinkat(fd, "log", AT_REMOVEDIR) < 0 && (e = -errno)) ||
	    (e = empty(fd, ".")) < 0)
		return e;
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
		autofree char *path = xasprintf("%s/%s", away, ours[i]);

		stage_remove(path);
	}
	return rmdir(away) < 0 ? -errno : 0;
}

int cmd_drop(struct recover *r, const struct args *a)
{
	autoput(buf_release) struct buf dir = BUF_INIT, workspace = BUF_INIT;
	autoput(close_store) struct store *s = NULL;
	int e = config_load(&r->cfg, NULL, NULL, NULL), rc;

	if (e < 0 && e != -EINVAL)
		return context_failed(r, e, "cannot read the settings");
	if ((rc = stores_find(r, a->arg[0], &dir, &workspace)) ||
		(rc = stores_lock(dir.data, &s)) || (rc = show(s, dir.data, workspace.data)) ||
		(rc = confirm(a->on[D_YES])))
		return rc;
	if ((e = drop(s, dir.data)) < 0) {
		log_error_errno(e, "%s", dir.data);
		return EXIT_PART;
	}
	if (!r->quiet)
		log_info("%s: dropped", dir.data);
	return EXIT_DONE;
}
