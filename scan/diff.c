/* scan/diff.c - a snapshot beside the workspace, without writing.
 *
 * Three sorted lists per folder: what the snapshot has, what is there, and what the newest
 * snapshot recorded with the stat data of that moment, which saves reading what has not changed
 * since. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/io.h"
#include "../store/hash.h"
#include "at.h"
#include "scan-internal.h"
#include "temporary.h"

enum { PIECE = 128 << 10 };

struct diff {
	struct scan *s;
	struct store *st;
	uint64_t seq;
	scan_diff_fn fn;
	void *arg;
	char *piece;
	struct buf todo;
	struct at_near near;
};

static const struct store_entry nothing = { .kind = KIND_GONE };

static void fill(const struct stat *st, enum store_kind kind, struct store_entry *e)
{
	*e = (struct store_entry){
		.kind = kind,
		.mode = st->st_mode,
		.size = kind == KIND_DIR ? 0 : (uint64_t)st->st_size,
		.mtime_ns = scan_ns(&st->st_mtim),
		.ctime_ns = scan_ns(&st->st_ctim),
		.ino = st->st_ino,
	};
}

/* git's id of what fd holds now. -ESTALE: it changed meanwhile. */
static int hash_fd(struct diff *d, int fd, uint64_t size, struct oid *ret)
{
	uint64_t at = 0;
	struct hash h;

	hash_begin(&h, "blob", size);
	for (;;) {
		ssize_t k = io_pread_full(fd, d->piece, PIECE, (off_t)at);

		if (k < 0)
			return (int)k;
		if (k == 0)
			break;
		at += (uint64_t)k;
		if (at > size)
			return -ESTALE;
		hash_add(&h, d->piece, (size_t)k);
	}
	d->s->counts.read_files++;
	d->s->counts.read_bytes += at;
	if (at != size)
		return -ESTALE;
	hash_end(&h, ret);
	return 0;
}

static int hash_file(struct diff *d, int dirfd, const char *name, struct store_entry *is)
{
	autoclose int fd = at_open_file(dirfd, name);
	struct stat st;
	int r = -ESTALE;

	if (fd < 0)
		return fd;
	for (int i = 0; i < 3 && r == -ESTALE; i++) {
		if (fstat(fd, &st) < 0)
			return -errno;
		if (!S_ISREG(st.st_mode))
			return -ELOOP;
		fill(&st, KIND_FILE, is);
		r = hash_fd(d, fd, is->size, &is->oid);
	}
	return r;
}

static int hash_link(int dirfd, const char *name, struct store_entry *is)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target));

	if (n < 0)
		return -errno;
	store_hash("blob", target, (size_t)n, &is->oid);
	is->size = (uint64_t)n;
	return 0;
}

static int content(struct diff *d, int dirfd, const char *name, const struct stat *st,
	const struct store_entry *cur, struct store_entry *is)
{
	int r;

	if (cur->kind == is->kind && scan_unchanged(d->s, d->st, cur, st)) {
		is->oid = cur->oid;
		is->seq = cur->seq;
		return 0;
	}
	r = is->kind == KIND_LINK ? hash_link(dirfd, name, is) : hash_file(d, dirfd, name, is);
	if (r == -ENOENT || scan_is_ours(r))
		return r;
	if (r < 0) {
		is->flags |= ENTRY_KEPT;
		is->why = WHY_UNREADABLE;
	}
	return 0;
}

static bool absent(enum store_kind k)
{
	return k == KIND_GONE || k == KIND_SKIPPED;
}

/* What is at one path now. dirfd < 0: its folder is not there. */
static int look(struct diff *d, int dirfd, const char *name, const char *path,
	const struct store_entry *cur, struct store_entry *is)
{
	bool any_size = false, skipped;
	enum store_why why;
	struct stat st;
	int r;

	*is = nothing;
	if (dirfd < 0 || temporary_is_ours(d->st, path))
		return 0;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0;
		*is = (struct store_entry){
			.kind = KIND_SKIPPED, .flags = ENTRY_KEPT, .why = WHY_UNREADABLE
		};
		return 0;
	}
	r = rules_check(d->s->rules, path, S_ISDIR(st.st_mode), &why, &any_size);
	if (r < 0)
		return r;
	skipped = r == RULES_SKIP || (r == RULES_UNSURE && absent(cur->kind));
	if (r == RULES_UNSURE)
		why = WHY_UNREADABLE;
	if (!skipped && S_ISREG(st.st_mode) && !any_size &&
		(uint64_t)st.st_size > d->s->opt.cfg->max_file_size)
		skipped = true, why = WHY_TOO_LARGE;
	if (!skipped && S_ISDIR(st.st_mode) && st.st_dev != d->s->dev)
		skipped = true, why = WHY_OTHER_FS;
	if (!skipped && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		skipped = true, why = WHY_SPECIAL;
	fill(&st, skipped ? KIND_SKIPPED : S_ISDIR(st.st_mode) ? KIND_DIR :
		S_ISREG(st.st_mode) ? KIND_FILE : KIND_LINK, is);
	if (skipped)
		is->why = why;
	if (skipped || is->kind == KIND_DIR)
		return 0;
	r = content(d, dirfd, name, &st, cur, is);
	if (r == -ENOENT)
		*is = nothing;
	else if (r < 0)
		return r;
	return scan_tick(d->s);
}

