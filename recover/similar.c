/* Renames, found as git finds them: same content first; then, of what is left, names that only one
 * old and one new file bear; then every old file against every new one, the most alike first.
 *
 * How alike two files are: the bytes of the lines (cut at 64 bytes) of the one that also occur
 * in the other, against the size of the larger one. Lines are told apart by a number below
 * 107927 only, and two that share it count as one, so that number is git's too: else percentages
 * would differ now and then. */
#include "pairs.h"

#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "xalloc.h"

enum { SPAN = 64, KINDS = 107927, CANDIDATES = 4, LIMIT = 1000, ALTERNATIVES = 100 };
/* git takes such files for binary and we do not load them */
#define TOO_BIG (UINT64_C(512) << 20)

struct span {
	uint32_t kind;
	uint32_t bytes;
};

struct file {
	struct side *side;
	size_t pair;		/* its index in the list */
	bool used;
	bool sized, cut;	/* size, span are known */
	/* its content cannot be had: like nothing. Who prints it will say so */
	bool unread;
	uint64_t size;
	struct span *span;	/* by kind */
	size_t n;
};

struct match {
	int score;
	bool name;		/* the last part of the path is the same */
	size_t dst, src;
	size_t at;		/* keeps the sort stable */
};

struct finding {
	git_repository *repo;
	git_odb *odb;
	struct pairs *pairs;
	struct file *src, *dst;
	size_t n_src, n_dst;
	int least;
};

/* ---- how alike -------------------------------------------------------------- */

static int by_kind(const void *a, const void *b)
{
	uint32_t x = ((const struct span *)a)->kind, y = ((const struct span *)b)->kind;

	return (x > y) - (x < y);
}

/* Two 32-bit sums that are turned together by seven bits for each byte. */
static uint64_t stir(uint64_t v, unsigned char c)
{
	v = v << 7 | v >> 57;
	return (v & ~(uint64_t)UINT32_MAX) | (uint32_t)((uint32_t)v + c);
}

static uint32_t kind_of(uint64_t v)
{
	return ((uint32_t)v + (uint32_t)(v >> 32) * 0x61u) % KINDS;
}

static size_t cut_spans(const unsigned char *p, size_t len, struct span *out)
{
	bool text = !memchr(p, 0, len < 8000 ? len : 8000);
	size_t n = 0, i = 0;

	while (i < len) {
		uint32_t taken = 0;
		uint64_t v = 0;
		bool whole = false;

		while (i < len && !whole) {
			unsigned char c = p[i++];

			if (text && c == '\r' && i < len && p[i] == '\n')
				continue;	/* line ends of either kind are alike */
			v = stir(v, c);
			whole = ++taken >= SPAN || c == '\n';
		}
		/* what is left at the end does not count: so it is up to git 2.43 */
		if (whole)
			out[n++] = (struct span){ kind_of(v), taken };
	}
	return n;
}

static size_t fold(struct span *s, size_t n)
{
	size_t out = 0;

	if (n)
		qsort(s, n, sizeof(*s), by_kind);
	for (size_t i = 0; i < n; i++) {
		if (out && s[out - 1].kind == s[i].kind)
			s[out - 1].bytes += s[i].bytes;
		else
			s[out++] = s[i];
	}
	return out;
}

static size_t most_spans(const unsigned char *p, size_t len)
{
	size_t n = 1, run = 0;

	for (size_t i = 0; i < len; i++) {
		if (++run >= SPAN || p[i] == '\n') {
			n++;
			run = 0;
		}
	}
	return n;
}

static bool load_size(const struct finding *f, struct file *x)
{
	git_object_t type;
	size_t size;

	if (x->sized || x->unread)
		return !x->unread;
	x->unread = git_odb_read_header(&size, &type, f->odb, &x->side->id) < 0;
	x->size = x->unread ? 0 : size;
	x->sized = !x->unread;
	return x->sized;
}

static bool load_spans(const struct finding *f, struct file *x)
{
	git_blob *blob = NULL;
	const unsigned char *p;

	if (x->cut || x->unread)
		return x->cut;
	if (git_blob_lookup(&blob, f->repo, &x->side->id) < 0) {
		x->unread = true;
		return false;
	}
	p = git_blob_rawcontent(blob);
	x->span = xcalloc(most_spans(p, x->size), sizeof(*x->span));
	x->n = fold(x->span, cut_spans(p, x->size, x->span));
	x->cut = true;
	git_blob_free(blob);
	return true;
}

