/* Odd input, strangers and hostile objects. */
#include "rot.h"

#include <sys/resource.h>

/* The number that a killed writer left names a stranger by now: whoever takes the lock takes it away. */
START_TEST(store__no_stale_writer_is_named)
{
	struct store *s = four_files("stale");
	char path[600];
	struct stat st;

	store_close(s);
	write_text("lock", "1\n");
	drop_catalogue();
	store_close(open_store(STORE_READ));	/* makes the catalogue, in the writer's place */
	snprintf(path, sizeof(path), "%s/lock", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
}
END_TEST

/* A folder with something else in it is no place for a store, and stays as it is. */
START_TEST(store__a_strangers_folder_is_refused)
{
	char log[600];
	struct store *s;
	struct stat st;

	snprintf(dir, sizeof(dir), "%s/stranger", check_dir(NULL));
	ck_assert_int_eq(mkdir(dir, 0755), 0);
	write_text("catalogue.db", "my books");
	write_text("lock", "my notes on locks");
	ck_assert_int_eq(store_open(dir, STORE_WRITE, NULL, &s), -ENOTEMPTY);
	snprintf(log, sizeof(log), "%s/lock", dir);
	ck_assert_int_eq(stat(log, &st), 0);
	ck_assert_int_eq(st.st_size, 17);
	snprintf(log, sizeof(log), "%s/log", dir);
	ck_assert_int_lt(access(log, F_OK), 0);
	/* What a start that was killed leaves is none. */
	drop("catalogue.db");
	ck_assert_int_eq(mkdir(log, 0700), 0);
	store_close(open_store(STORE_WRITE));
}
END_TEST

static int count_piece(const void *p, size_t n, void *arg)
{
	(void)p;
	*(size_t *)arg += n;
	return 0;
}

/* A list of chunks that says 5 bytes and names a megabyte ten times gives no more than 5. */
START_TEST(store__a_large_file_is_no_larger_than_it_says)
{
	struct store *s = new_store("liar");
	struct store_txn *t = begin(s);
	struct store_entry was = { .kind = KIND_GONE };
	autoput(buf_release) struct buf list = BUF_INIT;
	autorbuf struct rbuf *zero = rbuf_new(1u << 20), *raw = NULL;
	struct oid chunk, id = { { 1 } };
	size_t got = 0;

	memset(zero->data, 0, zero->len);
	ck_assert_int_eq(put_bytes(t, zero->data, zero->len, &was, &chunk), 0);
	buf_add_varint(&list, 5);
	for (int i = 0; i < 10; i++) {
		buf_add_varint(&list, zero->len);
		buf_add(&list, chunk.b, 20);
	}
	raw = rbuf_new(list.len);
	memcpy(raw->data, list.data, list.len);
	ck_assert_int_eq(put_object(t, OBJ_LARGE, &id, raw, 0), 0);
	put(t, "a", "a");
	commit(t);
	ck_assert_int_eq(store_stream_blob(s, &id, count_piece, &got), -EBADMSG);
	ck_assert_uint_le(got, 5);
	store_close(s);
}
END_TEST

/* A look that found nothing new is remembered with what it saw. */
START_TEST(store__a_look_counts_from_when_it_was)
{
	struct store *s = new_store("look");
	struct store_commit how = { .reason = REASON_MANUAL };
	struct store_entry e;
	struct stat st = { .st_mode = S_IFREG | 0644, .st_size = 1, .st_ctim = { .tv_sec = 100 } };

	for (int i = 0; i < 2; i++) {
		struct store_txn *t = begin(s);

		st.st_ctim.tv_sec += 100;
		how.time_ns = (i + 1) * INT64_C(1000000000000);
		ck_assert_int_eq(store_txn_bytes(t, "a", &st, "a", 1), 0);
		ck_assert_int_eq(store_txn_commit(t, &how, NULL), i == 0);
		ck_assert_int_eq(store_cur_get(s, "a", &e), 0);
		ck_assert_int_eq(e.ctime_ns, st.st_ctim.tv_sec * INT64_C(1000000000));
		ck_assert_int_eq(e.seen_ns, i ? how.time_ns : 0);
	}
	store_close(s);
}
END_TEST

static int64_t mtime_at(struct store *s, const char *path)
{
	struct store_entry e;

	ck_assert_int_eq(store_entry_at(s, 1, path, &e), 0);
	return e.mtime_ns;
}

START_TEST(store__times_out_of_range_are_the_nearest_there_are)
{
	static const struct { time_t sec; long ns; int64_t want; } x[] = {
		{ INT64_C(9223372036), 854775807, INT64_MAX }, { INT64_C(9223372036), 854775808, INT64_MAX },
		{ INT64_C(9223372037), 0, INT64_MAX }, { INT64_MAX, 999999999, INT64_MAX }, { INT64_MIN, 0, INT64_MIN },
		{ INT64_C(-9223372037), 145224192, INT64_MIN }, { INT64_C(-9223372037), 145224193, INT64_MIN + 1 },
		{ INT64_C(-9223372037), 145224191, INT64_MIN }, { -1, 1, -999999999 }, { 0, 0, 0 },
	};
	struct store *s = new_store("times");
	struct store_txn *t = begin(s);
	char name[16];

	for (int i = 0; i < 10; i++) {
		struct stat st = { .st_mode = S_IFREG | 0644, .st_mtim = { x[i].sec, x[i].ns } };

		snprintf(name, sizeof(name), "%d", i);
		ck_assert_int_eq(store_txn_bytes(t, name, &st, name, 1), 0);
	}
	commit(t);
	for (int again = 0; again < 2; again++) {
		for (int i = 0; i < 10; i++) {
			snprintf(name, sizeof(name), "%d", i);
			ck_assert_int_eq(mtime_at(s, name), x[i].want);
		}
		store_close(s);
		drop_catalogue();
		s = open_store(STORE_READ);
	}
	ck_assert_int_eq(verify(s).n, 0);
	store_close(s);
}
END_TEST

START_TEST(store__a_name_that_git_refuses_is_named_in_the_manifest)
{
	struct store *s = four_files("names");
	struct store_txn *t = begin(s);
	struct stat st = { .st_mode = S_IFDIR | 0755 };

	ck_assert_int_eq(store_txn_dir(t, "sub/.Git", &st), -EINVAL);
	ck_assert_int_eq(store_txn_skip(t, "sub/.Git", &st, WHY_NAME), 0);
	ck_assert_int_eq(store_txn_skip(t, "sub/.Git/in", &st, WHY_NAME), -EINVAL);
	ck_assert_uint_eq(commit(t), 2);
	for (int again = 0; again < 2; again++) {
		expect(s, 2, "a=a\nsub/\nsub/.Git: name git cannot hold\nsub/b=b\nsub/deep/\nsub/deep/c=c\nz/\nz/d=d\n");
		ck_assert_int_eq(verify(s).n, 0);
		store_close(s);
		drop_catalogue();
		s = open_store(STORE_WRITE);
	}
	t = begin(s);
	ck_assert_int_eq(store_txn_gone(t, "sub/.Git"), 0);
	ck_assert_uint_eq(commit(t), 3);
	expect(s, 3, FOUR);
	store_close(s);
}
END_TEST

#define DEEP 8000

/* Deeper than any stack would like, and not slower with every level. */
START_TEST(store__eight_thousand_folders_deep)
{
	autofree char *path = malloc(2 * DEEP + 8);
	struct store *s = new_store("deep");
	struct store_txn *t = begin(s);
	struct stat st = { .st_mode = S_IFDIR | 0755 };
	struct store_entry e;
	struct rusage u;
	double cpu;

	for (int i = 0; i < DEEP; i++) {
		path[2 * i] = 'd';
		path[2 * i + 1] = 0;
		ck_assert_int_eq(store_txn_dir(t, path, &st), 0);
		path[2 * i + 1] = '/';
	}
	strcpy(path + 2 * DEEP, "file");
	put(t, path, "down here");
	ck_assert_uint_eq(commit(t), 1);
	ck_assert_uint_eq(snapshot(s, path, "again"), 2);
	store_close(s);
	drop_catalogue();
	s = open_store(STORE_WRITE);
	ck_assert_int_eq(store_cur_get(s, path, &e), 0);
	ck_assert_int_eq(e.kind, KIND_FILE);
	ck_assert(!oid_zero(&e.oid));
	path[1] = 0;
	ck_assert_uint_eq(snapshot(s, path, NULL), 3);
	expect(s, 3, "");
	store_close(s);
	ck_assert_int_eq(getrusage(RUSAGE_SELF, &u), 0);
	cpu = (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6;
	printf("deep: %.2f s CPU\n", cpu);
#ifndef __SANITIZE_THREAD__
	ck_assert_double_lt(cpu, 15);	/* 60 and more when each level walks all above it */
#endif
}
END_TEST

/* A file with the name of a segment, far behind the last: nobody counts up to it. */
START_TEST(store__a_stray_segment_costs_no_time)
{
	static const char *const names[] = { "log/99999999.seg", "log/00524288.seg", "log/00400000.seg" };
	struct store *s = four_files("stray");
	char text[200];
	struct rusage u;
	struct found f;

	store_close(s);
	for (int i = 0; i < 3; i++) {
		write_text(names[i], "");
		s = open_store(STORE_READ);
		expect(s, 1, FOUR);
		ck_assert_int_eq(verify(s).n, 0);
		store_close(s);
		s = open_store(STORE_WRITE);
		snapshot(s, "a", names[i]);
		store_close(s);
	}
	/* One with something in it is damage, and so is what is missing before it: that is one. */
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	write_text("log/00400000.seg", text);
	s = open_store(STORE_READ);
	f = verify(s);
	ck_assert_int_ge(f.n, 2);
	ck_assert_int_le(f.n, 4);
	store_close(s);
	s = open_store(STORE_WRITE);
	expect(s, snapshot(s, "a", "after"), "a=after\nsub/\nsub/b=b\nsub/deep/\nsub/deep/c=c\nz/\nz/d=d\n");
	store_close(s);
	ck_assert_int_eq(getrusage(RUSAGE_SELF, &u), 0);
	ck_assert_int_lt(u.ru_utime.tv_sec + u.ru_stime.tv_sec, 10);	/* 60 and more */
}
END_TEST

CHECK_MAIN("store_odd", store__no_stale_writer_is_named, store__a_strangers_folder_is_refused,
	store__a_large_file_is_no_larger_than_it_says, store__a_look_counts_from_when_it_was,
	store__times_out_of_range_are_the_nearest_there_are,
	store__a_name_that_git_refuses_is_named_in_the_manifest,
	store__eight_thousand_folders_deep, store__a_stray_segment_costs_no_time)
