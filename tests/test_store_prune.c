/* Pruning and tidying against a naive model: every snapshot that stays is what it was, byte for byte, and so is
 * the history of every path; whatever happens to the catalogue, in whatever portions the work is
 * done, and with snapshots taken in between. */
#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/auto.h"
#include "store/store.h"
#include "store/tidy.h"

#define S INT64_C(1000000000)
#define PATHS 60
#define MAX 200

struct item { enum store_kind kind; uint32_t mode; int64_t mtime; uint32_t seed, len, edit; };

static struct item now[PATHS], at[MAX + 1][PATHS];
static bool touched[MAX + 1][PATHS];
static int64_t time_of[MAX + 1];
static uint64_t n_snap;
static char dir[300];

/* The first ten are folders with five names each; folders may be files at times. */
static void path_of(int i, char *out)
{
	if (i < 10)
		sprintf(out, "d%d", i);
	else
		sprintf(out, "d%d/f %d\xff", (i - 10) / 5, (i - 10) % 5);
}

static size_t content(const struct item *x, char *p)
{
	uint32_t s = x->seed;

	for (uint32_t k = 0; k < x->len; k++) {
		s = s * 1664525 + 1013904223;
		p[k] = "abcdefghijklmnop"[s >> 28];
	}
	for (uint32_t k = 0; k < x->edit && x->len; k++)
		p[(k * 7919u + x->seed) % x->len] = 'Z';
	p[x->len] = 0;
	return x->len;
}

static void put(struct store_txn *t, int i)
{
	static char bytes[70000];
	const struct item *x = &now[i];
	struct stat st = { .st_mode = x->mode, .st_size = x->len, .st_mtim = { x->mtime / S, x->mtime % S } };
	char path[40];
	int r;

	path_of(i, path);
	content(x, bytes);
	if (x->kind == KIND_FILE)
		r = store_txn_bytes(t, path, &st, bytes, x->len);
	else if (x->kind == KIND_DIR)
		r = store_txn_dir(t, path, &st);
	else
		r = store_txn_gone(t, path);
	ck_assert_int_eq(r, 0);
}

static void touch(int i, bool *what)
{
	what[i] = true;
}

static void change(struct store_txn *t, int i, bool *what)
{
	struct item *x = &now[i], was = *x;

	if (i >= 10 && now[(i - 10) / 5].kind != KIND_DIR)
		return;
	x->mtime = (int64_t)(check_rand() >> 3);
	if (i < 10) {
		x->kind = (enum store_kind)(check_below(6) ? KIND_DIR : check_below(2) ? KIND_GONE : KIND_FILE);
	} else if (x->kind == KIND_FILE && check_below(3)) {
		x->edit++;
	} else {
		x->kind = check_below(4) ? KIND_FILE : KIND_GONE;
		x->seed = (uint32_t)check_below(40);	/* contents come back */
		x->edit = 0;
		x->len = (uint32_t)check_below(check_below(5) ? 400 : 30000);
	}
	x->mode = x->kind == KIND_DIR ? S_IFDIR | 0750 : S_IFREG | (check_below(2) ? 0600 : 0755);
	if (x->kind == KIND_DIR)
		x->len = 0;
	put(t, i);
	if (x->kind != KIND_GONE || was.kind != KIND_GONE)
		touch(i, what);
	if (x->kind == KIND_GONE)
		*x = (struct item){ .kind = KIND_GONE };
	for (int k = 0; i < 10 && x->kind != KIND_DIR && k < 5; k++) {
		int below = 10 + i * 5 + k;

		if (now[below].kind != KIND_GONE)
			touch(below, what);
		now[below] = (struct item){ .kind = KIND_GONE };
	}
}

