/* The processes we hold a pidfd of: what is known of each, and how they look from time to time. */
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

enum { FIRST_LOOK_MS = 1500 };

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

/* Trainings fork their workers, a zygote the rest of its editor, and none of these execs: they are
 * told by their forks. */
bool watched_is_parent(const struct role_of *role)
{
	return role->kind == KIND_TRAINING || role->role == ROLE_ZYGOTE;
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
	m->parents_gone |= watched_is_parent(&w->role);
	loop_del_fd(m->loop, w->pidfd);
	(void)close(w->pidfd);
	free(w);
}

/* A training that runs a command forks, and the child is taken for a worker until its exec is told:
 * that may lie in the connector still when it has ended already. */
static void on_death(struct monitor *m, struct watched *w)
{
	struct proc_id id = w->id;

	if (w->role.role == ROLE_WORKER && m->connector) {
		connector_drain(m);
		w = watched_find(m, id.pid);
	}
	if (w && !w->dead && w->id.start == id.start)
		end_seen(m, w);
}

static void on_pidfd(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct watched *w = arg;

	(void)l, (void)fd;
	if (!w->dead)
		on_death(w->m, w);
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

static struct watched *make(struct monitor *m, const struct proc *p, struct role_of role, int pidfd)
{
	char argv[1024], cwd[512], group[256];
	size_t exe_n = strnlen(p->exe, 255),
	       argv_n = p->argv_len < sizeof(argv) ? p->argv_len : sizeof(argv) - 1;
	const char *ud = role_user_data(p);
	size_t cwd_n = read_link(m->proc_fd, p->id.pid, "cwd", cwd, sizeof(cwd) - 1),
	       ud_n = ud ? strlen(ud) : 0;
	size_t group_n = cgroup_of(m->proc_fd, p->id.pid, group, sizeof(group));
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
		.tty = p->tty,
		.pidfd = pidfd,
		.role = role,
		.state = p->state,
		.rss = p->rss,
		.peak = p->rss };
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
	f->tty = w->tty;
	f->role = w->role;
	memcpy(f->comm, w->comm, sizeof(f->comm));
	memcpy(f->run, w->run, sizeof(f->run));
	copy(f->exe, sizeof(f->exe), w->exe);
	copy(f->argv, sizeof(f->argv), w->argv);
	copy(f->cwd, sizeof(f->cwd), w->cwd);
	copy(f->user_data, sizeof(f->user_data), w->user_data);
	copy(f->cgroup, sizeof(f->cgroup), w->cgroup);
	monitor_gpu_fact(w->m, f);
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

static void note(struct monitor *m, struct watched *w)
{
	m->serial++;
	/* It loads its data now. */
	if (w->role.kind == KIND_TRAINING && m->next_look_ms > m->tick_ms + FIRST_LOOK_MS)
		m->next_look_ms = m->tick_ms + FIRST_LOOK_MS;
	if (watched_is_parent(&w->role))
		w->fresh = m->parents_came = true;
	log_debug("%d: %s %s %s", (int)w->id.pid, family_name(w->role.family),
		role_name(w->role.role), w->argv);
	guard_found(m, w);
	tell_start(m, w);
}

struct watched *watched_hold(
	struct monitor *m, const struct proc *p, struct role_of role, const struct watched *parent)
{
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, p->id.pid, 0);
	struct watched *w;

	if (pidfd < 0 && (errno == EMFILE || errno == ENFILE))
		m->n_full++;
	if (pidfd < 0 || !is_still(m, &p->id))
		return NULL;
	w = m->n_watched < WATCHED_MAX ? make(m, p, role, pidfd) : NULL;
	if (!w || loop_add_fd(m->loop, pidfd, EPOLLIN, on_pidfd, w) < 0) {
		m->n_full++;
		free(w);
		return NULL;
	}
	(void)take_fd(&pidfd);
	w->next = *bucket(m, w->id.pid);
	*bucket(m, w->id.pid) = w;
	m->n_watched++;
	name_run(parent, w);
	note(m, w);
	return w;
}

/* The same process, another role: its end must not be missed meanwhile, so its handle stays. */
void watched_become(struct monitor *m, struct watched *w, const struct proc *p, struct role_of role)
{
	struct watched **at = bucket(m, w->id.pid), *now = make(m, p, role, w->pidfd);

	if (!now)
		return;
	loop_del_fd(m->loop, w->pidfd);
	if (loop_add_fd(m->loop, w->pidfd, EPOLLIN, on_pidfd, now) < 0) {
		free(now); /* the loop had room for it: it cannot be out of it */
		return;
	}
	while (*at != w)
		at = &(*at)->next;
	*at = now;
	now->next = w->next;
	memcpy(now->run, w->run, sizeof(now->run));
	now->frozen = w->frozen;
	now->registered = w->registered;
	m->parents_gone |= watched_is_parent(&w->role);
	free(w);
	note(m, now);
}

