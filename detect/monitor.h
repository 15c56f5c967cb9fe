/* detect/monitor.h - what the files of detect-watch share; watch.h says what it does. Not for
 * outside the room.
 *
 * One struct monitor, one thread. A turn of the loop: what ended is told first (socket, then spool,
 * then log), then what is new is looked at, then the reading. Nothing of that allocates but the
 * discovery of a process. */
#ifndef DETECT_MONITOR_H
#define DETECT_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "detect/cgroup.h"
#include "detect/groups.h"
#include "detect/guard.h"
#include "detect/machine.h"
#include "detect/procs.h"
#include "detect/risk.h"
#include "detect/roles.h"
#include "detect/samples.h"
#include "detect/spool.h"
#include "detect/starve.h"
#include "lib/ctl.h"
#include "lib/loop.h"

enum {
	WATCHED_MAX = 8192,
	BUCKETS = 512,
	EVENTS = 64,            /* kept for late askers, as far as */
	EVENT_BYTES = 80 << 10, /* hold them */
	WAITERS = 32,
	SEEN = 4096, /* fingerprints of processes that are none of ours */
	YOUNG = 256, /* new processes that may still exec */
	PATTERNS = 128,
};

/* monitor-settings.c: what --settings-fd brought. */
struct monitor_settings {
	char *text; /* all of it; the rest points into it */
	const char *training[PATTERNS], *not_training[PATTERNS],
		*editors[PATTERNS]; /* NULL-terminated */
	struct role_patterns patterns;
	struct risk_limits limits;
	const char *core;          /* detect-core, for judge and SIGHUP; NULL: neither */
	const char *log_dir;       /* NULL: none */
	uint64_t log_bytes;        /* a file of log_dir is put aside at this size */
	uint64_t sample_ms;        /* between readings at LOW, at least */
	uint64_t look_ms, hang_ms; /* between two looks at LOW; stuck for so long is a hang */
	const char *below;		/* tests: only programs in this folder; NULL: all */
	struct guard_limits guard;
	bool guard_on, guard_dry;	/* guard_dry: it says what it would do */
	bool by_snapd;			/* not started by hand */
	const char *guard_spare[PATTERNS]; /* trainings in these folders are left alone */
	bool no_connector, no_exit_info, no_zombie; /* tests: as on an older kernel */
};
int monitor_settings_read(int fd, struct monitor_settings *ret); /* -EINVAL: said */

/* One process we hold. Strings stand behind the struct, in one piece. */
struct watched {
	struct watched *next; /* in its bucket */
	struct monitor *m;
	struct proc_id id;
	pid_t ppid;
	int pidfd;
	struct role_of role;
	char comm[PROC_COMM];
	char run[33];
	char state;
	bool hanging;     /* told */
	bool registered;  /* a run by its runner's word, whatever it becomes */
	bool frozen;      /* by the guard */
	bool spared;      /* from it */
	bool faults_known;
	bool dead;        /* POLLIN was there: only the status is waited for */
	bool have_status; /* of the connector */
	bool fresh;       /* its children are to be looked at */
	bool execed;      /* told, and not yet seen as what */
	int tty;
	uint64_t switches; /* at the last look in state D */
	int wait_status;
	uint64_t stuck_since_ms; /* mono; 0: it moves */
	struct starve starve;
	uint64_t rss, peak, guard_faults;
	uint64_t died_real_ms, died_mono_ms, patience_ms;
	/* OOM kills of its group: at the last count, before that moved, and when that was */
	uint64_t cg_oom, cg_oom_was, cg_moved_ms;
	bool chosen; /* it was dying when a counter had moved: may be the one that was counted */
	const char *exe, *argv, *cwd, *user_data, *cgroup; /* "" unknown */
};

struct event {
	uint64_t seq;
	uint32_t at, len;
	bool hidden; /* only on its way to the spool */
};

struct gpu_feed;
struct monitor;
struct connector;
struct jsonlog;
struct hands;
struct daemons;

struct monitor {
	struct loop *loop;
	struct monitor_settings set;
	const struct roots *roots;
	int state_fd, run_fd, proc_fd;
	uid_t uid;
	char boot_id[37];
	uint64_t started_real_ms, started_mono_ms, serial;

