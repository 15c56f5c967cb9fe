/* recover/pending.h - a restore that was killed is finished by the next command. */
#ifndef RECOVER_PENDING_H
#define RECOVER_PENDING_H

struct recover;

/* Finishes it, if there is one, and says so. Never fails the command that follows. */
void pending_finish(struct recover *r);

#endif
