/* detect/cause.h - from facts and evidence to a cause, and how sure that is. Pure: it reads
 * nothing.
 *
 * Rules, in this order (DESIGN.md section 7; MEASURED.md part 3, section 7): our own ledger (the
 * guard ended it, or somebody with a command of ours; the guard where both did), the run's own output told of an allocation that was refused, the OOM killer named this pid in the kernel log, a user-space guard named it in
 * its own, its cgroup's oom_kill moved, the machine's oom_kill moved while it died of SIGKILL, an
 * editor's own log named it, then signal and code as they are. What could not be read is part of
 * the answer ("the kernel log is closed to this user"). "certain" needs a record that names the pid
 * or the status itself; "likely" a counter; "possible" neither. When nothing tells: unknown. */
#ifndef DETECT_CAUSE_H
#define DETECT_CAUSE_H

#include "detect/spool.h"

enum cause {
	CAUSE_UNKNOWN,
	CAUSE_EXITED,
	CAUSE_QUIT,
	CAUSE_LOGOUT,
	CAUSE_FAILED,
	CAUSE_CRASHED,
	CAUSE_OOM_KERNEL,
	CAUSE_OOM_CGROUP,
	CAUSE_OOM_GUARD,
	CAUSE_OOM_GPU, /* its own allocation was refused: by the GPU, in /dev/shm, by the machine */
	CAUSE_OOM_SHM,
	CAUSE_OOM_ALLOCATION,
	CAUSE_KILLED,
	CAUSE_TERMINATED,
	CAUSE_MACHINE_LOST
};
enum confidence { SURE_POSSIBLE, SURE_LIKELY, SURE_CERTAIN };

enum { EVIDENCE_TEXT = 256, EVIDENCE_MAX = 16 };

enum evidence_what {
	EV_KERNEL_OOM,   /* "Killed process PID" with its constraint: global or cgroup */
	EV_KERNEL_FAULT, /* segfault, trap, general protection */
	EV_GUARD,        /* earlyoom, nohang, systemd-oomd: name in `who` */
	EV_LEDGER,       /* our own: the guard, or a command (orderly: somebody typed it) in `who` */
	EV_WANT,         /* a run's own output: which allocation was refused is in `cause` */
	EV_EDITOR_LOG,   /* renderer process gone (reason, code), extension host ended */
	EV_EDITOR_LOCK,  /* code.lock / vscode.lock left behind, or released in order */
	EV_CORE,         /* a core file or a coredump record */
	EV_LOGIND,       /* session or machine going down */
	EV_CHILD,        /* a worker of this run died first: `pid`, `cause` */
	EV_PARENT,       /* the editor's main process, or the run, had ended: `pid`, `cause` */
	EV_CLOSED,       /* a source that could not be read, and why */
};

struct evidence {
	enum evidence_what what;
	pid_t pid;        /* 0: names none */
	bool cgroup;      /* EV_KERNEL_OOM: a cgroup's limit, not the machine's */
	bool orderly;     /* EV_EDITOR_LOG, EV_EDITOR_LOCK, EV_LOGIND, EV_LEDGER: a wanted end */
	enum cause cause; /* EV_CHILD, EV_PARENT: that process's own; EV_EDITOR_LOG: what the log
			     says; EV_WANT; else UNKNOWN */
	char who[32];     /* the guard's name, or the command's */
	uint64_t real_ms;
	char text[EVIDENCE_TEXT]; /* quoted, as it stood */
};

struct evidence_list {
	unsigned n;
	struct evidence e[EVIDENCE_MAX];
};

struct verdict {
	enum cause cause;
	enum confidence sure;
	char who[32];      /* the guard's name, the command's, or "" */
	pid_t by_child;    /* the worker whose end took the run along; 0 none */
	pid_t with_parent; /* the process it went with; 0 none */
	char text[288];    /* one sentence for people */
};

void cause_judge(const struct fact *f, const struct evidence_list *ev, struct verdict *ret);
const char *cause_name(enum cause c);         /* "out-of-memory (kernel)"; stands in JSON */
enum cause cause_from_name(const char *name); /* CAUSE_UNKNOWN for what is none */
/* Who it was, in a word or two and its number: "train.py (4711)", "VSCode renderer (4712)". */
void cause_who(const struct fact *f, char *p, size_t n);
bool cause_unwanted(
	enum cause c); /* a crash, for `@crash` and reports: not an end somebody asked for */
const char *confidence_name(enum confidence c);

#endif
