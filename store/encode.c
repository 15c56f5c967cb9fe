/* Choosing the stored form of the objects of one record: solid frames for what has no version
 * before, splices for trees and small edits, zstd with the version before as prefix for the
 * rest. Every frame is decoded and compared before anything is written: compressors
 * have corrupted backups before. */
#define ZSTD_STATIC_LINKING_ONLY
#include <string.h>
#include <zlib.h>

#include "internal.h"

#define TIGHT_MAX (1u << 20)
#define SPLICE_MAX 96	/* a changed middle up to here is stored literally */

void encoded_release(struct encoded *e)
{
	free(e->frames);
	free(e->raw);
	free(e->ids);
	free(e->slot);
	buf_release(&e->stored);
	*e = (struct encoded){ 0 };
}

loc_t encode_base(struct store *s, loc_t old, size_t len)
{
	uint32_t max = (uint32_t)(CHAIN_BYTES / (len + 1));

	if (!old || loc_seg(old) != s->end.seg)
		return 0;
	max = max > DEPTH_MAX ? DEPTH_MAX : max < 1 ? 1 : max;
	for (loc_t at = old;;) {
		autohead struct head *h = NULL;
		const struct frame *f;

		if (head_get(s, loc_seg(at), loc_off(at), &h) < 0 ||
			!(f = head_frame(h, loc_idx(at))))
			return 0;
		/* A full chain starts again on its root, not with a whole copy. */
		if (!f->dist || (at == old && f->depth < max))
			return at;
		at = loc_make(h->seg, h->off - f->dist, f->bidx);
	}
}

/* ---- zstd ---- */

static int cctx_ready(struct store *s)
{
	size_t r;

	if (s->cctx)
		return 0;
	s->cctx = ZSTD_createCCtx();
	if (!s->cctx)
		return -ENOMEM;
	r = ZSTD_CCtx_setParameter(s->cctx, ZSTD_c_format, ZSTD_f_zstd1_magicless);
	if (!ZSTD_isError(r))
		r = ZSTD_CCtx_setParameter(s->cctx, ZSTD_c_contentSizeFlag, 0);
	if (!ZSTD_isError(r))
		r = ZSTD_CCtx_setParameter(s->cctx, ZSTD_c_dictIDFlag, 0);
	return ZSTD_isError(r) ? -ENOTSUP : 0;
}

/* The highest levels take many times the input's size in memory. */
static int tight_level(size_t n, size_t prefix_len)
{
	return n + prefix_len > TIGHT_MAX ? 9 : prefix_len ? 10 : 19;
}

static int set_level(struct store *s, int level)
{
	int r = cctx_ready(s);

	if (r < 0 || s->cctx_level == level)
		return r;
	if (ZSTD_isError(ZSTD_CCtx_setParameter(s->cctx, ZSTD_c_compressionLevel, level)))
		return -ENOTSUP;
	s->cctx_level = level;
	return 0;
}

static int zstd_at(struct store *s, const void *p, size_t n, const void *prefix,
	size_t prefix_len, int level, struct buf *out)
{
	size_t bound = ZSTD_compressBound(n), r;
	int e = set_level(s, level);

	if (e < 0 || (e = buf_reserve(out, bound)) < 0)
		return e;
	if (prefix_len)
		ZSTD_CCtx_refPrefix(s->cctx, prefix, prefix_len);
	r = ZSTD_compress2(s->cctx, out->data + out->len, bound, p, n);
	if (ZSTD_isError(r)) {
		ZSTD_CCtx_reset(s->cctx, ZSTD_reset_session_only);
		return err_from_zstd(r);
	}
	out->len += r;
	return 0;
}

/* A higher level finds more in what hardly shrinks, too (pictures: 3 %), but less in lines that are all alike: 5 KB of 28 at 19,
 * where 3 makes 2.4. The smaller one stays. */
static int zstd_into(struct store *s, const void *p, size_t n, const void *prefix, size_t prefix_len, struct buf *out)
{
	autoput(buf_release) struct buf tight = BUF_INIT;
	size_t was = out->len;
	int r = zstd_at(s, p, n, prefix, prefix_len, s->opt.level ? s->opt.level : 3, out);

	if (r < 0 || !s->tight)
		return r;
	if ((r = zstd_at(s, p, n, prefix, prefix_len, tight_level(n, prefix_len), &tight)) < 0 || tight.len >= out->len - was)
		return r;
	out->len = was;
	return buf_add(out, tight.data, tight.len);
}

/* ---- one frame ---- */

struct plan {			/* which pends make a frame */
	uint32_t first, n;	/* in order[] */
	bool solid;
};

