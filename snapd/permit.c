#include "permit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/hint.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../scan/scan.h"
#include "../store/around.h"
#include "keeper.h"
#include "workspace.h"

int permit_place(const char *path, const char *given, const char *parent, struct buf *ret)
{
	int r = store_place(path, given, parent, ret);
	char whose[256];

	if (r == -ENOENT && !given)
		log_error("%s: HOME is not set to a folder, so there is no place for its store; "
			  "--store DIR names one",
			path);
	else if (r < 0)
		log_error("%s: no place for its store: %s%s", path, err_str(r),
			given && (r == -EACCES || r == -EPERM) ? hint_denied(given, whose, sizeof(whose)) : "");
	return r;
}

int permit_no_store(const char *dir, int r)
{
	const char *way = "";

	if (r == -ENOSPC)
		way = NO_ROOM_TEXT;
	else if (r == -EACCES || r == -EPERM || r == -EROFS || r == -ENOENT || r == -ENOTDIR)
		way = "; --store DIR keeps it elsewhere";
	else if (r == -ENOTEMPTY)
		way = ", and holds no store; --store DIR names an empty folder, or none";
	log_error("%s: %s%s", dir, err_str(r), way);
	return r;
}

int permit_workspace(const char *path, const char *dir, bool force)
{
	autoput(buf_release) struct buf real = BUF_INIT;
	size_t n = strlen(path);
	const char *why = NULL;
	int r = scan_refuse(path, &why);

	if (r < 0 && r != -EPERM)
		return log_error_errno(r, "%s", path);
	r = store_canonical(dir, &real);
	if (r < 0)
		return permit_no_store(dir, r);
	if (!why && strncmp(real.data, path, n) == 0 && (real.data[n] == '/' || !real.data[n]))
		why = "its store would be inside it";
	if (!why || force)
		return 0;
	log_error("%s: refused, %s; --force if you mean it", path, why);
	return -EPERM;
}

static int check_folder(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoput(buf_release) struct buf word = BUF_INIT;
	autofree char *up = strdup(path);
	int r = fd < 0 ? -errno : 0;
	char whose[256], *slash = up ? strrchr(up, '/') : NULL;

	if (r == -ENOTDIR && slash) {
		slash[slash == up] = '\0';
		log_error("%s: is no folder; the one it is in: --workspace %s", path, hint_word(up, &word));
	} else if (r < 0) {
		log_error("%s: %s%s", path, err_str(r),
			r == -EACCES || r == -EPERM ? hint_denied(path, whose, sizeof(whose)) : "");
	}
	return r;
}

/* A store begins. Who moved the folder, or forgot that one above it is protected, would look in it for
 * snapshots that are elsewhere. */
static void say_around(const char *path, const char *dir, const char *parent)
{
	autoput(buf_release) struct buf usual = BUF_INIT, other = BUF_INIT, a = BUF_INIT, b = BUF_INIT;
	const char *word, *new;
	int n;

	if (config_store_place(path, parent, &usual) < 0 || strcmp(usual.data, dir) != 0)
		return;
	if (around_above(path, parent, &other) == 0) {
		word = hint_word(other.data, &a);
		log_warn("%s: is inside %s, which has a store: its snapshots up to now stay there (" RECOVER
			 " --workspace %s list %s), those from now on are its own", path, other.data, word,
			hint_word(path + (other.data[1] ? strlen(other.data) + 1 : 1), &b));
		return;
	}
	n = around_moved(path, parent, &other);
	if (n <= 0)
		return;
	word = hint_word(other.data, &a);
	new = hint_word(path, &b);
	log_warn("%s: begins a new store; %s is gone%s: if it was moved here, " RECOVER " drop %s and then " RECOVER
		 " adopt %s %s", path, other.data, n > 1 ? " (and others: " RECOVER " stores)" : "", new, word, new);
}

int permit_begin(const char *path, const char *dir, const char *parent)
{
	int r;

	if (around_is_store(dir))
		return 0;
	r = check_folder(path);
	if (r == 0)
		say_around(path, dir, parent);
	return r;
}

/* What is in it is as secret as the workspace's most secret file. */
static void close_to_others(struct store *s)
{
	struct stat st;

	if (fstat(store_dirfd(s), &st) < 0 || !(st.st_mode & 077))
		return;
	if (fchmod(store_dirfd(s), 0700) < 0)
		(void)log_warn_errno(-errno, "%s: is open to others (mode %04o)", store_dir(s),
			st.st_mode & 07777);
	else
		log_warn("%s: was open to others (mode %04o), is yours alone now", store_dir(s),
			st.st_mode & 07777);
}

int permit_store(const char *path, struct store *s, bool force)
{
	int r = keeper_check(store_dir(s), path, force);

	if (r == 0)
		close_to_others(s);
	if (r != -EPERM || !force)
		return r;
	r = io_replace_file(store_dirfd(s), "workspace", path, strlen(path), 0600);
	return r < 0 ? log_error_errno(r, "%s/workspace", store_dir(s)) : 0;
}

bool permit_extra(enum store_reason reason, const char *message)
{
	return message || reason == REASON_LAUNCH || reason == REASON_EXIT ||
	       reason == REASON_RISK || reason == REASON_RESTORE;
}
