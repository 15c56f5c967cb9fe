#include "recover.h"

#include <stdio.h>
#include <stdlib.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "happened.h"
#include "out.h"
#include "pager.h"
#include "paths.h"
#include "rows.h"
#include "xalloc.h"

enum { L_JSON = 1, L_N, L_REASON, L_EVENTS };

const struct opt list_opts[] = {
	OPT_JSON(L_JSON), OPT_NUMBER(L_N),
	{ L_REASON, 0, "reason", OPT_VALUE, "R",
		"interval, launch, risk, exit, manual, restore, start, stop or import" },
	{ L_EVENTS, 0, "events", OPT_FLAG, NULL,
		"between them what happened: crashes, risk, launches, what the guard did" },
	{ 0 },
};

struct listing {
	struct marks marks;
	uint64_t left;
	int reason;		/* 0: any */
	bool json;
	bool any;
	struct happened happened;
};

static void listing_release(struct listing *l)
{
	marks_release(&l->marks);
	happened_release(&l->happened);
}

static int print_one(const struct store_snapshot *sn, void *arg)
{
	struct listing *l = arg;

	if (l->reason && (int)sn->reason != l->reason)
		return 0;
	if (l->left-- == 0)
		return 1;
	happened_print(&l->happened, sn->time_ns, l->json);
	if (l->json)
		json_line(row_json(sn, &l->marks));
	else
		row_print(sn, &l->marks);
	l->any = true;
	return ferror(stdout) ? 1 : 0;
}

/* ---- only those that changed a path --------------------------------------- */

struct hits {
	const struct strs *paths;
	struct strs names;	/* of all the store ever held */
	uint64_t *seq;
	size_t n, cap;
};

static int add_name(const char *path, const struct store_entry *e, void *arg)
{
	struct hits *h = arg;

	(void)e;
	if (paths_match(h->paths, path))
		strs_add(&h->names, xstrdup(path));
	return 0;
}

static int add_seq(const char *path, const struct store_entry *e, void *arg)
{
	struct hits *h = arg;

	(void)path;
	h->seq = xgrow(h->seq, h->n, &h->cap, sizeof(*h->seq));
	h->seq[h->n++] = e->seq;
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

static void hits_release(struct hits *h)
{
	strs_release(&h->names);
	free(h->seq);
}

static int list_paths(struct recover *r, const struct strs *paths, struct listing *l)
{
	autoput(hits_release) struct hits h = { .paths = paths };
	int e = store_paths(r->store, add_name, &h);

	for (size_t i = 0; i < h.names.n && e >= 0; i++)
		e = store_history(r->store, h.names.s[i], add_seq, &h);
	if (h.n)
		qsort(h.seq, h.n, sizeof(*h.seq), newest_first);
	for (size_t i = 0; i < h.n && e >= 0; i++) {
		autoput(store_snapshot_release) struct store_snapshot sn = { 0 };

		if (i && h.seq[i] == h.seq[i - 1])
			continue;
		e = store_by_seq(r->store, h.seq[i], &sn);
		if (e == -ENOENT) {	/* thinned out since */
			e = 0;
			continue;
		}
		if (e >= 0 && print_one(&sn, l))
			break;
	}
	return e;
}

static void say_above(const struct recover *r)
{
	autoput(buf_release) struct buf above = BUF_INIT, command = BUF_INIT;

	if (!r->quiet && !r->from_arg && context_above(r, &above, &command))
		log_info("%s above has a store too: %s", above.data, command.data);
}

int cmd_list(struct recover *r, const struct args *a)
{
	autoput(listing_release) struct listing l = { .left = UINT64_MAX, .json = a->on[L_JSON] };
	autoput(strs_release) struct strs paths = { 0 };
	int e;

	if (a->on[L_N] && args_number("-n", a->value[L_N], UINT64_MAX, &l.left) < 0)
		return EXIT_USAGE;
	if (a->on[L_REASON] && (l.reason = store_reason_parse(a->value[L_REASON])) < 0) {
		log_error("--reason: '%s' is no reason for a snapshot", a->value[L_REASON]);
		return EXIT_USAGE;
	}
	if (paths_from_args(r, a->arg, a->n, &paths) < 0 ||
		paths_from_args(r, a->path, a->n_paths, &paths) < 0)
		return EXIT_USAGE;
	if ((e = marks_load(r->store, &l.marks)) < 0)
		return context_failed(r, e, "cannot read the marks");
	if (a->on[L_EVENTS])
		happened_load(r->workspace, &l.happened);
	if (!l.json)
		pager_start(r);
	e = paths.n ? list_paths(r, &paths, &l) : store_list(r->store, 0, print_one, &l);
	if (e < 0)
		return context_failed(r, e, "cannot list the snapshots");
	if (paths.n && !l.any && !l.json) {
		log_error("%s: no snapshot holds it", a->n ? a->arg[0] : a->path[0]);
		return EXIT_NO;
	}
	if (!l.any && !l.json && !r->quiet)
		log_info("no snapshot %s",
			store_count(r->store) ? "to show" : "yet: " SNAPD " takes them");
	if (!l.json)
		say_above(r);
	return EXIT_DONE;
}
