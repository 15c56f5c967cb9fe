/* snapd/import.h - `recover import` while the daemon is the writer. */
#ifndef SNAPD_IMPORT_H
#define SNAPD_IMPORT_H

#include <stdint.h>

struct workspace;

/* A copy of the workspace of an earlier time becomes a snapshot (scan/import.h); everything is dirty
 * then. */
int workspace_import(struct workspace *w, const char *path, int64_t time_ns, const char *message,
	uint64_t *ret_unreadable);

#endif
