/* detect/stop.c - see the header. */
#include "detect/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/evidence.h"
#include "detect/json.h"
#include "detect/run.h"
#include "detect/survey.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/text.h"

enum { TARGETS = 1024, GRACE_MS = 2000, KILL_MS = 1000 };

struct target {
	struct proc_id id;
	int pidfd;
	uint64_t bytes;
	char name[SURVEY_NAME];
	bool gone, killed;
};

struct stop {
	const struct roots *roots;
	int procfd, ledger;
	bool dry, json, all, runs_only;
	uint64_t grace_ms;
	struct target t[TARGETS];
	unsigned n;
	struct proc proc;
};

static uint64_t now_ms(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* We, and whoever started us, are no training, whatever they are called. */
static bool is_above_us(const struct stop *s, pid_t pid)
{
	struct proc p = { .ppid = getpid() };

	for (unsigned i = 0; i < 64 && p.ppid > 1; i++) {
		pid_t at = p.ppid;

		if (at == pid)
			return true;
		if (proc_read(s->procfd, at, PROC_STAT, &p) < 0)
			return false;
	}
	return false;
}

/* pid and start, as they were read; held from here on. */
static void add(struct stop *s, pid_t pid, uint64_t start, const char *name)
{
	struct target *t = &s->t[s->n];
	struct proc *p = &s->proc;

	for (unsigned i = 0; i < s->n; i++)
		if (s->t[i].id.pid == pid)
			return;
	if (s->n == TARGETS || is_above_us(s, pid))
		return;
	t->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* The number may be another's by now: what the handle holds is what is looked at. */
	if (t->pidfd < 0)
		return;
	if (proc_read(s->procfd, pid, PROC_STAT, p) < 0 || (start && p->id.start != start) ||
		p->uid != geteuid() || p->state == 'Z') {
		(void)close(t->pidfd);
		return;
	}
	t->id = p->id;
	t->bytes = p->rss;
	t->gone = t->killed = false;
	(void)snprintf(t->name, sizeof(t->name), "%s", name ? name : p->comm);
	s->n++;
}

static int add_run(struct run *r, int folder, void *arg)
{
	static struct peak tree;
	struct stop *s = arg;
	struct scope none = { .fd = -1 };

	(void)folder;
	if (!r->running || r->lost)
		return 0;
	add(s, r->pid.pid, r->pid.start, NULL);
	tree.gpu_next_ms = UINT64_MAX; /* no GPU library is loaded for this */
	peak_look(s->roots, &tree, r->super.pid, &none, 0);
	for (unsigned i = 0; i < tree.n; i++)
		add(s, tree.pid[i], 0, NULL);
	return 0;
}

/* Tests: other tests' trainings are not theirs to end. */
static bool is_meant(const struct stop *s, pid_t pid)
{
	const char *below = getenv("HOLDFAST_WATCH_BELOW");
	char exe[PROC_EXE];

	return !below || (proc_exe(s->procfd, pid, exe) == 0 && strncmp(exe, below, strlen(below)) == 0);
}

static int find(struct stop *s, const struct role_patterns *pat)
{
	autoclose int state = detect_state_dir_if_any();
	struct survey v;
	int r;

	if (state >= 0)
		(void)run_each(state, add_run, s);
	if (s->runs_only)
		return 0;
	r = survey_take(s->roots, pat, 0, &v);
	for (unsigned i = 0; r == 0 && i < v.n; i++) {
		const struct survey_proc *p = &v.proc[i];

		if (p->role.kind == KIND_TRAINING && p->uid == geteuid() &&
			is_meant(s, p->id.pid) &&
			(s->all || v.proc[p->head].role.role != ROLE_KERNEL))
			add(s, p->id.pid, p->id.start, p->name);
	}
	if (r == 0)
		survey_release(&v);
	return r;
}

static void ledger(const struct stop *s, const struct target *t, const char *action)
{
	char line[160];
	int n = snprintf(line, sizeof(line), "%" PRIu64 "\t%d\t%" PRIu64 "\t%s\t" DETECT " stop\n",
		(uint64_t)(text_now_ns() / 1000000), (int)t->id.pid, t->id.start, action);

	if (s->ledger >= 0)
		(void)io_write_all(s->ledger, line, (size_t)n);
}

static void signal_all(struct stop *s, int signo, const char *action)
{
	for (unsigned i = 0; i < s->n; i++) {
		struct target *t = &s->t[i];

		if (t->gone)
			continue;
		ledger(s, t, action);
		t->killed = signo == SIGKILL;
		(void)syscall(SYS_pidfd_send_signal, t->pidfd, signo, NULL, 0);
		if (signo != SIGKILL)
			(void)syscall(SYS_pidfd_send_signal, t->pidfd, SIGCONT, NULL, 0);
	}
}

/* How many are left when all are gone or the time is over. */
static unsigned wait_for(struct stop *s, uint64_t ms)
{
	uint64_t until = now_ms() + ms;

	for (;;) {
		struct pollfd f[TARGETS];
		unsigned n = 0;
		uint64_t now = now_ms();

		for (unsigned i = 0; i < s->n; i++) {
			struct pollfd one = { s->t[i].pidfd, POLLIN, 0 };

			if (!s->t[i].gone && poll(&one, 1, 0) > 0)
				s->t[i].gone = true;
			if (!s->t[i].gone)
				f[n++] = one;
		}
		if (!n || now >= until)
			return n;
		(void)poll(f, n, (int)(until - now));
	}
}

static uint64_t available(const struct stop *s)
{
	struct machine_reader *reader;
	struct machine m;

	if (machine_open(s->roots, &reader) < 0)
		return MACHINE_NONE;
	machine_clear(reader, &m);
	(void)machine_update(reader, MACHINE_MEMORY, &m);
	machine_close(reader);
	return m.available;
}

static const char *word(const struct stop *s, const struct target *t)
{
	return s->dry      ? "would be ended"
	       : !t->gone  ? "still there"
	       : t->killed ? "killed"
			   : "ended";
}

static int report(const struct stop *s, uint64_t before, uint64_t after, struct buf *b)
{
	char size[16], x[16], y[16];
	int r = 0;

	for (unsigned i = 0; i < s->n && r == 0; i++) {
		const struct target *t = &s->t[i];

		if (s->json) {
			r = buf_addch(b, '{');
			r = r < 0 ? r : json_field(b, "pid", (uint64_t)t->id.pid);
			r = r < 0 ? r : json_field_string(b, "name", t->name);
			r = r < 0 ? r : json_field(b, "bytes", t->bytes);
			r = r < 0 ? r : json_field_string(b, "result", word(s, t));
			r = r < 0 ? r : buf_addstr(b, "}\n");
			continue;
		}
		r = text_quote_name(b, t->name, strlen(t->name));
		r = r < 0 ? r
			  : buf_printf(b, ", process %d, %s: %s\n", (int)t->id.pid,
				    text_size(t->bytes, size), word(s, t));
	}
	if (r == 0 && !s->json && before != MACHINE_NONE && after != MACHINE_NONE)
		r = buf_printf(b, "memory available: %s, before %s\n", text_size(after, x),
			text_size(before, y));
	return r;
}

static int help(void)
{
	(void)puts("usage: " DETECT " stop [--dry-run] [--grace TIME] [--all] [--json]\n\n"
		   "Ends training now: runs of " DETECT
		   " run, and what is training by its name, of\n"
		   "this user; at once, without a question. Editors, shells and other programs are\n"
		   "never touched. Works from a text console while the editor is frozen.\n\n"
		   "  --dry-run      say what would be ended\n"
		   "  --grace TIME   from SIGTERM to SIGKILL, 2s\n"
		   "  --all          notebook kernels too\n"
		   "  --json         one object a process\n\n"
		   "Exit codes: 0 ended, 1 nothing to end, 2 usage, 3 some are still there.");
	return fflush(stdout) ? EXIT_ENV : EXIT_DONE;
}

static int refuse(const char *word, const char *value, const char *why)
{
	log_error("stop: %s%s%s: %s; " DETECT " stop --help lists what there is", word,
		*value ? " " : "", value, why);
	return -EINVAL;
}

/* 1: help. */
static int parse(int argc, char **argv, struct stop *s)
{
	s->grace_ms = GRACE_MS;
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--dry-run") == 0 || strcmp(argv[i], "-n") == 0)
			s->dry = true;
		else if (strcmp(argv[i], "--all") == 0)
			s->all = true;
		else if (strcmp(argv[i], "--json") == 0)
			s->json = true;
		else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return 1;
		else if (strcmp(argv[i], "--grace") == 0 && i + 1 < argc &&
			 text_parse_duration_ms(argv[i + 1], &s->grace_ms) == 0 &&
			 s->grace_ms <= 600000)
			i++;
		else if (strcmp(argv[i], "--grace") == 0)
			return refuse("--grace", argv[i + 1] ? argv[i + 1] : "",
				"not a time up to 10m such as 2s");
		else
			return refuse(argv[i], "", "no such option");
	}
	return 0;
}

