/* Snapshots and marks: their tables in the catalogue. */
#include <string.h>

#include "catalogue.h"

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
	return cat_run(c, st);
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

/* The commit of the newest snapshot, dropped ones too. */
int cat_newest_id(struct catalogue *c, struct oid *ret)
{
	sqlite3_stmt *st = cat_stmt(c, CS_LIST,
		"SELECT id FROM snapshot WHERE seq=(SELECT max(seq) FROM snapshot)"
		" AND seq>coalesce((SELECT max(seq) FROM dropped), 0) UNION ALL"
		" SELECT id FROM dropped WHERE seq=(SELECT max(seq) FROM dropped)"
		" AND seq>coalesce((SELECT max(seq) FROM snapshot), 0)");
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
	return cat_run(c, st);
}
