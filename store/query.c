/* The questions of store.h, answered from the catalogue: what all of them need; snapshots, marks,
 * totals. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

int query_damaged(struct store *s)
{
	int fd;

	if (!s->cat_damaged)
		log_error(
			"%s/catalogue.db is damaged: the next command makes it again from the log",
			s->dir);
	s->cat_damaged = true;
	s->broken = 1;
	fd = openat(s->dirfd, CATALOGUE_BAD, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0)		/* outlives us: whoever writes next makes a new one */
		close(fd);
	return -EBADMSG;
}

bool store_index_damaged(const struct store *s)
{
	return s->cat_damaged;
}

int query_failed(struct store *s, int rc)
{
	int r = err_from_sqlite(rc);

	return r == -EBADMSG ? query_damaged(s) : r;
}

/* SQLite's own list of the connection's statements is the pool; one that is being stepped is
 * busy. */
int query_stmt(struct store *s, const char *sql, sqlite3_stmt **ret)
{
	sqlite3 *db = cat_db(s->cat);
	sqlite3_stmt *st = NULL;

	while ((st = sqlite3_next_stmt(db, st)))
		if (!sqlite3_stmt_busy(st) && strcmp(sqlite3_sql(st), sql) == 0)
			break;
	if (!st && sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st,
		NULL) != SQLITE_OK) {
		int r = query_failed(s, sqlite3_extended_errcode(db));

		return r < 0 ? r : -EIO;
	}
	*ret = st;
	return 0;
}

int query_done(struct store *s, sqlite3_stmt *st, int r, int rc)
{
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return r == 0 && rc != SQLITE_DONE && rc != SQLITE_ROW ? query_failed(s, rc) : r;
}

/* ---- snapshots ---- */

#define SNAPSHOT                                                                             \
	"SELECT seq, id, tree, time, reason, flags, changed, added, message, loc, sum FROM " \
	"snapshot"

static int row_snapshot(struct store *s, sqlite3_stmt *st, struct store_snapshot *sn)
{
	const char *msg = (const char *)sqlite3_column_text(st, 8);

	*sn = (struct store_snapshot){
		.seq = (uint64_t)sqlite3_column_int64(st, 0),
		.time_ns = sqlite3_column_int64(st, 3),
		.reason = (enum store_reason)sqlite3_column_int(st, 4),
		.flags = (uint32_t)sqlite3_column_int64(st, 5),
		.changed = (uint64_t)sqlite3_column_int64(st, 6),
		.added_bytes = (uint64_t)sqlite3_column_int64(st, 7),
	};
	if (sqlite3_column_bytes(st, 1) != 20 || sqlite3_column_bytes(st, 2) != 20)
		return query_damaged(s);
	memcpy(sn->id.b, sqlite3_column_blob(st, 1), 20);
	memcpy(sn->tree.b, sqlite3_column_blob(st, 2), 20);
	sn->message = (char *)(uintptr_t)(msg ? msg : "");
	if (cat_sum_snapshot(sn, (loc_t)sqlite3_column_int64(st, 9)) == sqlite3_column_int64(st,
		10))
		return 0;
	sn->message = NULL;	/* never ours, and now nobody's */
	return query_damaged(s);
}

/* The same, to keep: release it. */
static int take_snapshot(struct store *s, sqlite3_stmt *st, struct store_snapshot *sn)
{
	int r = row_snapshot(s, st, sn);

	return r == 0 && !(sn->message = strdup(sn->message)) ? -ENOMEM : r;
}

int store_list(struct store *s, uint64_t before_seq, store_snapshot_fn fn, void *arg)
{
	struct store_snapshot sn;
	sqlite3_stmt *st;
	int r = query_stmt(s, SNAPSHOT " WHERE seq<? ORDER BY seq DESC", &st), rc = SQLITE_DONE;

	if (r < 0)
		return r;
	sqlite3_bind_int64(st, 1, before_seq ? (int64_t)before_seq : INT64_MAX);
	while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW)
		if ((r = row_snapshot(s, st, &sn)) == 0)
			r = fn(&sn, arg);
	return query_done(s, st, r, rc);
}

