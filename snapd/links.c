#include "links.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"

enum { BUCKETS = 1024 };

struct name {
	char *path;
	uint64_t round;		/* when it was last looked at */
};

struct inode {
	struct inode *next, *next_touched;
	uint64_t ino;
	/* its number of names; and what that was when the store was asked for them */
	uint64_t links, asked;
	uint64_t round;
	struct timespec ctime;	/* when one of its names was last looked at */
	struct name *name;
	size_t n;
};

struct links {
	struct inode *bucket[BUCKETS];
	struct inode *touched;
	uint64_t round;
};

int links_new(struct links **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void links_clear(struct links *l)
{
	for (size_t b = 0; b < BUCKETS; b++)
		while (l->bucket[b]) {
			struct inode *i = l->bucket[b];

			l->bucket[b] = i->next;
			for (size_t k = 0; k < i->n; k++)
				free(i->name[k].path);
			free(i->name);
			free(i);
		}
	l->touched = NULL;
}

void links_free(struct links *l)
{
	if (!l)
		return;
	links_clear(l);
	free(l);
}

void links_begin(struct links *l)
{
	l->round++;
	l->touched = NULL;
}

static struct inode *find(struct links *l, uint64_t ino, bool make)
{
	struct inode **b = &l->bucket[ino % BUCKETS], *i = *b;

	while (i && i->ino != ino)
		i = i->next;
	if (i || !make)
		return i;
	i = calloc(1, sizeof(*i));
	if (!i)
		return NULL;
	i->ino = ino;
	i->next = *b;
	return *b = i;
}

static struct name *find_name(struct inode *i, const char *path)
{
	autofree char *copy = NULL;
	struct name *p;

	for (size_t k = 0; k < i->n; k++)
		if (strcmp(i->name[k].path, path) == 0)
			return &i->name[k];
	copy = strdup(path);
	p = copy ? realloc(i->name, (i->n + 1) * sizeof(*p)) : NULL;
	if (!p)
		return NULL;
	i->name = p;
	p[i->n] = (struct name){ .path = take_ptr(copy) };
	return &p[i->n++];
}

static void touch(struct links *l, struct inode *i)
{
	if (i->round == l->round)
		return;
	i->round = l->round;
	i->next_touched = l->touched;
	l->touched = i;
}

void links_touch(struct links *l, const struct dirty *d)
{
	for (size_t b = 0; b < BUCKETS; b++)
		for (struct inode *i = l->bucket[b]; i; i = i->next)
			for (size_t k = 0; k < i->n; k++)
				if (dirty_meets(d, i->name[k].path))
					touch(l, i);
}

void links_look(struct links *l, int rootfd, struct dirty *d)
{
	for (size_t b = 0; b < BUCKETS; b++)
		for (struct inode *i = l->bucket[b]; i; i = i->next) {
			struct stat st;

			if (i->n && i->n < i->links &&
				(fstatat(rootfd, i->name[0].path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
					st.st_ctim.tv_sec != i->ctime.tv_sec ||
					st.st_ctim.tv_nsec != i->ctime.tv_nsec))
				dirty_add(d, i->name[0].path, SCAN_SELF, true);
		}
}

void links_add(struct links *l, const char *path, const struct stat *st)
{
	struct inode *i = find(l, st->st_ino, true);
	struct name *n = i ? find_name(i, path) : NULL;

	if (!n)
		return;
	n->round = l->round;
	i->links = st->st_nlink;
	i->ctime = st->st_ctim;
	touch(l, i);
}

static int ask_one(const char *path, const struct store_entry *e, void *arg)
{
	struct links *l = arg;
	struct inode *i = e->kind == KIND_FILE ? find(l, e->ino, false) : NULL;

	return i && i->round == l->round && !find_name(i, path) ? -ENOMEM : 0;
}

/* A file that had one name when it was stored: the store knows which. Asking costs a walk of all
 * paths, so it is done once for each number of names: the missing one may be outside the
 * workspace. */
static int ask_store(struct links *l, struct store *st)
{
	bool need = false;

	for (struct inode *i = l->touched; i; i = i->next_touched) {
		need |= i->n < i->links && i->asked != i->links;
		i->asked = i->links;
	}
	return need ? store_paths(st, ask_one, l) : 0;
}

/* It is a name of this file no longer; and the number may be another file's by now. */
static void drop(struct inode *i, size_t k)
{
	free(i->name[k].path);
	i->name[k] = i->name[--i->n];
	i->asked = 0;
}

static int look_at_others(struct links *l, struct scan *s, struct store *st, struct store_txn *t)
{
	int r = 0;

	for (struct inode *i = l->touched; r == 0 && i; i = i->next_touched)
		for (size_t k = 0; r == 0 && k < i->n; k++) {
			autofree char *path = NULL;

			if (i->name[k].round == l->round)
				continue;
			path = strdup(i->name[k].path);
			r = path ? scan_path(s, st, t, path, SCAN_SELF, false) : -ENOMEM;
			if (r == 0 && i->name[k].round != l->round)
				drop(i, k--);
		}
	return r;
}

int links_follow(struct links *l, struct scan *s, struct store *st, struct store_txn *t)
{
	int r = look_at_others(l, s, st, t);

	if (r == 0)
		r = ask_store(l, st);
	return r < 0 ? r : look_at_others(l, s, st, t);
}
