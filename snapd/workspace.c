/* snapd/workspace.c - opening and closing; see the header. */
#include "parts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/progress.h"
#include "check.h"
#include "mirror.h"
#include "permit.h"
#include "prune.h"
#include "settings.h"
#include "tidy.h"
#include "unsaved.h"

#define QUOTA_LEAST (16u << 20)	/* bytes: from here on a store is never larger than its quota */

enum { PATIENCE = 40, PATIENCE_MS = 50 };

static int first_take(struct workspace *w)
{
	struct store_snapshot sn = { 0 };
	int r;

	(void)progress_new("reading", "files", 0, w->opt->quiet, &w->progress);
	r = workspace_take(w, REASON_START, NULL, false, &sn);
	progress_done(w->progress);
	w->progress = NULL;
	if (r >= 0)
		store_snapshot_release(&sn);
	return r;
}

/* Whoever has the store is named by its lock, unless it is ending just now: a child of it that has not begun its program yet holds
 * the lock for that long. */
static bool is_taken(const char *dir, pid_t *ret_pid)
{
	return store_writer(dir, ret_pid) > 0 && *ret_pid > 0 && (kill(*ret_pid, 0) == 0 || errno != ESRCH);
}

static int open_store(struct workspace *w, const char *dir)
{
	const struct store_options so = { .level = w->cfg.level, .workspace = w->path };
	pid_t pid = 0;
	int r = store_open(dir, STORE_WRITE, &so, &w->store);

	for (int i = 0; r == -EBUSY && i < PATIENCE && !is_taken(dir, &pid); i++) {
		(void)poll(NULL, 0, PATIENCE_MS);
		r = store_open(dir, STORE_WRITE, &so, &w->store);
	}

	if (r == -ENOSPC)
		return r;
	if (r != -EBUSY)
		return r < 0 ? permit_no_store(dir, r) : 0;
	if (is_taken(dir, &pid))
		log_error("%s: " SNAPD " already runs for it, as process %ld; " SNAPD
			  " --workspace DIR --stop ends it",
			w->path, (long)pid);
	else
		log_error("%s: its store %s is in use by another process", w->path, dir);
	return r;
}

/* Told by one that ran before us; our first snapshot takes it back. */
static bool was_stopped(const struct workspace *w)
{
	autoput(buf_release) struct buf why = BUF_INIT;
	int64_t since;

	return store_stopped(w->store, &since, &why) == 1;
}

static int open_parts(struct workspace *w, const char *given, int *ret_exit)
{
	autoput(buf_release) struct buf path = BUF_INIT, dir = BUF_INIT;
	int r = store_canonical(given, &path);

	*ret_exit = EXIT_ENV;
	if (r < 0)
		return log_error_errno(r, "%s", given);
	w->path = buf_detach(&path, NULL);
	r = settings_load(&w->cfg, w->path);
	if (r < 0) {
		*ret_exit = r == -EINVAL ? EXIT_USAGE : EXIT_ENV;
		return r;
	}
	r = permit_place(w->path, w->opt->store, w->cfg.store_dir, &dir);
	if (r < 0)
		return r;
	r = permit_workspace(w->path, dir.data, w->opt->force);
	if (r == 0)
		r = permit_begin(w->path, dir.data, w->cfg.store_dir);
	if (r < 0)
		return r;
	if (w->cfg.quota && w->cfg.quota < QUOTA_LEAST)
		log_warn("store.quota is less than 16M: %s may be larger than that for moments", dir.data);
	r = open_store(w, dir.data);
	if (r == 0)
		r = permit_store(w->path, w->store, w->opt->force);
	if (r < 0)
		return r;
	w->stopped = was_stopped(w);
	(void)prune_now_ns(w);	/* from here on the clock is looked at */
	r = control_open(w);
	if (r < 0)
		return r == -ENOSPC ? r : log_error_errno(r, "%s: control socket", dir.data);
	r = links_new(&w->links);
	if (r == 0)
		r = workspace_watch(w);
	if (r == -ENOMEDIUM)
		return 0;	/* the first snapshot says so, and it is waited for */
	return r < 0 ? log_error_errno(r, "%s", w->path) : 0;
}

