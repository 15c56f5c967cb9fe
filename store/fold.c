/* What happened in dropped snapshots is told of the next one that is kept: its manifest is theirs
 * and its own, the last word on each path. A path that came and went between two kept snapshots was
 * never there.
 *
 * The rows of the catalogue are brought to that here, so that they are what the log would make of
 * itself now (verify compares them). */
#include <string.h>

#include "internal.h"

void fold_release(struct fold *f)
{
	buf_release(&f->paths);
	free(f->x);
	*f = (struct fold){ .n = 0 };
}

static int add_entry(const char *path, const struct store_entry *e, void *arg)
{
	struct fold *f = arg;

	if (f->n == f->cap) {
		size_t cap = f->cap * 2 + 64;
		void *p = realloc(f->x, cap * sizeof(*f->x));

		if (!p)
			return -ENOMEM;
		f->x = p;
		f->cap = cap;
	}
	f->x[f->n++] = (struct fold_entry){ .path = f->paths.len, .order = f->order, .e = *e };
	return buf_add(&f->paths, path, strlen(path) + 1);
}

static int entry_cmp(const void *pa, const void *pb, void *arg)
{
	const struct fold_entry *a = pa, *b = pb;
	const char *paths = arg;
	int r = strcmp(paths + a->path, paths + b->path);

	return r ? r : a->order < b->order ? -1 : a->order > b->order;
}

int fold_sort(struct fold *f)
{
	autoput(buf_release) struct buf paths = BUF_INIT;
	size_t n = 0;

	if (f->n)
		qsort_r(f->x, f->n, sizeof(*f->x), entry_cmp, f->paths.data);
	for (size_t i = 0; i < f->n; i++) {
		const char *path = fold_path(f, &f->x[i]);

		if (i + 1 < f->n && strcmp(path, fold_path(f, &f->x[i + 1])) == 0)
			continue;
		f->x[n] = f->x[i];
		f->x[n].path = paths.len;
		if (buf_add(&paths, path, strlen(path) + 1) < 0)
			return -ENOMEM;
		n++;
	}
	f->n = n;
	buf_release(&f->paths);
	f->paths = paths;
	paths = (struct buf)BUF_INIT;
	return 0;
}

int fold_add(struct fold *f, struct store *s, loc_t loc)
{
	size_t n = f->n;
	int r = snap_each(s, loc, add_entry, f);

	f->order++;
	/* Many snapshots that all change the same files are no more than those files. */
	if (r == 0 && f->n > 4096 && f->n > 2 * n)
		r = fold_sort(f);
	return r;
}

int fold_run(struct store *s, struct catalogue *c, uint64_t after, uint64_t seq, loc_t loc,
	struct fold *f, size_t *ret_n)
{
	autofree struct dropped_at *d = NULL;
	size_t n = 0;
	int r = cat_dropped_between(c, after, seq, &d, &n);

	*ret_n = n;
	if (r < 0 || !n)
		return r;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = fold_add(f, s, d[i].loc);
	if (r == 0)
		r = fold_add(f, s, loc);
	return r == 0 ? fold_sort(f) : r;
}

/* ---- into the rows ---- */

/* The newest version not after seq; -ENOENT. */
static int version_before(struct store *s, int64_t id, uint64_t seq, struct store_entry *ret)
{
	sqlite3_stmt *st;
	int r = query_stmt(s, "SELECT " VERSION_COLUMNS " FROM version WHERE path=? AND seq<=?"
		" ORDER BY seq DESC LIMIT 1", &st), rc;

	if (r < 0)
		return r;
	sqlite3_bind_int64(st, 1, id);
	sqlite3_bind_int64(st, 2, (int64_t)seq);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		r = query_row_version(s, id, st, ret);
	else if (rc == SQLITE_DONE)
		r = -ENOENT;
	return query_done(s, st, r, rc);
}

struct folding {
	struct store *s;
	struct catalogue *c;
	uint64_t after, seq;	/* the kept snapshot before, and the one that is told of */
	uint64_t changed;
	uint32_t flags;
};

/* The path came and went in between: as if it had never been. The entry before, if there is one,
 * says that it is gone, and stands again. */
