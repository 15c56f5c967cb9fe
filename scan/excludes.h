/* scan/excludes.h - the user's own patterns for all of git's repositories. */
#ifndef SCAN_EXCLUDES_H
#define SCAN_EXCLUDES_H

/* The path that core.excludesFile of the user's or the system's git configuration names, else
 * git's default, $XDG_CONFIG_HOME/git/ignore. The file need not exist. free() it; NULL: there is
 * no such place. -ENOMEM. */
int excludes_path(char **ret);

#endif
