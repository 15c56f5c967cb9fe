/* recover/restore.h - plan -> shown -> safety snapshot -> journal -> applied: what restore and
 * undo share. */
#ifndef RECOVER_RESTORE_H
#define RECOVER_RESTORE_H

#include "journal.h"
#include "plan.h"

struct restore {
	struct recover *r;
	struct targets targets;
	struct oid rev;			/* what is restored, for the journal */
	const char *title;		/* "restore 3f2a91c4 of 2026-11-23 14:31:07" */
	/* "restore of 3f2a91c4", in the messages of the snapshots before and after it */
	const char *what;
	bool undo, dry_run, yes, verify, delete_ok;
	/* undo of one that is still pending: ended when this begins */
	struct journal *interrupted;
	bool reverted_undo;		/* what is undone was itself an undo */
	bool finished;			/* one that was interrupted, just now: it may have been this one */
};

/* An exit code. */
int restore_run(struct restore *x);

/* Below another folder, which is made. No snapshot holds what is there, so whatever exists is
 * kept and named. */
int restore_elsewhere(struct restore *x, const char *dir);

/* What one sees now becomes the newest snapshot, @: what is "restore of 3f2a91c4". Never fails what
 * is done; that it could not be taken is said. */
void restore_keep_result(struct recover *r, const char *what);

/* Run by root in a user's store (sudo): what is made from here on is that user's, until the restore
 * is told. */
void restore_as_owner(const struct recover *r);

/* The workspace, open; -1: it does not exist. Negative otherwise is said: EXIT_ENV. */
int restore_open_root(const char *workspace, int *ret);
/* Makes it when it is gone. */
int restore_make_root(const char *workspace, int *root);

#endif
