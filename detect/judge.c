/* The judge: judge.h says what it does and in which order. */
#include "detect/judge.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "detect/detect.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/names.h"

enum {
	BATCH = 1024,               /* facts, and rows to finish, at a time */
	RELATED_MS = 400,           /* then parents' and children's ends have come in */
	TRACES_MS = 10000,          /* then an editor's traces are there */
	BEFORE_MS = 10 * 60 * 1000, /* readings kept with an event */
	READINGS = 240,             /* at most */
	WITH_READINGS = 16,
	WITH_LOGS = 8, /* events of one batch: a storm is not worth more */
	STAY_MS = 1500,
	TOGETHER = 64, /* verdicts */
	LINE = 4096,
};

/* ---- readings ---- */

struct readings {
	struct sample *s;
	unsigned n;
};

static void readings_release(struct readings *r)
{
	free(r->s);
}

/* Of each share of the time the fullest one: a peak is what matters. */
static void thin(struct readings *r)
{
	unsigned n = r->n, kept = 0;

	if (n < READINGS)
		return;
	for (unsigned i = 0; i < READINGS - 1; i++) {
		unsigned from = (unsigned)((uint64_t)i * n / (READINGS - 1)),
			 to = (unsigned)((uint64_t)(i + 1) * n / (READINGS - 1));
		unsigned best = from;

		for (unsigned k = from; k < to; k++)
			if (r->s[k].available < r->s[best].available)
				best = k;
		r->s[kept++] = r->s[best];
	}
	r->n = kept;
}

static void load_readings(const struct judge *g, const struct fact *f, struct readings *ret)
{
	uint64_t full = f->m.mem_psi.full10;
	struct sample last = { .real_ms = f->m.real_ms,
		.total = f->m.total,
		.available = f->m.available,
		.swap_total = f->m.swap_total,
		.swap_free = f->m.swap_free,
		.gpu_total = f->gpu_total,
		.gpu_used = f->gpu_used,
		.gpu_busy = f->gpu_busy <= 10000 ? (uint8_t)(f->gpu_busy / 100 + 1) : 0,
		.gpu_celsius = f->gpu_celsius < 254 ? (uint8_t)(f->gpu_celsius + 1) : 0,
		.editor = MACHINE_NONE,
		.training = MACHINE_NONE,
		.cpu_busy = UINT16_MAX,
		.psi_full10 = full < UINT16_MAX ? (uint16_t)full : UINT16_MAX };
	struct sample *more;

	if (samples_between(g->dirfd, f->real_ms > BEFORE_MS ? f->real_ms - BEFORE_MS : 0,
		    f->real_ms, &ret->s, &ret->n) == 0)
		thin(ret);
	/* The reading at the event itself, but of a machine that went down there is none. */
	if (f->kind == FACT_MACHINE || !f->m.real_ms || f->m.total == MACHINE_NONE)
		return;
	more = realloc(ret->s, (ret->n + 1) * sizeof(*more));
	if (!more)
		return;
	ret->s = more;
	ret->s[ret->n++] = last;
}

/* ---- the first row ---- */

static bool ended_well(const struct fact *f)
{
	return f->kind == FACT_EXIT && f->status == FACT_EXITED && f->code == 0;
}

static bool wants_readings(const struct fact *f)
{
	return !ended_well(f) && f->role.role != ROLE_WORKER && f->kind != FACT_STOP;
}

static int add_row(struct judge *g, const struct fact *f, unsigned *readings_left)
{
	autoput(readings_release) struct readings readings = { 0 };
	struct evidence_list list = { 0 };
	struct journal_event ev;
	struct event_text text;
	struct verdict v;
	char line[LINE];
	int r = judge_relations(g->j, f, &list);

	if (r < 0)
		return r;
	cause_judge(f, &list, &v);
	judge_event(f, &list, &v, &text, &ev);
	if (f->kind == FACT_MACHINE ||
		(f->kind == FACT_EXIT && (!ended_well(f) || f->role.kind == KIND_EDITOR))) {
		r = fact_line(f, line, sizeof(line));
		if (r < 0)
			return r;
		ev.fact = line;
		ev.due_ms = f->kind == FACT_MACHINE ? f->real_ms : f->real_ms + RELATED_MS;
	}
	if (*readings_left && wants_readings(f)) {
		--*readings_left;
		load_readings(g, f, &readings);
		ev.sample = readings.s;
		ev.n_sample = readings.n;
	}
	return journal_add(g->j, &ev);
}

static int add_link(struct judge *g, const struct fact *f)
{
	struct journal_link l = { .workspace = (char *)(uintptr_t)f->workspace,
		.store = (char *)(uintptr_t)f->store,
		.before_ms = f->before_ms,
		.after_ms = f->after_ms };

	memcpy(l.before, f->before, sizeof(l.before));
	memcpy(l.after, f->after, sizeof(l.after));
	return journal_add_link(g->j, f->of, &l);
}

static int add_fact(struct judge *g, const struct fact *f, unsigned *readings_left)
{
	switch (f->kind) {
	case FACT_LINK:
		return add_link(g, f);
	case FACT_START:
		return 0; /* what started is told when it ends */
	default:
		return add_row(g, f, readings_left);
	}
}

