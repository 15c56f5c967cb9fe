/* Writing one segment anew (rewrite.h).
 *
 * A record all of whose objects stay is copied as it is, frame by frame, with the distances of
 * its bases put right. Of others what stays is decoded, hashed and encoded again: against its
 * base if that stays, else against the nearest of the chain, or one that took its place. Lists
 * of changes (manifests) go with their snapshot. Dropped snapshots become one record of their
 * changes, in front of the next one that stays or at the end of the segment. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "hash.h"
#include "rewrite.h"

#define INLINE_MAX (64u << 10)		/* entries in the record itself */
#define PART_MAX (256u << 10)		/* a manifest object */

struct place {			/* from an object of the old segment to one of the new */
	uint64_t from;		/* offset << 16 | index; 0 = free */
	loc_t to;
	uint32_t depth;
	bool same;		/* it is the object itself, not one in its place */
};

struct rewrite {
	struct store *s, *out;	/* out: a handle on the new file alone */
	const struct live *live;	/* NULL: all that is in it */
	const struct dropped *dropped;
	uint32_t no;
	char name[96];		/* of the file in the making; empty: in memory */
	uint64_t off;		/* the next record of the old one */
	uint64_t tight_from;	/* what comes before it is tight already (seg_tidied) */
	uint64_t tidied;	/* so much of the new one is */
	bool loose;		/* and no more than that */
	bool adopted;		/* it is whole, and only read; off and size are of it */
	uint64_t size;
	bool named;		/* the file is there */
	struct place *map;
	size_t n_map, cap_map;
	struct new_object *obj;	/* for the catalogue */
	size_t n_obj, cap_obj;
	struct moved_snap { uint64_t seq; loc_t loc; struct oid id; bool dropped; } *snap;
	size_t n_snap, cap_snap;
	loc_t *run;		/* dropped snapshots since the last that stays */
	size_t n_run, cap_run;
	bool manifests;		/* some since the last end of a transaction */
};

static int grow(void *arr, size_t n, size_t *cap, size_t size)
{
	void **p = arr, *q;

	if (n < *cap)
		return 0;
	if (!(q = realloc(*p, (*cap * 2 + 64) * size)))
		return -ENOMEM;
	*p = q;
	*cap = *cap * 2 + 64;
	return 0;
}

/* ---- where things went ---- */

static size_t map_slot(const struct rewrite *w, uint64_t from)
{
	size_t i = (size_t)(from * 0x9e3779b97f4a7c15 >> 20) & (w->cap_map - 1);

	while (w->map[i].from && w->map[i].from != from)
		i = (i + 1) & (w->cap_map - 1);
	return i;
}

static const struct place *map_get(const struct rewrite *w, uint64_t off, uint32_t idx)
{
	const struct place *p = w->cap_map ? &w->map[map_slot(w, off << 16 | idx)] : NULL;

	return p && p->from ? p : NULL;
}

static int map_put(
	struct rewrite *w, uint64_t off, uint32_t idx, loc_t to, uint32_t depth, bool same)
{
	size_t i;

	if (w->n_map * 3 >= w->cap_map * 2) {
		struct rewrite big = { .cap_map = w->cap_map ? w->cap_map * 2 : 1024 };

		if (!(big.map = calloc(big.cap_map, sizeof(*big.map))))
			return -ENOMEM;
		for (i = 0; i < w->cap_map; i++)
			if (w->map[i].from)
				big.map[map_slot(&big, w->map[i].from)] = w->map[i];
		free(w->map);
		w->map = big.map;
		w->cap_map = big.cap_map;
	}
	i = map_slot(w, off << 16 | idx);
	w->n_map += !w->map[i].from;
	w->map[i] = (struct place){ off << 16 | idx, to, depth, same };
	return 0;
}

/* The nearest object of the chain below f that has a place; none: the chain is dead down to its
 * root. */
static int nearest_base(
	struct rewrite *w, const struct head *h, const struct frame *f, const struct place **ret)
{
	uint64_t off = h->off - f->dist;
	uint32_t idx = f->bidx;

	*ret = NULL;
	for (int i = 0; i < 256; i++) {
		autohead struct head *b = NULL;
		const struct frame *g;
		int r;

		if ((*ret = map_get(w, off, idx)))
			return 0;
		if ((r = head_get(w->s, w->no, off, &b)) < 0)
			return r;
		if (!(g = head_frame(b, idx)))
			return -EBADMSG;
		if (!g->dist)
			return 0;
		idx = g->bidx;
		off -= g->dist;
	}
	return -EBADMSG;
}

