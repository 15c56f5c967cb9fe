/* detect/watch_main.c - detect-watch, the monitor. watch.h says what it does; `detect watch` starts
 * it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/monitor.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/names.h"

/* Its descriptor lives as long as we do; who runs it stands in the file. */
static int take_lock(int state_fd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	autoclose int fd =
		openat(state_fd, "watch.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	char text[32] = "";
	int n;

	if (fd < 0)
		return log_error_errno(-errno, "watch.lock");
	if (fcntl(fd, F_OFD_SETLK, &l) < 0) {
		if (errno != EAGAIN && errno != EACCES)
			return log_error_errno(-errno, "watch.lock");
		n = (int)io_pread_full(fd, text, sizeof(text) - 1, 0);
		text[strcspn(text, "\n")] = '\0';
		log_error("watch: process %s watches already; `" DETECT " watch --stop` ends it",
			n > 0 ? text : "(unknown)");
		return -EBUSY;
	}
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || io_pwrite_all(fd, text, (size_t)n, 0) < 0)
		log_warn("watch.lock: cannot be written");
	return take_fd(&fd);
}

static int exec_again(const struct monitor *m)
{
	const char *core = m->set.core;
	char *argv[9] = { (char *)(uintptr_t)core, (char *)(uintptr_t) "watch" };
	unsigned n = 2;
	sigset_t none;

	if (m->set.log_dir) {
		argv[n++] = (char *)(uintptr_t) "--log-dir";
		argv[n++] = (char *)(uintptr_t)m->set.log_dir;
	}
	if (m->set.guard_dry)
		argv[n++] = (char *)(uintptr_t) "--dry-run";
	if (m->set.by_snapd)
		argv[n++] = (char *)(uintptr_t) "--by-snapd";
	for (int l = log_level(); l > LOG_WARN && n < 8; l--)
		argv[n++] = (char *)(uintptr_t) "-v";
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execv(core, argv);
	(void)log_error_errno(-errno, "%s watch", core);
	return EXIT_ENV;
}

static int run(struct monitor *m)
{
	autoclose int state = detect_state_dir(), dir = -1, lock = -1;
	int r;

	if (state < 0) {
		detect_state_complain(state);
		return EXIT_ENV;
	}
	lock = take_lock(state);
	if (lock < 0)
		return EXIT_ENV;
	dir = detect_run_dir();
	if (dir < 0) {
		const char *given = getenv("XDG_RUNTIME_DIR");

		(void)log_error_errno(dir, "watch: no place for the socket: %s%s",
			given && *given ? "XDG_RUNTIME_DIR is " : "the state folder",
			given && *given ? given : "");
		return EXIT_ENV;
	}
	m->state_fd = state;
	m->run_fd = dir;
	m->roots = &roots_real;
	r = monitor_open(m);
	if (r == 0 && !end_kernel_holds())
		log_warn("this kernel has no pidfd_open, which came with Linux 5.3: how processes "
			 "end is not seen and the guard cannot act; the risk is watched, " DETECT
			 " report and gate work");
	if (r == 0)
		r = monitor_run(m);
	if (r < 0)
		(void)log_error_errno(r, "watch");
	monitor_close(m, r >= 0);
	return r < 0 ? EXIT_ENV : EXIT_DONE;
}

static void close_others(int fd)
{
	if (fd > 3)
		(void)close_range(3, (unsigned)fd - 1, 0);
	(void)close_range(fd >= 3 ? (unsigned)fd + 1 : 3, ~0u, 0);
}

static int usage(void)
{
	log_error("usage: detect-watch --settings-fd N [-v]; it is started by `" DETECT " watch`");
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static struct monitor m;
	int fd = -1, r;

	log_init(DETECT, LOG_WARN);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--settings-fd") == 0 && i + 1 < argc)
			fd = atoi(argv[++i]);
		else if (strcmp(argv[i], "-v") == 0)
			log_set_level(log_level() == LOG_INFO ? LOG_DEBUG : LOG_INFO);
		else
			return usage();
	}
	if (fd < 0)
		return usage();
	/* Whoever started us may have had more: a lock, a pipe that somebody waits on. */
	close_others(fd);
	(void)umask(077);
	r = monitor_settings_read(fd, &m.set);
	(void)close(fd);
	if (r < 0)
		return EXIT_USAGE;
	r = run(&m);
	if (m.again && r == EXIT_DONE)
		return exec_again(&m);
	free(m.set.text);
	return r;
}
