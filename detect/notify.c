/* Who is told of an event: the desktop, and the user's own hook. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "detect/command.h"
#include "detect/events.h"
#include "detect/judge.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/names.h"

enum {
	APART_MS = 10000, /* between two notifications */
	NOTIFY_MS = 5000,
	HOOK_MS = 10000,
};

/* A worker's end shows at its run, a helper's at its window. */
bool judge_is_news(const struct journal_event *ev)
{
	/* Ctrl-Z on one's own training is none. */
	if (ev->kind == J_HANG)
		return ev->family || !ev->text || !strstr(ev->text, "(state T)");
	/* That it goes on, or was ended, is told by the thaw and the end. */
	if (ev->kind == J_GUARD)
		return ev->text && (strstr(ev->text, "guard froze") || strstr(ev->text, "guard let"));
	if (ev->kind == J_RISK)
		return ev->text && strstr(ev->text, "to CRITICAL") != NULL;
	return ev->unwanted && !(ev->role && strcmp(ev->role, "worker") == 0);
}

static bool has_session(void)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	char path[256];
	struct stat st;

	if (getenv("DBUS_SESSION_BUS_ADDRESS"))
		return true;
	return run && snprintf(path, sizeof(path), "%s/bus", run) < (int)sizeof(path) &&
	       stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* The body is markup to most notification daemons. */
static int add_escaped(struct buf *b, const char *s)
{
	int r = 0;

	for (; r == 0 && *s; s++)
		r = *s == '&'   ? buf_addstr(b, "&amp;")
		    : *s == '<' ? buf_addstr(b, "&lt;")
		    : *s == '>' ? buf_addstr(b, "&gt;")
				: buf_addch(b, *s);
	return r;
}

static const char *title(const struct journal_event *ev)
{
	if (ev->kind == J_RISK)
		return "Holdfast: memory is running out";
	if (ev->kind == J_GUARD)
		return strstr(ev->text, "guard froze") ? "Holdfast: training is frozen"
						       : "Holdfast: training goes on";
	if (ev->kind == J_HANG)
		return "Holdfast: a program hangs";
	if (ev->kind == J_MACHINE)
		return "Holdfast: the machine went down";
	return ev->cause && strncmp(ev->cause, "out-of-memory", 13) == 0
		       ? "Holdfast: ended for want of memory"
		       : "Holdfast: a program crashed";
}

static void notify(const struct journal_event *ev)
{
	autoput(buf_release) struct buf body = BUF_INIT;
	const char *argv[] = { "notify-send", "--app-name=Holdfast", "--urgency=critical", "--",
		title(ev), NULL, NULL };
	struct command_run c = { .argv = argv, .timeout_ms = NOTIFY_MS };
	int r;

	if (add_escaped(&body, ev->text ? ev->text : "") < 0 ||
		buf_addstr(&body,
			ev->kind == J_RISK || ev->kind == J_HANG || ev->kind == J_GUARD
				? ".\n`" DETECT "` shows how the machine is."
				: ".\n`" RECOVER " report` shows what happened and what is safe.") < 0)
		return;
	argv[5] = body.data;
	r = command_run(&c);
	if (r != 0 && r != -ENOENT)
		log_warn("notify-send: %s", r < 0 ? err_str(r) : "failed");
}

static void run_hook(const char *hook, const struct journal_event *ev)
{
	autoput(buf_release) struct buf json = BUF_INIT;
	const char *argv[] = { hook, NULL };
	struct command_run c = { .argv = argv, .timeout_ms = HOOK_MS };
	int r;

	if (event_json(ev, &json) < 0)
		return;
	c.in = json.data;
	c.in_len = json.len;
	r = command_run(&c);
	if (r < 0)
		(void)log_warn_errno(r, "detect.hook %s", hook);
	else if (r > 0)
		log_warn("detect.hook %s: exit code %d", hook, r);
}

void judge_tell(struct judge *g, const struct journal_event *ev)
{
	uint64_t now = g->now();
	unsigned recent = 0;
	bool show;

	if (!judge_is_news(ev) ||
		journal_told_since(g->j, now > APART_MS ? now - APART_MS : 0, &recent) < 0)
		return;
	show = g->cfg->notify && !recent && has_session();
	/* What was only recorded holds no later notification back. */
	if (journal_tell(g->j, ev->id, show ? now : 1) != 1)
		return;
	if (show)
		notify(ev);
	if (g->cfg->hook && *g->cfg->hook)
		run_hook(g->cfg->hook, ev);
}