int workspace_open(struct daemon *d, struct loop *l, const char *given, const struct options *opt,
	struct workspace **ret, int *ret_exit)
{
	struct workspace *w = calloc(1, sizeof(*w));
	int r;

	*ret_exit = EXIT_ENV;
	if (!w)
		return log_oom();
	w->daemon = d;
	w->loop = l;
	w->opt = opt;
	w->replaced_ok = opt->force;
	r = open_parts(w, given, ret_exit);
	if (r < 0) {
		workspace_close(w);
		return r;
	}
	r = first_take(w);
	if (r == -EINTR) {
		workspace_close(w);
		return r;
	}
	if (w->scan)
		log_info("%s: watching %zu folder%s", w->path, watch_count(w->watch),
			watch_count(w->watch) == 1 ? "" : "s");
	w->unsaved = unsaved_new(w);
	check_begin(w);
	tidy_soon(w);
	*ret = w;
	return 0;
}

void workspace_close(struct workspace *w)
{
	if (!w)
		return;
	unsaved_free(w->unsaved);
	loop_del_timer(w->loop, w->due);
	loop_del_timer(w->loop, w->rest);
	loop_del_timer(w->loop, w->poll);
	loop_del_timer(w->loop, w->retry);
	prune_stop(w);
	mirror_stop(w);
	check_end(w);
	tidy_stop(w);
	if (w->watch && watch_fd(w->watch) >= 0)
		loop_del_fd(w->loop, watch_fd(w->watch));
	watch_free(w->watch);
	scan_close(w->scan);
	links_free(w->links);
	/* The socket last: who waits for it to vanish finds the store's lock free. */
	store_close(w->store);
	control_close(w);
	dirty_release(&w->dirty);
	dirty_release(&w->not_taken);
	config_release(&w->cfg);
	buf_release(&w->last_error);
	free(w->path);
	free(w);
}

bool workspace_lost_store(const struct workspace *w)
{
	struct stat there, ours;

	return fstat(store_dirfd(w->store), &ours) < 0 || stat(store_dir(w->store), &there) < 0 ||
		there.st_dev != ours.st_dev || there.st_ino != ours.st_ino;
}

int workspace_new_store(struct workspace *w)
{
	const struct store_options so = { .level = w->cfg.level, .workspace = w->path };
	struct ctl_server *old_ctl = w->ctl;
	struct store *old = w->store, *fresh;
	int r = store_open(store_dir(old), STORE_WRITE, &so, &fresh);

	if (r < 0)
		return r;
	/* Both are at work on the old one. */
	prune_stop(w);
	tidy_stop(w);
	w->store = fresh;
	r = permit_store(w->path, fresh, false);
	if (r == 0)
		r = control_open(w);
	if (r < 0) {
		w->store = old;
		store_close(fresh);
		return r;
	}
	log_warn("%s: its store %s was taken away; what is there now goes into a new one", w->path,
		store_dir(fresh));
	if (w->scan)
		workspace_unwatch(w);
	ctl_close(old_ctl);
	store_close(old);
	(void)workspace_watch(w);	/* or it comes back later */
	return 0;
}

void workspace_reload(struct workspace *w)
{
	struct config fresh;
	int r = config_load(&fresh, w->path, NULL, NULL);

	if (r < 0) {
		config_release(&fresh);
		(void)log_error_errno(r, "%s: the configuration stays as it was", w->path);
		return;
	}
	if (w->scan)
		workspace_unwatch(w);	/* to begin anew, under the new rules */
	config_release(&w->cfg);
	w->cfg = fresh;
	(void)workspace_watch(w);
	workspace_arm(w);
}
