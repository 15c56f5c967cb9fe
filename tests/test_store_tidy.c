/* Segments written tighter: smaller, the same to every question, and whatever is not exactly what it says it is stays out. */
#include "check_main.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/io.h"
#include "store/store.h"
#include "store/tidy.h"

#define S INT64_C(1000000000)

static char dir[300];
static int n_snap;

static struct store *open_it(enum store_mode mode)
{
	struct store_options o = { .no_sync = true };
	struct store *s = NULL;

	ck_assert_int_eq(store_open(dir, mode, &o, &s), 0);
	return s;
}

/* Some twenty kilobytes of words, with the edits up to n. */
static size_t text_of(int file, int n, char *p)
{
	uint32_t s = (uint32_t)file * 77;
	size_t len = 0;

	for (int line = 0; line < 500; line++) {
		s = s * 1664525 + 1013904223;
		len += (size_t)sprintf(p + len, "line %d of %d: word%u, word%u;\n", line, file, s >> 24, (s >> 16) & 0xff);
		for (int k = 1; k <= n; k++)
			if (k * 37 % 500 == line)
				len += (size_t)sprintf(p + len, "\tedit %d: something that was not there before %d\n", k, k * k);
	}
	return len;
}

static void snapshot(struct store *s)
{
	static char p[200000];
	struct store_commit how = { .reason = REASON_INTERVAL, .time_ns = (1700000000 + 30 * n_snap) * S };
	struct store_txn *t;

	n_snap++;
	ck_assert_int_eq(store_txn_begin(s, &t), 0);
	for (int i = 0; i < 6; i++) {
		struct stat st = { .st_mode = S_IFREG | 0644, .st_mtim = { n_snap, 0 } };
		char path[40];

		if (n_snap > 1 && n_snap % 6 != i)
			continue;
		st.st_size = (off_t)text_of(i, n_snap, p);
		sprintf(path, "d%d/f", i);
		ck_assert_int_eq(store_txn_bytes(t, path, &st, p, (size_t)st.st_size), 0);
	}
	ck_assert_int_eq(store_txn_commit(t, &how, NULL), 1);
}

static int as_it_was(const char *path, const struct store_entry *e, void *arg)
{
	static char want[200000];
	autoput(buf_release) struct buf b = BUF_INIT;
	int i = path[1] - '0', n = (int)e->seq;

	if (e->kind != KIND_FILE)
		return 0;
	ck_assert_int_eq(store_read_blob(arg, &e->oid, 1 << 20, &b), 0);
	ck_assert_uint_eq(b.len, text_of(i, n, want));
	ck_assert(memcmp(b.data, want, b.len) == 0);
	return 0;
}

static void fail_damage(const struct store_damage *d, void *arg)
{
	(void)arg;
	ck_abort_msg("%s", d->what);
}

static void check_all(struct store *s)
{
	struct store_verify v = { .all = true, .damage = fail_damage };

	ck_assert_uint_eq(store_count(s), (unsigned)n_snap);
	for (int q = 1; q <= n_snap; q += 7)
		ck_assert_int_eq(store_walk_at(s, (uint64_t)q, "", as_it_was, s), 0);
	ck_assert_int_eq(store_verify(s, &v), 0);
}

static struct store *begin(int n)
{
	struct store *s;

	n_snap = 0;
	snprintf(dir, sizeof(dir), "%s/tidy-%08x", check_dir(NULL), (unsigned)check_rand());
	s = open_it(STORE_WRITE);
	while (n_snap < n)
		snapshot(s);
	return s;
}

static void make(void)
{
	struct store *r = open_it(STORE_READ);
	uint64_t bytes;
	uint32_t no;

	ck_assert_int_eq(store_tidy_due(r, 4096, 0, &no, &bytes), 1);
	ck_assert_int_eq(store_tidy_make(r, no, NULL, NULL), 0);
	store_close(r);
}

/* The one that was made; how many files of tidy's there are. */
static int made(char path[700])
{
	char log[350];
	struct dirent *de;
	DIR *d;
	int n = 0;

	snprintf(log, sizeof(log), "%s/log", dir);
	ck_assert_ptr_nonnull(d = opendir(log));
	while ((de = readdir(d)))
		if (strncmp(de->d_name, "tidy", 4) == 0) {
			snprintf(path, 700, "%s/%.200s", log, de->d_name);
			n++;
		}
	closedir(d);
	return n;
}