/* What was made against the dead ones below f is made against `to` from now on. */
static int take_place(
	struct rewrite *w, const struct head *h, const struct frame *f, loc_t to, uint32_t depth)
{
	autohead struct head *b = NULL;
	uint64_t off = h->off - f->dist;
	struct frame g;
	int r;

	if (!f->dist || map_get(w, off, f->bidx))
		return 0;
	if ((r = map_put(w, off, f->bidx, to, depth, false)) < 0 ||
		(r = head_get(w->s, w->no, off, &b)) < 0)
		return r;
	if (!head_frame(b, f->bidx))
		return -EBADMSG;
	g = *head_frame(b, f->bidx);
	return take_place(w, b, &g, to, depth);
}

/* ---- the new file ---- */

static void out_free(struct store *o)
{
	if (!o)
		return;
	seg_forget_all(o);
	ZSTD_freeCCtx(o->cctx);
	ZSTD_freeDCtx(o->dctx);
	free(o);
}

static int out_handle(struct rewrite *w)
{
	struct store *o = w->out = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->dir = w->s->dir;
	o->dirfd = w->s->dirfd;
	o->logfd = w->s->logfd;
	o->lockfd = o->ackfd = -1;
	o->write = true;
	o->opt = w->s->opt;
	memcpy(o->id, w->s->id, 16);
	o->have_id = true;
	return 0;
}

static int out_open(struct rewrite *w)
{
	int r = out_handle(w);
	struct store *o = w->out;

	if (r < 0)
		return r;
	if (!*w->name) {
		o->opt.no_sync = true;
		return seg_create_as(o, w->no, NULL);
	}
	(void)unlinkat(o->logfd, w->name, 0);
	r = seg_create_as(o, w->no, w->name);
	w->named = r == 0;
	return r;
}

/* The record made of e, or of a copied head; *ret_off is where it stands. */
static int write_record(struct rewrite *w, const struct encoded *e, uint64_t *ret_off)
{
	autoput(buf_release) struct buf rec = BUF_INIT;
	struct store *o = w->out;
	struct segment *g;
	int r = seg_get(o, w->no, &g);

	*ret_off = o->end.off;
	if (r < 0 || (r = head_build(e->frames, e->n_frames, e->raw, e->ids, e->n_objs,
			      seg_seed(g, o->end.off), &rec)) < 0 ||
	    (e->stored.len && (r = buf_add(&rec, e->stored.data, e->stored.len)) < 0) ||
	    (r = seg_append(o, rec.data, rec.len)) < 0)
		return r;
	head_written(o, w->no, *ret_off, rec.data, rec.len);
	return 0;
}

static int add_object(struct rewrite *w, uint8_t type, const uint8_t *id, loc_t loc)
{
	if (type == OBJ_MANIFEST || type == OBJ_MARK || type == OBJ_DROPPED)
		return 0;
	if (grow(&w->obj, w->n_obj, &w->cap_obj, sizeof(*w->obj)) < 0)
		return -ENOMEM;
	memcpy(w->obj[w->n_obj].id.b, id, 20);
	w->obj[w->n_obj++].loc = loc;
	return 0;
}

static int put_pends(
	struct rewrite *w, const struct pend *p, uint32_t n, struct encoded *e, uint64_t *ret_off)
{
	int r = encode_batch(w->out, p, n, w->out->end.off, e);

	if (r == 0)
		r = write_record(w, e, ret_off);
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		loc_t loc = loc_make(w->no, *ret_off, e->slot[i]);

		if (p[i].type <= OBJ_LARGE)
			obj_cache_put(w->out, loc, p[i].type, p[i].id.b, p[i].raw);
		r = add_object(w, p[i].type, p[i].id.b, loc);
	}
	return r;
}

static int put_one(
	struct rewrite *w, uint8_t type, const struct oid *id, const void *p, size_t n, loc_t *ret)
{
	autoput(encoded_release) struct encoded e = { .frames = NULL };
	autorbuf struct rbuf *raw = rbuf_new(n);
	uint64_t off;
	int r;

