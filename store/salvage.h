/* store/salvage.h - a new store of all that can be read of a damaged one. The old one is only read.
 *
 * Snapshot by snapshot, with numbers, times, reasons, messages and marks; a commit keeps its id where all before it
 * came through and none was thinned out. A file whose content is lost stands as skipped (unreadable) in the snapshots
 * that had it, unless somebody has the same bytes. */
#ifndef STORE_SALVAGE_H
#define STORE_SALVAGE_H

#include <signal.h>
#include <stdbool.h>

#include "store.h"

struct store_salvage {
	/* A regular file that may have these bytes (id, size), as path of the workspace; -1: nobody has. Closed by us;
	 * may be NULL. */
	int (*find)(const char *path, const struct store_entry *e, void *arg);
	/* What is hurt: path NULL: the list of changes of the snapshot, or all of it. */
	void (*hurt)(uint64_t seq, const char *path, const char *what, void *arg);
	store_progress_fn progress;	/* snapshots; may be NULL */
	const volatile sig_atomic_t *stop;	/* may be NULL; non-zero: -EINTR */
	void *arg;
	uint64_t snapshots, paths_hurt, snapshots_hurt, found;	/* out; found: contents that find had */
	bool gaps;			/* out: parts of the log are gone; which snapshots were in them nobody can say */
};

/* into: a new folder, made here; the workspace is what from says. Synced when it returns 0. */
int store_salvage(struct store *from, const char *into, struct store_salvage *v);

#endif
