/* What is in a snapshot: times, modes and kinds from the rows, ids from the trees. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

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

/* ---- a snapshot's content ---- */

static int entry_at(struct store *s, uint64_t seq, const char *path, int64_t *ret_id, struct store_entry *e)
{
	int r = query_path_row(s, path, ret_id, e);

	if (r == 0 && e->seq > seq)
		r = query_version_at(s, *ret_id, seq, e);
	if (r == 0 && e->kind == KIND_GONE && *path)
		r = -ENOENT;
	return r;
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
	return e->kind == KIND_DIR ? t->mode == 040000 : entry_has_oid(e) && t->mode != 040000;
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
	if (strcmp(name, k->name) == 0 && (e->kind == KIND_DIR || entry_has_oid(e)))
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
	if (entry_has_oid(e)) {
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
int query_oid_at(struct store *s, const struct oid *root, const char *path, struct oid *ret)
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
	if (r == 0 && entry_has_oid(&e))
		r = query_oid_at(s, &sn.tree, path, &e.oid);
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
	if (entry_has_oid(e)) {
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
	int r = query_snapshot(s, "seq=?", (int64_t)seq, &a.sn, &loc);

	if (r == 0)
		r = snap_each(s, loc, changed, &a);
	store_snapshot_release(&a.sn);
	names_release(&a.names);
	buf_release(&a.dir);
	return r;
}
