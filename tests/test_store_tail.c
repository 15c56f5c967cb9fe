/* What a power cut or a flipped bit may leave: a log that ends anywhere, a catalogue that is older than the
 * log, bytes that are not what they were. */
#include "check_main.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/auto.h"
#include "lib/io.h"
#include "lib/log.h"
#include "store/store.h"

static char dir[512];		/* the store */

static struct store *open_store(enum store_mode mode)
{
	struct store_options opt = { .no_sync = true };
	struct store *s;
	int r = store_open(dir, mode, &opt, &s);

	ck_assert_msg(r == 0, "open: %d", r);
	return s;
}

static void snapshot(struct store *s, const char *path, const char *text)
{
	struct stat st = { .st_mode = S_IFREG | 0644, .st_size = (off_t)strlen(text) };
	struct store_commit how = { .reason = REASON_MANUAL, .force = true };
	struct store_txn *t;

	ck_assert_int_eq(store_txn_begin(s, &t), 0);
	ck_assert_int_eq(store_txn_bytes(t, path, &st, text, strlen(text)), 0);
	ck_assert_int_eq(store_txn_commit(t, &how, NULL), 1);
}

static void three_snapshots(const char *name)
{
	struct store *s;

	log_set_level(LOG_ERROR);
	snprintf(dir, sizeof(dir), "%s/%s", check_dir(NULL), name);
	s = open_store(STORE_WRITE);
	snapshot(s, "src/a.c", "int a;\nint b;\nint c;\n");
	snapshot(s, "src/a.c", "int a;\nint bb;\nint c;\n");
	snapshot(s, "notes", "what a day, with enough bytes for a frame of its own\n");
	store_close(s);
}

static void drop_acked(void)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/log/acked", dir);
	(void)unlink(path);
}

static void read_log(struct buf *b)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/log/00000001.seg", dir);
	buf_reset(b);
	ck_assert_int_eq(io_read_file(AT_FDCWD, path, 1 << 20, b), 0);
}

static void write_log(const struct buf *b, size_t n)
{
	char path[600];
	int fd;

	snprintf(path, sizeof(path), "%s/log/00000001.seg", dir);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write_all(fd, b->data, n), 0);
	close(fd);
}

static void drop_catalogue(void)
{
	static const char *const names[] = { "", "-wal", "-shm" };
	char path[600];

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/catalogue.db%s", dir, names[i]);
		(void)unlink(path);
	}
}

static void put_catalogue(const void *p, size_t n)
{
	autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	drop_catalogue();
	ck_assert_int_eq(io_replace_file(fd, "catalogue.db", p, n, 0600), 0);
}

static void fail_on_damage(const struct store_damage *d, void *arg)
{
	(void)arg;
	ck_abort_msg("%s (%s)", d->what, d->path ? d->path : "-");
}

static void clean(struct store *s)
{
	struct store_verify v = { .all = true, .damage = fail_on_damage };

	ck_assert_int_eq(store_verify(s, &v), 0);
}

/* Wherever the log ends, the whole snapshots before that are there, and the next one follows them. */
START_TEST(store__any_cut_leaves_the_whole_snapshots_before_it)
{
	autoput(buf_release) struct buf whole = BUF_INIT;
	uint64_t last = 0;

	three_snapshots("cut");
	read_log(&whole);
	for (size_t n = 64; n <= whole.len; n++) {
		struct store *s;
		uint64_t count;

		write_log(&whole, n);
		drop_catalogue();
		drop_acked();
		s = open_store(STORE_READ);
		count = store_count(s);
		ck_assert_uint_ge(count, last);
		ck_assert_uint_le(count, last + 1);
		last = count;
		clean(s);
		store_close(s);
		if (n % 7 == 0) {
			s = open_store(STORE_WRITE);
			ck_assert_uint_eq(store_count(s), count);
			snapshot(s, "after", "the cut");
			ck_assert_uint_eq(store_count(s), count + 1);
			clean(s);
			store_close(s);
		}
	}
	ck_assert_uint_eq(last, 3);
}
END_TEST

/* The last transaction's sectors may reach the disk in any order: zeroes anywhere in it must not be taken for data. */
START_TEST(store__holes_in_the_unacknowledged_tail_are_not_believed)
{
	autoput(buf_release) struct buf two = BUF_INIT, whole = BUF_INIT, bad = BUF_INIT;
	struct store *s;

	three_snapshots("holes");
	read_log(&whole);
	drop_catalogue();
	drop_acked();
	for (size_t n = whole.len;; n--) {	/* where the second one ends */
		write_log(&whole, n);
		drop_catalogue();
		s = open_store(STORE_READ);
		if (store_count(s) == 2) {
			store_close(s);
			ck_assert_int_eq(buf_add(&two, whole.data, n), 0);
			if (n < whole.len - 1)
				break;
			buf_reset(&two);
			continue;
		}
		store_close(s);
	}
	for (int i = 0; i < 200; i++) {
		size_t from = two.len + check_below(whole.len - two.len), len = 1 + check_below(whole.len - from);

		buf_reset(&bad);
		ck_assert_int_eq(buf_add(&bad, whole.data, whole.len), 0);
		memset(bad.data + from, 0, len);
		write_log(&bad, bad.len);
		drop_catalogue();
		drop_acked();
		s = open_store(STORE_WRITE);
		if (memcmp(bad.data, whole.data, whole.len) != 0)
			ck_assert_uint_eq(store_count(s), 2);
		clean(s);
		store_close(s);
	}
}
END_TEST

