/* What a snapshot changed, from its manifest; ids come from its trees. */
#include <string.h>

#include "internal.h"

struct trail_step {			/* a folder on the way */
	size_t end;		/* of its path */
	unsigned asked;
	struct rbuf *tree;
	struct names names;	/* once it is worth sorting them */
};

static void pop(struct trail *t)
{
	struct trail_step *p = &t->step[--t->n];

	names_release(&p->names);
	rbuf_unref(p->tree);
}

void trail_release(struct trail *t)
{
	while (t->n)
		pop(t);
	free(t->step);
	buf_release(&t->dir);
	t->step = NULL;
	t->cap = 0;
}

/* t->dir begins with the path. */
static int trail_push(struct trail *t, const struct oid *id, size_t end)
{
	struct trail_step *p = t->step;
	int r;

	if (t->n == t->cap) {
		size_t cap = t->cap * 2 + 8;

		if (!(p = realloc(p, cap * sizeof(*p))))
			return -ENOMEM;
		t->step = p;
		t->cap = cap;
	}
	p[t->n] = (struct trail_step){ .end = end };
	if ((r = tree_read(t->s, &t->root, t->dir.data ? t->dir.data : "", end, id, &p[t->n].tree)) == 0)
		t->n++;
	return r;
}

/* Is the first end bytes of the way so far the way to dir as well? */
static bool on_the_way(const struct trail *t, size_t end, const char *dir, size_t len)
{
	if (end > len || (end && end < len && dir[end] != '/'))
		return false;
	return !end || memcmp(t->dir.data, dir, end) == 0;
}

static int go_to(struct trail *t, const char *dir, size_t len)
{
	size_t at;
	int r = 0;

	while (t->n && !on_the_way(t, t->step[t->n - 1].end, dir, len))
		pop(t);
	buf_reset(&t->dir);
	if (buf_add(&t->dir, dir, len) < 0) {
		trail_release(t);	/* it no longer knows the way it came */
		return -ENOMEM;
	}
	if (!t->n && (r = trail_push(t, &t->root, 0)) < 0)
		return r;
	while ((at = t->step[t->n - 1].end) < len) {
		const char *name = dir + at + (at > 0);
		const char *slash = memchr(name, '/', len - (size_t)(name - dir));
		size_t n = slash ? (size_t)(slash - name) : len - (size_t)(name - dir);
		struct tree_entry e;

		if ((r = tree_find(t->step[t->n - 1].tree, name, n, &e)) < 0)
			return r;
		if (e.mode != 040000)
			return -ENOENT;
		if ((r = trail_push(t, &e.oid, (size_t)(name - dir) + n)) < 0)
			return r;
	}
	return 0;
}

int trail_find(struct trail *t, const char *path, struct oid *ret)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const struct tree_entry *found;
	struct tree_entry e;
	struct trail_step *p;
	int r = go_to(t, path, slash ? (size_t)(slash - path) : 0);

	if (r < 0)
		return r;
	p = &t->step[t->n - 1];
	if (!p->asked++) {
		if ((r = tree_find(p->tree, name, strlen(name), &e)) == 0)
			*ret = e.oid;
		return r;
	}
	if (!p->names.tree && (r = names_load(&p->names, rbuf_ref(p->tree))) < 0) {
		names_release(&p->names);
		return r;
	}
	if (!(found = names_find(&p->names, name, strlen(name))))
		return -ENOENT;
	*ret = found->oid;
	return 0;
}

struct changes_arg {
	struct store *s;
	uint64_t seq;
	struct trail *trail;	/* NULL: nobody asks for ids */
	store_entry_fn fn;
	void *arg;
};

static int changed(const char *path, const struct store_entry *e, void *arg)
{
	struct changes_arg *a = arg;
	struct store_entry with = *e;
	int r = a->trail && entry_has_oid(e) ? trail_find(a->trail, path, &with.oid) : 0;

	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r;
	with.seq = a->seq;
	return a->fn(path, &with, a->arg);
}

/* What went, and was not there in the kept snapshot before, came and went in dropped ones. */
static int was_never(struct store *s, uint64_t before, const char *path)
{
	struct store_entry e;
	int64_t id;
	int r = before ? query_path_at(s, before, path, &id, &e) : -ENOENT;

	return r == -ENOENT ? 1 : r;
}

static int folded_changes(struct changes_arg *a, const struct fold *f, uint64_t before)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->n; i++) {
		const char *path = fold_path(f, &f->x[i]);

		if (f->x[i].e.kind == KIND_GONE)
			r = was_never(a->s, before, path);
		if (r == 0)
			r = changed(path, &f->x[i].e, a);
		else if (r == 1)
			r = 0;
	}
	return r;
}

/* The kept snapshot before it; 0 = none. */
static int seq_before(struct store *s, uint64_t seq, uint64_t *ret)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	int r = store_before(s, seq, &sn);

	*ret = r == 0 ? sn.seq : 0;
	return r == -ENOENT ? 0 : r;
}

static int each_change(struct changes_arg *a, loc_t loc)
{
	autoput(fold_release) struct fold f = { .n = 0 };
	uint64_t before = 0;
	size_t dropped = 0;
	int r = seq_before(a->s, a->seq, &before);

	if (r == 0)
		r = fold_run(a->s, a->s->cat, before, a->seq, loc, &f, &dropped);
	if (r < 0)
		return r;
	return dropped ? folded_changes(a, &f, before) : snap_each(a->s, loc, changed, a);
}

int changed_paths(struct store *s, uint64_t seq, store_entry_fn fn, void *arg)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	struct changes_arg a = { s, seq, NULL, fn, arg };
	loc_t loc;
	int r = query_snapshot(s, "seq=?", (int64_t)seq, &sn, &loc);

	return r < 0 ? r : each_change(&a, loc);
}

int store_changes(struct store *s, uint64_t seq, store_entry_fn fn, void *arg)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	autoput(trail_release) struct trail trail = { .s = s };
	struct changes_arg a = { s, seq, &trail, fn, arg };
	loc_t loc;
	int r = query_snapshot(s, "seq=?", (int64_t)seq, &sn, &loc);

	trail.root = sn.tree;
	return r < 0 ? r : each_change(&a, loc);
}
