/* See guard.h. The numbers are from trials in a box of 1.5 GiB and from MEASURED.md part 3. */
#include "detect/guard.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "detect/machine.h"

enum {
	FASTEST_MS = 3,
	FROZEN_MS = 5,		/* how soon after a freeze it is looked at again */
	SLOWEST_MS = 1000,
	GROWTH_MS = 50,		/* between two sizes a rate is made of */
	EFFECT_MS = 20,		/* until a freeze shows in the reading */
	ASK_AGAIN_MS = 30000,
	FAULTS_MS = 250,	/* the window of the editor's faults */
	FAULTS = 16,		/* in it: it is being paged out, not only touching something old */
	LEVELS = 3,
	RECENT_MS = 500,
	KILLED_MS = 2000,	/* who is not gone by then is stuck in the kernel: not counted on */
	LEAD_MS = 40,		/* so much of the fastest growth lies above the end of the memory */
};

/* What a program can take at most, as earlyoom reckons: 6 GiB/s. */
static const uint64_t fill_rate = ((uint64_t)6 << 30) / 1000;

const struct guard_limits guard_defaults = {
	.ask = 1500,
	.freeze = 1000,
	.most_bytes = (uint64_t)2 << 30,
	.min_bytes = (uint64_t)2 << 30,
	.hold_ms = 1000,
	.grace_ms = 150,
};

static uint64_t share(uint64_t total, uint64_t percent100)
{
	return total / 10000 * percent100;
}

static uint64_t base(const struct guard *g)
{
	uint64_t b = share(g->r.total, g->lim.freeze);

	return b < g->lim.most_bytes ? b : g->lim.most_bytes;
}

/* In hundredths of base. */
static uint64_t part(const struct guard *g, unsigned hundredths)
{
	return base(g) / 100 * hundredths;
}

/* No lower than this. A machine may be late by some tens of milliseconds, in which who grows fast takes a good part. */
static uint64_t last_line(const struct guard *g)
{
	uint64_t line = part(g, 25), lead, most = part(g, 50);

	for (unsigned i = 0; i < g->n; i++) {
		lead = g->run[i].here ? g->run[i].growth / 1000 * LEAD_MS : 0;
		line = lead > line ? lead : line;
	}
	return line < most ? line : most;
}

static uint64_t threshold(const struct guard *g)
{
	static const unsigned step[LEVELS] = { 100, 70, 50 };

	return g->level < LEVELS ? part(g, step[g->level]) : last_line(g);
}

static uint64_t min_bytes(const struct guard *g)
{
	uint64_t eighth = g->r.total / 8;

	return g->lim.min_bytes < eighth ? g->lim.min_bytes : eighth;
}

void guard_begin(struct guard *g, const struct guard_limits *lim, const struct guard_reading *r)
{
	uint64_t faults = r->editor_faults - g->faults;
	bool known = r->editor_faults != MACHINE_NONE && g->faults_ms &&
		     r->editor_faults >= g->faults && r->now_ms - g->faults_ms <= 4 * FAULTS_MS;

	g->lim = *lim;
	g->r = *r;
	for (unsigned i = 0; i < g->n; i++)
		g->run[i].here = false;
	g->paged_now = false;
	if (!known) {
		/* The first look, or after a pause: the faults of that time say nothing of now. */
		g->faults = r->editor_faults;
		g->faults_ms = r->editor_faults == MACHINE_NONE ? 0 : r->now_ms;
	} else if (faults >= FAULTS || r->now_ms - g->faults_ms >= FAULTS_MS) {
		g->paged_now = faults >= FAULTS && r->available < part(g, 150);
		if (g->paged_now)
			g->paged_ms = r->now_ms;
		g->faults = r->editor_faults;
		g->faults_ms = r->now_ms;
	}
}

static struct guard_run *find(struct guard *g, const char *key)
{
	for (unsigned i = 0; i < g->n; i++)
		if (strcmp(g->run[i].key, key) == 0)
			return &g->run[i];
	return NULL;
}

bool guard_add(struct guard *g, const struct guard_run *run)
{
	struct guard_run *at = find(g, run->key);
	uint64_t ms;

	for (unsigned i = 0; !at && i < g->n; i++)
		if (!g->run[i].here && !find(g, run->key)) {
			/* One that has ended leaves its place; its memory is gone with it. */
			memset(&g->run[i], 0, sizeof(g->run[i]));
			at = &g->run[i];
		}
	if (!at) {
		if (g->n == GUARD_RUNS)
			return false;
		at = &g->run[g->n++];
		memset(at, 0, sizeof(*at));
	}
	if (!*at->key) {
		memcpy(at->key, run->key, sizeof(at->key));
		at->was_bytes = run->bytes;
		at->was_ms = g->r.now_ms;
	}
	at->here = true;
	at->kernel = run->kernel;
	at->can_ask = run->can_ask;
	at->has_head = run->has_head;
	at->bytes = run->bytes;
	at->sure_bytes = run->sure_bytes;
	ms = g->r.now_ms - at->was_ms;
	if (at->frozen_ms) {
		/* It will grow again as it did. */
		at->was_bytes = at->bytes;
		at->was_ms = g->r.now_ms;
	} else if (ms >= GROWTH_MS) {
		at->growth = at->bytes > at->was_bytes ? (at->bytes - at->was_bytes) * 1000 / ms : 0;
		at->was_bytes = at->bytes;
		at->was_ms = g->r.now_ms;
	}
	return true;
}