START_TEST(store_tidy__smaller_and_the_same)
{
	struct store *s = begin(150), *beside = open_it(STORE_READ);
	struct tidied d;
	uint64_t bytes;
	uint32_t no;
	char path[700];

	make();
	check_all(s);
	ck_assert_int_eq(store_tidy_take(s, &d), 1);
	ck_assert_uint_eq(d.segments, 1);
	ck_assert_uint_lt(d.after * 10, d.before * 9);
	check_all(s);
	check_all(beside);
	ck_assert_int_eq(made(path), 0);
	ck_assert_int_eq(store_tidy_due(s, 4096, 0, &no, &bytes), 0);

	/* What comes after it is all that is encoded the next time, and stands against what is there. */
	while (n_snap < 180)
		snapshot(s);
	ck_assert_int_eq(store_refresh(beside), 1);
	check_all(beside);
	make();
	ck_assert_int_eq(store_tidy_take(s, &d), 1);
	check_all(s);
	store_close(s);
	s = open_it(STORE_WRITE);
	check_all(s);
	store_close(s);
	store_close(beside);
}
END_TEST

START_TEST(store_tidy__what_does_not_fit_any_more_is_not_taken)
{
	struct store *s = begin(40);
	struct tidied d;
	char path[700];

	make();
	snapshot(s);
	ck_assert_int_eq(store_tidy_take(s, &d), 0);
	ck_assert_int_eq(made(path), 0);
	check_all(s);
	store_close(s);
}
END_TEST

/* In steps, between which the store is used as ever. */
START_TEST(store_tidy__taken_in_steps)
{
	struct store *s = begin(150);
	struct tidy_take *t;
	struct tidied d;
	char path[700];
	int r;

	make();
	ck_assert_int_eq(store_take_begin(s, &t), 1);
	while ((r = store_take_step(t, 1)) == 1)
		check_all(s);
	ck_assert_int_eq(r, 0);
	check_all(s);
	/* Put aside, it is there for the next. */
	store_take_drop(t);
	ck_assert_int_eq(made(path), 1);
	ck_assert_int_eq(store_take_begin(s, &t), 1);
	ck_assert_int_eq(store_take_step(t, 0), 0);
	ck_assert_int_eq(store_take_finish(t, &d), 1);
	ck_assert_uint_lt(d.after * 10, d.before * 9);
	check_all(s);
	ck_assert_int_eq(made(path), 0);
	ck_assert_int_eq(store_take_begin(s, &t), 0);

	/* The segment grows between two steps. */
	while (n_snap < 180)
		snapshot(s);
	make();
	ck_assert_int_eq(store_take_begin(s, &t), 1);
	ck_assert_int_eq(store_take_step(t, 0), 0);
	snapshot(s);
	ck_assert_int_eq(store_take_finish(t, &d), 0);
	ck_assert_int_eq(made(path), 0);
	check_all(s);

	/* Somebody else was quicker. */
	make();
	ck_assert_int_eq(store_take_begin(s, &t), 1);
	ck_assert_int_eq(store_take_step(t, 0), 0);
	ck_assert_int_eq(store_tidy_take(s, &d), 1);
	ck_assert_int_eq(store_take_finish(t, &d), 0);
	check_all(s);
	store_close(s);
	s = open_it(STORE_WRITE);
	check_all(s);
	store_close(s);
}
END_TEST

/* Cut short, of somebody else, flipped: whoever wrote that, the segment stays as it is. */
START_TEST(store_tidy__what_is_not_whole_is_not_taken)
{
	for (int how = 0; how < 4; how++) {
		struct store *s = begin(40);
		struct tidied d;
		struct stat st;
		char path[700];
		int fd;

		make();
		ck_assert_int_eq(made(path), 1);
		fd = open(path, O_RDWR | O_CLOEXEC);
		ck_assert_int_eq(fstat(fd, &st), 0);
		if (how == 0)
			ck_assert_int_eq(ftruncate(fd, st.st_size / 2), 0);
		else if (how == 1)
			ck_assert_int_eq(ftruncate(fd, 0), 0);
		else if (how == 2)
			ck_assert_int_eq(pwrite(fd, "x", 1, 80), 1);
		else
			ck_assert_int_eq(pwrite(fd, "x", 1, 20), 1);
		close(fd);
		ck_assert_int_eq(store_tidy_take(s, &d), 0);
		ck_assert_int_eq(made(path), 0);
		check_all(s);
		store_close(s);
	}
}
END_TEST

