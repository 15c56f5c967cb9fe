/* The monitor's loop: the reading, the risk, and how it starts and ends. */
#include "detect/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/prompt.h"
#include "lib/auto.h"
#include "lib/log.h"

enum {
	FASTEST_MS = 100, /* a reading */
	MEDIUM_MAX_MS = 1000,
	LOW_SAMPLE_MS = 10000,
	MEDIUM_SAMPLE_MS = 1000,
	FILES = 16384, /* descriptors; one a process */
	ALL = MACHINE_MEMORY | MACHINE_CPU | MACHINE_COUNTERS | MACHINE_REST,
	BUSY_MS = 25, /* until the spool is tried again: a judge has it */
	FULL_MS = 1000,
	STACK = 96 << 10,
	HEAP = 64 << 10, /* made present before the memory is locked */
};

/* What a program can take at most, in bytes a millisecond: 6 GiB/s, as earlyoom reckons. */
static const uint64_t fill_rate = ((uint64_t)6 << 30) / 1000;

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t monitor_mono_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

uint64_t monitor_real_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

void monitor_read_now(struct monitor *m, unsigned what)
{
	struct machine now = m->now;

	if (machine_update(m->reader, what, &now) == 0)
		m->now = now;
}

static void none(struct fact *f)
{
	char nothing[] = "";

	(void)fact_parse(nothing, f); /* refused, but empty */
}

void monitor_fact(struct monitor *m, enum fact_kind kind, struct fact *f)
{
	char boot[9] = "";
	size_t n = 0;

	for (const char *p = m->boot_id; *p && n < 8; p++)
		if (*p != '-')
			boot[n++] = *p;
	none(f);
	f->kind = kind;
	/* This boot, this monitor, this fact. */
	(void)snprintf(f->id, sizeof(f->id), "%s%012" PRIx64 "%010" PRIx64, boot,
		m->started_mono_ms & 0xffffffffffff, ++m->serial & 0xffffffffff);
	f->real_ms = monitor_real_ms();
	f->mono_ms = monitor_mono_ms();
	f->m = m->now;
}

/* A training that lives for hours near its own limit endangers nobody else: readings each second
 * will do for it. */
static enum risk pace(const struct monitor *m)
{
	const struct risk_verdict *v = &m->verdict;

	if (v->risk != RISK_CRITICAL || v->held)
		return v->risk;
	for (unsigned i = 0; i < v->n; i++)
		if (v->reason[i].level == RISK_CRITICAL && v->reason[i].what != REASON_GROUP)
			return RISK_CRITICAL;
	return RISK_MEDIUM;
}

static uint64_t period_ms(const struct monitor *m)
{
	enum risk risk = pace(m);
	uint64_t threshold = m->now.total / 10000 * (10000 - m->set.limits.mem_critical);
	uint64_t room = m->now.available > threshold ? m->now.available - threshold : 0,
		 ms = room / fill_rate;
	uint64_t least = risk == RISK_LOW ? m->set.sample_ms : FASTEST_MS;
	/* Who must look for new processes himself looks sooner. */
	uint64_t most = risk == RISK_LOW      ? (m->connector ? 3 : 2) * m->set.sample_ms
			: risk == RISK_MEDIUM ? MEDIUM_MAX_MS
							 : FASTEST_MS;

	return ms < least ? least : ms > most ? most : ms;
}

