/* detect/groups.c - see the header. */
#include "detect/groups.h"

#include <stdio.h>
#include <string.h>

#include "detect/cgroup.h"

void groups_begin(struct groups *g, int procfd)
{
	size_t n;

	g->n = g->n_seen = 0;
	n = cgroup_of(procfd, 0, g->own, sizeof(g->own) - 1);
	g->own[n] = '\0';
}

void groups_add(struct groups *g, const struct roots *roots, int procfd, const char *group,
	pid_t pid, const char *name, uint64_t machine_total)
{
	struct group_use *u = &g->use[g->n];
	char text[MACHINE_CG_PATH];
	struct cgroup_chain chain;

	if (!group) {
		text[cgroup_of(procfd, pid, text, sizeof(text) - 1)] = '\0';
		group = text;
	}
	if (!*group || strcmp(group, g->own) == 0 || strlen(group) >= sizeof(*g->seen))
		return;
	for (unsigned i = 0; i < g->n_seen; i++)
		if (strcmp(g->seen[i], group) == 0)
			return;
	if (g->n_seen == GROUPS_MAX)
		return;
	(void)snprintf(g->seen[g->n_seen++], sizeof(*g->seen), "%s", group);
	cgroup_open(&chain, roots, pid);
	cgroup_read(&chain, machine_total, &u->cg);
	cgroup_close(&chain);
	if (!u->cg.version)
		return;
	u->pid = pid;
	(void)snprintf(u->name, sizeof(u->name), "%s", name);
	g->n++;
}

uint64_t group_used(const struct group_use *u)
{
	return u->cg.used >= u->cg.limit
		       ? 10000
		       : (uint64_t)((double)u->cg.used / (double)u->cg.limit * 10000);
}

const struct group_use *groups_fullest(const struct groups *g)
{
	const struct group_use *best = NULL;

	for (unsigned i = 0; i < g->n; i++)
		if (!best || group_used(&g->use[i]) > group_used(best))
			best = &g->use[i];
	return best;
}
