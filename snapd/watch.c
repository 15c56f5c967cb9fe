/* snapd/watch.c - see the header.
 *
 * Each folder is a node: its name, its parent, its children, and the kernel's number for its
 * watch. Paths are put together when they are needed, so a folder costs about a hundred bytes
 * whatever its depth, and a folder that moves takes everything below along. */
#include "watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/buf.h"
#include "../lib/log.h"

#define MASK                                                                              \
	(IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM | \
		IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)

enum { NO_WD = -1, READ_MAX = 65536 };

struct node {
	struct node *parent, *child, *next, *prev;
	struct node *wd_next, *name_next;	/* chains of the two tables */
	int wd;
	uint32_t hash;
	char name[];
};

struct table {
	struct node **at;
	size_t n, size;		/* a power of two */
};

struct watch {
	struct watch_ops ops;
	void *arg;
	int fd;
	int error;
	bool exhausted;		/* no use in asking the kernel again until watch_retry */
	struct node *root;
	struct table by_wd, by_name;
	size_t unwatched;
	struct buf path;
};

/* ---- the two tables -------------------------------------------------------- */

static uint32_t hash_name(const struct node *parent, const char *name, size_t len)
{
	uint64_t h = 14695981039346656037u ^ (uint64_t)(uintptr_t)parent;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 1099511628211u;
	return (uint32_t)(h ^ h >> 32);
}

static uint32_t key(const struct node *n, bool wd)
{
	return wd ? (uint32_t)n->wd * 2654435761u >> 7 : n->hash;
}

static struct node **link_of(struct node *n, bool wd)
{
	return wd ? &n->wd_next : &n->name_next;
}

static int table_grow(struct table *t, bool wd)
{
	size_t size = t->size ? t->size * 2 : 64;
	struct node **at;

	if (t->n < t->size)
		return 0;
	at = calloc(size, sizeof(*at));
	if (!at)
		return -ENOMEM;
	for (size_t i = 0; i < t->size; i++)
		for (struct node *n = t->at[i], *next; n; n = next) {
			struct node **slot = &at[key(n, wd) & (size - 1)];

			next = *link_of(n, wd);
			*link_of(n, wd) = *slot;
			*slot = n;
		}
	free(t->at);
	t->at = at;
	t->size = size;
	return 0;
}

static int table_add(struct table *t, struct node *n, bool wd)
{
	struct node **slot;
	int r = table_grow(t, wd);

	if (r < 0)
		return r;
	slot = &t->at[key(n, wd) & (t->size - 1)];
	*link_of(n, wd) = *slot;
	*slot = n;
	t->n++;
	return 0;
}

static void table_del(struct table *t, struct node *n, bool wd)
{
	struct node **p = &t->at[key(n, wd) & (t->size - 1)];

	while (*p != n)
		p = link_of(*p, wd);
	*p = *link_of(n, wd);
	t->n--;
}

static struct node *find_wd(const struct watch *w, int wd)
{
	struct node probe = { .wd = wd };
	struct node *n =
		w->by_wd.size ? w->by_wd.at[key(&probe, true) & (w->by_wd.size - 1)] : NULL;

	while (n && n->wd != wd)
		n = n->wd_next;
	return n;
}

static struct node *find_child(
	const struct watch *w, const struct node *parent, const char *name, size_t len)
{
	uint32_t h = hash_name(parent, name, len);
	struct node *n = w->by_name.size ? w->by_name.at[h & (w->by_name.size - 1)] : NULL;

	while (n && !(n->hash == h && n->parent == parent && strncmp(n->name, name, len) == 0 &&
			    !n->name[len]))
		n = n->name_next;
	return n;
}

/* ---- nodes --------------------------------------------------------------------- */

static struct node *node_new(struct watch *w, struct node *parent, const char *name, size_t len)
{
	struct node *n = calloc(1, sizeof(*n) + len + 1);

