/* hooks/login.c - snapd starts with the session: a systemd user unit, or an autostart entry of
 * the desktop where there is no systemd. One for each workspace, so that each is started,
 * stopped and restarted by itself.
 *
 * The unit is hardened as far as a user's manager can without namespaces (those hide mounts, and
 * snapd watches the user's own world): no new privileges, no writable code, system calls of an
 * ordinary service. KillMode=process: the monitor that snapd started serves other workspaces
 * too. */
#include "hooks-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"

extern char **environ;

static char *unit_name(const char *workspace)
{
	autofree char *name = workspace_name(workspace);

	return text_of("holdfast-%s.service", name);
}

static char *unit_path(const char *workspace)
{
	autofree char *name = unit_name(workspace), *below = text_of("systemd/user/%s", name);

	return config_path(below);
}

static char *wants_path(const char *workspace)
{
	autofree char *name = unit_name(workspace),
		      *below = text_of("systemd/user/default.target.wants/%s", name);

	return config_path(below);
}

static char *autostart_path(const char *workspace)
{
	autofree char *name = workspace_name(workspace),
		      *below = text_of("autostart/holdfast-%s.desktop", name);

	return config_path(below);
}

/* systemctl --user WORD...; its exit status, or -1. It is quiet: what matters is asked for
 * afterwards. */
static int systemctl(const char *a, const char *b, const char *c)
{
	char *argv[] = { (char *)"systemctl", (char *)"--user", (char *)"--quiet", (char *)a,
		(char *)b, (char *)c, NULL };
	posix_spawn_file_actions_t fa;
	int status, r;
	pid_t pid;

	if (posix_spawn_file_actions_init(&fa))
		return -1;
	(void)posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	(void)posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	r = posix_spawnp(&pid, "systemctl", &fa, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&fa);
	if (r)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static enum login_way find_way(void)
{
	if (systemctl("show-environment", NULL, NULL) == 0)
		return LOGIN_SYSTEMD;
	return access("/run/systemd/system", F_OK) == 0 ? LOGIN_SYSTEMD_LATER : LOGIN_AUTOSTART;
}

/* Between double quotes of a unit file: C escapes, % and $ doubled. */
static void add_unit_word(struct buf *b, const char *s)
{
	must(buf_addch(b, '"'));
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			must(buf_printf(b, "\\%c", *s));
		else if (*s == '%' || *s == '$')
			must(buf_printf(b, "%c%c", *s, *s));
		else if ((unsigned char)*s < 32)
			must(buf_printf(b, "\\x%02x", (unsigned char)*s));
		else
			must(buf_addch(b, *s));
	}
	must(buf_addch(b, '"'));
}

static void unit_text(const struct hooks *h, struct buf *b)
{
	const char *base = strrchr(h->o->workspace, '/');
	autoput(buf_release) struct buf name = BUF_INIT;

	for (base = base && base[1] ? base + 1 : "/"; *base; base++)
		must(*base == '%' ? buf_addstr(&name, "%%")
				  : buf_addch(&name, (unsigned char)*base < 32 || *base == '\\'
							     ? '_'
							     : *base));
	must(buf_printf(b,
		"[Unit]\nDescription=Holdfast: snapshots of %s\nDocumentation=man:" SNAPD
		"(1)\nStartLimitIntervalSec=0\n\n"
		"[Service]\nType=notify\nNotifyAccess=main\nExecStart=",
		name.data));
	add_unit_word(b, h->prog.snapd);
	must(buf_addstr(b, " --workspace "));
	add_unit_word(b, h->o->workspace);
	if (h->o->store) {
		must(buf_addstr(b, " --store "));
		add_unit_word(b, h->o->store);
	}
	must(buf_addstr(b,
		"\nExecReload=/bin/kill -HUP $MAINPID\n"
		"# 2: its settings are broken; asking again does not mend "
		"them\nRestart=on-failure\nRestartPreventExitStatus=2\nRestartSec=10\n"
		"WatchdogSec=120\nTimeoutStopSec=60\n"
		"# the monitor that it started serves others "
		"too\nKillMode=process\nOOMPolicy=continue\n"
		"UMask=0077\nNoNewPrivileges=yes\nLockPersonality=yes\nMemoryDenyWriteExecute="
		"yes\nRestrictRealtime=yes\nRestrictSUIDSGID=yes\n"
		"RestrictNamespaces=yes\nSystemCallArchitectures=native\nSystemCallFilter=@system-"
		"service\nSystemCallErrorNumber=EPERM\n\n"
		"[Install]\nWantedBy=default.target\n"));
}

