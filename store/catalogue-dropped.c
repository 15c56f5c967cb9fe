/* What prune leaves behind in the catalogue: dropped snapshots whose lists of changes the log still
 * has (table dropped), and which files the places of objects speak of (table segment): a segment
 * that was written anew has another salt. Row 0 of it is the generation of log/dropped. */
#include <string.h>

#include "catalogue.h"

/* One that gives no rows; up to three integers. */
static int run3(struct catalogue *c, const char *sql, int64_t a, int64_t b, int64_t d)
{
	sqlite3_stmt *st;
	int r = cat_prepare(c, sql, 0, &st), n;

	if (r < 0)
		return r;
	n = sqlite3_bind_parameter_count(st);
	if (n > 0)
		sqlite3_bind_int64(st, 1, a);
	if (n > 1)
		sqlite3_bind_int64(st, 2, b);
	if (n > 2)
		sqlite3_bind_int64(st, 3, d);
	r = cat_run(c, st);
	sqlite3_finalize(st);
	return r;
}

/* One row of one integer; -ENOENT: none. */
static int ask1(struct catalogue *c, const char *sql, int64_t a, int64_t *ret)
{
	sqlite3_stmt *st;
	int r = cat_prepare(c, sql, 0, &st), rc;

	if (r < 0)
		return r;
	sqlite3_bind_int64(st, 1, a);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
		*ret = sqlite3_column_int64(st, 0);
	else
		r = rc == SQLITE_ROW || rc == SQLITE_DONE ? -ENOENT : cat_failed(c);
	sqlite3_finalize(st);
	return r;
}

/* ---- segments ---- */

static int64_t salt_of(const struct segment *g)
{
	int64_t v;

	memcpy(&v, g->salt, 8);
	return v;
}

int cat_set_segment(struct catalogue *c, uint32_t no)
{
	struct segment *g;
	int r = seg_get(c->s, no, &g);

	/* One that cannot be read now is not known to have been another. */
	if (r < 0)
		return r == -EBADMSG || r == -ENOENT || r == -ENOTSUP ? 0 : r;
	return run3(c, "INSERT OR REPLACE INTO segment VALUES(?, ?)", no, salt_of(g), 0);
}

int cat_note_segments(struct catalogue *c, struct log_pos pos)
{
	int64_t max = 0;
	int r = 0;

	if (c->noted >= pos.seg)
		return 0;
	if (!c->noted && (r = ask1(c, "SELECT max(no) FROM segment WHERE no>?", 0, &max)) == 0)
		c->noted = (uint32_t)max;
	if (r == -ENOENT)	/* a new catalogue: from the log's first on */
		r = 0;
	while (r == 0 && c->noted < pos.seg) {
		uint32_t no = seg_next(c->s, c->noted, pos.seg);

		if ((r = cat_set_segment(c, no)) == 0)
			c->noted = no < pos.seg ? no : pos.seg;
	}
	return r;
}

int cat_each_segment(struct catalogue *c, int (*fn)(uint32_t no, bool same, void *arg), void *arg)
{
	sqlite3_stmt *st;
	int r = cat_prepare(c, "SELECT no, salt FROM segment WHERE no>0 ORDER BY no", 0, &st);
	int rc = SQLITE_DONE;

	if (r < 0)
		return r;
	while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		uint32_t no = (uint32_t)sqlite3_column_int64(st, 0);
		struct segment *g;
		int e = seg_get(c->s, no, &g);

		if (e == 0)
			r = fn(no, salt_of(g) == sqlite3_column_int64(st, 1), arg);
		else if (e != -EBADMSG && e != -ENOENT && e != -ENOTSUP)
			r = e;
	}
	if (r == 0 && rc != SQLITE_DONE)
		r = cat_failed(c);
	sqlite3_finalize(st);
	return r;
}

int cat_gen(struct catalogue *c, uint64_t *ret)
{
	int64_t v = 0;
	int r = ask1(c, "SELECT salt FROM segment WHERE no=?", 0, &v);

	if (r == 0 || r == -ENOENT)
		*ret = (uint64_t)v;
	return r == -ENOENT ? 0 : r;
}

int cat_set_gen(struct catalogue *c, uint64_t gen)
{
	return run3(c, "INSERT OR REPLACE INTO segment VALUES(0, ?)", (int64_t)gen, 0, 0);
}

int cat_forget_rest(struct catalogue *c, uint32_t no)
{
	int64_t lo = (int64_t)loc_make(no, 0, 0), hi = (int64_t)loc_make(no + 1, 0, 0);
	int r = run3(c, "DELETE FROM collide WHERE loc>=? AND loc<?", lo, hi, 0);

	return r < 0 ? r : run3(c, "DELETE FROM dropped WHERE loc>=? AND loc<?", lo, hi, 0);
}

int cat_forget_segment(struct catalogue *c, uint32_t no)
{
	int64_t lo = (int64_t)loc_make(no, 0, 0), hi = (int64_t)loc_make(no + 1, 0, 0);
	int r = run3(c, "DELETE FROM object WHERE loc>=? AND loc<?", lo, hi, 0);

	if (r == 0)
		r = run3(c, "DELETE FROM recent WHERE loc>=? AND loc<?", lo, hi, 0);
	c->n_recent = -1;
	return r < 0 ? r : cat_forget_rest(c, no);
}

/* ---- snapshots ---- */

