/* editors/alive.c - PLACE/User/workspaceStorage/ID/vscode.lock: {"pid":31092,"willReleaseAt":0},
 * written by the extension host of the window that has the folder open, every second; removed
 * when it ends in order. Left behind it tells when it died. */
#include "editors-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/io.h"
#include "../lib/jsonc.h"

enum { STORAGES = 4096, LOCK_MAX = 4096, FRESH_MS = 10000 };

/* desktop: workspace.json names the folder; a server: its name is the hash of the address. */
static bool is_of(const struct place *p, int fd, const char *id, const char *workspace)
{
	autoput(buf_release) struct buf text = BUF_INIT, folder = BUF_INIT;
	autoput(jsonc_release) struct jsonc j = { 0 };
	struct uri u;
	bool same;

	if (io_read_file(fd, "workspace.json", LOCK_MAX, &text) == 0 && text.data &&
		jsonc_parse(text.data, text.len, &j) == 0 &&
		jsonc_string(&j, jsonc_member(&j, 0, "folder"), &folder) &&
		uri_parse(folder.data, folder.len, &u) == 0) {
		same = (strcmp(u.scheme.data, "file") == 0 || p->server) &&
		       strcmp(u.path.data, workspace) == 0;
		uri_release(&u);
		return same;
	}
	return editor_is_window(p, id, workspace);
}

static int look(const struct place *p, int fd, open_fn fn, void *arg)
{
	struct editor_open e = { .place = p };
	autoput(buf_release) struct buf text = BUF_INIT;
	autoput(jsonc_release) struct jsonc j = { 0 };
	struct stat st;
	double pid;

	if (fstatat(fd, "vscode.lock", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
		io_read_file(fd, "vscode.lock", LOCK_MAX, &text) < 0 || !text.data ||
		jsonc_parse(text.data, text.len, &j) < 0 ||
		!jsonc_number(&j, jsonc_member(&j, 0, "pid"), &pid) || pid < 1 || pid > 1 << 22)
		return 0;
	e.pid = (pid_t)pid;
	e.running = kill(e.pid, 0) == 0 || errno == EPERM;
	if (!e.running)
		e.died_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	return fn(&e, arg);
}

int editors_open_each(const struct places *l, const char *workspace, open_fn fn, void *arg)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n; i++) {
		autoclose int pfd = open(l->p[i].path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int sfd = pfd < 0 ? -1 : editor_dir(pfd, "User/workspaceStorage");
		autoclosedir DIR *d = sfd < 0 ? NULL : fdopendir(sfd);
		unsigned left = STORAGES;
		const char *id;

		if (!d && sfd >= 0)
			(void)close(sfd);
		while (d && r == 0 && (id = editor_next(d, &left))) {
			autoclose int fd = editor_dir(sfd, id);

			if (fd >= 0 &&
				faccessat(fd, "vscode.lock", F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
				is_of(&l->p[i], fd, id, workspace))
				r = look(&l->p[i], fd, fn, arg);
		}
	}
	return r;
}
