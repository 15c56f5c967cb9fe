/* Undo: the touched paths of the last restore as its safety snapshot holds them. A restore that was
 * interrupted is taken back from where it stands. */
#include "recover.h"

#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "apply.h"
#include "out.h"
#include "pending.h"
#include "restore.h"
#include "xalloc.h"

enum { U_DRY_RUN = 1, U_YES, U_VERIFY };

const struct opt undo_opts[] = {
	OPT_DRY_RUN(U_DRY_RUN),
	OPT_YES(U_YES),
	OPT_VERIFY(U_VERIFY),
	{ 0 },
};

static int fill_targets(struct recover *r, const struct journal *j, struct targets *t)
{
	static const struct store_entry gone = { .kind = KIND_GONE };

	for (size_t i = 0; i < j->targets.n; i++) {
		const char *path = j->targets.t[i].path;
		struct store_entry e;
		int err =
			j->safety_seq ? store_entry_at(r->store, j->safety_seq, path, &e) : -ENOENT;

		if (err < 0 && err != -ENOENT)
			return err;
		if (err == 0 && e.kind == KIND_SKIPPED)	/* it was not touched then */
			continue;
		if (err == 0 && e.kind != KIND_GONE)
			targets_add(t, path, &e, false);
		else if (*path)
			targets_add(t, path, &gone, false);
	}
	return 0;
}

/* Temporaries of the killed restore: they are in no snapshot and of no use. */
static void sweep(struct recover *r, struct journal *j)
{
	autoclose int root = -1;

	if (restore_open_root(r->workspace, &root) == EXIT_DONE && root >= 0)
		apply_sweep(root, &j->targets, j->op);
}

static int load(struct recover *r, struct journal *j, bool *ret_pending)
{
	int e = journal_resume(store_dirfd(r->store), j);

	*ret_pending = e == 0;
	if (e == -EBUSY) {
		log_error("a restore of this workspace is running");
		return EXIT_ENV;
	}
	/* what is pending is what is meant, and never an older one in its place */
	if (e == -EBADMSG) {
		pending_damaged(r, e);
		return EXIT_ENV;
	}
	if (e < 0 && e != -ENOENT)
		return context_failed(r, e, "cannot read what the last restore did");
	if (e < 0)
		e = journal_last(store_dirfd(r->store), j);
	if (e == -ENOENT) {
		log_error("there is no restore to undo");
		return EXIT_NO;
	}
	return e < 0 ? context_failed(r, e, "cannot read what the last restore did") : EXIT_DONE;
}

/* The last thing done was a copy: that is no restore to take back, and the one before it is not
 * what is meant. */
static int check_copy(struct recover *r, const struct journal *j, bool dry_run)
{
	autoput(buf_release) struct buf dir = BUF_INIT;
	char when[32];

	if (journal_copied(store_dirfd(r->store), &dir) != 1)
		return EXIT_DONE;
	log_error("the last restore wrote a copy to %s and replaced nothing: delete that folder "
		  "yourself; " RECOVER
		  " undo %stakes back the %s before it, made in the workspace at %s",
		dir.data, dry_run ? "twice " : "again ", j->undo ? "undo" : "restore",
		text_local_time(j->time_ns, when));
	if (!dry_run)
		journal_forget_copy(store_dirfd(r->store));
	return EXIT_NO;
}

static void restore_release(struct restore *x)
{
	targets_release(&x->targets);
}

int cmd_undo(struct recover *r, const struct args *a)
{
	autoput(journal_release) struct journal j = { .fd = -1 };
	autofree char *title = NULL, *what = NULL;
	char hex[41], when[32];
	autoput(restore_release) struct restore x = {
		.r = r,
		.undo = true,
		.dry_run = a->on[U_DRY_RUN],
		.yes = a->on[U_YES],
		.verify = a->on[U_VERIFY],
		.delete_ok = true,
	};
	bool pending;
	int rc, e;

	if ((rc = context_may_write(r)) || (rc = load(r, &j, &pending)))
		return rc;
	if (strcmp(j.workspace, r->workspace)) {
		id_hex(&j.safety, hex);
		hex[SHORT_ID] = 0;
		log_error("the last restore was of %s%s%s", j.workspace,
			j.safety_seq ? "; what was there before it comes back by " RECOVER " restore " : "",
			j.safety_seq ? hex : "");
		return EXIT_ENV;
	}
	if (!pending && (rc = check_copy(r, &j, x.dry_run)))
		return rc;
	if (pending && !x.dry_run)
		sweep(r, &j);
	if ((e = fill_targets(r, &j, &x.targets)) < 0)
		return context_failed(r, e, "cannot read the snapshot from before it");
	id_hex(&j.rev, hex);
	hex[SHORT_ID] = 0;
	x.rev = j.rev;
	x.interrupted = pending ? &j : NULL;
	x.reverted_undo = j.undo;
	title = xasprintf("take back the %s of %s made at %s", j.undo ? "undo" : "restore", hex,
		text_local_time(j.time_ns, when));
	what = xasprintf("undo of %s", hex);
	x.title = title;
	x.what = what;
	return restore_run(&x);
}
