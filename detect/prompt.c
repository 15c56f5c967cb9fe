/* See prompt.h. */
#include "detect/prompt.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"

enum { RESET_ON_FORK = 1, TURN_NS = 500000 };

struct attr {	/* sched_attr, its first version; of which glibc knows nothing before 2.41 */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

void prompt_ask(int nice)
{
	struct attr was = { 0 }, want;

	if (syscall(SYS_sched_getattr, 0, &was, sizeof(was), 0) < 0 || was.policy != 0)
		return;
	want = was;
	want.size = sizeof(want);
	want.flags |= RESET_ON_FORK;
	want.runtime = TURN_NS;
	if (want.nice == 0)
		want.nice = nice;
	if (syscall(SYS_sched_setattr, 0, &want, 0) == 0)
		return;
	want.nice = was.nice;
	if (syscall(SYS_sched_setattr, 0, &want, 0) < 0)
		log_debug("scheduling: %s", strerror(errno));
}
