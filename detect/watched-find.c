/* How processes of interest are found: told by the connector, among the children of those we hold,
 * or by a scan of /proc. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detect/fields.h"
#include "detect/monitor.h"
#include "lib/auto.h"

enum {
	SCAN_MS = 120000, /* all of /proc, where nobody tells of execs */
	PROBE_MAX = 4096, /* more new pids than that: scan instead */
	FRESH = 64,       /* of a kind: a batch */
};

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

void watched_children(struct monitor *m, const char *run)
{
	pid_t pid[256];
	unsigned n = 0;

	/* What is found changes the lists. */
	for (unsigned b = 0; b < BUCKETS; b++)
		for (const struct watched *w = m->bucket[b]; w; w = w->next)
			if (!w->dead && w->role.kind == KIND_TRAINING && strcmp(w->run, run) == 0 &&
				n < sizeof(pid) / sizeof(*pid))
				pid[n++] = w->id.pid;
	for (unsigned i = 0; i < n; i++)
		consider_children(m, pid[i]);
	watched_settle(m);
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
	w->execed = false;
	if (w->registered)
		role = w->role;
	if (w->role.kind == role.kind && w->role.role == role.role &&
		strncmp(w->exe, p->exe, 255) == 0)
		return true;
	if (!role.kind) {
		watched_drop(m, w);
		return false;
	}
	watched_become(m, w, p, role);
	return true;
}

/* A zygote forks all the rest of its editor, and each child writes its title anew a moment later:
 * until then it looks like its parent. A sandbox's inner zygote stays one. */
static bool may_become(const struct watched *w)
{
	const struct watched *parent = watched_find(w->m, w->ppid);

	return w->role.role == ROLE_ZYGOTE && parent && parent->role.role == ROLE_ZYGOTE;
}

static void stay_young(struct monitor *m, const struct proc_id *id)
{
	if (m->n_young < YOUNG)
		m->young[m->n_young++] = *id;
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
	if (!role.kind || p->state == 'Z')
		return;
	w = watched_hold(m, p, role, parent);
	if (w && may_become(w))
		stay_young(m, &w->id);
}

void watched_register(struct monitor *m, const struct proc_id *id, const char *run)
{
	struct watched *w = watched_find(m, id->pid);
	struct proc *p = m->scratch;

	if (!w || w->id.start != id->start) {
		if (proc_read(m->proc_fd, id->pid, PROC_STAT | PROC_EXE_ARGV, p) < 0 ||
			p->uid != m->uid || p->id.start != id->start)
			return;
		w = watched_hold(
			m, p, (struct role_of){ KIND_TRAINING, FAMILY_NONE, ROLE_RUN }, NULL);
	}
	if (w) {
		w->role = (struct role_of){ KIND_TRAINING, FAMILY_NONE, ROLE_RUN };
		w->registered = true;
		(void)snprintf(w->run, sizeof(w->run), "%s", run);
		w->fresh = m->parents_came = true;
		guard_found(m, w);
	}
	watched_settle(m);
}

static unsigned take_fresh(struct monitor *m, pid_t fresh[static FRESH])
{
	unsigned n = 0;

	for (unsigned b = 0; b < BUCKETS && n < FRESH; b++)
		for (struct watched *w = m->bucket[b]; w && n < FRESH; w = w->next)
			if (w->fresh) {
				w->fresh = false;
				fresh[n++] = w->id.pid;
			}
	return n;
}

/* Listen first, then look: a child forked in between is told. */
void watched_settle(struct monitor *m)
{
	pid_t fresh[FRESH];
	unsigned n;

	while (m->parents_came) {
		m->parents_came = false;
		connector_parents(m);
		while ((n = take_fresh(m, fresh)))
			for (unsigned i = 0; i < n; i++)
				consider_children(m, fresh[i]);
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
	watched_settle(m);
	return r;
}

/* Most exec, or write their title, at once; after 5 s only a scan finds out. */
static bool is_settled(struct monitor *m, const struct proc_id *id)
{
	struct proc *p = m->scratch;
	const struct watched *w = watched_find(m, id->pid);

	if (w && (w->dead || w->id.start != id->start))
		return true;
	if (w || !seen_before(m, id->pid))
		watched_consider(m, id->pid);
	w = watched_find(m, id->pid);
	if (w && !may_become(w))
		return true;
	if (!w && (proc_read(m->proc_fd, id->pid, PROC_STAT, p) < 0 || p->id.start != id->start))
		return true;
	return monitor_mono_ms() - id->start * 1000 / (uint64_t)sysconf(_SC_CLK_TCK) >= 5000;
}

void watched_young(struct monitor *m)
{
	unsigned n = m->n_young, kept = 0;

	for (unsigned i = 0; i < n; i++) {
		struct proc_id id = m->young[i];

		if (!is_settled(m, &id))
			m->young[kept++] = id;
	}
	/* Those it has found meanwhile stand behind. */
	while (n < m->n_young)
		m->young[kept++] = m->young[n++];
	m->n_young = kept;
	watched_settle(m);
}

static void probe(struct monitor *m, pid_t pid)
{
	struct proc *p = m->scratch;

	if (watched_find(m, pid) || seen_before(m, pid))
		return;
	watched_consider(m, pid);
	if (!watched_find(m, pid) && proc_read(m->proc_fd, pid, PROC_STAT, p) == 0)
		stay_young(m, &p->id);
}

/* One number tells whether there is anybody new. */
void watched_scan_new(struct monitor *m)
{
	pid_t newest = newest_pid(m), from = m->last_pid;

	if (m->n_young)
		watched_young(m);
	if (monitor_mono_ms() >= m->next_scan_ms || !newest || newest < from ||
		newest - from > PROBE_MAX || m->n_young == YOUNG) {
		m->n_young = 0;
		(void)watched_scan(m);
		return;
	}
	m->last_pid = newest;
	for (pid_t pid = from + 1; pid <= newest; pid++)
		probe(m, pid);
	watched_settle(m);
}
