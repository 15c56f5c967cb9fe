/* detect/stop.h - `detect stop`: ends training now, when there is no time for the guard's patience.
 *
 * For a text console beside a frozen editor: libc only, its memory locked, nothing asked. What is
 * ended: running `detect run`s with all that they started, and what roles.h calls training, of this
 * user; a notebook's kernel holds somebody's session and is left, unless --all. Each is held by a
 * pidfd, its start time compared again, and its end written to the ledger before the signal goes
 * out: SIGTERM (and SIGCONT, it may be frozen), after the grace SIGKILL. */
#ifndef DETECT_STOP_H
#define DETECT_STOP_H

#include "detect/settings.h"

int cmd_stop(int argc, char **argv, const struct detect_settings *set);

#endif
