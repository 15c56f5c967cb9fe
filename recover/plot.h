/* recover/plot.h - readings over time as columns of characters. */
#ifndef RECOVER_PLOT_H
#define RECOVER_PLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#include "../lib/buf.h"

struct plot_point {
	uint64_t ms;
	double percent; /* 0..100; negative: not known */
};

enum { PLOT_COLUMNS = 68 }; /* with the scale before it: 80 */

/* rows lines of text, each with its newline, appended. A column shows the highest reading of its
 * share of from_ms..to_ms; one without a reading goes on as the one before, for at most hold_ms.
 * blocks: eighths of a character (UTF-8), else '#'. */
int plot(const struct plot_point *p, size_t n, uint64_t from_ms, uint64_t to_ms, uint64_t hold_ms,
	unsigned rows, bool blocks, struct buf *b);

#endif
