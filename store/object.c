/* Reading one object: its frame, the chain of bases below it, the caches that keep a walk cheap. */
#define ZSTD_STATIC_LINKING_ONLY
#include <string.h>
#include <zlib.h>

#include "../lib/names.h"
#include "hash.h"
#include "internal.h"

#define CHAIN_START 255		/* deeper than any chain */

struct rbuf *rbuf_new(size_t len)
{
	struct rbuf *r = malloc(sizeof(*r) + len + 1);

	if (r) {
		r->refs = 1;
		r->len = len;
		r->data[len] = 0;
	}
	return r;
}

struct rbuf *rbuf_ref(struct rbuf *r)
{
	r->refs++;
	return r;
}

void rbuf_unref(struct rbuf *r)
{
	if (r && --r->refs == 0)
		free(r);
}

/* ---- decoding one frame ---- */

static int dctx_ready(struct store *s)
{
	if (s->dctx)
		return 0;
	s->dctx = ZSTD_createDCtx();
	if (!s->dctx)
		return -ENOMEM;
	return ZSTD_isError(ZSTD_DCtx_setParameter(s->dctx, ZSTD_d_format, ZSTD_f_zstd1_magicless))
		       ? -ENOTSUP
		       : 0;
}

static int unzstd(struct store *s, const uint8_t *p, size_t n, const void *prefix,
	size_t prefix_len, uint8_t *out, size_t out_len)
{
	size_t r;
	int e = dctx_ready(s);

	if (e < 0)
		return e;
	if (prefix_len)
		ZSTD_DCtx_refPrefix(s->dctx, prefix, prefix_len);
	r = ZSTD_decompressDCtx(s->dctx, out, out_len, p, n);
	if (ZSTD_isError(r) || r != out_len) {
		ZSTD_DCtx_reset(s->dctx, ZSTD_reset_session_only);
		return -EBADMSG;
	}
	return 0;
}

/* The first len bytes of what p decodes to: one small file at the front of a solid frame does
 * not need the rest. */
static int unzstd_start(struct store *s, const uint8_t *p, size_t n, uint8_t *out, size_t len)
{
	ZSTD_outBuffer o = { out, len, 0 };
	ZSTD_inBuffer in = { p, n, 0 };
	int r = dctx_ready(s);

	while (r == 0 && o.pos < len) {
		size_t before = o.pos + in.pos, z = ZSTD_decompressStream(s->dctx, &o, &in);

		if (ZSTD_isError(z) || o.pos + in.pos == before)
			r = -EBADMSG;
	}
	if (s->dctx)
		ZSTD_DCtx_reset(s->dctx, ZSTD_reset_session_only);
	return r;
}

static int unzdelta(struct store *s, const uint8_t *p, size_t n, const struct rbuf *base,
	uint8_t *out, size_t len)
{
	struct cursor c = { p, p + n, 0 };
	uint64_t pre = cur_varint(&c), suf = cur_varint(&c);

	if (!base || c.bad || pre > len || suf > len - pre || pre > base->len ||
		suf > base->len - pre)
		return -EBADMSG;
	memcpy(out, base->data, (size_t)pre);
	memcpy(out + len - suf, base->data + base->len - suf, (size_t)suf);
	if (pre + suf == len)
		return c.p == c.end ? 0 : -EBADMSG;
	return unzstd(s, c.p, (size_t)(c.end - c.p), base->data + delta_from((size_t)pre),
		delta_to(base->len, (size_t)suf) - delta_from((size_t)pre), out + pre,
		len - (size_t)pre - (size_t)suf);
}

static int unsplice(const uint8_t *p, size_t n, const struct rbuf *base, const uint8_t *ids,
	uint32_t n_ids, uint8_t *out, size_t len)
{
	struct cursor c = { p, p + n, 0 };
	uint64_t at = 0, done = 0;

	while (c.p < c.end && !c.bad) {
		uint64_t v = cur_varint(&c), k = v >> 2;
		const uint8_t *from;
		int op = v & 3;

		if (op == 3) {
			if (k >= n_ids)
				return -EBADMSG;
			from = ids + 20 * k;
			k = 20;
		} else if (op == 2) {
			if (k > (uint64_t)(c.end - c.p))
				return -EBADMSG;
			from = cur_bytes(&c, (size_t)k);
		} else {
			if (!base || k > base->len - at)
				return -EBADMSG;
			from = base->data + at;
			at += k;
			if (op == 1)
				continue;
		}
		if (!from || k > len - done)
			return -EBADMSG;
		memcpy(out + done, from, (size_t)k);
		done += k;
	}
	return c.bad || done != len ? -EBADMSG : 0;
}

