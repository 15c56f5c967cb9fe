/* Which snapshots stay: the policy alone, over numbers and times. It reads nothing and knows no
 * store, so that every rule of it can be tested.
 *
 * Time is cut into boxes that begin at multiples of their length since 1970 (10 minutes, an hour, a
 * day, a week: each fits into the next), and the newest snapshot of a box stays. So what stays today
 * is among what stayed yesterday, however often this is asked. */
#include "internal.h"

#define SECOND INT64_C(1000000000)
#define WEEK (7 * 86400 * SECOND)

struct level {
	int64_t until;		/* age, ns; what is older is the next level's */
	int64_t box;		/* 0: all */
};

#define LEVELS 5

static int64_t scaled(uint64_t seconds, unsigned halvings)
{
	uint64_t max = (uint64_t)INT64_MAX / (uint64_t)SECOND;

	return (int64_t)((seconds > max ? max : seconds) >> halvings) * SECOND;
}

static void make_levels(const struct store_retention *k, struct level l[LEVELS])
{
	static const int64_t boxes[LEVELS] = { 0, 600 * SECOND, 3600 * SECOND, 86400 * SECOND, WEEK };
	const uint64_t until[LEVELS] = { k->all_s, k->ten_minutes_s, k->hourly_s, k->daily_s, k->weekly_s };

	for (int i = 0; i < LEVELS; i++)
		l[i] = (struct level){ scaled(until[i], k->tighter), boxes[i] };
	/* For ever, unless there is no room for it. */
	if (!k->weekly_s)
		l[LEVELS - 1].until = k->tighter ? scaled(4 * 365 * 86400ull, k->tighter) : INT64_MAX;
}

/* The box that t is in, as a number that no other box has; -1: in none, nobody wants it. */
static int64_t box_of(const struct level l[LEVELS], int64_t t, int64_t age, int *ret_level)
{
	for (int i = 0; i < LEVELS; i++) {
		*ret_level = i;
		if (age <= l[i].until)
			return l[i].box ? (t - (t % l[i].box + l[i].box) % l[i].box) / l[i].box : 0;
	}
	return -1;
}

void store_retain(const struct store_retention *k, struct store_kept *x, size_t n, int64_t now_ns)
{
	struct level l[LEVELS];
	int64_t newest = INT64_MIN, last_box = 0;
	int64_t grace = scaled(k->grace_s, 0);
	int last_level = -1;

	make_levels(k, l);
	/* A clock that went back, or a time that is still to come: nobody can say how old it is. */
	for (size_t i = 0; i < n; i++) {
		bool odd = x[i].time_ns > now_ns || x[i].time_ns < newest || x[i].time_ns < 0;

		if (!odd)
			newest = x[i].time_ns;
		x[i].keep = x[i].pinned || odd || i + 1 == n || now_ns - x[i].time_ns <= grace;
		x[i].odd = odd;
	}
	for (size_t i = n; i-- > 0;) {
		int level;
		int64_t box;

		if (x[i].odd)
			continue;
		box = box_of(l, x[i].time_ns, now_ns - x[i].time_ns, &level);
		if (box < 0)
			continue;
		if (level == 0 || level != last_level || box != last_box)
			x[i].keep = true;
		last_level = level;
		last_box = box;
	}
}