static int right_or_nothing(const char *path, const struct store_entry *e, void *arg)
{
	static const char *const right[] = {
		"int a;\nint b;\nint c;\n", "int a;\nint bb;\nint c;\n", "what a day, with enough bytes for a frame of its own\n",
	};
	struct store *s = arg;
	autoput(buf_release) struct buf got = BUF_INIT;

	(void)path;
	if (e->kind != KIND_FILE || store_read_blob(s, &e->oid, 1 << 20, &got) < 0)
		return 0;
	for (int i = 0; i < 3; i++)
		if (got.len == strlen(right[i]) && memcmp(got.data, right[i], got.len) == 0)
			return 0;
	ck_abort_msg("wrong bytes for %s", path);
	return 0;
}

static void count_damage(const struct store_damage *d, void *arg)
{
	(void)d;
	++*(int *)arg;
}

/* Every single bit of the log: what comes out is right, or it is an error, and verify sees it. */
START_TEST(store__no_flipped_bit_gives_wrong_bytes)
{
	autoput(buf_release) struct buf whole = BUF_INIT;
	int unseen = 0;

	three_snapshots("flip");
	read_log(&whole);
	for (size_t bit = 0; bit < whole.len * 8; bit += 1 + check_below(15)) {
		int found = 0;
		struct store_verify v = { .all = true, .damage = count_damage, .arg = &found };
		struct store *s;

		whole.data[bit / 8] ^= (char)(1 << bit % 8);
		write_log(&whole, whole.len);
		whole.data[bit / 8] ^= (char)(1 << bit % 8);
		if (bit % 3 == 0)
			drop_catalogue();
		if (store_open(dir, STORE_READ, &(struct store_options){ .no_sync = true }, &s) < 0)
			continue;	/* refusing is fine too */
		for (uint64_t seq = 1; seq <= 3; seq++)
			(void)store_walk_at(s, seq, "", right_or_nothing, s);
		/* Without a catalogue nothing says that the last snapshot was acknowledged. */
		if (store_verify(s, &v) == 0 && store_count(s) == 3)
			unseen++;
		store_close(s);
	}
	ck_assert_int_eq(unseen, 0);
}
END_TEST

/* A catalogue from before is brought up to date, one from another store is not believed. */
START_TEST(store__an_old_or_foreign_catalogue_is_renewed)
{
	autoput(buf_release) struct buf old = BUF_INIT;
	char path[600];
	struct store *s;

	three_snapshots("old");
	snprintf(path, sizeof(path), "%s/catalogue.db", dir);
	ck_assert_int_eq(io_read_file(AT_FDCWD, path, 1 << 24, &old), 0);
	s = open_store(STORE_WRITE);
	snapshot(s, "later", "still here");
	store_close(s);
	put_catalogue(old.data, old.len);
	s = open_store(STORE_READ);
	ck_assert_uint_eq(store_count(s), 4);
	clean(s);
	store_close(s);

	three_snapshots("foreign");
	put_catalogue("not a database at all", 21);
	s = open_store(STORE_READ);
	ck_assert_uint_eq(store_count(s), 3);
	store_close(s);
	put_catalogue(old.data, old.len);	/* of the store "old" */
	s = open_store(STORE_WRITE);
	ck_assert_uint_eq(store_count(s), 3);
	clean(s);
	store_close(s);
}
END_TEST

/* Opening is no reason to index everything again. */
START_TEST(store__a_sound_catalogue_is_kept)
{
	struct stat before, after;
	char path[600];
	struct store *s;

	three_snapshots("kept");
	snprintf(path, sizeof(path), "%s/catalogue.db", dir);
	ck_assert_int_eq(stat(path, &before), 0);
	ck_assert_uint_eq(before.st_mode & 0777, 0600);
	s = open_store(STORE_WRITE);
	snapshot(s, "more", "and more");
	store_close(s);
	store_close(open_store(STORE_READ));
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
}
END_TEST

CHECK_MAIN("store_tail", store__a_sound_catalogue_is_kept, store__any_cut_leaves_the_whole_snapshots_before_it,
	store__holes_in_the_unacknowledged_tail_are_not_believed, store__no_flipped_bit_gives_wrong_bytes,
	store__an_old_or_foreign_catalogue_is_renewed)
