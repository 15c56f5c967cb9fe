/* One record's head: parse, build, find again after damage. docs/format.md has the bytes. */
#include <string.h>
#include <zlib.h>

#include "internal.h"

#define FIRST_READ 4096
#define SECTOR 512		/* the least that a disk loses */

void head_unref(struct head *h)
{
	if (h && --h->refs == 0) {
		free(h->mem);
		free(h);
	}
}

static int parse_frame(
	struct cursor *c, struct head *h, struct frame *f, uint32_t *n_raw, uint32_t max_raw)
{
	uint8_t tag = cur_u8(c);
	uint64_t n = 1, sum = 0, stored = cur_varint(c);

	f->type = tag >> 4;
	f->solid = tag & 8;
	f->enc = tag & 7;
	f->crc = cur_u32(c);
	if (f->enc == ENC_ZDELTA || f->enc == ENC_SPLICE) {
		uint64_t bidx, depth;

		f->dist = cur_varint(c);
		bidx = cur_varint(c);
		depth = cur_varint(c);
		if (!f->dist || f->dist >= h->off || bidx > 0xffff || !depth || depth > 255)
			return -EBADMSG;
		f->bidx = (uint32_t)bidx;
		f->depth = (uint32_t)depth;
	}
	if (f->solid)
		n = cur_varint(c);
	if (c->bad || !n || n > max_raw - *n_raw || stored > OBJECT_MAX + 1024)
		return -EBADMSG;
	f->stored = (uint32_t)stored;
	f->first = *n_raw;
	f->n = (uint32_t)n;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t raw = cur_varint(c);

		if (c->bad || raw > OBJECT_MAX)
			return -EBADMSG;
		h->raw[(*n_raw)++] = (uint32_t)raw;
		sum += raw;
	}
	return sum <= OBJECT_MAX ? 0 : -EBADMSG;
}

/* body is the checked bytes; h->off and h->seg are set. On success h owns a copy of the ids. */
static int parse_body(struct head *h, const uint8_t *body, size_t len)
{
	struct cursor c = { body, body + len, 0 };
	uint64_t n_frames = cur_varint(&c);
	uint32_t max_raw, n_raw = 0;
	size_t frames_sz, raw_sz;
	uint64_t off;

	/* A frame takes at least 7 bytes of body, an object 21. */
	if (c.bad || !n_frames || n_frames > len / 7 || len / 21 > 0xffff)
		return -EBADMSG;
	max_raw = (uint32_t)(len / 21);
	frames_sz = (size_t)n_frames * sizeof(struct frame);
	raw_sz = (max_raw + 1) * sizeof(uint32_t);
	h->mem = calloc(1, frames_sz + raw_sz + 20 * (size_t)max_raw);
	if (!h->mem)
		return -ENOMEM;
	h->frames = (struct frame *)(void *)h->mem;
	h->raw = (uint32_t *)(void *)(h->mem + frames_sz);
	h->n_frames = (uint32_t)n_frames;
	off = h->end;	/* for now: where the stored bytes begin */
	for (uint32_t i = 0; i < h->n_frames; i++) {
		struct frame *f = &h->frames[i];
		int r = parse_frame(&c, h, f, &n_raw, max_raw);

		if (r < 0)
			return r;
		f->off = off;
		off += f->stored;
	}
	if ((size_t)(c.end - c.p) != 20 * (size_t)n_raw || off >= 1u << 28)
		return -EBADMSG;
	memcpy(h->mem + frames_sz + raw_sz, c.p, 20 * (size_t)n_raw);
	h->ids = h->mem + frames_sz + raw_sz;
	h->n_objs = n_raw;
	h->end = off;
	return 0;
}

/* p holds n bytes of the segment from h->off. 0: done; 1: *ret_need bytes are needed. */
static int parse_head(struct head *h, uint32_t seed, const uint8_t *p, size_t n, size_t *ret_need)
{
	struct cursor c = { p, p + n, 0 };
	uint64_t len;
	size_t pre, total;
	uint32_t crc;

	if (cur_u8(&c) != RECORD_MARK)
		return -EBADMSG;
	len = cur_varint(&c);
	if (c.bad || len < 28 || len > HEAD_MAX)
		return -EBADMSG;
	pre = (size_t)(c.p - p);
	total = pre + (size_t)len + 4;
	if (total > n) {
		*ret_need = total;
		return 1;
	}
	c.p = p + pre + len;
	crc = cur_u32(&c);
	if ((uint32_t)crc32(seed, p, (unsigned)(pre + len)) != crc)
		return -EBADMSG;
	h->end = h->off + total;
	return parse_body(h, p + pre, (size_t)len);
}