	if (!n)
		return NULL;
	memcpy(n->name, name, len);
	n->wd = NO_WD;
	n->hash = hash_name(parent, name, len);
	n->parent = parent;
	if (table_add(&w->by_name, n, false) < 0) {
		free(n);
		return NULL;
	}
	if (parent) {
		n->next = parent->child;
		if (n->next)
			n->next->prev = n;
		parent->child = n;
	}
	w->unwatched++;
	return n;
}

static void drop_wd(struct watch *w, struct node *n)
{
	if (n->wd == NO_WD)
		return;
	table_del(&w->by_wd, n, true);
	n->wd = NO_WD;
	w->unwatched++;
}

static int set_wd(struct watch *w, struct node *n, int wd)
{
	n->wd = wd;
	if (table_add(&w->by_wd, n, true) < 0) {
		n->wd = NO_WD;
		return -ENOMEM;
	}
	w->unwatched--;
	return 0;
}

/* One node without children. */
static void node_free(struct watch *w, struct node *n)
{
	int wd = n->wd;

	drop_wd(w, n);
	w->unwatched--;
	/* It fails when the kernel has let go already: just as well. */
	if (wd != NO_WD)
		(void)inotify_rm_watch(w->fd, wd);
	table_del(&w->by_name, n, false);
	if (n->prev)
		n->prev->next = n->next;
	else if (n->parent)
		n->parent->child = n->next;
	if (n->next)
		n->next->prev = n->prev;
	if (w->root == n)
		w->root = NULL;
	free(n);
}

static void forget_tree(struct watch *w, struct node *top)
{
	struct node *n = top;

	for (;;) {
		struct node *up;

		while (n->child)
			n = n->child;
		up = n->parent;
		if (n == top) {
			node_free(w, n);
			return;
		}
		node_free(w, n);
		n = up;
	}
}

static struct node *lookup(struct watch *w, const char *dir, bool make)
{
	struct node *n = w->root;

	if (!n && make)
		n = w->root = node_new(w, NULL, "", 0);
	while (n && *dir) {
		size_t len = strcspn(dir, "/");
		struct node *c = find_child(w, n, dir, len);

		if (!c && make)
			c = node_new(w, n, dir, len);
		n = c;
		dir += len + (dir[len] == '/');
	}
	return n;
}

/* The path of a folder, valid until the next call. */
static const char *path_of(struct watch *w, const struct node *n)
{
	size_t len = 0;
	char *p;

	for (const struct node *i = n; i->parent; i = i->parent)
		len += strlen(i->name) + (i->parent->parent != NULL);
	buf_reset(&w->path);
	if (buf_reserve(&w->path, len + 1) < 0)
		return NULL;
	p = w->path.data + len;
	*p = '\0';
	for (; n->parent; n = n->parent) {
		size_t k = strlen(n->name);

		p -= k;
		memcpy(p, n->name, k);
		if (n->parent->parent)
			*--p = '/';
	}
	return w->path.data;
}

/* ---- adding and forgetting ------------------------------------------------------- */

int watch_new(const struct watch_ops *ops, void *arg, struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->ops = *ops;
	w->arg = arg;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0)
		w->error = -errno;
	*ret = w;
	return 0;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	/* Closing takes all watches at once; one by one would cost seconds. */
	auto_close_(&w->fd);
	w->fd = -1;
	if (w->root)
		forget_tree(w, w->root);
	free(w->by_wd.at);
	free(w->by_name.at);
	buf_release(&w->path);
	free(w);
}

int watch_fd(const struct watch *w)
{
	return w->fd;
}

static int kernel_add(struct watch *w, int dirfd)
{
	char link[40];
	int wd;

	if (w->fd < 0 || w->exhausted)
		return w->error ? w->error : -ENOSPC;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	wd = inotify_add_watch(w->fd, link, MASK);
	if (wd >= 0)
		return wd;
	w->error = -errno;
	w->exhausted = errno == ENOSPC || errno == ENOMEM;
	return w->error;
}

