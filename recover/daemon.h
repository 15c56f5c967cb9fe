/* recover/daemon.h - asking the snapd that keeps this store. */
#ifndef RECOVER_DAEMON_H
#define RECOVER_DAEMON_H

#include <sys/types.h>

#include "recover.h"

/* Sends the fields (NULL-terminated) to the store's control socket. 1: it said ok, its second
 * field is appended to ret (may be NULL); 0: no daemon is there; negative: what it answered,
 * having logged its words, or -EINVAL without a word: the caller can say better what
 * is wrong. A daemon that does not answer is waited for, which is said: ten seconds where it is
 * stopped, a minute where a disk holds it up; then -ETIMEDOUT. timeout_ms is for the answer of one
 * that does. */
int daemon_ask(const struct recover *r, const char *const *fields, int timeout_ms, struct buf *ret);
bool daemon_is_stopped(pid_t pid);	/* by a signal or a debugger: it answers nobody until it goes on */

#endif