int frame_decode(struct store *s, const struct frame *f, const uint32_t *raw, const uint8_t *ids,
	uint32_t n_ids, const uint8_t *stored, const struct rbuf *base, struct rbuf **ret)
{
	autorbuf struct rbuf *out = NULL;
	uint64_t len = 0;
	int r = 0;

	for (uint32_t i = 0; i < f->n; i++)
		len += raw[f->first + i];
	if (len > OBJECT_MAX ||
		((f->enc == ENC_ZDELTA || f->enc == ENC_SPLICE) && (!base || f->solid)))
		return -EBADMSG;
	out = rbuf_new((size_t)len);
	if (!out)
		return -ENOMEM;
	switch (f->enc) {
	case ENC_RAW:
		if (f->stored != len)
			return -EBADMSG;
		memcpy(out->data, stored, (size_t)len);
		break;
	case ENC_ZSTD:
		r = unzstd(s, stored, f->stored, NULL, 0, out->data, out->len);
		break;
	case ENC_ZIDS:
		r = unzstd(s, stored, f->stored, ids, 20 * (size_t)n_ids, out->data, out->len);
		break;
	case ENC_ZDELTA:
		r = unzdelta(s, stored, f->stored, base, out->data, out->len);
		break;
	case ENC_SPLICE:
		r = unsplice(stored, f->stored, base, ids, n_ids, out->data, out->len);
		break;
	default:
		return -ENOTSUP;
	}
	if (r < 0)
		return r;
	*ret = take_ptr(out);
	return 0;
}

/* ---- one object ---- */

int obj_check(const struct head *h, uint8_t type, const uint8_t *want, const uint8_t *p, size_t n)
{
	autoput(snap_release) struct snap sn = { .info = { 0 } };
	autoput(buf_release) struct buf text = BUF_INIT;
	struct oid id;
	int r;

	switch (type) {
	case OBJ_BLOB:
	case OBJ_TREE:
		store_hash(type == OBJ_TREE ? "tree" : "blob", p, n, &id);
		break;
	case OBJ_SNAPSHOT:
		if ((r = snap_parse(p, n, h->seg, h->off, &sn)) < 0 ||
		    (r = snap_commit_text(&sn.info, sn.has_parent ? &sn.parent : NULL, &text)) < 0)
			return r;
		store_hash("commit", text.data, text.len, &id);
		break;
	case OBJ_MANIFEST:
	case OBJ_MARK:
		hash_bytes(p, n, &id);
		break;
	default:
		return 0;
	}
	return memcmp(id.b, want, 20) ? -EBADMSG : 0;
}

/* The stored bytes, checked, in small or in memory of their own (*ret_big). */
static int frame_bytes(struct store *s, const struct head *h, const struct frame *f, uint8_t *small,
	size_t n_small, uint8_t **ret_big, const uint8_t **ret, bool *ret_mended)
{
	uint8_t *p = small;
	uint32_t diff;
	int r;

	if (f->stored > n_small && !(p = *ret_big = malloc(f->stored)))
		return -ENOMEM;
	if ((r = seg_pread(s, h->seg, p, f->stored, f->off)) < 0)
		return r;
	diff = (uint32_t)crc32(0, p, f->stored) ^ f->crc;
	if (diff && (is_strict(s) || mend_is_beyond(s, h->seg, f->off)))
		return -EBADMSG;
	if (diff && mend_bit(p, f->stored, diff) < 0) {
		mend_beyond(s, h->seg, f->off);
		return -EBADMSG;
	}
	*ret_mended = diff || h->mended;
	*ret = p;
	return 0;
}

/* Put right by its checksum: is it what it was? */
static int check_mended(struct store *s, const struct head *h, const struct frame *f, const uint8_t *p)
{
	struct oid id;

	for (uint32_t i = f->first; i < f->first + f->n; i++) {
		int r = obj_check(h, f->type, head_id(h, i), p, h->raw[i]);

		if (r < 0)
			return r;
		p += h->raw[i];
		memcpy(id.b, head_id(h, i), 20);
		heal_note(s, &id);	/* the next snapshot writes it anew, if it is of now */
	}
	if (!s->told_mended)
		log_warn("%s: a flipped bit in segment %u was put right in reading it; `" RECOVER " repair` writes all anew",
			s->dir, h->seg);
	s->told_mended = s->mended_cached = true;
	s->n_mended++;
	return 0;
}

int frame_stored(struct store *s, const struct head *h, const struct frame *f, uint8_t *ret)
{
	autofree uint8_t *none = NULL;
	const uint8_t *p;
	bool mended;

	return frame_bytes(s, h, f, ret, f->stored, &none, &p, &mended);
}

static int frame_load(struct store *s, const struct head *h, const struct frame *f,
	const struct rbuf *base, struct rbuf **ret)
{
	uint8_t small[8192];
	autofree uint8_t *big = NULL;
	const uint8_t *p;
	bool mended;
	int r = frame_bytes(s, h, f, small, sizeof(small), &big, &p, &mended);

	if (r == 0)
		r = frame_decode(s, f, h->raw, h->ids, h->n_objs, p, base, ret);
	if (r == 0 && mended && (r = check_mended(s, h, f, (*ret)->data)) < 0)
		rbuf_unref(take_ptr(*ret));
	return r;
}

