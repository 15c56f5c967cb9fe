/* store/rewrite.h - one segment written anew: what is wanted stays, in its order, under the same
 * number.
 *
 *	begin, step until it says 0, then finish; or drop at any time.
 *
 * The new file is made beside the log (REWRITE_NAME), synced, and renamed into the place of the old
 * one; who has that open goes on reading it. Between steps the store may be written, also this very
 * segment, if only what is wanted is told before the next step. */
#ifndef STORE_REWRITE_H
#define STORE_REWRITE_H

#include "live.h"

struct rewrite;

/* live and dropped stay the caller's and must live as long. */
int rewrite_begin(struct store *s, uint32_t no, const struct live *live,
	const struct dropped *dropped, struct rewrite **ret);
/* 1: stopped at the deadline (0: none; else CLOCK_MONOTONIC ms), 0: all of it is done. -EBADMSG,
 * -ENOTSUP: damaged, or not understood: leave it as it is. */
int rewrite_step(struct rewrite *w, uint64_t deadline_ms);
/* How far it has come in the old one. */
uint64_t rewrite_at(const struct rewrite *w);
/* In its place. Frees w whatever it returns. *ret: the size of the new one. */
int rewrite_finish(struct rewrite *w, uint64_t *ret);
void rewrite_drop(struct rewrite *w);		/* NULL is fine */

/* The same in memory, to see how large it will be; s may be a reader. Step, then rewrite_size; drop. */
int rewrite_try(struct store *s, uint32_t no, const struct live *live,
	const struct dropped *dropped, struct rewrite **ret);
/* What the new one has so far. */
uint64_t rewrite_size(const struct rewrite *w);

/* The same for tidy, with all that is in it and as tight as can be; s may be a reader, which then
 * leaves the whole new file in log/ under this name (frees w whatever it returns)... */
int rewrite_tight(struct store *s, uint32_t no, const struct dropped *dropped, struct rewrite **ret);
int rewrite_leave(struct rewrite *w, const char *name);
/* ... for a writer, whose segment is still the one that it was made of when it is finished, to put into its
 * place: begin, step (which only reads it), finish as above. The file stays unless it is finished. -EBADMSG: it
 * is not whole. */
int rewrite_adopt(struct store *s, uint32_t no, const char *name, const struct dropped *dropped,
	struct rewrite **ret);
/* Is the file that has the name still the one that was read? */
bool rewrite_is_named(struct rewrite *w);

#endif
