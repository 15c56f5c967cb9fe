/* tests/fuzz/fuzz_catalogue.c - a catalogue with hostile rows over a log that is sound. The pages are right: somebody wrote this.
 *
 * The first byte: 1 the rows' own sums are made right again, 2 there is a prune. Then changes: a table, a row, a column, what
 * becomes of it (put). Whatever they are: no crash; no byte comes out that was not stored under that name in that snapshot (with right
 * sums: that is not what its id says); a snapshot that is acknowledged over it can be read; and when the catalogue is gone, the log
 * has everything it had. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/log.h"
#include "store/catalogue.h"

#define S INT64_C(1000000000)
#define HOUR (3600 * S)
#define START (INT64_C(1700000000) * S)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SNAPS = 8, ENTRIES = 16, FIX = 1, PRUNE = 2 };

static struct truth {
	struct store_snapshot sn;
	size_t n;
	struct { char path[40]; struct store_entry e; char bytes[4096]; size_t len; } x[ENTRIES];
} truth[SNAPS];
static size_t n_truth;
static char base[200], work[200];
static bool fixed;

static void check(int yes, const char *what)
{
	if (yes)
		return;
	fprintf(stderr, "WRONG: %s\n", what);
	abort();
}

/* ---- the store as it should be ---- */

static struct store *open_it(const char *dir, enum store_mode mode)
{
	struct store_options o = { .no_sync = true };
	struct store *s = NULL;

	return store_open(dir, mode, &o, &s) < 0 ? NULL : s;
}

static int put(struct store_txn *t, const char *path, int n, int64_t now)
{
	struct stat st = { .st_mode = S_IFREG | 0644, .st_mtim = { now / S, 0 } };
	char text[4096];
	size_t len = 0;

	for (int i = 0; i < 60; i++)
		len += (size_t)sprintf(text + len, "line %d of %.20s, version %d\n", i, path, i == n * 7 ? n : 0);
	st.st_size = (off_t)len;
	return store_txn_bytes(t, path, &st, text, len);
}

static int snapshot(struct store *s, int n)
{
	struct store_commit how = { .reason = REASON_INTERVAL, .time_ns = START + n * HOUR, .message = n % 2 ? "odd" : NULL };
	struct stat dir = { .st_mode = S_IFDIR | 0700 }, link = { .st_mode = S_IFLNK | 0777, .st_size = 1 };
	struct store_txn *t;
	int r = store_txn_begin(s, &t);

	if (r < 0)
		return r;
	r = put(t, "a", n, how.time_ns) | put(t, n % 2 ? "d/b" : "d/e/c", n, how.time_ns);
	if (n == 1)
		r |= store_txn_link(t, "l", &link, "a") | store_txn_dir(t, "void", &dir) | put(t, "gone", n, how.time_ns);
	if (n == 4)
		r |= store_txn_gone(t, "gone");
	check(r == 0, "it cannot be made");
	return store_txn_commit(t, &how, NULL);
}

static int note_entry(const char *path, const struct store_entry *e, void *arg)
{
	struct truth *t = &truth[n_truth];
	autoput(buf_release) struct buf b = BUF_INIT;

	check(t->n < ENTRIES && strlen(path) < sizeof(t->x[0].path), "too much");
	(void)strcpy(t->x[t->n].path, path);
	t->x[t->n].e = *e;
	if (e->kind == KIND_FILE || e->kind == KIND_LINK) {
		check(store_read_blob(arg, &e->oid, 4096, &b) == 0, "it cannot be read");
		memcpy(t->x[t->n].bytes, b.data, b.len);
		t->x[t->n].len = b.len;
	}
	t->n++;
	return 0;
}

static int note(const struct store_snapshot *sn, void *arg)
{
	truth[n_truth].sn = *sn;
	truth[n_truth].sn.message = strdup(sn->message);
	check(store_walk_at(arg, sn->seq, "", note_entry, arg) == 0, "it cannot be walked");
	n_truth++;
	return 0;
}

