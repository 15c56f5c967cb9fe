/* libgit2's view: an object database backend over the store, read only, and a repository around it.
 * Commits are made from their snapshot records. */
#include <string.h>

#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>

#include "../lib/gitlib.h"
#include "internal.h"

struct backend {
	git_odb_backend parent;
	struct store *s;
};

static int to_git(int r)
{
	if (r >= 0)
		return 0;
	if (r == -ENOENT)
		return GIT_ENOTFOUND;
	git_error_set_str(r == -EBADMSG ? GIT_ERROR_OBJECT : GIT_ERROR_ODB, err_str(r));	/* err_from_git asks for the class */
	return r == -ENOTUNIQ ? GIT_EAMBIGUOUS : GIT_ERROR;
}

static int commit_text(struct store *s, loc_t loc, struct buf *out)
{
	autoput(snap_release) struct snap sn = { .info = { 0 } };
	int r = snap_read(s, loc, &sn, NULL);

	return r < 0 ? r : snap_commit_text(&sn.info, sn.has_parent ? &sn.parent : NULL, out);
}

/* Names from a store are hostile: libgit2 passes them on as they are. */
static int names_right(const struct rbuf *tree)
{
	const uint8_t *p = tree->data, *end = p + tree->len;
	struct tree_entry e;
	int r;

	while ((r = tree_next(&p, end, &e)) == 1)
		;
	return r;
}

/* It cannot be read; r: why. Perhaps it is a tree that can be made again. */
static int tree_again(struct store *s, const struct oid *id, int r, git_object_t *ret_type,
	struct buf *out)
{
	autorbuf struct rbuf *raw = NULL;
	int e = again_find(s, id, &raw);

	if (e < 0)
		return e == -EBADMSG ? r : e;
	*ret_type = GIT_OBJECT_TREE;
	return buf_add(out, raw->data, raw->len);
}

/* Type and bytes as git has them. */
static int read_git(struct store *s, const struct oid *id, git_object_t *ret_type, struct buf *out)
{
	autohead struct head *h = NULL;
	autorbuf struct rbuf *raw = NULL;
	loc_t loc;
	uint8_t type;
	int r = obj_head(s, id, &loc, &h);

	if (obj_is_lost(r))
		return tree_again(s, id, r, ret_type, out);
	if (r < 0)
		return r;
	type = head_frame(h, loc_idx(loc))->type;
	switch (type) {
	case OBJ_SNAPSHOT:
		*ret_type = GIT_OBJECT_COMMIT;
		return commit_text(s, loc, out);
	case OBJ_TREE:
	case OBJ_BLOB:
		*ret_type = type == OBJ_TREE ? GIT_OBJECT_TREE : GIT_OBJECT_BLOB;
		r = obj_read(s, loc, NULL, NULL, &raw);
		if (type == OBJ_TREE && obj_is_lost(r))
			return tree_again(s, id, r, ret_type, out);
		if (r < 0 || (type == OBJ_TREE && (r = names_right(raw)) < 0))
			return r;
		return buf_add(out, raw->data, raw->len);
	case OBJ_LARGE:
		*ret_type = GIT_OBJECT_BLOB;
		return store_stream_blob(s, id, query_add_piece, out);
	default:
		return -EBADMSG;
	}
}

static int backend_read(void **data, size_t *len, git_object_t *type, git_odb_backend *b,
	const git_oid *oid)
{
	autoput(buf_release) struct buf out = BUF_INIT;
	struct oid id;
	int r;

	memcpy(id.b, oid->id, 20);
	if ((r = read_git(((struct backend *)b)->s, &id, type, &out)) < 0)
		return to_git(r);
	*data = git_odb_backend_data_alloc(b, out.len + 1);
	if (!*data)
		return GIT_ERROR;
	memcpy(*data, out.len ? out.data : "", out.len);
	*len = out.len;
	return 0;
}

static int backend_read_header(size_t *len, git_object_t *type, git_odb_backend *b,
	const git_oid *oid)
{
	struct store *s = ((struct backend *)b)->s;
	autohead struct head *h = NULL;
	autoput(buf_release) struct buf out = BUF_INIT;
	struct oid id;
	uint64_t size;
	uint8_t t;
	loc_t loc;
	int r;

	memcpy(id.b, oid->id, 20);
	r = obj_head(s, &id, &loc, &h);
	if (obj_is_lost(r) && (r = tree_again(s, &id, r, type, &out)) == 0) {
		*len = out.len;
		return 0;
	}
	if (r < 0)
		return to_git(r);
	t = head_frame(h, loc_idx(loc))->type;
	if (t == OBJ_SNAPSHOT) {
		r = read_git(s, &id, type, &out);
		*len = out.len;
		return to_git(r);
	}
	*type = t == OBJ_TREE ? GIT_OBJECT_TREE : GIT_OBJECT_BLOB;
	*len = h->raw[loc_idx(loc)];
	if (t == OBJ_LARGE && (r = store_blob_size(s, &id, &size)) == 0)
		*len = (size_t)size;
	return to_git(r);
}

