/* The settings, resolved, as lines on a descriptor; then this process is the monitor. */
#include "detect/core_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "detect/detect.h"
#include "lib/auto.h"
#include "lib/become.h"
#include "lib/ctl.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/names.h"

enum { STOP_MS = 5000 };

struct options {
	const char *log_dir;
	bool dry_run;
	int verbose;
	bool stop, check, by_snapd;
};

static int usage(const char *command, const char *rest)
{
	log_error("usage: " DETECT " %s%s", command, rest);
	return EXIT_USAGE;
}

/* Wherever it stands: who asks for help wants nothing started. */
static bool wants_help(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

static int help(const char *text)
{
	return puts(text) < 0 || fflush(stdout) ? EXIT_ENV : EXIT_DONE;
}

static int add_lines(struct buf *b, const char *name, const char *const *list)
{
	int r = 0;

	/* The kernel's file names may hold newlines, patterns of ours not. */
	for (; r == 0 && list && *list; list++)
		if (!strchr(*list, '\n'))
			r = buf_printf(b, "%s=%s\n", name, *list);
	return r;
}

static int add_limits(struct buf *b, const struct risk_limits *l)
{
	return buf_printf(b,
		"mem_medium=%" PRIu64 "\nmem_critical=%" PRIu64 "\nswap=%" PRIu64 "\ngpu=%" PRIu64
		"\nshm=%" PRIu64 "\ncpu=%" PRIu64 "\npsi_medium=%" PRIu64 "\npsi_critical=%" PRIu64
		"\nfamily_bytes=%" PRIu64 "\ndisk_free=%" PRIu64 "\nwarn_left_ms=%" PRIu64
		"\ncalm_points=%" PRIu64 "\ncalm_ms=%" PRIu64 "\n",
		l->mem_medium, l->mem_critical, l->swap, l->gpu, l->shm, l->cpu, l->psi_medium,
		l->psi_critical, l->family_bytes, l->disk_free, l->warn_left_ms, l->calm_points,
		l->calm_ms);
}

static int add_guard(struct buf *b, const struct detect_settings *set, bool dry_run)
{
	const struct config *c = &set->cfg;
	int r = buf_printf(b,
		"guard=%s\nguard_ask=%" PRIu64 "\nguard_freeze=%d00\nguard_min=%" PRIu64
		"\nguard_hold=%" PRIu64 "\nguard_grace=%" PRIu64 "\n",
		!c->guard ? "off" : dry_run ? "dry-run" : "on", 10000 - set->limits.mem_critical,
		c->guard_freeze, c->guard_min, c->guard_hold, c->guard_grace);

	for (size_t i = 0; r == 0 && i < c->guard_spare.n; i++)
		if (!strchr(c->guard_spare.item[i], '\n'))
			r = buf_printf(b, "guard_spare=%s\n", c->guard_spare.item[i]);
	return r;
}

static int add_all(struct buf *b, const struct detect_settings *set, const struct options *opt)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int r = add_limits(b, &set->limits);

	if (r == 0)
		r = add_lines(b, "training", set->patterns.training);
	if (r == 0)
		r = add_lines(b, "not_training", set->patterns.not_training);
	if (r == 0)
		r = add_lines(b, "editor", set->patterns.editors);
	if (r == 0)
		r = buf_printf(b, "sample_ms=%" PRIu64 "\n", set->cfg.sample_ms);
	if (r == 0)
		r = add_guard(b, set, opt->dry_run);
	if (r == 0 && n > 0 && !memchr(self, '\n', (size_t)n))
		r = buf_printf(b, "core=%.*s\n", (int)n, self);
	if (r == 0 && opt->log_dir)
		r = buf_printf(b, "log_dir=%s\n", opt->log_dir);
	if (r == 0 && opt->by_snapd)
		r = buf_addstr(b, "by_hand=no\n");
	return r;
}

static int settings_fd(const struct detect_settings *set, const struct options *opt)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	autoclose int fd = memfd_create("settings", 0);
	int r = fd < 0 ? -errno : add_all(&b, set, opt);

	if (r == 0)
		r = io_write_all(fd, b.data, b.len);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? r : take_fd(&fd);
}

static bool parse(int argc, char **argv, struct options *opt)
{
	for (int i = 0; i < argc; i++) {
		/* A folder of such a name is meant by --log-dir=--name, or by ./--name. */
		if (strcmp(argv[i], "--log-dir") == 0 && i + 1 < argc && *argv[i + 1] != '-')
			opt->log_dir = argv[++i];
		else if (strncmp(argv[i], "--log-dir=", 10) == 0)
			opt->log_dir = argv[i] + 10;
		else if (strcmp(argv[i], "--dry-run") == 0)
			opt->dry_run = true;
		else if (strcmp(argv[i], "-v") == 0 || strcmp(argv[i], "--verbose") == 0)
			opt->verbose++;
		else if (strcmp(argv[i], "--stop") == 0)
			opt->stop = true;
		else if (strcmp(argv[i], "--check") == 0)
			opt->check = true;
		else if (strcmp(argv[i], "--by-snapd") == 0) /* snapd/news.c says so */
			opt->by_snapd = true;
		else
			return false;
	}
	if (opt->stop || opt->check)
		return argc == 1;
	return !opt->log_dir || (*opt->log_dir && !strchr(opt->log_dir, '\n'));
}

/* 1: none runs. */
static int stop(void)
{
	autoput(buf_release) struct buf answer = BUF_INIT;
	autoclose int dir = detect_run_dir();
	int r = dir < 0 ? dir : ctl_call(dir, DETECT_SOCKET, "stop", STOP_MS, &answer);

	if (r == -ENOENT || r == -ECONNREFUSED) {
		log_warn("watch: no monitor runs");
		return EXIT_NO;
	}
	if (r < 0) {
		(void)log_error_errno(r, "watch: the monitor does not answer");
		return EXIT_ENV;
	}
	return EXIT_DONE;
}

int cmd_watch(int argc, char **argv, const struct detect_settings *set)
{
	struct options opt = { 0 };
	char number[16], name[] = "detect-watch", fd_option[] = "--settings-fd", v[] = "-v";
	char *args[] = { name, fd_option, number, NULL, NULL, NULL };
	int fd;

	if (wants_help(argc, argv))
		return help("usage: " DETECT " watch [--log-dir DIR] [--dry-run] [-v] | --stop\n\n"
			    "The monitor, one a user, in the foreground: tells how editors and training end,\n"
			    "and the risk. " SNAPD " starts it by itself (detect.autostart).\n\n"
			    "  --dry-run      the guard says what it would do to training, and does nothing\n"
			    "  --log-dir DIR  samples.jsonl and events.jsonl there, a JSON object a line\n"
			    "  -v             say more; twice: what is found\n"
			    "  --stop         end the one that runs; 1: none runs");
	if (!parse(argc, argv, &opt))
		return usage("watch", " [--log-dir DIR] [--dry-run] [-v] | --stop");
	if (opt.stop)
		return stop();
	if (opt.check) /* the settings were read: a monitor asks before it reads them again */
		return EXIT_DONE;
	fd = settings_fd(set, &opt);
	if (fd < 0) {
		(void)log_error_errno(fd, "watch: settings");
		return EXIT_ENV;
	}
	(void)snprintf(number, sizeof(number), "%d", fd);
	for (int i = 0; i < opt.verbose && i < 2; i++)
		args[3 + i] = v;
	return become("detect-watch", args);
}
