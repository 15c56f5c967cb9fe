#include "lib/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/auto.h"

enum { EVENTS_PER_TURN = 64 };

/* One slot per descriptor number. The generation travels with the event: one
 * that was queued for a source removed this turn finds another number, even if
 * the descriptor has been opened and added again since. */
struct source {
	loop_fd_fn fn;		/* NULL: free */
	void *arg;
	uint32_t gen;
};

struct loop_timer {
	struct loop_timer *next;
	uint64_t due_ms;
	uint64_t serial;	/* order of making */
	loop_timer_fn fn;
	void *arg;
};

struct hook {
	loop_hook_fn fn;	/* NULL: removed, dropped before the next turn */
	void *arg;
};

struct handler {
	loop_signal_fn fn;
	void *arg;
};

struct loop {
	int epfd;
	struct source *source;	/* by descriptor */
	size_t n_sources;
	uint32_t gen;

	struct loop_timer *timers;	/* unsorted: a handful */
	uint64_t serial;

	struct hook *hook;
	size_t n_hooks;

	int sigfd;
	sigset_t signals;
	struct handler handler[NSIG];

	loop_clock_fn clock;
	void *clock_arg;
	uint64_t turns;
	bool stopped;
	int code;
};

static uint64_t monotonic_ms(void *arg)
{
	struct timespec ts;

	(void)arg;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int loop_new(struct loop **ret)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0) {
		int r = -errno;

		free(l);
		return r;
	}
	l->sigfd = -1;
	(void)sigemptyset(&l->signals);
	l->clock = monotonic_ms;
	*ret = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	while (l->timers)
		loop_del_timer(l, l->timers);
	auto_close_(&l->sigfd);
	auto_close_(&l->epfd);
	free(l->hook);
	free(l->source);
	free(l);
}

void loop_set_clock(struct loop *l, loop_clock_fn fn, void *arg)
{
	l->clock = fn;
	l->clock_arg = arg;
}

uint64_t loop_now_ms(struct loop *l)
{
	return l->clock(l->clock_arg);
}

uint64_t loop_turns(const struct loop *l)
{
	return l->turns;
}

static int have_slot(struct loop *l, size_t fd)
{
	size_t n = l->n_sources ? l->n_sources : 16;
	struct source *s;

	if (fd < l->n_sources)
		return 0;
	while (n <= fd)
		n *= 2;
	s = realloc(l->source, n * sizeof(*s));
	if (!s)
		return -ENOMEM;
	memset(s + l->n_sources, 0, (n - l->n_sources) * sizeof(*s));
	l->source = s;
	l->n_sources = n;
	return 0;
}

static struct epoll_event event_for(int fd, uint32_t events, uint32_t gen)
{
	return (struct epoll_event){
		.events = events,
		.data.u64 = (uint64_t)gen << 32 | (uint32_t)fd,
	};
}

int loop_add_fd(struct loop *l, int fd, uint32_t events, loop_fd_fn fn, void *arg)
{
	struct epoll_event ev;
	int r;

	assert(fn);
	if (fd < 0)
		return -EBADF;
	r = have_slot(l, (size_t)fd);
	if (r < 0)
		return r;
	ev = event_for(fd, events, l->gen + 1);
	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	l->source[fd] = (struct source){ .fn = fn, .arg = arg, .gen = ++l->gen };
	return 0;
}

int loop_mod_fd(struct loop *l, int fd, uint32_t events)
{
	struct epoll_event ev;

	if (fd < 0 || (size_t)fd >= l->n_sources || !l->source[fd].fn)
		return -ENOENT;
	ev = event_for(fd, events, l->source[fd].gen);
	return epoll_ctl(l->epfd, EPOLL_CTL_MOD, fd, &ev) < 0 ? -errno : 0;
}

void loop_del_fd(struct loop *l, int fd)
{
	if (fd < 0 || (size_t)fd >= l->n_sources || !l->source[fd].fn)
		return;
	(void)epoll_ctl(l->epfd, EPOLL_CTL_DEL, fd, NULL);
	l->source[fd].fn = NULL;
}

int loop_add_timer(struct loop *l, uint64_t after_ms, loop_timer_fn fn, void *arg,
	struct loop_timer **ret)
{
	struct loop_timer *t = malloc(sizeof(*t));

	assert(fn);
	if (!t)
		return -ENOMEM;
	*t = (struct loop_timer){ .next = l->timers, .serial = l->serial++, .fn = fn, .arg = arg };
	if (__builtin_add_overflow(loop_now_ms(l), after_ms, &t->due_ms))
		t->due_ms = UINT64_MAX;
	l->timers = t;
	if (ret)
		*ret = t;
	return 0;
}

