/* snapd/daemon.h - the whole program once it runs. */
#ifndef SNAPD_DAEMON_H
#define SNAPD_DAEMON_H

#include "options.h"

/* Until SIGTERM, SIGINT or --stop; the exit code. */
int daemon_run(const struct options *opt);

/* --once, --status, --stop where no daemon answered: the exit code. */
int alone_run(const struct options *opt);

#endif
