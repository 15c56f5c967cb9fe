/* lib/loop.h - an event loop in the shape of ae: descriptors, one-shot timers,
 * signals, and a hook before sleeping. One thread.
 *
 * Handlers are short and never block for long; a handler may remove any source,
 * itself included, and may be called for a source removed this turn never (the
 * loop checks). Work that must be batched (fsync, answers to clients) belongs in
 * the before-sleep hook. When no timer is armed the loop sleeps in epoll_wait
 * without a timeout: an idle program makes no wake-ups. Time is
 * CLOCK_MONOTONIC through loop_now_ms, replaceable for tests. */
#ifndef LIB_LOOP_H
#define LIB_LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct loop_timer;

typedef void (*loop_fd_fn)(struct loop *l, int fd, uint32_t events, void *arg);
typedef void (*loop_timer_fn)(struct loop *l, void *arg);
typedef void (*loop_signal_fn)(struct loop *l, int signo, void *arg);
typedef void (*loop_hook_fn)(struct loop *l, void *arg);

int loop_new(struct loop **ret);
/* NULL is fine; closes no descriptor of yours */
void loop_free(struct loop *l);

int loop_add_fd(struct loop *l, int fd, uint32_t events, loop_fd_fn fn, void *arg);
int loop_mod_fd(struct loop *l, int fd, uint32_t events);
void loop_del_fd(struct loop *l, int fd);		/* before you close it */

/* One-shot. Timers are few: a list, O(n). *ret is valid until it fires or is cancelled. */
int loop_add_timer(
	struct loop *l, uint64_t after_ms, loop_timer_fn fn, void *arg, struct loop_timer **ret);
void loop_del_timer(struct loop *l, struct loop_timer *t);	/* NULL is fine */

/* Blocks the signal and delivers it through a signalfd. Before threads are made.
 * It stays blocked after loop_free, and in programs you start: unblock it there. */
int loop_add_signal(struct loop *l, int signo, loop_signal_fn fn, void *arg);

/* Several may be set; called in that order, each turn. A hook may stop the loop. */
void loop_before_sleep(struct loop *l, loop_hook_fn fn, void *arg);
void loop_del_before_sleep(struct loop *l, loop_hook_fn fn, void *arg);

int loop_run(struct loop *l);				/* until loop_stop; its code */
void loop_stop(struct loop *l, int code);		/* before loop_run: it returns at once */
/* One turn: hooks, sleep (max_wait_ms < 0: as long as it takes), events, timers. */
int loop_turn(struct loop *l, int max_wait_ms);

typedef uint64_t (*loop_clock_fn)(void *arg);
void loop_set_clock(struct loop *l, loop_clock_fn fn, void *arg);
uint64_t loop_now_ms(struct loop *l);
uint64_t loop_turns(const struct loop *l);		/* wake-ups so far */

#endif
