/* recover/crash.h - what the machine-wide journal of detect/ knows, for a workspace. */
#ifndef RECOVER_CRASH_H
#define RECOVER_CRASH_H

#include "../detect/journal.h"
#include "../store/store.h"

/* The latest crash of all (detect/journal.h says which of several ends), or the event with that id. A
 * copy: release it with journal_event_release. -ENOENT: none is recorded. -ENOTUNIQ: the id's start
 * is several events'. */
int crash_find(const char *id, struct journal_event *ret);
/* The latest that concerns this workspace: not of a run that was started elsewhere. */
int crash_of(const char *workspace, struct journal_event *ret);
/* The newest event of any kind. -ENOENT */
int crash_newest_event(struct journal_event *ret);

/* The last snapshot before it: as snapd linked it, else by the store's own times. -ENOENT */
int crash_snapshot(struct store *s, const struct journal_event *ev, struct store_snapshot *ret);
/* What snapd linked for this workspace, or NULL. */
const struct journal_link *crash_link(const struct journal_event *ev, const char *workspace);
/* The cause where its words do not say it themselves; else, and where none is known, NULL. */
const char *crash_cause(const struct journal_event *ev);
/* It happened not later than this. */
int64_t crash_time_ns(const struct journal_event *ev);

#endif
