/* snapd/client.h - asking the daemon that runs. Loads nothing: a client lives for a millisecond. */
#ifndef SNAPD_CLIENT_H
#define SNAPD_CLIENT_H

#include "options.h"

/* dir: the store's folder; path: the workspace, canonical. 0 and the exit code, all said and
 * printed; -ENOENT: nobody is there. */
int client_run(const char *dir, const char *path, const struct options *opt, int *ret_exit);

#endif
