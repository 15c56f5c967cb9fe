#include "cached.h"

#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "xalloc.h"

/* The coarsest clock of a file system we may meet (as scan/ has it). */
#define RACY_NS INT64_C(2000000000)

struct cached_entry {
	char *name;
	struct store_entry e;
};

void cached_init(struct cached *k, struct store *s)
{
	*k = (struct cached){ .store = s };
}

void cached_forget(struct cached *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->e[i].name);
	free(k->dir);
	k->dir = NULL;
	k->n = 0;
	k->seq = 0;
}

void cached_release(struct cached *k)
{
	cached_forget(k);
	free(k->e);
	k->e = NULL;
}

static int add(const char *name, const struct store_entry *e, void *arg)
{
	struct cached *k = arg;

	k->e = xgrow(k->e, k->n, &k->cap, sizeof(*k->e));
	k->e[k->n++] = (struct cached_entry){ xstrdup(name), *e };
	return 0;
}

static int by_name(const void *key, const void *e)
{
	return strcmp(key, ((const struct cached_entry *)e)->name);
}

const struct store_entry *cached_entry(struct cached *k, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	const struct cached_entry *found;

	if (!*path)
		return NULL;
	if (!k->dir || strlen(k->dir) != n || memcmp(k->dir, path, n)) {
		cached_forget(k);
		k->dir = xstrndup(path, n);
		(void)store_cur_dir(k->store, k->dir, add, k);
	}
	found = k->n ? bsearch(slash ? slash + 1 : path, k->e, k->n, sizeof(*k->e), by_name) : NULL;
	return found ? &found->e : NULL;
}

/* When the snapshot that recorded it was made: what was changed at that time or later may have
 * changed once more within the clock's resolution. */
static int64_t time_of(struct cached *k, uint64_t seq)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };

	if (k->seq != seq) {
		k->seq = seq;
		k->seq_time_ns = store_by_seq(k->store, seq, &sn) == 0 ? sn.time_ns : INT64_MIN;
	}
	return k->seq_time_ns;
}

int cached_oid(struct cached *k, const char *path, const struct had *h, struct oid *ret)
{
	const struct store_entry *e = cached_entry(k, path);
	int64_t t;

	if (!e || e->kind != h->kind || (e->flags & ENTRY_KEPT) || !e->ctime_ns ||
		e->ctime_ns != h->ctime_ns || e->ino != h->ino || e->size != h->size ||
		e->mtime_ns != h->mtime_ns || e->mode != h->mode)
		return 0;
	t = e->seen_ns ? e->seen_ns : time_of(k, e->seq);
	if (e->ctime_ns >= t - RACY_NS || e->mtime_ns >= t - RACY_NS)
		return 0;
	*ret = e->oid;
	return 1;
}
