/* recover/mirror-stage.h - the repository STORE/mirror/git that snapshots are pushed from.
 *
 * It has the commit that was pushed last with its tree, and what is new; what is behind that is at the
 * remote alone (git calls that a shallow repository). Commits are those of the store where their parent was pushed
 * before them and nothing is left out of their tree; else their message ends with "Holdfast-Id: ID", the id in
 * the store. Nothing that was pushed changes any more, also when it is thinned out here. */
#ifndef RECOVER_MIRROR_STAGE_H
#define RECOVER_MIRROR_STAGE_H

#include <stdbool.h>
#include <git2.h>

#include "recover.h"

struct stage;

/* dir: where it is or is to be. tip: the commit to go on from, NULL: none, it is made new then. -ENOENT: tip is
 * not whole there. */
int stage_open(struct recover *r, const char *dir, const git_oid *tip, struct stage **ret);
void stage_close(struct stage *st);		/* NULL is fine */
/* The next snapshot; not there until stage_flush. */
int stage_add(struct stage *st, const struct oid *id, const struct oid *tree);
/* The bytes of all that was added, before they are packed, about. */
uint64_t stage_bytes(const struct stage *st);
/* All that was added becomes packs, and main the last of it. -EDQUOT, -ENOSPC: there is no room for it (store_room). */
int stage_flush(struct stage *st);
const git_oid *stage_tip(const struct stage *st);
/* Paths left out of the last tree, for they look like secrets. */
uint64_t stage_left_out(const struct stage *st);
/* All was pushed: what is not needed any more goes, if it is worth the work. st is closed. */
int stage_shrink(struct stage *st, const char *dir);
/* So many bytes may be staged; *ret_err: what there is no more room of, -EDQUOT or -ENOSPC. */
int stage_room(struct recover *r, uint64_t *ret, int *ret_err);
/* What a shrink left beside dir that was killed goes. Where dir has no name, killed between two, it gets it back. */
void stage_mend(const char *dir);
/* dir, a repository nobody else is at work in: the locks of whoever was killed there go. */
void stage_unlock(const char *dir);
/* dir and all in it. */
void stage_remove(const char *dir);

#endif
