#include "recover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "entries.h"
#include "out.h"
#include "pager.h"
#include "rows.h"
#include "xalloc.h"

enum { X_JSON = 1, X_N };

const struct opt deleted_opts[] = {
	OPT_JSON(X_JSON),
	OPT_NUMBER(X_N),
	{ 0 }
};

struct gone {
	char *path;
	uint64_t seq;		/* the snapshot that saw it gone */
};

struct all_gone {
	struct gone *g;
	size_t n, cap;
};

static int collect(const char *path, const struct store_entry *e, void *arg)
{
	struct all_gone *a = arg;

	if (e->kind != KIND_GONE)
		return 0;
	a->g = xgrow(a->g, a->n, &a->cap, sizeof(*a->g));
	a->g[a->n++] = (struct gone){ xstrdup(path), e->seq };
	return 0;
}

static void all_gone_release(struct all_gone *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->g[i].path);
	free(a->g);
}

static int newest_first(const void *x, const void *y)
{
	const struct gone *a = x, *b = y;

	if (a->seq != b->seq)
		return (a->seq < b->seq) - (a->seq > b->seq);
	return strcmp(a->path, b->path);
}

static int print_gone(struct store *s, const struct gone *g, bool json)
{
	autoput(store_snapshot_release) struct store_snapshot held = { 0 }, saw = { 0 };
	struct store_entry e;
	char hex[41], when[32], size[16];

	if (store_before(s, g->seq, &held) < 0 || store_by_seq(s, g->seq, &saw) < 0 ||
		store_entry_at(s, held.seq, g->path, &e) < 0 ||
		(e.kind != KIND_FILE && e.kind != KIND_LINK))
		return 0;
	id_hex(&held.id, hex);
	if (json) {
		cJSON *o = entry_json(g->path, &e);

		json_time(o, "deleted", saw.time_ns);
		cJSON_AddStringToObject(o, "last_held_by", hex);
		json_line(o);
	} else {
		printf("%.*s  %s %10s  ", SHORT_ID, hex, row_time(saw.time_ns, when),
			text_size(e.size, size));
		out_name(g->path);
		fputc('\n', stdout);
	}
	return 1;
}

int cmd_deleted(struct recover *r, const struct args *a)
{
	autoput(all_gone_release) struct all_gone all = { 0 };
	uint64_t left = UINT64_MAX;
	int e;

	if (a->on[X_N] && args_number("-n", a->value[X_N], UINT64_MAX, &left) < 0)
		return EXIT_USAGE;
	if ((e = store_paths(r->store, collect, &all)) < 0)
		return context_failed(r, e, "cannot read the paths");
	if (all.n)
		qsort(all.g, all.n, sizeof(*all.g), newest_first);
	if (!a->on[X_JSON]) {
		pager_start(r);
		if (all.n)
			puts("held by   deleted before              size  path (" RECOVER
			     " restore ID -- PATH)");
	}
	for (size_t i = 0; i < all.n && left && !ferror(stdout); i++)
		if (print_gone(r->store, &all.g[i], a->on[X_JSON]))
			left--;
	return EXIT_DONE;
}
