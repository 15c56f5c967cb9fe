/* The questions of store.h, answered from the catalogue: what all of them need; snapshots, marks, totals. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define COLUMNS "seq, id, tree, time, reason, flags, changed, added, message, loc, sum"

int query_damaged(struct store *s)
{
	int fd;

	if (!s->cat_damaged)
		log_error("%s/catalogue.db is damaged: the next command makes it again from the log", s->dir);
	s->cat_damaged = true;
	s->broken = 1;
	fd = openat(s->dirfd, CATALOGUE_BAD, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0)		/* outlives us: whoever writes next makes a new one */
		close(fd);
	return -EBADMSG;
}

/* ---- snapshots ---- */

/* What SQLite itself finds wrong with its pages is damage too. */
int query_failed(struct store *s, int rc)
{
	int r = err_from_sqlite(rc);

	return r == -EBADMSG ? query_damaged(s) : r;
}

static int row_snapshot(struct store *s, sqlite3_stmt *st, struct store_snapshot *sn)
{
	const char *msg = (const char *)sqlite3_column_text(st, 8);

	*sn = (struct store_snapshot){
		.seq = (uint64_t)sqlite3_column_int64(st, 0), .time_ns = sqlite3_column_int64(st, 3),
		.reason = (enum store_reason)sqlite3_column_int(st, 4), .flags = (uint32_t)sqlite3_column_int64(st, 5),
		.changed = (uint64_t)sqlite3_column_int64(st, 6), .added_bytes = (uint64_t)sqlite3_column_int64(st, 7),
	};
	if (sqlite3_column_bytes(st, 1) != 20 || sqlite3_column_bytes(st, 2) != 20)
		return query_damaged(s);
	memcpy(sn->id.b, sqlite3_column_blob(st, 1), 20);
	memcpy(sn->tree.b, sqlite3_column_blob(st, 2), 20);
	sn->message = (char *)(uintptr_t)(msg ? msg : "");
	if (cat_sum_snapshot(sn, (loc_t)sqlite3_column_int64(st, 9)) == sqlite3_column_int64(st, 10))
		return 0;
	sn->message = NULL;	/* never ours, and now nobody's */
	return query_damaged(s);
}

/* A statement of its own: the callback may ask other questions. */
int query_prepare(struct store *s, const char *sql, sqlite3_stmt **ret)
{
	int r;

	if (sqlite3_prepare_v2(cat_db(s->cat), sql, -1, ret, NULL) == SQLITE_OK)
		return 0;
	r = err_from_sqlite(sqlite3_extended_errcode(cat_db(s->cat)));
	return r == -EBADMSG ? query_damaged(s) : r;
}

int store_list(struct store *s, uint64_t before_seq, store_snapshot_fn fn, void *arg)
{
	struct store_snapshot sn;
	sqlite3_stmt *st;
	int r = query_prepare(s, "SELECT " COLUMNS " FROM snapshot WHERE seq<? ORDER BY seq DESC", &st), rc = SQLITE_ROW;

	if (r < 0)
		return r;
	sqlite3_bind_int64(st, 1, before_seq ? (int64_t)before_seq : INT64_MAX);
	while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW)
		if ((r = row_snapshot(s, st, &sn)) == 0)
			r = fn(&sn, arg);
	sqlite3_finalize(st);
	return r == 0 && rc != SQLITE_DONE ? query_failed(s, rc) : r;
}

