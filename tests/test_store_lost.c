/* Headers that are lost, what was acknowledged, and a log that is taken away under the writer. */
#include "rot.h"

/* ---- the last transaction ---- */

/* Every byte of the last snapshot: a flipped bit is rot, not a tear; nothing that was acknowledged is cut. */
START_TEST(store__no_flipped_bit_cuts_an_acknowledged_snapshot)
{
	struct store *s = four_files("rot");
	off_t from = log_size(), to;
	char path[600], torn[600];

	segment_path(1, path);
	snprintf(torn, sizeof(torn), "%s/log/torn", dir);
	ck_assert_uint_eq(snapshot(s, "sub/b", "a longer text, so that it has a frame of its own\n"), 2);
	store_close(s);
	to = log_size();
	for (off_t at = from; at < to; at++) {
		int bit = (int)check_below(8);
		struct found f;

		flip(1, (uint64_t)at, bit);
		drop_catalogue();
		s = open_store(STORE_WRITE);
		ck_assert_msg(log_size() == to && access(torn, F_OK) < 0, "byte %lld: cut", (long long)(at - from));
		expect(s, 1, FOUR);
		f = verify(s);
		ck_assert_msg(f.n > 0, "byte %lld, bit %d: not named", (long long)(at - from), bit);
		ck_assert_msg(!f.catalogue, "byte %lld, bit %d: the catalogue is named", (long long)(at - from), bit);
		ck_assert_uint_gt(snapshot(s, "z/d", "later"), 2);
		store_close(s);
		drop_catalogue();
		s = open_store(STORE_READ);
		ck_assert_uint_ge(store_count(s), 2);
		expect_now(s, "a=a\nsub/\nz/\n");
		store_close(s);
		ck_assert_int_eq(truncate(path, to), 0);
		flip(1, (uint64_t)at, bit);
		drop("log/acked");	/* it tells of what is no more */
		drop_catalogue();
		store_close(open_store(STORE_WRITE));
		ck_assert_int_eq(log_size(), to);
	}
}
END_TEST

static void zero_header(uint32_t seg)
{
	static const uint8_t z[SEG_HEADER];
	autoclose int fd = -1;
	char path[600];

	segment_path(seg, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, z, sizeof(z), 0), SEG_HEADER);
}

/* A lost header is damage, not a tear: with its copy nothing is missing, and the next writer mends it. */
START_TEST(store__a_lost_header_is_taken_from_its_copy)
{
	struct store *s = four_files("header");
	off_t size = log_size();

	store_close(s);
	for (int i = 0; i < 2; i++) {
		zero_header(1);
		if (i)
			drop("log/acked");
		drop_catalogue();
		s = open_store(STORE_READ);
		expect(s, 1, FOUR);
		ck_assert_int_eq(verify(s).n, 1);
		store_close(s);
		s = open_store(STORE_WRITE);
		ck_assert_int_eq(log_size(), size);
		expect(s, 1, FOUR);
		ck_assert_int_eq(verify(s).n, 0);
		store_close(s);
	}
}
END_TEST

/* Without the copy what is in the segment is lost, and named; nothing is cut, and the work goes on. */
START_TEST(store__a_lost_header_cuts_nothing)
{
	for (int i = 0; i < 2; i++) {		/* the catalogue is there, and gone */
		char name[16], torn[600], second[600];
		struct store *s;
		uint64_t seq;
		off_t size;

		snprintf(name, sizeof(name), "lost%d", i);
		s = four_files(name);
		size = log_size();
		store_close(s);
		zero_header(1);
		drop("log/headers");
		if (i)
			drop_catalogue();
		s = open_store(STORE_READ);
		ck_assert_int_gt(verify(s).n, 0);
		store_close(s);
		s = open_store(STORE_WRITE);
		seq = snapshot(s, "new", "work that came after");
		ck_assert_uint_gt(seq, 1);
		ck_assert_int_eq(log_size(), size);
		snprintf(torn, sizeof(torn), "%s/log/torn", dir);
		segment_path(2, second);
		ck_assert(access(torn, F_OK) < 0 && access(second, F_OK) == 0);
		store_close(s);
		/* The newest is not taken for a tear because its segment's neighbour is lost. */
		drop("log/acked");
		drop_catalogue();
		s = open_store(STORE_WRITE);
		ck_assert_uint_eq(store_count(s), 1);
		ck_assert_int_eq(log_size(), size);
		ck_assert_int_gt(verify(s).n, 0);
		store_close(s);
		ck_assert(access(torn, F_OK) < 0 && access(second, F_OK) == 0);
	}
}
END_TEST

