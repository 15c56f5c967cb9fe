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

	for (uint32_t no = first > after ? first : after + 1; r == 0 && first && no <= last; no++) {
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
	for (uint32_t no = first; r == 0 && first && no <= last; no++) {
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
	int fd = openat(s->logfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 1;

	if (fd < 0)
		return err_errno();
	if (!(d = fdopendir(fd))) {
		r = err_errno();
		close(fd);
		return r;
	}
	while (r == 1 && (errno = 0, de = readdir(d)))
		if (strncmp(de->d_name, TIDY_NAME, strlen(TIDY_NAME)) == 0)
			r = fn(s, de->d_name, arg);
	return r == 1 ? -errno : r;
}

struct taking {
	const struct dropped *dropped;
	struct tidied *done;
};

static int remove_it(struct store *s, const char *name, void *arg)
{
	(void)arg;
	(void)unlinkat(s->logfd, name, 0);
	return 1;
}

static int take_it(struct store *s, const char *name, void *arg)
{
	struct taking *t = arg;
	char now[96];
	uint64_t before, after;
	uint32_t no;
	int r;

	if (strncmp(name, TIDY_NAME "-", sizeof(TIDY_NAME)) != 0)	/* somebody may be at work on it */
		return 1;
	if (sscanf(name, TIDY_NAME "-%08" SCNu32 "-", &no) != 1 || name_of(s, no, t->dropped, now) < 0 ||
	    strcmp(name, now) != 0 || end_of(s, no, &before) < 0)
		return remove_it(s, name, NULL);
	(void)strcpy(now, name);
	r = rewrite_adopt(s, no, now, t->dropped, &after);
	if (r < 0)
		return r == -EBADMSG || r == -ENOTSUP ? remove_it(s, now, NULL) : r;
	t->done->segments++;
	t->done->before += before;
	t->done->after += after;
	return (r = store_shed_readers(s)) < 0 ? r : 1;
}

int store_tidy_take(struct store *s, struct tidied *ret)
{
	autoput(dropped_release) struct dropped d = { 0 };
	struct tidied done = { 0 };
	int r = !s->write ? -EROFS : s->txn ? -EBUSY : 0;

	if (r == 0 && !cat_is_there(s, s->cat))
		s->broken = 1;
	if (r == 0 && s->broken)
		r = store_writer_ready(s);
	if (r == 0)
		r = dropped_read(s, &d);
	if (r == 0)
		r = each_name(s, take_it, &(struct taking){ &d, &done });
	*ret = done;
	if (r < 0 && s->broken)
		(void)store_writer_ready(s);
	return r < 0 ? r : done.segments > 0;
}

void store_tidy_clean(struct store *s)
{
	(void)each_name(s, remove_it, NULL);
}
