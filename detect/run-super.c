/* detect/run-super.c - the supervisor of a run; see run.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/evidence.h"
#include "detect/run-io.h"
#include "lib/auto.h"
#include "lib/ctl.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/text.h"

enum {
	SOON_MS = 50,    /* between two looks while it grows, */
	LATE_MS = 1000,  /* and at most */
	DRAIN_MS = 300,  /* output after its end that nobody closes */
	GRACE_MS = 5000, /* from SIGTERM to SIGKILL for its size */
	REST_MS = 1000,  /* the same for what it left behind */
	REGISTER_MS = 1000,
	LEARN_MS = 60000, /* a run that failed later than this has shown what it takes */
};

struct super {
	struct run_start *s;
	struct loop *loop;
	struct run_io io;
	struct scope scope;
	struct peak peak;
	struct machine_reader *reader;
	struct loop_timer *timer;
	uint64_t last_ram, step_ms, kill_at_ms;
	uint64_t oom_before, cg_before;
	bool tty[3];
	pid_t child; /* 0: it has ended */
	bool ended, quiet, over_limit, told_want;
	int status;
	struct rusage usage;
	char **argv;
};

static uint64_t real_ms(void)
{
	return (uint64_t)(text_now_ns() / 1000000);
}

static void kill_tree(struct super *u, int signo)
{
	u->peak.gpu_next_ms = 0; /* makes it look at all processes */
	peak_look(u->s->roots, &u->peak, getpid(), &u->scope, loop_now_ms(u->loop));
	for (unsigned i = 0; i < u->peak.n; i++)
		(void)kill(u->peak.pid[i], signo);
	for (unsigned i = 0; i < u->peak.n && signo == SIGTERM; i++)
		(void)kill(u->peak.pid[i], SIGCONT);
}