static void snapshot(struct store *s, int64_t when)
{
	struct store_commit how = { .reason = REASON_INTERVAL, .time_ns = when, .force = true };
	struct store_snapshot sn;
	struct store_txn *t;

	ck_assert_int_eq(store_txn_begin(s, &t), 0);
	memset(touched[n_snap + 1], 0, sizeof(touched[0]));
	for (uint64_t k = 1 + check_below(check_below(10) ? 4 : 60); k > 0; k--)
		change(t, (int)check_below(PATHS), touched[n_snap + 1]);
	ck_assert_int_eq(store_txn_commit(t, &how, &sn), 1);
	ck_assert_uint_eq(sn.seq, ++n_snap);
	memcpy(at[n_snap], now, sizeof(now));
	time_of[n_snap] = when;
	store_snapshot_release(&sn);
}

/* ---- comparing ---- */

struct seen { struct store *s; uint64_t seq; bool met[PATHS]; };

static int index_of(const char *path)
{
	for (int i = 0; i < PATHS; i++) {
		char p[40];

		path_of(i, p);
		if (strcmp(p, path) == 0)
			return i;
	}
	ck_abort_msg("%s: nobody wrote it", path);
	return -1;
}

static void check_bytes(struct store *s, const struct oid *id, const struct item *x)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	static char want[70000];

	content(x, want);
	ck_assert_int_eq(store_read_blob(s, id, 1 << 20, &b), 0);
	ck_assert_uint_eq(b.len, x->len);
	ck_assert(!b.len || memcmp(b.data, want, b.len) == 0);
}

static void check_entry(struct store *s, const struct store_entry *e, const struct item *x)
{
	ck_assert_int_eq(e->kind, x->kind);
	if (x->kind == KIND_GONE)
		return;
	ck_assert_uint_eq(e->mode, x->mode);
	ck_assert_int_eq(e->mtime_ns, x->mtime);
	ck_assert_uint_eq(e->size, x->len);
	if (x->kind == KIND_FILE)
		check_bytes(s, &e->oid, x);
}

static int see(const char *path, const struct store_entry *e, void *arg)
{
	struct seen *x = arg;
	int i = index_of(path);

	check_entry(x->s, e, &at[x->seq][i]);
	x->met[i] = true;
	return 0;
}

static void check_snapshot(struct store *s, uint64_t seq)
{
	struct seen x = { .s = s, .seq = seq };

	ck_assert_int_eq(store_walk_at(s, seq, "", see, &x), 0);
	for (int i = 0; i < PATHS; i++)
		ck_assert_msg(x.met[i] == (at[seq][i].kind != KIND_GONE), "snapshot %d, path %d", (int)seq, i);
}

static uint64_t kept[MAX + 1];
static size_t n_kept;

static int add_kept(const struct store_snapshot *sn, void *arg)
{
	uint64_t *changed = arg;

	ck_assert_int_eq(sn->time_ns, time_of[sn->seq]);
	kept[n_kept++] = sn->seq;
	changed[sn->seq] = sn->changed;
	return 0;
}

/* Did snapshot k (kept, the one before it a; 0 = none) say anything of path i? */
static bool told(uint64_t a, uint64_t k, int i)
{
	bool any = false;

	for (uint64_t q = a + 1; q <= k; q++)
		any |= touched[q][i];
	return any && (at[k][i].kind != KIND_GONE || (a && at[a][i].kind != KIND_GONE));
}

struct hist { struct store *s; int path; size_t at; };

/* The next version must be the next kept snapshot, downwards, that says something. */
static int see_version(const char *path, const struct store_entry *e, void *arg)
{
	struct hist *h = arg;

	(void)path;
	while (h->at < n_kept && !told(h->at + 1 < n_kept ? kept[h->at + 1] : 0, kept[h->at], h->path))
		h->at++;
	ck_assert_uint_lt(h->at, n_kept);
	ck_assert_uint_eq(e->seq, kept[h->at]);
	check_entry(h->s, e, &at[kept[h->at]][h->path]);
	h->at++;
	return 0;
}

