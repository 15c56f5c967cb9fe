/* lib/term.c - see the header. */
#include "term.h"

#include <errno.h>
#include <langinfo.h>
#include <ncurses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

#include "io.h"
#include "log.h"
#include "term-guard.h"

/* woken: a poll is to end; held: SIGINT is a key. */
static volatile sig_atomic_t ended, woken, resized, held, interrupt;
static bool started, color;

enum { OLD_KERNEL_MS = 100 };	/* before pidfd_open(2), Linux 5.3 */

static void on_signal(int signo)
{
	if (signo == SIGINT && held)
		interrupt = 1;
	else
		ended = signo;
	woken = 1;
}

/* What curses does at a SIGWINCH, and that a poll is to end: one that came while it drew would be seen with the next
 * key only. */
static void (*resize)(int signo);

static void on_resize(int signo)
{
	resize(signo);
	resized = 1;
	woken = 1;
}

static void watch_size(void)
{
	struct sigaction was;

	if (sigaction(SIGWINCH, NULL, &was) < 0 || was.sa_handler == on_resize || was.sa_handler == SIG_DFL ||
	    was.sa_handler == SIG_IGN)
		return;
	resize = was.sa_handler;
	was.sa_handler = on_resize;
	(void)sigaction(SIGWINCH, &was, NULL);
}

bool term_is_dumb(void)
{
	static bool said;
	const char *term = getenv("TERM");

	if (!term || !*term || strcmp(term, "dumb") == 0 || !isatty(STDIN_FILENO) ||
		!isatty(STDOUT_FILENO))
		return true;
	/* Over ssh from a new terminal to an old machine. */
	if (term_guard_knows())
		return false;
	if (!said)
		log_warn("TERM=%.64s is not known on this machine: numbers instead of the screen; "
			 "TERM=xterm-256color is near to most", term);
	said = true;
	return true;
}

bool term_is_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static void start_color_(void)
{
	static const short of[TERM_STYLES] = { [TERM_GREEN] = COLOR_GREEN,
		[TERM_RED] = COLOR_RED,
		[TERM_CYAN] = COLOR_CYAN,
		[TERM_BLUE] = COLOR_BLUE,
		[TERM_YELLOW] = COLOR_YELLOW };
	const char *none = getenv("NO_COLOR");

	color = has_colors() && !(none && *none);
	if (!color)
		return;
	(void)start_color();
	(void)use_default_colors();
	for (short i = TERM_GREEN; i <= TERM_YELLOW; i++)
		(void)init_pair(i, of[i], -1);
}

void term_start(void)
{
	struct sigaction end = { .sa_handler = on_signal };

	term_guard_start();
	(void)sigaction(SIGTERM, &end, NULL);
	(void)sigaction(SIGHUP, &end, NULL);
	(void)sigaction(SIGINT, &end, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	term_guard_taken(true);
	(void)initscr();
	watch_size();
	(void)cbreak();
	(void)noecho();
	(void)nonl();
	(void)keypad(stdscr, TRUE);
	set_escdelay(25);
	(void)timeout(0);
	(void)curs_set(0);
	start_color_();
	term_guard_taken(true); /* with the modes that are ours now */
	started = true;
	(void)atexit(term_end);
}

void term_end(void)
{
	if (!started)
		return;
	started = false;
	(void)endwin();
	term_guard_taken(false);
	term_guard_end();
}

int term_ended(void)
{
	return ended;
}

/* What a poll was to end for is done by whoever called it, but for these. */
static void rest(void)
{
	woken = 0;
	if (ended || interrupt)	/* before or behind it: the handlers set both */
		woken = 1;
}

int term_poll(struct pollfd *p, nfds_t n, int timeout_ms)
{
	int r = io_poll(p, n, timeout_ms, &woken);

	rest();
	return r;
}

void term_hold_interrupt(bool on)
{
	held = on;
}

bool term_interrupted(void)
{
	if (!interrupt)
		return false;
	interrupt = 0;
	rest();
	return true;
}

/* While curses draws it ignores SIGTSTP: a Ctrl-Z that came then would be lost. Blocked, it stays. */
static void hold_stop(sigset_t *was)
{
	sigset_t stop;

	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTSTP);
	(void)sigprocmask(SIG_BLOCK, &stop, was);
}

void term_refresh(void)
{
	sigset_t was;

	hold_stop(&was);
	(void)refresh();
	(void)sigprocmask(SIG_SETMASK, &was, NULL);
}

int term_key(void)
{
	bool changed = false;
	sigset_t was;
	int c;

	hold_stop(&was);
	/* Before the look: what comes during it is for the next. */
	if (resized) {
		resized = 0;
		changed = true;
	}
	c = getch();
	/* A size that changed and is as before gives no key, but the terminal has lost what stood there. */
	if (c == KEY_RESIZE || (c == ERR && changed)) {
		term_guard_resized();
		(void)clearok(curscr, TRUE);
		c = KEY_RESIZE;
	} else if (changed) {
		resized = 1;
	}
	(void)sigprocmask(SIG_SETMASK, &was, NULL);
	return c;
}

