#include "dirty.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "../lib/auto.h"

/* Past the first bound paths become their folders, past the second everything: a walk by
 * stat then costs less than the paths one by one. */
enum { PATHS_MAX = 4096, FOLDERS_MAX = 1024 };

static size_t hash(const char *s)
{
	uint64_t h = 14695981039346656037u;

	while (*s)
		h = (h ^ (unsigned char)*s++) * 1099511628211u;
	return (size_t)(h ^ h >> 29);
}

void dirty_release(struct dirty *d)
{
	for (size_t i = 0; i < d->size; i++)
		free(d->slot[i].path);
	free(d->slot);
	*d = (struct dirty){ 0 };
}

void dirty_add_all(struct dirty *d)
{
	dirty_release(d);
	d->all = true;
}

bool dirty_is_empty(const struct dirty *d)
{
	return !d->all && !d->n;
}

/* Where path is, or would be. There is always a free slot. */
static struct dirty_path *find(const struct dirty *d, const char *path)
{
	size_t i = hash(path) & (d->size - 1);

	while (d->slot[i].path && strcmp(d->slot[i].path, path) != 0)
		i = (i + 1) & (d->size - 1);
	return &d->slot[i];
}

static bool make_room(struct dirty *d)
{
	struct dirty bigger = { .size = d->size ? d->size * 2 : 16 };

	if (d->n * 4 < d->size * 3)
		return true;
	bigger.slot = calloc(bigger.size, sizeof(*bigger.slot));
	if (!bigger.slot)
		return false;
	for (size_t i = 0; i < d->size; i++)
		if (d->slot[i].path)
			*find(&bigger, d->slot[i].path) = d->slot[i];
	free(d->slot);
	d->slot = bigger.slot;
	d->size = bigger.size;
	return true;
}

static void put(struct dirty *d, const char *path, enum scan_depth depth, bool read)
{
	struct dirty_path *p;

	if (d->all)
		return;
	if (!make_room(d)) {
		dirty_add_all(d);
		return;
	}
	p = find(d, path);
	if (!p->path) {
		char *copy = strdup(path);

		if (!copy) {
			dirty_add_all(d);
			return;
		}
		*p = (struct dirty_path){ .path = copy, .depth = SCAN_SELF };
		d->n++;
	}
	if (p->depth < depth)
		p->depth = (unsigned char)depth;
	p->read |= read;
}

/* Paths become their folders. Files are then compared by stat: what was written is told by its
 * times. */
static void fold(struct dirty *d)
{
	struct dirty folded = { 0 };

	for (size_t i = 0; i < d->size; i++) {
		char *path = d->slot[i].path;
		char *slash = path ? strrchr(path, '/') : NULL;

		if (!path)
			continue;
		if (d->slot[i].depth > SCAN_SELF)
			put(&folded, path, d->slot[i].depth, false);
		if (slash)
			*slash = '\0';
		put(&folded, slash ? path : "", SCAN_LIST, false);
	}
	if (folded.n > FOLDERS_MAX)
		dirty_add_all(&folded);
	/* Which names were new is forgotten here. */
	folded.unseen = true;
	dirty_release(d);
	*d = folded;
}

void dirty_add(struct dirty *d, const char *path, enum scan_depth depth, bool read)
{
	put(d, path, depth, read);
	if (d->n > PATHS_MAX)
		fold(d);
}

static void lose(struct dirty *d, struct dirty_path *p)
{
	d->unseen |= p->made && p->written;
	p->made = p->written = false;
}

void dirty_settle(struct dirty *d)
{
	d->unseen |= d->moved.made && d->moved.written;
	d->moved.cookie = 0;
	d->moved.made = d->moved.written = false;
}

void dirty_follow(struct dirty *d, const char *path, uint32_t mask, uint32_t cookie)
{
	struct dirty_path *p = d->size ? find(d, path) : NULL;

	if (!p || !p->path)
		return;
	if (mask & (IN_MODIFY | IN_ATTRIB)) {
		p->written = true;
	} else if (mask & IN_MOVED_FROM) {
		dirty_settle(d);
		d->moved.cookie = cookie;
		d->moved.made = p->made;
		d->moved.written = p->written;
		p->made = p->written = false;
	} else if (mask & IN_MOVED_TO && cookie == d->moved.cookie) {
		lose(d, p);
		p->made = d->moved.made;
		p->written = d->moved.written;
		d->moved.made = d->moved.written = false;
	} else if (mask & (IN_CREATE | IN_MOVED_TO)) {
		lose(d, p);
		p->made = true;
	} else if (mask & IN_DELETE) {
		lose(d, p);
	}
}

void dirty_merge(struct dirty *d, struct dirty *from)
{
	bool unseen = d->unseen || from->unseen;

	if (from->all)
		dirty_add_all(d);
	for (size_t i = 0; i < from->size; i++)
		if (from->slot[i].path) {
			unseen |= from->slot[i].made;
			dirty_add(d, from->slot[i].path, (enum scan_depth)from->slot[i].depth,
				from->slot[i].read);
		}
	d->unseen = unseen && !d->all;
	dirty_release(from);
}

bool dirty_is_covered(const struct dirty *d, const char *path)
{
	autofree char *p = strdup(path);
	const struct dirty_path *at;
	char *slash;

	if (!p || !d->size)
		return false;
	while ((slash = strrchr(p, '/')) != NULL) {
		*slash = '\0';
		at = find(d, p);
		if (at->path && at->depth == SCAN_TREE)
			return true;
	}
	at = find(d, "");
	return *path && at->path && at->depth == SCAN_TREE;
}

bool dirty_meets(const struct dirty *d, const char *path)
{
	autofree char *p = strdup(path);
	char *slash;

	if (!p || d->all)
		return true;
	if (!d->size)
		return false;
	while (!find(d, p)->path) {
		slash = strrchr(p, '/');
		if (!slash)
			return false;
		*slash = '\0';
	}
	return true;
}

static int compare(const void *a, const void *b)
{
	const struct dirty_path *x = a, *y = b;

	return strcmp(x->path, y->path);
}

struct dirty_path *dirty_sorted(const struct dirty *d)
{
	struct dirty_path *list = malloc((d->n + 1) * sizeof(*list));
	size_t n = 0;

	if (!list)
		return NULL;
	for (size_t i = 0; i < d->size; i++)
		if (d->slot[i].path)
			list[n++] = d->slot[i];
	qsort(list, n, sizeof(*list), compare);
	return list;
}
