/* recover/git-run.h - the git program, for what goes over a network.
 *
 * Not libgit2: it reads no ~/.ssh/config, knows no credential helper, no GIT_SSH_COMMAND and no proxy
 * but its own, so that what works in the user's terminal would not work here. Only its own repositories are
 * handed to git; the user's hooks do not run. */
#ifndef RECOVER_GIT_RUN_H
#define RECOVER_GIT_RUN_H

#include <stdint.h>

#include "../lib/buf.h"

/* git -C dir WORDS... (NULL-terminated), of which none becomes shell text. out: its stdout, at most 1 MiB; why: the line
 * of its stderr that says most. 0; 1: git failed; negative: it could not be run (-ENOENT: no git), or was ended because
 * it took longer than an hour, or we were interrupted. */
int git_run(const char *dir, const char *const *words, struct buf *out, struct buf *why);
/* ... which writes no file larger than most bytes: -EFBIG. */
int git_run_within(const char *dir, const char *const *words, uint64_t most, struct buf *out, struct buf *why);

#endif
