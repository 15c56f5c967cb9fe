/* snapd/news.h - what the monitor of `detect watch` tells, and what follows: a snapshot at once.
 *
 * One per daemon. It keeps one question open at the monitor ("wait"), which costs nothing until
 * something happens. When no monitor runs it starts one (detect.autostart; HOLDFAST_AUTOSTART=0 in
 * the environment: not), and again with growing pauses when it goes away; the monitor outlives us.
 * An abnormal end of an editor or a training takes a snapshot of every workspace with the reason
 * exit, CRITICAL risk one with the reason risk; the monitor is answered with the snapshots before
 * and after (FACT_LINK). */
#ifndef SNAPD_NEWS_H
#define SNAPD_NEWS_H

#include <stdbool.h>

#include "../lib/loop.h"

struct daemon;
struct news;

/* Never an obstacle: without a monitor workspaces are protected all the same. NULL: out of
 * memory. */
struct news *news_open(struct daemon *d, struct loop *l, bool autostart);
void news_again(struct news *n); /* SIGHUP: a monitor may have been started meanwhile */
void news_close(struct news *n); /* NULL is fine */

#endif
