/* snapd/take.c - one snapshot of what is dirty. */
#include "parts.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/text.h"
#include "alarm.h"
#include "check.h"
#include "mirror.h"
#include "prune.h"
#include "tidy.h"
#include "unsaved.h"

enum {
	BACKOFF_MS = 1000,
	BACKOFF_MAX_MS = 60000,
	FAILING_MS = 20000,		/* then it is told */
	FUTILE_MS = 60000, /* between two tries to make room where none could be made */
	TRIM_FILES = 2000, /* a scan of that many leaves memory worth giving back */
	GONE = 2,          /* the folder went away while we looked */
	LOOK_REST = 50,    /* after a look at everything, so many times what it took */
};

static int scan_dirty(struct workspace *w, const struct dirty *d, struct store_txn *t)
{
	autofree struct dirty_path *list = NULL;
	int r = 0;

	if (d->all)
		links_clear(w->links);
	links_begin(w->links);
	links_touch(w->links, d);
	if (d->all)
		return scan_all(w->scan, w->store, t);
	list = dirty_sorted(d);
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < d->n; i++)
		if (!dirty_is_covered(d, list[i].path))
			r = scan_path(w->scan, w->store, t, list[i].path,
				(enum scan_depth)list[i].depth, list[i].read);
	return r < 0 ? r : links_follow(w->links, w->scan, w->store, t);
}

/* Did a name that was new go away before we looked, and its event comes only now? */
static void find_lost(struct workspace *w, const struct dirty *d)
{
	struct stat st;

	for (size_t i = 0; i < d->size && !w->dirty.all; i++)
		if (d->slot[i].path && d->slot[i].made &&
			fstatat(scan_rootfd(w->scan), d->slot[i].path, &st, AT_SYMLINK_NOFOLLOW) <
				0)
			w->dirty.unseen = true;
}

/* What nobody saw is looked for at once when somebody asks, else such that it takes a fiftieth
 * of our time at most. */
static bool must_look_at_all(
	const struct workspace *w, const struct dirty *d, enum store_reason why)
{
	return d->unseen &&
	       (why != REASON_INTERVAL || loop_now_ms(w->loop) >= workspace_look_ms(w));
}

uint64_t workspace_look_ms(const struct workspace *w)
{
	return w->look_end_ms + LOOK_REST * w->look_took_ms;
}

/* wanted: what there was did not do. */
static int make_sure_of_room(struct workspace *w, bool wanted, struct room *ret)
{
	uint64_t now = loop_now_ms(w->loop);
	int r = room_look(&w->cfg, w->store, ret);

	if ((r == 0 && !wanted) || (r < 0 && r != -EDQUOT && r != -ENOSPC))
		return r;
	if (now < w->futile_ms)
		return r < 0 ? r : -ENOSPC;
	prune_stop(w);
	r = room_make(&w->cfg, w->store, wanted, prune_now_ns(w), ret);
	w->futile_ms = r < 0 ? now + FUTILE_MS : 0;
	return r;
}

static int write_once(struct workspace *w, struct dirty *d, const struct store_commit *how,
	const struct room *room, struct store_snapshot *ret)
{
	struct store_txn *t;
	int r = store_txn_begin(w->store, &t);

	if (r < 0)
		return r;
	store_limit(w->store, room->left, room->err);
	d->all |= store_forgot(w->store);
	r = scan_dirty(w, d, t);
	if (r < 0)
		store_txn_abort(t);
	else
		r = store_txn_commit(t, how, ret);
	store_limit(w->store, UINT64_MAX, 0);
	return r;
}

static int write_snapshot(struct workspace *w, struct dirty *d, const struct store_commit *how,
	struct store_snapshot *ret)
{
	struct room room;
	int r = make_sure_of_room(w, false, &room);

