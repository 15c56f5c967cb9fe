/* snapd/helper.h - processes that work for the daemon beside it: recover-check, recover-mirror, recover-tidy, which lie where we do. */
#ifndef SNAPD_HELPER_H
#define SNAPD_HELPER_H

#include <sys/types.h>

#include "../lib/loop.h"

struct helper {
	pid_t pid;		/* 0: none is at work */
	int fd;			/* of that process */
};

/* argv[0] is its name. It gets a session of its own (nobody at our terminal is asked for a password), signals as they are by
 * default, nothing to read, and its output goes nowhere; what it says on stderr, to ours. fn is called when fd says
 * that it ended; it calls helper_ended. Negative: nothing runs. */
int helper_start(struct loop *l, struct helper *h, char *const argv[], loop_fd_fn fn, void *arg);
/* Its exit status as waitpid gives it, and h is empty; -EAGAIN: it has not ended. */
int helper_ended(struct loop *l, struct helper *h, int *ret_status);
/* Told to end; nobody waits for it, but the loop sees to it that nothing is left of it. */
void helper_leave(struct loop *l, struct helper *h);

#endif
