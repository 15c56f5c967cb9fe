/* Who gets nowhere for want of memory, and who only looks like it. */
#include "tests/check_main.h"

#include "detect/starve.h"

enum { HZ = 100, LOOK = 500 };

struct life {
	uint64_t now, user, faults; /* as they are counted */
};

/* So many looks, in each of which it ran for so many ticks and faulted so often. How many of them found it stuck. */
static unsigned live(struct starve *s, struct life *l, unsigned looks, uint64_t user,
	uint64_t faults, bool short_of)
{
	unsigned stuck = 0;

	for (unsigned i = 0; i < looks; i++) {
		l->now += LOOK;
		l->user += user;
		l->faults += faults;
		stuck += starve_look(s, l->now, l->user, HZ, l->faults, short_of);
	}
	return stuck;
}

START_TEST(starve__who_only_faults_pages_in_gets_nowhere)
{
	struct starve s = { 0 };
	struct life l = { 1000, 50, 7 };

	/* It takes some seconds, and is over at once when there is memory again. */
	ck_assert_uint_eq(live(&s, &l, 8, 0, 30, true), 0);
	ck_assert_uint_eq(live(&s, &l, 60, 0, 30, true), 60);
	ck_assert_uint_eq(live(&s, &l, 10, 0, 30, false), 0);
}
END_TEST

START_TEST(starve__who_runs_code_of_its_own_gets_on)
{
	struct starve s = { 0 };
	struct life l = { 1000, 50, 7 };

	ck_assert_uint_eq(live(&s, &l, 100, 10, 300, true), 0); /* a fifth of a CPU */
	ck_assert_uint_gt(live(&s, &l, 30, 0, 30, true), 0);
	(void)live(&s, &l, 9, 10, 30, true); /* the window that has begun */
	ck_assert_uint_eq(live(&s, &l, 60, 10, 30, true), 0);
}
END_TEST

START_TEST(starve__who_sleeps_is_not_meant)
{
	struct starve s = { 0 };
	struct life l = { 1000, 50, 7 };

	ck_assert_uint_eq(live(&s, &l, 100, 0, 0, true), 0);
	/* One fault in a while: it touched something old. */
	for (int i = 0; i < 20; i++) {
		ck_assert_uint_eq(live(&s, &l, 1, 0, 3, true), 0);
		ck_assert_uint_eq(live(&s, &l, 9, 0, 0, true), 0);
	}
}
END_TEST

START_TEST(starve__reading_through_a_mapping_with_memory_to_spare)
{
	struct starve s = { 0 };
	struct life l = { 1000, 50, 7 };

	ck_assert_uint_eq(live(&s, &l, 100, 0, 500, false), 0);
	/* What was before it was short is no part of the window. */
	ck_assert_uint_eq(live(&s, &l, 8, 0, 0, true), 0);
}
END_TEST

START_TEST(starve__counters_that_go_back_begin_anew)
{
	struct starve s = { 0 };
	struct life l = { 100000, 5000, 70000 };

	ck_assert_uint_gt(live(&s, &l, 20, 0, 30, true), 0);
	l = (struct life){ 200000, 0, 0 }; /* another program behind its pid */
	ck_assert_uint_eq(live(&s, &l, 8, 0, 30, true), 0);
	l = (struct life){ 1000, 5000, 70000 }; /* a clock that was set back */
	ck_assert_uint_eq(live(&s, &l, 8, 0, 30, true), 0);
	for (int i = 0; i < 100000; i++)
		(void)starve_look(&s, check_rand() >> check_below(64),
			check_rand() >> check_below(64), HZ, check_rand() >> check_below(64),
			check_below(4) != 0);
}
END_TEST

CHECK_MAIN("starve", starve__who_only_faults_pages_in_gets_nowhere,
	starve__who_runs_code_of_its_own_gets_on, starve__who_sleeps_is_not_meant,
	starve__reading_through_a_mapping_with_memory_to_spare,
	starve__counters_that_go_back_begin_anew)