	if (r == 0)
		r = write_once(w, d, how, &room, ret);
	/* It was larger than what was left. */
	for (int e = 1; e == 1 && (r == -EDQUOT || r == -ENOSPC);) {
		e = make_sure_of_room(w, true, &room);
		if (e >= 0)
			r = write_once(w, d, how, &room, ret);
		if (e != 1 && (r == -EDQUOT || r == -ENOSPC))
			w->futile_ms = loop_now_ms(w->loop) + FUTILE_MS;
	}
	if (r < 0 || !workspace_lost_store(w))
		return r;
	/* What was written is nowhere. */
	store_snapshot_release(ret);
	return -ESTALE;
}

static void failed(struct workspace *w, int r)
{
	autoput(buf_release) struct buf text = BUF_INIT;
	const char *way_out = r == -ESTALE ? " (its store was taken away)" : prune_way_out(r);
	bool is_new;

	if (r == -EINTR)
		return;		/* told to end */
	w->backoff_ms = w->backoff_ms ? w->backoff_ms * 2 : BACKOFF_MS;
	if (w->backoff_ms > BACKOFF_MAX_MS)
		w->backoff_ms = BACKOFF_MAX_MS;
	if (buf_printf(&text, "no snapshot: %s%s", err_str(r), way_out) < 0)
		return;
	/* Once, not at each attempt. */
	is_new = !w->last_error.data || strcmp(w->last_error.data, text.data) != 0;
	if (is_new)
		log_error("%s: %s; trying again", w->path, text.data);
	if (!w->failing_ms)
		w->failing_ms = loop_now_ms(w->loop);
	/* What is not mended soon is not known to pass: a disk that fails, a file system that is read-only now. */
	if (!w->stopped && (r == -EDQUOT || r == -ENOSPC || loop_now_ms(w->loop) >= w->failing_ms + FAILING_MS)) {
		w->stopped = true;
		alarm_tell(&w->cfg, w->store, w->path, text.data);
	} else if (w->stopped && is_new) {
		store_set_stopped(w->store, text.data);
	}
	buf_release(&w->last_error);
	w->last_error = text;
	text = (struct buf)BUF_INIT;
}

static void succeeded(
	struct workspace *w, int r, const struct store_snapshot *sn, uint64_t files_before)
{
	struct scan_counts c;
	char hex[41], size[16];

	if (w->last_error.len)
		log_info("%s: snapshots are written again", w->path);
	if (w->stopped)
		alarm_tell(&w->cfg, w->store, w->path, NULL);
	w->stopped = false;
	buf_reset(&w->last_error);
	w->backoff_ms = w->failing_ms = 0;
	scan_counts(w->scan, &c);
	if (r > 0) {
		text_hex(sn->id.b, sizeof(sn->id.b), hex);
		log_info("%s: snapshot %.12s, %s, %llu changed, %s", w->path, hex,
			store_reason_name(sn->reason), (unsigned long long)sn->changed,
			text_size(sn->added_bytes, size));
	}
	if (w->rules_changed)
		workspace_forget_skipped(w);
	workspace_say_limit(w);
	if (r > 0)
		prune_soon(w);
	if (r > 0)
		mirror_soon(w);
	if (r > 0)
		tidy_soon(w);
	if (c.files - files_before >= TRIM_FILES)
		(void)malloc_trim(0);
}

/* What could not be read, once more. */
void workspace_look_again(struct workspace *w, struct dirty *busy)
{
	dirty_merge(busy, &w->not_taken);
	w->passing = false;
}

/* How long a look at everything takes that finds nothing to read: the first one, which read all of
 * it, says nothing about the next. */
static void note_look(struct workspace *w, uint64_t start_ms, const struct scan_counts *before,
	const struct scan_counts *after)
{
	uint64_t took = w->last_take_ms - start_ms, files = after->files - before->files,
		 most = files / 50 + 10;

	w->look_end_ms = w->last_take_ms;
	w->look_took_ms = after->read_files == before->read_files || took < most ? took : most;
}

