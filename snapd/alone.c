/* snapd/alone.c - --once, --status and --stop where no daemon runs. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/hint.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/progress.h"
#include "../lib/text.h"
#include "client.h"
#include "daemon.h"
#include "permit.h"
#include "prune.h"
#include "settings.h"
#include "workspace.h"

enum { PATIENCE = 100, STEP_MS = 50 };

static struct progress *bar;
static uint64_t bar_files, bar_bytes;

static void on_progress(uint64_t files, uint64_t bytes, void *arg)
{
	(void)arg;
	progress_add(bar, files - bar_files, bytes - bar_bytes);
	bar_files = files;
	bar_bytes = bytes;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int signo)
{
	(void)signo;
	interrupted = 1;
}

static int snapshot(const struct options *opt, struct workspace *w, struct store_snapshot *ret)
{
	const struct scan_options so = { .cfg = &w->cfg,
		.stop = &interrupted,
		.progress = on_progress,
		.name_known = true,
		.replaced_ok = opt->force };
	int reason = opt->reason ? store_reason_parse(opt->reason) : REASON_MANUAL;
	const struct store_commit how = {
		.reason = (enum store_reason)reason, .message = opt->message,
		.force = permit_extra((enum store_reason)reason, opt->message),
	};
	int r = scan_open(w->path, &so, &w->scan);

	if (r < 0)
		return r;
	(void)progress_new("reading", "files", 0, opt->quiet, &bar);
	r = scan_snapshot(w->scan, w->store, &how, ret);
	progress_done(bar);
	return r;
}

/* As the daemon does (take.c): where there is no room, what may go goes. */
static int snapshot_with_room(
	const struct options *opt, struct workspace *w, struct store_snapshot *ret)
{
	struct room room;
	int r = room_look(&w->cfg, w->store, &room);
	bool wanted = false;

	if (r == -EDQUOT || r == -ENOSPC)
		r = room_make(&w->cfg, w->store, false, 0, &room);
	for (;;) {
		if (r < 0)
			break;
		store_limit(w->store, room.left, room.err);
		r = snapshot(opt, w, ret);
		store_limit(w->store, UINT64_MAX, 0);
		if (wanted || (r != -EDQUOT && r != -ENOSPC))
			break;
		scan_close(take_ptr(w->scan));
		r = room_make(&w->cfg, w->store, true, 0, &room);
		wanted = r != 1;
	}
	if (r == -EDQUOT || r == -ENOSPC)
		store_set_stopped(w->store, err_str(r));
	else if (r >= 0)
		store_set_stopped(w->store, NULL);
	return r;
}

static int print_id(const struct store_snapshot *sn)
{
	char hex[41];

	text_hex(sn->id.b, sizeof(sn->id.b), hex);
	if (sn->seq && (printf("%s\n", hex) < 0 || fflush(stdout) < 0))
		return EXIT_ENV;
	return 0;
}

/* Another writer may be about to end, or a daemon about to answer. */
static int open_store(
	const struct options *opt, struct workspace *w, const char *dir, int *ret_exit)
{
	const struct store_options so = { .level = w->cfg.level, .workspace = w->path };
	pid_t pid = 0;
	int r;

	for (int i = 0; i < PATIENCE; i++) {
		r = store_open(dir, STORE_WRITE, &so, &w->store);
		if (r != -EBUSY)
			break;
		if (client_run(dir, w->path, opt, ret_exit) == 0)
			return 1;
		(void)poll(NULL, 0, STEP_MS);
	}
	if (r == -EBUSY && store_writer(dir, &pid) > 0)
		log_error("%s: process %ld writes to its store", w->path, (long)pid);
	else if (r < 0)
		(void)permit_no_store(dir, r);
	return r;
}

static int once(const struct options *opt, struct workspace *w, const char *dir)
{
	char whose[256];
	struct store_snapshot sn = { 0 };
	struct scan_counts counts;
	int exit_code = EXIT_ENV, r;

	if (permit_workspace(w->path, dir, opt->force) < 0 || permit_begin(w->path, dir, w->cfg.store_dir) < 0)
		return EXIT_ENV;
	r = open_store(opt, w, dir, &exit_code);
	if (r != 0)
		return exit_code;
	if (permit_store(w->path, w->store, opt->force) < 0)
		return EXIT_ENV;
	(void)signal(SIGINT, on_signal);
	(void)signal(SIGTERM, on_signal);
	r = snapshot_with_room(opt, w, &sn);
	if (r == -ENOMEDIUM)
		log_error("%s: %s", w->path, REPLACED_TEXT);
	else if (r < 0)
		log_error("%s: no snapshot: %s%s", w->path, err_str(r),
			r == -EACCES || r == -EPERM ? hint_denied(w->path, whose, sizeof(whose))
						    : prune_way_out(r));
	if (r < 0)
		return EXIT_ENV;
	exit_code = print_id(&sn);
	store_snapshot_release(&sn);
	scan_counts(w->scan, &counts);
	return exit_code || !counts.unreadable ? exit_code : EXIT_PART;
}

static int status(const struct options *opt, struct workspace *w, const char *dir)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = store_open(dir, STORE_READ, NULL, &w->store);

	if (r == -ENOENT) {
		log_error("%s: no store for it yet at %s; " SNAPD
			  " --workspace DIR makes one, --store DIR names one that is elsewhere",
			w->path, dir);
		return EXIT_ENV;
	}
	if (r == 0)
		r = workspace_status(w, opt->json, &b);
	if (r < 0) {
		(void)log_error_errno(r, "%s", dir);
		return EXIT_ENV;
	}
	return fputs(b.data ? b.data : "", stdout) < 0 || fflush(stdout) < 0 ? EXIT_ENV : 0;
}

static int run(const struct options *opt, struct workspace *w)
{
	autoput(buf_release) struct buf path = BUF_INIT, dir = BUF_INIT;
	int exit_code, r = store_canonical(opt->workspace[0], &path);

	if (opt->reason && store_reason_parse(opt->reason) < 0) {
		log_error("%s: no such reason; launch, risk, exit, manual and restore are", opt->reason);
		return EXIT_USAGE;
	}
	if (r < 0) {
		(void)log_error_errno(r, "%s", opt->workspace[0]);
		return EXIT_ENV;
	}
	w->path = buf_detach(&path, NULL);
	r = settings_load(&w->cfg, w->path);
	if (r < 0)
		return r == -EINVAL ? EXIT_USAGE : EXIT_ENV;
	if (permit_place(w->path, opt->store, w->cfg.store_dir, &dir) < 0)
		return EXIT_ENV;
	if (client_run(dir.data, w->path, opt, &exit_code) == 0)
		return exit_code;
	switch (opt->mode) {
	case MODE_ONCE:
		return once(opt, w, dir.data);
	case MODE_STATUS:
		return status(opt, w, dir.data);
	default:
		log_error("%s: no " SNAPD " runs for it with the store %s%s", w->path, dir.data,
			opt->store ? "" : "; one with another is named by --store DIR");
		return EXIT_NO;
	}
}

int alone_run(const struct options *opt)
{
	struct workspace w = { .opt = opt };
	int r = run(opt, &w);

	scan_close(w.scan);
	store_close(w.store);
	config_release(&w.cfg);
	free(w.path);
	return r;
}
