/* detect/holders.c - see the header. */
#include "detect/holders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "detect/cgroup.h"
#include "detect/fields.h"
#include "lib/auto.h"

enum { NAMES = 512, LARGE = 64 << 20 };

struct walk {
	int procfd;
	const char *group; /* whose memory it is; NULL: the machine's */
	const struct survey *s;
	struct holder all[NAMES];
	unsigned n;
	unsigned others;	/* more names than that */
	uint64_t others_bytes;
	struct proc proc;
};

/* statm: resident and shared (with a file behind them, or of a tmpfs) pages. */
static uint64_t own_bytes(int procfd, pid_t pid)
{
	char name[32], text[128];
	autoclose int fd = -1;
	const char *p = text;
	uint64_t v[3];
	ssize_t n;

	(void)snprintf(name, sizeof(name), "%d/statm", (int)pid);
	fd = openat(procfd, name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fields_read(fd, text, sizeof(text));
	if (n <= 0)
		return 0;
	for (unsigned i = 0; i < 3; i++) {
		v[i] = fields_number(&p, text + n);
		if (v[i] == MACHINE_NONE)
			return 0;
		p += p < text + n;
	}
	return v[1] < v[2] ? 0 : (v[1] - v[2]) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static const struct survey_proc *role_of(const struct survey *s, pid_t pid)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->proc[i].id.pid == pid)
			return &s->proc[i];
	return NULL;
}

static void add(struct walk *w, const char *name, enum kind kind, pid_t pid, uint64_t bytes)
{
	unsigned i = 0;

	while (i < w->n && (w->all[i].kind != kind || strcmp(w->all[i].name, name) != 0))
		i++;
	if (i == NAMES) {
		w->others++;
		w->others_bytes += bytes;
		return;
	}
	if (i == w->n) {
		w->all[w->n++] = (struct holder){ .kind = kind, .pid = pid };
		(void)snprintf(w->all[i].name, sizeof(w->all[i].name), "%s", name);
	}
	w->all[i].n++;
	w->all[i].bytes += bytes;
	if (bytes > w->all[i].largest) {
		w->all[i].largest = bytes;
		w->all[i].pid = pid;
	}
}

/* In that group or one below. */
static bool is_inside(const struct walk *w, pid_t pid)
{
	char path[4096];
	size_t n = w->group ? cgroup_of(w->procfd, pid, path, sizeof(path)) : 0,
	       k = w->group ? strlen(w->group) : 0;

	return !n || (n >= k && memcmp(path, w->group, k) == 0 && (n == k || path[k] == '/'));
}

/* Where the room is a group's, what others hold is none of it. A container may have cut our own
 * path: then the processes in sight are those of the group. */
static void choose_group(struct walk *w, const struct machine *m)
{
	size_t k = strlen(m->cg.path);

	if (!m->cg.version || m->total >= m->mem_total || k < 2 || k + 1 >= sizeof(m->cg.path))
		return;
	w->group = m->cg.path;
	if (!is_inside(w, 0))
		w->group = NULL;
}

static int look(pid_t pid, void *arg)
{
	struct walk *w = arg;
	uint64_t bytes = own_bytes(w->procfd, pid);
	const struct survey_proc *p;

	if (!bytes || pid == getpid() || pid == getppid() || !is_inside(w, pid))
		return 0;
	p = role_of(w->s, pid);
	if (p && p->role.kind == KIND_EDITOR)
		add(w, family_name(p->role.family), KIND_EDITOR, w->s->proc[p->head].id.pid, bytes);
	else if (p)
		add(w, w->s->proc[p->head].name, KIND_TRAINING, w->s->proc[p->head].id.pid, bytes);
	else if (proc_read(w->procfd, pid, PROC_STAT, &w->proc) == 0)
		add(w, w->proc.comm, KIND_NONE, pid, bytes);
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	return (y->bytes > x->bytes) - (y->bytes < x->bytes);
}

/* The largest under their names, of the rest what it comes to. */
static void put(const struct walk *w, uint64_t total, struct holders *ret)
{
	uint64_t large = total / 100 < LARGE ? total / 100 : LARGE;

	ret->others = w->others;
	ret->others_bytes = w->others_bytes;
	for (unsigned i = 0; i < w->n; i++) {
		const struct holder *h = &w->all[i];

		ret->editor += h->kind == KIND_EDITOR ? h->bytes : 0;
		ret->training += h->kind == KIND_TRAINING ? h->bytes : 0;
		if (h->bytes >= large && ret->n < HOLDERS) {
			ret->h[ret->n++] = *h;
		} else {
			ret->others += h->n;
			ret->others_bytes += h->bytes;
		}
	}
}

int holders_take(const struct roots *roots, const struct role_patterns *pat,
	const struct machine *m, struct holders *ret)
{
	autoclose int procfd = open(roots->proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autofree struct walk *w = calloc(1, sizeof(*w));
	struct survey s;
	int r;

	*ret = (struct holders){ 0 };
	if (procfd < 0 || !w)
		return procfd < 0 ? -errno : -ENOMEM;
	r = survey_take(roots, pat, 0, &s);
	if (r < 0)
		return r;
	w->procfd = procfd;
	choose_group(w, m);
	w->s = &s;
	r = procs_each_user(procfd, look, w);
	survey_release(&s);
	qsort(w->all, w->n, sizeof(*w->all), by_bytes);
	put(w, m->total, ret);
	return r;
}
