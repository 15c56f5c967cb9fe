/* snapd/settings.h - the configuration of one workspace. */
#ifndef SNAPD_SETTINGS_H
#define SNAPD_SETTINGS_H

#include "../config/config.h"

/* The user's own settings must be readable: they say where the store is. Of the workspace's
 * .holdfast what could be read is used, and the rest named: protected by less is better than not
 * at all. -EINVAL, or as config_load. */
int settings_load(struct config *c, const char *workspace);

#endif
