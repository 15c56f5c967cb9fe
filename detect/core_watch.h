/* detect/core_watch.h - the command `detect watch`, also `detect watch --stop`. argv: what follows
 * the name. */
#ifndef DETECT_CORE_WATCH_H
#define DETECT_CORE_WATCH_H

#include "detect/settings.h"

/* Becomes detect-watch, in the foreground; returns only when it could not. */
int cmd_watch(int argc, char **argv, const struct detect_settings *set);

#endif
