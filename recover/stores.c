#include "stores.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "xalloc.h"

int stores_parent(const struct recover *r, struct buf *ret)
{
	buf_reset(ret);
	if (store_place("/x", NULL, r->cfg.store_dir, ret) < 0) {
		log_error("HOME is not set, so it is not known where stores lie: set it");
		return EXIT_ENV;
	}
	ret->len = (size_t)(strrchr(ret->data, '/') - ret->data);
	ret->data[ret->len] = 0;
	return EXIT_DONE;
}

int stores_workspace(const char *dir, struct buf *ret)
{
	autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	buf_reset(ret);
	if (fd < 0 || fstatat(fd, "log", &st, 0) < 0)
		return -errno;
	if (!store_is(fd))
		return -ENOENT;
	r = io_read_file(fd, "workspace", 1 << 16, ret);
	if (ret->len)
		ret->len = strcspn(ret->data, "\n"), ret->data[ret->len] = 0;
	return r == -ENOENT ? buf_addstr(ret, "") : r;
}

int stores_find(
	const struct recover *r, const char *word, struct buf *ret_dir, struct buf *ret_workspace)
{
	autoput(buf_release) struct buf path = BUF_INIT;
	int e = stores_workspace(word, ret_workspace);

	buf_reset(ret_dir);
	if (e == 0)
		return store_canonical(word, ret_dir) < 0 ? EXIT_ENV : EXIT_DONE;
	if ((e = store_canonical(word, &path)) < 0 ||
	    (e = store_place(path.data, NULL, r->cfg.store_dir, ret_dir)) < 0) {
		log_error_errno(e, "%s", word);
		return EXIT_ENV;
	}
	if ((e = stores_workspace(ret_dir->data, ret_workspace)) == 0)
		return EXIT_DONE;
	if (e == -ENOENT)
		log_error("%s: is no store, and no workspace that has one; " RECOVER
			  " stores lists them",
			word);
	else
		log_error_errno(e, "%s", ret_dir->data);
	return EXIT_ENV;
}

int stores_lock(const char *dir, struct store **ret)
{
	autoput(buf_release) struct buf workspace = BUF_INIT;
	pid_t pid = 0;
	int e = store_open(dir, STORE_WRITE, NULL, ret);

	if (e == -EBUSY) {
		(void)store_writer(dir, &pid);
		(void)stores_workspace(dir, &workspace);
		if (pid)
			log_error("%s: process %d (" SNAPD "?) has it; " SNAPD
				  " --workspace %s --stop ends it",
				dir, (int)pid, workspace.len ? workspace.data : "DIR");
		else
			log_error("%s: is in use", dir);
		return EXIT_ENV;
	}
	if (e < 0) {
		log_error_errno(e, "%s", dir);
		return EXIT_ENV;
	}
	return EXIT_DONE;
}
