/* lib/term.h - what the screens share: the terminal taken and given back, text put into a row, a
 * question at the bottom, another program run in between. Over ncursesw; programs without a screen
 * do not link it.
 *
 * term_start once, then the rest; the terminal is given back by term_end, by exit(), through
 * term_ended after a signal, and after kill -9 or a crash by a process that waits (term-guard.h).
 * One thread, one terminal. */
#ifndef LIB_TERM_H
#define LIB_TERM_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

/* Without colours (NO_COLOR, or the terminal has none) they differ by weight alone. */
enum term_style {
	TERM_PLAIN, TERM_GREEN, TERM_RED, TERM_CYAN, TERM_BLUE, TERM_YELLOW, TERM_DIM, TERM_STYLES
};

/* TERM is unset, empty, "dumb" or none that terminfo knows here (which is said), or in and out are
 * no terminal: lines are all there is. */
bool term_is_dumb(void);
bool term_is_utf8(void);	/* after setlocale */

/* Goes on in a child: before threads and children of the caller. SIGTERM, SIGHUP and SIGINT are
 * noted from here on, for term_ended. */
void term_start(void);
void term_end(void);
/* The signal that asked us to end; 0: none. */
int term_ended(void);
/* refresh() and getch(), by which no Ctrl-Z is lost. */
void term_refresh(void);
int term_key(void);
/* poll(2), ended early by a signal (-EINTR): by the one of term_ended, or a new size,
 * also if that came just before. */
int term_poll(struct pollfd *p, nfds_t n, int timeout_ms);
/* While on, SIGINT (Ctrl-C) is not the end: term_poll ends, and term_interrupted is true, once. Off
 * again in term_prompt, term_confirm and term_run. */
void term_hold_interrupt(bool on);
bool term_interrupted(void);
/* Last call of a program whose term_ended said so: ends it by that signal. */
void term_die(void);

/* Presses of the first button and the wheel come as KEY_MOUSE; the terminal's own selection is
 * gone meanwhile. */
void term_mouse(bool on);

/* Of what is put from now on. */
void term_style(enum term_style style, bool bold, bool reverse);
/* text from byte 0 in `width` columns of row y from column x, the rest blank: no control character
 * reaches the terminal, no
 * character is cut in half. */
void term_put(int y, int x, int width, const char *text);
/* The same from column `skip` of the text on; < and > in reverse stand where it is cut. */
void term_put_from(int y, int x, int width, int skip, const char *text);
int term_columns(const char *text, size_t n);	/* of the first n bytes, tabs and all */
/* How many bytes of s are for a line of so many columns, up to a blank if one is there; one character at least. All: it fits. */
size_t term_fit(const char *s, int width);
/* A line at the bottom. false: Esc or empty. redraw: what stands above it, after the size changed;
 * may be NULL. */
bool term_prompt(const char *what, char *ret, size_t size, void (*redraw)(void *arg), void *arg);
/* One key at the bottom: y is yes, all else no. */
bool term_confirm(const char *what, void (*redraw)(void *arg), void *arg);

/* The terminal as it was before term_start, cleared, "$ shown" on it; fn in a child, whose Ctrl-C
 * it is; then, when `pause`,
 * Enter is waited for. The exit code, 128 where a signal or nothing was the end. */
int term_run(const char *shown, bool pause, void (*fn)(void *arg), void *arg);

#endif
