/* recover/apply.h - carries a plan out.
 *
 * In this order, so that an interruption at any moment leaves every file whole, old or new: what
 * is in the way is removed, folders are made, files are written beside their names and, once
 * their bytes are on disk, renamed to them, what is to go is removed, modes and times of folders
 * are set last. No link is followed anywhere and nothing is touched that is not as the plan saw
 * it. Content is read from the store, hashed on the way; two threads write. */
#ifndef RECOVER_APPLY_H
#define RECOVER_APPLY_H

#include "plan.h"
#include "../lib/progress.h"

struct apply_options {
	uint64_t op;			/* names the temporaries */
	bool verify;			/* read every written file back */
	bool sync;			/* on disk when it returns */
	struct progress *progress;	/* may be NULL */
};

/* 0; -EINTR when `interrupted` was set: what is done is whole. What failed is in the items: after a
 * full disk all that was not reached, too. Any other error: the file system could not be synced, so
 * that it is not known what of it is on disk; names whose bytes are not were not given. */
int apply_plan(struct store *s, int root, struct plan *p, const struct apply_options *opt);

/* Removes the temporaries a killed restore left beside its paths (and gives back its name to
 * what it was about to delete), before a plan is made. */
void apply_sweep(int root, const struct targets *t, uint64_t op);

#endif
