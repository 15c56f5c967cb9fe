#include "recover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "../scan/scan.h"
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

#define SINCE UINT64_MAX		/* no snapshot has seen it gone */

struct gone {
	char *path;
	uint64_t seq;		/* the snapshot that saw it gone */
	struct store_entry e;	/* as it was; kind KIND_GONE while not looked up */
};

/* What saw several gone, and what came before it. */
struct moment {
	bool right;
	struct store_snapshot held, saw;
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
	a->g[a->n++] = (struct gone){ .path = xstrdup(path), .seq = e->seq, .e = *e };
	return 0;
}

/* What is in the newest snapshot and not in the workspace. */
static int collect_now(const char *path, const struct store_entry *was, const struct store_entry *is, void *arg)
{
	struct all_gone *a = arg;

	if (is->kind != KIND_GONE || (was->kind != KIND_FILE && was->kind != KIND_LINK && was->kind != KIND_DIR))
		return 0;
	a->g = xgrow(a->g, a->n, &a->cap, sizeof(*a->g));
	a->g[a->n++] = (struct gone){ .path = xstrdup(path), .seq = SINCE, .e = *was };
	return 0;
}

static int collect_since(struct recover *r, struct all_gone *a)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	autoscan struct scan *sc = NULL;
	struct scan_options so = { .cfg = &r->cfg };
	int e = store_newest(r->store, &sn);

	if (e < 0)
		return e == -ENOENT ? 0 : e;
	/* Where there is no workspace, all of it is gone: that is not asked. */
	if ((e = scan_open(r->workspace, &so, &sc)) == 0)
		e = scan_diff(sc, r->store, sn.seq, NULL, collect_now, a);
	return e == -ENOENT || e == -ENOTDIR ? 0 : e;
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

static void moment_release(struct moment *m)
{
	store_snapshot_release(&m->held);
	store_snapshot_release(&m->saw);
	*m = (struct moment){ 0 };
}

static void moment_at(const struct recover *r, uint64_t seq, struct moment *m)
{
	if (m->saw.seq == seq)
		return;
	moment_release(m);
	if (seq == SINCE) {
		m->right = store_newest(r->store, &m->held) == 0;
		m->saw.time_ns = r->now_ns;
	} else {
		m->right = store_before(r->store, seq, &m->held) == 0 &&
			store_by_seq(r->store, seq, &m->saw) == 0;
	}
	m->saw.seq = seq;
}

static bool was_file(struct store *s, const struct moment *m, struct gone *g)
{
	if (m->right && g->e.kind == KIND_GONE && store_entry_at(s, m->held.seq, g->path, &g->e) < 0)
		g->e.kind = KIND_GONE;
	return m->right && (g->e.kind == KIND_FILE || g->e.kind == KIND_LINK);
}

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && path[n] == '/';
}

/* Of the n from g on, the files that went with the folder g. */
static uint64_t files_below(struct store *s, const struct moment *m, struct gone *g, size_t n, uint64_t *ret_bytes)
{
	uint64_t files = 0;

	*ret_bytes = 0;
	for (size_t i = 1; i < n && g[i].seq == g->seq && strncmp(g[i].path, g->path, strlen(g->path)) == 0; i++)
		if (is_below(g[i].path, g->path) && was_file(s, m, &g[i])) {
			files++;
			*ret_bytes += g[i].e.size;
		}
	return files;
}

/* files: of a folder. */
static void print_gone(const struct moment *m, const struct gone *g, uint64_t files, uint64_t bytes, bool json)
{
	char hex[41], when[32], size[16];

	id_hex(&m->held.id, hex);
	if (json) {
		cJSON *o = entry_json(g->path, &g->e);

		json_time(o, "deleted", m->saw.time_ns);
		cJSON_AddStringToObject(o, "last_held_by", hex);
		if (files) {
			cJSON_AddNumberToObject(o, "files", (double)files);
			cJSON_AddNumberToObject(o, "size", (double)bytes);
		}
		json_line(o);
		return;
	}
	printf("%.*s  %s %10s  ", SHORT_ID, hex, row_time(m->saw.time_ns, when), text_size(bytes, size));
	out_name(g->path);
	if (files)
		printf("/ (%llu files)", (unsigned long long)files);
	fputc('\n', stdout);
}

static void print_head(bool *printed, bool json)
{
	if (!*printed && !json)
		puts("held by   deleted before              size  path (" RECOVER " restore ID -- PATH)");
	*printed = true;
}

/* A folder that went stands above its files, so that it can be brought back in one piece. false: there was nothing to
 * print. */
static bool print_all(const struct recover *r, struct all_gone *a, uint64_t left, bool json)
{
	struct store *s = r->store;
	autoput(moment_release) struct moment m = { 0 };
	const char *within = NULL;	/* a folder that was printed */
	uint64_t seq = 0, files, bytes;
	bool printed = false;

	for (size_t i = 0; i < a->n && left && !ferror(stdout); i++) {
		struct gone *g = &a->g[i];

		if (g->seq != seq) {
			seq = g->seq;
			within = NULL;
			moment_at(r, seq, &m);
		}
		if (was_file(s, &m, g)) {
			print_head(&printed, json);
			print_gone(&m, g, 0, g->e.size, json);
			left--;
		} else if (g->e.kind == KIND_DIR && !(within && is_below(g->path, within)) &&
			   (files = files_below(s, &m, g, a->n - i, &bytes)) > 1) {
			within = g->path;
			print_head(&printed, json);
			print_gone(&m, g, files, bytes, json);
			left--;
		}
	}
	return printed;
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
	if ((e = collect_since(r, &all)) < 0)
		(void)log_warn_errno(e, "%s: what went since the newest snapshot is not known", r->workspace);
	if (all.n)
		qsort(all.g, all.n, sizeof(*all.g), newest_first);
	if (!a->on[X_JSON])
		pager_start(r);
	if (!print_all(r, &all, left, a->on[X_JSON]) && !a->on[X_JSON] && left)
		log_info("nothing: no file that is still held is gone");
	return EXIT_DONE;
}
