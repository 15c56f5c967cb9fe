/* What is in a snapshot: times, modes and kinds from the rows, ids from the trees.
 *
 * Every stored name of a tree has a row and the other way round; if not, the catalogue is
 * damaged. Only when a snapshot record of the log is damaged (the catalogue is "lossy" then)
 * trees may know better than rows: the content is right, the times are not known.
 *
 * Folders may be nested by the thousand, and a store may come from a stranger: walks keep their
 * place on the heap, the path in one buffer, and go nowhere twice. */
#include <string.h>

#include "internal.h"

/* ---- trees ---- */

/* How many bytes of path the way that was gone last leads along; what leads elsewhere is
 * forgotten. */
static size_t way_keep(struct way *w, const struct oid *root, const char *path, size_t len)
{
	size_t max = len < w->dir.len ? len : w->dir.len, same;

	if (!oid_eq(&w->root, root))
		max = 0;
	same = path_shared(path, max ? w->dir.data : "", max);
	while (w->n && (w->step[w->n - 1].end > same ||
			       (w->step[w->n - 1].end < len && path[w->step[w->n - 1].end] != '/')))
		w->n--;
	w->root = *root;
	return w->dir.len = w->n ? w->step[w->n - 1].end : 0;
}

static int way_add(struct way *w, const char *path, size_t end, const struct oid *id)
{
	if (w->n == w->cap) {
		void *p = realloc(w->step, (w->cap * 2 + 16) * sizeof(*w->step));

		if (!p)
			return -ENOMEM;
		w->step = p;
		w->cap = w->cap * 2 + 16;
	}
	if (buf_add(&w->dir, path + w->dir.len, end - w->dir.len) < 0)
		return -ENOMEM;
	w->step[w->n++] = (struct way_step){ end, *id };
	return 0;
}

void way_release(struct way *w)
{
	buf_release(&w->dir);
	free(w->step);
}

/* Mode and id of a path in a tree; "" is the tree itself. Who asks goes folder by folder: only
 * what differs from the way before is looked up. */
static int tree_lookup(struct store *s, const struct oid *root, const char *path,
	uint32_t *ret_mode, struct oid *ret)
{
	size_t len = strlen(path), at = way_keep(&s->way, root, path, len);
	struct oid id = s->way.n ? s->way.step[s->way.n - 1].id : *root;
	uint32_t mode = 040000;

	while (at < len) {
		autorbuf struct rbuf *tree = NULL;
		const char *name = path + at + (at > 0);
		size_t n = strcspn(name, "/");
		struct tree_entry e;
		int r = mode == 040000 ? tree_read(s, root, path, at, &id, &tree) : -ENOENT;

		if (r < 0 || (r = tree_find(tree, name, n, &e)) < 0)
			return r;
		id = e.oid;
		mode = e.mode;
		at = (size_t)(name - path) + n;
		if (mode == 040000 && (r = way_add(&s->way, path, at, &id)) < 0)
			return r;
	}
	*ret_mode = mode;
	*ret = id;
	return 0;
}

int query_tree_at(struct store *s, const struct oid *root, const char *dir, struct rbuf **ret)
{
	struct oid id;
	uint32_t mode;
	int r = tree_lookup(s, root, dir, &mode, &id);

	if (r == 0 && mode != 040000)
		r = -ENOENT;
	return r < 0 ? r : tree_read(s, root, dir, strlen(dir), &id, ret);
}

int query_oid_at(struct store *s, const struct oid *root, const char *path, struct oid *ret)
{
	uint32_t mode;
	int r = tree_lookup(s, root, path, &mode, ret);

	return r == -ENOENT && !cat_is_lossy(s->cat) ? query_damaged(s) : r;
}

/* ---- one folder: rows and tree together ---- */

static bool agree(const struct tree_entry *t, const struct store_entry *e)
{
	return e->kind == KIND_DIR ? t->mode == 040000 : entry_has_oid(e) && t->mode != 040000;
}

