/* A workspace has moved: its store follows. */
#include "recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "stores.h"

enum { A_FORCE = 1 };

const struct opt adopt_opts[] = {
	{ A_FORCE, 0, "force", OPT_FLAG, NULL, "also while OLD is still there" },
	{ 0 },
};

static void close_store(struct store **s)
{
	store_close(*s);
}

/* May the store in dir become new's, which is to lie in place? */
static int may(const char *dir, const char *old, const char *new, const char *place, bool force)
{
	struct stat st, o;

	if (stat(new, &st) < 0 || !S_ISDIR(st.st_mode)) {
		log_error("%s: %s", new,
			errno == ENOENT ? "is not there; it must be where the workspace is now"
					: "is no folder");
		return EXIT_ENV;
	}
	if (strcmp(dir, place) != 0 && lstat(place, &o) == 0) {
		log_error("%s: has a store of its own (%s); " RECOVER " drop %s takes that away",
			new, place, new);
		return EXIT_ENV;
	}
	if (!force && strcmp(old, new) != 0 && *old && stat(old, &o) == 0 &&
	    !(o.st_dev == st.st_dev && o.st_ino == st.st_ino)) {
		log_error("%s: is still there, and so its snapshots would stop being found; "
			  "--force if you mean it",
			old);
		return EXIT_ENV;
	}
	return EXIT_DONE;
}

/* First the name in it, then its place: who dies in between finds it again by the same command. */
static int move(struct store *s, const char *dir, const char *new, const char *place)
{
	autoclose int parent = -1;
	int e = io_replace_file(store_dirfd(s), "workspace", new, strlen(new), 0600);

	if (e < 0 || strcmp(dir, place) == 0)
		return e;
	if ((e = io_rename_new(dir, place)) < 0)
		return e;
	parent = openat(store_dirfd(s), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return parent < 0 ? -errno : io_sync_dir(parent);
}

int cmd_adopt(struct recover *r, const struct args *a)
{
	autoput(buf_release) struct buf dir = BUF_INIT, old = BUF_INIT, new = BUF_INIT,
					place = BUF_INIT;
	autoput(close_store) struct store *s = NULL;
	int e = config_load(&r->cfg, NULL, NULL, NULL), rc;

	if (e < 0 && e != -EINVAL)
		return context_failed(r, e, "cannot read the settings");
	if ((rc = stores_find(r, a->arg[0], &dir, &old)))
		return rc;
	if ((e = store_canonical(a->arg[1], &new)) < 0 ||
	    (e = store_place(new.data, NULL, r->cfg.store_dir, &place)) < 0) {
		log_error_errno(e, "%s", a->arg[1]);
		return EXIT_ENV;
	}
	/* One that was put somewhere by hand (--store) stays there. */
	{
		autoput(buf_release) struct buf usual = BUF_INIT;

		if (old.len && store_place(old.data, NULL, r->cfg.store_dir, &usual) == 0 &&
		    strcmp(usual.data, dir.data) != 0 && strcmp(old.data, new.data) != 0) {
			buf_reset(&place);
			if (buf_addstr(&place, dir.data) < 0)
				return context_failed(r, -ENOMEM, "");
		}
	}
	if ((rc = may(dir.data, old.data, new.data, place.data, a->on[A_FORCE])) ||
		(rc = stores_lock(dir.data, &s)))
		return rc;
	if ((e = move(s, dir.data, new.data, place.data)) < 0) {
		log_error_errno(e, "%s", dir.data);
		return EXIT_ENV;
	}
	if (!r->quiet)
		log_info("%s: has the snapshots of %s now", new.data,
			*old.data ? old.data : dir.data);
	return EXIT_DONE;
}
