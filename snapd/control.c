/* snapd/control.c - the daemon's side of the socket; control.h has the words. */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/text.h"
#include "import.h"
#include "permit.h"
#include "prune.h"
#include "tidy.h"
#include "workspace.h"

enum { PRUNE_MS = 200 };

static void answer_error(struct ctl_conn *c, const char *text, int exit_code)
{
	struct buf b = BUF_INIT;

	if (ctl_add_field(&b, "error") < 0 || ctl_add_field(&b, text) < 0 ||
		buf_printf(&b, "\t%d\n", exit_code) < 0)
		buf_reset(&b);
	ctl_answer(c, b.data ? b.data : "error\n", b.data ? b.len : 6);
	buf_release(&b);
}

static void answer_snapshot(struct ctl_conn *c, const struct store_snapshot *sn, int r,
	uint64_t unreadable)
{
	char hex[41] = "";
	struct buf b = BUF_INIT;

	text_hex(sn->id.b, sizeof(sn->id.b), hex);
	if (buf_printf(&b, "ok\t%s\t%d\t%llu\n", hex, r, (unsigned long long)unreadable) == 0)
		ctl_answer(c, b.data, b.len);
	else
		answer_error(c, "out of memory", EXIT_ENV);
	buf_release(&b);
}

static void answer_failure(struct workspace *w, struct ctl_conn *c, int r)
{
	answer_error(c, w->last_error.len ? w->last_error.data : err_str(r), EXIT_ENV);
}

static void answer_none(struct workspace *w, struct ctl_conn *c)
{
	struct buf b = BUF_INIT;

	if (buf_addstr(&b, "ok\t\t0\t0") == 0 &&
		ctl_add_field(&b, w->last_error.len ? w->last_error.data : "gone") == 0 &&
		buf_addch(&b, '\n') == 0)
		ctl_answer(c, b.data, b.len);
	else
		ctl_answer(c, "ok\n", 3);
	buf_release(&b);
}

static void take(struct workspace *w, struct ctl_conn *c, enum store_reason reason,
	const char *message, bool force)
{
	struct store_snapshot sn = { 0 };
	int r = workspace_take(w, reason, message, force, &sn);

	if (r < 0) {
		answer_failure(w, c, r);
		return;
	}
	answer_snapshot(c, &sn, r, w->unreadable);
	store_snapshot_release(&sn);
}

static void on_once(struct workspace *w, struct ctl_conn *c, char **req)
{
	const char *name = ctl_next_field(req), *message = ctl_next_field(req),
		   *force = ctl_next_field(req);
	bool was_ok = w->replaced_ok;
	int reason = name && *name ? store_reason_parse(name) : REASON_MANUAL;

	if (message && !*message)
		message = NULL;
	w->replaced_ok |= force && strcmp(force, "force") == 0;
	if (reason < 0)
		answer_error(c, "no such reason", EXIT_USAGE);
	else
		take(w, c, (enum store_reason)reason, message,
			permit_extra((enum store_reason)reason, message));
	w->replaced_ok = was_ok;
}

static void on_status(struct workspace *w, struct ctl_conn *c, char **req)
{
	const char *form = ctl_next_field(req);
	struct buf b = BUF_INIT;
	int r = buf_addstr(&b, "ok\n");

	if (r == 0)
		r = workspace_status(w, form && strcmp(form, "json") == 0, &b);
	if (r < 0)
		answer_error(c, err_str(r), EXIT_ENV);
	else
		ctl_answer(c, b.data, b.len);
	buf_release(&b);
}

static void on_stop(struct workspace *w, struct ctl_conn *c, char **req)
{
	struct store_snapshot sn = { 0 };
	int r;

	(void)req;
	w->stopping = true;
	r = workspace_take(w, REASON_STOP, NULL, false, &sn);
	if (r >= 0)
		answer_snapshot(c, &sn, r, w->unreadable);
	else if (!w->scan)
		answer_none(w, c);	/* gone: there is nothing to take */
	else
		answer_failure(w, c, r);
	store_snapshot_release(&sn);
	daemon_stop_workspace(w);
}

static void on_mark(struct workspace *w, struct ctl_conn *c, char **req)
{
	const char *seq = ctl_next_field(req), *name = ctl_next_field(req);
	char *end = NULL;
	unsigned long long n = seq ? strtoull(seq, &end, 10) : 0;
	int r = !seq || !*seq || *end || !name ? -EINVAL : store_mark_set(w->store, name, n);

	if (r < 0)
		answer_error(c, err_str(r), r == -EINVAL ? EXIT_USAGE : EXIT_ENV);
	else
		ctl_answer(c, "ok\n", 3);
}

/* A step at a time, so that nothing else has to wait: "ok", and in one field whether there is
 * more to do, snapshots dropped and kept, bytes that came back, segments written anew, damaged ones. */
