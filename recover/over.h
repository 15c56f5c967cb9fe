/* recover/over.h - a text that no snapshot holds, over a file of the workspace: an unsaved buffer,
 * a
 * file with some of its changes taken back. A restore like any other: safety snapshot, nothing
 * touched that it does not hold, journal, undo. */
#ifndef RECOVER_OVER_H
#define RECOVER_OVER_H

#include <sys/types.h>

#include "recover.h"

/* name: below the workspace; its folder is opened without following a link. what: "restore of an
 * unsaved buffer", for messages. An exit code; what went wrong has been said. */
int over_write(
	struct recover *r, const char *name, const struct buf *text, mode_t mode, const char *what);

#endif
