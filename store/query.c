/* The questions of store.h: what is where, answered from the catalogue (times, modes, kinds) and the trees (ids). */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "../lib/text.h"
#include "hash.h"
#include "internal.h"

#define COLUMNS "seq, id, tree, time, reason, flags, changed, added, message, loc, sum"

int query_damaged(struct store *s)
{
	int fd;

	if (!s->cat_damaged)
		log_error("%s/catalogue.db is damaged: the next command makes it again from the log", s->dir);
	s->cat_damaged = true;
	s->broken = 1;
	fd = openat(s->dirfd, CATALOGUE_BAD, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0)		/* outlives us: whoever writes next makes a new one */
		close(fd);
	return -EBADMSG;
}

/* ---- snapshots ---- */

/* What SQLite itself finds wrong with its pages is damage too. */
static int sql_failed(struct store *s, int rc)
{
	int r = err_from_sqlite(rc);

	return r == -EBADMSG ? query_damaged(s) : r;
}

static int row_snapshot(struct store *s, sqlite3_stmt *st, struct store_snapshot *sn)
{
	const char *msg = (const char *)sqlite3_column_text(st, 8);

	*sn = (struct store_snapshot){
		.seq = (uint64_t)sqlite3_column_int64(st, 0), .time_ns = sqlite3_column_int64(st, 3),
		.reason = (enum store_reason)sqlite3_column_int(st, 4), .flags = (uint32_t)sqlite3_column_int64(st, 5),
		.changed = (uint64_t)sqlite3_column_int64(st, 6), .added_bytes = (uint64_t)sqlite3_column_int64(st, 7),
	};
	if (sqlite3_column_bytes(st, 1) != 20 || sqlite3_column_bytes(st, 2) != 20)
		return query_damaged(s);
	memcpy(sn->id.b, sqlite3_column_blob(st, 1), 20);
	memcpy(sn->tree.b, sqlite3_column_blob(st, 2), 20);
	sn->message = (char *)(uintptr_t)(msg ? msg : "");
	if (cat_sum_snapshot(sn, (loc_t)sqlite3_column_int64(st, 9)) == sqlite3_column_int64(st, 10))
		return 0;
	sn->message = NULL;	/* never ours, and now nobody's */
	return query_damaged(s);
}

/* A statement of its own: the callback may ask other questions. */
static int prepare(struct store *s, const char *sql, sqlite3_stmt **ret)
{
	int r;

	if (sqlite3_prepare_v2(cat_db(s->cat), sql, -1, ret, NULL) == SQLITE_OK)
		return 0;
	r = err_from_sqlite(sqlite3_extended_errcode(cat_db(s->cat)));
	return r == -EBADMSG ? query_damaged(s) : r;
}

int store_list(struct store *s, uint64_t before_seq, store_snapshot_fn fn, void *arg)
{
	struct store_snapshot sn;
	sqlite3_stmt *st;
	int r = prepare(s, "SELECT " COLUMNS " FROM snapshot WHERE seq<? ORDER BY seq DESC", &st), rc = SQLITE_ROW;

	if (r < 0)
		return r;
	sqlite3_bind_int64(st, 1, before_seq ? (int64_t)before_seq : INT64_MAX);
	while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW)
		if ((r = row_snapshot(s, st, &sn)) == 0)
			r = fn(&sn, arg);
	sqlite3_finalize(st);
	return r == 0 && rc != SQLITE_DONE ? sql_failed(s, rc) : r;
}

uint64_t store_count(struct store *s)
{
	sqlite3_stmt *st;
	uint64_t n = 0;

	if (prepare(s, "SELECT count(*) FROM snapshot", &st) < 0)
		return 0;
	if (sqlite3_step(st) == SQLITE_ROW)
		n = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* One snapshot; what: a WHERE ... ORDER BY with one integer. */
static int one_snapshot(struct store *s, const char *what, int64_t v, struct store_snapshot *ret, loc_t *ret_loc)
{
	char sql[256];
	sqlite3_stmt *st;
	int r, rc;

	(void)snprintf(sql, sizeof(sql), "SELECT " COLUMNS " FROM snapshot WHERE %s LIMIT 1", what);
	if ((r = prepare(s, sql, &st)) < 0)
		return r;
	sqlite3_bind_int64(st, 1, v);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		r = row_snapshot(s, st, ret);
		if (r == 0 && !(ret->message = strdup(ret->message)))
			r = -ENOMEM;
		if (ret_loc)
			*ret_loc = (loc_t)sqlite3_column_int64(st, 9);
	} else {
		r = rc == SQLITE_DONE ? -ENOENT : sql_failed(s, rc);
	}
	sqlite3_finalize(st);
	return r;
}

