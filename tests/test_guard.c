/* The guard's decisions: readings in, actions out. */
#include "check_main.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "detect/guard.h"
#include "detect/machine.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* A machine whose trainings really freeze, thaw and end. Memory: 16 GiB, of which `others` are taken. */
struct world {
	struct guard g;
	uint64_t now, total, others, faults, swap;
	struct guard_run run[4];
	uint64_t rate[4];	/* bytes a ms while it runs */
	bool frozen[4], gone[4], deaf[4];	/* deaf: SIGTERM does nothing */
	unsigned n, did[6];
	enum guard_action last;
	char last_key[GUARD_KEY], why[GUARD_WHY];
};

static struct world w;

static void world(uint64_t total, uint64_t others)
{
	memset(&w, 0, sizeof(w));
	w.total = total;
	w.others = others;
	w.now = 1000;
	w.swap = MACHINE_NONE;
	w.faults = MACHINE_NONE;
}

static unsigned train(const char *key, uint64_t bytes, uint64_t rate)
{
	struct guard_run *x = &w.run[w.n];

	(void)snprintf(x->key, sizeof(x->key), "%s", key);
	x->bytes = x->sure_bytes = bytes;
	x->has_head = true;
	w.rate[w.n] = rate;
	return w.n++;
}

static uint64_t left(void)
{
	uint64_t used = w.others;

	for (unsigned i = 0; i < w.n; i++)
		used += w.gone[i] ? 0 : w.run[i].bytes;
	return used < w.total ? w.total - used : 0;
}

static void carry_out(const char *key, enum guard_action a)
{
	for (unsigned i = 0; i < w.n; i++) {
		if (strcmp(w.run[i].key, key) != 0)
			continue;
		if (a == GUARD_FREEZE)
			w.frozen[i] = true;
		if (a == GUARD_THAW || (a == GUARD_TERM && w.deaf[i]))
			w.frozen[i] = false;
		if (a == GUARD_KILL || (a == GUARD_TERM && !w.deaf[i]))
			w.gone[i] = true;
	}
}

static void turn(void)
{
	struct guard_reading r = { w.now, w.total, left(), w.swap, w.faults };
	struct guard_run *x;
	enum guard_action a;

	guard_begin(&w.g, &guard_defaults, &r);
	for (unsigned i = 0; i < w.n; i++)
		if (!w.gone[i])
			(void)guard_add(&w.g, &w.run[i]);
	for (unsigned i = 0; i < GUARD_RUNS && (a = guard_next(&w.g, &x, w.why)) != GUARD_NONE; i++) {
		carry_out(x->key, a);
		w.did[a]++;
		w.last = a;
		memcpy(w.last_key, x->key, sizeof(w.last_key));
		guard_did(&w.g, x, a);
	}
}

/* The lowest that was left. until: milliseconds, or an action. */
static uint64_t pass(uint64_t ms, enum guard_action until)
{
	uint64_t end = w.now + ms, lowest = left();

	while (w.now < end && (until == GUARD_NONE || !w.did[until])) {
		uint64_t step;

		turn();
		step = guard_period_ms(&w.g);
		if (step > 1000)
			step = 1000;
		w.now += step;
		for (unsigned i = 0; i < w.n; i++)
			if (!w.frozen[i] && !w.gone[i]) {
				w.run[i].bytes += w.rate[i] * step;
				w.run[i].sure_bytes = w.run[i].bytes;
			}
		if (left() < lowest)
			lowest = left();
	}
	return lowest;
}

START_TEST(guard__nothing_to_act_on_wants_no_turns)
{
	world(16 * GIB, 8 * GIB);
	turn();
	ck_assert_uint_eq(guard_period_ms(&w.g), UINT64_MAX);
	(void)train("a", GIB, 0);
	turn();
	ck_assert_uint_le(guard_period_ms(&w.g), 1000);
	ck_assert_uint_eq(w.last, GUARD_NONE);
}
END_TEST