	if (!raw)
		return -ENOMEM;
	memcpy(raw->data, p, n);
	r = put_pends(w, &(struct pend){ .type = type, .id = *id, .raw = raw }, 1, &e, &off);
	if (r == 0)
		*ret = loc_make(w->no, off, 0);
	return r;
}

/* ---- snapshots ---- */

static int note_snap(struct rewrite *w, const struct snap *sn, loc_t loc, bool dropped)
{
	if (grow(&w->snap, w->n_snap, &w->cap_snap, sizeof(*w->snap)) < 0)
		return -ENOMEM;
	w->snap[w->n_snap++] = (struct moved_snap){ sn->info.seq, loc, sn->info.id, dropped };
	return 0;
}

/* Entries as manifest objects in front of their snapshot. */
static int put_parts(struct rewrite *w, const struct change *c, size_t n,
	struct snap_manifest **ret, uint32_t *ret_n)
{
	struct snap_manifest *m = NULL;
	size_t cap = 0, k = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n;) {
		autoput(buf_release) struct buf b = BUF_INIT;
		const char *prev = NULL;
		struct oid id;
		loc_t loc;

		for (; r == 0 && i < n && b.len < PART_MAX; prev = c[i++].path)
			r = snap_add_entry(&b, c[i].path, prev, &c[i].e, 0);
		if (r == 0)
			r = grow(&m, k, &cap, sizeof(*m));
		if (r != 0 || !m)
			break;
		hash_bytes(b.data, b.len, &id);
		r = put_one(w, OBJ_MANIFEST, &id, b.data, b.len, &loc);
		if (r != 0)
			break;
		m[k++] = (struct snap_manifest){ loc_seg(loc), loc_off(loc), loc_idx(loc) };
	}
	if (r < 0) {
		free(m);
		return r;
	}
	*ret = m;
	*ret_n = (uint32_t)k;
	return 0;
}

