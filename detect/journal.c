/* The journal: opening, and adding to it. journal-read.c reads, journal-trim.c keeps it small. */
#include "detect/journal-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "detect/detect.h"
#include "lib/err.h"
#include "lib/log.h"

#define SCHEMA 1
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

enum { BUSY_MS = 5000, EVENT_MAX_SAMPLES = 512, HOUR_MS = 3600000 };

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

int journal_check(const struct journal *j, int rc)
{
	return rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW
		       ? 0
		       : err_from_sqlite(sqlite3_extended_errcode(j->db));
}

int journal_exec(struct journal *j, const char *sql)
{
	return journal_check(j, sqlite3_exec(j->db, sql, NULL, NULL, NULL));
}

int journal_prepare(struct journal *j, const char *sql, sqlite3_stmt **ret)
{
	return journal_check(j, sqlite3_prepare_v2(j->db, sql, -1, ret, NULL));
}

/* ---- opening ---- */

static int schema_version(struct journal *j, int *ret)
{
	autostmt st = NULL;
	int r = journal_prepare(j, "PRAGMA user_version", &st);

	if (r == 0 && sqlite3_step(st) != SQLITE_ROW)
		r = journal_check(j, sqlite3_errcode(j->db));
	if (r == 0)
		*ret = sqlite3_column_int(st, 0);
	return r;
}

static int make_schema(struct journal *j)
{
	int r = journal_exec(j, schema), v = 0;

	if (r == 0)
		return 0;
	(void)journal_exec(j, "ROLLBACK");
	/* Another writer may have been first. */
	return schema_version(j, &v) == 0 && v == SCHEMA ? 0 : r;
}

int journal_try(int dirfd, const char *name, bool write, struct journal *j)
{
	char path[128];
	int v = 0, r;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	if (sqlite3_open_v2(path, &j->db,
		    (write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX,
		    NULL) != SQLITE_OK)
		return err_from_sqlite(sqlite3_extended_errcode(j->db));
	(void)sqlite3_busy_timeout(j->db, BUSY_MS);
	if (write && (r = journal_exec(j, "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA; PRAGMA "
				  "cache_size=-512")) < 0)
		return r;
	if ((r = schema_version(j, &v)) < 0)
		return r;
	if (v == 0)
		return write ? make_schema(j) : -ENOENT; /* made, but nothing in it yet */
	return v == SCHEMA ? 0 : v > SCHEMA ? -ENOTSUP : -EBADMSG;
}

void journal_close_db(struct journal *j)
{
	(void)sqlite3_close_v2(j->db);
	j->db = NULL;
}

/* The record of old crashes must not hide the newest. */
int journal_set_aside(int dirfd, char name[static 64])
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
		r = journal_try(state_dirfd, DETECT_JOURNAL, write, j);
	if (r == -EBADMSG && write) {
		journal_close_db(j);
		r = journal_set_aside(state_dirfd, name);
		if (r == 0)
			r = create_file(state_dirfd);
		if (r == 0)
			r = journal_try(state_dirfd, DETECT_JOURNAL, write, j);
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
		journal_close_db(j);
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
				(uint64_t)s[i].gpu_celsius << 48 | (uint64_t)s[i].group << 56 };

		for (size_t k = 0; k < sizeof(v) / sizeof(*v) && r == 0; k++)
			r = buf_add_u64(b, v[k]);
	}
	return r;
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
	int r = journal_prepare(j,
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
	return journal_check(j, sqlite3_step(st));
}

static int insert_link(struct journal *j, const char *id, const struct journal_link *l)
{
	autostmt st = NULL;
	int r = journal_prepare(j, "INSERT OR REPLACE INTO link VALUES(?,?,?,?,?,?,?)", &st);

	if (r < 0)
		return r;
	bind_text(st, 1, id);
	bind_text(st, 2, l->workspace);
	bind_text(st, 3, l->store);
	bind_text(st, 4, l->before);
	(void)sqlite3_bind_int64(st, 5, (int64_t)l->before_ms);
	bind_text(st, 6, l->after);
	(void)sqlite3_bind_int64(st, 7, (int64_t)l->after_ms);
	return journal_check(j, sqlite3_step(st));
}

int journal_batch_begin(struct journal *j)
{
	int r = journal_exec(j, "BEGIN IMMEDIATE");

	j->begun = r == 0;
	return r;
}

int journal_batch_commit(struct journal *j)
{
	int r = journal_exec(j, "COMMIT");

	if (r == 0)
		j->begun = false;
	else
		journal_batch_abort(j);
	return r;
}

void journal_batch_abort(struct journal *j)
{
	if (j->begun)
		(void)journal_exec(j, "ROLLBACK");
	j->begun = false;
}

int journal_add(struct journal *j, struct journal_event *ev)
{
	autoput(buf_release) struct buf samples = BUF_INIT;
	unsigned n = ev->n_sample < EVENT_MAX_SAMPLES ? ev->n_sample : EVENT_MAX_SAMPLES;
	int r = pack(ev->sample + (ev->n_sample - n), n, &samples);

	if (r == 0 && !j->begun)
		r = journal_exec(j, "BEGIN IMMEDIATE");
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
		r = journal_exec(j, "COMMIT");
	if (r < 0)
		(void)journal_exec(j, "ROLLBACK");
	return r;
}

int journal_complete(struct journal *j, const struct journal_event *ev)
{
	autostmt st = NULL;
	int r = journal_prepare(j,
		"UPDATE event SET cause=?2, confidence=?3, text=?4, unwanted=?5, evidence=?6, "
		"note=?7, fact=?8,"
		" due=?9 WHERE id=?1 AND fact IS NOT NULL",
		&st);

	if (r < 0)
		return r;
	(void)bind_verdict(st, ev);
	return journal_check(j, sqlite3_step(st));
}

int journal_told_since(struct journal *j, uint64_t since_ms, bool warnings, unsigned *ret)
{
	autostmt st = NULL;
	int r = journal_prepare(j,
		warnings ? "SELECT count(*) FROM event WHERE time>=?2 AND -told>=?1"
			 : "SELECT count(*) FROM event WHERE time>=?2 AND told>=?1",
		&st);

	if (r < 0)
		return r;
	(void)sqlite3_bind_int64(st, 1, (int64_t)since_ms);
	(void)sqlite3_bind_int64(st, 2, (int64_t)(since_ms > HOUR_MS ? since_ms - HOUR_MS : 0));
	r = journal_check(j, sqlite3_step(st));
	*ret = (unsigned)sqlite3_column_int64(st, 0);
	return r;
}

int journal_tell(struct journal *j, const char *id, int64_t at_ms)
{
	autostmt st = NULL;
	int r = journal_prepare(j, "UPDATE event SET told=?2 WHERE id=?1 AND told IS NULL", &st);

	if (r < 0)
		return r;
	bind_text(st, 1, id);
	(void)sqlite3_bind_int64(st, 2, at_ms);
	r = journal_check(j, sqlite3_step(st));
	return r < 0 ? r : sqlite3_changes(j->db) > 0;
}

int journal_add_link(struct journal *j, const char *id, const struct journal_link *l)
{
	return insert_link(j, id, l);
}