/* Was this frame read before, if only in part? The next time it is. */
static bool touched(struct store *s, loc_t frame)
{
	for (int i = 0; i < SOLID_CACHE; i++)
		if (s->touched[i] == frame)
			return true;
	s->touched[s->next_touched++ % SOLID_CACHE] = frame;
	return false;
}

/* One object at the front of a frame that nobody has asked for before. -ENOENT: decode all of
 * it. */
static int solid_read_start(struct store *s, const struct head *h, const struct frame *f, size_t at,
	size_t len, struct rbuf **ret)
{
	uint8_t small[8192];
	autofree uint8_t *big = NULL;
	autorbuf struct rbuf *out = NULL;
	const uint8_t *p;
	bool mended;
	int r;

	if (f->enc != ENC_ZSTD || touched(s, loc_make(h->seg, h->off, (uint32_t)(f - h->frames))))
		return -ENOENT;
	if (!(out = rbuf_new(at + len)))
		return -ENOMEM;
	if ((r = frame_bytes(s, h, f, small, sizeof(small), &big, &p, &mended)) < 0)
		return r;
	if (mended)		/* all of it is asked whether it is right */
		return -ENOENT;
	if ((r = unzstd_start(s, p, f->stored, out->data, at + len)) < 0)
		return r;
	/* Not the memory of all that came before it: it may be kept for long. */
	if (!(*ret = rbuf_new(len)))
		return -ENOMEM;
	memcpy((*ret)->data, out->data + at, len);
	return 0;
}

/* The frame is damaged; what lies before the damage may come out right all the same, and its id says so. */
static int solid_read_hurt(struct store *s, const struct head *h, const struct frame *f, size_t at,
	uint32_t idx, struct rbuf **ret)
{
	autofree uint8_t *p = malloc(f->stored + 1);
	autorbuf struct rbuf *out = NULL;
	size_t len = h->raw[idx];
	struct segment *g;
	struct oid id;
	ssize_t n;
	int r = p ? seg_get(s, h->seg, &g) : -ENOMEM;

	if (r < 0)
		return r;
	if (is_strict(s) || (f->type != OBJ_BLOB && f->type != OBJ_TREE) || (f->enc != ENC_ZSTD && f->enc != ENC_RAW))
		return -EBADMSG;
	n = seg_read(g, p, f->stored, f->off);
	if (n < 0 || (size_t)n < f->stored || (f->enc == ENC_RAW && at + len > f->stored))
		return -EBADMSG;
	if (!(out = rbuf_new(at + len)) || !(*ret = rbuf_new(len)))
		return -ENOMEM;
	if (f->enc == ENC_RAW)
		memcpy(out->data, p, at + len);
	else
		r = unzstd_start(s, p, f->stored, out->data, at + len);
	if (r == 0) {
		memcpy((*ret)->data, out->data + at, len);
		r = obj_check(h, f->type, head_id(h, idx), (*ret)->data, len);
	}
	if (r < 0) {
		rbuf_unref(take_ptr(*ret));
		return r;
	}
	memcpy(id.b, head_id(h, idx), 20);
	heal_note(s, &id);
	s->mended_cached = true;
	s->n_mended++;
	return 0;
}

static int solid_read(struct store *s, const struct head *h, const struct frame *f, uint32_t idx,
	struct rbuf **ret)
{
	uint32_t no = (uint32_t)(f - h->frames);
	autorbuf struct rbuf *all = solid_cache_get(s, h, no);
	size_t at = 0;
	int r;

	for (uint32_t i = f->first; i < idx; i++)
		at += h->raw[i];
	if (!all) {
		r = solid_read_start(s, h, f, at, h->raw[idx], ret);
		if (r == -ENOENT) {
			r = frame_load(s, h, f, NULL, &all);
			if (r == 0)
				solid_cache_put(s, h, no, all);
		} else if (r == 0) {
			return 0;
		}
		if (r == -EBADMSG)
			return solid_read_hurt(s, h, f, at, idx, ret);
		if (r < 0)
			return r;
	}
	*ret = rbuf_new(h->raw[idx]);
	if (!*ret)
		return -ENOMEM;
	memcpy((*ret)->data, all->data + at, h->raw[idx]);
	return 0;
}

static int obj_read_depth(struct store *s, loc_t loc, uint32_t max_depth, uint8_t *ret_type,
	struct oid *ret_id, struct rbuf **ret);

