/* detect/protect.c - see the header. */
#include "detect/protect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "lib/auto.h"
#include "lib/ctl.h"
#include "lib/io.h"

#define CONTROL "control"

static bool has(const char *store, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s", store, name) < (int)sizeof(path) &&
	       faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The store that HOLDFAST_STORE names, if it keeps this folder or one above it. */
static int named(const char *store, const char *folder, struct buf *workspace, struct buf *ret)
{
	autoput(buf_release) struct buf path = BUF_INIT, kept = BUF_INIT;
	size_t n;

	if (buf_printf(&path, "%s/workspace", store) < 0 || !has(store, CONTROL) ||
		io_read_file(AT_FDCWD, path.data, 65536, &kept) < 0 || !kept.len)
		return 0;
	n = strlen(kept.data);
	if (strncmp(folder, kept.data, n) != 0 || (folder[n] && folder[n] != '/'))
		return 0;
	return buf_addstr(workspace, kept.data) < 0 || buf_addstr(ret, store) < 0 ? -ENOMEM : 1;
}

int protect_find(const char *parent, struct buf *workspace, struct buf *store)
{
	const char *env = getenv("HOLDFAST_STORE");
	autoput(buf_release) struct buf idle = BUF_INIT; /* the nearest store without a daemon */
	char folder[PATH_MAX];

	if (!getcwd(folder, sizeof(folder)) || *folder != '/')
		return 0;
	if (env && *env)
		return named(env, folder, workspace, store);
	for (;;) {
		char *slash;
		int r;

		buf_reset(store);
		r = config_store_place(folder, parent, store);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		if (has(store->data, CONTROL)) {
			buf_reset(workspace);
			return buf_addstr(workspace, folder) < 0 ? -ENOMEM : 1;
		}
		if (!idle.len && has(store->data, "workspace") &&
			(buf_addstr(&idle, store->data) < 0 || buf_addstr(workspace, folder) < 0))
			return -ENOMEM;
		slash = strrchr(folder, '/');
		if (!folder[1])
			break;
		slash[slash == folder] = '\0';
	}
	if (!idle.len)
		return 0;
	buf_reset(store);
	return buf_addstr(store, idle.data) < 0 ? -ENOMEM : 1;
}

int protect_snapshot(const char *store, const char *message, int wait_ms, char id[static 41],
	char *why, size_t why_size)
{
	autoclose int dir = open(store, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoput(buf_release) struct buf req = BUF_INIT, answer = BUF_INIT;
	const char *word, *text;
	char *line;
	int r;

	if (dir < 0)
		return -errno;
	if (ctl_add_field(&req, "once") < 0 || ctl_add_field(&req, "launch") < 0 ||
		ctl_add_field(&req, message) < 0)
		return -ENOMEM;
	r = ctl_call(dir, CONTROL, req.data, wait_ms, &answer);
	if (r < 0)
		return r;
	line = answer.data;
	if (!line)
		return -EPROTO;
	line[strcspn(line, "\n")] = '\0';
	word = ctl_next_field(&line);
	text = ctl_next_field(&line);
	if (!word || strcmp(word, "ok") != 0) {
		(void)snprintf(why, why_size, "%s", text ? text : "no answer that makes sense");
		return -EIO;
	}
	if (!text || strlen(text) != 40 || strspn(text, "0") == 40)
		text = "";
	(void)snprintf(id, 41, "%s", text);
	return 0;
}
