/* The catalogue: an SQLite index of the log. Everything in it comes from the log but the stat data
 * (ctime, inode) of the current state, whose loss only means that files are read again.
 *
 * object	first 8 bytes of the id -> loc; ids that share them are in collide
 * recent	the newest of them: ids are random, and each would touch a page of its own in a large object table; a
 *		small table takes them and is merged when it is full
 * path		the current entry of every path the store ever held, by folder and name
 * version	the entries before it
 * snapshot, mark, state (one row: how far the log is indexed)
 *
 * SQLite does not notice a flipped bit inside a value. Rows that people are told or restored from carry a sum (cat_sum_*);
 * a row whose sum is wrong makes the catalogue damaged, and the log makes a new one. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <zlib.h>

#include "internal.h"

#define SCHEMA 4
#define RECENT_MAX 2048
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define ROOT_ID 1

static const char schema[] =
	"PRAGMA user_version=" TEXT(SCHEMA) ";"
	"CREATE TABLE object(key INTEGER PRIMARY KEY, loc INTEGER NOT NULL);"
	"CREATE TABLE recent(key INTEGER PRIMARY KEY, loc INTEGER NOT NULL);"
	"CREATE TABLE collide(id BLOB NOT NULL, loc INTEGER NOT NULL);"
	"CREATE TABLE path(dir INTEGER, name BLOB, id INTEGER, seq INTEGER, kind INTEGER, mode INTEGER, size INTEGER,"
	" mtime INTEGER, ctime INTEGER, ino INTEGER, oid BLOB, flags INTEGER, why INTEGER, sum INTEGER,"
	" PRIMARY KEY(dir, name)) WITHOUT ROWID;"
	"CREATE TABLE version(path INTEGER, seq INTEGER, kind INTEGER, mode INTEGER, size INTEGER, mtime INTEGER,"
	" flags INTEGER, why INTEGER, sum INTEGER, PRIMARY KEY(path, seq)) WITHOUT ROWID;"
	"CREATE TABLE snapshot(seq INTEGER PRIMARY KEY, id BLOB, tree BLOB, time INTEGER, reason INTEGER, flags INTEGER,"
	" changed INTEGER, added INTEGER, loc INTEGER, message TEXT, sum INTEGER);"
	"CREATE TABLE mark(name TEXT PRIMARY KEY, seq INTEGER, sum INTEGER) WITHOUT ROWID;"
	"CREATE TABLE state(one INTEGER PRIMARY KEY CHECK(one=1), store BLOB, seg INTEGER, off INTEGER, next INTEGER,"
	" lossy INTEGER, sum INTEGER);"
	"INSERT INTO path VALUES(0, x'', 1, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, 0);";

struct catalogue {
	sqlite3 *db;
	sqlite3_stmt *stmt[CS_MAX_];
	struct log_pos pos;
	int64_t next;			/* id of the next new path */
	bool no_paths;			/* nothing in path yet: rows can be inserted unseen */
	bool no_objects;
	int64_t n_recent;		/* rows in recent; -1 = not counted yet */
	bool in_txn;
	bool lossy;			/* a damaged snapshot record is left out of it */
	struct buf dir;			/* the folder cat_path_id saw last, */
	int64_t dir_id;			/* and its id; 0 = none */
};

/* ---- sums ---- */

static uint32_t sum_u64(uint32_t crc, uint64_t v)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	return (uint32_t)crc32(crc, b, 8);
}

/* owner: the folder's id for the current entry (with the name), the path's id for a version (no name). */
int64_t cat_sum_entry(int64_t owner, const char *name, size_t len, const struct store_entry *e)
{
	static const struct oid none;
	const struct oid *oid = e->kind == KIND_FILE || e->kind == KIND_LINK ? &e->oid : &none;
	uint32_t crc = sum_u64(0, (uint64_t)owner);

	crc = sum_u64(crc, e->seq);
	crc = sum_u64(crc, (uint64_t)e->kind << 40 | (uint64_t)e->why << 32 | e->mode);
	crc = sum_u64(crc, e->size);
	crc = sum_u64(crc, (uint64_t)e->mtime_ns);
	crc = sum_u64(crc, e->flags);
	if (name)
		crc = (uint32_t)crc32(crc32(crc, oid->b, 20), (const uint8_t *)name, (unsigned)len);
	return crc;
}