struct chg { struct store *s; uint64_t a, k; bool met[PATHS]; };

static int see_change(const char *path, const struct store_entry *e, void *arg)
{
	struct chg *c = arg;
	int i = index_of(path);

	ck_assert_msg(told(c->a, c->k, i), "snapshot %d tells of %s", (int)c->k, path);
	check_entry(c->s, e, &at[c->k][i]);
	c->met[i] = true;
	return 0;
}

static int see_path(const char *path, const struct store_entry *e, void *arg)
{
	int i = index_of(path);

	((bool *)arg)[i] = true;
	ck_assert_int_eq(e->kind, at[n_snap][i].kind);
	return 0;
}

static void fail_damage(const struct store_damage *d, void *arg)
{
	(void)arg;
	ck_abort_msg("%s (%s, %d..%d)", d->what, d->path ? d->path : "-", (int)d->first_seq, (int)d->last_seq);
}

static void check_store(struct store *s)
{
	struct store_verify v = { .all = true, .damage = fail_damage };
	uint64_t changed[MAX + 1] = { 0 };
	bool ever[PATHS] = { false };

	n_kept = 0;
	ck_assert_int_eq(store_list(s, 0, add_kept, changed), 0);
	ck_assert_uint_ge(n_kept, 1);
	ck_assert_uint_eq(kept[0], n_snap);
	for (size_t k = 0; k < n_kept; k++) {
		struct chg c = { s, k + 1 < n_kept ? kept[k + 1] : 0, kept[k], { false } };
		uint64_t n = 0;

		check_snapshot(s, kept[k]);
		ck_assert_int_eq(store_changes(s, kept[k], see_change, &c), 0);
		for (int i = 0; i < PATHS; i++) {
			ck_assert_int_eq(c.met[i], told(c.a, c.k, i));
			n += c.met[i];
		}
		ck_assert_uint_eq(changed[kept[k]], n);
	}
	ck_assert_int_eq(store_paths(s, see_path, ever), 0);
	for (int i = 0; i < PATHS; i++) {
		struct hist h = { s, i, 0 };
		bool want = false;
		char path[40];
		int r;

		for (size_t k = 0; k < n_kept; k++)
			want |= told(k + 1 < n_kept ? kept[k + 1] : 0, kept[k], i);
		ck_assert_int_eq(ever[i], want);
		path_of(i, path);
		r = store_history(s, path, see_version, &h);
		ck_assert_int_eq(r, want ? 0 : -ENOENT);
		for (; h.at < n_kept; h.at++)
			ck_assert(!told(h.at + 1 < n_kept ? kept[h.at + 1] : 0, kept[h.at], i));
	}
	ck_assert_int_eq(store_verify(s, &v), 0);
}

/* ---- driving ---- */

static struct store *open_it(enum store_mode mode, uint64_t segment)
{
	struct store_options o = { .no_sync = true, .segment_size = segment };
	struct store *s = NULL;

	ck_assert_int_eq(store_open(dir, mode, &o, &s), 0);
	return s;
}

static void remove_catalogue(void)
{
	static const char *const names[] = { "", "-wal", "-shm" };

	for (int i = 0; i < 3; i++) {
		char p[400];

		snprintf(p, sizeof(p), "%s/catalogue.db%s", dir, names[i]);
		(void)unlink(p);
	}
}

static void new_dir(const char *name)
{
	snprintf(dir, sizeof(dir), "%s/%s-%08x", check_dir(NULL), name, (unsigned)check_rand());
	n_snap = 0;
	memset(now, 0, sizeof(now));
}

static const struct store_retention hard = { .all_s = 1000, .ten_minutes_s = 20000, .hourly_s = 200000, .grace_s = 60 };

static uint64_t seq_at(struct store *s, int64_t t)
{
	struct store_snapshot sn = { 0 };
	int r = store_at_time(s, t, &sn);

	ck_assert(r == 0 || r == -ENOENT);
	store_snapshot_release(&sn);
	return r == 0 ? sn.seq : 0;
}

