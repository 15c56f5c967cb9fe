/* snapd/workspace.c - from events to snapshots; see the header. */
#include "workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/progress.h"
#include "../lib/text.h"

enum {
	REST_MS = 100,			/* between two looks at a busy queue */
	REST_MAX_MS = 500,
	BACKOFF_MS = 1000,
	BACKOFF_MAX_MS = 60000,
	TRIM_FILES = 2000,		/* a scan of that many leaves memory worth giving back */
};

static void arm(struct workspace *w);

/* ---- events to dirty paths ------------------------------------------------------- */

static bool is_rule_file(const char *name)
{
	return strcmp(name, ".gitignore") == 0 || strcmp(name, ".snapignore") == 0;
}

static void mark(struct workspace *w, const char *path, enum scan_depth depth, bool read)
{
	uint64_t now = loop_now_ms(w->loop);

	if (dirty_is_empty(&w->dirty))
		w->first_event_ms = now;
	w->last_event_ms = now;
	dirty_add(&w->dirty, path, depth, read);
}

static bool is_kept(struct workspace *w, const char *path, bool is_dir)
{
	enum store_why why;
	bool any_size;

	return rules_check(scan_rules(w->scan), path, is_dir, &why, &any_size) != RULES_SKIP;
}

/* A new name may be a second one, and gone again before the next snapshot, when
 * something was written through it. */
static void remember_link(struct workspace *w, const char *path)
{
	struct stat st;

	if (fstatat(scan_rootfd(w->scan), path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		st.st_nlink > 1)
		links_add(w->links, path, &st);
}

static void on_event(const char *dir, const char *name, uint32_t mask, void *arg)
{
	struct workspace *w = arg;
	bool is_dir = mask & IN_ISDIR;
	bool entry = mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO);
	autoput(buf_release) struct buf path = BUF_INIT;

	if (!name) {
		mark(w, dir, SCAN_SELF, false);
		return;
	}
	if (buf_printf(&path, "%s%s%s", dir, *dir ? "/" : "", name) < 0) {
		dirty_add_all(&w->dirty);
		return;
	}
	if (is_rule_file(name)) {
		rules_forget(scan_rules(w->scan), dir);
		w->rules_changed = true;
		mark(w, dir, SCAN_TREE, false);
	}
	if (!is_kept(w, path.data, is_dir))
		return;
	if (is_dir && mask & (IN_CREATE | IN_MOVED_TO)) {
		rules_forget(scan_rules(w->scan), path.data);
		mark(w, path.data, SCAN_TREE, false);
	} else {
		mark(w, path.data, SCAN_SELF, !is_dir);
	}
	if (!is_dir && mask & (IN_CREATE | IN_MOVED_TO))
		remember_link(w, path.data);
	/* The folder's own mtime. */
	if (entry)
		mark(w, dir, SCAN_SELF, false);
}

static void mark_all(struct workspace *w)
{
	uint64_t now = loop_now_ms(w->loop);

	if (dirty_is_empty(&w->dirty))
		w->first_event_ms = now;
	w->last_event_ms = now;
	dirty_add_all(&w->dirty);
}

static void on_lost(void *arg)
{
	struct workspace *w = arg;

	w->overflows++;
	log_info("%s: too many changes at once (fs.inotify.max_queued_events): looking at everything", w->path);
	rules_forget(scan_rules(w->scan), "");
	w->rules_changed = true;
	mark_all(w);
}

static void on_root(void *arg)
{
	struct workspace *w = arg;

	w->root_moved = true;
	mark(w, "", SCAN_SELF, false);
}

static const struct watch_ops watch_ops = { on_event, on_lost, on_root };

/* ---- the scan's side ---------------------------------------------------------------- */

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
	if (w->progress)
		progress_add(w->progress, files - w->progress_files, bytes - w->progress_bytes);
	w->progress_files = files;
	w->progress_bytes = bytes;
}

static void say_limit(struct workspace *w)
{
	size_t n = watch_unwatched(w->watch);
	int e = watch_error(w->watch);

	if (!n || w->limit_said) {
		w->limit_said = n > 0;
		return;
	}
	w->limit_said = true;
	if (e == -ENOSPC)
		log_warn("%s: %zu folders have no watch and are looked at every %llu s; "
			"raise the limit: sysctl fs.inotify.max_user_watches", w->path, n,
			(unsigned long long)w->cfg.poll_ms / 1000);
	else if (watch_fd(w->watch) < 0)
		log_warn("%s: no watches at all (%s), looked at every %llu s; "
			"raise the limit: sysctl fs.inotify.max_user_instances", w->path, err_str(e),
			(unsigned long long)w->cfg.poll_ms / 1000);
	else
		(void)log_warn_errno(e, "%s: %zu folders have no watch and are looked at every %llu s",
			w->path, n, (unsigned long long)w->cfg.poll_ms / 1000);
}

