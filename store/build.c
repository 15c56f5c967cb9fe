/* The tree of a new snapshot, from the tree before and what changed: only the folders on the way to
 * a change are made anew, from the inside out.
 *
 * Where a tree of the snapshot before cannot be read any more, everything that the rows know
 * below its folder takes part as if it had changed: the damage ends with the snapshots that have
 * it. */
#include <stdio.h>
#include <string.h>

#include "../lib/names.h"
#include "internal.h"

struct level { /* a folder being made: its path is the first len bytes of its changes' */
	size_t len;		/* with the '/' behind it */
	size_t at, hi;		/* changes not looked at yet */
	struct oid old;
	struct rbuf *base;	/* the tree before; NULL: none */
	struct tree_edit *edit;
	size_t n, cap;
};

struct build {
	struct store_txn *t;
	const struct change *c;
	struct level *level;
	size_t n, cap;
	const struct buf *scratch;	/* folders to be made without their tree, each with a NUL */
	char *unread;		/* the folder whose tree cannot be read */
};

static void pop_level(struct build *b)
{
	struct level *l = &b->level[--b->n];

	rbuf_unref(l->base);
	free(l->edit);
}

static void build_release(struct build *b)
{
	while (b->n)
		pop_level(b);
	free(b->level);
	free(b->unread);
}

static bool from_scratch(const struct build *b, const char *path, size_t len)
{
	const char *p = b->scratch->data;

	for (size_t at = 0; at < b->scratch->len; at += strlen(p + at) + 1)
		if (strlen(p + at) == len && strncmp(p + at, path, len) == 0)
			return true;
	return false;
}

static int push_level(struct build *b, size_t len, size_t lo, size_t hi, const struct oid *old)
{
	struct level l = { .len = len, .at = lo, .hi = hi };
	const char *path = len ? b->c[lo].path : "";
	int r;

	if (old && from_scratch(b, path, len ? len - 1 : 0))
		old = NULL;
	r = old ? obj_read_id(b->t->s, old, NULL, &l.base) : 0;
	if (obj_is_lost(r)) {
		b->unread = strndup(path, len ? len - 1 : 0);
		return b->unread ? -ESTALE : -ENOMEM;
	}
	if (r < 0)
		return r;
	if (old)
		l.old = *old;
	if (b->n == b->cap) {
		void *p = realloc(b->level, (b->cap * 2 + 16) * sizeof(*b->level));

		if (!p) {
			rbuf_unref(l.base);
			return -ENOMEM;
		}
		b->level = p;
		b->cap = b->cap * 2 + 16;
	}
	b->level[b->n++] = l;
	return 0;
}

static struct tree_edit *add_edit(struct level *l, const char *name, size_t len)
{
	if (l->n == l->cap) {
		void *p = realloc(l->edit, (l->cap * 2 + 4) * sizeof(*l->edit));

		if (!p)
			return NULL;
		l->edit = p;
		l->cap = l->cap * 2 + 4;
	}
	l->edit[l->n] = (struct tree_edit){ .name = name, .len = len };
	return &l->edit[l->n++];
}

/* The end of the changes below the folder that c[lo] is in: those whose first n bytes are its. */
static size_t end_of(const struct build *b, size_t lo, size_t hi, size_t n)
{
	const char *path = b->c[lo].path;
	size_t step = 1, at = lo + 1;

	while (at < hi && strncmp(b->c[at].path, path, n) == 0) {
		lo = at;
		at += step;
		step *= 2;
	}
	if (at < hi)
		hi = at;
	while (lo + 1 < hi) {		/* c[lo] is in, c[hi] is not */
		size_t mid = lo + (hi - lo) / 2;

		if (strncmp(b->c[mid].path, path, n) == 0)
			lo = mid;
		else
			hi = mid;
	}
	return hi;
}

/* What is in the folder itself. */
static int take_change(struct build *b, struct level *l, const char *name, size_t len)
{
	const struct store_entry *x = &b->c[l->at++].e;
	struct tree_edit *e;
	struct tree_entry had;

	if (x->flags & ENTRY_KEPT)
		return 0;		/* it stands as it was */
	/* A folder's content comes as paths of its own; only something else in its place must
	 * go. */
	if (x->kind == KIND_DIR &&
		(!l->base || tree_find(l->base, name, len, &had) < 0 || had.mode == 040000))
		return 0;
	if (!(e = add_edit(l, name, len)))
		return -ENOMEM;
	e->oid = x->oid;
	if (x->kind == KIND_LINK)
		e->mode = 0120000;
	else if (x->kind == KIND_FILE)
		e->mode = x->mode & 0100 ? 0100755 : 0100644;
	return 0;
}

