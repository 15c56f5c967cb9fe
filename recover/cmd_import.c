/* The copies that a backup script left, one snapshot each: whoever changes to Holdfast keeps his
 * history. The running daemon writes, else we do. */
#include "recover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/progress.h"
#include "../lib/text.h"
#include "../scan/import.h"
#include "backups.h"
#include "daemon.h"
#include "out.h"
#include "paths.h"
#include "rows.h"
#include "xalloc.h"

#define AFTER "after an import"

enum { I_DRY = 1, I_JSON };

const struct opt import_opts[] = {
	OPT_DRY_RUN(I_DRY),
	OPT_JSON(I_JSON),
	{ 0 },
};

struct importing {
	struct recover *r;
	struct store *own;		/* where no daemon writes */
	char *dir;			/* canonical */
	struct backups all;
	struct imported *had;
	bool *there;			/* of each: it is in already */
	uint64_t done, new, failed, unreadable;
};

static void importing_release(struct importing *x)
{
	store_close(x->own);
	backups_release(&x->all);
	imported_free(x->had);
	free(x->there);
	free(x->dir);
}

/* ---- what there is ---- */

static char *path_of(const struct importing *x, const struct backup *b)
{
	return xasprintf("%s/%s", strcmp(x->dir, "/") ? x->dir : "", b->name);
}

/* What the list says: the folder that was named and the copy in it. */
static char *message_of(const struct importing *x, const struct backup *b)
{
	autoput(buf_release) struct buf m = BUF_INIT;
	autofree char *both = xasprintf("%s/%s", strrchr(x->dir, '/') + 1, b->name);

	if (text_quote_name(&m, both, strlen(both)) < 0)
		xalloc_failed();
	return buf_detach(&m, NULL);
}

static int refuse(const char *dir, const char *why)
{
	log_error("%s: %s; nothing was imported", dir, why);
	return EXIT_ENV;
}

static int find(struct importing *x, const char *dir)
{
	autoput(buf_release) struct buf at = BUF_INIT;
	struct stat st;
	int e = store_canonical(dir, &at);

	if (e == 0 && stat(at.data, &st) < 0)
		e = -errno;
	if (e == 0 && !S_ISDIR(st.st_mode))
		e = -ENOTDIR;
	if (e < 0) {
		log_error_errno(e, "%s", dir);
		return EXIT_ENV;
	}
	x->dir = buf_detach(&at, NULL);
	if (path_place(x->r, x->dir) == PLACE_STORE)
		return refuse(dir, "is in the store");
	if (path_below(x->r->workspace + 1, x->dir + 1))
		return refuse(dir, "holds the workspace itself: name the folder whose subfolders are copies of it");
	if ((e = backups_load(x->dir, x->r->now_ns, &x->all)) < 0) {
		log_error_errno(e, "%s", dir);
		return EXIT_ENV;
	}
	if (!x->all.n) {
		log_error("%s: has no subfolder: one copy of the workspace in each is what can be imported", dir);
		return EXIT_NO;
	}
	return EXIT_DONE;
}

/* Where the list of what came in is lost, the snapshots themselves say it. */
struct seen {
	const struct importing *x;
	char **message;
};

static int mark_seen(const struct store_snapshot *sn, void *arg)
{
	struct seen *s = arg;

	if (sn->reason != REASON_IMPORT)
		return 0;
	for (size_t i = 0; i < s->x->all.n; i++)
		if (s->x->all.x[i].time_ns == sn->time_ns && !strcmp(s->message[i], sn->message))
			s->x->there[i] = true;
	return 0;
}

static int compare(struct importing *x)
{
	struct seen s = { x, xcalloc(x->all.n, sizeof(*s.message)) };
	int e = imported_load(x->r->store, &x->had);

	x->there = xcalloc(x->all.n, sizeof(*x->there));
	for (size_t i = 0; e == 0 && i < x->all.n; i++) {
		const struct backup *b = &x->all.x[i];
		autofree char *path = path_of(x, b);

		s.message[i] = message_of(x, b);
		x->there[i] = imported_has(x->had, path, b->time_ns);
	}
	if (e == 0)
		e = store_list(x->r->store, 0, mark_seen, &s);
	for (size_t i = 0; i < x->all.n; i++) {
		x->new += !x->there[i];
		free(s.message[i]);
	}
	free(s.message);
	return e < 0 ? context_failed(x->r, e, "cannot be read") : EXIT_DONE;
}

static void show(const struct importing *x, bool json)
{
	for (size_t i = 0; i < x->all.n; i++) {
		const struct backup *b = &x->all.x[i];
		char when[32];

		if (json) {
			cJSON *o = cJSON_CreateObject();

			json_name(o, "name", b->name);
			json_time(o, "time", b->time_ns);
			cJSON_AddBoolToObject(o, "time_in_name", b->by_name);
			cJSON_AddBoolToObject(o, "new", !x->there[i]);
			json_line(o);
			continue;
		}
		printf("%s  %s%s  ", row_time(b->time_ns, when), x->there[i] ? "there" : "new  ", b->by_name ? "  " : " ?");
		out_name(b->name);
		putchar('\n');
	}
	if (!json)
		log_info("%zu cop%s, %" PRIu64 " of them new%s", x->all.n, x->all.n == 1 ? "y" : "ies", x->new,
			x->new ? "; ?: its name holds no time, the folder's own is taken" : "");
}

/* ---- bringing it in ---- */

static int by_ourselves(struct importing *x, const struct import *what, uint64_t *ret_unreadable)
{
	struct store_options so = { .level = x->r->cfg.level, .workspace = x->r->workspace };
	int e = x->own ? 0 : store_open(x->r->store_path, STORE_WRITE, &so, &x->own);

	return e < 0 ? e : import_folder(x->own, &x->r->cfg, what, ret_unreadable);
}

