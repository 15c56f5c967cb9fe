/* Rows of the catalogue: the current entry of every path, and the one it had as of a snapshot.
 * Ids of contents as of a snapshot are in the trees (content.c). */
#include <string.h>

#include "internal.h"

void rows_release(struct rows *x)
{
	free(x->r);
	buf_release(&x->names);
	*x = (struct rows){ NULL, 0, 0, BUF_INIT };
}

struct child *rows_add(struct rows *x, const char *name, size_t len)
{
	struct child *r;

	if (x->n == x->cap) {
		size_t cap = x->cap * 2 + 4;

		if (!(r = realloc(x->r, cap * sizeof(*r))))
			return NULL;
		x->r = r;
		x->cap = cap;
	}
	r = &x->r[x->n];
	r->name = x->names.len;
	if (buf_add(&x->names, name, len) < 0 || buf_addch(&x->names, 0) < 0)
		return NULL;
	x->n++;
	return r;
}

#define ENTRY "name, id, seq, kind, mode, size, mtime, ctime, ino, oid, flags, why, sum, seen"

static int row_entry(struct store *s, int64_t dir, sqlite3_stmt *st, struct store_entry *e)
{
	const char *name = sqlite3_column_blob(st, 0);
	size_t len = (size_t)sqlite3_column_bytes(st, 0);

	*e = (struct store_entry){
		.seq = (uint64_t)sqlite3_column_int64(st, 2),
		.kind = (enum store_kind)sqlite3_column_int(st, 3),
		.mode = (uint32_t)sqlite3_column_int64(st, 4),
		.size = (uint64_t)sqlite3_column_int64(st, 5),
		.mtime_ns = sqlite3_column_int64(st, 6),
		.ctime_ns = sqlite3_column_int64(st, 7),
		.ino = (uint64_t)sqlite3_column_int64(st, 8),
		.seen_ns = sqlite3_column_int64(st, 13),
		.flags = (uint32_t)sqlite3_column_int64(st, 10),
		.why = (enum store_why)sqlite3_column_int(st, 11),
	};
	if (sqlite3_column_bytes(st, 9) == 20)
		memcpy(e->oid.b, sqlite3_column_blob(st, 9), 20);
	/* A folder is there before what is in it: rows that went in a circle would be walked for
	 * ever. */
	if (sqlite3_column_int64(st, 1) <= dir)
		return query_damaged(s);
	/* The workspace's own row stands without an entry until somebody gives it one. */
	if ((e->seq || dir) &&
	    cat_sum_entry(dir, len ? name : "", len, e) != sqlite3_column_int64(st, 12))
		return query_damaged(s);
	return 0;
}

int query_row_version(struct store *s, int64_t id, sqlite3_stmt *st, struct store_entry *e)
{
	*e = (struct store_entry){
		.seq = (uint64_t)sqlite3_column_int64(st, 0),
		.kind = (enum store_kind)sqlite3_column_int(st, 1),
		.mode = (uint32_t)sqlite3_column_int64(st, 2),
		.size = (uint64_t)sqlite3_column_int64(st, 3),
		.mtime_ns = sqlite3_column_int64(st, 4),
		.flags = (uint32_t)sqlite3_column_int64(st, 5),
		.why = (enum store_why)sqlite3_column_int(st, 6),
	};
	return cat_sum_entry(id, NULL, 0, e) == sqlite3_column_int64(st, 7) ? 0 : query_damaged(s);
}

/* The entry before the current one that stood at seq. -ENOENT: the path was not there yet. */
static int version_at(struct store *s, int64_t id, uint64_t seq, struct store_entry *e)
{
	sqlite3_stmt *st = cat_stmt(s->cat, CS_VERSION_AT, "SELECT " VERSION_COLUMNS " FROM version"
		" WHERE path=? AND seq<=? ORDER BY seq DESC LIMIT 1");
	int r = 0, rc;

	if (!st)
		return query_failed(s, sqlite3_extended_errcode(cat_db(s->cat)));
	sqlite3_bind_int64(st, 1, id);
	sqlite3_bind_int64(st, 2, (int64_t)seq);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		r = query_row_version(s, id, st, e);
	else if (rc == SQLITE_DONE)
		r = -ENOENT;
	return query_done(s, st, r, rc);
}

/* One name, and not a way out: who gave it may have made the sum right, too. */
static bool is_name(const char *p, size_t n)
{
	return n && !(*p == '.' && (n == 1 || (n == 2 && p[1] == '.'))) && !memchr(p, '/', n) && !memchr(p, 0, n);
}

static int load_rows(struct store *s, int64_t dir_id, struct rows *x)
{
	sqlite3_stmt *st = cat_stmt(s->cat, CS_CHILDREN,
		"SELECT " ENTRY " FROM path WHERE dir=? ORDER BY name");
	int r = 0, rc = SQLITE_DONE;

	if (!st)
		return query_failed(s, sqlite3_extended_errcode(cat_db(s->cat)));
	sqlite3_bind_int64(st, 1, dir_id);
	while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		int len = sqlite3_column_bytes(st, 0);
		const char *name = len ? sqlite3_column_blob(st, 0) : "";
		struct child *w = rows_add(x, name, (size_t)len);

		if (!w)
			r = -ENOMEM;
		else if (dir_id ? !is_name(name, (size_t)len) : len)	/* the workspace's own has none */
			r = query_damaged(s);
		else if ((r = row_entry(s, dir_id, st, &w->e)) == 0)
			w->id = sqlite3_column_int64(st, 1);
	}
	return query_done(s, st, r, rc);
}

