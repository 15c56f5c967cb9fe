/* recover/happened.h - what happened between the snapshots: crashes, risk, launches, what the guard
 * did, from the machine-wide journal. Ends that were wanted and those of other workspaces are left
 * out. */
#ifndef RECOVER_HAPPENED_H
#define RECOVER_HAPPENED_H

#include "recover.h"

struct happened {
	struct happening {
		int64_t time_ns;
		char *text, *id;
		const char *kind;	/* "exit", "risk", ...: as in `detect events` */
		bool crash;
	} *h;
	size_t n, cap;
	size_t next;			/* not printed yet: newest first */
};

/* The newest of them; no journal is none. */
void happened_load(const char *workspace, struct happened *ret);
/* Those later than that which were not printed yet. */
void happened_print(struct happened *x, int64_t later_ns, bool json);
void happened_release(struct happened *x);

#endif