/* One object against its version before. Leaves out empty if that does not pay. */
static int encode_delta(struct store *s, const struct pend *p, const struct rbuf *base,
	const uint8_t *ids, uint32_t n_ids, uint8_t *ret_enc, struct buf *out)
{
	const uint8_t *a = base->data, *b = p->raw->data;
	size_t max = base->len < p->raw->len ? base->len : p->raw->len;
	size_t pre = 0, suf = 0, mid;
	int r;

	if (p->type == OBJ_TREE) {
		*ret_enc = ENC_SPLICE;
		return tree_splice(base, b, p->raw->len, ids, n_ids, out);
	}
	while (pre + 8 <= max && memcmp(a + pre, b + pre, 8) == 0)
		pre += 8;
	while (pre < max && a[pre] == b[pre])
		pre++;
	while (suf < max - pre && a[base->len - 1 - suf] == b[p->raw->len - 1 - suf])
		suf++;
	mid = p->raw->len - pre - suf;
	if (mid <= SPLICE_MAX) {
		*ret_enc = ENC_SPLICE;
		r = buf_add_varint(out, pre << 2);
		if (base->len > pre + suf)
			r |= buf_add_varint(out, (base->len - pre - suf) << 2 | 1);
		if (mid) {
			r |= buf_add_varint(out, mid << 2 | 2);
			r |= buf_add(out, b + pre, mid);
		}
		if (suf)
			r |= buf_add_varint(out, suf << 2);
		return r ? -ENOMEM : 0;
	}
	*ret_enc = ENC_ZDELTA;
	if (buf_add_varint(out, pre) < 0 || buf_add_varint(out, suf) < 0)
		return -ENOMEM;
	return zstd_into(s, b + pre, mid, a + delta_from(pre),
		delta_to(base->len, suf) - delta_from(pre), out);
}

static int encode_whole(struct store *s, uint8_t type, const void *p, size_t n, const uint8_t *ids,
	uint32_t n_ids, uint8_t *ret_enc, struct buf *out)
{
	size_t n_prefix = type == OBJ_TREE ? 20 * (size_t)n_ids : 0;
	int r;

	*ret_enc = type == OBJ_TREE ? ENC_ZIDS : ENC_ZSTD;
	r = zstd_into(s, p, n, ids, n_prefix, out);
	if (r == 0 && out->len >= n) {
		*ret_enc = ENC_RAW;
		out->len = 0;
		r = buf_add(out, p, n);
	}
	return r;
}

static int encode_single(struct store *s, const struct pend *p, const struct encoded *e,
	uint64_t record_off, struct frame *f, struct buf *out, struct rbuf **ret_base)
{
	autoput(buf_release) struct buf whole = BUF_INIT;
	autohead struct head *h = NULL;
	uint8_t enc;
	int r;

	if (!p->base)
		return encode_whole(
			s, p->type, p->raw->data, p->raw->len, e->ids, e->n_objs, &f->enc, out);
	r = obj_read(s, p->base, NULL, NULL, ret_base);
	if (r == 0)
		r = head_get(s, loc_seg(p->base), loc_off(p->base), &h);
	if (r == -EBADMSG)	/* damage costs what it hits, not the version after it */
		return encode_whole(
			s, p->type, p->raw->data, p->raw->len, e->ids, e->n_objs, &f->enc, out);
	if (r < 0)
		return r;
	if ((r = encode_delta(s, p, *ret_base, e->ids, e->n_objs, &f->enc, out)) < 0)
		return r;
	f->dist = record_off - loc_off(p->base);
	f->bidx = loc_idx(p->base);
	f->depth = head_frame(h, f->bidx)->depth + 1;
	if (f->depth > 1) /* nothing more is made against it; the root is, again and again */
		obj_cache_drop(s, p->base);
	if (out->len < p->raw->len / 2)
		return 0;
	/* Not much of a delta: a whole copy may be as small, and ends the chain. */
	r = encode_whole(s, p->type, p->raw->data, p->raw->len, e->ids, e->n_objs, &enc, &whole);
	if (r == 0 && whole.len <= out->len + out->len / 8) {
		buf_release(out);
		*out = whole;
		whole = (struct buf)BUF_INIT;
		f->enc = enc;
		f->dist = f->bidx = f->depth = 0;
	}
	return r;
}

/* Does the frame come back as it went in? Otherwise it is stored raw: the bytes matter, not the
 * ratio. */
static int verify_frame(struct store *s, struct frame *f, const struct encoded *e,
	const struct rbuf *want, const struct rbuf *base, struct buf *out)
{
	autorbuf struct rbuf *got = NULL;
	int r;

	f->stored = (uint32_t)out->len;
	r = frame_decode(s, f, e->raw, e->ids, e->n_objs, (const uint8_t *)out->data,
		f->dist ? base : NULL, &got);
	if (r == -ENOMEM)
		return r;
	if (r == 0 && got->len == want->len && memcmp(got->data, want->data, want->len) == 0)
		return 0;
	log_warn("store: a compressed object did not decompress to itself; it is stored "
		 "uncompressed");
	f->enc = ENC_RAW;
	f->dist = f->bidx = f->depth = 0;
	buf_reset(out);
	if ((r = buf_add(out, want->data, want->len)) < 0)
		return r;
	f->stored = (uint32_t)out->len;
	return 0;
}

