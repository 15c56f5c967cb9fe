/* detect/run-record.c - what is written down of a run; see run.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detect/learned.h"
#include "detect/run.h"
#include "lib/auto.h"
#include "lib/ctl.h"
#include "lib/io.h"

#define FOLDER "runs"
#define RECORD "run"

enum { RECORD_MAX = 65536, RUNS_MAX = 4096 };

static bool is_id(const char *s)
{
	return strlen(s) == RUN_ID - 1 && s[strspn(s, "0123456789abcdef")] == '\0';
}

int run_folder(int dirfd, const char *id, bool make)
{
	autoclose int top = -1;
	int fd;

	if (make && mkdirat(dirfd, FOLDER, 0700) < 0 && errno != EEXIST)
		return -errno;
	top = openat(dirfd, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (top < 0)
		return -errno;
	if (!*id)
		return take_fd(&top);
	if (!is_id(id))
		return -EINVAL;
	if (make && mkdirat(top, id, 0700) < 0)
		return -errno;
	fd = openat(top, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

/* ---- the lines ---- */

static int add_text(struct buf *b, const char *name, const char *value)
{
	int r;

	if (!value)
		return 0;
	r = buf_addstr(b, name);
	if (r == 0)
		r = ctl_add_field(b, value);
	return r < 0 ? r : buf_addch(b, '\n');
}

static int add_number(struct buf *b, const char *name, uint64_t v)
{
	return v == MACHINE_NONE ? 0 : buf_printf(b, "%s\t%" PRIu64 "\n", name, v);
}

#define TEXTS(X) X(command) X(cwd) X(tier) X(mode) X(scope) X(workspace) X(snapshot) X(cause) X(how) X(by)
#define NUMBERS(X)                                                                   \
	X(began_ms)                                                                  \
	X(ended_ms) X(limit) X(in_force) X(need) X(peak.ram) X(peak.shm) X(peak.gpu) \
		X(super.start) X(pid.start)

int run_write(int folder, const struct run *r)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int e = add_text(&b, "state", r->running ? "running" : "ended");

#define X(f) e = e < 0 ? e : add_text(&b, #f, r->f);
	TEXTS(X)
#undef X
#define X(f) e = e < 0 ? e : add_number(&b, #f, r->f);
	NUMBERS(X)
#undef X
	if (e == 0)
		e = buf_printf(&b, "pid\t%d\nsuper\t%d\nattempt\t%u\ncode\t%d\nsignal\t%d\n",
			(int)r->pid.pid, (int)r->super.pid, r->attempt, r->code, r->signal);
	return e < 0 ? e : io_replace_file(folder, RECORD, b.data, b.len, 0600);
}

static int set_text(char **at, const char *value)
{
	free(*at);
	*at = strdup(value);
	return *at ? 0 : -ENOMEM;
}