int cat_add_dropped(struct catalogue *c, uint64_t seq, loc_t loc, const struct oid *id)
{
	sqlite3_stmt *st;
	int r = cat_prepare(c, "INSERT OR REPLACE INTO dropped VALUES(?, ?, ?)", 0, &st);

	if (r < 0)
		return r;
	sqlite3_bind_int64(st, 1, (int64_t)seq);
	sqlite3_bind_int64(st, 2, (int64_t)loc);
	sqlite3_bind_blob(st, 3, id->b, 20, SQLITE_STATIC);
	r = cat_run(c, st);
	sqlite3_finalize(st);
	cat_met_seq(c, seq);
	return r;
}

int cat_drop_snapshot(struct catalogue *c, uint64_t seq)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	loc_t loc;
	int r = query_snapshot(c->s, "seq=?", (int64_t)seq, &sn, &loc);

	if (r == 0)
		r = run3(c, "INSERT OR REPLACE INTO dropped SELECT seq, loc, id FROM snapshot WHERE seq=?",
			(int64_t)seq, 0, 0);
	/* Nobody finds the commit any more. By its key: there are very many objects. */
	if (r == 0)
		r = run3(c, "DELETE FROM object WHERE key=? AND loc=?", oid_key(&sn.id), (int64_t)loc, 0);
	if (r == 0)
		r = run3(c, "DELETE FROM recent WHERE key=? AND loc=?", oid_key(&sn.id), (int64_t)loc, 0);
	if (r == 0)
		r = run3(c, "DELETE FROM collide WHERE loc=?", (int64_t)loc, 0, 0);
	if (r == 0)
		r = run3(c, "DELETE FROM snapshot WHERE seq=?", (int64_t)seq, 0, 0);
	c->n_recent = -1;
	cat_set_newest(c, NULL);
	return r;
}

int cat_dropped_between(struct catalogue *c, uint64_t after, uint64_t before,
	struct dropped_at **ret, size_t *ret_n)
{
	autofree struct dropped_at *x = NULL;
	size_t n = 0, cap = 0;
	sqlite3_stmt *st;
	int r = cat_prepare(
		c, "SELECT seq, loc FROM dropped WHERE seq>? AND seq<? ORDER BY seq", 0, &st);
	int rc = SQLITE_DONE;

	if (r < 0)
		return r;
	sqlite3_bind_int64(st, 1, (int64_t)after);
	sqlite3_bind_int64(st, 2, (int64_t)(before >> 62 ? INT64_MAX : before));
	while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (n == cap) {
			void *p = realloc(x, (cap = cap * 2 + 16) * sizeof(*x));

			if (!p) {
				r = -ENOMEM;
				break;
			}
			x = p;
		}
		x[n++] = (struct dropped_at){ (uint64_t)sqlite3_column_int64(st, 0),
			(loc_t)sqlite3_column_int64(st, 1) };
	}
	if (r == 0 && rc != SQLITE_DONE)
		r = cat_failed(c);
	sqlite3_finalize(st);
	if (r < 0)
		return r;
	*ret = take_ptr(x);
	*ret_n = n;
	return 0;
}

bool cat_is_dropped(struct catalogue *c, const struct oid *id)
{
	sqlite3_stmt *st;
	bool found;

	if (cat_prepare(c, "SELECT 1 FROM dropped WHERE id=?", 0, &st) < 0)
		return false;
	sqlite3_bind_blob(st, 1, id->b, 20, SQLITE_STATIC);
	found = sqlite3_step(st) == SQLITE_ROW;
	sqlite3_finalize(st);
	return found;
}

int cat_last_seq(struct catalogue *c, uint64_t *ret)
{
	int64_t v = 0;
	int r = ask1(c, "SELECT max(seq) FROM snapshot WHERE seq>?", 0, &v);

	if (r == 0 || r == -ENOENT)
		*ret = (uint64_t)v;
	return r == -ENOENT ? 0 : r;
}

int cat_move_snapshot(struct catalogue *c, uint64_t seq, loc_t loc)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	int r = query_snapshot(c->s, "seq=?", (int64_t)seq, &sn, NULL);

	if (r < 0)
		return r;
	cat_set_newest(c, NULL);
	return run3(c, "UPDATE snapshot SET loc=?2, sum=?3 WHERE seq=?1", (int64_t)seq,
		(int64_t)loc, cat_sum_snapshot(&sn, loc));
}

/* ---- the rows of paths ---- */

int cat_drop_versions(struct catalogue *c, int64_t path, uint64_t after, uint64_t upto)
{
	return run3(c, "DELETE FROM version WHERE path=? AND seq>? AND seq<=?", path,
		(int64_t)after, (int64_t)upto);
}

int cat_put_version(struct catalogue *c, int64_t path, const struct store_entry *e)
{
	sqlite3_stmt *st = cat_stmt(
		c, CS_VER_INS, "INSERT OR REPLACE INTO version VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");

	if (!st)
		return c->err;
	sqlite3_bind_int64(st, 1, path);
	sqlite3_bind_int64(st, 2, (int64_t)e->seq);
	sqlite3_bind_int64(st, 3, e->kind);
	sqlite3_bind_int64(st, 4, e->mode);
	sqlite3_bind_int64(st, 5, (int64_t)e->size);
	sqlite3_bind_int64(st, 6, e->mtime_ns);
	sqlite3_bind_int64(st, 7, e->flags);
	sqlite3_bind_int64(st, 8, e->why);
	sqlite3_bind_int64(st, 9, cat_sum_entry(path, NULL, 0, e));
	return cat_run(c, st);
}
