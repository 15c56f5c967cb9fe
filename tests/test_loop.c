#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/loop.h"

static struct loop *new_loop(void)
{
	struct loop *l;

	ck_assert_int_eq(loop_new(&l), 0);
	return l;
}

static void make_pipe(int p[2])
{
	ck_assert_int_eq(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
}

static void stop_with_arg(struct loop *l, void *arg)
{
	loop_stop(l, *(int *)arg);
}

START_TEST(stop__gives_its_code_and_may_come_first)
{
	struct loop *l = new_loop();
	int code = 7;

	ck_assert_int_eq(loop_add_timer(l, 0, stop_with_arg, &code, NULL), 0);
	ck_assert_int_eq(loop_run(l), 7);
	loop_stop(l, 3);
	ck_assert_int_eq(loop_run(l), 3);
	loop_free(l);
	loop_free(NULL);
}
END_TEST

static void count_event(struct loop *l, int fd, uint32_t events, void *arg)
{
	(void)l, (void)fd, (void)events;
	++*(int *)arg;
}

START_TEST(fd__is_heard_until_it_is_removed)
{
	struct loop *l = new_loop();
	int p[2], n = 0;

	make_pipe(p);
	ck_assert_int_eq(loop_add_fd(l, p[0], EPOLLIN, count_event, &n), 0);
	ck_assert_int_eq(loop_add_fd(l, p[0], EPOLLIN, count_event, &n), -EEXIST);
	ck_assert_int_eq(loop_turn(l, 0), 0);
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq((int)write(p[1], "x", 1), 1);
	ck_assert_int_eq(loop_turn(l, -1), 0);
	ck_assert_int_eq(n, 1);
	ck_assert_int_eq(loop_mod_fd(l, p[0], 0), 0);
	ck_assert_int_eq(loop_turn(l, 0), 0);
	ck_assert_int_eq(n, 1);
	loop_del_fd(l, p[0]);
	loop_del_fd(l, p[0]);
	ck_assert_int_eq(loop_mod_fd(l, p[0], EPOLLIN), -ENOENT);
	ck_assert_int_eq(loop_turn(l, 0), 0);
	ck_assert_int_eq(n, 1);
	ck_assert_int_eq(loop_add_fd(l, -1, EPOLLIN, count_event, &n), -EBADF);
	loop_free(l);
}
END_TEST

/* Two descriptors are ready at once; whichever handler comes first removes,
 * closes and reopens the other's number: the queued event must find nobody. */
struct pair {
	int fd[2], calls, fresh_calls;
	int new_p[2];
};

static void on_fresh(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct pair *p = arg;

	(void)l, (void)fd, (void)events;
	p->fresh_calls++;
}

static void remove_other(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct pair *p = arg;
	int other = p->fd[fd == p->fd[0]];

	(void)events;
	p->calls++;
	loop_del_fd(l, other);
	make_pipe(p->new_p);
	ck_assert_int_eq(dup3(p->new_p[0], other, O_CLOEXEC), other);
	ck_assert_int_eq(loop_add_fd(l, other, EPOLLIN, on_fresh, p), 0);
	loop_del_fd(l, fd);
}

START_TEST(fd__removed_this_turn_is_not_called_even_if_its_number_is_back)
{
	struct loop *l = new_loop();
	struct pair p = { 0 };
	int a[2], b[2];

	make_pipe(a);
	make_pipe(b);
	p.fd[0] = a[0];
	p.fd[1] = b[0];
	ck_assert_int_eq(loop_add_fd(l, a[0], EPOLLIN, remove_other, &p), 0);
	ck_assert_int_eq(loop_add_fd(l, b[0], EPOLLIN, remove_other, &p), 0);
	ck_assert_int_eq((int)write(a[1], "x", 1), 1);
	ck_assert_int_eq((int)write(b[1], "x", 1), 1);
	ck_assert_int_eq(loop_turn(l, -1), 0);
	ck_assert_int_eq(p.calls, 1);
	ck_assert_int_eq(p.fresh_calls, 0);
	ck_assert_int_eq((int)write(p.new_p[1], "x", 1), 1);
	ck_assert_int_eq(loop_turn(l, -1), 0);
	ck_assert_int_eq(p.fresh_calls, 1);
	loop_free(l);
}
END_TEST

static uint64_t fake_now;

static uint64_t fake_clock(void *arg)
{
	(void)arg;
	return fake_now;
}

struct tick {
	int id, *log, *n;
};

static void note(struct loop *l, void *arg)
{
	struct tick *t = arg;

	(void)l;
	t->log[(*t->n)++] = t->id;
}

START_TEST(timer__fires_in_order_of_time_then_of_making)
{
	struct loop *l = new_loop();
	int log[10], n = 0;
	struct tick t[5];
	static const uint64_t after[] = { 30, 10, 20, 10, 99 };

	loop_set_clock(l, fake_clock, NULL);
	fake_now = 1000;
	for (int i = 0; i < 5; i++) {
		t[i] = (struct tick){ i, log, &n };
		ck_assert_int_eq(loop_add_timer(l, after[i], note, &t[i], NULL), 0);
	}
	ck_assert_int_eq(loop_turn(l, 0), 0);
	ck_assert_int_eq(n, 0);
	fake_now = 1030;
	ck_assert_int_eq(loop_turn(l, 0), 0);
	ck_assert_int_eq(n, 4);
	ck_assert(log[0] == 1 && log[1] == 3 && log[2] == 2 && log[3] == 0);
	loop_free(l);	/* one is still armed */
}
END_TEST

struct victim {
	struct loop_timer *t;
	int fired;
};

static void cancel_it(struct loop *l, void *arg)
{
	struct victim *v = arg;

	loop_del_timer(l, v->t);
}

static void fired(struct loop *l, void *arg)
{
	struct victim *v = arg;

	v->fired++;
	loop_del_timer(l, v->t);	/* too late: nothing happens */
}

START_TEST(timer__may_be_cancelled_by_another_of_the_same_moment)
{
	struct loop *l = new_loop();
	struct victim v = { 0 }, w = { 0 };

	loop_set_clock(l, fake_clock, NULL);
	fake_now = 5;
	ck_assert_int_eq(loop_add_timer(l, 10, cancel_it, &v, NULL), 0);
	ck_assert_int_eq(loop_add_timer(l, 10, fired, &v, &v.t), 0);
	ck_assert_int_eq(loop_add_timer(l, 10, fired, &w, &w.t), 0);
	ck_assert_int_eq(loop_add_timer(l, UINT64_MAX, fired, &w, NULL), 0);
	fake_now = 15;
	ck_assert_int_eq(loop_turn(l, 0), 0);
	ck_assert_int_eq(v.fired, 0);
	ck_assert_int_eq(w.fired, 1);
	loop_del_timer(l, NULL);
	loop_free(l);
}
END_TEST

static void renew(struct loop *l, void *arg)
{
	++*(int *)arg;
	ck_assert_int_eq(loop_add_timer(l, 0, renew, arg, NULL), 0);
}

START_TEST(timer__that_renews_itself_does_not_starve_the_rest)
{
	struct loop *l = new_loop();
	int p[2], timers = 0, events = 0;

	make_pipe(p);
	ck_assert_int_eq((int)write(p[1], "x", 1), 1);
	ck_assert_int_eq(loop_add_fd(l, p[0], EPOLLIN, count_event, &events), 0);
	ck_assert_int_eq(loop_add_timer(l, 0, renew, &timers, NULL), 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(loop_turn(l, -1), 0);
	ck_assert_int_eq(timers, 5);
	ck_assert_int_eq(events, 5);
	loop_free(l);
}
END_TEST

static void on_signal(struct loop *l, int signo, void *arg)
{
	*(int *)arg = signo;
	if (signo == SIGTERM)
		loop_stop(l, 15);
}

START_TEST(signal__arrives_in_the_loop)
{
	struct loop *l = new_loop();
	int a = 0, b = 0;

	ck_assert_int_eq(loop_add_signal(l, SIGUSR1, on_signal, &a), 0);
	ck_assert_int_eq(loop_add_signal(l, SIGTERM, on_signal, &b), 0);
	ck_assert_int_eq(loop_add_signal(l, 0, on_signal, &b), -EINVAL);
	ck_assert_int_eq(raise(SIGUSR1), 0);
	ck_assert_int_eq(a, 0);
	ck_assert_int_eq(loop_turn(l, -1), 0);
	ck_assert_int_eq(a, SIGUSR1);
	ck_assert_int_eq(raise(SIGTERM), 0);
	ck_assert_int_eq(loop_run(l), 15);
	ck_assert_int_eq(b, SIGTERM);
	loop_free(l);
}
END_TEST

static void hook(struct loop *l, void *arg)
{
	(void)l;
	++*(int *)arg;
}

static void remove_hook(struct loop *l, void *arg)
{
	loop_del_before_sleep(l, hook, arg);
}

START_TEST(hook__is_called_each_turn_until_removed)
{
	struct loop *l = new_loop();
	int n = 0, code = 9;

	loop_before_sleep(l, hook, &n);
	ck_assert_int_eq(loop_turn(l, 0), 0);
	ck_assert_int_eq(loop_turn(l, 0), 0);
	ck_assert_int_eq(n, 2);
	loop_before_sleep(l, remove_hook, &n);
	ck_assert_int_eq(loop_turn(l, 0), 0);
	ck_assert_int_eq(loop_turn(l, 0), 0);
	ck_assert_int_eq(n, 3);
	loop_before_sleep(l, stop_with_arg, &code);
	ck_assert_int_eq(loop_run(l), 9);	/* stopped before it slept */
	loop_free(l);
}
END_TEST

/* At rest nothing wakes it: the only turn is the one of the byte. */
START_TEST(idle__makes_no_turns)
{
	struct loop *l = new_loop();
	int p[2], n = 0;
	uint64_t before;

	make_pipe(p);
	ck_assert_int_eq(loop_add_fd(l, p[0], EPOLLIN, count_event, &n), 0);
	before = loop_turns(l);
	if (fork() == 0) {
		(void)usleep(200000);
		_exit(write(p[1], "x", 1) != 1);
	}
	ck_assert_int_eq(loop_turn(l, -1), 0);
	ck_assert_uint_eq(loop_turns(l) - before, 1);
	ck_assert_int_eq(n, 1);
	loop_free(l);
}
END_TEST

CHECK_MAIN("loop", stop__gives_its_code_and_may_come_first, fd__is_heard_until_it_is_removed,
	fd__removed_this_turn_is_not_called_even_if_its_number_is_back,
	timer__fires_in_order_of_time_then_of_making,
	timer__may_be_cancelled_by_another_of_the_same_moment,
	timer__that_renews_itself_does_not_starve_the_rest, signal__arrives_in_the_loop,
	hook__is_called_each_turn_until_removed, idle__makes_no_turns)
