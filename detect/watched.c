/* The processes we hold a pidfd of, and how they are found. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "detect/fields.h"
#include "detect/monitor.h"
#include "lib/auto.h"
#include "lib/log.h"

enum {
	SCAN_MS = 60000,  /* all of /proc, where nobody tells of execs */
	PROBE_MAX = 4096, /* more new pids than that: scan instead */
};

static struct watched **bucket(struct monitor *m, pid_t pid)
{
	return &m->bucket[(uint32_t)pid * 2654435761u >> 23];
}
_Static_assert(BUCKETS == 512, "9 bits of the hash");

struct watched *watched_find(struct monitor *m, pid_t pid)
{
	struct watched *w = *bucket(m, pid);

	while (w && w->id.pid != pid)
		w = w->next;
	return w;
}

void watched_drop(struct monitor *m, struct watched *w)
{
	struct watched **at = bucket(m, w->id.pid);

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	m->n_watched--;
	if (w->dead)
		m->n_dead--;
	loop_del_fd(m->loop, w->pidfd);
	(void)close(w->pidfd);
	free(w);
}

static void on_pidfd(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct watched *w = arg;

	(void)l, (void)fd;
	if (!w->dead)
		end_seen(w->m, w);
	else if (events & EPOLLHUP)
		end_reaped(w->m, w);
}

/* Names of another program: cut, never refused. */
static const char *put(char **at, const char *s, size_t n)
{
	char *p = *at;

	memcpy(p, s, n);
	p[n] = '\0';
	*at += n + 1;
	return p;
}

static size_t read_link(int procfd, pid_t pid, const char *name, char *p, size_t size)
{
	char path[32];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
	n = readlinkat(procfd, path, p, size);
	return n < 0 ? 0 : (size_t)n;
}

