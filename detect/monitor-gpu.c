/* The monitor's side of detect-gpu: starts it where a driver is, looks at what it wrote. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detect/gpu_feed.h"
#include "detect/monitor.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"

enum {
	IDLE_MS = 10000, /* no training: who holds GPU memory holds it for long */
	LOW_MS = 2000,
	RISK_MS = 500,
	LATE_MS = 2000,
	AGAIN_MS = 60000, /* after it crashed in the driver's library */
};

static uint32_t period(const struct monitor *m)
{
	return m->verdict.risk != RISK_LOW ? RISK_MS : m->training_bytes ? LOW_MS : IDLE_MS;
}

static int start(struct monitor *m, struct gpu_feed *f, int fd)
{
	char self[PATH_MAX], path[PATH_MAX + 16];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *argv[] = { "detect-gpu", log_level() >= LOG_INFO ? "-v" : NULL, NULL };
	char *slash;

	if (n < 0)
		return -errno;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	(void)snprintf(path, sizeof(path), "%s/detect-gpu", self);
	atomic_store(&f->seq, 0);
	m->gpu_started_ms = monitor_mono_ms();
	return monitor_spawn(path, argv, fd, GPU_FEED_FD, &m->gpu_pid);
}

static int begin(struct monitor *m)
{
	autoclose int fd = memfd_create("holdfast-gpu", MFD_CLOEXEC);
	void *p;
	int r;

	if (fd < 0 || ftruncate(fd, sizeof(*m->gpu_feed)) < 0)
		return -errno;
	p = mmap(NULL, sizeof(*m->gpu_feed), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	m->gpu_feed = p;
	m->gpus = calloc(1, sizeof(*m->gpus));
	r = m->gpus ? 0 : -ENOMEM;
	atomic_store(&m->gpu_feed->period_ms, period(m));
	if (r == 0)
		r = start(m, m->gpu_feed, fd);
	m->gpu_fd = take_fd(&fd);
	return r;
}

void monitor_gpu_open(struct monitor *m)
{
	int r;

	m->gpu_fd = -1;
	if (!gpu_driver_is_there())
		return;
	r = begin(m);
	if (r < 0) {
		m->gpu_pid = 0;
		m->why_no_gpu = err_str(r);
		(void)log_warn_errno(r, "detect-gpu");
	}
}

/* One that ended by itself has found no GPU; one that crashed may find them yet. */
void monitor_gpu_ended(struct monitor *m, int status)
{
	m->gpu_pid = 0;
	m->gpus->n = 0;
	m->gpu_gone = WIFEXITED(status);
	m->why_no_gpu = m->gpu_gone ? "the driver finds none"
				    : "reading them crashed; once more in a minute";
	if (!m->gpu_gone)
		log_warn("detect-gpu: ended by signal %d", WTERMSIG(status));
}

static void pace(struct monitor *m)
{
	uint32_t ms = period(m);

	if (atomic_exchange(&m->gpu_feed->period_ms, ms) > ms)
		(void)syscall(SYS_futex, &m->gpu_feed->period_ms, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void monitor_gpu_take(struct monitor *m)
{
	uint64_t now = monitor_mono_ms();
	int r;

	if (!m->gpu_feed || !m->gpus)
		return;
	if (!m->gpu_pid && !m->gpu_gone && now > m->gpu_started_ms + AGAIN_MS)
		(void)start(m, m->gpu_feed, m->gpu_fd);
	if (!m->gpu_pid)
		return;
	pace(m);
	r = gpu_feed_read(m->gpu_feed, now, 3 * (uint64_t)IDLE_MS + LATE_MS, m->gpus);
	/* Being written: the reading before it, which is still ours, will do. */
	if (r == 0)
		m->why_no_gpu = NULL;
	else if (r != -EAGAIN)
		m->gpus->n = 0;
	if (r == -ETIME || (r == -ENODATA && now > m->gpu_started_ms + IDLE_MS))
		m->why_no_gpu = "the driver does not answer";
}

void monitor_gpu_close(struct monitor *m)
{
	if (m->gpu_pid > 0)
		(void)kill(m->gpu_pid, SIGKILL);
	if (m->gpu_feed)
		(void)munmap(m->gpu_feed, sizeof(*m->gpu_feed));
	if (m->gpu_fd > 0)
		auto_close_(&m->gpu_fd);
	free(m->gpus);
}

/* The one with the least room; NULL: none is read. */
static const struct gpu *fullest(const struct monitor *m)
{
	const struct gpu *best = NULL;
	uint64_t most = 0;

	for (unsigned i = 0; m->gpus && i < m->gpus->n; i++) {
		const struct gpu *g = &m->gpus->gpu[i];
		uint64_t share = g->total == MACHINE_NONE || g->total < 1000 ? 0 : g->used / (g->total / 1000);

		if (!best || share > most) {
			best = g;
			most = share;
		}
	}
	return best;
}

void monitor_gpu_sample(const struct monitor *m, struct sample *x)
{
	const struct gpu *g = fullest(m);

	x->gpu_total = g ? g->total : MACHINE_NONE;
	x->gpu_used = g ? g->used : MACHINE_NONE;
	x->gpu_busy = g && g->busy <= 10000 ? (uint8_t)(g->busy / 100 + 1) : 0;
	x->gpu_celsius = g && g->celsius < 254 ? (uint8_t)(g->celsius + 1) : 0;
}

/* What a process holds, on all of them. */
static uint64_t held(const struct monitor *m, pid_t pid)
{
	uint64_t sum = 0;
	bool any = false;

	for (unsigned i = 0; m->gpus && i < m->gpus->n; i++)
		for (unsigned k = 0; k < m->gpus->gpu[i].n_procs; k++) {
			const struct gpu_proc *p = &m->gpus->gpu[i].proc[k];

			if (p->pid != pid || p->used == MACHINE_NONE)
				continue;
			any = true;
			sum += p->used;
		}
	return any ? sum : MACHINE_NONE;
}

void monitor_gpu_fact(const struct monitor *m, struct fact *f)
{
	const struct gpu *g = fullest(m);

	f->gpu_held = f->proc.pid > 0 ? held(m, f->proc.pid) : MACHINE_NONE;
	f->gpu_total = g ? g->total : MACHINE_NONE;
	f->gpu_used = g ? g->used : MACHINE_NONE;
	f->gpu_busy = g ? g->busy : MACHINE_NONE;
	f->gpu_celsius = g ? g->celsius : MACHINE_NONE;
}
