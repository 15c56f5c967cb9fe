/* detect/survey.c - see the header. */
#include "detect/survey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "detect/roles-internal.h"
#include "lib/auto.h"

enum {
	NS_A_PAGE = 40,		/* smaps_rollup, measured: 25 to 40 */
	OVERLOOKED = 1 << 30,
};

struct walk {
	struct survey *s;
	const struct role_patterns *pat;
	int procfd;
	unsigned room;
	bool owners;            /* look at whose it is first */
	struct proc proc;	/* one at a time */
};

bool survey_may_be(const char *exe, const struct role_patterns *pat)
{
	static const char *const words[] = { "python", "pypy", "node", "code", "codium", "cursor",
		"windsurf", "electron", "crashpad" };
	const char *base = role_base(exe);

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strstr(base, words[i]))
			return true;
	return strstr(exe, "-server/") || strstr(exe, "/.vscode") || role_match(pat->editors, base);
}

static struct survey_proc *find(struct survey *s, pid_t pid)
{
	unsigned low = 0, high = s->n;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (s->proc[mid].id.pid < pid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n && s->proc[low].id.pid == pid ? &s->proc[low] : NULL;
}

/* What it is called: of an interpreter the script or module, else the program. */
static void name_it(const struct proc *p, const struct role_of *role, char *ret)
{
	const char *name = p->exe[0] ? role_base(p->exe) : p->comm;

	if (role->kind == KIND_TRAINING &&
		role_training_name(p->argv, p->argv_len, '\0', ret, SURVEY_NAME))
		return;
	(void)snprintf(ret, SURVEY_NAME, "%s", *name ? name : p->comm);
}

static int note(struct walk *w, const struct proc *p, struct role_of role, bool orphan)
{
	struct survey *s = w->s;
	struct survey_proc *more;
	unsigned at;

	if (s->n == w->room) {
		w->room = w->room ? w->room * 2 : 64;
		more = reallocarray(s->proc, w->room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		s->proc = more;
	}
	/* /proc lists them in order; a recorded one may not. */
	for (at = s->n; at > 0 && s->proc[at - 1].id.pid > p->id.pid; at--)
		s->proc[at] = s->proc[at - 1];
	s->proc[at] = (struct survey_proc){ .id = p->id,
		.ppid = p->ppid,
		.uid = p->uid,
		.role = role,
		.state = p->state,
		.rss = p->rss,
		.pss = MACHINE_NONE,
		.own = MACHINE_NONE,
		.gpu = MACHINE_NONE,
		.orphan = orphan };
	name_it(p, &role, s->proc[at].name);
	s->n++;
	return 0;
}

/* Another user's, or one of ours that made itself undumpable? The folder belongs to who runs it. */
static bool is_ours(int procfd, pid_t pid)
{
	char name[16];
	struct stat st;

	(void)snprintf(name, sizeof(name), "%d", (int)pid);
	return fstatat(procfd, name, &st, 0) == 0 && st.st_uid == geteuid();
}

/* `python main.py` may be a training; by its name nobody can tell. */
static void overlook(struct walk *w, const struct proc *p)
{
	struct survey_proc *o = &w->s->overlooked;
	const struct role_of as = { KIND_TRAINING, FAMILY_NONE, ROLE_RUN };

	if (p->rss < OVERLOOKED || p->rss <= o->rss || p->uid != geteuid() ||
		!role_training_name(p->argv, p->argv_len, '\0', o->name, sizeof(o->name)))
		return;
	*o = (struct survey_proc){ .id = p->id, .ppid = p->ppid, .uid = p->uid, .state = p->state,
		.rss = p->rss, .pss = MACHINE_NONE, .own = MACHINE_NONE, .gpu = MACHINE_NONE };
	name_it(p, &as, o->name);
}

static int look(pid_t pid, void *arg)
{
	struct walk *w = arg;
	struct proc *p = &w->proc;
	const struct survey_proc *parent;
	struct role_of role;
	int r;

	w->s->seen++;
	/* Who is not root sees no exe but his own processes', and whose they are is told sooner. */
	if (w->owners && !is_ours(w->procfd, pid))
		return 0;
	r = proc_exe(w->procfd, pid, p->exe);
	if (r == -EACCES ? !w->owners && !is_ours(w->procfd, pid)
			 : r < 0 || !survey_may_be(p->exe, w->pat))
		return 0;
	if (proc_read(w->procfd, pid, PROC_STAT | PROC_EXE_ARGV, p) < 0)
		return 0;
	parent = find(w->s, p->ppid);
	role = role_find(p, parent ? &parent->role : NULL, w->pat);
	/* One that is none now may be a worker of a parent with a higher pid: pids wrap. */
	if (!role.kind && p->ppid < pid) {
		overlook(w, p);
		return 0;
	}
	return note(w, p, role, !parent);
}

/* Pids wrap: a parent may come after its children, and only with it are they known for what they
 * are. */
static void look_again(struct walk *w)
{
	struct survey *s = w->s;
	unsigned kept = 0;
	bool more = true;

	while (more) {
		more = false;
		for (unsigned i = 0; i < s->n; i++) {
			struct survey_proc *p = &s->proc[i];
			const struct survey_proc *parent = p->orphan ? find(s, p->ppid) : NULL;

			if (!parent || !parent->role.kind)
				continue;
			p->orphan = false;
			more = true;
			if (proc_read(w->procfd, p->id.pid, PROC_STAT | PROC_EXE_ARGV, &w->proc) <
				0)
				continue;
			p->role = role_find(&w->proc, &parent->role, w->pat);
			name_it(&w->proc, &p->role, p->name);
		}
	}
	for (unsigned i = 0; i < s->n; i++)
		if (s->proc[i].role.kind)
			s->proc[kept++] = s->proc[i];
	s->n = kept;
}

static void find_heads(struct survey *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		unsigned at = i;

		/* A damaged or changing table may go round. */
		for (unsigned step = 0; step < 64; step++) {
			const struct survey_proc *p = &s->proc[at], *parent = find(s, p->ppid);

			if (!parent || parent->role.kind != p->role.kind ||
				parent->role.family != p->role.family)
				break;
			/* What a notebook starts by name is a run of its own. */
			if (p->role.kind == KIND_TRAINING && p->role.role != ROLE_WORKER &&
				parent->role.role == ROLE_KERNEL)
				break;
			at = (unsigned)(parent - s->proc);
		}
		s->proc[i].head = at;
	}
}

static uint64_t now_ns(void)
{
	struct timespec t;

	return clock_gettime(CLOCK_MONOTONIC, &t) < 0
		       ? 0
		       : (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int by_rss(const void *a, const void *b)
{
	const struct survey_proc *const *x = a, *const *y = b;

	return ((*x)->rss > (*y)->rss) - ((*x)->rss < (*y)->rss);
}

/* The small ones first: most of what an editor's many processes share is told by them. */
static void read_pss(struct walk *w, unsigned us)
{
	struct survey *s = w->s;
	autofree struct survey_proc **order = calloc(s->n ? s->n : 1, sizeof(struct survey_proc *));
	uint64_t end = now_ns() + us * UINT64_C(1000);

	s->exact = true;
	if (!order) {
		s->exact = false;
		return;
	}
	for (unsigned i = 0; i < s->n; i++)
		order[i] = &s->proc[i];
	qsort(order, s->n, sizeof(struct survey_proc *), by_rss);
	for (unsigned i = 0; i < s->n; i++) {
		struct survey_proc *p = order[i];

		if (us && now_ns() + p->rss / 4096 * NS_A_PAGE <= end &&
			proc_pss(w->procfd, p->id.pid, &p->pss) == 0)
			continue;
		s->exact = false;
		(void)proc_own(w->procfd, p->id.pid, &p->own);
	}
}

int survey_take(const struct roots *roots, const struct role_patterns *pat, unsigned pss_us,
	struct survey *ret)
{
	autoclose int procfd = open(roots->proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct walk w = { .s = ret, .pat = pat, .procfd = procfd, .owners = geteuid() != 0 };
	int r;

	*ret = (struct survey){ 0 };
	if (procfd < 0)
		return -errno;
	r = procs_each_user(procfd, look, &w);
	if (r < 0) {
		survey_release(ret);
		return r;
	}
	look_again(&w);
	find_heads(ret);
	read_pss(&w, pss_us);
	return 0;
}

void survey_release(struct survey *s)
{
	free(s->proc);
	*s = (struct survey){ 0 };
}

void survey_gpus(struct survey *s, const struct gpu_list *gpus)
{
	for (unsigned i = 0; i < gpus->n; i++)
		for (unsigned k = 0; k < gpus->gpu[i].n_procs; k++) {
			const struct gpu_proc *g = &gpus->gpu[i].proc[k];
			struct survey_proc *p = g->used == MACHINE_NONE ? NULL : find(s, g->pid);

			if (p)
				p->gpu = (p->gpu == MACHINE_NONE ? 0 : p->gpu) + g->used;
		}
}

uint64_t survey_bytes(const struct survey_proc *p)
{
	return p->pss != MACHINE_NONE ? p->pss : p->own != MACHINE_NONE ? p->own : p->rss;
}

uint64_t survey_sum(const struct survey *s, enum kind kind)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->n; i++)
		if (s->proc[i].role.kind == kind)
			sum += survey_bytes(&s->proc[i]);
	return sum;
}