int store_newest(struct store *s, struct store_snapshot *ret)
{
	return one_snapshot(s, "seq<=? ORDER BY seq DESC", INT64_MAX, ret, NULL);
}

int store_by_seq(struct store *s, uint64_t seq, struct store_snapshot *ret)
{
	return one_snapshot(s, "seq=?", (int64_t)seq, ret, NULL);
}

int store_before(struct store *s, uint64_t seq, struct store_snapshot *ret)
{
	return one_snapshot(s, "seq<? ORDER BY seq DESC", (int64_t)seq, ret, NULL);
}

int store_at_time(struct store *s, int64_t time_ns, struct store_snapshot *ret)
{
	return one_snapshot(s, "time<=? ORDER BY seq DESC", time_ns, ret, NULL);
}

int store_by_prefix(struct store *s, const char *hex, struct store_snapshot *ret)
{
	uint8_t lo[20] = { 0 }, hi[20];
	size_t n = strlen(hex);
	struct store_snapshot other;
	sqlite3_stmt *st;
	int r, rc;

	memset(hi, 0xff, sizeof(hi));
	if (n < 4 || n > 40)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		const char *digits = "0123456789abcdef", *d = strchr(digits, hex[i] >= 'A' && hex[i] <= 'F' ? hex[i] + 32 : hex[i]);
		int v = d ? (int)(d - digits) : -1, shift = i % 2 ? 0 : 4;

		if (v < 0 || v > 15)
			return -EINVAL;
		lo[i / 2] |= (uint8_t)(v << shift);
		hi[i / 2] = (uint8_t)((hi[i / 2] & ~(0xf << shift)) | v << shift);
	}
	if ((r = prepare(s, "SELECT " COLUMNS " FROM snapshot WHERE id BETWEEN ? AND ? LIMIT 2", &st)) < 0)
		return r;
	sqlite3_bind_blob(st, 1, lo, 20, SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, hi, 20, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc != SQLITE_ROW) {
		sqlite3_finalize(st);
		return rc == SQLITE_DONE ? -ENOENT : sql_failed(s, rc);
	}
	r = row_snapshot(s, st, &other);
	if (r == 0 && !(other.message = strdup(other.message)))
		r = -ENOMEM;
	if (r == 0 && sqlite3_step(st) == SQLITE_ROW) {
		free(other.message);
		r = -ENOTUNIQ;
	}
	sqlite3_finalize(st);
	if (r == 0)
		*ret = other;
	return r;
}

int store_mark_get(struct store *s, const char *name, uint64_t *ret_seq)
{
	sqlite3_stmt *st;
	int r = prepare(s, "SELECT seq, sum FROM mark WHERE name=?", &st), rc;

	if (r < 0)
		return r;
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*ret_seq = (uint64_t)sqlite3_column_int64(st, 0);
		if (cat_sum_mark(name, *ret_seq) != sqlite3_column_int64(st, 1))
			r = query_damaged(s);
	}
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? r : rc == SQLITE_DONE ? -ENOENT : sql_failed(s, rc);
}

int store_marks(struct store *s, store_mark_fn fn, void *arg)
{
	sqlite3_stmt *st;
	int r = prepare(s, "SELECT name, seq, sum FROM mark ORDER BY seq, name", &st);

	if (r < 0)
		return r;
	while (r == 0 && sqlite3_step(st) == SQLITE_ROW)
		r = cat_sum_mark((const char *)sqlite3_column_text(st, 0), (uint64_t)sqlite3_column_int64(st, 1)) !=
			sqlite3_column_int64(st, 2) ? query_damaged(s) :
			fn((const char *)sqlite3_column_text(st, 0), (uint64_t)sqlite3_column_int64(st, 1), arg);
	sqlite3_finalize(st);
	return r;
}

