/* snapd/daemon.c - several workspaces, one loop, and how it ends. */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/loop.h"
#include "workspace.h"

struct daemon {
	struct loop *loop;
	struct workspace *first;
	bool sweep;		/* some workspace is to be closed */
	bool ended;		/* the last snapshots are taken */
	int exit;
};

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
	while (sigtimedwait(&set, NULL, &none) > 0)
		told_again();
}

uint64_t daemon_wakeups(const struct daemon *d)
{
	return loop_turns(d->loop);
}

void daemon_stop_workspace(struct workspace *w)
{
	w->stopping = true;
	w->daemon->sweep = true;
}

/* systemd's protocol is one datagram (sd_notify(3)). */
static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	autoclose int fd = -1;
	size_t n = path ? strlen(path) : 0;

	if (!n || n >= sizeof(addr.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(addr.sun_path, path, n);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&addr,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

static void last_snapshots(struct daemon *d)
{
	d->ended = true;
	for (struct workspace *w = d->first; w; w = w->next) {
		struct store_snapshot sn = { 0 };
		int r;

		w->stopping = true;
		if (!w->scan)
			continue;
		r = workspace_take(w, REASON_STOP, NULL, false, &sn);
		if (r < 0) {
			(void)log_error_errno(r, "%s: no last snapshot", w->path);
			d->exit = r == -EINTR ? d->exit : EXIT_PART;
		} else {
			store_snapshot_release(&sn);
		}
	}
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
	for (struct workspace *w = d->first; w; w = w->next)
		workspace_reload(w);
}

static void on_debug(struct loop *l, int signo, void *arg)
{
	(void)l, (void)signo, (void)arg;
	log_set_level(log_level() == LOG_DEBUG ? LOG_INFO : LOG_DEBUG);
}

/* Between events: close what was stopped; end when a signal came during a scan, or when nothing is left. */
static void before_sleep(struct loop *l, void *arg)
{
	struct daemon *d = arg;
	struct workspace **at = &d->first;

	if (told && !d->ended) {
		last_snapshots(d);
		loop_stop(l, 0);
	}
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
	if (!d->first)
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
		loop_before_sleep(d->loop, before_sleep, d);
	return r;
}

static int open_all(struct daemon *d, const struct options *opt)
{
	struct workspace **end = &d->first;
	int worst = 0;

	for (size_t i = 0; i < opt->n_workspaces && !told; i++) {
		int exit_code;

		if (workspace_open(d, d->loop, opt->workspace[i], opt, end, &exit_code) < 0)
			worst = exit_code;
		else
			end = &(*end)->next;
	}
	/* Of several, those that can be protected are. */
	if (worst && d->first)
		d->exit = EXIT_PART;
	return d->first ? 0 : worst ? worst : told ? 0 : EXIT_ENV;
}

int daemon_run(const struct options *opt)
{
	struct daemon d = { 0 };
	int r = setup(&d);

	if (r < 0) {
		(void)log_error_errno(r, "event loop");
		r = EXIT_ENV;
	} else {
		r = open_all(&d, opt);
		if (r == 0 && d.first) {
			notify("READY=1");
			r = loop_run(d.loop);
			if (r < 0)
				(void)log_error_errno(r, "event loop");
			r = r < 0 ? EXIT_ENV : d.exit;
		}
	}
	while (d.first) {
		struct workspace *w = d.first;

		d.first = w->next;
		workspace_close(w);
	}
	loop_free(d.loop);
	return r;
}
