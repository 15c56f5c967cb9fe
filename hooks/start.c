/* hooks/start.c - snapd in the background. A task's terminal takes its processes along when it
 * closes, and a daemon that has not made its own session by then dies: so the parent goes only
 * when the daemon answers. */
#include "hooks-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../detect/detect.h"
#include "../lib/auto.h"
#include "../lib/ctl.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"

#define CONTROL "control"

enum { PROBE_MS = 1000, STEP_MS = 20, PATIENCE_S = 60, LOG_MAX = 1 << 20 };

static bool answers(const char *dir)
{
	autoclose int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoput(buf_release) struct buf b = BUF_INIT;
	int r;

	if (fd < 0)
		return false;
	r = ctl_call(fd, CONTROL, "status", PROBE_MS, &b);
	return r == 0 || r == -ETIMEDOUT; /* busy is there too */
}

/* What it says goes to a log in the state folder, begun anew when it is large. */
static int open_log(const char *workspace)
{
	autofree char *name = workspace_name(workspace), *file = text_of("snapd-%s.log", name);
	autoclose int state = detect_state_dir();
	int fd = state < 0 ? -1
			   : openat(state, file,
				     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0 && lseek(fd, 0, SEEK_END) > LOG_MAX)
		(void)!ftruncate(fd, 0);
	return fd >= 0 ? fd : open("/dev/null", O_WRONLY | O_CLOEXEC);
}

static void child(const struct hooks_options *o, const char *program, int log)
{
	const char *argv[] = { program, "--workspace", o->workspace, o->store ? "--store" : NULL,
		o->store, NULL };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	(void)setsid();
	(void)signal(SIGHUP, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)dup2(null, 0);
	(void)dup2(log, 1);
	(void)dup2(log, 2);
	(void)!chdir("/");
	(void)execv(program, (char **)argv);
	(void)log_error_errno(-errno, "%s", program);
	_exit(EXIT_ENV);
}

static int64_t now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* Until it answers. A first look at a large folder takes long, but it answers meanwhile. */
static int wait_for(pid_t pid, const char *dir)
{
	int64_t end = now_s() + PATIENCE_S;
	int status = 0;
	bool gone = false;

	for (;;) {
		if (answers(dir))
			return EXIT_DONE;
		if (gone)
			return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status)
									: EXIT_ENV;
		gone = pid > 0 && waitpid(pid, &status, WNOHANG) == pid;
		if (now_s() > end)
			return EXIT_ENV;
		if (!gone)
			(void)poll(NULL, 0, STEP_MS);
	}
}

int hooks_start(const struct hooks_options *o, const char *dir)
{
	struct programs p = { 0 };
	autoclose int log = -1;
	int exit_code;
	pid_t pid = 0;

	if (answers(dir))
		return EXIT_DONE;
	if (programs_find(o->argv0, &p) < 0)
		return EXIT_ENV;
	if (!login_start_unit(o->workspace)) {
		log = open_log(o->workspace);
		pid = fork();
		if (pid == 0)
			child(o, p.snapd, log);
	}
	exit_code = pid < 0 ? EXIT_ENV : wait_for(pid, dir);
	if (exit_code) {
		autofree char *name = workspace_name(o->workspace);

		log_error("%s: " SNAPD " did not start; %s", o->workspace,
			pid > 0 ? "its log in the state folder says why"
				: "systemctl --user status says why");
		log_info("the log: snapd-%s.log", name);
	}
	programs_release(&p);
	return exit_code;
}
