/* A clock that is set while the daemon runs makes no snapshots old. */
#include "check_main.h"

#include "snapd/prune.h"

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

CHECK_MAIN("prune_clock", prune_clock__goes_on_with_the_time_since_boot,
	prune_clock__set_forward_is_not_believed_for_a_day, prune_clock__set_right_again_is_believed_at_once)