/* ---- trees ---- */

int query_tree_at(struct store *s, const struct oid *root, const char *dir, struct rbuf **ret)
{
	autorbuf struct rbuf *tree = NULL;
	int r = obj_read_id(s, root, NULL, &tree);

	while (r == 0 && *dir) {
		size_t n = strcspn(dir, "/");
		struct tree_entry e;

		if ((r = tree_find(tree, dir, n, &e)) < 0)
			return r;
		if (e.mode != 040000)
			return -ENOENT;
		rbuf_unref(take_ptr(tree));
		r = obj_read_id(s, &e.oid, NULL, &tree);
		dir += n + (dir[n] == '/');
	}
	if (r == 0)
		*ret = take_ptr(tree);
	return r;
}

/* The entries of one tree, sorted by plain name, for looking many up. */
struct names {
	struct rbuf *tree;
	struct tree_entry *e;
	size_t n;
};

static void names_release(struct names *x)
{
	rbuf_unref(x->tree);
	free(x->e);
	*x = (struct names){ NULL, NULL, 0 };
}

static int name_cmp(const void *pa, const void *pb)
{
	const struct tree_entry *a = pa, *b = pb;
	size_t n = a->len < b->len ? a->len : b->len;
	int r = memcmp(a->name, b->name, n);

	return r ? r : a->len < b->len ? -1 : a->len > b->len;
}

/* Takes the tree (NULL: no names). */
static int names_load(struct names *x, struct rbuf *tree)
{
	const uint8_t *p, *end;
	size_t cap = 0;
	int r;

	*x = (struct names){ .tree = tree };
	if (!tree)
		return 0;
	p = tree->data;
	end = p + tree->len;
	for (;;) {
		if (x->n == cap) {
			void *q = realloc(x->e, (cap = cap * 2 + 16) * sizeof(*x->e));

			if (!q)
				return -ENOMEM;
			x->e = q;
		}
		if ((r = tree_next(&p, end, &x->e[x->n])) != 1)
			break;
		x->n++;
	}
	qsort(x->e, x->n, sizeof(*x->e), name_cmp);
	return r;
}

static const struct tree_entry *names_find(const struct names *x, const char *name)
{
	struct tree_entry key = { .name = name, .len = strlen(name) };

	return x->n ? bsearch(&key, x->e, x->n, sizeof(key), name_cmp) : NULL;
}

static int names_at(struct store *s, const struct oid *root, const char *dir, struct names *x)
{
	struct rbuf *tree = NULL;
	int r = query_tree_at(s, root, dir, &tree);

	return r < 0 && r != -ENOENT ? r : names_load(x, tree);
}

/* ---- entries of the catalogue ---- */

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

#define VERSION "seq, kind, mode, size, mtime, flags, why, sum"

static int row_version(struct store *s, int64_t id, sqlite3_stmt *st, struct store_entry *e)
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
static int version_at(struct store *s, int64_t id, uint64_t seq, struct store_entry *e)
{
	sqlite3_stmt *st = cat_stmt(s->cat, CS_VERSION_AT,
		"SELECT " VERSION " FROM version WHERE path=? AND seq<=? ORDER BY seq DESC LIMIT 1");
	int rc, r = 0;

	if (!st)
		return -EIO;
	sqlite3_bind_int64(st, 1, id);
	sqlite3_bind_int64(st, 2, (int64_t)seq);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		r = row_version(s, id, st, e);
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? r : rc == SQLITE_DONE ? -ENOENT : sql_failed(s, rc);
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
	return e < 0 ? e : rc == SQLITE_DONE ? 0 : rc == SQLITE_ROW ? -ENOMEM : sql_failed(s, rc);
}

