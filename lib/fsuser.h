/* lib/fsuser.h - root at work in another user's files: what it makes there is that user's.
 *
 * `sudo recover` in somebody's workspace would else leave files, and parts of the store, that their
 * owner can neither read nor go on with. Only the owner of what is made changes (setfsuid(2)): root
 * still may open everything, and a program that is started is root's as ever. For this thread and
 * those it starts later. */
#ifndef LIB_FSUSER_H
#define LIB_FSUSER_H

#include <sys/types.h>

/* 0: done, or there is nothing to do (we are not root, or the user is). Negative errno: nothing is
 * changed. */
int fsuser_act_for(uid_t uid, gid_t gid);
void fsuser_act_as_self(void);	/* what is made is ours again */

#endif
