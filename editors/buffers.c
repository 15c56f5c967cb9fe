/* editors/buffers.c - the backups of a workspace: PLACE/Backups/W/SCHEME/NAME, on a server
 * PLACE/User/Backups/... */
#define OPENSSL_SUPPRESS_DEPRECATED	/* plain MD5 takes no memory; EVP does not look whether it got some */
#include "editors-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <openssl/md5.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/io.h"
#include "../lib/text.h"

enum { WINDOWS = 4096, SCHEMES = 32, FILES = 4096, HEAD = 16384 };

static const char *const roots[] = { "Backups", "User/Backups" };

static void md5_hex(const char *s, char out[33])
{
	uint8_t sum[MD5_DIGEST_LENGTH];

	MD5((const unsigned char *)s, strlen(s), sum);
	text_hex(sum, sizeof(sum), out);
}

bool editor_is_window(const struct place *p, const char *w, const char *workspace)
{
	char hex[33];

	md5_hex(workspace, hex);
	if (strcmp(w, hex) == 0)
		return true;
	return p->server && strlen(w) <= 9 && editor_is_remote_of(w, workspace);
}

/* Does the file's first line name something in the workspace? */
static bool names_ours(int dirfd, const char *name, const struct place *p, const char *workspace)
{
	autoclose int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct backup b;
	char head[HEAD];
	bool untitled, ours;
	ssize_t n;

	if (fd < 0 || (n = io_read_full(fd, head, sizeof(head))) <= 0 ||
		backup_parse(head, (size_t)n, &b) < 0)
		return false;
	ours = backup_name(&b, p, workspace, &untitled) != NULL && !untitled;
	backup_release(&b);
	return ours;
}

/* Any file of a window's folder: then the folder is one of ours, its untitled buffers too. */
static bool holds_ours(int wfd, const struct place *p, const char *workspace)
{
	static const char *const schemes[] = { "file", "vscode-remote" };
	bool found = false;

	for (size_t i = 0; !found && i < sizeof(schemes) / sizeof(*schemes); i++) {
		int fd = editor_dir(wfd, schemes[i]);
		autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
		unsigned left = FILES;
		const char *name;

		while (d && !found && (name = editor_next(d, &left)))
			found = names_ours(fd, name, p, workspace);
		if (!d && fd >= 0)
			(void)close(fd);
	}
	return found;
}

struct walk {
	const char *workspace;
	buffer_fn fn;
	void *arg;
};

static int each_file(
	const struct walk *x, const struct place *p, int sfd, const char *w, const char *scheme)
{
	autoput(buf_release) struct buf key = BUF_INIT;
	autoclosedir DIR *d = fdopendir(dup(sfd));
	unsigned left = FILES;
	const char *name;
	int r = 0;

	while (d && r == 0 && (name = editor_next(d, &left))) {
		struct buffer_file f = { .place = p, .dirfd = sfd, .name = name };

		if (fstatat(sfd, name, &f.st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(f.st.st_mode))
			continue;
		buf_reset(&key);
		r = buf_printf(&key, "%s/%s/%s/%s", p->id, w, scheme, name);
		f.key = key.data;
		if (r == 0)
			r = x->fn(&f, x->arg);
	}
	return r;
}

static int each_scheme(const struct walk *x, const struct place *p, int wfd, const char *w)
{
	autoclosedir DIR *d = fdopendir(dup(wfd));
	unsigned left = SCHEMES;
	const char *name;
	int r = 0;

	while (d && r == 0 && (name = editor_next(d, &left))) {
		autoclose int sfd = editor_dir(wfd, name);

		if (sfd >= 0)
			r = each_file(x, p, sfd, w, name);
	}
	return r;
}

/* fn gets each window's folder of a place; ours: it is the workspace's. */
static int each_window(const struct place *p, const char *workspace,
	int (*fn)(const struct place *p, const char *root, int wfd, const char *w, void *arg),
	void *arg)
{
	autoclose int pfd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	for (size_t i = 0; pfd >= 0 && r == 0 && i < sizeof(roots) / sizeof(*roots); i++) {
		int fd = editor_dir(pfd, roots[i]);
		autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
		unsigned left = WINDOWS;
		const char *w;

		if (!d && fd >= 0)
			(void)close(fd);
		while (d && r == 0 && (w = editor_next(d, &left))) {
			autoclose int wfd = editor_dir(fd, w);

			if (wfd >= 0 && (editor_is_window(p, w, workspace) ||
						holds_ours(wfd, p, workspace)))
				r = fn(p, roots[i], wfd, w, arg);
		}
	}
	return r;
}

static int walk_window(const struct place *p, const char *root, int wfd, const char *w, void *arg)
{
	(void)root;
	return each_scheme(arg, p, wfd, w);
}

int buffers_each(const struct places *l, const char *workspace, buffer_fn fn, void *arg)
{
	struct walk x = { workspace, fn, arg };
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n; i++)
		r = each_window(&l->p[i], workspace, walk_window, &x);
	return r;
}

struct folders {
	int (*fn)(const char *path, void *arg);
	void *arg;
};

static int tell(const struct folders *f, const char *a, const char *b, const char *c, const char *d)
{
	autoput(buf_release) struct buf path = BUF_INIT;
	int r = buf_printf(
		&path, "%s/%s%s%s%s%s", a, b, c ? "/" : "", c ? c : "", d ? "/" : "", d ? d : "");

	return r < 0 ? r : f->fn(path.data, f->arg);
}

static int tell_window(const struct place *p, const char *root, int wfd, const char *w, void *arg)
{
	autoclosedir DIR *d = fdopendir(dup(wfd));
	unsigned left = SCHEMES;
	const char *name;
	int r = tell(arg, p->path, root, w, NULL);

	while (d && r == 0 && (name = editor_next(d, &left)))
		r = tell(arg, p->path, root, w, name);
	return r;
}

int buffers_folders(const struct places *l, const char *workspace,
	int (*fn)(const char *path, void *arg), void *arg)
{
	struct folders f = { fn, arg };
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n; i++) {
		for (size_t k = 0; r == 0 && k < sizeof(roots) / sizeof(*roots); k++) {
			autoput(buf_release) struct buf path = BUF_INIT;

			r = buf_printf(&path, "%s/%s", l->p[i].path, roots[k]);
			if (r == 0 && access(path.data, F_OK) == 0)
				r = fn(path.data, arg);
		}
		if (r == 0)
			r = each_window(&l->p[i], workspace, tell_window, &f);
	}
	return r;
}
