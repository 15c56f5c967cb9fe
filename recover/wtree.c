#include "wtree.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <git2/sys/odb_backend.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../scan/scan.h"
#include "out.h"
#include "xalloc.h"

/* One path that differs. */
struct change {
	char *path;
	struct store_entry is;
};

/* An object libgit2 may ask for: a tree's bytes, or where in the workspace a blob is. */
struct object {
	struct oid id;
	char *path;		/* NULL: data */
	char *data;
	size_t size;
	bool link;
};

struct backend {
	git_odb_backend parent;
	struct wtree_notes *notes;
	int root;
	struct object *slot;	/* open addressing; used: path or data */
	size_t n, cap;
};

struct build {
	git_repository *repo;
	struct backend *be;
	struct change *c;
	size_t n, cap;
	struct wtree_notes *notes;
};

/* ---- the objects ---------------------------------------------------------- */

static struct object *find(const struct backend *b, const uint8_t *id)
{
	size_t i;

	memcpy(&i, id, sizeof(i));
	for (i &= b->cap - 1; b->slot[i].path || b->slot[i].data; i = (i + 1) & (b->cap - 1))
		if (!memcmp(b->slot[i].id.b, id, 20))
			break;
	return &b->slot[i];
}

static void add(struct backend *b, struct object o)
{
	struct object *s;

	if ((b->n + 1) * 2 > b->cap) {
		struct backend old = *b;

		b->cap = b->cap ? b->cap * 2 : 256;
		b->slot = xcalloc(b->cap, sizeof(*b->slot));
		for (size_t i = 0; i < old.cap; i++)
			if (old.slot[i].path || old.slot[i].data)
				*find(b, old.slot[i].id.b) = old.slot[i];
		free(old.slot);
	}
	s = find(b, o.id.b);
	if (s->path || s->data) {
		free(o.path);
		free(o.data);
		return;
	}
	*s = o;
	b->n++;
}

static const struct object *known(git_odb_backend *be, const git_oid *id)
{
	struct backend *b = (struct backend *)be;
	struct object *o = b->n ? find(b, id->id) : NULL;

	return o && (o->path || o->data) ? o : NULL;
}

static int read_work(struct backend *b, const struct object *o, struct buf *ret)
{
	autoclose int fd = -1, dir = -1;
	struct oid id;
	ssize_t n;

	if (buf_reserve(ret, o->size + 1) < 0)
		return -ENOMEM;
	if (o->link) {
		autofree char *up = xstrdup(o->path);
		char *slash = strrchr(up, '/');

		if (slash)
			*slash = 0;
		dir = slash ? io_open_beneath(b->root, up, O_RDONLY | O_DIRECTORY, 0, 0)
			    : dup(b->root);
		n = dir < 0 ? -1
			    : readlinkat(dir, slash ? slash + 1 : o->path, ret->data, o->size + 1);
	} else {
		fd = io_open_beneath(b->root, o->path, O_RDONLY | O_NONBLOCK, 0, 0);
		n = fd < 0 ? -1 : io_read_full(fd, ret->data, o->size + 1);
	}
	if (n != (ssize_t)o->size)
		return -ESTALE;
	ret->len = (size_t)n;
	store_hash("blob", ret->data, ret->len, &id);
	return memcmp(&id, &o->id, sizeof(id)) ? -ESTALE : 0;
}

static int be_read(
	void **data, size_t *len, git_object_t *type, git_odb_backend *be, const git_oid *id)
{
	struct backend *b = (struct backend *)be;
	const struct object *o = known(be, id);
	autoput(buf_release) struct buf content = BUF_INIT;
	const char *from;

	if (!o)
		return GIT_ENOTFOUND;
	from = o->data;
	if (o->path) {
		if (read_work(b, o, &content) < 0) {
			b->notes->stale = o->path;
			return GIT_ERROR;
		}
		from = content.data;
	}
	*data = git_odb_backend_data_alloc(be, o->size ? o->size : 1);
	if (!*data)
		return GIT_ERROR;
	memcpy(*data, from, o->size);
	*len = o->size;
	*type = o->path ? GIT_OBJECT_BLOB : GIT_OBJECT_TREE;
	return 0;
}

static int be_header(size_t *len, git_object_t *type, git_odb_backend *be, const git_oid *id)
{
	const struct object *o = known(be, id);

	if (!o)
		return GIT_ENOTFOUND;
	*len = o->size;
	*type = o->path ? GIT_OBJECT_BLOB : GIT_OBJECT_TREE;
	return 0;
}

static int be_exists(git_odb_backend *be, const git_oid *id)
{
	return known(be, id) != NULL;
}

static void be_free(git_odb_backend *be)
{
	struct backend *b = (struct backend *)be;

	for (size_t i = 0; i < b->cap; i++) {
		free(b->slot[i].path);
		free(b->slot[i].data);
	}
	free(b->slot);
	if (b->root >= 0)
		(void)close(b->root);
	free(b);
}