struct gather {
	struct workspace *w;
	struct buf paths;	/* each behind a NUL */
	bool skipped_only;
};

static int gather_one(const char *dir, void *arg)
{
	struct gather *g = arg;

	if (g->skipped_only && is_kept(g->w, dir, true))
		return 0;
	return buf_add(&g->paths, dir, strlen(dir) + 1);
}

/* Watches of folders that the rules skip now. */
static void forget_skipped(struct workspace *w)
{
	struct gather g = { .w = w, .skipped_only = true };

	if (watch_each(w->watch, true, gather_one, &g) == 0)
		for (size_t at = 0; at < g.paths.len; at += strlen(g.paths.data + at) + 1)
			watch_forget(w->watch, g.paths.data + at);
	buf_release(&g.paths);
	w->rules_changed = false;
}

static void mark_unwatched(struct workspace *w)
{
	struct gather g = { .w = w };

	if (watch_each(w->watch, false, gather_one, &g) < 0)
		dirty_add_all(&w->dirty);
	for (size_t at = 0; at < g.paths.len; at += strlen(g.paths.data + at) + 1)
		dirty_add(&w->dirty, g.paths.data + at, SCAN_LIST, false);
	buf_release(&g.paths);
}

/* ---- one snapshot ---------------------------------------------------------------------- */

static int enough_room(struct workspace *w)
{
	struct statvfs v;

	if (!w->cfg.free_floor || fstatvfs(store_dirfd(w->store), &v) < 0)
		return 0;
	return (uint64_t)v.f_bavail * v.f_frsize < w->cfg.free_floor ? -ENOSPC : 0;
}

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

static int write_snapshot(struct workspace *w, const struct dirty *d, const struct store_commit *how,
	struct store_snapshot *ret)
{
	struct store_txn *t;
	int r = enough_room(w);

	if (r == 0)
		r = store_txn_begin(w->store, &t);
	if (r < 0)
		return r;
	r = scan_dirty(w, d, t);
	if (r < 0) {
		store_txn_abort(t);
		return r;
	}
	return store_txn_commit(t, how, ret);
}

static void stop_watching(struct workspace *w)
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
}

static void workspace_gone(struct workspace *w)
{
	log_warn("%s: the folder is gone; its snapshots are kept, and it is waited for", w->path);
	stop_watching(w);
	buf_reset(&w->last_error);
	(void)buf_addstr(&w->last_error, "the workspace is gone");
}

static void failed(struct workspace *w, int r)
{
	autoput(buf_release) struct buf text = BUF_INIT;
	const char *way_out = r == -ENOSPC ? " (the disk is full, or below store.freeFloor: make room)" : "";

	if (r == -EINTR)
		return;		/* told to end */
	w->backoff_ms = w->backoff_ms ? w->backoff_ms * 2 : BACKOFF_MS;
	if (w->backoff_ms > BACKOFF_MAX_MS)
		w->backoff_ms = BACKOFF_MAX_MS;
	if (buf_printf(&text, "no snapshot: %s%s", err_str(r), way_out) < 0)
		return;
	/* Once, not at each attempt. */
	if (!w->last_error.data || strcmp(w->last_error.data, text.data) != 0)
		log_error("%s: %s; trying again", w->path, text.data);
	buf_release(&w->last_error);
	w->last_error = text;
	text = (struct buf)BUF_INIT;
}

static void succeeded(struct workspace *w, int r, const struct store_snapshot *sn, uint64_t files_before)
{
	struct scan_counts c;
	char hex[41], size[16];

	if (w->last_error.len)
		log_info("%s: snapshots are written again", w->path);
	buf_reset(&w->last_error);
	w->backoff_ms = 0;
	scan_counts(w->scan, &c);
	if (r > 0) {
		text_hex(sn->id.b, sizeof(sn->id.b), hex);
		log_info("%s: snapshot %.12s, %s, %llu changed, %s", w->path, hex, store_reason_name(sn->reason),
			(unsigned long long)sn->changed, text_size(sn->added_bytes, size));
	}
	if (w->rules_changed)
		forget_skipped(w);
	say_limit(w);
	if (c.files - files_before >= TRIM_FILES)
		(void)malloc_trim(0);
}

static int try_take(struct workspace *w, const struct store_commit *how, struct store_snapshot *ret)
{
	struct dirty busy = w->dirty;
	struct scan_counts before, after;
	int r;

	w->dirty = (struct dirty){ 0 };
	scan_counts(w->scan, &before);
	r = write_snapshot(w, &busy, how, ret);
	w->last_take_ms = loop_now_ms(w->loop);
	scan_counts(w->scan, &after);
	w->unreadable = after.unreadable - before.unreadable;
	if (r < 0)
		dirty_merge(&w->dirty, &busy);
	else
		succeeded(w, r, ret, before.files);
	dirty_release(&busy);
	return r;
}