static int head_load(struct store *s, uint32_t seg, uint64_t off, struct head **ret)
{
	uint8_t small[FIRST_READ];
	autofree uint8_t *big = NULL;
	struct head *h;
	struct segment *g;
	size_t need = 0, first = sizeof(small);
	struct stat st;
	ssize_t n;
	int r = seg_get(s, seg, &g);

	if (r < 0)
		return r;
	n = seg_read(g, small, sizeof(small), off);
	if (n == -EBADMSG)		/* only what follows it may be lost */
		n = seg_read(g, small, first = SECTOR - off % SECTOR, off);
	if (n < 0)
		return (int)n;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	*h = (struct head){ .refs = 1, .seg = seg, .off = off };
	r = parse_head(h, seg_seed(g, off), small, (size_t)n, &need);
	if (r == 1 && (size_t)n == first) {
		big = malloc(need);
		r = big ? 0 : -ENOMEM;
		n = r == 0 ? seg_read(g, big, need, off) : 0;
		if (n < 0)
			r = (int)n;
		else if (r == 0)
			r = (size_t)n < need ? -EBADMSG
					     : parse_head(h, seg_seed(g, off), big, need, &need);
	}
	if (r == 1)
		r = -EBADMSG;
	/* The frames must be there too, or the head speaks of nothing. */
	if (r == 0 && fstat(g->fd, &st) < 0)
		r = -errno;
	if (r == 0 && (uint64_t)st.st_size < h->end)
		r = -EBADMSG;
	if (r < 0) {
		head_unref(h);
		return r;
	}
	*ret = h;
	return 0;
}

/* The head in p, if it is one and its frames are there too; NULL. */
static struct head *head_in(const struct head *at, uint32_t seed, const uint8_t *p, size_t n,
	uint64_t size)
{
	struct head *h = malloc(sizeof(*h));
	size_t need;

	if (!h)
		return NULL;
	*h = *at;
	if (parse_head(h, seed, p, n, &need) == 0 && h->end <= size)
		return h;
	head_unref(h);
	return NULL;
}

/* The bits of the length, one after the other. */
static struct head *mend_length(const struct head *at, uint32_t seed, uint8_t *p, size_t n,
	uint64_t size)
{
	for (size_t i = 1; i < n && i < 5; i++) {
		for (int b = 0; b < 8; b++) {
			struct head *h;

			p[i] ^= (uint8_t)(1u << b);
			h = head_in(at, seed, p, n, size);
			p[i] ^= (uint8_t)(1u << b);
			if (h)
				return h;
		}
	}
	return NULL;
}

/* Its check, where the length is right. */
static struct head *mend_body(const struct head *at, uint32_t seed, uint8_t *p, size_t n,
	uint64_t size)
{
	struct cursor c = { p + 1, p + n, 0 };
	uint64_t len = cur_varint(&c);
	size_t upto = (size_t)(c.p - p);
	uint32_t diff;

	if (c.bad || len > HEAD_MAX || len + 4 > n - upto)
		return NULL;
	upto += (size_t)len;
	c.p = p + upto;
	diff = cur_u32(&c) ^ (uint32_t)crc32(seed, p, (unsigned)upto);
	if (mend_bit(p, upto, diff) < 0)	/* a bit of the check itself */
		for (size_t i = 0; i < 4; i++)
			p[upto + i] ^= (uint8_t)(__builtin_popcount(diff) == 1 ? diff >> 8 * i : 0);
	return head_in(at, seed, p, n, size);
}

/* A record is known to begin here, and its head is not right: by one bit? */
static int head_mend(struct store *s, uint32_t seg, uint64_t off, struct head **ret)
{
	struct head at = { .refs = 1, .seg = seg, .off = off, .mended = true }, *h = NULL;
	autofree uint8_t *p = NULL;
	struct segment *g;
	uint64_t size;
	uint32_t seed;
	ssize_t n;
	int r = seg_size(s, seg, &size);

	if (r < 0 || (r = seg_get(s, seg, &g)) < 0)
		return r;
	if (off >= size || mend_is_beyond(s, seg, off))
		return -EBADMSG;
	n = size - off < HEAD_MAX + 16 ? (ssize_t)(size - off) : (ssize_t)HEAD_MAX + 16;
	if (!(p = malloc((size_t)n)))
		return -ENOMEM;
	if ((n = seg_read(g, p, (size_t)n, off)) < 6)
		return n < 0 ? (int)n : -EBADMSG;
	seed = seg_seed(g, off);
	if (__builtin_popcount(p[0] ^ RECORD_MARK) == 1) {
		p[0] = RECORD_MARK;
		h = head_in(&at, seed, p, (size_t)n, size);
	} else if (p[0] == RECORD_MARK && !(h = mend_length(&at, seed, p, (size_t)n, size))) {
		h = mend_body(&at, seed, p, (size_t)n, size);
	}
	if (!h) {
		mend_beyond(s, seg, off);
		return -EBADMSG;
	}
	*ret = h;
	return 0;
}

static struct head *head_cached(struct store *s, loc_t at)
{
	for (int i = 0; i < HEAD_CACHE; i++) {
		/* No record is at 0, where an empty place says it is; a row may. */
		if (s->head_at[i] != at || !s->heads[i])
			continue;
		s->head_used[i] = ++s->tick;
		s->heads[i]->refs++;
		return s->heads[i];
	}
	return NULL;
}

