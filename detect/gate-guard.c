/* detect/gate-guard.c - the process that outlives the check; see gate.h.
 *
 * What can be caught it catches: a Ctrl-C in the task's terminal, a closed terminal, kill -TERM or
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

static volatile sig_atomic_t checker;

static void say(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
}

static void on_signal(int signo)
{
	if (checker > 0)
		(void)kill(checker, SIGKILL);
	say(signo == SIGALRM ? DETECT ": gate: no answer in 15 minutes: refused\n"
			     : DETECT ": gate: interrupted: refused\n");
	_exit(EXIT_NO);
}

static bool is_left_alone(int signo)
{
	return signo == SIGKILL || signo == SIGSTOP || signo == SIGCHLD || signo == SIGCONT ||
	       signo == SIGTSTP || signo == SIGTTIN || signo == SIGTTOU || signo == SIGWINCH ||
	       signo == SIGURG;
}

static void catch_all(void (*fn)(int))
{
	struct sigaction sa = { .sa_handler = fn };

	(void)sigfillset(&sa.sa_mask);
	for (int i = 1; i <= SIGRTMAX; i++)
		if (!is_left_alone(i))
			(void)sigaction(i, &sa, NULL);
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
	char text[16];

	catch_all(SIG_DFL);
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

int gate_guarded(int (*check)(int argc, char **argv), int argc, char **argv)
{
	pid_t parent = getpid(), pid;
	sigset_t all, old;
	int p[2], status;
	char c = 0;

	/* Only the write end outlives an exec. */
	if (pipe2(p, O_CLOEXEC) < 0 || fcntl(p[1], F_SETFD, 0) < 0 ||
		fcntl(p[0], F_SETFL, O_NONBLOCK) < 0) {
		(void)log_error_errno(-errno, "gate: refused");
		return EXIT_NO;
	}
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
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
	checker = pid;
	catch_all(on_signal);
	(void)sigemptyset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)alarm(PATIENCE_S);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_NO;
	checker = 0;
	(void)close(p[1]);
	return judge(status, read(p[0], &c, 1) == 1 && c == 'y');
}
