/* snapd/workspace.h - one protected folder inside the daemon: its store, its watches, what is
 * dirty, and the timers that turn that into snapshots.
 *
 * Idle means: nothing dirty, no timer armed, the loop asleep. The first event arms `due`; the
 * kernel's queue is then read in rests, not event by event; the snapshot disarms it. Folders
 * without a watch keep `poll` armed; so does a workspace that is gone, until it is back. */
#ifndef SNAPD_WORKSPACE_H
#define SNAPD_WORKSPACE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "../config/config.h"
#include "../lib/buf.h"
#include "../lib/ctl.h"
#include "../lib/loop.h"
#include "../scan/scan.h"
#include "../store/store.h"
#include "dirty.h"
#include "links.h"
#include "options.h"
#include "prune.h"
#include "watch.h"

/* -ENOMEDIUM, for people. */
#define REPLACED_TEXT "an empty folder is in its place (is its file system not mounted?); " \
	"no snapshot until there are files in it, or with --once --force"

#define NO_ROOM_TEXT " (the disk is full, or below store.freeFloor: make room)"

struct progress;
struct daemon;

struct workspace {
	struct workspace *next;
	struct daemon *daemon;
	struct loop *loop;
	const struct options *opt;
	char *path;			/* canonical */
	struct config cfg;
	struct store *store;
	struct scan *scan;		/* NULL while the folder is gone */
	struct watch *watch;		/* likewise */
	struct ctl_server *ctl;
	struct dirty dirty;
	struct links *links;
	struct loop_timer *due, *rest, *poll, *retry;
	uint64_t due_ms;		/* when `due` fires */
	uint64_t rest_ms;
	uint64_t first_event_ms, last_event_ms;	/* of what is dirty now */
	uint64_t last_take_ms;		/* 0 = none yet */
	uint64_t look_end_ms, look_took_ms;	/* the last look at everything */
	uint64_t backoff_ms;		/* after a failure; 0 = none */
	uint64_t failing_ms;		/* since when; 0 = not */
	uint64_t overflows;
	uint64_t unreadable;		/* what the last attempt could not read */
	struct dirty not_taken;		/* and which: looked at again when somebody asks, or */
	bool passing;			/* by itself, if an error may be over by then */
	uint64_t retry_ms;
	bool rules_changed;		/* watches of folders that are skipped now must go */
	/* an empty folder in its place is the workspace all the same */
	bool replaced_ok;
	uint64_t mounts;		/* mounts_below, of the last look at everything */
	bool root_moved;		/* an event said so: look whether it is still there */
	bool root_lost;			/* and this: the folder that was watched is no more */
	bool limit_said;
	bool stopping;
	struct buf last_error;
	struct store_prune *prune;	/* under way, in steps (prune.h) */
	struct store_pruned pruned;	/* what the last one did */
	struct loop_timer *prune_timer;
	uint64_t pruned_ms;		/* when it began or ended; 0 = none yet */
	struct prune_clock clock;
	uint64_t futile_ms;		/* no room could be made: not tried again before this */
	bool stopped;			/* it was told that no snapshot can be taken */
	struct progress *progress;
	uint64_t progress_files, progress_bytes;
	bool asked;			/* by a client, who waits */
	bool looking;			/* and since these: */
	uint64_t look_files, look_bytes;
	struct unsaved *unsaved;	/* or NULL */
	struct mirroring *mirroring;	/* or NULL (mirror.h) */
	struct checking *checking;	/* or NULL (check.h) */
	struct tidying *tidying;	/* or NULL (tidy.h) */
	struct waiting *waiting;	/* control.c: requests that came meanwhile */
	struct loop_timer *waiting_timer;
};

/* Opens the store for writing, watches, takes the first snapshot (reason start). *ret is whole
 * or nothing is left. Failures are said on stderr; the exit code for them is in *ret_exit.
 * -ENOSPC, which is not said: there is no room to open its store, try again later. */
int workspace_open(struct daemon *d, struct loop *l, const char *given, const struct options *opt,
	struct workspace **ret, int *ret_exit);
void workspace_close(struct workspace *w);

/* Everything that was written before this call is in the snapshot. As store_txn_commit. */
int workspace_take(struct workspace *w, enum store_reason reason, const char *message, bool force,
	struct store_snapshot *ret);
/* File systems were mounted or unmounted, perhaps in it or over it. */
void workspace_mounts_changed(struct workspace *w);
/* Nothing is to be done: hold no descriptor that keeps its file system from being unmounted. */
void workspace_rest(struct workspace *w);
/* Read the configuration again. */
void workspace_reload(struct workspace *w);
/* The answer to `status`: text for people, or one JSON object. */
int workspace_status(struct workspace *w, bool json, struct buf *ret);

/* control.c: the requests of clients. */
int control_open(struct workspace *w);
void control_close(struct workspace *w);
/* No snapshot is being made any more: those who waited are next, after the present event. */
void control_resume(struct workspace *w);

/* daemon.c */
const volatile sig_atomic_t *daemon_abort_flag(void);
void daemon_poll_signals(void);
uint64_t daemon_wakeups(const struct daemon *d);
void daemon_begin(struct daemon *d);		/* a snapshot is being made: */
/* `status` is answered meanwhile, other requests wait */
void daemon_poll_clients(struct workspace *w);
bool daemon_is_busy(const struct daemon *d);
void daemon_done(struct workspace *w);
struct workspace *daemon_first(const struct daemon *d);	/* the list, by next */
void daemon_stop_workspace(struct workspace *w);	/* after the present event */

#endif
