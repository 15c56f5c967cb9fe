/* store/around.h - what stores there are around a folder that has none, or not for long: the one of
 * a folder above it, and those whose workspace is gone, for it may be one of these that was moved.
 *
 * parent is where stores lie (store.dir; NULL: the usual place), whatever HOLDFAST_STORE says. A
 * store that --store put elsewhere is not found. */
#ifndef STORE_AROUND_H
#define STORE_AROUND_H

#include <stdbool.h>

#include "../lib/buf.h"

/* Is there a store in dir? One that may not be looked at counts as one. */
bool around_is_store(const char *dir);
/* The nearest folder above path that has a store. 0 or -ENOENT. */
int around_above(const char *path, const char *parent, struct buf *ret);
/* Each workspace that is gone and has a store, until fn gives other than 0. 0 or what fn gave;
 * -ENOENT: there is no place for stores, else what opening that place met. */
int around_gone(const char *parent, int (*fn)(const char *workspace, void *arg), void *arg);
/* How many of those may be path, moved: they have its name, or were in the same folder. *ret is the likeliest. Negative as above. */
int around_moved(const char *path, const char *parent, struct buf *ret);

#endif
