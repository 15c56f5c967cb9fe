#include "strays.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/buf.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../store/store.h"

enum { NAMED = 5 };

/* One store: is the folder it keeps gone? */
static bool stray(int dirfd, const char *name, struct buf *ret)
{
	autoclose int at = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	buf_reset(ret);
	if (at < 0 || io_read_file(at, "workspace", 1 << 16, ret) < 0 || !ret->len)
		return false;
	ret->data[strcspn(ret->data, "\n")] = 0;
	return *ret->data == '/' && access(ret->data, F_OK) < 0 && errno == ENOENT;
}

void strays_name(const struct config *cfg)
{
	autoput(buf_release) struct buf parent = BUF_INIT, workspace = BUF_INIT;
	autoclosedir DIR *d = NULL;
	struct dirent *e;
	unsigned n = 0;

	if (store_place("/x", NULL, cfg->store_dir, &parent) < 0) {
		log_error("HOME is not set, so it is not known where stores lie: set it, or name "
			  "one with --store DIR");
		return;
	}
	*strrchr(parent.data, '/') = 0;
	if (!(d = opendir(parent.data))) {
		if (errno != ENOENT)
			(void)log_error_errno(-errno, "%s, where stores lie", parent.data);
		return;
	}
	while ((e = readdir(d)) && n <= NAMED) {
		if (*e->d_name == '.' || !stray(dirfd(d), e->d_name, &workspace))
			continue;
		if (n++ < NAMED)
			log_error("%s is gone (moved or deleted?) and has snapshots: " RECOVER
				  " --workspace %s list; "
				  "restore @ --to DIR makes a copy of them",
				workspace.data, workspace.data);
		else
			log_error("and more in %s", parent.data);
	}
}
