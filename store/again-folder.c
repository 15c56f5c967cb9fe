/* One folder of one snapshot, made again: again.c says when.
 *
 * What each name held is sure where a row or a tree that can be read says so of the same version of it. The rest is tried:
 * a file may be any object of its size, a folder any tree that was written for this snapshot or that the folder had at another time.
 * Only the id of the whole says which; without it, or where it does not come out, nothing that was tried is told. */
#include <string.h>

#include "again.h"

#define DEPTH_OF_DIRS 200
#define TRIES 2048			/* ways to put a tree together whose id is known, */
#define TRIES_BLIND 256			/* and one where it is not, */
#define TRY_COST 512			/* each is worth so many bytes of hashing, */
#define READ_COST 65536			/* and going to a tree so many */
#define TRY_BYTES (16u << 20)		/* and so many bytes to hash */
#define TREES_MAX 64			/* that a folder may be */
#define NEAR_MAX 64			/* objects of a size, on either side */
#define DIRS_MAX 16			/* folders of a folder that are looked for elsewhere */
#define OURS_MAX 256			/* trees of a snapshot */
#define MAYBE_MAX 8			/* ways that lead to one of them */
#define OPEN_MAX 131072		/* names that are tried */

/* ---- what a tree says itself, though the one that it stands on is lost ---- */

/* The ids that a tree's operations bring: in a literal they end it (tree_splice). */
static int own_ids(const uint8_t *p, size_t n, const struct head *h, struct buf *ids)
{
	struct cursor c = { p, p + n, 0 };
	int r = 0;

	while (r == 0 && c.p < c.end && !c.bad) {
		uint64_t v = cur_varint(&c), k = v >> 2;
		const uint8_t *q;

		if ((v & 3) == 3) {
			r = k < h->n_objs ? buf_add(ids, head_id(h, (uint32_t)k), 20) : -EBADMSG;
		} else if ((v & 3) == 2) {
			q = k <= (uint64_t)(c.end - c.p) ? cur_bytes(&c, (size_t)k) : NULL;
			if (!q)
				return -EBADMSG;
			r = k >= 20 ? buf_add(ids, q + k - 20, 20) : 0;
		}
	}
	return r < 0 ? r : c.bad ? -EBADMSG : 0;
}

/* What the tree itself says of what changed in it; none, if it is lost too. */
static int ask_itself(struct at *t, const struct oid *id, struct buf *ids)
{
	autohead struct head *h = NULL;
	autofree uint8_t *p = NULL;
	const struct frame *f;
	loc_t loc;
	int r = obj_find(t->s, id, &loc);

	if (r == 0)
		r = head_get(t->s, loc_seg(loc), loc_off(loc), &h);
	if (r < 0 || !(f = head_frame(h, loc_idx(loc))) || f->enc != ENC_SPLICE)
		return r == -ENOMEM ? r : 0;
	if (!(p = malloc(f->stored + 1)))
		return -ENOMEM;
	if (frame_stored(t->s, h, f, p) < 0 || own_ids(p, f->stored, h, ids) < 0)
		buf_reset(ids);
	return 0;
}

struct open_name {		/* what it held is not known */
	size_t edit;		/* its place in the list of edits */
	bool dir;
	uint64_t seq, size;	/* of a file: since when it is so */
	struct oid was;		/* what it held before; 0: nothing */
	struct oid part;	/* of a folder: as far as it is known */
	struct rbuf *raw;	/* the same */
	struct buf maybe;	/* and what it may be */
	size_t first, n;	/* what may be: objects in cand */
	size_t turn, step;	/* which of them is tried first, and so many after it */
	size_t off;		/* of its id in the tree's bytes */
};

struct folder {
	const char *dir;
	struct rows rows;
	struct names prev;
	struct tree_edit *edit;
	size_t n;
	struct open_name *open;
	size_t n_open, n_dirs;	/* n_dirs: of these folders */
	struct oid *cand;
	size_t n_cand, cap_cand;
	bool part;		/* it holds a folder or a file that is not known, and was not before */
	struct buf own;		/* the ids of what changed in it, as the tree itself says; */
	struct oid tree[TREES_MAX];	/* of these the folders' */
	size_t n_tree, n_touched;	/* and folders that changed since the snapshot before */
};

