/* Rows of the catalogue: the current entry of every path, and the one it had as of a snapshot. Ids of contents are
 * in the trees (content.c). */
#include <string.h>

#include "internal.h"

struct row {
	char *name;
	int64_t id;
	struct store_entry e;
};

struct rows {
	struct row *r;
	size_t n;
};

static void rows_release(struct rows *x)
{
	for (size_t i = 0; i < x->n; i++)
		free(x->r[i].name);
	free(x->r);
}

#define ENTRY "name, id, seq, kind, mode, size, mtime, ctime, ino, oid, flags, why, sum"

static int row_entry(struct store *s, int64_t dir, sqlite3_stmt *st, struct store_entry *e)
{
	const char *name = sqlite3_column_blob(st, 0);

	*e = (struct store_entry){
		.seq = (uint64_t)sqlite3_column_int64(st, 2), .kind = (enum store_kind)sqlite3_column_int(st, 3),
		.mode = (uint32_t)sqlite3_column_int64(st, 4), .size = (uint64_t)sqlite3_column_int64(st, 5),
		.mtime_ns = sqlite3_column_int64(st, 6), .ctime_ns = sqlite3_column_int64(st, 7),
		.ino = (uint64_t)sqlite3_column_int64(st, 8), .flags = (uint32_t)sqlite3_column_int64(st, 10),
		.why = (enum store_why)sqlite3_column_int(st, 11),
	};
	if (sqlite3_column_bytes(st, 9) == 20)
		memcpy(e->oid.b, sqlite3_column_blob(st, 9), 20);
	/* The workspace's own row stands without an entry until somebody gives it one. */
	if ((e->seq || dir) && cat_sum_entry(dir, name ? name : "", (size_t)sqlite3_column_bytes(st, 0), e) !=
	    sqlite3_column_int64(st, 12))
		return query_damaged(s);
	return 0;
}

int query_row_version(struct store *s, int64_t id, sqlite3_stmt *st, struct store_entry *e)
{
	*e = (struct store_entry){
		.seq = (uint64_t)sqlite3_column_int64(st, 0), .kind = (enum store_kind)sqlite3_column_int(st, 1),
		.mode = (uint32_t)sqlite3_column_int64(st, 2), .size = (uint64_t)sqlite3_column_int64(st, 3),
		.mtime_ns = sqlite3_column_int64(st, 4), .flags = (uint32_t)sqlite3_column_int64(st, 5),
		.why = (enum store_why)sqlite3_column_int(st, 6),
	};
	return cat_sum_entry(id, NULL, 0, e) == sqlite3_column_int64(st, 7) ? 0 : query_damaged(s);
}

/* The entry of a path as of seq, from version. -ENOENT: it was not there yet. */
int query_version_at(struct store *s, int64_t id, uint64_t seq, struct store_entry *e)
{
	sqlite3_stmt *st = cat_stmt(s->cat, CS_VERSION_AT,
		"SELECT " VERSION_COLUMNS " FROM version WHERE path=? AND seq<=? ORDER BY seq DESC LIMIT 1");
	int rc, r = 0;

	if (!st)
		return -EIO;
	sqlite3_bind_int64(st, 1, id);
	sqlite3_bind_int64(st, 2, (int64_t)seq);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		r = query_row_version(s, id, st, e);
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? r : rc == SQLITE_DONE ? -ENOENT : query_failed(s, rc);
}

/* All rows are read before anything is asked about them: the callback may come back here. */
static int load_rows(struct store *s, int64_t dir_id, struct rows *x)
{
	sqlite3_stmt *st = cat_stmt(s->cat, CS_CHILDREN, "SELECT " ENTRY " FROM path WHERE dir=? ORDER BY name");
	size_t cap = 0;
	int rc = SQLITE_DONE, e = 0;

	if (!st)
		return -EIO;
	sqlite3_bind_int64(st, 1, dir_id);
	while (e == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		int len = sqlite3_column_bytes(st, 0);
		struct row *r;

		if (x->n == cap) {
			void *p = realloc(x->r, (cap = cap * 2 + 16) * sizeof(*x->r));

			if (!p)
				break;
			x->r = p;
		}
		r = &x->r[x->n];
		r->name = strndup(len ? sqlite3_column_blob(st, 0) : "", (size_t)len);
		if (!r->name)
			break;
		r->id = sqlite3_column_int64(st, 1);
		x->n++;
		e = row_entry(s, dir_id, st, &r->e);
	}
	sqlite3_reset(st);
	return e < 0 ? e : rc == SQLITE_DONE ? 0 : rc == SQLITE_ROW ? -ENOMEM : query_failed(s, rc);
}

int query_children(struct store *s, int64_t dir_id, uint64_t seq, bool all,
	int (*fn)(const char *name, size_t len, int64_t id, const struct store_entry *e, void *arg), void *arg)
{
	autoput(rows_release) struct rows x = { NULL, 0 };
	int r = load_rows(s, dir_id, &x);

	for (size_t i = 0; r == 0 && i < x.n; i++) {
		struct row *w = &x.r[i];

		if (w->e.seq > seq) {
			r = query_version_at(s, w->id, seq, &w->e);
			if (r == -ENOENT) {
				r = 0;
				continue;
			}
		}
		if (r == 0 && (all || w->e.kind != KIND_GONE))
			r = fn(w->name, strlen(w->name), w->id, &w->e, arg);
	}
	return r;
}

/* The row of one path now: id and entry. */
int query_path_row(struct store *s, const char *path, int64_t *ret_id, struct store_entry *e)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	sqlite3_stmt *st;
	int64_t dir = 0;
	int r = *path ? cat_path_id(s->cat, path, slash ? (size_t)(slash - path) : 0, &dir) : 0, rc;

	if (r < 0)
		return r;
	if (!(st = cat_stmt(s->cat, CS_VERSIONS, "SELECT " ENTRY " FROM path WHERE dir=? AND name=?")))
		return -EIO;
	sqlite3_bind_int64(st, 1, dir);
	sqlite3_bind_blob(st, 2, name, (int)strlen(name), SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*ret_id = sqlite3_column_int64(st, 1);
		r = row_entry(s, dir, st, e);
	}
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? r : rc == SQLITE_DONE ? -ENOENT : query_failed(s, rc);
}

int store_cur_get(struct store *s, const char *path, struct store_entry *ret)
{
	struct store_entry e;
	int64_t id;
	int r;

	if (cat_is_empty(s->cat))
		return -ENOENT;
	if ((r = query_path_row(s, path, &id, &e)) < 0)
		return r;
	if (e.kind == KIND_GONE)
		return -ENOENT;
	*ret = e;
	return 0;
}

struct plain_arg {
	store_entry_fn fn;
	void *arg;
};

static int plain_child(const char *name, size_t len, int64_t id, const struct store_entry *e, void *arg)
{
	struct plain_arg *a = arg;

	(void)len;
	(void)id;
	return a->fn(name, e, a->arg);
}

int store_cur_dir(struct store *s, const char *dir, store_entry_fn fn, void *arg)
{
	struct plain_arg a = { fn, arg };
	int64_t id;
	int r;

	if (cat_is_empty(s->cat))
		return -ENOENT;
	r = cat_path_id(s->cat, dir, strlen(dir), &id);
	return r < 0 ? r : query_children(s, id, ~0ull, false, plain_child, &a);
}