static int to_changes(const struct fold *f, struct change **ret, size_t *ret_bytes)
{
	struct change *c = calloc(f->n + 1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*ret_bytes = 0;
	for (size_t i = 0; i < f->n; i++) {
		c[i] = (struct change){ fold_path(f, &f->x[i]), f->x[i].e };
		*ret_bytes += 24 + strlen(c[i].path) / 3;
	}
	*ret = c;
	return 0;
}

/* A snapshot, or the changes of dropped ones, with all its entries in this segment. */
static int put_snap(struct rewrite *w, const struct snap *sn, uint8_t type, const struct fold *f)
{
	autofree struct snap_manifest *m = NULL;
	autofree struct change *c = NULL;
	autoput(buf_release) struct buf out = BUF_INIT;
	uint32_t n_m = 0;
	size_t bytes;
	loc_t loc;
	int r = to_changes(f, &c, &bytes);

	if (r == 0 && bytes > INLINE_MAX)
		r = put_parts(w, c, f->n, &m, &n_m);
	if (r == 0)
		r = snap_build(&sn->info, sn->has_parent ? &sn->parent : NULL, m, n_m, w->no,
			w->out->end.off, c, n_m ? 0 : f->n, &out);
	if (r == 0)
		r = put_one(w, type, &sn->info.id, out.data, out.len, &loc);
	return r == 0 ? note_snap(w, sn, loc, type == OBJ_DROPPED) : r;
}

/* The dropped ones that wait, as one record: it has the number and the id of the last, and the
 * parent of the first. */
static int put_run(struct rewrite *w)
{
	autoput(snap_release) struct snap first = { .info = { 0 } }, last = { .info = { 0 } };
	autoput(fold_release) struct fold f = { .n = 0 };
	int r = 0;

	if (!w->n_run)
		return 0;
	for (size_t i = 0; r == 0 && i < w->n_run; i++)
		r = fold_add(&f, w->s, w->run[i]);
	if (r == 0)
		r = fold_sort(&f);
	if (r == 0)
		r = snap_read(w->s, w->run[0], &first, NULL);
	if (r == 0)
		r = snap_read(w->s, w->run[w->n_run - 1], &last, NULL);
	if (r < 0 || !last.info.message)
		return r < 0 ? r : -EBADMSG;
	*last.info.message = 0;
	last.parent = first.parent;
	last.has_parent = first.has_parent;
	memset(&last.info.tree, 0, sizeof(last.info.tree));
	w->n_run = 0;
	return put_snap(w, &last, OBJ_DROPPED, &f);
}

/* Is it one that counts no more? */
static bool goes(struct rewrite *w, loc_t loc)
{
	autoput(snap_release) struct snap sn = { .info = { 0 } };

	return snap_read(w->s, loc, &sn, NULL) == 0 && dropped_has(w->dropped, sn.info.seq);
}

static bool has_row(struct rewrite *w, uint64_t seq)
{
	autoput(store_snapshot_release) struct store_snapshot row = { 0 };

	return store_by_seq(w->s, seq, &row) == 0;
}

/* A snapshot of the old segment at loc. *ret_copy: its record may be copied as it is. */
static int meet_snap(struct rewrite *w, loc_t loc, uint8_t type, bool *ret_keep, bool *ret_copy)
{
	autoput(snap_release) struct snap sn = { .info = { 0 } };
	int r = snap_read(w->s, loc, &sn, NULL);

	if (r < 0)
		return r;
	w->manifests = false;
	*ret_keep = type == OBJ_SNAPSHOT && !dropped_has(w->dropped, sn.info.seq);
	/* What of it is wanted nobody has asked. */
	if (*ret_keep && w->live && !has_row(w, sn.info.seq))
		return -EBADMSG;
	*ret_copy = *ret_keep && !sn.n_manifest;
	if (*ret_keep)
		return put_run(w);
	if (grow(&w->run, w->n_run, &w->cap_run, sizeof(*w->run)) < 0)
		return -ENOMEM;
	w->run[w->n_run++] = loc;
	return 0;
}

/* With its manifests, which lie elsewhere now. */
static int move_snap(struct rewrite *w, loc_t loc)
{
	autoput(snap_release) struct snap sn = { .info = { 0 } };
	autoput(fold_release) struct fold f = { .n = 0 };
	int r = snap_read(w->s, loc, &sn, NULL);

	if (r == 0)
		r = fold_add(&f, w->s, loc);
	if (r == 0)
		r = fold_sort(&f);
	return r == 0 ? put_snap(w, &sn, OBJ_SNAPSHOT, &f) : r;
}

/* ---- records ---- */

struct stay {			/* what of a record stays */
	bool *obj;
	uint32_t n;
	loc_t snap;		/* the snapshot that ends it, if that stays; 0 = none */
	bool copy_snap;
};

static int choose(struct rewrite *w, const struct head *h, struct stay *st)
{
	for (uint32_t i = 0; i < h->n_objs; i++) {
		uint8_t type = head_frame(h, i)->type;
		loc_t loc = loc_make(h->seg, h->off, i);
		bool keep = false;
		struct oid id;
		int r;

		memcpy(id.b, head_id(h, i), 20);
		switch (type) {
		case OBJ_BLOB:
		case OBJ_TREE:
		case OBJ_LARGE:
			keep = !w->live || live_has(w->live, &id, type, loc);
			break;
		case OBJ_MARK:
			keep = true;
			w->manifests = false;
			break;
		case OBJ_MANIFEST:
			w->manifests = true;
			break;
		case OBJ_SNAPSHOT:
		case OBJ_DROPPED:
			/* It ends a record, or somebody else wrote this. */
			if (i + 1 != h->n_objs)
				return -ENOTSUP;
			if ((r = meet_snap(w, loc, type, &keep, &st->copy_snap)) < 0)
				return r;
			st->snap = keep ? loc : 0;
			break;
		default:
			return -ENOTSUP;
		}
		st->obj[i] = keep;
		st->n += keep;
	}
	return 0;
}

/* May it be copied as it is? Then f gets its frames as they will be. */
static bool copy_frames(
	struct rewrite *w, const struct head *h, const struct stay *st, struct frame *f)
{
	if (st->n != h->n_objs || (st->snap && !st->copy_snap))
		return false;
	for (uint32_t i = 0; i < h->n_frames; i++) {
		const struct place *b;

		f[i] = h->frames[i];
		if (!f[i].dist)
			continue;
		b = map_get(w, h->off - f[i].dist, f[i].bidx);
		if (!b || !b->same || b->depth >= 255)
			return false;
		f[i].dist = w->out->end.off - loc_off(b->to);
		f[i].bidx = loc_idx(b->to);
		f[i].depth = b->depth + 1;
	}
	return true;
}

static int copy_stored(struct rewrite *w, const struct head *h, struct buf *out)
{
	for (uint32_t i = 0; i < h->n_frames; i++) {
		const struct frame *f = &h->frames[i];
		int r = buf_reserve(out, f->stored + 1);

		if (r < 0 ||
			(r = seg_pread(w->s, w->no, out->data + out->len, f->stored, f->off)) < 0)
			return r;
		if ((uint32_t)crc32(0, (const uint8_t *)out->data + out->len, f->stored) != f->crc)
			return -EBADMSG;
		out->len += f->stored;
	}
	return 0;
}

static int note_copied(
	struct rewrite *w, const struct head *h, const struct encoded *e, uint64_t off)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < e->n_frames; i++) {
		const struct frame *f = &e->frames[i];

		for (uint32_t k = f->first; r == 0 && k < f->first + f->n; k++) {
			loc_t loc = loc_make(w->no, off, k);

			r = map_put(w, h->off, k, loc, f->depth, true);
			if (r == 0)
				r = add_object(w, f->type, head_id(h, k), loc);
		}
	}
	return r;
}