static uint64_t common_bytes(const struct file *a, const struct file *b)
{
	uint64_t same = 0;

	for (size_t i = 0, j = 0; i < a->n && j < b->n;) {
		const struct span *x = &a->span[i], *y = &b->span[j];

		if (x->kind == y->kind)
			same += x->bytes < y->bytes ? x->bytes : y->bytes;
		i += x->kind <= y->kind;
		j += y->kind <= x->kind;
	}
	return same;
}

/* A score, 0 for less than `least` where that is seen without reading. */
static int alike(const struct finding *f, struct file *a, struct file *b, int least)
{
	uint64_t max, min;

	if ((a->side->mode & 0170000) != 0100000 || (b->side->mode & 0170000) != 0100000)
		return 0;
	if (!load_size(f, a) || !load_size(f, b))
		return 0;
	max = a->size > b->size ? a->size : b->size;
	min = a->size < b->size ? a->size : b->size;
	if (max > TOO_BIG || max * (uint64_t)(SCORE_MAX - least) < (max - min) * SCORE_MAX ||
		!b->size)
		return 0;
	if (!load_spans(f, a) || !load_spans(f, b))
		return 0;
	return (int)(common_bytes(a, b) * SCORE_MAX / max);
}

/* ---- who came from whom ------------------------------------------------------- */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool same_name(const struct file *a, const struct file *b)
{
	return !strcmp(last_part(a->side->path), last_part(b->side->path));
}

static void settle(struct finding *f, struct file *src, struct file *dst, int score)
{
	struct pair *p = &f->pairs->p[dst->pair], *gone = &f->pairs->p[src->pair];

	src->used = dst->used = true;
	p->status = 'R';
	p->score = score;
	free(p->a.path);
	p->a = gone->a;
	gone->a.path = NULL;	/* the deletion goes from the list at the end */
}

static void drop_used(struct file *x, size_t *n)
{
	size_t out = 0;

	for (size_t i = 0; i < *n; i++) {
		if (x[i].used)
			free(x[i].span);
		else
			x[out++] = x[i];
	}
	*n = out;
}

static int by_id(const void *x, const void *y)
{
	const struct file *a = *(const struct file *const *)x, *b = *(const struct file *const *)y;
	int c = git_oid_cmp(&a->side->id, &b->side->id);

	return c ? c : (a > b) - (a < b);
}

static struct file *same_content(struct file **by, size_t n, const struct file *dst)
{
	struct file *best = NULL;
	size_t lo = 0, hi = n;
	int tries = ALTERNATIVES;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (git_oid_cmp(&by[mid]->side->id, &dst->side->id) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < n && git_oid_equal(&by[lo]->side->id, &dst->side->id) && tries; lo++) {
		const struct side *s = by[lo]->side;
		bool files =
			(s->mode & 0170000) == 0100000 && (dst->side->mode & 0170000) == 0100000;

		if (by[lo]->used || (!files && s->mode != dst->side->mode))
			continue;
		if (same_name(by[lo], dst))
			return by[lo];
		best = best ? best : by[lo];
		tries--;
	}
	return best;
}

static void find_same(struct finding *f)
{
	autofree struct file **by = xcalloc(f->n_src, sizeof(*by));

	for (size_t i = 0; i < f->n_src; i++)
		by[i] = &f->src[i];
	qsort(by, f->n_src, sizeof(*by), by_id);
	for (size_t i = 0; i < f->n_dst; i++) {
		struct file *src = same_content(by, f->n_src, &f->dst[i]);

		if (src)
			settle(f, src, &f->dst[i], SCORE_MAX);
	}
}

static int by_name(const void *x, const void *y)
{
	const struct file *a = *(const struct file *const *)x, *b = *(const struct file *const *)y;

	return strcmp(last_part(a->side->path), last_part(b->side->path));
}

static struct file **sorted_by_name(struct file *x, size_t n)
{
	struct file **by = xcalloc(n, sizeof(*by));

	for (size_t i = 0; i < n; i++)
		by[i] = &x[i];
	qsort(by, n, sizeof(*by), by_name);
	return by;
}

/* The only one of that name, at or after *at; *at moves on. NULL: none, or several. */
static struct file *only_one(struct file **by, size_t n, size_t *at, struct file *like)
{
	size_t first;

	while (*at < n && by_name(&by[*at], &like) < 0)
		++*at;
	for (first = *at; *at < n && !by_name(&by[*at], &like);)
		++*at;
	return *at == first + 1 ? by[first] : NULL;
}

