#include "unsaved.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "../editors/copies.h"
#include "../editors/editors.h"
#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/text.h"
#include "workspace.h"

enum {
	SOON_MS = 200, /* an editor writes a large buffer in several calls */
	MASK = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR,
	SEGMENT = 8 << 20,
};

struct seen {
	char *key;
	struct timespec mtime;
	off_t size;
	ino_t ino;
	bool there; /* in this look */
	bool kept;  /* it is in the store */
};

struct unsaved {
	struct workspace *w;
	struct places places;
	struct seen *seen;
	size_t n, cap;
	int fd;
	struct loop_timer *timer;
	int64_t since_ms; /* Local History: folders that changed since */
	bool loaded, complained;

	/* while one look goes on */
	struct store *store;
	struct store_txn *txn;
	int error;
};

/* ---- the store of copies --------------------------------------------------------- */

static int open_copies(struct unsaved *u)
{
	autoput(buf_release) struct buf dir = BUF_INIT;
	const struct store_options so = {
		.level = u->w->cfg.level, .workspace = u->w->path, .segment_size = SEGMENT
	};
	int r;

	if (u->store)
		return 0;
	r = buf_printf(&dir, "%s/" COPIES_NOW, store_dir(u->w->store));
	return r < 0 ? r : store_open(dir.data, STORE_WRITE, &so, &u->store);
}

static int begin(struct unsaved *u)
{
	int r = open_copies(u);

	if (r == 0 && !u->txn)
		r = store_txn_begin(u->store, &u->txn);
	return r;
}

static int remove_tree(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, de->d_name, 0) < 0 && errno == EISDIR)
			(void)remove_tree(fd, de->d_name);
	}
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static void forget(struct unsaved *u)
{
	for (size_t i = 0; i < u->n; i++)
		free(u->seen[i].key);
	u->n = 0;
}

/* It is too large: what is in it is the old one from now on. */
static void roll(struct unsaved *u)
{
	struct store_totals t;
	int dirfd = store_dirfd(u->w->store), r;

	if (store_totals(u->store, &t) < 0 || t.log_bytes <= u->w->cfg.unsaved_quota)
		return;
	store_close(u->store);
	u->store = NULL;
	r = remove_tree(dirfd, COPIES_OLD);
	if (r == 0 && renameat(dirfd, COPIES_NOW, dirfd, COPIES_OLD) < 0)
		r = -errno;
	if (r < 0)
		(void)log_warn_errno(r, "%s/" COPIES_OLD, store_dir(u->w->store));
	forget(u); /* what the editors hold goes into the new one */
	u->loaded = true;
}

static int finish(struct unsaved *u)
{
	const struct store_commit how = { .reason = REASON_INTERVAL };
	int r = u->error;

	if (u->txn && r < 0)
		store_txn_abort(u->txn);
	else if (u->txn)
		r = store_txn_commit(u->txn, &how, NULL);
	u->txn = NULL;
	if (u->store && r >= 0)
		roll(u);
	store_close(u->store);
	u->store = NULL;
	return r;
}

/* ---- what was seen ------------------------------------------------------------------ */

static struct seen *find(struct unsaved *u, const char *key)
{
	for (size_t i = 0; i < u->n; i++)
		if (strcmp(u->seen[i].key, key) == 0)
			return &u->seen[i];
	return NULL;
}

static struct seen *note(struct unsaved *u, const char *key)
{
	struct seen *s = find(u, key);

	if (s)
		return s;
	if (u->n == u->cap) {
		size_t cap = u->cap ? 2 * u->cap : 32;

		s = realloc(u->seen, cap * sizeof(*s));
		if (!s)
			return NULL;
		u->seen = s;
		u->cap = cap;
	}
	s = &u->seen[u->n];
	*s = (struct seen){ .key = strdup(key) };
	if (!s->key)
		return NULL;
	u->n++;
	return s;
}

/* Copies of an earlier run: what the editor took away since is gone. */
static int load_one(const char *path, const struct store_entry *e, void *arg)
{
	struct unsaved *u = arg;
	struct seen *s;

	if (e->kind != KIND_FILE)
		return 0;
	s = note(u, path + strlen(COPIES_BUFFER));
	if (!s)
		return -ENOMEM;
	s->kept = true;
	return 0;
}

