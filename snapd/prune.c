#include "prune.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "../detect/crashtimes.h"
#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "workspace.h"

enum {
	LEAST = 64 << 10,	/* bytes: with less a snapshot is not begun */
	STEP_MS = 20,		/* of work, */
	ENOUGH = 20,		/* with so much of the quota free nothing goes */
	PAUSE_MS = 60,		/* then of rest */
	IDLE_MS = 1500,		/* after a snapshot, before the first step */
	FIRST_MS = 60000,	/* after the start */
};

static int options(const struct config *cfg, struct store_prune_options *o, int64_t **ret_times)
{
	int r = crash_times(ret_times, &o->n_crash);

	if (r < 0)
		return log_warn_errno(
			r, "the journal of crashes cannot be read; nothing is pruned (" DETECT " watch makes it anew)");
	o->crash_ns = *ret_times;
	store_keep_from(cfg, &o->keep);
	return 0;
}

/* To the end, at once: somebody waits for the room. */
static int make_room(
	const struct config *cfg, struct store *s, uint64_t target, int64_t now_ns, struct store_pruned *ret)
{
	struct store_prune_options o = { .target = target, .now_ns = now_ns };
	autofree int64_t *times = NULL;
	struct store_prune *p;
	int r = options(cfg, &o, &times);

	if (r == 0)
		r = store_prune_begin(s, &o, &p);
	if (r != 0)
		return r;
	r = store_prune_step(p, 0);
	store_prune_end(p, ret);
	return r;
}

static void say_made(struct store *s, const struct store_pruned *d)
{
	char size[16];

	if (d->dropped)
		log_warn("%s: no room: %llu snapshots went, %s came back (" RECOVER
			 " prune, store.quota)",
			store_dir(s), (unsigned long long)d->dropped, text_size(d->freed, size));
}

static int left_of(const struct store_room *m, struct room *ret)
{
	ret->left = store_room_left(m, &ret->err);
	return ret->left >= LEAST ? 0 : ret->err;
}

int room_look(const struct config *cfg, struct store *s, struct room *ret)
{
	struct store_room m;
	int r = store_room(s, cfg, &m);

	if (r < 0)
		return r;
	store_torn_trim(s, cfg, &m, false);
	if (!m.reserve) {
		store_reserve_make(s, cfg);
		if ((r = store_room(s, cfg, &m)) < 0)
			return r;
	}
	return left_of(&m, ret);
}

int room_make(const struct config *cfg, struct store *s, bool more, int64_t now_ns, struct room *ret)
{
	struct store_pruned d = { 0 };
	struct store_room m;
	uint64_t target, torn;
	int r;

	/* No snapshot is to go for what comes back without. */
	if ((r = store_room(s, cfg, &m)) < 0)
		return r;
	torn = m.torn;
	store_torn_trim(s, cfg, &m, more);
	if (more && m.torn < torn && left_of(&m, ret) == 0)
		return 1;
	if (store_compact(s) >= 0 && !more && store_room(s, cfg, &m) == 0 && left_of(&m, ret) == 0 &&
	    ret->left >= m.quota / ENOUGH)
		return 0;
	(void)store_reserve_release(s);
	if ((r = store_room(s, cfg, &m)) < 0)
		return r;
	target = store_target(s, &m);
	if (more && target > m.quota / 2)
		target = m.quota / 2;
	r = make_room(cfg, s, target, now_ns, &d);
	if (r == 0)
		say_made(s, &d);
	else if (r != -ENOSPC && r != -EDQUOT)
		(void)log_warn_errno(r, "%s: cannot be pruned", store_dir(s));
	store_reserve_make(s, cfg);	/* it is not for snapshots */
	r = store_room(s, cfg, &m);
	return r < 0 ? r : left_of(&m, ret);
}

const char *prune_way_out(int r)
{
	return r == -EBADMSG ? " (nobody can say what is still wanted: " RECOVER
			       " repair makes a new store of what can be read)" :
	       r == -EDQUOT
		       ? " (what must stay leaves no room for it in store.quota: raise that, remove"
			 " marks, or shorten prune.all)"
	       : r == -ENOSPC ? NO_ROOM_TEXT
			      : "";
}

/* ---- in the background ---- */

static void set_timer(struct workspace *w, uint64_t ms);