static int start_watching(struct workspace *w);

static int come_back(struct workspace *w)
{
	int r = start_watching(w);

	if (r < 0)
		return r;
	log_info("%s: the folder is back", w->path);
	buf_reset(&w->last_error);
	return 0;
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

int workspace_take(struct workspace *w, enum store_reason reason, const char *message, bool force,
	struct store_snapshot *ret)
{
	struct store_commit how = { .reason = reason, .message = message, .force = force };
	int r;

	if (!w->scan && come_back(w) < 0)
		return -ENOENT;
	(void)watch_read(w->watch);
	if (watch_unwatched(w->watch)) {
		watch_retry(w->watch);
		rules_forget(scan_rules(w->scan), "");
		mark_unwatched(w);
	}
	w->unreadable = 0;
	if (dirty_is_empty(&w->dirty) && !force)
		return newest(w, ret);
	how.time_ns = text_now_ns();
	r = try_take(w, &how, ret);
	if (r == -ENOENT && scan_present(w->scan) == -ENOENT)
		workspace_gone(w);
	else if (r < 0)
		failed(w, r);
	arm(w);
	return r;
}

/* ---- when ---------------------------------------------------------------------------------- */

static void set_timer(struct workspace *w, struct loop_timer **t, uint64_t ms, loop_timer_fn fn)
{
	loop_del_timer(w->loop, *t);
	*t = NULL;
	if (loop_add_timer(w->loop, ms, fn, w, t) < 0)
		(void)log_oom();
}

static uint64_t interval(const struct workspace *w)
{
	return w->opt->interval_ms ? w->opt->interval_ms : w->cfg.interval_ms;
}

static void take_due(struct workspace *w)
{
	struct store_snapshot sn = { 0 };

	if (workspace_take(w, REASON_INTERVAL, NULL, false, &sn) >= 0)
		store_snapshot_release(&sn);
}

/* It is time, but for the quiet that is waited for; never longer than one interval after the first change. */
static void on_due(struct loop *l, void *arg)
{
	struct workspace *w = arg;
	uint64_t now = loop_now_ms(l), last, quiet, end;

	w->due = NULL;
	if (w->scan)
		(void)watch_read(w->watch);
	last = w->last_event_ms;
	quiet = last + w->cfg.settle_ms;
	end = w->first_event_ms + interval(w);
	if (!w->backoff_ms && quiet > now && end > now)
		set_timer(w, &w->due, (quiet < end ? quiet : end) - now, on_due);
	else
		take_due(w);
}

static void on_poll(struct loop *l, void *arg);

/* Timers for the state we are in. */
static void arm(struct workspace *w)
{
	uint64_t now = loop_now_ms(w->loop), at;

	if (w->stopping)
		return;
	if (!w->poll && (!w->scan || watch_unwatched(w->watch)))
		set_timer(w, &w->poll, w->cfg.poll_ms, on_poll);
	if (!w->scan || dirty_is_empty(&w->dirty)) {
		loop_del_timer(w->loop, w->due);
		w->due = NULL;
		return;
	}
	if (w->backoff_ms) {
		set_timer(w, &w->due, w->backoff_ms, on_due);
		return;
	}
	if (w->due)
		return;
	at = w->last_take_ms ? w->last_take_ms + interval(w) : now;
	if (at < now + w->cfg.settle_ms)
		at = now + w->cfg.settle_ms;
	set_timer(w, &w->due, at - now, on_due);
}

static void on_poll(struct loop *l, void *arg)
{
	struct workspace *w = arg;

	(void)l;
	w->poll = NULL;
	if (!w->backoff_ms || !w->scan)
		take_due(w);
	arm(w);
}

static void read_queue(struct workspace *w);

static void on_rest_over(struct loop *l, void *arg)
{
	struct workspace *w = arg;

	(void)l;
	w->rest = NULL;
	read_queue(w);
}

static void on_readable(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct workspace *w = arg;

	(void)l, (void)fd, (void)events;
	w->rest_ms = REST_MS;
	read_queue(w);
}

static void check_root(struct workspace *w)
{
	w->root_moved = false;
	if (scan_present(w->scan) == -ENOENT)
		workspace_gone(w);
}

/* Events come in thousands. After the first the queue is left alone for a rest, again
 * and again until one passes without any: so a file that is written without end wakes us a few times a second. */
static void read_queue(struct workspace *w)
{
	int n = watch_read(w->watch);
	int fd = watch_fd(w->watch);

	if (w->root_moved)
		check_root(w);
	arm(w);
	if (!w->scan)
		return;
	if (n) {
		(void)loop_mod_fd(w->loop, fd, 0);
		set_timer(w, &w->rest, w->rest_ms, on_rest_over);
		if (w->rest)
			w->rest_ms = w->rest_ms * 2 < REST_MAX_MS ? w->rest_ms * 2 : REST_MAX_MS;
	}
	if (!n || !w->rest)
		(void)loop_mod_fd(w->loop, fd, EPOLLIN);
}

/* ---- opening and closing ---------------------------------------------------------------------- */

static int start_watching(struct workspace *w)
{
	struct scan_options so = {
		.cfg = &w->cfg, .before_list = before_list, .linked = on_linked, .arg = w,
		.stop = daemon_abort_flag(), .progress = on_progress,
	};
	bool fresh = !w->watch;
	int r = scan_open(w->path, &so, &w->scan);

	if (r < 0)
		return r;
	w->progress_files = w->progress_bytes = 0;
	if (fresh)
		r = watch_new(&watch_ops, w, &w->watch);
	if (r == 0 && fresh && watch_fd(w->watch) >= 0)
		r = loop_add_fd(w->loop, watch_fd(w->watch), EPOLLIN, on_readable, w);
	if (r < 0) {
		watch_free(w->watch);
		scan_close(w->scan);
		w->watch = NULL;
		w->scan = NULL;
		return r;
	}
	mark_all(w);
	return 0;
}

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

static int refuse(struct workspace *w, const char *dir)
{
	const char *why = NULL;
	size_t n = strlen(w->path);
	int r = scan_refuse(w->path, &why);

	if (r < 0 && r != -EPERM)
		return log_error_errno(r, "%s", w->path);
	if (!why && strncmp(dir, w->path, n) == 0 && (dir[n] == '/' || !dir[n]))
		why = "its store would be inside it";
	if (!why || w->opt->force)
		return 0;
	log_error("%s: refused, %s; --force if you mean it", w->path, why);
	return -EPERM;
}

static int open_store(struct workspace *w, const char *dir)
{
	const struct store_options so = { .level = w->cfg.level, .workspace = w->path };
	pid_t pid = 0;
	int r = store_open(dir, STORE_WRITE, &so, &w->store);

	if (r != -EBUSY)
		return r < 0 ? log_error_errno(r, "%s", dir) : 0;
	if (store_writer(dir, &pid) > 0 && pid)
		log_error("%s: snapd already runs for it, as process %ld; snapd --workspace DIR --stop ends it",
			w->path, (long)pid);
	else
		log_error("%s: its store %s is in use by another process", w->path, dir);
	return r;
}

static int open_parts(struct workspace *w, const char *given, int *ret_exit)
{
	autoput(buf_release) struct buf path = BUF_INIT, dir = BUF_INIT;
	int r = store_canonical(given, &path);

	*ret_exit = EXIT_ENV;
	if (r < 0)
		return log_error_errno(r, "%s", given);
	w->path = buf_detach(&path, NULL);
	r = config_load(&w->cfg, w->path, NULL, NULL);
	if (r == -ENOMEM)
		return log_oom();
	/* It was named. Protected by what could be read is better than not at all. */
	if (r < 0)
		log_error("%s: going on with the settings that could be read", w->path);
	r = store_place(w->path, w->opt->store, w->cfg.store_dir, &dir);
	if (r < 0)
		return log_error_errno(r, "%s: no place for its store", w->path);
	r = refuse(w, dir.data);
	if (r < 0)
		return r;
	r = open_store(w, dir.data);
	if (r < 0)
		return r;
	r = control_open(w);
	if (r < 0)
		return log_error_errno(r, "%s: control socket", dir.data);
	r = links_new(&w->links);
	if (r == 0)
		r = start_watching(w);
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
		log_info("%s: watching %zu folders", w->path, watch_count(w->watch));
	*ret = w;
	return 0;
}

void workspace_close(struct workspace *w)
{
	if (!w)
		return;
	loop_del_timer(w->loop, w->due);
	loop_del_timer(w->loop, w->rest);
	loop_del_timer(w->loop, w->poll);
	if (w->watch && watch_fd(w->watch) >= 0)
		loop_del_fd(w->loop, watch_fd(w->watch));
	watch_free(w->watch);
	scan_close(w->scan);
	links_free(w->links);
	/* The socket last: who waits for it to vanish finds the store's lock free. */
	store_close(w->store);
	ctl_close(w->ctl);
	dirty_release(&w->dirty);
	config_release(&w->cfg);
	buf_release(&w->last_error);
	free(w->path);
	free(w);
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
		stop_watching(w);	/* to begin anew, under the new rules */
	config_release(&w->cfg);
	w->cfg = fresh;
	(void)start_watching(w);
	arm(w);
}
