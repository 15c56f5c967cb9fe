/* scan/walk.c - from the workspace into a transaction.
 *
 * No descriptor is held while a subfolder is looked at: each folder is opened anew from
 * the workspace, without following links, so neither depth nor the limit of open
 * files matters, and a folder that becomes a link meanwhile is met as a link.
 *
 * The one rule behind all of it: only ENOENT for the path itself in a folder that is there says
 * that something is gone. Every other failure keeps what the store
 * has. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "../lib/auto.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/text.h"
#include "at.h"
#include "scan-internal.h"
#include "temporary.h"

#define NEWS_NS (INT64_C(3600) * 1000000000)

enum {
	TRIES = 3,		/* for what turns into something else while we look */
	RETRIES = 10000,	/* of all that in one walk */
	TICK_FILES = 64,
};

struct walk {
	struct scan *s;
	struct store *st;
	struct store_txn *t;
	bool read;		/* files are read whatever stat says */
	int64_t begun_ns;
	int retries;
	struct listing names;
	struct known known;
	struct buf todo;	/* folders to look at: their paths, each behind a NUL: "\0a\0b/c" */
	struct buf path;
};

/* One path, and where it is. */
struct spot {
	int dirfd;
	const char *name, *path;
	const struct store_entry *was;	/* kind GONE if the store does not know it */
};

static const struct store_entry unknown = { .kind = KIND_GONE };

static void walk_release(struct walk *w)
{
	listing_release(&w->names);
	known_release(&w->known);
	buf_release(&w->todo);
	buf_release(&w->path);
}

static int later(struct walk *w, const char *path)
{
	int r = buf_addch(&w->todo, '\0');

	return r < 0 ? r : buf_addstr(&w->todo, path);
}

static bool pop(struct walk *w, struct buf *path)
{
	const char *nul;

	if (!w->todo.len)
		return false;
	nul = memrchr(w->todo.data, '\0', w->todo.len);
	buf_reset(path);
	if (buf_addstr(path, nul + 1) < 0)
		return false;
	w->todo.len = (size_t)(nul - w->todo.data);
	return true;
}

static int gone(struct walk *w, const struct spot *at)
{
	return at->was->kind == KIND_GONE ? 0 : store_txn_gone(w->t, at->path);
}

/* It is not in the snapshot as it is now. */
static void not_taken(struct walk *w, const char *path, int why)
{
	w->s->counts.unreadable++;
	if (w->s->opt.not_taken)
		w->s->opt.not_taken(path, why, w->s->opt.arg);
}

static int keep(struct walk *w, const struct spot *at, const struct stat *st, int why)
{
	not_taken(w, at->path, why);
	/* Said once: as long as it stays so, the manifest has it. */
	if (w->s->opt.name_known ||
		(!(at->was->flags & ENTRY_KEPT) && at->was->why != WHY_UNREADABLE))
		(void)log_warn_errno(
			why, "%s: cannot be read, not in the snapshot as it is now", at->path);
	return store_txn_keep(w->t, at->path, st, WHY_UNREADABLE);
}

/* A file that is not stored and grows all the time is not worth a snapshot each time: a line
 * when its size is another, or an hour after the last. */
static bool is_news(const struct store_entry *was, const struct stat *st)
{
	uint64_t size = (uint64_t)st->st_size;
	int64_t later = scan_ns(&st->st_mtim) - was->mtime_ns;

	return size / 3 > was->size / 2 || was->size / 3 > size / 2 || later >= NEWS_NS ||
	       later <= -NEWS_NS;
}

static int skip(struct walk *w, const struct spot *at, const struct stat *st, enum store_why why)
{
	const struct store_entry *was = at->was;

	w->s->counts.skipped++;
	w->s->counts.skipped_bytes += S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	if (was->kind == KIND_SKIPPED && was->why == why &&
		(why != WHY_TOO_LARGE || !is_news(was, st)))
		return 0;
	return store_txn_skip(w->t, at->path, st, why);
}