static int copy_record(
	struct rewrite *w, const struct head *h, const struct stay *st, struct frame *f)
{
	struct encoded e = { .frames = f, .n_frames = h->n_frames, .raw = h->raw,
		.ids = (uint8_t *)(uintptr_t)h->ids, .n_objs = h->n_objs };
	autoput(snap_release) struct snap sn = { .info = { 0 } };
	uint64_t off;
	int r = copy_stored(w, h, &e.stored);

	if (r == 0)
		r = write_record(w, &e, &off);
	if (r == 0)
		r = note_copied(w, h, &e, off);
	if (r == 0 && st->snap && (r = snap_read(w->s, st->snap, &sn, NULL)) == 0)
		r = note_snap(w, &sn, loc_make(w->no, off, h->n_objs - 1), false);
	buf_release(&e.stored);
	return r;
}

/* The bytes are what the id says: what is written anew is checked once more. */
static int check_id(uint8_t type, const struct oid *id, const struct rbuf *raw)
{
	struct oid got;

	if (type == OBJ_BLOB || type == OBJ_TREE)
		store_hash(type == OBJ_TREE ? "tree" : "blob", raw->data, raw->len, &got);
	else if (type == OBJ_MARK)
		hash_bytes(raw->data, raw->len, &got);
	else
		return 0;
	return oid_eq(&got, id) ? 0 : -EBADMSG;
}

static int load_pend(struct rewrite *w, const struct head *h, uint32_t i, struct pend *p)
{
	const struct frame *f = head_frame(h, i);
	const struct place *b = NULL;
	uint32_t max;
	int r = obj_read(w->s, loc_make(h->seg, h->off, i), &p->type, &p->id, &p->raw);

	if (r < 0 || (r = check_id(p->type, &p->id, p->raw)) < 0)
		return r;
	if (!f->dist || (r = nearest_base(w, h, f, &b)) < 0)
		return r;
	max = (uint32_t)(CHAIN_BYTES / (p->raw->len + 1));
	max = max > DEPTH_MAX ? DEPTH_MAX : max < 1 ? 1 : max;
	p->base = b && b->depth < max ? b->to : 0;
	return 0;
}

static int note_moved(struct rewrite *w, const struct head *h, const uint32_t *idx, uint32_t n,
	const struct encoded *e, uint64_t off)
{
	autohead struct head *now = NULL;
	int r = head_get(w->out, w->no, off, &now);

	for (uint32_t i = 0; r == 0 && i < n; i++) {
		loc_t to = loc_make(w->no, off, e->slot[i]);
		uint32_t depth = head_frame(now, e->slot[i])->depth;

		r = map_put(w, h->off, idx[i], to, depth, true);
		if (r == 0)
			r = take_place(w, h, head_frame(h, idx[i]), to, depth);
	}
	return r;
}

