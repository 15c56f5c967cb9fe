/* lib/progress.h - how far a long operation is, on stderr.
 *
 * On a terminal one line redrawn at most ten times a second ("restoring  62 %
 * 6,213/10,000 files, 31 MiB/s, 4 s left"); else a line every five seconds; quiet
 * prints nothing. Nothing is shown before 0.5 s have passed, so that
 * short operations stay silent. The line is cleared at the end, and for every
 * message of log.h. One at a time. With the unit "bytes" items are shown as sizes. */
#ifndef LIB_PROGRESS_H
#define LIB_PROGRESS_H

#include <stdint.h>
#include <stdbool.h>

struct progress;

int progress_new(
	const char *verb, const char *unit, uint64_t total, bool quiet, struct progress **ret);
void progress_set_total(struct progress *p, uint64_t total);	/* 0 = not known */
void progress_add(struct progress *p, uint64_t items, uint64_t bytes);	/* NULL is fine */
/* Clears the line, until the next progress_add: before something goes to stdout, which may be the
 * same terminal. NULL is fine. */
void progress_hide(struct progress *p);
/* clears the line, frees; NULL is fine */
void progress_done(struct progress *p);

/* The line itself, for tests. */
struct progress_state {
	const char *verb, *unit;
	uint64_t total, items, bytes, elapsed_ms;
};
struct buf;
int progress_count(struct buf *b, uint64_t n);	/* "6,213" */
int progress_format(const struct progress_state *s, struct buf *b);

#endif
