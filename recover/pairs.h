/* recover/pairs.h - which files differ between two trees: pairs of an old and a new side.
 *
 * The trees may come from a hostile store: depth and number are bounded. Renames are found the
 * way git finds them (similar.c), for libgit2 decides otherwise about empty files, about what
 * became a link, and about which of several candidates is the source. */
#ifndef RECOVER_PAIRS_H
#define RECOVER_PAIRS_H

#include <stdbool.h>
#include <git2.h>

#include "paths.h"

struct side {
	char *path;
	unsigned mode;		/* 0: it is not there, id is zero */
	git_oid id;
};

struct pair {
	char status;		/* A D M R, T: file and link changed places */
	int score;		/* R: of SCORE_MAX */
	struct side a, b;	/* both have a path */
};

struct pairs {
	struct pair *p;		/* by path of the new side (of the old one: D) */
	size_t n, cap;
};

#define SCORE_MAX 60000
#define TREE_DEPTH_MAX 2048	/* more folders in folders than a path has room for */

/* paths: literal, a folder means all below; NULL or empty: all. A libgit2 error code. */
int pairs_collect(git_repository *repo, git_tree *a, git_tree *b, const struct strs *paths,
	struct pairs *ret);
/* Turns A and D of files that are alike into R. least: how alike they must be, of SCORE_MAX. */
int pairs_find_renames(git_repository *repo, struct pairs *l, int least);
void pairs_release(struct pairs *l);

#endif