static int take(struct run *r, const char *name, const char *value)
{
	int small = (int)strtol(value, NULL, 10);

#define X(f)                       \
	if (strcmp(name, #f) == 0) \
		return set_text(&r->f, value);
	TEXTS(X)
#undef X
#define X(f)                       \
	if (strcmp(name, #f) == 0) \
		return r->f = strtoull(value, NULL, 10), 0;
	NUMBERS(X)
#undef X
	if (strcmp(name, "state") == 0)
		r->running = strcmp(value, "running") == 0;
	else if (strcmp(name, "pid") == 0)
		r->pid.pid = small;
	else if (strcmp(name, "super") == 0)
		r->super.pid = small;
	else if (strcmp(name, "attempt") == 0)
		r->attempt = (unsigned)small;
	else if (strcmp(name, "code") == 0)
		r->code = small;
	else if (strcmp(name, "signal") == 0)
		r->signal = small;
	return 0;
}

void run_release(struct run *r)
{
#define X(f) free(r->f);
	TEXTS(X)
#undef X
	memset(r, 0, sizeof(*r));
}

/* Is this very process there? */
static bool lives(const struct proc_id *id)
{
	autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct proc p;

	return id->pid > 0 && proc_read(procfd, id->pid, PROC_STAT, &p) == 0 &&
	       p.id.start == id->start && p.state != 'Z';
}

int run_read(int folder, struct run *ret)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	char *rest, *line;
	int r = io_read_file(folder, RECORD, RECORD_MAX, &b);

	if (r < 0)
		return r;
	*ret = (struct run){
		.code = -1, .signal = -1, .in_force = MACHINE_NONE, .need = MACHINE_NONE
	};
	rest = b.data;
	while (r == 0 && rest && (line = ctl_next_line(&rest))) {
		const char *name = ctl_next_field(&line), *value = ctl_next_field(&line);

		if (name && value)
			r = take(ret, name, value);
	}
	if (r < 0 || !ret->command || !ret->began_ms) {
		run_release(ret);
		return r < 0 ? r : -EBADMSG;
	}
	ret->lost = ret->running && !lives(&ret->super);
	return 0;
}

/* ---- all of them ---- */

struct entry {
	char id[RUN_ID];
	struct timespec made;
};

static int by_age(const void *a, const void *b)
{
	const struct timespec *x = &((const struct entry *)a)->made,
			      *y = &((const struct entry *)b)->made;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? 1 : -1;
	return (x->tv_nsec < y->tv_nsec) - (x->tv_nsec > y->tv_nsec);
}

static int list(int state, struct entry **ret, unsigned *ret_n)
{
	int top = run_folder(state, "", false);
	autoclosedir DIR *d = top < 0 ? NULL : fdopendir(top);
	struct entry *all;
	struct dirent *e;
	struct stat st;
	unsigned n = 0;

	if (!d)
		return top < 0 ? top : -errno;
	all = calloc(RUNS_MAX, sizeof(*all));
	if (!all)
		return -ENOMEM;
	while (n < RUNS_MAX && (e = readdir(d))) {
		if (!is_id(e->d_name))
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		(void)snprintf(all[n].id, sizeof(all[n].id), "%.8s", e->d_name);
		all[n++].made = st.st_mtim;
	}
	qsort(all, n, sizeof(*all), by_age);
	*ret = all;
	*ret_n = n;
	return 0;
}

int run_each(int dirfd, int (*fn)(struct run *r, int folder, void *arg), void *arg)
{
	autofree struct entry *all = NULL;
	unsigned n = 0;
	int r = list(dirfd, &all, &n);

	for (unsigned i = 0; r == 0 && i < n; i++) {
		autoclose int folder = run_folder(dirfd, all[i].id, false);
		struct run x;

		if (folder < 0 || run_read(folder, &x) < 0)
			continue;
		(void)snprintf(x.id, sizeof(x.id), "%s", all[i].id);
		r = fn(&x, folder, arg);
		run_release(&x);
	}
	return r;
}

struct search {
	const char *id;
	struct run found;
	unsigned n;
	bool live;
};

static int match(struct run *r, int folder, void *arg)
{
	struct search *s = arg;
	bool live = r->running && !r->lost;

	(void)folder;
	if (s->id ? strncmp(r->id, s->id, strlen(s->id)) != 0 : s->n && (s->live || !live))
		return 0;
	if (s->n++)
		run_release(&s->found);
	s->found = *r;
	s->live = live;
	memset(r, 0, sizeof(*r));
	return 0;
}

int run_find(int dirfd, const char *id, struct run *ret)
{
	struct search s = { .id = id && *id ? id : NULL };
	int r = run_each(dirfd, match, &s);

	if (r == 0 && !s.n)
		r = -ENOENT;
	if (r == 0 && s.id && s.n > 1)
		r = -ENOTUNIQ;
	if (r < 0 && s.n)
		run_release(&s.found);
	if (r == 0)
		*ret = s.found;
	return r;
}

int run_remove(int dirfd, const char *id)
{
	autoclose int top = run_folder(dirfd, "", false), folder = run_folder(dirfd, id, false);
	int dup = folder < 0 ? -1 : fcntl(folder, F_DUPFD_CLOEXEC, 3);
	autoclosedir DIR *d = dup < 0 ? NULL : fdopendir(dup);
	struct dirent *e;

	if (!d)
		return folder < 0 ? folder : -errno;
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			(void)unlinkat(folder, e->d_name, 0);
	return unlinkat(top, id, AT_REMOVEDIR) < 0 ? -errno : 0;
}

struct pruning {
	int dirfd;
	unsigned keep, n;
};

static int prune_one(struct run *r, int folder, void *arg)
{
	struct pruning *p = arg;

	(void)folder;
	if (r->running && !r->lost)
		return 0;
	if (++p->n > p->keep)
		(void)run_remove(p->dirfd, r->id);
	return 0;
}

int run_prune(int dirfd, unsigned keep)
{
	struct pruning p = { .dirfd = dirfd, .keep = keep };

	return run_each(dirfd, prune_one, &p);
}
