/* snapd/permit.h - what has to be so before a snapshot is made, whoever makes it: the daemon, or
 * --once alone. */
#ifndef SNAPD_PERMIT_H
#define SNAPD_PERMIT_H

#include <stdbool.h>

#include "../config/config.h"
#include "../store/store.h"

/* Where the store of path is, given by the options or by parent (store.dir); -ENOENT, said, when
 * nothing tells. */
int permit_place(const char *path, const char *given, const char *parent, struct buf *ret);
/* Says why the store in dir cannot be opened, with the way out. Returns r. */
int permit_no_store(const char *dir, int r);
/* May path be a workspace whose store is in dir? 0; -EPERM or what scan_refuse meets, said on
 * stderr. */
int permit_workspace(const char *path, const char *dir, bool force);
/* Before a store is made in dir, where none is: is path a folder that can be read? 0 or why not, said. What other
 * stores (below parent) may have of it is said, too. */
int permit_begin(const char *path, const char *dir, const char *parent);
/* Is s the store of the workspace path, and ours alone (made so)? 0; -EPERM, said: it keeps
 * another. force: from now on it is path's. */
int permit_store(const char *path, struct store *s, bool force);
/* Somebody who says why, or that something happened, gets a snapshot of his own, new or not. */
bool permit_extra(enum store_reason reason, const char *message);

#endif
