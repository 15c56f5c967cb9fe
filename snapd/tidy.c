#include "tidy.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/text.h"
#include "helper.h"
#include "workspace.h"

enum {
	LEAST = 256 << 10,		/* bytes that were never tidied: with less it is not begun */
	NEXT_MS = 1000,			/* between two segments */
	PATIENCE_MAX = 32,
	STEP_MS = 20,			/* of reading what was made, */
	PAUSE_MS = 60,			/* then of rest */
};

struct tidying {
	struct loop_timer *timer;
	struct helper helper;
	uint64_t patience;	/* so many times tidy.after: doubles each time when it was ended early */
	struct tidy_take *take;	/* what was made is read */
	struct loop_timer *step;
};

static void arm(struct workspace *w, uint64_t ms);
static void step_later(struct workspace *w, uint64_t ms);

static void say(struct workspace *w, const struct tidied *d)
{
	char before[16], after[16];

	log_info("%s: tidied: %s are %s now", w->path, text_size(d->before, before), text_size(d->after, after));
}

int tidy_take(struct workspace *w, struct tidied *ret)
{
	int r = w->prune || daemon_is_busy(w->daemon) ? -EBUSY : store_tidy_take(w->store, ret);

	if (r == 1)
		say(w, ret);
	return r;
}

static void take_ended(struct workspace *w, int r)
{
	if (r == 1)
		arm(w, NEXT_MS);
	else if (r < 0 && r != -EBUSY)
		(void)log_warn_errno(r, "%s: cannot be tidied", store_dir(w->store));
}

/* A step of it; when all of it was read, and nobody has done anything for a moment, it goes into its place. */
static void on_step(struct loop *l, void *arg)
{
	struct workspace *w = arg;
	struct tidying *t = w->tidying;
	uint64_t last = w->last_event_ms > w->last_take_ms ? w->last_event_ms : w->last_take_ms;
	struct tidied done;
	int r;

	t->step = NULL;
	if (w->stopping || !t->take)
		return;
	if (daemon_is_busy(w->daemon) || w->prune || loop_now_ms(l) < last + NEXT_MS) {
		step_later(w, NEXT_MS);
		return;
	}
	if ((r = store_take_step(t->take, STEP_MS)) == 1) {
		step_later(w, PAUSE_MS);
		return;
	}
	if (r == 0) {
		r = store_take_finish(take_ptr(t->take), &done);
		if (r == 1)
			say(w, &done);
	} else {
		store_take_drop(take_ptr(t->take));
	}
	take_ended(w, r);
}

static void step_later(struct workspace *w, uint64_t ms)
{
	struct tidying *t = w->tidying;

	if (!t->step && loop_add_timer(w->loop, ms, on_step, w, &t->step) < 0) {
		(void)log_oom();
		store_take_drop(take_ptr(t->take));
	}
}

static void on_end(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct workspace *w = arg;
	struct tidying *t = w->tidying;
	int status = 0, r;

	(void)fd, (void)events;
	if (helper_ended(l, &t->helper, &status) < 0)
		return;
	if (WIFSIGNALED(status)) {
		store_tidy_clean(w->store);
		t->patience = t->patience < PATIENCE_MAX ? t->patience * 2 : PATIENCE_MAX;
		arm(w, w->cfg.tidy_after_ms * t->patience);
		return;
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_DONE)
		return;		/* nothing to do, or not to be done now: after the next snapshot */
	t->patience = 1;
	store_take_drop(take_ptr(t->take));
	if ((r = store_take_begin(w->store, &t->take)) == 1)
		step_later(w, 0);
	else
		take_ended(w, r);
}

/* Is there something to gain, and room for it? */
static bool is_due(struct workspace *w)
{
	struct store_room m;
	uint64_t bytes;
	uint32_t no;
	int err;

	return store_tidy_due(w->store, LEAST, 0, &no, &bytes) == 1 && store_room(w->store, &w->cfg, &m) == 0 &&
	       store_room_left(&m, &err) >= bytes;
}

static void start(struct workspace *w)
{
	char name[] = "recover-tidy", least[24], share[8];
	autofree char *dir = strdup(store_dir(w->store));
	char *argv[] = { name, dir, least, share, NULL };
	int r;

	(void)snprintf(least, sizeof(least), "%d", LEAST);
	(void)snprintf(share, sizeof(share), "%d", w->cfg.tidy_share);
	r = dir ? helper_start(w->loop, &w->tidying->helper, argv, on_end, w) : -ENOMEM;
	if (r < 0)
		log_debug("%s: not tidied: %s", w->path, err_str(r));
}

static void on_timer(struct loop *l, void *arg)
{
	struct workspace *w = arg;
	uint64_t now = loop_now_ms(l), wait = w->cfg.tidy_after_ms, last = w->last_take_ms;

	w->tidying->timer = NULL;
	if (w->stopping || !wait || w->tidying->helper.pid || w->tidying->take)
		return;
	wait *= w->tidying->patience;
	last = w->last_event_ms > last ? w->last_event_ms : last;
	if (now < last + wait)
		arm(w, last + wait - now);
	else if (daemon_is_busy(w->daemon) || w->prune)
		arm(w, w->cfg.tidy_after_ms);
	else if (is_due(w))
		start(w);
	else
		(void)store_compact(w->store);
}

static void arm(struct workspace *w, uint64_t ms)
{
	if (!w->tidying->timer && !w->stopping && loop_add_timer(w->loop, ms, on_timer, w, &w->tidying->timer) < 0)
		(void)log_oom();
}

void tidy_soon(struct workspace *w)
{
	if (!w->cfg.tidy_after_ms || w->stopping)
		return;
	if (!w->tidying) {
		if (!(w->tidying = calloc(1, sizeof(*w->tidying)))) {
			(void)log_oom();
			return;
		}
		w->tidying->patience = 1;
	}
	if (!w->tidying->helper.pid)
		arm(w, w->cfg.tidy_after_ms);
}

/* It may be in the middle of a long piece; nothing that it has done so far is missed. */
void tidy_yield(struct workspace *w)
{
	if (w->tidying && w->tidying->helper.pid)
		(void)kill(w->tidying->helper.pid, SIGKILL);
}

void tidy_stop(struct workspace *w)
{
	struct tidying *t = w->tidying;

	if (!t)
		return;
	loop_del_timer(w->loop, t->timer);
	loop_del_timer(w->loop, t->step);
	store_take_drop(take_ptr(t->take));
	if (t->helper.pid) {
		tidy_yield(w);
		helper_leave(w->loop, &t->helper);
		store_tidy_clean(w->store);
	}
	free(take_ptr(w->tidying));
}
