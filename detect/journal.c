#include "detect/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "detect/detect.h"
#include "lib/auto.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/log.h"

#define SCHEMA 1
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

enum { BUSY_MS = 5000, SAMPLE_BYTES = 80, EVENT_MAX_SAMPLES = 512 };

static const char schema[] =
	"BEGIN IMMEDIATE;"
	"PRAGMA user_version=" TEXT(
		SCHEMA) ";"
			"CREATE TABLE event(row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind "
			"INTEGER, time INTEGER, pid INTEGER,"
			" ppid INTEGER, start INTEGER, role TEXT, family TEXT, name TEXT, command "
			"TEXT, place TEXT, run TEXT, cause TEXT,"
			" confidence TEXT, text TEXT, unwanted INTEGER, until INTEGER, code "
			"INTEGER, signal INTEGER, core INTEGER, peak INTEGER,"
			" evidence TEXT, note TEXT, samples BLOB, fact TEXT, due INTEGER, told "
			"INTEGER);"
			"CREATE INDEX event_time ON event(time);"
			"CREATE INDEX event_due ON event(due) WHERE fact IS NOT NULL;"
			"CREATE TABLE link(event TEXT NOT NULL, workspace TEXT NOT NULL, store "
			"TEXT, before TEXT, before_ms INTEGER,"
			" after TEXT, after_ms INTEGER, PRIMARY KEY(event, workspace)) WITHOUT "
			"ROWID;"
			"COMMIT";

struct journal {
	sqlite3 *db;
	bool begun; /* by journal_batch_begin */
};

static int check(const struct journal *j, int rc)
{
	return rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW
		       ? 0
		       : err_from_sqlite(sqlite3_extended_errcode(j->db));
}

static int exec(struct journal *j, const char *sql)
{
	return check(j, sqlite3_exec(j->db, sql, NULL, NULL, NULL));
}

static void finalize(sqlite3_stmt **st)
{
	(void)sqlite3_finalize(*st);
}

#define autostmt autoput(finalize) sqlite3_stmt *

static int prepare(struct journal *j, const char *sql, sqlite3_stmt **ret)
{
	return check(j, sqlite3_prepare_v2(j->db, sql, -1, ret, NULL));
}

/* ---- opening ---- */

static int schema_version(struct journal *j, int *ret)
{
	autostmt st = NULL;
	int r = prepare(j, "PRAGMA user_version", &st);

	if (r == 0 && sqlite3_step(st) != SQLITE_ROW)
		r = check(j, sqlite3_errcode(j->db));
	if (r == 0)
		*ret = sqlite3_column_int(st, 0);
	return r;
}

static int make_schema(struct journal *j)
{
	int r = exec(j, schema), v = 0;

	if (r == 0)
		return 0;
	(void)exec(j, "ROLLBACK");
	/* Another writer may have been first. */
	return schema_version(j, &v) == 0 && v == SCHEMA ? 0 : r;
}

