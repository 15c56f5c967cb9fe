/* The store against a naive model: what was committed comes back, whatever happens to the catalogue
 * and however often the store is opened. */
#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/auto.h"
#include "store/store.h"

#define NAMES 12
#define SNAPS 60

struct item {			/* one path of the model */
	enum store_kind kind;
	uint32_t mode;
	int64_t mtime;
	uint32_t seed, len;	/* content is made from these */
	uint32_t edit;
};

struct model {
	struct item it[NAMES * (NAMES + 1)];	/* top-level names, then NAMES below each */
};

static struct model now, at[SNAPS + 1];

static void path_of(int i, char *out)
{
	static const char *const names[NAMES] = {
		"a", "a-b", "a.c", "b", "\xff\xfe", "name with space", "z", "sub", "sub.d", "sub-e", "c\n", "lib",
	};

	if (i < NAMES)
		strcpy(out, names[i]);
	else
		sprintf(out, "%s/%s", names[(i - NAMES) / NAMES], names[(i - NAMES) % NAMES]);
}

static void content(const struct item *x, uint8_t *p)
{
	uint32_t s = x->seed;

	for (uint32_t i = 0; i < x->len; i++) {
		s = s * 1664525 + 1013904223;
		p[i] = "abcdefgh \n0123"[s >> 28 & 7] + (uint8_t)(i / 97 % 3);
	}
	for (uint32_t k = 0; k < x->edit && x->len; k++)
		p[(k * 7919u + x->seed) % x->len] ^= (uint8_t)(k + 1);
}

static bool has_dir(const struct model *m, int i)
{
	return i < NAMES || m->it[(i - NAMES) / NAMES].kind == KIND_DIR;
}

static struct stat stat_of(const struct item *x)
{
	struct stat st = { .st_mode = x->mode, .st_size = x->len };

	st.st_mtim.tv_sec = x->mtime / 1000000000;
	st.st_mtim.tv_nsec = x->mtime % 1000000000;
	return st;
}

static void put(struct store_txn *t, int i)
{
	static uint8_t bytes[20000];
	struct item *x = &now.it[i];
	struct stat st = stat_of(x);
	char path[64];
	int r = 0;

	path_of(i, path);
	content(x, bytes);
	bytes[x->len] = 0;
	if (x->kind == KIND_FILE)
		r = store_txn_bytes(t, path, &st, bytes, x->len);
	else if (x->kind == KIND_LINK)
		r = store_txn_link(t, path, &st, (char *)bytes);
	else if (x->kind == KIND_DIR)
		r = store_txn_dir(t, path, &st);
	else if (x->kind == KIND_SKIPPED)
		r = store_txn_skip(t, path, &st, WHY_TOO_LARGE);
	else
		r = store_txn_gone(t, path);
	ck_assert_msg(r == 0, "%s: %d", path, r);
}

static void change_one(struct store_txn *t)
{
	static const uint32_t modes[] = { 0, S_IFREG | 0600, S_IFLNK | 0777, S_IFDIR | 0750, S_IFIFO | 0644 };
	int i = (int)check_below(NAMES * (NAMES + 1));
	struct item *x = &now.it[i];

	if (!has_dir(&now, i))
		return;
	if (x->kind == KIND_FILE && check_below(3)) {
		x->edit++;
	} else {
		x->kind = (enum store_kind)check_below(KIND_SKIPPED + 1);
		x->mode = modes[x->kind];
		x->seed = (uint32_t)check_rand();
		x->edit = 0;
		x->len = x->kind == KIND_DIR || x->kind == KIND_GONE ? 0 :
			(uint32_t)check_below(check_below(4) ? 300 : 19000) + (x->kind == KIND_LINK);
		if (x->kind == KIND_FILE && check_below(2))
			x->mode = S_IFREG | 0751;
	}
	x->mtime = (int64_t)(check_rand() >> 2);
	put(t, i);
	if (i < NAMES && x->kind != KIND_DIR)
		for (int k = 0; k < NAMES; k++)
			now.it[NAMES + i * NAMES + k].kind = KIND_GONE;
}

struct compare {
	struct store *s;
	const struct model *m;
	int seen;
};

static int compare_entry(const char *path, const struct store_entry *e, void *arg)
{
	static uint8_t bytes[20000];
	struct compare *c = arg;
	autoput(buf_release) struct buf got = BUF_INIT;
	char want[64];

	for (int i = 0; i < NAMES * (NAMES + 1); i++) {
		const struct item *x = &c->m->it[i];

		path_of(i, want);
		if (strcmp(path, want) != 0)
			continue;
		ck_assert_msg(e->kind == x->kind, "%s: kind %d, not %d", path, e->kind, x->kind);
		ck_assert_uint_eq(e->mode, x->mode);
		ck_assert_int_eq(e->mtime_ns, x->mtime);
		c->seen++;
		if (e->kind == KIND_FILE || e->kind == KIND_LINK) {
			int r = store_read_blob(c->s, &e->oid, 1 << 20, &got);

			ck_assert_msg(r == 0, "%s: %d", path, r);
			ck_assert_uint_eq(got.len, x->len);
			content(x, bytes);
			ck_assert_mem_eq(got.data, bytes, got.len);
		}
		return 0;
	}
	ck_abort_msg("%s was never stored", path);
	return 0;
}

