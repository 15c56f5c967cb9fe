/* detect/run.h - `detect run`: training whose death is not the window's, and the other way round.
 *
 * Three processes. The launcher (run-cmd.c) reads the options, asks the gate, makes the plan, and
 * becomes the viewer. The supervisor (run-super.c) is its child, in a session of its own: it starts
 * the command, again in a session of its own, reads its output into a log and passes it on to
 * whoever looks, measures it, and writes down how it ended. The viewer (run-attach.c) shows the
 * output, passes signals and lines typed, and ends as the command did; when its terminal dies the
 * other two go on. `detect attach` is another viewer.
 *
 * A run has a folder below runs/ of the state folder, named by its id (8 hex digits), 0700:
 *	run		the record, lines NAME=VALUE (run-record.c)
 *	log, log.1	its output, the newest; both outputs in the order they came
 *	socket		SOCK_SEQPACKET, while it runs: see the packets below
 *	NAME.json	the tier's configuration, where the project has none
 *	answer		what the training said to SIGUSR2 (hooks/python)
 * What stands there is read as hostile. */
#ifndef DETECT_RUN_H
#define DETECT_RUN_H

#include <stdbool.h>
#include <sys/types.h>

#include "detect/gate.h"
#include "detect/learned.h"
#include "detect/procs.h"
#include "lib/buf.h"

/* Packets: a letter, then bytes. The supervisor says OUT, ERR: output; SAY: a message of its own;
 * HELLO: how long the log was when this viewer came; END: "CODE TAB SIGNAL" (one is -1) TAB how.
 * The viewer says SIGNAL: a byte; INPUT: bytes typed; NO_INPUT; SIZE: rows TAB columns; ALL: it
 * must
 * miss nothing: wait for it. */
enum { RUN_OUT = 'o', RUN_ERR = 'e', RUN_SAY = 'm', RUN_HELLO = 'h', RUN_END = 'x' };
enum { RUN_SIGNAL = 's', RUN_INPUT = 'i', RUN_NO_INPUT = 'I', RUN_SIZE = 'w', RUN_ALL = 'b' };
enum { RUN_PACKET = 16384, RUN_ID = 9 };

struct run { /* the record */
	char id[RUN_ID];
	bool running;
	struct proc_id pid, super; /* the command's first process; the supervisor */
	uint64_t began_ms, ended_ms;
	char *command, *cwd, *tier, *mode, *scope, *workspace, *snapshot; /* NULL: none */
	uint64_t limit, in_force; /* asked for; read back, MACHINE_NONE none */
	uint64_t need;            /* what the gate was told, MACHINE_NONE not known */
	unsigned attempt;         /* from 1 */
	struct learned peak;      /* ram, shm, gpu of this attempt */
	int code, signal;         /* -1 */
	char *cause, *how;        /* a name as in cause.h; a sentence */
	char *by;                 /* the command by which somebody ended it; NULL none */
	bool lost;                /* not of the file: its supervisor is gone without a word */
};

/* run-record.c. dirfd: of the state folder. */
int run_folder(int dirfd, const char *id, bool make); /* an open folder; "": runs/ itself */
int run_write(int folder, const struct run *r);
int run_read(int folder, struct run *ret); /* -ENOENT, -EBADMSG */
void run_release(struct run *r);
/* The newest first; fn's answer other than 0 ends it. */
int run_each(int dirfd, int (*fn)(struct run *r, int folder, void *arg), void *arg);
/* By the start of its id; NULL: the newest, running ones first. -ENOTUNIQ, -ENOENT. */
int run_find(int dirfd, const char *id, struct run *ret);
int run_prune(int dirfd, unsigned keep); /* ended ones beyond so many */
int run_remove(int dirfd, const char *id);

/* run-scope.c: where the command is kept. */
enum scope_kind { SCOPE_NONE, SCOPE_SYSTEMD, SCOPE_CGROUP2, SCOPE_CGROUP1 };
struct scope {
	enum scope_kind kind;
	char path[512];  /* of its folder below /sys/fs/cgroup, "" none */
	int fd;          /* of that folder, -1 */
	bool ours;       /* made by us: removed by us */
	const char *why; /* why there is none that limits */
	char unit[64];   /* SCOPE_SYSTEMD */
};
void scope_choose(const struct roots *roots, const char *want, const char *id, uint64_t limit,
	struct scope *ret);