static int try_open(int dirfd, const char *name, bool write, struct journal *j)
{
	char path[128];
	int v = 0, r;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	if (sqlite3_open_v2(path, &j->db,
		    (write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX,
		    NULL) != SQLITE_OK)
		return err_from_sqlite(sqlite3_extended_errcode(j->db));
	(void)sqlite3_busy_timeout(j->db, BUSY_MS);
	if (write && (r = exec(j, "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA; PRAGMA "
				  "cache_size=-512")) < 0)
		return r;
	if ((r = schema_version(j, &v)) < 0)
		return r;
	if (v == 0)
		return write ? make_schema(j) : -ENOENT; /* made, but nothing in it yet */
	return v == SCHEMA ? 0 : v > SCHEMA ? -ENOTSUP : -EBADMSG;
}

static void close_db(struct journal *j)
{
	(void)sqlite3_close_v2(j->db);
	j->db = NULL;
}

/* The record of old crashes must not hide the newest. */
static int set_aside(int dirfd, char name[static 64])
{
	char stamp[32];
	time_t now = time(NULL);
	struct tm tm;

	(void)strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	(void)snprintf(name, 64, DETECT_JOURNAL ".bad-%s", stamp);
	if (renameat(dirfd, DETECT_JOURNAL, dirfd, name) < 0)
		return -errno;
	(void)unlinkat(dirfd, DETECT_JOURNAL "-journal",
		0); /* of the file that went: must not be played into a new one */
	log_warn(DETECT_JOURNAL ": damaged; it is kept as %s and a new one begun", name);
	return 0;
}

static int create_file(int dirfd)
{
	int fd = openat(dirfd, DETECT_JOURNAL, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) /* SQLite would make it with the umask's mode */
		return -errno;
	(void)close(fd);
	return 0;
}

int journal_open(int state_dirfd, bool write, struct journal **ret)
{
	struct journal *j = calloc(1, sizeof(*j));
	char name[64];
	int r;

	if (!j)
		return -ENOMEM;
	if (write)
		r = create_file(state_dirfd);
	else
		r = faccessat(state_dirfd, DETECT_JOURNAL, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? -errno
											  : 0;
	if (r == 0)
		r = try_open(state_dirfd, DETECT_JOURNAL, write, j);
	if (r == -EBADMSG && write) {
		close_db(j);
		r = set_aside(state_dirfd, name);
		if (r == 0)
			r = create_file(state_dirfd);
		if (r == 0)
			r = try_open(state_dirfd, DETECT_JOURNAL, write, j);
	}
	if (r < 0) {
		journal_close(j);
		return r;
	}
	*ret = j;
	return 0;
}

void journal_close(struct journal *j)
{
	if (j)
		close_db(j);
	free(j);
}

/* ---- readings as bytes ---- */

static int pack(const struct sample *s, unsigned n, struct buf *b)
{
	int r = 0;

	for (unsigned i = 0; i < n && r == 0; i++) {
		const uint64_t v[] = { s[i].real_ms, s[i].total, s[i].available, s[i].swap_total,
			s[i].swap_free, s[i].gpu_total, s[i].gpu_used, s[i].editor, s[i].training,
			(uint64_t)s[i].psi_full10 | (uint64_t)s[i].cpu_busy << 16 |
				(uint64_t)s[i].risk << 32 | (uint64_t)s[i].gpu_busy << 40 |
				(uint64_t)s[i].gpu_celsius << 48 };

		for (size_t k = 0; k < sizeof(v) / sizeof(*v) && r == 0; k++)
			r = buf_add_u64(b, v[k]);
	}
	return r;
}

static int unpack(const void *p, size_t n, struct sample **ret, unsigned *ret_n)
{
	struct cursor c = { p, n ? (const uint8_t *)p + n : p, 0 };
	unsigned count = (unsigned)(n / SAMPLE_BYTES);
	struct sample *s = calloc(count ? count : 1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		uint64_t small;

		s[i] = (struct sample){
			.real_ms = cur_u64(&c),
		};
		s[i].total = cur_u64(&c);
		s[i].available = cur_u64(&c);
		s[i].swap_total = cur_u64(&c);
		s[i].swap_free = cur_u64(&c);
		s[i].gpu_total = cur_u64(&c);
		s[i].gpu_used = cur_u64(&c);
		s[i].editor = cur_u64(&c);
		s[i].training = cur_u64(&c);
		small = cur_u64(&c);
		s[i].psi_full10 = (uint16_t)small;
		s[i].cpu_busy = (uint16_t)(small >> 16);
		s[i].risk = (uint8_t)(small >> 32);
		s[i].gpu_busy = (uint8_t)(small >> 40);
		s[i].gpu_celsius = (uint8_t)(small >> 48);
	}
	*ret = s;
	*ret_n = count;
	return 0;
}

/* ---- writing ---- */

static void bind_text(sqlite3_stmt *st, int i, const char *s)
{
	if (s)
		(void)sqlite3_bind_text(st, i, s, -1, SQLITE_STATIC);
}

static void bind_some(sqlite3_stmt *st, int i, int64_t v)
{
	if (v >= 0)
		(void)sqlite3_bind_int64(st, i, v);
}

static int bind_verdict(sqlite3_stmt *st, const struct journal_event *ev)
{
	bind_text(st, 1, ev->id);
	bind_text(st, 2, ev->cause);
	bind_text(st, 3, ev->confidence);
	bind_text(st, 4, ev->text);
	(void)sqlite3_bind_int(st, 5, ev->unwanted);
	bind_text(st, 6, ev->evidence);
	bind_text(st, 7, ev->note);
	bind_text(st, 8, ev->fact);
	return sqlite3_bind_int64(st, 9, (int64_t)ev->due_ms);
}

static int insert_event(
	struct journal *j, const struct journal_event *ev, const struct buf *samples)
{
	autostmt st = NULL;
	int r = prepare(j,
		"INSERT OR IGNORE INTO event(id, cause, confidence, text, unwanted, evidence, "
		"note, fact, due, kind,"
		" time, pid, ppid, start, role, family, name, command, place, run, until, code, "
		"signal, core, peak, samples)"
		" VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
		&st);

	if (r < 0)
		return r;
	(void)bind_verdict(st, ev);
	(void)sqlite3_bind_int(st, 10, ev->kind);
	(void)sqlite3_bind_int64(st, 11, (int64_t)ev->real_ms);
	bind_some(st, 12, ev->pid);
	bind_some(st, 13, ev->ppid);
	(void)sqlite3_bind_int64(st, 14, (int64_t)ev->start);
	bind_text(st, 15, ev->role);
	bind_text(st, 16, ev->family);
	bind_text(st, 17, ev->name);
	bind_text(st, 18, ev->command);
	bind_text(st, 19, ev->place);
	bind_text(st, 20, ev->run);
	(void)sqlite3_bind_int64(st, 21, (int64_t)ev->until_ms);
	bind_some(st, 22, ev->code);
	bind_some(st, 23, ev->signal);
	(void)sqlite3_bind_int(st, 24, ev->core);
	(void)sqlite3_bind_int64(st, 25, (int64_t)ev->peak);
	if (samples->len)
		(void)sqlite3_bind_blob64(st, 26, samples->data, samples->len, SQLITE_STATIC);
	return check(j, sqlite3_step(st));
}

static int insert_link(struct journal *j, const char *id, const struct journal_link *l)
{
	autostmt st = NULL;
	int r = prepare(j, "INSERT OR REPLACE INTO link VALUES(?,?,?,?,?,?,?)", &st);

	if (r < 0)
		return r;
	bind_text(st, 1, id);
	bind_text(st, 2, l->workspace);
	bind_text(st, 3, l->store);
	bind_text(st, 4, l->before);
	(void)sqlite3_bind_int64(st, 5, (int64_t)l->before_ms);
	bind_text(st, 6, l->after);
	(void)sqlite3_bind_int64(st, 7, (int64_t)l->after_ms);
	return check(j, sqlite3_step(st));
}

int journal_batch_begin(struct journal *j)
{
	int r = exec(j, "BEGIN IMMEDIATE");

	j->begun = r == 0;
	return r;
}

int journal_batch_commit(struct journal *j)
{
	int r = exec(j, "COMMIT");

	if (r == 0)
		j->begun = false;
	else
		journal_batch_abort(j);
	return r;
}

void journal_batch_abort(struct journal *j)
{
	if (j->begun)
		(void)exec(j, "ROLLBACK");
	j->begun = false;
}

int journal_add(struct journal *j, struct journal_event *ev)
{
	autoput(buf_release) struct buf samples = BUF_INIT;
	unsigned n = ev->n_sample < EVENT_MAX_SAMPLES ? ev->n_sample : EVENT_MAX_SAMPLES;
	int r = pack(ev->sample + (ev->n_sample - n), n, &samples);

	if (r == 0 && !j->begun)
		r = exec(j, "BEGIN IMMEDIATE");
	if (r < 0)
		return r;
	r = insert_event(j, ev, &samples);
	if (r == 0 && sqlite3_changes(j->db) > 0)
		ev->row = sqlite3_last_insert_rowid(j->db);
	for (unsigned i = 0; i < ev->n_link && r == 0; i++)
		r = insert_link(j, ev->id, &ev->link[i]);
	if (j->begun)
		return r;
	if (r == 0)
		r = exec(j, "COMMIT");
	if (r < 0)
		(void)exec(j, "ROLLBACK");
	return r;
}

int journal_complete(struct journal *j, const struct journal_event *ev)
{
	autostmt st = NULL;
	int r = prepare(j,
		"UPDATE event SET cause=?2, confidence=?3, text=?4, unwanted=?5, evidence=?6, "
		"note=?7, fact=?8,"
		" due=?9 WHERE id=?1 AND fact IS NOT NULL",
		&st);

	if (r < 0)
		return r;
	(void)bind_verdict(st, ev);
	return check(j, sqlite3_step(st));
}

int journal_told_since(struct journal *j, uint64_t since_ms, unsigned *ret)
{
	autostmt st = NULL;
	int r = prepare(j, "SELECT count(*) FROM event WHERE told>=?", &st);

	if (r < 0)
		return r;
	(void)sqlite3_bind_int64(st, 1, (int64_t)since_ms);
	r = check(j, sqlite3_step(st));
	*ret = (unsigned)sqlite3_column_int64(st, 0);
	return r;
}

int journal_tell(struct journal *j, const char *id, uint64_t at_ms)
{
	autostmt st = NULL;
	int r = prepare(j, "UPDATE event SET told=?2 WHERE id=?1 AND told IS NULL", &st);

	if (r < 0)
		return r;
	bind_text(st, 1, id);
	(void)sqlite3_bind_int64(st, 2, (int64_t)at_ms);
	r = check(j, sqlite3_step(st));
	return r < 0 ? r : sqlite3_changes(j->db) > 0;
}

int journal_add_link(struct journal *j, const char *id, const struct journal_link *l)
{
	return insert_link(j, id, l);
}

/* ---- reading ---- */

static const char *text_of(sqlite3_stmt *st, int i)
{
	return (const char *)sqlite3_column_text(st, i); /* valid until the next step */
}

static int64_t some_of(sqlite3_stmt *st, int i)
{
	return sqlite3_column_type(st, i) == SQLITE_NULL ? -1 : sqlite3_column_int64(st, i);
}

static void copy_id(char *to, size_t n, const char *from)
{
	(void)snprintf(to, n, "%s", from ? from : "");
}

static void free_links(struct journal_event *ev)
{
	for (unsigned i = 0; i < ev->n_link; i++) {
		free(ev->link[i].workspace);
		free(ev->link[i].store);
	}
	free(ev->link);
	ev->link = NULL;
	ev->n_link = 0;
}

static int add_link_row(struct journal_event *ev, sqlite3_stmt *st)
{
	struct journal_link *all = realloc(ev->link, (ev->n_link + 1) * sizeof(*all)), *l;
	const char *workspace = text_of(st, 0), *store = text_of(st, 1);

	if (!all)
		return -ENOMEM;
	ev->link = all;
	l = &all[ev->n_link];
	*l = (struct journal_link){ .before_ms = (uint64_t)sqlite3_column_int64(st, 3),
		.after_ms = (uint64_t)sqlite3_column_int64(st, 5) };
	l->workspace = strdup(workspace ? workspace : "");
	l->store = strdup(store ? store : "");
	copy_id(l->before, sizeof(l->before), text_of(st, 2));
	copy_id(l->after, sizeof(l->after), text_of(st, 4));
	ev->n_link++;
	return l->workspace && l->store ? 0 : -ENOMEM;
}

static int load_links(struct journal *j, struct journal_event *ev)
{
	autostmt st = NULL;
	int r = prepare(j,
		    "SELECT workspace, store, before, before_ms, after, after_ms FROM link WHERE "
		    "event=?",
		    &st),
	    rc;

	if (r < 0)
		return r;
	bind_text(st, 1, ev->id);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		if ((r = add_link_row(ev, st)) < 0)
			return r;
	return check(j, rc);
}

static int row_event(struct journal *j, const struct journal_filter *f, sqlite3_stmt *st,
	struct journal_event *ev)
{
	*ev = (struct journal_event){ .row = sqlite3_column_int64(st, 0),
		.kind = (enum journal_kind)sqlite3_column_int(st, 2),
		.real_ms = (uint64_t)sqlite3_column_int64(st, 3),
		.pid = some_of(st, 4),
		.ppid = some_of(st, 5),
		.start = (uint64_t)sqlite3_column_int64(st, 6),
		.role = text_of(st, 7),
		.family = text_of(st, 8),
		.name = text_of(st, 9),
		.command = text_of(st, 10),
		.place = text_of(st, 11),
		.run = text_of(st, 12),
		.cause = text_of(st, 13),
		.confidence = text_of(st, 14),
		.text = text_of(st, 15),
		.unwanted = sqlite3_column_int(st, 16) != 0,
		.until_ms = (uint64_t)sqlite3_column_int64(st, 17),
		.code = (int)some_of(st, 18),
		.signal = (int)some_of(st, 19),
		.core = sqlite3_column_int(st, 20) != 0,
		.peak = (uint64_t)sqlite3_column_int64(st, 21),
		.evidence = text_of(st, 22),
		.note = text_of(st, 23),
		.fact = text_of(st, 24),
		.due_ms = (uint64_t)sqlite3_column_int64(st, 25) };
	copy_id(ev->id, sizeof(ev->id), text_of(st, 1));
	if (f->samples) {
		int r = unpack(sqlite3_column_blob(st, 26), (size_t)sqlite3_column_bytes(st, 26),
			&ev->sample, &ev->n_sample);

		if (r < 0)
			return r;
	}
	return load_links(j, ev);
}

static int prepare_each(struct journal *j, const struct journal_filter *f, sqlite3_stmt **ret)
{
	int r = prepare(j,
		"SELECT row, id, kind, time, pid, ppid, start, role, family, name, command, place, "
		"run, cause,"
		" confidence, text, unwanted, until, code, signal, core, peak, evidence, note, "
		"fact, due, samples FROM event"
		" WHERE time>=?1 AND time<=?2 AND (?3=0 OR (?3>>kind)&1) AND (?7=0 OR fact IS NOT "
		"NULL)"
		" AND (?4=0 OR unwanted) AND (?5 IS NULL OR EXISTS(SELECT 1 FROM link WHERE "
		"event=event.id AND workspace=?5))"
		" ORDER BY time DESC, row DESC LIMIT ?6",
		ret);

	if (r < 0)
		return r;
	(void)sqlite3_bind_int64(*ret, 1, (int64_t)f->from_ms);
	(void)sqlite3_bind_int64(*ret, 2, f->to_ms ? (int64_t)f->to_ms : INT64_MAX);
	(void)sqlite3_bind_int64(*ret, 3, f->kinds);
	(void)sqlite3_bind_int(*ret, 4, f->crashes_only);
	bind_text(*ret, 5, f->workspace);
	(void)sqlite3_bind_int64(*ret, 6, f->limit ? (int64_t)f->limit : -1);
	(void)sqlite3_bind_int(*ret, 7, f->unfinished);
	return 0;
}

int journal_each(struct journal *j, const struct journal_filter *f,
	int (*fn)(const struct journal_event *ev, void *arg), void *arg)
{
	autostmt st = NULL;
	int r = prepare_each(j, f, &st), rc;

	if (r < 0)
		return r;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct journal_event ev;

		r = row_event(j, f, st, &ev);
		if (r == 0)
			r = fn(&ev, arg);
		free_links(&ev);
		free(ev.sample);
		if (r != 0)
			return r;
	}
	return check(j, rc);
}

/* ---- the latest crash ---- */

enum { TOGETHER_MS = 15000 }; /* what ends within this time of each other is one crash */

struct choice {
	int64_t row, rank;
	uint64_t time;
	unsigned n;
	const char *prefix;
	int (*fn)(const struct journal_event *ev, void *arg);
	void *arg;
};

static int rank(const struct journal_event *ev)
{
	static const char *const role[] = { "worker", "run", "kernel", "launcher", "renderer",
		"server-child", "server", "main" };

	if (ev->kind == J_MACHINE)
		return 100;
	for (int i = 0; ev->role && i < (int)(sizeof(role) / sizeof(*role)); i++)
		if (strcmp(ev->role, role[i]) == 0)
			return i + 1;
	return 0;
}

static int choose(const struct journal_event *ev, void *arg)
{
	struct choice *c = arg;

	if (c->n++ == 0 || rank(ev) > c->rank) {
		c->row = ev->row;
		c->rank = rank(ev);
	}
	return 0;
}

static int newest(const struct journal_event *ev, void *arg)
{
	struct choice *c = arg;

	c->time = ev->real_ms;
	return 1;
}

static int by_prefix(const struct journal_event *ev, void *arg)
{
	struct choice *c = arg;

	if (strncmp(ev->id, c->prefix, strlen(c->prefix)) != 0)
		return 0;
	c->row = ev->row;
	c->n++;
	return strcmp(ev->id, c->prefix) == 0;
}

static int call(const struct journal_event *ev, void *arg)
{
	struct choice *c = arg;
	int r;

	if (ev->row != c->row)
		return 0;
	r = c->fn(ev, c->arg);
	return r ? r : 1;
}

int journal_crash(struct journal *j, const char *id,
	int (*fn)(const struct journal_event *ev, void *arg), void *arg)
{
	struct journal_filter f = { .crashes_only = true, .limit = 1 };
	struct choice c = { .prefix = id, .fn = fn, .arg = arg };
	int r;

	if (id) {
		if (strlen(id) < 4)
			return 0;
		f = (struct journal_filter){ 0 };
		r = journal_each(j, &f, by_prefix, &c);
		if (r == 0 && c.n > 1)
			return -ENOTUNIQ;
	} else {
		r = journal_each(j, &f, newest, &c);
		if (r <= 0)
			return r;
		f.from_ms = c.time > TOGETHER_MS ? c.time - TOGETHER_MS : 0;
		f.limit = 0;
		r = journal_each(j, &f, choose, &c);
	}
	if (r < 0 || c.n == 0)
		return r < 0 ? r : 0;
	f.samples = true;
	return journal_each(j, &f, call, &c);
}

/* ---- a copy ---- */

static const char **strings(struct journal_event *ev, unsigned i)
{
	const char **const all[] = { &ev->role, &ev->name, &ev->cause, &ev->confidence, &ev->family,
		&ev->command, &ev->place, &ev->run, &ev->text, &ev->evidence, &ev->note,
		&ev->fact };

	return i < sizeof(all) / sizeof(*all) ? all[i] : NULL;
}

void journal_event_release(struct journal_event *ev)
{
	const char **s;

	for (unsigned i = 0; (s = strings(ev, i)); i++) {
		free((char *)(uintptr_t)*s);
		*s = NULL;
	}
	free_links(ev);
	free(ev->sample);
	ev->sample = NULL;
	ev->n_sample = 0;
}

static int copy_arrays(const struct journal_event *from, struct journal_event *to)
{
	to->link = calloc(from->n_link + 1, sizeof(*to->link));
	to->sample = calloc(from->n_sample + 1, sizeof(*to->sample));
	if (!to->link || !to->sample)
		return -ENOMEM;
	for (; to->n_link < from->n_link; to->n_link++) {
		const struct journal_link *l = &from->link[to->n_link];
		struct journal_link *c = &to->link[to->n_link];

		*c = *l;
		c->workspace = strdup(l->workspace);
		c->store = strdup(l->store);
		if (!c->workspace || !c->store) {
			to->n_link++;
			return -ENOMEM;
		}
	}
	if (from->n_sample)
		memcpy(to->sample, from->sample, from->n_sample * sizeof(*to->sample));
	to->n_sample = from->n_sample;
	return 0;
}

int journal_event_copy(const struct journal_event *ev, struct journal_event *ret)
{
	struct journal_event c = *ev;
	const char **s;
	int r = 0;

	c.link = NULL;
	c.sample = NULL;
	c.n_link = c.n_sample = 0;
	for (unsigned i = 0; (s = strings(&c, i)); i++) {
		const char *from = *s;

		*s = from ? strdup(from) : NULL;
		if (from && !*s)
			r = -ENOMEM;
	}
	if (r == 0)
		r = copy_arrays(ev, &c);
	if (r < 0) {
		journal_event_release(&c);
		return r;
	}
	*ret = c;
	return 0;
}

/* ---- quota ---- */

static int salvage(const struct journal_event *ev, void *arg)
{
	struct journal_event copy = *ev;
	int r;

	copy.row = 0;
	r = journal_add(arg, &copy);
	for (unsigned i = 0; i < ev->n_link && r == 0; i++)
		r = journal_add_link(arg, ev->id, &ev->link[i]);
	return r;
}

int journal_renew(int dirfd)
{
	struct journal_filter all = { .samples = true };
	struct journal old = { 0 }, *j = NULL;
	char name[64];
	int r = set_aside(dirfd, name), damage;

	if (r == 0)
		r = journal_open(dirfd, true, &j);
	if (r < 0)
		return r;
	r = journal_batch_begin(j);
	damage = try_open(dirfd, name, false, &old);
	/* Newest first, up to where the damage is. */
	if (r == 0 && damage == 0)
		damage = journal_each(&old, &all, salvage, j);
	if (r == 0)
		r = journal_batch_commit(j);
	if (damage < 0)
		log_warn(DETECT_JOURNAL ": not all of the old one could be read");
	close_db(&old);
	journal_close(j);
	return r;
}

static int pragma_u64(struct journal *j, const char *sql, uint64_t *ret)
{
	autostmt st = NULL;
	int r = prepare(j, sql, &st);

	if (r == 0 && sqlite3_step(st) != SQLITE_ROW)
		r = check(j, sqlite3_errcode(j->db));
	if (r == 0)
		*ret = (uint64_t)sqlite3_column_int64(st, 0);
	return r;
}

static int used(struct journal *j, uint64_t *ret)
{
	uint64_t pages = 0, empty = 0, size = 0;
	int r = pragma_u64(j, "PRAGMA page_count", &pages);

	if (r == 0)
		r = pragma_u64(j, "PRAGMA freelist_count", &empty);
	if (r == 0)
		r = pragma_u64(j, "PRAGMA page_size", &size);
	if (r == 0)
		*ret = (pages - empty) * size;
	return r;
}

int journal_trim(struct journal *j, uint64_t quota_bytes)
{
	uint64_t now = 0;
	int r = used(j, &now);
	bool any = false;

	while (r == 0 && now > quota_bytes) {
		int gone;

		/* A sixteenth at a time, the oldest; never the latest crash. */
		r = exec(j, "BEGIN IMMEDIATE;"
			    "DELETE FROM event WHERE row IN (SELECT row FROM event WHERE row IS NOT"
			    " (SELECT row FROM event WHERE unwanted ORDER BY time DESC, row DESC "
			    "LIMIT 1)"
			    " ORDER BY time, row LIMIT (SELECT count(*)/16+1 FROM event))");
		gone = sqlite3_changes(j->db);
		if (r == 0)
			r = exec(j, "DELETE FROM link WHERE event NOT IN (SELECT id FROM event); "
				    "COMMIT");
		if (r < 0) {
			(void)exec(j, "ROLLBACK");
			break;
		}
		if (gone == 0)
			break; /* only the latest crash is left */
		any = true;
		r = used(j, &now);
	}
	if (r == 0 && any)
		r = exec(j, "VACUUM");
	return r;
}
