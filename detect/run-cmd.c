/* detect/run-cmd.c - `detect run`: options, mode, gate, plan; see run.h. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/run.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/text.h"

struct options {
	struct gate_ask gate;
	struct run_plan plan;
	bool have_limit, have_nice, have_retry, quiet;
	char **split; /* training.command, cut up */
};

/* The original's three: how much to dare. */
static const struct mode {
	const char *name, *tier;
	int epochs, val_batches;
	unsigned nice;
	bool idle_io, limited;
} modes[] = {
	{ "light", "ultra-light", 1, 1, 19, true, true },
	{ "safe", "low", 2, 1, 10, false, true },
	{ "normal", "standard", 5, 2, 10, false, false },
};
enum { LIGHT, SAFE, NORMAL };

static int help(void)
{
	(void)puts(
		"usage: " DETECT " run [--mode light|safe|normal|auto] [--tier T] [--limit SIZE]\n"
		"           [--retry N] [--epochs N] [--val-batches N] [--nice N] [--threads N]\n"
		"           [--need SIZE] [--gpu-need SIZE] [--shm-need SIZE] [--config FILE]\n"
		"           [--force] [--no-snapshot] [-q] [[--] COMMAND...]\n"
		"\n"
		"Asks the gate, takes a snapshot, and starts COMMAND (training.command without\n"
		"one) so that it outlives this terminal and cannot take the editor along: a scope\n"
		"of its own, low priority, first in line when memory runs out. Its output is\n"
		"shown and kept. Exits as COMMAND does, with 128 + N for signal N.\n"
		"\n"
		"{config}, {tier}, {epochs} and {val_batches} in COMMAND are filled in, from\n"
		"  --mode   light: 1 epoch, ultra-light; safe: 2, low; normal: 5, standard;\n"
		"           auto: what the memory in use allows, and fits\n"
		"  --tier, --epochs, --val-batches   say otherwise\n"
		"--limit    the most memory it may take, kept by the kernel where that can be\n"
		"--retry N  after an end for want of memory, again with the next smaller tier\n"
		"--force    start against the gate's advice\n"
		"-q         say nothing but what COMMAND says\n"
		"\n"
		"`" DETECT " runs` lists them, `" DETECT " attach` shows one, `" DETECT
		" stop` ends them.\n"
		"Exit codes of its own: 1 refused, 2 usage, 4 could not be started.");
	return fflush(stdout) ? EXIT_ENV : EXIT_DONE;
}

/* ---- options ---- */

static int bad(const char *name, const char *value, const char *what)
{
	log_error("run: %s %s: not %s", name, value, what);
	return -EINVAL;
}

static int take_number(const char *name, const char *value, unsigned max, unsigned *ret)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || v > max) {
		log_error("run: %s %s: not a number from 0 to %u", name, value, max);
		return -EINVAL;
	}
	*ret = (unsigned)v;
	return 0;
}

static int take_size(const char *name, const char *value, uint64_t *ret)
{
	return need_size(value, ret) < 0 ? bad(name, value, "a size such as 500M, 6G") : 0;
}

static int take_mode(struct options *o, const char *value)
{
	bool known = strcmp(value, "auto") == 0;

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		known |= strcmp(value, modes[i].name) == 0;
	o->plan.mode = value;
	return known ? 0 : bad("--mode", value, "light, safe, normal or auto");
}

static int valued(struct options *o, const char *name, const char *value)
{
	struct need_ask *need = &o->gate.need;
	unsigned n = 0;
	int r = 0;

	if (strcmp(name, "--mode") == 0)
		return take_mode(o, value);
	if (strcmp(name, "--tier") == 0)
		return need->tier = value, 0;
	if (strcmp(name, "--config") == 0)
		return need->config = value, 0;
	if (strcmp(name, "--limit") == 0)
		return o->have_limit = true, take_size(name, value, &o->plan.limit);
	if (strcmp(name, "--need") == 0)
		return take_size(name, value, &need->ram);
	if (strcmp(name, "--gpu-need") == 0)
		return take_size(name, value, &need->gpu);
	if (strcmp(name, "--shm-need") == 0)
		return take_size(name, value, &need->shm);
	if (strcmp(name, "--retry") == 0)
		return o->have_retry = true, take_number(name, value, 4, &o->plan.retries);
	if (strcmp(name, "--nice") == 0)
		return o->have_nice = true, take_number(name, value, 19, &o->plan.nice);
	if (strcmp(name, "--threads") == 0)
		return take_number(name, value, 4096, &o->plan.threads);
	r = take_number(name, value, 1000000, &n);
	if (r == 0)
		*(strcmp(name, "--epochs") == 0 ? &o->plan.epochs : &o->plan.val_batches) = (int)n;
	return r;
}

