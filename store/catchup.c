/* Following the log: what whole transactions stand after a position, and feeding them into a
 * catalogue. Used when the catalogue is behind (we died between acknowledging and indexing),
 * missing or damaged. */
#include <string.h>

#include "../lib/names.h"
#include "internal.h"

struct txn_found {		/* one whole transaction */
	struct log_pos start, end;
	struct new_object *obj;
	size_t n, cap;
	struct log_pos *rec;	/* its records */
	size_t n_rec, cap_rec;
	uint64_t gap;		/* bytes in it, or before it, that are no record */
	loc_t last;		/* the snapshot or mark */
	uint8_t type;
};

static void found_reset(struct txn_found *t)
{
	t->n = t->n_rec = 0;
	t->gap = 0;
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
			struct new_object *o;

			if (t->n == t->cap)
				return -EBADMSG;	/* more than the head counts */
			o = &t->obj[t->n];
			o->loc = loc_make(h->seg, h->off, fr->first + i);
			memcpy(o->id.b, head_id(h, fr->first + i), 20);
			if (fr->type == OBJ_SNAPSHOT || fr->type == OBJ_MARK ||
				fr->type == OBJ_DROPPED) {
				t->last = o->loc;
				t->type = fr->type;
			}
			if (fr->type != OBJ_MANIFEST && fr->type != OBJ_MARK &&
				fr->type != OBJ_DROPPED)
				t->n++;
		}
	}
	return 0;
}

/* The next record at or after *pos, over segment ends and over damage. 1, or 0 at the end of the
 * log. *gap grows by what is no record. */
static int next_record(
	struct store *s, struct log_pos *pos, uint32_t last, uint64_t *gap, struct head **ret)
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
						(unsigned long long)pos->off,
						(unsigned long long)(*ret)->off);
				*gap += (*ret)->off - pos->off;
				return 1;
			}
			if (r < 0 && r != -ENOENT && r != -EBADMSG)
				return r;
			*gap += size - pos->off;
		} else if (r < 0 && r != -ENOENT) {
			return r;
		}
		*pos = (struct log_pos){ seg_next(s, pos->seg, last), SEG_HEADER };
	}
	return 0;
}

struct follow {
	struct store *s;
	struct catalogue *c;		/* NULL: only where the end is */
	struct txn_found prev, cur;	/* the last whole transaction, and what stands behind it */
	struct log_pos end;
	struct log_pos acked;		/* as log/acked says */
	uint32_t last;			/* segment */
	struct dropped dropped;
	uint64_t known;			/* snapshots up to it are in the rows */
};

/* ---- into the catalogue ---- */

struct above {			/* a folder on the way to the one asked about last */
	size_t end;		/* of its path */
	struct rbuf *tree;
};

struct apply {
	struct store *s;
	struct catalogue *c;
	uint64_t seq, changed;
	bool hurt;		/* a tree that names what it changed cannot be read */
	struct rbuf *root;
	struct buf dir;
	struct above *at;
	size_t n, cap;
};

static void apply_release(struct apply *a)
{
	rbuf_unref(a->root);
	while (a->n)
		rbuf_unref(a->at[--a->n].tree);
	free(a->at);
	buf_release(&a->dir);
}

static int descend(struct apply *a, const char *path, size_t from, size_t end)
{
	const struct rbuf *in = a->n ? a->at[a->n - 1].tree : a->root;
	struct above up = { .end = end };
	struct tree_entry t;
	int r = tree_find(in, path + from, end - from, &t);

	if (r == 0)
		r = t.mode == 040000 ? obj_read_id(a->s, &t.oid, NULL, &up.tree) : -ENOENT;
	if (r < 0)
		return r;
	if (a->n == a->cap) {
		void *p = realloc(a->at, (a->cap * 2 + 16) * sizeof(*a->at));

		if (!p) {
			rbuf_unref(up.tree);
			return -ENOMEM;
		}
		a->at = p;
		a->cap = a->cap * 2 + 16;
	}
	a->at[a->n++] = up;
	a->dir.len = end;
	return 0;
}

/* The tree of the folder that is path's first len bytes. Paths are sorted: what leads to the one
 * before leads most of the way to this one. */
