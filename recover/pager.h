/* recover/pager.h - the user's pager and colours, chosen as git chooses them. */
#ifndef RECOVER_PAGER_H
#define RECOVER_PAGER_H

#include <stdbool.h>

struct recover;

/* Sends stdout through GIT_PAGER, recover.pager, PAGER or less when it is a terminal.
 * A handler of SIGINT that is there stays; the pager is waited for all the same. */
void pager_start(const struct recover *r);
/* One was, and has the terminal: it is no place for progress. */
bool pager_runs(void);
/* Waits until the user has left it. Nothing if none was started. */
void pager_wait(void);

/* --color=WHEN (NULL: not given), then recover.color, NO_COLOR, TERM, is stdout a terminal.
 * 1, 0, or -EINVAL for a word that is none of auto, always, never. */
int color_wanted(const struct recover *r, bool given, const char *when);

#endif