/* The new file has the name, and the catalogue does not know it yet. */
START_TEST(store_tidy__who_dies_before_the_catalogue_is_followed)
{
	autoput(buf_release) struct buf old = BUF_INIT;
	struct store *s = begin(60);
	struct tidied d;
	char path[400], rest[420];
	int fd;

	store_close(s);
	snprintf(path, sizeof(path), "%s/catalogue.db", dir);
	ck_assert_int_ge(io_read_file(AT_FDCWD, path, 1 << 26, &old), 0);
	s = open_it(STORE_WRITE);
	make();
	ck_assert_int_eq(store_tidy_take(s, &d), 1);
	store_close(s);
	snprintf(rest, sizeof(rest), "%s-wal", path);
	(void)unlink(rest);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ck_assert_int_eq(write(fd, old.data, old.len), (ssize_t)old.len);
	close(fd);
	s = open_it(STORE_READ);
	check_all(s);
	store_close(s);
	s = open_it(STORE_WRITE);
	check_all(s);
	snapshot(s);
	check_all(s);
	store_close(s);
}
END_TEST

static int no_more(void *arg)
{
	(void)arg;
	return -EINTR;
}

START_TEST(store_tidy__who_stops_leaves_nothing)
{
	struct store *s = begin(150), *r = open_it(STORE_READ);
	uint64_t bytes;
	uint32_t no;
	char path[700];

	ck_assert_int_eq(store_tidy_due(r, 4096, 0, &no, &bytes), 1);
	ck_assert_int_eq(store_tidy_make(r, no, no_more, NULL), -EINTR);
	ck_assert_int_eq(made(path), 0);
	store_close(r);
	check_all(s);
	store_close(s);
}
END_TEST

/* Lines that are all alike, of which the highest level makes more than a low one; a picture, of which only a high one saves a little. */
START_TEST(store_tidy__no_frame_is_larger)
{
	static char p[300 << 10];
	struct store_commit how = { .reason = REASON_INTERVAL, .time_ns = 1700000000 * S };
	struct stat st = { .st_mode = S_IFREG | 0644 };
	struct store_txn *t;
	struct tidied d;
	struct store *s = begin(0);
	size_t len = 0;

	ck_assert_int_eq(store_txn_begin(s, &t), 0);
	for (int k = 0; k < 20; k++) {
		char path[20];

		len = 0;
		for (int i = 0; i < 2000; i++)
			len += (size_t)sprintf(p + len, "line %d\n", k * 2000 + i);
		(void)snprintf(path, sizeof(path), "lines%02d", k);
		ck_assert_int_eq(store_txn_bytes(t, path, &st, p, len), 0);
	}
	ck_assert_int_eq(store_txn_commit(t, &how, NULL), 1);
	make();
	ck_assert_int_eq(store_tidy_take(s, &d), 1);
	ck_assert_uint_le(d.after, d.before);
	store_close(s);

	s = begin(0);
	for (size_t i = 0; i < sizeof(p); i++)
		p[i] = (char)check_rand();
	for (size_t i = 0; i + 3 < sizeof(p); i += 23)
		memcpy(p + i, "abcdefghijkl" + 3 * (check_rand() % 4), 3);
	ck_assert_int_eq(store_txn_begin(s, &t), 0);
	ck_assert_int_eq(store_txn_bytes(t, "picture", &st, p, sizeof(p)), 0);
	ck_assert_int_eq(store_txn_commit(t, &how, NULL), 1);
	make();
	ck_assert_int_eq(store_tidy_take(s, &d), 1);
	ck_assert_uint_lt(d.after, sizeof(p) - sizeof(p) / 20);
	store_close(s);
}
END_TEST

CHECK_MAIN("store_tidy", store_tidy__no_frame_is_larger, store_tidy__smaller_and_the_same, store_tidy__what_does_not_fit_any_more_is_not_taken,
	store_tidy__what_is_not_whole_is_not_taken, store_tidy__who_dies_before_the_catalogue_is_followed,
	store_tidy__who_stops_leaves_nothing, store_tidy__taken_in_steps)
