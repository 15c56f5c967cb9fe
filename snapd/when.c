/* snapd/when.c - the timers: when a snapshot is due, when the queue is read, when to poll. */
#include "parts.h"

#include <errno.h>

#include "../lib/log.h"

enum {
	REST_MS = 100,			/* between two looks at a busy queue */
	REST_MAX_MS = 500,
	RETRY_MS = 1000,		/* for what could not be read */
	RETRY_MAX_MS = 600000,
};

static void set_timer(struct workspace *w, struct loop_timer **t, uint64_t ms, loop_timer_fn fn)
{
	loop_del_timer(w->loop, *t);
	*t = NULL;
	if (loop_add_timer(w->loop, ms, fn, w, t) < 0)
		(void)log_oom();
}

/* `due` at that time; a later one than is set already would only put it off. */
static void set_due(
	struct workspace *w, uint64_t now, uint64_t at, bool later_too, loop_timer_fn fn)
{
	if (w->due && w->due_ms <= at && !later_too)
		return;
	w->due_ms = at;
	set_timer(w, &w->due, at > now ? at - now : 0, fn);
}

static uint64_t interval(const struct workspace *w)
{
	return w->opt->interval_ms ? w->opt->interval_ms : w->cfg.interval_ms;
}

static void take_due(struct workspace *w)
{
	struct store_snapshot sn = { 0 };

	if (workspace_take(w, REASON_INTERVAL, NULL, false, &sn) >= 0)
		store_snapshot_release(&sn);
}

/* It is time, but for the quiet that is waited for; never longer than one interval after the
 * first change. */
static void on_due(struct loop *l, void *arg)
{
	struct workspace *w = arg;
	uint64_t now = loop_now_ms(l), last, quiet, end;

	w->due = NULL;
	if (w->scan)
		(void)workspace_read(w);
	last = w->last_event_ms;
	quiet = last + w->cfg.settle_ms;
	end = w->first_event_ms + interval(w);
	if (!w->backoff_ms && quiet > now && end > now)
		set_due(w, now, quiet < end ? quiet : end, true, on_due);
	else
		take_due(w);
}

static void on_poll(struct loop *l, void *arg);

static void on_retry(struct loop *l, void *arg)
{
	struct workspace *w = arg;

	(void)l;
	w->retry = NULL;
	if (w->scan && w->passing && !w->backoff_ms) {
		workspace_look_again(w, &w->dirty);
		take_due(w);
	}
	workspace_arm(w);
}

/* Twice as long each time, as long as something stays so. */
static void arm_retry(struct workspace *w)
{
	if (!w->passing || !w->scan) {
		loop_del_timer(w->loop, w->retry);
		w->retry = NULL;
		w->retry_ms = 0;
		return;
	}
	if (w->retry)
		return;
	w->retry_ms = w->retry_ms ? w->retry_ms * 2 : RETRY_MS;
	if (w->retry_ms > RETRY_MAX_MS)
		w->retry_ms = RETRY_MAX_MS;
	set_timer(w, &w->retry, w->retry_ms, on_retry);
}

/* Timers for the state we are in. */
void workspace_arm(struct workspace *w)
{
	uint64_t now = loop_now_ms(w->loop), at;

	if (w->stopping)
		return;
	if (!w->poll && (!w->scan || watch_unwatched(w->watch)))
		set_timer(w, &w->poll, w->cfg.poll_ms, on_poll);
	arm_retry(w);
	if (w->scan && dirty_is_empty(&w->dirty) && w->dirty.unseen && !w->backoff_ms) {
		at = w->last_take_ms + interval(w);
		if (at < workspace_look_ms(w))
			at = workspace_look_ms(w);
		set_due(w, now, at, false, on_due);
		return;
	}
	if (!w->scan || (dirty_is_empty(&w->dirty) && !w->dirty.unseen)) {
		loop_del_timer(w->loop, w->due);
		w->due = NULL;
		return;
	}
	if (w->backoff_ms) {
		set_due(w, now, now + w->backoff_ms, false, on_due);
		return;
	}
	at = w->last_take_ms ? w->last_take_ms + interval(w) : now;
	if (at < now + w->cfg.settle_ms)
		at = now + w->cfg.settle_ms;
	set_due(w, now, at, false, on_due);
}

static void on_poll(struct loop *l, void *arg)
{
	struct workspace *w = arg;

	(void)l;
	w->poll = NULL;
	if (!w->backoff_ms || !w->scan)
		take_due(w);
	workspace_arm(w);
}

static void read_queue(struct workspace *w);

static void on_rest_over(struct loop *l, void *arg)
{
	struct workspace *w = arg;

	(void)l;
	w->rest = NULL;
	read_queue(w);
}

void workspace_readable(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct workspace *w = arg;

	(void)l, (void)fd, (void)events;
	w->rest_ms = REST_MS;
	read_queue(w);
}

void workspace_check_root(struct workspace *w)
{
	if (w->scan)
		(void)workspace_read(w);
	if (!w->scan && !w->stopping)
		take_due(w);
	workspace_arm(w);
}

/* Events come in thousands. After the first the queue is left alone for a rest, again
 * and again until one passes without any: so a file that is written without end wakes us a few
 * times a second. */
static void read_queue(struct workspace *w)
{
	int fd, n = workspace_read(w);

	if (!w->scan)
		workspace_check_root(w);	/* something may be in its place */
	workspace_arm(w);
	if (!w->scan)
		return;
	fd = watch_fd(w->watch);	/* it may be a new one */
	if (n) {
		(void)loop_mod_fd(w->loop, fd, 0);
		set_timer(w, &w->rest, w->rest_ms, on_rest_over);
		if (w->rest)
			w->rest_ms = w->rest_ms * 2 < REST_MAX_MS ? w->rest_ms * 2 : REST_MAX_MS;
	}
	if (!n || !w->rest)
		(void)loop_mod_fd(w->loop, fd, EPOLLIN);
}
