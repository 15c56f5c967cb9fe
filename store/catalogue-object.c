/* Where objects are: the tables object, recent and collide of the catalogue. */
#include <string.h>

#include "catalogue.h"

#define RECENT_MAX 2048

/* Big-endian, with the sign turned so that SQLite's order is the ids' order. */
int64_t oid_key(const struct oid *id)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | id->b[i];
	return (int64_t)(v ^ 1ull << 63);
}

/* Is the object at loc this one? Damage counts as yes: the caller must see it, not miss the
 * object. */
static bool is_at(struct store *s, loc_t loc, const struct oid *id)
{
	autohead struct head *h = NULL;

	if (head_get(s, loc_seg(loc), loc_off(loc), &h) < 0 || loc_idx(loc) >= h->n_objs)
		return true;
	return memcmp(head_id(h, loc_idx(loc)), id->b, 20) == 0;
}

/* 0: *ret is a place; -ENOENT: no row. */
static int get_loc(struct catalogue *c, sqlite3_stmt *st, loc_t *ret)
{
	int rc = sqlite3_step(st), r = -ENOENT;

	if (rc == SQLITE_ROW) {
		*ret = (loc_t)sqlite3_column_int64(st, 0);
		r = 0;
	} else if (rc != SQLITE_DONE) {
		r = cat_failed(c);
	}
	sqlite3_reset(st);
	return r;
}

/* The place a table gives for a key. -ESTALE: something else is there. */
static int find_in(struct store *s, struct catalogue *c, int slot, const char *sql,
	const struct oid *id, loc_t *ret)
{
	sqlite3_stmt *st = cat_stmt(c, slot, sql);
	loc_t loc = 0;
	int r;

	if (!st)
		return c->err;
	sqlite3_bind_int64(st, 1, oid_key(id));
	r = get_loc(c, st, &loc);
	if (r != 0)
		return r;
	*ret = loc;		/* also if something else is there */
	return is_at(s, loc, id) ? 0 : -ESTALE;
}

static int find_collision(struct catalogue *c, const struct oid *id, loc_t *ret)
{
	sqlite3_stmt *st = cat_stmt(c, CS_COLLIDE, "SELECT loc FROM collide WHERE id=?");

	if (!st)
		return c->err;
	sqlite3_bind_blob(st, 1, id->b, 20, SQLITE_STATIC);
	return get_loc(c, st, ret);
}

int cat_find(struct store *s, struct catalogue *c, const struct oid *id, loc_t *ret)
{
	int new, old, r;

	if (c->no_objects)
		return -ENOENT;
	new = find_in(s, c, CS_RECENT, "SELECT loc FROM recent WHERE key=?", id, ret);
	if (new != -ENOENT && new != -ESTALE)
		return new;
	old = find_in(s, c, CS_FIND, "SELECT loc FROM object WHERE key=?", id, ret);
	if (old != -ESTALE && (old != -ENOENT || new == -ENOENT))
		return old;
	r = find_collision(c, id, ret);
	return r == -ENOENT ? -ESTALE : r;
}

int cat_find_prefix(
	struct catalogue *c, uint64_t lo, uint64_t hi, int (*fn)(loc_t loc, void *arg), void *arg)
{
	sqlite3_stmt *st = cat_stmt(c, CS_RANGE,
		"SELECT loc FROM object WHERE key BETWEEN ?1 AND ?2"
		" UNION ALL SELECT loc FROM recent WHERE key BETWEEN ?1 AND ?2");
	int r = 0, rc = SQLITE_DONE;

	if (!st)
		return c->err;
	sqlite3_bind_int64(st, 1, (int64_t)(lo ^ 1ull << 63));
	sqlite3_bind_int64(st, 2, (int64_t)(hi ^ 1ull << 63));
	while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW)
		r = fn((loc_t)sqlite3_column_int64(st, 0), arg);
	if (r == 0 && rc != SQLITE_DONE)
		r = cat_failed(c);
	sqlite3_reset(st);
	return r;
}

