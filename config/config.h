/* config/config.h - the settings: one table of keys, three places, one struct.
 *
 * Syntax is git's own (parsed by libgit2). Read in this order, later wins, lists
 * add up: /etc/holdfast/config, $XDG_CONFIG_HOME/holdfast/config (default
 * ~/.config), WORKSPACE/.holdfast. A .holdfast file comes with a cloned
 * repository, so it is not trusted: keys marked "user only" (anything that runs a command,
 * moves the store, or decides what is pruned) are refused there, and include.path is never followed
 * in it. An unknown key or a bad value is reported as `FILE:LINE: KEY: why; using DEFAULT` through
 * report (and counted in *ret->n_problems); an unreadable or broken file is an error: -EINVAL, with
 * the line; -EIO where the disk would not give the user's own.
 *
 * Each key is one row of config_keys[] (config.c): name, type, where in the
 * struct, default, unit, what it is for. config/holdfast.conf documents every
 * row; a test compares the two. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdint.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "lib/buf.h"

struct config_list {
	char **item;
	size_t n;
};

struct config {
	/* [snapshot] */
	uint64_t interval_ms;		/* snapshot.interval, 30s; at least 100 ms */
	/* snapshot.settle, 200ms: a scheduled snapshot waits for this much quiet, one interval
	 * at most; 0 = off */
	uint64_t settle_ms;
	/* snapshot.maxFileSize, 16 MiB; larger files are skipped and named */
	uint64_t max_file_size;
	/* snapshot.include: gitignore patterns always stored, even if ignored */
	struct config_list include;
	struct config_list exclude;	/* snapshot.exclude: gitignore patterns never stored */
	bool default_excludes;		/* snapshot.defaultExcludes, true: the built-in list */
	/* snapshot.gitignore, true: honour .gitignore files and .git/info/exclude */
	bool gitignore;
	/* snapshot.pollInterval, 10s: for folders without a watch */
	uint64_t poll_ms;

	/* [store] */
	/* store.dir: parent folder of the stores; NULL = $XDG_DATA_HOME/holdfast. User only */
	char *store_dir;
	/* store.quota, 0 = the smaller of 5 GiB and 10 % of the file system. User only */
	uint64_t quota;
	/* store.freeFloor, 256 MiB: below it no snapshot is written. User only */
	uint64_t free_floor;
	int level;			/* store.compressionLevel, 3 (1..19) */

	/* [prune]; all user only */
	uint64_t keep_all_ms, keep_ten_ms;	/* prune.all 1d, prune.tenMinutes 1w */
	uint64_t keep_hourly_ms, keep_daily_ms;	/* prune.hourly 30d, prune.daily 365d */
	uint64_t keep_weekly_ms;		/* prune.weekly, 0 = for ever */
	uint64_t grace_ms;		/* prune.grace, 2h */
	uint64_t prune_every_ms;	/* prune.every, 1h; 0 = never by itself */

	/* [unsaved]: what editors hold and never saved */
	bool unsaved_copies;		/* unsaved.copies, true: snapd keeps copies */
	uint64_t unsaved_quota;		/* unsaved.quota, 64 MiB, twice. User only */
	struct config_list unsaved_places; /* unsaved.place: further user data folders. User only */

	/* [recover] */
	/* recover.pager; after GIT_PAGER, before PAGER and less. User only */
	char *pager;
	char *color;			/* recover.color: auto, always, never */
	int context;			/* recover.context, 3 lines around a change */

	/* [detect]; all user only. Shares are percent */
	/* detect.memoryMedium 75, detect.memoryCritical 85 */
	int memory_medium, memory_critical;
	int swap_medium;		/* detect.swap, 50 */
	int gpu_medium, shm_medium;	/* detect.gpu 90, detect.shm 90 */
	/* detect.pressureMedium 10, detect.pressureCritical 40 */
	int pressure_medium, pressure_critical;
	int cpu_warn;			/* detect.cpu, 95 */
	uint64_t family_warn;		/* detect.together, 8 GiB: editor and training */
	uint64_t disk_free;		/* detect.diskFree, 256 MiB */
	uint64_t time_left;		/* detect.timeLeft, 60s */
	uint64_t calm_ms;		/* detect.calm, 10s */
	/* detect.sample, 1s: between readings while the risk is LOW; at least 1 s */
	uint64_t sample_ms;
	bool autostart;			/* detect.autostart, true: snapd starts the monitor */
	bool terminal;                  /* detect.terminal, true: a line on the user's terminals */
	bool notify;			/* detect.notify, true: a desktop notification of a crash */
	/* detect.hook: a program that gets each event as JSON; NULL none */
	char *hook;
	/* detect.guardLog: what earlyoom writes to stderr, in files */
	struct config_list guard_logs;
	bool guard; /* guard.enabled, true: act on training before the editor dies */
	int guard_freeze;		/* guard.freeze, 10: percent of memory left */
	uint64_t guard_min;		/* guard.minSize, 2 GiB: smaller trainings are left alone */
	uint64_t guard_hold, guard_grace;	/* guard.hold 1 s, guard.grace 200 ms */
	struct config_list guard_spare;	/* guard.spare: folders whose trainings are left alone */

	/* [gate], [run], [training]: all user only */
	/* gate.reserve, 10: percent of memory (2 GiB at most) that a launch must leave */
	int gate_reserve;
	/* gate.swap, 50: percent of free swap that counts as room */
	int gate_swap;
	/* gate.memory, 65: percent in use from where a launch of unknown need is refused */
	int gate_memory;
	uint64_t gate_free;		/* gate.free, 4 GiB: the same for what is left */
	int gate_cpu;			/* gate.cpu, 70: percent in use from where it warns */
	bool gate_force;		/* gate.force, false: says yes to all, and notes it */
	bool gate_snapshot;		/* gate.snapshot, true: before it says yes */
	uint64_t gate_wait_ms;		/* gate.snapshotWait, 30s */
	int run_nice;			/* run.nice, 10 */
	int run_oom_score_adj;		/* run.oomScoreAdj, 1000 */
	int run_threads;		/* run.threads, 0: half of the CPUs */
	uint64_t run_limit;		/* run.limit, 0: none */
	int run_retry;			/* run.retry, 0: times a smaller tier is tried */
	uint64_t run_log;		/* run.log, 64 MiB of a run's output are kept */
	int run_keep;			/* run.keep, 20 runs */
	char *run_scope;		/* run.scope: auto, systemd, cgroup, none */
	char *run_alloc;		/* run.allocConf: for PyTorch's CUDA allocator */
	/* training.command, for `detect run` without one; NULL none */
	char *training_command;
	/* training.configs: folder of the tiers' files below the project */
	char *training_configs;

	/* [tidy]; all user only */
	uint64_t tidy_after_ms;		/* tidy.after, 10m: so long nothing changed; 0 = never */
	int tidy_share;			/* tidy.share, 50: percent of a CPU */

	/* [verify]; all user only */
	uint64_t verify_every_ms;	/* verify.every, 1d */
	int verify_share;		/* verify.share, 1: percent of the store looked at in that time; 0 = off */

	/* [mirror]; all user only: who comes with a cloned repository must not get our work */
	char *mirror_url;		/* mirror.url: any git remote; NULL none */
	uint64_t mirror_every_ms;	/* mirror.every, 10m */
	bool mirror_branch;		/* mirror.branch, true: also as a branch that a clone gets */
	/* mirror.secret, mirror.allow: patterns of names that do not, and do leave the machine */
	struct config_list mirror_secret, mirror_allow;

	uint64_t journal_quota;		/* journal.quota, 16 MiB */
	/* detect.training: patterns of scripts and modules, beside the built-in ones */
	struct config_list training;
	struct config_list not_training;	/* detect.notTraining */
	/* detect.editor: further programs, by the base name of their exe */
	struct config_list editors;

	unsigned n_problems;		/* how many lines were reported */
	/* One of them was of [prune], or of a file as a whole: what is to stay may be among it, so nothing is to go by the defaults. */
	bool keep_doubtful;
	bool unread;			/* one of the files is there and could not be read */
};

