/* detect/cgroup.c - see the header. Sources: cgroup-v2.rst, cgroup-v1/memory.rst, cgroups(7). */
#include "detect/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "detect/fields.h"
#include "lib/auto.h"

enum { UNSEEN_EVERY = 64, FOLDER = O_PATH | O_DIRECTORY | O_CLOEXEC };

/* What a group's memory.stat says; in version 1 the sums with those below are the "total_" ones. */
struct stats {
	uint64_t inactive_file, active_file, slab;
	uint64_t limit, swap_limit;	/* version 1: the lowest of all above, in sight or not */
};

static const struct field stats_v2[] = {
	{ "inactive_file", offsetof(struct stats, inactive_file) },
	{ "active_file", offsetof(struct stats, active_file) },
	{ "slab_reclaimable", offsetof(struct stats, slab) },
	{ NULL, 0 },
};
static const struct field stats_v1[] = {
	{ "total_inactive_file", offsetof(struct stats, inactive_file) },
	{ "total_active_file", offsetof(struct stats, active_file) },
	{ "hierarchical_memory_limit", offsetof(struct stats, limit) },
	{ "hierarchical_memsw_limit", offsetof(struct stats, swap_limit) },
	{ NULL, 0 },
};

/* "4:memory,hugetlb:/docker/1f", "0::/user.slice": id, controllers, path; a path may hold colons. */
static const char *path_of(const char *line, const char *eol, const char *controller)
{
	const char *names = memchr(line, ':', (size_t)(eol - line)), *path;
	size_t want = controller ? strlen(controller) : 0;

	if (!names)
		return NULL;
	names++;
	path = memchr(names, ':', (size_t)(eol - names));
	if (!path)
		return NULL;
	if (!controller)
		return path == names && line[0] == '0' && names == line + 2 ? path + 1 : NULL;
	while (names < path) {
		const char *comma = memchr(names, ',', (size_t)(path - names)),
			   *end = comma ? comma : path;

		if ((size_t)(end - names) == want && memcmp(names, controller, want) == 0)
			return path + 1;
		names = end + 1;
	}
	return NULL;
}

int cgroup_path(const char *text, size_t n, const char *controller, char *ret, size_t size)
{
	const char *end = text + n;

	for (const char *line = text; line < end;) {
		const char *eol = memchr(line, '\n', (size_t)(end - line)), *path;
		size_t len;

		if (!eol)
			eol = end;
		path = path_of(line, eol, controller);
		if (path && path < eol && *path == '/' &&
			!memchr(path, '\0', (size_t)(eol - path))) {
			len = (size_t)(eol - path);
			if (len >= size)
				return -ENAMETOOLONG;
			memcpy(ret, path, len);
			ret[len] = '\0';
			return 0;
		}
		line = eol + 1;
	}
	return -ENOENT;
}

uint64_t cgroup_cpus(const char *text, size_t n)
{
	const char *p = text, *end = text + n;
	uint64_t quota = fields_number(&p, end), period;

	while (p < end && *p == ' ')
		p++;
	period = fields_number(&p, end);
	if (quota == MACHINE_NONE || period == MACHINE_NONE || !quota || !period)
		return MACHINE_NONE;
	return quota / period + (quota % period != 0);
}

/* Cuts path until base has such a folder. Inside a container without a namespace of its own the
 * path is the host's, while the mount shows the container's part only; with a namespace it may
 * lead out of it ("/../x"). What is not there is cut from the front: "/docker/1f/job" is then
 * "/job" or "/". */
static int find_below(int base, char *path)
{
	for (;;) {
		int fd = openat(base, path[1] ? path + 1 : ".", FOLDER);
		char *next;

		if (strncmp(path, "/..", 3) == 0 && (path[3] == '/' || !path[3]) && fd >= 0) {
			(void)close(fd);
			fd = -1;
		}
		if (fd >= 0 || !path[1])
			return fd < 0 ? -errno : fd;
		next = strchr(path + 1, '/');
		if (next)
			memmove(path, next, strlen(next) + 1);
		else
			path[1] = '\0';
	}
}