/* -EAGAIN: it is something else now, look again. */
static int put_link(struct walk *w, const struct spot *at, const struct stat *st)
{
	char target[PATH_MAX + 1];
	ssize_t n;

	if (scan_unchanged(w->s, w->st, at->was, st) && at->was->kind == KIND_LINK)
		return 0;
	n = readlinkat(at->dirfd, at->name, target, sizeof(target) - 1);
	if (n < 0 && (errno == EINVAL || errno == ENOENT))
		return -EAGAIN;
	if (n < 0)
		return keep(w, at, st, -errno);
	target[n] = '\0';
	return store_txn_link(w->t, at->path, st, target);
}

/* Whose failure was it, the file's or the store's? */
static bool can_read(int fd)
{
	char piece[65536];
	off_t at = 0;
	ssize_t n;

	while ((n = io_pread_full(fd, piece, sizeof(piece), at)) > 0)
		at += n;
	return n == 0;
}

static int put_file(struct walk *w, const struct spot *at, const struct stat *listed, bool any_size)
{
	autoclose int fd = at_open_file(at->dirfd, at->name);
	struct store_entry e;
	struct stat st;
	int r;

	if (fd == -ENOENT || fd == -ELOOP || fd == -ENXIO || fd == -ENODEV)
		return -EAGAIN;
	if (fd < 0)
		return scan_is_ours(fd) ? fd : keep(w, at, listed, fd);
	if (fstat(fd, &st) < 0)
		return keep(w, at, listed, -errno);
	if (!S_ISREG(st.st_mode))
		return -EAGAIN;
	if (!any_size && (uint64_t)st.st_size > w->s->opt.cfg->max_file_size)
		return skip(w, at, &st, WHY_TOO_LARGE);
	r = store_txn_file(w->t, at->path, fd, &e);
	if (r == -EIO && can_read(fd))
		r = store_txn_file(w->t, at->path, fd, &e);	/* a disk may err once */
	if (r == -ESTALE)	/* it never stood still: the others must not wait for it */
		return keep(w, at, &st, r);
	if (r < 0 && !scan_is_ours(r) && r != -ENOSPC && !can_read(fd))
		return keep(w, at, &st, r);
	if (r < 0)
		return r;
	w->s->counts.read_files++;
	w->s->counts.read_bytes += e.size;
	return w->s->counts.read_files % TICK_FILES ? 0 : scan_tick(w->s);
}

static int regular(struct walk *w, const struct spot *at, const struct stat *st, bool any_size)
{
	w->s->counts.files++;
	if (st->st_nlink > 1 && w->s->opt.linked)
		w->s->opt.linked(at->path, st, w->s->opt.arg);
	if (!any_size && (uint64_t)st->st_size > w->s->opt.cfg->max_file_size)
		return skip(w, at, st, WHY_TOO_LARGE);
	if (!w->read && at->was->kind == KIND_FILE && scan_unchanged(w->s, w->st, at->was, st))
		return 0;
	return put_file(w, at, st, any_size);
}

/* Of name in dirfd, or of dirfd. Where /proc is not there it is not known. */
static uint32_t folder_flags(int dirfd, const char *name, const struct stat *st)
{
	static const char acl[] = "system.posix_acl_access";
	char path[NAME_MAX + 40];
	ssize_t n;

	if (!(st->st_mode & 070))	/* with a list they are its mask: there is none without */
		return 0;
	if (!name) {
		n = fgetxattr(dirfd, acl, NULL, 0);
	} else {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
		n = lgetxattr(path, acl, NULL, 0);
	}
	return n > 0 ? ENTRY_ACL : 0;
}

static int folder_itself(struct walk *w, const struct spot *at, const struct stat *st)
{
	const struct store_entry *e = at->was;

	if (e->kind == KIND_DIR && e->mode == st->st_mode && e->mtime_ns == scan_ns(&st->st_mtim) &&
		!(e->flags & ENTRY_KEPT))
		return 0;
	return store_txn_dir_flags(
		w->t, at->path, st, folder_flags(at->dirfd, at->path[0] ? at->name : NULL, st));
}

static int folder(
	struct walk *w, const struct spot *at, const struct stat *st, enum scan_depth depth)
{
	bool known = at->was->kind == KIND_DIR && !(at->was->flags & ENTRY_KEPT);
	int r;

	if (st->st_dev != w->s->dev)
		return skip(w, at, st, WHY_OTHER_FS);
	r = folder_itself(w, at, st);
	return r < 0 || (depth < SCAN_TREE && known) ? r : later(w, at->path);
}

