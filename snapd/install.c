#include "install.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../detect/detect.h"
#include "../hooks/hooks.h"
#include "../lib/auto.h"
#include "../lib/ctl.h"
#include "../lib/err.h"
#include "../lib/hint.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../store/store.h"
#include "client.h"
#include "permit.h"
#include "settings.h"

enum { MONITOR_MS = 5000, END_MS = 2000 };

struct place {
	struct buf workspace, store;
	struct config cfg;
};

static void place_release(struct place *p)
{
	buf_release(&p->workspace);
	buf_release(&p->store);
	config_release(&p->cfg);
}

static int find_place(const struct options *opt, struct place *p)
{
	int r = store_canonical(opt->workspace[0], &p->workspace);

	if (r < 0) {
		(void)log_error_errno(r, "%s", opt->workspace[0]);
		return EXIT_ENV;
	}
	if (settings_load(&p->cfg, p->workspace.data) < 0)
		return EXIT_USAGE;
	r = store_place(p->workspace.data, opt->store, p->cfg.store_dir, &p->store);
	if (r < 0)
		(void)log_error_errno(r, "%s: no place for its store", p->workspace.data);
	return r < 0 ? EXIT_ENV : EXIT_DONE;
}

bool install_is(enum mode m)
{
	return m == MODE_INSTALL || m == MODE_UNINSTALL || m == MODE_START || m == MODE_COMPLETION;
}

static int completion(const char *shell)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	if (hooks_completion(shell, &b) < 0) {
		log_error("%s: no such shell; bash, zsh, fish are", shell);
		return EXIT_USAGE;
	}
	return fputs(b.data, stdout) < 0 || fflush(stdout) < 0 ? EXIT_ENV : EXIT_DONE;
}

/* The monitor that a snapd started serves all of them: the last that goes takes it along. One that
 * was started by hand stays. */
static void stop_monitor(void)
{
	autoput(buf_release) struct buf answer = BUF_INIT;
	autoclose int dir = detect_run_dir();
	int r = dir < 0 ? -ENOENT : ctl_call(dir, DETECT_SOCKET, "release", MONITOR_MS, &answer);

	if (r == -ENOENT || r == -ECONNREFUSED)
		return;		/* there is none */
	if (r < 0 || !answer.data)
		log_warn_errno(r < 0 ? r : -ECONNRESET, "the monitor may go on; " DETECT " watch --stop ends it");
	else if (strncmp(answer.data, "ok", 2) == 0)
		puts("the monitor is ended, too: no other workspace is watched");
	else if (strstr(answer.data, "by hand"))
		puts("the monitor was started by hand and goes on; " DETECT " watch --stop ends it");
	else if (strstr(answer.data, "in use"))
		puts("the monitor goes on: a " SNAPD " runs that has use of it");
}

/* Whoever started it: what is not to be protected any more has no daemon. */
static void stop(const struct options *opt, const struct place *p)
{
	struct options ask = *opt;
	struct pollfd end = { .fd = -1, .events = POLLIN };
	pid_t pid = 0;
	int exit_code;

	ask.mode = MODE_STOP;
	if (store_writer(p->store.data, &pid) == 1 && pid > 0)
		end.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	(void)client_run(p->store.data, p->workspace.data, &ask, &exit_code);
	/* It may keep other workspaces; else it is gone in a moment. */
	if (end.fd >= 0)
		(void)poll(&end, 1, END_MS);
	auto_close_(&end.fd);
	stop_monitor();
}

int install_run(const struct options *opt, const char *argv0)
{
	autoput(place_release) struct place p = { .workspace = BUF_INIT };
	struct hooks_options o = { .store = opt->store, .argv0 = argv0, .yes = opt->yes };
	struct stat st;
	char whose[256];
	int rc, e;

	if (opt->mode == MODE_COMPLETION)
		return completion(opt->parts);
	rc = find_place(opt, &p);
	if (rc)
		return rc;
	o.workspace = p.workspace.data;
	if (hooks_parse_parts(opt->parts, &o.parts) < 0) {
		log_error("%s: not a list of parts; of %s", opt->parts, hooks_part_names());
		return EXIT_USAGE;
	}
	if (opt->mode == MODE_UNINSTALL) {
		if (!opt->parts)
			o.parts = HOOK_ALL;
		rc = hooks_uninstall(&o);
		if ((rc == EXIT_DONE || rc == EXIT_PART) && (o.parts & HOOK_LOGIN))
			stop(opt, &p);
		return rc;
	}
	e = stat(o.workspace, &st) < 0 ? -errno : 0;
	if (e < 0 || !S_ISDIR(st.st_mode)) {
		log_error("%s: %s", o.workspace, !e ? "not a folder" : e == -ENOENT ? "is not there" : err_str(e));
		return EXIT_ENV;
	}
	/* Where nothing can be read nothing can be kept: nothing is set up either. */
	if (access(o.workspace, R_OK | X_OK) < 0) {
		e = -errno;
		log_error("%s: %s%s", o.workspace, err_str(e),
			e == -EACCES ? hint_denied(o.workspace, whose, sizeof(whose)) : "");
		return EXIT_ENV;
	}
	if (permit_workspace(o.workspace, p.store.data, opt->force) < 0)
		return EXIT_ENV;
	if (opt->mode == MODE_START)
		return hooks_start(&o, p.store.data);
	rc = hooks_install(&o);
	if ((rc == EXIT_DONE || rc == EXIT_PART) && (o.parts & HOOK_LOGIN)) {
		int started = hooks_start(&o, p.store.data);

		if (!started && rc == EXIT_PART)
			log_warn("%s: set up but for what is named above; snapshots are on", o.workspace);
		rc = started ? EXIT_PART : rc;
	}
	return rc;
}
