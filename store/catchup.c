/* Following the log: what whole transactions stand after a position, and feeding them into a
 * catalogue. Used when the catalogue is behind (we died between acknowledging and indexing), missing or damaged. */
#include <string.h>

#include "internal.h"

struct txn_found {		/* one whole transaction */
	struct log_pos start, end;
	struct new_object *obj;
	size_t n, cap;
	struct log_pos *rec;	/* its records */
	size_t n_rec, cap_rec;
	loc_t last;		/* the snapshot or mark */
	uint8_t type;
};

static void found_reset(struct txn_found *t)
{
	t->n = t->n_rec = 0;
	t->last = 0;
}

static void found_release(struct txn_found *t)
{
	free(t->obj);
	free(t->rec);
}

static int found_add(struct txn_found *t, const struct head *h)
{
	if (t->n + h->n_objs > t->cap) {
		size_t cap = (t->n + h->n_objs) * 2;
		void *p = realloc(t->obj, cap * sizeof(*t->obj));

		if (!p)
			return -ENOMEM;
		t->obj = p;
		t->cap = cap;
	}
	if (t->n_rec == t->cap_rec) {
		size_t cap = t->cap_rec * 2 + 16;
		void *p = realloc(t->rec, cap * sizeof(*t->rec));

		if (!p)
			return -ENOMEM;
		t->rec = p;
		t->cap_rec = cap;
	}
	t->rec[t->n_rec++] = (struct log_pos){ h->seg, h->off };
	for (uint32_t f = 0; f < h->n_frames; f++) {
		const struct frame *fr = &h->frames[f];

		for (uint32_t i = 0; i < fr->n; i++) {
			struct new_object *o = &t->obj[t->n];

			o->loc = loc_make(h->seg, h->off, fr->first + i);
			memcpy(o->id.b, head_id(h, fr->first + i), 20);
			if (fr->type == OBJ_SNAPSHOT || fr->type == OBJ_MARK) {
				t->last = o->loc;
				t->type = fr->type;
			}
			if (fr->type != OBJ_MANIFEST && fr->type != OBJ_MARK)
				t->n++;
		}
	}
	return 0;
}

/* The next record at or after *pos, over segment ends and over damage. 1, or 0 at the end of the log. */
static int next_record(struct store *s, struct log_pos *pos, uint32_t last, struct head **ret)
{
	while (pos->seg && pos->seg <= last) {
		uint64_t size;
		int r = seg_size(s, pos->seg, &size);

		if (r == 0 && pos->off < size) {
			r = head_get(s, pos->seg, pos->off, ret);
			if (r == -EBADMSG)
				r = head_resync(s, pos->seg, pos->off + 1, ret);
			if (r == 0) {
				if ((*ret)->off != pos->off)
					log_debug("segment %u: damaged from %llu to %llu", pos->seg,
						(unsigned long long)pos->off, (unsigned long long)(*ret)->off);
				return 1;
			}
			if (r != -ENOENT && r != -EBADMSG)
				return r;
		} else if (r < 0 && r != -ENOENT) {
			return r;
		}
		pos->seg++;
		pos->off = SEG_HEADER;
	}
	return 0;
}

struct apply {
	struct store *s;
	struct catalogue *c;
	uint64_t seq, changed;
	struct oid tree;
	struct buf dir;
	struct rbuf *dir_tree;
	bool have_dir;
};

/* The id of a stored path comes from the snapshot's tree; paths are sorted, so folders come in runs. */
static int fill_oid(struct apply *a, const char *path, struct store_entry *e)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = slash ? (size_t)(slash - path) : 0;
	struct tree_entry t;
	int r;

	if (!a->have_dir || a->dir.len != len || memcmp(a->dir.data, path, len) != 0) {
		rbuf_unref(take_ptr(a->dir_tree));
		buf_reset(&a->dir);
		if (buf_add(&a->dir, path, len) < 0)
			return -ENOMEM;
		a->have_dir = true;
		r = query_tree_at(a->s, &a->tree, a->dir.data, &a->dir_tree);
		if (r < 0) {
			a->have_dir = false;
			return r;
		}
	}
	if ((r = tree_find(a->dir_tree, name, strlen(name), &t)) == 0)
		e->oid = t.oid;
	return r;
}

static int add_change(const char *path, const struct store_entry *e, void *arg)
{
	struct apply *a = arg;
	struct store_entry with = *e;

	a->changed++;
	/* A damaged tree costs the id, which only means that the file is read again. */
	if ((e->kind == KIND_FILE || e->kind == KIND_LINK) && fill_oid(a, path, &with) == -ENOMEM)
		return -ENOMEM;
	return cat_add_change(a->c, a->seq, path, &with);
}

/* Bytes of records; segment headers are nobody's. */
uint64_t log_bytes_between(struct store *s, struct log_pos from, struct log_pos to)
{
	uint64_t n = 0, size;

	if (from.seg == to.seg)
		return to.off - from.off;
	for (uint32_t g = from.seg ? from.seg : 1; g < to.seg; g++)
		if (seg_size(s, g, &size) == 0)
			n += size - (g == from.seg ? from.off : SEG_HEADER);
	return n + to.off - SEG_HEADER;
}

