/* snapd/prune.h - thinning while the daemon runs, and making room where there is none. */
#ifndef SNAPD_PRUNE_H
#define SNAPD_PRUNE_H

#include <stdbool.h>
#include <stdint.h>

#include "../config/config.h"
#include "../store/store.h"

struct workspace;

/* Is there room for a snapshot? 0: there is, and how much; -EDQUOT: the quota is used up,
 * -ENOSPC: less would be free than store.freeFloor. Makes the reserve where there is plenty. */
struct room {
	uint64_t left;		/* for store_limit, */
	int err;		/* likewise */
};
int room_look(const struct config *cfg, struct store *s, struct room *ret);
/* The same, when what may go has gone first: at once, harder than the ages say where it takes
 * that. No other prune may be under way. more: what there was did not do, so half of the quota
 * is aimed at; or what unfinished snapshots left has gone first, and 1 comes back: if that does not do, more may go.
 * now_ns: for the ages; 0, what the clock says. */
int room_make(const struct config *cfg, struct store *s, bool more, int64_t now_ns, struct room *ret);
/* What to do about it, for people: " (...)". */
const char *prune_way_out(int r);

/* A clock that is set forward makes all snapshots old at once: those of the last day look as if one a week of them were
 * enough. So who thins by age looks at each time whether it went on as the time since boot did (both ns). When it is an hour or
 * more ahead, false for a day, in which whoever set it wrong may notice; then it is believed. Says so once. */
struct prune_clock {		/* all zero at first */
	bool begun, ahead;
	int64_t offset_ns, since_ns;
};
bool prune_clock_right(struct prune_clock *c, int64_t real_ns, int64_t boot_ns);
/* For room_make: what it would be if nobody had set the clock, while that is not believed; else 0. */
int64_t prune_clock_now(struct prune_clock *c, int64_t real_ns, int64_t boot_ns);
int64_t prune_now_ns(struct workspace *w);

/* After a snapshot: if the last time was long ago (prune.every), thin in small steps from the
 * loop. */
void prune_soon(struct workspace *w);
/* `prune` asked for: begins unless it is under way. 0, or why not. */
int prune_start(struct workspace *w, bool asked);
/* Work for about this long. 1 there is more to do, 0 done, w->pruned says what; negative. */
int prune_step(struct workspace *w, uint64_t ms);
void prune_stop(struct workspace *w);		/* what is left the next one does */

#endif