static bool differ(const struct store_entry *was, const struct store_entry *is)
{
	if (absent(was->kind) && absent(is->kind))
		return false;
	return was->kind != is->kind || was->mode != is->mode || was->mtime_ns != is->mtime_ns ||
		(is->flags & ENTRY_KEPT) || memcmp(&was->oid, &is->oid, sizeof(was->oid)) != 0;
}

static int tell(struct diff *d, const char *path, const struct store_entry *was,
	const struct store_entry *is)
{
	int r = differ(was, is) ? d->fn(path, was, is, d->arg) : 0;

	if (r || (was->kind != KIND_DIR && is->kind != KIND_DIR))
		return r;
	r = buf_addch(&d->todo, '\0');
	return r < 0 ? r : buf_addstr(&d->todo, path);
}

/* The entry of name, where the list stands or further on; the position moves there. */
static const struct store_entry *seek(const struct known *k, size_t *at, const char *name)
{
	int c = -1;

	while (*at < k->n && (c = strcmp(known_name(k, *at), name)) < 0)
		++*at;
	return *at < k->n && c == 0 ? &k->at[*at].e : &nothing;
}

static int compare(struct diff *d, const char *dir, int dirfd, const struct listing *names,
	const struct known *was, const struct known *cur)
{
	autoput(buf_release) struct buf path = BUF_INIT;
	size_t i = 0, k = 0, c = 0;
	int r = 0;

	while (r == 0 && (i < names->n || k < was->n)) {
		int order = i == names->n ? 1 : k == was->n ? -1 :
			strcmp(listing_name(names, i), known_name(was, k));
		const char *name = order <= 0 ? listing_name(names, i) : known_name(was, k);
		struct store_entry is;

		buf_reset(&path);
		if (buf_printf(&path, "%s%s%s", dir, *dir ? "/" : "", name) < 0)
			return -ENOMEM;
		r = look(d, dirfd, name, path.data, seek(cur, &c, name), &is);
		if (r == 0)
			r = tell(d, path.data, order >= 0 ? &was->at[k].e : &nothing, &is);
		i += order <= 0;
		k += order >= 0;
	}
	return r;
}

static int folder_unreadable(struct diff *d, const char *dir, int why)
{
	struct store_entry was,
		is = { .kind = KIND_DIR, .flags = ENTRY_KEPT, .why = WHY_UNREADABLE };

	if (scan_is_ours(why))
		return why;
	if (store_entry_at(d->st, d->seq, dir, &was) < 0)
		was = nothing;
	return d->fn(dir, &was, &is, d->arg);
}

static int folder(struct diff *d, const char *dir)
{
	autoput(listing_release) struct listing names = { 0 };
	autoput(known_release) struct known was = { 0 };
	autoput(known_release) struct known cur = { 0 };
	autoclose int fd =
		at_open_near(d->s->rootfd, &d->near, dir, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	int r = fd < 0 ? fd : listing_read(&names, fd);

	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
		auto_close_(&fd), fd = -1, names.n = 0;
	else if (r < 0)
		return folder_unreadable(d, dir, r);
	r = known_read_at(&was, d->st, d->seq, dir);
	if (r == 0)
		r = known_read(&cur, d->st, dir);
	return r < 0 ? r : compare(d, dir, fd, &names, &was, &cur);
}

static int drain(struct diff *d)
{
	int r = 0;

	while (r == 0 && d->todo.len) {
		const char *nul = memrchr(d->todo.data, '\0', d->todo.len);
		autofree char *dir = strdup(nul + 1);

		d->todo.len = (size_t)(nul - d->todo.data);
		r = dir ? folder(d, dir) : -ENOMEM;
		if (r == 0)
			r = scan_tick(d->s);
	}
	return r;
}

static int one_path(struct diff *d, const char *path)
{
	struct store_entry was, cur, is;
	autofree char *parent = NULL;
	autoclose int dir = -1;
	size_t len;
	const char *base = at_base(path, &len);
	int r;

	parent = strndup(path, len);
	if (!parent)
		return -ENOMEM;
	r = store_entry_at(d->st, d->seq, path, &was);
	if (r == -ENOENT || r == -ENOTDIR)
		was = nothing;
	else if (r < 0)
		return r;
	if (store_cur_get(d->st, path, &cur) < 0)
		cur = nothing;
	dir = at_open(d->s->rootfd, parent, O_PATH | O_DIRECTORY);
	if (scan_is_ours(dir))
		return dir;
	r = look(d, dir, base, path, &cur, &is);
	if (r == 0)
		r = tell(d, path, &was, &is);
	return r ? r : drain(d);
}

static int everything(struct diff *d)
{
	int r = buf_addch(&d->todo, '\0');

	return r < 0 ? r : drain(d);
}

int scan_diff(struct scan *s, struct store *st, uint64_t seq, const char *const *paths,
	scan_diff_fn fn, void *arg)
{
	struct diff d = {
		.s = s, .st = st, .seq = seq, .fn = fn, .arg = arg, .near = { .fd = -1 }
	};
	int r = scan_present(s);

	if (r < 0)
		return r;
	rules_forget(s->rules, "");
	d.piece = malloc(PIECE);
	if (!d.piece)
		r = -ENOMEM;
	else if (!paths)
		r = everything(&d);
	for (size_t i = 0; r == 0 && paths && paths[i]; i++)
		r = *paths[i] ? one_path(&d, paths[i]) : everything(&d);
	free(d.piece);
	buf_release(&d.todo);
	at_forget(&d.near);
	return r;
}
