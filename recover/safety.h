/* recover/safety.h - a restore destroys nothing: first a snapshot of what is there, and then
 * nothing is touched that this snapshot does not hold. */
#ifndef RECOVER_SAFETY_H
#define RECOVER_SAFETY_H

#include "plan.h"

/* Asks the daemon, or takes the writer's lock and scans. *ret is the snapshot that holds the
 * workspace as it is (release it; seq 0 when the workspace does not exist, so that there is
 * nothing to hold). EXIT_DONE or EXIT_ENV, having said why. */
int safety_take(struct recover *r, const char *message, struct store_snapshot *ret);

/* The snapshot alone, says nothing. 0, 1, or negative; *ret as with commit. */
int safety_snapshot(struct recover *r, const char *message, struct store_snapshot *ret);

/* Looks at every path the plan would change and blocks those whose present content the newest
 * snapshot (taken just now) does not hold. */
int safety_check(struct recover *r, int root, struct plan *p);

/* The same for a restore that goes on after an interruption: what is there must be what snapshot
 * seq holds, or a part of what the restore itself was writing. */
int safety_check_resumed(struct recover *r, int root, uint64_t seq, struct plan *p);

#endif
