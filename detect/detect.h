/* detect/detect.h - the door of the room: what each part is, who runs which program, where state lives.
 *
 * Five programs are made from this room:
 *	detect		small, libc only and linked statically where the compiler can: report and gate with the default
 *			settings. When a configuration file exists, where a GPU's driver or the user database is to be asked,
 *			or for every other command, it becomes detect-core (same arguments): loading costs more than the answer.
 *	detect-core	everything else: settings, journal, evidence, causes. Also `detect watch`: it reads the settings,
 *			then becomes detect-watch. Installed beside snapd-core.
 *	detect-watch	the monitor, libc only, memory locked: readings, pidfds, the event socket, the spool.
 *	detect-top	the live screen (top.h): ncursesw, which nobody else loads.
 *	detect-gpu	loads the GPU driver's library for it, where there is one.
 *
 * How an end travels:
 *	monitor		a pidfd is readable: facts (spool.h) are appended to the spool, told to those who wait on the
 *			socket (snapd takes a snapshot at its word), and `detect-core judge` is started unless one runs.
 *	judge		one at a time (lock on the spool): gathers evidence (evidence.h), names the cause (cause.h), writes
 *			the journal row (journal.h), then notifies. What it has judged it takes out of the spool; killed
 *			in between it judges again: rows are keyed by the event's id, so nothing is told twice.
 *	snapd		answers with the link: workspace, last acknowledged snapshot before the end, and the crash snapshot.
 *
 * Places. State, 0700: $XDG_STATE_HOME/holdfast (~/.local/state/holdfast): journal.db, spool, samples.
 * Socket: $XDG_RUNTIME_DIR/holdfast/detect, without that variable the state folder. HOLDFAST_STATE=DIR stands for both.
 *
 * Parts (headers): machine.h readings of memory and pressure; gpu.h NVML; procs.h one process; roles.h editor, training
 * or neither; risk.h the verdict; samples.h the ring of readings on disk, also the heartbeat; spool.h, watch-side facts;
 * evidence.h, cause.h, journal.h. All of /proc and /sys is reached through struct roots, so that tests feed
 * recorded machines. */
#ifndef DETECT_DETECT_H
#define DETECT_DETECT_H

#include <stdbool.h>

/* An open descriptor of the folder, made when missing, its mode set to 0700; -errno. The caller closes it. -EPERM: it
 * is another user's. -ELOOP: a link of another user stands in its path. */
int detect_state_dir(void);
int detect_state_dir_if_any(void);	/* makes nothing: -ENOENT */
int detect_run_dir(void);
const char *detect_user_home(void);	/* by the user database: what HOME should have said; NULL */
bool detect_state_is_known(void);	/* false: no HOME, no entry for this user, nothing else that names it */
void detect_state_complain(int r);	/* says which folder cannot be used and why, or that none is known */

#define DETECT_SOCKET	"detect"	/* in the run folder; requests in watch.h */
#define DETECT_JOURNAL	"journal.db"
#define DETECT_SPOOL	"spool"
#define DETECT_SAMPLES	"samples"

#endif
