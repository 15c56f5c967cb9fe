/* editors/localhist.c - Local History: PLACE/User/History/H/entries.json names a resource and
 * when its copies were made; the copies lie beside it under four letters and the file's ending.
 * On a desktop entries.json comes only every five minutes and at a quit: after a crash the
 * newest copies are there without a line, and their own time counts, as for VSCode. */
#include "editors-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/io.h"
#include "../lib/jsonc.h"

enum { FOLDERS = 100000, COPIES = 2000, LIST_MAX = 1 << 20 };

struct search {
	const char *workspace, *path;
	int64_t since_ms;
	version_fn fn;
	void *arg;
	char plain[10]; /* the folder's name for file://PATH, when one path is asked for */
};

static int64_t ms_of(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000 + t->tv_nsec / 1000000;
}

/* The entry of a copy: its time and source; false: not listed. */
static bool find_entry(const struct jsonc *j, const char *name, int64_t *ret_ms, struct buf *source)
{
	int list = j->n ? jsonc_member(j, 0, "entries") : -1;
	double num;

	if (list < 0 || j->node[list].type != JSONC_ARRAY)
		return false;
	for (int i = j->node[list].first; i >= 0; i = j->node[i].next) {
		if (!jsonc_is(j, jsonc_member(j, i, "id"), name))
			continue;
		if (!jsonc_number(j, jsonc_member(j, i, "timestamp"), &num) || num > 9e15)
			return false;
		*ret_ms = (int64_t)num;
		if (!jsonc_string(j, jsonc_member(j, i, "source"), source))
			buf_reset(source);
		return true;
	}
	return false;
}

static bool is_copy(const char *name)
{
	for (int i = 0; i < 4; i++)
		if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
			    (name[i] >= '0' && name[i] <= '9')))
			return false;
	return (!name[4] || name[4] == '.') && strcmp(name, "entries.json") != 0;
}

static int each_copy(const struct search *s, const struct place *p, int fd, const char *folder,
	const struct jsonc *j, const char *path)
{
	autoput(buf_release) struct buf key = BUF_INIT, source = BUF_INIT;
	autoclosedir DIR *d = fdopendir(dup(fd));
	unsigned left = COPIES;
	const char *name;
	int r = 0;

	while (d && r == 0 && (name = editor_next(d, &left))) {
		struct version_file f = {
			.place = p, .path = path, .dirfd = fd, .name = name, .source = "File Saved"
		};
		struct stat st;

		if (!is_copy(name) || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISREG(st.st_mode))
			continue;
		if (!find_entry(j, name, &f.time_ms, &source))
			f.time_ms = ms_of(&st.st_mtim);
		else if (source.len)
			f.source = source.data;
		f.size = (uint64_t)st.st_size;
		buf_reset(&key);
		r = buf_printf(&key, "%s/%s/%s", p->id, folder, name);
		f.key = key.data;
		if (r == 0)
			r = s->fn(&f, s->arg);
		buf_reset(&source);
	}
	return r;
}

/* Which file of the workspace? NULL: none. */
static const char *resource(const struct search *s, const struct place *p, const struct jsonc *j,
	const char *folder, struct uri *u)
{
	autoput(buf_release) struct buf text = BUF_INIT;
	const char *below = NULL;

	if (j->n && jsonc_string(j, jsonc_member(j, 0, "resource"), &text) &&
		uri_parse(text.data, text.len, u) == 0) {
		if (strcmp(u->scheme.data, "file") == 0 ||
			(p->server && strcmp(u->scheme.data, "vscode-remote") == 0))
			below = editor_below(u->path.data, s->workspace);
		return below && (!s->path || strcmp(below, s->path) == 0) ? below : NULL;
	}
	/* No list yet: the folder's name is all there is. */
	if (s->path && strcmp(folder, s->plain) == 0)
		return s->path;
	if (s->path && p->server) {
		autoput(buf_release) struct buf whole = BUF_INIT;

		if (buf_printf(&whole, "%s/%s", s->workspace, s->path) == 0 &&
			editor_is_remote_of(folder, whole.data))
			return s->path;
	}
	return NULL;
}

static int each_folder(const struct search *s, const struct place *p, int hfd, const char *folder)
{
	autoclose int fd = editor_dir(hfd, folder);
	autoput(buf_release) struct buf list = BUF_INIT;
	autoput(jsonc_release) struct jsonc j = { 0 };
	autoput(uri_release) struct uri u = { .scheme = BUF_INIT };
	const char *path;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || ms_of(&st.st_mtim) < s->since_ms)
		return 0;
	if (io_read_file(fd, "entries.json", LIST_MAX, &list) == 0 && list.data &&
		jsonc_parse(list.data, list.len, &j) < 0)
		jsonc_release(&j);
	path = resource(s, p, &j, folder, &u);
	return path ? each_copy(s, p, fd, folder, &j, path) : 0;
}

static void plain_name(struct search *s)
{
	autoput(buf_release) struct buf whole = BUF_INIT, uri = BUF_INIT;

	if (s->path && buf_printf(&whole, "%s/%s", s->workspace, s->path) == 0 &&
		buf_addstr(&uri, "file://") == 0 && uri_encode_path(whole.data, &uri) == 0)
		(void)editor_hash_name(editor_hash(uri.data), s->plain);
}

int versions_each(const struct places *l, const char *workspace, const char *path, int64_t since_ms,
	version_fn fn, void *arg)
{
	struct search s = {
		.workspace = workspace, .path = path, .since_ms = since_ms, .fn = fn, .arg = arg
	};
	int r = 0;

	plain_name(&s);
	for (size_t i = 0; r == 0 && i < l->n; i++) {
		autoclose int pfd = open(l->p[i].path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int hfd = pfd < 0 ? -1 : editor_dir(pfd, "User/History");
		autoclosedir DIR *d = hfd < 0 ? NULL : fdopendir(hfd);
		unsigned left = FOLDERS;
		const char *folder;

		if (!d && hfd >= 0)
			(void)close(hfd);
		while (d && r == 0 && (folder = editor_next(d, &left)))
			r = each_folder(&s, &l->p[i], hfd, folder);
	}
	return r;
}