static int count(struct store *s, uint64_t *ret)
{
	sqlite3_stmt *st;
	int r = query_stmt(s, "SELECT count(*) FROM snapshot", &st), rc;

	if (r < 0)
		return r;
	if ((rc = sqlite3_step(st)) == SQLITE_ROW)
		*ret = (uint64_t)sqlite3_column_int64(st, 0);
	return query_done(s, st, 0, rc);
}

uint64_t store_count(struct store *s)
{
	uint64_t n = 0;

	return count(s, &n) < 0 ? 0 : n;
}

int query_snapshot(struct store *s, const char *what, int64_t v, struct store_snapshot *ret,
	loc_t *ret_loc)
{
	char sql[256];
	sqlite3_stmt *st;
	int r, rc;

	(void)snprintf(sql, sizeof(sql), SNAPSHOT " WHERE %s LIMIT 1", what);
	if ((r = query_stmt(s, sql, &st)) < 0)
		return r;
	sqlite3_bind_int64(st, 1, v);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		r = take_snapshot(s, st, ret);
	else if (rc == SQLITE_DONE)
		r = -ENOENT;
	if (rc == SQLITE_ROW && ret_loc)
		*ret_loc = (loc_t)sqlite3_column_int64(st, 9);
	return query_done(s, st, r, rc);
}

int store_newest(struct store *s, struct store_snapshot *ret)
{
	return query_snapshot(s, "seq<=? ORDER BY seq DESC", INT64_MAX, ret, NULL);
}

int store_by_seq(struct store *s, uint64_t seq, struct store_snapshot *ret)
{
	return query_snapshot(s, "seq=?", (int64_t)seq, ret, NULL);
}

int store_before(struct store *s, uint64_t seq, struct store_snapshot *ret)
{
	return query_snapshot(s, "seq<? ORDER BY seq DESC", (int64_t)seq, ret, NULL);
}

/* The rows between are counted, not read: the n-th of 40,000 must not cost 40,000 checks. */
int store_back(struct store *s, uint64_t seq, uint64_t n, struct store_snapshot *ret)
{
	sqlite3_stmt *st;
	int r, rc;

	if (n > INT64_MAX)
		return -ENOENT;
	if (n == 0)
		return store_by_seq(s, seq, ret);
	r = query_stmt(s, SNAPSHOT " WHERE seq<? ORDER BY seq DESC LIMIT 1 OFFSET ?", &st);
	if (r < 0)
		return r;
	sqlite3_bind_int64(st, 1, (int64_t)seq);
	sqlite3_bind_int64(st, 2, (int64_t)n - 1);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		r = take_snapshot(s, st, ret);
	else if (rc == SQLITE_DONE)
		r = -ENOENT;
	return query_done(s, st, r, rc);
}