static void folder_release(struct folder *f)
{
	for (size_t i = 0; i < f->n_open; i++) {
		rbuf_unref(f->open[i].raw);
		buf_release(&f->open[i].maybe);
	}
	rows_release(&f->rows);
	names_release(&f->prev);
	free(f->edit);
	free(f->open);
	free(f->cand);
	buf_release(&f->own);
}

/* The path of a name in a folder: free it. */
static char *join(const char *dir, const char *name)
{
	struct buf b = BUF_INIT;

	if ((*dir && (buf_addstr(&b, dir) < 0 || buf_addch(&b, '/') < 0)) ||
	    buf_addstr(&b, name) < 0) {
		buf_release(&b);
		return NULL;
	}
	return buf_detach(&b, NULL);
}

static struct open_name *add_open(struct folder *f, const struct tree_entry *was)
{
	struct open_name *o = &f->open[f->n_open++];

	*o = (struct open_name){ .edit = f->n };
	if (was)
		o->was = was->oid;
	return o;
}

/* A folder in it. One that holds nothing is in no tree. */
static int take_dir(struct at *t, struct folder *f, const char *name, int depth)
{
	const struct tree_entry *was = names_find(&f->prev, name, strlen(name));
	struct tree_edit *e = &f->edit[f->n];
	autofree char *path = join(f->dir, name);
	autorbuf struct rbuf *raw = NULL;
	autoput(buf_release) struct buf maybe = BUF_INIT;
	struct open_name *o;
	struct oid id;
	int r;

	if (!path)
		return -ENOMEM;
	*e = (struct tree_edit){ .name = name, .len = strlen(name), .mode = 040000 };
	if (f->prev.tree && !again_touched(t, path)) {
		if (was && was->mode == 040000) {
			e->oid = was->oid;
			f->part |= again_is_part(t->s, &e->oid);
			f->n++;
		}
		return 0;
	}
	if ((r = again_folder(t, path, NULL, &maybe, depth + 1, &id, &raw)) < 0)
		return r;
	if (r == 1) {
		o = add_open(f, was && was->mode == 040000 ? was : NULL);
		o->dir = true;
		f->n_dirs++;
		o->part = id;
		o->raw = take_ptr(raw);
		o->maybe = maybe;
		maybe = (struct buf)BUF_INIT;
	} else {
		e->oid = id;
	}
	f->n += r == 1 || raw->len > 0;
	return 0;
}

static void take_file(const struct at *t, struct folder *f, const char *name,
	const struct store_entry *e)
{
	const struct tree_entry *was = names_find(&f->prev, name, strlen(name));
	bool same = t->before && e->seq <= t->before && was && was->mode != 040000;
	struct tree_edit *d = &f->edit[f->n];

	*d = (struct tree_edit){ .name = name, .len = strlen(name), .oid = e->oid,
		.mode = e->kind == KIND_LINK ? 0120000 : e->mode & 0100 ? 0100755 : 0100644 };
	if (same) {
		d->oid = was->oid;
		d->mode = was->mode;
		f->part |= oid_zero(&d->oid);
	}
	if (oid_zero(&d->oid))
		d->oid = e->oid;
	if (oid_zero(&d->oid)) {
		struct open_name *o = add_open(f, was && was->mode != 040000 ? was : NULL);

		o->seq = e->seq;
		o->size = e->size;
	}
	f->n++;
}

static int count_touched(const struct at *t, struct folder *f)
{
	for (size_t i = 0; i < f->rows.n; i++) {
		autofree char *path = NULL;

		if (f->rows.r[i].e.kind != KIND_DIR)
			continue;
		if (!(path = join(f->dir, rows_name(&f->rows, &f->rows.r[i]))))
			return -ENOMEM;
		f->n_touched += again_touched(t, path);
	}
	return 0;
}

static bool had(const struct names *x, const struct oid *id)
{
	for (size_t i = 0; i < x->n; i++)
		if (oid_eq(&x->e[i].oid, id))
			return true;
	return false;
}

