/* detect/procs.h - one process, and the list of all.
 *
 * A process is named by pid and start time together (field 22 of stat, clock ticks after boot): a pid alone is
 * given again. Everything read from /proc/PID is another program's word: bounded, any bytes.
 * hidepid=2 and other users' processes: -EACCES or absence, never an error of the list. */
#ifndef DETECT_PROCS_H
#define DETECT_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "detect/machine.h"

enum { PROC_COMM = 16, PROC_EXE = 512, PROC_ARGV = 4096 };

struct proc_id {
	pid_t pid;
	uint64_t start;		/* clock ticks after boot */
};

struct proc {			/* 4.6 KiB: one at a time, not in arrays */
	struct proc_id id;
	pid_t ppid, pgrp, sid;
	int tty; /* device number of its terminal; 0: none */
	uid_t uid;
	char state;		/* R S D T Z ... */
	char comm[PROC_COMM];
	char exe[PROC_EXE];	/* "" when not readable; " (deleted)" taken off */
	char argv[PROC_ARGV];	/* NUL between arguments, cut at the end */
	size_t argv_len;
	uint64_t rss;		/* bytes */
	uint64_t utime, stime;	/* clock ticks */
	uint64_t major_faults;
	int oom_score_adj;
};

enum { PROC_STAT = 1, PROC_EXE_ARGV = 2, PROC_ADJ = 4 };	/* what to read: each costs a few us */

/* procfd: of roots->proc. -ENOENT / -ESRCH: gone. Fields that were not asked for stay as they are. The uid is the
 * effective one. A reading of several files is not one moment: where it matters, PROC_STAT again and compare ids. */
int proc_read(int procfd, pid_t pid, unsigned what, struct proc *ret);
/* exe alone, the cheapest look at a process (3 us). -ENOENT: gone, or a thread of the kernel; -EACCES: not ours, or it
 * has made itself undumpable, as the sandboxed parts of an editor do: their argv can be read all the same. */
int proc_exe(int procfd, pid_t pid, char ret[static PROC_EXE]);
/* Has it been sent SIGKILL, or is it on its way out already? Of who may not be looked at: true. */
bool proc_is_dying(int procfd, pid_t pid);
/* Pss of smaps_rollup, about 20 us for a small process and ms for a big one: not under pressure. */
int proc_pss(int procfd, pid_t pid, uint64_t *ret);
/* Does it handle this signal (SigCgt of status)? false too when that cannot be read. */
bool proc_handles(int procfd, pid_t pid, int signo);
/* RssAnon and RssShmem of status, 10 us: what it holds but pages of files. */
int proc_own(int procfd, pid_t pid, uint64_t *ret);
/* The i-th argument of p, or NULL. */
const char *proc_arg(const struct proc *p, unsigned i);

/* Calls fn for every pid of the list; stops when it does not return 0 and returns that. */
int procs_each(int procfd, int (*fn)(pid_t pid, void *arg), void *arg);
/* The same but for threads of the kernel, where their list can be had: of a desktop's processes they are the half, and
 * two reads instead of a look at each. */
int procs_each_user(int procfd, int (*fn)(pid_t pid, void *arg), void *arg);

#endif
