/* The catalogue: an SQLite index of the log. Everything in it comes from the log but the stat data
 * (ctime, inode) of the current state, whose loss only means that files are read again.
 *
 * object	first 8 bytes of the id -> loc; ids that share them are in collide
 * recent	the newest of them: ids are random, and each would touch a page of its own in a
 *		large object table; a small table takes them and is merged when it is full
 * path		the current entry of every path the store ever held, by folder and name
 * version	the entries before it
 * snapshot, mark, state (one row: how far the log is indexed)
 *
 * SQLite does not notice a flipped bit inside a value. Rows that people are told or restored from
 * carry a sum (cat_sum_*); a row whose sum is wrong makes the catalogue damaged, and the log makes
 * a new one. Places of objects have none: what is found there has its id. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <zlib.h>

#include "internal.h"

#define SCHEMA 5
#define RECENT_MAX 2048
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define ROOT_ID 1

static const char schema[] =
	"PRAGMA user_version=" TEXT(SCHEMA) ";"
	"CREATE TABLE object(key INTEGER PRIMARY KEY, loc INTEGER NOT NULL);"
	"CREATE TABLE recent(key INTEGER PRIMARY KEY, loc INTEGER NOT NULL);"
	"CREATE TABLE collide(id BLOB NOT NULL, loc INTEGER NOT NULL);"
	"CREATE TABLE path(dir INTEGER, name BLOB, id INTEGER, seq INTEGER, kind INTEGER,"
	" mode INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER, ino INTEGER, oid BLOB,"
	" flags INTEGER, why INTEGER, sum INTEGER, PRIMARY KEY(dir, name)) WITHOUT ROWID;"
	"CREATE TABLE version(path INTEGER, seq INTEGER, kind INTEGER, mode INTEGER, size INTEGER,"
	" mtime INTEGER, flags INTEGER, why INTEGER, sum INTEGER,"
	" PRIMARY KEY(path, seq)) WITHOUT ROWID;"
	"CREATE TABLE snapshot(seq INTEGER PRIMARY KEY, id BLOB, tree BLOB, time INTEGER,"
	" reason INTEGER, flags INTEGER, changed INTEGER, added INTEGER, loc INTEGER,"
	" message TEXT, sum INTEGER);"
	"CREATE TABLE mark(name TEXT PRIMARY KEY, seq INTEGER, sum INTEGER) WITHOUT ROWID;"
	"CREATE TABLE state(one INTEGER PRIMARY KEY CHECK(one=1), store BLOB, seg INTEGER,"
	" off INTEGER, next INTEGER, seq INTEGER, lossy INTEGER, sum INTEGER);"
	"INSERT INTO path VALUES(0, x'', 1, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, 0);";

struct step {			/* a folder on the way to the one cat_path_id saw last */
	size_t end;		/* of its path, in dir */
	int64_t id;
};

/* LOSSY: a snapshot record is missing. The rows of path do not show what it did: WRONG until the
 * next snapshot's tree has been asked, LATER where that could not be read either. */
enum { LOSSY = 1, ROWS_WRONG = 2, ROWS_LATER = 4 };

struct catalogue {
	struct store *s;
	sqlite3 *db;
	sqlite3_stmt *stmt[CS_MAX_];
	struct log_pos pos;
	int64_t next;			/* id of the next new path */
	bool no_paths;			/* nothing in path yet: rows can be inserted unseen */
	bool no_objects;
	int64_t n_recent;		/* rows in recent; -1 = not counted yet */
	bool in_txn;
	bool memory;
	bool bad;			/* damaged: SQLite says so */
	int err;			/* why there was no statement */
	dev_t dev;			/* the file that is open */
	ino_t ino;
	int lossy;			/* LOSSY | ROWS_... */
	uint64_t seq;			/* the next snapshot's */
	uint64_t guess; /* so much of seq stands for snapshots that may have been lost */
	struct buf dir;			/* the folder cat_path_id saw last */
	struct step *step;
	size_t n_step, cap_step;
	struct store_snapshot newest;	/* seq 0: not known */
};

