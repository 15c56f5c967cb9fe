/* recover/stores.h - the folder in which a user's stores lie, and one of them by name. */
#ifndef RECOVER_STORES_H
#define RECOVER_STORES_H

#include "../lib/buf.h"
#include "recover.h"

/* Behind the name of what a repair makes, as long as it is not whole. */
#define STORES_UNFINISHED ".unfinished"

/* Where the settings place stores. Says what is wrong; EXIT_DONE or EXIT_ENV. */
int stores_parent(const struct recover *r, struct buf *ret);
/* The workspace that the store in dir keeps; empty: it does not say. -ENOENT: it is no store. */
int stores_workspace(const char *dir, struct buf *ret);
/* What a word means: a workspace (its store is where the settings place it), or the folder of a
 * store itself. Said when it is neither; EXIT_DONE or EXIT_ENV. */
int stores_find(
	const struct recover *r, const char *word, struct buf *ret_dir, struct buf *ret_workspace);
/* Takes away what drops that were killed have left in parent; it was agreed to. */
void stores_sweep(const char *parent);
/* Opened for writing, so that nobody else is at it; what is wrong is said. EXIT_DONE or
 * EXIT_ENV. */
int stores_lock(const char *dir, struct store **ret);

#endif