int store_at_time(struct store *s, int64_t time_ns, struct store_snapshot *ret)
{
	/* Copies of earlier times (REASON_IMPORT) stand behind what is younger than they are. */
	autoput(store_snapshot_release) struct store_snapshot copy = { 0 };
	int r = query_snapshot(s, "time<=? AND reason<>9 ORDER BY seq DESC", time_ns, ret, NULL), e;

	if (r < 0 && r != -ENOENT)
		return r;
	e = query_snapshot(
		s, "time<=? AND reason=9 ORDER BY time DESC, seq DESC", time_ns, &copy, NULL);
	if (e < 0 && e != -ENOENT && r == 0)
		store_snapshot_release(ret);
	if (e < 0)
		return e == -ENOENT ? r : e;
	if (r == 0 && copy.time_ns <= ret->time_ns)
		return 0;
	if (r == 0)
		store_snapshot_release(ret);
	*ret = copy;
	copy.message = NULL;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The first and the last id that begin with these digits. */
static int prefix_range(const char *hex, uint8_t lo[20], uint8_t hi[20])
{
	size_t n = strlen(hex);

	if (n < 4 || n > 40)
		return -EINVAL;
	memset(lo, 0, 20);
	memset(hi, 0xff, 20);
	for (size_t i = 0; i < n; i++) {
		int v = hex_digit(hex[i]), shift = i % 2 ? 0 : 4;

		if (v < 0)
			return -EINVAL;
		lo[i / 2] |= (uint8_t)(v << shift);
		hi[i / 2] = (uint8_t)((hi[i / 2] & ~(0xf << shift)) | v << shift);
	}
	return 0;
}

int store_by_prefix(struct store *s, const char *hex, struct store_snapshot *ret)
{
	struct store_snapshot one = { .message = NULL };
	uint8_t lo[20], hi[20];
	sqlite3_stmt *st;
	int r = prefix_range(hex, lo, hi), rc;

	if (r < 0 || (r = query_stmt(s, SNAPSHOT " WHERE id BETWEEN ? AND ? LIMIT 2", &st)) < 0)
		return r;
	sqlite3_bind_blob(st, 1, lo, 20, SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, hi, 20, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_DONE)
		r = -ENOENT;
	if (rc == SQLITE_ROW && (r = take_snapshot(s, st, &one)) == 0 &&
	    (rc = sqlite3_step(st)) == SQLITE_ROW)
		r = -ENOTUNIQ;
	r = query_done(s, st, r, rc);
	if (r == 0)
		*ret = one;
	else
		free(one.message);
	return r;
}

/* ---- marks ---- */

int store_mark_get(struct store *s, const char *name, uint64_t *ret_seq)
{
	sqlite3_stmt *st;
	int r = query_stmt(s, "SELECT seq, sum FROM mark WHERE name=?", &st), rc;
	uint64_t seq;

	if (r < 0)
		return r;
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_DONE)
		r = -ENOENT;
	if (rc == SQLITE_ROW) {
		seq = (uint64_t)sqlite3_column_int64(st, 0);
		if (cat_sum_mark(name, seq) != sqlite3_column_int64(st, 1))
			r = query_damaged(s);
		else
			*ret_seq = seq;
	}
	return query_done(s, st, r, rc);
}

int store_marks(struct store *s, store_mark_fn fn, void *arg)
{
	sqlite3_stmt *st;
	int r = query_stmt(s, "SELECT name, seq, sum FROM mark ORDER BY seq, name", &st);
	int rc = SQLITE_DONE;

	if (r < 0)
		return r;
	while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(st, 0);
		uint64_t seq = (uint64_t)sqlite3_column_int64(st, 1);

		if (!name || cat_sum_mark(name, seq) != sqlite3_column_int64(st, 2))
			r = query_damaged(s);
		else
			r = fn(name, seq, arg);
	}
	return query_done(s, st, r, rc);
}

/* ---- totals ---- */

static int total_paths(struct store *s, struct store_totals *t)
{
	sqlite3_stmt *st;
	int r = query_stmt(s, "SELECT kind, count(*), sum(size), sum((flags & 16) != 0) FROM path"
		" WHERE name<>x'' GROUP BY kind", &st), rc;

	if (r < 0)
		return r;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		uint64_t n = (uint64_t)sqlite3_column_int64(st, 1);
		int kind = sqlite3_column_int(st, 0);

		if (kind == KIND_FILE || kind == KIND_LINK)
			t->files += n;
		else if (kind == KIND_DIR)
			t->dirs += n;
		else if (kind == KIND_SKIPPED)
			t->skipped += n, t->skipped_bytes += (uint64_t)sqlite3_column_int64(st, 2);
		if (kind != KIND_GONE)
			t->kept += (uint64_t)sqlite3_column_int64(st, 3);
	}
	return query_done(s, st, 0, rc);
}

int store_totals(struct store *s, struct store_totals *ret)
{
	struct store_totals t = { .snapshots = 0 };
	uint32_t first, last;
	struct stat sb;
	uint64_t size;
	int r = count(s, &t.snapshots);

	if (r < 0 || (r = total_paths(s, &t)) < 0 || (r = seg_list(s, &first, &last)) < 0)
		return r;
	for (uint32_t no = first; no && no <= last; no = seg_next(s, no, last))
		if (seg_size(s, no, &size) == 0)
			t.log_bytes += size;
	t.torn_bytes = seg_torn(s);
	if (fstatat(s->dirfd, "catalogue.db", &sb, 0) == 0)
		t.catalogue_bytes = (uint64_t)sb.st_size;
	if (fstatat(s->dirfd, "catalogue.db-wal", &sb, 0) == 0)
		t.catalogue_bytes += (uint64_t)sb.st_size;
	*ret = t;
	return 0;
}
