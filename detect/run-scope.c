/* detect/run-scope.c - a scope of the user's systemd, a cgroup of our own, or neither; see run.h.
 * Sources: systemd-run(1), cgroup-v2.rst, cgroup-v1/memory.rst. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detect/cgroup.h"
#include "detect/fields.h"
#include "detect/run.h"
#include "lib/auto.h"
#include "lib/io.h"

static bool in_path(const char *program)
{
	const char *path = getenv("PATH");
	char file[1024];

	while (path && *path) {
		size_t n = strcspn(path, ":");

		if (n &&
			(size_t)snprintf(file, sizeof(file), "%.*s/%s", (int)n, path, program) <
				sizeof(file) &&
			access(file, X_OK) == 0)
			return true;
		path += n + (path[n] == ':');
	}
	return false;
}

/* Its socket is there as long as it runs. */
static bool has_user_manager(void)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	char file[512];

	return run && *run == '/' &&
	       (size_t)snprintf(file, sizeof(file), "%s/systemd/private", run) < sizeof(file) &&
	       access(file, F_OK) == 0 && in_path("systemd-run");
}

static int group_of(
	const struct roots *roots, pid_t pid, const char *controller, char *ret, size_t n)
{
	char path[64], text[4096];
	autoclose int fd = -1;
	ssize_t len;

	(void)snprintf(path, sizeof(path), "%s/%d/cgroup", roots->proc, (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : fields_read(fd, text, sizeof(text));
	return len < 0 ? -ENOENT : cgroup_path(text, (size_t)len, controller, ret, n);
}

static int write_at(int dir, const char *file, uint64_t v)
{
	autoclose int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
	char text[32];
	int n = snprintf(text, sizeof(text), "%" PRIu64, v);

	if (fd < 0)
		return -errno;
	return write(fd, text, (size_t)n) == n ? 0 : -errno;
}

static uint64_t read_at(int dir, const char *file)
{
	autoclose int fd = dir < 0 ? -1 : openat(dir, file, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? MACHINE_NONE : fields_single_fd(fd);
}

/* Makes PARENT/holdfast-ID; it counts only where its memory can be limited. */
static bool make_group(struct scope *s, const char *parent, const char *id, uint64_t limit)
{
	const char *file = s->kind == SCOPE_CGROUP2 ? "memory.max" : "memory.limit_in_bytes";

	if ((size_t)snprintf(s->path, sizeof(s->path), "%s/holdfast-%s", parent, id) >=
			sizeof(s->path) ||
		mkdir(s->path, 0755) < 0)
		return false;
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->ours = true;
	if (s->fd >= 0 && faccessat(s->fd, file, W_OK, 0) == 0 &&
		faccessat(s->fd, "cgroup.procs", W_OK, 0) == 0 &&
		(!limit || write_at(s->fd, file, limit) == 0)) {
		/* Swap would only put the end off, at the cost of everybody's disk. */
		if (limit && s->kind == SCOPE_CGROUP1)
			(void)write_at(s->fd, "memory.memsw.limit_in_bytes", limit);
		return true;
	}
	scope_close(s);
	return false;
}

static bool own_group(const struct roots *roots, struct scope *s, const char *id, uint64_t limit)
{
	char path[256], parent[400], *slash;

	if (group_of(roots, getpid(), NULL, path, sizeof(path)) == 0) {
		static const char *const tops[] = { "", "/unified" };

		for (unsigned i = 0; i < 2; i++) {
			s->kind = SCOPE_CGROUP2;
			(void)snprintf(parent, sizeof(parent), "%s%s%s", roots->cgroup, tops[i],
				strcmp(path, "/") == 0 ? "" : path);
			if (make_group(s, parent, id, limit))
				return true;
			/* A group with processes gives no controller to those below: beside it,
			 * then. */
			slash = strrchr(parent, '/');
			if (slash && slash > parent + strlen(roots->cgroup)) {
				*slash = '\0';
				if (make_group(s, parent, id, limit))
					return true;
			}
		}
	}
	if (group_of(roots, getpid(), "memory", path, sizeof(path)) == 0) {
		s->kind = SCOPE_CGROUP1;
		(void)snprintf(parent, sizeof(parent), "%s/memory%s", roots->cgroup,
			strcmp(path, "/") == 0 ? "" : path);
		if (make_group(s, parent, id, limit))
			return true;
	}
	s->kind = SCOPE_NONE;
	s->path[0] = '\0';
	return false;
}

void scope_choose(const struct roots *roots, const char *want, const char *id, uint64_t limit,
	struct scope *ret)
{
	*ret = (struct scope){ .fd = -1 };
	if (strcmp(want, "none") == 0) {
		ret->why = "not wanted";
		return;
	}
	if (strcmp(want, "cgroup") != 0 && has_user_manager()) {
		ret->kind = SCOPE_SYSTEMD;
		(void)snprintf(ret->unit, sizeof(ret->unit), "holdfast-run-%s.scope", id);
		return;
	}
	if (strcmp(want, "systemd") == 0)
		ret->why = "no systemd of this user's runs";
	else if (!own_group(roots, ret, id, limit))
		ret->why = "no systemd of this user's runs, and no cgroup may be made";
}

int scope_enter(const struct scope *s)
{
	if (s->kind != SCOPE_CGROUP1 && s->kind != SCOPE_CGROUP2)
		return 0;
	return write_at(s->fd, "cgroup.procs", 0); /* 0: who writes */
}

void scope_look(const struct roots *roots, struct scope *s, pid_t pid)
{
	char path[256];

	if (s->kind != SCOPE_SYSTEMD || s->fd >= 0)
		return;
	if (group_of(roots, pid, NULL, path, sizeof(path)) == 0 && strstr(path, s->unit))
		(void)snprintf(s->path, sizeof(s->path), "%s%s", roots->cgroup, path);
	else if (group_of(roots, pid, "memory", path, sizeof(path)) == 0 && strstr(path, s->unit))
		(void)snprintf(s->path, sizeof(s->path), "%s/memory%s", roots->cgroup, path);
	else
		return;
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

uint64_t scope_in_force(const struct scope *s)
{
	uint64_t v = read_at(s->fd, "memory.max");

	if (v == MACHINE_NONE)
		v = read_at(s->fd, "memory.limit_in_bytes");
	/* Version 1 says "none" with the largest number of pages. */
	return v >= INT64_MAX / 4096 * 4096 ? MACHINE_NONE : v;
}

static uint64_t stat_of(
	const struct scope *s, const char *file, const struct field *table, void *to)
{
	autoclose int fd = s->fd < 0 ? -1 : openat(s->fd, file, O_RDONLY | O_CLOEXEC);
	char text[8192];
	ssize_t n = fd < 0 ? -1 : fields_read(fd, text, sizeof(text));

	if (n > 0)
		fields_take(text, (size_t)n, table, to);
	return n > 0;
}

uint64_t scope_oom_kills(const struct scope *s)
{
	static const struct field kills[] = { { "oom_kill", 0 }, { NULL, 0 } };
	uint64_t v = MACHINE_NONE;

	if (!stat_of(s, "memory.events", kills, &v))
		(void)stat_of(s, "memory.oom_control", kills, &v);
	return v;
}

uint64_t scope_used(const struct scope *s)
{
	struct {
		uint64_t anon, shmem, rss, old_shmem;
	} v;
	static const struct field table[] = { { "anon", 0 }, { "shmem", 8 }, { "total_rss", 16 },
		{ "total_shmem", 24 }, { NULL, 0 } };

	memset(&v, 0xff, sizeof(v));
	if (!stat_of(s, "memory.stat", table, &v))
		return MACHINE_NONE;
	if (v.anon != MACHINE_NONE)
		return v.anon + (v.shmem == MACHINE_NONE ? 0 : v.shmem);
	return v.rss == MACHINE_NONE ? MACHINE_NONE
				     : v.rss + (v.old_shmem == MACHINE_NONE ? 0 : v.old_shmem);
}

void scope_close(struct scope *s)
{
	if (s->fd >= 0)
		(void)close(s->fd);
	s->fd = -1;
	if (s->ours)
		(void)rmdir(s->path);
	s->ours = false;
}

const char *scope_name(const struct scope *s, char *p, size_t n)
{
	static const char *const names[] = { "none", "systemd", "cgroup v2", "cgroup v1" };

	if (s->kind == SCOPE_NONE)
		(void)snprintf(p, n, "none (%s)", s->why);
	else
		(void)snprintf(p, n, "%s", names[s->kind]);
	return p;
}