/* Those that stay, encoded again; the snapshot, if it must be made anew, is not among them. */
static int move_some(struct rewrite *w, const struct head *h, const struct stay *st, struct pend *p,
	uint32_t *idx)
{
	autoput(encoded_release) struct encoded e = { .frames = NULL };
	autoput(snap_release) struct snap sn = { .info = { 0 } };
	uint32_t n = 0;
	uint64_t off;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < h->n_objs; i++) {
		if (!st->obj[i] || (st->snap && i + 1 == h->n_objs && !st->copy_snap))
			continue;
		idx[n] = i;
		r = load_pend(w, h, i, &p[n++]);
	}
	if (r == 0 && n)
		r = put_pends(w, p, n, &e, &off);
	if (r == 0 && n)
		r = note_moved(w, h, idx, n, &e, off);
	if (r == 0 && st->snap && st->copy_snap && (r = snap_read(w->s, st->snap, &sn, NULL)) == 0)
		r = note_snap(w, &sn, loc_make(w->no, off, e.slot[n - 1]), false);
	for (uint32_t i = 0; i < n; i++)
		rbuf_unref(p[i].raw);
	return r;
}

static int one_record(struct rewrite *w, const struct head *h)
{
	autofree bool *stays = calloc(h->n_objs + 1, sizeof(*stays));
	autofree struct frame *f = calloc(h->n_frames, sizeof(*f));
	autofree struct pend *p = calloc(h->n_objs + 1, sizeof(*p));
	autofree uint32_t *idx = calloc(h->n_objs + 1, sizeof(*idx));
	struct stay st = { .obj = stays };
	int r;

	if (!stays || !f || !p || !idx)
		return -ENOMEM;
	if ((r = choose(w, h, &st)) < 0 || !st.n)
		return r;
	if ((!w->out->tight || h->off < w->tight_from) && copy_frames(w, h, &st, f))
		return copy_record(w, h, &st, f);
	w->loose |= !w->out->tight;
	r = move_some(w, h, &st, p, idx);
	return r == 0 && st.snap && !st.copy_snap ? move_snap(w, st.snap) : r;
}

/* ---- steps ---- */

static int begin(struct store *s, const struct rewrite *as, bool tight, struct rewrite **ret)
{
	struct rewrite *w = calloc(1, sizeof(*w));
	struct segment *g;
	int r;

	if (!w)
		return -ENOMEM;
	*w = *as;
	w->s = s;
	w->off = SEG_HEADER;
	r = seg_get(s, w->no, &g);
	if (r == 0) {
		w->tight_from = seg_tidied(g);
		r = out_open(w);
	}
	if (r != 0) {
		rewrite_drop(w);
		return r;
	}
	w->out->tight = tight;
	*ret = w;
	return 0;
}

int rewrite_begin(struct store *s, uint32_t no, const struct live *live,
	const struct dropped *dropped, struct rewrite **ret)
{
	struct rewrite w = { .no = no, .live = live, .dropped = dropped, .name = REWRITE_NAME };

	return begin(s, &w, false, ret);
}

int rewrite_try(struct store *s, uint32_t no, const struct live *live,
	const struct dropped *dropped, struct rewrite **ret)
{
	return begin(s, &(struct rewrite){ .no = no, .live = live, .dropped = dropped }, false, ret);
}

uint64_t rewrite_size(const struct rewrite *w)
{
	return w->out->end.off;
}

int rewrite_tight(struct store *s, uint32_t no, const struct dropped *dropped, struct rewrite **ret)
{
	struct rewrite w = { .no = no, .dropped = dropped };

	/* Nobody holds a lock: there may be two at it. */
	(void)snprintf(w.name, sizeof(w.name), TIDY_NAME ".%d", (int)getpid());
	return begin(s, &w, true, ret);
}

void rewrite_drop(struct rewrite *w)
{
	if (!w)
		return;
	if (w->named)
		(void)unlinkat(w->s->logfd, w->name, 0);
	out_free(w->out);
	free(w->map);
	free(w->obj);
	free(w->snap);
	free(w->run);
	free(w);
}

uint64_t rewrite_at(const struct rewrite *w)
{
	return w->off;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A writer knows where its segment ends, a reader what was acknowledged of it. */
static int source_end(struct rewrite *w, uint64_t *ret)
{
	struct log_pos end = w->s->write ? w->s->end : cat_pos(w->s->cat);

	if (w->no != end.seg)
		return seg_size(w->s, w->no, ret);
	*ret = end.off;
	return 0;
}

/* What a record of the new file is to the catalogue. */
static int take_record(struct rewrite *w, const struct head *h)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < h->n_objs; i++) {
		autoput(snap_release) struct snap sn = { .info = { 0 } };
		uint8_t type = head_frame(h, i)->type;
		loc_t loc = loc_make(h->seg, h->off, i);
		bool goes = type == OBJ_DROPPED;

		if (type == OBJ_SNAPSHOT || type == OBJ_DROPPED) {
			if ((r = snap_read(w->out, loc, &sn, NULL)) < 0)
				break;
			goes |= dropped_has(w->dropped, sn.info.seq);
			r = note_snap(w, &sn, loc, goes);
		}
		if (r == 0 && !goes)
			r = add_object(w, type, head_id(h, i), loc);
	}
	return r;
}

