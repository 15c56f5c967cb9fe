/* recover/mirror.h - the snapshots at a git remote (mirror.url): this machine's work on another.
 *
 * Pushed are refs/holdfast/HOST/WORKSPACE/main and, if mirror.branch is true, the branch holdfast/HOST/WORKSPACE, which an
 * ordinary clone gets. Where the remote is empty or was changed, or we have forgotten how far it is, what is there is asked
 * for, and the rest follows it. One at a time. */
#ifndef RECOVER_MIRROR_H
#define RECOVER_MIRROR_H

#include "recover.h"

/* Reads the store of r as a reader. 0: all is there now, *ret_n were pushed. 1: it did not work, and mirror/state says why;
 * 2: the same, and it will not before a repair;
 * negative: as -EBUSY (another one is at it), -ENODEV (no mirror.url). */
int mirror_push(struct recover *r, uint64_t *ret_n);

/* "HOST/WORKSPACE", as in the refs. */
int mirror_name(const struct recover *r, struct buf *ret);

#endif