/* The bytes of an object that is in no solid frame. */
static int chain_read(struct store *s, const struct head *h, const struct frame *f,
	uint32_t max_depth, struct rbuf **ret)
{
	autorbuf struct rbuf *base = NULL;
	int r = 0;

	/* Depth falls along a chain, so hostile chains end. */
	if (f->dist)
		r = f->depth > max_depth ? -EBADMSG : obj_read_depth(s,
			loc_make(h->seg, h->off - f->dist, f->bidx), f->depth - 1, NULL, NULL,
			&base);
	return r < 0 ? r : frame_load(s, h, f, base, ret);
}

static int obj_read_depth(struct store *s, loc_t loc, uint32_t max_depth, uint8_t *ret_type,
	struct oid *ret_id, struct rbuf **ret)
{
	autohead struct head *h = NULL;
	struct rbuf *made;
	const struct frame *f;
	const struct obj_slot *c = obj_cache_get(s, loc);
	uint32_t idx = loc_idx(loc);
	int r;

	if (c) {
		if (ret_type)
			*ret_type = c->type;
		if (ret_id)
			*ret_id = c->id;
		*ret = rbuf_ref(c->r);
		return 0;
	}
	if ((r = head_get(s, loc_seg(loc), loc_off(loc), &h)) < 0)
		return r;
	if (!(f = head_frame(h, idx)))
		return -EBADMSG;
	r = f->solid ? solid_read(s, h, f, idx, ret) : chain_read(s, h, f, max_depth, ret);
	if (r == -EBADMSG && f->type == OBJ_TREE && (made = again_get(s, head_id(h, idx)))) {
		*ret = rbuf_ref(made);
		s->mended_cached = true;
		r = 0;
	}
	if (r < 0)
		return r;
	/* A reader seldom asks twice for what is in a solid frame; for a writer, and below a chain,
	 * it is a base. */
	if (!f->solid || s->write || max_depth < CHAIN_START)
		obj_cache_put(s, loc, f->type, head_id(h, idx), *ret);
	if (ret_type)
		*ret_type = f->type;
	if (ret_id)
		memcpy(ret_id->b, head_id(h, idx), 20);
	return 0;
}

int obj_read(struct store *s, loc_t loc, uint8_t *ret_type, struct oid *ret_id, struct rbuf **ret)
{
	return obj_read_depth(s, loc, CHAIN_START, ret_type, ret_id, ret);
}

/* Is it there? 1, 0; -EMFILE, ...: nobody can tell. The catalogue's places have no sum. */
static int is_object(struct store *s, loc_t loc, const struct oid *id)
{
	autohead struct head *h = NULL;
	int r = head_get(s, loc_seg(loc), loc_off(loc), &h);

	if (r < 0)
		return r == -EBADMSG || r == -ENOENT || r == -ENOTSUP ? 0 : r;
	return loc_idx(loc) < h->n_objs && memcmp(head_id(h, loc_idx(loc)), id->b, 20) == 0;
}

/* The catalogue knows nothing of it, or a place where it is not: if the log has it, the
 * catalogue is wrong. */
static int find_in_log(struct store *s, const struct oid *id, loc_t *ret)
{
	int r = log_find(s, id, ret);

	if (r == 0)
		(void)query_damaged(s);
	return r;
}

int obj_find(struct store *s, const struct oid *id, loc_t *ret)
{
	loc_t other;
	int r;

	if (s->txn && txn_find(s->txn, id, ret, NULL) == 1)
		return 0;
	r = cat_find(s, s->cat, id, ret);
	if (r == -ESTALE)
		return find_in_log(s, id, ret);
	if (r < 0 || (r = is_object(s, *ret, id)) < 0)
		return r;
	if (r == 0 && find_in_log(s, id, &other) == 0)
		*ret = other;
	return 0;
}

int obj_must_find(struct store *s, const struct oid *id, loc_t *ret)
{
	int r = obj_find(s, id, ret);

	return r == -ENOENT ? find_in_log(s, id, ret) : r;
}

int obj_read_id(struct store *s, const struct oid *id, uint8_t *ret_type, struct rbuf **ret)
{
	struct oid got;
	loc_t loc = 0;
	int r;

	if (oid_zero(id))	/* of a tree that was made in part: nobody knows what it was */
		return -EBADMSG;
	if (s->txn) {
		r = txn_find(s->txn, id, &loc, ret);
		if (r == 2) {			/* not written yet */
			if (ret_type)
				*ret_type = (uint8_t)loc;
			return 0;
		}
	}
	r = loc ? 0 : obj_must_find(s, id, &loc);
	if (r == 0)
		r = obj_read(s, loc, ret_type, &got, ret);
	if (r == 0 && !oid_eq(&got, id)) {
		rbuf_unref(take_ptr(*ret));
		r = -EBADMSG;
	}
	s->hurt |= r == -EBADMSG || r == -ENOENT;
	if (r == -EBADMSG)
		heal_note(s, id);
	return r;
}
