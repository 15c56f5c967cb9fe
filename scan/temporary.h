/* scan/temporary.h - the files a restore has in the making: ".NAME.hf-XXXXXXXX" beside NAME.
 *
 * recover writes and renames them, snapshots leave them out. A user's file may be called like
 * that too: ours is only what the restore that is under way, or waits to be finished, would have
 * there. */
#ifndef SCAN_TEMPORARY_H
#define SCAN_TEMPORARY_H

#include <stdbool.h>
#include <stdint.h>

#include "../store/store.h"

/* In the store's folder: what a restore is to do (recover/journal.h). It begins with 16 bytes
 * (magic, a record's length and sum), an 'H' and the number of the restore, little-endian. */
#define TEMPORARY_JOURNAL "restore.journal"

/* Of the restore op, for path (below the workspace), whose last component is name. */
void temporary_name(uint64_t op, const char *path, const char *name, char out[256]);

/* Is path, by its name, a temporary of the restore of this store's workspace? Reads a file of the
 * store, but only where the name looks like one. */
bool temporary_is_ours(struct store *st, const char *path);

#endif
