/* After a loss in the log the rows of the catalogue are no longer the sum of all changes: a
 * snapshot record that cannot be read may have added, changed and deleted paths. The tree of the
 * next snapshot is whole by itself; here the rows are made to say what it says. What only a
 * manifest knows (times, modes, empty folders) is lost with it. */
#include <string.h>

#include "internal.h"

/* Rows are made for what a lost record had added. A few hostile trees that hold each other name
 * more paths than there are atoms: past this many the rest stays as it is. */
enum { MADE_MAX = 1 << 18 };

struct row {			/* a path that is there now */
	char *name;
	struct store_entry e;
};

struct job {			/* a folder to be looked at */
	char *path;
	struct oid tree;
	bool empty;		/* no tree: nothing is stored below it */
};

struct reconcile {
	struct store *s;
	struct catalogue *c;
	const struct store_snapshot *sn;
	struct job *todo;
	size_t n, cap;
	bool unread;		/* some tree could not be read: what is below it stands */
	size_t made;		/* rows that were not there */
	struct row *row;	/* of the folder in hand, by name */
	size_t n_row, cap_row;
	struct tree_entry *ent;	/* likewise */
	size_t n_ent, cap_ent;
};

static int grow(void *arr, size_t n, size_t *cap, size_t size)
{
	void **p = arr, *q;

	if (n < *cap)
		return 0;
	if (!(q = realloc(*p, (*cap * 2 + 16) * size)))
		return -ENOMEM;
	*p = q;
	*cap = *cap * 2 + 16;
	return 0;
}

static int later(struct reconcile *x, const char *path, const struct oid *tree)
{
	struct job j = { .path = strdup(path), .empty = !tree };

	if (tree)
		j.tree = *tree;
	if (!j.path || grow(&x->todo, x->n, &x->cap, sizeof(*x->todo)) < 0) {
		free(j.path);
		return -ENOMEM;
	}
	x->todo[x->n++] = j;
	return 0;
}

static void drop_rows(struct reconcile *x)
{
	while (x->n_row)
		free(x->row[--x->n_row].name);
}

static void reconcile_release(struct reconcile *x)
{
	drop_rows(x);
	while (x->n)
		free(x->todo[--x->n].path);
	free(x->row);
	free(x->ent);
	free(x->todo);
}

static int add_row(const char *name, size_t len, int64_t id, const struct store_entry *e, void *arg)
{
	struct reconcile *x = arg;

	(void)len;
	(void)id;
	if (grow(&x->row, x->n_row, &x->cap_row, sizeof(*x->row)) < 0)
		return -ENOMEM;
	x->row[x->n_row] = (struct row){ strdup(name), *e };
	return x->row[x->n_row].name ? (x->n_row++, 0) : -ENOMEM;
}

static int name_cmp(const void *pa, const void *pb)
{
	const struct tree_entry *a = pa, *b = pb;
	size_t n = a->len < b->len ? a->len : b->len;
	int r = memcmp(a->name, b->name, n);

	return r ? r : a->len < b->len ? -1 : a->len > b->len;
}

static int load_entries(struct reconcile *x, const struct rbuf *tree)
{
	const uint8_t *p = tree->data, *end = p + tree->len;
	int r;

	for (x->n_ent = 0;; x->n_ent++) {
		if (grow(&x->ent, x->n_ent, &x->cap_ent, sizeof(*x->ent)) < 0)
			return -ENOMEM;
		if ((r = tree_next(&p, end, &x->ent[x->n_ent])) != 1)
			break;
	}
	qsort(x->ent, x->n_ent, sizeof(*x->ent), name_cmp);
	return r;
}

static bool stored(const struct store_entry *e)
{
	return e->kind == KIND_FILE || e->kind == KIND_LINK;
}

static enum store_kind kind_of(const struct tree_entry *t)
{
	return t->mode == 040000 ? KIND_DIR : t->mode == 0120000 ? KIND_LINK : KIND_FILE;
}

/* The entry that a tree's name gets; was: the row's, kind GONE if there is none. */
static void entry_of(struct reconcile *x, const struct tree_entry *t, const struct store_entry *was,
	struct store_entry *ret)
{
	uint64_t size = 0;