/* ---- the spool ---- */

struct batch {
	struct fact *f;
	unsigned n;
};

static void batch_release(struct batch *b)
{
	free(b->f);
}

/* Not yet: the row must be on disk before a fact leaves the spool. */
static int collect(const struct fact *f, void *arg)
{
	struct batch *b = arg;

	if (b->n < BATCH)
		b->f[b->n++] = *f;
	return 1;
}

static int is_done(const struct fact *f, void *arg)
{
	const struct batch *b = arg;

	for (unsigned i = 0; i < b->n; i++)
		if (strcmp(b->f[i].id, f->id) == 0 && b->f[i].kind == f->kind)
			return 0;
	return 1;
}

static void tell_at_once(struct judge *g, const struct fact *f)
{
	struct evidence_list list = { 0 };
	struct journal_event ev;
	struct event_text text;
	struct verdict v = { .cause = CAUSE_UNKNOWN };

	if (f->kind != FACT_RISK && f->kind != FACT_HANG && f->kind != FACT_GUARD)
		return;
	judge_event(f, &list, &v, &text, &ev);
	judge_tell(g, f, &ev);
}

static int add_batch(struct judge *g, const struct batch *b)
{
	unsigned readings_left = WITH_READINGS;
	int r = journal_batch_begin(g->j);

	for (unsigned i = 0; i < b->n && r == 0; i++)
		r = add_fact(g, &b->f[i], &readings_left);
	if (r == 0)
		return journal_batch_commit(g->j);
	journal_batch_abort(g->j);
	return r;
}

/* 1: there was something. */
int judge_take(struct judge *g)
{
	autoput(batch_release) struct batch b = { calloc(BATCH, sizeof(*b.f)), 0 };
	int r;

	if (!b.f)
		return -ENOMEM;
	r = spool_drain(g->dirfd, collect, &b);
	if (r < 0 || b.n == 0)
		return r < 0 ? r : 0;
	r = add_batch(g, &b);
	if (r < 0)
		return r;
	r = spool_drain(g->dirfd, is_done, &b);
	for (unsigned i = 0; i < b.n; i++)
		tell_at_once(g, &b.f[i]);
	judge_tell_all(g);
	return r < 0 ? r : 1;
}

/* ---- the verdict ---- */

struct unfinished {
	struct fact *f;
	unsigned n;
	uint64_t now, next; /* next: when the earliest of the others is due */
};

static void unfinished_release(struct unfinished *u)
{
	free(u->f);
}

static int find_due(const struct journal_event *ev, void *arg)
{
	struct unfinished *u = arg;
	char line[LINE];

	if (ev->due_ms > u->now) {
		if (!u->next || ev->due_ms < u->next)
			u->next = ev->due_ms;
		return 0;
	}
	if (u->n == BATCH || strlen(ev->fact) >= sizeof(line))
		return 0;
	memcpy(line, ev->fact, strlen(ev->fact) + 1);
	if (fact_parse(line, &u->f[u->n]) < 0) {
		/* Whoever has changed it: it is final as it is. */
		memset(&u->f[u->n], 0, sizeof(u->f[u->n]));
		memcpy(u->f[u->n].id, ev->id, sizeof(ev->id));
	}
	u->n++;
	return 0;
}

static bool may_be_traced(const struct fact *f)
{
	return f->role.kind == KIND_EDITOR && !ended_well(f);
}

static int finish_one(struct judge *g, const struct fact *f, bool logs)
{
	bool late = g->now() >= f->real_ms + TRACES_MS || f->kind == FACT_MACHINE;
	struct evidence_list list = { 0 };
	struct journal_event ev;
	struct event_text text;
	struct verdict v;
	char line[LINE];
	int r = judge_relations(g->j, f, &list);

	if (r < 0)
		return r;
	/* The kernel has killed nobody who says how it ended itself. */
	if (!ended_well(f))
		(void)evidence_gather(&g->at, f,
			(f->status == FACT_EXITED ? 0 : FROM_KERNEL) | FROM_FILES |
				(logs ? FROM_LOGS : 0) | (late ? FROM_EDITOR : 0),
			&list);
	if (!logs && !ended_well(f)) {
		struct evidence e = { .what = EV_CLOSED,
			.text = "too much ended at once: the system's logs were not searched" };

		evidence_add(&list, &e);
	}
	cause_judge(f, &list, &v);
	judge_event(f, &list, &v, &text, &ev);
	if (!late && may_be_traced(f) && fact_line(f, line, sizeof(line)) > 0) {
		ev.fact = line;
		ev.due_ms = f->real_ms + TRACES_MS;
	}
	r = journal_complete(g->j, &ev);
	if (r == 0 && (!ev.fact || v.cause != CAUSE_UNKNOWN))
		judge_tell(g, f, &ev);
	return r;
}

/* Some in one transaction: each of its own would wait for the disk, and a machine that is short of
 * memory has a slow one. */
static int finish_some(
	struct judge *g, const struct unfinished *u, unsigned from, unsigned n, unsigned *logs_left)
{
	int r = journal_batch_begin(g->j);