static bool takes_value(const char *name)
{
	static const char *const all[] = { "--mode", "--tier", "--config", "--limit", "--need",
		"--gpu-need", "--shm-need", "--retry", "--nice", "--threads", "--epochs",
		"--val-batches" };

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (strcmp(name, all[i]) == 0)
			return true;
	return false;
}

static int flag(struct options *o, const char *name)
{
	if (strcmp(name, "--force") == 0)
		o->gate.force = true;
	else if (strcmp(name, "--no-snapshot") == 0)
		o->gate.snapshot = false;
	else if (strcmp(name, "-q") == 0 || strcmp(name, "--quiet") == 0)
		o->quiet = true;
	else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return 1;
	else
		return -EINVAL;
	return 0;
}

/* 1: help. */
static int parse(int argc, char **argv, struct options *o)
{
	char name[32];

	for (int i = 0; i < argc; i++) {
		const char *eq = strchr(argv[i], '='), *value = eq             ? eq + 1
								: i + 1 < argc ? argv[i + 1]
									       : NULL;
		size_t n = eq ? (size_t)(eq - argv[i]) : strlen(argv[i]);
		int r;

		/* as nice and env: the first word that is no option begins the command */
		if (strcmp(argv[i], "--") == 0 || argv[i][0] != '-') {
			o->plan.template = (const char *const *)(argv + i + (argv[i][0] == '-'));
			return 0;
		}
		(void)snprintf(name, sizeof(name), "%.*s",
			(int)(n < sizeof(name) ? n : sizeof(name) - 1), argv[i]);
		if (takes_value(name)) {
			if (!value) {
				log_error("run: %s: a value is missing", name);
				return -EINVAL;
			}
			r = valued(o, name, value);
			i += !eq;
		} else {
			r = flag(o, argv[i]);
			if (r == -EINVAL)
				log_error("run: %s: no such option; " DETECT
					  " run --help lists them",
					argv[i]);
		}
		if (r != 0)
			return r;
	}
	return 0;
}

/* ---- settings, mode, tier ---- */

static void from_settings(struct options *o, const struct config *c, uint64_t ncpu)
{
	struct run_plan *p = &o->plan;

	if (!p->threads)
		p->threads = c->run_threads ? (unsigned)c->run_threads
					    : (unsigned)(ncpu / 2 ? ncpu / 2 : 1);
	if (!o->have_nice)
		p->nice = (unsigned)c->run_nice;
	if (!o->have_limit)
		p->limit = c->run_limit;
	if (!o->have_retry)
		p->retries = (unsigned)c->run_retry;
	p->oom_score_adj = c->run_oom_score_adj;
	p->alloc = c->run_alloc;
	p->scope_wanted = c->run_scope;
	p->log_max = c->run_log;
	p->keep = (unsigned)c->run_keep;
	p->configs = c->training_configs;
}

/* What the memory in use allows; NULL: nothing. */
static const struct mode *mode_by_status(const struct room *room)
{
	uint64_t total = room->m.total,
		 used = total > room->m.available ? total - room->m.available : 0;
	unsigned percent = total ? (unsigned)(used * 100 / total) : 0;

	return percent < 60   ? &modes[NORMAL]
	       : percent < 70 ? &modes[SAFE]
	       : percent < 80 ? &modes[LIGHT]
			      : NULL;
}

static const struct tier *fitting(
	const struct tier *t, const struct room *room, const char *configs)
{
	for (; t; t = tier_below(t)) {
		struct need n;

		need_of_tier(t, configs, &n);
		if (gate_fits(&n, room))
			return t;
	}
	return NULL;
}

