/* editors/editors-internal.h - what the files of the room share. */
#ifndef EDITORS_INTERNAL_H
#define EDITORS_INTERNAL_H

#include <dirent.h>

#include "editors.h"

/* Opened below dirfd, links not followed; negative errno. */
int editor_dir(int dirfd, const char *name);
/* The next name of d that is neither hidden nor too long, and of which `left` still allows;
 * NULL. */
const char *editor_next(DIR *d, unsigned *left);
/* The path below workspace, or NULL. */
const char *editor_below(const char *path, const char *workspace);
/* Is W, the name of a window's folder, the workspace's? */
bool editor_is_window(const struct place *p, const char *w, const char *workspace);

#endif