static int backend_new(git_odb *odb, int root, struct wtree_notes *notes, struct backend **ret)
{
	struct backend *b = xcalloc(1, sizeof(*b));
	int r;

	git_odb_init_backend(&b->parent, GIT_ODB_BACKEND_VERSION);
	b->parent.read = be_read;
	b->parent.read_header = be_header;
	b->parent.exists = be_exists;
	b->parent.free = be_free;
	b->notes = notes;
	b->root = fcntl(root, F_DUPFD_CLOEXEC, 3);
	if ((r = git_odb_add_backend(odb, &b->parent, 1000)) < 0) {
		be_free(&b->parent);
		return err_from_git(r);
	}
	*ret = b;
	return 0;
}

/* ---- the trees ---------------------------------------------------------------- */

static int collect(
	const char *path, const struct store_entry *was, const struct store_entry *is, void *arg)
{
	struct build *b = arg;
	struct store_entry e = *is;
	static const struct oid none;

	if (is->kind == KIND_SKIPPED || (is->flags & ENTRY_KEPT)) {
		/* A folder that cannot be listed hides what changed below it: that is no
		 * "unchanged". */
		bool failed = (is->flags & ENTRY_KEPT) || is->why == WHY_UNREADABLE;

		if (was->kind == KIND_FILE || was->kind == KIND_LINK ||
		    (was->kind == KIND_DIR && (is->flags & ENTRY_KEPT)))
			strs_add(failed ? &b->notes->unread : &b->notes->left_out, xstrdup(path));
		return 0;
	}
	if ((is->kind == KIND_FILE || is->kind == KIND_LINK) &&
		!memcmp(&is->oid, &none, sizeof(none)))
		e.oid = was->oid;	/* only its mode or time differs: it was not read */
	b->c = xgrow(b->c, b->n, &b->cap, sizeof(*b->c));
	b->c[b->n++] = (struct change){ xstrdup(path), e };
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return path_compare(((const struct change *)a)->path, ((const struct change *)b)->path);
}

/* A tree is put together here and not by libgit2's tree builder, which refuses names that git on
 * other systems could not check out ("git~1", ".git.", ".git "): here they are files like any
 * other. */
struct row {
	const char *name;	/* of a change or of the base tree */
	size_t len;
	unsigned mode;		/* 0: the name is gone */
	git_oid id;
};

struct folder_rows {
	struct row *row;
	size_t n, cap;
};

static void rows_release(struct folder_rows *f)
{
	free(f->row);
}

static void rows_add(
	struct folder_rows *f, const char *name, size_t len, unsigned mode, const git_oid *id)
{
	f->row = xgrow(f->row, f->n, &f->cap, sizeof(*f->row));
	f->row[f->n] = (struct row){ .name = name, .len = len, .mode = mode };
	if (id)
		f->row[f->n].id = *id;
	f->n++;
}

static unsigned mode_of(const struct store_entry *e)
{
	if (e->kind == KIND_LINK)
		return 0120000;
	return e->mode & 0100 ? 0100755 : 0100644;
}

static int by_name(const void *x, const void *y)
{
	const struct row *a = x, *b = y;
	int r = memcmp(a->name, b->name, a->len < b->len ? a->len : b->len);

	return r ? r : (a->len > b->len) - (a->len < b->len);
}

/* git's order: the name of a folder counts as if it ended in '/'. */
static int by_git_order(const void *x, const void *y)
{
	const struct row *a = x, *b = y;
	size_t n = a->len < b->len ? a->len : b->len;
	int r = memcmp(a->name, b->name, n), ca, cb;

	if (r)
		return r;
	ca = n < a->len ? (unsigned char)a->name[n] : a->mode == 040000 ? '/' : 0;
	cb = n < b->len ? (unsigned char)b->name[n] : b->mode == 040000 ? '/' : 0;
	return ca - cb;
}

/* The base's rows that no change replaces join the changed ones, which are by name; then all
 * become an object. */
static int rows_write(struct backend *be, struct folder_rows *f, const git_tree *base, git_oid *ret)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	size_t changed = f->n;
	struct object o = { .path = NULL };
	int r = 0;

	for (size_t i = 0; base && i < git_tree_entrycount(base); i++) {
		const git_tree_entry *e = git_tree_entry_byindex(base, i);
		const char *name = git_tree_entry_name(e);
		struct row key = { .name = name, .len = strlen(name) };

		if (!changed || !bsearch(&key, f->row, changed, sizeof(key), by_name))
			rows_add(f, name, key.len, (unsigned)git_tree_entry_filemode_raw(e),
				git_tree_entry_id(e));
	}
	if (f->n)
		qsort(f->row, f->n, sizeof(*f->row), by_git_order);
	for (size_t i = 0; i < f->n && r == 0; i++) {
		const struct row *w = &f->row[i];

		if (!w->mode)
			continue;
		if ((r = buf_printf(&b, "%o ", w->mode)) == 0 &&
			(r = buf_add(&b, w->name, w->len)) == 0 && (r = buf_addch(&b, 0)) == 0)
			r = buf_add(&b, w->id.id, 20);
	}
	if (r < 0)
		return GIT_ERROR;
	store_hash("tree", b.data, b.len, &o.id);
	memcpy(ret->id, o.id.b, 20);
	o.size = b.len;
	o.data = xmalloc(b.len + 1);
	if (b.len)
		memcpy(o.data, b.data, b.len);
	add(be, o);
	return 0;
}

