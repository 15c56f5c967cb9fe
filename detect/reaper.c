/* See reaper.h. */
#include "detect/reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "detect/prompt.h"

#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448	/* Linux 5.15; the same everywhere */
#endif

enum { STACK = 32 << 10 };

struct reaper {
	int fd[2];	/* numbers of pidfds, which are the thread's from then on */
	pthread_t thread;
};

static void *serve(void *arg)
{
	const struct reaper *r = arg;
	int pidfd;

	/* Before the dying has let go of it. */
	prompt_ask(0);
	/* Whole numbers: a write of so few bytes is never torn (pipe(7)). */
	while (read(r->fd[0], &pidfd, sizeof(pidfd)) == sizeof(pidfd)) {
		/* Not dying (it handles the signal), or done already: nothing to do then. */
		(void)syscall(SYS_process_mrelease, pidfd, 0);
		(void)close(pidfd);
	}
	return NULL;
}

int reaper_open(struct reaper **ret)
{
	struct reaper *r;
	pthread_attr_t attr;
	int e;

	if (syscall(SYS_process_mrelease, -1, 0) < 0 && errno == ENOSYS)
		return -ENOSYS;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	if (pipe2(r->fd, O_CLOEXEC) < 0) {
		e = errno;
		goto undo;
	}
	/* The thread waits; who asks never does. */
	(void)fcntl(r->fd[1], F_SETFL, O_NONBLOCK);
	e = pthread_attr_init(&attr);
	if (e == 0) {
		(void)pthread_attr_setstacksize(&attr, STACK);
		e = pthread_create(&r->thread, &attr, serve, r);
		(void)pthread_attr_destroy(&attr);
	}
	if (e == 0) {
		*ret = r;
		return 0;
	}
	(void)close(r->fd[0]);
	(void)close(r->fd[1]);
undo:
	free(r);
	return -e;
}

void reaper_ask(struct reaper *r, int pidfd)
{
	int own = r ? fcntl(pidfd, F_DUPFD_CLOEXEC, 3) : -1;

	if (own >= 0 && write(r->fd[1], &own, sizeof(own)) != sizeof(own))
		(void)close(own);
}

void reaper_close(struct reaper *r)
{
	if (!r)
		return;
	(void)close(r->fd[1]);
	(void)pthread_join(r->thread, NULL);
	(void)close(r->fd[0]);
	free(r);
}
