/* recover/mirror-marks.h - marks at the mirror: refs/holdfast/HOST/WORKSPACE/marks is a commit whose tree has one file, marks. A
 * line of it is the id of a snapshot (that of the store; where a commit's message says Holdfast-Id, that one), a space, and the name.
 * It has no parent, and depends on nothing but the marks. */
#ifndef RECOVER_MIRROR_MARKS_H
#define RECOVER_MIRROR_MARKS_H

#include <git2.h>

#include "../store/store.h"

#define MARKS_REF "refs/heads/marks"	/* in the repositories of ours */

/* MARKS_REF of repo says what the store's marks are. 1: that is new. */
int marks_stage(struct store *s, git_repository *repo);
/* The store, which has a snapshot for each commit up to tip, gets the marks of MARKS_REF, and loses others. */
int marks_take(struct store *s, git_repository *repo, const git_oid *tip);

#endif
