/* snapd/links.h - files with more than one name.
 *
 * A write goes through one name, and inotify tells of that one alone; the others change as well.
 * So the names of such files are remembered by inode, and when one is looked at, the others are
 * too. */
#ifndef SNAPD_LINKS_H
#define SNAPD_LINKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "../scan/scan.h"
#include "dirty.h"

struct links;

int links_new(struct links **ret);
void links_free(struct links *l);		/* NULL is fine */
void links_clear(struct links *l);

/* A new look at the workspace begins: what is added from now on is what it touches. */
void links_begin(struct links *l);
/* Names that are dirty, or in folders that are: their files are touched even if the name is gone
 * by now. */
void links_touch(struct links *l, const struct dirty *d);
/* Of files that have names nobody here knows (outside, or in ignored folders): those that
 * changed become dirty. */
void links_look(struct links *l, int rootfd, struct dirty *d);
/* path is a name of st's file. Without memory it is forgotten, and a full scan will find it. */
void links_add(struct links *l, const char *path, const struct stat *st);
/* Look at the names that were not looked at since links_begin. */
int links_follow(struct links *l, struct scan *s, struct store *st, struct store_txn *t);

#endif