static bool is_tree(struct store *s, const struct oid *id)
{
	autohead struct head *h = NULL;
	loc_t loc;

	return obj_find(s, id, &loc) == 0 && head_get(s, loc_seg(loc), loc_off(loc), &h) == 0 &&
		loc_idx(loc) < h->n_objs && head_frame(h, loc_idx(loc))->type == OBJ_TREE;
}

/* What the tree itself knows. What the one before has is known already. */
static int ask_own(struct at *t, struct folder *f, const struct oid *want)
{
	int r = ask_itself(t, want, &f->own);

	if (r == 0)
		r = count_touched(t, f);
	for (size_t i = 0; r == 0 && f->prev.tree && i < f->own.len && f->n_tree < TREES_MAX; i += 20) {
		struct oid id;

		memcpy(id.b, f->own.data + i, 20);
		if (!had(&f->prev, &id) && is_tree(t->s, &id))
			f->tree[f->n_tree++] = id;
	}
	return r;
}

static int take_rows(struct at *t, struct folder *f, int depth)
{
	f->edit = calloc(f->rows.n + 1, sizeof(*f->edit));
	f->open = calloc(f->rows.n + 1, sizeof(*f->open));
	if (!f->edit || !f->open)
		return -ENOMEM;
	for (size_t i = 0; i < f->rows.n; i++) {
		const struct child *w = &f->rows.r[i];
		const char *name = rows_name(&f->rows, w);
		int r = 0;

		if (w->e.kind == KIND_DIR)
			r = take_dir(t, f, name, depth);
		else if (entry_has_oid(&w->e))
			take_file(t, f, name, &w->e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- what later trees say ---- */

/* The tree of the folder in the first later snapshot where it can be read. 1, 0: none. */
static int tree_after(struct at *t, const char *dir, struct names *ret, uint64_t *ret_seq)
{
	uint64_t seq = t->seq;

	for (int i = 0; i < AHEAD_MAX; i++) {
		autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
		struct rbuf *raw;
		int r = query_snapshot(t->s, "seq>? ORDER BY seq", (int64_t)seq, &sn, NULL);

		if (r < 0)
			return r == -ENOENT ? 0 : r;
		seq = *ret_seq = sn.seq;
		t->a->work += READ_COST;
		if ((r = again_read_at(t->s, &sn.tree, dir, &raw)) == 0)
			return (r = names_load(ret, raw)) < 0 ? r : 1;
		if (r == -ENOENT)
			return 0;
		if (r != -EBADMSG)
			return r;
	}
	return 0;
}

/* What stands in it as it does here, is known. */
static int ask_later(struct at *t, struct folder *f, const char *dir)
{
	autoput(names_release) struct names later = { NULL, NULL, 0 };
	size_t n = 0;
	uint64_t seq;
	int r = tree_after(t, dir, &later, &seq);

	if (r != 1)
		return r;
	for (size_t i = 0; i < f->n_open; i++) {
		const struct open_name *o = &f->open[i];
		struct tree_edit *d = &f->edit[o->edit];
		const struct tree_entry *is = names_find(&later, d->name, d->len);
		autofree char *path = join(dir, d->name);
		struct store_entry e;
		int64_t id;

		if (!path)
			return -ENOMEM;
		if (o->dir)
			is = NULL;
		r = is ? query_path_at(t->s, seq, path, &id, &e) : -ENOENT;
		if (r < 0 && r != -ENOENT)
			return r;
		if (r == 0 && e.seq == o->seq && is->mode == d->mode && !oid_zero(&is->oid))
			d->oid = is->oid;
		else
			f->open[n++] = *o;
	}
	f->n_open = n;
	return 0;
}

/* ---- what may be ---- */

static int add_id_once(struct folder *f, size_t first, const struct oid *id)
{
	if (oid_zero(id))
		return 0;
	for (size_t i = first; i < f->n_cand && i < first + TREES_MAX; i++)
		if (oid_eq(&f->cand[i], id))
			return 0;
	if (f->n_cand == f->cap_cand) {
		void *p = realloc(f->cand, (f->cap_cand * 2 + 16) * sizeof(*f->cand));

		if (!p)
			return -ENOMEM;
		f->cand = p;
		f->cap_cand = f->cap_cand * 2 + 16;
	}
	f->cand[f->n_cand++] = *id;
	return 0;
}

static int add_placed_id(struct at *t, struct folder *f, size_t first, loc_t loc)
{
	autohead struct head *h = NULL;
	struct oid id;
	int r = head_get(t->s, loc_seg(loc), loc_off(loc), &h);

	if (r < 0)
		return r == -EBADMSG || r == -ENOENT ? 0 : r;
	if (loc_idx(loc) >= h->n_objs)
		return 0;
	memcpy(id.b, head_id(h, loc_idx(loc)), 20);
	return add_id_once(f, first, &id);
}

/* The first object of that size from that place on. */
static size_t from_place(const struct again *a, uint64_t size, loc_t loc)
{
	size_t lo = 0, hi = a->n_blob;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (a->blob[mid].size < size || (a->blob[mid].size == size && a->blob[mid].loc < loc))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool is_ours(const struct at *t, loc_t loc)
{
	return loc > t->loc_before && loc < t->loc;
}

/* Objects of a size: those written for this snapshot in their order, then the nearest of the rest. */
static int maybe_files(struct at *t, struct folder *f, uint64_t size)
{
	const struct again *a = t->a;
	size_t first = f->n_cand, from = from_place(a, size, t->loc_before + 1), i = from;
	int r = 0;

	for (; r == 0 && i < a->n_blob && a->blob[i].size == size && is_ours(t, a->blob[i].loc); i++)
		r = add_placed_id(t, f, first, a->blob[i].loc);
	for (size_t n = 0; r == 0 && n < NEAR_MAX && from - n > 0 && a->blob[from - n - 1].size == size; n++)
		r = add_placed_id(t, f, first, a->blob[from - n - 1].loc);
	for (size_t n = 0; r == 0 && n < NEAR_MAX && i + n < a->n_blob && a->blob[i + n].size == size; n++)
		r = add_placed_id(t, f, first, a->blob[i + n].loc);
	t->a->work += (f->n_cand - first) * TRY_COST;
	return r;
}

/* Trees that were written for this snapshot. */
static int load_ours(struct at *t)
{
	const struct again *a = t->a;
	size_t lo = 0, hi = a->n_tree;

	if (t->have_ours)
		return 0;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (a->tree[mid].loc <= t->loc_before)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t i = lo; i < a->n_tree && i < lo + OURS_MAX && is_ours(t, a->tree[i].loc); i++) {
		autohead struct head *h = NULL;
		loc_t loc = a->tree[i].loc;
		int r = head_get(t->s, loc_seg(loc), loc_off(loc), &h);

		if (r < 0 && r != -EBADMSG && r != -ENOENT)
			return r;
		if (r == 0 && loc_idx(loc) < h->n_objs && buf_add(&t->ours, head_id(h, loc_idx(loc)), 20) < 0)
			return -ENOMEM;
	}
	t->have_ours = true;
	return 0;
}

static bool among(const struct buf *ids, const struct oid *id)
{
	for (size_t i = 0; i < ids->len; i += 20)
		if (memcmp(ids->data + i, id->b, 20) == 0)
			return true;
	return false;
}

/* Those that can be read; of the others the folder itself says whether it may be one. */
static int maybe_written(struct at *t, struct folder *f, size_t first)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->ours.len; i += 20) {
		autorbuf struct rbuf *raw = NULL;
		struct oid id;

		memcpy(id.b, t->ours.data + i, 20);
		r = again_read(t->s, &id, &raw);
		r = r == 0 ? add_id_once(f, first, &id) : r == -EBADMSG ? 0 : r;
	}
	return r;
}

static int maybe_ids(struct folder *f, size_t first, const struct buf *ids)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ids->len; i += 20) {
		struct oid id;

		memcpy(id.b, ids->data + i, 20);
		r = add_id_once(f, first, &id);
	}
	return r;
}

