/* recover/wtree.h - the workspace as a git tree in memory, so that every diff is of two trees.
 *
 * Only what differs from a snapshot is new: the trees on the way to it are made here and
 * the files are read from the workspace when libgit2 asks for them. Nothing is written
 * anywhere. */
#ifndef RECOVER_WTREE_H
#define RECOVER_WTREE_H

#include <git2.h>

#include "paths.h"
#include "recover.h"

struct wtree_notes {
	struct strs unread;	/* in the snapshot, and could not be read now */
	/* in the snapshot, and not stored any more: ignored, excluded, too large */
	struct strs left_out;
	const char *stale;	/* a file that changed while the diff was made, or NULL */
};

/* The workspace's tree, as compared with snapshot sn. Paths limits where is looked. The objects
 * live as long as r->store; *notes is filled now (unread, left_out) and while the tree is used
 * (stale). -ENOENT: the workspace is gone. */
int wtree_build(struct recover *r, const struct store_snapshot *sn, const struct strs *paths,
	struct wtree_notes *notes, git_tree **ret);

#endif
