/* recover/losses.h - what the last snapshots say is gone: files dropped by one, emptied or
 * overwritten with NUL bytes.
 *
 * After `rm -rf *` the next snapshot is one of an empty folder, and "as in the last snapshot" is
 * true and no help. Only the last LOSSES_SNAPSHOTS are looked at, and of them what the newest
 * does not hold again. */
#ifndef RECOVER_LOSSES_H
#define RECOVER_LOSSES_H

#include <stdint.h>

#include "../store/store.h"

enum { LOSSES_SNAPSHOTS = 20, LOSSES_NAMED = 3 };

struct emptied {
	char *path;
	bool nulled;		/* NUL bytes; else no bytes */
	char from[41];		/* the snapshot that holds what it was, short */
};

struct losses {
	/* Dropped by the newest snapshot, or by one before it that dropped most of what there
	 * was. */
	uint64_t dropped;	/* files and links; 0: none */
	bool newest;
	char from[41];		/* the snapshot before, short: holds them */
	struct emptied emptied[LOSSES_NAMED];	/* the newest of them */
	uint64_t n_emptied;	/* all */
};

/* Best effort: what cannot be read is not counted. */
void losses_find(struct store *s, struct losses *ret);
void losses_release(struct losses *l);
/* For people, on stdout: a line for each, with the command that brings it back. */
void losses_print(const struct losses *l);

#endif