/* What the folder was in the snapshots on one side. */
static int maybe_other(struct at *t, struct folder *f, size_t first, const char *name, const char *sql)
{
	uint64_t seq = t->seq;

	for (int i = 0; i < NEAR_MAX && f->n_cand < first + TREES_MAX; i++) {
		autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
		autorbuf struct rbuf *raw = NULL;
		struct tree_entry e;
		int r = query_snapshot(t->s, sql, (int64_t)seq, &sn, NULL);

		if (r < 0)
			return r == -ENOENT ? 0 : r;
		seq = sn.seq;
		t->a->work += READ_COST;
		r = again_read_at(t->s, &sn.tree, f->dir, &raw);
		if (r == 0)
			r = tree_find(raw, name, strlen(name), &e);
		if (r == 0 && e.mode == 040000 && !again_is_part(t->s, &e.oid))
			r = add_id_once(f, first, &e.oid);
		if (r < 0 && r != -ENOENT && r != -EBADMSG)
			return r;
	}
	return 0;
}

/* Has it the names of what is known, and their ids? */
static bool fits(const struct rbuf *tree, const struct rbuf *part)
{
	const uint8_t *p = tree->data, *pend = p + tree->len, *q = part->data, *qend = q + part->len;
	struct tree_entry a, b;
	int ra, rb;

	for (;;) {
		ra = tree_next(&p, pend, &a);
		rb = tree_next(&q, qend, &b);
		if (ra != 1 || rb != 1)
			return ra == 0 && rb == 0;
		if (a.raw_len != b.raw_len || memcmp(a.raw, b.raw, a.raw_len - 20) != 0)
			return false;
		if (a.mode != 040000 && !oid_zero(&b.oid) && !oid_eq(&a.oid, &b.oid))
			return false;
	}
}

