/* The policy of thinning: laws over random histories, and the cases that have names. */
#include "check_main.h"

#include <stdlib.h>
#include <string.h>

#include "store/store.h"

#define S INT64_C(1000000000)
#define MINUTE (60 * S)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static const struct store_retention usual = {
	.all_s = 86400, .ten_minutes_s = 7 * 86400, .hourly_s = 30 * 86400, .daily_s = 365 * 86400, .grace_s = 7200,
};

static const int64_t now = 1764000000 * S;	/* a Monday in November 2025 */

static size_t count(const struct store_kept *x, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		k += x[i].keep;
	return k;
}

/* One every step, the last at `at`. */
static struct store_kept *history(size_t n, int64_t step, int64_t at)
{
	struct store_kept *x = calloc(n + 1, sizeof(*x));

	ck_assert_ptr_nonnull(x);
	for (size_t i = 0; i < n; i++)
		x[i] = (struct store_kept){ .seq = i + 1, .time_ns = at - (int64_t)(n - 1 - i) * step };
	return x;
}

START_TEST(levels_have_their_density)
{
	size_t n = 2 * 366 * 24 * 12, all = 0, ten = 0, hourly = 0, daily = 0, weekly = 0;
	struct store_kept *x = history(n, 5 * MINUTE, now);

	store_retain(&usual, x, n, now);
	for (size_t i = 0; i < n; i++) {
		int64_t age = now - x[i].time_ns;

		if (!x[i].keep)
			continue;
		all += age <= DAY;
		ten += age > DAY && age <= 7 * DAY;
		hourly += age > 7 * DAY && age <= 30 * DAY;
		daily += age > 30 * DAY && age <= 365 * DAY;
		weekly += age > 365 * DAY;
	}
	ck_assert_uint_eq(all, 24 * 12 + 1);
	ck_assert_uint_eq(ten, 6 * 24 * 6);
	ck_assert(hourly >= 23 * 24 && hourly <= 23 * 24 + 1);
	ck_assert(daily >= 335 && daily <= 336);
	ck_assert(weekly >= 52 && weekly <= 54);
	free(x);
}
END_TEST

START_TEST(thinning_again_changes_nothing_and_time_only_takes)
{
	for (int round = 0; round < 50; round++) {
		size_t n = 1 + check_below(3000), k = 0;
		struct store_kept *x = history(n, 1 + (int64_t)check_below(40) * MINUTE, now), *y;
		int64_t later = now + (int64_t)check_below(400) * DAY / 10;

		for (size_t i = 0; i < n; i++) {
			x[i].time_ns += (int64_t)check_below(10) * S;
			x[i].pinned = !check_below(50);
		}
		store_retain(&usual, x, n, now);
		y = calloc(n, sizeof(*y));
		ck_assert_ptr_nonnull(y);
		for (size_t i = 0; i < n; i++)
			if (x[i].keep)
				y[k++] = x[i];
		store_retain(&usual, y, k, now);
		ck_assert_uint_eq(count(y, k), k);
		/* Thinned now and later is no more than thinned later alone would have kept of these. */
		store_retain(&usual, y, k, later);
		for (size_t i = 0; i < k; i++)
			ck_assert(!y[i].pinned || y[i].keep);
		ck_assert(y[k - 1].keep);
		free(x);
		free(y);
	}
}
END_TEST

/* However often it is thinned on the way: every box that had a snapshot still has one. */
START_TEST(no_box_is_ever_emptied)
{
	size_t n = 40 * 24 * 6, k = n;
	struct store_kept *x = history(n, 10 * MINUTE, now);
	bool day[64] = { false };

	for (int64_t t = now; t < now + 300 * DAY; t += DAY / 2 + (int64_t)check_below(20) * HOUR) {
		size_t m = 0;

		store_retain(&usual, x, k, t);
		for (size_t i = 0; i < k; i++)
			if (x[i].keep)
				x[m++] = x[i];
		k = m;
	}
	for (size_t i = 0; i < k; i++)
		day[(now - x[i].time_ns) / DAY] = true;
	for (int d = 0; d < 39; d++)
		ck_assert_msg(day[d], "day %d has no snapshot left", d);
	ck_assert_uint_le(k, 43);
	free(x);
}
END_TEST

START_TEST(newest_pinned_and_young_stay)
{
	struct store_kept x[] = {
		{ .seq = 1, .time_ns = now - 900 * DAY },
		{ .seq = 2, .time_ns = now - 900 * DAY + S, .pinned = true },
		{ .seq = 3, .time_ns = now - 900 * DAY + 2 * S },
		{ .seq = 4, .time_ns = now - 900 * DAY + 3 * S },
	};
	struct store_retention none = { .grace_s = 7200, .weekly_s = 1 };
	struct store_kept y[] = {
		{ .seq = 1, .time_ns = now - 3 * HOUR }, { .seq = 2, .time_ns = now - HOUR },
		{ .seq = 3, .time_ns = now - MINUTE },
	};

	store_retain(&usual, x, 4, now);
	ck_assert(!x[0].keep && x[1].keep && !x[2].keep && x[3].keep);
	store_retain(&none, y, 3, now);
	ck_assert(!y[0].keep && y[1].keep && y[2].keep);
}
END_TEST

