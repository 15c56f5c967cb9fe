/* The bytes of files. */
#include <string.h>

#include "../lib/text.h"
#include "hash.h"
#include "internal.h"

int obj_head(struct store *s, const struct oid *id, loc_t *ret_loc, struct head **ret)
{
	autohead struct head *h = NULL;
	loc_t loc;
	int r = oid_zero(id) ? -EBADMSG : obj_must_find(s, id, &loc);	/* 0: see obj_read_id */

	if (r < 0)
		return r;
	r = head_get(s, loc_seg(loc), loc_off(loc), &h);
	if (r < 0)		/* a segment that is gone is damage, not an answer */
		return r == -ENOENT ? -EBADMSG : r;
	if (loc_idx(loc) >= h->n_objs)
		return -EBADMSG;
	*ret_loc = loc;
	*ret = take_ptr(h);
	return 0;
}

int store_has(struct store *s, const struct oid *id)
{
	loc_t loc;
	int r = obj_find(s, id, &loc);

	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

int store_blob_size(struct store *s, const struct oid *id, uint64_t *ret)
{
	autohead struct head *h = NULL;
	autorbuf struct rbuf *raw = NULL;
	struct cursor c;
	uint8_t type;
	loc_t loc;
	int r = obj_head(s, id, &loc, &h);

	if (r < 0)
		return r;
	type = head_frame(h, loc_idx(loc))->type;
	if (type == OBJ_BLOB) {
		*ret = h->raw[loc_idx(loc)];
		return 0;
	}
	if (type != OBJ_LARGE)
		return -EINVAL;
	if ((r = obj_read(s, loc, NULL, NULL, &raw)) < 0)
		return r;
	c = (struct cursor){ raw->data, raw->data + raw->len, 0 };
	*ret = cur_varint(&c);
	return c.bad ? -EBADMSG : 0;
}

static int stream_large(struct store *s, const struct rbuf *list, const struct oid *id,
	int (*fn)(const void *p, size_t n, void *arg), void *arg)
{
	struct cursor c = { list->data, list->data + list->len, 0 };
	uint64_t size = cur_varint(&c), done = 0;
	struct hash h;
	struct oid got;
	int r = c.bad ? -EBADMSG : 0;

	if (r < 0)
		return r;
	hash_begin(&h, "blob", size);
	while (r == 0 && c.p < c.end) {
		autorbuf struct rbuf *raw = NULL;
		uint64_t n = cur_varint(&c);
		const uint8_t *p = cur_bytes(&c, 20);
		struct oid part;
		uint8_t type;

		if (!p) {
			r = -EBADMSG;
			break;
		}
		memcpy(part.b, p, 20);
		/* No more than the size that was told: who asks may have made room for that. */
		r = n > size - done ? -EBADMSG : obj_read_id(s, &part, &type, &raw);
		if (r == -ENOENT || (r == 0 && (type != OBJ_BLOB || raw->len != n)))
			r = -EBADMSG;
		if (r == 0) {
			hash_add(&h, raw->data, raw->len);
			done += n;
			r = fn(raw->data, raw->len, arg);
		}
	}
	hash_end(&h, &got);
	if (r == 0 && (done != size || !oid_eq(&got, id)))
		r = -EBADMSG;
	if (r == -EBADMSG)
		heal_note(s, id);	/* the whole of it: a piece is in no row */
	return r;
}

int store_stream_blob(struct store *s, const struct oid *id,
	int (*fn)(const void *p, size_t n, void *arg), void *arg)
{
	autorbuf struct rbuf *raw = NULL;
	struct oid got;
	uint8_t type;
	int r = obj_read_id(s, id, &type, &raw);

	if (r < 0)
		return r;
	if (type == OBJ_LARGE)
		return stream_large(s, raw, id, fn, arg);
	if (type != OBJ_BLOB)
		return -EINVAL;
	store_hash("blob", raw->data, raw->len, &got);
	if (!oid_eq(&got, id))
		return -EBADMSG;
	return fn(raw->data, raw->len, arg);
}

int query_add_piece(const void *p, size_t n, void *arg)
{
	return buf_add(arg, p, n);
}

int store_read_blob(struct store *s, const struct oid *id, size_t max, struct buf *ret)
{
	uint64_t size;
	int r = store_blob_size(s, id, &size);

	if (r < 0)
		return r;
	if (size > max)
		return -EFBIG;
	if ((r = buf_reserve(ret, (size_t)size + 1)) < 0)
		return r;
	return store_stream_blob(s, id, query_add_piece, ret);
}
