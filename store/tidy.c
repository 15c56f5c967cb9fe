/* Segments as tight as can be (tidy.h); the encoding is encode.c's, with store.tight. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rewrite.h"
#include "tidy.h"

#define SLICE_MS 20
#define NAME_FORMAT TIDY_NAME "-%08" PRIu32 "-%016" PRIx64 "-%" PRIx64 "-%" PRIx64

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* How far the segment goes for this handle. */
static int end_of(struct store *s, uint32_t no, uint64_t *ret)
{
	struct log_pos end = s->write ? s->end : cat_pos(s->cat);

	if (no != end.seg)
		return no > end.seg ? -ENOENT : seg_size(s, no, ret);
	*ret = end.off;
	return 0;
}

/* What is made of the segment as it is now. */
static int name_of(struct store *s, uint32_t no, const struct dropped *d, char out[96])
{
	struct segment *g;
	uint64_t salt, end = 0;
	int r = seg_get(s, no, &g);

	if (r == 0)
		r = end_of(s, no, &end);
	if (r < 0)
		return r;
	memcpy(&salt, g->salt, 8);
	(void)snprintf(out, 96, NAME_FORMAT, no, salt, end, d->gen);
	return 0;
}

/* Bytes of a segment that were never tidied, if that are enough; else 0. */
static uint64_t untidy(struct store *s, uint32_t no, uint64_t least, uint64_t *ret_end)
{
	struct segment *g;
	uint64_t done;

	if (seg_get(s, no, &g) < 0 || g->copied || g->mended || end_of(s, no, ret_end) < 0)
		return 0;
	done = seg_tidied(g);
	done = done > SEG_HEADER ? done : SEG_HEADER;
	return *ret_end < done + least || *ret_end < done + *ret_end / 10 ? 0 : *ret_end - done;
}

int store_tidy_due(struct store *s, uint64_t least, uint32_t after, uint32_t *ret_no, uint64_t *ret_bytes)
{
	uint32_t first, last;
	uint64_t most = 0;
	int r = seg_list(s, &first, &last);

	for (uint32_t no = first > after ? first : after + 1; r == 0 && first && no <= last; no = seg_next(s, no, last)) {
		uint64_t end, n = untidy(s, no, least, &end);

		if (n <= most)
			continue;
		most = n;
		*ret_no = no;
		*ret_bytes = end;
	}
	return r < 0 ? r : most > 0;
}

int store_tidy_left(struct store *s, uint64_t least, struct tidied *ret)
{
	uint32_t first, last;
	int r = seg_list(s, &first, &last);

	*ret = (struct tidied){ 0 };
	for (uint32_t no = first; r == 0 && first && no <= last; no = seg_next(s, no, last)) {
		uint64_t end;

		if (!untidy(s, no, least, &end))
			continue;
		ret->segments++;
		ret->before += end;
	}
	return r;
}

static int run(struct rewrite *w, int (*rest)(void *arg), void *arg)
{
	int r;

	while ((r = rewrite_step(w, now_ms() + SLICE_MS)) == 1)
		if (rest && (r = rest(arg)) < 0)
			break;
	return r;
}

int store_tidy_make(struct store *s, uint32_t no, int (*rest)(void *arg), void *arg)
{
	autoput(dropped_release) struct dropped d = { 0 };
	struct rewrite *w;
	char name[96];
	int r = dropped_read(s, &d);

	if (r == 0)
		r = name_of(s, no, &d, name);
	if (r == 0)
		r = rewrite_tight(s, no, &d, &w);
	if (r != 0)
		return r;
	if ((r = run(w, rest, arg)) < 0) {
		rewrite_drop(w);
		return r;
	}
	return rewrite_leave(w, name);
}

/* The names in log/ that are ours. fn: 1 goes on, else that is what comes back. */
static int each_name(struct store *s, int (*fn)(struct store *s, const char *name, void *arg), void *arg)
{
	autoclosedir DIR *d = NULL;
	struct dirent *de;
	int r = io_opendir(s->logfd, ".", &d);

	if (r < 0)
		return r;
	r = 1;
	while (r == 1 && (errno = 0, de = readdir(d)))
		if (strncmp(de->d_name, TIDY_NAME, strlen(TIDY_NAME)) == 0)
			r = fn(s, de->d_name, arg);
	return r == 1 ? -errno : r;
}