static int folder_of(struct apply *a, const char *path, size_t len, struct rbuf **ret)
{
	size_t same = 0, at;
	int r;

	while (same < len && same < a->dir.len && a->dir.data[same] == path[same])
		same++;
	while (a->n && (a->at[a->n - 1].end > same ||
			       (a->at[a->n - 1].end < len && path[a->at[a->n - 1].end] != '/')))
		rbuf_unref(a->at[--a->n].tree);
	at = a->n ? a->at[a->n - 1].end : 0;
	buf_reset(&a->dir);
	if (buf_add(&a->dir, path, len) < 0)
		return -ENOMEM;
	a->dir.len = at;
	while (at < len) {
		size_t from = at ? at + 1 : 0, n = 0;

		while (from + n < len && path[from + n] != '/')
			n++;
		if ((r = descend(a, path, from, from + n)) < 0)
			return r;
		at = from + n;
	}
	*ret = a->n ? a->at[a->n - 1].tree : a->root;
	return 0;
}

/* The id of a stored path comes from the snapshot's tree. */
static int fill_oid(struct apply *a, const char *path, struct store_entry *e)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	struct rbuf *tree = NULL;
	struct tree_entry t;
	int r = a->root ? folder_of(a, path, slash ? (size_t)(slash - path) : 0, &tree) : -ENOENT;

	if (r == 0 && (r = tree_find(tree, name, strlen(name), &t)) == 0)
		e->oid = t.oid;
	return r;
}

static int add_change(const char *path, const struct store_entry *e, void *arg)
{
	struct apply *a = arg;
	struct store_entry with = *e;
	int r = e->kind == KIND_FILE || e->kind == KIND_LINK ? fill_oid(a, path, &with) : 0;

	a->changed++;
	/* A damaged tree costs the id, until a later tree that is whole says it (log_reconcile). */
	if (r == -ENOMEM || cat_is_bad(a->c))
		return r;
	a->hurt |= r < 0;
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

/* Does it follow the newest one that we know? */
static int check_parent(struct catalogue *c, const struct snap *sn)
{
	struct oid newest;
	int r = cat_newest_id(c, &newest);

	if (r < 0 && r != -ENOENT)
		return r;
	if (sn->has_parent != (r == 0) || (r == 0 && !oid_eq(&newest, &sn->parent)))
		cat_set_lossy(c, true);
	return 0;
}

/* The same with what dropped snapshots before it had changed (fold.c). */
static int apply_folded(struct apply *a, const struct fold *f, struct snap *sn)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->n; i++) {
		const char *path = fold_path(f, &f->x[i]);
		const struct store_entry *e = &f->x[i].e;
		struct store_entry was;
		int64_t id;

		if (e->kind == KIND_GONE) {
			r = query_path_row(a->s, path, &id, &was);
			if (r == -ENOENT || (r == 0 && was.kind == KIND_GONE)) {
				r = 0;
				continue;
			}
		}
		sn->info.flags |= e->flags;
		if (r == 0)
			r = add_change(path, e, a);
	}
	return r;
}

static int apply_changes(struct apply *a, loc_t loc, struct snap *sn)
{
	autoput(fold_release) struct fold f = { .n = 0 };
	uint64_t after;
	size_t n = 0;
	int r = cat_last_seq(a->c, &after);

	if (r == 0)
		r = fold_run(a->s, a->c, after, a->seq, loc, &f, &n);
	if (r < 0)
		return r;
	return n ? apply_folded(a, &f, sn) : snap_each(a->s, loc, add_change, a);
}

/* with_changes false: its list of changes cannot be read, its tree may be. */
static int apply_snapshot(
	struct store *s, struct catalogue *c, const struct txn_found *t, bool with_changes)
{
	autoput(snap_release) struct snap sn = { .info = { 0 } };
	autoput(apply_release) struct apply a = { .s = s, .c = c };
	int r = snap_read(s, t->last, &sn, NULL);

	if (r < 0 || (r = check_parent(c, &sn)) < 0)
		return r;
	a.seq = sn.info.seq;
	if (obj_read_id(s, &sn.info.tree, NULL, &a.root) == -ENOMEM)
		return -ENOMEM;
	if (with_changes)
		r = apply_changes(&a, t->last, &sn);
	if (r == 0)
		r = cat_add_snapshot(
			c, &sn, t->last, a.changed, log_bytes_between(s, t->start, t->end));
	if (r == 0 && (a.hurt || !with_changes))
		cat_set_lossy(c, true);
	if (r == 0 && cat_rows_wrong(c))
		r = log_reconcile(s, c, &sn.info);
	return r;
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
	if (cur.bad || cur.p == cur.end || memchr(cur.p, 0, (size_t)(cur.end - cur.p)) || seq >> 62)
		return -EBADMSG;
	if (t->gap)
		cat_lost_seqs(c, 1 + t->gap / SNAPSHOT_MIN);
	if (seq)
		cat_met_seq(c, seq);
	return cat_set_mark(c, (const char *)cur.p, seq);	/* rbuf data ends in NUL */
}