static void build(void)
{
	const char *tmp = getenv("TMPDIR");
	struct store_prune_options o = { .now_ns = START + 9 * HOUR, .keep = { .all_s = 6 * 3600 }, .min_dead = 90 };
	struct store_prune *p;
	struct store *s;

	log_init("fuzz", LOG_ERROR);
	log_set_level(LOG_ERROR);
	(void)snprintf(base, sizeof(base), "%.150s/fuzz-cat-XXXXXX", tmp ? tmp : "/tmp");
	check(mkdtemp(base) != NULL, "no folder");
	(void)snprintf(work, sizeof(work), "%.180s/work", base);
	(void)strcat(base, "/base");
	check((s = open_it(base, STORE_WRITE)) != NULL, "no store");
	for (int n = 1; n <= 8; n++)
		check(snapshot(s, n) == 1, "no snapshot");
	check(store_mark_set(s, "good", 5) == 0, "no mark");
	check(store_prune_begin(s, &o, &p) == 0 && store_prune_step(p, 0) == 0, "no prune");
	store_prune_end(p, NULL);
	store_close(s);
	check((s = open_it(base, STORE_READ)) != NULL && store_list(s, 0, note, s) == 0, "no truth");
	store_close(s);
	check(n_truth >= 4, "too few");
}

/* ---- a copy of it, and hostile rows in it ---- */

static void copy(const char *from, const char *to)
{
	DIR *d = opendir(from);
	const struct dirent *e;

	check(d != NULL && (mkdir(to, 0700) == 0 || errno == EEXIST), "no folder");
	while ((e = readdir(d))) {
		static char b[1 << 20];
		char a[600], c[600];
		struct stat st;
		ssize_t n;
		int in, out;

		(void)snprintf(a, sizeof(a), "%s/%.200s", from, e->d_name);
		(void)snprintf(c, sizeof(c), "%s/%.200s", to, e->d_name);
		if (*e->d_name == '.' || lstat(a, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode)) {
			copy(a, c);
			continue;
		}
		in = open(a, O_RDONLY | O_CLOEXEC);
		out = open(c, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		check(in >= 0 && out >= 0, "no copy");
		while ((n = read(in, b, sizeof(b))) > 0)
			check(write(out, b, (size_t)n) == n, "no copy");
		(void)close(in);
		(void)close(out);
	}
	(void)closedir(d);
}

static void empty(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		char a[600];

		(void)snprintf(a, sizeof(a), "%s/%.200s", dir, e->d_name);
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && unlink(a) < 0)
			empty(a);
	}
	if (d)
		(void)closedir(d);
}

static const struct table { const char *name, *key, *column[16]; } tables[] = {
	{ "object", "key", { "key", "loc" } },
	{ "recent", "key", { "key", "loc" } },
	{ "path", "dir, name", { "dir", "name", "id", "seq", "kind", "mode", "size", "mtime", "ctime", "ino", "oid", "flags", "why", "sum",
				       "seen" } },
	{ "version", "path, seq", { "path", "seq", "kind", "mode", "size", "mtime", "flags", "why", "sum" } },
	{ "snapshot", "seq", { "seq", "id", "tree", "time", "reason", "flags", "changed", "added", "loc", "message", "sum" } },
	{ "mark", "name", { "name", "seq", "sum" } },
	{ "dropped", "seq", { "seq", "loc", "id" } },
	{ "segment", "no", { "no", "salt" } },
	{ "state", "one", { "store", "seg", "off", "next", "seq", "lossy", "sum" } },
};

struct input { const uint8_t *p, *end; };

