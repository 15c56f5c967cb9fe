/* detect/cgroup.h - memory limits of our own cgroup and of all above it. Not for outside the
 * room; see machine.h. */
#ifndef DETECT_CGROUP_H
#define DETECT_CGROUP_H

#include <stddef.h>
#include <sys/types.h>

#include "detect/machine.h"

enum { CGROUP_LEVELS = 32 };	/* deeper groups are left out */

struct cgroup_level {
	int dirfd;			/* O_PATH */
	int limit_fd, high_fd;		/* kept open; -1: no such file */
	int used_fd, stat_fd;		/* opened when a limit is first seen; -1 before */
	size_t path_len;		/* of struct cgroup_chain.path */
};

struct cgroup_chain {
	int version;			/* of the memory controller; 0: none in sight */
	unsigned n;
	struct cgroup_level level[CGROUP_LEVELS];	/* our own first */
	int oom_fd;			/* memory.events, memory.oom_control */
	uint64_t cpus;			/* by the quotas; MACHINE_NONE */
	uint64_t unseen;		/* version 1: the lowest limit of all above, in sight or not */
	unsigned reads;
	char path[4096];		/* of our own group */
};

/* Of that process, 0: of our own. Always succeeds; what cannot be opened is not there. */
void cgroup_open(struct cgroup_chain *c, const struct roots *roots, pid_t pid);
void cgroup_close(struct cgroup_chain *c);
/* machine_total: a limit at or over it is none. */
void cgroup_read(struct cgroup_chain *c, uint64_t machine_total, struct cgroup_reading *ret);

/* watched-cgroup.c: the path of a process's memory group (pid 0: of our own) into p, without a NUL;
 * its length, 0: not known. */
size_t cgroup_of(int procfd, pid_t pid, char *p, size_t size);
/* The path of our group in text, the content of /proc/self/cgroup: with controller NULL that of
 * version 2. -ENOENT. */
int cgroup_path(const char *text, size_t n, const char *controller, char *ret, size_t size);
/* CPUs by a quota of version 2 ("max 100000", "150000 100000"); MACHINE_NONE: none. */
uint64_t cgroup_cpus(const char *text, size_t n);

#endif