START_TEST(guard__a_burst_is_frozen_at_the_line_and_ended_at_the_last)
{
	static const unsigned percent[] = { 1, 5, 20, 80 };

	for (size_t i = 0; i < sizeof(percent) / sizeof(*percent); i++) {
		uint64_t point, lowest;

		world(3 * GIB / 2, 600 * MIB);
		point = w.total / 100;
		(void)train("burst", 50 * MIB, w.total / 100 * percent[i] / 1000);
		lowest = pass(600000, GUARD_FREEZE);
		ck_assert_uint_ge(lowest, 9 * point);
		lowest = pass(600000, GUARD_TERM);
		ck_assert(w.gone[0]);
		ck_assert_uint_ge(lowest, 2 * point);
		/* It was looked at again, more than once, before that. */
		ck_assert_uint_ge(w.did[GUARD_FREEZE], 3);
		ck_assert_uint_ge(w.did[GUARD_THAW], 2);
	}
}
END_TEST

/* What it takes in 40 ms lies above the end, by how it grew before it was frozen; who is slow may go further. */
START_TEST(guard__who_grows_fast_is_ended_earlier)
{
	uint64_t point, lowest;

	world(3 * GIB / 2, 600 * MIB);
	point = w.total / 100;
	(void)train("fast", 50 * MIB, w.total / 100 * 80 / 1000);
	lowest = pass(600000, GUARD_TERM);
	ck_assert(w.gone[0]);
	ck_assert_uint_ge(lowest, point * 26 / 10);
	world(3 * GIB / 2, 600 * MIB);
	(void)train("slow", 50 * MIB, w.total / 100 * 5 / 1000);
	lowest = pass(600000, GUARD_TERM);
	ck_assert(w.gone[0]);
	ck_assert_uint_lt(lowest, point * 25 / 10);
	ck_assert_uint_ge(lowest, point * 24 / 10);
}
END_TEST

START_TEST(guard__what_fits_is_never_ended)
{
	for (unsigned peak = 80; peak <= 95; peak++) {
		world(3 * GIB / 2, 600 * MIB);
		(void)train("saw", 50 * MIB, w.total / 100 * 20 / 1000);
		for (unsigned tooth = 0; tooth < 3; tooth++) {
			while (left() > w.total / 100 * (100 - peak))
				(void)pass(1, GUARD_NONE);
			w.rate[0] = 0;
			(void)pass(700, GUARD_NONE);
			w.run[0].bytes = w.run[0].sure_bytes = 50 * MIB;
			(void)pass(300, GUARD_NONE);
			w.rate[0] = w.total / 100 * 20 / 1000;
		}
		ck_assert_msg(!w.gone[0] && w.did[GUARD_TERM] == 0, "a peak of %u %%", peak);
		(void)pass(20000, GUARD_NONE);
	}
}
END_TEST

START_TEST(guard__the_one_that_grows_is_meant)
{
	world(16 * GIB, 4 * GIB);
	(void)train("large", 5 * GIB, 0);
	(void)train("small", 100 * MIB, 0);
	(void)train("grows", 3 * GIB, 3 * MIB);
	(void)pass(60000, GUARD_FREEZE);
	ck_assert_str_eq(w.last_key, "grows");
	(void)pass(60000, GUARD_TERM);
	ck_assert_str_eq(w.last_key, "grows");
	(void)pass(60000, GUARD_NONE);
	ck_assert(!w.gone[0] && !w.gone[1] && !w.frozen[0] && !w.frozen[1]);
}
END_TEST

START_TEST(guard__a_second_one_is_frozen_only_when_it_goes_on)
{
	world(16 * GIB, 4 * GIB);
	(void)train("a", 5 * GIB, 0);
	(void)train("b", 3 * GIB, 0);
	/* Something else takes the room, at once. */
	w.others = 6 * GIB + 600 * MIB;
	turn();
	ck_assert_uint_eq(w.did[GUARD_FREEZE], 1);
	for (unsigned i = 0; i < 50; i++) {
		w.now += 5;
		turn();
	}
	ck_assert_uint_eq(w.did[GUARD_FREEZE], 1);
	w.others += 400 * MIB;
	turn();
	ck_assert_uint_eq(w.did[GUARD_FREEZE], 2);
}
END_TEST

START_TEST(guard__below_its_size_nobody_is_touched)
{
	world(16 * GIB, 14 * GIB);
	(void)train("small", 1900 * MIB, 1);
	(void)pass(20000, GUARD_NONE);
	ck_assert_uint_eq(w.last, GUARD_NONE);
	/* An eighth of a small machine is less. */
	world(4 * GIB, 3 * GIB);
	(void)train("small", 600 * MIB, MIB);
	(void)pass(20000, GUARD_FREEZE);
	ck_assert_uint_eq(w.did[GUARD_FREEZE], 1);
}
END_TEST

