/* detect/protect.h - is the current folder kept by snapd, and a snapshot of it now.
 *
 * Speaks what snapd/control.h says; needs neither snapd nor the store's code. */
#ifndef DETECT_PROTECT_H
#define DETECT_PROTECT_H

#include <stdint.h>

#include "lib/buf.h"

/* The nearest folder, from the current one up, whose store has a daemon's socket; where none has, the nearest
 * that has a store. parent: store.dir or NULL. 1: both are filled; 0: none. A store that snapd was given by --store is not found. */
int protect_find(const char *parent, struct buf *workspace, struct buf *store);
/* 0 and the id ("" when there is nothing to keep); -ENOENT, -ECONNREFUSED: nobody listens;
 * -ETIMEDOUT: it goes on without us; -EIO: why says. */
int protect_snapshot(const char *store, const char *message, int wait_ms, char id[static 41],
	char *why, size_t why_size);

#endif
