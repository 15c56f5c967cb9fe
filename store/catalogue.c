/* The catalogue: an SQLite index of the log. Everything in it comes from the log but the stat data
 * (ctime, inode) of the current state, whose loss only means that files are read again.
 *
 * object	first 8 bytes of the id -> loc; ids that share them are in collide
 * recent	the newest of them: ids are random, and each would touch a page of its own in a
 *		large object table; a small table takes them and is merged when it is full
 * path		the current entry of every path the store ever held, by folder and name
 * version	the entries before it
 * snapshot, mark, state (one row: how far the log is indexed)
 * dropped, segment	what prune leaves behind (catalogue-dropped.c)
 *
 * SQLite does not notice a flipped bit. Every page has a sum (pagesum.c), and rows that people are
 * told or restored from carry a sum (catalogue-sum.c); a row whose sum is wrong makes the catalogue
 * damaged, and the log makes a new one. Places of objects have none: what is found there has its
 * id.
 *
 * Here: the file, its schema and state row, transactions. The tables: catalogue-object.c,
 * catalogue-snapshot.c, catalogue-path.c. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "catalogue.h"

#define SCHEMA 8
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

static const char schema[] =
	"PRAGMA user_version=" TEXT(SCHEMA) ";"
	"CREATE TABLE object(key INTEGER PRIMARY KEY, loc INTEGER NOT NULL);"
	"CREATE TABLE recent(key INTEGER PRIMARY KEY, loc INTEGER NOT NULL);"
	"CREATE TABLE collide(id BLOB NOT NULL, loc INTEGER NOT NULL);"
	"CREATE TABLE path(dir INTEGER, name BLOB, id INTEGER, seq INTEGER, kind INTEGER,"
	" mode INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER, ino INTEGER, oid BLOB,"
	" flags INTEGER, why INTEGER, sum INTEGER, seen INTEGER, PRIMARY KEY(dir, name))"
	" WITHOUT ROWID;"
	"CREATE TABLE version(path INTEGER, seq INTEGER, kind INTEGER, mode INTEGER, size INTEGER,"
	" mtime INTEGER, flags INTEGER, why INTEGER, sum INTEGER,"
	" PRIMARY KEY(path, seq)) WITHOUT ROWID;"
	"CREATE TABLE snapshot(seq INTEGER PRIMARY KEY, id BLOB, tree BLOB, time INTEGER,"
	" reason INTEGER, flags INTEGER, changed INTEGER, added INTEGER, loc INTEGER,"
	" message TEXT, sum INTEGER);"
	"CREATE TABLE mark(name TEXT PRIMARY KEY, seq INTEGER, sum INTEGER) WITHOUT ROWID;"
	"CREATE TABLE dropped(seq INTEGER PRIMARY KEY, loc INTEGER, id BLOB);"
	"CREATE TABLE segment(no INTEGER PRIMARY KEY, salt INTEGER);"
	"CREATE TABLE state(one INTEGER PRIMARY KEY CHECK(one=1), store BLOB, seg INTEGER,"
	" off INTEGER, next INTEGER, seq INTEGER, lossy INTEGER, sum INTEGER);"
	"INSERT INTO path VALUES(0, x'', 1, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, 0, 0);";

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

void cat_forget_steps(struct catalogue *c)
{
	c->n_step = 0;
	buf_reset(&c->dir);
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
int cat_prepare(struct catalogue *c, const char *sql, unsigned flags, sqlite3_stmt **ret)
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
	} else if (cat_prepare(c, sql, SQLITE_PREPARE_PERSISTENT, st) < 0) {
		return NULL;
	}
	return *st;
}

/* Run a statement that gives no rows. */
int cat_run(struct catalogue *c, sqlite3_stmt *st)
{
	int rc, r;

	if (!st)
		return c->err;
	rc = sqlite3_step(st);
	r = rc == SQLITE_DONE ? 0 : cat_failed(c);
	sqlite3_reset(st);
	return r;
}

int cat_exec(struct catalogue *c, const char *sql)
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
		if (s->write && !s->have_id) {	/* no segment says it */
			memcpy(s->id, sqlite3_column_blob(st, 0), 16);
			s->have_id = true;
		}
		c->pos.seg = (uint32_t)sqlite3_column_int64(st, 1);
		c->pos.off = (uint64_t)sqlite3_column_int64(st, 2);
		c->next = sqlite3_column_int64(st, 3);
		c->seq = (uint64_t)sqlite3_column_int64(st, 4);
		c->lossy = sqlite3_column_int(st, 5);
		/* The log may be cut on the word of this row. */
		if (cat_sum_state(c->pos, c->next, c->seq, c->lossy) != sqlite3_column_int64(st, 6))
			r = -EBADMSG;
	}
	sqlite3_reset(st);
	return r;
}

