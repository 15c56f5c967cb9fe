#include "pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/log.h"
#include "recover.h"
#include "xalloc.h"

static pid_t pager_pid;

static bool in_path(const char *name)
{
	autofree char *dirs = xstrdup(getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
	char *save = NULL;

	for (char *d = strtok_r(dirs, ":", &save); d; d = strtok_r(NULL, ":", &save)) {
		autofree char *full = xasprintf("%s/%s", d, name);

		if (access(full, X_OK) == 0)
			return true;
	}
	return false;
}

/* A plain first word must be a program that is there; what else a shell makes of the rest is the
 * user's. */
static bool runs(const char *command)
{
	autofree char *word = xstrndup(command, strcspn(command, " \t"));

	if (!*word || strpbrk(word, "'\"\\$`=;&|<>(){}*?[]~#!"))
		return true;
	return strchr(word, '/') ? access(word, X_OK) == 0 : in_path(word);
}

static const char *pager_name(const struct recover *r)
{
	const char *p = getenv("GIT_PAGER");

	if (!p)
		p = r->cfg.pager;
	if (!p)
		p = getenv("PAGER");
	if (!p && !in_path(p = "less"))	/* asked for by nobody: do without */
		return NULL;
	if (!*p || !strcmp(p, "cat"))
		return NULL;
	if (!runs(p)) {
		log_warn("the pager %s is not there; doing without", p);
		return NULL;
	}
	return p;
}

/* The terminal belongs to the pager until it ends: a signal must not leave it behind. */
static void wait_and_die(int signo)
{
	(void)close(STDOUT_FILENO);
	(void)close(STDERR_FILENO);
	while (waitpid(pager_pid, NULL, 0) < 0 && errno == EINTR)
		;
	(void)signal(signo, SIG_DFL);
	(void)raise(signo);
}

static void exec_pager(const char *name, int in)
{
	(void)dup2(in, STDIN_FILENO);
	(void)close(in);
	(void)setenv("LESS", "FRX", 0);
	(void)setenv("LV", "-c", 0);
	/* the user's own string, as git does: it may hold arguments */
	(void)execl("/bin/sh", "sh", "-c", name, (char *)NULL);
	_exit(127);
}

static bool is_handled(int signo)
{
	struct sigaction is;

	return sigaction(signo, NULL, &is) == 0 && is.sa_handler != SIG_DFL && is.sa_handler != SIG_IGN;
}

void pager_start(const struct recover *r)
{
	const char *name = pager_name(r);
	int p[2];

	if (r->no_pager || pager_pid || !name || !isatty(STDOUT_FILENO) || pipe2(p, O_CLOEXEC) < 0)
		return;
	(void)fflush(stdout);
	pager_pid = fork();
	if (pager_pid == 0) {
		(void)close(p[1]);
		exec_pager(name, p[0]);
	}
	(void)close(p[0]);
	if (pager_pid > 0) {
		(void)dup2(p[1], STDOUT_FILENO);
		if (isatty(STDERR_FILENO))
			(void)dup2(p[1], STDERR_FILENO);
		if (!is_handled(SIGINT))
			(void)signal(SIGINT, wait_and_die);
		(void)signal(SIGHUP, wait_and_die);
		(void)signal(SIGTERM, wait_and_die);
		(void)signal(SIGQUIT, wait_and_die);
		(void)signal(SIGPIPE, wait_and_die);
	} else {
		pager_pid = 0;
	}
	(void)close(p[1]);
}

bool pager_runs(void)
{
	return pager_pid > 0;
}

void pager_wait(void)
{
	if (pager_pid <= 0)
		return;
	(void)fclose(stdout);
	(void)close(STDOUT_FILENO);
	(void)close(STDERR_FILENO);
	while (waitpid(pager_pid, NULL, 0) < 0 && errno == EINTR)
		;
	pager_pid = 0;
}

int color_wanted(const struct recover *r, bool given, const char *when)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (given && !when)
		when = "always";
	if (!given)
		when = r->cfg.color ? r->cfg.color : "auto";
	if (!strcmp(when, "always"))
		return 1;
	if (!strcmp(when, "never"))
		return 0;
	if (strcmp(when, "auto")) {
		log_error("--color: '%s' is none of auto, always, never", when);
		return -EINVAL;
	}
	if (no && *no)
		return 0;
	return (pager_pid || isatty(STDOUT_FILENO)) && term && strcmp(term, "dumb");
}
