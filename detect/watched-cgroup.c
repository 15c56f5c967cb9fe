/* The memory group of a watched process: which it is, whom it lost, how full it was. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "detect/cgroup.h"
#include "detect/fields.h"
#include "detect/monitor.h"
#include "lib/auto.h"

/* The memory group: "0::/path", or with version 1 "N:memory:/path". */
size_t cgroup_of(int procfd, pid_t pid, char *p, size_t size)
{
	char path[32] = "self/cgroup", text[4096], *line = text, *found = NULL;
	autoclose int fd = -1;
	ssize_t n;
	size_t k;

	if (pid)
		(void)snprintf(path, sizeof(path), "%d/cgroup", (int)pid);
	fd = openat(procfd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fields_read(fd, text, sizeof(text));
	if (n <= 0)
		return 0;
	for (char *next; line && *line; line = next) {
		char *colon = strchr(line, ':'), *slash;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		slash = colon ? strchr(colon + 1, ':') : NULL;
		if (!slash)
			continue;
		*slash++ = '\0';
		if (strcmp(colon + 1, "memory") == 0 || (!colon[1] && !found))
			found = slash;
	}
	k = found ? strlen(found) : 0;
	if (k >= size)
		return 0;
	memcpy(p, found ? found : "", k);
	return k;
}

#define NO_LIMIT ((uint64_t)1 << 60) /* version 1 says it with a number near the end of all */

/* Where a file of the group lies: version 2, version 1, both side by side. */
static ssize_t read_file(const struct roots *roots, const char *group, const char *v2,
	const char *v1, char *p, size_t size)
{
	const struct {
		const char *below, *file;
	} place[] = { { "", v2 }, { "/memory", v1 }, { "/unified", v2 } };

	for (size_t i = 0; *group && i < 3; i++) {
		char path[512];
		autoclose int fd = -1;
		ssize_t n;

		if (snprintf(path, sizeof(path), "%s%s%s/%s", roots->cgroup, place[i].below, group,
			    place[i].file) >= (int)sizeof(path))
			continue;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : fields_read(fd, p, size);
		if (n > 0)
			return n;
	}
	return -1;
}

uint64_t cgroup_oom_kills(const struct roots *roots, const char *group)
{
	static const struct field table[] = { { "oom_kill", 0 }, { NULL, 0 } };
	uint64_t kills = MACHINE_NONE;
	char text[512];
	ssize_t n =
		read_file(roots, group, "memory.events", "memory.oom_control", text, sizeof(text));

	if (n > 0)
		fields_take(text, (size_t)n, table, &kills);
	return kills;
}

static uint64_t number(const struct roots *roots, const char *group, const char *v2, const char *v1)
{
	char text[64];
	ssize_t n = read_file(roots, group, v2, v1, text, sizeof(text));
	const char *p = text;

	/* "max" is none; version 1 says it with a number near the end of all numbers. */
	if (n <= 0 || *text < '0' || *text > '9')
		return MACHINE_NONE;
	return fields_number(&p, text + n);
}

/* The group on the way to the root that is nearest to its limit. Limits above a container's own root
 * cannot be seen, but version 1 tells the lowest of them (memory.stat). */
void cgroup_bounds(
	const struct roots *roots, const char *group, uint64_t *ret_limit, uint64_t *ret_peak)
{
	static const struct field lowest[] = { { "hierarchical_memory_limit", 0 }, { NULL, 0 } };
	uint64_t nearest = MACHINE_NONE, of_all = MACHINE_NONE;
	char path[256], text[4096];
	ssize_t n = read_file(roots, group, "memory.stat", "memory.stat", text, sizeof(text));

	*ret_limit = *ret_peak = MACHINE_NONE;
	if (n <= 0 || snprintf(path, sizeof(path), "%s", group) >= (int)sizeof(path))
		return;
	fields_take(text, (size_t)n, lowest, &of_all);
	for (;;) {
		uint64_t limit = number(roots, path, "memory.max", "memory.limit_in_bytes"),
			 peak = number(roots, path, "memory.peak", "memory.max_usage_in_bytes"),
			 room;
		char *slash = strrchr(path, '/');

		room = peak < limit ? limit - peak : 0;
		if (limit < NO_LIMIT && (*ret_limit == MACHINE_NONE || room < nearest)) {
			nearest = room;
			*ret_limit = limit;
			*ret_peak = peak;
		}
		if (!slash || slash == path)
			break;
		*slash = '\0';
	}
	/* None on the way, as far as can be seen; one that cannot be seen is not known. */
	if (*ret_limit == MACHINE_NONE && (of_all == MACHINE_NONE || of_all >= NO_LIMIT))
		*ret_limit = 0;
}