int64_t cat_sum_snapshot(const struct store_snapshot *sn, loc_t loc)
{
	uint32_t crc = sum_u64(0, sn->seq);

	crc = (uint32_t)crc32(crc32(crc, sn->id.b, 20), sn->tree.b, 20);
	crc = sum_u64(sum_u64(crc, (uint64_t)sn->time_ns), (uint64_t)sn->reason << 32 | sn->flags);
	crc = sum_u64(sum_u64(crc, sn->changed), sn->added_bytes);
	return (uint32_t)crc32(sum_u64(crc, loc), (const uint8_t *)sn->message, (unsigned)strlen(sn->message));
}

static int64_t sum_state(struct log_pos pos, int64_t next, bool lossy)
{
	return sum_u64(sum_u64(sum_u64(1, (uint64_t)pos.seg << 32 | lossy), pos.off), (uint64_t)next);
}

int64_t cat_sum_mark(const char *name, uint64_t seq)
{
	return (uint32_t)crc32(sum_u64(0, seq), (const uint8_t *)name, (unsigned)strlen(name));
}

sqlite3 *cat_db(struct catalogue *c)
{
	return c->db;
}

struct log_pos cat_pos(struct catalogue *c)
{
	return c->pos;
}

sqlite3_stmt *cat_stmt(struct catalogue *c, int which, const char *sql)
{
	sqlite3_stmt **st = &c->stmt[which];

	if (*st) {
		sqlite3_reset(*st);
		sqlite3_clear_bindings(*st);
	} else if (sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, st, NULL) != SQLITE_OK) {
		log_debug("catalogue: %s", sqlite3_errmsg(c->db));
		*st = NULL;
	}
	return *st;
}

/* Run a statement that gives no rows. */
static int run(struct catalogue *c, sqlite3_stmt *st)
{
	int rc = st ? sqlite3_step(st) : SQLITE_ERROR;

	if (st)
		sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : err_from_sqlite(rc == SQLITE_ROW ? SQLITE_ERROR : sqlite3_extended_errcode(c->db));
}

static int exec(struct catalogue *c, const char *sql)
{
	int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : err_from_sqlite(rc);
}

void cat_close(struct catalogue *c)
{
	if (!c)
		return;
	for (int i = 0; i < CS_MAX_; i++)
		sqlite3_finalize(c->stmt[i]);
	sqlite3_close(c->db);
	buf_release(&c->dir);
	free(c);
}

/* The state row: whose catalogue this is and how far it got. */
static int read_state(struct store *s, struct catalogue *c)
{
	sqlite3_stmt *st = cat_stmt(c, CS_META_GET, "SELECT store, seg, off, next, lossy, sum FROM state");
	int rc = st ? sqlite3_step(st) : SQLITE_ERROR, r = 0;

	if (rc != SQLITE_ROW) {
		rc = rc == SQLITE_DONE ? SQLITE_CORRUPT : sqlite3_extended_errcode(c->db);
		r = err_from_sqlite(rc);
	} else if (sqlite3_column_bytes(st, 0) != 16 || (s->have_id && memcmp(sqlite3_column_blob(st, 0), s->id, 16) != 0)) {
		r = -EBADMSG;
	} else {
		c->pos.seg = (uint32_t)sqlite3_column_int64(st, 1);
		c->pos.off = (uint64_t)sqlite3_column_int64(st, 2);
		c->next = sqlite3_column_int64(st, 3);
		c->lossy = sqlite3_column_int(st, 4);
		/* The log may be cut on the word of this row. */
		if (sum_state(c->pos, c->next, c->lossy) != sqlite3_column_int64(st, 5))
			r = -EBADMSG;
	}
	if (st)
		sqlite3_reset(st);
	return r;
}

