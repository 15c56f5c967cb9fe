/* recover/told.h - a restore in the machine-wide journal of events. */
#ifndef RECOVER_TOLD_H
#define RECOVER_TOLD_H

#include <stdbool.h>

#include "../store/store.h"

/* A restore or an undo becomes a row of `detect events`: safety (all zero: there was nothing) holds
 * what was there before, rev what was restored. It never fails what it tells of. */
void tell_restore(const char *workspace, const char *store, const char *title,
	const struct oid *rev, const struct oid *safety, bool whole);

#endif