static int build_tree(struct build *b, const git_oid *base, size_t lo, size_t hi, size_t at,
	git_oid *ret, bool *ret_empty);

/* One name of a folder: the change of the name itself (if it is in c[lo]) and those below it. */
static int build_name(struct build *b, struct folder_rows *f, const git_tree_entry *was, size_t len,
	size_t lo, size_t hi, size_t at)
{
	const struct change *c = &b->c[lo];
	const char *name = c->path + at;
	const git_oid *below =
		was && git_tree_entry_type(was) == GIT_OBJECT_TREE ? git_tree_entry_id(was) : NULL;
	bool empty = true;
	git_oid sub;
	int r;

	if (!name[len]) {
		if (c->is.kind == KIND_FILE || c->is.kind == KIND_LINK) {
			struct object o = { c->is.oid, xstrdup(c->path), NULL, c->is.size,
				c->is.kind == KIND_LINK };
			git_oid id;

			memcpy(id.id, c->is.oid.b, 20);
			add(b->be, o);
			rows_add(f, name, len, mode_of(&c->is), &id);
			return 0;
		}
		if (c->is.kind == KIND_GONE)
			below = NULL;
		/* a folder, of which only mode or time differ */
		else if (lo + 1 == hi && below)
			return 0;
		lo++;
	}
	if (lo < hi && (r = build_tree(b, below, lo, hi, at + len + 1, &sub, &empty)) < 0)
		return r;
	rows_add(f, name, len, empty ? 0 : 040000, empty ? NULL : &sub);
	return 0;
}

/* The folder whose path is the first `at` bytes of all of c[lo..hi). */
static int build_tree(struct build *b, const git_oid *base, size_t lo, size_t hi, size_t at,
	git_oid *ret, bool *ret_empty)
{
	autoput(rows_release) struct folder_rows f = { 0 };
	git_tree *t = NULL;
	int r = 0;

	if (base && (r = git_tree_lookup(&t, b->repo, base)) < 0)
		return r;
	while (r >= 0 && lo < hi) {
		const char *p = b->c[lo].path + at;
		size_t n = strcspn(p, "/"), end = lo + 1;
		autofree char *name = xstrndup(p, n);

		while (end < hi && !strncmp(b->c[end].path + at, name, n) &&
		       (b->c[end].path[at + n] == '/' || !b->c[end].path[at + n]))
			end++;
		r = build_name(b, &f, t ? git_tree_entry_byname(t, name) : NULL, n, lo, end, at);
		lo = end;
	}
	if (r >= 0)
		r = rows_write(b->be, &f, t, ret);
	*ret_empty = true;
	for (size_t i = 0; i < f.n; i++)
		*ret_empty &= !f.row[i].mode;
	git_tree_free(t);
	return r;
}

static int build(struct build *b, const struct store_snapshot *sn, git_tree **ret)
{
	git_oid base, id;
	bool empty;
	size_t lo = 0;
	int r;

	if (b->n)
		qsort(b->c, b->n, sizeof(*b->c), by_path);
	while (lo < b->n && !*b->c[lo].path)	/* the workspace folder itself */
		lo++;
	memcpy(base.id, sn->tree.b, 20);
	if ((r = build_tree(b, &base, lo, b->n, 0, &id, &empty)) < 0)
		return err_from_git(r);
	return err_from_git(git_tree_lookup(ret, b->repo, &id));
}

static void build_release(struct build *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->c[i].path);
	free(b->c);
}

int wtree_build(struct recover *r, const struct store_snapshot *sn, const struct strs *paths,
	struct wtree_notes *notes, git_tree **ret)
{
	autoput(build_release) struct build b = { .notes = notes };
	autoscan struct scan *sc = NULL;
	struct scan_options so = { .cfg = &r->cfg };
	const char *const *only =
		paths && paths->n && **paths->s ? (const char *const *)paths->s : NULL;
	git_odb *odb;
	int e;

	if ((e = scan_open(r->workspace, &so, &sc)) < 0 ||
	    (e = store_git(r->store, &b.repo, &odb)) < 0 ||
	    (e = backend_new(odb, scan_rootfd(sc), notes, &b.be)) < 0)
		return e;
	if ((e = scan_diff(sc, r->store, sn->seq, only, collect, &b)) < 0)
		return e;
	return build(&b, sn, ret);
}