/* One level up; false at the root. */
static bool cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (!path[1])
		return false;
	slash[slash == path] = '\0';
	return true;
}

static int open_in(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

static void open_levels(struct cgroup_chain *c, int base)
{
	char path[sizeof(c->path)];

	memcpy(path, c->path, strlen(c->path) + 1);
	do {
		struct cgroup_level *l = &c->level[c->n];

		*l = (struct cgroup_level){ .high_fd = -1, .used_fd = -1, .stat_fd = -1 };
		l->dirfd = openat(base, path[1] ? path + 1 : ".", FOLDER);
		if (l->dirfd < 0)
			continue;
		l->path_len = strlen(path);
		l->limit_fd =
			open_in(l->dirfd, c->version == 2 ? "memory.max" : "memory.limit_in_bytes");
		if (c->version == 2)
			l->high_fd = open_in(l->dirfd, "memory.high");
		c->n++;
	} while (c->n < CGROUP_LEVELS && cut_last(path));
}

/* The fewest CPUs that a quota on the way up allows. */
static uint64_t read_cpus(int base, char *path, int version)
{
	uint64_t least = MACHINE_NONE;

	do {
		autoclose int dir = openat(base, path[1] ? path + 1 : ".", FOLDER);
		autoclose int quota =
			dir < 0 ? -1 : open_in(dir, version == 2 ? "cpu.max" : "cpu.cfs_quota_us");
		char text[128];
		ssize_t n = quota < 0 ? -1 : fields_read(quota, text, 64);
		uint64_t v;

		if (n > 0 && version == 1 && text[0] != '-') {
			autoclose int period = open_in(dir, "cpu.cfs_period_us");
			ssize_t k;

			if (text[n - 1] == '\n')
				n--;
			text[n++] = ' ';
			k = period < 0 ? -1 : fields_read(period, text + n, 32);
			n = k < 0 ? -1 : n + k;
		}
		v = n > 0 ? cgroup_cpus(text, (size_t)n) : MACHINE_NONE;
		if (v < least)
			least = v;
	} while (cut_last(path));
	return least;
}

static int open_any(int at, const char *const *names)
{
	int fd = -1;

	for (; fd < 0 && *names; names++)
		fd = openat(at, *names, FOLDER);
	return fd;
}

/* Version 2 alone, or beside version 1 (systemd's "hybrid"), where the root is a plain tmpfs. */
static int open_unified(int root)
{
	bool alone = faccessat(root, "cgroup.controllers", F_OK, 0) == 0;

	return openat(root, alone ? "." : "unified", FOLDER);
}

static void find_cpus(struct cgroup_chain *c, int root, const char *text, size_t n)
{
	static const char *const v1[] = { "cpu", "cpu,cpuacct", "cpuacct,cpu", NULL };
	char path[sizeof(c->path)];
	bool one = cgroup_path(text, n, "cpu", path, sizeof(path)) == 0;
	autoclose int base = one ? open_any(root, v1) : open_unified(root);
	autoclose int own = -1;

	if (base < 0 || (!one && cgroup_path(text, n, NULL, path, sizeof(path)) < 0))
		return;
	own = find_below(base, path);
	if (own >= 0)
		c->cpus = read_cpus(base, path, one ? 1 : 2);
}

/* The folder of the memory controller's hierarchy, and our path in it. */
static int find_memory(struct cgroup_chain *c, int root, const char *text, size_t n)
{
	int base;

	if (cgroup_path(text, n, "memory", c->path, sizeof(c->path)) == 0) {
		base = openat(root, "memory", FOLDER);
		if (base >= 0) {
			c->version = 1;
			return base;
		}
	}
	if (cgroup_path(text, n, NULL, c->path, sizeof(c->path)) < 0)
		return -ENOENT;
	base = open_unified(root);
	c->version = base < 0 ? 0 : 2;
	return base;
}

static int open_list(int proc, pid_t pid)
{
	char name[32] = "self/cgroup";

	if (pid)
		(void)snprintf(name, sizeof(name), "%d/cgroup", (int)pid);
	return proc < 0 ? -1 : open_in(proc, name);
}

void cgroup_open(struct cgroup_chain *c, const struct roots *roots, pid_t pid)
{
	autoclose int proc = open(roots->proc, FOLDER), root = open(roots->cgroup, FOLDER);
	autoclose int self = open_list(proc, pid);
	autoclose int base = -1, own = -1;
	char text[8192];
	ssize_t n;

	c->version = 0;
	c->n = 0;
	c->oom_fd = -1;
	c->reads = 0;
	c->cpus = MACHINE_NONE;
	c->path[0] = '\0';
	n = self < 0 || root < 0 ? -1 : fields_read(self, text, sizeof(text));
	if (n < 0)
		return;
	find_cpus(c, root, text, (size_t)n);
	base = find_memory(c, root, text, (size_t)n);
	if (base < 0)
		return;
	own = find_below(base, c->path);
	if (own < 0) {
		c->version = 0;
		return;
	}
	c->oom_fd = open_in(own, c->version == 2 ? "memory.events" : "memory.oom_control");
	open_levels(c, base);
}

static void put(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

void cgroup_close(struct cgroup_chain *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		put(c->level[i].dirfd);
		put(c->level[i].limit_fd);
		put(c->level[i].high_fd);
		put(c->level[i].used_fd);
		put(c->level[i].stat_fd);
	}
	put(c->oom_fd);
	c->n = 0;
	c->oom_fd = -1;
}

static bool read_stats(struct cgroup_level *l, int version, struct stats *s)
{
	char text[8192];
	ssize_t n;

	if (l->stat_fd < 0)
		l->stat_fd = open_in(l->dirfd, "memory.stat");
	n = l->stat_fd < 0 ? -1 : fields_read(l->stat_fd, text, sizeof(text));
	*s = (struct stats){ .limit = MACHINE_NONE, .swap_limit = MACHINE_NONE };
	if (n < 0)
		return false;
	fields_take(text, (size_t)n, version == 2 ? stats_v2 : stats_v1, s);
	return true;
}

static uint64_t or_zero(uint64_t v)
{
	return v == MACHINE_NONE ? 0 : v;
}

/* What the kernel gives back before it kills in a group: it keeps no watermark there, unlike a machine (whose MemAvailable
 * allows for it), and tmpfs lies on the anonymous lists. Mapped pages go too; an editor's are seen to go (guard.h). */
static uint64_t droppable(const struct stats *s, uint64_t limit)
{
	uint64_t file = or_zero(s->inactive_file);

	if (__builtin_add_overflow(file, or_zero(s->active_file), &file) ||
		__builtin_add_overflow(file, or_zero(s->slab), &file) || file / 2 > limit)
		return 0;	/* nonsense: they would not fit */
	return file;
}

static bool read_used(struct cgroup_level *l, int version, uint64_t limit, uint64_t *ret)
{
	struct stats s;
	uint64_t used, drop;

	if (l->used_fd < 0)
		l->used_fd = open_in(
			l->dirfd, version == 2 ? "memory.current" : "memory.usage_in_bytes");
	used = fields_single_fd(l->used_fd);
	if (used == MACHINE_NONE)
		return false;
	drop = read_stats(l, version, &s) ? droppable(&s, limit) : 0;
	*ret = used > drop ? used - drop : 0;
	return true;
}

static void read_swap(
	const struct cgroup_level *l, int version, uint64_t limit, struct cgroup_reading *ret)
{
	bool v2 = version == 2;
	autoclose int lim =
		open_in(l->dirfd, v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes");
	autoclose int use =
		open_in(l->dirfd, v2 ? "memory.swap.current" : "memory.memsw.usage_in_bytes");
	uint64_t most = fields_single_fd(lim), used = fields_single_fd(use), memory;

	if (!v2 && used != MACHINE_NONE) {	/* memory and swap together */
		memory = fields_single_fd(l->used_fd);
		used = memory != MACHINE_NONE && used > memory ? used - memory : 0;
		most = most == MACHINE_NONE || most >= INT64_MAX - 4095 ? MACHINE_NONE :
			most > limit ? most - limit : 0;
	}
	ret->swap_limit = most;
	ret->swap_used = used;
}

static void read_pressure(const struct cgroup_level *l, struct psi *ret)
{
	autoclose int fd = open_in(l->dirfd, "memory.pressure");
	char text[256];
	ssize_t n = fd < 0 ? -1 : fields_read(fd, text, sizeof(text));

	if (n > 0)
		machine_parse_psi(text, (size_t)n, ret);
}

static uint64_t read_limit(const struct cgroup_level *l)
{
	uint64_t limit = fields_single_fd(l->limit_fd), high = fields_single_fd(l->high_fd);

	return high < limit ? high : limit;
}

static uint64_t read_oom_kills(const struct cgroup_chain *c)
{
	static const struct field table[] = { { "oom_kill", 0 }, { NULL, 0 } };
	char text[512];
	ssize_t n = c->oom_fd < 0 ? -1 : fields_read(c->oom_fd, text, sizeof(text));
	struct { uint64_t kills; } v = { MACHINE_NONE };

	if (n > 0)
		fields_take(text, (size_t)n, table, &v);
	return v.kills;
}

/* Version 1 inside a container: a limit above what we see. What its group uses, we can only know
 * of our part. */
static uint64_t unseen_limit(struct cgroup_chain *c)
{
	struct stats s;

	/* Now and then: it hardly ever changes, and costs more than all the rest. */
	if (c->reads++ % UNSEEN_EVERY == 0)
		c->unseen = c->version == 1 && c->n && read_stats(&c->level[0], 1, &s)
				    ? s.limit
				    : MACHINE_NONE;
	return c->unseen;
}

void cgroup_read(struct cgroup_chain *c, uint64_t machine_total, struct cgroup_reading *ret)
{
	const struct psi no_psi = { MACHINE_NONE, MACHINE_NONE, MACHINE_NONE };
	uint64_t limits[CGROUP_LEVELS], unseen = unseen_limit(c), lowest = MACHINE_NONE,
					least = MACHINE_NONE;
	struct cgroup_level *tight = NULL;

	*ret = (struct cgroup_reading){ .limit = MACHINE_NONE,
		.used = MACHINE_NONE,
		.swap_limit = MACHINE_NONE,
		.swap_used = MACHINE_NONE,
		.psi = no_psi,
		.oom_kills = read_oom_kills(c) };
	for (unsigned i = 0; i < c->n; i++) {
		limits[i] = read_limit(&c->level[i]);
		if (limits[i] < lowest)
			lowest = limits[i];
	}
	if (c->n && unseen < lowest)	/* none of those in sight */
		limits[c->n - 1] = unseen;
	for (unsigned i = 0; i < c->n; i++) {
		struct cgroup_level *l = &c->level[i];
		uint64_t limit = limits[i], used, room;

		if (limit >= machine_total || !read_used(l, c->version, limit, &used))
			continue;
		room = limit > used ? limit - used : 0;
		if (tight && (room > least || (room == least && limit >= ret->limit)))
			continue;
		tight = l;
		least = room;
		ret->limit = limit;
		ret->used = used;
	}
	if (!tight)
		return;
	ret->version = c->version;
	(void)snprintf(ret->path, sizeof(ret->path), "%.*s", (int)tight->path_len, c->path);
	read_swap(tight, c->version, ret->limit, ret);
	if (c->version == 2)
		read_pressure(tight, &ret->psi);
}