static void on_prune(struct workspace *w, struct ctl_conn *c, char **req)
{
	const char *what = ctl_next_field(req);
	struct buf b = BUF_INIT;
	int r = what && strcmp(what, "begin") == 0 ? prune_start(w, true) : 0;

	if (r == 0)
		r = prune_step(w, PRUNE_MS);
	if (r < 0)
		answer_error(c, err_str(r), EXIT_ENV);
	else if (buf_printf(&b, "ok\t%d %llu %llu %llu %u %llu\n", r,
			 (unsigned long long)w->pruned.dropped, (unsigned long long)w->pruned.kept,
			 (unsigned long long)w->pruned.freed, w->pruned.segments,
			 (unsigned long long)w->pruned.hurt) == 0)
		ctl_answer(c, b.data, b.len);
	else
		answer_error(c, "out of memory", EXIT_ENV);
	buf_release(&b);
}

/* What the client has made beside the log: "ok", and in one field segments, bytes before and after; 0: none fits any more. */
static void on_tidy(struct workspace *w, struct ctl_conn *c, char **req)
{
	struct tidied done = { 0 };
	struct buf b = BUF_INIT;
	int r = tidy_take(w, &done);

	(void)req;
	if (r < 0)
		answer_error(c, r == -EBUSY ? "it is pruned just now" : err_str(r), EXIT_ENV);
	else if (buf_printf(&b, "ok\t%u %llu %llu\n", done.segments, (unsigned long long)done.before,
			 (unsigned long long)done.after) == 0)
		ctl_answer(c, b.data, b.len);
	else
		answer_error(c, "out of memory", EXIT_ENV);
	buf_release(&b);
}

/* "ok", and how many paths of the copy could not be read, or the negative errno of why it is not
 * in: the client goes on with the next one, or not. */
static void on_import(struct workspace *w, struct ctl_conn *c, char **req)
{
	const char *path = ctl_next_field(req), *when = ctl_next_field(req),
		   *message = ctl_next_field(req);
	char *end = NULL, text[40];
	long long t = when ? strtoll(when, &end, 10) : 0;
	uint64_t unreadable = 0;
	int r;

	if (!path || *path != '/' || !when || !*when || *end || !message) {
		answer_error(c, err_str(-EINVAL), EXIT_USAGE);
		return;
	}
	r = workspace_import(w, path, t, message, &unreadable);
	(void)snprintf(
		text, sizeof(text), "ok\t%lld\n", r < 0 ? (long long)r : (long long)unreadable);
	ctl_answer(c, text, strlen(text));
}

static const struct {
	const char *word;
	void (*fn)(struct workspace *w, struct ctl_conn *c, char **req);
} requests[] = {
	{ "once", on_once },
	{ "status", on_status },
	{ "stop", on_stop },
	{ "mark", on_mark },
	{ "prune", on_prune },
	{ "tidy", on_tidy },
	{ "import", on_import },
};

struct waiting {
	struct waiting *next;
	struct ctl_conn *c;
	char req[];
};

static void on_request(struct ctl_conn *c, char *req, void *arg);

static void on_resume(struct loop *l, void *arg)
{
	struct workspace *w = arg;
	struct waiting *first = w->waiting;

	(void)l;
	w->waiting_timer = NULL;
	if (!first)
		return;
	w->waiting = first->next;
	on_request(first->c, first->req, w);
	free(first);
	control_resume(w);
}

void control_resume(struct workspace *w)
{
	if (w->waiting && !w->waiting_timer && !daemon_is_busy(w->daemon) &&
		loop_add_timer(w->loop, 0, on_resume, w, &w->waiting_timer) < 0)
		(void)log_oom();
}

static void wait_in_line(struct workspace *w, struct ctl_conn *c, const char *req)
{
	struct waiting *one = malloc(sizeof(*one) + strlen(req) + 1), **at = &w->waiting;

	if (!one) {
		answer_error(c, "out of memory", EXIT_ENV);
		return;
	}
	one->next = NULL;
	one->c = c;
	(void)strcpy(one->req, req);
	while (*at)
		at = &(*at)->next;
	*at = one;
}

static void on_request(struct ctl_conn *c, char *req, void *arg)
{
	struct workspace *w = arg;
	const char *word;

	if (daemon_is_busy(w->daemon) && strncmp(req, "status", 6) != 0) {
		wait_in_line(w, c, req);
		return;
	}
	word = ctl_next_field(&req);
	for (size_t i = 0; word && i < sizeof(requests) / sizeof(*requests); i++)
		if (strcmp(word, requests[i].word) == 0) {
			w->asked = true;
			requests[i].fn(arg, c, &req);
			w->asked = false;
			return;
		}
	answer_error(c, "no such request", EXIT_USAGE);
}

static void on_gone(struct ctl_conn *c, void *arg)
{
	struct workspace *w = arg;

	for (struct waiting **at = &w->waiting, *one; (one = *at) != NULL; at = &one->next)
		if (one->c == c) {
			*at = one->next;
			free(one);
			return;
		}
}

int control_open(struct workspace *w)
{
	return ctl_listen(
		w->loop, store_dirfd(w->store), CONTROL_NAME, on_request, on_gone, w, &w->ctl);
}

void control_close(struct workspace *w)
{
	loop_del_timer(w->loop, w->waiting_timer);
	ctl_close(w->ctl);
}
