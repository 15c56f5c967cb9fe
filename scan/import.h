/* scan/import.h - a folder that is a copy of the workspace of an earlier time, as a snapshot of it.
 *
 * The copy is looked at by the workspace's own rules, as a snapshot is; what it does not hold counts
 * as not there then. So afterwards the newest snapshot is the copy: whoever imports takes one of the
 * workspace when all are in, and until then everything in it is to be looked at.
 *
 * STORE/imported remembers what was brought in, so that it is not brought in again when it was
 * pruned since. */
#ifndef SCAN_IMPORT_H
#define SCAN_IMPORT_H

#include "scan.h"

struct import {
	const char *path;		/* of the copy, canonical */
	int64_t time_ns;		/* when it was made */
	const char *message;
	const volatile sig_atomic_t *stop;	/* may be NULL; non-zero: -EINTR */
	void (*progress)(uint64_t files, uint64_t bytes, void *arg);	/* may be NULL */
	void *arg;
};

/* A writer, in no transaction. 0: it is a snapshot now; *ret_unreadable: so many paths of it could not
 * be read. -EDQUOT, -ENOSPC: no room; a quarter of the quota stays free for new work. Nothing was written
 * if it fails. */
int import_folder(struct store *s, const struct config *cfg, const struct import *what, uint64_t *ret_unreadable);

#define IMPORTED_LIST "imported"

struct imported;		/* what was brought in */
/* An empty one if there is no such file. What cannot be understood in it is left out. */
int imported_load(const struct store *s, struct imported **ret);
bool imported_has(const struct imported *x, const char *path, int64_t time_ns);
void imported_free(struct imported *x);		/* NULL is fine */

#endif
