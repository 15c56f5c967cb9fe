/* Do two catalogues of one store say the same? Numbers of paths may differ: the log gives them in
 * the order of first mention, and a pruned one has forgotten some. So the tables are walked side by
 * side, folder by folder; every row's sum is checked on the way. Places and the bytes a snapshot
 * added are not compared: a segment that was written anew has others. */
#include <string.h>

#include "internal.h"

struct pair { int64_t a, b; };

struct comparing {
	struct store *s;
	struct catalogue *a, *b;
	struct pair *todo;
	size_t n, cap;
};

static bool same_entry(const struct store_entry *a, const struct store_entry *b)
{
	return a->seq == b->seq && a->kind == b->kind && a->mode == b->mode && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->flags == b->flags && a->why == b->why &&
	       (!entry_has_oid(a) || oid_eq(&a->oid, &b->oid));
}

static int later(struct comparing *x, int64_t a, int64_t b)
{
	if (x->n == x->cap) {
		size_t cap = x->cap * 2 + 64;
		void *p = realloc(x->todo, cap * sizeof(*x->todo));

		if (!p)
			return -ENOMEM;
		x->todo = p;
		x->cap = cap;
	}
	x->todo[x->n++] = (struct pair){ a, b };
	return 0;
}

static int next_version(struct store *s, struct catalogue *c, int64_t id, sqlite3_stmt *st,
	struct store_entry *ret)
{
	int rc = sqlite3_step(st);

	s->cat = c;
	return rc == SQLITE_ROW ? query_row_version(s, id, st, ret) : rc == SQLITE_DONE ? -ENOENT :
		cat_failed(c);
}

/* 0 the same, 1 not. */
static int compare_versions(struct comparing *x, int64_t a, int64_t b)
{
	static const char sql[] =
		"SELECT " VERSION_COLUMNS " FROM version WHERE path=? ORDER BY seq";
	sqlite3_stmt *sa, *sb;
	int r, ra, rb;

	x->s->cat = x->a;
	if ((r = query_stmt(x->s, sql, &sa)) < 0)
		return r;
	x->s->cat = x->b;
	if ((r = query_stmt(x->s, sql, &sb)) < 0)
		return r;
	sqlite3_bind_int64(sa, 1, a);
	sqlite3_bind_int64(sb, 1, b);
	do {
		struct store_entry ea = { 0 }, eb = { 0 };

		ra = next_version(x->s, x->a, a, sa, &ea);
		rb = next_version(x->s, x->b, b, sb, &eb);
		r = ra != rb || (ra == 0 && !same_entry(&ea, &eb));
	} while (r == 0 && ra == 0 && rb == 0);
	sqlite3_reset(sa);
	sqlite3_reset(sb);
	return ra < 0 && ra != -ENOENT ? ra : rb < 0 && rb != -ENOENT ? rb : r;
}

static int compare_folder(struct comparing *x, struct pair p)
{
	autoput(rows_release) struct rows a = { .names = BUF_INIT }, b = { .names = BUF_INIT };
	int r;

	x->s->cat = x->a;
	if ((r = query_rows(x->s, p.a, ~0ull, true, &a)) < 0)
		return r;
	x->s->cat = x->b;
	if ((r = query_rows(x->s, p.b, ~0ull, true, &b)) < 0)
		return r;
	if (a.n != b.n)
		return 1;
	for (size_t i = 0; r == 0 && i < a.n; i++) {
		r = strcmp(rows_name(&a, &a.r[i]), rows_name(&b, &b.r[i])) != 0 ||
			!same_entry(&a.r[i].e, &b.r[i].e);
		if (r == 0)
			r = compare_versions(x, a.r[i].id, b.r[i].id);
		if (r == 0)
			r = later(x, a.r[i].id, b.r[i].id);
	}
	return r;
}

/* ---- snapshots and marks: as text, they are few ---- */

static int add_snapshot(const struct store_snapshot *sn, void *arg)
{
	struct buf *b = arg;

	return buf_add(b, sn->id.b, 20) | buf_add(b, sn->tree.b, 20) |
			       buf_printf(b, "%llu %lld %d %u %llu ", (unsigned long long)sn->seq,
				       (long long)sn->time_ns, (int)sn->reason, sn->flags,
				       (unsigned long long)sn->changed) |
			       buf_add(b, sn->message, strlen(sn->message) + 1)
		       ? -ENOMEM
		       : 0;
}

static int add_mark(const char *name, uint64_t seq, void *arg)
{
	return buf_printf(arg, "%llu %s\n", (unsigned long long)seq, name);
}

static int tell(struct store *s, struct catalogue *c, struct buf *out)
{
	int r;

	s->cat = c;
	r = store_list(s, 0, add_snapshot, out);
	return r == 0 ? store_marks(s, add_mark, out) : r;
}

static int compare_all(struct comparing *x)
{
	autoput(buf_release) struct buf a = BUF_INIT, b = BUF_INIT;
	int r = tell(x->s, x->a, &a);

	if (r == 0)
		r = tell(x->s, x->b, &b);
	if (r == 0)
		r = a.len != b.len || (a.len && memcmp(a.data, b.data, a.len) != 0);
	if (r == 0)
		r = later(x, 0, 0);	/* the workspace's own row */
	while (r == 0 && x->n)
		r = compare_folder(x, x->todo[--x->n]);
	return r;
}

int cat_compare(struct store *s, struct catalogue *a, struct catalogue *b)
{
	struct comparing x = { .s = s, .a = a, .b = b };
	struct catalogue *old = s->cat;
	int r = compare_all(&x);

	s->cat = old;
	free(x.todo);
	return r;
}
