/* recover/hunks.h - single changes of one file taken back: `recover restore REV --hunk N -- PATH`.
 *
 * A hunk is one @@ of `recover diff REV -- PATH`, counted from 1; the rest of the file stays as it
 * is now. */
#ifndef RECOVER_HUNKS_H
#define RECOVER_HUNKS_H

#include "recover.h"

struct hunks {
	struct recover *r;
	const struct store_snapshot *from;
	const char *path;	/* below the workspace */
	const char *numbers;	/* "2", "1,3-5" */
	bool dry_run, yes;
};

/* An exit code; what went wrong has been said. */
int hunks_restore(const struct hunks *h);

/* now with the chosen hunks (chosen[i] of hunk i, n of them) as `was` has them. For the tests too.
 * *ret_n: how many hunks there are; with chosen NULL nothing else is done. 0 or negative. */
int hunks_apply(const struct buf *was, const struct buf *now, int context, const bool *chosen,
	size_t n, struct buf *ret, size_t *ret_n);
/* "1,3-5" into chosen[0 .. n). -EINVAL: no such list; -ERANGE: a number above n. */
int hunks_parse(const char *numbers, bool *chosen, size_t n);

#endif
