/* What is where: the tables path (now) and version (before) of the catalogue. */
#include <string.h>

#include "catalogue.h"

#define NEW_PATH "INSERT INTO path VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
#define GET_PATH \
	"SELECT id, seq, kind, mode, size, mtime, flags, why FROM path WHERE dir=? AND name=?"
#define SET_PATH "UPDATE path SET seq=?3, kind=?4, mode=?5, size=?6, mtime=?7, ctime=?8, ino=?9," \
	" oid=?10, flags=?11, why=?12, sum=?13, seen=0 WHERE dir=?1 AND name=?2"

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

size_t path_shared(const char *a, const char *b, size_t n)
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
	size_t same = path_shared(path, max ? c->dir.data : "", max);

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
	return cat_run(c, st);
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
	return cat_run(c, st);
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
	return cat_run(c, st);
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

int cat_touch(
	struct catalogue *c, const char *path, int64_t ctime_ns, uint64_t ino, int64_t seen_ns)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	sqlite3_stmt *st;
	int64_t dir = 0;
	int r = *path ? cat_path_id(c, path, slash ? (size_t)(slash - path) : 0, &dir) : 0;

	if (r < 0)
		return r;
	if (!(st = cat_stmt(c, CS_TOUCH,
		      "UPDATE path SET ctime=?3, ino=?4, seen=?5 WHERE dir=?1 AND name=?2")))
		return c->err;
	sqlite3_bind_int64(st, 1, dir);
	sqlite3_bind_blob(st, 2, name, (int)strlen(name), SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, ctime_ns);
	sqlite3_bind_int64(st, 4, (int64_t)ino);
	sqlite3_bind_int64(st, 5, seen_ns);
	return cat_run(c, st);
}

/* The folder's id and the name of a path that has a row. */
static int row_of(struct catalogue *c, const char *path, int64_t *ret_dir, const char **ret_name)
{
	const char *slash = strrchr(path, '/');

	*ret_name = slash ? slash + 1 : path;
	*ret_dir = 0;
	return *path ? cat_path_id(c, path, slash ? (size_t)(slash - path) : 0, ret_dir) : 0;
}

int cat_set_path(struct catalogue *c, const char *path, const struct store_entry *e)
{
	const char *name;
	int64_t dir;
	int r = row_of(c, path, &dir, &name);

	return r < 0 ? r : update_path(c, dir, name, e->seq, e);
}

int cat_remove_path(struct catalogue *c, const char *path, int64_t id)
{
	sqlite3_stmt *st;
	const char *name;
	int64_t dir;
	int r = row_of(c, path, &dir, &name);

	if (r < 0)
		return r;
	/* Only after damage is something below it that was never said to have gone. */
	r = cat_prepare(c, "DELETE FROM path WHERE dir=?1 AND name=?2 AND dir>0"
		" AND NOT EXISTS (SELECT 1 FROM path WHERE dir=?3)", 0, &st);
	if (r < 0)
		return r;
	sqlite3_bind_int64(st, 1, dir);
	sqlite3_bind_blob(st, 2, name, (int)strlen(name), SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, id);
	r = cat_run(c, st);
	sqlite3_finalize(st);
	cat_forget_steps(c);
	return r;
}
