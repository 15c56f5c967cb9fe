/* detect/procs.c - what /proc/PID says; see the header. Formats: proc(5). */
#include "detect/procs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detect/fields.h"
#include "lib/auto.h"

enum { NAME = 32 };	/* "2147483647/oom_score_adj" */

/* Reads PID/file; the NUL after it is not counted. */
static ssize_t read_file(int procfd, pid_t pid, const char *file, char *p, size_t size)
{
	char name[NAME];
	ssize_t n;
	int fd;

	(void)snprintf(name, sizeof(name), "%d/%s", (int)pid, file);
	fd = openat(procfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	n = fields_read(fd, p, size);
	(void)close(fd);
	return n;
}

/* The unsigned number at *p, which is then past it; one that does not fit is the largest. */
static uint64_t next_number(const char **p, const char *end)
{
	uint64_t v;

	while (*p < end && (isspace((unsigned char)**p) || **p == '-'))
		(*p)++;
	v = fields_number(p, end);
	while (*p < end && !isspace((unsigned char)**p))
		(*p)++;
	return v == MACHINE_NONE ? 0 : v;
}

/* "PID (COMM) S PPID ...": a comm may hold anything, brackets and newlines too, so its end is
 * the last bracket. */
int proc_parse_stat(const char *text, size_t n, struct proc *ret)
{
	const char *open = memchr(text, '(', n), *close = memrchr(text, ')', n), *p,
		   *end = text + n;
	uint64_t f[25] = { 0 };	/* by the numbers of proc(5), from 1 */
	size_t len;

	if (!open || !close || close < open || end - close < 4 || close[1] != ' ')
		return -EBADMSG;
	len = (size_t)(close - open - 1);
	if (len >= PROC_COMM)
		len = PROC_COMM - 1;
	memcpy(ret->comm, open + 1, len);
	ret->comm[len] = '\0';
	ret->state = close[2];
	p = close + 3;
	for (unsigned i = 4; i <= 24; i++)
		f[i] = next_number(&p, end);
	ret->ppid = f[4] <= INT_MAX ? (pid_t)f[4] : 0;
	ret->pgrp = f[5] <= INT_MAX ? (pid_t)f[5] : 0;
	ret->sid = f[6] <= INT_MAX ? (pid_t)f[6] : 0;
	ret->tty = f[7] <= INT_MAX ? (int)f[7] : 0;
	ret->major_faults = f[12];
	ret->utime = f[14];
	ret->stime = f[15];
	ret->id.start = f[22];
	ret->rss = fields_times(f[24], (uint64_t)sysconf(_SC_PAGESIZE));
	return 0;
}

static int read_stat(int procfd, pid_t pid, struct proc *ret)
{
	char text[1024], name[NAME];
	ssize_t n = read_file(procfd, pid, "stat", text, sizeof(text));
	struct stat st;

	if (n < 0)
		return (int)n;
	/* The folder's owner is who runs it; its files are root's when it may not be dumped. */
	(void)snprintf(name, sizeof(name), "%d", (int)pid);
	if (fstatat(procfd, name, &st, 0) < 0)
		return -errno;
	ret->uid = st.st_uid;
	return proc_parse_stat(text, (size_t)n, ret);
}

int proc_exe(int procfd, pid_t pid, char ret[static PROC_EXE])
{
	static const char gone[] = " (deleted)";	/* replaced by an upgrade while it runs */
	char name[NAME];
	ssize_t n;

	(void)snprintf(name, sizeof(name), "%d/exe", (int)pid);
	n = readlinkat(procfd, name, ret, PROC_EXE - 1);
	if (n < 0) {
		ret[0] = '\0';
		return -errno;
	}
	ret[n] = '\0';
	if ((size_t)n >= sizeof(gone) && strcmp(ret + n - (sizeof(gone) - 1), gone) == 0)
		ret[(size_t)n - (sizeof(gone) - 1)] = '\0';
	return 0;
}

static void read_argv(int procfd, pid_t pid, struct proc *ret)
{
	ssize_t n = read_file(procfd, pid, "cmdline", ret->argv, sizeof(ret->argv));

	ret->argv_len = n < 0 ? 0 : (size_t)n;
	ret->argv[ret->argv_len] = '\0';
}

static void read_adj(int procfd, pid_t pid, struct proc *ret)
{
	char text[16] = "";
	ssize_t n = read_file(procfd, pid, "oom_score_adj", text, sizeof(text));
	const char *p = text;
	uint64_t v;

	ret->oom_score_adj = 0;
	if (n <= 0)
		return;
	if (*p == '-')
		p++;
	v = fields_number(&p, text + n);
	if (v <= 1000)
		ret->oom_score_adj = *text == '-' ? -(int)v : (int)v;
}

int proc_read(int procfd, pid_t pid, unsigned what, struct proc *ret)
{
	int r = 0;

	ret->id.pid = pid;
	if (what & PROC_STAT)
		r = read_stat(procfd, pid, ret);
	if (r < 0)
		return r;
	if (what & PROC_EXE_ARGV) {
		r = proc_exe(procfd, pid, ret->exe);
		if (r == -ENOENT && !(what & PROC_STAT)) {
			char name[NAME];
			struct stat st;

			/* A kernel thread has no exe; who is gone has no folder. */
			(void)snprintf(name, sizeof(name), "%d", (int)pid);
			if (fstatat(procfd, name, &st, 0) < 0)
				return -errno;
		}
		if (r == -ESRCH)
			return r;
		read_argv(procfd, pid, ret);
	}
	if (what & PROC_ADJ)
		read_adj(procfd, pid, ret);
	return 0;
}

/* The mask of a line of status, "SigPnd:\t0000000000000100". */
static uint64_t pending(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p ? strtoull(p + strlen(name), NULL, 16) : 0;
}

bool proc_is_dying(int procfd, pid_t pid)
{
	const uint64_t kill_bit = UINT64_C(1) << (SIGKILL - 1), exiting = 4; /* PF_EXITING */
	char text[4097];
	const char *p, *end;
	ssize_t n = read_file(procfd, pid, "status", text, sizeof(text) - 1);
	uint64_t flags = 0;

	if (n <= 0)
		return true;
	text[n] = '\0';
	if ((pending(text, "\nSigPnd:") | pending(text, "\nShdPnd:")) & kill_bit)
		return true;
	/* Then what comes after the signal was taken; in this order none slips through. */
	n = read_file(procfd, pid, "stat", text, sizeof(text) - 1);
	p = n > 0 ? memrchr(text, ')', (size_t)n) : NULL;
	if (!p || text + n - p < 4 || p[2] == 'Z' || p[2] == 'X')
		return true;
	end = text + n;
	p += 3;
	for (unsigned i = 4; i <= 9; i++)
		flags = next_number(&p, end);
	return flags & exiting;
}

int proc_pss(int procfd, pid_t pid, uint64_t *ret)
{
	char text[4096];
	ssize_t n = read_file(procfd, pid, "smaps_rollup", text, sizeof(text));
	struct { uint64_t pss; } v = { MACHINE_NONE };
	static const struct field pss[] = { { "Pss", 0 }, { NULL, 0 } };

	if (n < 0)
		return (int)n;
	fields_take(text, (size_t)n, pss, &v);
	if (v.pss == MACHINE_NONE)
		return -EBADMSG;
	*ret = v.pss;
	return 0;
}

int proc_own(int procfd, pid_t pid, uint64_t *ret)
{
	struct own {
		uint64_t anon, shmem;
	} v = { MACHINE_NONE, MACHINE_NONE };
	static const struct field own[] = { { "RssAnon", offsetof(struct own, anon) },
		{ "RssShmem", offsetof(struct own, shmem) }, { NULL, 0 } };
	char text[4096];
	ssize_t n = read_file(procfd, pid, "status", text, sizeof(text));

	if (n < 0)
		return (int)n;
	fields_take(text, (size_t)n, own, &v);
	if (v.anon == MACHINE_NONE || v.shmem == MACHINE_NONE)
		return -EBADMSG;
	*ret = v.anon + v.shmem;
	return 0;
}

const char *proc_arg(const struct proc *p, unsigned i)
{
	const char *at = p->argv, *end = p->argv + p->argv_len;

	for (; at < end; i--) {
		const char *nul = memchr(at, '\0', (size_t)(end - at));

		if (i == 0)
			return at;
		if (!nul)
			break;
		at = nul + 1;
	}
	return NULL;
}

static pid_t pid_of(const char *name)
{
	const char *p = name;
	uint64_t v = fields_number(&p, name + strlen(name));

	return *p == '\0' && v > 0 && v <= INT_MAX ? (pid_t)v : 0;
}

int procs_each(int procfd, int (*fn)(pid_t pid, void *arg), void *arg)
{
	/* Not readdir: it allocates, and asks for 32 KiB at a time. */
	_Alignas(struct dirent64) char text[16384];
	autoclose int fd = openat(procfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	while ((n = getdents64(fd, text, sizeof(text))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *d = (const void *)(text + at);
			pid_t pid = pid_of(d->d_name);

			at += d->d_reclen;
			r = pid ? fn(pid, arg) : 0;
			if (r)
				return r;
		}
	}
	return n < 0 ? -errno : 0;
}

enum { KTHREADS = 4096 };

struct kthreads {
	pid_t pid[KTHREADS]; /* ascending */
	unsigned n;
	int (*fn)(pid_t pid, void *arg);
	void *arg;
};

static int by_pid(const void *a, const void *b)
{
	const pid_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* All threads of the kernel are children of its process 2, which is one in no container: there that number is
 * somebody's, or nobody's. The flags are the kernel's word, a name is not. */
static bool is_kthreadd(int procfd)
{
	enum { PF_KTHREAD = 0x00200000 };
	char text[1024];
	ssize_t n = read_file(procfd, 2, "stat", text, sizeof(text));
	const char *p = n > 0 ? memrchr(text, ')', (size_t)n) : NULL, *end = text + n;
	uint64_t flags = 0;

	if (!p || end - p < 4)
		return false;
	p += 3;
	for (unsigned i = 4; i <= 9; i++)
		flags = next_number(&p, end);
	return flags & PF_KTHREAD;
}

static void read_kthreads(int procfd, struct kthreads *k)
{
	char text[32768];
	ssize_t n = is_kthreadd(procfd)
			    ? read_file(procfd, 2, "task/2/children", text, sizeof(text))
			    : 0;
	const char *p = text, *end = text + (n > 0 ? n : 0);

	/* "3 4 5 ": one that was cut has no blank behind it. */
	while (p < end && k->n < KTHREADS) {
		uint64_t v = fields_number(&p, end);

		if (p == end || *p != ' ' || v > INT_MAX)
			break;
		p++;
		k->pid[k->n++] = (pid_t)v;
	}
	qsort(k->pid, k->n, sizeof(*k->pid), by_pid);
}

static int unless_kthread(pid_t pid, void *arg)
{
	const struct kthreads *k = arg;

	if (k->n && (pid == 2 || bsearch(&pid, k->pid, k->n, sizeof(pid), by_pid)))
		return 0;
	return k->fn(pid, k->arg);
}

int procs_each_user(int procfd, int (*fn)(pid_t pid, void *arg), void *arg)
{
	struct kthreads k;

	k.n = 0;
	k.fn = fn;
	k.arg = arg;
	read_kthreads(procfd, &k);
	return procs_each(procfd, unless_kthread, &k);
}

bool proc_handles(int procfd, pid_t pid, int signo)
{
	char path[32], text[4096], *at;
	autoclose int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%d/status", (int)pid);
	fd = openat(procfd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fields_read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	at = strstr(text, "\nSigCgt:\t");
	/* Bit signal - 1. */
	return at && (strtoull(at + 9, NULL, 16) >> (signo - 1) & 1);
}
