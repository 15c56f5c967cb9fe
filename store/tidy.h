/* store/tidy.h - writing segments anew as tight as they can be, where nobody is in a hurry.
 *
 * Two steps, so that the writer never waits. make, with any handle and in a process of its own, writes a
 * whole new segment beside the log. Its name says what it was made of: the segment, its salt, how far it went,
 * the generation of log/dropped. take, the writer, looks whether that is still so, and puts it into the place
 * of the old one; what does not fit any more is removed. Whoever dies leaves either the old one or the new
 * one, whole, and files that the next take or the next writer removes.
 *
 * A tidied segment is read by the same chains of at most DEPTH_MAX, and says in its header how far it is
 * tidied; only what came after that is encoded again the next time. */
#ifndef STORE_TIDY_H
#define STORE_TIDY_H

#include "store.h"

struct tidied {
	uint32_t segments;		/* written anew */
	uint64_t before, after;		/* their bytes */
};

/* The segment that has most to gain by it: least bytes that were never tidied, and at least a tenth of it. 1, or 0:
 * there is none. after: one that cannot be tidied now is left out, and those before it (0: none). */
int store_tidy_due(struct store *s, uint64_t least, uint32_t after, uint32_t *ret_no, uint64_t *ret_bytes);
/* How many there are, and their bytes (before). */
int store_tidy_left(struct store *s, uint64_t least, struct tidied *ret);
/* rest, about each 20 ms of work, may pause; negative stops with that. -EBADMSG, -ENOTSUP: it is damaged or not
 * understood, and stays as it is. */
int store_tidy_make(struct store *s, uint32_t no, int (*rest)(void *arg), void *arg);
/* All that was made; never between the steps of a prune. 1: something was taken, 0: nothing fits. -EBUSY: in a
 * transaction. */
int store_tidy_take(struct store *s, struct tidied *ret);
/* The same of one, in steps: begin (1: there is one that fits, 0: none), step until it says 0, then finish; or drop at any time,
 * and it is there for the next. step only reads what was made, for about budget_ms (0: to the end); between steps the store may be
 * used freely. finish, which frees t, puts it into its place if it fits still (1; else 0, and it is removed): one transaction of
 * the catalogue, about a microsecond for each object of the segment. */
struct tidy_take;
int store_take_begin(struct store *s, struct tidy_take **ret);
int store_take_step(struct tidy_take *t, uint64_t budget_ms);
int store_take_finish(struct tidy_take *t, struct tidied *ret);
void store_take_drop(struct tidy_take *t);	/* NULL is fine */
/* What a make that was killed left behind. */
void store_tidy_clean(struct store *s);

#endif