/* As getch() that waits; ERR: we are to end, or the terminal is gone. */
static int wait_key(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	int c;

	(void)timeout(0);
	while ((c = term_key()) == ERR && !ended)
		if (term_poll(&in, 1, -1) > 0 && in.revents & (POLLHUP | POLLERR))
			break;
	return c;
}

void term_die(void)
{
	(void)signal(ended, SIG_DFL);
	(void)raise(ended);
}

void term_mouse(bool on)
{
	/* Letting go is asked for because curses forgets a press with a release it was not to tell. */
	(void)mousemask(on ? BUTTON1_PRESSED | BUTTON1_RELEASED | BUTTON4_PRESSED | BUTTON5_PRESSED : 0, NULL);
	(void)mouseinterval(0);
	term_guard_mouse(on);
}

void term_style(enum term_style style, bool bold, bool reverse)
{
	attr_t a = (bold ? A_BOLD : A_NORMAL) | (reverse ? A_REVERSE : A_NORMAL);

	if (color)
		a |= style == TERM_DIM     ? A_DIM
		     : style == TERM_PLAIN ? 0
					   : (attr_t)COLOR_PAIR(style);
	(void)attrset(a);
}

/* One character, w columns wide, of which those from `skip` on are in sight. */
static void put_char(wchar_t wc, int w, int col, int skip)
{
	bool whole = wc != L'\t' && wcwidth(wc) >= 0;

	if (whole && (col >= skip && (w || col > skip || !skip))) {
		(void)addnwstr(&wc, 1);
		return;
	}
	/* A wide one that the left edge cuts leaves a blank. */
	for (int i = 0; i < w; i++)
		if (col + i >= skip)
			(void)addch(whole || wc == L'\t' ? ' ' : '?');
}

static int columns_of(wchar_t wc, int col)
{
	int w = wc == L'\t' ? 8 - col % 8 : wcwidth(wc);

	return w < 0 ? 1 : w;
}

static size_t next_char(const char *text, size_t left, mbstate_t *st, wchar_t *ret)
{
	size_t n = mbrtowc(ret, text, left, st);

	if (n != (size_t)-1 && n != (size_t)-2 && n != 0)
		return n;
	memset(st, 0, sizeof(*st));
	*ret = L'?';
	return 1;
}

/* true: there is more of it than fits, and not blanks alone. */
static bool put(int y, int x, int width, int skip, const char *text)
{
	mbstate_t st = { 0 };
	size_t left = strlen(text);
	int col = 0, end = skip + width;

	(void)move(y, x);
	while (left && col < end) {
		wchar_t wc;
		size_t n = next_char(text, left, &st, &wc);
		int w = columns_of(wc, col);

		if (wc == L'\t' && col + w > end)
			w = end - col;
		if (col + w > end)
			break;
		put_char(wc, w, col, skip);
		col += w;
		text += n;
		left -= n;
	}
	for (col = col < skip ? skip : col; col < end; col++)
		(void)addch(' ');
	return text[strspn(text, " ")] != '\0';
}

void term_put(int y, int x, int width, const char *text)
{
	(void)put(y, x, width, 0, text);
}

void term_put_from(int y, int x, int width, int skip, const char *text)
{
	int before = skip && *text;

	if (width < 1)
		return;
	/* A mark over one half of a wide character would leave the other. */
	if (before)
		(void)mvaddch(y, x, '<' | A_REVERSE);
	if (width > before && put(y, x + before, width - before, skip + before, text)) {
		(void)put(y, x + before, width - before - 1, skip + before, text);
		(void)mvaddch(y, x + width - 1, '>' | A_REVERSE);
	}
}

int term_columns(const char *text, size_t n)
{
	mbstate_t st = { 0 };
	int col = 0;

	while (n) {
		wchar_t wc;
		size_t len = next_char(text, n, &st, &wc);

		col += columns_of(wc, col);
		text += len;
		n -= len;
	}
	return col;
}

/* Bytes of the character s begins with, and the columns term_put gives it. */
static size_t char_at(const char *s, mbstate_t *st, int *ret_width)
{
	wchar_t wc;
	size_t n = mbrtowc(&wc, s, strlen(s), st);
	int w = n == (size_t)-1 || n == (size_t)-2 ? 1 : wcwidth(wc);

	*ret_width = w < 0 ? 1 : w;
	if (n != (size_t)-1 && n != (size_t)-2)
		return n;
	memset(st, 0, sizeof(*st));
	return 1;
}

/* Columns that s takes as term_put writes it. */
static int width_of(const char *s)
{
	mbstate_t st = { 0 };
	int col = 0, w;

	for (; *s; col += w)
		s += char_at(s, &st, &w);
	return col;
}