/* Said once, and the next writer makes the file again. */
static int damaged(struct catalogue *c)
{
	c->bad = true;
	return !c->memory && c->s->cat == c ? query_damaged(c->s) : -EBADMSG;
}

int cat_failed(struct catalogue *c)
{
	int r = err_from_sqlite(sqlite3_extended_errcode(c->db));

	/* 0: a row that must be there is not. */
	return r == 0 || r == -EBADMSG ? damaged(c) : r;
}

bool cat_is_bad(const struct catalogue *c)
{
	return c->bad;
}

static void forget_steps(struct catalogue *c)
{
	c->n_step = 0;
	buf_reset(&c->dir);
}

/* ---- sums ---- */

static uint32_t sum_u64(uint32_t crc, uint64_t v)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	return (uint32_t)crc32(crc, b, 8);
}

/* owner: the folder's id for the current entry (with the name), the path's id for a version (no
 * name). */
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
	return (uint32_t)crc32(
		sum_u64(crc, loc), (const uint8_t *)sn->message, (unsigned)strlen(sn->message));
}

static int64_t sum_state(struct log_pos pos, int64_t next, uint64_t seq, int lossy)
{
	uint32_t crc = sum_u64(sum_u64(1, (uint64_t)pos.seg << 32 | (uint32_t)lossy), pos.off);

	return sum_u64(sum_u64(crc, (uint64_t)next), seq);
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

/* Our statements are right: one that SQLite does not take means that the tables are not ours. */
static int prepare(struct catalogue *c, const char *sql, unsigned flags, sqlite3_stmt **ret)
{
	int rc = sqlite3_prepare_v3(c->db, sql, -1, flags, ret, NULL);

	if (rc == SQLITE_OK)
		return 0;
	log_debug("catalogue: %s", sqlite3_errmsg(c->db));
	*ret = NULL;
	return c->err = rc == SQLITE_ERROR ? damaged(c) : cat_failed(c);
}

sqlite3_stmt *cat_stmt(struct catalogue *c, int which, const char *sql)
{
	sqlite3_stmt **st = &c->stmt[which];

	if (*st) {
		sqlite3_reset(*st);
		sqlite3_clear_bindings(*st);
	} else if (prepare(c, sql, SQLITE_PREPARE_PERSISTENT, st) < 0) {
		return NULL;
	}
	return *st;
}

/* Run a statement that gives no rows. */
static int run(struct catalogue *c, sqlite3_stmt *st)
{
	int rc, r;

	if (!st)
		return c->err;
	rc = sqlite3_step(st);
	r = rc == SQLITE_DONE ? 0 : cat_failed(c);
	sqlite3_reset(st);
	return r;
}

static int exec(struct catalogue *c, const char *sql)
{
	return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : cat_failed(c);
}

/* Ours and those of query_stmt. */
static void close_statements(struct catalogue *c)
{
	sqlite3_stmt *st;

	while (c->db && (st = sqlite3_next_stmt(c->db, NULL)))
		sqlite3_finalize(st);
	memset(c->stmt, 0, sizeof(c->stmt));
}

void cat_close(struct catalogue *c)
{
	if (!c)
		return;
	close_statements(c);
	sqlite3_close(c->db);
	buf_release(&c->dir);
	store_snapshot_release(&c->newest);
	free(c->step);
	free(c);
}

/* The state row: whose catalogue this is and how far it got. */
static int read_state(struct store *s, struct catalogue *c)
{
	sqlite3_stmt *st = cat_stmt(
		c, CS_META_GET, "SELECT store, seg, off, next, seq, lossy, sum FROM state");
	int rc, r = 0;

	if (!st)
		return c->err;
	rc = sqlite3_step(st);
	if (rc != SQLITE_ROW) {
		r = rc == SQLITE_DONE ? -EBADMSG : cat_failed(c);
	} else if (sqlite3_column_bytes(st, 0) != 16 ||
		   (s->have_id && memcmp(sqlite3_column_blob(st, 0), s->id, 16) != 0)) {
		r = -EBADMSG;
	} else {
		c->pos.seg = (uint32_t)sqlite3_column_int64(st, 1);
		c->pos.off = (uint64_t)sqlite3_column_int64(st, 2);
		c->next = sqlite3_column_int64(st, 3);
		c->seq = (uint64_t)sqlite3_column_int64(st, 4);
		c->lossy = sqlite3_column_int(st, 5);
		/* The log may be cut on the word of this row. */
		if (sum_state(c->pos, c->next, c->seq, c->lossy) != sqlite3_column_int64(st, 6))
			r = -EBADMSG;
	}
	sqlite3_reset(st);
	return r;
}

/* 0 is a new file's. */
static int user_version(struct catalogue *c)
{
	sqlite3_stmt *st;
	int r = prepare(c, "PRAGMA user_version", 0, &st);

	if (r < 0)
		return r;
	r = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int(st, 0) : cat_failed(c);
	sqlite3_finalize(st);
	return r;
}

/* One lock for all of a reader's questions, and one state that they are about. */
static int begin_reading(struct store *s, struct catalogue *c)
{
	int r = run(c, cat_stmt(c, CS_BEGIN, "BEGIN"));

	if (r == 0)
		r = user_version(c);
	if (r >= 0)
		r = r == SCHEMA ? read_state(s, c) : -EBADMSG;
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
	/* A read-only medium: SQLite cannot make the files WAL needs, and nobody writes. What
	 * the WAL holds is left out then: the log's tail is read instead. */
	close_statements(c);
	sqlite3_close(c->db);
	c->db = NULL;
	if (immutable_uri(path, &uri) < 0)
		return -ENOMEM;
	rc = sqlite3_open_v2(uri.data, &c->db,
		SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
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
	if (r == 0)
		r = prepare(c, "INSERT INTO state VALUES(1, ?, 0, 0, 2, 1, 0, ?)", 0, &st);
	if (r == 0) {
		sqlite3_bind_blob(st, 1, s->id, 16, SQLITE_STATIC);
		sqlite3_bind_int64(st, 2, sum_state((struct log_pos){ 0, 0 }, 2, 1, 0));
		r = run(c, st);
	}
	sqlite3_finalize(st);
	if (r == 0)
		r = exec(c, "COMMIT");
	if (r < 0)
		(void)exec(c, "ROLLBACK");
	c->next = 2;
	c->seq = 1;
	c->pos = (struct log_pos){ 0, 0 };
	c->no_paths = c->no_objects = true;
	return r;
}

/* SQLite would make it with the umask's mode, and believe a WAL that an older one left. */
static int make_file(struct store *s, struct catalogue *c)
{
	struct stat st;
	int fd = openat(s->dirfd, "catalogue.db", O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT) {
		(void)unlinkat(s->dirfd, "catalogue.db-wal", 0);
		(void)unlinkat(s->dirfd, "catalogue.db-shm", 0);
		fd = openat(
			s->dirfd, "catalogue.db", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	}
	if (fd < 0)
		return errno == EDQUOT ? -ENOSPC : -errno;
	if (fstat(fd, &st) == 0) {
		c->dev = st.st_dev;
		c->ino = st.st_ino;
	}
	close(fd);
	return 0;
}

bool cat_is_there(struct store *s, const struct catalogue *c)
{
	struct stat st;

	return c->memory || (fstatat(s->dirfd, "catalogue.db", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		st.st_dev == c->dev && st.st_ino == c->ino);
}

static int open_write(struct store *s, struct catalogue *c, const char *path)
{
	int rc, r = make_file(s, c), v;

	if (r < 0)
		return r;
	rc = sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return err_from_sqlite(rc);
	sqlite3_busy_timeout(c->db, 5000);
	/* The log is the truth: NORMAL may lose the last rows at a power cut, never the file's
	 * order. */
	r = exec(c,
		"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=200;"
		"PRAGMA journal_size_limit=0; PRAGMA cache_size=-1500; PRAGMA temp_store=MEMORY;");
	if (r == 0 && s->opt.no_sync)
		r = exec(c, "PRAGMA synchronous=OFF");
	if (r < 0)
		return r;
	v = user_version(c);
	if (v <= 0)
		return v < 0 ? v : create_schema(s, c);
	return v == SCHEMA ? read_state(s, c) : -EBADMSG;
}

int cat_open(struct store *s, bool write, bool memory, struct catalogue **ret)
{
	autoput(buf_release) struct buf path = BUF_INIT;
	struct catalogue *c = calloc(1, sizeof(*c));
	struct stat st;
	int r;

	if (c) {
		c->s = s;
		c->n_recent = -1;
		c->memory = memory;
	}
	if (!c || buf_printf(&path, "%s/catalogue.db", s->dir) < 0) {
		free(c);
		return -ENOMEM;
	}
	if (memory) {
		r = sqlite3_open_v2(":memory:", &c->db,
			SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
		r = r == SQLITE_OK ? create_schema(s, c) : -ENOMEM;
	} else if (write) {
		r = open_write(s, c, path.data);
	} else if (fstatat(s->dirfd, "catalogue.db", &st, AT_SYMLINK_NOFOLLOW) < 0) {
		r = -errno;
	} else {
		c->dev = st.st_dev;
		c->ino = st.st_ino;
		r = open_read(s, c, path.data);
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
	forget_steps(c);
	return begin_reading(s, c);
}

/* ---- transactions ---- */

/* Deferred: it begins as a reader (one lock for many questions, not one each) and becomes the
 * writer with the first change. Nobody else writes, so that never fails for a newer state. */
int cat_begin(struct catalogue *c)
{
	int r;

	if (c->in_txn)
		return 0;
	r = run(c, cat_stmt(c, CS_BEGIN, "BEGIN"));
	c->in_txn = r == 0;
	forget_steps(c);
	return r;
}

int cat_commit(struct catalogue *c, struct log_pos pos)
{
	sqlite3_stmt *st = cat_stmt(
		c, CS_META_SET, "UPDATE state SET seg=?, off=?, next=?, seq=?, lossy=?, sum=?");
	int r;

	if (st) {
		sqlite3_bind_int64(st, 1, pos.seg);
		sqlite3_bind_int64(st, 2, (int64_t)pos.off);
		sqlite3_bind_int64(st, 3, c->next);
		sqlite3_bind_int64(st, 4, (int64_t)c->seq);
		sqlite3_bind_int64(st, 5, c->lossy);
		sqlite3_bind_int64(st, 6, sum_state(pos, c->next, c->seq, c->lossy));
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
	forget_steps(c);
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
		forget_steps(c);
	}
	return exec(c, keep ? "RELEASE one" : "ROLLBACK TO one; RELEASE one");
}

void cat_set_lossy(struct catalogue *c, bool rows_wrong)
{
	c->lossy |= LOSSY | (rows_wrong ? ROWS_WRONG : 0);
}

bool cat_is_lossy(const struct catalogue *c)
{
	return c->lossy;
}

bool cat_rows_wrong(const struct catalogue *c)
{
	return c->lossy & ROWS_WRONG;
}

bool cat_rows_later(const struct catalogue *c)
{
	return c->lossy & ROWS_LATER;
}

void cat_rows_right(struct catalogue *c, bool later)
{
	c->lossy = (c->lossy & LOSSY) | (later ? ROWS_LATER : 0);
}

uint64_t cat_next_seq(const struct catalogue *c)
{
	return c->seq;
}

void cat_met_seq(struct catalogue *c, uint64_t seq)
{
	if (seq >= c->seq - c->guess) {
		c->seq = seq + 1;
		c->guess = 0;
	}
}

void cat_lost_seqs(struct catalogue *c, uint64_t n)
{
	c->seq += n;
	c->guess += n;
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
	int r;

	if (!st)
		return c->err;
	sqlite3_bind_int64(st, 1, oid_key(id));
	r = get_loc(c, st, ret);
	return r < 0 || is_at(s, *ret, id) ? r : -ESTALE;
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
	return run(c, st);
}

static int add_collision(struct catalogue *c, const struct oid *id, loc_t loc)
{
	sqlite3_stmt *st = cat_stmt(c, CS_COLLIDE_INS, "INSERT INTO collide VALUES(?, ?)");

	if (!st)
		return c->err;
	sqlite3_bind_blob(st, 1, id->b, 20, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, (int64_t)loc);
	return run(c, st);
}

/* Keys that both tables have: a sound copy of a damaged object (the newer one stays), or two ids
 * that share their first 8 bytes. */
static int merge_conflicts(struct store *s, struct catalogue *c)
{
	sqlite3_stmt *st;
	int r = prepare(
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
		r = exec(c, "INSERT OR IGNORE INTO object SELECT key, loc FROM recent ORDER BY "
			    "key; DELETE FROM recent");
	c->n_recent = r == 0 ? 0 : -1;
	return r;
}

static int count_recent(struct catalogue *c)
{
	sqlite3_stmt *st;
	int r = prepare(c, "SELECT count(*) FROM recent", 0, &st);

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

static int object_cmp(const void *pa, const void *pb)
{
	return memcmp(
		((const struct new_object *)pa)->id.b, ((const struct new_object *)pb)->id.b, 20);
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

int cat_add_snapshot(
	struct catalogue *c, const struct snap *sn, loc_t loc, uint64_t changed, uint64_t added)
{
	sqlite3_stmt *st = cat_stmt(c, CS_SNAP,
		"INSERT OR REPLACE INTO snapshot VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

	struct store_snapshot all = sn->info;

	if (!st)
		return c->err;
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
	cat_set_newest(c, NULL);
	c->no_paths = false;	/* its changes are in: the next ones meet rows */
	cat_met_seq(c, sn->info.seq);
	return run(c, st);
}

int cat_newest(struct catalogue *c, struct store_snapshot *ret)
{
	char *message = c->newest.seq ? strdup(c->newest.message) : NULL;

	if (!message)
		return -ENOENT;
	*ret = c->newest;
	ret->message = message;
	return 0;
}

void cat_set_newest(struct catalogue *c, const struct store_snapshot *sn)
{
	char *message = sn && sn->seq ? strdup(sn->message) : NULL;

	store_snapshot_release(&c->newest);
	c->newest = message ? *sn : (struct store_snapshot){ 0 };
	c->newest.message = message;
}

/* The commit of the newest snapshot. */
int cat_newest_id(struct catalogue *c, struct oid *ret)
{
	sqlite3_stmt *st =
		cat_stmt(c, CS_LIST, "SELECT id FROM snapshot ORDER BY seq DESC LIMIT 1");
	int rc, r = -ENOENT;

	if (!st)
		return c->err;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW && sqlite3_column_bytes(st, 0) == 20) {
		memcpy(ret->b, sqlite3_column_blob(st, 0), 20);
		r = 0;
	} else if (rc != SQLITE_DONE) {
		r = cat_failed(c);
	}
	sqlite3_reset(st);
	return r;
}

int cat_set_mark(struct catalogue *c, const char *name, uint64_t seq)
{
	sqlite3_stmt *st;

	if (!seq) {
		st = cat_stmt(c, CS_MARK_DEL, "DELETE FROM mark WHERE name=?");
	} else {
		st = cat_stmt(c, CS_MARK_SET, "INSERT OR REPLACE INTO mark VALUES(?, ?, ?)");
	}
	if (!st)
		return c->err;
	if (seq) {
		sqlite3_bind_int64(st, 2, (int64_t)seq);
		sqlite3_bind_int64(st, 3, cat_sum_mark(name, seq));
	}
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	return run(c, st);
}

/* ---- paths ---- */

#define NEW_PATH "INSERT INTO path VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define GET_PATH \
	"SELECT id, seq, kind, mode, size, mtime, flags, why FROM path WHERE dir=? AND name=?"
#define SET_PATH "UPDATE path SET seq=?3, kind=?4, mode=?5, size=?6, mtime=?7, ctime=?8, ino=?9," \
	" oid=?10, flags=?11, why=?12, sum=?13 WHERE dir=?1 AND name=?2"

static int find_child(struct catalogue *c, int64_t dir, const char *name, size_t len, int64_t *ret)
{
	sqlite3_stmt *st = cat_stmt(c, CS_PATH_GET, GET_PATH);
	int rc;

	if (!st)
		return c->err;
	sqlite3_bind_int64(st, 1, dir);
	sqlite3_bind_blob(st, 2, name, (int)len, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -ENOENT : cat_failed(c);
}

static size_t shared(const char *a, const char *b, size_t n)
{
	size_t i = 0;

	while (i + 64 <= n && memcmp(a + i, b + i, 64) == 0)
		i += 64;
	while (i < n && a[i] == b[i])
		i++;
	return i;
}

/* How many of the folders seen last lead to path too. The rest is forgotten. */
static void keep_steps(struct catalogue *c, const char *path, size_t len)
{
	size_t max = len < c->dir.len ? len : c->dir.len, k = c->n_step;
	size_t same = shared(path, max ? c->dir.data : "", max);

	while (k && (c->step[k - 1].end > same ||
			    (c->step[k - 1].end < len && path[c->step[k - 1].end] != '/')))
		k--;
	c->n_step = k;
	c->dir.len = k ? c->step[k - 1].end : 0;
}

static int add_step(struct catalogue *c, const char *path, size_t end, int64_t id)
{
	if (c->n_step == c->cap_step) {
		size_t cap = c->cap_step * 2 + 16;
		void *p = realloc(c->step, cap * sizeof(*c->step));

		if (!p)
			return -ENOMEM;
		c->step = p;
		c->cap_step = cap;
	}
	if (buf_add(&c->dir, path + c->dir.len, end - c->dir.len) < 0)
		return -ENOMEM;
	c->step[c->n_step++] = (struct step){ end, id };
	return 0;
}

/* Questions come folder by folder: only what differs from the path asked about last is looked
 * up. */
int cat_path_id(struct catalogue *c, const char *path, size_t len, int64_t *ret)
{
	int64_t id;
	size_t at;

	keep_steps(c, path, len);
	id = c->n_step ? c->step[c->n_step - 1].id : ROOT_ID;
	for (at = c->n_step ? c->dir.len + 1 : 0; at < len; at = c->dir.len + 1) {
		const char *slash = memchr(path + at, '/', len - at);
		size_t end = slash ? (size_t)(slash - path) : len;
		int r = find_child(c, id, path + at, end - at, &id);

		if (r < 0 || (r = add_step(c, path, end, id)) < 0)
			return r;
	}
	*ret = id;
	return 0;
}

static int64_t sum_of(
	int64_t dir, const char *name, size_t len, uint64_t seq, const struct store_entry *e)
{
	struct store_entry with = *e;

	with.seq = seq;
	return cat_sum_entry(dir, name, len, &with);
}

static int insert_path(struct catalogue *c, int64_t dir, const char *name, size_t len, uint64_t seq,
	const struct store_entry *e)
{
	sqlite3_stmt *st = cat_stmt(c, CS_PATH_INS, NEW_PATH);

	if (!st)
		return c->err;
	sqlite3_bind_int64(st, 14, sum_of(dir, name, len, seq, e));
	sqlite3_bind_int64(st, 1, dir);
	sqlite3_bind_blob(st, 2, name, (int)len, SQLITE_STATIC);
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

static int update_path(struct catalogue *c, int64_t dir, const char *name, uint64_t seq,
	const struct store_entry *e)
{
	sqlite3_stmt *st = cat_stmt(c, CS_PATH_UPD, SET_PATH);

	if (!st)
		return c->err;
	sqlite3_bind_int64(st, 13, sum_of(dir, name, strlen(name), seq, e));
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
		.seq = (uint64_t)sqlite3_column_int64(row, 1),
		.kind = (enum store_kind)sqlite3_column_int(row, 2),
		.mode = (uint32_t)sqlite3_column_int64(row, 3),
		.size = (uint64_t)sqlite3_column_int64(row, 4),
		.mtime_ns = sqlite3_column_int64(row, 5),
		.flags = (uint32_t)sqlite3_column_int64(row, 6),
		.why = (enum store_why)sqlite3_column_int(row, 7),
	};
	sqlite3_stmt *st;

	if (sqlite3_column_int64(row, 1) == 0)	/* never recorded: a folder made for its children */
		return 0;
	st = cat_stmt(
		c, CS_VER_INS, "INSERT OR REPLACE INTO version VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
	if (!st)
		return c->err;
	for (int i = 0; i < 8; i++)
		sqlite3_bind_int64(st, i + 1, sqlite3_column_int64(row, i));
	sqlite3_bind_int64(st, 9, cat_sum_entry(sqlite3_column_int64(row, 0), NULL, 0, &e));
	return run(c, st);
}

/* A damaged manifest may have lost the folders above a path: make room for it. */
static int make_parents(struct catalogue *c, const char *path, size_t len, int64_t *ret)
{
	static const struct store_entry none = { .kind = KIND_GONE };
	int r = 0;

	*ret = ROOT_ID;
	for (size_t at = 0, end; r == 0 && at < len; at = end + 1) {
		const char *slash = memchr(path + at, '/', len - at);
		int64_t dir = *ret;

		end = slash ? (size_t)(slash - path) : len;
		r = cat_path_id(c, path, end, ret);
		if (r == -ENOENT && (r = insert_path(c, dir, path + at, end - at, 0, &none)) == 0)
			r = cat_path_id(c, path, end, ret);
	}
	return r;
}

int cat_add_change(struct catalogue *c, uint64_t seq, const char *path, const struct store_entry *e)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t dir_len = slash ? (size_t)(slash - path) : 0;
	sqlite3_stmt *st;
	int64_t dir = 0;
	int r = *path ? cat_path_id(c, path, dir_len, &dir) : 0, rc;

	if (r == -ENOENT)
		r = make_parents(c, path, dir_len, &dir);
	if (r < 0)
		return r;
	if (c->no_paths && *path)
		return insert_path(c, dir, name, strlen(name), seq, e);
	st = cat_stmt(c, CS_ROW, GET_PATH);
	if (!st)
		return c->err;
	sqlite3_bind_int64(st, 1, dir);
	sqlite3_bind_blob(st, 2, name, (int)strlen(name), SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW && (uint64_t)sqlite3_column_int64(st, 1) != seq)
		r = keep_version(c, st);
	sqlite3_reset(st);
	if (rc == SQLITE_DONE)
		return insert_path(c, dir, name, strlen(name), seq, e);
	if (rc != SQLITE_ROW)
		return cat_failed(c);
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
	if (!(st = cat_stmt(
		      c, CS_TOUCH, "UPDATE path SET ctime=?3, ino=?4 WHERE dir=?1 AND name=?2")))
		return c->err;
	sqlite3_bind_int64(st, 1, dir);
	sqlite3_bind_blob(st, 2, name, (int)strlen(name), SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, ctime_ns);
	sqlite3_bind_int64(st, 4, (int64_t)ino);
	return run(c, st);
}
