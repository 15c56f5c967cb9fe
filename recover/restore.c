#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/fsuser.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/progress.h"
#include "../lib/question.h"
#include "../lib/text.h"
#include "apply.h"
#include "losses.h"
#include "safety.h"
#include "told.h"
#include "xalloc.h"

int restore_open_root(const char *workspace, int *ret)
{
	int fd = open(workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno != ENOENT) {
		log_error_errno(-errno, "%s", workspace);
		return EXIT_ENV;
	}
	*ret = fd;
	return EXIT_DONE;
}

int restore_make_root(const char *workspace, int *root)
{
	int e;

	if (*root >= 0)
		return EXIT_DONE;
	/* its own mode comes with the other folders' */
	if ((e = io_mkdir_p(AT_FDCWD, workspace, 0755)) < 0) {
		log_error_errno(e, "%s: cannot be made", workspace);
		return EXIT_ENV;
	}
	return restore_open_root(workspace, root);
}

void restore_as_owner(const struct recover *r)
{
	struct stat st;
	int e = 0;

	if (fstat(store_dirfd(r->store), &st) < 0 || (e = fsuser_act_for(st.st_uid, st.st_gid)) < 0)
		log_warn_errno(e ? e : -errno, "what comes back will be root's");
}

/* Whose each file was is not stored, and a store that only root reads may hold what is not for
 * them. */
static void say_whose(const struct restore *x, int root)
{
	struct stat st, store;

	if (root >= 0 && geteuid() == 0 && fstat(root, &st) == 0 && st.st_uid != 0 &&
		fstat(store_dirfd(x->r->store), &store) == 0 && store.st_uid == 0)
		log_warn("%s is user %u's, and this store is root's: what comes back is root's too, chown "
			 "gives it away",
			x->r->workspace, (unsigned)st.st_uid);
}

/* EXIT_DONE: go on. */
static int confirm(const struct restore *x, const struct plan *p)
{
	if (x->yes)
		return EXIT_DONE;
	if (!isatty(STDIN_FILENO)) {
		log_error(
			"nobody is there to ask: --yes goes ahead, --dry-run only shows the plan");
		return EXIT_USAGE;
	}
	(void)p;
	if (question_yes(x->title, &interrupted))
		return EXIT_DONE;
	log_error("nothing was changed");
	return EXIT_NO;
}

/* What else there may be of a content that is lost. */
static const char *hurt(const struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->item[i].error == -EBADMSG)
			return "; " RECOVER " history PATH shows other versions, " RECOVER " verify --all what is hit";
	return "";
}

/* Of what is to come, go or be another. */
static bool all_failed(const struct plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		enum plan_action a = p->item[i].action;

		if (!p->item[i].error && (a == PLAN_CREATE || a == PLAN_REPLACE || a == PLAN_DELETE ||
					   (a == PLAN_META && p->item[i].want.kind != KIND_DIR)))
			return false;
	}
	return true;
}

static int report(const struct restore *x, const struct plan *p, bool stopped)
{
	size_t bad = plan_complain(p);
	uint64_t done = 0;

	for (size_t i = 0; i < p->n; i++)
		done += p->item[i].written;
	if (stopped) {
		log_error("stopped: %" PRIu64 " of %" PRIu64
			  " files are restored, every one whole; " RECOVER
			  " restore --continue goes on with it, " RECOVER " undo takes it back",
			done, p->files[PLAN_CREATE] + p->files[PLAN_REPLACE]);
		return EXIT_PART;
	}
	if (bad)
		log_error("%zu path%s could not be restored, %s%s", bad, bad == 1 ? "" : "s",
			all_failed(p) ? "and there was nothing else" : "all others were", hurt(p));
	else if (!x->r->quiet)
		log_info("%s: done%s", x->title,
			x->undo ? "; " RECOVER " undo again brings it back"
				: "; " RECOVER " undo takes it back");
	return bad ? EXIT_PART : EXIT_DONE;
}

static int apply(struct restore *x, int root, struct plan *p, uint64_t op, bool *ret_stopped)
{
	struct apply_options o = { .op = op, .verify = x->verify, .sync = true };
	int e;

	(void)progress_new("restoring", "files",
		p->files[PLAN_CREATE] + p->files[PLAN_REPLACE] + p->files[PLAN_META], x->r->quiet,
		&o.progress);
	e = apply_plan(x->r->store, root, p, &o);
	progress_done(o.progress);
	*ret_stopped = e == -EINTR;
	if (e < 0 && e != -EINTR)
		log_error_errno(e, "%s: cannot be synced", x->r->workspace);
	return e == -EINTR ? 0 : e;
}