/* A name that only one old and one new file bear needs to be alike by less than halfway to the
 * whole. */
static void find_names(struct finding *f)
{
	autofree struct file **src = sorted_by_name(f->src, f->n_src),
			     **dst = sorted_by_name(f->dst, f->n_dst);
	int least = f->least + (SCORE_MAX - f->least) / 2;
	size_t i = 0, j = 0;

	while (i < f->n_src) {
		struct file *like = src[i], *a = only_one(src, f->n_src, &i, like);
		struct file *b = only_one(dst, f->n_dst, &j, like);
		int score = a && b ? alike(f, a, b, least) : 0;

		if (a && b && score >= least)
			settle(f, a, b, score);
	}
}

static int by_score(const void *x, const void *y)
{
	const struct match *a = x, *b = y;

	if (a->score != b->score)
		return b->score - a->score;
	if (a->name != b->name)
		return b->name - a->name;
	return 0;
}

static int best_first(const void *x, const void *y)
{
	int c = by_score(x, y);

	return c ? c : (((const struct match *)x)->at > ((const struct match *)y)->at) * 2 - 1;
}

/* Of the places the worst is given up for a better one. */
static void keep(struct match *place, const struct match *m)
{
	size_t worst = 0;

	for (size_t i = 1; i < CANDIDATES; i++)
		if (by_score(&place[i], &place[worst]) > 0)
			worst = i;
	if (by_score(&place[worst], m) > 0)
		place[worst] = *m;
}

static void find_alike(struct finding *f)
{
	autofree struct match *all = NULL;
	size_t n = f->n_dst * CANDIDATES;

	if (f->n_dst * f->n_src > (size_t)LIMIT * LIMIT)
		return;
	all = xcalloc(n, sizeof(*all));
	for (size_t i = 0; i < n; i++)
		all[i].score = -1;
	for (size_t i = 0; i < f->n_dst; i++) {
		for (size_t j = 0; j < f->n_src; j++) {
			int score = alike(f, &f->src[j], &f->dst[i], f->least);
			struct match m = { score, same_name(&f->src[j], &f->dst[i]), i, j, 0 };

			keep(&all[i * CANDIDATES], &m);
		}
		free(f->dst[i].span);
		f->dst[i].span = NULL;
		f->dst[i].cut = false;
	}
	for (size_t i = 0; i < n; i++)
		all[i].at = i;
	qsort(all, n, sizeof(*all), best_first);
	for (size_t i = 0; i < n && all[i].score >= f->least; i++)
		if (!f->dst[all[i].dst].used && !f->src[all[i].src].used)
			settle(f, &f->src[all[i].src], &f->dst[all[i].dst], all[i].score);
}

static void collect(struct finding *f)
{
	f->src = xcalloc(f->pairs->n, sizeof(*f->src));
	f->dst = xcalloc(f->pairs->n, sizeof(*f->dst));
	for (size_t i = 0; i < f->pairs->n; i++) {
		struct pair *p = &f->pairs->p[i];

		if (p->status == 'D')
			f->src[f->n_src++] = (struct file){ .side = &p->a, .pair = i };
		else if (p->status == 'A')
			f->dst[f->n_dst++] = (struct file){ .side = &p->b, .pair = i };
	}
}

static void find_all(struct finding *f)
{
	if (!f->n_src || !f->n_dst)
		return;
	find_same(f);
	if (f->least == SCORE_MAX)
		return;
	drop_used(f->src, &f->n_src);
	drop_used(f->dst, &f->n_dst);
	find_names(f);
	drop_used(f->src, &f->n_src);
	drop_used(f->dst, &f->n_dst);
	find_alike(f);
}

static void finding_release(struct finding *f)
{
	for (size_t i = 0; i < f->n_src; i++)
		free(f->src[i].span);
	for (size_t i = 0; i < f->n_dst; i++)
		free(f->dst[i].span);
	free(f->src);
	free(f->dst);
	git_odb_free(f->odb);
}

int pairs_find_renames(git_repository *repo, struct pairs *l, int least)
{
	autoput(finding_release) struct finding f = { .repo = repo, .pairs = l, .least = least };
	size_t n = 0;
	int r = git_repository_odb(&f.odb, repo);

	if (r < 0)
		return r;
	collect(&f);
	find_all(&f);
	for (size_t i = 0; i < l->n; i++) {
		if (l->p[i].a.path)
			l->p[n++] = l->p[i];
		else
			free(l->p[i].b.path);
	}
	l->n = n;
	return 0;
}
