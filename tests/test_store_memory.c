/* A daemon lives for months: what a store keeps in memory has a bound, whatever was edited. */
#include "check_main.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/auto.h"
#include "store/store.h"

#define FILES 400
#define LEN 12000

static void content(int i, int edit, uint8_t *p)
{
	uint32_t s = (uint32_t)i * 2654435761u + 1;

	for (uint32_t k = 0; k < LEN; k++) {
		s = s * 1664525 + 1013904223;
		p[k] = "abcdefgh \n0123"[s >> 28 & 7];
	}
	for (int k = 0; k < edit; k++)
		p[LEN / 2 + k] = '#';
}

static void put(struct store_txn *t, int i, int edit)
{
	struct stat st = { .st_mode = S_IFREG | 0644, .st_size = LEN };
	uint8_t p[LEN + 1];
	char path[32];

	content(i, edit, p);
	(void)snprintf(path, sizeof(path), "%03d", i);
	st.st_mtim.tv_sec = 1700000000 + edit;
	ck_assert_int_eq(store_txn_bytes(t, path, &st, p, LEN), 0);
}

static void commit(struct store_txn *t, int n)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	struct store_commit how = {
		.time_ns = (1700000000ll + n) * 1000000000, .reason = REASON_INTERVAL
	};

	ck_assert_int_eq(store_txn_commit(t, &how, &sn), 1);
}

/* Their first versions lie in a few frames of MiB; each first edit reads one as the base of a
 * delta, and keeps it for the next. */
START_TEST(edits__of_files_that_lie_together_keep_no_more_than_the_files)
{
	struct store_options opt = { .workspace = "/nowhere", .no_sync = true };
	struct store *s;
	struct store_txn *t;
	const char *where = check_dir(NULL);
	char dir[512];
	size_t before;

	(void)snprintf(dir, sizeof(dir), "%s/store", where);
	ck_assert_int_eq(store_open(dir, STORE_WRITE, &opt, &s), 0);
	ck_assert_int_eq(store_txn_begin(s, &t), 0);
	for (int i = 0; i < FILES; i++)
		put(t, i, 0);
	commit(t, 0);
	store_close(s);
	ck_assert_int_eq(store_open(dir, STORE_WRITE, &opt, &s), 0);
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	for (int i = 0; i < FILES; i++) {
		ck_assert_int_eq(store_txn_begin(s, &t), 0);
		put(t, i * 37 % FILES, 1);
		commit(t, i + 1);
	}
	ck_assert_uint_lt(mallinfo2().uordblks + mallinfo2().hblkhd - before, 10u << 20);
	store_close(s);
}
END_TEST

CHECK_MAIN("store_memory", edits__of_files_that_lie_together_keep_no_more_than_the_files)
