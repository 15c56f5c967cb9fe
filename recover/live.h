/* recover/live.h - what the workspace looks like now, beside the newest snapshot. */
#ifndef RECOVER_LIVE_H
#define RECOVER_LIVE_H

#include "recover.h"

struct live {
	bool known;		/* false: it could not be looked at (gone, unreadable) */
	int error;		/* why */
	uint64_t created, changed, deleted;
};

/* Counts what differs from snapshot seq: files and links, folders that are new or gone. */
void live_count(struct recover *r, uint64_t seq, struct live *ret);

#endif
