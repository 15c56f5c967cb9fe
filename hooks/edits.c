/* hooks/edits.c - files before and after, shown as git shows them. */
#include "hooks-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/gitlib.h"
#include "../lib/io.h"
#include "../lib/log.h"

enum { FILE_MAX_SIZE = 4 << 20 };

static void copy(struct buf *to, const struct buf *from)
{
	buf_reset(to);
	must(buf_reserve(to, from->len + 1));
	if (from->len)
		must(buf_add(to, from->data, from->len));
	to->data[to->len] = '\0';
}

static int load(struct change *c)
{
	autoclose int fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	c->had = true;
	c->mode = st.st_mode & 07777;
	return io_read_rest(fd, FILE_MAX_SIZE, &c->old);
}

/* A link whose end is not there is made to lead somewhere; so its end is what counts. */
static char *real_path(const char *path)
{
	char *real = realpath(path, NULL), target[PATH_MAX];
	ssize_t n;

	if (real)
		return real;
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return text_of("%s", path);
	target[n] = '\0';
	return *target == '/' ? text_of("%s", target)
			      : text_of("%.*s/%s", (int)(strrchr(path, '/') - path), path, target);
}

struct change *changes_file(struct changes *l, const char *path, mode_t mode)
{
	struct change c = { .mode = mode };
	int r;

	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->c[i].path, path) == 0)
			return &l->c[i];
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 16;
		l->c = realloc(l->c, l->cap * sizeof(*l->c));
		must(l->c ? 0 : -ENOMEM);
	}
	c.path = text_of("%s", path);
	c.real = real_path(path);
	r = load(&c);
	if (r == -ENOENT || r == -ENOTDIR)
		r = 0;
	if (r < 0) {
		log_warn("%s: left alone: %s", path,
			r == -EINVAL ? "it is no ordinary file" : err_str(r));
		free(c.path);
		free(c.real);
		buf_release(&c.old);
		return NULL;
	}
	must(buf_reserve(&c.old, 1));
	c.old.data[c.old.len] = '\0';
	copy(&c.now, &c.old);
	l->c[l->n] = c;
	return &l->c[l->n++];
}

void change_set(struct change *c, const char *p, size_t n)
{
	const struct buf b = { (char *)p, n, 0 };

	copy(&c->now, &b);
}

bool change_differs(const struct change *c)
{
	if (c->gone)
		return c->had;
	return c->now.len != c->old.len ||
	       (c->now.len && memcmp(c->now.data, c->old.data, c->now.len) != 0) ||
	       (!c->had && c->now.len);
}

bool changes_any(const struct changes *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (change_differs(&l->c[i]))
			return true;
	return false;
}

/* What stands in the files may have come with somebody's repository: a terminal is not to obey it. */
static int put(const char *p, size_t n)
{
	static int terminal = -1;

	if (terminal < 0)
		terminal = isatty(STDOUT_FILENO);
	if (!terminal)
		return fwrite(p, 1, n, stdout) == n ? 0 : -1;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];
		bool end = c == '\r' && i + 1 < n && p[i + 1] == '\n';

		if (fputc((c < ' ' && c != '\t' && c != '\n' && !end) || c == 0x7f ? '?' : c,
			    stdout) == EOF)
			return -1;
	}
	return 0;
}

static int print_line(
	const git_diff_delta *d, const git_diff_hunk *h, const git_diff_line *line, void *arg)
{
	(void)d, (void)h, (void)arg;
	if (line->origin == ' ' || line->origin == '+' || line->origin == '-')
		fputc(line->origin, stdout);
	else if (line->origin == GIT_DIFF_LINE_FILE_HDR)
		return 0;
	return put(line->content, line->content_len);
}

static git_patch *patch_of(const struct change *c)
{
	git_diff_options opt;
	git_patch *p = NULL;

	(void)git_diff_options_init(&opt, GIT_DIFF_OPTIONS_VERSION);
	opt.context_lines = 2;
	return git_patch_from_buffers(&p, c->old.data, c->had ? c->old.len : 0, NULL, c->now.data,
		       c->gone ? 0 : c->now.len, NULL, &opt) < 0
		       ? NULL
		       : p;
}

static void show(const struct change *c)
{
	bool link = c->had && strcmp(c->real, c->path) != 0;
	autofree char *head = text_of("--- %s\n+++ %s%s%s%s\n", c->had ? c->path : "/dev/null",
		c->gone ? "/dev/null" : c->path, link ? "  (a link to " : "", link ? c->real : "",
		link ? ")" : "");
	git_patch *p = patch_of(c);

	(void)put(head, strlen(head));
	if (!p || git_patch_print(p, print_line, NULL) < 0)
		log_warn("%s: its change cannot be shown", c->path);
	git_patch_free(p);
}

/* The whole does not fit a screen: what one is asked about stands in some lines under it. */
static void sum_up(const struct change *c)
{
	size_t context = 0, more = 0, less = 0;
	git_patch *p = patch_of(c);
	autofree char *line = NULL;

	if (p)
		(void)git_patch_line_stats(&context, &more, &less, p);
	git_patch_free(p);
	line = text_of("%8s %5zu lines more, %zu less: %s\n",
		c->gone  ? "removed"
		: c->had ? "changed"
			 : "new",
		more, less, c->path);
	(void)put(line, strlen(line));
}

void changes_show(const struct changes *l)
{
	(void)gitlib_init();
	for (size_t i = 0; i < l->n; i++)
		if (change_differs(&l->c[i]))
			show(&l->c[i]);
	(void)puts("");
	for (size_t i = 0; i < l->n; i++)
		if (change_differs(&l->c[i]))
			sum_up(&l->c[i]);
	(void)fflush(stdout);
	git_libgit2_shutdown();
}

/* Between the question and the answer somebody may have saved it. */
static bool is_as_it_was(int dirfd, const char *name, const struct change *c)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	return io_read_file(dirfd, name, c->old.len + 1, &b) == 0 && b.len == c->old.len &&
	       (!b.len || memcmp(b.data, c->old.data, b.len) == 0);
}

static int write_one(const struct change *c)
{
	autofree char *dir = text_of("%.*s", (int)(strrchr(c->real, '/') - c->real), c->real);
	const char *name = strrchr(c->real, '/') + 1;
	autoclose int fd = -1;
	int r;

	if (c->gone && c->had && access(c->path, F_OK) == 0 && !is_as_it_was(AT_FDCWD, c->path, c))
		return -ESTALE;
	if (c->gone)
		return unlink(c->path) < 0 && errno != ENOENT ? -errno : 0;
	r = io_mkdir_p(AT_FDCWD, *dir ? dir : "/", 0777);
	if (r < 0)
		return r;
	fd = open(*dir ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (c->had && !is_as_it_was(fd, name, c))
		return -ESTALE;
	return io_replace_file(fd, name, c->now.data, c->now.len, c->mode);
}

int changes_apply(struct changes *l)
{
	int failed = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct change *c = &l->c[i];
		int r = change_differs(c) ? write_one(c) : 0;

		if (r == 0)
			continue;
		c->failed = true;
		failed++;
		(void)log_error_errno(r, "%s", c->path);
	}
	return failed;
}

void changes_release(struct changes *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->c[i].path);
		free(l->c[i].real);
		buf_release(&l->c[i].old);
		buf_release(&l->c[i].now);
	}
	free(l->c);
	*l = (struct changes){ 0 };
}
