/* hooks/merge.c - items into JSON files with comments, and out of them again. */
#include "hooks-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/log.h"

/* Parsed and fit to be merged into: an object, or nothing at all. false: said. */
static bool parse(const struct change *c, struct jsonc *j)
{
	int r = jsonc_parse(c->now.data, c->now.len, j);

	must(r == -ENOMEM ? r : 0);
	if (r < 0)
		log_warn("%s: left alone: it is broken, %s", c->path,
			*j->error ? j->error : "too large");
	else if (j->n && j->node[0].type != JSONC_OBJECT)
		log_warn("%s: left alone: it is no object", c->path);
	else
		return true;
	return false;
}

int merge_list(const struct jsonc *j, const char *list)
{
	if (!j->n)
		return -1;
	return *list ? jsonc_member(j, 0, list) : 0;
}

int merge_find(const struct jsonc *j, int list, const char *id_key, const char *id)
{
	int found = -1;

	if (list < 0 || !*id_key)
		return list < 0 ? -1 : jsonc_member(j, list, id);
	if (j->node[list].type != JSONC_ARRAY)
		return -1;
	for (int i = j->node[list].first; i >= 0; i = j->node[i].next)
		if (jsonc_is(j, jsonc_member(j, i, id_key), id))
			found = i; /* the last one counts, as for VSCode */
	return found;
}

static bool same_value(const struct jsonc *j, int node, const char *value)
{
	autoput(jsonc_release) struct jsonc v;

	return jsonc_parse(value, strlen(value), &v) == 0 && v.n && jsonc_same(j, node, &v, 0);
}

static struct row *row_of(const struct record *r, const struct change *c, const struct item *it)
{
	return record_find(r, "item", c->path, it->list, it->id_key, it->id);
}

static void remember(struct record *r, const struct change *c, const struct item *it)
{
	struct row *row = row_of(r, c, it);

	if (row)
		record_set(r, row, 4, it->value);
	else
		record_add(r, "item",
			(const char *const[ROW_FIELDS]){
				c->path, it->list, it->id_key, it->id, it->value });
}

/* The list that an item goes into, made when it is not there. 1; 0: what has its name is
 * something else, said; negative: no file for us, said. */
static int make_list(struct change *c, struct record *r, const struct item *it)
{
	autoput(jsonc_release) struct jsonc j = { 0 };
	enum jsonc_type want = *it->id_key ? JSONC_ARRAY : JSONC_OBJECT;
	int list;

	if (!parse(c, &j))
		return -EINVAL;
	list = merge_list(&j, it->list);
	if (list >= 0 && j.node[list].type != want) {
		log_warn("%s: \"%s\" is no %s and stays so", c->path, it->list,
			want == JSONC_ARRAY ? "list" : "object");
		return 0;
	}
	if (list >= 0 || !*it->list)
		return 1;
	must(jsonc_add(&c->now, &j, j.n ? 0 : -1, it->list, want == JSONC_ARRAY ? "[]" : "{}"));
	record_add(r, "made", (const char *const[ROW_FIELDS]){ c->path, it->list });
	return 1;
}

/* As make_list. */
static int merge_item(struct change *c, struct record *r, const struct item *it)
{
	autoput(jsonc_release) struct jsonc j = { 0 };
	struct row *row = row_of(r, c, it);
	bool ours = *it->id_key && strncmp(it->id, LABEL, strlen(LABEL)) == 0;
	int list, node, e = make_list(c, r, it);

	if (e <= 0)
		return e;
	if (!parse(c, &j))
		return -EINVAL;
	list = merge_list(&j, it->list);
	node = merge_find(&j, list, it->id_key, it->id);
	if (node < 0) {
		must(jsonc_add(&c->now, &j, list, *it->id_key ? NULL : it->id, it->value));
		remember(r, c, it);
	} else if (same_value(&j, node, it->value)) {
		if (ours)
			remember(r, c, it);
	} else if (row && same_value(&j, node, row->f[4])) {
		must(jsonc_set(&c->now, &j, node, it->value));
		remember(r, c, it);
	} else if (ours || row) {
		log_warn("%s: \"%s\" was changed by hand and stays so", c->path, it->id);
	} else if (*it->list || strcmp(it->id, "version") != 0) {
		log_warn("%s: \"%s\" has another value and keeps it", c->path, it->id);
	}
	return 1;
}

