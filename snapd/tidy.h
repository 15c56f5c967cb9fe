/* snapd/tidy.h - the store written tighter (store/tidy.h) when nobody works: tidy.after without a change, by a process
 * of its own (recover-tidy) with the lowest priority, that is ended at once when something happens. */
#ifndef SNAPD_TIDY_H
#define SNAPD_TIDY_H

#include "../store/tidy.h"

struct workspace;

void tidy_soon(struct workspace *w);		/* a snapshot was made, or we have just begun */
void tidy_yield(struct workspace *w);		/* something happens: what is at work ends */
void tidy_stop(struct workspace *w);
/* What somebody made goes into its place. As store_tidy_take; -EBUSY also while prune is at work. */
int tidy_take(struct workspace *w, struct tidied *ret);

#endif
