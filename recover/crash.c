#include "crash.h"

#include <errno.h>
#include <string.h>

#include "../detect/detect.h"
#include "../lib/auto.h"

static int copy(const struct journal_event *ev, void *arg)
{
	int r = journal_event_copy(ev, arg);

	return r < 0 ? r : 1;
}

static int open_journal(struct journal **ret)
{
	autoclose int dirfd = detect_state_dir_if_any();

	return dirfd < 0 ? dirfd : journal_open(dirfd, false, ret);
}

static int find(const char *id, const char *workspace, struct journal_event *ret)
{
	struct journal *j = NULL;
	int r = open_journal(&j);

	if (r == 0)
		r = journal_crash(j, id, workspace, copy, ret);
	journal_close(j);
	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}

int crash_find(const char *id, struct journal_event *ret)
{
	return find(id, NULL, ret);
}

int crash_of(const char *workspace, struct journal_event *ret)
{
	return find(NULL, workspace, ret);
}

int crash_newest_event(struct journal_event *ret)
{
	struct journal_filter f = { .limit = 1 };
	struct journal *j = NULL;
	int r = open_journal(&j);

	if (r == 0)
		r = journal_each(j, &f, copy, ret);
	journal_close(j);
	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}

const char *crash_cause(const struct journal_event *ev)
{
	return ev->cause && ev->text && strstr(ev->text, ev->cause) ? NULL : ev->cause;
}

int64_t crash_time_ns(const struct journal_event *ev)
{
	uint64_t ms = ev->until_ms > ev->real_ms ? ev->until_ms : ev->real_ms;

	return (int64_t)ms * 1000000;
}

const struct journal_link *crash_link(const struct journal_event *ev, const char *workspace)
{
	for (unsigned i = 0; i < ev->n_link; i++)
		if (strcmp(ev->link[i].workspace, workspace) == 0)
			return &ev->link[i];
	return NULL;
}

int crash_snapshot(struct store *s, const struct journal_event *ev, struct store_snapshot *ret)
{
	const struct journal_link *l = crash_link(ev, store_workspace(s));

	/* Of a machine that went down the link is of the last heartbeat: the store knows better.
	 * The linked one may have been thinned out since. */
	if (l && *l->before && !ev->until_ms && store_by_prefix(s, l->before, ret) == 0)
		return 0;
	return store_at_time(s, crash_time_ns(ev), ret);
}