void merge_items(struct change *c, struct record *r, const struct item *it, size_t n)
{
	const char *not_there = NULL;

	for (size_t i = 0; i < n; i++) {
		int e = not_there && strcmp(not_there, it[i].list) == 0 ? 1
									: merge_item(c, r, &it[i]);

		if (e < 0)
			return;
		if (e == 0)
			not_there = it[i].list;
	}
}

/* ---- and out again ---------------------------------------------------------------- */

/* The last member of the root: without it the file says nothing. */
static bool is_alone(const struct jsonc *j, int node)
{
	return j->node[0].first == node && j->node[0].last == node;
}

/* made: the whole file was. 1: it was left alone. */
static int take_item(struct change *c, const struct row *row, bool made)
{
	autoput(jsonc_release) struct jsonc j = { 0 };
	int node;

	if (!parse(c, &j))
		return 1;
	node = merge_find(&j, merge_list(&j, row->f[1]), row->f[2], row->f[3]);
	if (node < 0)
		return 0;
	/* What others wrote into our file needs it too by now. */
	if (made && !*row->f[1] && strcmp(row->f[3], "version") == 0 && !is_alone(&j, node))
		return 0;
	if (!same_value(&j, node, row->f[4])) {
		log_warn("%s: \"%s\" was changed by hand and stays", c->path, row->f[3]);
		return 1;
	}
	must(jsonc_remove(&c->now, &j, node));
	return 0;
}

static void take_list(struct change *c, const struct row *row)
{
	autoput(jsonc_release) struct jsonc j = { 0 };
	int list;

	if (!parse(c, &j))
		return;
	list = merge_list(&j, row->f[1]);
	/* A comment in it is somebody's. */
	if (list > 0 && j.node[list].first < 0 && j.node[list].last_end == j.node[list].start + 1)
		must(jsonc_remove(&c->now, &j, list));
}

/* 1: left alone. */
static int take_gate(struct change *c, const struct row *row)
{
	autoput(jsonc_release) struct jsonc j = { 0 };
	int conf, node;

	if (!parse(c, &j))
		return 1;
	conf = merge_find(&j, merge_list(&j, "configurations"), "name", row->f[1]);
	node = jsonc_member(&j, conf, "preLaunchTask");
	if (node < 0)
		return 0;
	if (!same_value(&j, node, row->f[3])) {
		log_warn("%s: the preLaunchTask of \"%s\" was changed by hand and stays", c->path,
			row->f[1]);
		return 1;
	}
	if (*row->f[2])
		must(jsonc_set(&c->now, &j, node, row->f[2]));
	else
		must(jsonc_remove(&c->now, &j, node));
	return 0;
}

static bool nothing_left(const struct change *c)
{
	autoput(jsonc_release) struct jsonc j = { 0 };

	if (jsonc_parse(c->now.data, c->now.len, &j) < 0)
		return false;
	return !j.n || (j.node[0].first < 0 && j.node[0].last_end == j.node[0].start + 1 &&
			       j.end == j.node[0].end);
}

/* A file that is as we left it becomes what it was, byte by byte; else what we added is taken
 * out of it. */
int merge_out(struct change *c, struct record *r)
{
	const struct row *file = record_find(r, "file", c->path, NULL, NULL, NULL);
	bool made = file && strcmp(file->f[1], "0") == 0;
	int left = 0;

	if (!c->had || record_restore(r, c))
		return 0;
	for (size_t i = r->n; i-- > 0;) {
		const struct row *row = &r->row[i];

		if (strcmp(row->f[0], c->path) != 0)
			continue;
		if (strcmp(row->kind, "item") == 0)
			left += take_item(c, row, made);
		else if (strcmp(row->kind, "gate") == 0)
			left += take_gate(c, row);
		else if (strcmp(row->kind, "made") == 0)
			take_list(c, row);
	}
	if (made && nothing_left(c))
		c->gone = true;
	return left;
}
