#include "alarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../detect/command.h"
#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"

enum { WAIT_MS = 2000 };

static bool has_session(void)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	autoput(buf_release) struct buf path = BUF_INIT;
	struct stat st;

	if (getenv("DBUS_SESSION_BUS_ADDRESS"))
		return true;
	return run && buf_printf(&path, "%s/bus", run) == 0 && stat(path.data, &st) == 0 &&
	       S_ISSOCK(st.st_mode);
}

/* text: what it says below the title and above the workspace; may be "". */
static void on_desktop(const char *title, bool urgent, const char *text, const char *workspace)
{
	autoput(buf_release) struct buf body = BUF_INIT;
	const char *argv[] = { "notify-send", "--app-name=Holdfast",
		urgent ? "--urgency=critical" : "--urgency=normal", "--", title, NULL, NULL };
	struct command_run c = { .argv = argv, .timeout_ms = WAIT_MS };
	int r = buf_addstr(&body, text);

	/* The body is markup to most: a path may look like it, and is left out then. */
	if (r == 0 && !strpbrk(workspace, "<&"))
		r = buf_printf(&body, "%s%s", body.len ? "\n" : "", workspace);
	if (r < 0)
		return;
	argv[5] = body.data ? body.data : "";
	r = command_run(&c);
	if (r != 0 && r != -ENOENT)
		log_warn("notify-send: %s", r < 0 ? err_str(r) : "failed");
}

static int add_json(struct buf *b, const char *s)
{
	int r = buf_addch(b, '"');

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		/* Bytes that may be no UTF-8 go as the characters of the same number. */
		r |= c == '"' || c == '\\' ? buf_printf(b, "\\%c", c) :
			c < 32 || c > 126 ? buf_printf(b, "\\u%04x", c) : buf_addch(b, c);
	}
	return r | buf_addch(b, '"');
}

static void to_hook(const char *hook, struct buf *json)
{
	const char *argv[] = { hook, NULL };
	struct command_run c = { .argv = argv, .in = json->data, .in_len = json->len, .timeout_ms = WAIT_MS };
	int r = command_run(&c);

	if (r < 0)
		(void)log_warn_errno(r, "detect.hook %s", hook);
}

void alarm_tell(const struct config *cfg, struct store *s, const char *workspace, const char *why)
{
	autoput(buf_release) struct buf text = BUF_INIT, json = BUF_INIT;

	store_set_stopped(s, why);
	if (cfg->notify && has_session() &&
		(!why || buf_printf(&text, "%s\n`" RECOVER " status` says more.", why) == 0))
		on_desktop(why ? "Holdfast: snapshots have stopped" : "Holdfast: snapshots go on", why != NULL,
			text.len ? text.data : "", workspace);
	if (!cfg->hook || !*cfg->hook)
		return;
	if (buf_addstr(&json, "{\"kind\":\"snapshots\",\"workspace\":") | add_json(&json, workspace) |
		buf_printf(&json, ",\"stopped\":%s,\"why\":", why ? "true" : "false") |
		(why ? add_json(&json, why) : buf_addstr(&json, "null")) | buf_addstr(&json, "}\n"))
		return;
	to_hook(cfg->hook, &json);
}

void alarm_damage(const struct config *cfg, const char *workspace, const char *why)
{
	autoput(buf_release) struct buf json = BUF_INIT;

	if (cfg->notify && has_session())
		on_desktop("Holdfast: the store is damaged", true, why, workspace);
	if (!cfg->hook || !*cfg->hook)
		return;
	if (buf_addstr(&json, "{\"kind\":\"damage\",\"workspace\":") | add_json(&json, workspace) |
		buf_addstr(&json, ",\"why\":") | add_json(&json, why) | buf_addstr(&json, "}\n"))
		return;
	to_hook(cfg->hook, &json);
}
