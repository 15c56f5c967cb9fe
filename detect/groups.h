/* detect/groups.h - the memory groups (cgroups) that editors and trainings run in, where these have
 * a limit and are not the caller's own: a training in a scope, a container or a Slurm job dies of
 * its own limit while the machine has room.
 *
 * groups_begin, then groups_add for each process, those of one group as often as there are: it is
 * read once. Nothing is allocated; the first GROUPS_MAX different groups count. */
#ifndef DETECT_GROUPS_H
#define DETECT_GROUPS_H

#include "detect/machine.h"
#include "detect/procs.h"

enum { GROUPS_MAX = 8, GROUP_NAME = 64 };

struct group_use {
	pid_t pid; /* of the process it was found by, and what that is called: any bytes */
	char name[GROUP_NAME];
	struct cgroup_reading cg; /* the tightest limit on its way up */
};

struct groups {
	unsigned n, n_seen;
	char own[MACHINE_CG_PATH];		/* the caller's; "" not known */
	char seen[GROUPS_MAX][MACHINE_CG_PATH];
	struct group_use use[GROUPS_MAX];	/* those with a limit */
};

void groups_begin(struct groups *g, int procfd);
/* group: as cgroup_of says it, or NULL: that is asked. machine_total: a limit at or over it is
 * none. */
void groups_add(struct groups *g, const struct roots *roots, int procfd, const char *group,
	pid_t pid, const char *name, uint64_t machine_total);
const struct group_use *groups_fullest(const struct groups *g); /* NULL: none has a limit */
uint64_t group_used(const struct group_use *u);			/* percent times 100 */

#endif