/* One step of apply(), all or nothing. */
static int try_apply(
	struct store *s, struct catalogue *c, const struct txn_found *t, bool with_changes)
{
	int r = cat_savepoint(c), done;

	if (r < 0)
		return r;
	r = t->type == OBJ_MARK ? apply_mark(s, c, t) : apply_snapshot(s, c, t, with_changes);
	done = cat_release(c, r == 0);
	return r < 0 ? r : done;
}

static bool is_damage(const struct catalogue *c, int r)
{
	return !cat_is_bad(c) && (r == -EBADMSG || r == -ENOENT || r == -ENOTSUP || r == -EEXIST);
}

static int apply_last(struct store *s, struct catalogue *c, const struct txn_found *t)
{
	int r = try_apply(s, c, t, true);

	if (!is_damage(c, r))
		return r;
	cat_set_lossy(c, true);
	if (t->type == OBJ_SNAPSHOT)
		r = try_apply(s, c, t, false);
	if (r < 0 && !is_damage(c, r))
		return r;
	log_warn("segment %u, offset %llu: %s (" RECOVER " verify)", loc_seg(t->last),
		(unsigned long long)loc_off(t->last),
		r == 0 ? "a snapshot's list of changes is damaged; its files are there, their "
			 "times are not"
		: t->type == OBJ_MARK ? "a mark is damaged; it is left out"
				      : "a snapshot record is damaged; it is left out");
	if (is_damage(c, r)) {
		cat_lost_seqs(c, 1 + t->gap / SNAPSHOT_MIN);
		r = 0;
	}
	return r;
}

/* A snapshot that counts no more: its changes wait for the next one. */
static int apply_dropped(struct store *s, struct catalogue *c, struct txn_found *t,
	const struct snap *sn, uint64_t known)
{
	int r = sn->info.seq <= known ? 0 : check_parent(c, sn);

	for (size_t i = 0; i < t->n; i++)
		if (t->obj[i].loc == t->last)
			t->obj[i--] = t->obj[--t->n];
	if (r == 0)
		r = cat_add_objects(s, c, t->obj, t->n);
	return r == 0 ? cat_add_dropped(c, sn->info.seq, t->last, &sn->info.id) : r;
}

/* It is in the rows already: only where its objects are is new. */
static int apply_known(
	struct store *s, struct catalogue *c, struct txn_found *t, const struct snap *sn)
{
	int r = cat_add_objects(s, c, t->obj, t->n);

	if (r == 0)
		r = cat_move_snapshot(c, sn->info.seq, t->last);
	return r == -ENOENT ? 0 : r;	/* dropped, said the rows */
}

static int apply_in(
	struct store *s, struct catalogue *c, const struct follow *f, struct txn_found *t)
{
	autoput(snap_release) struct snap sn = { .info = { 0 } };
	int r = t->type == OBJ_MARK ? -ENOENT : snap_read(s, t->last, &sn, NULL);

	if (r == -ENOMEM)
		return r;
	if (r == 0 && (t->type == OBJ_DROPPED || dropped_has(&f->dropped, sn.info.seq)))
		return apply_dropped(s, c, t, &sn, f->known);
	if (r == 0 && sn.info.seq <= f->known)
		return apply_known(s, c, t, &sn);
	r = cat_add_objects(s, c, t->obj, t->n);
	return r == 0 ? apply_last(s, c, t) : r;
}

static int apply(struct store *s, struct catalogue *c, const struct follow *f, struct txn_found *t)
{
	struct catalogue *old = s->cat;
	int r;

	s->cat = c;	/* trees of this transaction are found through it */
	r = apply_in(s, c, f, t);
	s->cat = old;
	return r;
}

/* Does a record follow at once? At the end of a segment, or at the start of the log, it is the
 * next one's first. Of segments that are lost nobody can say that they did not hold what is
 * missing. */
static bool follows(struct store *s, struct log_pos before, struct log_pos rec)
{
	uint64_t size;

	if (before.seg == rec.seg)
		return before.off == rec.off;
	if (rec.off != SEG_HEADER || before.seg > rec.seg)
		return false;
	for (uint32_t no = before.seg; before.seg && (no = seg_next(s, no, rec.seg)) < rec.seg;)
		if (!seg_is_lost(s, no))
			return false;
	return !before.seg || seg_is_lost(s, before.seg) ||
	       (seg_size(s, before.seg, &size) == 0 && size == before.off);
}

/* Is the last transaction all there? Its sectors may have reached the disk in any order: a frame
 * may be zeroes, or a whole record may be missing in front of those that are there. */
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
		if (r)
			return r;
		at = (struct log_pos){ h->seg, h->end };
	}
	return 0;
}

