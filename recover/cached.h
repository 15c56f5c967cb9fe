/* recover/cached.h - the content of a workspace file without reading it: when its stat data are
 * those of the moment the newest snapshot read it, its id is the one recorded then. */
#ifndef RECOVER_CACHED_H
#define RECOVER_CACHED_H

#include "look.h"

struct cached {
	struct store *store;
	char *dir;		/* whose entries are loaded; NULL: none */
	struct cached_entry *e;	/* by name */
	size_t n, cap;
	uint64_t seq;		/* the snapshot whose time is remembered */
	int64_t seq_time_ns;
};
void cached_init(struct cached *k, struct store *s);
void cached_release(struct cached *k);
void cached_forget(struct cached *k);		/* the store has a new snapshot */

/* The newest snapshot's entry of path, or NULL. Sorted paths make it cheap. */
const struct store_entry *cached_entry(struct cached *k, const char *path);

/* 1 and the id when the stat data prove it, else 0. */
int cached_oid(struct cached *k, const char *path, const struct had *h, struct oid *ret);

#endif