static int load(struct unsaved *u)
{
	struct store_snapshot sn;
	int r;

	if (u->loaded)
		return 0;
	u->loaded = true;
	if (faccessat(store_dirfd(u->w->store), COPIES_NOW "/log", F_OK, 0) < 0)
		return 0;
	r = open_copies(u);
	if (r == 0)
		r = store_newest(u->store, &sn);
	if (r != 0)
		return r == -ENOENT ? 0 : r;
	u->since_ms = sn.time_ns / 1000000;
	r = store_walk_at(u->store, sn.seq, "b", load_one, u);
	store_snapshot_release(&sn);
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

/* ---- copying ------------------------------------------------------------------------- */

static int put(struct unsaved *u, const char *what, const char *key, const struct stat *st,
	const void *p, size_t n)
{
	autoput(buf_release) struct buf path = BUF_INIT;
	int r = begin(u);

	if (r == 0)
		r = buf_printf(&path, "%s%s", what, key);
	return r < 0 ? r : store_txn_bytes(u->txn, path.data, st, p, n);
}

static int put_place(struct unsaved *u, const struct place *p)
{
	autoput(buf_release) struct buf text = BUF_INIT;
	struct stat st = { .st_mode = S_IFREG | 0600 };
	int r = buf_printf(&text, "%s\n%s", p->name, p->path);

	st.st_size = (off_t)text.len;
	return r < 0 ? r : put(u, COPIES_PLACE, p->id, &st, text.data, text.len);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ino == b->st_ino;
}

/* 1: read, and it did not change meanwhile; 0: not now. */
static int read_whole(int dirfd, const char *name, struct stat *st, struct buf *ret)
{
	autoclose int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat after;

	if (fd < 0 || fstat(fd, st) < 0 || !S_ISREG(st->st_mode) || !st->st_size ||
		st->st_size > EDITOR_FILE_MAX)
		return 0;
	if (io_read_rest(fd, EDITOR_FILE_MAX, ret) < 0 || fstat(fd, &after) < 0)
		return 0;
	return is_same(st, &after) && ret->len == (size_t)st->st_size;
}

static int copy_buffer(const struct buffer_file *f, void *arg)
{
	autoput(buf_release) struct buf text = BUF_INIT;
	struct unsaved *u = arg;
	struct seen *s = note(u, f->key);
	struct backup b;
	struct stat st;
	bool ours, untitled;

	if (!s)
		return -ENOMEM;
	s->there = true;
	if (s->mtime.tv_sec == f->st.st_mtim.tv_sec && s->mtime.tv_nsec == f->st.st_mtim.tv_nsec &&
		s->size == f->st.st_size && s->ino == f->st.st_ino)
		return 0;
	if (!read_whole(f->dirfd, f->name, &st, &text) || backup_parse(text.data, text.len, &b) < 0)
		return 0;
	ours = backup_name(&b, f->place, u->w->path, &untitled) != NULL;
	backup_release(&b);
	s->mtime = st.st_mtim;
	s->size = st.st_size;
	s->ino = st.st_ino;
	if (!ours)
		return 0;
	s->kept = true;
	u->error = put(u, COPIES_BUFFER, f->key, &st, text.data, text.len);
	if (u->error == 0)
		u->error = put_place(u, f->place);
	return u->error;
}

static int drop_gone(struct unsaved *u)
{
	int r = 0;

	for (size_t i = u->n; i-- > 0 && r == 0;) {
		autoput(buf_release) struct buf path = BUF_INIT;
		struct seen *s = &u->seen[i];

		if (s->there)
			continue;
		if (s->kept) {
			r = buf_printf(&path, COPIES_BUFFER "%s", s->key);
			r = r < 0 ? r : begin(u);
			r = r < 0 ? r : store_txn_gone(u->txn, path.data);
		}
		free(s->key);
		memmove(s, s + 1, (u->n - i - 1) * sizeof(*s));
		u->n--;
	}
	return r;
}

static int copy_version(const struct version_file *f, void *arg)
{
	autoput(buf_release) struct buf text = BUF_INIT, path = BUF_INIT;
	struct unsaved *u = arg;
	struct store_entry e;
	struct stat st;
	const char *slash = strrchr(f->key, '/');
	int r = open_copies(u);

	if (r == 0)
		r = buf_printf(&path, COPIES_VERSION "%s", f->key);
	if (r == 0 && store_cur_get(u->store, path.data, &e) == 0 && e.kind == KIND_FILE)
		return 0; /* they are written once */
	if (r == 0 && !read_whole(f->dirfd, f->name, &st, &text))
		return 0;
	if (r == 0) {
		st.st_mtim = (struct timespec){ f->time_ms / 1000, f->time_ms % 1000 * 1000000 };
		r = put(u, COPIES_VERSION, f->key, &st, text.data, text.len);
	}
	buf_reset(&path);
	if (r == 0)
		r = buf_add(&path, f->key, (size_t)(slash - f->key));
	st.st_size = (off_t)strlen(f->path);
	if (r == 0)
		r = put(u, COPIES_VERSION_PATH, path.data, &st, f->path, strlen(f->path));
	if (r == 0)
		r = put_place(u, f->place);
	u->error = r;
	return r;
}

/* ---- watching ---------------------------------------------------------------------------- */

static int watch_one(const char *path, void *arg)
{
	struct unsaved *u = arg;

	/* The same folder again is the same watch. Out of watches: each snapshot looks all the
	 * same. */
	if (u->fd >= 0)
		(void)inotify_add_watch(u->fd, path, MASK);
	return 0;
}

void unsaved_take(struct unsaved *u)
{
	int64_t now = text_now_ns() / 1000000;
	int r;

	if (!u)
		return;
	loop_del_timer(u->w->loop, u->timer);
	u->timer = NULL;
	places_release(&u->places);
	r = places_find(u->w->cfg.unsaved_places.item, u->w->cfg.unsaved_places.n, &u->places);
	u->error = 0;
	for (size_t i = 0; i < u->n; i++)
		u->seen[i].there = false;
	/* Watched before it is read: nothing falls between. */
	if (r == 0)
		r = buffers_folders(&u->places, u->w->path, watch_one, u);
	if (r == 0)
		r = load(u);
	for (size_t i = 0; i < u->n; i++)
		u->seen[i].there = false;
	if (r == 0)
		r = buffers_each(&u->places, u->w->path, copy_buffer, u);
	if (r == 0)
		r = drop_gone(u);
	if (r == 0)
		r = versions_each(
			&u->places, u->w->path, NULL, u->since_ms - 2000, copy_version, u);
	u->error = r < 0 ? r : u->error;
	r = finish(u);
	if (r >= 0)
		u->since_ms = now;
	if (r < 0 && !u->complained)
		(void)log_warn_errno(r, "%s: no copies of the editors' buffers", u->w->path);
	u->complained = r < 0;
}

static void on_soon(struct loop *l, void *arg)
{
	struct unsaved *u = arg;

	(void)l;
	u->timer = NULL;
	if (!daemon_is_busy(u->w->daemon))
		unsaved_take(u);
	else if (loop_add_timer(u->w->loop, SOON_MS, on_soon, u, &u->timer) < 0)
		(void)log_oom();
}

static void on_events(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct unsaved *u = arg;
	char b[16384] __attribute__((aligned(8)));

	(void)events;
	while (read(fd, b, sizeof(b)) > 0)
		;
	if (!u->timer && loop_add_timer(l, SOON_MS, on_soon, u, &u->timer) < 0)
		(void)log_oom();
}

struct unsaved *unsaved_new(struct workspace *w)
{
	struct unsaved *u = w->cfg.unsaved_copies ? calloc(1, sizeof(*u)) : NULL;

	if (!u)
		return NULL;
	u->w = w;
	u->since_ms = text_now_ns() / 1000000;
	u->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (u->fd >= 0 && loop_add_fd(w->loop, u->fd, EPOLLIN, on_events, u) < 0) {
		(void)close(u->fd);
		u->fd = -1;
	}
	unsaved_take(u);
	return u;
}

void unsaved_free(struct unsaved *u)
{
	if (!u)
		return;
	loop_del_timer(u->w->loop, u->timer);
	if (u->fd >= 0) {
		loop_del_fd(u->w->loop, u->fd);
		(void)close(u->fd);
	}
	forget(u);
	free(u->seen);
	places_release(&u->places);
	free(u);
}
