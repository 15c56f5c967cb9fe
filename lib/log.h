/* lib/log.h - one line per message on stderr, `PROGRAM: object: why`.
 *
 * log_init once at the start of main(). Under systemd (JOURNAL_STREAM names our
 * stderr) lines carry the <N> level prefix of sd-daemon(3); on a terminal
 * without NO_COLOR warnings are coloured. The *_errno forms take a negative
 * errno, append its text and return it, so a failing call is logged and
 * returned on one line:
 *
 *	return log_warn_errno(r, "watch %s", path);
 *
 * All of them keep errno. Not safe in signal handlers. Names may hold any
 * bytes: control characters in a finished line are escaped (\n as "\n",
 * ESC as "\x1b"), so hostile names cannot drive the terminal. */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdarg.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_init(const char *program, enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_level(void);
const char *log_program(void);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

int log_error_errno(int r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int log_warn_errno(int r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int log_debug_errno(int r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Called before a line is written, to take a progress line off the terminal;
 * NULL for none. One at a time. */
void log_before_line(void (*fn)(void));

/* Out of memory: logs nothing that allocates, returns -ENOMEM. */
int log_oom(void);

#endif