/* One that can be read, and is another's, is none. */
static int drop_others(struct at *t, struct folder *f, size_t first, const struct rbuf *part)
{
	size_t n = first;

	for (size_t i = first; i < f->n_cand; i++) {
		autorbuf struct rbuf *raw = NULL;
		int r = again_read(t->s, &f->cand[i], &raw);

		if (r < 0 && r != -EBADMSG)
			return r;
		if (r < 0 || fits(raw, part))
			f->cand[n++] = f->cand[i];
	}
	f->n_cand = n;
	return 0;
}

static int maybe_dir(struct at *t, struct folder *f, const struct open_name *o)
{
	size_t first = f->n_cand;
	const char *name = f->edit[o->edit].name;
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->n_tree; i++)
		r = add_id_once(f, first, &f->tree[i]);
	if (r == 0)
		r = maybe_ids(f, first, &o->maybe);
	if (r == 0 && !again_is_part(t->s, &o->was))
		r = add_id_once(f, first, &o->was);
	if (r == 0)
		r = maybe_written(t, f, first);
	if (r == 0 && f->n_dirs <= DIRS_MAX)
		r = maybe_other(t, f, first, name, "seq<? ORDER BY seq DESC");
	if (r == 0 && f->n_dirs <= DIRS_MAX)
		r = maybe_other(t, f, first, name, "seq>? ORDER BY seq");
	return r < 0 ? r : drop_others(t, f, first, o->raw);
}

static int open_cmp(const void *pa, const void *pb)
{
	const struct open_name *a = pa, *b = pb;

	if (a->dir != b->dir)
		return a->dir ? 1 : -1;
	if (a->size != b->size)
		return a->size < b->size ? -1 : 1;
	return a->edit < b->edit ? -1 : a->edit > b->edit;
}

/* Files of one size were stored in the order of their names: each begins with its own. */
static int find_candidates(struct at *t, struct folder *f)
{
	int r = f->n_open <= OPEN_MAX ? again_objects(t->s, t->a) : 0;

	if (r < 0 || f->n_open > OPEN_MAX || (r = load_ours(t)) < 0)
		return r;
	qsort(f->open, f->n_open, sizeof(*f->open), open_cmp);
	for (size_t i = 0; r == 0 && i < f->n_open; i++) {
		struct open_name *o = &f->open[i];
		const struct open_name *same = i && !o->dir && o[-1].size == o->size ? o - 1 : NULL;

		o->first = same ? same->first : f->n_cand;
		if (!same)
			r = o->dir ? maybe_dir(t, f, o) : maybe_files(t, f, o->size);
		o->n = same ? same->n : f->n_cand - o->first;
		o->turn = same && o->n ? (same->turn + 1) % o->n : 0;
	}
	return r;
}