int query_rows(struct store *s, int64_t dir_id, uint64_t seq, bool all, struct rows *x)
{
	size_t n = 0;
	int r = load_rows(s, dir_id, x);

	for (size_t i = 0; r == 0 && i < x->n; i++) {
		struct child *w = &x->r[i];

		if (w->e.seq > seq && (r = version_at(s, w->id, seq, &w->e)) == -ENOENT) {
			r = 0;
			continue;
		}
		if (all || w->e.kind != KIND_GONE)
			x->r[n++] = *w;
	}
	x->n = n;
	if (r < 0)
		rows_release(x);
	return r;
}

int query_path_row(struct store *s, const char *path, int64_t *ret_id, struct store_entry *e)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	sqlite3_stmt *st;
	int64_t dir = 0;
	int r = *path ? cat_path_id(s->cat, path, slash ? (size_t)(slash - path) : 0, &dir) : 0, rc;

	if (r < 0)
		return r;
	if (!(st = cat_stmt(s->cat, CS_PATH_ROW,
		"SELECT " ENTRY " FROM path WHERE dir=? AND name=?")))
		return query_failed(s, sqlite3_extended_errcode(cat_db(s->cat)));
	sqlite3_bind_int64(st, 1, dir);
	sqlite3_bind_blob(st, 2, name, (int)strlen(name), SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_DONE)
		r = -ENOENT;
	if (rc == SQLITE_ROW && (r = row_entry(s, dir, st, e)) == 0)
		*ret_id = sqlite3_column_int64(st, 1);
	return query_done(s, st, r, rc);
}

int query_path_at(struct store *s, uint64_t seq, const char *path, int64_t *ret_id,
	struct store_entry *e)
{
	int r = query_path_row(s, path, ret_id, e);

	if (r == 0 && e->seq > seq)
		r = version_at(s, *ret_id, seq, e);
	if (r == 0 && e->kind == KIND_GONE && *path)
		r = -ENOENT;
	return r;
}

int query_children(struct store *s, int64_t dir_id, uint64_t seq, bool all, query_child_fn fn,
	void *arg)
{
	autoput(rows_release) struct rows x = { .names = BUF_INIT };
	int r = query_rows(s, dir_id, seq, all, &x);

	for (size_t i = 0; r == 0 && i < x.n; i++) {
		const char *name = rows_name(&x, &x.r[i]);

		r = fn(name, strlen(name), x.r[i].id, &x.r[i].e, arg);
	}
	return r;
}

/* ---- the current state ---- */

int store_cur_get(struct store *s, const char *path, struct store_entry *ret)
{
	struct store_entry e = { .kind = KIND_GONE };
	int64_t id;
	int r;

	if (cat_is_empty(s->cat))
		return -ENOENT;
	if ((r = query_path_row(s, path, &id, &e)) != 0)
		return r;
	if (e.kind == KIND_GONE)
		return -ENOENT;
	*ret = e;
	return 0;
}

int store_cur_dir(struct store *s, const char *dir, store_entry_fn fn, void *arg)
{
	autoput(rows_release) struct rows x = { .names = BUF_INIT };
	int64_t id;
	int r;

	if (cat_is_empty(s->cat))
		return -ENOENT;
	r = cat_path_id(s->cat, dir, strlen(dir), &id);
	if (r == 0)
		r = query_rows(s, id, ~0ull, false, &x);
	for (size_t i = 0; r == 0 && i < x.n; i++)
		r = fn(rows_name(&x, &x.r[i]), &x.r[i].e, arg);
	return r;
}

struct below {
	store_entry_fn fn;
	void *arg;
	struct buf dir;		/* the one in hand */
	struct buf todo;	/* folders, each behind a NUL */
};

static int below_one(const char *name, const struct store_entry *e, void *arg)
{
	struct below *b = arg;
	size_t len = b->dir.len;
	int r;

	if ((len && buf_addch(&b->dir, '/') < 0) || buf_addstr(&b->dir, name) < 0)
		return -ENOMEM;
	r = b->fn(b->dir.data, e, b->arg);
	if (r == 0 && e->kind == KIND_DIR)
		r = buf_addch(&b->todo, 0) | buf_add(&b->todo, b->dir.data, b->dir.len) ? -ENOMEM
											: 0;
	b->dir.len = len;
	b->dir.data[len] = 0;
	return r;
}

int query_below(struct store *s, const char *dir, store_entry_fn fn, void *arg)
{
	struct below b = { .fn = fn, .arg = arg };
	int r = buf_addch(&b.todo, 0) | buf_addstr(&b.todo, dir) ? -ENOMEM : 0;

	while (r == 0 && b.todo.len) {
		const char *nul = memrchr(b.todo.data, 0, b.todo.len);

		buf_reset(&b.dir);
		if (buf_addstr(&b.dir, nul + 1) < 0) {
			r = -ENOMEM;
			break;
		}
		b.todo.len = (size_t)(nul - b.todo.data);
		r = store_cur_dir(s, b.dir.data, below_one, &b);
		if (r == -ENOENT)
			r = 0;
	}
	buf_release(&b.dir);
	buf_release(&b.todo);
	return r;
}
