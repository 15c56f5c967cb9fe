/* snapd/daemon.c - several workspaces, one loop, and how it ends. */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/loop.h"
#include "mounts.h"
#include "news.h"
#include "notify.h"
#include "workspace.h"

struct daemon {
	struct loop *loop;
	struct workspace *first;
	struct news *news;
	bool sweep;		/* some workspace is to be closed */
	bool ended;		/* the last snapshots are taken */
	bool busy;		/* a snapshot is being made */
	int exit;
	uint64_t watchdog_ms;
	struct loop_timer *watchdog;
	int mounts;		/* a descriptor, -1: none */
	const struct options *opt;
	bool *waiting;		/* of opt's workspaces: for room to open its store */
	size_t n_waiting;
};

enum { ROOM_MS = 5000 };

/* How often we were told to end. The second time while a snapshot is being made gives it up. */
static volatile sig_atomic_t told;
static volatile sig_atomic_t give_up;

const volatile sig_atomic_t *daemon_abort_flag(void)
{
	return &give_up;
}

static void told_again(void)
{
	if (++told > 1)
		give_up = 1;
}

/* The signals are blocked, for the loop's signalfd; during a long scan nobody reads that. */
void daemon_poll_signals(void)
{
	const struct timespec none = { 0 };
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	while (sigtimedwait(&set, NULL, &none) > 0) {
		told_again();
		if (told == 1)
			log_warn("ending when this snapshot is finished; a second signal (Ctrl-C) "
				 "gives it up, "
				 "the store is whole either way");
	}
}

struct workspace *daemon_first(const struct daemon *d)
{
	return d->first;
}

uint64_t daemon_wakeups(const struct daemon *d)
{
	return loop_turns(d->loop);
}

void daemon_begin(struct daemon *d)
{
	d->busy = true;
}

void daemon_done(struct workspace *w)
{
	w->daemon->busy = false;
	control_resume(w);
	for (struct workspace *o = w->daemon->first; o; o = o->next)
		if (o != w)
			control_resume(o);
}

bool daemon_is_busy(const struct daemon *d)
{
	return d->busy;
}

/* w itself may not be one of ours yet. */
void daemon_poll_clients(struct workspace *w)
{
	ctl_poll(w->ctl);
	for (struct workspace *o = w->daemon->first; o; o = o->next)
		if (o != w)
			ctl_poll(o->ctl);
}

void daemon_stop_workspace(struct workspace *w)
{
	w->stopping = true;
	w->daemon->sweep = true;
}

static void last_snapshots(struct daemon *d)
{
	d->ended = true;
	for (struct workspace *w = d->first; w; w = w->next) {
		struct store_snapshot sn = { 0 };
		int r;

		w->stopping = true;
		r = workspace_take(w, REASON_STOP, NULL, false, &sn);
		/* Gone: there is nothing to take. */
		if (r < 0 && w->scan) {
			(void)log_error_errno(r, "%s: no last snapshot", w->path);
			d->exit = r == -EINTR ? d->exit : EXIT_PART;
		}
		store_snapshot_release(&sn);
	}
}

static void say_ready(const struct daemon *d)
{
	size_t folders = 0, missing = d->n_waiting;

	for (const struct workspace *w = d->first; w; w = w->next) {
		folders += w->watch ? watch_count(w->watch) : 0;
		missing += !w->scan;
	}
	notify("READY=1\nSTATUS=watching %zu folder%s, waiting for %zu workspace%s", folders,
		folders == 1 ? "" : "s", missing, missing == 1 ? "" : "s");
}

static void on_watchdog(struct loop *l, void *arg)
{
	struct daemon *d = arg;

	notify("WATCHDOG=1");
	if (loop_add_timer(l, d->watchdog_ms / 2, on_watchdog, d, &d->watchdog) < 0)
		(void)log_oom();
}

static void on_end(struct loop *l, int signo, void *arg)
{
	struct daemon *d = arg;

	(void)signo;
	told_again();
	notify("STOPPING=1");
	last_snapshots(d);
	loop_stop(l, 0);
}

static void on_reload(struct loop *l, int signo, void *arg)
{
	struct daemon *d = arg;

	(void)l, (void)signo;
	notify_reloading();
	for (struct workspace *w = d->first; w; w = w->next)
		workspace_reload(w);
	say_ready(d);
	news_again(d->news);
}

static void on_debug(struct loop *l, int signo, void *arg)
{
	(void)l, (void)signo, (void)arg;
	log_set_level(log_level() == LOG_DEBUG ? LOG_INFO : LOG_DEBUG);
	log_info("SIGUSR1: debug messages are %s", log_level() == LOG_DEBUG ? "on" : "off");
}

static void on_mounts(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct daemon *d = arg;

	(void)l, (void)fd, (void)events;
	for (struct workspace *w = d->first; w; w = w->next)
		workspace_mounts_changed(w);
}

