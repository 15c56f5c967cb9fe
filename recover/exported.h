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
#include <time.h>
#include <git2.h>

struct exported {
	git_repository *repo;
	bool fresh;		/* no ref is there yet */
	int lock;		/* -1, or held against other exports until it is closed */
	bool alone;		/* it is: not on a file system that knows no locks */
	char *made;		/* the folder, if it was not there before */
	bool marked;		/* this export is noted in the folder */
	bool done;		/* to be set: all that is to be locked was */
	struct timespec killed;	/* when one was begun that never ended; else 0 */
	struct timespec begun;	/* this one */
};

/* ours: the store's objects. EXIT_DONE, or EXIT_ENV having said why; then nothing was written. *ret is closed
 * either way, and a folder that was made and got nothing is taken away then; begin with lock = -1. */
int exported_open(const char *dir, const char *workspace, git_odb *ours, struct exported *ret);
void exported_close(struct exported *x);

/* git and libgit2 lock a file of a repository by another, which one that was killed leaves. Can it be tried again? Yes, if it goes
 * within a second, or was left by an export that never ended; then it is removed. Else git's last error says what is in the way. */
bool exported_unlock(struct exported *x, const char *name);

/* Before main is set to this. 0 or libgit2's code. */
int exported_note(git_repository *repo, const git_oid *main);

#endif
