/* snapd, the one who waits for our word. When it is gone nobody takes snapshots, and the user should
 * hear of it: it is held by a pidfd from its first request on, and its end told as any other's,
 * unless it was asked for. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detect/monitor.h"
#include "detect/roles-internal.h"
#include "lib/auto.h"
#include "lib/log.h"
#include "lib/names.h"

enum { DAEMONS = 16, ARGV = 512 };

struct daemon {
	struct monitor *m;
	struct proc_id id; /* pid 0: this place is free */
	int pidfd;
	bool died;
	uint64_t died_real_ms;
	char argv[ARGV];
};

struct daemons {
	struct daemon d[DAEMONS];
};

static void forget(struct daemon *d)
{
	loop_del_fd(d->m->loop, d->pidfd);
	(void)close(d->pidfd);
	memset(d, 0, sizeof(*d));
}

/* Asked to end, by `snapd --stop`, at logout, or by hand. */
static bool is_orderly(int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status) == 0;
	return WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT ||
	       WTERMSIG(status) == SIGHUP;
}

static void tell_end(struct daemon *d, bool known, int status, const char *how)
{
	struct monitor *m = d->m;
	struct fact f;

	/* Of one that nobody knows anything of it cannot be said that it was no quit. */
	if (!known || is_orderly(status))
		return;
	monitor_read_now(m, MACHINE_MEMORY | MACHINE_COUNTERS);
	monitor_fact(m, FACT_EXIT, &f);
	f.proc = d->id;
	f.real_ms = d->died_real_ms;
	f.how = how;
	f.status = WIFSIGNALED(status) ? FACT_SIGNALED : FACT_EXITED;
	f.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	f.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	f.core = WIFSIGNALED(status) && WCOREDUMP(status);
	(void)snprintf(f.comm, sizeof(f.comm), "%s", SNAPD);
	(void)snprintf(f.argv, sizeof(f.argv), "%s", d->argv);
	f.oom_before = m->tick_oom;
	f.oom_after = m->now.oom_kills;
	f.counted_ms = m->tick_oom_ms;
	f.before_available = m->tick_available;
	told(m, &f);
}

static void on_pidfd(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct daemon *d = arg;
	struct monitor *m = d->m;
	bool reaped = events & EPOLLHUP;
	const char *how = "";
	int status = 0;
	bool known = end_status(fd, m->proc_fd, &d->id, &m->set, reaped, &status, &how);

	(void)l;
	if (!d->died)
		d->died_real_ms = monitor_real_ms();
	d->died = true;
	if (!known && !reaped) {
		/* Its parent's reaping is told too, and then the pidfd knows. */
		(void)loop_mod_fd(m->loop, fd, 0);
		return;
	}
	tell_end(d, known, status, how);
	forget(d);
}

void daemon_waits(struct monitor *m, pid_t pid)
{
	struct proc *p = m->scratch;
	struct daemon *d = NULL;
	int pidfd;

	if (pid <= 0 || !m->daemons)
		return;
	for (unsigned i = 0; i < DAEMONS; i++) {
		if (m->daemons->d[i].id.pid == pid)
			return;
		if (!m->daemons->d[i].id.pid)
			d = &m->daemons->d[i];
	}
	pidfd = d ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	if (pidfd < 0)
		return;
	/* Others may wait too, and come and go as they like. */
	if (proc_read(m->proc_fd, pid, PROC_STAT | PROC_EXE_ARGV, p) < 0 || p->uid != m->uid ||
		strcmp(role_base(p->exe), "snapd-core") != 0 ||
		loop_add_fd(m->loop, pidfd, EPOLLIN, on_pidfd, d) < 0) {
		(void)close(pidfd);
		return;
	}
	*d = (struct daemon){ .m = m, .id = p->id, .pidfd = pidfd };
	for (size_t i = 0; i + 1 < p->argv_len && i + 1 < sizeof(d->argv); i++)
		d->argv[i] = p->argv[i] ? p->argv[i] : ' ';
}

bool daemon_runs(const struct monitor *m)
{
	for (unsigned i = 0; m->daemons && i < DAEMONS; i++)
		if (m->daemons->d[i].id.pid && !m->daemons->d[i].died)
			return true;
	return false;
}

int daemon_open(struct monitor *m)
{
	m->daemons = calloc(1, sizeof(*m->daemons));
	return m->daemons ? 0 : -ENOMEM;
}

void daemon_close(struct monitor *m)
{
	for (unsigned i = 0; m->daemons && i < DAEMONS; i++)
		if (m->daemons->d[i].id.pid)
			forget(&m->daemons->d[i]);
	free(m->daemons);
	m->daemons = NULL;
}