	/* watched.c */
	struct watched *bucket[BUCKETS];
	unsigned n_watched, n_dead, n_full; /* n_full: not watched, no room or no descriptor */
	uint32_t *seen;
	struct proc_id *young;
	unsigned n_young;
	bool parents_came, parents_gone; /* whose forks are of interest: has that changed? */
	pid_t last_pid;
	uint64_t next_scan_ms;
	int loadavg_fd;
	struct proc *scratch; /* 5 KiB, once */

	/* connector.c */
	struct connector *connector; /* NULL: by scan */
	const char *why_no_connector;
	bool drain_wanted; /* somebody's status is waited for: a rest must not hold it up */

	/* monitor.c */
	struct machine_reader *reader;
	struct machine now;
	uint64_t tick_ms;		/* mono, of the last reading in turn */
	/* vmstat's, when last read, and when that was; before it moved, and when that was */
	uint64_t tick_oom, tick_oom_ms, oom_was, oom_moved_ms;
	uint64_t tick_available;        /* the machine's, at the last tick */
	bool look_soon;
	struct risk_state risk;
	struct risk_verdict verdict;
	uint64_t editor_bytes, training_bytes;
	struct groups groups; /* of those we hold, at the last look */
	uint64_t next_sample_ms, next_look_ms;

	/* monitor-gpu.c */
	struct gpu_feed *gpu_feed; /* NULL: no driver */
	struct gpu_list *gpus;
	int gpu_fd;
	pid_t gpu_pid; /* 0: none */
	bool gpu_gone;
	const char *why_no_gpu;
	uint64_t gpu_started_ms;

	int timer_fd;
	struct samples *samples;
	struct jsonlog *log;
	bool locked;
	int lock_error;
	bool again; /* SIGHUP: exec after the loop */

	struct hands *hands; /* monitor-guard.c; NULL: no guard */
	int pressure_fd[2];  /* monitor-pressure.c; -1: none */
	uint64_t n_pressed;
	struct daemons *daemons; /* monitor-daemon.c */

	/* monitor-told.c */
	int spool_fd;
	int spool_error;
	uint64_t unspooled, n_lost; /* the first that waits for the spool, 0: none */
	struct ctl_server *ctl;
	struct ctl_conn *waiter[WAITERS];
	uint64_t wait_seq[WAITERS];
	unsigned n_waiters;
	uint64_t seq;
	struct event event[EVENTS];
	unsigned n_events, first_event;
	char *event_bytes;
	uint32_t event_end;
	pid_t judge, checker;
	bool judge_wanted;
	unsigned judge_failed; /* times in a row */
	uint64_t judge_started_ms, judge_due_ms; /* due: 0 none is */
};

/* monitor.c */
int monitor_open(struct monitor *m);
int monitor_run(struct monitor *m);
void monitor_close(struct monitor *m, bool in_order);
void monitor_arm(struct monitor *m);
void monitor_hurry(struct monitor *m); /* a reading now, and the guard's turn */
uint64_t monitor_mono_ms(void);
uint64_t monitor_real_ms(void);
void monitor_read_now(struct monitor *m, unsigned what);
/* Takes the counters of m->now for the last count. */
void monitor_count(struct monitor *m);
void monitor_fact(
	struct monitor *m, enum fact_kind kind, struct fact *f); /* id, times, reading filled in */

/* watched.c */
int watched_open(struct monitor *m);
void watched_close(struct monitor *m);
struct watched *watched_find(struct monitor *m, pid_t pid);
struct watched *watched_hold(struct monitor *m, const struct proc *p, struct role_of role,
	const struct watched *parent); /* NULL: gone, or no room */
void watched_become(struct monitor *m, struct watched *w, const struct proc *p,
	struct role_of role); /* frees w */
bool watched_is_parent(const struct role_of *role);
void watched_look(struct monitor *m); /* sizes, states, hangs */
/* Whom their groups have lost; moved: the machine has lost one. A counter names nobody, but whom it
 * counts has been sent its SIGKILL: who is not dying was not meant. */
void watched_count(struct monitor *m, bool moved);