static void prune(struct store *s, int64_t when, bool slices)
{
	/* The last before a crash stays, whenever that was; one was before there was any. */
	const int64_t crash[] = { when - (int64_t)check_below(400000) * S, when - (int64_t)check_below(40000) * S, when, 1000 * S };
	const uint64_t last[] = { seq_at(s, crash[0]), seq_at(s, crash[1]), seq_at(s, crash[2]), 0 };
	struct store_prune_options o = { .keep = hard, .now_ns = when, .min_dead = 1, .crash_ns = crash, .n_crash = 4 };
	struct store_pruned done, plan;
	struct store_prune *p;
	uint64_t before = store_count(s);
	int r;

	ck_assert_int_eq(store_prune_plan(s, &o, &plan), 0);
	ck_assert_uint_eq(store_count(s), before);
	if (slices) {	/* nothing has gone before the steps have found out what may */
		ck_assert_int_eq(store_prune_open(s, &o, &p), 0);
		ck_assert_uint_eq(store_count(s), before);
	} else {
		ck_assert_int_eq(store_prune_begin(s, &o, &p), 0);
		ck_assert_uint_eq(store_count(s), plan.kept);
	}
	while ((r = store_prune_step(p, slices ? 1 : 0)) == 1)
		if (n_snap < MAX && check_below(2))
			snapshot(s, when + (int64_t)n_snap * S);
	ck_assert_int_eq(r, 0);
	store_prune_end(p, &done);
	if (getenv("PRUNE_SAY"))
		fprintf(stderr, "%s dropped %d kept %d segments %d freed %d (%d) moved %d (%d)\n", slices ? "sliced" : "whole", (int)done.dropped, (int)done.kept,
			(int)done.segments, (int)done.freed, (int)plan.freed, (int)done.moved, (int)plan.moved);
	ck_assert_uint_eq(done.dropped, plan.dropped);
	/* What it said would come back does, whether tidy had been there or not. */
	if (!slices) {
		uint64_t off = done.freed > plan.freed ? done.freed - plan.freed : plan.freed - done.freed;

		ck_assert_uint_le(off, done.moved / 50 + 300 * done.segments);
	}
	ck_assert_uint_eq(done.dropped + done.kept, before);
	for (int i = 0; i < 3; i++) {
		struct store_snapshot sn = { 0 };

		if (last[i])
			ck_assert_int_eq(store_by_seq(s, last[i], &sn), 0);
		store_snapshot_release(&sn);
	}
}

/* By a reader or the writer itself; what has changed since it was made is not taken. */
static void tidy(struct store *s, uint64_t segment, int64_t when)
{
	struct store *r = check_below(2) ? open_it(STORE_READ, segment) : NULL;
	bool late = n_snap < MAX - 20 && check_below(3) == 0;
	uint32_t no = 0, made = 0;
	struct tidied d;
	uint64_t bytes;
	int e;

	while ((e = store_tidy_due(r ? r : s, 1, no, &no, &bytes)) == 1) {
		e = store_tidy_make(r ? r : s, no, NULL, NULL);
		if (e == -ENOTSUP)	/* a list of changes in the next one says where its parts are */
			continue;
		ck_assert_int_eq(e, 0);
		made++;
	}
	ck_assert_int_eq(e, 0);
	if (late)
		snapshot(s, when);
	ck_assert_int_ge(store_tidy_take(s, &d), 0);
	if (late)
		ck_assert_uint_ge(d.segments + 1, made);
	else
		ck_assert_uint_eq(d.segments, made);
	store_close(r);
}