/* The next reading, or sooner the guard's or the end of somebody's patience. */
void monitor_arm(struct monitor *m)
{
	uint64_t now = monitor_mono_ms(), ms = period_ms(m), at = m->tick_ms + ms;
	struct itimerspec t = { 0 };

	if (guard_due_ms(m) < at)
		at = guard_due_ms(m);
	for (unsigned b = 0; m->n_dead && b < BUCKETS; b++)
		for (const struct watched *w = m->bucket[b]; w; w = w->next)
			if (w->dead && w->patience_ms < at)
				at = w->patience_ms;
	if (m->judge_due_ms && !m->judge && m->judge_due_ms < at)
		at = m->judge_due_ms;
	if (m->unspooled && at > now + (m->spool_error == -EBUSY ? BUSY_MS : FULL_MS))
		at = now + (m->spool_error == -EBUSY ? BUSY_MS : FULL_MS);
	ms = at > now ? at - now : 1;
	t.it_value = (struct timespec){ (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	(void)timerfd_settime(m->timer_fd, 0, &t, NULL);
}

static void add_reasons(struct monitor *m, const struct risk_input *in, struct fact *f)
{
	size_t n = 0;

	for (unsigned i = 0; i < m->verdict.n && n + 4 < sizeof(f->reasons); i++) {
		size_t room = sizeof(f->reasons) - n;
		int k = snprintf(f->reasons + n, room, "%s", i ? "; " : "");

		n += (size_t)k;
		k = risk_reason_text(
			&m->verdict.reason[i], in, f->reasons + n, sizeof(f->reasons) - n);
		if (k < 0 || (size_t)k >= sizeof(f->reasons) - n) {
			f->reasons[n] = '\0';
			break;
		}
		n += (size_t)k;
	}
}

static void judge_risk(struct monitor *m)
{
	struct risk_input in = { .m = &m->now,
		.gpus = m->gpus,
		.editor_bytes = m->editor_bytes,
		.training_bytes = m->training_bytes,
		.groups = &m->groups };
	enum risk was = m->verdict.risk;
	struct fact f;

	risk_judge(&m->set.limits, &in, &m->risk, &m->verdict);
	if (m->verdict.risk == was)
		return;
	m->next_sample_ms = 0; /* the curve shall show it */
	monitor_fact(m, FACT_RISK, &f);
	monitor_gpu_fact(m, &f);
	f.was = was;
	f.risk = m->verdict.risk;
	add_reasons(m, &in, &f);
	log_info("risk %s -> %s: %s", risk_name(was), risk_name(f.risk), f.reasons);
	told(m, &f);
}

static void write_sample(struct monitor *m)
{
	uint64_t full = m->now.mem_psi.full10, busy = m->now.cpu_busy;
	const struct group_use *g = groups_fullest(&m->groups);
	struct sample x = {
		.real_ms = m->now.real_ms,
		.total = m->now.total,
		.available = m->now.available,
		.swap_total = m->now.swap_total,
		.swap_free = m->now.swap_free,
		.editor = m->editor_bytes,
		.training = m->training_bytes,
		.psi_full10 = full < UINT16_MAX ? (uint16_t)full : UINT16_MAX,
		.cpu_busy = busy < UINT16_MAX ? (uint16_t)busy : UINT16_MAX,
		.risk = (uint8_t)m->verdict.risk,
		.group = g ? (uint8_t)(group_used(g) / 100 + 1) : 0,
	};

	monitor_gpu_sample(m, &x);
	(void)samples_add(m->samples, &x);
	jsonlog_sample(m->log, &x);
}

void monitor_count(struct monitor *m)
{
	bool moved = m->now.oom_kills != m->tick_oom;

	if (moved) {
		m->oom_was = m->tick_oom;
		m->oom_moved_ms = m->now.mono_ms;
	}
	m->tick_oom = m->now.oom_kills;
	m->tick_oom_ms = m->now.mono_ms;
	if (moved)
		watched_count(m, true);
}

static void tick(struct monitor *m)
{
	uint64_t now = monitor_mono_ms(), look = m->set.look_ms;
	bool all = now >= m->next_look_ms || m->verdict.risk != RISK_LOW;
	/* An OOM kill is to be laid to nobody who dies seconds later. */
	unsigned counters = m->training_bytes ? MACHINE_COUNTERS : 0;

	if (m->verdict.risk != RISK_LOW)
		look /= pace(m) == RISK_MEDIUM ? 10 : 20;
	m->tick_ms = now;
	/* The counters and the rest cost more than all of the memory: at LOW with the look only. */
	monitor_read_now(m, all ? ALL : MACHINE_MEMORY | counters);
	m->tick_available = m->now.mem_available;
	if (all || counters)
		monitor_count(m);
	if (now >= m->next_look_ms) {
		watched_look(m);
		m->next_look_ms = now + (m->look_soon ? look / 5 : look);
	}
	guard_turn(m);
	monitor_gpu_take(m);
	judge_risk(m);
	if (!m->connector)
		watched_scan_new(m);
	else if (m->n_young)
		watched_young(m);
	if (now >= m->next_sample_ms || pace(m) == RISK_CRITICAL) {
		write_sample(m);
		m->next_sample_ms =
			now + (m->verdict.risk == RISK_LOW ? LOW_SAMPLE_MS : MEDIUM_SAMPLE_MS);
	}
}

void monitor_hurry(struct monitor *m)
{
	m->next_look_ms = 0;
	tick(m);
	told_judge(m);
	monitor_arm(m);
}

static void on_timer(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct monitor *m = arg;
	uint64_t n;

	(void)l, (void)events;
	(void)!read(fd, &n, sizeof(n));
	if (m->n_dead)
		end_expire(m);
	/* First what is to be done, then what is to be told of it. */
	if (monitor_mono_ms() + 1 >= guard_due_ms(m)) {
		monitor_read_now(m, MACHINE_MEMORY);
		guard_turn(m);
	}
	told_again(m);
	if (monitor_mono_ms() + 2 >= m->tick_ms + period_ms(m))
		tick(m);
	told_judge(m);
	monitor_arm(m);
}

static void on_end(struct loop *l, int signo, void *arg)
{
	(void)signo, (void)arg;
	loop_stop(l, 0);
}

static void on_again(struct loop *l, int signo, void *arg)
{
	struct monitor *m = arg;

	(void)l, (void)signo;
	told_check(m);
}

static void on_child(struct loop *l, int signo, void *arg)
{
	(void)l, (void)signo;
	told_child(arg);
}

static int open_loop(struct monitor *m)
{
	int r = loop_new(&m->loop);

	if (r == 0)
		r = loop_add_signal(m->loop, SIGTERM, on_end, m);
	if (r == 0)
		r = loop_add_signal(m->loop, SIGINT, on_end, m);
	if (r == 0)
		r = loop_add_signal(m->loop, SIGHUP, on_again, m);
	if (r == 0)
		r = loop_add_signal(m->loop, SIGCHLD, on_child, m);
	if (r < 0)
		return r;
	m->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	return m->timer_fd < 0 ? -errno : loop_add_fd(m->loop, m->timer_fd, EPOLLIN, on_timer, m);
}

/* How the one before us ended: with its machine, without a word, or as it should. */
static void tell_last_end(struct monitor *m, const struct samples_last *last)
{
	struct fact f;
	bool same;

	if (last->in_order || !last->real_ms)
		return;
	/* A mark that was torn names no boot: then the times must tell. */
	same = *last->boot_id ? strcmp(last->boot_id, m->boot_id) == 0
			      : last->real_ms > m->started_real_ms - m->started_mono_ms;
	monitor_fact(m, same ? FACT_STOP : FACT_MACHINE, &f);
	f.real_ms = last->real_ms;
	f.mono_ms = 0;
	told(m, &f);
}

/* What the action needs is present before the memory is short: the stack, some heap, and the way
 * through a reading. */
static void __attribute__((noinline)) touch_stack(void)
{
	volatile char p[STACK];

	for (size_t i = 0; i < sizeof(p); i += 4096)
		p[i] = 0;
}

static void lock_memory(struct monitor *m)
{
	char *p = malloc(HEAP);

	for (size_t i = 0; p && i < HEAP; i += 4096)
		p[i] = 1;
	free(p);
	touch_stack();
	/* Pages as they are touched, or all of libc would count as ours. */
	m->locked = mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
	m->lock_error = m->locked ? 0 : errno;
	if (!m->locked)
		log_info("the memory is not locked (%s): ulimit -l is too small",
			strerror(m->lock_error));
}

static void more_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= FILES)
		return;
	r.rlim_cur = r.rlim_max < FILES ? r.rlim_max : FILES;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

int monitor_open(struct monitor *m)
{
	struct samples_last last = { .in_order = true };
	int r;

	m->pressure_fd[0] = m->pressure_fd[1] = -1;
	m->timer_fd = m->spool_fd = m->loadavg_fd = m->gpu_fd = -1;
	m->uid = geteuid();
	more_files();
	prompt_ask(0);
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 20);
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
	m->started_real_ms = monitor_real_ms();
	m->started_mono_ms = monitor_mono_ms();
	m->proc_fd = open(m->roots->proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = m->proc_fd < 0 ? -errno : machine_boot_id(m->roots, m->boot_id);
	if (r == 0)
		r = machine_open(m->roots, &m->reader);
	if (r == 0)
		r = open_loop(m);
	if (r == 0)
		r = watched_open(m);
	if (r == 0 && m->set.log_dir)
		r = jsonlog_open(m->set.log_dir, m->set.log_bytes, &m->log);
	if (r == 0)
		(void)samples_last(m->state_fd, &last);
	if (r == 0)
		r = samples_open(m->state_fd, m->boot_id, &m->samples);
	if (r == 0)
		r = told_open(m);
	if (r == 0)
		r = guard_open(m);
	if (r == 0)
		r = daemon_open(m);
	if (r < 0)
		return r;
	machine_clear(m->reader, &m->now);
	tick(m); /* also the first heartbeat of this boot */
	tell_last_end(m, &last);
	/* Listen, then look: who is started in between is told by the connector. */
	(void)connector_open(m);
	r = watched_scan(m);
	watched_look(m);
	monitor_gpu_open(m);
	pressure_open(m);
	lock_memory(m);
	return r;
}

int monitor_run(struct monitor *m)
{
	monitor_arm(m);
	return loop_run(m->loop);
}

void monitor_close(struct monitor *m, bool in_order)
{
	guard_close(m);
	pressure_close(m);
	daemon_close(m);
	samples_close(m->samples, in_order);
	told_close(m);
	monitor_gpu_close(m);
	connector_close(m);
	watched_close(m);
	jsonlog_close(m->log);
	machine_close(m->reader);
	loop_free(m->loop);
	auto_close_(&m->timer_fd);
	auto_close_(&m->proc_fd);
}