START_TEST(clocks_that_lie_take_nobodys_place)
{
	/* The third was written by a clock in 2030, the fifth by one that had gone back. */
	struct store_kept x[] = {
		{ .seq = 1, .time_ns = now - 500 * DAY }, { .seq = 2, .time_ns = now - 400 * DAY },
		{ .seq = 3, .time_ns = now + 1500 * DAY }, { .seq = 4, .time_ns = now - 399 * DAY },
		{ .seq = 5, .time_ns = now - 410 * DAY }, { .seq = 6, .time_ns = now - 399 * DAY + MINUTE },
		{ .seq = 7, .time_ns = now - 399 * DAY + 2 * MINUTE }, { .seq = 8, .time_ns = now - 2 * DAY },
	};

	store_retain(&usual, x, 8, now);
	/* The two that lie are of one week: the newer one stays. */
	ck_assert(x[2].odd && x[4].odd && !x[2].keep && x[4].keep);
	ck_assert(!x[3].keep && !x[5].keep && x[6].keep && x[7].keep);
	/* All in the future: the clock is wrong now, not then. */
	store_retain(&usual, x, 8, now - 3000 * DAY);
	ck_assert_uint_eq(count(x, 8), 8);
	x[0].time_ns = INT64_MIN;
	store_retain(&usual, x, 8, INT64_MAX);
	ck_assert(x[0].keep && x[7].keep);
}
END_TEST

static struct store_retention random_settings(void)
{
	static const uint64_t some[] = { 0, 1, 600, 3600, 86400, 7 * 86400, 30 * 86400, 365 * 86400 };
	struct store_retention k = usual;

	if (check_below(3)) {
		k.all_s = some[check_below(8)];
		k.ten_minutes_s = some[check_below(8)];
		k.hourly_s = some[check_below(8)];
		k.daily_s = some[check_below(8)];
		k.weekly_s = some[check_below(8)];
		k.grace_s = some[check_below(5)];
	}
	k.tighter = check_below(3) ? 0 : (unsigned)check_below(12);
	return k;
}

/* The rules, said once more and slowly: the box of an age, 0 for "all", -1 for nobody's. */
static int64_t box_by_the_rules(const struct store_retention *k, int64_t age, int64_t t)
{
	const int64_t until[] = { (int64_t)k->all_s, (int64_t)k->ten_minutes_s, (int64_t)k->hourly_s, (int64_t)k->daily_s,
		(int64_t)(k->weekly_s ? k->weekly_s : k->tighter ? 4 * 365 * 86400 : INT32_MAX) };
	const int64_t length[] = { 0, 10 * MINUTE, HOUR, DAY, 7 * DAY };

	for (int i = 0; i < 5; i++) {
		int64_t u = !k->weekly_s && i == 4 && !k->tighter ? until[i] : until[i] >> k->tighter;

		if (age <= u * S)
			return i ? t / length[i] * 8 + i : 0;
	}
	return -1;
}

/* Clocks that are right: exactly what the rules say stays, whatever the settings and the history. */
START_TEST(it_is_what_the_rules_say)
{
	for (int round = 0; round < 300; round++) {
		struct store_retention k = random_settings();
		size_t n = 1 + check_below(400);
		int64_t t = now, *box = calloc(n, sizeof(*box)), longest = S << check_below(22);
		struct store_kept *x = calloc(n, sizeof(*x));

		ck_assert(x && box);
		for (size_t i = n; i-- > 0; t -= (int64_t)check_below((uint64_t)longest))
			x[i] = (struct store_kept){ .seq = i + 1, .time_ns = t, .pinned = !check_below(20) };
		for (size_t i = 0; i < n; i++)
			box[i] = box_by_the_rules(&k, now - x[i].time_ns, x[i].time_ns);
		store_retain(&k, x, n, now);
		for (size_t i = 0; i < n; i++) {
			bool stays = x[i].pinned || i + 1 == n || now - x[i].time_ns <= (int64_t)k.grace_s * S || !box[i];

			if (!stays && box[i] > 0) {	/* the newest of its box */
				stays = true;
				for (size_t j = i + 1; j < n; j++)
					stays &= box[j] != box[i];
			}
			ck_assert_msg(x[i].keep == stays, "round %d: %zu of %zu, %lld s old, box %lld: kept %d", round, i, n,
				(long long)((now - x[i].time_ns) / S), (long long)box[i], x[i].keep);
		}
		free(box);
		free(x);
	}
}
END_TEST

/* A year at a machine whose clock is set wrong again and again (another system at the same machine keeps local time in it, a
 * battery is empty): what must stay stays, pruned day by day, and what lies does not fill the store for ever. */
