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
		dir = slash ? io_open_beneath(b->root, up, O_RDONLY | O_DIRECTORY, 0, 0) : dup(b->root);
		n = dir < 0 ? -1 : readlinkat(dir, slash ? slash + 1 : o->path, ret->data, o->size + 1);
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

static int be_read(void **data, size_t *len, git_object_t *type, git_odb_backend *be, const git_oid *id)
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

static int be_write(git_odb_backend *be, const git_oid *id, const void *p, size_t n, git_object_t type)
{
	struct object o = { .size = n };

	if (type != GIT_OBJECT_TREE)
		return GIT_PASSTHROUGH;
	memcpy(o.id.b, id->id, 20);
	o.data = xmalloc(n + 1);
	memcpy(o.data, p, n);
	add((struct backend *)be, o);
	return 0;
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
	b->parent.write = be_write;
	b->parent.free = be_free;
	b->notes = notes;
	b->root = fcntl(root, F_DUPFD_CLOEXEC, 3);
	/* first in line, so that new trees come here */
	if ((r = git_odb_add_backend(odb, &b->parent, 1000)) < 0) {
		be_free(&b->parent);
		return err_from_git(r);
	}
	*ret = b;
	return 0;
}

/* ---- the trees ---------------------------------------------------------------- */

static int collect(const char *path, const struct store_entry *was, const struct store_entry *is, void *arg)
{
	struct build *b = arg;
	struct store_entry e = *is;
	static const struct oid none;

	if (is->kind == KIND_SKIPPED || (is->flags & ENTRY_KEPT)) {
		/* A folder that cannot be listed hides what changed below it: that is no "unchanged". */
		bool failed = (is->flags & ENTRY_KEPT) || is->why == WHY_UNREADABLE;

		if (was->kind == KIND_FILE || was->kind == KIND_LINK ||
		    (was->kind == KIND_DIR && (is->flags & ENTRY_KEPT)))
			strs_add(failed ? &b->notes->unread : &b->notes->left_out, xstrdup(path));
		return 0;
	}
	if ((is->kind == KIND_FILE || is->kind == KIND_LINK) && !memcmp(&is->oid, &none, sizeof(none)))
		e.oid = was->oid;	/* only its mode or time differs: it was not read */
	b->c = xgrow(b->c, b->n, &b->cap, sizeof(*b->c));
	b->c[b->n++] = (struct change){ xstrdup(path), e };
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return path_compare(((const struct change *)a)->path, ((const struct change *)b)->path);
}

static git_filemode_t mode_of(const struct store_entry *e)
{
	if (e->kind == KIND_LINK)
		return GIT_FILEMODE_LINK;
	return e->mode & 0100 ? GIT_FILEMODE_BLOB_EXECUTABLE : GIT_FILEMODE_BLOB;
}

static void free_builder(git_treebuilder **b)
{
	git_treebuilder_free(*b);
}

static int build_tree(struct build *b, const git_oid *base, size_t lo, size_t hi, size_t at, git_oid *ret,
	bool *ret_empty);

/* One name of a folder: the change of the name itself (if it is in c[lo]) and those below it. */
static int build_name(struct build *b, git_treebuilder *tb, const char *name, size_t lo, size_t hi, size_t at)
{
	const git_tree_entry *was = git_treebuilder_get(tb, name);
	const struct change *c = &b->c[lo];
	git_oid sub, *below = NULL;
	bool empty = true;
	int r;

	if (was && git_tree_entry_type(was) == GIT_OBJECT_TREE) {
		sub = *git_tree_entry_id(was);
		below = &sub;
	}
	if (!c->path[at + strlen(name)]) {
		if (c->is.kind == KIND_FILE || c->is.kind == KIND_LINK) {
			git_oid id;
			struct object o = { c->is.oid, xstrdup(c->path), NULL, c->is.size, c->is.kind == KIND_LINK };

			memcpy(id.id, c->is.oid.b, 20);
			add(b->be, o);
			return git_treebuilder_insert(NULL, tb, name, &id, mode_of(&c->is));
		}
		if (was && (c->is.kind == KIND_GONE || !below)) {
			below = NULL;
			if ((r = git_treebuilder_remove(tb, name)) < 0)
				return r;
			was = NULL;
		}
		if (++lo == hi)
			return 0;
	}
	if ((r = build_tree(b, below, lo, hi, at + strlen(name) + 1, &sub, &empty)) < 0)
		return r;
	if (!empty)
		return git_treebuilder_insert(NULL, tb, name, &sub, GIT_FILEMODE_TREE);
	return below ? git_treebuilder_remove(tb, name) : 0;
}

/* The folder whose path is the first `at` bytes of all of c[lo..hi). */
static int build_tree(struct build *b, const git_oid *base, size_t lo, size_t hi, size_t at, git_oid *ret,
	bool *ret_empty)
{
	autoput(free_builder) git_treebuilder *tb = NULL;
	git_tree *t = NULL;
	int r = 0;

	if (base && (r = git_tree_lookup(&t, b->repo, base)) < 0)
		return r;
	r = git_treebuilder_new(&tb, b->repo, t);
	git_tree_free(t);
	while (r >= 0 && lo < hi) {
		const char *p = b->c[lo].path + at;
		size_t n = strcspn(p, "/"), end = lo + 1;
		autofree char *name = xstrndup(p, n);

		while (end < hi && !strncmp(b->c[end].path + at, name, n) &&
		       (b->c[end].path[at + n] == '/' || !b->c[end].path[at + n]))
			end++;
		r = build_name(b, tb, name, lo, end, at);
		lo = end;
	}
	if (r < 0)
		return r;
	*ret_empty = git_treebuilder_entrycount(tb) == 0;
	return git_treebuilder_write(ret, tb);
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

static void close_scan(struct scan **s)
{
	scan_close(*s);
}

int wtree_build(struct recover *r, const struct store_snapshot *sn, const struct strs *paths,
	struct wtree_notes *notes, git_tree **ret)
{
	autoput(build_release) struct build b = { .notes = notes };
	autoput(close_scan) struct scan *sc = NULL;
	struct scan_options so = { .cfg = &r->cfg };
	const char *const *only = paths && paths->n && **paths->s ? (const char *const *)paths->s : NULL;
	git_odb *odb;
	int e;

	if ((e = scan_open(r->workspace, &so, &sc)) < 0 ||
	    (e = store_git(r->store, &b.repo, &odb)) < 0 ||
	    (e = backend_new(odb, scan_rootfd(sc), notes, &b.be)) < 0)
		return e;
	/* the blobs are in no object store: they are read when they are needed */
	(void)git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 0);
	if ((e = scan_diff(sc, r->store, sn->seq, only, collect, &b)) < 0)
		return e;
	return build(&b, sn, ret);
}