static int undo_path(struct folding *g, const char *path, int64_t id)
{
	struct store_entry was = { .kind = KIND_GONE };
	int r = version_before(g->s, id, g->after, &was);

	if (r == -ENOENT)
		return cat_remove_path(g->c, path, id);
	if (r == 0)
		r = cat_set_path(g->c, path, &was);
	return r == 0 ? cat_drop_versions(g->c, id, was.seq - 1, was.seq) : r;
}

static int fold_path_row(struct folding *g, const char *path, const struct store_entry *e)
{
	struct store_entry now, was = { .kind = KIND_GONE };
	bool current, none;
	int64_t id;
	int r = query_path_row(g->s, path, &id, &now);

	if (r < 0)		/* it came and went in an earlier run */
		return r == -ENOENT ? 0 : r;
	if (now.seq <= g->after)
		return 0;
	current = now.seq <= g->seq;
	r = e->kind == KIND_GONE ? version_before(g->s, id, g->after, &was) : -ENOENT;
	none = e->kind == KIND_GONE && was.kind == KIND_GONE;
	if (r < 0 && r != -ENOENT)
		return r;
	if ((r = cat_drop_versions(g->c, id, g->after, g->seq)) < 0)
		return r;
	if (none)
		return current ? undo_path(g, path, id) : 0;
	g->changed++;
	g->flags |= e->flags;
	if (current) {
		now.seq = g->seq;
		return cat_set_path(g->c, path, &now);
	}
	was = *e;
	was.seq = g->seq;
	return cat_put_version(g->c, id, &was);
}

static int fold_one(struct folding *g)
{
	autoput(snap_release) struct snap sn = { .info = { 0 } };
	autoput(fold_release) struct fold f = { .n = 0 };
	uint64_t added;
	loc_t loc;
	size_t n;
	int r = query_snapshot(g->s, "seq=?", (int64_t)g->seq, &sn.info, &loc);

	if (r == 0)
		r = fold_run(g->s, g->c, g->after, g->seq, loc, &f, &n);
	g->flags = sn.info.flags;
	/* What is below a folder before the folder. */
	for (size_t i = f.n; r == 0 && i-- > 0;)
		r = fold_path_row(g, fold_path(&f, &f.x[i]), &f.x[i].e);
	if (r < 0 || !f.n)
		return r;
	sn.info.flags = g->flags;
	added = sn.info.added_bytes;
	return cat_add_snapshot(g->c, &sn, loc, g->changed, added);
}

static int all_seqs(struct store *s, uint64_t **ret, size_t *ret_n)
{
	size_t n = 0, cap = (size_t)store_count(s) + 1;
	autofree uint64_t *x = calloc(cap, sizeof(*x));
	sqlite3_stmt *st;
	int r, rc = SQLITE_DONE;

	if (!x)
		return -ENOMEM;
	if ((r = query_stmt(s, "SELECT seq FROM snapshot ORDER BY seq", &st)) < 0)
		return r;
	while (n < cap && (rc = sqlite3_step(st)) == SQLITE_ROW)
		x[n++] = (uint64_t)sqlite3_column_int64(st, 0);
	if ((r = query_done(s, st, 0, rc)) < 0)
		return r;
	*ret = take_ptr(x);
	*ret_n = n;
	return 0;
}

/* Runs of them, each with the kept one behind it. */
static int fold_runs(struct folding *g, const struct dropped *d, const uint64_t *x, size_t n)
{
	bool run = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (dropped_has(d, x[i])) {
			r = cat_drop_snapshot(g->c, x[i]);
			run = true;
			continue;
		}
		g->seq = x[i];
		g->changed = 0;
		if (run)
			r = fold_one(g);
		run = false;
		g->after = x[i];
	}
	return r;
}

int fold_these(struct store *s, struct catalogue *c, const struct dropped *d, const uint64_t *seq, size_t n, uint64_t after)
{
	struct folding g = { .s = s, .c = c, .after = after };
	struct catalogue *old = s->cat;
	int r;

	s->cat = c;
	r = fold_runs(&g, d, seq, n);
	s->cat = old;
	return r == 0 ? cat_set_gen(c, d->gen) : r;
}

int fold_into_rows(struct store *s, struct catalogue *c, const struct dropped *d)
{
	struct catalogue *old = s->cat;
	autofree uint64_t *x = NULL;
	size_t n = 0;
	int r;

	s->cat = c;
	r = all_seqs(s, &x, &n);
	s->cat = old;
	return r == 0 ? fold_these(s, c, d, x, n, 0) : r;
}
