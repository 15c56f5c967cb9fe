/* Who is told of an event: the desktop, the user's terminals, and the user's own hook. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detect/command.h"
#include "detect/events.h"
#include "detect/judge.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/text.h"

enum {
	APART_MS = 10000, /* between two notifications */
	WARN_APART_MS =
		10 * 60 * 1000, /* between two warnings: a training may come near again and again */
	NOTIFY_MS = 5000,
	ANSWER_MS = 10 * 60 * 1000, /* a notification with a button waits for it */
	TELLINGS = 64,
	TTYS = 64,
	HOOK_MS = 10000,
};

/* Not critical yet, and soon: the one moment when there is time to do something. */
static bool is_warning(const struct journal_event *ev)
{
	return ev->kind == J_RISK && ev->text && strstr(ev->text, "to MEDIUM") && ev->evidence &&
	       strstr(ev->evidence, "memory will be critical in");
}

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
		return is_warning(ev) || (ev->text && strstr(ev->text, "to CRITICAL"));
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
		return is_warning(ev) ? "Holdfast: memory will soon run out"
				      : "Holdfast: memory is running out";
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

struct telling {
	struct journal_event ev;
	int tty;
	bool show, hook, terminal;
};

/* The button was pressed: what happened, or how the machine is and what to do, and a shell there.
 * Nothing of it comes from a name. */
static void open_terminal(const struct journal_event *ev)
{
	const char *script = ev->kind == J_RISK ? DETECT " report; exec \"${SHELL:-sh}\""
						: RECOVER " report; exec \"${SHELL:-sh}\"";
	static const char *const program[] = { "x-terminal-emulator", "konsole", "xterm" };

	if (ev->n_link && chdir(ev->link[0].workspace) < 0)
		return;
	for (size_t i = 0; i < sizeof(program) / sizeof(*program); i++)
		(void)execlp(program[i], program[i], "-e", "sh", "-c", script, (char *)NULL);
	(void)execlp("gnome-terminal", "gnome-terminal", "--", "sh", "-c", script, (char *)NULL);
	log_warn("no terminal program was found to open");
}

/* The sentence; of risk its reasons too. */
static int add_words(struct buf *b, const struct journal_event *ev)
{
	int r = buf_addstr(b, ev->text ? ev->text : "");

	if (r == 0 && ev->kind == J_RISK && ev->evidence)
		r = buf_printf(b, ": %s", ev->evidence);
	return r;
}

static void notify(const struct journal_event *ev)
{
	autoput(buf_release) struct buf body = BUF_INIT, pressed = BUF_INIT, words = BUF_INIT;
	bool lost = ev->kind != J_RISK && ev->kind != J_HANG && ev->kind != J_GUARD;
	bool button = lost || ev->kind == J_RISK;
	const char *argv[] = { "notify-send", "--app-name=Holdfast",
		is_warning(ev) ? "--urgency=normal" : "--urgency=critical",
		lost ? "--action=open=Recover" : "--action=open=What to do", "--", title(ev), NULL,
		NULL };
	const char *plain[] = { argv[0], argv[1], argv[2], "--", argv[5], NULL, NULL };
	struct command_run c = {
		.argv = button ? argv : plain, .timeout_ms = ANSWER_MS, .max = 64, .out = &pressed
	};
	int r;

	if (add_words(&words, ev) < 0 || add_escaped(&body, words.data) < 0 ||
		buf_addstr(&body, !lost ? ".\n`" DETECT "` shows how the machine is and what to do."
					: ".\n`" RECOVER
					  " report` shows what happened and what is safe.") < 0)
		return;
	argv[6] = plain[5] = body.data;
	r = command_run(&c);
	/* Before libnotify 0.8 there are no buttons. */
	if (button && r == 1) {
		c.argv = plain;
		c.timeout_ms = NOTIFY_MS;
		r = command_run(&c);
	}
	if (r != 0 && r != -ENOENT && r != -ETIMEDOUT)
		log_warn("notify-send: %s", r < 0 ? err_str(r) : "failed");
	if (r == 0 && pressed.len && strncmp(pressed.data, "open", 4) == 0)
		open_terminal(ev);
}

/* As write(1): one's own, and only where messages are let through (mesg y: the group may write). */
static void write_to(int dirfd, const char *name, int tty, const char *line)
{
	autoclose int fd = -1;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_uid != geteuid() ||
		!(st.st_mode & S_IWGRP) || !(S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)))
		return;
	/* A training's end is of interest where it was started. */
	if (tty && S_ISCHR(st.st_mode) &&
		st.st_rdev != makedev((tty >> 8) & 0xfff, (tty & 0xff) | (tty >> 12 & 0xfff00)))
		return;
	fd = openat(dirfd, name, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		(void)!write(fd, line, strlen(line));
}