static int add_pair(struct catalogue *c, int slot, const char *sql, int64_t key, loc_t loc)
{
	sqlite3_stmt *st = cat_stmt(c, slot, sql);

	if (!st)
		return c->err;
	sqlite3_bind_int64(st, 1, key);
	sqlite3_bind_int64(st, 2, (int64_t)loc);
	return cat_run(c, st);
}

static int add_collision(struct catalogue *c, const struct oid *id, loc_t loc)
{
	sqlite3_stmt *st = cat_stmt(c, CS_COLLIDE_INS, "INSERT INTO collide VALUES(?, ?)");

	if (!st)
		return c->err;
	sqlite3_bind_blob(st, 1, id->b, 20, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, (int64_t)loc);
	return cat_run(c, st);
}

/* Keys that both tables have: a sound copy of a damaged object (the newer one stays), or two ids
 * that share their first 8 bytes. */
static int merge_conflicts(struct store *s, struct catalogue *c)
{
	sqlite3_stmt *st;
	int r = cat_prepare(
		c, "SELECT key, recent.loc, object.loc FROM recent JOIN object USING(key)", 0, &st);
	int rc = SQLITE_DONE;

	if (r < 0)
		return r;
	while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		loc_t now = (loc_t)sqlite3_column_int64(st, 1),
		      old = (loc_t)sqlite3_column_int64(st, 2);
		autohead struct head *h = NULL;
		struct oid id;

		if (head_get(s, loc_seg(now), loc_off(now), &h) < 0 || loc_idx(now) >= h->n_objs)
			continue;
		memcpy(id.b, head_id(h, loc_idx(now)), 20);
		if (is_at(s, old, &id))
			r = add_pair(c, CS_OBJ2, "UPDATE object SET loc=?2 WHERE key=?1",
				sqlite3_column_int64(st, 0), now);
		else
			r = add_collision(c, &id, now);
	}
	if (r == 0 && rc != SQLITE_DONE)
		r = cat_failed(c);
	sqlite3_finalize(st);
	return r;
}

static int merge_recent(struct store *s, struct catalogue *c)
{
	int r = merge_conflicts(s, c);

	if (r == 0)
		r = cat_exec(c, "INSERT OR IGNORE INTO object SELECT key, loc FROM recent ORDER BY "
			    "key; DELETE FROM recent");
	c->n_recent = r == 0 ? 0 : -1;
	return r;
}

static int count_recent(struct catalogue *c)
{
	sqlite3_stmt *st;
	int r = cat_prepare(c, "SELECT count(*) FROM recent", 0, &st);

	if (r < 0)
		return r;
	if (sqlite3_step(st) == SQLITE_ROW)
		c->n_recent = sqlite3_column_int64(st, 0);
	else
		r = cat_failed(c);
	sqlite3_finalize(st);
	return r;
}

static int add_recent(struct store *s, struct catalogue *c, const struct new_object *o)
{
	loc_t old;
	int r = add_pair(
		c, CS_OBJ, "INSERT OR IGNORE INTO recent VALUES(?, ?)", oid_key(&o->id), o->loc);

	if (r < 0)
		return r;
	if (sqlite3_changes(c->db) == 1) {
		c->n_recent++;
		return 0;
	}
	if (cat_find(s, c, &o->id, &old) == 0)
		return add_pair(c, CS_RECENT_UPD, "UPDATE recent SET loc=?2 WHERE key=?1",
			oid_key(&o->id), o->loc);
	return add_collision(c, &o->id, o->loc);
}

static int add_direct(struct store *s, struct catalogue *c, const struct new_object *o)
{
	loc_t old;
	int r = add_pair(c, CS_OBJ_INS, "INSERT OR IGNORE INTO object VALUES(?, ?)",
		oid_key(&o->id), o->loc);

	if (r < 0 || sqlite3_changes(c->db) == 1)
		return r;
	if (cat_find(s, c, &o->id, &old) == 0)
		return add_pair(c, CS_OBJ2, "UPDATE object SET loc=?2 WHERE key=?1",
			oid_key(&o->id), o->loc);
	return add_collision(c, &o->id, o->loc);
}

