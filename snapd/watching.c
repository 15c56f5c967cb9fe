/* snapd/watching.c - the scan and the watches of a workspace: each folder that is listed is
 * watched first. */
#include "parts.h"

#include <errno.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/progress.h"
#include "mounts.h"
#include "notify.h"

/* chmod and the like are told by events; a disk or a server that answers again is not. */
static void on_not_taken(const char *path, int why, void *arg)
{
	struct workspace *w = arg;

	dirty_add(&w->not_taken, path, SCAN_TREE, true);
	if (why != -EACCES && why != -EPERM && why != -ENAMETOOLONG)
		w->passing = true;
}

static int before_list(const char *dir, int dirfd, void *arg)
{
	struct workspace *w = arg;

	return watch_add(w->watch, dir, dirfd);
}

static void on_linked(const char *path, const struct stat *st, void *arg)
{
	struct workspace *w = arg;

	links_add(w->links, path, st);
}

static void on_progress(uint64_t files, uint64_t bytes, void *arg)
{
	struct workspace *w = arg;

	daemon_poll_signals();
	notify_progress(files, loop_now_ms(w->loop));
	if (w->progress)
		progress_add(w->progress, files - w->progress_files, bytes - w->progress_bytes);
	w->progress_files = files;
	w->progress_bytes = bytes;
	daemon_poll_clients(w);
}

void workspace_say_limit(struct workspace *w)
{
	size_t n = watch_unwatched(w->watch);
	int e = watch_error(w->watch);
	const char *have = n == 1 ? "folder has" : "folders have", *are = n == 1 ? "is" : "are";

	if (!n || w->limit_said) {
		w->limit_said = n > 0;
		return;
	}
	if (!e)		/* they came since the last look, and are tried at the next */
		return;
	w->limit_said = true;
	if (e == -ENOSPC)
		log_warn("%s: %zu %s no watch and %s looked at every %llu s; "
			 "raise the limit: sysctl fs.inotify.max_user_watches",
			w->path, n, have, are, (unsigned long long)w->cfg.poll_ms / 1000);
	else if (watch_fd(w->watch) < 0)
		log_warn("%s: no watches at all (%s), looked at every %llu s; "
			 "raise the limit: sysctl fs.inotify.max_user_instances",
			w->path, err_str(e), (unsigned long long)w->cfg.poll_ms / 1000);
	else
		(void)log_warn_errno(e, "%s: %zu %s no watch and %s looked at every %llu s",
			w->path, n, have, are, (unsigned long long)w->cfg.poll_ms / 1000);
}

struct gather {
	struct workspace *w;
	struct buf paths;	/* each behind a NUL */
	bool skipped_only;
};

static int gather_one(const char *dir, void *arg)
{
	struct gather *g = arg;

	if (g->skipped_only && workspace_keeps(g->w, dir, true))
		return 0;
	return buf_add(&g->paths, dir, strlen(dir) + 1);
}

/* Watches of folders that the rules skip now. */
void workspace_forget_skipped(struct workspace *w)
{
	struct gather g = { .w = w, .skipped_only = true };

	if (watch_each(w->watch, true, gather_one, &g) == 0)
		for (size_t at = 0; at < g.paths.len; at += strlen(g.paths.data + at) + 1)
			watch_forget(w->watch, g.paths.data + at);
	buf_release(&g.paths);
	w->rules_changed = false;
}

void workspace_mark_unwatched(struct workspace *w)
{
	struct gather g = { .w = w };

	if (watch_each(w->watch, false, gather_one, &g) < 0)
		dirty_add_all(&w->dirty);
	for (size_t at = 0; at < g.paths.len; at += strlen(g.paths.data + at) + 1)
		dirty_add(&w->dirty, g.paths.data + at, SCAN_LIST, false);
	buf_release(&g.paths);
}

int workspace_watch(struct workspace *w)
{
	struct scan_options so = {
		.cfg = &w->cfg, .before_list = before_list, .linked = on_linked,
		.not_taken = on_not_taken, .arg = w,
		.stop = daemon_abort_flag(), .progress = on_progress,
	};
	bool fresh = !w->watch;
	int r = scan_open(w->path, &so, &w->scan);

	if (r == 0 && !w->replaced_ok && (r = scan_replaced(w->scan, w->store)) > 0)
		r = -ENOMEDIUM;
	if (r < 0) {
		scan_close(w->scan);
		w->scan = NULL;
		return r;
	}
	w->progress_files = w->progress_bytes = 0;
	if (fresh)
		r = watch_new(&workspace_watch_ops, w, &w->watch);
	if (r == 0 && fresh && watch_fd(w->watch) >= 0)
		r = loop_add_fd(w->loop, watch_fd(w->watch), EPOLLIN, workspace_readable, w);
	if (r < 0) {
		watch_free(w->watch);
		scan_close(w->scan);
		w->watch = NULL;
		w->scan = NULL;
		return r;
	}
	w->mounts = mounts_below(w->path);
	workspace_mark_all(w);
	return 0;
}

int workspace_read(struct workspace *w)
{
	int n = 0, r = scan_present(w->scan);

	if (r == 0)
		n = watch_read(w->watch);
	if (r == 0 && w->root_moved)
		r = w->root_lost ? -ENOENT : scan_present(w->scan);
	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM)
		return r;
	w->root_moved = w->root_lost = false;
	if (r < 0)
		workspace_gone(w, r);
	return r < 0 ? r : n;
}

void workspace_rest(struct workspace *w)
{
	if (w->scan)
		scan_rest(w->scan);
}

void workspace_mounts_changed(struct workspace *w)
{
	uint64_t now = mounts_below(w->path);

	/* What was mounted in it hides files that were stored, what was unmounted shows them
	 * again. */
	if (w->scan && now != w->mounts) {
		w->mounts = now;
		workspace_mark_all(w);
	}
	workspace_check_root(w);
}

void workspace_unwatch(struct workspace *w)
{
	if (watch_fd(w->watch) >= 0)
		loop_del_fd(w->loop, watch_fd(w->watch));
	loop_del_timer(w->loop, w->rest);
	w->rest = NULL;
	watch_free(w->watch);
	scan_close(w->scan);
	w->watch = NULL;
	w->scan = NULL;
	dirty_release(&w->dirty);
	dirty_release(&w->not_taken);
}

static void wait_for_it(struct workspace *w, const char *why)
{
	/* Once, not at each look. */
	if (!w->last_error.data || strcmp(w->last_error.data, why) != 0)
		log_warn("%s: %s; its snapshots are kept, and it is waited for", w->path, why);
	buf_reset(&w->last_error);
	(void)buf_addstr(&w->last_error, why);
}

void workspace_gone(struct workspace *w, int why)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	workspace_unwatch(w);
	if (why == -ENOENT || buf_printf(&b, "the folder cannot be reached: %s", err_str(why)) < 0)
		wait_for_it(w, "the folder is gone");
	else
		wait_for_it(w, b.data);
}

int workspace_come_back(struct workspace *w)
{
	int r = workspace_watch(w);

	if (r == -ENOMEDIUM)
		wait_for_it(w, REPLACED_TEXT);
	else if (r < 0 && !w->last_error.len)
		wait_for_it(w, err_str(r));
	if (r < 0)
		return r;
	log_info("%s: the folder is back", w->path);
	buf_reset(&w->last_error);
	return 0;
}