/* The memory group: "0::/path", or with version 1 "N:memory:/path". */
static size_t read_cgroup(int procfd, pid_t pid, char *p, size_t size)
{
	char path[32], text[4096], *line = text, *found = NULL;
	autoclose int fd = -1;
	ssize_t n;
	size_t k;

	(void)snprintf(path, sizeof(path), "%d/cgroup", (int)pid);
	fd = openat(procfd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fields_read(fd, text, sizeof(text));
	if (n <= 0)
		return 0;
	for (char *next; line && *line; line = next) {
		char *colon = strchr(line, ':'), *slash;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		slash = colon ? strchr(colon + 1, ':') : NULL;
		if (!slash)
			continue;
		*slash++ = '\0';
		if (strcmp(colon + 1, "memory") == 0 || (!colon[1] && !found))
			found = slash;
	}
	k = found ? strlen(found) : 0;
	if (k >= size)
		return 0;
	memcpy(p, found ? found : "", k);
	return k;
}

uint64_t cgroup_oom_kills(const struct roots *roots, const char *group)
{
	static const struct field table[] = { { "oom_kill", 0 }, { NULL, 0 } };
	static const char *const form[] = { "%s%s/memory.events", "%s/memory%s/memory.oom_control",
		"%s/unified%s/memory.events" };
	uint64_t kills = MACHINE_NONE;

	if (!*group)
		return MACHINE_NONE;
	for (size_t i = 0; i < 3; i++) {
		char path[512], text[512];
		autoclose int fd = -1;
		ssize_t n;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		if (snprintf(path, sizeof(path), form[i], roots->cgroup, group) >=
			(int)sizeof(path))
			continue;
#pragma GCC diagnostic pop
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : fields_read(fd, text, sizeof(text));
		if (n > 0) {
			fields_take(text, (size_t)n, table, &kills);
			break;
		}
	}
	return kills;
}

/* A run's workers carry its name; a run is named by its own start. */
static void name_run(const struct watched *parent, struct watched *w)
{
	if (parent && parent->role.kind == KIND_TRAINING && w->role.role == ROLE_WORKER)
		memcpy(w->run, parent->run, sizeof(w->run));
}

static bool is_head(const struct watched *w)
{
	switch (w->role.role) {
	case ROLE_RUN:
	case ROLE_LAUNCHER:
	case ROLE_KERNEL:
	case ROLE_MAIN:
	case ROLE_SERVER:
		return true;
	default:
		return false;
	}
}

static void count_trainings(struct monitor *m)
{
	bool any = false;

	for (unsigned b = 0; b < BUCKETS && !any; b++)
		for (const struct watched *w = m->bucket[b]; w && !any; w = w->next)
			any = w->role.kind == KIND_TRAINING;
	connector_trainings(m, any);
}

static struct watched *make(struct monitor *m, const struct proc *p, struct role_of role, int pidfd)
{
	char argv[1024], cwd[512], group[256];
	size_t exe_n = strnlen(p->exe, 255),
	       argv_n = p->argv_len < sizeof(argv) ? p->argv_len : sizeof(argv) - 1;
	const char *ud = role_user_data(p);
	size_t cwd_n = read_link(m->proc_fd, p->id.pid, "cwd", cwd, sizeof(cwd) - 1),
	       ud_n = ud ? strlen(ud) : 0;
	size_t group_n = read_cgroup(m->proc_fd, p->id.pid, group, sizeof(group));
	struct watched *w;
	char *at;

	if (ud_n > 511)
		ud_n = 0;
	w = calloc(1, sizeof(*w) + exe_n + argv_n + cwd_n + ud_n + group_n + 5);
	if (!w)
		return NULL;
	*w = (struct watched){ .m = m,
		.id = p->id,
		.ppid = p->ppid,
		.pidfd = pidfd,
		.role = role,
		.state = p->state,
		.rss = p->rss,
		.peak = p->rss,
		.ticks = p->utime + p->stime,
		.faults = p->major_faults };
	memcpy(w->comm, p->comm, sizeof(w->comm));
	memcpy(argv, p->argv, argv_n);
	while (argv_n && !argv[argv_n - 1])
		argv_n--;
	for (size_t i = 0; i < argv_n; i++)
		if (!argv[i])
			argv[i] = ' ';
	at = (char *)(w + 1);
	w->exe = put(&at, p->exe, exe_n);
	w->argv = put(&at, argv, argv_n);
	w->cwd = put(&at, cwd, cwd_n);
	w->user_data = put(&at, ud ? ud : "", ud_n);
	w->cgroup = put(&at, group, group_n);
	w->cg_oom = cgroup_oom_kills(m->roots, w->cgroup);
	return w;
}

static void copy(char *to, size_t size, const char *from)
{
	size_t n = strnlen(from, size - 1);

	memcpy(to, from, n);
	to[n] = '\0';
}

void watched_fact(const struct watched *w, struct fact *f)
{
	f->proc = w->id;
	f->ppid = w->ppid;
	f->role = w->role;
	memcpy(f->comm, w->comm, sizeof(f->comm));
	memcpy(f->run, w->run, sizeof(f->run));
	copy(f->exe, sizeof(f->exe), w->exe);
	copy(f->argv, sizeof(f->argv), w->argv);
	copy(f->cwd, sizeof(f->cwd), w->cwd);
	copy(f->user_data, sizeof(f->user_data), w->user_data);
	copy(f->cgroup, sizeof(f->cgroup), w->cgroup);
	f->rss = w->rss;
	f->peak = w->peak;
	f->state = w->state;
}

static void tell_start(struct monitor *m, struct watched *w)
{
	struct fact f;

	if (!is_head(w))
		return;
	monitor_fact(m, FACT_START, &f);
	if (w->role.kind == KIND_TRAINING && !*w->run)
		memcpy(w->run, f.id, sizeof(w->run));
	watched_fact(w, &f);
	told(m, &f);
}

/* The pid we looked at and the one we hold: the same process? It was, if it still has the start
 * time now. */
static bool is_still(struct monitor *m, const struct proc_id *id)
{
	struct proc now;

	return proc_read(m->proc_fd, id->pid, PROC_STAT, &now) == 0 && now.id.start == id->start;
}

/* Those it had before we listened for its forks. Without CONFIG_PROC_CHILDREN they wait for the
 * next scan. */
static void consider_children(struct monitor *m, pid_t pid)
{
	char path[64], text[4096];
	autoclose int fd = -1;
	const char *p = text;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%d/task/%d/children", (int)pid, (int)pid);
	fd = openat(m->proc_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fields_read(fd, text, sizeof(text));
	while (n > 0 && p < text + n) {
		uint64_t child = fields_number(&p, text + n);

		if (child <= INT32_MAX && !watched_find(m, (pid_t)child))
			watched_consider(m, (pid_t)child);
		p++;
	}
}

static void hold(
	struct monitor *m, const struct proc *p, struct role_of role, const struct watched *parent)
{
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, p->id.pid, 0);
	struct watched *w;

	if (pidfd < 0 && (errno == EMFILE || errno == ENFILE))
		m->n_full++;
	if (pidfd < 0 || !is_still(m, &p->id))
		return;
	w = m->n_watched < WATCHED_MAX ? make(m, p, role, pidfd) : NULL;
	if (!w || loop_add_fd(m->loop, pidfd, EPOLLIN, on_pidfd, w) < 0) {
		m->n_full++;
		free(w);
		return;
	}
	(void)take_fd(&pidfd);
	w->next = *bucket(m, w->id.pid);
	*bucket(m, w->id.pid) = w;
	m->n_watched++;
	m->serial++;
	name_run(parent, w);
	if (role.kind == KIND_TRAINING)
		connector_trainings(m, true);
	log_debug("%d: %s %s %s", (int)w->id.pid, family_name(role.family), role_name(role.role),
		w->argv);
	tell_start(m, w);
	if (role.kind == KIND_TRAINING)
		consider_children(m, w->id.pid);
}

/* One we hold that has become another program, or has another process's pid. true: it is
 * settled. */
static bool again(struct monitor *m, struct watched *w, const struct proc *p, struct role_of role)
{
	if (w->id.start != p->id.start) {
		if (!w->dead)
			end_seen(m, w);
		return false;
	}
	if (w->dead || p->state == 'Z' || !p->argv_len)
		return true; /* its pidfd tells the rest */
	if (w->role.kind == role.kind && w->role.role == role.role &&
		strncmp(w->exe, p->exe, 255) == 0)
		return true;
	watched_drop(m, w);
	return false;
}

/* Two calls instead of eight: most of what is started is a compiler or a shell. */
static bool is_of_interest(struct monitor *m, pid_t pid)
{
	char name[16], exe[PROC_EXE];
	struct stat st;

	(void)snprintf(name, sizeof(name), "%d", (int)pid);
	if (fstatat(m->proc_fd, name, &st, 0) < 0 || st.st_uid != m->uid)
		return false;
	if (watched_find(m, pid))
		return true;
	/* Who may not see its exe must ask its arguments. */
	if (proc_exe(m->proc_fd, pid, exe) < 0)
		return !m->set.below;
	if (m->set.below && strncmp(exe, m->set.below, strlen(m->set.below)) != 0)
		return false;
	return role_is_possible(exe, &m->set.patterns);
}

void watched_consider(struct monitor *m, pid_t pid)
{
	struct proc *p = m->scratch;
	struct watched *w, *parent;
	struct role_of role;

	if (!is_of_interest(m, pid))
		return;
	if (proc_read(m->proc_fd, pid, PROC_STAT | PROC_EXE_ARGV, p) < 0 || p->uid != m->uid ||
		pid == getpid())
		return;
	parent = watched_find(m, p->ppid);
	role = role_find(p, parent ? &parent->role : NULL, &m->set.patterns);
	w = watched_find(m, pid);
	if (w && again(m, w, p, role))
		return;
	if (role.kind && p->state != 'Z')
		hold(m, p, role, parent);
}

void watched_register(struct monitor *m, const struct proc_id *id, const char *run)
{
	struct watched *w = watched_find(m, id->pid);
	struct proc *p = m->scratch;

	if (!w || w->id.start != id->start) {
		if (proc_read(m->proc_fd, id->pid, PROC_STAT | PROC_EXE_ARGV, p) < 0 ||
			p->uid != m->uid || p->id.start != id->start)
			return;
		hold(m, p, (struct role_of){ KIND_TRAINING, FAMILY_NONE, ROLE_RUN }, NULL);
		w = watched_find(m, id->pid);
	}
	if (w) {
		w->role = (struct role_of){ KIND_TRAINING, FAMILY_NONE, ROLE_RUN };
		copy(w->run, sizeof(w->run), run);
		connector_trainings(m, true);
	}
}

static uint32_t fingerprint(const struct proc *p)
{
	uint64_t h = (p->id.start ^ (uint64_t)p->id.pid << 32) * 0x9e3779b97f4a7c15u;

	for (const char *c = p->comm; *c; c++)
		h = (h ^ (uint8_t)*c) * 1099511628211u;
	return (uint32_t)(h >> 32) | 1;
}

/* Was this one looked at before, and has it not exec'd since? Its comm would have changed. */
static bool seen_before(struct monitor *m, pid_t pid)
{
	struct proc *p = m->scratch;
	uint32_t *at = &m->seen[(uint32_t)pid % SEEN], h;

	if (proc_read(m->proc_fd, pid, PROC_STAT, p) < 0 || p->uid != m->uid)
		return true;
	h = fingerprint(p);
	if (*at == h)
		return true;
	*at = h;
	return false;
}

static int scan_one(pid_t pid, void *arg)
{
	struct monitor *m = arg;

	if (pid > m->last_pid)
		m->last_pid = pid;
	if (!watched_find(m, pid) && !seen_before(m, pid))
		watched_consider(m, pid);
	return 0;
}

/* The number the last process got, here; 0 unknown. */
static pid_t newest_pid(struct monitor *m)
{
	char text[128];
	ssize_t n = m->loadavg_fd < 0 ? -1 : fields_read(m->loadavg_fd, text, sizeof(text));
	const char *p = n > 0 ? strrchr(text, ' ') : NULL;
	uint64_t v;

	if (!p)
		return 0;
	p++;
	v = fields_number(&p, text + n);
	return v <= INT32_MAX ? (pid_t)v : 0;
}

int watched_scan(struct monitor *m)
{
	unsigned before;
	int r;

	m->next_scan_ms = monitor_mono_ms() + SCAN_MS;
	/* A child may have a smaller pid than its parent: again, until nobody is found through
	 * another. */
	do {
		before = m->n_watched;
		r = procs_each(m->proc_fd, scan_one, m);
		if (m->n_watched != before && m->seen)
			memset(m->seen, 0, SEEN * sizeof(*m->seen));
	} while (r == 0 && m->n_watched != before);
	m->last_pid = newest_pid(m);
	return r;
}

static void young_again(struct monitor *m)
{
	unsigned n = m->n_young, kept = 0;

	for (unsigned i = 0; i < n; i++) {
		struct proc *p = m->scratch;
		struct proc_id id = m->young[i];

		if (proc_read(m->proc_fd, id.pid, PROC_STAT, p) < 0 || p->id.start != id.start ||
			watched_find(m, id.pid))
			continue;
		if (!seen_before(m, id.pid)) { /* it has become something else */
			watched_consider(m, id.pid);
			if (watched_find(m, id.pid))
				continue;
		}
		/* Most exec at once. After 5 s only the scan finds it. */
		if ((monitor_mono_ms() - p->id.start * 1000 / (uint64_t)sysconf(_SC_CLK_TCK)) <
			5000)
			m->young[kept++] = id;
	}
	m->n_young = kept;
}

static void probe(struct monitor *m, pid_t pid)
{
	struct proc *p = m->scratch;

	if (watched_find(m, pid) || seen_before(m, pid))
		return;
	watched_consider(m, pid);
	if (!watched_find(m, pid) && m->n_young < YOUNG &&
		proc_read(m->proc_fd, pid, PROC_STAT, p) == 0)
		m->young[m->n_young++] = p->id;
}

/* One number tells whether there is anybody new. */
void watched_scan_new(struct monitor *m)
{
	pid_t newest = newest_pid(m), from = m->last_pid;

	if (m->n_young)
		young_again(m);
	if (monitor_mono_ms() >= m->next_scan_ms || !newest || newest < from ||
		newest - from > PROBE_MAX || m->n_young == YOUNG) {
		m->n_young = 0;
		(void)watched_scan(m);
		return;
	}
	m->last_pid = newest;
	for (pid_t pid = from + 1; pid <= newest; pid++)
		probe(m, pid);
}

/* Stuck: stopped, in an uninterruptible sleep, or faulting pages in without getting anywhere. */
static bool is_stuck(const struct monitor *m, const struct watched *w, const struct proc *p)
{
	uint64_t full = m->now.mem_psi.full10;

	if (p->state == 'T' || p->state == 'D')
		return true;
	return full != MACHINE_NONE && full >= m->set.limits.psi_medium &&
	       p->major_faults > w->faults && p->utime + p->stime <= w->ticks + 1;
}

static void look_at(struct monitor *m, struct watched *w)
{
	struct proc *p = m->scratch;
	uint64_t now = m->now.mono_ms;
	struct fact f;

	if (w->dead || proc_read(m->proc_fd, w->id.pid, PROC_STAT, p) < 0 ||
		p->id.start != w->id.start || p->state == 'Z')
		return;
	if (!is_stuck(m, w, p)) {
		w->stuck_since_ms = 0;
		w->hanging = false;
	} else if (!w->stuck_since_ms) {
		w->stuck_since_ms = now;
	}
	w->state = p->state;
	w->ppid = p->ppid;
	w->rss = p->rss;
	w->ticks = p->utime + p->stime;
	w->faults = p->major_faults;
	if (w->rss > w->peak)
		w->peak = w->rss;
	if (w->role.kind == KIND_EDITOR)
		m->editor_bytes += w->rss;
	else
		m->training_bytes += w->rss;
	if (w->stuck_since_ms && !w->hanging && now - w->stuck_since_ms >= m->set.hang_ms) {
		w->hanging = true;
		monitor_fact(m, FACT_HANG, &f);
		watched_fact(w, &f);
		told(m, &f);
	}
}

void watched_look(struct monitor *m)
{
	const char *group = NULL;
	uint64_t kills = MACHINE_NONE;

	m->editor_bytes = m->training_bytes = 0;
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct watched *w = m->bucket[b]; w; w = w->next) {
			look_at(m, w);
			/* Most of them share one group. */
			if (!group || strcmp(group, w->cgroup) != 0) {
				group = w->cgroup;
				kills = cgroup_oom_kills(m->roots, group);
			}
			w->cg_oom = kills;
		}
	count_trainings(m);
}

int watched_open(struct monitor *m)
{
	m->scratch = calloc(1, sizeof(*m->scratch));
	m->seen = calloc(SEEN, sizeof(*m->seen));
	m->young = calloc(YOUNG, sizeof(*m->young));
	m->loadavg_fd = openat(m->proc_fd, "loadavg", O_RDONLY | O_CLOEXEC);
	return m->scratch && m->seen && m->young ? 0 : -ENOMEM;
}

void watched_close(struct monitor *m)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		while (m->bucket[b])
			watched_drop(m, m->bucket[b]);
	auto_close_(&m->loadavg_fd);
	free(m->scratch);
	free(m->seen);
	free(m->young);
}
