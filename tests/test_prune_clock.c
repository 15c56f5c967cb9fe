/* A clock that is set while the daemon runs makes no snapshots old. */
#include "check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/log.h"
#include "lib/text.h"
#include "snapd/prune.h"
#include "snapd/workspace.h"

#define S INT64_C(1000000000)
#define MINUTE (60 * S)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static const int64_t now = 1764000000 * S;

START_TEST(prune_clock__goes_on_with_the_time_since_boot)
{
	struct prune_clock c = { 0 };
	int64_t off = 0;

	/* A month, asleep or not; corrected by some seconds, or by half an hour, each time. */
	for (int64_t t = 0; t < 30 * DAY; t += HOUR) {
		off += ((int64_t)check_below(61) - 30) * MINUTE;
		ck_assert(prune_clock_right(&c, now + off + t, t));
	}
}
END_TEST

START_TEST(prune_clock__set_forward_is_not_believed_for_a_day)
{
	static const int64_t jumps[] = { HOUR, 12 * HOUR, 40 * DAY, 3650 * DAY };

	for (int i = 0; i < 4; i++) {
		struct prune_clock c = { 0 };
		int64_t t = 5 * DAY, from;

		ck_assert(prune_clock_right(&c, now + t, t));
		for (from = t += HOUR; t < from + DAY; t += HOUR)
			/* who needs room goes by the time before */
			ck_assert_int_eq(prune_clock_now(&c, now + t + jumps[i], t), now + t);
		for (; t < from + 3 * DAY; t += HOUR)
			ck_assert_int_eq(prune_clock_now(&c, now + t + jumps[i], t), 0);
	}
}
END_TEST

START_TEST(prune_clock__set_right_again_is_believed_at_once)
{
	struct prune_clock c = { 0 };
	int64_t t = DAY;

	ck_assert(prune_clock_right(&c, now + t, t));
	ck_assert(!prune_clock_right(&c, now + t + 3650 * DAY, t));
	t += HOUR;
	ck_assert(prune_clock_right(&c, now + t, t));
	/* And the next time it is a day again. */
	t += 30 * DAY;
	ck_assert(!prune_clock_right(&c, now + t + 2 * HOUR, t));
	/* Back by a year, to 1970: it only makes them younger. */
	ck_assert(prune_clock_right(&c, now + t - 365 * DAY, t));
	ck_assert(prune_clock_right(&c, t, t));
}
END_TEST

/* As far as one is to go, asked for: a daemon whose clock was set forward goes by the time before, as its own thinning does. */
START_TEST(prune_clock__who_asks_gets_the_same_time)
{
	struct workspace w = { .path = (char[]){ "w" } };
	struct store_options opt = { .no_sync = true };
	struct timespec boot;
	char dir[600];
	int64_t before;

	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	w.clock = (struct prune_clock){ .begun = true, .offset_ns = text_now_ns() - text_ns(&boot) - 40 * DAY };
	before = text_now_ns() - 40 * DAY;
	log_set_level(LOG_ERROR);
	(void)snprintf(dir, sizeof(dir), "%s/clock", check_dir(NULL));
	ck_assert_int_eq(setenv("HOLDFAST_STATE", check_dir(NULL), 1), 0);
	ck_assert_int_eq(config_init(&w.cfg), 0);
	ck_assert_int_eq(loop_new(&w.loop), 0);
	ck_assert_int_eq(store_open(dir, STORE_WRITE, &opt, &w.store), 0);
	for (int i = 0; i < 20; i++) {
		struct store_commit how = { .reason = REASON_INTERVAL, .time_ns = before - HOUR + i * MINUTE };
		struct stat st = { .st_mode = S_IFREG | 0644, .st_size = 1 };
		struct store_txn *t;

		ck_assert_int_eq(store_txn_begin(w.store, &t), 0);
		ck_assert_int_eq(store_txn_bytes(t, "a", &st, &"abcdefghijklmnopqrst"[i], 1), 0);
		ck_assert_int_eq(store_txn_commit(t, &how, NULL), 1);
	}
	ck_assert_int_eq(prune_start(&w, true), 0);
	ck_assert_int_eq(prune_step(&w, 0), 0);
	ck_assert_uint_eq(w.pruned.dropped, 0);
	ck_assert_uint_eq(w.pruned.kept, 20);
	/* Believed, they are old. */
	w.clock = (struct prune_clock){ 0 };
	ck_assert_int_eq(prune_start(&w, true), 0);
	ck_assert_int_eq(prune_step(&w, 0), 0);
	ck_assert_uint_gt(w.pruned.dropped, 10);
	store_close(w.store);
	loop_free(w.loop);
	config_release(&w.cfg);
}
END_TEST

CHECK_MAIN("prune_clock", prune_clock__goes_on_with_the_time_since_boot,
	prune_clock__set_forward_is_not_believed_for_a_day, prune_clock__set_right_again_is_believed_at_once,
	prune_clock__who_asks_gets_the_same_time)