static int user_version(struct catalogue *c)
{
	sqlite3_stmt *st = NULL;
	int v = -1;

	if (sqlite3_prepare_v2(c->db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return v;
}

/* One lock for all of a reader's questions, and one state that they are about. */
static int begin_reading(struct store *s, struct catalogue *c)
{
	int r = run(c, cat_stmt(c, CS_BEGIN, "BEGIN"));

	if (r == 0 && user_version(c) != SCHEMA)
		r = -EBADMSG;
	if (r == 0)
		r = read_state(s, c);
	c->in_txn = r == 0;
	return r;
}

/* file:PATH?immutable=1 with PATH percent-encoded. */
static int immutable_uri(const char *path, struct buf *out)
{
	int r = buf_addstr(out, "file:");

	for (; *path; path++) {
		if (strchr("%?#", *path))
			r |= buf_printf(out, "%%%02X", (unsigned char)*path);
		else
			r |= buf_addch(out, *path);
	}
	return r | buf_addstr(out, "?immutable=1");
}

static int open_read(struct store *s, struct catalogue *c, const char *path)
{
	autoput(buf_release) struct buf uri = BUF_INIT;
	int rc = sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL), r;

	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(c->db, 2000);
		if ((r = begin_reading(s, c)) == 0 || r == -EBADMSG)
			return r;
	}
	/* A read-only medium: SQLite cannot make the files WAL needs, and nobody writes. What the WAL holds is
	 * left out then: the log's tail is read instead. */
	for (int i = 0; i < CS_MAX_; i++) {
		sqlite3_finalize(c->stmt[i]);
		c->stmt[i] = NULL;
	}
	sqlite3_close(c->db);
	c->db = NULL;
	if (immutable_uri(path, &uri) < 0)
		return -ENOMEM;
	rc = sqlite3_open_v2(uri.data, &c->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
	return rc == SQLITE_OK ? begin_reading(s, c) : err_from_sqlite(rc);
}

static int create_schema(struct store *s, struct catalogue *c)
{
	sqlite3_stmt *st = NULL;
	int r = exec(c, "BEGIN IMMEDIATE");

	/* Of a new store the id is made here, for its first segment to take: else the
	 * next writer would find a stranger's catalogue, and lose what stat said. */
	if (r == 0 && s->write && !s->have_id) {
		if (getrandom(s->id, sizeof(s->id), 0) != (ssize_t)sizeof(s->id))
			r = -EIO;
		else
			s->have_id = true;
	}
	if (r == 0)
		r = exec(c, schema);
	if (r == 0 && sqlite3_prepare_v2(c->db, "INSERT INTO state VALUES(1, ?, 0, 0, 2, 0, ?)", -1, &st, NULL) != SQLITE_OK)
		r = -EIO;
	if (r == 0) {
		sqlite3_bind_blob(st, 1, s->id, 16, SQLITE_STATIC);
		sqlite3_bind_int64(st, 2, sum_state((struct log_pos){ 0, 0 }, 2, false));
		r = run(c, st);
	}
	sqlite3_finalize(st);
	if (r == 0)
		r = exec(c, "COMMIT");
	if (r < 0)
		(void)exec(c, "ROLLBACK");
	c->next = 2;
	c->pos = (struct log_pos){ 0, 0 };
	c->no_paths = c->no_objects = true;
	return r;
}

static int open_write(struct store *s, struct catalogue *c, const char *path)
{
	int fd = openat(s->dirfd, "catalogue.db", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), rc, r, v;

	if (fd < 0)		/* SQLite would make it with the umask's mode */
		return -errno;
	close(fd);
	rc = sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return err_from_sqlite(rc);
	sqlite3_busy_timeout(c->db, 5000);
	/* The log is the truth: NORMAL may lose the last rows at a power cut, never the file's order. */
	r = exec(c, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=200;"
		"PRAGMA journal_size_limit=0; PRAGMA cache_size=-1500; PRAGMA temp_store=MEMORY;");
	if (r == 0 && s->opt.no_sync)
		r = exec(c, "PRAGMA synchronous=OFF");
	if (r < 0)
		return r;
	v = user_version(c);
	if (v == 0)
		return create_schema(s, c);
	return v == SCHEMA ? read_state(s, c) : -EBADMSG;
}

int cat_open(struct store *s, bool write, bool memory, struct catalogue **ret)
{
	autoput(buf_release) struct buf path = BUF_INIT;
	struct catalogue *c = calloc(1, sizeof(*c));
	int r;

	if (c)
		c->n_recent = -1;
	if (!c || buf_printf(&path, "%s/catalogue.db", s->dir) < 0) {
		free(c);
		return -ENOMEM;
	}
	if (memory) {
		r = sqlite3_open_v2(":memory:", &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK ?
			create_schema(s, c) : -ENOMEM;
	} else if (!write && faccessat(s->dirfd, "catalogue.db", F_OK, 0) < 0) {
		r = -errno;
	} else {
		r = write ? open_write(s, c, path.data) : open_read(s, c, path.data);
	}
	if (r < 0) {
		cat_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

int cat_refresh(struct store *s, struct catalogue *c)
{
	if (c->in_txn)
		(void)run(c, cat_stmt(c, CS_ROLLBACK, "ROLLBACK"));
	c->in_txn = false;
	c->dir_id = 0;
	return begin_reading(s, c);
}

/* ---- transactions ---- */

/* Deferred: it begins as a reader (one lock for many questions, not one each) and becomes the writer with
 * the first change. Nobody else writes, so that never fails for a newer state. */
int cat_begin(struct catalogue *c)
{
	int r;

	if (c->in_txn)
		return 0;
	r = run(c, cat_stmt(c, CS_BEGIN, "BEGIN"));
	c->in_txn = r == 0;
	c->dir_id = 0;
	return r;
}

int cat_commit(struct catalogue *c, struct log_pos pos)
{
	sqlite3_stmt *st = cat_stmt(c, CS_META_SET, "UPDATE state SET seg=?, off=?, next=?, lossy=?, sum=?");
	int r;

	if (st) {
		sqlite3_bind_int64(st, 1, pos.seg);
		sqlite3_bind_int64(st, 2, (int64_t)pos.off);
		sqlite3_bind_int64(st, 3, c->next);
		sqlite3_bind_int64(st, 4, c->lossy);
		sqlite3_bind_int64(st, 5, sum_state(pos, c->next, c->lossy));
	}
	r = run(c, st);
	if (r == 0)
		r = run(c, cat_stmt(c, CS_COMMIT, "COMMIT"));
	if (r < 0)
		return r;
	c->in_txn = false;
	c->pos = pos;
	return 0;
}

void cat_rollback(struct catalogue *c)
{
	if (c->in_txn)
		(void)run(c, cat_stmt(c, CS_ROLLBACK, "ROLLBACK"));
	if (c->in_txn)
		c->n_recent = -1;
	c->in_txn = false;
	c->dir_id = 0;
}

int cat_savepoint(struct catalogue *c)
{
	return exec(c, "SAVEPOINT one");
}

int cat_release(struct catalogue *c, bool keep)
{
	if (!keep) {
		c->n_recent = -1;
		c->no_paths = c->no_objects = false;
		c->dir_id = 0;
	}
	return exec(c, keep ? "RELEASE one" : "ROLLBACK TO one; RELEASE one");
}

void cat_set_lossy(struct catalogue *c)
{
	c->lossy = true;
}

bool cat_is_lossy(const struct catalogue *c)
{
	return c->lossy;
}

bool cat_is_empty(struct catalogue *c)
{
	return c->no_paths;
}

/* ---- objects ---- */

/* Big-endian, with the sign turned so that SQLite's order is the ids' order. */
static int64_t oid_key(const struct oid *id)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | id->b[i];
	return (int64_t)(v ^ 1ull << 63);
}

/* Is the object at loc this one? Damage counts as yes: the caller must see it, not miss the object. */
static bool is_at(struct store *s, loc_t loc, const struct oid *id)
{
	autohead struct head *h = NULL;

	if (head_get(s, loc_seg(loc), loc_off(loc), &h) < 0 || loc_idx(loc) >= h->n_objs)
		return true;
	return memcmp(head_id(h, loc_idx(loc)), id->b, 20) == 0;
}

static int64_t get_loc(sqlite3_stmt *st)
{
	int64_t loc = 0;

	if (st && sqlite3_step(st) == SQLITE_ROW)
		loc = sqlite3_column_int64(st, 0);
	if (st)
		sqlite3_reset(st);
	return loc;
}

static loc_t find_in(struct catalogue *c, int slot, const char *sql, const struct oid *id)
{
	sqlite3_stmt *st = cat_stmt(c, slot, sql);

	if (!st)
		return 0;
	sqlite3_bind_int64(st, 1, oid_key(id));
	return (loc_t)get_loc(st);
}

int cat_find(struct store *s, struct catalogue *c, const struct oid *id, loc_t *ret)
{
	sqlite3_stmt *st;
	loc_t loc;

	if (c->no_objects)
		return -ENOENT;
	loc = find_in(c, CS_RECENT, "SELECT loc FROM recent WHERE key=?", id);
	if (!loc || !is_at(s, loc, id)) {
		loc_t newer = loc;

		loc = find_in(c, CS_FIND, "SELECT loc FROM object WHERE key=?", id);
		if (!loc && !newer)
			return -ENOENT;
		if (!loc || !is_at(s, loc, id)) {
			if (!(st = cat_stmt(c, CS_COLLIDE, "SELECT loc FROM collide WHERE id=?")))
				return -EIO;
			sqlite3_bind_blob(st, 1, id->b, 20, SQLITE_STATIC);
			if (!(loc = (loc_t)get_loc(st)))
				return -ENOENT;
		}
	}
	*ret = loc;
	return 0;
}

int cat_find_prefix(struct catalogue *c, uint64_t lo, uint64_t hi, int (*fn)(loc_t loc, void *arg), void *arg)
{
	sqlite3_stmt *st = cat_stmt(c, CS_RANGE, "SELECT loc FROM object WHERE key BETWEEN ?1 AND ?2"
		" UNION ALL SELECT loc FROM recent WHERE key BETWEEN ?1 AND ?2");
	int r = 0;

	if (!st)
		return -EIO;
	sqlite3_bind_int64(st, 1, (int64_t)(lo ^ 1ull << 63));
	sqlite3_bind_int64(st, 2, (int64_t)(hi ^ 1ull << 63));
	while (r == 0 && sqlite3_step(st) == SQLITE_ROW)
		r = fn((loc_t)sqlite3_column_int64(st, 0), arg);
	sqlite3_reset(st);
	return r;
}

static int add_pair(struct catalogue *c, int slot, const char *sql, int64_t key, loc_t loc)
{
	sqlite3_stmt *st = cat_stmt(c, slot, sql);

	if (!st)
		return -EIO;
	sqlite3_bind_int64(st, 1, key);
	sqlite3_bind_int64(st, 2, (int64_t)loc);
	return run(c, st);
}

static int add_collision(struct catalogue *c, const struct oid *id, loc_t loc)
{
	sqlite3_stmt *st = cat_stmt(c, CS_COLLIDE_INS, "INSERT INTO collide VALUES(?, ?)");

	if (!st)
		return -EIO;
	sqlite3_bind_blob(st, 1, id->b, 20, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, (int64_t)loc);
	return run(c, st);
}

/* Keys that both tables have: a sound copy of a damaged object (the newer one stays), or two ids that share
 * their first 8 bytes. */
static int merge_conflicts(struct store *s, struct catalogue *c)
{
	sqlite3_stmt *st = NULL;
	int r = 0;

	if (sqlite3_prepare_v2(c->db, "SELECT key, recent.loc, object.loc FROM recent JOIN object USING(key)", -1, &st, NULL) != SQLITE_OK)
		return err_from_sqlite(sqlite3_extended_errcode(c->db));
	while (r == 0 && sqlite3_step(st) == SQLITE_ROW) {
		loc_t now = (loc_t)sqlite3_column_int64(st, 1), old = (loc_t)sqlite3_column_int64(st, 2);
		autohead struct head *h = NULL;
		struct oid id;

		if (head_get(s, loc_seg(now), loc_off(now), &h) < 0 || loc_idx(now) >= h->n_objs)
			continue;
		memcpy(id.b, head_id(h, loc_idx(now)), 20);
		if (is_at(s, old, &id))
			r = add_pair(c, CS_OBJ2, "UPDATE object SET loc=?2 WHERE key=?1", sqlite3_column_int64(st, 0), now);
		else
			r = add_collision(c, &id, now);
	}
	sqlite3_finalize(st);
	return r;
}

static int merge_recent(struct store *s, struct catalogue *c)
{
	int r = merge_conflicts(s, c);

	if (r == 0)
		r = exec(c, "INSERT OR IGNORE INTO object SELECT key, loc FROM recent ORDER BY key; DELETE FROM recent");
	c->n_recent = r == 0 ? 0 : -1;
	return r;
}

static int count_recent(struct catalogue *c)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(c->db, "SELECT count(*) FROM recent", -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		c->n_recent = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return c->n_recent < 0 ? -EIO : 0;
}

static int add_recent(struct store *s, struct catalogue *c, const struct new_object *o)
{
	loc_t old;
	int r = add_pair(c, CS_OBJ, "INSERT OR IGNORE INTO recent VALUES(?, ?)", oid_key(&o->id), o->loc);

	if (r < 0)
		return r;
	if (sqlite3_changes(c->db) == 1) {
		c->n_recent++;
		return 0;
	}
	if (cat_find(s, c, &o->id, &old) == 0)
		return add_pair(c, CS_RECENT_UPD, "UPDATE recent SET loc=?2 WHERE key=?1", oid_key(&o->id), o->loc);
	return add_collision(c, &o->id, o->loc);
}

static int add_direct(struct store *s, struct catalogue *c, const struct new_object *o)
{
	loc_t old;
	int r = add_pair(c, CS_OBJ_INS, "INSERT OR IGNORE INTO object VALUES(?, ?)", oid_key(&o->id), o->loc);

	if (r < 0 || sqlite3_changes(c->db) == 1)
		return r;
	if (cat_find(s, c, &o->id, &old) == 0)
		return add_pair(c, CS_OBJ2, "UPDATE object SET loc=?2 WHERE key=?1", oid_key(&o->id), o->loc);
	return add_collision(c, &o->id, o->loc);
}

static int object_cmp(const void *pa, const void *pb)
{
	return memcmp(((const struct new_object *)pa)->id.b, ((const struct new_object *)pb)->id.b, 20);
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

/* ---- snapshots and marks ---- */

int cat_add_snapshot(struct catalogue *c, const struct snap *sn, loc_t loc, uint64_t changed, uint64_t added)
{
	sqlite3_stmt *st = cat_stmt(c, CS_SNAP, "INSERT OR REPLACE INTO snapshot VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

	struct store_snapshot all = sn->info;

	if (!st)
		return -EIO;
	all.changed = changed;
	all.added_bytes = added;
	sqlite3_bind_int64(st, 11, cat_sum_snapshot(&all, loc));
	sqlite3_bind_int64(st, 1, (int64_t)sn->info.seq);
	sqlite3_bind_blob(st, 2, sn->info.id.b, 20, SQLITE_STATIC);
	sqlite3_bind_blob(st, 3, sn->info.tree.b, 20, SQLITE_STATIC);
	sqlite3_bind_int64(st, 4, sn->info.time_ns);
	sqlite3_bind_int64(st, 5, sn->info.reason);
	sqlite3_bind_int64(st, 6, sn->info.flags);
	sqlite3_bind_int64(st, 7, (int64_t)changed);
	sqlite3_bind_int64(st, 8, (int64_t)added);
	sqlite3_bind_int64(st, 9, (int64_t)loc);
	if (*sn->info.message)
		sqlite3_bind_text(st, 10, sn->info.message, -1, SQLITE_STATIC);
	c->no_paths = false;	/* its changes are in: the next ones meet rows */
	return run(c, st);
}

int cat_set_mark(struct catalogue *c, const char *name, uint64_t seq)
{
	sqlite3_stmt *st;

	if (!seq) {
		st = cat_stmt(c, CS_MARK_DEL, "DELETE FROM mark WHERE name=?");
	} else {
		st = cat_stmt(c, CS_MARK_SET, "INSERT OR REPLACE INTO mark VALUES(?, ?, ?)");
		sqlite3_bind_int64(st, 2, (int64_t)seq);
		sqlite3_bind_int64(st, 3, cat_sum_mark(name, seq));
	}
	if (!st)
		return -EIO;
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	return run(c, st);
}

/* ---- paths ---- */

#define NEW_PATH "INSERT INTO path VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define GET_PATH "SELECT id, seq, kind, mode, size, mtime, flags, why FROM path WHERE dir=? AND name=?"
#define SET_PATH "UPDATE path SET seq=?3, kind=?4, mode=?5, size=?6, mtime=?7, ctime=?8, ino=?9, oid=?10, flags=?11, why=?12, sum=?13" \
	" WHERE dir=?1 AND name=?2"

static int find_child(struct catalogue *c, int64_t dir, const char *name, size_t len, int64_t *ret)
{
	sqlite3_stmt *st = cat_stmt(c, CS_PATH_GET, GET_PATH);
	int rc;

	if (!st)
		return -EIO;
	sqlite3_bind_int64(st, 1, dir);
	sqlite3_bind_blob(st, 2, name, (int)len, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -ENOENT : err_from_sqlite(sqlite3_extended_errcode(c->db));
}

int cat_path_id(struct catalogue *c, const char *path, size_t len, int64_t *ret)
{
	int64_t id = ROOT_ID;
	size_t at = 0;

	if (c->dir_id && len == c->dir.len && memcmp(c->dir.data, path, len) == 0) {
		*ret = c->dir_id;
		return 0;
	}
	while (at < len) {
		const char *slash = memchr(path + at, '/', len - at);
		size_t n = slash ? (size_t)(slash - path) - at : len - at;
		int r = find_child(c, id, path + at, n, &id);

		if (r < 0)
			return r;
		at += n + 1;
	}
	*ret = id;
	buf_reset(&c->dir);
	c->dir_id = buf_add(&c->dir, path, len) == 0 ? id : 0;
	return 0;
}

static int64_t sum_of(int64_t dir, const char *name, uint64_t seq, const struct store_entry *e)
{
	struct store_entry with = *e;

	with.seq = seq;
	return cat_sum_entry(dir, name, strlen(name), &with);
}

static int insert_path(struct catalogue *c, int64_t dir, const char *name, uint64_t seq, const struct store_entry *e)
{
	sqlite3_stmt *st = cat_stmt(c, CS_PATH_INS, NEW_PATH);

	if (!st)
		return -EIO;
	sqlite3_bind_int64(st, 14, sum_of(dir, name, seq, e));
	sqlite3_bind_int64(st, 1, dir);
	sqlite3_bind_blob(st, 2, name, (int)strlen(name), SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, c->next++);
	sqlite3_bind_int64(st, 4, (int64_t)seq);
	sqlite3_bind_int64(st, 5, e->kind);
	sqlite3_bind_int64(st, 6, e->mode);
	sqlite3_bind_int64(st, 7, (int64_t)e->size);
	sqlite3_bind_int64(st, 8, e->mtime_ns);
	sqlite3_bind_int64(st, 9, e->ctime_ns);
	sqlite3_bind_int64(st, 10, (int64_t)e->ino);
	if (e->kind == KIND_FILE || e->kind == KIND_LINK)
		sqlite3_bind_blob(st, 11, e->oid.b, 20, SQLITE_STATIC);
	sqlite3_bind_int64(st, 12, e->flags);
	sqlite3_bind_int64(st, 13, e->why);
	return run(c, st);
}

static int update_path(struct catalogue *c, int64_t dir, const char *name, uint64_t seq, const struct store_entry *e)
{
	sqlite3_stmt *st = cat_stmt(c, CS_PATH_UPD, SET_PATH);

	if (!st)
		return -EIO;
	sqlite3_bind_int64(st, 13, sum_of(dir, name, seq, e));
	sqlite3_bind_int64(st, 1, dir);
	sqlite3_bind_blob(st, 2, name, (int)strlen(name), SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, (int64_t)seq);
	sqlite3_bind_int64(st, 4, e->kind);
	sqlite3_bind_int64(st, 5, e->mode);
	sqlite3_bind_int64(st, 6, (int64_t)e->size);
	sqlite3_bind_int64(st, 7, e->mtime_ns);
	sqlite3_bind_int64(st, 8, e->ctime_ns);
	sqlite3_bind_int64(st, 9, (int64_t)e->ino);
	if (e->kind == KIND_FILE || e->kind == KIND_LINK)
		sqlite3_bind_blob(st, 10, e->oid.b, 20, SQLITE_STATIC);
	sqlite3_bind_int64(st, 11, e->flags);
	sqlite3_bind_int64(st, 12, e->why);
	return run(c, st);
}

/* Move the entry that st stands on into version. */
static int keep_version(struct catalogue *c, sqlite3_stmt *row)
{
	struct store_entry e = {
		.seq = (uint64_t)sqlite3_column_int64(row, 1), .kind = (enum store_kind)sqlite3_column_int(row, 2),
		.mode = (uint32_t)sqlite3_column_int64(row, 3), .size = (uint64_t)sqlite3_column_int64(row, 4),
		.mtime_ns = sqlite3_column_int64(row, 5), .flags = (uint32_t)sqlite3_column_int64(row, 6),
		.why = (enum store_why)sqlite3_column_int(row, 7),
	};
	sqlite3_stmt *st;

	if (sqlite3_column_int64(row, 1) == 0)	/* never recorded: a folder made for its children */
		return 0;
	st = cat_stmt(c, CS_VER_INS, "INSERT OR REPLACE INTO version VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
	if (!st)
		return -EIO;
	for (int i = 0; i < 8; i++)
		sqlite3_bind_int64(st, i + 1, sqlite3_column_int64(row, i));
	sqlite3_bind_int64(st, 9, cat_sum_entry(sqlite3_column_int64(row, 0), NULL, 0, &e));
	return run(c, st);
}

int cat_add_change(struct catalogue *c, uint64_t seq, const char *path, const struct store_entry *e)
{
	static const struct store_entry none = { .kind = KIND_GONE };
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t dir_len = slash ? (size_t)(slash - path) : 0;
	sqlite3_stmt *st;
	int64_t dir;
	int r = *path ? cat_path_id(c, path, dir_len, &dir) : 0, rc;

	if (!*path)
		dir = 0;
	if (r == -ENOENT) {
		/* A damaged manifest may have lost the folder: make room for it. */
		autofree char *parent = strndup(path, dir_len);

		if (!parent)
			return -ENOMEM;
		if ((r = cat_add_change(c, 0, parent, &none)) == 0)
			r = cat_path_id(c, path, dir_len, &dir);
	}
	if (r < 0)
		return r;
	if (c->no_paths && *path && seq)
		return insert_path(c, dir, name, seq, e);
	st = cat_stmt(c, CS_ROW, GET_PATH);
	if (!st)
		return -EIO;
	sqlite3_bind_int64(st, 1, dir);
	sqlite3_bind_blob(st, 2, name, (int)strlen(name), SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		r = keep_version(c, st);
	sqlite3_reset(st);
	if (rc == SQLITE_DONE)
		return insert_path(c, dir, name, seq, e);
	if (rc != SQLITE_ROW)
		return err_from_sqlite(sqlite3_extended_errcode(c->db));
	return r < 0 ? r : update_path(c, dir, name, seq, e);
}

int cat_touch(struct catalogue *c, const char *path, int64_t ctime_ns, uint64_t ino)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	sqlite3_stmt *st;
	int64_t dir = 0;
	int r = *path ? cat_path_id(c, path, slash ? (size_t)(slash - path) : 0, &dir) : 0;

	if (r < 0)
		return r;
	if (!(st = cat_stmt(c, CS_TOUCH, "UPDATE path SET ctime=?3, ino=?4 WHERE dir=?1 AND name=?2")))
		return -EIO;
	sqlite3_bind_int64(st, 1, dir);
	sqlite3_bind_blob(st, 2, name, (int)strlen(name), SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, ctime_ns);
	sqlite3_bind_int64(st, 4, (int64_t)ino);
	return run(c, st);
}
