/* detect/spool.h - facts on their way from the monitor to the journal.
 *
 * The monitor knows facts (who, when, code or signal, counters before and after) but not causes; it
 * appends one line a fact to the spool and goes on. Lines are ctl.h fields (name=value, escaped),
 * at most 4 KiB, written with one write(2) on an O_APPEND descriptor, so that neither a kill nor
 * two writers tear one. `detect-core judge` drains it. */
#ifndef DETECT_SPOOL_H
#define DETECT_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "detect/machine.h"
#include "detect/risk.h"
#include "detect/roles.h"

enum fact_kind { FACT_EXIT, FACT_RISK, FACT_HANG, FACT_LINK, FACT_START, FACT_STOP, FACT_MACHINE,
	FACT_GUARD };
/* FACT_STOP: the monitor before this one ended without a word, its machine did not. */

enum fact_status { FACT_UNKNOWN, FACT_EXITED, FACT_SIGNALED };	/* UNKNOWN: nothing told */

struct fact {
	enum fact_kind kind;
	char id[33];			/* unique: boot, sequence; the key of the journal's row */
	uint64_t real_ms, mono_ms;	/* of the event: for an exit, the pidfd's POLLIN */

	/* FACT_EXIT, FACT_HANG, FACT_START (a watched process was found) */
	struct proc_id proc;
	pid_t ppid;
	int tty; /* device number of its terminal; 0: none */
	struct role_of role;
	char comm[PROC_COMM];
	char exe[256];
	char argv[1024];		/* the front of the command line, NULs as blanks */
	char cwd[512];			/* read when it was found; "" unknown */
	char user_data[512];		/* the editor's user data folder; "" unknown */
	char cgroup[256];
	char run[33];			/* the run of a training: id of its own start fact; "" */
	enum fact_status status;
	int code, signal;
	bool core;
	const char *how;		/* what told the status: "pidfd", "stat", "connector", "" */
	uint64_t oom_before, oom_after;	/* vmstat oom_kill at the last look, and at the end */
	uint64_t cg_oom_before, cg_oom_after;	/* of the process's own cgroup; MACHINE_NONE */
	uint64_t counted_ms;        /* when the counters of before were read (mono); 0 unknown */
	uint64_t before_available;  /* the machine's, at the last reading before; MACHINE_NONE */
	uint64_t cg_limit, cg_peak; /* of that cgroup, where a signal or nobody knows what was
					 * the end; MACHINE_NONE */
	uint64_t rss, peak;         /* at the last look; VmHWM then */
	uint64_t gpu_held;		/* memory of GPUs the process held; MACHINE_NONE */
	char state;			/* FACT_HANG: T or D; at an exit the last seen */

	/* FACT_RISK: the verdict went from `was` to `risk` */
	enum risk was, risk;
	struct machine m;		/* the reading at the event (all kinds) */
	uint64_t gpu_total, gpu_used, gpu_busy, gpu_celsius;	/* of the fullest GPU; MACHINE_NONE */
	char reasons[512];		/* lines of risk_reason_text, "; " between */

	/* FACT_GUARD: what was done to the training `proc` (as in the ledger, evidence.h), why in
	 * `reasons`, and the memory left before and a moment later */
	char action[8];
	bool dry;			/* it was not done: --dry-run */
	uint64_t left_before, left_after;

	/* FACT_LINK: what snapd answered for event `of` */
	char of[33];
	char workspace[1024], store[1024];
	char before[41], after[41];	/* ids; "" none */
	uint64_t before_ms, after_ms;
};

/* Monitor's side; no allocation beyond the stack. */
int spool_open(int state_dirfd);				/* O_APPEND descriptor */
/* -EBUSY: a judge has the lock just now; -ENOSPC, -EFBIG, ...: no room. Once more, later. */
int spool_add(int fd, const struct fact *f);
int spool_add_line(int fd, const char *line, size_t n); /* as fact_line made it */
/* One line without newline into p, as it stands in the spool and on the socket; the length, or
 * -ENOSPC. */
int fact_line(const struct fact *f, char *p, size_t n);
int fact_parse(char *line, struct fact *ret);			/* cuts the line; -EINVAL */

/* Judge's side. Locks the spool (-EBUSY: another judge is at work and will take these too), hands
 * each fact to fn in order; a fact fn returns 0 for is done with. What came in the meantime is
 * handed over too; returns when it is empty. A line that is not a fact is kept aside in spool.bad
 * and named once. */
int spool_drain(int state_dirfd, int (*fn)(const struct fact *f, void *arg), void *arg);

#endif