/* What was cut off once is not thrown away by the next tear. */
START_TEST(store__what_was_cut_stays)
{
	struct store *s = four_files("torn");

	store_close(s);
	for (int i = 0; i < 20; i++) {
		autoclose int fd = -1;
		char path[600];
		struct stat st;

		segment_path(1, path);
		fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
		ck_assert_int_eq(write(fd, "unfinished, unfinished", (size_t)i + 1), i + 1);
		store_close(open_store(STORE_WRITE));
		snprintf(path, sizeof(path), i ? "%s/log/torn.%d" : "%s/log/torn", dir, i);
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_int_eq(st.st_size, i + 1);
		snprintf(path, sizeof(path), i > 16 ? "%s/log/torn.%d" : "%s/log/torn", dir, i - 16);
		ck_assert_int_eq(access(path, F_OK), i < 16 ? 0 : -1);
	}
}
END_TEST

/* What says how far the log goes is not believed where it cannot be true. */
START_TEST(store__a_wrong_acknowledgement_is_ignored)
{
	struct store *s = four_files("wrong-ack");
	autoput(buf_release) struct buf acked = BUF_INIT;
	off_t one = log_size();
	char path[600];

	segment_path(1, path);
	ck_assert_uint_eq(snapshot(s, "b", "b"), 2);
	store_close(s);
	ck_assert_int_eq(io_read_file(AT_FDCWD, (snprintf(path, sizeof(path), "%s/log/acked", dir), path), 100, &acked), 0);
	ck_assert_uint_eq(acked.len, 16);
	/* The log was cut: an older copy of it, say. */
	segment_path(1, path);
	ck_assert_int_eq(truncate(path, one + 10), 0);
	drop_catalogue();
	s = open_store(STORE_WRITE);
	ck_assert_uint_eq(store_count(s), 1);
	ck_assert_int_eq(log_size(), one);
	ck_assert_uint_eq(snapshot(s, "a much longer name than the one it had before", "x"), 2);
	ck_assert_int_eq(verify(s).n, 0);
	store_close(s);
	drop_catalogue();
	/* And that of the longer log comes back. */
	snprintf(path, sizeof(path), "%s/log", dir);
	{
		autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		ck_assert_int_eq(io_replace_file(fd, "acked", acked.data, acked.len, 0600), 0);
	}
	s = open_store(STORE_WRITE);
	ck_assert_uint_eq(store_count(s), 2);
	ck_assert_int_eq(verify(s).n, 0);
	store_close(s);
}
END_TEST

/* ---- taken away under the writer ---- */

static void log_name(const char *name, char out[600])
{
	snprintf(out, 600, "%s/%s", dir, name);
}

static void put_four(struct store_txn *t)
{
	put(t, "a", "a");
	put(t, "sub/b", "b");
	put(t, "sub/deep/c", "c");
	put(t, "z/d", "d");
}

START_TEST(store__a_log_that_is_taken_away_is_begun_anew)
{
	struct store *s = four_files("log-gone");
	struct store_commit how = { .reason = REASON_MANUAL };
	char from[600], to[600];
	struct store_txn *t;

	log_name("log", from);
	log_name("elsewhere", to);
	ck_assert_uint_eq(snapshot(s, "a", "aa"), 2);
	ck_assert_int_eq(rename(from, to), 0);
	t = begin(s);
	ck_assert(store_forgot(s));
	put_four(t);
	ck_assert_uint_eq(commit(t), 3);	/* a number is given once, also if its snapshot is lost */
	ck_assert_uint_eq(store_count(s), 1);
	expect(s, 3, FOUR);
	ck_assert_int_eq(verify(s).n, 0);

	/* While one is written: it is not acknowledged. */
	t = begin(s);
	put(t, "a", "new");
	log_name("elsewhere2", to);
	ck_assert_int_eq(rename(from, to), 0);
	ck_assert_int_eq(store_txn_commit(t, &how, NULL), -ESTALE);
	t = begin(s);
	ck_assert(store_forgot(s));
	put_four(t);
	ck_assert_uint_eq(commit(t), 4);
	store_close(s);
	s = open_store(STORE_READ);
	expect(s, 4, FOUR);
	ck_assert_int_eq(verify(s).n, 0);
	store_close(s);
}
END_TEST