static void compare_all(struct store *s, uint64_t n)
{
	for (uint64_t seq = 1; seq <= n; seq++) {
		struct compare c = { s, &at[seq], 0 };
		int want = 0, r;

		for (int i = 0; i < NAMES * (NAMES + 1); i++)
			want += at[seq].it[i].kind != KIND_GONE;
		r = store_walk_at(s, seq, "", compare_entry, &c);
		ck_assert_msg(r == 0, "snapshot %llu: %d", (unsigned long long)seq, r);
		ck_assert_int_eq(c.seen, want);
	}
}

static void damaged(const struct store_damage *d, void *arg)
{
	(void)arg;
	ck_abort_msg("%s (%s)", d->what, d->path ? d->path : "-");
}

static void verify_clean(struct store *s, uint64_t n)
{
	struct store_verify v = { .all = true, .damage = damaged };

	ck_assert_int_eq(store_verify(s, &v), 0);
	ck_assert_uint_eq(v.snapshots, n);
}

static struct store *reopen(struct store *s, const char *dir, enum store_mode mode)
{
	struct store_options opt = { .segment_size = 100000, .workspace = "/tmp/none", .no_sync = true };
	struct store *n;
	int r;

	store_close(s);
	r = store_open(dir, mode, &opt, &n);
	ck_assert_msg(r == 0, "open: %d", r);
	return n;
}

START_TEST(store__every_snapshot_equals_the_model)
{
	const char *dir = check_dir(NULL);
	char path[512];
	struct store *s = NULL;
	uint64_t seq = 0;

	snprintf(path, sizeof(path), "%s/store", dir);
	s = reopen(s, path, STORE_WRITE);
	for (int i = 0; i < SNAPS; i++) {
		struct store_commit how = { .reason = REASON_MANUAL, .message = i % 3 ? NULL : "why" };
		autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
		struct store_txn *t;
		int r;

		ck_assert_int_eq(store_txn_begin(s, &t), 0);
		for (uint64_t k = check_below(40) + (i == 0) * 200; k > 0; k--)
			change_one(t);
		if (i % 7 == 6) {	/* as if it had never been */
			store_txn_abort(t);
			now = at[seq];
			continue;
		}
		r = store_txn_commit(t, &how, &sn);
		ck_assert_msg(r >= 0, "commit: %d", r);
		if (r == 1)
			ck_assert_uint_eq(sn.seq, ++seq);
		at[seq] = now;
		if (i % 10 == 5)
			s = reopen(s, path, STORE_WRITE);
	}
	ck_assert_uint_eq(store_count(s), seq);
	compare_all(s, seq);
	verify_clean(s, seq);

	s = reopen(s, path, STORE_READ);
	compare_all(s, seq);

	/* The catalogue is only an index. */
	snprintf(path, sizeof(path), "%s/store/catalogue.db", dir);
	store_close(s);
	ck_assert_int_eq(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/store", dir);
	s = reopen(NULL, path, STORE_READ);
	compare_all(s, seq);
	verify_clean(s, seq);
	store_close(s);
}
END_TEST

START_TEST(store__a_second_writer_is_refused_and_told_who)
{
	const char *dir = check_dir(NULL);
	char path[512];
	struct store *a = NULL, *b = NULL;
	pid_t pid = 0;

	snprintf(path, sizeof(path), "%s/two", dir);
	a = reopen(a, path, STORE_WRITE);
	ck_assert_int_eq(store_open(path, STORE_WRITE, NULL, &b), -EBUSY);
	ck_assert_int_eq(store_writer(path, &pid), 1);
	ck_assert_int_eq(store_writer(path, NULL), 1);
	ck_assert_int_eq(pid, getpid());
	store_close(a);
	ck_assert_int_eq(store_writer(path, &pid), 0);
}
END_TEST

static int count_bytes(const void *p, size_t n, void *arg)
{
	(void)p;
	*(uint64_t *)arg += n;
	return 0;
}

/* A large file with a little changed costs a little. */
START_TEST(store__large_files_share_their_chunks)
{
	const char *dir = check_dir(NULL);
	char path[512], file[512];
	struct store_commit how = { .reason = REASON_MANUAL };
	autoput(store_snapshot_release) struct store_snapshot one = { 0 }, two = { 0 };
	struct store_entry e;
	struct store *s = NULL;
	struct store_txn *t;
	uint64_t size = 0;
	size_t n = 9 << 20;
	autofree uint8_t *p = malloc(n);
	int fd;

	for (size_t i = 0; i + 8 <= n; i += 8) {
		uint64_t v = check_rand();

		memcpy(p + i, &v, 8);
	}
	snprintf(path, sizeof(path), "%s/large", dir);
	snprintf(file, sizeof(file), "%s/file", dir);
	s = reopen(s, path, STORE_WRITE);
	for (int i = 0; i < 2; i++) {
		fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		ck_assert_int_eq(write(fd, p, n), (ssize_t)n);
		ck_assert_int_eq(store_txn_begin(s, &t), 0);
		ck_assert_int_eq(store_txn_file(t, "big.bin", fd, &e), 0);
		ck_assert_int_eq(store_txn_commit(t, &how, i ? &two : &one), 1);
		close(fd);
		memmove(p + 1000, p, n - 1000);	/* everything moves */
	}
	ck_assert_uint_gt(one.added_bytes, n);
	ck_assert_uint_lt(two.added_bytes, 700000);
	ck_assert_int_eq(store_stream_blob(s, &e.oid, count_bytes, &size), 0);
	ck_assert_uint_eq(size, n);
	verify_clean(s, 2);
	store_close(s);
}
END_TEST

CHECK_MAIN("store", store__every_snapshot_equals_the_model, store__a_second_writer_is_refused_and_told_who,
	store__large_files_share_their_chunks)
