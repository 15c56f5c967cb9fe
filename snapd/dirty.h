/* snapd/dirty.h - what may have changed since the last snapshot: paths, and how much of each
 * has to be looked at. Grows to a bound, then says "these folders", then "everything". */
#ifndef SNAPD_DIRTY_H
#define SNAPD_DIRTY_H

#include <stdbool.h>
#include <stddef.h>

#include "../scan/scan.h"

struct dirty {
	struct dirty_path {
		char *path;		/* ours */
		unsigned char depth;	/* enum scan_depth */
		bool read;
	} *slot;			/* open addressing; path NULL = free */
	size_t n, size;
	bool all;
};

void dirty_release(struct dirty *d);
/* Without memory for it, everything is dirty: cannot fail. */
void dirty_add(struct dirty *d, const char *path, enum scan_depth depth, bool read);
void dirty_add_all(struct dirty *d);
bool dirty_is_empty(const struct dirty *d);
/* from's content goes into d; from is empty then. */
void dirty_merge(struct dirty *d, struct dirty *from);
/* Is path below a folder that is looked at as a whole anyway? */
bool dirty_is_covered(const struct dirty *d, const char *path);
/* Is path in it, or a folder above it? */
bool dirty_meets(const struct dirty *d, const char *path);
/* By path, parents first. The paths stay d's; free() the array. NULL without memory. */
struct dirty_path *dirty_sorted(const struct dirty *d);

#endif