/* Of several copies the one that was written last comes last, and stays. */
static int object_cmp(const void *pa, const void *pb)
{
	const struct new_object *a = pa, *b = pb;
	int r = memcmp(a->id.b, b->id.b, 20);

	return r ? r : a->loc < b->loc ? -1 : a->loc > b->loc;
}

int cat_add_objects(struct store *s, struct catalogue *c, struct new_object *o, size_t n)
{
	int r = c->n_recent < 0 ? count_recent(c) : 0;
	bool many = n > RECENT_MAX / 2;

	if (r == 0 && (many || c->n_recent + (int64_t)n > RECENT_MAX) && c->n_recent)
		r = merge_recent(s, c);
	if (n)
		c->no_objects = false;
	if (many)	/* in the table's order: it grows at its end, or page by page */
		qsort(o, n, sizeof(*o), object_cmp);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = many ? add_direct(s, c, &o[i]) : add_recent(s, c, &o[i]);
	return r;
}

#define MOVE_ROWS 64
#define ROW4_ "(?,?),(?,?),(?,?),(?,?),"
#define ROW16_ ROW4_ ROW4_ ROW4_ ROW4_

/* So many at once cost half of what they cost one by one. 1: all are right now; 0: of some the row is another's. */
static int move_many(struct catalogue *c, const struct new_object *o)
{
	sqlite3_stmt *st = cat_stmt(c, CS_OBJ_MOVE,
		"INSERT INTO object VALUES " ROW16_ ROW16_ ROW16_ ROW4_ ROW4_ ROW4_ "(?,?),(?,?),(?,?),(?,?)"
		" ON CONFLICT(key) DO UPDATE SET loc=excluded.loc WHERE loc>>44=excluded.loc>>44");
	int r;

	if (!st)
		return c->err;
	for (int i = 0; i < MOVE_ROWS; i++) {
		sqlite3_bind_int64(st, 2 * i + 1, oid_key(&o[i].id));
		sqlite3_bind_int64(st, 2 * i + 2, (int64_t)o[i].loc);
	}
	r = cat_run(c, st);
	return r < 0 ? r : sqlite3_changes(c->db) == MOVE_ROWS;
}

/* own: the one before has another key. What shares its key must not take that one's row. */
static int move_one(struct store *s, struct catalogue *c, const struct new_object *o, bool own)
{
	int r = own ? add_pair(c, CS_OBJ_MOVE1, "UPDATE object SET loc=?2 WHERE key=?1 AND loc>>44=?2>>44",
		oid_key(&o->id), o->loc) : 0;

	return r < 0 || (own && sqlite3_changes(c->db) == 1) ? r : add_direct(s, c, o);
}

static bool has_twins(const struct new_object *o, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (oid_key(&o[i].id) == oid_key(&o[i - 1].id))
			return true;
	return false;
}

/* They have rows already, which point into the same segment: to change those in their order costs a part of taking
 * them out and putting them in again. */
int cat_move_objects(struct store *s, struct catalogue *c, struct new_object *o, size_t n)
{
	int r = c->n_recent < 0 ? count_recent(c) : 0;

	if (r == 0 && c->n_recent)
		r = merge_recent(s, c);
	if (n) {
		c->no_objects = false;
		qsort(o, n, sizeof(*o), object_cmp);
	}
	for (size_t i = 0; r >= 0 && i < n;) {
		size_t before = i > 0, k = n - i < MOVE_ROWS ? n - i : MOVE_ROWS, end = i + k;

		r = k < MOVE_ROWS || has_twins(o + i - before, k + before) ? 0 : move_many(c, o + i);
		for (; r == 0 && i < end; i++)
			r = move_one(s, c, &o[i], !i || !has_twins(o + i - 1, 2));
		i = end;
	}
	return r < 0 ? r : 0;
}