/* watched-find.c. Whoever has called watched_consider ends with watched_settle. */
void watched_consider(struct monitor *m, pid_t pid); /* an editor, a training? */
void watched_settle(struct monitor *m);              /* new parents: their forks, their children */
int watched_scan(struct monitor *m);                 /* all of /proc */
void watched_scan_new(struct monitor *m); /* without a connector: those since the last time */
void watched_young(struct monitor *m);    /* have they become something? */
void watched_children(struct monitor *m, const char *run); /* considers those of its processes */
void watched_register(struct monitor *m, const struct proc_id *id, const char *run);

/* monitor-guard.c */
int guard_open(struct monitor *m);
void guard_close(struct monitor *m);		/* before the others: what is frozen goes on */
void guard_turn(struct monitor *m);		/* after a reading of MACHINE_MEMORY */
uint64_t guard_due_ms(const struct monitor *m);	/* mono, of the next turn; UINT64_MAX: none is wanted */
void guard_found(struct monitor *m, struct watched *w);

/* monitor-pressure.c: the kernel's word that memory is short. */
void pressure_open(struct monitor *m); /* best effort */
void pressure_close(struct monitor *m);

/* monitor-daemon.c: snapd's own end. */
int daemon_open(struct monitor *m);
void daemon_close(struct monitor *m);
void daemon_waits(struct monitor *m, pid_t pid); /* this one has asked for news */
bool daemon_runs(const struct monitor *m);	/* one of those that asked still does */

/* monitor-end.c: an exit, from the readable pidfd to the told fact. */
void end_seen(struct monitor *m, struct watched *w);   /* POLLIN */
void end_reaped(struct monitor *m, struct watched *w); /* POLLHUP */
void end_told(
	struct monitor *m, struct watched *w, int wait_status); /* the connector's exit event */
void end_expire(struct monitor *m); /* those whose status nobody told in time */
bool end_status(int pidfd, int procfd, const struct proc_id *id, const struct monitor_settings *set,
	bool reaped, int *ret_wait_status, const char **ret_how);
bool end_kernel_tells(void); /* PIDFD_INFO_EXIT is there */
bool end_kernel_holds(void); /* pidfd_open(2) is there: before Linux 5.3 no process is watched */
void watched_fact(const struct watched *w, struct fact *f);
void watched_drop(struct monitor *m, struct watched *w); /* frees it */

/* watched-cgroup.c */
uint64_t cgroup_oom_kills(const struct roots *roots, const char *path);
/* Of the group on the way up that is nearest to its limit: 0: none has one; MACHINE_NONE: not
 * known. */
void cgroup_bounds(
	const struct roots *roots, const char *path, uint64_t *ret_limit, uint64_t *ret_peak);

/* monitor-gpu.c */
void monitor_gpu_open(struct monitor *m); /* best effort: status says what failed */
void monitor_gpu_take(struct monitor *m);
void monitor_gpu_ended(struct monitor *m, int status);
void monitor_gpu_sample(const struct monitor *m, struct sample *x);
void monitor_gpu_fact(const struct monitor *m, struct fact *f); /* f->proc is there */
void monitor_gpu_close(struct monitor *m);

/* connector.c */
int connector_open(struct monitor *m); /* -errno and why_no_connector */
void connector_close(struct monitor *m);
void connector_drain(struct monitor *m);
void connector_parents(struct monitor *m); /* forks of trainings and zygotes are of interest */

/* monitor-told.c */
int told_open(struct monitor *m);
void told_close(struct monitor *m);
void told(struct monitor *m, const struct fact *f);
/* argv: ends with NULL. fd, if it is not -1, is the program's descriptor `as`. */
int monitor_spawn(const char *program, const char *const *argv, int fd, int as, pid_t *ret);
void told_again(struct monitor *m); /* what the spool could not take */
void told_judge(struct monitor *m);
void told_child(struct monitor *m); /* SIGCHLD */
void told_check(struct monitor *m); /* SIGHUP: m->again when the settings can be used */

/* monitor-log.c: JSON lines below log_dir. */
int jsonlog_open(const char *dir, uint64_t max_bytes, struct jsonlog **ret);
void jsonlog_close(struct jsonlog *l);
void jsonlog_sample(struct jsonlog *l, const struct sample *x);
void jsonlog_fact(struct jsonlog *l, const struct fact *f);

#endif