static int adopt_step(struct rewrite *w, uint64_t deadline_ms)
{
	int r = 0;

	while (r == 0 && w->off < w->size) {
		autohead struct head *h = NULL;

		if (deadline_ms && now_ms() >= deadline_ms)
			return 1;
		if ((r = head_get(w->out, w->no, w->off, &h)) == 0 && (r = take_record(w, h)) == 0)
			w->off = h->end;
	}
	return r == 0 && w->off != w->size ? -EBADMSG : r;
}

int rewrite_step(struct rewrite *w, uint64_t deadline_ms)
{
	uint64_t end;
	int r;

	if (w->adopted)
		return adopt_step(w, deadline_ms);
	r = source_end(w, &end);

	while (r == 0 && w->off < end) {
		autohead struct head *h = NULL;

		if (deadline_ms && now_ms() >= deadline_ms)
			return 1;
		if ((r = head_get(w->s, w->no, w->off, &h)) == 0 && (r = one_record(w, h)) == 0)
			w->off = h->end;
		if (r == 0 && !w->loose && (w->out->tight || w->off <= w->tight_from))
			w->tidied = w->out->end.off;
	}
	return r;
}

/* Manifests at the end of a segment are those of a snapshot in the next one, and it says where they
 * are: unless that has been written anew since, this segment stays. */
static int others_need_it(struct rewrite *w)
{
	uint32_t first, last;
	int r = w->manifests ? seg_list(w->s, &first, &last) : 0;

	for (uint32_t no = w->no + 1; w->manifests && r == 0 && no <= last; no++) {
		uint64_t off = SEG_HEADER, size;

		r = seg_size(w->s, no, &size);
		while (r == 0 && off < size) {
			autoput(snap_release) struct snap sn = { .info = { 0 } };
			autohead struct head *h = NULL;
			uint8_t type;

			if ((r = head_get(w->s, no, off, &h)) < 0)
				return r;
			type = h->frames[h->n_frames - 1].type;
			off = h->end;
			if (type == OBJ_MARK)
				return 0;
			if (type != OBJ_SNAPSHOT && type != OBJ_DROPPED)
				continue;
			if ((r = snap_read(w->s, loc_make(no, h->off, h->n_objs - 1), &sn, NULL)) <
				0)
				return r;
			for (uint32_t i = 0; i < sn.n_manifest; i++)
				if (sn.manifest[i].seg == w->no)
					return -ENOTSUP;
			return 0;
		}
	}
	return r;
}

static int into_catalogue(struct rewrite *w, struct log_pos pos)
{
	struct catalogue *c = w->s->cat;
	int r = cat_begin(c);

	/* Of what prune writes not all objects are there any more. */
	if (r == 0)
		r = w->adopted ? cat_forget_rest(c, w->no) : cat_forget_segment(c, w->no);
	if (r == 0)
		r = (w->adopted ? cat_move_objects : cat_add_objects)(w->s, c, w->obj, w->n_obj);
	for (size_t i = 0; r == 0 && i < w->n_snap; i++)
		r = w->snap[i].dropped
			    ? cat_add_dropped(c, w->snap[i].seq, w->snap[i].loc, &w->snap[i].id)
			    : cat_move_snapshot(c, w->snap[i].seq, w->snap[i].loc);
	if (r == 0)
		r = cat_set_segment(c, w->no);
	/* The file takes its place now; if the catalogue does not follow, the next writer's does
	 * (pruned.c). */
	if (r == 0 && (r = seg_rename(w->s, w->name, w->no)) == 0)
		w->named = false;
	if (r < 0) {
		/* Nobody knows which of the two has the name now. */
		w->s->broken = 1;
		cat_rollback(c);
		return r;
	}
	if ((r = cat_commit(c, pos)) < 0) {
		cat_rollback(c);
		w->s->broken = 1;
		log_warn_errno(r, "%s: catalogue not updated", w->s->dir);
	}
	return 0;
}

