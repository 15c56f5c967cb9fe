/* lib/term-guard.h - the terminal is given back whatever becomes of the program that took it.
 *
 * kill -9 and a crash leave nobody to say endwin(). So the program that takes the terminal goes on
 * in a child, and what the shell started stays behind as "holdfast-tty": it holds the modes as they
 * were, waits, stops and goes on when the child does, passes on what is sent to it, and ends as the
 * child ended. If that was by a signal with the terminal still taken, it undoes what curses did
 * first. Its name is another so that who kills the screen by name leaves this one.
 *
 * If it is the one that is killed, the child gets SIGHUP (prctl(2), PR_SET_PDEATHSIG) and leaves in
 * order; the shell has the terminal back by then, so modes are set only where they are still ours.
 *
 * term_guard_start once, before curses and before anything that a fork must not double (threads,
 * children, buffered output); then term_guard_taken around each time the terminal is ours. Part of
 * lib/term.c; not for others. */
#ifndef LIB_TERM_GUARD_H
#define LIB_TERM_GUARD_H

#include <stdbool.h>

/* Has terminfo an entry for TERM, of one whose cursor can be moved? Else curses would end us. */
bool term_guard_knows(void);
/* Returns in the child; where no process can be made, in the only one: then nobody guards. */
void term_guard_start(void);
/* Curses has set its modes, or undone them. */
void term_guard_taken(bool taken);
/* Its size is another. What came to it late may have left it with the rows that scroll of a size that was; curses does
 * not think of those when it clears. The cursor is then where nobody knows: clear next. */
void term_guard_resized(void);
/* The terminal reports the mouse, or no more. */
void term_guard_mouse(bool on);
/* After curses has undone its modes: where the guard is gone, what it could not. */
void term_guard_end(void);

#endif