	for (unsigned i = from; i < from + n && r == 0; i++) {
		const struct fact *f = &u->f[u->n - 1 - i];
		bool logs = f->role.kind == KIND_EDITOR || f->kind == FACT_MACHINE || *logs_left;

		if (logs && *logs_left)
			--*logs_left;
		r = finish_one(g, f, logs);
	}
	if (r == 0)
		r = journal_batch_commit(g->j);
	else
		journal_batch_abort(g->j);
	if (r < 0)
		judge_forget(g);
	else
		judge_tell_all(g);
	return r;
}

int judge_finish(struct judge *g, int64_t *ret_next_ms)
{
	autoput(unfinished_release) struct unfinished u = { .f = calloc(BATCH, sizeof(*u.f)),
		.now = g->now() };
	struct journal_filter filter = { .unfinished = true };
	unsigned logs_left = WITH_LOGS;
	int r = u.f ? journal_each(g->j, &filter, find_due, &u) : -ENOMEM;

	/* Newest first they came; what was first is judged first. */
	for (unsigned i = 0; i < u.n && r == 0; i += TOGETHER)
		r = finish_some(g, &u, i, u.n - i < TOGETHER ? u.n - i : TOGETHER, &logs_left);
	*ret_next_ms = u.n ? 0 : !u.next ? -1 : u.next > u.now ? (int64_t)(u.next - u.now) : 0;
	return r;
}

/* ---- the program ---- */

static uint64_t real_ms(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* One judge: it lives as long as this descriptor. -EBUSY */
static int take_lock(int dirfd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	autoclose int fd =
		openat(dirfd, "judge.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_OFD_SETLK, &l) < 0)
		return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	return take_fd(&fd);
}

static void forget_news(int fd)
{
	char p[4096];

	while (fd >= 0 && read(fd, p, sizeof(p)) > 0)
		;
}

static int watch_spool(int dirfd)
{
	autoclose int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/" DETECT_SPOOL, dirfd);
	if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY) < 0)
		return -errno;
	return take_fd(&fd);
}

static int work(struct judge *g)
{
	autoclose int news = watch_spool(g->dirfd);
	bool stayed = g->once || news < 0;

	for (;;) {
		struct pollfd p = { news, POLLIN, 0 };
		int64_t next = -1;
		int r, got;

		forget_news(news);
		got = judge_take(g);
		r = got < 0 ? got : judge_finish(g, &next);
		if (r < 0 || (next < 0 && got == 0 && stayed))
			return r;
		if (got || next == 0)
			continue;
		r = poll(&p, 1, next < 0 ? STAY_MS : news < 0 && next > 200 ? 200 : (int)next);
		stayed = g->once || news < 0 || (next < 0 && r == 0);
	}
}

static bool something_left(int dirfd)
{
	struct stat st;

	return fstatat(dirfd, DETECT_SPOOL, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0;
}

static int run(struct judge *g)
{
	bool renewed = false, again;
	int r;

	do {
		autoclose int lock = take_lock(g->dirfd);

		if (lock < 0)
			return lock == -EBUSY ? 0 : lock;
		r = journal_open(g->dirfd, true, &g->j);
		if (r == 0)
			r = work(g);
		if (r == 0)
			r = journal_trim(g->j, g->cfg->journal_quota);
		journal_close(g->j);
		g->j = NULL;
		/* A damaged page of old events must not hide the newest. */
		again = r == -EBADMSG && !renewed;
		if (again) {
			renewed = true;
			r = journal_renew(g->dirfd);
		}
		/* What came after our last look found us at work: it is ours. */
	} while (r == 0 && (again || something_left(g->dirfd)));
	if (g->once)
		judge_told(g);
	return r;
}

/* A list of the settings as the reader of traces takes it. */
static const char **list_of(const struct config_list *l)
{
	const char **p = calloc(l->n + 1, sizeof(*p));

	for (size_t i = 0; p && i < l->n; i++)
		p[i] = l->item[i];
	return p;
}

int cmd_judge(int argc, char **argv, const struct detect_settings *set)
{
	autofree const char **guard_logs = list_of(&set->cfg.guard_logs);
	autoclose int dirfd = -1;
	struct judge g = { .cfg = &set->cfg, .now = real_ms };
	int r;

	if (argc == 1 && strcmp(argv[0], "--help") == 0) {
		(void)puts("usage: " DETECT " judge [--once]\n\n"
			   "From what the monitor has noted to the journal. The monitor starts it.");
		return EXIT_DONE;
	}
	g.once = argc == 1 && strcmp(argv[0], "--once") == 0;
	if (argc > g.once) {
		log_error("usage: " DETECT " judge [--once]; the monitor starts it");
		return EXIT_USAGE;
	}
	dirfd = detect_state_dir();
	if (dirfd < 0) {
		detect_state_complain(dirfd);
		return EXIT_ENV;
	}
	g.dirfd = g.at.state_dirfd = dirfd;
	g.at.guard_logs = guard_logs;
	r = run(&g);
	if (r < 0) {
		(void)log_error_errno(r, "judge");
		return EXIT_ENV;
	}
	return EXIT_DONE;
}