/* What a pragma says. */
static int number(struct catalogue *c, const char *sql, int64_t *ret)
{
	sqlite3_stmt *st;
	int r = cat_prepare(c, sql, 0, &st);

	if (r < 0)
		return r;
	if (sqlite3_step(st) == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	else
		r = cat_failed(c);
	sqlite3_finalize(st);
	return r;
}

/* 0 is a new file's. */
static int user_version(struct catalogue *c)
{
	int64_t v = 0;
	int r = number(c, "PRAGMA user_version", &v);

	return r < 0 ? r : (int)v;
}

/* One lock for all of a reader's questions, and one state that they are about. */
static int begin_reading(struct store *s, struct catalogue *c)
{
	int r = cat_run(c, cat_stmt(c, CS_BEGIN, "BEGIN"));

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
	const char *vfs;
	int r = pagesum_init(&vfs), rc;

	if (r < 0)
		return r;
	rc = sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, vfs);
	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(c->db, 2000);
		r = begin_reading(s, c);
		/* One that somebody is at work on is not to be read as if nobody were. */
		if (r == 0 || r == -EBADMSG || r == -EBUSY || r == -ENOMEM)
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
		SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, vfs);
	return rc == SQLITE_OK ? begin_reading(s, c) : err_from_sqlite(rc);
}

static int create_schema(struct store *s, struct catalogue *c)
{
	sqlite3_stmt *st = NULL;
	int r = cat_exec(c, "BEGIN IMMEDIATE");

	/* Of a new store the id is made here, for its first segment to take: else the
	 * next writer would find a stranger's catalogue, and lose what stat said. */
	if (r == 0 && s->write && !s->have_id) {
		if (getrandom(s->id, sizeof(s->id), 0) != (ssize_t)sizeof(s->id))
			r = -EIO;
		else
			s->have_id = true;
	}
	if (r == 0)
		r = cat_exec(c, schema);
	if (r == 0)
		r = cat_prepare(c, "INSERT INTO state VALUES(1, ?, 0, 0, 2, 1, 0, ?)", 0, &st);
	if (r == 0) {
		sqlite3_bind_blob(st, 1, s->id, 16, SQLITE_STATIC);
		sqlite3_bind_int64(st, 2, cat_sum_state((struct log_pos){ 0, 0 }, 2, 1, 0));
		r = cat_run(c, st);
	}
	sqlite3_finalize(st);
	if (r == 0)
		r = cat_exec(c, "COMMIT");
	if (r < 0)
		(void)cat_exec(c, "ROLLBACK");
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

enum {
	BUSY_MS = 5000,
	WAL_PAGES = 200,	/* after so many what is in the WAL goes to its place */
	WAL_MAX = 1024,		/* 4 MiB */
};

/* Of a small quota it would be most. */
static int wal_max(const struct catalogue *c)
{
	return c->s->wal_max ? c->s->wal_max : WAL_MAX;
}

/* As SQLite's own autocheckpoint, but what is left is known: a reader that stays holds it there. */
static int on_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct catalogue *c = arg;

	c->wal_pages = pages;
	if (pages >= WAL_PAGES || pages >= wal_max(c))	/* if it cannot now, the next commit tries again */
		(void)sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	return SQLITE_OK;
}

bool cat_is_held(struct catalogue *c)
{
	int64_t pages = 0;

	return c->wal_pages > wal_max(c) && c->wal_pages > c->wal_most &&
	       number(c, "PRAGMA page_count", &pages) == 0 && c->wal_pages > pages;
}

int cat_empty_wal(struct catalogue *c)
{
	int64_t pages = 0;
	int rc, r;

	if (!c->wal_pages)
		return 0;
	(void)sqlite3_busy_timeout(c->db, 0);	/* readers are not waited for */
	rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	(void)sqlite3_busy_timeout(c->db, BUSY_MS);
	if (rc == SQLITE_OK)
		c->wal_pages = 0;
	if (rc != SQLITE_BUSY || c->wal_pages < wal_max(c) / 4)
		return 0;
	r = number(c, "PRAGMA page_count", &pages);
	return r < 0 ? r : c->wal_pages > pages / 4;
}

int cat_is_sparse(struct catalogue *c)
{
	int64_t pages = 0, empty = 0;
	int r = number(c, "PRAGMA page_count", &pages);

	if (r == 0)
		r = number(c, "PRAGMA freelist_count", &empty);
	return r < 0 ? r : empty >= 16 && empty >= pages / 5;
}

