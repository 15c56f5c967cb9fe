#include "pending.h"

#include <errno.h>
#include <stdlib.h>

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

	if (journal_peek(store_dirfd(r->store), &j) == 0)
		say(r, &j,
			RECOVER " restore --continue finishes it, " RECOVER " undo takes it back");
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
	if ((e = plan_build(r->store, root, &j->targets, &po, &p)) < 0) {
		log_error_errno(e, "cannot finish it now");
		return EXIT_ENV;
	}
	apply_sweep(root, &p, j->op);
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
	if (left)
		log_error("the other paths of that restore are as wanted");
	if (e == 0 && (e = journal_end(store_dirfd(r->store), j)) < 0)
		log_error_errno(e, "cannot end the journal");
	if (e == 0)
		tell(r, j, !left);
	return e < 0 ? EXIT_ENV : left ? EXIT_PART : EXIT_DONE;
}

int pending_finish(struct recover *r)
{
	autoput(journal_release) struct journal j = { .fd = -1 };
	int e = journal_resume(store_dirfd(r->store), &j), rc;

	if (e == -ENOENT || e == -EBADMSG)	/* none, or one that had changed nothing yet */
		return EXIT_NO;
	if (e < 0) {
		if (e == -EBUSY)
			log_error("a restore of this workspace is running");
		else
			log_error_errno(
				e, "%s: an interrupted restore cannot be finished", r->store_path);
		return EXIT_ENV;
	}
	interrupt_catch();
	say(r, &j, "finishing it (" RECOVER " undo takes it back)");
	rc = finish(r, &j);
	if (interrupted) {
		context_close(r);
		exit(EXIT_PART);
	}
	return rc;
}
