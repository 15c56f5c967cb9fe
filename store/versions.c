/* One path through time. */
#include <string.h>

#include "../lib/names.h"
#include "internal.h"

struct versions {
	struct store_entry *e;
	size_t n, cap;
};

static int load_versions(struct store *s, int64_t id, struct versions *x)
{
	sqlite3_stmt *st;
	int r = query_stmt(s, "SELECT " VERSION_COLUMNS " FROM version WHERE path=?"
		" ORDER BY seq DESC", &st), rc = SQLITE_DONE;

	if (r < 0)
		return r;
	sqlite3_bind_int64(st, 1, id);
	while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (x->n == x->cap) {
			size_t cap = x->cap * 2 + 8;
			void *p = realloc(x->e, cap * sizeof(*x->e));

			if (!p) {
				r = -ENOMEM;
				break;
			}
			x->e = p;
			x->cap = cap;
		}
		r = query_row_version(s, id, st, &x->e[x->n++]);
	}
	return query_done(s, st, r, rc);
}

/* What the version held. Its snapshot or a tree of it may be lost or damaged: that costs this
 * id, which stays zero, not the versions before it. */
static int version_oid(struct store *s, const char *path, struct store_entry *e)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	int r = store_by_seq(s, e->seq, &sn);

	if (r == 0)
		r = query_oid_at(s, &sn.tree, path, &e->oid);
	if (r != -ENOENT && r != -EBADMSG && r != -ENOTSUP)
		return r;
	log_warn("%s: what snapshot %llu held of it is damaged (" RECOVER " verify)", path,
		(unsigned long long)e->seq);
	memset(&e->oid, 0, sizeof(e->oid));
	return 0;
}

int store_history(struct store *s, const char *path, store_entry_fn fn, void *arg)
{
	struct versions x = { .n = 0 };
	struct store_entry now;
	int64_t id;
	int r = query_path_row(s, path, &id, &now);

	if (r < 0)
		return r;
	if (now.seq)
		r = fn(path, &now, arg);
	if (r == 0)
		r = load_versions(s, id, &x);
	for (size_t i = 0; r == 0 && i < x.n; i++) {
		if (entry_has_oid(&x.e[i]))
			r = version_oid(s, path, &x.e[i]);
		if (r == 0)
			r = fn(path, &x.e[i], arg);
	}
	free(x.e);
	return r;
}

int store_count_versions(struct store *s, const char *path, uint64_t *ret)
{
	struct store_entry now = { 0 };
	sqlite3_stmt *st;
	int64_t id = 0;
	int r = path ? query_path_row(s, path, &id, &now) : 0, rc;

	if (r == 0)
		r = query_stmt(s, path ? "SELECT count(*) FROM version WHERE kind=?1 AND path=?2"
				       : "SELECT (SELECT count(*) FROM version WHERE kind=?1)"
					 " + (SELECT count(*) FROM path WHERE kind=?1 AND seq)", &st);
	if (r < 0)
		return r;
	sqlite3_bind_int(st, 1, KIND_FILE);
	if (path)
		sqlite3_bind_int64(st, 2, id);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = (uint64_t)sqlite3_column_int64(st, 0) + (now.seq && now.kind == KIND_FILE);
	return query_done(s, st, 0, rc);
}