/* Between events: close what was stopped; end when a signal came during a scan, or when nothing
 * is left. */
static void before_sleep(struct loop *l, void *arg)
{
	struct daemon *d = arg;
	struct workspace **at = &d->first;

	if (told && !d->ended) {
		last_snapshots(d);
		loop_stop(l, 0);
	}
	for (struct workspace *w = d->first; w; w = w->next)
		workspace_rest(w);
	if (!d->sweep)
		return;
	d->sweep = false;
	while (*at) {
		struct workspace *w = *at;

		if (!w->stopping) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		workspace_close(w);
	}
	if (!d->first && !d->n_waiting)
		loop_stop(l, 0);
}

static int setup(struct daemon *d)
{
	int r = loop_new(&d->loop);

	if (r == 0)
		r = loop_add_signal(d->loop, SIGTERM, on_end, d);
	if (r == 0)
		r = loop_add_signal(d->loop, SIGINT, on_end, d);
	if (r == 0)
		r = loop_add_signal(d->loop, SIGHUP, on_reload, d);
	if (r == 0)
		r = loop_add_signal(d->loop, SIGUSR1, on_debug, d);
	if (r == 0)
		r = mounts_watch(d->loop, on_mounts, d, &d->mounts);
	if (r == 0)
		loop_before_sleep(d->loop, before_sleep, d);
	return r;
}

/* Where we were started may be a file system that somebody wants to unmount. */
static void leave_folder(void)
{
	const char *cfg = getenv("HOLDFAST_CONFIG");

	if (!cfg || *cfg == '/')
		(void)!chdir("/");
}

/* The exit code, 0 also when it has to wait for room. */
static int open_one(struct daemon *d, size_t i)
{
	struct workspace **end = &d->first;
	int exit_code, r;

	while (*end)
		end = &(*end)->next;
	r = workspace_open(d, d->loop, d->opt->workspace[i], d->opt, end, &exit_code);
	if (r == -ENOSPC && !d->waiting[i])
		log_error("%s: no room for its store%s; waiting for it", d->opt->workspace[i],
			NO_ROOM_TEXT);
	d->n_waiting -= d->waiting[i];
	d->waiting[i] = r == -ENOSPC;
	d->n_waiting += d->waiting[i];
	return r < 0 && r != -ENOSPC ? exit_code : 0;
}

static void on_room(struct loop *l, void *arg)
{
	struct daemon *d = arg;

	for (size_t i = 0; i < d->opt->n_workspaces && !told; i++)
		if (d->waiting[i] && open_one(d, i))
			d->exit = EXIT_PART;
	if (!d->first && !d->n_waiting) {
		d->exit = EXIT_ENV;
		loop_stop(l, 0);
	}
	if (d->n_waiting && loop_add_timer(l, ROOM_MS, on_room, d, NULL) < 0)
		(void)log_oom();
	say_ready(d);
}

static int open_all(struct daemon *d)
{
	int worst = 0;

	d->waiting = calloc(d->opt->n_workspaces, sizeof(*d->waiting));
	if (!d->waiting) {
		(void)log_oom();
		return EXIT_ENV;
	}
	for (size_t i = 0; i < d->opt->n_workspaces && !told; i++) {
		int exit_code = open_one(d, i);

		worst = exit_code ? exit_code : worst;
	}
	if (d->n_waiting && loop_add_timer(d->loop, ROOM_MS, on_room, d, NULL) < 0)
		(void)log_oom();
	/* Of several, those that can be protected are. */
	if (worst && (d->first || d->n_waiting))
		d->exit = EXIT_PART;
	return d->first || d->n_waiting ? 0 : worst ? worst : told ? 0 : EXIT_ENV;
}

int daemon_run(const struct options *opt)
{
	struct daemon d = { .mounts = -1, .opt = opt };
	int r = setup(&d);

	if (r < 0) {
		(void)log_error_errno(r, "event loop");
		r = EXIT_ENV;
	} else {
		r = open_all(&d);
		if (r == 0 && (d.first || d.n_waiting)) {
			say_ready(&d);
			leave_folder();
			d.watchdog_ms = notify_watchdog_ms();
			if (d.watchdog_ms)
				on_watchdog(d.loop, &d);
			d.news = news_open(&d, d.loop, !d.first || d.first->cfg.autostart);
			r = loop_run(d.loop);
			news_close(d.news);
			if (r < 0)
				(void)log_error_errno(r, "event loop");
			r = r < 0         ? EXIT_ENV
			    : d.n_waiting ? (d.first ? EXIT_PART : EXIT_ENV)
					  : d.exit;
		}
	}
	while (d.first) {
		struct workspace *w = d.first;

		d.first = w->next;
		workspace_close(w);
	}
	free(d.waiting);
	loop_del_fd(d.loop, d.mounts);
	auto_close_(&d.mounts);
	loop_free(d.loop);
	return r;
}