static int encode_frame(struct store *s, const struct pend *p, const uint32_t *order,
	const struct plan *pl, struct encoded *e, uint64_t record_off)
{
	struct frame *f = &e->frames[e->n_frames];
	autoput(buf_release) struct buf out = BUF_INIT;
	autorbuf struct rbuf *all = NULL, *base = NULL;
	const struct pend *one = &p[order[pl->first]];
	size_t len = 0;
	int r;

	*f = (struct frame){
		.type = one->type, .solid = pl->solid, .first = pl->first, .n = pl->n
	};
	if (!pl->solid) {
		all = rbuf_ref(one->raw);
		r = encode_single(s, one, e, record_off, f, &out, &base);
	} else {
		for (uint32_t i = 0; i < pl->n; i++)
			len += p[order[pl->first + i]].raw->len;
		if (!(all = rbuf_new(len)))
			return -ENOMEM;
		len = 0;
		for (uint32_t i = 0; i < pl->n; i++) {
			const struct rbuf *o = p[order[pl->first + i]].raw;

			memcpy(all->data + len, o->data, o->len);
			len += o->len;
		}
		r = encode_whole(
			s, one->type, all->data, all->len, e->ids, e->n_objs, &f->enc, &out);
	}
	if (r < 0 || (r = verify_frame(s, f, e, all, base, &out)) < 0)
		return r;
	f->crc = (uint32_t)crc32(0, (const uint8_t *)out.data, (unsigned)out.len);
	e->n_frames++;
	return out.len ? buf_add(&e->stored, out.data, out.len) : 0;
}

/* ---- the record ---- */

#define SMALL (32u << 10)

static bool wants_solid(const struct pend *p, uint8_t type)
{
	return p->type == type && !p->base && p->raw->len <= SOLID_MAX;
}

/* Objects without a base share frames, by type; the others follow one by one, in their order (a
 * snapshot stays last). A large one shares none with small ones: what damages it leaves them. */
static uint32_t make_plan(const struct pend *p, uint32_t n, uint32_t *order, struct plan *pl)
{
	static const struct { uint8_t type; size_t least, most; } kinds[] = {
		{ OBJ_BLOB, 0, SMALL }, { OBJ_BLOB, SMALL + 1, SOLID_MAX }, { OBJ_TREE, 0, SOLID_MAX },
	};
	uint32_t at = 0, n_pl = 0;

	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		size_t bytes = 0;
		struct plan *cur = NULL;

		for (uint32_t i = 0; i < n; i++) {
			if (!wants_solid(&p[i], kinds[k].type) || p[i].raw->len < kinds[k].least ||
			    p[i].raw->len > kinds[k].most)
				continue;
			if (!cur || bytes + p[i].raw->len > SOLID_MAX) {
				cur = &pl[n_pl++];
				*cur = (struct plan){ .first = at };
				bytes = 0;
			}
			order[at++] = i;
			bytes += p[i].raw->len;
			cur->solid = ++cur->n > 1;
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		if (wants_solid(&p[i], OBJ_BLOB) || wants_solid(&p[i], OBJ_TREE))
			continue;
		pl[n_pl++] = (struct plan){ .first = at, .n = 1 };
		order[at++] = i;
	}
	return n_pl;
}

int encode_batch(
	struct store *s, const struct pend *p, uint32_t n, uint64_t record_off, struct encoded *ret)
{
	autofree uint32_t *order = calloc(n, sizeof(*order));
	autofree struct plan *pl = calloc(n, sizeof(*pl));
	autoput(encoded_release) struct encoded e = {
		.frames = calloc(n, sizeof(*e.frames)), .raw = calloc(n, sizeof(*e.raw)),
		.ids = calloc(n, 20), .slot = calloc(n, sizeof(*e.slot)), .n_objs = n,
	};
	uint32_t n_pl;
	int r;

	if (!order || !pl || !e.frames || !e.raw || !e.ids || !e.slot)
		return -ENOMEM;
	n_pl = make_plan(p, n, order, pl);
	for (uint32_t i = 0; i < n; i++) {
		e.slot[order[i]] = i;
		e.raw[i] = (uint32_t)p[order[i]].raw->len;
		memcpy(e.ids + 20 * (size_t)i, p[order[i]].id.b, 20);
	}
	for (uint32_t i = 0; i < n_pl; i++)
		if ((r = encode_frame(s, p, order, &pl[i], &e, record_off)) < 0)
			return r;
	*ret = e;
	e = (struct encoded){ 0 };
	return 0;
}
