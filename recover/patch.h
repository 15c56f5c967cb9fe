/* recover/patch.h - the difference of two trees, printed as git prints it.
 *
 * libgit2 finds the changes and the hunks; what is done here is what it does otherwise than git
 * or leaves to others: renames (pairs.h), headers, colours, the diffstat, quoted names.
 * tests/t_recover_diff.sh holds the output against git's own, byte by byte. */
#ifndef RECOVER_PATCH_H
#define RECOVER_PATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <git2.h>

#include "../lib/buf.h"
#include "pairs.h"

enum patch_format { /* any of them; none: PATCH_TEXT */
	PATCH_TEXT = 1,
	PATCH_STAT = 2,
	PATCH_NUMSTAT = 4,
	PATCH_NAME_STATUS = 8,
	PATCH_NAME_ONLY = 16,
	PATCH_SHORTSTAT = 32,
	PATCH_SUMMARY = 64,
};

struct patch_options {
	unsigned format;	/* enum patch_format */
	int context;		/* lines around a change */
	bool binary;		/* patches for binary files too, as `git apply` takes them */
	bool color;
	bool no_renames;
	bool full_index;
	bool ignore_space, ignore_space_change;
	int rename_least;	/* of SCORE_MAX; 0 = half of it */
	int width;		/* of the diffstat; 0 = 80 */
	/* A pair whose content cannot be had (it changed meanwhile, the store is damaged) is
	 * left out and told to this; NULL: it ends all. */
	void (*unread)(const struct pair *p, void *arg);
	void *arg;
};

/* Prints on stdout. a or b NULL: the empty tree. 1: they differ, 0: they do not (with ignored
 * white space: in nothing else), negative: failed (the reason is in git_error_last). paths:
 * literal, a folder means all below. */
int patch_trees(git_repository *repo, git_tree *a, git_tree *b, const struct strs *paths,
	const struct patch_options *opt);

/* ---- shared by patch.c and stat.c ---- */

/* as core.quotePath */
void patch_quote(const char *name, const char *prefix, struct buf *ret);
int patch_stat(git_repository *repo, const struct pairs *l, const struct patch_options *opt);
/* Of so many bytes that it is binary by that alone and is never read for a diff, only for a patch
 * that was asked for with --binary: 512 MiB, git's core.bigFileThreshold. */
bool patch_is_large(git_repository *repo, const struct side *s, uint64_t *ret_bytes);
/* The lines that differ. side 0: from the old file to the new; 1: a is not there; -1: b is not
 * there. */
int patch_of(git_repository *repo, const struct pair *p, int side, const struct patch_options *opt,
	git_patch **ret);

#endif