/* Where in the tree's bytes the ids are that are tried. */
static int find_places(struct folder *f, const struct rbuf *raw)
{
	autoput(names_release) struct names names = { NULL, NULL, 0 };
	int r = f->n_open ? names_load(&names, rbuf_ref((struct rbuf *)(uintptr_t)raw)) : 0;

	for (size_t i = 0; r == 0 && i < f->n_open; i++) {
		const struct tree_edit *d = &f->edit[f->open[i].edit];
		const struct tree_entry *e = names_find(&names, d->name, d->len);

		if (!e)
			return -EBADMSG;
		f->open[i].off = (size_t)(e->raw - raw->data) + e->raw_len - 20;
	}
	return r;
}

static void place(const struct folder *f, const struct open_name *o, struct rbuf *raw)
{
	memcpy(raw->data + o->off, f->cand[o->first + (o->turn + o->step) % o->n].b, 20);
}

/* The next way to put it together. false: that was the last. */
static bool turn(const struct folder *f, struct rbuf *raw)
{
	for (size_t i = 0; i < f->n_open; i++) {
		struct open_name *o = &f->open[i];

		o->step = (o->step + 1) % o->n;
		place(f, o, raw);
		if (o->step)
			return true;
	}
	return false;
}

/* 1: it is what it is to be; 0: no way leads there. Where nobody says what that is, every way that leads to a tree that was written
 * for this snapshot goes to maybe. */
static int solve(struct at *t, struct folder *f, const struct oid *want, struct rbuf *raw, struct buf *maybe)
{
	struct oid id;
	uint64_t bytes = 0;
	unsigned left = want ? TRIES : TRIES_BLIND;

	if (f->part || f->n_open > OPEN_MAX)
		return 0;
	for (size_t i = 0; i < f->n_open; i++) {
		if (!f->open[i].n)
			return 0;
		place(f, &f->open[i], raw);
	}
	do {
		store_hash("tree", raw->data, raw->len, &id);
		t->a->work += raw->len + TRY_COST;
		bytes += raw->len;
		if (want && oid_eq(&id, want))
			return 1;
		if (!want && among(&t->ours, &id) && !among(maybe, &id) && buf_add(maybe, id.b, 20) < 0)
			return -ENOMEM;
		if (!want && maybe->len >= 20 * MAYBE_MAX)
			break;
	} while (--left && bytes < TRY_BYTES && t->a->work < AGAIN_WORK_MAX && turn(f, raw));
	return 0;
}

/* ---- in part ---- */

/* Does another name hold it? */
static bool is_known(const struct folder *f, const struct oid *id)
{
	for (size_t i = 0; i < f->n; i++)
		if (oid_eq(&f->edit[i].oid, id))
			return true;
	return false;
}

/* Each id that the tree brings is of one of its names. Here it brings just one of the file's size
 * that is not known to be another's, and no other name is open to it. */
static const struct oid *only_one(const struct folder *f, const struct open_name *o)
{
	const struct oid *found = NULL;

	for (size_t i = 0; i < f->n_open; i++)
		if (&f->open[i] != o && !f->open[i].dir && f->open[i].size == o->size)
			return NULL;
	for (size_t i = 0; f->own.len && i < o->n; i++) {
		const struct oid *c = &f->cand[o->first + i];

		if (!among(&f->own, c) || is_known(f, c) || (found && oid_eq(found, c)))
			continue;
		if (found)
			return NULL;
		found = c;
	}
	return found;
}

static bool prev_is_whole(const struct at *t, const struct folder *f)
{
	for (size_t i = 0; i < f->prev.n; i++)
		if (oid_zero(&f->prev.e[i].oid) || again_is_part(t->s, &f->prev.e[i].oid))
			return false;
	return true;
}

