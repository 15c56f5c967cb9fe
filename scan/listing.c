/* scan/listing.c - a folder's names from the file system and from the store, both sorted. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <time.h>

#include "../lib/auto.h"
#include "scan-internal.h"

enum { READINGS = 6 };			/* of a folder that never stands still */
#define TICK_NS INT64_C(10000000)	/* of the slowest kernels: 100 Hz */

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

/* The names as readdir gives them, behind those that are there. */
static int add_names(struct listing *l, int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

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
	return -errno;
}

/* By name, each once. */
static void sort(struct listing *l)
{
	size_t n = 0;

	if (l->n)
		qsort_r(l->at, l->n, sizeof(*l->at), compare, l->text.data);
	for (size_t i = 0; i < l->n; i++) {
		if (!n || compare(&l->at[n - 1], &l->at[i], l->text.data) != 0)
			l->at[n++] = l->at[i];
		else if (l->at[n - 1].type != l->at[i].type)
			l->at[n - 1].type = DT_UNKNOWN;
	}
	l->n = n;
}

/* Did names come or go since `before`? The times of a folder have the grain of a clock tick, so one
 * that was changed just before is as uncertain. */
static bool was_changed(int dirfd, const struct stat *before)
{
	struct stat st;
	struct timespec now;

	if (fstat(dirfd, &st) < 0)
		return false;
	if (scan_ns(&st.st_mtim) != scan_ns(&before->st_mtim) ||
		scan_ns(&st.st_ctim) != scan_ns(&before->st_ctim))
		return true;
	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return llabs(scan_ns(&now) - scan_ns(&st.st_ctim)) <= TICK_NS;
}

/* A name that is renamed to while the folder is read may be missed (POSIX leaves it open; tmpfs and
 * btrfs do). Of one that the store knows the name itself is asked; one that is new is found by
 * another reading, and what is gone meanwhile costs a look each. */
int listing_read(struct listing *l, int dirfd)
{
	int r = 0;

	buf_reset(&l->text);
	l->n = 0;
	for (int i = 0; i < READINGS; i++) {
		struct stat before = { 0 };
		size_t had = l->n;
		bool sure = fstat(dirfd, &before) == 0;

		if ((r = add_names(l, dirfd)) < 0)
			return r;
		sort(l);
		if ((i && l->n == had) || !sure || !was_changed(dirfd, &before))
			break;
	}
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
