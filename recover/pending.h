/* recover/pending.h - a restore that was stopped or killed: who only looks is told of it, who
 * restores finishes it first. */
#ifndef RECOVER_PENDING_H
#define RECOVER_PENDING_H

struct recover;

/* Says, if there is one, how it is finished and how it is taken back. Writes nothing. */
void pending_say(const struct recover *r);

/* Its journal cannot be read: that, and the way out. */
void pending_damaged(const struct recover *r, int e);

/* Finishes it and says so. EXIT_DONE: none is left; EXIT_NO: there was none; EXIT_PART,
 * EXIT_ENV: not wholly, or not now, which was said. Ends the process when it is stopped again. */
int pending_finish(struct recover *r);

#endif
