/* snapd/control.h - what clients and the daemon say to each other on the socket "control" in the
 * store's folder (lib/ctl.h).
 *
 * once TAB reason TAB message [TAB force] (force: an empty folder in its place is the workspace all
 * the same)
 * ok TAB id TAB 1 (0: nothing was new, the id is the newest snapshot's) TAB number of
 * paths that could not be read and stand as they were (the daemon's log names them)
 *	status [TAB json]		ok, then text, or one line of JSON
 * stop                            ok TAB id TAB 1 TAB number TAB why there is none (if so), after
 * the last snapshot; the process ends when it keeps no other workspace
 *	mark TAB seq TAB name		ok (seq 0 takes the name away)
 *	import TAB path TAB ns TAB text	ok TAB paths that could not be read; negative: -errno, nothing was written
 *	prune TAB begin | more		ok TAB more dropped kept bytes segments (one field, spaces between): works
 *					for a moment; more is 1 as long as there is some to do: ask again with "more"
 * While a snapshot is being made `status` is answered, the others wait for its end.
 * Anything that goes wrong: error TAB text TAB exit code. */
#ifndef SNAPD_CONTROL_H
#define SNAPD_CONTROL_H

#include <stdbool.h>

#define CONTROL_NAME "control"

#endif