static int take_tier_of_mode(struct options *o, const struct room *room)
{
	const struct mode *m = NULL;
	bool automatic = strcmp(o->plan.mode, "auto") == 0;

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (strcmp(o->plan.mode, modes[i].name) == 0)
			m = &modes[i];
	if (automatic)
		m = mode_by_status(room);
	if (!m && !o->gate.force) {
		log_error("run: memory is used to 80 %% and more: nothing is safe to start; " DETECT
			  " clean, "
			  "close what is large, then again");
		return -EBUSY;
	}
	if (!m)
		m = &modes[LIGHT];
	if (!o->gate.need.tier) {
		const struct tier *t = tier_find(room->gpu == MACHINE_NONE ? "cpu" : m->tier),
				  *less;

		assert(t); /* each mode names one of config/memory_optimized */
		less = automatic ? fitting(t, room, o->plan.configs) : t;
		o->gate.need.tier = (less ? less : t)->name;
	}
	if (o->plan.epochs < 0)
		o->plan.epochs = m->epochs;
	if (o->plan.val_batches < 0)
		o->plan.val_batches = m->val_batches;
	if (!o->have_nice)
		o->plan.nice = m->nice;
	o->plan.idle_io = m->idle_io;
	if (m->limited && !o->have_limit && !o->plan.limit) {
		struct need n;

		need_of_tier(
			tier_find(o->gate.need.tier) ? tier_find(o->gate.need.tier) : &tiers[0],
			o->plan.configs, &n);
		o->plan.limit = n.ram;
		o->plan.limit_of_tier = true;
	}
	return 0;
}

/* A mode that promises a short training is to say where the command does not know of it. */
static void warn_whole(const struct options *o)
{
	static const char *const all[] = { "{epochs}", "{val_batches}", "{config}", "{tier}" };
	const char *mode = o->plan.mode;

	if (!mode || (strcmp(mode, "light") != 0 && strcmp(mode, "safe") != 0))
		return;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (plan_has(&o->plan, all[i]))
			return;
	log_warn("run: the command has no {epochs}: it runs as it is, for as long as it does without --mode; "
		 "only its priority and limit are of %s", mode);
}

static int settle(struct options *o, const struct detect_settings *set)
{
	struct gate_limits lim;
	struct room room;
	int r;

	gate_limits(&set->cfg, &lim);
	r = room_read(&roots_real, &lim, o->plan.mode != NULL, &room);
	if (r < 0)
		return r;
	from_settings(o, &set->cfg, room.m.ncpu);
	if (!o->plan.template && set->cfg.training_command) {
		r = plan_split(set->cfg.training_command, &o->split);
		if (r < 0) {
			log_error("run: training.command: a quote is not closed");
			return -EINVAL;
		}
		o->plan.template = (const char *const *)o->split;
	}
	if (!o->plan.template || !o->plan.template[0]) {
		log_error("run: no command: it follows --, or is the setting training.command");
		return -EINVAL;
	}
	r = o->plan.mode ? take_tier_of_mode(o, &room) : 0;
	if (r < 0)
		return r;
	warn_whole(o);
	o->plan.tier = o->gate.need.tier ? tier_find(o->gate.need.tier) : NULL;
	if (!o->plan.tier && (plan_has(&o->plan, "{config}") || plan_has(&o->plan, "{tier}")) &&
		!o->gate.need.tier) {
		log_error("run: {config} and {tier} need --tier or --mode");
		return -EINVAL;
	}
	return 0;
}

/* ---- the gate, the start ---- */

static int ask(
	struct options *o, const struct detect_settings *set, char **argv, struct gate_answer *a)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r;

	o->gate.need.argv = (const char *const *)argv;
	r = gate_take(&roots_real, set, &o->gate, a);
	if (r < 0)
		return r == -EINVAL ? EXIT_USAGE : EXIT_ENV;
	if (a->verdict.allowed && o->quiet)
		return EXIT_DONE;
	if (gate_text(a, &b) == 0 && b.data)
		(void)fputs(b.data, stderr);
	if (a->verdict.allowed || a->forced)
		return EXIT_DONE;
	launch_note(a, "refused", NULL, NULL);
	return EXIT_NO;
}