static void in_part(const struct at *t, const struct folder *f, struct rbuf *raw)
{
	static const struct oid none;
	/* The one folder that it brings is the one that changed. */
	bool sure = f->n_tree == 1 && f->n_touched == 1 && prev_is_whole(t, f);

	for (size_t i = 0; i < f->n_open; i++) {
		const struct open_name *o = &f->open[i];
		const struct oid *is = o->dir ? sure ? &f->tree[0] : &o->part : only_one(f, o);

		memcpy(raw->data + o->off, is ? is->b : none.b, 20);
	}
}

static int gather(struct at *t, struct folder *f, const struct oid *want, int depth)
{
	struct rbuf *was;
	int64_t id;
	int r = t->before ? again_read_at(t->s, &t->root_before, f->dir, &was) : -ENOENT;

	if (r == 0)
		r = names_load(&f->prev, was);
	if (r < 0 && r != -ENOENT && r != -EBADMSG)
		return r;
	r = cat_path_id(t->s->cat, f->dir, strlen(f->dir), &id);
	if (r == 0)
		r = query_rows(t->s, id, t->seq, false, &f->rows);
	if (r == 0 && want)
		r = ask_own(t, f, want);
	if (r == 0)
		r = take_rows(t, f, depth);
	if (r == 0 && f->n_open)
		r = ask_later(t, f, f->dir);
	if (r == 0 && f->n_open)
		r = find_candidates(t, f);
	return r;
}

static int folder_bytes(struct folder *f, struct rbuf **ret)
{
	autoput(buf_release) struct buf bytes = BUF_INIT;
	autofree struct tree_edit *edit = malloc((f->n + 1) * sizeof(*edit));	/* it sorts them */
	autorbuf struct rbuf *raw = NULL;
	int r;

	if (!edit)
		return -ENOMEM;
	if (f->n)
		memcpy(edit, f->edit, f->n * sizeof(*edit));
	if ((r = tree_patch(NULL, edit, f->n, &bytes)) < 0)
		return r;
	if (!(raw = rbuf_new(bytes.len)))
		return -ENOMEM;
	if (bytes.len)
		memcpy(raw->data, bytes.data, bytes.len);
	*ret = take_ptr(raw);
	return 0;
}

/* It is not what it is to be, or nobody knows what that is, and not all is sure. */
static int make_part(struct at *t, struct folder *f, const struct oid *want, struct rbuf *raw, struct oid *ret_id)
{
	int r;

	/* All is known, and wrong; or rows may be missing. */
	if (cat_is_lossy(t->s->cat) || (want && !f->n_open && !f->part))
		return -EBADMSG;
	in_part(t, f, raw);
	store_hash("tree in part", raw->data, raw->len, ret_id);
	if (want)
		*ret_id = *want;
	r = again_keep(t->a, ret_id, raw, false);
	return r < 0 ? r : 1;
}

int again_folder(struct at *t, const char *dir, const struct oid *want, struct buf *maybe, int depth,
	struct oid *ret_id, struct rbuf **ret)
{
	bool sure;
	autoput(folder_release) struct folder f = { .dir = dir };
	autorbuf struct rbuf *raw = NULL;
	int r = depth > DEPTH_OF_DIRS || t->a->work >= AGAIN_WORK_MAX ? -EBADMSG : gather(t, &f, want, depth);

	if (r == 0)
		r = folder_bytes(&f, &raw);
	if (r == 0)
		r = find_places(&f, raw);
	if (r < 0)
		return r;
	t->a->work += raw->len + TRY_COST;
	sure = !want && !f.n_open && !f.part;
	if (!sure && (r = solve(t, &f, want, raw, maybe)) < 0)
		return r;
	if (sure || r == 1) {
		store_hash("tree", raw->data, raw->len, ret_id);
		r = again_keep(t->a, ret_id, raw, true);
	} else {
		r = make_part(t, &f, want, raw, ret_id);
	}
	if (r >= 0)
		*ret = take_ptr(raw);
	return r;
}