/* A number of /proc/PID/status. */
static uint64_t of_status(struct monitor *m, pid_t pid, const char *name)
{
	const struct field table[] = { { name, 0 }, { NULL, 0 } };
	uint64_t v = MACHINE_NONE;
	char path[32], text[4096];
	autoclose int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%d/status", (int)pid);
	fd = openat(m->proc_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fields_read(fd, text, sizeof(text));
	if (n > 0)
		fields_take(text, (size_t)n, table, &v);
	return v;
}

/* In state D at this look and the last one: waiting for the same thing? Who reads from a slow
 * disk is mostly found so, and gets on all the same. */
static bool has_waited(struct monitor *m, struct watched *w)
{
	uint64_t was = w->switches;

	w->switches = of_status(m, w->id.pid, "voluntary_ctxt_switches");
	return !w->stuck_since_ms || w->switches == was;
}

/* Does everything wait for memory, here or in our group? */
static bool is_pressed(const struct monitor *m)
{
	uint64_t all = m->now.mem_psi.full10,
		 group = m->now.cg.version ? m->now.cg.psi.full10 : MACHINE_NONE;

	return (all != MACHINE_NONE && all >= m->set.limits.psi_medium) ||
	       (group != MACHINE_NONE && group >= m->set.limits.psi_medium);
}

/* Stuck: stopped, in an uninterruptible sleep, or faulting pages in without getting anywhere. */
static bool is_stuck(struct monitor *m, struct watched *w, const struct proc *p)
{
	bool starves = starve_look(&w->starve, m->now.mono_ms, p->utime,
		(uint64_t)sysconf(_SC_CLK_TCK), p->major_faults, is_pressed(m));

	if (w->frozen)
		return false; /* that is told already */
	return p->state == 'T' || (p->state == 'D' && has_waited(m, w)) || starves;
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
	if (w->role.kind == KIND_TRAINING && p->rss > w->rss + w->rss / 16) {
		uint64_t most = of_status(m, w->id.pid, "VmHWM");

		if (most != MACHINE_NONE && most > w->peak)
			w->peak = most;
		m->look_soon = true; /* what grows is looked at more often */
	}
	m->look_soon |= w->stuck_since_ms && !w->hanging;
	w->rss = p->rss;
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

void watched_count(struct monitor *m, bool moved)
{
	const char *group = NULL;
	uint64_t kills = MACHINE_NONE;

	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct watched *w = m->bucket[b]; w; w = w->next) {
			/* Most of them share one group. */
			if (!group || strcmp(group, w->cgroup) != 0) {
				group = w->cgroup;
				kills = cgroup_oom_kills(m->roots, group);
			}
			if (moved || w->cg_oom != kills)
				w->chosen = w->dead || proc_is_dying(m->proc_fd, w->id.pid);
			if (w->cg_oom != kills) {
				w->cg_oom_was = w->cg_oom;
				w->cg_moved_ms = m->now.mono_ms;
			}
			w->cg_oom = kills;
		}
}

/* A name for people: of a training its script. */
static void look_at_groups(struct monitor *m)
{
	char name[GROUP_NAME];

	groups_begin(&m->groups, m->proc_fd);
	for (unsigned b = 0; b < BUCKETS; b++)
		for (const struct watched *w = m->bucket[b]; w; w = w->next) {
			if (w->dead || w->role.role == ROLE_WORKER)
				continue;
			if (w->role.kind != KIND_TRAINING ||
				!role_training_name(w->argv, strlen(w->argv), ' ', name, sizeof(name)))
				(void)snprintf(name, sizeof(name), "%s", w->comm);
			groups_add(&m->groups, m->roots, m->proc_fd, w->cgroup, w->id.pid, name,
				m->now.mem_total);
		}
}

void watched_look(struct monitor *m)
{
	m->editor_bytes = m->training_bytes = 0;
	m->look_soon = false;
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct watched *w = m->bucket[b]; w; w = w->next)
			look_at(m, w);
	watched_count(m, false);
	look_at_groups(m);
	if (m->parents_gone)
		connector_parents(m);
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