START_TEST(guard__ten_percent_of_a_large_machine_is_a_lot)
{
	world(256 * GIB, 100 * GIB);
	(void)train("a", 140 * GIB, 0);
	turn();
	ck_assert_uint_eq(w.did[GUARD_FREEZE], 0);
	w.run[0].bytes = w.run[0].sure_bytes = 155 * GIB;
	turn();
	ck_assert_uint_eq(w.did[GUARD_FREEZE], 1);
}
END_TEST

START_TEST(guard__it_is_asked_once_in_a_while_and_only_who_can)
{
	world(16 * GIB, 4 * GIB);
	(void)train("deaf", 5 * GIB, 0);
	(void)train("hears", 5 * GIB, 0);
	w.run[1].can_ask = true;
	(void)pass(20000, GUARD_NONE);
	ck_assert_uint_eq(w.did[GUARD_ASK], 1);
	ck_assert_str_eq(w.last_key, "hears");
	(void)pass(20000, GUARD_NONE);
	ck_assert_uint_eq(w.did[GUARD_ASK], 2);
}
END_TEST

START_TEST(guard__room_again_thaws_at_once)
{
	world(16 * GIB, 4 * GIB);
	(void)train("a", 10 * GIB, MIB);
	(void)pass(60000, GUARD_FREEZE);
	ck_assert(w.frozen[0]);
	w.others = GIB;
	w.now += 30;
	turn();
	ck_assert(!w.frozen[0]);
	ck_assert_uint_eq(w.did[GUARD_TERM], 0);
}
END_TEST

START_TEST(guard__deaf_to_sigterm_is_killed_after_the_grace)
{
	uint64_t asked;

	world(16 * GIB, 4 * GIB);
	w.deaf[train("a", 10 * GIB, MIB)] = true;
	(void)pass(60000, GUARD_TERM);
	asked = w.now;
	ck_assert(!w.gone[0]);
	w.rate[0] = 0;
	(void)pass(60000, GUARD_KILL);
	ck_assert(w.gone[0]);
	ck_assert_uint_le(w.now - asked, guard_defaults.grace_ms + 10);
}
END_TEST

/* Workers of a run that has ended do nothing for anybody. */
START_TEST(guard__no_grace_for_workers_whose_head_has_gone)
{
	uint64_t asked;

	world(16 * GIB, 4 * GIB);
	w.deaf[train("a", 10 * GIB, MIB)] = true;
	(void)pass(60000, GUARD_TERM);
	asked = w.now;
	w.rate[0] = 0;
	w.run[0].has_head = false;
	(void)pass(60000, GUARD_KILL);
	ck_assert_uint_le(w.now - asked, 10);
}
END_TEST

START_TEST(guard__no_grace_when_it_gets_worse)
{
	uint64_t lowest;

	world(16 * GIB, 4 * GIB);
	w.deaf[train("a", 10 * GIB, 13 * MIB)] = true;
	lowest = pass(60000, GUARD_KILL);
	ck_assert(w.gone[0]);
	ck_assert_uint_ge(lowest, GIB / 8);
}
END_TEST

START_TEST(guard__an_editor_paged_out_counts_before_the_line)
{
	world(16 * GIB, 4 * GIB);
	w.faults = 1000;
	(void)train("crawl", 16 * GIB - 4 * GIB - 2400 * MIB, 0);
	turn();
	w.now += 100;
	turn();
	ck_assert_uint_eq(w.did[GUARD_FREEZE], 0);
	w.now += 100;
	w.faults += 40;
	turn();
	ck_assert_uint_eq(w.did[GUARD_FREEZE], 1);
	/* What was paged out comes back while it is frozen: no reason to end it. */
	for (unsigned i = 0; i < 40; i++) {
		w.now += 100;
		turn();
	}
	ck_assert_uint_eq(w.did[GUARD_THAW], 1);
	/* Again, and little room: it does not fit beside the editor. */
	w.run[0].bytes = w.run[0].sure_bytes += 700 * MIB;
	for (unsigned i = 0; i < 20 && !w.gone[0]; i++) {
		w.now += 100;
		w.faults += 40;
		turn();
	}
	ck_assert(w.gone[0]);
}
END_TEST