/* What was written may not be on the disk: the journal stays. */
static int unsynced(const struct plan *p)
{
	(void)plan_complain(p);
	log_error("how much of it is on the disk is not known: " RECOVER
		  " restore --continue does it again, " RECOVER " undo takes it back");
	return EXIT_PART;
}

/* In the place of the one that is taken back while it is pending, so that at no time there is
 * none. */
static int begin(struct restore *x, struct journal *j, const struct plan *p)
{
	int dirfd = store_dirfd(x->r->store);
	int e = x->interrupted ? journal_supersede(dirfd, j, p, x->interrupted)
			       : journal_begin(dirfd, j, p);

	if (e == -EBUSY) {
		log_error("another restore of this workspace is running; nothing was changed");
		return EXIT_ENV;
	}
	return e < 0 ? context_failed(x->r, e,
			"cannot write the journal of the restore, so nothing was changed")
		     : EXIT_DONE;
}

/* Every path is as wanted, or cannot be changed. */
static int nothing_left(struct restore *x, const struct plan *p)
{
	if (plan_complain(p) || !x->interrupted) {
		log_error("nothing was changed");
		return EXIT_PART;
	}
	journal_drop(store_dirfd(x->r->store), x->interrupted);
	if (!x->r->quiet)
		log_info("%s: done, it had changed nothing yet", x->title);
	return EXIT_DONE;
}

void restore_keep_result(struct recover *r, const char *what)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	autofree char *after = xasprintf("after the %s", what);
	int e = safety_snapshot(r, after, &sn);

	if (e < 0)
		log_warn_errno(
			e, "the snapshot after it could not be taken; @ is still the state before");
}

/* From the safety snapshot on. */
static int carry_out(struct restore *x, struct plan *p, int *root)
{
	autoput(store_snapshot_release) struct store_snapshot safety = { 0 };
	autoput(journal_release) struct journal j = { .fd = -1 };
	autofree char *before = NULL;
	int dirfd = store_dirfd(x->r->store), e = 0, rc;
	bool stopped;

	before = xasprintf("before the %s", x->what);
	if ((rc = safety_take(x->r, before, &safety)))
		return rc;
	if (safety_check(x->r, *root, p) < 0) {
		log_error("stopped; nothing was changed");
		return EXIT_PART;
	}
	if (plan_empty(p))
		return nothing_left(x, p);
	j.undo = x->undo && !x->reverted_undo;
	j.delete_ok = x->delete_ok;
	j.time_ns = text_now_ns();	/* a plan may have been looked at for an hour */
	j.safety_seq = safety.seq;
	j.safety = safety.id;
	j.rev = x->rev;
	j.workspace = xstrdup(x->r->workspace);
	if ((rc = begin(x, &j, p)))
		return rc;
	if ((rc = restore_make_root(x->r->workspace, root))) {
		if (!x->interrupted)	/* else the half of that one is still there */
			journal_drop(dirfd, &j);
		return rc;
	}
	if (apply(x, *root, p, j.op, &stopped) < 0)
		return unsynced(p);
	if (!stopped && (e = journal_end(dirfd, &j)) < 0)
		log_error_errno(e, "%s: the journal cannot be ended; " RECOVER
			" restore --continue does that", x->r->store_path);
	if (!stopped)
		restore_keep_result(x->r, x->what);
	rc = report(x, p, stopped);
	if (e < 0)
		rc = EXIT_PART;
	tell_restore(
		x->r->workspace, x->r->store_path, x->title, &x->rev, &safety.id, rc == EXIT_DONE);
	return rc;
}

static void show(const struct restore *x, const struct plan *p)
{
	if (x->r->quiet && (x->yes || !isatty(STDIN_FILENO)) && !x->dry_run)
		return;
	printf("%s\n", x->title);
	plan_show(p, stdout, x->r->verbose ? SIZE_MAX : 10);
	(void)fflush(stdout);
}