/* The next change of the folder on top, or the folder that it lies in. */
static int step(struct build *b)
{
	struct level *l = &b->level[b->n - 1];
	const char *name = b->c[l->at].path + l->len;
	size_t len = strcspn(name, "/"), lo = l->at;
	struct tree_entry had;
	bool was;

	if (!name[len])
		return take_change(b, l, name, len);
	l->at = end_of(b, lo, l->hi, l->len + len + 1);
	if (!add_edit(l, name, len))
		return -ENOMEM;
	was = l->base && tree_find(l->base, name, len, &had) == 0 && had.mode == 040000;
	return push_level(b, l->len + len + 1, lo, l->at, was ? &had.oid : NULL);
}

static int put_tree(
	struct store_txn *t, const struct level *l, const struct buf *bytes, struct oid *ret)
{
	autorbuf struct rbuf *raw = rbuf_new(bytes->len);
	loc_t base_loc = 0;

	if (!raw)
		return -ENOMEM;
	if (bytes->len)
		memcpy(raw->data, bytes->data, bytes->len);
	store_hash("tree", raw->data, raw->len, ret);
	if (l->base && oid_eq(&l->old, ret))
		return 0;
	if (l->base && obj_find(t->s, &l->old, &base_loc) < 0)
		base_loc = 0;
	return put_object(t, OBJ_TREE, ret, raw, base_loc);
}

/* All of the folder on top is known. A folder with nothing in it is in no tree, the workspace
 * itself excepted. */
static int finish(struct build *b, struct oid *ret)
{
	struct level *l = &b->level[b->n - 1];
	autoput(buf_release) struct buf out = BUF_INIT;
	int r = tree_patch(l->base, l->edit, l->n, &out);

	if (r == 0 && (out.len || b->n == 1))
		r = put_tree(b->t, l, &out, ret);
	if (r < 0)
		return r;
	pop_level(b);
	if (b->n) {
		l = &b->level[b->n - 1];
		l->edit[l->n - 1].mode = out.len ? 040000 : 0;
		l->edit[l->n - 1].oid = *ret;
	}
	return 0;
}

/* -ESTALE: *ret_unread is the folder whose tree cannot be read. */
static int build(struct store_txn *t, const struct change *c, size_t n, const struct oid *old,
	const struct buf *scratch, struct oid *ret, char **ret_unread)
{
	autoput(build_release) struct build b = { .t = t, .c = c, .scratch = scratch };
	size_t first = n && !*c[0].path;	/* the workspace's own entry is in no tree */
	int r = push_level(&b, 0, first, n, old);

	while (r == 0 && b.n) {
		struct level *l = &b.level[b.n - 1];

		r = l->at < l->hi ? step(&b) : finish(&b, ret);
	}
	*ret_unread = take_ptr(b.unread);
	return r;
}

/* ---- where a tree is damaged ---- */

struct stand {			/* what stands below a folder, beside what changed */
	struct store_txn *t;
	const struct change *c;	/* what changed */
	size_t n;
	struct buf paths;	/* of what stands, NUL-terminated, one after the other */
	struct store_entry *e;
	size_t n_e, cap;
	struct buf scratch;	/* the folders */
	struct change *all;	/* what changed and what stands */
	struct buf lost;	/* what stands with a content that is not known any more */
};

static void stand_release(struct stand *x)
{
	buf_release(&x->paths);
	buf_release(&x->scratch);
	buf_release(&x->lost);
	free(x->all);
	free(x->e);
}

static int path_key_cmp(const void *key, const void *elem)
{
	return strcmp(key, ((const struct change *)elem)->path);
}

/* Without an id (its own tree was damaged when the catalogue was made again) a file must be read
 * again, not guessed. Adding a change moves the paths of all: only the caller can go on. */
static int lose(struct stand *x)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < x->lost.len; at += strlen(x->lost.data + at) + 1) {
		const char *path = x->lost.data + at;
		struct store_entry was, e;

		if ((r = store_cur_get(x->t->s, path, &was)) < 0)
			break;
		log_warn("%s: its content is lost with a damaged tree; not in the snapshot until "
			 "it is read again",
			path);
		e = was;
		e.kind = KIND_SKIPPED;
		e.why = WHY_UNREADABLE;
		e.flags = 0;
		e.ctime_ns = 0;
		r = txn_add_change(x->t, path, &e, &was);
	}
	return r < 0 ? r : -ESTALE;
}

static int add_stand(struct stand *x, const char *path, const struct store_entry *e)
{
	if (x->n_e == x->cap) {
		void *p = realloc(x->e, (x->cap * 2 + 64) * sizeof(*x->e));

		if (!p)
			return -ENOMEM;
		x->e = p;
		x->cap = x->cap * 2 + 64;
	}
	x->e[x->n_e] = *e;
	x->e[x->n_e++].flags = 0;
	return buf_add(&x->paths, path, strlen(path) + 1);
}