static void lose_segment(const char *name, uint32_t no)
{
	struct store_options opt = { .no_sync = true, .segment_size = 100 };	/* one for each */
	struct store_entry e;
	struct store_txn *t;
	struct store *s;
	char path[600];
	uint64_t seq;

	log_set_level(LOG_ERROR);
	snprintf(dir, sizeof(dir), "%s/%s", check_dir(NULL), name);
	ck_assert_int_eq(store_open(dir, STORE_WRITE, &opt, &s), 0);
	ck_assert_uint_eq(snapshot(s, "sub/b", "b"), 1);
	ck_assert_uint_eq(snapshot(s, "sub/deep/c", "c"), 2);
	ck_assert_uint_eq(snapshot(s, "a", "a"), 3);
	ck_assert_uint_eq(snapshot(s, "z/d", "d"), 4);
	(void)store_forgot(s);
	segment_path(no, path);
	ck_assert_int_eq(unlink(path), 0);

	t = begin(s);
	ck_assert(store_forgot(s));
	ck_assert_int_eq(store_cur_get(s, "z/d", &e) == 0 ? e.kind : KIND_GONE, no == 4 ? KIND_GONE : KIND_FILE);
	put_four(t);
	seq = commit(t);
	ck_assert_uint_eq(seq, 5);
	obj_cache_clear(s);
	expect(s, seq, FOUR);
	store_close(s);
	s = open_store(STORE_READ);
	expect(s, seq, FOUR);
	store_close(s);
	ck_assert_int_eq(store_open(dir, STORE_WRITE, &opt, &s), 0);
	t = begin(s);
	ck_assert(!store_forgot(s));	/* what is there is whole: the gap alone is not news */
	store_txn_abort(t);
	store_close(s);
}

START_TEST(store__a_segment_that_is_taken_away_is_noticed)
{
	lose_segment("first-gone", 1);
	lose_segment("middle-gone", 2);
	lose_segment("last-gone", 4);
}
END_TEST

/* Nobody has it open, and log/acked, which would tell that it was acknowledged, is gone as well. */
static void lose_unasked(const char *name, uint32_t no, bool catalogue, bool headers)
{
	struct store_options opt = { .no_sync = true, .segment_size = 100 };
	struct store *s;
	char path[600];
	uint64_t n;

	log_set_level(LOG_ERROR);
	snprintf(dir, sizeof(dir), "%s/%s", check_dir(NULL), name);
	ck_assert_int_eq(store_open(dir, STORE_WRITE, &opt, &s), 0);
	for (unsigned i = 1; i <= 4; i++)
		ck_assert_uint_eq(snapshot(s, (const char *[]){ "a", "b", "c", "d" }[i - 1], "text"), i);
	store_close(s);
	segment_path(no, path);
	ck_assert_int_eq(unlink(path), 0);
	drop("log/acked");
	if (catalogue)
		drop_catalogue();
	if (headers)
		drop("log/headers");

	s = open_store(STORE_READ);
	n = store_count(s);
	ck_assert_uint_ge(n, 3);
	expect(s, 4, no == 4 ? "" : "a=text\nb=text\nc=text\nd=text\n");
	ck_assert_int_ge(verify(s).n, 1);
	store_close(s);
	ck_assert_int_eq(store_open(dir, STORE_WRITE, &opt, &s), 0);
	ck_assert_uint_eq(store_count(s), n);
	for (unsigned i = no + 1; i <= 4; i++) {	/* nothing behind the gap is taken for a tear */
		segment_path(i, path);
		ck_assert_int_eq(access(path, F_OK), 0);
	}
	store_close(s);
}

START_TEST(store__a_gap_is_no_tear)
{
	lose_unasked("gap", 2, false, false);
	lose_unasked("gap-catalogue", 2, true, false);
	lose_unasked("gap-headers", 2, true, true);
	lose_unasked("gap-before-last", 3, true, true);
}
END_TEST

/* Only the catalogue knew of what was there: whoever makes it anew is the last who can tell. */
START_TEST(store__an_end_that_only_the_catalogue_knew_is_missed)
{
	struct store_options opt = { .no_sync = true };
	struct store *s;
	char path[600];
	struct stat st;

	log_set_level(LOG_ERROR);
	snprintf(dir, sizeof(dir), "%s/only-catalogue", check_dir(NULL));
	ck_assert_int_eq(store_open(dir, STORE_WRITE, &opt, &s), 0);
	ck_assert_uint_eq(snapshot(s, "a", "text"), 1);
	segment_path(1, path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(snapshot(s, "b", "text"), 2);
	store_close(s);
	ck_assert_int_eq(truncate(path, st.st_size), 0);
	drop("log/acked");

	s = open_store(STORE_READ);
	ck_assert_uint_eq(store_count(s), 1);
	ck_assert_int_ge(verify(s).n, 1);
	store_close(s);
	s = open_store(STORE_READ);
	expect(s, 1, "a=text\n");
	store_close(s);
}
END_TEST

CHECK_MAIN("store_lost", store__an_end_that_only_the_catalogue_knew_is_missed, store__no_flipped_bit_cuts_an_acknowledged_snapshot,
	store__a_lost_header_is_taken_from_its_copy, store__a_lost_header_cuts_nothing,
	store__what_was_cut_stays, store__a_wrong_acknowledgement_is_ignored,
	store__a_log_that_is_taken_away_is_begun_anew,
	store__a_segment_that_is_taken_away_is_noticed, store__a_gap_is_no_tear)