/* Snapshots some minutes apart, pruned now and then, or written tighter, or both. */
static void one_history(uint64_t segment)
{
	int64_t t = 1700000000 * S;
	struct store *s = open_it(STORE_WRITE, segment);

	while (n_snap < MAX - 20) {
		for (uint64_t k = 5 + check_below(40); k > 0 && n_snap < MAX - 20; k--)
			snapshot(s, t += (int64_t)(1 + check_below(900)) * S);
		if (check_below(3) == 0)
			ck_assert_int_eq(store_mark_set(s, check_below(2) ? "one" : "two", n_snap), 0);
		t += (int64_t)check_below(2000) * S;
		if (check_below(2))
			tidy(s, segment, t);
		if (check_below(3))
			prune(s, t, check_below(2));
		t += (int64_t)MAX * S;
		if (check_below(2))
			tidy(s, segment, t);
		check_store(s);
		switch (check_below(4)) {
		case 0:
			store_close(s);
			s = open_it(STORE_WRITE, segment);
			break;
		case 1:
			store_close(s);
			remove_catalogue();
			s = open_it(STORE_READ, segment);
			check_store(s);
			store_close(s);
			s = open_it(STORE_WRITE, segment);
			break;
		}
		check_store(s);
	}
	store_close(s);
}

START_TEST(store_prune__what_stays_is_what_it_was)
{
	for (int i = 0; i < 4; i++) {
		new_dir("many");
		one_history(4096u << check_below(6));
	}
}
END_TEST

/* Who has the store open goes on seeing what was there; who looks again, what is. */
START_TEST(store_prune__a_reader_beside_it_is_not_disturbed)
{
	for (int round = 0; round < 3; round++) {
		uint64_t segment = 4096u << check_below(5);
		int64_t t = 1700000000 * S;
		struct store *w, *r, *late;

		new_dir("beside");
		w = open_it(STORE_WRITE, segment);
		while (n_snap < 60)
			snapshot(w, t += 600 * S);
		r = open_it(STORE_READ, segment);
		if (round == 1)
			remove_catalogue();	/* that of the next one is in memory */
		late = open_it(STORE_READ, segment);
		prune(w, t, false);
		for (uint64_t q = 1; q <= 60; q++) {
			check_snapshot(r, q);
			check_snapshot(late, q);
		}
		ck_assert_uint_lt(store_count(w), 60);
		ck_assert_int_eq(store_refresh(r), 1);
		ck_assert_int_eq(store_refresh(late), 1);
		check_store(r);
		check_store(late);
		ck_assert_int_eq(store_refresh(r), 0);
		snapshot(w, t += 600 * S);
		ck_assert_int_eq(store_refresh(r), 1);
		check_store(r);
		store_close(r);
		store_close(late);
		store_close(w);
	}
}
END_TEST

/* Two hundred that changed the same file: one is enough, and the room comes back. */
START_TEST(store_prune__the_room_comes_back)
{
	struct store_prune_options o = { .keep = hard };
	int64_t t = 1700000000 * S;
	struct store_totals before, after;
	struct store_pruned d;
	struct store_prune *p;
	struct store *s;

	new_dir("room");
	s = open_it(STORE_WRITE, 1 << 20);
	while (n_snap < 150)
		snapshot(s, t += 30 * S);
	o.now_ns = t + 300000 * S;
	ck_assert_int_eq(store_totals(s, &before), 0);
	ck_assert_int_eq(store_prune_begin(s, &o, &p), 0);
	ck_assert_int_eq(store_prune_step(p, 0), 0);
	store_prune_end(p, &d);
	ck_assert_int_eq(store_totals(s, &after), 0);
	ck_assert_uint_eq(after.snapshots, 1);
	ck_assert_uint_lt(after.log_bytes * 3, before.log_bytes);
	ck_assert_uint_eq(before.log_bytes - after.log_bytes, d.freed);
	check_store(s);
	store_close(s);
}
END_TEST

CHECK_MAIN("store_prune", store_prune__what_stays_is_what_it_was, store_prune__a_reader_beside_it_is_not_disturbed,
	store_prune__the_room_comes_back)