/* fmt is one finished line without newline. */
typedef void (*config_report_fn)(const char *line, void *arg);

/* Defaults only; cannot fail but for memory. */
int config_init(struct config *c);
/* Defaults, then the files. workspace may be NULL. report may be NULL (log_warn).
 * HOLDFAST_CONFIG=FILE stands for the first two of the three files. After -EINVAL
 * (a broken file; its lines were reported) c holds what the others said, and is
 * released as always; -ENOMEM, -EMFILE and -ENFILE are our own failure, not a file's. In a list
 * an empty value forgets what came before; a .holdfast can only add. */
int config_load(struct config *c, const char *workspace, config_report_fn report, void *arg);
void config_release(struct config *c);

/* The folder of a workspace's store, appended; parent: store.dir, NULL: $XDG_DATA_HOME/holdfast.
 * workspace is canonical. Whoever wants the store's own override and HOLDFAST_STORE asks
 * store_place. -ENOENT: no HOME. Needs no settings loaded. */
int config_store_place(const char *workspace, const char *parent, struct buf *ret);

/* Writes every key with its default and its explanation, as holdfast.conf. */
int config_print_defaults(FILE *f);
/* The same as a manual, holdfast.conf(5), in mdoc. -EIO. */
int config_print_manual(FILE *f);

#endif
