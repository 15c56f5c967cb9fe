/* recover/chain.h - the snapshots of a store as one line of git commits.
 *
 * A snapshot that was thinned out is still named as its parent by the one that came after it: a
 * commit's id covers its parent, and ids stay. No git history that can be cloned and pushed has
 * such holes (a shallow one is refused by servers, and ends `git log` at each hole). So here
 * every commit has the one before it as its parent; where that makes another commit of it, its
 * message ends with a line "Holdfast-Id: ID", the id in the store. Of a store that never was
 * thinned all are the same. */
#ifndef RECOVER_CHAIN_H
#define RECOVER_CHAIN_H

#include <stddef.h>
#include <stdint.h>
#include <git2.h>

#include "../lib/buf.h"
#include "../store/store.h"

struct chain_link {
	uint64_t seq;
	git_oid store, id;	/* in the store, in the line */
	git_oid tree;
};

struct chain {			/* oldest first */
	struct chain_link *link;
	size_t n, cap;
};

/* 0, or a code of libgit2's (git_error_last says why). 72 bytes of memory for a snapshot. */
int chain_load(struct store *s, git_odb *odb, struct chain *ret);
void chain_release(struct chain *c);
/* The bytes of the commit link[i]. */
int chain_text(const struct chain *c, git_odb *odb, size_t i, struct buf *ret);
/* NULL: no such snapshot. */
const struct chain_link *chain_find(const struct chain *c, uint64_t seq);

#endif