static bool is_target(const struct guard *g, const struct guard_run *x)
{
	return x->here && !x->killed_ms && x->sure_bytes >= min_bytes(g);
}

/* What it will hold in two seconds: who grows fast goes before who is merely large. */
static uint64_t weight(const struct guard_run *x)
{
	return x->bytes + 2 * x->growth;
}

enum which { RUNNING, FROZEN, ASKABLE };

static struct guard_run *pick(struct guard *g, enum which which)
{
	struct guard_run *best = NULL;

	for (unsigned i = 0; i < g->n; i++) {
		struct guard_run *x = &g->run[i];
		bool fits = which == FROZEN ? x->frozen_ms != 0
			    : which == RUNNING
				    ? !x->frozen_ms
				    : x->can_ask && !x->frozen_ms &&
					      (!x->asked_ms ||
						      g->r.now_ms - x->asked_ms >= ASK_AGAIN_MS);

		if (!x->here || x->ending_ms || x->killed_ms || !fits)
			continue;
		if (which != FROZEN && !is_target(g, x))
			continue;
		if (!best || (best->kernel && !x->kernel) ||
			(best->kernel == x->kernel && weight(x) > weight(best)))
			best = x;
	}
	return best;
}

static bool any_frozen(const struct guard *g)
{
	for (unsigned i = 0; i < g->n; i++)
		if (g->run[i].here && g->run[i].frozen_ms && !g->run[i].killed_ms)
			return true;
	return false;
}

static bool any_ending(const struct guard *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		const struct guard_run *x = &g->run[i];

		if (x->here && (x->ending_ms || x->killed_ms) &&
			!(x->killed_ms && g->r.now_ms - x->killed_ms > KILLED_MS))
			return true;
	}
	return false;
}

static void explain(const struct guard *g, const char *what, char *why)
{
	uint64_t of = g->r.total ? g->r.available * 1000 / g->r.total : 0;

	(void)snprintf(why, GUARD_WHY, "%" PRIu64 " MiB of memory left (%" PRIu64 ".%" PRIu64 " %%)%s",
		g->r.available >> 20, of / 10, of % 10, what);
}

/* Those whose end was begun: dead soon, or killed. */
static struct guard_run *overdue(struct guard *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		struct guard_run *x = &g->run[i];

		if (x->here && x->ending_ms && !x->killed_ms &&
			(!x->has_head || g->r.now_ms - x->ending_ms >= g->lim.grace_ms ||
				(g->r.now_ms > x->ending_ms && g->r.available < part(g, 15))))
			return x;
	}
	return NULL;
}

/* Is there less than may be? */
static bool is_short(const struct guard *g)
{
	bool swap = g->r.swap_free != MACHINE_NONE && g->r.swap_free >= base(g);

	return g->paged_now || (!swap && g->r.available < threshold(g));
}

/* Who is to stop now; NULL: nobody, or what was done last has not shown yet. */
static struct guard_run *to_freeze(struct guard *g)
{
	struct guard_run *x;

	if (!is_short(g))
		return NULL;
	x = pick(g, RUNNING);
	if (!x || (!any_frozen(g) && !any_ending(g)))
		return x;
	/* One is frozen: it was not the one, or not alone, if it goes on. */
	if (g->r.now_ms - g->last_ms < FROZEN_MS ||
		g->r.available + g->r.total / 256 > g->last_available)
		return NULL;
	return x;
}

/* A frozen one that must go: there is no more room to try, or what it did to the editor it did
 * before. */
static struct guard_run *to_end(struct guard *g, const char **what)
{
	struct guard_run *x = any_ending(g) ? NULL : pick(g, FROZEN);

	if (!x || !is_target(g, x) || g->r.now_ms < x->frozen_ms + FROZEN_MS)
		return NULL;
	if (g->r.available < last_line(g)) {
		*what = ", the last of it";
		return x;
	}
	if (g->paged >= 2 && g->r.available < part(g, 110)) {
		*what = ", and the editor was paged out again";
		return x;
	}
	return NULL;
}

static uint64_t hold_ms(const struct guard *g)
{
	unsigned n = g->level > 1 ? g->level : 1;

	return g->lim.hold_ms * (n < 5 ? n : 5);
}