static int run(struct stop *s, const struct role_patterns *pat)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	autoclose int procfd = open(s->roots->proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int state = s->dry ? -1 : detect_state_dir(), book = -1;
	uint64_t before, after = MACHINE_NONE;
	unsigned left = 0;
	int r;

	s->procfd = procfd;
	r = procfd < 0 ? -errno : find(s, pat);
	if (r < 0) {
		(void)log_error_errno(r, "%s", s->roots->proc);
		return EXIT_ENV;
	}
	if (!s->n && s->runs_only) {
		log_error("stop: no `" DETECT " run` is there; other trainings were not looked for");
		return EXIT_USAGE;
	}
	if (!s->n) {
		log_warn("stop: no training runs");
		return EXIT_NO;
	}
	before = available(s);
	if (state >= 0)
		book = openat(state, DETECT_LEDGER,
			O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	s->ledger = book;
	if (!s->dry) {
		signal_all(s, SIGTERM, "term");
		if (wait_for(s, s->grace_ms)) {
			signal_all(s, SIGKILL, "kill");
			left = wait_for(s, KILL_MS);
		}
		after = available(s);
	}
	if (report(s, before, after, &b) < 0 || (b.len && fwrite(b.data, 1, b.len, stdout) != b.len) ||
		fflush(stdout))
		return EXIT_ENV;
	return left ? EXIT_PART : EXIT_DONE;
}

int cmd_stop(int argc, char **argv, const struct detect_settings *set)
{
	static struct stop s;
	int r = parse(argc, argv, &s);

	if (r == 1)
		return help();
	if (r < 0)
		return EXIT_USAGE;
	/* The machine may be short of memory: what we need stays. */
	(void)mlockall(MCL_CURRENT | MCL_FUTURE);
	s.roots = &roots_real;
	/* What is no training by its name (detect.notTraining) is not known then. */
	s.runs_only = set->broken;
	if (s.runs_only)
		log_warn("stop: with broken settings only what `" DETECT " run` started is ended");
	return run(&s, &set->patterns);
}