/* The last snapshot may be one of what an `rm -rf *` left. */
static void hint_losses(const struct restore *x)
{
	struct store_snapshot newest = { 0 };
	struct losses l;

	if (store_newest(x->r->store, &newest) == 0 &&
		!memcmp(&newest.id, &x->rev, sizeof(x->rev))) {
		losses_find(x->r->store, &l);
		if (l.dropped)
			log_error("but %s dropped %" PRIu64 " file%s: " RECOVER
				  " restore %s brings %s back",
				l.newest ? "this snapshot" : "one of the last snapshots", l.dropped,
				l.dropped == 1 ? "" : "s", l.from, l.dropped == 1 ? "it" : "them");
		losses_release(&l);
	}
	store_snapshot_release(&newest);
}

static int nothing_to_do(const struct restore *x, const struct plan *p)
{
	if (plan_complain(p))
		return EXIT_PART;
	if (x->finished) {
		if (!x->r->quiet)
			log_info("%s: done with that, nothing more differs", x->title);
		return EXIT_DONE;
	}
	log_error("nothing to %s: everything is as it was", x->undo ? "undo" : "restore");
	if (!x->undo)
		hint_losses(x);
	return EXIT_NO;
}

static int make_plan(struct restore *x, int root, bool elsewhere, struct plan *p)
{
	struct plan_options o = {
		.delete_ok = x->delete_ok, .no_known = elsewhere, .keep = elsewhere
	};
	int e;

	targets_sort(&x->targets);
	if ((e = plan_build(x->r->store, root, &x->targets, &o, p)) >= 0)
		return EXIT_DONE;
	if (e == -EINTR) {
		log_error("stopped; nothing was changed");
		return EXIT_PART;
	}
	log_error_errno(e, "cannot make the plan");
	return EXIT_ENV;
}

int restore_run(struct restore *x)
{
	autoput(plan_release) struct plan p = { 0 };
	autoclose int root = -1;
	int rc;

	restore_as_owner(x->r);
	interrupt_catch();
	if ((rc = restore_open_root(x->r->workspace, &root)) ||
		(rc = make_plan(x, root, false, &p)))
		return rc;
	if (plan_empty(&p) && !x->interrupted)
		return nothing_to_do(x, &p);
	show(x, &p);
	say_whose(x, root);
	if (x->dry_run) {
		(void)plan_complain(&p);
		return EXIT_DONE;
	}
	if ((rc = confirm(x, &p)))
		return rc;
	return carry_out(x, &p, &root);
}

static int check_place(const char *dir, enum path_place place)
{
	if (place == PLACE_STORE) {
		log_error("%s: is in the store; choose another folder", dir);
		return EXIT_ENV;
	}
	if (place == PLACE_WORKSPACE) {
		log_error("%s: is the workspace itself; without --to it is restored, with a "
			  "snapshot before",
			dir);
		return EXIT_ENV;
	}
	return EXIT_DONE;
}

int restore_elsewhere(struct restore *x, const char *dir)
{
	autoput(plan_release) struct plan p = { 0 };
	autoclose int root = -1;
	bool stopped;
	int rc;

	if ((rc = check_place(dir, path_place(x->r, dir))))
		return rc;
	restore_as_owner(x->r);
	interrupt_catch();
	if ((rc = restore_open_root(dir, &root)) || (rc = make_plan(x, root, true, &p)))
		return rc;
	if (plan_empty(&p))
		return nothing_to_do(x, &p);
	show(x, &p);
	if (x->dry_run) {
		(void)plan_complain(&p);
		return EXIT_DONE;
	}
	if ((rc = restore_make_root(dir, &root)))
		return rc;
	if (apply(x, root, &p, (uint64_t)getpid(), &stopped) < 0) {
		(void)plan_complain(&p);
		return EXIT_PART;
	}
	journal_note_copy(store_dirfd(x->r->store), dir);
	if (stopped) {
		log_error(
			"stopped; the copy in %s is not complete, the same command goes on with it",
			dir);
		return EXIT_PART;
	}
	if (plan_complain(&p)) {
		log_error("all others are in %s%s", dir, *hurt(&p) ? hurt(&p) : "; choose a new folder for a whole copy");
		return EXIT_PART;
	}
	if (!x->r->quiet)
		log_info("%s: done, in %s; the workspace is as it was", x->title, dir);
	return EXIT_DONE;
}