static int make_folder(struct run_start *s)
{
	char link[64], hex[17];
	ssize_t n;

	io_random_hex(hex);
	(void)snprintf(s->run.id, sizeof(s->run.id), "%.8s", hex);
	s->folder = run_folder(s->state, s->run.id, true);
	if (s->folder < 0)
		return s->folder;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", s->folder);
	n = readlink(link, s->folder_path, sizeof(s->folder_path) - 1);
	if (n < 0)
		return -errno;
	s->folder_path[n] = '\0';
	return 0;
}

static char *copy(const char *s)
{
	return s && *s ? strdup(s) : NULL;
}

static void fill_record(struct run_start *s, const struct gate_answer *a)
{
	struct run *r = &s->run;

	r->running = true;
	r->code = r->signal = -1;
	r->began_ms = (uint64_t)(text_now_ns() / 1000000);
	r->cwd = getcwd(NULL, 0);
	r->mode = copy(s->plan.mode);
	r->workspace = copy(a->workspace);
	r->snapshot = copy(a->snapshot);
	r->limit = s->plan.limit;
	r->in_force = MACHINE_NONE;
	r->need = a->need.ram;
	s->gpu_room = a->room.gpu;
}

/* What it inherits of us: the first three, above the rest. */
static int keep_descriptors(struct run_start *s)
{
	for (int i = 0; i < 3; i++) {
		s->fd[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
		if (s->fd[i] < 0)
			s->fd[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (s->fd[i] < 0)
			return -errno;
	}
	return 0;
}

static int launch(struct run_start *s, bool quiet)
{
	char log[1300];
	bool input = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	int pair[2], r = keep_descriptors(s);
	pid_t pid;

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		(void)close(pair[0]);
		s->viewer = pair[1];
		run_supervise(s);
	}
	(void)close(pair[1]);
	for (int i = 0; i < 3; i++)
		(void)close(s->fd[i]);
	(void)snprintf(log, sizeof(log), "%s/log", s->folder_path);
	log_set_level(quiet ? LOG_WARN : LOG_INFO);
	return run_view(pair[0], s->run.id, input, log);
}

static int start(struct options *o, const struct detect_settings *set)
{
	static struct gate_answer answer;
	struct run_start s = {
		.plan = o->plan, .roots = &roots_real, .patterns = &set->patterns, .gate = &answer
	};
	autoclose int state = detect_state_dir();
	char **argv = NULL;
	int r;

	gate_limits(&set->cfg, &s.lim);
	s.state = state;
	r = state < 0 ? state : make_folder(&s);
	if (r == 0)
		r = plan_fill(&o->plan, s.folder, s.folder_path, &argv);
	if (r < 0) {
		(void)log_error_errno(r, "run: the state folder (HOLDFAST_STATE names another)");
		return EXIT_ENV;
	}
	r = ask(o, set, argv, &answer);
	if (r != EXIT_DONE) {
		(void)run_remove(state, s.run.id);
		return r;
	}
	(void)run_prune(state, o->plan.keep);
	fill_record(&s, &answer);
	launch_note(&answer, "started", NULL, NULL);
	r = launch(&s, o->quiet);
	run_release(&s.run);
	if (r < 0)
		(void)log_error_errno(r, "run");
	return r < 0 ? EXIT_ENV : r;
}

/* A run is begun where we stand, which may have been deleted. */
static bool is_somewhere(void)
{
	autofree char *cwd = getcwd(NULL, 0);

	if (!cwd)
		log_error("run: the current folder is gone; cd to one that is there");
	return cwd != NULL;
}

int cmd_run(int argc, char **argv, const struct detect_settings *set)
{
	struct options o = { .gate = { .snapshot = true } };
	int r;

	o.gate.need.ram = o.gate.need.gpu = o.gate.need.shm = MACHINE_NONE;
	o.plan.epochs = o.plan.val_batches = -1;
	r = parse(argc, argv, &o);
	if (r == 1)
		return help();
	if (r == 0)
		r = settle(&o, set);
	if (r == 0 && !is_somewhere())
		r = EXIT_ENV;
	else if (r == 0)
		r = start(&o, set);
	else if (r == -EBUSY)
		r = EXIT_NO;
	else
		r = r == -EINVAL ? EXIT_USAGE : EXIT_ENV;
	plan_free(o.split);
	return r;
}
