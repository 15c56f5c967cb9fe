#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/buf.h"
#include "../lib/ctl.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../store/store.h"
#include "control.h"
#include "keeper.h"

enum {
	STATUS_MS = 5000,
	STOP_STEP_MS = 2,
	STOP_STEPS = 5000,
	ASK_MS = 2000,			/* how long an answer is waited for without a word */
	PROBE_MS = 1000,
	PATIENCE_S = 60,
};

static int request(const struct options *opt, struct buf *b)
{
	switch (opt->mode) {
	case MODE_ONCE:
		if (ctl_add_field(b, "once") < 0 ||
			ctl_add_field(b, opt->reason ? opt->reason : "") < 0)
			return -ENOMEM;
		if (ctl_add_field(b, opt->message ? opt->message : "") < 0)
			return -ENOMEM;
		return opt->force ? ctl_add_field(b, "force") : 0;
	case MODE_STATUS:
		if (ctl_add_field(b, "status") < 0)
			return -ENOMEM;
		return opt->json ? ctl_add_field(b, "json") : 0;
	default:
		return ctl_add_field(b, "stop");
	}
}

/* Until its socket is gone the store's lock is not free. */
static void wait_for_end(int dirfd)
{
	const struct timespec step = { .tv_nsec = STOP_STEP_MS * 1000000 };

	for (int i = 0;
		i < STOP_STEPS && faccessat(dirfd, CONTROL_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
		i++)
		(void)nanosleep(&step, NULL);
}

static int print(const char *text)
{
	if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
		return 0;
	(void)log_error_errno(-errno, "standard output");
	return EXIT_ENV;
}

/* rest: the answer behind "ok". */
static int show_snapshot(const struct options *opt, char *rest)
{
	const char *id = ctl_next_field(&rest), *missing;
	char line[128];
	int r;

	(void)ctl_next_field(&rest);
	missing = ctl_next_field(&rest);
	if (!id || strspn(id, "0") == strlen(id))
		return 0;	/* nothing to snapshot, and never was */
	(void)snprintf(line, sizeof(line), "%s\n", id);
	r = print(line);
	if (r || !missing || strcmp(missing, "0") == 0)
		return r;
	log_warn("%s: %s path%s could not be read and stand%s as before; " SNAPD
		 "'s log has the names",
		opt->workspace[0], missing, strcmp(missing, "1") == 0 ? "" : "s",
		strcmp(missing, "1") == 0 ? "s" : "");
	return EXIT_PART;
}

/* rest: likewise. */
static int show_stopped(const struct options *opt, char *rest, int dirfd)
{
	const char *why = NULL;

	for (int i = 0; i < 4; i++)
		why = ctl_next_field(&rest);
	if (why)
		log_warn("%s: no last snapshot: %s", opt->workspace[0], why);
	wait_for_end(dirfd);
	return 0;
}

/* rest: the line behind "ok"; body: the lines after it. */
static int show(const struct options *opt, const char *body, char *rest, int dirfd)
{
	switch (opt->mode) {
	case MODE_STATUS:
		return print(body);
	case MODE_ONCE:
		return show_snapshot(opt, rest);
	default:
		return show_stopped(opt, rest, dirfd);
	}
}

static int answer(const struct options *opt, struct buf *b, int dirfd)
{
	char *nl = strchr(b->data, '\n'), *line = b->data, *word, *text, *code;

	if (nl)
		*nl = '\0';
	word = ctl_next_field(&line);
	if (word && strcmp(word, "ok") == 0)
		return show(opt, nl ? nl + 1 : "", line, dirfd);
	text = ctl_next_field(&line);
	code = ctl_next_field(&line);
	log_error("%s: %s", opt->workspace[0], text ? text : "no answer that makes sense");
	return code ? (int)strtol(code, NULL, 10) : EXIT_ENV;
}

/* Who waits for a snapshot: the daemon may be busy with a long one, or hang. */
struct waiter {
	const struct options *opt;
	const char *dir;
	int dirfd;
	pid_t pid;
	bool said;
	int64_t alive_s;		/* when it last answered a question */
	int64_t patience_s;
};

static int64_t now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static int64_t patience(void)
{
	const char *env = getenv("HOLDFAST_PATIENCE");
	long s = env ? strtol(env, NULL, 10) : 0;

	return s > 0 && s < 86400 ? s : PATIENCE_S;
}

static int still_waiting(void *arg)
{
	struct waiter *w = arg;
	autoput(buf_release) struct buf b = BUF_INIT;

	if (!w->said) {
		(void)store_writer(w->dir, &w->pid);
		log_warn("%s: waiting for " SNAPD ", process %ld", w->opt->workspace[0],
			(long)w->pid);
		w->said = true;
	}
	/* Between two files of a scan it answers this. */
	if (ctl_call(w->dirfd, CONTROL_NAME, "status", PROBE_MS, &b) == 0)
		w->alive_s = now_s();
	return now_s() - w->alive_s >= w->patience_s ? -ETIMEDOUT : 0;
}

static int wait_for_answer(
	const struct options *opt, const char *dir, int dirfd, const char *req, struct buf *ret)
{
	struct waiter w = {
		.opt = opt, .dir = dir, .dirfd = dirfd, .alive_s = now_s(), .patience_s = patience()
	};
	const struct ctl_wait wait = { .every_ms = ASK_MS, .each = still_waiting, .arg = &w };
	int r = ctl_call_wait(dirfd, CONTROL_NAME, req, &wait, ret);

	if (r == -ETIMEDOUT)
		log_error("%s: " SNAPD ", process %ld, has not answered for %lld s; if it is "
				       "stopped, kill -CONT %ld; "
			  "else kill it and start it again: the store stays whole",
			opt->workspace[0], (long)w.pid, (long long)w.patience_s, (long)w.pid);
	return r;
}

int client_run(const char *dir, const char *path, const struct options *opt, int *ret_exit)
{
	autoclose int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoput(buf_release) struct buf req = BUF_INIT, b = BUF_INIT;
	int r;

	if (dirfd < 0)
		return -ENOENT;
	r = keeper_check(dir, path, opt->force);
	if (r < 0 && opt->force)
		return -ENOENT;
	if (r < 0) {
		*ret_exit = EXIT_ENV;
		return 0;
	}
	r = request(opt, &req);
	if (r == 0)
		r = opt->mode == MODE_STATUS
			    ? ctl_call(dirfd, CONTROL_NAME, req.data, STATUS_MS, &b)
			    : wait_for_answer(opt, dir, dirfd, req.data, &b);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return -ENOENT;
	if (r == -ETIMEDOUT && opt->mode == MODE_STATUS)
		log_error(
			"%s: " SNAPD
			" does not answer; it hangs, or is busy with a large file: ask again later",
			opt->workspace[0]);
	else if (r < 0 && r != -ETIMEDOUT)
		(void)log_error_errno(r, "%s: asking " SNAPD, opt->workspace[0]);
	*ret_exit = r < 0 || !b.data ? EXIT_ENV : answer(opt, &b, dirfd);
	return 0;
}
