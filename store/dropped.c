/* log/dropped: which snapshots count no more although their records still stand in the log. It is
 * replaced as a whole, and that is the moment at which they go: before it all of them are there,
 * after it none is. Segments are written anew without them later, one by one (rewrite.c). */
#include <string.h>
#include <zlib.h>

#include "internal.h"

#define FILE_MAX (64u << 20)
#define FIXED 32

static const char magic[8] = { (char)0x89, 'H', 'F', 'D', 'R', '\r', '\n', 1 };

void dropped_release(struct dropped *d)
{
	free(d->seq);
	*d = (struct dropped){ 0 };
}

static int parse(struct store *s, const struct buf *b, struct dropped *ret)
{
	const uint8_t *p = (const uint8_t *)b->data;
	struct cursor c;
	uint64_t n, at = 0;

	if (b->len < FIXED + 5 || memcmp(p, magic, 8) != 0 ||
		(s->have_id && memcmp(p + 8, s->id, 16) != 0))
		return -EBADMSG;
	c = (struct cursor){ p + b->len - 4, p + b->len, 0 };
	if (cur_u32(&c) != (uint32_t)crc32(0, p, (unsigned)(b->len - 4)))
		return -EBADMSG;
	c = (struct cursor){ p + 24, p + b->len - 4, 0 };
	ret->gen = cur_u64(&c);
	n = cur_varint(&c);
	if (c.bad || n > b->len)
		return -EBADMSG;
	if (!(ret->seq = calloc((size_t)n + 1, sizeof(*ret->seq))))
		return -ENOMEM;
	for (; ret->n < n; ret->seq[ret->n++] = at) {
		uint64_t step = cur_varint(&c);

		if (c.bad || !step || step >> 62 || (at += step) >> 62)
			return -EBADMSG;
	}
	return c.p == c.end ? 0 : -EBADMSG;
}

int dropped_read(struct store *s, struct dropped *ret)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	autoput(dropped_release) struct dropped d = { 0 };
	int r = io_read_file(s->logfd, "dropped", FILE_MAX, &b);

	if (r == -ENOENT) {
		*ret = d;
		return 0;
	}
	if (r < 0 || (r = parse(s, &b, &d)) < 0)
		return r == -EFBIG || r == -ELOOP ? -EBADMSG : r;
	*ret = d;
	d = (struct dropped){ 0 };
	return 0;
}

int dropped_write(struct store *s, const struct dropped *d)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = buf_add(&b, magic, 8) | buf_add(&b, s->id, 16) | buf_add_u64(&b, d->gen) |
		buf_add_varint(&b, d->n);

	for (size_t i = 0; i < d->n; i++)
		r |= buf_add_varint(&b, d->seq[i] - (i ? d->seq[i - 1] : 0));
	if (r == 0)
		r = buf_add_u32(&b, (uint32_t)crc32(0, (const uint8_t *)b.data, (unsigned)b.len));
	return r ? -ENOMEM : io_replace_file(s->logfd, "dropped", b.data, b.len, 0600);
}

bool dropped_has(const struct dropped *d, uint64_t seq)
{
	size_t lo = 0, hi = d->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (d->seq[mid] < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < d->n && d->seq[lo] == seq;
}
