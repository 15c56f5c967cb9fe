#include "recover.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "../scan/scan.h"
#include "hunks.h"
#include "pending.h"
#include "restore.h"
#include "rev.h"
#include "xalloc.h"

enum { LARGEST = 3 };
enum { R_DRY_RUN = 1, R_DELETE, R_TO, R_YES, R_VERIFY, R_CONTINUE, R_HUNK };

const struct opt restore_opts[] = {
	OPT_DRY_RUN(R_DRY_RUN),
	{ R_DELETE, 0, "delete", OPT_FLAG, NULL,
		"delete what the snapshot does not hold (but a newer one does)" },
	{ R_TO, 0, "to", OPT_VALUE, "DIR", "write a copy below DIR, leave the workspace alone" },
	OPT_YES(R_YES), OPT_VERIFY(R_VERIFY),
	{ R_HUNK, 0, "hunk", OPT_VALUE, "N,...",
		"only these changes of one file, as `" RECOVER " diff REV -- PATH` counts them" },
	{ R_CONTINUE, 0, "continue", OPT_FLAG, NULL, "finish a restore that was interrupted" },
	{ 0 },
};

struct choosing {
	struct targets *t;
	const struct strs *paths;
	struct strs skipped;	/* paths the snapshot did not store */
	struct left_out {
		uint64_t files, folders, bytes;
		struct {
			char *path;
			uint64_t size;
		} largest[LARGEST];
	} out;			/* of them, what was asked for */
	uint64_t found;
	enum store_why why;
};

static void choosing_release(struct choosing *c)
{
	strs_release(&c->skipped);
	for (size_t i = 0; i < LARGEST; i++)
		free(c->out.largest[i].path);
}

static void note_left_out(struct left_out *o, const char *path, const struct store_entry *e)
{
	uint64_t size = e->size;
	char *p;

	if (S_ISDIR(e->mode)) {		/* what is in it was not looked at */
		o->folders++;
		return;
	}
	o->files++;
	o->bytes += size;
	p = xstrdup(path);
	for (size_t i = 0; i < LARGEST && p; i++) {
		char *had = o->largest[i].path;
		uint64_t had_size = o->largest[i].size;

		if (had && had_size >= size)
			continue;
		o->largest[i].path = p;
		o->largest[i].size = size;
		p = had;
		size = had_size;
	}
	free(p);
}

/* Where nothing is, what was never stored is missing: better said now than found out next week. */
static void say_left_out(const struct left_out *o)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	char size[16], folders[48] = "";

	if (!o->files && !o->folders)
		return;
	if (o->folders)
		(void)snprintf(folders, sizeof(folders), "; and %llu folder%s",
			(unsigned long long)o->folders, o->folders == 1 ? "" : "s");
	for (size_t i = 0; i < LARGEST && o->largest[i].path; i++)
		if (buf_printf(&b, "%s%s (%s)", i ? ", " : ": ", o->largest[i].path,
			    text_size(o->largest[i].size, size)) < 0)
			return;
	log_info("not stored, so not brought back: %llu file%s, %s%s%s%s (" RECOVER
		 " ls -r REV names them). "
		 ".git is never stored",
		(unsigned long long)o->files, o->files == 1 ? "" : "s", text_size(o->bytes, size),
		b.len ? b.data : "", o->files > LARGEST ? ", ..." : "", folders);
}

/* Longer paths are a hostile store's: each folder in a folder costs its whole path again. */
enum { LONGEST = 4 * PATH_MAX };

static int choose(const char *path, const struct store_entry *e, void *arg)
{
	struct choosing *c = arg;
	bool in = paths_match(c->paths, path);

	if (strlen(path) > LONGEST) {
		log_error("a path of more than %d bytes (%.40s...): too deep to be restored; name "
			  "the files to bring back (-- FILE)",
			LONGEST, path);
		return -ENAMETOOLONG;
	}

	if (e->kind == KIND_SKIPPED) {
		strs_add(&c->skipped, xstrdup(path));
		if (in) {
			c->why = e->why;
			note_left_out(&c->out, path, e);
		}
		return 0;
	}
	if (e->kind == KIND_GONE)
		return 0;
	targets_add(c->t, path, e, !in);
	c->found += in;
	return 0;
}

