/* snapd/check.h - looking for rot in the background: verify.share percent of the store in each verify.every, in a process of
 * its own (recover-check beside us) with the lowest priority, which is ended as soon as there is something to do. */
#ifndef SNAPD_CHECK_H
#define SNAPD_CHECK_H

struct workspace;

/* Begins to count the time; once, when the store is open. */
void check_begin(struct workspace *w);
/* A snapshot is made: not now, but soon after. */
void check_yield(struct workspace *w);
void check_end(struct workspace *w);

#endif
