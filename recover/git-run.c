#include "git-run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "recover.h"
#include "xalloc.h"

enum { LIMIT_S = 3600, OUT_MAX = 1 << 20, WORDS = 24, GRACE_MS = 5000 };

/* What would make git work elsewhere than where it is told to. */
static bool is_misleading(const char *var)
{
	static const char *const names[] = {
		"GIT_DIR=", "GIT_WORK_TREE=", "GIT_INDEX_FILE=", "GIT_OBJECT_DIRECTORY=", "GIT_ALTERNATE_OBJECT_DIRECTORIES=",
		"GIT_COMMON_DIR=", "GIT_NAMESPACE=", "GIT_PREFIX=", "GIT_QUARANTINE_PATH=", "LC_ALL=", "LANGUAGE=",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strncmp(var, names[i], strlen(names[i])))
			return true;
	return false;
}

static char **environment(void)
{
	static char english[] = "LC_ALL=C", quiet[] = "GIT_TERMINAL_PROMPT=0";
	size_t n = 0, k = 0;
	char **env;

	while (environ[n])
		n++;
	env = xcalloc(n + 3, sizeof(*env));
	for (size_t i = 0; i < n; i++)
		if (!is_misleading(environ[i]))
			env[k++] = environ[i];
	env[k++] = english;		/* its words are looked at */
	if (!isatty(STDIN_FILENO))
		env[k++] = quiet;
	return env;
}

static int start(const char *dir, const char *const *words, const int out[2], const int err[2], pid_t *ret)
{
	const char *argv[WORDS + 24] = {
		"git", "-C", dir, "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "core.hooksPath=/dev/null",
		"-c", "push.followTags=false", "-c", "push.recurseSubmodules=no", "-c", "fetch.recurseSubmodules=no",
		"-c", "pack.threads=1",
	};
	autofree char **env = environment();
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	size_t n = 0;
	int r;

	while (argv[n])
		n++;
	for (size_t i = 0; words[i] && i < WORDS; i++)
		argv[n++] = words[i];
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGXFSZ);	/* it is to say what was too large, not to die of it */
	if (posix_spawnattr_init(&attr) || posix_spawn_file_actions_init(&files))
		return -ENOMEM;
	(void)posix_spawn_file_actions_adddup2(&files, out[1], 1);
	(void)posix_spawn_file_actions_adddup2(&files, err[1], 2);
	(void)posix_spawnattr_setpgroup(&attr, 0);	/* ssh and all end with it */
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	/* With a terminal it may ask for a password, which a group in the background cannot. */
	(void)posix_spawnattr_setflags(&attr, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
		(isatty(STDIN_FILENO) ? 0 : POSIX_SPAWN_SETPGROUP)));
	r = posix_spawnp(ret, "git", &files, &attr, (char *const *)(uintptr_t)argv, env);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attr);
	return -r;
}

/* Not the time of day, which is set while it runs. */
static time_t now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* What comes, until both ends are closed. */
static int collect(int out, int err, struct buf *a, struct buf *b)
{
	struct pollfd p[2] = { { .fd = out, .events = POLLIN }, { .fd = err, .events = POLLIN } };
	struct buf *to[2] = { a, b };
	time_t end = now_s() + LIMIT_S;
	char piece[4096];

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		int n = poll(p, 2, 1000);

		if (interrupted)
			return -EINTR;
		if (now_s() >= end)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; n > 0 && i < 2; i++) {
			ssize_t k = p[i].fd >= 0 && p[i].revents ? read(p[i].fd, piece, sizeof(piece)) : -2;

			if (k > 0 && to[i]->len < OUT_MAX && buf_add(to[i], piece, (size_t)k) < 0)
				return -ENOMEM;
			if (k == 0 || (k == -1 && errno != EINTR && errno != EAGAIN))
				p[i].fd = -1;
		}
	}
	return 0;
}

/* The whole group: TERM, then KILL. */
static void end_all(pid_t pid)
{
	pid_t group = getpgid(pid) == pid ? -pid : pid;

	(void)kill(group, SIGTERM);
	for (int ms = 0; ms < GRACE_MS; ms += 50) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return;
		(void)nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	(void)kill(group, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static bool tells(const char *line)
{
	static const char *const words[] = { "fatal: ", "error: ", "ssh: ", " ! [", "! [", "Permission denied", "Host key" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strncmp(line, words[i], strlen(words[i])))
			return true;
	return false;
}

/* The first that says what is wrong, else the last. */
static int choose(struct buf *err, struct buf *why)
{
	const char *best = NULL;
	char *save = NULL;
	bool told = false;

	if (err->len && buf_addch(err, '\0') < 0)
		return -ENOMEM;
	for (char *l = err->len ? strtok_r(err->data, "\r\n", &save) : NULL; l; l = strtok_r(NULL, "\r\n", &save)) {
		if (!told && *l)
			best = l;
		told |= tells(l);
	}
	return buf_addstr(why, best ? best : "it did not say why");
}

/* A limit is inherited: it is ours while git is started. */
static int start_within(const char *dir, const char *const *words, uint64_t most, const int out[2], const int err[2],
	pid_t *ret)
{
	struct rlimit was, is;
	int r;

	if (most == UINT64_MAX)
		return start(dir, words, out, err, ret);
	if (getrlimit(RLIMIT_FSIZE, &was) < 0)
		return -errno;
	is = was;
	if (is.rlim_cur == RLIM_INFINITY || is.rlim_cur > most)
		is.rlim_cur = (rlim_t)most;
	(void)signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &is) < 0)
		return -errno;
	r = start(dir, words, out, err, ret);
	(void)setrlimit(RLIMIT_FSIZE, &was);
	return r;
}

int git_run(const char *dir, const char *const *words, struct buf *out, struct buf *why)
{
	return git_run_within(dir, words, UINT64_MAX, out, why);
}

int git_run_within(const char *dir, const char *const *words, uint64_t most, struct buf *out, struct buf *why)
{
	autoput(buf_release) struct buf text = BUF_INIT, err = BUF_INIT;
	int a[2] = { -1, -1 }, b[2] = { -1, -1 }, r = 0, status = 0;
	pid_t pid = 0;

	if (pipe2(a, O_CLOEXEC) < 0 || pipe2(b, O_CLOEXEC) < 0)
		r = -errno;
	if (r == 0)
		r = start_within(dir, words, most, a, b, &pid);
	auto_close_(&a[1]);
	auto_close_(&b[1]);
	if (r == 0 && (r = collect(a[0], b[0], out ? out : &text, &err)) < 0)
		end_all(pid);
	else if (r == 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	auto_close_(&a[0]);
	auto_close_(&b[0]);
	if (r < 0)
		return r;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return -ENOENT;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	r = choose(&err, why);
	return r < 0 ? r : most != UINT64_MAX && strstr(why->data, "File too large") ? -EFBIG : 1;
}