static uint8_t byte(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static void bind(sqlite3_stmt *st, struct input *in, unsigned kind)
{
	int64_t v = 0;
	size_t n;

	switch (kind % 6) {
	case 0:
		sqlite3_bind_null(st, 1);
		return;
	case 1:
		sqlite3_bind_int64(st, 1, (int8_t)byte(in));
		return;
	case 2:
	case 5:
		for (int i = 0; i < 8; i++)
			v |= (int64_t)((uint64_t)byte(in) << (8 * i));
		if (kind % 6 == 2)
			sqlite3_bind_int64(st, 1, v);
		else
			sqlite3_bind_double(st, 1, (double)v / 3);
		return;
	default:
		n = byte(in);
		n = n < (size_t)(in->end - in->p) ? n : (size_t)(in->end - in->p);
		if (kind % 6 == 3)
			sqlite3_bind_blob(st, 1, in->p, (int)n, SQLITE_TRANSIENT);
		else
			sqlite3_bind_text(st, 1, (const char *)in->p, (int)n, SQLITE_TRANSIENT);
		in->p += n;
	}
}

/* One value of one row, or a row that is like another but for one value. */
static void change(sqlite3 *db, struct input *in)
{
	const struct table *t = &tables[byte(in) % (sizeof(tables) / sizeof(*tables))];
	unsigned row = byte(in), column = byte(in), kind = byte(in), n = 0;
	char sql[800], list[400] = "";
	sqlite3_stmt *st;

	while (n < 16 && t->column[n])
		n++;
	column %= n;
	for (unsigned i = 0; i < n; i++)
		(void)snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "", i == column ? "?1" : t->column[i]);
	if (kind & 0x80 && strcmp(t->name, "state") != 0)
		(void)snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO %s SELECT %s FROM %s ORDER BY %s LIMIT 1 OFFSET %u", t->name, list,
			t->name, t->key, row % 32);
	else
		(void)snprintf(sql, sizeof(sql), "UPDATE OR IGNORE %s SET %s=?1 WHERE (%s) IN (SELECT %s FROM %s ORDER BY %s LIMIT 1 OFFSET %u)",
			t->name, t->column[column], t->key, t->key, t->name, t->key, row % 32);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
		abort();
	}
	bind(st, in, kind & 0x7f);
	(void)sqlite3_step(st);
	(void)sqlite3_finalize(st);
}

/* ---- sums made right ---- */

static void entry_sum(sqlite3_context *c, int n, sqlite3_value **v)
{
	struct store_entry e = {
		.seq = (uint64_t)sqlite3_value_int64(v[2]), .kind = (enum store_kind)sqlite3_value_int(v[3]),
		.mode = (uint32_t)sqlite3_value_int64(v[4]), .size = (uint64_t)sqlite3_value_int64(v[5]),
		.mtime_ns = sqlite3_value_int64(v[6]), .flags = (uint32_t)sqlite3_value_int64(v[7]),
		.why = (enum store_why)sqlite3_value_int(v[8]),
	};
	const char *name = sqlite3_value_blob(v[1]);

	(void)n;
	if (sqlite3_value_bytes(v[9]) == 20)
		memcpy(e.oid.b, sqlite3_value_blob(v[9]), 20);
	sqlite3_result_int64(c, cat_sum_entry(sqlite3_value_int64(v[0]),
		sqlite3_value_int(v[10]) ? NULL : name ? name : "", (size_t)sqlite3_value_bytes(v[1]), &e));
}

static void snapshot_sum(sqlite3_context *c, int n, sqlite3_value **v)
{
	struct store_snapshot sn = {
		.seq = (uint64_t)sqlite3_value_int64(v[0]), .time_ns = sqlite3_value_int64(v[3]),
		.reason = (enum store_reason)sqlite3_value_int(v[4]), .flags = (uint32_t)sqlite3_value_int64(v[5]),
		.changed = (uint64_t)sqlite3_value_int64(v[6]), .added_bytes = (uint64_t)sqlite3_value_int64(v[7]),
	};
	const char *text = (const char *)sqlite3_value_text(v[9]);

	(void)n;
	if (sqlite3_value_bytes(v[1]) == 20)
		memcpy(sn.id.b, sqlite3_value_blob(v[1]), 20);
	if (sqlite3_value_bytes(v[2]) == 20)
		memcpy(sn.tree.b, sqlite3_value_blob(v[2]), 20);
	sn.message = (char *)(uintptr_t)(text ? text : "");
	sqlite3_result_int64(c, cat_sum_snapshot(&sn, (loc_t)sqlite3_value_int64(v[8])));
}