static bool is_after(struct log_pos a, struct log_pos b)
{
	return a.seg > b.seg || (a.seg == b.seg && a.off > b.off);
}

/* What was acknowledged, and has no end any more: its objects are there, its snapshots are lost. */
static int apply_rest(struct store *s, struct catalogue *c, struct txn_found *t, struct log_pos end)
{
	int r;

	while (t->n && !is_after(end, (struct log_pos){ loc_seg(t->obj[t->n - 1].loc),
					      loc_off(t->obj[t->n - 1].loc) }))
		t->n--;		/* of a transaction that was begun after it */
	r = cat_add_objects(s, c, t->obj, t->n);
	log_warn("segment %u: %s (" RECOVER " verify)", end.seg, seg_is_lost(s, end.seg) ?
		"its header is damaged; the snapshots in it are left out" :
		"the last snapshot's record is damaged; it is left out");
	cat_set_lossy(c, true);
	cat_lost_seqs(c, 1 + t->gap / SNAPSHOT_MIN);
	return r;
}

/* Whatever follows a transaction was written after it was acknowledged. */
static int take_prev(struct follow *f)
{
	int r = f->c ? apply(f->s, f->c, f, &f->prev) : 0;

	f->end = f->prev.end;
	f->prev.last = 0;
	return r;
}

static int follow(struct follow *f, struct log_pos pos)
{
	int r = 0;

	f->cur.start = pos;
	while (r >= 0) {
		autohead struct head *h = NULL;
		struct txn_found tmp;

		r = next_record(f->s, &pos, f->last, &f->cur.gap, &h);
		if (r != 1 || !h)
			break;
		if (f->prev.last && (r = take_prev(f)) < 0)
			break;
		if (h->seg == f->acked.seg && h->off < f->acked.off && f->acked.off < h->end)
			f->acked =
				(struct log_pos){ 0, 0 }; /* of another log: nothing ends there */
		r = found_add(&f->cur, h);
		pos = f->cur.end = (struct log_pos){ h->seg, h->end };
		if (r < 0 || !f->cur.last)
			continue;
		tmp = f->prev;
		f->prev = f->cur;
		f->cur = tmp;
		found_reset(&f->cur);
		f->cur.start = pos;
	}
	return r < 0 ? r : 0;
}

/* What cannot be read is no tear. */
static void keep_unread(struct follow *f)
{
	uint64_t size;

	for (uint32_t no = f->end.seg ? f->end.seg : 1; no <= f->last; no = seg_next(f->s, no, f->last))
		if (seg_is_hurt(f->s, no, &size) &&
			is_after((struct log_pos){ no, size }, f->acked))
			f->acked = (struct log_pos){ no, size };
}

/* The last transaction may be torn: unless the log says that it was acknowledged, its frames are
 * checked. */
static int follow_end(struct follow *f)
{
	struct log_pos acked;
	uint64_t size;
	int r = 0;

	if (f->prev.last) {
		r = is_after(f->prev.end, f->acked) ? all_there(f->s, &f->prev) : 0;
		keep_unread(f);		/* now that it was looked at */
		if (r == -EBADMSG && is_after(f->prev.end, f->acked))
			return 0;	/* torn: it was never acknowledged */
		if (r == -EBADMSG)
			r = 0;
		if (r < 0 || (r = take_prev(f)) < 0)
			return r;
	}
	keep_unread(f);
	acked = f->acked;
	if (!is_after(acked, f->end) || acked.seg > f->last)
		return 0;
	if (seg_size(f->s, acked.seg, &size) < 0 || size < acked.off) {
		if (f->c)
			log_warn("%s: the log is shorter than it was: snapshots are lost (" RECOVER
				 " "
				 "verify)",
				f->s->dir);
		return 0;
	}
	f->end = acked;
	return f->c ? apply_rest(f->s, f->c, &f->cur, acked) : 0;
}

/* What a tree that cannot be read has left open: the newest snapshot may know. */
static int settle_rows(struct store *s, struct catalogue *c)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	struct catalogue *old = s->cat;
	int r;

	if (!cat_rows_later(c))
		return 0;
	s->cat = c;
	r = store_newest(s, &sn);
	if (r == 0)
		r = log_reconcile(s, c, &sn);
	s->cat = old;
	if (r == 0)
		cat_rows_right(c, false);
	return r == -ENOENT ? 0 : r;
}

/* Which do not count. If nobody can say, all do, and those whose objects are gone show as
 * damaged. */