static void head_keep(struct store *s, struct head *h)
{
	int victim = 0;

	for (int i = 1; i < HEAD_CACHE; i++)
		if (s->head_used[i] < s->head_used[victim])
			victim = i;
	head_unref(s->heads[victim]);
	s->heads[victim] = h;
	s->head_at[victim] = loc_make(h->seg, h->off, 0);
	s->head_used[victim] = ++s->tick;
	h->refs++;
}

int head_get(struct store *s, uint32_t seg, uint64_t off, struct head **ret)
{
	int r;

	if ((*ret = head_cached(s, loc_make(seg, off, 0)))) {
		if (!(*ret)->mended || !is_strict(s))
			return 0;
		head_unref(take_ptr(*ret));
		return -EBADMSG;
	}
	r = head_load(s, seg, off, ret);
	if (r == -EBADMSG && !is_strict(s) && off >= SEG_HEADER)
		r = head_mend(s, seg, off, ret);
	if (r == 0)
		head_keep(s, *ret);
	return r;
}

void head_written(struct store *s, uint32_t seg, uint64_t off, const void *p, size_t n)
{
	autohead struct head *h = calloc(1, sizeof(*h));
	struct segment *g;
	size_t need;

	if (!h)
		return;
	*h = (struct head){ .refs = 1, .seg = seg, .off = off };
	if (seg_get(s, seg, &g) == 0 && parse_head(h, seg_seed(g, off), p, n, &need) == 0)
		head_keep(s, h);
}

const struct frame *head_frame(const struct head *h, uint32_t idx)
{
	uint32_t lo = 0, hi = h->n_frames;

	if (idx >= h->n_objs)
		return NULL;
	while (hi - lo > 1) {
		uint32_t mid = (lo + hi) / 2;

		if (h->frames[mid].first <= idx)
			lo = mid;
		else
			hi = mid;
	}
	return &h->frames[lo];
}

int head_check_frames(struct store *s, const struct head *h)
{
	for (uint32_t i = 0; i < h->n_frames; i++) {
		const struct frame *f = &h->frames[i];
		autofree uint8_t *p = malloc(f->stored + 1);
		int r;

		if (!p)
			return -ENOMEM;
		if ((r = seg_pread(s, h->seg, p, f->stored, f->off)) < 0)
			return r;
		if ((uint32_t)crc32(0, p, f->stored) != f->crc)
			return -EBADMSG;
	}
	return 0;
}

int head_resync(struct store *s, uint32_t seg, uint64_t off, struct head **ret)
{
	uint8_t block[65536];
	uint64_t slow = 0;		/* up to here sector by sector */
	struct segment *g;
	int r = seg_get(s, seg, &g);

	while (r == 0) {
		size_t want = off < slow ? SECTOR - off % SECTOR : sizeof(block);
		ssize_t n = seg_pread_some(s, seg, block, want, off);
		const uint8_t *p = block, *end;

		if (n == -EBADMSG) {
			if (want <= SECTOR)
				off += want;
			else
				slow = off + want;
			continue;
		}
		if (n < 0)
			return (int)n;
		if (n == 0)
			return -ENOENT;
		end = block + n;
		while ((p = memchr(p, RECORD_MARK, (size_t)(end - p)))) {
			int e = head_load(s, seg, off + (uint64_t)(p - block), ret);

			if (e != -EBADMSG)
				return e;
			if (++p == end)
				break;
		}
		off += (uint64_t)n;
	}
	return r;
}

int head_build(const struct frame *f, uint32_t n_frames, const uint32_t *raw, const uint8_t *ids,
	uint32_t n_objs, uint32_t seed, struct buf *out)
{
	autoput(buf_release) struct buf body = BUF_INIT;
	int r = buf_add_varint(&body, n_frames);

	for (uint32_t i = 0; i < n_frames; i++, f++) {
		r |= buf_addch(&body, f->type << 4 | (f->solid ? 8 : 0) | f->enc);
		r |= buf_add_varint(&body, f->stored);
		r |= buf_add_u32(&body, f->crc);
		if (f->dist) {
			r |= buf_add_varint(&body, f->dist);
			r |= buf_add_varint(&body, f->bidx);
			r |= buf_add_varint(&body, f->depth);
		}
		if (f->solid)
			r |= buf_add_varint(&body, f->n);
		for (uint32_t k = 0; k < f->n; k++)
			r |= buf_add_varint(&body, raw[f->first + k]);
	}
	r |= buf_add(&body, ids, 20 * (size_t)n_objs);
	r |= buf_addch(out, RECORD_MARK);
	r |= buf_add_varint(out, body.len);
	r |= buf_add(out, body.data, body.len);
	if (r)
		return -ENOMEM;
	return buf_add_u32(
		out, (uint32_t)crc32(seed, (const uint8_t *)out->data, (unsigned)out->len));
}