/* The new file is whole, and on the disk. */
static int complete(struct rewrite *w, struct segment **ret)
{
	int r = put_run(w);

	if (r == 0)
		r = others_need_it(w);
	if (r == 0)
		r = seg_get(w->out, w->no, ret);
	if (r == 0 && w->out->tight)
		w->tidied = w->out->end.off;
	if (r == 0 && w->tidied)
		r = seg_set_tidied(*ret, w->tidied);
	return r != 0 || w->s->opt.no_sync ? r : io_sync((*ret)->fd);
}

static int put_in_place(struct rewrite *w, struct segment *g)
{
	struct store *s = w->s;
	struct log_pos end = s->end;
	int r;

	if (w->no == s->end.seg)
		end.off = w->out->end.off;
	r = seg_replace(s, g);
	if (r == 0 && (r = into_catalogue(w, end)) < 0)
		seg_forget(s, w->no);
	if (r < 0)
		return r;
	s->end = end;
	if (w->no == end.seg)
		seg_set_acked(s);
	return 0;
}

int rewrite_finish(struct rewrite *w, uint64_t *ret)
{
	struct segment *g = NULL;
	int r = w->adopted ? seg_get(w->out, w->no, &g) : complete(w, &g);

	if (r == 0)
		r = put_in_place(w, g);
	if (r == 0)
		*ret = w->out->end.off;
	rewrite_drop(w);
	return r;
}

/* ---- made by one, put in place by another ---- */

/* Nothing may be missing in it that the old one has. */
static int compare(struct rewrite *w, uint64_t end)
{
	autoput(idset_release) struct idset there = { 0 };
	uint64_t off = SEG_HEADER;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < w->n_obj; i++)
		r = idset_put(&there, &w->obj[i].id, 1);
	for (size_t i = 0; r >= 0 && i < w->n_snap; i++)
		r = idset_put(&there, &w->snap[i].id, 1);
	while (r >= 0 && off < end) {
		autohead struct head *h = NULL;

		if ((r = head_get(w->s, w->no, off, &h)) < 0)
			break;
		for (uint32_t i = 0; r >= 0 && i < h->n_objs; i++) {
			uint8_t type = head_frame(h, i)->type;
			struct oid id;

			memcpy(id.b, head_id(h, i), 20);
			if (type <= OBJ_SNAPSHOT && !idset_get(&there, &id) &&
			    (type != OBJ_SNAPSHOT || !goes(w, loc_make(w->no, off, i))))
				r = -EBADMSG;
		}
		off = h->end;
	}
	return r < 0 ? r : 0;
}

int rewrite_leave(struct rewrite *w, const char *name)
{
	struct segment *g = NULL;
	uint64_t end;
	int r = complete(w, &g);

	if (r == 0)
		r = source_end(w, &end);
	if (r == 0 && (r = compare(w, end)) < 0)
		log_error("segment %u: what tidy made of it lacks something; it stays as it is", w->no);
	if (r == 0 && renameat(w->s->logfd, w->name, w->s->logfd, name) < 0)
		r = err_errno();
	if (r == 0)
		w->named = false;
	rewrite_drop(w);
	return r;
}

int rewrite_adopt(struct store *s, uint32_t no, const char *name, const struct dropped *dropped,
	struct rewrite **ret)
{
	struct rewrite *w = calloc(1, sizeof(*w));
	struct segment *g;
	struct stat st;
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct rewrite){ .s = s, .no = no, .dropped = dropped, .off = SEG_HEADER, .adopted = true };
	(void)snprintf(w->name, sizeof(w->name), "%s", name);
	r = out_handle(w);
	if (r == 0 && (r = seg_get_as(w->out, no, name, &g)) == 0)
		r = fstat(g->fd, &st) < 0 ? err_errno() :
		    g->copied || g->mended || seg_tidied(g) != (uint64_t)st.st_size ? -EBADMSG : 0;
	if (r < 0) {
		rewrite_drop(w);
		return r;
	}
	w->size = (uint64_t)st.st_size;
	w->out->end = (struct log_pos){ no, w->size };
	*ret = w;
	return 0;
}

bool rewrite_is_named(struct rewrite *w)
{
	struct segment *g;
	struct stat a, b;

	return seg_get(w->out, w->no, &g) == 0 && fstat(g->fd, &a) == 0 &&
	       fstatat(w->s->logfd, w->name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}