static int know_dropped(struct follow *f)
{
	int r = dropped_read(f->s, &f->dropped);

	if (r == -EBADMSG) {
		log_warn("%s/log/dropped: damaged; snapshots that were pruned may show again "
			 "(" RECOVER " verify)",
			f->s->dir);
		r = 0;
	}
	if (r == 0)
		r = cat_last_seq(f->c, &f->known);
	if (r == 0 && cat_is_empty(f->c))
		r = cat_set_gen(f->c, f->dropped.gen);
	return r;
}

int log_catch_up(struct store *s, struct catalogue *c, struct log_pos from, struct log_pos *ret_end)
{
	struct follow f = {
		.s = s, .c = c, .end = from, .acked = seg_acked(s)
	}; /* before the log: that only grows */
	uint32_t first;
	int r = seg_list(s, &first, &f.last);

	if (r == 0 && c)
		r = know_dropped(&f);
	if (r == 0)
		r = follow(&f, from.seg ? from : (struct log_pos){ first, SEG_HEADER });
	if (r == 0)
		r = follow_end(&f);
	if (r == 0 && c)
		r = settle_rows(s, c);
	found_release(&f.prev);
	found_release(&f.cur);
	dropped_release(&f.dropped);
	if (r < 0)
		return r;
	*ret_end = f.end;
	return 0;
}

/* ---- without the catalogue ---- */

struct found_loc {
	uint64_t key;		/* the first bytes of the id */
	loc_t loc;
};

static uint64_t key_of(const uint8_t *id)
{
	uint64_t v;

	memcpy(&v, id, 8);
	return v;
}

static int found_cmp(const void *pa, const void *pb)
{
	const struct found_loc *a = pa, *b = pb;

	return a->key != b->key ? a->key < b->key ? -1 : 1 : a->loc < b->loc ? -1 : a->loc > b->loc;
}

static int index_head(struct store *s, const struct head *h, void *arg)
{
	size_t *cap = arg;

	if (s->n_found + h->n_objs > *cap) {
		size_t n = (s->n_found + h->n_objs) * 2;
		void *p = realloc(s->found, n * sizeof(*s->found));

		if (!p)
			return -ENOMEM;
		s->found = p;
		*cap = n;
	}
	for (uint32_t i = 0; i < h->n_objs; i++)
		if (head_frame(h, i)->type != OBJ_DROPPED)
			s->found[s->n_found++] = (struct found_loc){ key_of(head_id(h, i)),
				loc_make(h->seg, h->off, i) };
	return 0;
}

int log_each_head(struct store *s, int (*fn)(struct store *s, const struct head *h, void *arg),
	void *arg)
{
	struct log_pos pos = { 0, SEG_HEADER };
	uint64_t gap = 0;
	uint32_t last;
	int r = seg_list(s, &pos.seg, &last);

	while (r >= 0) {
		autohead struct head *h = NULL;

		r = next_record(s, &pos, last, &gap, &h);
		if (r != 1 || !h)
			break;
		r = fn(s, h, arg);
		pos.off = h->end;
	}
	return r;
}

static int index_log(struct store *s)
{
	size_t cap = 0;
	int r = log_each_head(s, index_head, &cap);

	if (r == 0 && s->n_found)
		qsort(s->found, s->n_found, sizeof(*s->found), found_cmp);
	s->have_found = r == 0;
	return r;
}

/* The catalogue does not say where an object is, or is wrong: the log is asked, the first time
 * from end to end. */
int log_find(struct store *s, const struct oid *id, loc_t *ret)
{
	size_t lo = 0, hi;
	int r = s->have_found ? 0 : index_log(s);

	if (r < 0)
		return r;
	for (hi = s->n_found; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->found[mid].key < key_of(id->b))
			lo = mid + 1;
		else
			hi = mid;
	}
	/* The newest copy is there because the older ones were found damaged. */
	r = -ENOENT;
	for (; lo < s->n_found && s->found[lo].key == key_of(id->b); lo++) {
		autohead struct head *h = NULL;
		loc_t loc = s->found[lo].loc;

		if (head_get(s, loc_seg(loc), loc_off(loc), &h) == 0 && loc_idx(loc) < h->n_objs &&
			memcmp(head_id(h, loc_idx(loc)), id->b, 20) == 0 &&
			(head_frame(h, loc_idx(loc))->type != OBJ_SNAPSHOT ||
				!cat_is_dropped(s->cat, id))) {
			*ret = loc;
			r = 0;
		}
	}
	return r;
}

void log_forget_found(struct store *s)
{
	free(s->found);
	s->found = NULL;
	s->n_found = 0;
	s->have_found = false;
}