START_TEST(a_year_of_wrong_clocks)
{
	size_t cap = 400 * 60, n = 0;
	struct store_kept *x = calloc(cap, sizeof(*x));
	int64_t *real = calloc(cap, sizeof(*real)), t = now - 370 * DAY;
	bool seen[371] = { false };
	uint64_t seq = 0;

	ck_assert(x && real);
	for (int day = 0; day < 370; day++) {
		int64_t off = check_below(2) ? 2 * HOUR : check_below(2) ? 0 : -(int64_t)check_below(3000) * DAY;
		int wrong = 15 + (int)check_below(20);
		size_t m = 0;

		for (int i = 0; i < 50; i++) {		/* a working day: every 10 minutes, the first ones wrong */
			t = now - (370 - day) * DAY + i * 10 * MINUTE;
			if (i >= wrong)
				off = 0;
			ck_assert_uint_lt(n, cap);
			real[n] = t;
			x[n++] = (struct store_kept){ .seq = ++seq, .time_ns = t + off, .pinned = !check_below(2000) };
		}
		store_retain(&usual, x, n, t);
		ck_assert(x[n - 1].keep);
		for (size_t i = 0; i < n; i++) {
			bool right = x[i].time_ns == real[i];

			if (right && t - real[i] <= (int64_t)usual.grace_s * S)
				ck_assert(x[i].keep);
			ck_assert(!x[i].pinned || x[i].keep);
			if (x[i].keep) {
				real[m] = real[i];
				x[m++] = x[i];
			}
		}
		n = m;
	}
	/* A day of all, six of 50, 23 of 9 or 10, 335 of one; once more for those that lie, and the marks. */
	ck_assert_uint_le(n, 2 * (50 + 6 * 50 + 23 * 11 + 336 + 53) + 40);
	for (size_t i = 0; i < n; i++)
		seen[(real[i] - (now - 370 * DAY)) / DAY] = true;
	for (int day = 10; day < 370; day++)
		ck_assert_msg(seen[day], "of day %d nothing is left", day);
	free(x);
	free(real);
}
END_TEST

START_TEST(tighter_keeps_less_and_at_last_only_what_must_stay)
{
	size_t n = 5000, last = n;
	struct store_kept *x = history(n, 30 * MINUTE, now);
	struct store_retention k = usual;

	x[17].pinned = true;
	for (k.tighter = 0; k.tighter < 40; k.tighter++) {
		size_t c;

		store_retain(&k, x, n, now);
		c = count(x, n);
		ck_assert_uint_le(c, last);
		ck_assert(x[17].keep && x[n - 1].keep && x[n - 4].keep);
		last = c;
	}
	ck_assert_uint_eq(last, 1 + 5);
	free(x);
}
END_TEST

/* Thirty days of copies, ten minutes apart, that came in behind two days of snapshots, in two lots. */
START_TEST(imported_ones_are_thinned_by_their_own_times)
{
	size_t real = 2 * 24 * 12, copies = 30 * 24 * 6, n = real + copies + 1, all = 0, hourly = 0;
	struct store_kept *x = calloc(n, sizeof(*x));

	ck_assert_ptr_nonnull(x);
	for (size_t i = 0; i < n; i++)
		x[i].seq = i + 1;
	for (size_t i = 0; i < real; i++)
		x[i].time_ns = now - HOUR - (int64_t)(real - i) * 5 * MINUTE;
	for (size_t i = 0; i < copies; i++) {	/* the odd ones first, then the even ones */
		size_t k = i < copies / 2 ? 2 * i + 1 : 2 * (i - copies / 2);

		x[real + i].time_ns = now - (int64_t)(copies - k) * 10 * MINUTE;
		x[real + i].imported = true;
	}
	x[n - 1].time_ns = now;
	x[real + 5].pinned = true;
	store_retain(&usual, x, n, now);
	for (size_t i = 0; i < n; i++) {
		int64_t age = now - x[i].time_ns;

		ck_assert(!x[i].odd);
		if (!x[i].imported)
			ck_assert(x[i].keep || age > DAY);
		else if (x[i].keep && age <= DAY)
			all++;
		else if (x[i].keep && age > 7 * DAY)
			hourly++;
	}
	ck_assert_uint_eq(all, 24 * 6);
	ck_assert(hourly >= 23 * 24 && hourly <= 23 * 24 + 2);
	ck_assert(x[real + 5].keep && x[n - 1].keep);
	free(x);
}
END_TEST

CHECK_MAIN("retain", levels_have_their_density, thinning_again_changes_nothing_and_time_only_takes,
	no_box_is_ever_emptied, newest_pinned_and_young_stay, clocks_that_lie_take_nobodys_place,
	it_is_what_the_rules_say, a_year_of_wrong_clocks,
	tighter_keeps_less_and_at_last_only_what_must_stay, imported_ones_are_thinned_by_their_own_times)