/* The desktop entry's two layers: quotes of Exec, then escapes of the string. */
static void add_exec_word(struct buf *b, const char *s)
{
	must(buf_addch(b, '"'));
	for (; *s; s++) {
		if (*s == '\\')
			must(buf_addstr(b, "\\\\\\\\"));
		else if (strchr("\"`$", *s))
			must(buf_printf(b, "\\\\%c", *s));
		else if (*s == '%')
			must(buf_addstr(b, "%%"));
		else
			must(buf_addch(b, *s));
	}
	must(buf_addch(b, '"'));
}

static void autostart_text(const struct hooks *h, struct buf *b)
{
	must(buf_addstr(b, "[Desktop Entry]\nType=Application\nName=Holdfast\nComment=Snapshots of "
			   "a workspace\nNoDisplay=true\nExec="));
	add_exec_word(b, h->prog.snapd);
	must(buf_addstr(b, " --workspace "));
	add_exec_word(b, h->o->workspace);
	if (h->o->store) {
		must(buf_addstr(b, " --store "));
		add_exec_word(b, h->o->store);
	}
	must(buf_addstr(b, " --start\n"));
}

static void own(struct hooks *h, const char *path, const struct buf *text)
{
	struct change *c = changes_file(&h->changes, path, 0644);

	if (!c) {
		h->skipped++;
		return;
	}
	change_set(c, text->data, text->len);
	record_own(&h->rec, path);
}

void login_plan(struct hooks *h)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	autofree char *unit = unit_path(h->o->workspace),
		      *desktop = autostart_path(h->o->workspace);

	if (!(h->o->parts & HOOK_LOGIN))
		return;
	if (!unit || strchr(h->o->workspace, '\n') || strchr(h->prog.snapd, '\n')) {
		log_warn("the login start is left out: %s",
			unit ? "a name with a line end in it" : "HOME is not set");
		h->skipped++;
		return;
	}
	if (find_way() == LOGIN_AUTOSTART && access(unit, F_OK) < 0) {
		autostart_text(h, &b);
		own(h, desktop, &b);
	} else {
		unit_text(h, &b);
		own(h, unit, &b);
	}
}

static bool has_unit(const char *workspace)
{
	autofree char *unit = unit_path(workspace);

	return unit && access(unit, F_OK) == 0;
}

/* What `systemctl enable` does, done by hand: it wants a manager that answers, a link does not. */
static int enable(const char *workspace)
{
	autofree char *wants = wants_path(workspace), *name = unit_name(workspace),
		      *to = text_of("../%s", name);
	autofree char *dir = config_path("systemd/user/default.target.wants"),
		      *above = config_path("systemd/user");

	if (mkdir(above, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	return symlink(to, wants) < 0 && errno != EEXIST ? -errno : 0;
}

int login_start_unit(const char *workspace)
{
	autofree char *name = unit_name(workspace);

	if (!has_unit(workspace) || systemctl("show-environment", NULL, NULL) != 0)
		return 0;
	return systemctl("start", "--no-block", name) == 0;
}

int login_start(struct hooks *h)
{
	int r;

	if (!(h->o->parts & HOOK_LOGIN) || !has_unit(h->o->workspace))
		return EXIT_DONE;
	r = enable(h->o->workspace);
	if (r < 0) {
		(void)log_error_errno(r, "the start at login");
		return EXIT_PART;
	}
	(void)systemctl("daemon-reload", NULL, NULL);
	return EXIT_DONE;
}

void login_stop(struct hooks *h)
{
	autofree char *name = unit_name(h->o->workspace), *wants = wants_path(h->o->workspace);

	if (!has_unit(h->o->workspace))
		return;
	(void)systemctl("stop", name, NULL);
	if (wants)
		(void)unlink(wants);
}

void login_forget(struct hooks *h)
{
	(void)h;
	(void)systemctl("daemon-reload", NULL, NULL);
}

int login_unplan(struct hooks *h)
{
	char *paths[] = { unit_path(h->o->workspace), autostart_path(h->o->workspace) };

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct change *c =
			paths[i] && record_find(&h->rec, "own", paths[i], NULL, NULL, NULL)
				? changes_file(&h->changes, paths[i], 0644)
				: NULL;

		if (c)
			c->gone = true;
		free(paths[i]);
	}
	return 0;
}
