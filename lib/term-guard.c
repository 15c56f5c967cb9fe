/* lib/term-guard.c - see the header. */
#include "term-guard.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include "auto.h"
#include "io.h"

#define GUARD_NAME "holdfast-tty"

/* Written by the child, read by the guard. */
struct shared {
	volatile bool taken, mouse;
};

static struct shared *shared;	/* NULL: nobody guards */
static pid_t guard;
static struct termios before, ours;

/* ---- the guard -------------------------------------------------------------- */

/* ps, pkill and top read it: comm, and the memory where the arguments stood. */
static void take_name(void)
{
	autoclose int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	char piece[4096];
	size_t size = 0;
	ssize_t n;

	(void)prctl(PR_SET_NAME, GUARD_NAME);
	while (fd >= 0 && (n = io_read_full(fd, piece, sizeof(piece))) > 0)
		size += (size_t)n;
	memset(program_invocation_name, 0, size);
	for (size_t i = 0; i + 1 < size && GUARD_NAME[i]; i++)
		program_invocation_name[i] = GUARD_NAME[i];
}

static void put(const char *capability)
{
	if (capability && capability != (const char *)-1)
		(void)putp(capability);
}

/* All of its rows scroll again: curses narrows them while it moves some, to what it thinks the rows are. */
static void widen(int rows)
{
	if (change_scroll_region && change_scroll_region != (const char *)-1 && rows > 0)
		put(tparm(change_scroll_region, 0, rows - 1, 0, 0, 0, 0, 0, 0, 0));
}

bool term_guard_knows(void)
{
	int err;

	return setupterm(NULL, STDOUT_FILENO, &err) == OK && cursor_address &&
	       cursor_address != (const char *)-1;
}

/* What endwin() would have done. Only where the terminal is ours to write to: in the background
 * somebody else has it. */
static void give_back(void)
{
	int err;

	if (tcgetpgrp(STDIN_FILENO) != getpgrp())
		return;
	if (setupterm(NULL, STDOUT_FILENO, &err) == OK) {
		put(exit_attribute_mode);
		put(orig_pair);
		if (shared->mouse)
			(void)fputs("\033[?1000l\033[?1002l\033[?1003l\033[?1006l", stdout);
		widen(lines);
		if (cursor_address && cursor_address != (const char *)-1 && lines > 0)
			put(tparm(cursor_address, lines - 1, 0, 0, 0, 0, 0, 0, 0, 0));
		put(clr_eol);
		put(exit_ca_mode);
		put(keypad_local);
		put(cursor_normal);
		(void)fflush(stdout);
	}
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

/* As the child did: the shell is to see the same. */
static void stop(int signo)
{
	sigset_t one, was;

	(void)sigemptyset(&one);
	(void)sigaddset(&one, signo);
	/* The terminal has sent it to both of us; one stop is enough. */
	while (sigtimedwait(&one, NULL, &(struct timespec){ 0 }) == signo)
		;
	(void)sigprocmask(SIG_UNBLOCK, &one, &was);
	(void)raise(signo);
	(void)sigprocmask(SIG_SETMASK, &was, NULL);
}

static _Noreturn void end(int status, bool stopped)
{
	sigset_t all;

	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	if (shared->taken && !stopped)
		give_back();
	/* One core is enough. */
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
	(void)signal(WTERMSIG(status), SIG_DFL);
	(void)sigfillset(&all);
	(void)raise(WTERMSIG(status));
	(void)sigprocmask(SIG_UNBLOCK, &all, NULL);
	_exit(128 + WTERMSIG(status));
}

static _Noreturn void keep(pid_t child, const sigset_t *set)
{
	bool stopped = false;

	take_name();
	for (;;) {
		siginfo_t si;
		int status;

		if (sigwaitinfo(set, &si) < 0)
			continue;
		/* What the kernel sends, as for Ctrl-C, the child gets without us. */
		if (si.si_signo != SIGCHLD) {
			if (si.si_code <= 0)
				(void)kill(child, si.si_signo);
			continue;
		}
		while (waitpid(child, &status, WNOHANG | WUNTRACED | WCONTINUED) > 0) {
			stopped = WIFSTOPPED(status);
			if (WIFCONTINUED(status))
				continue;
			if (!stopped)
				end(status, false);
			stop(WSTOPSIG(status));
			(void)kill(child, SIGCONT);
		}
	}
}

/* ---- the child ---------------------------------------------------------------- */

void term_guard_start(void)
{
	static const int passed[] = { SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGUSR1,
		SIGUSR2 };
	pid_t us = getpid(), pid;
	sigset_t set, was;
	void *p;

	if (shared || tcgetattr(STDIN_FILENO, &before) < 0)
		return;
	p = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return;
	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof(passed) / sizeof(*passed); i++)
		(void)sigaddset(&set, passed[i]);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigprocmask(SIG_BLOCK, &set, &was);
	(void)fflush(NULL);
	shared = p;
	pid = fork();
	if (pid > 0)
		keep(pid, &set);
	if (pid < 0) {
		(void)munmap(p, sizeof(*shared));
		shared = NULL;
	} else {
		guard = us;
		(void)prctl(PR_SET_PDEATHSIG, SIGHUP);
		if (getppid() != us)
			(void)raise(SIGHUP);
	}
	(void)sigprocmask(SIG_SETMASK, &was, NULL);
}

void term_guard_taken(bool taken)
{
	if (!shared)
		return;
	shared->taken = taken;
	if (taken)
		(void)tcgetattr(STDIN_FILENO, &ours);
}

void term_guard_resized(void)
{
	widen(LINES);
	(void)fflush(stdout);
}

void term_guard_mouse(bool on)
{
	if (shared)
		shared->mouse = on;
}

void term_guard_end(void)
{
	struct termios now;

	if (!shared || getppid() == guard || tcgetattr(STDIN_FILENO, &now) < 0 ||
		now.c_lflag != ours.c_lflag || now.c_iflag != ours.c_iflag)
		return;
	/* We are in the background by now, where this would stop us. */
	(void)signal(SIGTTOU, SIG_IGN);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
}