int watch_add(struct watch *w, const char *dir, int dirfd)
{
	int wd = kernel_add(w, dirfd);
	struct node *n = lookup(w, dir, true), *other;

	if (!n)
		return -ENOMEM;
	if (wd < 0 || wd == n->wd)
		return 0;
	if (n->wd != NO_WD) {
		int old = n->wd;

		drop_wd(w, n);
		(void)inotify_rm_watch(w->fd, old);
	}
	/* The kernel knows the folder by another name: it was moved, and the
	 * event that says so is still in the queue. */
	other = find_wd(w, wd);
	if (other)
		drop_wd(w, other);
	return set_wd(w, n, wd);
}

void watch_forget(struct watch *w, const char *dir)
{
	struct node *n = lookup(w, dir, false);

	if (n)
		forget_tree(w, n);
}

/* ---- events ------------------------------------------------------------------------ */

static void root_event(struct watch *w, const struct inotify_event *e)
{
	if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED))
		w->ops.root(!(e->mask & IN_MOVE_SELF), w->arg);
}

static void name_event(struct watch *w, struct node *n, const struct inotify_event *e)
{
	const char *dir;

	if (e->mask & IN_ISDIR && e->mask & (IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE)) {
		struct node *c = find_child(w, n, e->name, strlen(e->name));

		/* What it was or held is watched anew when it is found again. */
		if (c)
			forget_tree(w, c);
	}
	dir = path_of(w, n);
	if (dir)
		w->ops.event(dir, e->name, e->mask, e->cookie, w->arg);
	else
		w->ops.lost(w->arg);
}

static void self_event(struct watch *w, struct node *n, const struct inotify_event *e)
{
	const char *dir = path_of(w, n);

	if (dir)
		w->ops.event(dir, NULL, e->mask, 0, w->arg);
	else
		w->ops.lost(w->arg);
	/* Deleted, or unmounted; or moved, and its parent is not watched or has not said so. */
	if (e->mask & (IN_IGNORED | IN_MOVE_SELF))
		forget_tree(w, n);
}

static void one_event(struct watch *w, const struct inotify_event *e)
{
	struct node *n;

	if (e->mask & IN_Q_OVERFLOW) {
		w->ops.lost(w->arg);
		return;
	}
	n = find_wd(w, e->wd);
	if (!n)
		return;		/* forgotten meanwhile */
	if (e->len)
		name_event(w, n, e);
	else if (n == w->root && !(e->mask & IN_ATTRIB))
		root_event(w, e);
	else
		self_event(w, n, e);
}

int watch_read(struct watch *w)
{
	char buf[READ_MAX] __attribute__((aligned(__alignof__(struct inotify_event))));
	int queued = 0, events = 0;

	if (w->fd < 0 || ioctl(w->fd, FIONREAD, &queued) < 0)
		return 0;
	while (queued > 0) {
		ssize_t n = read(w->fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			w->ops.lost(w->arg);
			return events + 1;
		}
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const struct inotify_event *)(buf + at);

			at += (ssize_t)(sizeof(*e) + e->len);
			one_event(w, e);
			events++;
		}
		queued -= (int)n;
	}
	return events;
}

/* ---- counting ---------------------------------------------------------------------- */

size_t watch_count(const struct watch *w)
{
	return w->by_wd.n;
}

size_t watch_unwatched(const struct watch *w)
{
	return w->unwatched;
}

int watch_error(const struct watch *w)
{
	return w->error;
}

void watch_retry(struct watch *w)
{
	w->exhausted = false;
	if (w->fd < 0)
		return;
	w->error = 0;
}

static struct node *next_node(struct node *n)
{
	if (n->child)
		return n->child;
	while (n && !n->next)
		n = n->parent;
	return n ? n->next : NULL;
}

int watch_each(struct watch *w, bool all, int (*fn)(const char *dir, void *arg), void *arg)
{
	for (struct node *n = w->root; n; n = next_node(n)) {
		const char *dir;
		int r;

		if (!all && n->wd != NO_WD)
			continue;
		dir = path_of(w, n);
		r = dir ? fn(dir, arg) : -ENOMEM;
		if (r)
			return r;
	}
	return 0;
}