int query_children(struct store *s, int64_t dir_id, uint64_t seq, bool all,
	int (*fn)(const char *name, size_t len, int64_t id, const struct store_entry *e, void *arg), void *arg)
{
	autoput(rows_release) struct rows x = { NULL, 0 };
	int r = load_rows(s, dir_id, &x);

	for (size_t i = 0; r == 0 && i < x.n; i++) {
		struct row *w = &x.r[i];

		if (w->e.seq > seq) {
			r = version_at(s, w->id, seq, &w->e);
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
static int path_row(struct store *s, const char *path, int64_t *ret_id, struct store_entry *e)
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
	return rc == SQLITE_ROW ? r : rc == SQLITE_DONE ? -ENOENT : sql_failed(s, rc);
}

int store_cur_get(struct store *s, const char *path, struct store_entry *ret)
{
	struct store_entry e;
	int64_t id;
	int r;

	if (cat_is_empty(s->cat))
		return -ENOENT;
	if ((r = path_row(s, path, &id, &e)) < 0)
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

/* ---- a snapshot's content ---- */

static int entry_at(struct store *s, uint64_t seq, const char *path, int64_t *ret_id, struct store_entry *e)
{
	int r = path_row(s, path, ret_id, e);

	if (r == 0 && e->seq > seq)
		r = version_at(s, *ret_id, seq, e);
	if (r == 0 && e->kind == KIND_GONE && *path)
		r = -ENOENT;
	return r;
}

static bool has_oid(const struct store_entry *e)
{
	return e->kind == KIND_FILE || e->kind == KIND_LINK;
}

struct dir_arg {
	struct store *s;
	uint64_t seq;
	const struct names *names;
	size_t found;		/* of them */
	store_entry_fn fn;
	void *arg;
	const char *prefix;	/* NULL: names only, not recursive */
};

static int walk_dir(struct store *s, uint64_t seq, int64_t id, const char *path, const struct oid *tree, store_entry_fn fn, void *arg);

static int dir_child(const char *name, size_t len, int64_t id, const struct store_entry *e, void *arg);

static bool agree(const struct tree_entry *t, const struct store_entry *e)
{
	return e->kind == KIND_DIR ? t->mode == 040000 : has_oid(e) && t->mode != 040000;
}

struct known_arg {
	const char *name;
	bool known;
};

static int is_known(const char *name, size_t len, int64_t id, const struct store_entry *e, void *arg)
{
	struct known_arg *k = arg;

	(void)len;
	(void)id;
	if (strcmp(name, k->name) == 0 && (e->kind == KIND_DIR || has_oid(e)))
		k->known = true;
	return 0;
}

/* What the tree holds and no row speaks of, because the snapshot record that did is damaged: the content is
 * right, the times are not known. */
static int list_rest(struct dir_arg *a, int64_t id)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	int r = store_by_seq(a->s, a->seq, &sn);

	for (size_t i = 0; r == 0 && i < a->names->n; i++) {
		const struct tree_entry *t = &a->names->e[i];
		autofree char *name = strndup(t->name, t->len);
		struct known_arg k = { name, false };
		struct store_entry e = { .kind = KIND_FILE, .mode = t->mode == 040000 ? 040755 : t->mode, .mtime_ns = sn.time_ns };

		if (!name)
			return -ENOMEM;
		if ((r = query_children(a->s, id, a->seq, false, is_known, &k)) < 0 || k.known)
			continue;
		e.kind = t->mode == 040000 ? KIND_DIR : t->mode == 0120000 ? KIND_LINK : KIND_FILE;
		if (e.kind != KIND_DIR)
			(void)store_blob_size(a->s, &t->oid, &e.size);
		r = dir_child(name, t->len, -1, &e, a);
	}
	return r;
}

/* Every name of the tree has a row, or the catalogue has lost some. */
static int list_children(struct dir_arg *a, int64_t id)
{
	int r = query_children(a->s, id, a->seq, false, dir_child, a);

	if (r != 0 || a->found == a->names->n)
		return r;
	return cat_is_lossy(a->s->cat) ? list_rest(a, id) : query_damaged(a->s);
}

static int dir_child(const char *name, size_t len, int64_t id, const struct store_entry *e, void *arg)
{
	struct dir_arg *a = arg;
	struct store_entry with = *e;
	const struct tree_entry *t = names_find(a->names, name);
	autofree char *path = NULL;
	int r;

	(void)len;
	a->found += t && agree(t, e);
	if (has_oid(e)) {
		if ((!t || !agree(t, e)) && cat_is_lossy(a->s->cat))
			return 0;	/* the record that said it went is damaged */
		if (!t || !agree(t, e))
			return query_damaged(a->s);
		with.oid = t->oid;
	}
	if (!a->prefix)
		return a->fn(name, &with, a->arg);
	if (asprintf(&path, "%s%s%s", a->prefix, *a->prefix ? "/" : "", name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = a->fn(path, &with, a->arg);
	if (r == 0 && e->kind == KIND_DIR)
		r = walk_dir(a->s, a->seq, id, path, t && t->mode == 040000 ? &t->oid : NULL, a->fn, a->arg);
	return r;
}

static int walk_dir(struct store *s, uint64_t seq, int64_t id, const char *path, const struct oid *tree, store_entry_fn fn, void *arg)
{
	autoput(names_release) struct names x = { NULL, NULL, 0 };
	struct dir_arg a = { .s = s, .seq = seq, .names = &x, .fn = fn, .arg = arg, .prefix = path };
	struct rbuf *raw = NULL;
	int r = tree ? obj_read_id(s, tree, NULL, &raw) : 0;

	if (r == 0)
		r = names_load(&x, raw);
	return r < 0 ? r : list_children(&a, id);
}

/* A folder of a snapshot: its id, and its tree in x. */
static int open_dir(struct store *s, uint64_t seq, const char *dir, int64_t *ret_id, struct names *x)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	struct store_entry e;
	int r = store_by_seq(s, seq, &sn);

	if (r == 0)
		r = entry_at(s, seq, dir, ret_id, &e);
	if (r == 0 && *dir && e.kind != KIND_DIR)
		r = -ENOTDIR;
	return r < 0 ? r : names_at(s, &sn.tree, dir, x);
}

int store_dir_at(struct store *s, uint64_t seq, const char *dir, store_entry_fn fn, void *arg)
{
	autoput(names_release) struct names x = { NULL, NULL, 0 };
	struct dir_arg a = { .s = s, .seq = seq, .names = &x, .fn = fn, .arg = arg };
	int64_t id;
	int r = open_dir(s, seq, dir, &id, &x);

	return r < 0 ? r : list_children(&a, id);
}

int store_walk_at(struct store *s, uint64_t seq, const char *dir, store_entry_fn fn, void *arg)
{
	autoput(names_release) struct names x = { NULL, NULL, 0 };
	struct dir_arg a = { .s = s, .seq = seq, .names = &x, .fn = fn, .arg = arg, .prefix = dir };
	int64_t id;
	int r = open_dir(s, seq, dir, &id, &x);

	return r < 0 ? r : list_children(&a, id);
}

/* The id of a stored path in a tree. */
static int oid_at(struct store *s, const struct oid *root, const char *path, struct oid *ret)
{
	const char *slash = strrchr(path, '/');
	autofree char *dir = strndup(path, slash ? (size_t)(slash - path) : 0);
	autorbuf struct rbuf *tree = NULL;
	struct tree_entry t;
	int r = dir ? query_tree_at(s, root, dir, &tree) : -ENOMEM;

	if (r == 0)
		r = tree_find(tree, slash ? slash + 1 : path, strlen(slash ? slash + 1 : path), &t);
	if (r == 0)
		*ret = t.oid;
	return r == -ENOENT && !cat_is_lossy(s->cat) ? query_damaged(s) : r;
}

int store_entry_at(struct store *s, uint64_t seq, const char *path, struct store_entry *ret)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	struct store_entry e;
	int64_t id;
	int r = store_by_seq(s, seq, &sn);

	if (r == 0)
		r = entry_at(s, seq, path, &id, &e);
	if (r == 0 && has_oid(&e))
		r = oid_at(s, &sn.tree, path, &e.oid);
	if (r == 0)
		*ret = e;
	return r;
}

struct changes_arg {
	struct store *s;
	struct store_snapshot sn;
	struct buf dir;
	bool have;
	struct names names;
	store_entry_fn fn;
	void *arg;
};

static int changed(const char *path, const struct store_entry *e, void *arg)
{
	struct changes_arg *a = arg;
	struct store_entry with = *e;
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	int r;

	with.seq = a->sn.seq;
	if (has_oid(e)) {
		const struct tree_entry *t;

		if (!a->have || a->dir.len != len || memcmp(a->dir.data, path, len) != 0) {
			names_release(&a->names);
			buf_reset(&a->dir);
			if (buf_add(&a->dir, path, len) < 0)
				return -ENOMEM;
			if ((r = names_at(a->s, &a->sn.tree, a->dir.data, &a->names)) < 0)
				return r;
			a->have = true;
		}
		t = names_find(&a->names, slash ? slash + 1 : path);
		if (!t)
			return -EBADMSG;
		with.oid = t->oid;
	}
	return a->fn(path, &with, a->arg);
}

int store_changes(struct store *s, uint64_t seq, store_entry_fn fn, void *arg)
{
	struct changes_arg a = { .s = s, .fn = fn, .arg = arg };
	loc_t loc;
	int r = one_snapshot(s, "seq=?", (int64_t)seq, &a.sn, &loc);

	if (r == 0)
		r = snap_each(s, loc, changed, &a);
	store_snapshot_release(&a.sn);
	names_release(&a.names);
	buf_release(&a.dir);
	return r;
}

/* ---- through time ---- */

struct versions {
	struct store_entry *e;
	size_t n;
};

static int load_versions(struct store *s, int64_t id, struct versions *x)
{
	sqlite3_stmt *st;
	int r = prepare(s, "SELECT " VERSION " FROM version WHERE path=? ORDER BY seq DESC", &st);

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
		r = row_version(s, id, st, &x->e[x->n++]);
	}
	sqlite3_finalize(st);
	return r;
}

int store_history(struct store *s, const char *path, store_entry_fn fn, void *arg)
{
	struct versions x = { NULL, 0 };
	struct store_entry now;
	int64_t id;
	int r = path_row(s, path, &id, &now);

	if (r < 0)
		return r;
	if (now.seq)
		r = fn(path, &now, arg);
	if (r == 0)
		r = load_versions(s, id, &x);
	for (size_t i = 0; r == 0 && i < x.n; i++) {
		autoput(store_snapshot_release) struct store_snapshot sn = { 0 };

		if (has_oid(&x.e[i])) {
			r = store_by_seq(s, x.e[i].seq, &sn);
			if (r == 0)
				r = oid_at(s, &sn.tree, path, &x.e[i].oid);
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
	int r = prepare(s, "SELECT dir FROM path GROUP BY dir", &st);

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

int store_totals(struct store *s, struct store_totals *ret)
{
	struct store_totals t = { .snapshots = store_count(s) };
	uint32_t first, last;
	sqlite3_stmt *st;
	struct stat sb;
	uint64_t size;
	int r = prepare(s, "SELECT kind, count(*), sum(size), sum((flags & 16) != 0) FROM path WHERE name<>x'' GROUP BY kind", &st);

	if (r < 0)
		return r;
	while (sqlite3_step(st) == SQLITE_ROW) {
		uint64_t n = (uint64_t)sqlite3_column_int64(st, 1);
		int kind = sqlite3_column_int(st, 0);

		if (kind == KIND_FILE || kind == KIND_LINK)
			t.files += n;
		else if (kind == KIND_DIR)
			t.dirs += n;
		else if (kind == KIND_SKIPPED)
			t.skipped += n, t.skipped_bytes += (uint64_t)sqlite3_column_int64(st, 2);
		if (kind != KIND_GONE)
			t.kept += (uint64_t)sqlite3_column_int64(st, 3);
	}
	sqlite3_finalize(st);
	if ((r = seg_list(s, &first, &last)) < 0)
		return r;
	for (uint32_t no = first; no && no <= last; no++)
		if (seg_size(s, no, &size) == 0)
			t.log_bytes += size;
	if (fstatat(s->dirfd, "catalogue.db", &sb, 0) == 0)
		t.catalogue_bytes = (uint64_t)sb.st_size;
	if (fstatat(s->dirfd, "catalogue.db-wal", &sb, 0) == 0)
		t.catalogue_bytes += (uint64_t)sb.st_size;
	*ret = t;
	return 0;
}

/* ---- blobs ---- */

int store_has(struct store *s, const struct oid *id)
{
	loc_t loc;
	int r = obj_find(s, id, &loc);

	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

int store_blob_size(struct store *s, const struct oid *id, uint64_t *ret)
{
	autohead struct head *h = NULL;
	autorbuf struct rbuf *raw = NULL;
	struct cursor c;
	uint8_t type;
	loc_t loc;
	int r = obj_must_find(s, id, &loc);

	if (r < 0 || (r = head_get(s, loc_seg(loc), loc_off(loc), &h)) < 0)
		return r;
	if (loc_idx(loc) >= h->n_objs)
		return -EBADMSG;
	type = head_frame(h, loc_idx(loc))->type;
	if (type == OBJ_BLOB) {
		*ret = h->raw[loc_idx(loc)];
		return 0;
	}
	if (type != OBJ_LARGE)
		return -EINVAL;
	if ((r = obj_read(s, loc, NULL, NULL, &raw)) < 0)
		return r;
	c = (struct cursor){ raw->data, raw->data + raw->len, 0 };
	*ret = cur_varint(&c);
	return c.bad ? -EBADMSG : 0;
}

static int stream_large(struct store *s, const struct rbuf *list, const struct oid *id,
	int (*fn)(const void *p, size_t n, void *arg), void *arg)
{
	struct cursor c = { list->data, list->data + list->len, 0 };
	uint64_t size = cur_varint(&c), done = 0;
	struct hash h;
	struct oid got;
	int r = c.bad ? -EBADMSG : hash_begin(&h, "blob", size);

	if (r < 0)
		return r;
	while (r == 0 && c.p < c.end) {
		autorbuf struct rbuf *raw = NULL;
		uint64_t n = cur_varint(&c);
		const uint8_t *p = cur_bytes(&c, 20);
		struct oid part;
		uint8_t type;

		if (!p) {
			r = -EBADMSG;
			break;
		}
		memcpy(part.b, p, 20);
		r = obj_read_id(s, &part, &type, &raw);
		if (r == -ENOENT || (r == 0 && (type != OBJ_BLOB || raw->len != n)))
			r = -EBADMSG;
		if (r == 0) {
			hash_add(&h, raw->data, raw->len);
			done += n;
			r = fn(raw->data, raw->len, arg);
		}
	}
	hash_end(&h, &got);
	if (r == 0 && (done != size || !oid_eq(&got, id)))
		r = -EBADMSG;
	return r;
}

int store_stream_blob(struct store *s, const struct oid *id, int (*fn)(const void *p, size_t n, void *arg), void *arg)
{
	autorbuf struct rbuf *raw = NULL;
	struct oid got;
	uint8_t type;
	int r = obj_read_id(s, id, &type, &raw);

	if (r < 0)
		return r;
	if (type == OBJ_LARGE)
		return stream_large(s, raw, id, fn, arg);
	if (type != OBJ_BLOB)
		return -EINVAL;
	store_hash("blob", raw->data, raw->len, &got);
	if (!oid_eq(&got, id))
		return -EBADMSG;
	return fn(raw->data, raw->len, arg);
}

int query_add_piece(const void *p, size_t n, void *arg)
{
	return buf_add(arg, p, n);
}

int store_read_blob(struct store *s, const struct oid *id, size_t max, struct buf *ret)
{
	uint64_t size;
	int r = store_blob_size(s, id, &size);

	if (r < 0)
		return r;
	if (size > max)
		return -EFBIG;
	if ((r = buf_reserve(ret, (size_t)size + 1)) < 0)
		return r;
	return store_stream_blob(s, id, query_add_piece, ret);
}