size_t term_fit(const char *s, int width)
{
	mbstate_t st = { 0 };
	size_t at = 0, blank = 0, n = 0;
	int col = 0, w;

	for (; s[at]; at += n, col += w) {
		n = char_at(s + at, &st, &w);
		if (s[at] == ' ')
			blank = at;
		if (col + w > width)
			return blank ? blank : at ? at : n;
	}
	return at;
}

/* Its end, where all of it is too wide: what is typed now is to be seen. */
static const char *tail(const char *s, int width)
{
	while (*s && width_of(s) > width)
		do
			s++;
		while (((unsigned char)*s & 0xc0) == 0x80);
	return s;
}

/* A whole character goes. */
static size_t rub_out(const char *s, size_t n)
{
	do
		n--;
	while (n && ((unsigned char)s[n] & 0xc0) == 0x80);
	return n;
}

/* Where a key is waited for, Ctrl-C is the way out again. */
static void leave_interrupt(void)
{
	term_hold_interrupt(false);
	(void)term_interrupted();
}

bool term_prompt(const char *what, char *ret, size_t size, void (*redraw)(void *arg), void *arg)
{
	size_t n = 0;
	int c;

	leave_interrupt();
	*ret = '\0';
	(void)curs_set(1);
	for (;;) {
		char line[2048];
		const char *shown;

		(void)snprintf(line, sizeof(line), "%s%s", what, ret);
		shown = tail(line, COLS - 2);
		term_put(LINES - 1, 0, COLS - 1, shown);
		(void)move(LINES - 1, width_of(shown));
		term_refresh();
		c = wait_key();
		if (c == 27 || c == ERR) {
			n = 0;
			break;
		}
		if (c == '\n' || c == '\r' || c == KEY_ENTER)
			break;
		if (c == KEY_BACKSPACE || c == 127 || c == 8)
			n = n ? rub_out(ret, n) : 0;
		else if (c == 21) /* Ctrl-U, as in a shell */
			n = 0;
		else if (c >= 32 && c < 256 && n + 1 < size)
			ret[n++] = (char)c;
		else if (c == KEY_RESIZE && redraw)
			redraw(arg);
		ret[n] = '\0';
	}
	ret[n] = '\0';
	(void)curs_set(0);
	return n > 0;
}

bool term_confirm(const char *what, void (*redraw)(void *arg), void *arg)
{
	int c = 0;

	leave_interrupt();
	do {
		if (c == KEY_RESIZE && redraw)
			redraw(arg);
		term_style(TERM_YELLOW, true, false);
		term_put(LINES - 1, 0, COLS - 1, what);
		term_refresh();
		c = wait_key();
	} while (c == KEY_RESIZE);
	term_style(TERM_PLAIN, false, false);
	return c == 'y' || c == 'Y';
}

static void wait_for_enter(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char c = 0;
	int r;

	printf("\nEnter: back to the screen ");
	(void)fflush(stdout);
	/* Another size of the terminal is no answer; that we are to end is one. */
	do
		r = term_poll(&in, 1, -1);
	while (r == -EINTR ? !ended : r > 0 && read(STDIN_FILENO, &c, 1) == 1 && c != '\n');
}

/* How it ended. Who asks us to end means it too. */
static int wait_for(pid_t pid)
{
	struct pollfd end = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int status = 0;
	pid_t got = 0;

	while (!ended && (got = waitpid(pid, &status, WNOHANG)) == 0)
		(void)term_poll(&end, 1, end.fd < 0 ? OLD_KERNEL_MS : -1);
	if (end.fd >= 0)
		(void)close(end.fd);
	if (got)
		return status;
	do
		(void)kill(pid, ended);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR);
	return status;
}

int term_run(const char *shown, bool pause, void (*fn)(void *arg), void *arg)
{
	struct sigaction was;
	sigset_t ends, mask;
	int status;
	pid_t pid;

	leave_interrupt();
	def_prog_mode();
	(void)endwin();
	term_guard_taken(false);
	/* What stood there is of another time. */
	printf("\033[H\033[2J$ %s\n", shown);
	(void)fflush(stdout);
	/* Ctrl-C is for what runs now. */
	(void)sigaction(SIGINT, &(struct sigaction){ .sa_handler = SIG_IGN }, &was);
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &ends, &mask);	/* until it has no handler of ours */
	pid = fork();
	if (pid == 0) {
		(void)signal(SIGINT, SIG_DFL);
		(void)signal(SIGTERM, SIG_DFL);
		(void)signal(SIGHUP, SIG_DFL);
		(void)signal(SIGPIPE, SIG_DFL);
		(void)sigprocmask(SIG_SETMASK, &mask, NULL);
		fn(arg);
		_exit(127);
	}
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	status = pid > 0 ? wait_for(pid) : 0;
	(void)sigaction(SIGINT, &was, NULL);
	if (pause)
		wait_for_enter();
	term_guard_taken(true);
	reset_prog_mode();
	term_guard_taken(true);
	(void)clearok(curscr, TRUE);
	term_refresh();
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
