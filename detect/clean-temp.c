/* detect/clean-temp.c - what killed programs left behind, where nobody has it open; see clean.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "detect/clean-internal.h"
#include "detect/procs.h"
#include "lib/auto.h"
#include "lib/io.h"

enum { MOST = 512, AGE_S = 3600, MAPS_MAX = 16 << 20, PATH = 512 };

struct left {
	char path[PATH];
	const char *name; /* in path */
	bool used;
};

struct looking {
	int procfd;
	struct left *left;
	unsigned n;
	bool blind; /* a Python cannot be looked into: nothing is removed */
	struct proc proc;
};

static bool is_leftover(const char *name)
{
	static const char *const fronts[] = { "torch_", "psm_", "sem.mp-", "pymp-",
		"torchelastic_" };

	for (size_t i = 0; i < sizeof(fronts) / sizeof(*fronts); i++)
		if (strncmp(name, fronts[i], strlen(fronts[i])) == 0)
			return true;
	return false;
}

static void mark(struct looking *k, const char *text, size_t n)
{
	for (unsigned i = 0; i < k->n; i++)
		if (!k->left[i].used && memmem(text, n, k->left[i].path, strlen(k->left[i].path)))
			k->left[i].used = true;
}

/* The parts of an editor may not be looked into, and are no Python. One that is makes us blind. */
static void cannot_look(struct looking *k, pid_t pid)
{
	struct proc *p = &k->proc;

	if (proc_read(k->procfd, pid, PROC_STAT, p) < 0)
		return;
	k->blind |= strstr(p->comm, "python") || strncmp(p->comm, "pt_", 3) == 0;
}

static void look_at_links(struct looking *k, pid_t pid, const char *folder)
{
	char name[64], target[4096];
	int fd;
	DIR *d;
	struct dirent *e;
	ssize_t n;

	(void)snprintf(name, sizeof(name), "%d/%s", (int)pid, folder);
	fd = openat(k->procfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		cannot_look(k, pid);
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((e = readdir(d))) {
		n = readlinkat(fd, e->d_name, target, sizeof(target));
		if (n > 0)
			mark(k, target, (size_t)n);
	}
	(void)closedir(d);
}

static int look(pid_t pid, void *arg)
{
	struct looking *k = arg;
	autoput(buf_release) struct buf maps = BUF_INIT;
	char name[32], cwd[4096];
	struct stat st;
	ssize_t n;
	int r;

	(void)snprintf(name, sizeof(name), "%d", (int)pid);
	if (fstatat(k->procfd, name, &st, 0) < 0 || st.st_uid != geteuid() || pid == getpid())
		return 0;
	(void)snprintf(name, sizeof(name), "%d/maps", (int)pid);
	r = io_read_file(k->procfd, name, MAPS_MAX, &maps);
	if (r < 0 && r != -ENOENT && r != -ESRCH)
		cannot_look(k, pid);
	if (maps.len)
		mark(k, maps.data, maps.len);
	look_at_links(k, pid, "fd");
	(void)snprintf(name, sizeof(name), "%d/cwd", (int)pid);
	n = readlinkat(k->procfd, name, cwd, sizeof(cwd));
	if (n > 0)
		mark(k, cwd, (size_t)n);
	return 0;
}

static unsigned find(int fd, const char *folder, struct left *left)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	autoclosedir DIR *d = copy < 0 ? NULL : fdopendir(copy);
	time_t now = time(NULL);
	struct dirent *e;
	struct stat st;
	unsigned n = 0;

	while (d && n < MOST && (e = readdir(d))) {
		struct left *l = &left[n];

		if (!is_leftover(e->d_name) ||
			fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			st.st_uid != geteuid() || S_ISLNK(st.st_mode) ||
			now - st.st_mtime < AGE_S || now - st.st_ctime < AGE_S)
			continue;
		if (snprintf(l->path, sizeof(l->path), "%s/%s", folder, e->d_name) >=
			(int)sizeof(l->path))
			continue;
		l->name = l->path + strlen(folder) + 1;
		l->used = false;
		n++;
	}
	return n;
}

void clean_temp(struct clean *c, const struct roots *roots, const char *folder)
{
	autofree struct left *left = calloc(MOST, sizeof(*left));
	autoclose int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int procfd = open(roots->proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct looking k = { .procfd = procfd, .left = left };
	const char *what = strcmp(folder, roots->shm) == 0 ? "shared memory" : "temporary";
	struct stat st;

	if (!left || fd < 0 || procfd < 0 || fstat(fd, &st) < 0)
		return;
	k.n = find(fd, folder, left);
	if (!k.n || procs_each(procfd, look, &k) < 0 || k.blind)
		return;
	for (unsigned i = 0; i < k.n; i++) {
		uint64_t bytes = 0;
		int r;

		if (left[i].used)
			continue;
		r = clean_tree(fd, left[i].name, st.st_dev, c->dry, 0, &bytes);
		(void)clean_note(c, what, left[i].path, bytes, r);
	}
}