/* The record that said so may be lost; of a mode a tree knows one bit. */
static void trust_tree(struct store_entry *e, uint32_t mode)
{
	if (e->kind == KIND_FILE && !(e->mode & 0100) == (mode == 0100755))
		e->mode = mode == 0100755 ? e->mode | 0111 : e->mode & ~0111u;
}

static int row_cmp(const void *pa, const void *pb, void *arg)
{
	const struct child *a = pa, *b = pb;
	const struct rows *x = arg;

	return strcmp(rows_name(x, a), rows_name(x, b));
}

/* What only the tree knows of a path: the rest is a guess. */
static int guess_entry(struct store *s, uint32_t mode, const struct oid *id, int64_t time_ns,
	struct store_entry *e)
{
	int r;

	*e = (struct store_entry){ .oid = *id, .mtime_ns = time_ns };
	e->kind = mode == 040000 ? KIND_DIR : mode == 0120000 ? KIND_LINK : KIND_FILE;
	e->mode = mode == 040000 ? 040755 : mode;
	if (e->kind == KIND_DIR)
		return 0;
	/* Damaged content has no size; it is told by who reads it. */
	r = store_blob_size(s, id, &e->size);
	return r == -EBADMSG || r == -ENOENT || r == -EINVAL ? 0 : r;
}

/* What the tree holds and no row speaks of. */
static int add_unknown(struct store *s, const struct names *names, const bool *seen,
	int64_t time_ns,
	struct rows *x)
{
	for (size_t i = 0; i < names->n; i++) {
		const struct tree_entry *t = &names->e[i];
		struct child *w;
		int r;

		if (seen[i])
			continue;
		if (!(w = rows_add(x, t->name, t->len)))
			return -ENOMEM;
		w->id = 0;
		if ((r = guess_entry(s, t->mode, &t->oid, time_ns, &w->e)) < 0)
			return r;
	}
	qsort_r(x->r, x->n, sizeof(*x->r), row_cmp, x);
	return 0;
}

/* Give the rows their ids: of files and links what they hold, of folders (until they are told:
 * emit) their tree. */
static int join(struct store *s, const struct names *names, int64_t time_ns, struct rows *x)
{
	autofree bool *seen = calloc(names->n + 1, sizeof(*seen));
	bool lossy = cat_is_lossy(s->cat);
	size_t n = 0, found = 0;

	if (!seen)
		return -ENOMEM;
	for (size_t i = 0; i < x->n; i++) {
		struct child *w = &x->r[i];
		const char *name = rows_name(x, w);
		const struct tree_entry *t = names_find(names, name, strlen(name));
		bool right = t && agree(t, &w->e);

		if (!right && !lossy && (t || entry_has_oid(&w->e)))
			return query_damaged(s);
		if (!right && (t || entry_has_oid(&w->e)))
			continue;	/* the record that said it went or changed is damaged */
		memset(&w->e.oid, 0, sizeof(w->e.oid));
		if (right) {
			w->e.oid = t->oid;
			if (lossy)
				trust_tree(&w->e, t->mode);
			seen[t - names->e] = true;
			found++;
		}
		x->r[n++] = *w;
	}
	x->n = n;
	if (found == names->n)
		return 0;
	return lossy ? add_unknown(s, names, seen, time_ns, x) : query_damaged(s);
}

/* Folder id (0: only its tree knows it) of a snapshot; tree may be zeroes: nothing stored below
 * it. */
static int folder_rows(struct store *s, const struct store_snapshot *sn, const char *dir,
	int64_t id, const struct oid *tree, struct rows *x)
{
	autoput(names_release) struct names names = { NULL, NULL, 0 };
	struct rbuf *raw = NULL;
	int r = oid_zero(tree) ? 0 : tree_read(s, &sn->tree, dir, strlen(dir), tree, &raw);

	if (r == 0)
		r = names_load(&names, raw);
	if (r == 0 && id)
		r = query_rows(s, id, sn->seq, false, x);
	return r < 0 ? r : join(s, &names, sn->time_ns, x);
}

