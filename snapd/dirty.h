/* snapd/dirty.h - what may have changed since the last snapshot: paths, and how much of each
 * has to be looked at. Grows to a bound, then says "these folders", then "everything".
 *
 * It also notices when that may not be the whole truth. A file's second name may come, be
 * written through and go before anybody saw whose name it was; then no event leads to the first.
 * `unseen` says so: a look at everything is called for, as soon as it may cost that much. */
#ifndef SNAPD_DIRTY_H
#define SNAPD_DIRTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../scan/scan.h"

struct dirty {
	struct dirty_path {
		char *path;		/* ours */
		unsigned char depth;	/* enum scan_depth */
		bool read;
		bool made, written;	/* a name that is new; and was written through since */
	} *slot;			/* open addressing; path NULL = free */
	size_t n, size;
	bool all;
	bool unseen;
	/* a name that was moved away, and may come back as another */
	struct {
		uint32_t cookie;
		bool made, written;
	} moved;
};

void dirty_release(struct dirty *d);
/* Without memory for it, everything is dirty: cannot fail. */
void dirty_add(struct dirty *d, const char *path, enum scan_depth depth, bool read);
void dirty_add_all(struct dirty *d);
/* What inotify says of a file's name that was added. */
void dirty_follow(struct dirty *d, const char *path, uint32_t mask, uint32_t cookie);
/* No more events are to come for now: may something have been unseen? */
void dirty_settle(struct dirty *d);
bool dirty_is_empty(const struct dirty *d);	/* unseen alone does not make it dirty */
/* from's content goes into d; from is empty then. */
void dirty_merge(struct dirty *d, struct dirty *from);
/* Is path below a folder that is looked at as a whole anyway? */
bool dirty_is_covered(const struct dirty *d, const char *path);
/* Is path in it, or a folder above it? */
bool dirty_meets(const struct dirty *d, const char *path);
/* By path, parents first. The paths stay d's; free() the array. NULL without memory. */
struct dirty_path *dirty_sorted(const struct dirty *d);

#endif
