/* Which snapshots stay: the policy alone, over numbers and times. It reads nothing and knows no
 * store, so that every rule of it can be tested.
 *
 * Time is cut into boxes that begin at multiples of their length since 1970 (10 minutes, an
 * hour, a day, a week: each fits into the next), and the newest snapshot of a box stays. So what
 * stays today is among what stayed yesterday, however often this is asked. */
#include <stdlib.h>

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
	static const int64_t boxes[LEVELS] = { 0, 600 * SECOND, 3600 * SECOND, 86400 * SECOND,
		WEEK };
	const uint64_t until[LEVELS] = { k->all_s, k->ten_minutes_s, k->hourly_s, k->daily_s,
		k->weekly_s };

	for (int i = 0; i < LEVELS; i++)
		l[i] = (struct level){ scaled(until[i], k->tighter), boxes[i] };
	/* For ever, unless there is no room for it. */
	if (!k->weekly_s)
		l[LEVELS - 1].until =
			k->tighter ? scaled(4 * 365 * 86400ull, k->tighter) : INT64_MAX;
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

struct walk {			/* from the newest to the oldest */
	const struct level *l;
	int last_level;
	int64_t last_box;
};

/* Is it the first one seen of its box, so the newest in it? */
static bool is_first(struct walk *w, int64_t time_ns, int64_t now_ns)
{
	int level, last_level = w->last_level;
	int64_t box = box_of(w->l, time_ns, now_ns - time_ns, &level), last_box = w->last_box;

	if (box < 0)
		return false;
	w->last_level = level;
	w->last_box = box;
	return level == 0 || level != last_level || box != last_box;
}

static int by_time(const void *pa, const void *pb)
{
	const struct store_kept *a = *(struct store_kept *const *)pa,
				*b = *(struct store_kept *const *)pb;

	return a->time_ns != b->time_ns ? (a->time_ns < b->time_ns ? -1 : 1)
	       : a->seq < b->seq        ? -1
					: 1;
}

/* They came in all at once, maybe from several folders: their times are their order. */
static void retain_imported(const struct level l[LEVELS], struct store_kept *x, size_t n,
	size_t n_imported, int64_t now_ns)
{
	struct store_kept **y = malloc(n_imported * sizeof(*y));
	struct walk w = { l, -1, 0 };
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		if (x[i].imported && y)
			y[k++] = &x[i];
		else if (x[i].imported)		/* no memory: nothing goes */
			x[i].keep = true;
	if (y)
		qsort(y, k, sizeof(*y), by_time);
	while (k-- > 0 && y)
		if (!y[k]->odd && is_first(&w, y[k]->time_ns, now_ns))
			y[k]->keep = true;
	free(y);
}

/* A clock that went back, or a time that is still to come: such a time is not believed. */
static size_t find_odd(struct store_kept *x, size_t n, int64_t now_ns)
{
	int64_t newest = INT64_MIN;
	size_t n_odd = 0;

	for (size_t i = 0; i < n; i++) {
		x[i].odd = x[i].time_ns > now_ns || x[i].time_ns < 0 || (!x[i].imported && x[i].time_ns < newest);
		if (!x[i].odd && !x[i].imported)
			newest = x[i].time_ns;
		n_odd += x[i].odd && !x[i].imported;
	}
	return n_odd;
}

/* So much of what lies between two times that are not believed is. */
static int64_t gap(int64_t a, int64_t b)
{
	int64_t most = 3600 * SECOND;

	return b <= a ? 0 : __builtin_sub_overflow(b, a, &b) || b > most ? most : b;
}

/* The newest one before x[i] whose time is believed. */
static int64_t believed_before(const struct store_kept *x, size_t i)
{
	while (i-- > 0)
		if (!x[i].odd && !x[i].imported)
			return x[i].time_ns;
	return INT64_MIN;
}

/* Of an odd one nobody can say how old it is, but that it is older than the next one whose time is believed, and younger than the
 * one before. For the grace it counts as young as it may be; for the boxes what lies between those that follow each other
 * counts. They are thinned among themselves: who has a wrong time takes nobody else's place. */
static void retain_odd(const struct level l[LEVELS], struct store_kept *x, size_t n, int64_t now_ns, int64_t grace)
{
	int64_t next = now_ns, at = now_ns, last = INT64_MIN, low = INT64_MIN;
	struct walk w = { l, -1, 0 };
	bool inside = false;

	for (size_t i = n; i-- > 0;) {
		if (x[i].imported)
			continue;
		if (!x[i].odd) {
			next = at = last = x[i].time_ns;
			inside = false;
			continue;
		}
		if (!inside)
			low = believed_before(x, i);
		inside = true;
		at -= gap(x[i].time_ns, last);
		at = at < low ? low : at;
		last = x[i].time_ns;
		x[i].keep |= now_ns - next <= grace || is_first(&w, at, now_ns);
	}
}

void store_retain(const struct store_retention *k, struct store_kept *x, size_t n, int64_t now_ns)
{
	struct level l[LEVELS];
	int64_t grace = scaled(k->grace_s, 0);
	size_t n_imported = 0, n_odd = find_odd(x, n, now_ns);
	struct walk w = { l, -1, 0 };

	make_levels(k, l);
	for (size_t i = 0; i < n; i++) {
		x[i].keep = x[i].pinned || i + 1 == n || (x[i].imported && x[i].odd) ||
			    (!x[i].odd && now_ns - x[i].time_ns <= grace);
		n_imported += x[i].imported;
	}
	for (size_t i = n; i-- > 0;)
		if (!x[i].odd && !x[i].imported && is_first(&w, x[i].time_ns, now_ns))
			x[i].keep = true;
	if (n_odd)
		retain_odd(l, x, n, now_ns, grace);
	if (n_imported)
		retain_imported(l, x, n, n_imported, now_ns);
}