static int apply_snapshot(struct store *s, struct catalogue *c, const struct txn_found *t)
{
	struct catalogue *old = s->cat;
	autoput(snap_release) struct snap sn = { .info = { 0 } };
	struct apply a = { .s = s, .c = c };
	int r = snap_read(s, t->last, &sn, NULL);

	if (r < 0)
		return r;
	a.seq = sn.info.seq;
	a.tree = sn.info.tree;
	s->cat = c;	/* trees of this transaction are found through it */
	r = snap_each(s, t->last, add_change, &a);
	s->cat = old;
	rbuf_unref(a.dir_tree);
	buf_release(&a.dir);
	if (r < 0)
		return r;
	return cat_add_snapshot(c, &sn, t->last, a.changed, log_bytes_between(s, t->start, t->end));
}

static int apply_mark(struct store *s, struct catalogue *c, const struct txn_found *t)
{
	autorbuf struct rbuf *raw = NULL;
	struct cursor cur;
	uint64_t seq;
	uint8_t type;
	int r = obj_read(s, t->last, &type, NULL, &raw);

	if (r < 0)
		return r;
	cur = (struct cursor){ raw->data, raw->data + raw->len, 0 };
	seq = cur_varint(&cur);
	if (cur.bad || cur.p == cur.end || memchr(cur.p, 0, (size_t)(cur.end - cur.p)))
		return -EBADMSG;
	return cat_set_mark(c, (const char *)cur.p, seq);	/* rbuf data ends in NUL */
}

static int apply(struct store *s, struct catalogue *c, const struct txn_found *t)
{
	int r = cat_add_objects(s, c, t->obj, t->n), done;

	if (r < 0)
		return r;
	if ((r = cat_savepoint(c)) < 0)
		return r;
	r = t->type == OBJ_SNAPSHOT ? apply_snapshot(s, c, t) : apply_mark(s, c, t);
	done = cat_release(c, r == 0);
	if (r == 0)
		return done;
	if (r == -EBADMSG || r == -ENOENT || r == -ENOTSUP || r == -EEXIST) {
		log_warn("segment %u, offset %llu: a snapshot record is damaged; it is left out (recover verify)",
			loc_seg(t->last), (unsigned long long)loc_off(t->last));
		cat_set_lossy(c);
		r = 0;
	}
	return r;
}

/* Does a record follow at once? At the end of a segment, or at the start of the log, it is the next one's first. */
static bool follows(struct store *s, struct log_pos before, struct log_pos rec)
{
	uint64_t size;

	if (before.seg == rec.seg)
		return before.off == rec.off;
	if (rec.off != SEG_HEADER || before.seg + 1 != rec.seg)
		return false;
	return !before.seg || (seg_size(s, before.seg, &size) == 0 && size == before.off);
}

/* Is the last transaction all there? Its sectors may have reached the disk in any order: a frame may be
 * zeroes, or a whole record may be missing in front of those that are there. */
static int all_there(struct store *s, const struct txn_found *t)
{
	struct log_pos at = t->start;

	for (size_t i = 0; i < t->n_rec; i++) {
		autohead struct head *h = NULL;
		int r = follows(s, at, t->rec[i]) ? 0 : -EBADMSG;

		if (r == 0)
			r = head_get(s, t->rec[i].seg, t->rec[i].off, &h);
		if (r == 0)
			r = head_check_frames(s, h);
		if (r < 0)
			return r;
		at = (struct log_pos){ h->seg, h->end };
	}
	return 0;
}

/* Two transactions are in hand: prev is whole and has a whole one after it, so it was acknowledged;
 * cur is being read. The last whole one may be torn inside: its frames are checked. */
int log_catch_up(struct store *s, struct catalogue *c, struct log_pos from, struct log_pos *ret_end)
{
	struct txn_found prev = { .last = 0 }, cur = { .last = 0 }, tmp;
	struct log_pos pos = from, end = from;
	uint32_t first, last;
	int r = seg_list(s, &first, &last);

	if (r < 0)
		return r;
	if (!pos.seg)
		pos = (struct log_pos){ first, SEG_HEADER };
	cur.start = pos;
	while (r >= 0) {
		autohead struct head *h = NULL;

		r = next_record(s, &pos, last, &h);
		if (r != 1)
			break;
		r = found_add(&cur, h);
		pos = cur.end = (struct log_pos){ h->seg, h->end };
		if (r < 0 || !cur.last)
			continue;
		if (prev.last) {
			end = prev.end;
			r = c ? apply(s, c, &prev) : 0;
		}
		tmp = prev;
		prev = cur;
		cur = tmp;
		found_reset(&cur);
		cur.start = pos;
	}
	if (r >= 0 && prev.last) {
		r = all_there(s, &prev);
		if (r == 0) {
			end = prev.end;
			r = c ? apply(s, c, &prev) : 0;
		} else if (r == -EBADMSG) {
			r = 0;	/* torn: it was never acknowledged */
		}
	}
	found_release(&prev);
	found_release(&cur);
	if (r < 0)
		return r;
	*ret_end = end;
	return 0;
}
