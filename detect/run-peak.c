/* detect/run-peak.c - what a tree of processes takes; see run.h.
 *
 * In a cgroup of its own the kernel adds up: anonymous and shared memory, without file pages, which
 * are given back. Else each process's own pages are added, and of what they share by fork a part is
 * counted more than once: at most, never too little. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "detect/fields.h"
#include "detect/run.h"
#include "lib/auto.h"

enum { GPU_EVERY_MS = 2000, ALL = 32768 };

static uint64_t shm_used(const struct roots *roots)
{
	struct statvfs v;

	if (statvfs(roots->shm, &v) < 0 || !v.f_blocks)
		return 0;
	return (uint64_t)(v.f_blocks - v.f_bfree) * v.f_frsize;
}

void peak_begin(const struct roots *roots, struct peak *p)
{
	*p = (struct peak){ .now = MACHINE_NONE, .shm_before = shm_used(roots) };
}

struct table {
	int procfd;
	unsigned n;
	struct {
		pid_t pid, ppid;
	} row[ALL];
	struct proc proc;
};

static int note(pid_t pid, void *arg)
{
	struct table *t = arg;

	if (t->n < ALL && proc_read(t->procfd, pid, PROC_STAT, &t->proc) == 0 &&
		t->proc.state != 'Z') {
		t->row[t->n].pid = pid;
		t->row[t->n++].ppid = t->proc.ppid;
	}
	return 0;
}

static bool has(const struct peak *p, pid_t pid)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->pid[i] == pid)
			return true;
	return false;
}

static void find_tree(struct table *t, struct peak *p, pid_t root)
{
	unsigned before;

	t->n = p->n = 0;
	(void)procs_each_user(t->procfd, note, t);
	do {
		before = p->n;
		for (unsigned i = 0; i < t->n && p->n < sizeof(p->pid) / sizeof(*p->pid); i++)
			if ((t->row[i].ppid == root || has(p, t->row[i].ppid)) &&
				!has(p, t->row[i].pid))
				p->pid[p->n++] = t->row[i].pid;
	} while (p->n != before);
}

/* Anonymous and shared, not file pages. */
static uint64_t own_bytes(int procfd, pid_t pid)
{
	struct {
		uint64_t anon, shmem;
	} v = { 0, 0 };
	static const struct field table[] = { { "RssAnon", 0 }, { "RssShmem", 8 }, { NULL, 0 } };
	char name[32], text[4096];
	autoclose int fd = -1;
	ssize_t n;

	(void)snprintf(name, sizeof(name), "%d/status", (int)pid);
	fd = openat(procfd, name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fields_read(fd, text, sizeof(text));
	if (n > 0)
		fields_take(text, (size_t)n, table, &v);
	return (v.anon == MACHINE_NONE ? 0 : v.anon) + (v.shmem == MACHINE_NONE ? 0 : v.shmem);
}

static void look_at_gpus(struct peak *p)
{
	static struct gpu_list l;
	uint64_t sum = 0;

	(void)gpu_read(&l);
	for (unsigned i = 0; i < l.n; i++)
		for (unsigned k = 0; k < l.gpu[i].n_procs; k++)
			if (l.gpu[i].proc[k].used != MACHINE_NONE && has(p, l.gpu[i].proc[k].pid))
				sum += l.gpu[i].proc[k].used;
	if (sum > p->gpu)
		p->gpu = sum;
}

void peak_look(const struct roots *roots, struct peak *p, pid_t root, const struct scope *s,
	uint64_t now_ms)
{
	static struct table t;
	uint64_t ram = scope_used(s), shm = shm_used(roots);
	bool gpu = now_ms >= p->gpu_next_ms;

	if (ram == MACHINE_NONE || gpu) {
		t.procfd = open(roots->proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (t.procfd < 0)
			return;
		find_tree(&t, p, root);
	} else {
		t.procfd = -1;
	}
	if (ram == MACHINE_NONE) {
		ram = 0;
		for (unsigned i = 0; i < p->n; i++)
			ram += own_bytes(t.procfd, p->pid[i]);
	}
	auto_close_(&t.procfd);
	if (gpu) {
		p->gpu_next_ms = now_ms + GPU_EVERY_MS;
		look_at_gpus(p);
	}
	p->now = ram;
	if (ram > p->ram)
		p->ram = ram;
	if (shm > p->shm_before && shm - p->shm_before > p->shm)
		p->shm = shm - p->shm_before;
}
