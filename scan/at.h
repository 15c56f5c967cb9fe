/* scan/at.h - paths below the workspace, opened without following a link and without a limit to
 * their length: beyond PATH_MAX they are opened piece by piece. */
#ifndef SCAN_AT_H
#define SCAN_AT_H

#include <stddef.h>
#include <sys/stat.h>

#include "../lib/buf.h"

/* path "" is rootfd itself (a new descriptor). -ELOOP, -ENOTDIR: something on the way is a link
 * or a file. */
int at_open(int rootfd, const char *path, int flags);
/* lstat(2) likewise. */
int at_stat(int rootfd, const char *path, struct stat *ret);
/* For reading what belongs to somebody else: never a terminal, never blocking, no access time
 * left behind. */
int at_open_file(int dirfd, const char *name);

/* The last component, and the length of what stands before it (without the '/'). */
const char *at_base(const char *path, size_t *ret_parent_len);

/* The folder last opened in, for trees so deep that starting at the root each time would take
 * the square of their depth. Short paths do not use it. Forget it between two looks: folders
 * move. */
struct at_near {
	int fd;			/* -1: none */
	struct buf path;
};
void at_forget(struct at_near *n);
/* As at_open, where what follows is mostly below or beside what went before. */
int at_open_near(int rootfd, struct at_near *n, const char *path, int flags);

#endif
