#include "mirror.h"

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
#include "workspace.h"

enum {
	SOON_MS = 1000,			/* after a snapshot: it may not be the only one */
	BACKOFF_MS = 60000,		/* after a failure; doubles */
	BACKOFF_MAX_MS = 3600000,
};

struct mirroring {
	struct loop_timer *timer;
	uint64_t next_ms;		/* not before */
	uint64_t backoff_ms;
	pid_t pid;			/* 0: none is at work */
	int fd;				/* of that process */
	bool more;			/* a snapshot came meanwhile */
	bool said;			/* that it fails */
};

static void arm(struct workspace *w);

static void ended(struct workspace *w, bool well)
{
	struct mirroring *m = w->mirroring;
	uint64_t now = loop_now_ms(w->loop);

	if (well) {
		if (m->said)
			log_info("%s: the mirror is up to date again", w->path);
		m->said = false;
		m->backoff_ms = 0;
		m->next_ms = now + w->cfg.mirror_every_ms;
	} else {
		m->backoff_ms = m->backoff_ms ? m->backoff_ms * 2 : BACKOFF_MS;
		if (m->backoff_ms > BACKOFF_MAX_MS)
			m->backoff_ms = BACKOFF_MAX_MS;
		if (m->backoff_ms < w->cfg.mirror_every_ms)
			m->backoff_ms = w->cfg.mirror_every_ms;
		m->next_ms = now + m->backoff_ms;
		if (!m->said)
			log_warn("%s: the mirror cannot be brought up to date (--status says why); it is tried again", w->path);
		m->said = true;
	}
	if (m->more || !well)
		arm(w);
}

static void on_end(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct workspace *w = arg;
	struct mirroring *m = w->mirroring;
	int status = 0;

	(void)events;
	if (waitpid(m->pid, &status, WNOHANG) == 0)
		return;
	loop_del_fd(l, fd);
	(void)close(fd);
	m->fd = -1;
	m->pid = 0;
	ended(w, WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE);
}

/* recover-mirror lies beside us. */
static int helper(char *path, size_t n)
{
	ssize_t k = readlink("/proc/self/exe", path, n - 32);
	char *slash;

	if (k < 0)
		return -errno;
	path[k] = '\0';
	slash = strrchr(path, '/');
	(void)strcpy(slash ? slash + 1 : path, "recover-mirror");
	return 0;
}

static int spawn(struct workspace *w, pid_t *ret)
{
	char name[] = "recover-mirror", ws[] = "--workspace", st[] = "--store", path[PATH_MAX + 32];
	autofree char *dir = strdup(store_dir(w->store));
	char *argv[] = { name, ws, w->path, st, dir, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r = dir ? helper(path, sizeof(path)) : -ENOMEM;

	if (r < 0)
		return r;
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	if (posix_spawnattr_init(&attr) || posix_spawn_file_actions_init(&files))
		return -ENOMEM;
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	/* Without our terminal: nobody is there to be asked for a password. */
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
	struct mirroring *m = w->mirroring;
	int r = spawn(w, &m->pid);

	if (r < 0) {
		m->pid = 0;
		ended(w, false);
		return;
	}
	m->more = false;
	m->fd = (int)syscall(SYS_pidfd_open, m->pid, 0);
	if (m->fd >= 0)
		(void)fcntl(m->fd, F_SETFD, FD_CLOEXEC);
	if (m->fd < 0 || (r = loop_add_fd(w->loop, m->fd, EPOLLIN, on_end, w)) < 0) {
		/* Nobody would tell us of its end. */
		(void)kill(m->pid, SIGKILL);
		(void)waitpid(m->pid, NULL, 0);
		auto_close_(&m->fd);
		m->fd = -1;
		m->pid = 0;
		ended(w, false);
	}
}

static void on_timer(struct loop *l, void *arg)
{
	struct workspace *w = arg;

	(void)l;
	w->mirroring->timer = NULL;
	if (!w->stopping && !w->mirroring->pid && w->cfg.mirror_url && *w->cfg.mirror_url)
		start(w);
}

static void arm(struct workspace *w)
{
	struct mirroring *m = w->mirroring;
	uint64_t now = loop_now_ms(w->loop), wait = m->next_ms > now + SOON_MS ? m->next_ms - now : SOON_MS;

	if (!m->timer && !w->stopping && loop_add_timer(w->loop, wait, on_timer, w, &m->timer) < 0)
		(void)log_oom();
}

void mirror_soon(struct workspace *w)
{
	if (!w->cfg.mirror_url || !*w->cfg.mirror_url || w->stopping)
		return;
	if (!w->mirroring && !(w->mirroring = calloc(1, sizeof(*w->mirroring)))) {
		(void)log_oom();
		return;
	}
	w->mirroring->more = true;
	if (!w->mirroring->pid)
		arm(w);
}

void mirror_stop(struct workspace *w)
{
	struct mirroring *m = take_ptr(w->mirroring);

	if (!m)
		return;
	loop_del_timer(w->loop, m->timer);
	if (m->pid) {
		loop_del_fd(w->loop, m->fd);
		(void)kill(m->pid, SIGTERM);
		(void)close(m->fd);
	}
	free(m);
}
