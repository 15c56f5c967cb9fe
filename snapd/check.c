#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "../store/portion.h"
#include "alarm.h"
#include "helper.h"
#include "workspace.h"

enum {
	FIRST_MS = 120000,		/* after the start: not in its way */
	AGAIN_MS = 60000,		/* after it was told to end */
	LEAST = 1 << 20,		/* bytes of a portion */
};

struct checking {
	struct loop_timer *timer;
	struct helper helper;
	int64_t told_ns;		/* the damage that was told: when it was found */
};

static void arm(struct workspace *w, uint64_t ms);

/* When the next portion is due, by the clock of the last one that was done: one that was cut short is due as before. */
static uint64_t wait_ms(const struct workspace *w)
{
	struct checked c = { 0 };
	uint64_t every = w->cfg.verify_every_ms;
	int64_t ago;

	(void)checked_read(w->store, &c);
	ago = (text_now_ns() - c.time_ns) / 1000000;
	return !c.time_ns || ago < 0 || (uint64_t)ago >= every ? 0 : every - (uint64_t)ago;
}

static void tell(struct workspace *w)
{
	autofree char *why = NULL;
	struct checked c = { 0 };

	if (checked_read(w->store, &c) < 0 || !c.bad_seg || c.bad_ns == w->checking->told_ns)
		return;
	w->checking->told_ns = c.bad_ns;
	if (asprintf(&why, "the disk gives back other bytes than were written (segment %u, offset %llu): " RECOVER
		" verify --all says what it hits", c.bad_seg, (unsigned long long)c.bad_off) < 0) {
		why = NULL;
		return;
	}
	log_error("%s: %s", store_dir(w->store), why);
	alarm_damage(&w->cfg, w->path, why);
}

static void on_end(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct workspace *w = arg;
	int status = 0;

	(void)fd, (void)events;
	if (helper_ended(l, &w->checking->helper, &status) < 0)
		return;
	/* Also by one that was cut short: it is told once, whoever finds it. */
	if (WIFEXITED(status) && (WEXITSTATUS(status) == EXIT_NO || WEXITSTATUS(status) == EXIT_PART))
		tell(w);
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PART)
		arm(w, AGAIN_MS);
	else
		arm(w, w->cfg.verify_every_ms);
}

static void start(struct workspace *w)
{
	uint64_t bytes = store_check_size(w->store) / 100 * (uint64_t)w->cfg.verify_share;
	char name[] = "recover-check", n[24];
	autofree char *dir = strdup(store_dir(w->store));
	char *argv[] = { name, dir, n, NULL };
	int r;

	(void)snprintf(n, sizeof(n), "%llu", (unsigned long long)(bytes > LEAST ? bytes : LEAST));
	r = dir ? helper_start(w->loop, &w->checking->helper, argv, on_end, w) : -ENOMEM;
	if (r < 0) {
		log_debug("%s: no look for rot: %s", w->path, err_str(r));
		arm(w, w->cfg.verify_every_ms);
	}
}

static void on_timer(struct loop *l, void *arg)
{
	struct workspace *w = arg;
	uint64_t wait = wait_ms(w);

	(void)l;
	w->checking->timer = NULL;
	if (w->stopping || !w->cfg.verify_share)
		return;
	if (daemon_is_busy(w->daemon) || wait)
		arm(w, wait ? wait : AGAIN_MS);
	else
		start(w);
}

static void arm(struct workspace *w, uint64_t ms)
{
	if (!w->checking->timer && !w->stopping && loop_add_timer(w->loop, ms, on_timer, w, &w->checking->timer) < 0)
		(void)log_oom();
}

void check_begin(struct workspace *w)
{
	uint64_t every = w->cfg.verify_every_ms, wait;

	if (!w->cfg.verify_share || w->checking)
		return;
	if (!(w->checking = calloc(1, sizeof(*w->checking)))) {
		(void)log_oom();
		return;
	}
	wait = wait_ms(w);
	arm(w, wait > FIRST_MS || every < FIRST_MS ? wait : FIRST_MS);
}

void check_yield(struct workspace *w)
{
	if (w->checking && w->checking->helper.pid)
		(void)kill(w->checking->helper.pid, SIGTERM);
}

void check_end(struct workspace *w)
{
	struct checking *k = take_ptr(w->checking);

	if (!k)
		return;
	loop_del_timer(w->loop, k->timer);
	helper_leave(w->loop, &k->helper);
	free(k);
}