static int try_take(struct workspace *w, const struct store_commit *how, struct store_snapshot *ret)
{
	struct dirty busy = w->dirty;
	struct scan_counts before, after;
	uint64_t start = loop_now_ms(w->loop);
	int r;

	w->dirty = (struct dirty){ 0 };
	dirty_settle(&busy);
	if (must_look_at_all(w, &busy, how->reason))
		dirty_add_all(&busy);
	w->dirty.unseen = busy.unseen;
	if (how->reason != REASON_INTERVAL || busy.all)
		workspace_look_again(w, &busy);
	scan_counts(w->scan, &before);
	w->looking = true;
	w->look_files = before.files;
	w->look_bytes = before.read_bytes;
	r = write_snapshot(w, &busy, how, ret);
	w->looking = false;
	w->last_take_ms = loop_now_ms(w->loop);
	scan_counts(w->scan, &after);
	if (busy.all)
		note_look(w, start, &before, &after);
	w->unreadable = after.unreadable - before.unreadable;
	if (r < 0)
		dirty_merge(&w->dirty, &busy);
	else
		succeeded(w, r, ret, before.files);
	if (!busy.all)
		find_lost(w, &busy);
	dirty_release(&busy);
	return r;
}

static int newest(struct workspace *w, struct store_snapshot *ret)
{
	int r = store_newest(w->store, ret);

	if (r == -ENOENT) {
		*ret = (struct store_snapshot){ 0 };
		r = 0;
	}
	return r;
}

/* Into an empty folder in its place something is about to be restored: that must not be refused. */
static int come_back(struct workspace *w, enum store_reason reason)
{
	bool was_ok = w->replaced_ok;
	int r;

	w->replaced_ok |= reason == REASON_RESTORE;
	r = workspace_come_back(w);
	w->replaced_ok = was_ok;
	return r;
}

static int take_once(
	struct workspace *w, const struct store_commit *how, struct store_snapshot *ret)
{
	int r = 0, gone;

	/* Not while a client waits on the socket in the old one. */
	if (workspace_lost_store(w))
		r = w->asked ? -ESTALE : workspace_new_store(w);
	if (r < 0) {
		failed(w, r);
		return r;
	}
	/* Another folder or file system may be there by now, and no event says so: what we watch
	 * is not what is worked in. */
	if (w->scan && (r = workspace_read(w)) < 0 && w->scan) {
		failed(w, r);
		return r;
	}
	if (!w->scan && (r = come_back(w, how->reason)) < 0)
		return r;
	if (watch_unwatched(w->watch)) {
		watch_retry(w->watch);
		rules_forget(scan_rules(w->scan), "");
		workspace_mark_unwatched(w);
	}
	w->unreadable = 0;
	if (rules_refresh(scan_rules(w->scan)) > 0) {
		w->rules_changed = true;
		dirty_add_all(&w->dirty);
	}
	links_look(w->links, scan_rootfd(w->scan), &w->dirty);
	if (dirty_is_empty(&w->dirty) && !w->dirty.unseen && !how->force &&
		(how->reason == REASON_INTERVAL || dirty_is_empty(&w->not_taken)) &&
		store_present(w->store))
		return newest(w, ret);
	r = try_take(w, how, ret);
	if (r < 0 && (gone = scan_present(w->scan)) < 0) {
		workspace_gone(w, gone);
		return GONE;
	}
	if (r < 0)
		failed(w, r);
	return r;
}

int workspace_take(struct workspace *w, enum store_reason reason, const char *message, bool force,
	struct store_snapshot *ret)
{
	struct store_commit how = {
		.reason = reason, .message = message, .force = force, .time_ns = text_now_ns()
	};
	int r;

	daemon_begin(w->daemon);
	check_yield(w);
	tidy_yield(w);
	r = take_once(w, &how, ret);
	/* Another folder may be there already. */
	if (r == GONE)
		r = take_once(w, &how, ret);
	daemon_done(w);
	unsaved_take(w->unsaved);
	workspace_arm(w);
	return r == GONE ? -ENOENT : r;
}
