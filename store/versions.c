/* One path through time, and every path there ever was. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* ---- through time ---- */

struct versions {
	struct store_entry *e;
	size_t n;
};

static int load_versions(struct store *s, int64_t id, struct versions *x)
{
	sqlite3_stmt *st;
	int r = query_prepare(s, "SELECT " VERSION_COLUMNS " FROM version WHERE path=? ORDER BY seq DESC", &st);

	if (r < 0)
		return r;
	sqlite3_bind_int64(st, 1, id);
	while (r == 0 && sqlite3_step(st) == SQLITE_ROW) {
		void *p = realloc(x->e, (x->n + 1) * sizeof(*x->e));

		if (!p) {
			r = -ENOMEM;
			break;
		}
		x->e = p;
		r = query_row_version(s, id, st, &x->e[x->n++]);
	}
	sqlite3_finalize(st);
	return r;
}

int store_history(struct store *s, const char *path, store_entry_fn fn, void *arg)
{
	struct versions x = { NULL, 0 };
	struct store_entry now;
	int64_t id;
	int r = query_path_row(s, path, &id, &now);

	if (r < 0)
		return r;
	if (now.seq)
		r = fn(path, &now, arg);
	if (r == 0)
		r = load_versions(s, id, &x);
	for (size_t i = 0; r == 0 && i < x.n; i++) {
		autoput(store_snapshot_release) struct store_snapshot sn = { 0 };

		if (entry_has_oid(&x.e[i])) {
			r = store_by_seq(s, x.e[i].seq, &sn);
			if (r == 0)
				r = query_oid_at(s, &sn.tree, path, &x.e[i].oid);
		}
		if (r == 0)
			r = fn(path, &x.e[i], arg);
	}
	free(x.e);
	return r;
}

/* ---- every path ---- */

struct dirs {
	int64_t *id;
	size_t n;
};

struct paths_arg {
	struct store *s;
	const struct dirs *dirs;
	const char *prefix;
	store_entry_fn fn;
	void *arg;
};

/* Folders, by id, that have or had anything in them. */
static int load_dirs(struct store *s, struct dirs *x)
{
	sqlite3_stmt *st;
	size_t cap = 0;
	int r = query_prepare(s, "SELECT dir FROM path GROUP BY dir", &st);

	if (r < 0)
		return r;
	while (sqlite3_step(st) == SQLITE_ROW) {
		if (x->n == cap) {
			void *p = realloc(x->id, (cap = cap * 2 + 64) * sizeof(*x->id));

			if (!p) {
				r = -ENOMEM;
				break;
			}
			x->id = p;
		}
		x->id[x->n++] = sqlite3_column_int64(st, 0);
	}
	sqlite3_finalize(st);
	return r;
}

static int id_cmp(const void *pa, const void *pb)
{
	int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;

	return a < b ? -1 : a > b;
}

static int paths_child(const char *name, size_t len, int64_t id, const struct store_entry *e, void *arg)
{
	struct paths_arg *a = arg, below = *a;
	autofree char *path = NULL;
	int r;

	(void)len;
	if (asprintf(&path, "%s%s%s", a->prefix, *a->prefix ? "/" : "", name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = e->seq ? a->fn(path, e, a->arg) : 0;
	below.prefix = path;
	if (r == 0 && a->dirs->n && bsearch(&id, a->dirs->id, a->dirs->n, sizeof(id), id_cmp))
		r = query_children(a->s, id, ~0ull, true, paths_child, &below);
	return r;
}

int store_paths(struct store *s, store_entry_fn fn, void *arg)
{
	struct dirs dirs = { NULL, 0 };
	struct paths_arg a = { s, &dirs, "", fn, arg };
	int64_t root;
	int r = load_dirs(s, &dirs);

	if (r == 0)
		r = cat_path_id(s->cat, "", 0, &root);
	if (r == 0)
		r = query_children(s, root, ~0ull, true, paths_child, &a);
	free(dirs.id);
	return r;
}
