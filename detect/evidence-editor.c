/* What an editor left below its user data folder: logs and locks (VSCODE.md, section 1). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detect/evidence-internal.h"
#include "lib/auto.h"
#include "lib/ctl.h"

enum {
	SESSIONS = 3, /* the newest log folders */
	SESSION_NAME = 32,
	DEPTH = 4,   /* logs/TIME/windowN/exthost/FILE */
	FILES = 256, /* looked at, in all */
	TAIL = 64 << 10,
	WORKSPACES = 512,
	LOCK_MAX = 4096,
};

/* The folder of a family, where the command line does not name it. */
static bool default_place(enum family family, char *p, size_t n)
{
	static const char *const below_config[] = { [FAMILY_VSCODE] = "Code",
		[FAMILY_INSIDERS] = "Code - Insiders",
		[FAMILY_VSCODIUM] = "VSCodium",
		[FAMILY_OSS] = "Code - OSS",
		[FAMILY_CURSOR] = "Cursor",
		[FAMILY_WINDSURF] = "Windsurf" };
	const char *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME"),
		   *data = getenv("XDG_DATA_HOME");
	const char *name = (size_t)family < sizeof(below_config) / sizeof(*below_config)
				   ? below_config[family]
				   : NULL;

	if (!home || *home != '/')
		return false;
	if (name && config && *config == '/')
		return snprintf(p, n, "%s/%s", config, name) < (int)n;
	if (name)
		return snprintf(p, n, "%s/.config/%s", home, name) < (int)n;
	if (family == FAMILY_REMOTE)
		return snprintf(p, n, "%s/.vscode-server/data", home) < (int)n;
	if (family == FAMILY_CODE_SERVER && data && *data == '/')
		return snprintf(p, n, "%s/code-server", data) < (int)n;
	if (family == FAMILY_CODE_SERVER)
		return snprintf(p, n, "%s/.local/share/code-server", home) < (int)n;
	return false;
}

/* A line without a pid speaks of a part of the editor, not of a process. */
static bool about_role(const struct fact *f, const char *line)
{
	enum role r = f->role.role;

	if (strstr(line, "renderer process gone") || strstr(line, "unresponsive"))
		return r == ROLE_RENDERER;
	if (strstr(line, "received terminate message from renderer"))
		return r == ROLE_EXTENSION_HOST || r == ROLE_RENDERER;
	if (strstr(line, "disconnected gracefully"))
		return r == ROLE_EXTENSION_HOST || r == ROLE_SERVER || r == ROLE_SERVER_CHILD;
	return false;
}

/* "parent process N does not exist": N is dead, and did not say goodbye. */
static bool is_about(const struct fact *f, const struct evidence *e, const char *line)
{
	return e->pid ? e->pid == f->proc.pid : about_role(f, line);
}

static void read_log(struct gathering *g, int dirfd, const char *name)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	uint64_t mtime = 0;
	char *text, *line;

	if (gathering_tail(dirfd, name, TAIL, &b, &mtime) < 0 || mtime < g->from_ms)
		return;
	text = b.data;
	while ((line = ctl_next_line(&text))) {
		uint64_t ms;
		struct evidence e;

		if (!stamp_local(line, &ms) || !gathering_in_time(g, ms) ||
			!evidence_editor_line(line, &e) || !is_about(g->f, &e, line))
			continue;
		e.real_ms = ms;
		e.pid = g->f->proc.pid;
		evidence_add(g->ret, &e);
	}
}

static void read_logs(struct gathering *g, int dirfd, const char *name, int depth, unsigned *left)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!d && fd >= 0)
		(void)close(fd);
	while (d && *left && (de = readdir(d))) {
		size_t n = strlen(de->d_name);

		if (de->d_name[0] == '.')
			continue;
		--*left;
		if (n > 4 && strcmp(de->d_name + n - 4, ".log") == 0)
			read_log(g, fd, de->d_name);
		else if (depth && (de->d_type == DT_DIR || de->d_type == DT_UNKNOWN))
			read_logs(g, fd, de->d_name, depth - 1, left);
	}
}

