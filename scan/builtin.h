/* scan/builtin.h - the names Holdfast knows without being told. */
#ifndef SCAN_BUILTIN_H
#define SCAN_BUILTIN_H

#include <stdbool.h>

#include "at.h"

/* .git: never looked at. */
bool builtin_invisible(const char *name);

/* ".GIT" and the like: git refuses them in a tree. */
bool builtin_unnameable(const char *name);

/* Files that are always stored: .env*, *.ipynb. */
bool builtin_always(const char *name);

/* What comes and goes while an editor or a file system works (swap and lock files, .nfs*): not
 * stored, and not worth a line in the manifest. */
bool builtin_transient(const char *name);

/* What tools can make again. */
bool builtin_file(const char *name);
bool builtin_folder(const char *name);
/* The same, told by what the folder holds: a virtual environment (pyvenv.cfg, conda-meta), a
 * CACHEDIR.TAG with its signature (bford.info/cachedir: cargo's target, and many caches), a store
 * of Holdfast. path is below rootfd.
 * 1, 0, or negative: no descriptors, no memory. */
int builtin_folder_content(int rootfd, struct at_near *near, const char *path);
/* May a change of this name change that answer, for the folder it is in or the one above? */
bool builtin_tells(const char *name);

#endif