/* -EPROTO: the daemon said why. */
static int bring_in(struct importing *x, const struct backup *b)
{
	autofree char *path = path_of(x, b), *message = message_of(x, b);
	struct import what = { .path = path, .time_ns = b->time_ns, .message = message, .stop = &interrupted };
	autoput(buf_release) struct buf answer = BUF_INIT;
	uint64_t unreadable = 0;
	char when[24];
	int e = 0;

	if (b->error)
		return b->error;
	(void)snprintf(when, sizeof(when), "%" PRId64, b->time_ns);
	if (!x->own)
		e = daemon_ask(x->r, (const char *[]){ "import", path, when, message, NULL }, -1, &answer);
	if (e == 0)
		e = by_ourselves(x, &what, &unreadable);
	else if (e == 1) {
		long long n = answer.data ? strtoll(answer.data, NULL, 10) : 0;

		e = n < 0 ? (int)n : 0;
		unreadable = n < 0 ? 0 : (uint64_t)n;
	}
	if (e < 0)
		return e;
	if (unreadable)
		log_warn("%s: %" PRIu64 " path%s in it cannot be read and %s left out", path, unreadable,
			unreadable == 1 ? "" : "s", unreadable == 1 ? "is" : "are");
	x->unreadable += unreadable;
	return 0;
}

/* What ends all of it, and not one copy alone. */
static bool is_final(int e)
{
	return e == -ENOSPC || e == -EDQUOT || e == -EINTR || e == -EROFS || e == -EBUSY || e == -ENOMEM;
}

static const char *way_out(int e)
{
	return e == -EDQUOT ? " (three quarters of store.quota are in use: raise it)" :
	       e == -ENOSPC ? " (the disk is full, or below store.freeFloor: make room)" :
	       e == -EBUSY ? " (somebody else writes to the store: try again)" : "";
}

static int bring_all(struct importing *x)
{
	struct progress *p = NULL;
	int e = 0;

	(void)progress_new("importing", "copies", x->new, x->r->quiet, &p);
	for (size_t i = 0; i < x->all.n && !interrupted; i++) {
		autofree char *path = path_of(x, &x->all.x[i]);

		if (x->there[i])
			continue;
		if ((e = bring_in(x, &x->all.x[i])) == 0)
			x->done++;
		else
			x->failed++;
		if (e < 0 && e != -EPROTO && e != -EINTR)
			log_error("%s: not imported: %s%s", path, err_str(e), way_out(e));
		else if (e == -EPROTO)
			log_error("%s: not imported", path);
		if (is_final(e))
			break;
		progress_add(p, 1, 0);
	}
	progress_done(p);
	return is_final(e) ? e : 0;
}

/* The newest snapshot must be one of the workspace, also after an import that was cut short. */
static int newest_is_copy(struct recover *r)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	int e = store_refresh(r->store);

	if (e >= 0)
		e = store_newest(r->store, &sn);
	return e < 0 ? e : sn.reason == REASON_IMPORT;
}

static int take_alone(struct importing *x)
{
	autoscan struct scan *sc = NULL;
	struct store_options o = { .level = x->r->cfg.level, .workspace = x->r->workspace };
	/* A Ctrl-C was meant for the copies. An empty workspace is one: it was there before. */
	struct scan_options so = { .cfg = &x->r->cfg, .replaced_ok = true };
	struct store_commit how = { .reason = REASON_MANUAL, .message = AFTER, .force = true };
	int e = x->own ? 0 : store_open(x->r->store_path, STORE_WRITE, &o, &x->own);

	if (e < 0 || (e = scan_open(x->r->workspace, &so, &sc)) < 0)
		return e;
	return scan_snapshot(sc, x->own, &how, NULL);
}

static int back_to_workspace(struct importing *x)
{
	int e = newest_is_copy(x->r);

	if (e == 1) {
		e = x->own ? 0 : daemon_ask(x->r, (const char *[]){ "once", "manual", AFTER, NULL }, -1, NULL);
		if (e == 0)
			e = take_alone(x);
	}
	if (e < 0)
		log_error("%s: no snapshot could be taken after the import (%s); until the next one the newest is a copy: " SNAPD
			" --workspace . --once", x->r->workspace, err_str(e));
	return e < 0 ? EXIT_PART : EXIT_DONE;
}

static int run(struct importing *x)
{
	int e = bring_all(x), rc = back_to_workspace(x);

	if (interrupted)
		log_error("stopped; what is in stays, run it again for the rest");
	if (!x->r->quiet)
		log_info("%" PRIu64 " imported, %zu were there", x->done, x->all.n - (size_t)x->new);
	if (x->failed && !x->done && e < 0 && !interrupted)
		return EXIT_ENV;
	return x->failed || x->unreadable || interrupted ? EXIT_PART : rc;
}

int cmd_import(struct recover *r, const struct args *a)
{
	autoput(importing_release) struct importing x = { .r = r };
	struct stat st;
	int rc = find(&x, a->arg[0]);

	if (rc || (rc = compare(&x)))
		return rc;
	if (a->on[I_DRY]) {
		show(&x, a->on[I_JSON]);
		return EXIT_DONE;
	}
	if (stat(r->workspace, &st) < 0 || !S_ISDIR(st.st_mode)) {
		log_error("%s: is gone; restore it first, for after an import its state is what there is", r->workspace);
		return EXIT_ENV;
	}
	interrupt_catch();
	return run(&x);
}