static void tell_terminals(const struct telling *t)
{
	const char *where = getenv("HOLDFAST_TTYS");
	autoput(buf_release) struct buf b = BUF_INIT, words = BUF_INIT;
	autoclosedir DIR *d = opendir(where && *where ? where : "/dev/pts");
	struct dirent *de;
	const char *s;
	size_t left;
	int r = add_words(&words, &t->ev);

	s = r == 0 ? words.data : "";
	left = strlen(s);
	if (r == 0)
		r = buf_addstr(&b, "\r\n" DETECT ": ");
	while (r == 0 && left) {
		size_t n = text_print_len(s, left);

		r = n ? buf_add(&b, s, n) : buf_addch(&b, '?');
		s += n ? n : 1;
		left -= n ? n : 1;
	}
	if (r == 0)
		r = buf_printf(&b, " (%s)\r\n", t->ev.unwanted ? RECOVER " report" : DETECT);
	for (int i = 0; r == 0 && d && i < TTYS && (de = readdir(d));)
		if (de->d_name[0] >= '0' && de->d_name[0] <= '9') {
			write_to(dirfd(d), de->d_name, t->tty, b.data);
			i++;
		}
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
	if (r == -ETIMEDOUT)
		log_warn("detect.hook %s: did not end within %d s, was killed", hook,
			HOOK_MS / 1000);
	else if (r < 0)
		(void)log_warn_errno(r, "detect.hook %s", hook);
	else if (r > 0)
		log_warn("detect.hook %s: exit code %d", hook, r);
}

static int copy(const struct journal_event *ev, void *arg)
{
	return journal_event_copy(ev, arg);
}

/* The row as it is now, with its snapshots. */
static int load(struct judge *g, const struct journal_event *ev, struct journal_event *ret)
{
	int r = journal_crash(g->j, ev->id, NULL, copy, ret);

	return r == 1 || (r == 0 && ret->text) ? 0 : journal_event_copy(ev, ret);
}

/* As the journal keeps it. */
static int64_t told_at(bool counts, bool warning, uint64_t now)
{
	return !counts ? 1 : warning ? -(int64_t)now : (int64_t)now;
}

void judge_tell(struct judge *g, const struct fact *f, const struct journal_event *ev)
{
	uint64_t now = g->now();
	unsigned recent = 0, warned = 0;
	bool warning = is_warning(ev);
	struct telling t = { .tty = f->role.kind == KIND_TRAINING ? f->tty : 0,
		.hook = g->cfg->hook && *g->cfg->hook };
	bool head = f->kind == FACT_EXIT && f->role.kind == KIND_EDITOR &&
		    (f->role.role == ROLE_MAIN || f->role.role == ROLE_SERVER);

	if (!judge_is_news(ev) || g->n_telling == TELLINGS ||
		journal_told_since(g->j, now > APART_MS ? now - APART_MS : 0, false, &recent) < 0 ||
		(warning && journal_told_since(g->j, now > WARN_APART_MS ? now - WARN_APART_MS : 0,
				    true, &warned) < 0))
		return;
	t.show = g->cfg->notify && (!recent || head) && !warned && has_session();
	t.terminal = g->cfg->terminal && !warned && !has_session();
	/* What was only recorded, or a warning, holds no later notification back. */
	if (journal_tell(g->j, ev->id, told_at(t.show || (warning && t.terminal), warning, now)) !=
			1 ||
		!(t.show || t.hook || t.terminal))
		return;
	if (!g->telling)
		g->telling = calloc(TELLINGS, sizeof(*g->telling));
	if (g->telling && load(g, ev, &t.ev) == 0)
		g->telling[g->n_telling++] = t;
}

/* One that waits for its button outlives us. */
static void show(const struct journal_event *ev)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)setsid();
		notify(ev);
		_exit(0);
	}
	if (pid < 0)
		(void)log_warn_errno(-errno, "notify-send");
}

static void tell(struct judge *g, const struct telling *t)
{
	if (t->show)
		show(&t->ev);
	if (t->terminal)
		tell_terminals(t);
	if (t->hook)
		run_hook(g->cfg->hook, &t->ev);
}

void judge_forget(struct judge *g)
{
	for (unsigned i = 0; i < g->n_telling; i++)
		journal_event_release(&g->telling[i].ev);
	free(g->telling);
	g->telling = NULL;
	g->n_telling = 0;
}

/* The child has our journal open, and must not touch it. */
void judge_tell_all(struct judge *g)
{
	pid_t pid = g->n_telling ? fork() : -1;

	if (pid == 0) {
		for (unsigned i = 0; i < g->n_telling; i++)
			tell(g, &g->telling[i]);
		_exit(0);
	}
	if (pid > 0)
		g->n_tellers++;
	else if (g->n_telling)
		(void)log_warn_errno(-errno, "nobody is told");
	judge_forget(g);
}

void judge_told(struct judge *g)
{
	while (g->n_tellers && (wait(NULL) > 0 || errno == EINTR))
		g->n_tellers--;
	g->n_tellers = 0;
}
