/* tests/tool_put.c - one snapshot of a folder through store.h alone: no daemon, no
 * rules, no stat cache. Lets the format and the sizes be judged without the rest.
 *
 *	tool_put STORE DIR [SEGMENT_BYTES]	prints the id of the newest snapshot then */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "lib/auto.h"
#include "lib/log.h"
#include "store/store.h"

struct put {
	struct store_txn *t;
	struct store *s;
	int root;
};

static int put_dir(struct put *p, const char *path);

static int put_one(struct put *p, const char *path)
{
	char target[4096];
	struct stat st;
	ssize_t n;

	if (fstatat(p->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return put_dir(p, path);
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(p->root, path, target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
		return store_txn_link(p->t, path, &st, target);
	}
	if (S_ISREG(st.st_mode)) {
		autoclose int fd = openat(p->root, path, O_RDONLY | O_CLOEXEC);

		return fd < 0 ? -errno : store_txn_file(p->t, path, fd, NULL);
	}
	return store_txn_skip(p->t, path, &st, WHY_SPECIAL);
}

static int put_dir(struct put *p, const char *path)
{
	int fd = openat(p->root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	autoput(buf_release) struct buf b = BUF_INIT;
	struct dirent *e;
	struct stat st;
	int r;

	if (!d || fstat(fd, &st) < 0)
		return -errno;
	r = store_txn_dir(p->t, path, &st);
	while (r >= 0 && (errno = 0, e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(e->d_name, ".git"))
			continue;
		buf_reset(&b);
		r = buf_printf(&b, "%s%s%s", path, *path ? "/" : "", e->d_name);
		if (r >= 0)
			r = put_one(p, b.data);
	}
	return r >= 0 && errno ? -errno : r;
}

static int drop_missing(const char *path, const struct store_entry *e, void *arg)
{
	struct put *p = arg;
	struct stat st;

	if (e->kind == KIND_GONE || !*path || fstatat(p->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return store_txn_gone(p->t, path);
}

int main(int argc, char **argv)
{
	struct store_options opt = { .workspace = "/nowhere" };
	struct store_commit how = { .reason = REASON_MANUAL };
	struct store_snapshot sn = { 0 };
	struct put p = { 0 };
	char hex[41];
	int r;

	log_init("tool_put", LOG_INFO);
	if (argc < 3 || argc > 4)
		return 2;
	opt.segment_size = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	p.root = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = p.root < 0 ? -errno : store_open(argv[1], STORE_WRITE, &opt, &p.s);
	if (r < 0)
		return log_error_errno(r, "%s", argv[1]), 4;
	r = store_txn_begin(p.s, &p.t);
	if (r >= 0)
		r = store_paths(p.s, drop_missing, &p);
	if (r >= 0)
		r = put_dir(&p, "");
	if (r < 0)
		return log_error_errno(r, "put"), 4;
	r = store_txn_commit(p.t, &how, &sn);
	if (r < 0)
		return log_error_errno(r, "commit"), 4;
	for (int i = 0; i < 20; i++)
		(void)sprintf(hex + 2 * i, "%02x", sn.id.b[i]);
	(void)puts(hex);
	store_snapshot_release(&sn);
	store_close(p.s);
	return 0;
}
