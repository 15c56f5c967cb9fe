/* recover/known.h - the content of a workspace file without reading it: when its stat data are those of the moment
 * the newest snapshot read it, its id is the one recorded then. */
#ifndef RECOVER_KNOWN_H
#define RECOVER_KNOWN_H

#include "look.h"

struct known {
	struct store *store;
	char *dir;		/* whose entries are loaded; NULL: none */
	struct known_entry *e;	/* by name */
	size_t n, cap;
	uint64_t seq;		/* the snapshot whose time is remembered */
	int64_t seq_time_ns;
};
void known_init(struct known *k, struct store *s);
void known_release(struct known *k);
void known_forget(struct known *k);		/* the store has a new snapshot */

/* The newest snapshot's entry of path, or NULL. Sorted paths make it cheap. */
const struct store_entry *known_entry(struct known *k, const char *path);

/* 1 and the id when the stat data prove it, else 0. */
int known_oid(struct known *k, const char *path, const struct had *h, struct oid *ret);

#endif
