/* recover/when.h - points in time as people write them.
 *
 *	now, 10 minutes ago, 2h ago, 2h, an hour ago, yesterday, yesterday 14:30, today,
 *	14:30, 14:30:05			the last time the clock showed it
 *	2026-11-23			the end of that day
 *	2026-11-23 14:30, 2026-11-23T14:30:05+01:00, ...Z, @1766500000
 *
 * A time given to the second means the end of that second, so that a time copied from
 * `recover list` finds its snapshot. */
#ifndef RECOVER_WHEN_H
#define RECOVER_WHEN_H

#include <stdint.h>

/* -EINVAL: not understood. */
int when_parse(const char *s, int64_t now_ns, int64_t *ret_ns);

#endif
