/* scan/listing.c - a folder's names from the file system and from the store, both sorted. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "scan-internal.h"

static int grow(void **p, size_t *cap, size_t n, size_t size)
{
	size_t k = *cap ? *cap * 2 : 32;
	void *q;

	if (n < *cap)
		return 0;
	q = realloc(*p, k * size);
	if (!q)
		return -ENOMEM;
	*p = q;
	*cap = k;
	return 0;
}

static int compare(const void *a, const void *b, void *text)
{
	const struct listed *x = a, *y = b;
	const char *t = text;

	return strcmp(t + x->name, t + y->name);
}

static int take_name(struct listing *l, const struct dirent *d)
{
	const char *name = d->d_name;

	if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])))
		return 0;
	if (l->text.len > UINT32_MAX - 256 ||
		grow((void **)&l->at, &l->cap, l->n, sizeof(*l->at)) < 0)
		return -ENOMEM;
	l->at[l->n++] = (struct listed){ (uint32_t)l->text.len, d->d_type };
	return buf_add(&l->text, name, strlen(name) + 1);
}

int listing_read(struct listing *l, int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

	buf_reset(&l->text);
	l->n = 0;
	if (!dir) {
		int r = -errno;

		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	while (errno = 0, (d = readdir(dir)) != NULL) {
		int r = take_name(l, d);

		if (r < 0)
			return r;
	}
	if (errno)
		return -errno;
	if (l->n)
		qsort_r(l->at, l->n, sizeof(*l->at), compare, l->text.data);
	return 0;
}

void listing_release(struct listing *l)
{
	buf_release(&l->text);
	free(l->at);
	*l = (struct listing){ 0 };
}

static int take_entry(const char *name, const struct store_entry *e, void *arg)
{
	struct known *k = arg;

	if (e->kind == KIND_GONE || !*name)
		return 0;
	if (k->text.len > UINT32_MAX - 256 ||
		grow((void **)&k->at, &k->cap, k->n, sizeof(*k->at)) < 0)
		return -ENOMEM;
	k->at[k->n++] = (struct known_entry){ (uint32_t)k->text.len, *e };
	return buf_add(&k->text, name, strlen(name) + 1);
}

int known_read(struct known *k, struct store *st, const char *dir)
{
	int r;

	buf_reset(&k->text);
	k->n = 0;
	r = store_cur_dir(st, dir, take_entry, k);
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

int known_read_at(struct known *k, struct store *st, uint64_t seq, const char *dir)
{
	int r;

	buf_reset(&k->text);
	k->n = 0;
	r = store_dir_at(st, seq, dir, take_entry, k);
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

void known_release(struct known *k)
{
	buf_release(&k->text);
	free(k->at);
	*k = (struct known){ 0 };
}