/* libgit2 hears no error here: one counts as yes, and the reading that follows says what is
 * wrong. */
static int backend_exists(git_odb_backend *b, const git_oid *oid)
{
	struct oid id;

	memcpy(id.b, oid->id, 20);
	return store_has(((struct backend *)b)->s, &id) != 0;
}

struct prefix {
	struct store *s;
	const git_oid *oid;
	size_t len;
	struct oid found;
	int n;
};

static int prefix_loc(loc_t loc, void *arg)
{
	struct prefix *p = arg;
	autohead struct head *h = NULL;
	git_oid got;
	int r = head_get(p->s, loc_seg(loc), loc_off(loc), &h);

	if (r == -EBADMSG || r == -ENOENT || (r == 0 && loc_idx(loc) >= h->n_objs))
		return 0;	/* damaged: nobody knows its id */
	if (r < 0)
		return r;
	memcpy(got.id, head_id(h, loc_idx(loc)), 20);
	if (git_oid_ncmp(&got, p->oid, p->len) != 0)
		return 0;
	/* The catalogue may hold a newer copy beside an older one. */
	if (!p->n || memcmp(p->found.b, got.id, 20) != 0)
		p->n++;
	memcpy(p->found.b, got.id, 20);
	return 0;
}

static int backend_exists_prefix(git_oid *ret, git_odb_backend *b, const git_oid *oid, size_t len)
{
	struct prefix p = { .s = ((struct backend *)b)->s, .oid = oid, .len = len };
	uint64_t lo = 0, hi;
	size_t bits = len * 4 > 64 ? 64 : len * 4;
	int r;

	for (int i = 0; i < 8; i++)
		lo = lo << 8 | oid->id[i];
	if (bits < 64)
		lo = bits ? lo >> (64 - bits) << (64 - bits) : 0;
	hi = bits >= 64 ? lo : lo | ~0ull >> bits;
	if ((r = cat_find_prefix(p.s->cat, lo, hi, prefix_loc, &p)) < 0)
		return to_git(r);
	if (p.n != 1)
		return p.n ? GIT_EAMBIGUOUS : GIT_ENOTFOUND;
	memcpy(ret->id, p.found.b, 20);
	return 0;
}

static int backend_read_prefix(git_oid *ret, void **data, size_t *len, git_object_t *type,
	git_odb_backend *b, const git_oid *oid, size_t n)
{
	int r = backend_exists_prefix(ret, b, oid, n);

	return r ? r : backend_read(data, len, type, b, ret);
}

static void backend_free(git_odb_backend *b)
{
	free(b);
}

static struct backend *new_backend(struct store *s)
{
	struct backend *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	git_odb_init_backend(&b->parent, GIT_ODB_BACKEND_VERSION);
	b->s = s;
	b->parent.read = backend_read;
	b->parent.read_header = backend_read_header;
	b->parent.read_prefix = backend_read_prefix;
	b->parent.exists = backend_exists;
	b->parent.exists_prefix = backend_exists_prefix;
	b->parent.free = backend_free;
	return b;
}

static int open_git(git_odb *odb, struct store *s, git_repository **ret)
{
	struct backend *b = new_backend(s);
	int r;

	if (!b)
		return -ENOMEM;
	r = git_odb_add_backend(odb, &b->parent, 1);
	if (r < 0) {
		free(b);
		return err_from_git(r);
	}
	return err_from_git(git_repository_wrap_odb(ret, odb));
}

int store_git(struct store *s, git_repository **ret_repo, git_odb **ret_odb)
{
	git_odb *odb = NULL;
	int r = 0;

	if (!s->repo) {
		if (gitlib_init() < 0)
			return -ENOTSUP;
		/* Every record has its own checksum: to hash again costs 25 times the read. */
		git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
		r = err_from_git(git_odb_new(&odb));
		if (r == 0)
			r = open_git(odb, s, &s->repo);
		if (r < 0) {
			git_odb_free(odb);
			git_libgit2_shutdown();
			return r;
		}
		s->odb = odb;
	}
	if (ret_repo)
		*ret_repo = s->repo;
	if (ret_odb)
		*ret_odb = s->odb;
	return 0;
}