/* The patterns that would tell cannot be read: what it was it stays. As ruled_out. */
static int unsure(struct walk *w, const struct spot *at, const struct stat *st)
{
	struct stat now;
	int r;

	if (at->was->kind != KIND_GONE && at->was->kind != KIND_SKIPPED)
		return 0;
	if (!st && fstatat(at->dirfd, at->name, &now, AT_SYMLINK_NOFOLLOW) < 0) {
		r = errno == ENOENT ? gone(w, at) : 0;
		return r < 0 ? r : 1;
	}
	if (at->was->kind == KIND_SKIPPED && at->was->why != WHY_UNREADABLE) {
		w->s->counts.skipped++;
		return 1;
	}
	not_taken(w, at->path, -EACCES);
	r = store_txn_keep(w->t, at->path, st ? st : &now, WHY_UNREADABLE);
	return r < 0 ? r : 1;
}

/* 1: skipped by the rules, nothing more to do. *ret_any_size: the size limit does not apply. */
static int ruled_out(struct walk *w, const struct spot *at, const struct stat *st, bool is_dir,
	bool *ret_any_size)
{
	enum store_why why;
	struct stat now;
	int r;

	r = rules_check(w->s->rules, at->path, is_dir, &why, ret_any_size);
	if (r == RULES_UNSURE)
		return unsure(w, at, st);
	if (r != RULES_SKIP)
		return r < 0 ? r : 0;
	if (why == WHY_NONE) {
		r = gone(w, at);
		return r < 0 ? r : 1;
	}
	if (!st && at->was->kind == KIND_SKIPPED && at->was->why == why) {
		w->s->counts.skipped++;
		return 1;
	}
	if (!st && fstatat(at->dirfd, at->name, &now, AT_SYMLINK_NOFOLLOW) < 0) {
		r = errno == ENOENT ? gone(w, at) : 0;
		return r < 0 ? r : 1;
	}
	if (!st)
		st = &now;
	r = skip(w, at, st, why);
	return r < 0 ? r : 1;
}

