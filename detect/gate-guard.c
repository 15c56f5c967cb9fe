/* detect/gate-guard.c - the process that outlives the check; see gate.h.
 *
 * What can be caught it waits for: a Ctrl-C in the task's terminal, a closed terminal, kill -TERM or
 * -SEGV are a refusal too. Only SIGKILL of this very process is beyond anybody's reach. It touches
 * little memory and does nothing, so that nothing else kills it. */
#include "detect/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/names.h"

#define TOKEN "HOLDFAST_GATE" /* the number of the descriptor; survives becoming detect-core */

enum { PATIENCE_S = 900 };

static void say(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
}

/* All but those that mean no end: they are blocked, and waited for. One that is ignored comes too. */
static void awaited(sigset_t *ret)
{
	static const int others[] = { SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH, SIGURG };

	(void)sigfillset(ret);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		(void)sigdelset(ret, others[i]);
}

void gate_says_yes(void)
{
	const char *s = getenv(TOKEN);
	int fd = s ? (int)strtol(s, NULL, 10) : -1;

	if (fd > 2)
		(void)!write(fd, "y", 1);
}

static void be_checker(int token, pid_t parent)
{
	/* Ignored in what a shell starts behind its back, or taken by a library (sanitizers): what ends
	 * us is to show in our status. */
	static const int ends[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGSEGV, SIGBUS,
		SIGABRT, SIGFPE, SIGILL };
	char text[16];

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		(void)signal(ends[i], SIG_DFL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_NO);
	(void)snprintf(text, sizeof(text), "%d", token);
	(void)setenv(TOKEN, text, 1);
}

static int judge(int status, bool yes)
{
	if (WIFSIGNALED(status))
		log_error("gate: the check died of signal %d: refused; try again, or say --force",
			WTERMSIG(status));
	else if (WEXITSTATUS(status) == EXIT_DONE && !yes)
		log_error("gate: the check ended without an answer: refused");
	else
		return WEXITSTATUS(status);
	return EXIT_NO;
}

/* 0 and the status; EXIT_NO: it is not waited for any more, and that was said. */
static int wait_for(pid_t pid, const sigset_t *set, int *ret_status)
{
	const struct timespec patience = { PATIENCE_S, 0 };

	for (;;) {
		int signo = sigtimedwait(set, NULL, &patience);

		if (signo == SIGCHLD && waitpid(pid, ret_status, WNOHANG) == pid)
			return 0;
		if (signo == SIGCHLD || (signo < 0 && errno == EINTR))
			continue;
		(void)kill(pid, SIGKILL);
		say(signo < 0 ? DETECT ": gate: no answer in 15 minutes: refused\n"
			      : DETECT ": gate: interrupted: refused\n");
		return EXIT_NO;
	}
}

int gate_guarded(int (*check)(int argc, char **argv), int argc, char **argv)
{
	pid_t parent = getpid(), pid;
	sigset_t set, old;
	int p[2], status;
	char c = 0;

	/* Where it is ignored nobody could be waited for. */
	(void)signal(SIGCHLD, SIG_DFL);
	awaited(&set);
	(void)sigprocmask(SIG_BLOCK, &set, &old);
	/* Only the write end outlives an exec. */
	if (pipe2(p, O_CLOEXEC) < 0 || fcntl(p[1], F_SETFD, 0) < 0 ||
		fcntl(p[0], F_SETFL, O_NONBLOCK) < 0) {
		(void)log_error_errno(-errno, "gate: refused");
		return EXIT_NO;
	}
	pid = fork();
	if (pid == 0) {
		be_checker(p[1], parent);
		(void)sigprocmask(SIG_SETMASK, &old, NULL);
		_exit(check(argc, argv));
	}
	if (pid < 0) {
		(void)log_error_errno(-errno, "gate: refused");
		return EXIT_NO;
	}
	if (wait_for(pid, &set, &status))
		return EXIT_NO;
	(void)close(p[1]);
	return judge(status, read(p[0], &c, 1) == 1 && c == 'y');
}
