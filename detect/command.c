#include "detect/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/auto.h"

struct pipes {
	int in[2], out[2], err[2];
};

static void pipes_release(struct pipes *p)
{
	for (int i = 0; i < 2; i++) {
		auto_close_(&p->in[i]);
		auto_close_(&p->out[i]);
		auto_close_(&p->err[i]);
	}
}

static int start(const struct command_run *c, struct pipes *p, pid_t *ret)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	if (posix_spawnattr_init(&attr))
		return -ENOMEM;
	if (posix_spawn_file_actions_init(&files)) {
		(void)posix_spawnattr_destroy(&attr);
		return -ENOMEM;
	}
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	/* A group of its own: with it go the programs it started. */
	(void)posix_spawnattr_setflags(
		&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	(void)posix_spawn_file_actions_adddup2(&files, p->in[0], 0);
	(void)posix_spawn_file_actions_adddup2(&files, p->out[1], 1);
	(void)posix_spawn_file_actions_adddup2(&files, p->err[1], 2);
	r = posix_spawnp(
		ret, c->argv[0], &files, &attr, (char *const *)(uintptr_t)c->argv, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attr);
	return -r;
}

static int make_pipes(const struct command_run *c, struct pipes *p)
{
	if (c->in ? pipe2(p->in, O_CLOEXEC) < 0
		  : (p->in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
		return -errno;
	if (pipe2(p->out, O_CLOEXEC) < 0 || pipe2(p->err, O_CLOEXEC) < 0)
		return -errno;
	if (c->in && fcntl(p->in[1], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* One reading; closes at the end of file. */
static int take(int *fd, size_t max, struct buf *b)
{
	char chunk[4096];
	ssize_t n = read(*fd, chunk, sizeof(chunk));
	size_t room = b && b->len < max ? max - b->len : 0;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) {
		auto_close_(fd);
		*fd = -1;
		return 0;
	}
	return room ? buf_add(b, chunk, (size_t)n < room ? (size_t)n : room) : 0;
}

static void give(int *fd, const struct command_run *c, size_t *done)
{
	ssize_t n = write(*fd, (const char *)c->in + *done, c->in_len - *done);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	*done += n > 0 ? (size_t)n : 0;
	if (n <= 0 || *done == c->in_len) {
		auto_close_(fd);
		*fd = -1;
	}
}

/* Until both outputs are closed. */
static int talk(const struct command_run *c, struct pipes *p, int64_t until)
{
	size_t done = 0;
	int r = 0;

	while (r == 0 && (p->out[0] >= 0 || p->err[0] >= 0)) {
		struct pollfd f[] = { { p->out[0], POLLIN, 0 }, { p->err[0], POLLIN, 0 },
			{ p->in[1], POLLOUT, 0 } };
		int64_t left = until - now_ms();

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(f, 3, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (f[0].revents)
			r = take(&p->out[0], c->max, c->out);
		if (r == 0 && f[1].revents)
			r = take(&p->err[0], c->max, c->err);
		if (r == 0 && f[2].revents)
			give(&p->in[1], c, &done);
	}
	return r;
}

/* It may close its outputs and go on: the limit holds for that too. */
static int reap(pid_t pid, int64_t until)
{
	const struct timespec pause = { 0, 2000000 };
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, until ? WNOHANG : 0);

		if (got == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (until && now_ms() >= until)
			return -ETIMEDOUT;
		if (got == 0)
			(void)nanosleep(&pause, NULL);
	}
}

int command_run(const struct command_run *c)
{
	autoput(pipes_release) struct pipes p = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
	int64_t until = now_ms() + c->timeout_ms;
	pid_t pid;
	int r = make_pipes(c, &p), code;

	if (r == 0)
		r = start(c, &p, &pid);
	if (r != 0)
		return r;
	auto_close_(&p.in[0]);
	auto_close_(&p.out[1]);
	auto_close_(&p.err[1]);
	p.in[0] = p.out[1] = p.err[1] = -1;
	(void)sigaction(SIGPIPE, &ignore, &old);
	r = talk(c, &p, until);
	(void)sigaction(SIGPIPE, &old, NULL);
	code = r == 0 ? reap(pid, until) : r;
	if (code >= 0)
		return code;
	(void)kill(-pid, SIGKILL);
	(void)kill(pid, SIGKILL);
	(void)reap(pid, 0);
	return code;
}