/* Looks for it, so that deleting one that has fired does nothing. */
void loop_del_timer(struct loop *l, struct loop_timer *t)
{
	for (struct loop_timer **at = &l->timers; t && *at; at = &(*at)->next) {
		if (*at == t) {
			*at = t->next;
			free(t);
			return;
		}
	}
}

static struct loop_timer *first_timer(const struct loop *l, uint64_t below_serial)
{
	struct loop_timer *best = NULL;

	for (struct loop_timer *t = l->timers; t; t = t->next) {
		if (t->serial >= below_serial)
			continue;
		if (!best || t->due_ms < best->due_ms ||
			(t->due_ms == best->due_ms && t->serial < best->serial))
			best = t;
	}
	return best;
}

/* A timer made by a timer waits for the next turn, or one of 0 ms that renews
 * itself would starve the descriptors. */
static void run_timers(struct loop *l)
{
	uint64_t made = l->serial, now = l->timers ? loop_now_ms(l) : 0;
	struct loop_timer *t;

	while (!l->stopped && (t = first_timer(l, made)) && t->due_ms <= now) {
		loop_timer_fn fn = t->fn;
		void *arg = t->arg;

		loop_del_timer(l, t);
		fn(l, arg);
	}
}

static void read_signals(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct signalfd_siginfo info;

	(void)events, (void)arg;
	while (!l->stopped && read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		const struct handler *h = &l->handler[info.ssi_signo % NSIG];

		if (h->fn)
			h->fn(l, (int)info.ssi_signo, h->arg);
	}
}

int loop_add_signal(struct loop *l, int signo, loop_signal_fn fn, void *arg)
{
	sigset_t set = l->signals;
	int fd, r;

	if (signo <= 0 || signo >= NSIG || sigaddset(&set, signo) < 0)
		return -EINVAL;
	r = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (r)
		return -r;
	fd = signalfd(l->sigfd, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (l->sigfd < 0) {
		r = loop_add_fd(l, fd, EPOLLIN, read_signals, NULL);
		if (r < 0) {
			(void)close(fd);
			return r;
		}
		l->sigfd = fd;
	}
	l->signals = set;
	l->handler[signo] = (struct handler){ .fn = fn, .arg = arg };
	return 0;
}

void loop_before_sleep(struct loop *l, loop_hook_fn fn, void *arg)
{
	struct hook *h = realloc(l->hook, (l->n_hooks + 1) * sizeof(*h));

	/* A program that starts without room for this has no use for an answer. */
	if (!h)
		abort();
	h[l->n_hooks++] = (struct hook){ .fn = fn, .arg = arg };
	l->hook = h;
}

void loop_del_before_sleep(struct loop *l, loop_hook_fn fn, void *arg)
{
	for (size_t i = 0; i < l->n_hooks; i++)
		if (l->hook[i].fn == fn && l->hook[i].arg == arg)
			l->hook[i].fn = NULL;
}

static void run_hooks(struct loop *l)
{
	size_t kept = 0;

	/* By index: a hook may add one, which moves the array. */
	for (size_t i = 0; i < l->n_hooks; i++)
		if (l->hook[i].fn)
			l->hook[i].fn(l, l->hook[i].arg);
	for (size_t i = 0; i < l->n_hooks; i++)
		if (l->hook[i].fn)
			l->hook[kept++] = l->hook[i];
	l->n_hooks = kept;
}

static int wait_time(struct loop *l, int max_wait_ms)
{
	const struct loop_timer *t = first_timer(l, UINT64_MAX);
	uint64_t now, left = 0;

	if (!t)
		return max_wait_ms;
	now = loop_now_ms(l);
	if (t->due_ms > now)
		left = t->due_ms - now;
	if (left > INT_MAX)
		left = INT_MAX;
	return max_wait_ms >= 0 && (uint64_t)max_wait_ms < left ? max_wait_ms : (int)left;
}

int loop_turn(struct loop *l, int max_wait_ms)
{
	struct epoll_event ev[EVENTS_PER_TURN];
	int n;

	run_hooks(l);
	if (l->stopped)
		return 0;
	n = epoll_wait(l->epfd, ev, EVENTS_PER_TURN, wait_time(l, max_wait_ms));
	if (n < 0 && errno != EINTR)
		return -errno;
	l->turns++;
	for (int i = 0; i < n && !l->stopped; i++) {
		size_t fd = (uint32_t)ev[i].data.u64;
		const struct source *s = &l->source[fd];

		if (s->fn && s->gen == (uint32_t)(ev[i].data.u64 >> 32))
			s->fn(l, (int)fd, ev[i].events, s->arg);
	}
	run_timers(l);
	return 0;
}

int loop_run(struct loop *l)
{
	while (!l->stopped) {
		int r = loop_turn(l, -1);

		if (r < 0)
			return r;
	}
	l->stopped = false;
	return l->code;
}

void loop_stop(struct loop *l, int code)
{
	l->stopped = true;
	l->code = code;
}