int scope_enter(const struct scope *s); /* in the child, before exec */
/* SCOPE_SYSTEMD: where pid is now. */
void scope_look(const struct roots *roots, struct scope *s, pid_t pid);
uint64_t scope_in_force(
	const struct scope *s); /* the limit as the kernel has it; MACHINE_NONE none */
uint64_t scope_oom_kills(const struct scope *s); /* MACHINE_NONE */
uint64_t scope_used(const struct scope *s);      /* without what can be dropped; MACHINE_NONE */
void scope_close(struct scope *s);               /* removes the folder that is ours, once empty */
const char *scope_name(const struct scope *s, char *p, size_t n);

/* run-peak.c: what a tree of processes takes. */
struct peak {
	uint64_t ram, shm, gpu; /* the most so far */
	uint64_t now;           /* of ram, at the last look; MACHINE_NONE unknown */
	uint64_t shm_before;
	pid_t pid[512];
	unsigned n; /* the tree at the last look */
	uint64_t gpu_next_ms;
};
void peak_begin(const struct roots *roots, struct peak *p);
/* root: the supervisor, all of whose descendants count. */
void peak_look(const struct roots *roots, struct peak *p, pid_t root, const struct scope *s,
	uint64_t now_ms);

/* run-end.c: how it ended. Lines of its output that tell of want of memory. */
enum want { WANT_NONE, WANT_GPU, WANT_RAM, WANT_SHM };
enum want run_want(const char *line, size_t n);
struct ending {
	int status;                   /* of waitpid */
	enum want want;               /* the last seen in its output */
	char line[200];               /* which */
	bool over_limit;              /* we ended it for its size */
	bool guarded;                 /* our guard did: the ledger */
	char by_hand[32];             /* or somebody with this command: the ledger, too; "" none */
	bool cgroup_oom, machine_oom; /* counters that moved */
	uint64_t limit;
};
/* *cause: a name; how: a sentence. Is it for want of memory? */
bool run_ending(const struct ending *e, const char **cause, char *how, size_t n);

/* run-plan.c */
struct run_plan {
	const char *const *template; /* the command with its placeholders */
	const char *mode;            /* NULL: none */
	const struct tier *tier;     /* NULL */
	int epochs, val_batches;     /* -1: as the tier says */
	const char *configs;
	uint64_t limit;
	bool limit_of_tier; /* and of the next smaller one when it comes to that */
	unsigned nice, threads, retries;
	int oom_score_adj;
	bool idle_io;
	const char *alloc, *scope_wanted;
	uint64_t log_max;
	unsigned keep;
};
/* The command with {config}, {epochs}, {val_batches}, {tier} filled in; NULL-terminated, freed
 * with plan_free.
 * folder: of the run, where a tier's file is written when the project has none. */
int plan_fill(const struct run_plan *p, int folder, const char *folder_path, char ***ret);
bool plan_has(const struct run_plan *p, const char *placeholder);
void plan_free(char **argv);
/* Words as a shell cuts them, without a shell. -EINVAL: a quote is not closed. */
int plan_split(const char *line, char ***ret);
/* In the child: thread and allocator variables, unless set; niceness, I/O class, oom_score_adj. */
void plan_environment(const struct run_plan *p, const char *id, const char *folder_path);
void plan_priorities(const struct run_plan *p);

/* run-super.c: never returns. viewer: the first one's end of a socket pair. */
struct run_start {
	struct run_plan plan;
	struct gate_limits lim; /* what a further attempt must fit into, too */
	const struct roots *roots;
	const struct role_patterns *patterns;
	struct run run;
	int state, folder;
	char folder_path[1200];
	struct gate_answer *gate;
	int viewer;
	int fd[3]; /* what the command's stdin, out, err would have been */
	uint64_t gpu_room;
};
void run_supervise(struct run_start *s) __attribute__((noreturn));
void run_note_end(const struct run_start *s, const struct run *r, bool unwanted);

/* run-attach.c: shows until the end; the exit code. fd becomes its own. */
int run_view(int fd, const char *id, bool input, const char *log_path);

int cmd_run(int argc, char **argv, const struct detect_settings *set);
int cmd_runs(int argc, char **argv, const struct detect_settings *set);
int cmd_attach(int argc, char **argv, const struct detect_settings *set);

#endif