uint64_t store_count(struct store *s)
{
	sqlite3_stmt *st;
	uint64_t n = 0;

	if (query_prepare(s, "SELECT count(*) FROM snapshot", &st) < 0)
		return 0;
	if (sqlite3_step(st) == SQLITE_ROW)
		n = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* One snapshot; what: a WHERE ... ORDER BY with one integer. */
int query_snapshot(struct store *s, const char *what, int64_t v, struct store_snapshot *ret, loc_t *ret_loc)
{
	char sql[256];
	sqlite3_stmt *st;
	int r, rc;

	(void)snprintf(sql, sizeof(sql), "SELECT " COLUMNS " FROM snapshot WHERE %s LIMIT 1", what);
	if ((r = query_prepare(s, sql, &st)) < 0)
		return r;
	sqlite3_bind_int64(st, 1, v);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		r = row_snapshot(s, st, ret);
		if (r == 0 && !(ret->message = strdup(ret->message)))
			r = -ENOMEM;
		if (ret_loc)
			*ret_loc = (loc_t)sqlite3_column_int64(st, 9);
	} else {
		r = rc == SQLITE_DONE ? -ENOENT : query_failed(s, rc);
	}
	sqlite3_finalize(st);
	return r;
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

int store_at_time(struct store *s, int64_t time_ns, struct store_snapshot *ret)
{
	return query_snapshot(s, "time<=? ORDER BY seq DESC", time_ns, ret, NULL);
}

int store_by_prefix(struct store *s, const char *hex, struct store_snapshot *ret)
{
	uint8_t lo[20] = { 0 }, hi[20];
	size_t n = strlen(hex);
	struct store_snapshot other;
	sqlite3_stmt *st;
	int r, rc;

	memset(hi, 0xff, sizeof(hi));
	if (n < 4 || n > 40)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		const char *digits = "0123456789abcdef", *d = strchr(digits, hex[i] >= 'A' && hex[i] <= 'F' ? hex[i] + 32 : hex[i]);
		int v = d ? (int)(d - digits) : -1, shift = i % 2 ? 0 : 4;

		if (v < 0 || v > 15)
			return -EINVAL;
		lo[i / 2] |= (uint8_t)(v << shift);
		hi[i / 2] = (uint8_t)((hi[i / 2] & ~(0xf << shift)) | v << shift);
	}
	if ((r = query_prepare(s, "SELECT " COLUMNS " FROM snapshot WHERE id BETWEEN ? AND ? LIMIT 2", &st)) < 0)
		return r;
	sqlite3_bind_blob(st, 1, lo, 20, SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, hi, 20, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc != SQLITE_ROW) {
		sqlite3_finalize(st);
		return rc == SQLITE_DONE ? -ENOENT : query_failed(s, rc);
	}
	r = row_snapshot(s, st, &other);
	if (r == 0 && !(other.message = strdup(other.message)))
		r = -ENOMEM;
	if (r == 0 && sqlite3_step(st) == SQLITE_ROW) {
		free(other.message);
		r = -ENOTUNIQ;
	}
	sqlite3_finalize(st);
	if (r == 0)
		*ret = other;
	return r;
}

int store_mark_get(struct store *s, const char *name, uint64_t *ret_seq)
{
	sqlite3_stmt *st;
	int r = query_prepare(s, "SELECT seq, sum FROM mark WHERE name=?", &st), rc;

	if (r < 0)
		return r;
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*ret_seq = (uint64_t)sqlite3_column_int64(st, 0);
		if (cat_sum_mark(name, *ret_seq) != sqlite3_column_int64(st, 1))
			r = query_damaged(s);
	}
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? r : rc == SQLITE_DONE ? -ENOENT : query_failed(s, rc);
}

int store_marks(struct store *s, store_mark_fn fn, void *arg)
{
	sqlite3_stmt *st;
	int r = query_prepare(s, "SELECT name, seq, sum FROM mark ORDER BY seq, name", &st);

	if (r < 0)
		return r;
	while (r == 0 && sqlite3_step(st) == SQLITE_ROW)
		r = cat_sum_mark((const char *)sqlite3_column_text(st, 0), (uint64_t)sqlite3_column_int64(st, 1)) !=
			sqlite3_column_int64(st, 2) ? query_damaged(s) :
			fn((const char *)sqlite3_column_text(st, 0), (uint64_t)sqlite3_column_int64(st, 1), arg);
	sqlite3_finalize(st);
	return r;
}

int store_totals(struct store *s, struct store_totals *ret)
{
	struct store_totals t = { .snapshots = store_count(s) };
	uint32_t first, last;
	sqlite3_stmt *st;
	struct stat sb;
	uint64_t size;
	int r = query_prepare(s, "SELECT kind, count(*), sum(size), sum((flags & 16) != 0) FROM path WHERE name<>x'' GROUP BY kind", &st);

	if (r < 0)
		return r;
	while (sqlite3_step(st) == SQLITE_ROW) {
		uint64_t n = (uint64_t)sqlite3_column_int64(st, 1);
		int kind = sqlite3_column_int(st, 0);

		if (kind == KIND_FILE || kind == KIND_LINK)
			t.files += n;
		else if (kind == KIND_DIR)
			t.dirs += n;
		else if (kind == KIND_SKIPPED)
			t.skipped += n, t.skipped_bytes += (uint64_t)sqlite3_column_int64(st, 2);
		if (kind != KIND_GONE)
			t.kept += (uint64_t)sqlite3_column_int64(st, 3);
	}
	sqlite3_finalize(st);
	if ((r = seg_list(s, &first, &last)) < 0)
		return r;
	for (uint32_t no = first; no && no <= last; no++)
		if (seg_size(s, no, &size) == 0)
			t.log_bytes += size;
	if (fstatat(s->dirfd, "catalogue.db", &sb, 0) == 0)
		t.catalogue_bytes = (uint64_t)sb.st_size;
	if (fstatat(s->dirfd, "catalogue.db-wal", &sb, 0) == 0)
		t.catalogue_bytes += (uint64_t)sb.st_size;
	*ret = t;
	return 0;
}
