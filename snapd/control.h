/* snapd/control.h - what clients and the daemon say to each other on the socket "control" in the
 * store's folder (lib/ctl.h); fields are parted by TAB:
 *
 * once, reason, message [, force]
 *	force: an empty folder in its place is the workspace all the same.
 *	ok, id, 1 (0: nothing was new, the id is the newest snapshot's), number of paths that could
 *	not be read and stand as they were (the daemon's log names them)
 * status [, json]
 *	ok, then text, or one line of JSON
 * stop
 *	ok, id, 1, number, why there is none (if so), after the last snapshot; the process ends when
 *	it keeps no other workspace
 * mark, seq, name
 *	ok (seq 0 takes the name away)
 * import, path, ns, text
 *	ok, number of paths that could not be read; negative: -errno, nothing was written
 * prune, begin | more
 *	ok, "more dropped kept bytes segments" (one field, spaces between): works for a moment; more
 *	is 1 as long as there is some to do: ask again with "more"
 *
 * While a snapshot is being made `status` is answered, the others wait for its end.
 * Anything that goes wrong: error, text, exit code. */
#ifndef SNAPD_CONTROL_H
#define SNAPD_CONTROL_H

#include <stdbool.h>

#define CONTROL_NAME "control"

#endif
