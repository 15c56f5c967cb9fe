/* A text that is in no snapshot, over a file: see over.h. The journal's wanted state is the old
 * one:
 * killed in between, the next command puts back what was there, and `undo` does. */
#include "over.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "pending.h"
#include "restore.h"
#include "rev.h"
#include "safety.h"
#include "told.h"
#include "xalloc.h"

/* name below the workspace: its folder is opened without following a link. */
static int replace(int root, const char *name, const struct buf *text, mode_t mode)
{
	const char *base = strrchr(name, '/');
	autofree char *dir = base ? xstrndup(name, (size_t)(base - name)) : NULL;
	autoclose int fd =
		dir ? io_open_beneath(root, dir, O_RDONLY | O_DIRECTORY, 0, 0) : dup(root);

	if (fd < 0)
		return dir ? fd : -errno;
	return io_replace_file(fd, base ? base + 1 : name, text->data, text->len, mode);
}

/* What the safety snapshot holds of it, as the one item of a plan. */
static int plan_of(struct recover *r, const struct store_snapshot *safety, const char *name,
	struct plan_item *ret)
{
	int e = store_entry_at(r->store, safety->seq, name, &ret->want);

	if (e < 0 && e != -ENOENT)
		return e;
	if (e == -ENOENT)
		ret->want = (struct store_entry){ .kind = KIND_GONE };
	ret->action = PLAN_REPLACE;
	return 0;
}

static int write_it(struct recover *r, const struct store_snapshot *safety, const char *name,
	const struct buf *text, mode_t mode, struct plan *p, int root)
{
	autoput(journal_release) struct journal j = { .fd = -1,
		.delete_ok = true,
		.time_ns = r->now_ns,
		.safety_seq = safety->seq,
		.safety = safety->id,
		.rev = safety->id,
		.workspace = xstrdup(r->workspace) };
	int dirfd = store_dirfd(r->store), e = journal_begin(dirfd, &j, p);

	if (e < 0)
		return context_failed(
			r, e, "cannot write the journal of the restore, so nothing was changed");
	e = replace(root, name, text, mode);
	if (e < 0) {
		journal_drop(dirfd, &j);
		log_error_errno(e, "%s", name);
		return EXIT_ENV;
	}
	if ((e = journal_end(dirfd, &j)) < 0) {
		log_error_errno(e, "%s: the journal cannot be ended", r->store_path);
		return EXIT_PART;
	}
	return EXIT_DONE;
}

int over_write(
	struct recover *r, const char *name, const struct buf *text, mode_t mode, const char *what)
{
	autoput(store_snapshot_release) struct store_snapshot safety = { 0 };
	autofree char *path = xstrdup(name), *before = xasprintf("before the %s", what);
	struct plan_item item = { .path = path };
	struct plan p = { .item = &item, .n = 1, .cap = 1 };
	autoclose int root = -1;
	int rc, e;

	if ((rc = pending_finish(r)) == EXIT_ENV || (rc = restore_open_root(r->workspace, &root)))
		return rc;
	restore_as_owner(r);
	if ((rc = safety_take(r, before, &safety)))
		return rc;
	if (root < 0) {
		log_error("%s: is gone", r->workspace);
		return EXIT_ENV;
	}
	if ((e = plan_of(r, &safety, name, &item)) < 0)
		return context_failed(r, e, "cannot read the snapshot from before it");
	if (safety_check(r, root, &p) < 0 || item.action == PLAN_BLOCKED) {
		(void)plan_complain(&p);
		log_error("nothing was changed");
		return EXIT_PART;
	}
	if ((rc = write_it(r, &safety, name, text, mode, &p, root)))
		return rc;
	restore_keep_result(r, what);
	tell_restore(r->workspace, r->store_path, what, &safety.id, &safety.id, true);
	if (!r->quiet)
		log_info("%s: done; " RECOVER " undo takes it back", name);
	return EXIT_DONE;
}