/* ---- walks ---- */

struct level {
	struct rows rows;
	size_t next;
	size_t path_len;	/* of the folder */
	struct oid tree;	/* where only trees lead the way: the folder's */
};

struct ids {
	int64_t *id;
	size_t n;
};

struct walk {
	struct store *s;
	struct store_snapshot sn;
	/* not NULL: every path there ever was, rows only; these have some */
	const struct ids *ever;
	store_entry_fn fn;
	void *arg;
	struct buf path;
	struct level *lv;
	size_t n, cap;
};

static void walk_release(struct walk *w)
{
	for (size_t i = 0; i < w->n; i++)
		rows_release(&w->lv[i].rows);
	free(w->lv);
	buf_release(&w->path);
	store_snapshot_release(&w->sn);
}

/* Rows cannot go in a circle (row_entry), trees of a stranger could. */
static bool goes_round(const struct walk *w, const struct oid *tree)
{
	for (size_t i = 0; i < w->n; i++)
		if (oid_eq(&w->lv[i].tree, tree))
			return true;
	return false;
}

static int enter(struct walk *w, int64_t id, const struct oid *tree)
{
	struct level *l;
	int r;

	if (!id && goes_round(w, tree))
		return -EBADMSG;
	if (w->n == w->cap) {
		size_t cap = w->cap * 2 + 8;

		if (!(l = realloc(w->lv, cap * sizeof(*l))))
			return -ENOMEM;
		w->lv = l;
		w->cap = cap;
	}
	l = &w->lv[w->n];
	*l = (struct level){ .rows = { .names = BUF_INIT }, .path_len = w->path.len,
		.tree = *tree };
	r = w->ever ? query_rows(w->s, id, ~0ull, true, &l->rows) :
		folder_rows(w->s, &w->sn, w->path.data ? w->path.data : "", id, tree, &l->rows);
	if (r < 0)
		rows_release(&l->rows);
	else
		w->n++;
	return r;
}

/* Give the row to the caller. */
static int emit(const struct walk *w, const char *path, const struct child *row)
{
	struct store_entry e = row->e;

	if (w->ever && !e.seq)		/* a folder that nobody recorded */
		return 0;
	if (!entry_has_oid(&e))
		memset(&e.oid, 0, sizeof(e.oid));
	return w->fn(path, &e, w->arg);
}

static int set_path(struct walk *w, size_t len, const char *name)
{
	int r = 0;

	if (w->path.data)
		w->path.data[w->path.len = len] = 0;
	if (len)
		r = buf_addch(&w->path, '/');
	return r < 0 ? r : buf_addstr(&w->path, name);
}

static int id_cmp(const void *pa, const void *pb)
{
	int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;

	return a < b ? -1 : a > b;
}

static bool has_below(const struct walk *w, const struct child *row)
{
	if (!w->ever)
		return row->e.kind == KIND_DIR;
	/* What is a file now may have been a folder once. */
	return w->ever->n && bsearch(&row->id, w->ever->id, w->ever->n, sizeof(row->id), id_cmp);
}

/* All that is below the folder: parents before children. */
static int walk(struct walk *w, int64_t id, const struct oid *tree)
{
	int r = enter(w, id, tree);

	while (r == 0 && w->n) {
		struct level *l = &w->lv[w->n - 1];
		const struct child *row;

		if (l->next == l->rows.n) {
			rows_release(&l->rows);
			w->n--;
			continue;
		}
		row = &l->rows.r[l->next++];
		if ((r = set_path(w, l->path_len, rows_name(&l->rows, row))) == 0)
			r = emit(w, w->path.data, row);
		if (r == 0 && has_below(w, row))
			r = enter(w, row->id, &row->e.oid);
	}
	return r;
}

/* One path of a snapshot: id of its row (0: only the tree knows it), entry, and what it has in
 * the tree (zeroes: nothing). */
