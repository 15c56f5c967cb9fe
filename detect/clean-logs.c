/* detect/clean-logs.c - our own old logs, and what a writer of ours that was killed left; see clean.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "detect/clean-internal.h"
#include "detect/detect.h"
#include "lib/auto.h"

enum {
	DAY_S = 24 * 3600,
	WEEK_S = 7 * DAY_S,
	FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW
};

static void take(struct clean *c, int dirfd, const char *folder, const char *name, time_t age)
{
	autoput(buf_release) struct buf path = BUF_INIT;
	uint64_t bytes = 0;
	struct stat st;
	int r;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
		st.st_uid != geteuid() || time(NULL) - st.st_mtime < age ||
		buf_printf(&path, "%s/%s", folder, name) < 0)
		return;
	r = clean_tree(dirfd, name, st.st_dev, c->dry, 0, &bytes);
	(void)clean_note(c, "log", path.data, bytes, r);
}

/* What `watch --log-dir logs/monitoring` has turned over. */
void clean_logs(struct clean *c, const char *workspace)
{
	autoput(buf_release) struct buf folder = BUF_INIT;
	autoclose int top = open(workspace, FOLDER);
	autoclose int logs = top < 0 ? -1 : openat(top, "logs", FOLDER);
	autoclose int dir = logs < 0 ? -1 : openat(logs, "monitoring", FOLDER);

	if (dir < 0 || buf_printf(&folder, "%s/logs/monitoring", workspace) < 0)
		return;
	take(c, dir, folder.data, "samples.jsonl.1", DAY_S);
	take(c, dir, folder.data, "events.jsonl.1", DAY_S);
}

/* ".NAME.tmp-0123abcd" (io_replace_file), a ledger whose ends are judged, a journal that was damaged and replaced. */
static bool is_old_own(const char *name)
{
	const char *tmp = strstr(name, ".tmp-");

	return (*name == '.' && tmp && strlen(tmp) == strlen(".tmp-01234567")) ||
	       strcmp(name, "ledger.old") == 0 || strncmp(name, "journal.db.bad-", 15) == 0;
}

void clean_state(struct clean *c)
{
	int state = detect_state_dir_if_any(), fd = state < 0 ? -1 : openat(state, ".", FOLDER);
	autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (is_old_own(e->d_name))
			take(c, state, "the state folder", e->d_name, WEEK_S);
	auto_close_(&state);
}
