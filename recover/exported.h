/* recover/exported.h - the repository an export goes to, and whose it is.
 *
 * Only a repository that an export made is ever written to again: its config has
 * holdfast.workspace (whose snapshots) and holdfast.exported (the commit main was last set to,
 * and the one before). A folder that is empty becomes one, and so does a bare repository without
 * a single ref. Whatever else is there is somebody's work: a repository with a work tree, a path
 * in a .git, another workspace's export, a main that was moved by other hands. */
#ifndef RECOVER_EXPORTED_H
#define RECOVER_EXPORTED_H

#include <stdbool.h>
#include <git2.h>

/* ours: the store's objects. *ret_fresh: no ref is there yet. EXIT_DONE, or EXIT_ENV having said
 * why; then nothing was written. */
int exported_open(const char *dir, const char *workspace, git_odb *ours, git_repository **ret,
	bool *ret_fresh);

/* Before main is set to this. 0 or libgit2's code. */
int exported_note(git_repository *repo, const git_oid *main);

#endif