static struct guard_run *to_thaw(struct guard *g, const char **what)
{
	struct guard_run *x = NULL;

	/* The smallest first: it takes the least chance with it. */
	for (unsigned i = 0; i < g->n; i++) {
		struct guard_run *y = &g->run[i];

		if (y->here && y->frozen_ms && !y->ending_ms && !y->killed_ms &&
			(!x || weight(y) < weight(x)))
			x = y;
	}
	if (!x || any_ending(g) || g->r.now_ms - g->last_ms < EFFECT_MS)
		return NULL;
	if (g->r.available >= part(g, 130) && !g->paged_now) {
		*what = ": there is room again";
		return x;
	}
	if (g->r.now_ms - x->frozen_ms < hold_ms(g) || g->r.now_ms - g->last_ms < hold_ms(g) ||
		g->r.available < last_line(g) || g->r.now_ms - g->paged_ms < FAULTS_MS)
		return NULL;
	*what = ": it may still fit";
	return x;
}

/* Room for long enough: the next time is another time. */
static void calm(struct guard *g)
{
	if (any_frozen(g) || any_ending(g) || g->r.available < part(g, 150))
		return;
	g->level = 0;
	g->paged = 0;
	g->last_ms = 0;
}

enum guard_action guard_next(struct guard *g, struct guard_run **ret, char why[static GUARD_WHY])
{
	const char *what = "";

	calm(g);
	*why = '\0';
	*ret = overdue(g);
	if (*ret) {
		explain(g,
			!(*ret)->has_head                  ? ", and its main process has ended"
			: g->r.available < part(g, 15) ? ", and no time"
						       : ", it did not end when asked to",
			why);
		return GUARD_KILL;
	}
	*ret = to_freeze(g);
	if (*ret) {
		explain(g, g->paged_now ? ", and the editor is paged out" : "", why);
		return GUARD_FREEZE;
	}
	*ret = to_end(g, &what);
	if (*ret) {
		explain(g, what, why);
		return GUARD_TERM;
	}
	*ret = to_thaw(g, &what);
	if (*ret) {
		explain(g, what, why);
		return GUARD_THAW;
	}
	*ret = g->r.available < share(g->r.total, g->lim.ask) ? pick(g, ASKABLE) : NULL;
	if (*ret) {
		explain(g, "", why);
		return GUARD_ASK;
	}
	return GUARD_NONE;
}

void guard_did(struct guard *g, struct guard_run *x, enum guard_action a)
{
	uint64_t now = g->r.now_ms ? g->r.now_ms : 1;

	switch (a) {
	case GUARD_ASK:
		x->asked_ms = now;
		break;
	case GUARD_FREEZE:
		/* The second of one moment is no second look. */
		if (!any_frozen(g) && g->level < LEVELS + 1)
			g->level++;
		if (g->paged_now)
			g->paged++;
		g->paged_now = false;
		x->frozen_ms = now;
		g->last_ms = now;
		g->last_available = g->r.available;
		break;
	case GUARD_THAW:
		x->frozen_ms = 0;
		g->last_ms = now;
		/* Frozen lower than the next look: that one has been. */
		while (g->level < LEVELS && g->r.available < threshold(g))
			g->level++;
		break;
	case GUARD_TERM:
		x->ending_ms = now;
		break;
	case GUARD_KILL:
		x->killed_ms = now;
		break;
	default:
		break;
	}
}

uint64_t guard_period_ms(const struct guard *g)
{
	uint64_t room, ms;
	bool any = false;

	for (unsigned i = 0; i < g->n; i++)
		any = any || g->run[i].here;
	if (!any)
		return UINT64_MAX;
	if (any_ending(g))
		return FROZEN_MS;
	/* What is frozen grows no more; the others may. */
	if (any_frozen(g))
		return g->r.now_ms - g->last_ms < RECENT_MS ? FROZEN_MS : 4 * FROZEN_MS;
	room = threshold(g);
	room = g->r.available > room ? g->r.available - room : 0;
	ms = room / fill_rate;
	return ms < FASTEST_MS ? FASTEST_MS : ms > SLOWEST_MS ? SLOWEST_MS : ms;
}

bool guard_holds(const struct guard *g, const char *key)
{
	for (unsigned i = 0; i < g->n; i++)
		if (g->run[i].here && g->run[i].frozen_ms && strcmp(g->run[i].key, key) == 0)
			return true;
	return false;
}

const char *guard_action_name(enum guard_action a)
{
	static const char *const name[] = { [GUARD_NONE] = "none", [GUARD_ASK] = "ask",
		[GUARD_FREEZE] = "freeze", [GUARD_THAW] = "thaw", [GUARD_TERM] = "term",
		[GUARD_KILL] = "kill" };

	return name[a];
}
