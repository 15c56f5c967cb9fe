#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "../store/portion.h"
#include "alarm.h"
#include "workspace.h"

enum {
	FIRST_MS = 120000,		/* after the start: not in its way */
	AGAIN_MS = 60000,		/* after it was told to end */
	LEAST = 1 << 20,		/* bytes of a portion */
};

struct checking {
	struct loop_timer *timer;
	pid_t pid;			/* 0: none is at work */
	int fd;				/* of that process */
	int64_t told_ns;		/* the damage that was told: when it was found */
};

static void arm(struct workspace *w, uint64_t ms);

/* When the next portion is due, by the clock of the last one. */
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
	struct checking *k = w->checking;
	int status = 0;

	(void)events;
	if (waitpid(k->pid, &status, WNOHANG) == 0)
		return;
	loop_del_fd(l, fd);
	(void)close(fd);
	k->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO)
		tell(w);
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PART)
		arm(w, AGAIN_MS);
	else
		arm(w, w->cfg.verify_every_ms);
}

/* recover-check lies beside us. */
static int spawn(struct workspace *w, uint64_t bytes, pid_t *ret)
{
	char name[] = "recover-check", n[24], path[PATH_MAX + 32], *slash;
	autofree char *dir = strdup(store_dir(w->store));
	char *argv[] = { name, dir, n, NULL };
	ssize_t k = readlink("/proc/self/exe", path, PATH_MAX);
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	if (k < 0 || !dir)
		return k < 0 ? -errno : -ENOMEM;
	path[k] = '\0';
	slash = strrchr(path, '/');
	(void)strcpy(slash ? slash + 1 : path, name);
	(void)snprintf(n, sizeof(n), "%llu", (unsigned long long)bytes);
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	if (posix_spawnattr_init(&attr) || posix_spawn_file_actions_init(&files))
		return -ENOMEM;
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	(void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
	(void)posix_spawn_file_actions_adddup2(&files, 0, 1);
	r = -posix_spawn(ret, path, &files, &attr, argv, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attr);
	return r;
}

static void start(struct workspace *w)
{
	struct checking *k = w->checking;
	uint64_t bytes = store_check_size(w->store) / 100 * (uint64_t)w->cfg.verify_share;
	int r = spawn(w, bytes > LEAST ? bytes : LEAST, &k->pid);

	if (r == 0) {
		k->fd = (int)syscall(SYS_pidfd_open, k->pid, 0);
		r = k->fd < 0 ? -errno : loop_add_fd(w->loop, k->fd, EPOLLIN, on_end, w);
		if (r < 0) {	/* nobody would tell us of its end */
			(void)kill(k->pid, SIGKILL);
			(void)waitpid(k->pid, NULL, 0);
			if (k->fd >= 0)
				(void)close(k->fd);
		}
	}
	if (r < 0) {
		k->pid = 0;
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
	if (w->checking && w->checking->pid)
		(void)kill(w->checking->pid, SIGTERM);
}

void check_end(struct workspace *w)
{
	struct checking *k = take_ptr(w->checking);

	if (!k)
		return;
	loop_del_timer(w->loop, k->timer);
	if (k->pid) {
		loop_del_fd(w->loop, k->fd);
		(void)kill(k->pid, SIGTERM);
		(void)close(k->fd);
	}
	free(k);
}