static void mark_sum(sqlite3_context *c, int n, sqlite3_value **v)
{
	const char *name = (const char *)sqlite3_value_text(v[0]);

	(void)n;
	sqlite3_result_int64(c, cat_sum_mark(name ? name : "", (uint64_t)sqlite3_value_int64(v[1])));
}

static void state_sum(sqlite3_context *c, int n, sqlite3_value **v)
{
	struct log_pos pos = { (uint32_t)sqlite3_value_int64(v[0]), (uint64_t)sqlite3_value_int64(v[1]) };

	(void)n;
	sqlite3_result_int64(c, cat_sum_state(pos, sqlite3_value_int64(v[2]), (uint64_t)sqlite3_value_int64(v[3]), sqlite3_value_int(v[4])));
}

static void fix(sqlite3 *db)
{
	sqlite3_create_function(db, "entry_sum", 11, SQLITE_UTF8, NULL, entry_sum, NULL, NULL);
	sqlite3_create_function(db, "snapshot_sum", 10, SQLITE_UTF8, NULL, snapshot_sum, NULL, NULL);
	sqlite3_create_function(db, "mark_sum", 2, SQLITE_UTF8, NULL, mark_sum, NULL, NULL);
	sqlite3_create_function(db, "state_sum", 5, SQLITE_UTF8, NULL, state_sum, NULL, NULL);
	check(sqlite3_exec(db, "UPDATE path SET sum=entry_sum(dir, name, seq, kind, mode, size, mtime, flags, why, oid, 0);"
		"UPDATE version SET sum=entry_sum(path, x'', seq, kind, mode, size, mtime, flags, why, x'', 1);"
		"UPDATE snapshot SET sum=snapshot_sum(seq, id, tree, time, reason, flags, changed, added, loc, message);"
		"UPDATE mark SET sum=mark_sum(name, seq);"
		"UPDATE state SET sum=state_sum(seg, off, next, seq, lossy)", NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(db));
}

static void make_hostile(struct input *in)
{
	char path[300];
	const char *vfs;
	sqlite3 *db;

	(void)snprintf(path, sizeof(path), "%s/catalogue.db", work);
	check(pagesum_init(&vfs) == 0 && sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, vfs) == SQLITE_OK, "no catalogue");
	(void)sqlite3_exec(db, "PRAGMA synchronous=OFF; BEGIN", NULL, NULL, NULL);
	for (int n = 0; in->p < in->end && n < 16; n++)
		change(db, in);
	if (fixed)
		fix(db);
	check(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK, "no commit");
	(void)sqlite3_close(db);
}

/* ---- what comes out ---- */

struct looking { struct store *s; const struct truth *t; size_t seen; bool all; };

static const struct truth *truth_of(uint64_t seq)
{
	for (size_t i = 0; i < n_truth; i++)
		if (truth[i].sn.seq == seq)
			return &truth[i];
	return NULL;
}

static int look_entry(const char *path, const struct store_entry *e, void *arg)
{
	struct looking *l = arg;
	autoput(buf_release) struct buf b = BUF_INIT;
	struct oid id;

	check(!strstr(path, "../") && *path != '/', "a path that leads out");
	if (e->kind != KIND_FILE && e->kind != KIND_LINK)
		return 0;
	if (store_read_blob(l->s, &e->oid, 1 << 20, &b) < 0) {
		check(!l->all, "a content is gone");
		return 0;
	}
	store_hash("blob", b.data ? b.data : "", b.len, &id);
	check(oid_eq(&id, &e->oid), "bytes that are not those of the id");
	for (size_t i = 0; l->t && i < l->t->n; i++)
		if (!strcmp(l->t->x[i].path, path)) {
			check((fixed && !l->all) || (b.len == l->t->x[i].len && !memcmp(b.data, l->t->x[i].bytes, b.len)), "other bytes");
			check(!l->all || (l->t->x[i].e.mode == e->mode && l->t->x[i].e.mtime_ns == e->mtime_ns), "another entry");
			l->seen++;
			return 0;
		}
	check(fixed && !l->all, "a file that was not there");
	return 0;
}