static void finished(struct workspace *w)
{
	char size[16];

	store_prune_end(take_ptr(w->prune), &w->pruned);
	w->pruned_ms = loop_now_ms(w->loop);
	if (w->pruned.dropped || w->pruned.segments)
		log_info("%s: pruned: %llu snapshots went, %llu are kept, %s came back", w->path,
			(unsigned long long)w->pruned.dropped, (unsigned long long)w->pruned.kept,
			text_size(w->pruned.freed, size));
	store_reserve_make(w->store, &w->cfg);
}

int prune_start(struct workspace *w, bool asked)
{
	struct store_prune_options o = { .lazy = !asked, .min_dead = asked ? 10 : 0, .now_ns = prune_now_ns(w) };
	autofree int64_t *times = NULL;
	struct store_room m;
	struct room left;
	int r;

	if (w->prune)
		return 0;
	w->pruned = (struct store_pruned){ 0 };
	if ((r = options(&w->cfg, &o, &times)) < 0 || (r = store_room(w->store, &w->cfg, &m)) < 0)
		return r;
	store_torn_trim(w->store, &w->cfg, &m, false);
	/* Beyond the quota, or on a full disk, harder than the ages say. */
	if (left_of(&m, &left) < 0) {
		(void)store_reserve_release(w->store);
		o.target = store_target(w->store, &m);
	}
	return store_prune_open(w->store, &o, &w->prune);
}

int prune_step(struct workspace *w, uint64_t ms)
{
	int r = w->prune ? store_prune_step(w->prune, ms) : 0;

	if (r != 1 && w->prune)
		finished(w);
	return r;
}

#define HOUR_NS INT64_C(3600000000000)

bool prune_clock_right(struct prune_clock *c, int64_t real_ns, int64_t boot_ns)
{
	int64_t offset = real_ns - boot_ns;

	if (c->begun && offset - c->offset_ns >= HOUR_NS) {
		if (!c->ahead) {
			c->ahead = true;
			c->since_ns = boot_ns;
			log_warn("the clock was set forward by %lld h: nothing is thinned by age for a day; if it is wrong,"
				 " set it right",
				(long long)((offset - c->offset_ns) / HOUR_NS));
		}
		if (boot_ns - c->since_ns < 24 * HOUR_NS)
			return false;
	}
	c->begun = true;
	c->ahead = false;
	c->offset_ns = offset;
	return true;
}

int64_t prune_clock_now(struct prune_clock *c, int64_t real_ns, int64_t boot_ns)
{
	return prune_clock_right(c, real_ns, boot_ns) ? 0 : boot_ns + c->offset_ns;
}

int64_t prune_now_ns(struct workspace *w)
{
	struct timespec boot = { 0 };

	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	return prune_clock_now(&w->clock, text_now_ns(), text_ns(&boot));
}

static void on_timer(struct loop *l, void *arg)
{
	struct workspace *w = arg;
	int r = 0;

	(void)l;
	w->prune_timer = NULL;
	if (w->stopping)
		return;
	if (daemon_is_busy(w->daemon)) {
		set_timer(w, PAUSE_MS);
		return;
	}
	if (!w->prune) {
		w->pruned_ms = loop_now_ms(w->loop);	/* also when it fails: not at once again */
		if (prune_now_ns(w))
			return;
		if (w->cfg.keep_doubtful) {
			log_warn("%s: nothing is thinned by age while a setting of [prune] is wrong", w->path);
			return;
		}
		r = prune_start(w, false);
		if (r == 0)
			r = 1;
	} else {
		r = prune_step(w, STEP_MS);
	}
	if (r == 1)
		set_timer(w, PAUSE_MS);
	else if (r < 0)
		log_warn("%s: cannot be pruned now: %s%s", w->path, err_str(r), prune_way_out(r));
}

static void set_timer(struct workspace *w, uint64_t ms)
{
	if (!w->prune_timer && loop_add_timer(w->loop, ms, on_timer, w, &w->prune_timer) < 0)
		(void)log_oom();
}

void prune_soon(struct workspace *w)
{
	uint64_t now = loop_now_ms(w->loop), every = w->cfg.prune_every_ms;

	if (!every || w->prune_timer || w->stopping)
		return;
	if (!w->pruned_ms) {		/* the first: not in the way of a start */
		w->pruned_ms = now > every ? now - every : 1;
		set_timer(w, every < FIRST_MS ? IDLE_MS : FIRST_MS);
		return;
	}
	if (w->prune || now >= w->pruned_ms + every)
		set_timer(w, IDLE_MS);
}

void prune_stop(struct workspace *w)
{
	loop_del_timer(w->loop, w->prune_timer);
	w->prune_timer = NULL;
	if (w->prune)
		store_prune_end(take_ptr(w->prune), NULL);
}