/* 20230117T072933: the newest are the last. */
static unsigned newest_sessions(int logs, char name[SESSIONS][SESSION_NAME])
{
	int fd = openat(logs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	unsigned n = 0;

	while (d && (de = readdir(d))) {
		unsigned at = n;

		if (de->d_name[0] == '.' || strlen(de->d_name) >= SESSION_NAME)
			continue;
		while (at && strcmp(name[at - 1], de->d_name) < 0)
			at--;
		if (at == SESSIONS)
			continue;
		if (n < SESSIONS)
			n++;
		memmove(name[at + 1 < SESSIONS ? at + 1 : at], name[at],
			(n - at - 1) * (size_t)SESSION_NAME);
		memcpy(name[at], de->d_name, strlen(de->d_name) + 1);
	}
	return n;
}

static void look_at_logs(struct gathering *g, int place)
{
	autoclose int logs = openat(place, "logs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[SESSIONS][SESSION_NAME];
	unsigned left = FILES, n = logs < 0 ? 0 : newest_sessions(logs, name);

	for (unsigned i = 0; i < n; i++)
		read_logs(g, logs, name[i], DEPTH - 1, &left);
}

static bool is_desktop(enum family f)
{
	return f == FAMILY_VSCODE || f == FAMILY_INSIDERS || f == FAMILY_VSCODIUM ||
	       f == FAMILY_OSS || f == FAMILY_CURSOR || f == FAMILY_WINDSURF;
}

static void add_lock(struct gathering *g, bool orderly, const char *what)
{
	struct evidence e = { .what = EV_EDITOR_LOCK,
		.pid = g->f->proc.pid,
		.orderly = orderly,
		.real_ms = g->f->real_ms };

	(void)snprintf(e.text, sizeof(e.text), "%s", what);
	evidence_add(g->ret, &e);
}

/* U/code.lock holds the main process's pid and is removed when it quits. U/SingletonLock is
 * Chromium's: a link to "host-pid", left behind by a kill. */
static void look_at_main_lock(struct gathering *g, int place)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	char target[PATH_MAX + 1];
	const char *dash;
	ssize_t n;
	int r = gathering_tail(place, "code.lock", LOCK_MAX, &b, NULL);

	if (r == 0 && strtol(b.data, NULL, 10) == (long)g->f->proc.pid)
		add_lock(g, false, "code.lock was left behind: it did not quit");
	else if (r == -ENOENT && is_desktop(g->f->role.family) && g->f->status == FACT_UNKNOWN)
		add_lock(g, true, "there is no code.lock: a quit in order removes it");
	n = readlinkat(place, "SingletonLock", target, PATH_MAX);
	if (n <= 0)
		return;
	target[n] = '\0';
	dash = strrchr(target, '-');
	if (dash && strtol(dash + 1, NULL, 10) == (long)g->f->proc.pid)
		add_lock(g, false, "SingletonLock was left behind: it did not quit");
}

/* {"pid":31092,"willReleaseAt":0} */
static bool lock_of(const struct gathering *g, const char *text, bool *ret_orderly)
{
	const char *pid = strstr(text, "\"pid\":"), *at = strstr(text, "\"willReleaseAt\":");

	if (!pid || !at || strtol(pid + 6, NULL, 10) != (long)g->f->proc.pid)
		return false;
	*ret_orderly = strtoll(at + 16, NULL, 10) > 0;
	return true;
}

static void look_at_workspace_locks(struct gathering *g, int place)
{
	int fd = openat(place, "User/workspaceStorage", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	for (int i = 0; d && i < WORKSPACES && (de = readdir(d)); i++) {
		autoput(buf_release) struct buf b = BUF_INIT;
		char path[300];
		bool orderly;

		if (de->d_name[0] == '.' || snprintf(path, sizeof(path), "%s/vscode.lock",
						    de->d_name) >= (int)sizeof(path))
			continue;
		if (gathering_tail(fd, path, LOCK_MAX, &b, NULL) == 0 &&
			lock_of(g, b.data, &orderly))
			add_lock(g, orderly,
				orderly ? "vscode.lock was being released"
					: "vscode.lock was left behind: the extension host was "
					  "killed");
	}
}

void evidence_editor(struct gathering *g)
{
	char path[PATH_MAX];
	autoclose int place = -1;

	if (*g->f->user_data == '/' ? snprintf(path, sizeof(path), "%s", g->f->user_data) < 0
				    : !default_place(g->f->role.family, path, sizeof(path)))
		return;
	place = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place < 0) {
		if (errno == EACCES)
			gathering_closed(
				g, "%.200s: the editor's own folder is closed to us", path);
		return;
	}
	look_at_logs(g, place);
	if (g->f->role.role == ROLE_MAIN)
		look_at_main_lock(g, place);
	if (g->f->role.role == ROLE_EXTENSION_HOST || g->f->role.role == ROLE_UTILITY)
		look_at_workspace_locks(g, place);
}
