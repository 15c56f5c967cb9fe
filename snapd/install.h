/* snapd/install.h - --install, --uninstall, --start, --completion: what is not about snapshots. */
#ifndef SNAPD_INSTALL_H
#define SNAPD_INSTALL_H

#include "options.h"

/* Is it one of those modes? */
bool install_is(enum mode m);
/* An exit code. argv0: as the user called us. */
int install_run(const struct options *opt, const char *argv0);

#endif
