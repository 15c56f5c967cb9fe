/* snapd/mirror.h - when the mirror is brought up to date. Who does it is a process of its own (recover-mirror beside us), so
 * that nothing here waits for a network. */
#ifndef SNAPD_MIRROR_H
#define SNAPD_MIRROR_H

#include <stdint.h>

struct workspace;
struct mirroring;

/* After a snapshot: pushes now, or when mirror.every is over, or after a failure later and later. Nothing happens where
 * mirror.url is not set. */
void mirror_soon(struct workspace *w);
/* The process is told to end, and not waited for: what it has not done the next one does. */
void mirror_stop(struct workspace *w);

#endif