int cat_copy(struct store *s, struct catalogue *c, const char *name)
{
	autoput(buf_release) struct buf path = BUF_INIT;
	sqlite3_stmt *st = NULL;
	int fd, r;

	if (buf_printf(&path, "%s/%s", s->dir, name) < 0)
		return -ENOMEM;
	c->wal_most = c->wal_pages <= INT_MAX / 2 ? c->wal_pages * 2 : INT_MAX;
	(void)unlinkat(s->dirfd, name, 0);	/* what one that was killed left */
	fd = openat(s->dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno();
	close(fd);
	r = cat_prepare(c, "VACUUM INTO ?", 0, &st);
	if (r == 0) {
		sqlite3_bind_text(st, 1, path.data, -1, SQLITE_STATIC);
		r = cat_run(c, st);
	}
	sqlite3_finalize(st);
	if (r < 0)
		(void)unlinkat(s->dirfd, name, 0);
	return r;
}

/* A number is given once: what the next snapshot gets nobody has. */
static int check_next(struct catalogue *c)
{
	uint64_t last;
	int r = cat_last_seq(c, &last);

	return r < 0 ? r : c->seq > last ? 0 : -EBADMSG;
}

static int open_write(struct store *s, struct catalogue *c, const char *path)
{
	const char *vfs;
	int rc, r = make_file(s, c), v;

	if (r < 0 || (r = pagesum_init(&vfs)) < 0)
		return r;
	rc = sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, vfs);
	if (rc != SQLITE_OK)
		return err_from_sqlite(rc);
	if ((r = pagesum_new(c->db)) < 0)
		return r;
	sqlite3_busy_timeout(c->db, BUSY_MS);
	/* The log is the truth: NORMAL may lose the last rows at a power cut, never the file's
	 * order. */
	r = cat_exec(c,
		"PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
		"PRAGMA journal_size_limit=0; PRAGMA cache_size=-1500; PRAGMA temp_store=MEMORY;");
	if (r == 0 && s->opt.no_sync)
		r = cat_exec(c, "PRAGMA synchronous=OFF");
	(void)sqlite3_wal_hook(c->db, on_commit, c);
	if (r < 0)
		return r;
	v = user_version(c);
	if (v <= 0)
		return v < 0 ? v : create_schema(s, c);
	if (v != SCHEMA)
		return -EBADMSG;
	r = read_state(s, c);
	return r < 0 ? r : check_next(c);
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
		(void)cat_run(c, cat_stmt(c, CS_ROLLBACK, "ROLLBACK"));
	c->in_txn = false;
	cat_forget_steps(c);
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
	r = cat_run(c, cat_stmt(c, CS_BEGIN, "BEGIN"));
	c->in_txn = r == 0;
	cat_forget_steps(c);
	return r;
}

int cat_commit(struct catalogue *c, struct log_pos pos)
{
	sqlite3_stmt *st = cat_stmt(
		c, CS_META_SET, "UPDATE state SET seg=?, off=?, next=?, seq=?, lossy=?, sum=?");
	int r = cat_note_segments(c, pos);

	if (r < 0)
		return r;
	if (st) {
		sqlite3_bind_int64(st, 1, pos.seg);
		sqlite3_bind_int64(st, 2, (int64_t)pos.off);
		sqlite3_bind_int64(st, 3, c->next);
		sqlite3_bind_int64(st, 4, (int64_t)c->seq);
		sqlite3_bind_int64(st, 5, c->lossy);
		sqlite3_bind_int64(st, 6, cat_sum_state(pos, c->next, c->seq, c->lossy));
	}
	r = cat_run(c, st);
	if (r == 0)
		r = cat_run(c, cat_stmt(c, CS_COMMIT, "COMMIT"));
	if (r < 0)
		return r;
	c->in_txn = false;
	c->pos = pos;
	return 0;
}

void cat_rollback(struct catalogue *c)
{
	if (c->in_txn)
		(void)cat_run(c, cat_stmt(c, CS_ROLLBACK, "ROLLBACK"));
	if (c->in_txn)
		c->n_recent = -1;
	c->in_txn = false;
	c->noted = 0;
	cat_forget_steps(c);
}

void cat_rewind(struct catalogue *c, struct log_pos pos)
{
	c->pos = pos;
}

int cat_savepoint(struct catalogue *c)
{
	return cat_exec(c, "SAVEPOINT one");
}

int cat_release(struct catalogue *c, bool keep)
{
	if (!keep) {
		c->n_recent = -1;
		c->no_paths = c->no_objects = false;
		cat_forget_steps(c);
	}
	return cat_exec(c, keep ? "RELEASE one" : "ROLLBACK TO one; RELEASE one");
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
