/* How a process that is not our child ended.
 *
 * Three can tell. The zombie: field 52 of its stat is the status, to whom may trace it (proc(5); a
 * zombie of our own uid may always be). The pidfd, once the parent has reaped: PIDFD_GET_INFO with
 * PIDFD_INFO_EXIT (Linux 6.15). The connector's exit event, where we get it. POLLIN on the pidfd is
 * the moment of death, POLLHUP that of the reaping: asked in between, pidfd and zombie pass the
 * word to each other, so both are asked in turn. */
#include "detect/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detect/fields.h"
#include "lib/auto.h"

enum {
	PATIENCE_MS = 40, /* of the 50 in which an end is to be told */
	DYING_MS = 2500,  /* an OOM kill's victim gives its memory back first */
};

/* include/uapi/linux/pidfd.h of Linux 6.15; the headers of Debian 12 are older. The first version
 * of the struct. */
struct exit_info {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
_Static_assert(sizeof(struct exit_info) == 64, "PIDFD_INFO_SIZE_VER0");
#define GET_INFO _IOWR(0xFF, 11, struct exit_info)
#define INFO_EXIT ((uint64_t)1 << 3)

static bool from_pidfd(int pidfd, int *ret)
{
	struct exit_info info = { .mask = INFO_EXIT };

	if (ioctl(pidfd, GET_INFO, &info) < 0 || !(info.mask & INFO_EXIT))
		return false;
	*ret = info.exit_code;
	return true;
}

/* Our own child, reaped before our eyes. */
bool end_kernel_tells(void)
{
	bool yes = false;
	int status, pidfd;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return false;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pidfd >= 0) {
		yes = from_pidfd(pidfd, &status);
		(void)close(pidfd);
	}
	return yes;
}

bool end_kernel_holds(void)
{
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	return pidfd >= 0 || errno != ENOSYS;
}

/* Numbers after the last bracket: state is field 3, start time 22, exit code 52, the last. */
static bool from_zombie(int procfd, const struct proc_id *id, int *ret)
{
	char name[32], text[1024];
	autoclose int fd = -1;
	const char *p, *end;
	ssize_t n;
	uint64_t v = 0;

	(void)snprintf(name, sizeof(name), "%d/stat", (int)id->pid);
	fd = openat(procfd, name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fields_read(fd, text, sizeof(text));
	if (n <= 0)
		return false;
	end = text + n;
	p = memrchr(text, ')', (size_t)n);
	if (!p || end - p < 4 || p[2] != 'Z')
		return false;
	p += 3;
	for (unsigned i = 4; i <= 52; i++) {
		while (p < end && (*p == ' ' || *p == '-'))
			p++;
		v = fields_number(&p, end);
		if (i == 22 && v != id->start)
			return false;
	}
	if (v > 0xffff)
		return false;
	*ret = (int)v;
	return true;
}

bool end_status(int pidfd, int procfd, const struct proc_id *id, const struct monitor_settings *set,
	bool reaped, int *ret_wait_status, const char **ret_how)
{
	for (unsigned i = 0; i < 2; i++) {
		if (!set->no_exit_info && from_pidfd(pidfd, ret_wait_status)) {
			*ret_how = "pidfd";
			return true;
		}
		if (reaped)
			break;
		if (!set->no_zombie && from_zombie(procfd, id, ret_wait_status)) {
			*ret_how = "stat";
			return true;
		}
	}
	return false;
}

static void fill_status(bool known, int status, const char *how, struct fact *f)
{
	f->how = how;
	if (!known)
		return;
	f->status = WIFSIGNALED(status) ? FACT_SIGNALED : FACT_EXITED;
	f->code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	f->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	f->core = WIFSIGNALED(status) && WCOREDUMP(status);
}

static bool recent(uint64_t moved_ms, uint64_t died_ms)
{
	return moved_ms && died_ms < moved_ms + DYING_MS;
}

static void tell(struct monitor *m, struct watched *w, bool known, int status, const char *how)
{
	struct fact f;

	/* It had become another program, nobody knows which. */
	if (w->execed && w->role.role == ROLE_WORKER) {
		watched_drop(m, w);
		return;
	}
	monitor_fact(m, FACT_EXIT, &f);
	watched_fact(w, &f);
	f.real_ms = w->died_real_ms;
	f.mono_ms = w->died_mono_ms;
	fill_status(known, status, how, &f);
	/* The counter moves when the victim is chosen; it may take a while to die. */
	f.oom_before = w->chosen && recent(m->oom_moved_ms, w->died_mono_ms) ? m->oom_was
									     : m->tick_oom;
	f.oom_after = m->now.oom_kills;
	f.cg_oom_before = w->chosen && recent(w->cg_moved_ms, w->died_mono_ms) ? w->cg_oom_was
									       : w->cg_oom;
	f.cg_oom_after = cgroup_oom_kills(m->roots, w->cgroup);
	f.counted_ms = m->tick_oom_ms;
	f.before_available = m->tick_available;
	if (!known || WIFSIGNALED(status))
		cgroup_bounds(m->roots, w->cgroup, &f.cg_limit, &f.cg_peak);
	watched_drop(m, w);
	told(m, &f);
	/* Who lives on was not the one: his own end, a moment later, is another story. */
	if (f.oom_after != f.oom_before)
		monitor_count(m);
}

static void ask(struct monitor *m, struct watched *w, bool reaped)
{
	int status = 0;
	const char *how = "";

	if (end_status(w->pidfd, m->proc_fd, &w->id, &m->set, reaped, &status, &how)) {
		tell(m, w, true, status, how);
		return;
	}
	if (reaped && !m->connector) {
		tell(m, w, false, 0, "");
		return;
	}
	m->drain_wanted = true;
	/* The reaping is told in any case; once it was, only the connector's word is left to
	 * come. */
	if (reaped)
		loop_del_fd(m->loop, w->pidfd);
	else
		(void)loop_mod_fd(m->loop, w->pidfd, 0);
	monitor_arm(m);
}

/* The connector's word; what the pidfd says itself is better, and read at POLLIN. */
void end_told(struct monitor *m, struct watched *w, int wait_status)
{
	w->have_status = true;
	w->wait_status = wait_status;
	if (w->dead)
		tell(m, w, true, wait_status, "connector");
}

void end_seen(struct monitor *m, struct watched *w)
{
	w->died_real_ms = monitor_real_ms();
	w->died_mono_ms = monitor_mono_ms();
	w->patience_ms = w->died_mono_ms + PATIENCE_MS;
	w->dead = true;
	m->n_dead++;
	if (m->now.mono_ms <= w->died_mono_ms)
		monitor_read_now(m, MACHINE_MEMORY | MACHINE_COUNTERS);
	ask(m, w, false);
}

void end_reaped(struct monitor *m, struct watched *w)
{
	ask(m, w, true);
}

void end_expire(struct monitor *m)
{
	uint64_t now = monitor_mono_ms();

	if (m->drain_wanted && m->connector) {
		m->drain_wanted = false;
		connector_drain(m);
	}
	for (unsigned b = 0; m->n_dead && b < BUCKETS; b++)
		for (struct watched *w = m->bucket[b], *next; w; w = next) {
			next = w->next;
			if (w->dead && w->patience_ms <= now)
				tell(m, w, w->have_status, w->wait_status,
					w->have_status ? "connector" : "");
		}
}
