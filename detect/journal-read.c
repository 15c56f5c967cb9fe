/* Reading the journal: the events that a filter lets through, the latest crash, and copies that
 * outlive the reading. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect/journal-internal.h"
#include "lib/err.h"

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
		s[i].group = (uint8_t)(small >> 56);
	}
	*ret = s;
	*ret_n = count;
	return 0;
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
	for (unsigned i = 0; ev->link && i < ev->n_link; i++) {
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
	int r = journal_prepare(j,
		    "SELECT workspace, store, before, before_ms, after, after_ms FROM link WHERE "
		    "event=?",
		    &st),
	    rc;

	if (r < 0)
		return r;
	(void)sqlite3_bind_text(st, 1, ev->id, -1, SQLITE_STATIC);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		if ((r = add_link_row(ev, st)) < 0)
			return r;
	return journal_check(j, rc);
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

/* Each filter has its own words, so that SQLite finds the index: the judge asks for the few rows that
 * are unfinished, again and again, and must not read years of others for them. */
static int prepare_each(struct journal *j, const struct journal_filter *f, sqlite3_stmt **ret)
{
	char sql[1024], after[64];
	int r;

	(void)snprintf(sql, sizeof(sql),
		"SELECT row, id, kind, time, pid, ppid, start, role, family, name, command, place, "
		"run, cause, confidence, text, unwanted, until, code, signal, core, peak, evidence, "
		"note, fact, due, samples FROM event%s WHERE (?3=0 OR (?3>>kind)&1)%s%s%s%s%s "
		"ORDER BY time DESC, row DESC LIMIT ?6",
		f->unfinished ? " INDEXED BY event_due" : "",
		f->unfinished ? " AND fact IS NOT NULL" : "", f->crashes_only ? " AND unwanted" : "",
		f->id ? " AND id>=?4 AND id<?7" : " AND time>=?1 AND time<=?2",
		f->row ? " AND row=?8" : "",
		f->workspace ? " AND EXISTS(SELECT 1 FROM link WHERE event=event.id AND "
			       "workspace=?5)"
			     : "");
	r = journal_prepare(j, sql, ret);
	if (r < 0)
		return r;
	(void)sqlite3_bind_int64(*ret, 1, (int64_t)f->from_ms);
	(void)sqlite3_bind_int64(*ret, 2, f->to_ms ? (int64_t)f->to_ms : INT64_MAX);
	(void)sqlite3_bind_int64(*ret, 3, f->kinds);
	if (f->id) {
		/* What begins with it is less than it with the last of all letters behind. */
		(void)snprintf(after, sizeof(after), "%.32s\x7f", f->id);
		(void)sqlite3_bind_text(*ret, 4, f->id, -1, SQLITE_STATIC);
		(void)sqlite3_bind_text(*ret, 7, after, -1, SQLITE_TRANSIENT);
	}
	if (f->workspace)
		(void)sqlite3_bind_text(*ret, 5, f->workspace, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(*ret, 6, f->limit ? (int64_t)f->limit : -1);
	(void)sqlite3_bind_int64(*ret, 8, f->row);
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
	return journal_check(j, rc);
}

/* ---- the latest crash ---- */

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	while (n && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]);
}

bool journal_concerns(const struct journal_event *ev, const char *workspace)
{
	if (ev->kind != J_EXIT || ev->family || !ev->place || !*workspace)
		return true;
	if (ev->cause && strcmp(ev->cause, "out-of-memory (kernel)") == 0)
		return true;
	return is_below(ev->place, workspace) || is_below(workspace, ev->place);
}

enum { TOGETHER_MS = 15000 }; /* what ends within this time of each other is one crash */

struct choice {
	int64_t row, rank;
	uint64_t time;
	unsigned n;
	const char *prefix, *workspace;
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

	if (c->workspace && !journal_concerns(ev, c->workspace))
		return 0;
	if (c->n++ == 0 || rank(ev) > c->rank) {
		c->row = ev->row;
		c->rank = rank(ev);
	}
	return 0;
}

static int newest(const struct journal_event *ev, void *arg)
{
	struct choice *c = arg;

	if (c->workspace && !journal_concerns(ev, c->workspace))
		return 0;
	c->time = ev->real_ms;
	return 1;
}

static int by_prefix(const struct journal_event *ev, void *arg)
{
	struct choice *c = arg;

	c->row = ev->row;
	c->n++;
	return strcmp(ev->id, c->prefix) == 0;
}

static int call(const struct journal_event *ev, void *arg)
{
	struct choice *c = arg;
	int r = c->fn(ev, c->arg);

	return r ? r : 1;
}

int journal_crash(struct journal *j, const char *id, const char *workspace,
	int (*fn)(const struct journal_event *ev, void *arg), void *arg)
{
	struct journal_filter f = { .crashes_only = true };
	struct choice c = { .prefix = id, .workspace = workspace, .fn = fn, .arg = arg };
	int r;

	if (id) {
		if (strlen(id) < 4)
			return 0;
		f = (struct journal_filter){ .id = id };
		r = journal_each(j, &f, by_prefix, &c);
		if (r == 0 && c.n > 1)
			return -ENOTUNIQ;
	} else {
		r = journal_each(j, &f, newest, &c);
		if (r <= 0)
			return r;
		f.from_ms = c.time > TOGETHER_MS ? c.time - TOGETHER_MS : 0;
		r = journal_each(j, &f, choose, &c);
	}
	if (r < 0 || c.n == 0)
		return r < 0 ? r : 0;
	f = (struct journal_filter){ .row = c.row, .samples = true };
	return journal_each(j, &f, call, &c);
}

/* ---- a copy ---- */

#define N_STRINGS 12

static const char **strings(struct journal_event *ev, unsigned i)
{
	const char **const all[N_STRINGS] = { &ev->role, &ev->name, &ev->cause, &ev->confidence,
		&ev->family, &ev->command, &ev->place, &ev->run, &ev->text, &ev->evidence,
		&ev->note, &ev->fact };

	return all[i];
}

void journal_event_release(struct journal_event *ev)
{
	const char **s;

	for (unsigned i = 0; i < N_STRINGS; i++) {
		s = strings(ev, i);
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
	for (unsigned i = 0; i < N_STRINGS; i++) {
		const char *from;

		s = strings(&c, i);
		from = *s;
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