static int path_at(struct store *s, const struct store_snapshot *sn, const char *path,
	int64_t *ret_id,
	struct store_entry *e, struct oid *ret)
{
	uint32_t mode;
	int r = query_path_at(s, sn->seq, path, ret_id, e), t;

	if (r < 0 && !(r == -ENOENT && cat_is_lossy(s->cat)))
		return r;
	if (r == 0 && e->kind != KIND_DIR && !entry_has_oid(e) && *path)
		return 0;
	t = tree_lookup(s, &sn->tree, path, &mode, ret);
	if (t == -ENOENT) {
		memset(ret, 0, sizeof(*ret));
		return r == 0 && entry_has_oid(e) && !cat_is_lossy(s->cat) ? query_damaged(s) : r;
	}
	if (t == 0 && r == 0 && cat_is_lossy(s->cat))
		trust_tree(e, mode);
	if (t < 0 || r == 0)
		return t;
	*ret_id = 0;
	return guess_entry(s, mode, ret, sn->time_ns, e);
}

/* A folder of a snapshot: its id and its tree. */
static int open_dir(struct walk *w, uint64_t seq, const char *dir, int64_t *ret_id,
	struct oid *ret_tree)
{
	struct store_entry e;
	int r = store_by_seq(w->s, seq, &w->sn);

	if (r == 0)
		r = path_at(w->s, &w->sn, dir, ret_id, &e, ret_tree);
	return r == 0 && *dir && e.kind != KIND_DIR ? -ENOTDIR : r;
}

int store_dir_at(struct store *s, uint64_t seq, const char *dir, store_entry_fn fn, void *arg)
{
	autoput(rows_release) struct rows x = { .names = BUF_INIT };
	autoput(walk_release) struct walk w = { .s = s, .fn = fn, .arg = arg };
	struct oid tree;
	int64_t id;
	int r = open_dir(&w, seq, dir, &id, &tree);

	if (r == 0)
		r = folder_rows(s, &w.sn, dir, id, &tree, &x);
	for (size_t i = 0; r == 0 && i < x.n; i++)
		r = emit(&w, rows_name(&x, &x.r[i]), &x.r[i]);
	return r;
}

int store_walk_at(struct store *s, uint64_t seq, const char *dir, store_entry_fn fn, void *arg)
{
	autoput(walk_release) struct walk w = { .s = s, .fn = fn, .arg = arg };
	struct oid tree;
	int64_t id;
	int r = open_dir(&w, seq, dir, &id, &tree);

	if (r == 0)
		r = buf_addstr(&w.path, dir);
	return r == 0 ? walk(&w, id, &tree) : r;
}

int store_entry_at(struct store *s, uint64_t seq, const char *path, struct store_entry *ret)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	struct store_entry e;
	struct oid id;
	int64_t row;
	int r = store_by_seq(s, seq, &sn);

	if (r == 0)
		r = path_at(s, &sn, path, &row, &e, &id);
	if (r != 0)
		return r;
	if (entry_has_oid(&e))
		e.oid = id;
	else
		memset(&e.oid, 0, sizeof(e.oid));
	*ret = e;
	return 0;
}

/* Paths, by id, that have or had anything below them. */
static int load_ids(struct store *s, struct ids *x)
{
	sqlite3_stmt *st;
	size_t cap = 0;
	int r = query_stmt(s, "SELECT dir FROM path GROUP BY dir ORDER BY dir", &st),
		rc = SQLITE_DONE;

	if (r < 0)
		return r;
	while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
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
	return query_done(s, st, r, rc);
}

int store_paths(struct store *s, store_entry_fn fn, void *arg)
{
	struct ids ids = { NULL, 0 };
	autoput(walk_release) struct walk w = { .s = s, .ever = &ids, .fn = fn, .arg = arg };
	static const struct oid none;
	int64_t root;
	int r = load_ids(s, &ids);

	if (r == 0)
		r = cat_path_id(s->cat, "", 0, &root);
	if (r == 0)
		r = walk(&w, root, &none);
	free(ids.id);
	return r;
}