/* Before the act, so that whoever looks for the cause finds it. */
static void ledger(struct super *u, const char *action, const char *why)
{
	autoclose int fd = openat(u->s->state, DETECT_LEDGER,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	char line[320];
	int n = snprintf(line, sizeof(line), "%" PRIu64 "\t%d\t%" PRIu64 "\t%s\trun %s: %.200s\n",
		real_ms(), (int)u->s->run.pid.pid, u->s->run.pid.start, action, u->s->run.id, why);

	if (fd >= 0)
		(void)io_write_all(fd, line, (size_t)n);
}

static void ledger_limit(struct super *u, const char *action)
{
	char why[64], size[16];

	(void)snprintf(why, sizeof(why), "it took more than its limit of %s",
		text_size(u->s->plan.limit, size));
	ledger(u, action, why);
}

/* What its output told of its end: the monitor's judge has only the exit code. Once, as soon as both are known. */
static void ledger_want(struct super *u)
{
	static const char *const words[] = {
		[WANT_GPU] = "gpu", [WANT_SHM] = "shm", [WANT_RAM] = "allocation"
	};

	if (u->io.want == WANT_NONE || u->told_want || !u->ended ||
		(WIFEXITED(u->status) && WEXITSTATUS(u->status) == 0))
		return;
	u->told_want = true;
	ledger(u, words[u->io.want], u->io.want_line);
}

static void watch_limit(struct super *u, uint64_t now)
{
	uint64_t limit = u->s->plan.limit;

	if (u->kill_at_ms && now >= u->kill_at_ms) {
		u->kill_at_ms = now + GRACE_MS;
		ledger_limit(u, "kill");
		kill_tree(u, SIGKILL);
		return;
	}
	if (!limit || u->over_limit || u->s->run.in_force != MACHINE_NONE ||
		u->peak.now == MACHINE_NONE || u->peak.now <= limit)
		return;
	u->over_limit = true;
	u->kill_at_ms = now + GRACE_MS;
	ledger_limit(u, "term");
	run_io_say(&u->io, "it takes more than its limit: asked to end");
	kill_tree(u, SIGTERM);
}

static void on_look(struct loop *l, void *arg)
{
	struct super *u = arg;
	uint64_t now = loop_now_ms(l), was = u->last_ram;

	u->timer = NULL;
	peak_look(u->s->roots, &u->peak, getpid(), &u->scope, now);
	if (u->s->run.in_force == MACHINE_NONE && u->scope.kind == SCOPE_SYSTEMD) {
		scope_look(u->s->roots, &u->scope, u->child);
		u->s->run.in_force = scope_in_force(&u->scope);
	}
	watch_limit(u, now);
	run_io_tick(&u->io, now);
	u->last_ram = u->peak.now;
	u->step_ms = u->peak.now > was + was / 64 ? SOON_MS : u->step_ms * 2;
	if (u->step_ms > LATE_MS)
		u->step_ms = LATE_MS;
	(void)loop_add_timer(l, u->step_ms, on_look, u, &u->timer);
}

/* ---- starting it ---- */

struct ends {
	int terminal, out[2], err[2], report[2];
};

static int open_terminal(struct super *u, int *slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;
	char name[64];

	*slave = -1;
	if (master < 0)
		return -errno;
	if (grantpt(master) < 0 || unlockpt(master) < 0 || ptsname_r(master, name, sizeof(name)) ||
		(*slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
		(void)close(master);
		return -EIO;
	}
	/* The viewer's own terminal echoes what is typed and makes line ends of newlines. */
	if (tcgetattr(*slave, &t) == 0) {
		t.c_lflag &= ~(tcflag_t)ECHO;
		t.c_oflag &= ~(tcflag_t)OPOST;
		(void)tcsetattr(*slave, TCSANOW, &t);
	}
	for (int i = 0; i < 3; i++) {
		struct winsize w;

		if (u->tty[i] && ioctl(u->s->fd[i], TIOCGWINSZ, &w) == 0)
			(void)ioctl(master, TIOCSWINSZ, &w);
	}
	return master;
}

static void limit_data(const struct super *u)
{
	struct rlimit l = { u->s->plan.limit, u->s->plan.limit };

	/* What the kernel keeps for us needs no help. Half more: what is reserved is not all
	 * used. */
	if (!u->s->plan.limit || u->scope.kind != SCOPE_NONE)
		return;
	l.rlim_cur = l.rlim_max = u->s->plan.limit + u->s->plan.limit / 2;
	(void)setrlimit(RLIMIT_DATA, &l);
}

static void start_it(struct super *u)
{
	char memory[64], swap[] = "MemorySwapMax=0", unit[80];
	const char *words[24] = { "systemd-run", "--user", "--scope", "--quiet", "--collect",
		unit };
	unsigned n = 6, count = 0;
	char **all;

	if (u->scope.kind != SCOPE_SYSTEMD) {
		(void)execvp(u->argv[0], u->argv);
		return;
	}
	(void)snprintf(unit, sizeof(unit), "--unit=%s", u->scope.unit);
	if (u->s->plan.limit) {
		(void)snprintf(memory, sizeof(memory), "MemoryMax=%" PRIu64, u->s->plan.limit);
		words[n++] = "-p";
		words[n++] = memory;
		words[n++] = "-p";
		words[n++] = swap;
	}
	words[n++] = "--";
	while (u->argv[count])
		count++;
	all = calloc(n + count + 1, sizeof(*all));
	if (!all)
		return;
	memcpy(all, words, n * sizeof(*all));
	memcpy(all + n, u->argv, count * sizeof(*all));
	(void)execvp(all[0], all);
}

static void be_child(struct super *u, int slave, const struct ends *e)
{
	int in = u->tty[0] ? slave : u->s->fd[0];
	sigset_t none;
	int error;

	(void)setsid();
	if (slave >= 0)
		(void)ioctl(slave, TIOCSCTTY, 0);
	(void)dup2(in, 0);
	(void)dup2(u->tty[1] ? slave : e->out[1], 1);
	(void)dup2(u->tty[2] ? slave : e->err[1], 2);
	for (int i = 1; i < SIGRTMIN; i++)
		(void)signal(i, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 0);
	(void)scope_enter(&u->scope);
	limit_data(u);
	plan_environment(&u->s->plan, u->s->run.id, u->s->folder_path);
	plan_priorities(&u->s->plan);
	start_it(u);
	error = errno;
	(void)!write(e->report[1], &error, sizeof(error));
	_exit(error == ENOENT ? 127 : 126);
}

static void register_it(struct super *u)
{
	autoput(buf_release) struct buf req = BUF_INIT, answer = BUF_INIT;
	autoclose int dir = detect_run_dir();

	if (dir >= 0 && buf_printf(&req, "register\t%d\t%" PRIu64 "\t%s", (int)u->s->run.pid.pid,
				u->s->run.pid.start, u->s->run.id) == 0)
		(void)ctl_call(dir, DETECT_SOCKET, req.data, REGISTER_MS, &answer);
}

static void told_start(struct super *u)
{
	const struct run *r = &u->s->run;
	char text[600], scope[160], limit[16];

	(void)scope_name(&u->scope, scope, sizeof(scope));
	(void)snprintf(text, sizeof(text), "run %s: process %d%s%s, scope %s, %s%s", r->id,
		(int)r->pid.pid, r->tier ? ", tier " : "", r->tier ? r->tier : "", scope,
		!u->s->plan.limit             ? "no limit"
		: r->in_force != MACHINE_NONE ? "the kernel limits it to "
					      : "watched by us up to ",
		!u->s->plan.limit
			? ""
			: text_size(r->in_force != MACHINE_NONE ? r->in_force : u->s->plan.limit,
				  limit));
	run_io_say(&u->io, text);
}

static int make_ends(struct super *u, struct ends *e, int *slave)
{
	*e = (struct ends){ -1, { -1, -1 }, { -1, -1 }, { -1, -1 } };
	*slave = -1;
	if (u->tty[0] || u->tty[1] || u->tty[2]) {
		e->terminal = open_terminal(u, slave);
		if (e->terminal < 0)
			return e->terminal;
	}
	if ((!u->tty[1] && pipe2(e->out, O_CLOEXEC) < 0) ||
		(!u->tty[2] && pipe2(e->err, O_CLOEXEC) < 0) || pipe2(e->report, O_CLOEXEC) < 0)
		return -errno;
	return 0;
}

static void streams(struct super *u, struct ends *e)
{
	(void)close(e->report[1]);
	if (e->terminal >= 0) {
		u->io.terminal = e->terminal;
		run_io_stream(&u->io, e->terminal, u->tty[1] ? RUN_OUT : RUN_ERR);
	}
	if (e->out[0] >= 0) {
		(void)close(e->out[1]);
		run_io_stream(&u->io, e->out[0], RUN_OUT);
	}
	if (e->err[0] >= 0) {
		(void)close(e->err[1]);
		run_io_stream(&u->io, e->err[0], RUN_ERR);
	}
}

static uint64_t machine_oom(struct super *u)
{
	struct machine m;

	machine_clear(u->reader, &m);
	(void)machine_update(u->reader, MACHINE_COUNTERS, &m);
	return m.oom_kills;
}

static uint64_t start_of(pid_t pid)
{
	autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct proc p;

	return proc_read(procfd, pid, PROC_STAT, &p) == 0 ? p.id.start : 0;
}

/* Command line and tier of this attempt. */
static int describe(struct super *u)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct run *r = &u->s->run;
	int e;

	plan_free(u->argv);
	u->argv = NULL;
	e = plan_fill(&u->s->plan, u->s->folder, u->s->folder_path, &u->argv);
	if (e == 0)
		e = gate_words((const char *const *)u->argv, &b);
	if (e < 0)
		return e;
	free(r->command);
	r->command = buf_detach(&b, NULL);
	free(r->tier);
	r->tier = u->s->plan.tier ? strdup(u->s->plan.tier->name) : NULL;
	return 0;
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* One attempt. -errno: it could not be started, said. */
static int begin(struct super *u)
{
	struct run *r = &u->s->run;
	struct ends e;
	char text[300];
	int slave, error = 0, x = describe(u);

	if (x == 0)
		x = make_ends(u, &e, &slave);
	if (x < 0)
		return x;
	scope_choose(u->s->roots, u->s->plan.scope_wanted, r->id, u->s->plan.limit, &u->scope);
	peak_begin(u->s->roots, &u->peak);
	u->io.want = WANT_NONE;
	u->ended = u->quiet = u->over_limit = u->told_want = false;
	u->kill_at_ms = u->last_ram = 0;
	u->step_ms = SOON_MS;
	u->oom_before = machine_oom(u);
	u->cg_before = scope_oom_kills(&u->scope);
	/* It is born with the command's name: one that cannot be started never gets its own. */
	(void)prctl(PR_SET_NAME, base(u->argv[0]));
	u->child = fork();
	if (u->child == 0)
		be_child(u, slave, &e);
	(void)prctl(PR_SET_NAME, "detect-run");
	if (u->child < 0)
		return -errno;
	auto_close_(&slave);
	r->pid = (struct proc_id){ u->child, start_of(u->child) };
	r->running = true;
	r->in_force = scope_in_force(&u->scope);
	register_it(u);
	streams(u, &e);
	x = io_read_full(e.report[0], &error, sizeof(error)) == sizeof(error) ? -error : 0;
	(void)close(e.report[0]);
	scope_look(u->s->roots, &u->scope, u->child);
	if (u->scope.kind == SCOPE_SYSTEMD)
		r->in_force = scope_in_force(&u->scope);
	free(r->scope);
	r->scope = strdup(scope_name(&u->scope, text, sizeof(text)));
	(void)run_write(u->s->folder, r);
	if (x < 0) {
		(void)snprintf(text, sizeof(text), "%.200s: %s", u->argv[0], err_str(x));
		run_io_say(&u->io, text);
	} else {
		told_start(u);
	}
	return loop_add_timer(u->loop, SOON_MS, on_look, u, &u->timer);
}

/* ---- its end ---- */

static bool is_of_it(const struct super *u, pid_t pid)
{
	for (unsigned i = 0; i < u->peak.n; i++)
		if (u->peak.pid[i] == pid)
			return true;
	return pid == u->s->run.pid.pid;
}

/* The guard, or somebody with a command of ours: both write it down before they act. */
static void ask_ledger(struct super *u, struct ending *e)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	char *rest, *line;
	struct evidence ev;
	uint64_t start;

	if (io_read_file(u->s->state, DETECT_LEDGER, 1 << 20, &b) < 0)
		return;
	rest = b.data;
	while (rest && (line = ctl_next_line(&rest))) {
		if (!evidence_ledger_line(line, &start, &ev) || ev.what != EV_LEDGER ||
			ev.real_ms < u->s->run.began_ms || !is_of_it(u, ev.pid))
			continue;
		if (ev.orderly)
			(void)snprintf(e->by_hand, sizeof(e->by_hand), "%s", ev.who);
		else
			e->guarded = true;
	}
}

static bool moved(uint64_t before, uint64_t after)
{
	return before != MACHINE_NONE && after != MACHINE_NONE && after > before;
}

/* What the next gate is to know. */
static void learn(struct super *u, bool want, const char *cause)
{
	struct run *r = &u->s->run;
	struct learned l = {
		.ram = u->peak.ram, .shm = u->peak.shm, .gpu = u->peak.gpu, .at_least = want
	};
	char key[17];

	/* The largest process by itself, to the page, between two looks too. */
	if ((uint64_t)u->usage.ru_maxrss * 1024 > l.ram && u->peak.n <= 1 && l.ram)
		l.ram = l.ram / 100 * 102;
	r->peak = l;
	if (want && strstr(cause, "gpu")) {
		l.at_least = false;
		l.gpu = u->s->gpu_room && u->s->gpu_room != MACHINE_NONE
				? u->s->gpu_room / 100 * 105
				: l.gpu;
	} else if (want && r->in_force != MACHINE_NONE && r->in_force > l.ram) {
		l.ram = r->in_force;
	}
	if (!want && r->code != 0 && r->ended_ms - r->began_ms < LEARN_MS)
		return;
	learned_key(r->cwd, (const char *const *)u->argv, key);
	(void)learned_add(u->s->state, key, r->ended_ms, &l);
}

/* As the gate does it: a no is looked at closely. */
static bool fits(struct super *u, const struct need *n, struct room *room)
{
	struct holders h;

	if (gate_fits(n, room))
		return true;
	if (holders_take(u->s->roots, u->s->patterns, &room->m, &h) < 0)
		return false;
	room_reserve(room, &u->s->lim, h.editor);
	return gate_fits(n, room);
}

static bool step_down(struct super *u)
{
	struct run_plan *p = &u->s->plan;
	struct room room;
	struct need n;
	char text[128];

	if (!p->retries || !p->tier || (!plan_has(p, "{config}") && !plan_has(p, "{tier}")))
		return false;
	for (const struct tier *t = tier_below(p->tier); t; t = tier_below(t)) {
		need_of_tier(t, p->configs, &n);
		if (room_read(u->s->roots, &u->s->lim, n.gpu > 0, &room) < 0)
			return false;
		/* Without a GPU the tiers differ in memory alone. */
		if (room.gpu == MACHINE_NONE)
			n.gpu = 0;
		if (!fits(u, &n, &room))
			continue;
		p->tier = t;
		if (p->limit_of_tier)
			u->s->run.limit = p->limit = n.ram;
		p->retries--;
		u->s->run.attempt++;
		(void)snprintf(text, sizeof(text), "once more with tier %s", t->name);
		run_io_say(&u->io, text);
		return true;
	}
	return false;
}

static void sweep(struct super *u)
{
	const struct timespec step = { 0, 20000000 };

	kill_tree(u, SIGTERM);
	for (unsigned i = 0; u->peak.n && i < REST_MS / 20; i++) {
		(void)nanosleep(&step, NULL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		u->peak.gpu_next_ms = 0;
		peak_look(u->s->roots, &u->peak, getpid(), &u->scope, loop_now_ms(u->loop));
	}
	if (u->peak.n)
		kill_tree(u, SIGKILL);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void finish(struct super *u)
{
	struct run *r = &u->s->run;
	struct ending e = { .status = u->status,
		.want = u->io.want,
		.over_limit = u->over_limit,
		.limit = r->in_force != MACHINE_NONE ? r->in_force : u->s->plan.limit };
	const char *cause;
	char how[400], end[600];
	bool want, by_hand;

	loop_del_timer(u->loop, u->timer);
	u->timer = NULL;
	ledger_want(u);
	ask_ledger(u, &e);
	e.cgroup_oom =
		moved(u->cg_before == MACHINE_NONE ? 0 : u->cg_before, scope_oom_kills(&u->scope));
	e.machine_oom = moved(u->oom_before, machine_oom(u));
	(void)snprintf(e.line, sizeof(e.line), "%s", u->io.want_line);
	want = run_ending(&e, &cause, how, sizeof(how));
	by_hand = *e.by_hand && strcmp(cause, "terminated") == 0;
	if (WIFSIGNALED(u->status) || want)
		sweep(u);
	run_io_close_streams(&u->io);
	r->running = false;
	r->ended_ms = real_ms();
	r->signal = WIFSIGNALED(u->status) ? WTERMSIG(u->status) : -1;
	r->code = WIFSIGNALED(u->status) ? -1 : WEXITSTATUS(u->status);
	free(r->cause);
	free(r->how);
	free(r->by);
	r->cause = strdup(cause);
	r->how = strdup(how);
	r->by = by_hand ? strdup(e.by_hand) : NULL;
	learn(u, want, cause);
	scope_close(&u->scope);
	run_note_end(u->s, r, cause_unwanted(cause_from_name(cause)));
	if (by_hand || (want && strncmp(how, "exit", 4) != 0))
		run_io_say(&u->io, how);
	if (want && step_down(u) && begin(u) == 0)
		return;
	r->running = false;
	(void)run_write(u->s->folder, r);
	(void)snprintf(end, sizeof(end), "%c%d\t%d\t%s", RUN_END, r->code, r->signal, how);
	run_io_end(&u->io, end);
	loop_stop(u->loop, 0);
}

static void on_drained(struct loop *l, void *arg)
{
	(void)l;
	((struct super *)arg)->timer = NULL;
	finish(arg);
}

static void maybe_finish(struct super *u)
{
	if (!u->ended)
		return;
	loop_del_timer(u->loop, u->timer);
	/* From the loop, not from within a stream's own handler. */
	(void)loop_add_timer(u->loop, u->quiet ? 0 : DRAIN_MS, on_drained, u, &u->timer);
}

static void on_quiet(void *arg)
{
	struct super *u = arg;

	u->quiet = true;
	if (u->ended && u->timer)
		maybe_finish(u);
}

static void on_child(struct loop *l, int signo, void *arg)
{
	struct super *u = arg;
	struct rusage usage;
	int status;
	pid_t pid;

	(void)l;
	(void)signo;
	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		if (pid != u->child)
			continue; /* an orphan of its, that came to us */
		u->status = status;
		u->usage = usage;
		u->child = 0;
		u->ended = true;
		ledger_want(u);
		maybe_finish(u);
	}
}

static void forward(void *arg, int signo)
{
	struct super *u = arg;

	if (!u->child || signo <= 0 || signo >= SIGRTMIN)
		return;
	(void)kill(-u->child, signo);
	/* One that the guard has frozen shall hear it. */
	if (signo == SIGTERM || signo == SIGINT || signo == SIGQUIT || signo == SIGHUP)
		(void)kill(-u->child, SIGCONT);
}

static void on_signal(struct loop *l, int signo, void *arg)
{
	(void)l;
	forward(arg, signo);
}

static int prepare(struct super *u)
{
	int r = loop_new(&u->loop), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++)
		u->tty[i] = isatty(u->s->fd[i]);
	if (r == 0)
		r = run_io_open(&u->io, u->loop, u->s->folder, u->s->plan.log_max);
	u->io.on_signal = forward;
	u->io.on_quiet = on_quiet;
	u->io.arg = u;
	if (r == 0)
		r = machine_open(u->s->roots, &u->reader);
	if (r == 0)
		r = loop_add_signal(u->loop, SIGCHLD, on_child, u);
	if (r == 0)
		r = loop_add_signal(u->loop, SIGTERM, on_signal, u);
	if (r == 0)
		r = loop_add_signal(u->loop, SIGINT, on_signal, u);
	if (r == 0)
		run_io_viewer(&u->io, u->s->viewer);
	for (int i = 0; i < 3 && null >= 0; i++)
		(void)dup2(null, i);
	return r;
}

void run_supervise(struct run_start *s)
{
	static struct super u;
	char end[64];
	int r;

	u.s = s;
	(void)setsid();
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)prctl(PR_SET_NAME, "detect-run");
	s->run.super = (struct proc_id){ getpid(), start_of(getpid()) };
	s->run.attempt = 1;
	r = prepare(&u);
	if (r == 0)
		r = begin(&u);
	/* Of the terminal nothing is held any more; what is left of input is for another
	 * attempt. */
	for (int i = 0; i < 3; i++)
		if (i > 0 || u.tty[0]) {
			auto_close_(&s->fd[i]);
			s->fd[i] = -1;
		}
	if (r < 0) {
		run_io_say(&u.io, err_str(r));
		(void)snprintf(end, sizeof(end), "%c%d\t-1\t", RUN_END, EXIT_ENV);
		run_io_end(&u.io, end);
		_exit(EXIT_ENV);
	}
	(void)loop_run(u.loop);
	_exit(EXIT_DONE);
}