/* One look at one path. -EAGAIN: it changed its kind meanwhile. */
static int look(struct walk *w, const struct spot *at, unsigned char type, enum scan_depth depth)
{
	bool any_size = false, is_dir = type == DT_DIR;
	struct stat st;
	int r;

	if (temporary_is_ours(w->st, at->path))
		return gone(w, at);
	if (type != DT_UNKNOWN && (r = ruled_out(w, at, NULL, is_dir, &any_size)) != 0)
		return r < 0 ? r : 0;
	if (fstatat(at->dirfd, at->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return gone(w, at);
		return scan_is_ours(-errno) ? -errno : keep(w, at, NULL, -errno);
	}
	if (type == DT_UNKNOWN || S_ISDIR(st.st_mode) != is_dir) {
		r = ruled_out(w, at, &st, S_ISDIR(st.st_mode), &any_size);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		return folder(w, at, &st, depth);
	case S_IFREG:
		return regular(w, at, &st, any_size);
	case S_IFLNK:
		w->s->counts.files++;
		return put_link(w, at, &st);
	default:
		return skip(w, at, &st, WHY_SPECIAL);
	}
}

/* A path that no store can hold: it is named, and what is beside it goes on. */
static int too_long(struct walk *w, const struct spot *at)
{
	size_t n = strlen(at->path);

	not_taken(w, at->path, -ENAMETOOLONG);
	log_warn("%.60s...: the path is too long (%zu bytes), not in the snapshot, nor what is "
		 "below it",
		at->path, n);
	return 0;
}

static int look_until_settled(
	struct walk *w, const struct spot *at, unsigned char type, enum scan_depth depth)
{
	int r = look(w, at, type, depth);

	for (int i = 1; r == -EAGAIN && i < TRIES; i++)
		r = look(w, at, DT_UNKNOWN, depth);
	if (r == -ENAMETOOLONG)
		return too_long(w, at);
	return r == -EAGAIN || r == -EFBIG || r == -EEXIST ? keep(w, at, NULL, r) : r;
}

static int full_path(struct walk *w, const char *dir, const char *name)
{
	buf_reset(&w->path);
	if ((*dir && (buf_addstr(&w->path, dir) < 0 || buf_addch(&w->path, '/') < 0)) ||
		buf_addstr(&w->path, name) < 0)
		return -ENOMEM;
	return 0;
}

static int child(struct walk *w, int dirfd, const char *dir, const char *name, unsigned char type,
	const struct store_entry *was, enum scan_depth depth)
{
	struct spot at = { .dirfd = dirfd, .name = name, .was = was };
	int r = full_path(w, dir, name);

	at.path = w->path.data;
	return r < 0 ? r : look_until_settled(w, &at, type, depth);
}

/* Both lists are sorted: walk them side by side. */
static int compare(struct walk *w, int dirfd, const char *dir, enum scan_depth depth)
{
	size_t i = 0, k = 0;
	int r = 0;

	while (r >= 0 && (i < w->names.n || k < w->known.n)) {
		int c = i == w->names.n ? 1 : k == w->known.n ? -1 :
			strcmp(listing_name(&w->names, i), known_name(&w->known, k));

		if (c > 0) {
			/* A listing may miss a name that is replaced by rename(2) while it is read
			 * (POSIX leaves it open; tmpfs and btrfs do): the name itself tells. */
			r = child(w, dirfd, dir, known_name(&w->known, k), DT_UNKNOWN,
				&w->known.at[k].e, depth);
			k++;
			continue;
		}
		r = child(w, dirfd, dir, listing_name(&w->names, i), w->names.at[i].type,
			c == 0 ? &w->known.at[k].e : &unknown, depth);
		i++;
		k += c == 0;
	}
	return r < 0 ? r : 0;
}

static int get(struct store *st, const char *path, struct store_entry *ret)
{
	int r = store_cur_get(st, path, ret);

	if (r == -ENOENT) {
		*ret = unknown;
		r = 0;
	}
	return r;
}

static int path_again(struct walk *w, const char *path, enum scan_depth depth);

/* dir could not be opened or listed. It is not what it was a moment ago, or it cannot be read. */
static int unlistable(struct walk *w, const char *dir, int why, int tries)
{
	struct spot at = { .path = dir };
	struct store_entry was;
	struct stat st;
	int r;

	if (scan_is_ours(why))
		return why;
	if ((why == -ENOENT || why == -ENOTDIR || why == -ELOOP) && *dir && tries > 0 &&
		w->retries++ < RETRIES)
		return path_again(w, dir, SCAN_TREE);
	if (!*dir && why == -ENOENT)
		return why;
	r = get(w->st, dir, &was);
	at.was = &was;
	if (r < 0)
		return r;
	return keep(w, &at, at_stat(w->s->rootfd, dir, &st) < 0 ? NULL : &st, why);
}

/* One folder: watch it, list it, compare. */
static int one_folder(struct walk *w, const char *dir, enum scan_depth depth, int tries)
{
	autoclose int fd =
		at_open_near(w->s->rootfd, &w->s->near, dir, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	struct stat st;
	int r;

	if (fd < 0)
		return unlistable(w, dir, fd, tries);
	if (fstat(fd, &st) < 0 || st.st_dev != w->s->dev)
		return unlistable(w, dir, -EXDEV, 0);
	w->s->counts.dirs++;
	r = w->s->opt.before_list ? w->s->opt.before_list(dir, fd, w->s->opt.arg) : 0;
	if (r < 0)
		return r;
	/* What changed its time between the look from its parent and the watch is told by
	 * nobody. */
	if (fstat(fd, &st) == 0 && scan_ns(&st.st_ctim) >= w->begun_ns - SCAN_GRAIN_NS &&
		(r = store_txn_dir_flags(w->t, dir, &st, folder_flags(fd, NULL, &st))) < 0)
		return r;
	r = listing_read(&w->names, fd);
	if (r < 0)
		return unlistable(w, dir, r, tries);
	r = known_read(&w->known, w->st, dir);
	if (r == 0)
		r = compare(w, fd, dir, depth);
	return r < 0 ? r : scan_tick(w->s);
}

/* Everything that was put off. */
static int drain(struct walk *w, int tries)
{
	autoput(buf_release) struct buf path = BUF_INIT;
	int r = 0;

	while (r == 0 && pop(w, &path))
		r = one_folder(w, path.data, SCAN_TREE, tries);
	return r;
}

static int open_parent(struct walk *w, const char *path, size_t *ret_len)
{
	autofree char *parent = NULL;

	(void)at_base(path, ret_len);
	parent = strndup(path, *ret_len);
	return parent ? at_open(w->s->rootfd, parent, O_PATH | O_DIRECTORY) : -ENOMEM;
}

/* path by its own name, from its parent. If the parent is not there as a folder, that is what
 * has to be looked at. */
static int path_again(struct walk *w, const char *path, enum scan_depth depth)
{
	autofree char *copy = strdup(path);
	autoclose int dir = -1;
	struct store_entry was;
	struct spot at = { .path = copy, .was = &was };
	size_t len;
	int r;

	if (!copy)
		return -ENOMEM;
	while ((dir = open_parent(w, copy, &len)) == -ENOENT || dir == -ENOTDIR || dir == -ELOOP) {
		if (!len)
			break;
		copy[len] = '\0';
		depth = SCAN_SELF;
	}
	at.name = copy + len + (len > 0);
	if (scan_is_ours(dir))
		return dir;
	r = get(w->st, copy, &was);
	if (r < 0)
		return r;
	if (dir < 0)
		return keep(w, &at, NULL, dir);
	at.dirfd = dir;
	return look_until_settled(w, &at, DT_UNKNOWN, depth);
}

/* The workspace's own mode and time. */
static int root_itself(struct walk *w)
{
	struct store_entry was;
	struct spot at = { .dirfd = w->s->rootfd, .name = ".", .path = "", .was = &was };
	struct stat st;
	int r = get(w->st, "", &was);

	if (r < 0)
		return r;
	if (fstat(w->s->rootfd, &st) < 0)
		return -errno;
	/* scan_replaced goes by it. */
	if (was.kind == KIND_DIR && was.ino != st.st_ino)
		return store_txn_dir_flags(
			w->t, "", &st, folder_flags(w->s->rootfd, NULL, &st));
	return folder_itself(w, &at, &st);
}

static int root(struct walk *w, enum scan_depth depth)
{
	int r = root_itself(w);

	if (r < 0 || depth == SCAN_SELF)
		return r;
	return one_folder(w, "", depth, TRIES);
}

/* Are all folders above path kept by the rules? Else what is asked about is the first that is
 * not. */
static size_t kept_prefix(struct scan *s, const char *path)
{
	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		autofree char *dir = strndup(path, (size_t)(p - path));
		enum store_why why;
		bool any;

		if (dir && rules_check(s->rules, dir, true, &why, &any) == RULES_SKIP)
			return (size_t)(p - path);
	}
	return strlen(path);
}

static int below(struct walk *w, const char *path, enum scan_depth depth)
{
	size_t len = kept_prefix(w->s, path);
	autofree char *cut = strndup(path, len);
	struct stat st;
	int r;

	if (!cut)
		return -ENOMEM;
	r = path_again(w, cut, path[len] ? SCAN_SELF : depth);
	/* A known folder is not put off by a LIST: its own listing is what was asked for. */
	if (r == 0 && depth == SCAN_LIST && !path[len] && !w->todo.len &&
		at_stat(w->s->rootfd, path, &st) == 0 && S_ISDIR(st.st_mode) &&
		st.st_dev == w->s->dev) {
		enum store_why why;
		bool any;

		if (rules_check(w->s->rules, path, true, &why, &any) != RULES_SKIP)
			r = one_folder(w, path, SCAN_LIST, TRIES);
	}
	return r;
}

int scan_path(struct scan *s, struct store *st, struct store_txn *t, const char *path,
	enum scan_depth depth, bool read)
{
	autoput(walk_release) struct walk w = { .s = s,
		.st = st,
		.t = t,
		.read = read && depth == SCAN_SELF,
		.begun_ns = text_now_ns() };
	int r = scan_present(s);

	if (r < 0)
		return r;
	r = *path ? below(&w, path, depth) : root(&w, depth);
	w.read = false;
	if (r == 0)
		r = drain(&w, TRIES);
	at_forget(&s->near);
	return r;
}

int scan_all(struct scan *s, struct store *st, struct store_txn *t)
{
	int r;

	rules_forget(s->rules, "");
	r = scan_path(s, st, t, "", SCAN_TREE, false);
	/* It may have been deleted while we looked: then what was missing says nothing. */
	return r < 0 ? r : scan_present(s);
}