	*ret = (struct store_entry){
		.kind = kind_of(t), .mode = t->mode, .mtime_ns = x->sn->time_ns
	};
	if (ret->kind == KIND_DIR) {
		ret->mode = S_IFDIR | 0755;
		return;
	}
	ret->oid = t->oid;
	if (ret->kind == KIND_LINK)
		ret->mode |= 0777;
	if (store_blob_size(x->s, &t->oid, &size) == 0)
		ret->size = size;
	/* The row was made when its tree could not be read: all else it says is right. */
	if (was->kind == ret->kind && oid_zero(&was->oid) && was->size == size) {
		*ret = *was;
		ret->oid = t->oid;
	} else if (was->kind == KIND_FILE && ret->kind == KIND_FILE &&
		   !(was->mode & 0100) == !(t->mode & 0100)) {
		ret->mode = was->mode;
	}
}

/* One name, in the rows or in the tree or in both. */
static int settle(
	struct reconcile *x, const char *path, const struct row *row, const struct tree_entry *t)
{
	static const struct store_entry gone = { .kind = KIND_GONE };
	const struct store_entry *was = row ? &row->e : &gone;
	struct store_entry e = gone;
	int r = 0;

	if (t && was->kind == kind_of(t) && (was->kind == KIND_DIR || oid_eq(&was->oid, &t->oid)))
		return was->kind == KIND_DIR ? later(x, path, &t->oid) : 0;
	if (!t && !stored(was))		/* a folder may be empty; what is below it is not there */
		return was->kind == KIND_DIR ? later(x, path, NULL) : 0;
	if (t && was->kind == KIND_GONE && x->made++ >= MADE_MAX) {
		x->unread = true;
		return 0;
	}
	if (t)
		entry_of(x, t, was, &e);
	if (was->kind == KIND_DIR)	/* now a file */
		r = later(x, path, NULL);
	if (r == 0)
		r = cat_add_change(x->c, x->sn->seq, path, &e);
	return r == 0 && e.kind == KIND_DIR ? later(x, path, &t->oid) : r;
}

static int merge(struct reconcile *x, const char *dir)
{
	size_t i = 0, k = 0;
	int r = 0;

	while (r == 0 && (i < x->n_row || k < x->n_ent)) {
		struct tree_entry key = { .name = i < x->n_row ? x->row[i].name : "" };
		const struct tree_entry *t = k < x->n_ent ? &x->ent[k] : NULL;
		const struct row *row = i < x->n_row ? &x->row[i] : NULL;
		autofree char *path = NULL;
		int c;

		key.len = strlen(key.name);
		c = !row ? 1 : !t ? -1 : name_cmp(&key, t);
		if (c > 0)
			row = NULL;
		if (c < 0)
			t = NULL;
		i += c <= 0;
		k += c >= 0;
		if (asprintf(&path, "%s%s%.*s", dir, *dir ? "/" : "",
			    t ? (int)t->len : (int)key.len, t ? t->name : key.name) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		r = settle(x, path, row, t);
	}
	return r;
}

static int one_folder(struct reconcile *x, const struct job *j)
{
	autorbuf struct rbuf *tree = NULL;
	int64_t id;
	int r = j->empty ? 0 : obj_read_id(x->s, &j->tree, NULL, &tree);

	if (r == 0 && tree)
		r = load_entries(x, tree);
	else
		x->n_ent = 0;
	if (r == -EBADMSG || r == -ENOENT || r == -ENOTSUP) {
		x->unread = true;
		return 0;
	}
	drop_rows(x);
	if (r == 0)
		r = cat_path_id(x->c, j->path, strlen(j->path), &id);
	if (r == 0)
		r = query_children(x->s, id, ~0ull, false, add_row, x);
	return r < 0 ? r : merge(x, j->path);
}

int log_reconcile(struct store *s, struct catalogue *c, const struct store_snapshot *sn)
{
	autoput(reconcile_release) struct reconcile x = { .s = s, .c = c, .sn = sn };
	int r = later(&x, "", &sn->tree);

	while (r == 0 && x.n) {
		struct job j = x.todo[--x.n];

		r = one_folder(&x, &j);
		free(j.path);
	}
	if (r == 0)
		cat_rows_right(c, x.unread);
	return r;
}