static int stand_one(const char *path, const struct store_entry *e, void *arg)
{
	struct stand *x = arg;
	const struct change *c =
		x->n ? bsearch(path, x->c, x->n, sizeof(*x->c), path_key_cmp) : NULL;

	if (!entry_has_oid(e) || (c && !(c->e.flags & ENTRY_KEPT)))
		return 0;
	return oid_zero(&e->oid) ? buf_add(&x->lost, path, strlen(path) + 1)
				 : add_stand(x, path, e);
}

static int change_cmp(const void *pa, const void *pb)
{
	return strcmp(((const struct change *)pa)->path, ((const struct change *)pb)->path);
}

/* Everything that stands in dir takes part from now on; the folder itself goes first, where
 * nothing does. */
static int stand_in(struct stand *x, const char *dir)
{
	static const struct store_entry gone = { .kind = KIND_GONE };
	int r;

	log_warn("%s: the tree of \"%s\" is damaged; the next snapshot makes it again from the "
		 "catalogue (" RECOVER " verify)",
		x->t->s->dir, *dir ? dir : "/");
	r = buf_add(&x->scratch, dir, strlen(dir) + 1);
	if (r == 0 && *dir)
		r = add_stand(x, dir, &gone);
	return r == 0 ? query_below(x->t->s, dir, stand_one, x) : r;
}

static int join(struct stand *x)
{
	const char *path = x->paths.data;

	if (x->lost.len)
		return lose(x);
	free(take_ptr(x->all));
	x->all = malloc((x->n + x->n_e + 1) * sizeof(*x->all));
	if (!x->all)
		return -ENOMEM;
	if (x->n)
		memcpy(x->all, x->c, x->n * sizeof(*x->c));
	for (size_t i = 0; i < x->n_e; i++, path += strlen(path) + 1)
		x->all[x->n + i] = (struct change){ path, x->e[i] };
	qsort(x->all, x->n + x->n_e, sizeof(*x->all), change_cmp);
	return 0;
}

/* ---- all trees ---- */

static int add_todo(struct buf *todo, const char *dir, const struct tree_entry *e)
{
	size_t was = todo->len;
	int r = buf_add(todo, e->oid.b, 20);

	r |= buf_printf(todo, "%s%s", dir, *dir ? "/" : "");
	r |= buf_add(todo, e->name, e->len);
	return r | buf_add_u32(todo, (uint32_t)(todo->len - was));
}

static int look_into(struct stand *x, const char *dir, const struct oid *id, struct buf *todo)
{
	autorbuf struct rbuf *tree = NULL;
	const uint8_t *p, *end;
	size_t had = todo->len;
	struct tree_entry e;
	int r = obj_read_id(x->t->s, id, NULL, &tree);

	if (obj_is_lost(r))
		return stand_in(x, dir);
	if (r < 0)
		return r;
	p = tree->data;
	end = p + tree->len;
	while ((r = tree_next(&p, end, &e)) == 1)
		if (e.mode == 040000 && add_todo(todo, dir, &e) < 0)
			return -ENOMEM;
	if (r != -EBADMSG)
		return r;
	todo->len = had;	/* a name that none may have: no program of ours wrote that */
	return stand_in(x, dir);
}

/* Something was damaged: what nobody has touched since is not to be damaged in the next snapshot
 * too. */
static int look_at_all(struct stand *x, const struct oid *root)
{
	autoput(buf_release) struct buf todo = BUF_INIT;	/* id, path, length of both */
	int r = look_into(x, "", root, &todo);

	while (r == 0 && todo.len) {
		autofree char *dir = NULL;
		struct cursor c = { (uint8_t *)todo.data + todo.len - 4,
			(uint8_t *)todo.data + todo.len, 0 };
		uint32_t n = cur_u32(&c);
		struct oid id;

		todo.len -= 4 + n;
		memcpy(id.b, todo.data + todo.len, 20);
		if (!(dir = strndup(todo.data + todo.len + 20, n - 20)))
			return -ENOMEM;
		r = look_into(x, dir, &id, &todo);
	}
	return r == 0 && x->scratch.len ? join(x) : r;
}

int build_tree(struct store_txn *t, const struct change *c, size_t n, const struct oid *old,
	struct oid *ret)
{
	autoput(stand_release) struct stand x = { .t = t, .c = c, .n = n };
	bool looked = t->s->hurt && old;
	int r = looked ? look_at_all(&x, old) : 0;

	if (r < 0)
		return r;
	t->s->hurt = false;
	for (;;) {
		autofree char *unread = NULL;

		r = build(t, x.all ? x.all : c, n + (x.all ? x.n_e : 0), old, &x.scratch, ret,
			&unread);
		if (!unread && (r != -EBADMSG || looked || !old))
			return r;
		if (!unread) {		/* it can be read, and is no tree */
			looked = true;
			if ((r = look_at_all(&x, old)) < 0)
				return r;
			continue;
		}
		if ((r = stand_in(&x, unread)) < 0 || (r = join(&x)) < 0)
			return r;
	}
}