START_TEST(guard__faults_with_room_are_none_of_ours)
{
	world(16 * GIB, 4 * GIB);
	w.faults = 0;
	(void)train("flood", 6 * GIB, 0);
	for (unsigned i = 0; i < 100; i++) {
		w.now += 100;
		w.faults += 500;
		turn();
	}
	ck_assert_uint_eq(w.last, GUARD_NONE);
}
END_TEST

START_TEST(guard__with_swap_to_spare_a_line_alone_is_no_reason)
{
	world(16 * GIB, 4 * GIB);
	w.swap = 8 * GIB;
	(void)train("a", 11 * GIB, 0);
	turn();
	ck_assert_uint_eq(w.did[GUARD_FREEZE], 0);
	w.swap = 0;
	w.now += 5;
	turn();
	ck_assert_uint_eq(w.did[GUARD_FREEZE], 1);
}
END_TEST

START_TEST(guard__a_notebook_comes_last)
{
	world(16 * GIB, 4 * GIB);
	(void)train("notebook", 7 * GIB, 0);
	w.run[0].kernel = true;
	(void)train("run", 3500 * MIB, 0);
	w.others += 200 * MIB;
	turn();
	ck_assert_uint_eq(w.did[GUARD_FREEZE], 1);
	ck_assert_str_eq(w.last_key, "run");
}
END_TEST

/* Whatever happens: one that was frozen is thawed, ended or still frozen for a reason; never two ends at a time; and with
 * somebody to act on, memory does not run out. */
START_TEST(guard__random_worlds)
{
	for (unsigned round = 0; round < 300; round++) {
		uint64_t lowest;

		world(GIB + check_below(32) * GIB, 0);
		w.others = w.total / 100 * (10 + check_below(20));
		for (unsigned i = 0; i < 1 + check_below(4); i++) {
			char key[8];

			(void)snprintf(key, sizeof(key), "r%u", i);
			(void)train(key, w.total / 100 * (13 + check_below(3)),
				w.total / 100 * check_below(40) / 1000);
			w.deaf[i] = check_below(3) == 0;
			w.run[i].can_ask = check_below(2);
		}
		for (unsigned i = 0; i < w.n; i++)
			/* Four together fill 6 GiB a second. */
			if (w.rate[i] > 3 * GIB / 2000)
				w.rate[i] = 3 * GIB / 2000;
		lowest = pass(30000, GUARD_NONE);
		ck_assert_msg(lowest > w.total / 200 || lowest > 100 * MIB, "round %u: %zu MiB left of %zu", round,
			(size_t)(lowest / MIB), (size_t)(w.total / MIB));
		for (unsigned i = 0; i < w.n; i++)
			w.rate[i] = 0;
		w.others = 0;
		for (unsigned i = 0; i < w.n; i++)
			w.run[i].bytes /= 4;
		(void)pass(60000, GUARD_NONE);
		for (unsigned i = 0; i < w.n; i++)
			ck_assert(w.gone[i] || !w.frozen[i]);
	}
}
END_TEST

CHECK_MAIN("guard", guard__nothing_to_act_on_wants_no_turns,
	guard__a_burst_is_frozen_at_the_line_and_ended_at_the_last,
	guard__who_grows_fast_is_ended_earlier, guard__what_fits_is_never_ended,
	guard__the_one_that_grows_is_meant, guard__a_second_one_is_frozen_only_when_it_goes_on,
	guard__below_its_size_nobody_is_touched, guard__ten_percent_of_a_large_machine_is_a_lot,
	guard__it_is_asked_once_in_a_while_and_only_who_can, guard__room_again_thaws_at_once,
	guard__deaf_to_sigterm_is_killed_after_the_grace, guard__no_grace_when_it_gets_worse,
	guard__no_grace_for_workers_whose_head_has_gone,
	guard__an_editor_paged_out_counts_before_the_line, guard__faults_with_room_are_none_of_ours,
	guard__with_swap_to_spare_a_line_alone_is_no_reason, guard__a_notebook_comes_last, guard__random_worlds)