static int look_snapshot(const struct store_snapshot *sn, void *arg)
{
	const struct truth *t = truth_of(sn->seq);

	(void)arg;
	if (!fixed && t)
		check(oid_eq(&t->sn.id, &sn->id) && t->sn.time_ns == sn->time_ns && !strcmp(t->sn.message, sn->message), "another snapshot");
	return 0;
}

/* all: nothing may be missing. */
static void look(struct store *s, bool all)
{
	struct store_verify v = { .all = true };
	int r = store_list(s, 0, look_snapshot, NULL);

	check(!all || r == 0, "no list");
	for (size_t i = 0; i < n_truth; i++) {
		struct looking l = { s, &truth[i], 0, all };
		struct store_snapshot sn;
		size_t files = 0;

		if (store_by_seq(s, truth[i].sn.seq, &sn) < 0) {
			check(!all, "a snapshot is gone");
			continue;
		}
		check(!all || (oid_eq(&sn.id, &truth[i].sn.id) && oid_eq(&sn.tree, &truth[i].sn.tree)), "another snapshot");
		store_snapshot_release(&sn);
		r = store_walk_at(s, truth[i].sn.seq, "", look_entry, &l);
		for (size_t k = 0; k < truth[i].n; k++)
			files += truth[i].x[k].e.kind == KIND_FILE || truth[i].x[k].e.kind == KIND_LINK;
		check(!all || (r == 0 && l.seen == files), "files are gone");
	}
	r = store_verify(s, &v);
	check(!all || r == 0, "verify finds something");
}

static int work_on(struct store *s, bool prune)
{
	struct store_prune_options o = { .now_ns = START + 20 * HOUR, .keep = { .all_s = 1000 * 3600 }, .min_dead = 1 };
	struct store_commit how = { .reason = REASON_MANUAL, .time_ns = START + 19 * HOUR, .force = true };
	struct store_prune *p;
	struct store_txn *t;
	int r = store_txn_begin(s, &t);

	if (r < 0)
		return r;
	if ((r = put(t, "new", 3, how.time_ns)) < 0) {
		store_txn_abort(t);
		return r;
	}
	r = store_txn_commit(t, &how, NULL);
	if (prune && store_prune_begin(s, &o, &p) == 0) {
		(void)store_prune_step(p, 0);
		store_prune_end(p, NULL);
	}
	return r;
}

static void look_new(struct store *s)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	autoput(buf_release) struct buf b = BUF_INIT;
	struct store_entry e;

	check(store_newest(s, &sn) == 0 && sn.reason == REASON_MANUAL && store_entry_at(s, sn.seq, "new", &e) == 0 &&
		store_read_blob(s, &e.oid, 4096, &b) == 0 && b.len > 100 && strstr(b.data, "of new, version 3"),
		"what was acknowledged is gone");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct store *s;
	uint8_t how;
	int new = -1;

	if (!size || size > 512)
		return 0;
	if (!*base)
		build();
	how = byte(&in);
	fixed = how & FIX;
	empty(work);
	copy(base, work);
	make_hostile(&in);
	if ((s = open_it(work, STORE_READ))) {
		look(s, false);
		store_close(s);
	}
	if ((s = open_it(work, STORE_WRITE))) {
		new = work_on(s, how & PRUNE);
		store_close(s);
	}
	if (new == 1 && !fixed && (s = open_it(work, STORE_READ))) {
		look(s, false);
		look_new(s);
		store_close(s);
	}
	for (int i = 0; i < 3; i++) {
		char path[300];

		(void)snprintf(path, sizeof(path), "%s/catalogue.db%s", work, i == 0 ? "" : i == 1 ? "-wal" : "-shm");
		(void)unlink(path);
	}
	check((s = open_it(work, STORE_READ)) != NULL, "it cannot be opened without");
	look(s, true);
	if (new == 1)
		look_new(s);
	store_close(s);
	return 0;
}
