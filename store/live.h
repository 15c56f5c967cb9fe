/* store/live.h - the objects that snapshots want: a mark phase. Trees are told apart by their
 * whole id; of everything else the first 8 bytes are kept, so that two objects that share them
 * live or die together: what is dead may be taken for alive, never the other way round. Memory:
 * about 16 bytes for a blob or chunk, 48 for a tree. */
#ifndef STORE_LIVE_H
#define STORE_LIVE_H

#include "internal.h"

struct live_todo {		/* trees that are marked and not read yet */
	struct oid *id;
	size_t n, cap;
};

struct live {
	uint64_t *key;		/* open addressing; 0 = free */
	size_t n_key, cap_key;
	struct oid *tree;	/* likewise, all zero = free */
	size_t n_tree, cap_tree;
	struct live_todo todo;
	/* What cannot be read wants nobody knows what, but nothing that was written after it: with this
	 * set, such a tree or list is counted in lost, and who marks says what stays for it
	 * (live_spare). Else -EBADMSG. */
	bool go_on;
	uint64_t lost;
	loc_t spared;		/* all before this place is alive */
	/* Called for each object that was not marked before; 0 or negative. NULL: nobody wants
	 * to know. */
	int (*fresh)(const struct oid *id, void *arg);
	void *arg;
};

void live_release(struct live *v);
/* All that a tree holds. */
int live_mark_tree(struct live *v, struct store *s, const struct oid *root);
/* The same in pieces: begin, then run until it gives 0; 1: deadline_ms (CLOCK_MONOTONIC; 0 = none) came first. */
int live_mark_begin(struct live *v, const struct oid *root);
int live_mark_run(struct live *v, struct store *s, uint64_t deadline_ms);
/* The chunks of the large blobs among them whose lists are in this segment, from *off on (0: its beginning), which says how far it
 * came: 1, the deadline was first. */
int live_mark_chunks(struct live *v, struct store *s, uint32_t no, uint64_t *off, uint64_t deadline_ms);
/* The chunks of this one, a list at loc. */
int live_mark_list(struct live *v, struct store *s, loc_t loc);
void live_spare(struct live *v, loc_t loc);
/* Trees and blobs, chunks too; of the copy at loc. */
bool live_has(const struct live *v, const struct oid *id, uint8_t type, loc_t loc);

#endif