/* The folders on the way to a path. */
static void add_parents(struct store *s, uint64_t seq, const char *path, struct choosing *c)
{
	autofree char *up = xstrdup(path);
	struct store_entry e;

	while (*up) {
		char *slash = strrchr(up, '/');

		*(slash ? slash : up) = 0;
		if (store_entry_at(s, seq, up, &e) == 0 && e.kind == KIND_DIR)
			targets_add(c->t, up, &e, true);
		else if (!*up)	/* an old store may not know the mode of the top */
			targets_add(c->t, up,
				&(struct store_entry){ .kind = KIND_DIR, .mode = 040755 }, true);
	}
}

static int choose_path(struct store *s, uint64_t seq, const char *path, struct choosing *c)
{
	struct store_entry e;
	int r = store_entry_at(s, seq, path, &e);

	if (r == 0)
		(void)choose(path, &e, c);
	else if (r != -ENOENT)
		return r;
	if (*path)
		add_parents(s, seq, path, c);
	if (r == 0 && e.kind != KIND_DIR)
		return 0;
	r = store_walk_at(s, seq, path, choose, c);
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

/* ---- --delete ------------------------------------------------------------------ */

struct deleting {
	struct choosing *c;
	const struct strs *paths;
};

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void skipped_sort(struct strs *skipped)
{
	if (skipped->n)
		qsort(skipped->s, skipped->n, sizeof(*skipped->s), by_bytes);
}

/* Is it, or a folder it is in, among them (sorted)? */
static bool skipped_then(const struct strs *skipped, const char *path)
{
	autofree char *up = xstrdup(path);

	if (!skipped->n)
		return false;
	for (;;) {
		char *slash;

		if (bsearch(&up, skipped->s, skipped->n, sizeof(*skipped->s), by_bytes))
			return true;
		if (!*up)
			return false;
		slash = strrchr(up, '/');
		*(slash ? slash : up) = '\0';
	}
}

static int mark_deleted(const char *path, const struct store_entry *e, void *arg)
{
	static const struct store_entry gone = { .kind = KIND_GONE };
	struct deleting *d = arg;

	if (!*path || e->kind == KIND_GONE || e->kind == KIND_SKIPPED ||
		!paths_match(d->paths, path) || skipped_then(&d->c->skipped, path))
		return 0;
	targets_add(d->c->t, path, &gone, false);
	return 0;
}

static int mark_new(
	const char *path, const struct store_entry *was, const struct store_entry *is, void *arg)
{
	(void)was;
	return mark_deleted(path, is, arg);
}

/* Now ignored or too large: what a newer snapshot held of it is not what is there. */
static int drop_skipped(
	const char *path, const struct store_entry *was, const struct store_entry *is, void *arg)
{
	struct deleting *d = arg;

	(void)was;
	if (is->kind == KIND_SKIPPED)
		strs_add(&d->c->skipped, xstrdup(path));
	return 0;
}

/* All that the newest snapshot holds or the safety snapshot will; targets_sort then prefers
 * what the restored one has. */
static int choose_deletions(struct recover *r, struct choosing *c)
{
	autoput(store_snapshot_release) struct store_snapshot newest = { 0 };
	struct scan_options so = { .cfg = &r->cfg, .stop = &interrupted };
	autoscan struct scan *sc = NULL;
	struct deleting d = { c, c->paths };
	int e = store_newest(r->store, &newest);

	if (e == 0)
		e = scan_open(r->workspace, &so, &sc);
	if (e == -ENOENT)	/* nothing is there to be deleted */
		return 0;
	if (e == 0)
		e = scan_diff(sc, r->store, newest.seq, NULL, drop_skipped, &d);
	skipped_sort(&c->skipped);
	if (e >= 0)
		e = scan_diff(sc, r->store, newest.seq, NULL, mark_new, &d);
	return e < 0 ? e : store_walk_at(r->store, newest.seq, "", mark_deleted, &d);
}

/* ---- the command ------------------------------------------------------------------ */

static void say_not_there(const struct choosing *c, const char *path, const char *rev)
{
	if (c->why)
		log_error("%s: was not stored: %s", *path ? path : ".", store_why_text(c->why));
	else
		log_error("%s: is not in snapshot %s; " RECOVER " history PATH and " RECOVER
			  " find '*NAME*' tell where it is",
			*path ? path : ".", rev);
}

/* A path that is not there is a slip of the fingers: then nothing is restored at all. */
static int fill_targets(struct recover *r, const struct args *a, const struct store_snapshot *sn,
	const struct strs *paths, struct targets *t)
{
	autoput(choosing_release) struct choosing c = { .t = t, .paths = paths };
	size_t n = paths->n ? paths->n : 1;
	int e = 0, rc = EXIT_DONE;

	for (size_t i = 0; i < n && e >= 0; i++) {
		const char *path = paths->n ? paths->s[i] : "";
		uint64_t before = c.found;

		c.why = WHY_NONE;
		e = choose_path(r->store, sn->seq, path, &c);
		if (e >= 0 && c.found == before && !a->on[R_DELETE]) {
			say_not_there(&c, path, a->arg[0]);
			rc = EXIT_NO;
		}
	}
	if (e >= 0 && a->on[R_DELETE])
		e = choose_deletions(r, &c);
	if (e >= 0 && !rc && !r->quiet && (a->on[R_TO] || access(r->workspace, F_OK) < 0))
		say_left_out(&c.out);
	return e < 0 ? context_failed(r, e, "cannot read the snapshot") : rc;
}

static int go_on(struct recover *r, const struct args *a)
{
	int rc;

	if (a->n || a->n_paths || a->on[R_TO] || a->on[R_DELETE] || a->on[R_DRY_RUN] ||
		a->on[R_HUNK]) {
		log_error("--continue: takes nothing else, the restore that was interrupted says "
			  "what it is about");
		return EXIT_USAGE;
	}
	rc = pending_finish(r);
	if (rc == EXIT_NO)
		log_error("no restore was interrupted");
	if (rc == EXIT_DONE && !r->quiet)
		log_info("finished; " RECOVER " undo takes it back");
	return rc;
}

static int hunks(struct recover *r, const struct args *a, const struct store_snapshot *sn,
	const struct strs *paths)
{
	struct hunks h = { .r = r,
		.from = sn,
		.path = paths->n ? paths->s[0] : "",
		.numbers = a->value[R_HUNK],
		.dry_run = a->on[R_DRY_RUN],
		.yes = a->on[R_YES] };

	if (paths->n != 1 || a->on[R_TO] || a->on[R_DELETE]) {
		log_error("--hunk: goes with one file (-- PATH), and without --to and --delete");
		return EXIT_USAGE;
	}
	return hunks_restore(&h);
}

static void restore_release(struct restore *x)
{
	targets_release(&x->targets);
}

int cmd_restore(struct recover *r, const struct args *a)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	autoput(strs_release) struct strs paths = { 0 };
	autofree char *title = NULL, *what = NULL;
	char hex[41], when[32];
	autoput(restore_release) struct restore x = {
		.r = r, .dry_run = a->on[R_DRY_RUN], .yes = a->on[R_YES], .verify = a->on[R_VERIFY],
		.delete_ok = a->on[R_DELETE],
	};
	int rc;

	if (r->from_arg && !a->on[R_TO] && !a->on[R_DRY_RUN]) {
		log_error("from a mirror files come back into a new place: --to DIR");
		return EXIT_USAGE;
	}
	if (a->on[R_CONTINUE])
		return go_on(r, a);
	if (!a->n) {
		log_error("restore: needs REV (" RECOVER " list names them; @ is the newest)");
		return EXIT_USAGE;
	}
	if (a->on[R_TO] && a->on[R_DELETE]) {
		log_error("--delete is about the workspace, --to about another folder");
		return EXIT_USAGE;
	}
	if (!a->on[R_TO] && (rc = context_may_write(r)))
		return rc;
	/* REV before that: finishing adds a snapshot, and @ was another when it was looked up. */
	if ((rc = rev_arg(r, a->arg[0], &sn)))
		return rc;
	if (a->on[R_DRY_RUN] || a->on[R_TO])
		pending_say(r);
	else if ((rc = pending_finish(r)) == EXIT_ENV)
		return rc;
	else
		x.finished = rc == EXIT_DONE;
	if (paths_from_args(r, a->arg + 1, a->n - 1, &paths) < 0 ||
		paths_from_args(r, a->path, a->n_paths, &paths) < 0)
		return EXIT_USAGE;
	if (a->on[R_HUNK])
		return hunks(r, a, &sn, &paths);
	if ((rc = fill_targets(r, a, &sn, &paths, &x.targets)))
		return rc;
	rev_short(&sn, hex);
	x.rev = sn.id;
	title = xasprintf("restore %s of %s", hex, text_local_time(sn.time_ns, when));
	what = xasprintf("restore of %s", hex);
	x.title = title;
	x.what = what;
	return a->on[R_TO] ? restore_elsewhere(&x, a->value[R_TO]) : restore_run(&x);
}
