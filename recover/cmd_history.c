#include "recover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "entries.h"
#include "out.h"
#include "pager.h"
#include "paths.h"
#include "rows.h"
#include "unsaved.h"
#include "xalloc.h"

enum { H_JSON = 1, H_N };

const struct opt history_opts[] = { OPT_JSON(H_JSON), OPT_NUMBER(H_N), { 0 } };

struct versions {
	struct store_entry *e;
	size_t n, cap;
};

static int collect(const char *path, const struct store_entry *e, void *arg)
{
	struct versions *v = arg;

	(void)path;
	v->e = xgrow(v->e, v->n, &v->cap, sizeof(*v->e));
	v->e[v->n++] = *e;
	return 0;
}

static void versions_release(struct versions *v)
{
	free(v->e);
}

/* Newest first: the one before e[i] in time is e[i + 1]. */
static const char *what_happened(const struct versions *v, size_t i)
{
	const struct store_entry *e = &v->e[i], *was = i + 1 < v->n ? &v->e[i + 1] : NULL;

	if (e->kind == KIND_GONE)
		return "deleted";
	if (e->kind == KIND_SKIPPED)
		return "not stored";
	if (!was || was->kind == KIND_GONE || was->kind == KIND_SKIPPED)
		return "added";
	if (was->kind != e->kind)
		return "replaced";
	if (entry_is_lost(e))
		return "lost";
	if ((e->kind == KIND_FILE || e->kind == KIND_LINK) && !entry_same(was, e))
		return "changed";
	return was->mode != e->mode ? "mode" : "touched";
}

static void print_version(const struct store_snapshot *sn, const struct versions *v, size_t i)
{
	const struct store_entry *e = &v->e[i];
	char hex[41], when[32], size[16], words[64];

	id_hex(&sn->id, hex);
	printf("%.*s  %s  %-10s", SHORT_ID, hex, row_time(sn->time_ns, when), what_happened(v, i));
	if (e->kind == KIND_FILE || e->kind == KIND_LINK)
		printf(" %10s", text_size(e->size, size));
	if (i + 1 < v->n && v->e[i + 1].mode != e->mode && e->kind != KIND_GONE &&
		v->e[i + 1].kind != KIND_GONE)
		printf("  %06o -> %06o", v->e[i + 1].mode, e->mode);
	if (e->why)
		printf("  %s", store_why_text(e->why));
	if (*flag_words(e->flags, words))
		printf("  (%s%s)", words,
			e->flags & (ENTRY_EMPTIED | ENTRY_NULLED)
				? "; the version below has content"
				: "");
	fputc('\n', stdout);
}

static void print_other(const struct other_version *v)
{
	char when[32], size[16];

	printf("%s  %s  %-10s %10s  ", v->id, row_time(v->time_ns, when),
		v->unsaved ? "unsaved" : "saved", text_size(v->size, size));
	out_name(v->editor);
	fputs(v->unsaved ? ": " RECOVER " unsaved diff " : " (", stdout);
	out_name(v->unsaved ? v->id : v->source);
	fputs(v->unsaved ? "\n" : ")\n", stdout);
}

static void print_other_json(const char *path, const struct other_version *v)
{
	cJSON *o = cJSON_CreateObject();

	json_name(o, "path", path);
	cJSON_AddStringToObject(o, "id", v->id);
	json_time(o, "time", v->time_ns);
	cJSON_AddStringToObject(o, "change", v->unsaved ? "unsaved" : "local-history");
	cJSON_AddNumberToObject(o, "size", (double)v->size);
	json_name(o, "editor", v->editor);
	json_name(o, "source", v->source);
	json_line(o);
}

static void print_snapshot(const struct store_snapshot *sn, const char *path,
	const struct versions *v, size_t i, bool json)
{
	char hex[41];
	cJSON *o;

	if (!json) {
		print_version(sn, v, i);
		return;
	}
	o = entry_json(path, &v->e[i]);
	id_hex(&sn->id, hex);
	cJSON_AddStringToObject(o, "id", hex);
	json_time(o, "time", sn->time_ns);
	cJSON_AddStringToObject(o, "change", what_happened(v, i));
	json_line(o);
}

/* Two lists, each newest first, become one. */
static void print_merged(const struct recover *r, const char *path, const struct versions *v,
	const struct other_versions *x, uint64_t left, bool json)
{
	size_t i = 0, k = 0;

	while (left-- > 0 && (i < v->n || k < x->n)) {
		autoput(store_snapshot_release) struct store_snapshot sn = { 0 };

		if (i < v->n && store_by_seq(r->store, v->e[i].seq, &sn) < 0) {
			i++;
			left++;
		} else if (i < v->n && (k >= x->n || sn.time_ns >= x->v[k].time_ns)) {
			print_snapshot(&sn, path, v, i++, json);
		} else if (json) {
			print_other_json(path, &x->v[k++]);
		} else {
			print_other(&x->v[k++]);
		}
	}
}

int cmd_history(struct recover *r, const struct args *a)
{
	autoput(versions_release) struct versions v = { 0 };
	autoput(other_release) struct other_versions x = { 0 };
	autofree char *path = NULL;
	uint64_t left = UINT64_MAX;
	int e;

	if (a->on[H_N] && args_number("-n", a->value[H_N], UINT64_MAX, &left) < 0)
		return EXIT_USAGE;
	if (path_from_arg(r, a->arg[0], &path) < 0)
		return EXIT_USAGE;
	e = store_history(r->store, path, collect, &v);
	if (e < 0 && e != -ENOENT)
		return context_failed(r, e, path);
	other_find(r, path, &x);
	if (!v.n && !x.n) {
		log_error("%s: no snapshot holds it; " RECOVER " find '*NAME*' searches all paths",
			a->arg[0]);
		return EXIT_NO;
	}
	if (!a->on[H_JSON])
		pager_start(r);
	print_merged(r, path, &v, &x, left, a->on[H_JSON]);
	return EXIT_DONE;
}
