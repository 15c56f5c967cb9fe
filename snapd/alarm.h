/* snapd/alarm.h - snapshots have stopped, or go on: told where people see it. */
#ifndef SNAPD_ALARM_H
#define SNAPD_ALARM_H

#include "../config/config.h"
#include "../store/store.h"

/* why NULL: they go on. In the store, for recover to say; on the desktop (detect.notify), and to
 * the user's hook (detect.hook) as a JSON object: kind "snapshots", workspace, stopped, why.
 * Never an error. */
void alarm_tell(const struct config *cfg, struct store *s, const char *workspace, const char *why);

/* Damage was found in its store: told in the same places, but for the store; kind "damage" for the hook. */
void alarm_damage(const struct config *cfg, const char *workspace, const char *why);

#endif