struct tidy_take {
	struct store *s;
	struct dropped dropped;
	struct rewrite *w;
	uint32_t no;
	char name[96];
};

static int remove_it(struct store *s, const char *name, void *arg)
{
	(void)arg;
	return unlinkat(s->logfd, name, 0) < 0 && errno != ENOENT ? err_errno() : 1;
}

/* Is it made of the segment as it is now? */
static bool fits(struct store *s, const char *name, const struct dropped *d, uint32_t *ret_no)
{
	char now[96];

	return sscanf(name, TIDY_NAME "-%08" SCNu32 "-", ret_no) == 1 && name_of(s, *ret_no, d, now) == 0 &&
	       strcmp(name, now) == 0;
}

static int find_one(struct store *s, const char *name, void *arg)
{
	struct tidy_take *t = arg;

	if (strncmp(name, TIDY_NAME "-", sizeof(TIDY_NAME)) != 0)	/* somebody may be at work on it */
		return 1;
	if (strlen(name) >= sizeof(t->name) || !fits(s, name, &t->dropped, &t->no))
		return remove_it(s, name, NULL);
	(void)strcpy(t->name, name);
	return 2;
}

void store_take_drop(struct tidy_take *t)
{
	if (!t)
		return;
	rewrite_drop(t->w);
	dropped_release(&t->dropped);
	free(t);
}

int store_take_begin(struct store *s, struct tidy_take **ret)
{
	struct tidy_take *t;
	int r = store_can_write(s);

	if (r < 0)
		return r;
	if (!(t = calloc(1, sizeof(*t))))
		return -ENOMEM;
	t->s = s;
	r = dropped_read(s, &t->dropped);
	/* One that cannot be used is no reason not to take the next. */
	while (r == 0 && (r = each_name(s, find_one, t)) == 2) {
		r = rewrite_adopt(s, t->no, t->name, &t->dropped, &t->w);
		if (r == 0) {
			*ret = t;
			return 1;
		}
		if ((r == -EBADMSG || r == -ENOTSUP) && (r = remove_it(s, t->name, NULL)) == 1)
			r = 0;
	}
	store_take_drop(t);
	return r;
}

int store_take_step(struct tidy_take *t, uint64_t budget_ms)
{
	int r = rewrite_step(t->w, budget_ms ? now_ms() + budget_ms : 0);

	if (r == -EBADMSG || r == -ENOTSUP)
		(void)remove_it(t->s, t->name, NULL);
	return r;
}

/* Since it was begun a snapshot may have been taken, or a prune made. */
static int fits_still(struct tidy_take *t)
{
	autoput(dropped_release) struct dropped d = { 0 };
	uint32_t no;
	int r = dropped_read(t->s, &d);

	if (r == 0)
		r = rewrite_is_named(t->w) && fits(t->s, t->name, &d, &no);
	return r;
}

int store_take_finish(struct tidy_take *t, struct tidied *ret)
{
	struct store *s = t->s;
	struct tidied done = { 1, 0, 0 };
	int r = store_can_write(s);

	if (r == 0)
		r = fits_still(t);
	if (r == 0 && (r = remove_it(s, t->name, NULL)) == 1)
		r = 0;
	else if (r == 1 && (r = end_of(s, t->no, &done.before)) == 0 &&
	    (r = rewrite_finish(take_ptr(t->w), &done.after)) == 0 && (r = store_shed_readers(s)) == 0) {
		*ret = done;
		r = 1;
	}
	if (r == -EBADMSG || r == -ENOTSUP)
		(void)remove_it(s, t->name, NULL);
	if (r < 0 && s->broken)
		(void)store_writer_ready(s);
	store_take_drop(t);
	return r;
}

int store_tidy_take(struct store *s, struct tidied *ret)
{
	struct tidied done = { 0 };
	struct tidy_take *t;
	int r;

	while ((r = store_take_begin(s, &t)) == 1) {
		struct tidied one;

		if ((r = store_take_step(t, 0)) == 0)
			r = store_take_finish(t, &one);
		else
			store_take_drop(t);
		if (r < 0 && r != -EBADMSG && r != -ENOTSUP)	/* those two are gone */
			break;
		if (r != 1)
			continue;
		done.segments++;
		done.before += one.before;
		done.after += one.after;
	}
	*ret = done;
	return r < 0 ? r : done.segments > 0;
}

void store_tidy_clean(struct store *s)
{
	(void)each_name(s, remove_it, NULL);
}
