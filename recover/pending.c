#include "pending.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "apply.h"
#include "out.h"
#include "recover.h"
#include "restore.h"
#include "safety.h"
#include "told.h"
#include "xalloc.h"

static void say(const struct recover *r, const struct journal *j, const char *what)
{
	char hex[41], age[24];
	int64_t s = (r->now_ns - j->time_ns) / 1000000000;

	id_hex(&j->rev, hex);
	log_warn("the %s of %.*s begun %s ago was interrupted: %s", j->undo ? "undo" : "restore",
		SHORT_ID, hex, text_duration(s > 0 ? (uint64_t)s : 0, age), what);
}

void pending_say(const struct recover *r)
{
	autoput(journal_release) struct journal j = { .fd = -1 };

	int e = journal_peek(store_dirfd(r->store), &j);

	if (e == 0)
		say(r, &j,
			RECOVER " restore --continue finishes it, " RECOVER " undo takes it back");
	else if (e == -EBADMSG)
		pending_damaged(r, e);
}

void pending_damaged(const struct recover *r, int e)
{
	log_error_errno(e,
		"%s/" JOURNAL_PENDING ": a restore was interrupted, and what it was cannot "
		"be read; the snapshot \"before the restore\" (" RECOVER
		" list) holds what was there: delete that file, then restore what you "
		"want",
		r->store_path);
}

/* The folder it was about went elsewhere, and its snapshots with it: it shall not come back at the
 * old place. */
static bool elsewhere(const struct recover *r, const struct journal *j)
{
	if (!strcmp(j->workspace, r->workspace))
		return false;
	log_error(
		"a restore of %s was interrupted, and this workspace is %s: move it back to finish "
		"or undo that, or delete %s/" JOURNAL_PENDING " to leave it as it is",
		j->workspace, r->workspace, r->store_path);
	return true;
}

/* The process that began it did not live to tell. */
static void tell(struct recover *r, const struct journal *j, bool whole)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	autofree char *title = NULL, *what = NULL;
	char hex[41], when[32];

	id_hex(&j->rev, hex);
	if (store_by_prefix(r->store, hex, &sn) < 0)	/* thinned out since */
		sn.time_ns = j->time_ns;
	hex[SHORT_ID] = '\0';
	what = xasprintf("%s of %s", j->undo ? "undo" : "restore", hex);
	title = xasprintf("%s %s of %s, finished after an interruption",
		j->undo ? "take back the restore of" : "restore", hex,
		text_local_time(j->undo ? j->time_ns : sn.time_ns, when));
	restore_keep_result(r, what);
	tell_restore(j->workspace, r->store_path, title, &j->rev, &j->safety, whole);
}

static int finish(struct recover *r, struct journal *j)
{
	autoput(plan_release) struct plan p = { 0 };
	struct plan_options po = { .delete_ok = j->delete_ok, .no_known = true };
	struct apply_options ao = { .op = j->op, .sync = true };
	autoclose int root = -1;
	bool left;
	int e;

	if (restore_open_root(j->workspace, &root) || restore_make_root(j->workspace, &root))
		return EXIT_ENV;
	apply_sweep(root, &j->targets, j->op);
	if ((e = plan_build(r->store, root, &j->targets, &po, &p)) < 0) {
		log_error_errno(e, "cannot finish it now");
		return EXIT_ENV;
	}
	if (safety_check_resumed(r, root, j->safety_seq, &p) < 0)
		return EXIT_PART;
	(void)progress_new("restoring", "files",
		p.files[PLAN_CREATE] + p.files[PLAN_REPLACE] + p.files[PLAN_META], r->quiet,
		&ao.progress);
	e = apply_plan(r->store, root, &p, &ao);
	progress_done(ao.progress);
	if (e == -EINTR) {
		log_error("stopped again: " RECOVER " restore --continue goes on with it, " RECOVER
			  " undo takes it back");
		return EXIT_PART;
	}
	left = plan_complain(&p) > 0;
	if (e < 0) {
		log_error_errno(e, "%s: cannot be synced; " RECOVER
			" restore --continue does it again", j->workspace);
		return EXIT_PART;
	}
	if (left)
		log_error("the other paths of that restore are as wanted");
	if ((e = journal_end(store_dirfd(r->store), j)) < 0) {
		log_error_errno(e, "%s: the journal cannot be ended; " RECOVER
			" restore --continue does that", r->store_path);
		return EXIT_PART;
	}
	tell(r, j, !left);
	return left ? EXIT_PART : EXIT_DONE;
}

int pending_finish(struct recover *r)
{
	autoput(journal_release) struct journal j = { .fd = -1 };
	int e = journal_resume(store_dirfd(r->store), &j), rc;

	restore_as_owner(r);
	if (e == -ENOENT)
		return EXIT_NO;
	if (e < 0) {
		if (e == -EBUSY)
			log_error("a restore of this workspace is running");
		else if (e == -EBADMSG)
			pending_damaged(r, e);
		else
			log_error_errno(
				e, "%s: an interrupted restore cannot be finished", r->store_path);
		return EXIT_ENV;
	}
	if (elsewhere(r, &j))
		return EXIT_ENV;
	interrupt_catch();
	say(r, &j, "finishing it (" RECOVER " undo takes it back)");
	rc = finish(r, &j);
	if (interrupted) {
		context_close(r);
		exit(EXIT_PART);
	}
	return rc;
}
