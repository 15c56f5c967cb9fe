/* Trees that the log has lost, made again.
 *
 * Which names a folder had, the rows say; what each of them held, only its tree. Where that cannot
 * be read, the ids are gathered: from the rows (what has not changed since), from the trees of the
 * snapshots on either side, and of what changed in this one and soon again, from the objects of
 * the log that are of its size. The tree's id is a hash of all that: if it comes out, nothing is
 * guessed.
 *
 * If it does not, because an object is lost too, with all that knew its id, the tree is made in
 * part: a name for which nobody vouches has the id 0, whose content nobody can read. Who vouches
 * then: those rows and trees, and the tree itself, which names what changed in it although the one
 * that it was written against is lost.
 *
 * Most trees are written as the difference to the one before: one flipped bit costs up to all of a
 * chain. They are made from the oldest on, and the later ones are read again once the one that
 * they stand on is there (object.c asks again_get). Nothing is written: that is for repair, and
 * for the next snapshot (heal.c). */
#include <string.h>

#include "internal.h"

#define KEEP_MAX (64u << 20)		/* bytes of trees in memory */
#define RUN_MAX 4096			/* snapshots that are hit, one behind the other */
#define AHEAD_MAX 128			/* ... to look beyond */
#define DEPTH_OF_DIRS 200
#define TREES_MAX 8			/* folders of a folder that changed at once, to tell apart */
#define TRIES 4096			/* ways to put together what several objects may be */

struct made { struct oid id; struct rbuf *raw; bool whole; };

struct sized { uint64_t size; loc_t loc; };

struct again {
	struct made *x;			/* open addressing */
	size_t n, size, bytes;
	struct idset failed;		/* looked for in vain */
	struct sized *obj;		/* the log's blobs, by size and place */
	size_t n_obj, cap_obj;
	bool have_obj;
};

/* ---- what was made ---- */

static size_t slot_of(const struct again *a, const uint8_t *id)
{
	uint64_t v;
	size_t i;

	memcpy(&v, id, 8);
	for (i = (size_t)v & (a->size - 1); a->x[i].raw && memcmp(a->x[i].id.b, id, 20) != 0;
		i = (i + 1) & (a->size - 1))
		;
	return i;
}

static const struct made *made_get(const struct store *s, const uint8_t *id)
{
	const struct again *a = s->again;
	const struct made *m = a && a->n && !is_strict(s) ? &a->x[slot_of(a, id)] : NULL;

	return m && m->raw ? m : NULL;
}

struct rbuf *again_get(const struct store *s, const uint8_t *id)
{
	const struct made *m = made_get(s, id);

	return m && m->whole ? m->raw : NULL;
}

static void drop_all(struct again *a)
{
	for (size_t i = 0; i < a->size; i++)
		rbuf_unref(a->x[i].raw);
	free(a->x);
	a->x = NULL;
	a->n = a->size = a->bytes = 0;
}

void again_release(struct store *s)
{
	struct again *a = s->again;

	if (!a)
		return;
	drop_all(a);
	free(a->obj);
	idset_release(&a->failed);
	free(a);
	s->again = NULL;
}

static int grow(struct again *a)
{
	struct again b = { .size = a->size ? a->size * 2 : 64, .n = a->n };

	if (!(b.x = calloc(b.size, sizeof(*b.x))))
		return -ENOMEM;
	for (size_t i = 0; i < a->size; i++)
		if (a->x[i].raw)
			b.x[slot_of(&b, a->x[i].id.b)] = a->x[i];
	free(a->x);
	a->x = b.x;
	a->size = b.size;
	return 0;
}

static int keep(struct again *a, const struct oid *id, struct rbuf *raw, bool whole)
{
	size_t i;

	if (a->bytes + raw->len > KEEP_MAX)
		drop_all(a);
	if (a->n * 2 >= a->size && grow(a) < 0)
		return -ENOMEM;
	i = slot_of(a, id->b);
	if (a->x[i].raw)
		return 0;
	a->x[i] = (struct made){ *id, rbuf_ref(raw), whole };
	a->n++;
	a->bytes += raw->len;
	return 0;
}

/* ---- plain reading: nothing is made ---- */

/* A tree that is lost is -EBADMSG here, however it is. */
static int get(struct store *s, const struct oid *id, struct rbuf **ret)
{
	const struct made *had = made_get(s, id->b);
	int r;

	if (had) {
		*ret = rbuf_ref(had->raw);
		return 0;
	}
	r = obj_read_id(s, id, NULL, ret);
	return r == -ENOENT || r == -ENOTSUP ? -EBADMSG : r;
}

/* The first name of path from at on, and where it ends. */
static const char *name_at(const char *path, size_t at, size_t *ret_len)
{
	const char *name = path + at + (at > 0);

	*ret_len = strcspn(name, "/");
	return name;
}

/* -ENOENT: there is no such folder; -EBADMSG: it cannot be known. */
static int get_at(struct store *s, const struct oid *root, const char *dir, struct rbuf **ret)
{
	autorbuf struct rbuf *tree = NULL;
	size_t at = 0, len = strlen(dir);
	int r = get(s, root, &tree);

	while (r == 0 && at < len) {
		size_t n;
		const char *name = name_at(dir, at, &n);
		struct tree_entry e;

		if ((r = tree_find(tree, name, n, &e)) == 0 && e.mode != 040000)
			r = -ENOENT;
		if (r < 0)
			break;
		rbuf_unref(take_ptr(tree));
		r = get(s, &e.oid, &tree);
		at = (size_t)(name - dir) + n;
	}
	if (r == 0)
		*ret = take_ptr(tree);
	return r;
}

/* ---- objects by size ---- */

static int add_sized(struct store *s, const struct head *h, void *arg)
{
	struct again *a = arg;

	if (a->n_obj + h->n_objs > a->cap_obj) {
		size_t n = (a->n_obj + h->n_objs) * 2;
		void *p = realloc(a->obj, n * sizeof(*a->obj));

		if (!p)
			return -ENOMEM;
		a->obj = p;
		a->cap_obj = n;
	}
	for (uint32_t i = 0; i < h->n_objs; i++) {
		loc_t loc = loc_make(h->seg, h->off, i);
		autorbuf struct rbuf *list = NULL;
		uint8_t type = head_frame(h, i)->type;
		uint64_t size = h->raw[i];

		if (type == OBJ_LARGE && obj_read(s, loc, NULL, NULL, &list) == 0) {
			struct cursor c = { list->data, list->data + list->len, 0 };

			size = cur_varint(&c);
		} else if (type != OBJ_BLOB) {
			continue;
		}
		a->obj[a->n_obj++] = (struct sized){ size, loc };
	}
	return 0;
}

static int sized_cmp(const void *pa, const void *pb)
{
	const struct sized *a = pa, *b = pb;

	return a->size != b->size ? a->size < b->size ? -1 : 1 :
		a->loc < b->loc ? -1 : a->loc > b->loc;
}

static int load_sized(struct store *s, struct again *a)
{
	int r;

	if (a->have_obj)
		return 0;
	a->n_obj = 0;
	if ((r = log_each_head(s, add_sized, a)) < 0)
		return r;
	if (a->n_obj)
		qsort(a->obj, a->n_obj, sizeof(*a->obj), sized_cmp);
	a->have_obj = true;
	return 0;
}

/* ---- one folder of one snapshot ---- */

struct at {			/* the snapshot at hand */
	struct store *s;
	struct again *a;
	uint64_t seq, before;	/* before: the kept one before it; 0 = none */
	struct oid root, root_before;
	loc_t loc, loc_before;	/* of their records: what lies between was written for this one */
	struct buf text;	/* the paths that it changed, NUL-terminated */
	const char **path;	/* the same, sorted */
	size_t n_path;
	bool all;		/* what it changed cannot be read: as if it were everything */
};

static void at_release(struct at *t)
{
	buf_release(&t->text);
	free(t->path);
}

static int add_path(const char *path, const struct store_entry *e, void *arg)
{
	(void)e;
	return buf_add(arg, path, strlen(path) + 1);
}

static int path_ptr_cmp(const void *pa, const void *pb)
{
	return strcmp(*(const char *const *)pa, *(const char *const *)pb);
}

static int sort_paths(struct at *t)
{
	size_t n = 0;

	for (size_t at = 0; at < t->text.len; at += strlen(t->text.data + at) + 1)
		n++;
	if (!(t->path = malloc((n + 1) * sizeof(*t->path))))
		return -ENOMEM;
	for (size_t at = 0; at < t->text.len; at += strlen(t->text.data + at) + 1)
		t->path[t->n_path++] = t->text.data + at;
	qsort(t->path, n, sizeof(*t->path), path_ptr_cmp);
	return 0;
}

static int at_open(struct store *s, uint64_t seq, struct at *t)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 }, was = { 0 };
	loc_t loc = 0;
	int r = query_snapshot(s, "seq=?", (int64_t)seq, &sn, &loc);

	*t = (struct at){ .s = s, .a = s->again, .seq = seq, .root = sn.tree, .loc = loc };
	if (r < 0)
		return r;
	r = query_snapshot(s, "seq<? ORDER BY seq DESC", (int64_t)seq, &was, &t->loc_before);
	if (r == 0) {
		t->before = was.seq;
		t->root_before = was.tree;
	} else if (r != -ENOENT) {
		return r;
	}
	r = changed_paths(s, seq, add_path, &t->text);
	if (r == -EBADMSG || r == -ENOENT || r == -ENOTSUP) {
		t->all = true;
		return 0;
	}
	return r < 0 ? r : sort_paths(t);
}

/* Did anything below the folder change? */
static bool touched(const struct at *t, const char *dir)
{
	size_t lo = 0, hi = t->n_path, n = strlen(dir);

	if (t->all)
		return true;
	while (lo < hi) {		/* the first that is not less than "DIR/" */
		size_t mid = lo + (hi - lo) / 2;
		int c = strncmp(t->path[mid], dir, n);

		if (c < 0 || (c == 0 && (unsigned char)t->path[mid][n] < '/'))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < t->n_path && strncmp(t->path[lo], dir, n) == 0 && t->path[lo][n] == '/';
}

/* ---- what a tree says itself, though the one that it stands on is lost ---- */

static int add_id(struct buf *ids, const uint8_t *p)
{
	return buf_add(ids, p, 20);
}

/* The ids that a tree's operations bring: in a literal they end it (tree_splice). */
static int own_ids(const uint8_t *p, size_t n, const struct head *h, struct buf *ids)
{
	struct cursor c = { p, p + n, 0 };
	int r = 0;

	while (r == 0 && c.p < c.end && !c.bad) {
		uint64_t v = cur_varint(&c), k = v >> 2;
		const uint8_t *q;

		if ((v & 3) == 3) {
			r = k < h->n_objs ? add_id(ids, head_id(h, (uint32_t)k)) : -EBADMSG;
		} else if ((v & 3) == 2) {
			q = k <= (uint64_t)(c.end - c.p) ? cur_bytes(&c, (size_t)k) : NULL;
			if (!q)
				return -EBADMSG;
			r = k >= 20 ? add_id(ids, q + k - 20) : 0;
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
	struct store_entry e;
	size_t first, n;	/* what may be: objects in cand */
	size_t turn, step;	/* which of them is tried first, and so many after it */
	size_t off;		/* of its id in the tree's bytes */
};

struct folder {
	struct rows rows;
	struct names prev;
	struct tree_edit *edit;
	size_t n;
	struct open_name *open;
	size_t n_open;
	struct oid *cand;
	size_t n_cand, cap_cand;
	bool part;		/* a folder in it is known in part only */
	struct buf own;		/* the ids of what changed in it, as the tree itself says; */
	struct oid tree[TREES_MAX];	/* of these the folders' */
	size_t n_tree, n_touched;	/* and folders that changed since the snapshot before */
};

static void folder_release(struct folder *f)
{
	rows_release(&f->rows);
	names_release(&f->prev);
	free(f->edit);
	free(f->open);
	free(f->cand);
	buf_release(&f->own);
}

/* The tree of a folder; want: its id, if that is known; only: all of it, or -EBADMSG. */
static int make(struct at *t, const char *dir, const struct oid *want, bool only, int depth,
	struct oid *ret_id, struct rbuf **ret);

static bool is_part(const struct store *s, const struct oid *id)
{
	const struct made *m = made_get(s, id->b);

	return m && !m->whole;
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

/* The tree above may name it, together with the others that changed. */
static int make_dir(struct at *t, const struct folder *f, const char *path, int depth,
	struct oid *ret_id, struct rbuf **ret)
{
	bool sure = f->n_tree == 1 && f->n_touched == 1;

	for (size_t i = 0; i < f->n_tree; i++) {
		int r = make(t, path, &f->tree[i], !sure, depth, ret_id, ret);

		if (r != -EBADMSG)
			return r;
	}
	return make(t, path, NULL, false, depth, ret_id, ret);
}

/* A folder in it: as it was, or made in its turn. One that holds nothing is in no tree. */
static int take_dir(struct at *t, struct folder *f, const char *dir, const char *name, int depth)
{
	const struct tree_entry *was = names_find(&f->prev, name, strlen(name));
	struct tree_edit *e = &f->edit[f->n];
	autofree char *path = join(dir, name);
	autorbuf struct rbuf *raw = NULL;
	int r;

	if (!path)
		return -ENOMEM;
	*e = (struct tree_edit){ .name = name, .len = strlen(name), .mode = 040000 };
	if (f->prev.tree && !touched(t, path)) {
		if (was && was->mode == 040000) {
			e->oid = was->oid;
			f->part |= is_part(t->s, &e->oid);
			f->n++;
		}
		return 0;
	}
	r = make_dir(t, f, path, depth + 1, &e->oid, &raw);
	f->part |= r == 0 && is_part(t->s, &e->oid);
	f->n += r == 0 && raw->len;
	return r;
}

static void take_file(const struct at *t, struct folder *f, const char *name,
	const struct store_entry *e)
{
	const struct tree_entry *was = names_find(&f->prev, name, strlen(name));
	bool same = t->before && (e->seq <= t->before || (e->flags & ENTRY_KEPT));
	struct tree_edit *d = &f->edit[f->n];

	*d = (struct tree_edit){ .name = name, .len = strlen(name), .oid = e->oid,
		.mode = e->kind == KIND_LINK ? 0120000 : e->mode & 0100 ? 0100755 : 0100644 };
	if (same && was && was->mode != 040000) {
		d->oid = was->oid;
		d->mode = was->mode;
	}
	if (oid_zero(&d->oid))
		d->oid = e->oid;
	if (oid_zero(&d->oid))
		f->open[f->n_open++] = (struct open_name){ .edit = f->n, .e = *e };
	f->n++;
}

static int count_touched(const struct at *t, struct folder *f, const char *dir)
{
	for (size_t i = 0; i < f->rows.n; i++) {
		autofree char *path = join(dir, rows_name(&f->rows, &f->rows.r[i]));

		if (!path)
			return -ENOMEM;
		f->n_touched += f->rows.r[i].e.kind == KIND_DIR && touched(t, path);
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
static int ask_own(struct at *t, struct folder *f, const char *dir, const struct oid *want)
{
	int r = ask_itself(t, want, &f->own);

	if (r == 0)
		r = count_touched(t, f, dir);
	for (size_t i = 0; r == 0 && f->prev.tree && i < f->own.len && f->n_tree < TREES_MAX; i += 20) {
		struct oid id;

		memcpy(id.b, f->own.data + i, 20);
		if (!had(&f->prev, &id) && is_tree(t->s, &id))
			f->tree[f->n_tree++] = id;
	}
	return r;
}

static int take_rows(struct at *t, struct folder *f, const char *dir, int depth)
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
			r = take_dir(t, f, dir, name, depth);
		else if (entry_has_oid(&w->e))
			take_file(t, f, name, &w->e);
		if (r < 0)
			return r;
	}
	return 0;
}

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
		if ((r = get_at(t->s, &sn.tree, dir, &raw)) == 0)
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
		r = is ? query_path_at(t->s, seq, path, &id, &e) : -ENOENT;
		if (r < 0 && r != -ENOENT)
			return r;
		if (r == 0 && e.seq == o->e.seq && is->mode == d->mode && !oid_zero(&is->oid))
			d->oid = is->oid;
		else
			f->open[n++] = *o;
	}
	f->n_open = n;
	return 0;
}

static int add_candidate(struct at *t, struct folder *f, loc_t loc)
{
	autohead struct head *h = NULL;
	int r = head_get(t->s, loc_seg(loc), loc_off(loc), &h);

	if (r < 0)
		return r == -EBADMSG || r == -ENOENT ? 0 : r;
	if (f->n_cand == f->cap_cand) {
		void *p = realloc(f->cand, (f->cap_cand * 2 + 16) * sizeof(*f->cand));

		if (!p)
			return -ENOMEM;
		f->cand = p;
		f->cap_cand = f->cap_cand * 2 + 16;
	}
	if (loc_idx(loc) < h->n_objs)
		memcpy(f->cand[f->n_cand++].b, head_id(h, loc_idx(loc)), 20);
	return 0;
}

/* Objects of a size: those written for this snapshot in their order, then the rest. */
static int candidates(struct at *t, struct folder *f, struct open_name *o)
{
	const struct again *a = t->a;
	size_t lo = 0, hi = a->n_obj;

	o->first = f->n_cand;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (a->obj[mid].size < o->e.size)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (int rest = 0; rest < 2; rest++) {
		for (size_t i = lo; i < a->n_obj && a->obj[i].size == o->e.size; i++) {
			loc_t loc = a->obj[i].loc;
			bool ours = loc > t->loc_before && loc < t->loc;
			int r = ours == !rest ? add_candidate(t, f, loc) : 0;

			if (r < 0)
				return r;
		}
	}
	o->n = f->n_cand - o->first;
	return 0;
}

static int find_candidates(struct at *t, struct folder *f)
{
	int r = load_sized(t->s, t->a);

	for (size_t i = 0; r == 0 && i < f->n_open; i++) {
		struct open_name *o = &f->open[i];

		r = candidates(t, f, o);
		/* Files of one size were stored in the order of their names. */
		for (size_t k = 0; r == 0 && k < i; k++)
			o->turn += f->open[k].e.size == o->e.size;
		if (r == 0 && o->n)
			o->turn %= o->n;
	}
	return r;
}

/* Where in the tree's bytes the ids are that are tried. */
static int find_places(struct folder *f, const struct rbuf *raw)
{
	for (size_t i = 0; i < f->n_open; i++) {
		const struct tree_edit *d = &f->edit[f->open[i].edit];
		struct tree_entry e;
		int r = tree_find(raw, d->name, d->len, &e);

		if (r < 0)
			return r;
		f->open[i].off = (size_t)(e.raw - raw->data) + e.raw_len - 20;
	}
	return 0;
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

/* 1: it is what it is to be, or, where nobody says, a tree of the log; 0: no way leads there. */
static int solve(struct at *t, struct folder *f, const struct oid *want, struct rbuf *raw,
	struct oid *ret)
{
	unsigned tries = 0;
	loc_t loc;

	for (size_t i = 0; i < f->n_open; i++) {
		if (!f->open[i].n)
			return 0;
		place(f, &f->open[i], raw);
	}
	do {
		store_hash("tree", raw->data, raw->len, ret);
		if (want ? oid_eq(ret, want) : log_find(t->s, ret, &loc) == 0)
			return 1;
	} while (++tries < TRIES && turn(f, raw));
	return 0;
}

/* ---- in part ---- */

static bool among(const struct buf *ids, const struct oid *id)
{
	for (size_t i = 0; i < ids->len; i += 20)
		if (memcmp(ids->data + i, id->b, 20) == 0)
			return true;
	return false;
}

/* Does another name hold it? */
static bool is_known(const struct folder *f, const struct oid *id)
{
	for (size_t i = 0; i < f->n; i++)
		if (oid_eq(&f->edit[i].oid, id))
			return true;
	return false;
}

/* Each id that the tree brings is of one of its names. Here it brings just one of the file's size that is not known to
 * be another's, and no other name is open to it. */
static const struct oid *only_one(const struct folder *f, const struct open_name *o)
{
	const struct oid *found = NULL;

	for (size_t i = 0; i < f->n_open; i++)
		if (&f->open[i] != o && f->open[i].e.size == o->e.size)
			return NULL;
	for (size_t i = 0; i < o->n; i++) {
		const struct oid *c = &f->cand[o->first + i];

		if (!among(&f->own, c) || is_known(f, c) || (found && oid_eq(found, c)))
			continue;
		if (found)
			return NULL;
		found = c;
	}
	return found;
}

static void in_part(const struct folder *f, struct rbuf *raw)
{
	static const struct oid none;

	for (size_t i = 0; i < f->n_open; i++) {
		const struct open_name *o = &f->open[i];
		const struct oid *is = only_one(f, o);

		memcpy(raw->data + o->off, is ? is->b : none.b, 20);
	}
}

static int gather(struct at *t, struct folder *f, const char *dir, const struct oid *want,
	int depth)
{
	struct rbuf *was;
	int64_t id;
	int r = t->before ? get_at(t->s, &t->root_before, dir, &was) : -ENOENT;

	if (r == 0)
		r = names_load(&f->prev, was);
	if (r < 0 && r != -ENOENT && r != -EBADMSG)
		return r;
	r = cat_path_id(t->s->cat, dir, strlen(dir), &id);
	if (r == 0)
		r = query_rows(t->s, id, t->seq, false, &f->rows);
	if (r == 0 && want)
		r = ask_own(t, f, dir, want);
	if (r == 0)
		r = take_rows(t, f, dir, depth);
	if (r == 0 && f->n_open)
		r = ask_later(t, f, dir);
	if (r == 0 && f->n_open)
		r = find_candidates(t, f);
	return r;
}

static int make(struct at *t, const char *dir, const struct oid *want, bool only, int depth,
	struct oid *ret_id, struct rbuf **ret)
{
	autoput(folder_release) struct folder f = { .n = 0 };
	autoput(buf_release) struct buf bytes = BUF_INIT;
	autorbuf struct rbuf *raw = NULL;
	int r = depth > DEPTH_OF_DIRS ? -EBADMSG : gather(t, &f, dir, want, depth);

	if (r == 0)
		r = tree_patch(NULL, f.edit, f.n, &bytes);
	if (r < 0)
		return r;
	if (!(raw = rbuf_new(bytes.len)))
		return -ENOMEM;
	if (bytes.len)
		memcpy(raw->data, bytes.data, bytes.len);
	if ((r = find_places(&f, raw)) < 0 || (r = solve(t, &f, want, raw, ret_id)) < 0)
		return r;
	if (r == 1) {
		r = keep(t->a, ret_id, raw, true);
	} else {
		/* All is known, and wrong; or rows may be missing. */
		if (only || cat_is_lossy(t->s->cat) || (want && !f.n_open && !f.part))
			return -EBADMSG;
		in_part(&f, raw);
		/* Where nobody knows its id it has one that no tree can have. */
		store_hash("tree in part", raw->data, raw->len, ret_id);
		if (want)
			*ret_id = *want;
		r = keep(t->a, ret_id, raw, false);
	}
	if (r < 0)
		return r;
	*ret = take_ptr(raw);
	return 0;
}

/* ---- a run of snapshots whose trees are lost ---- */

static bool is_damage(int r)
{
	return r == -EBADMSG || r == -ENOENT || r == -ENOTSUP;
}

/* All on the way to the folder, from the root on. */
static int make_way(struct at *t, const char *dir)
{
	size_t at = 0, len = strlen(dir);
	struct oid id = t->root;

	for (;;) {
		autofree char *here = strndup(dir, at);
		autorbuf struct rbuf *raw = NULL;
		struct tree_entry e;
		struct oid got;
		const char *name;
		size_t n;
		int r = here ? get(t->s, &id, &raw) : -ENOMEM;

		if (r == -EBADMSG)
			r = make(t, here, &id, false, 0, &got, &raw);
		if (r < 0 || at == len)
			return r;
		name = name_at(dir, at, &n);
		if ((r = tree_find(raw, name, n, &e)) < 0)
			return r;
		id = e.oid;
		at = (size_t)(name - dir) + n;
	}
}

static int seq_of(struct store *s, const struct oid *root, uint64_t *ret)
{
	sqlite3_stmt *st;
	int rc, r = query_stmt(s, "SELECT seq FROM snapshot WHERE tree=? ORDER BY seq LIMIT 1",
		&st);

	if (r < 0)
		return r;
	sqlite3_bind_blob(st, 1, root->b, 20, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = (uint64_t)sqlite3_column_int64(st, 0);
	else if (rc == SQLITE_DONE)
		r = -EBADMSG;
	return query_done(s, st, r, rc);
}

/* This snapshot and those before it where the folder is lost as well, newest first. */
static int find_run(struct store *s, uint64_t seq, const char *dir, uint64_t *run, size_t *ret_n)
{
	size_t n = 0;

	run[n++] = seq;
	while (n < RUN_MAX) {
		autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
		autorbuf struct rbuf *raw = NULL;
		int r = store_before(s, run[n - 1], &sn);

		if (r == 0)
			r = get_at(s, &sn.tree, dir, &raw);
		if (r == 0 || r == -ENOENT)
			break;
		if (r != -EBADMSG)
			return r;
		run[n++] = sn.seq;
	}
	*ret_n = n;
	return 0;
}

static int make_run(struct store *s, const struct oid *root, const char *dir)
{
	autofree uint64_t *run = malloc(RUN_MAX * sizeof(*run));
	uint64_t seq = 0;
	size_t n = 0;
	int r = run ? seq_of(s, root, &seq) : -ENOMEM;

	if (r == 0)
		r = find_run(s, seq, dir, run, &n);
	while (r == 0 && n-- > 0) {
		autoput(at_release) struct at t = { .s = NULL };

		if ((r = at_open(s, run[n], &t)) == 0)
			r = make_way(&t, dir);
		if (n && is_damage(r))	/* it may be that another is known all the same */
			r = 0;
	}
	return r;
}

int tree_read(struct store *s, const struct oid *root, const char *dir, size_t len,
	const struct oid *id, struct rbuf **ret)
{
	const struct made *had = made_get(s, id->b);
	autofree char *path = NULL;
	int r;

	if (had) {
		*ret = rbuf_ref(had->raw);
		return 0;
	}
	r = obj_read_id(s, id, NULL, ret);
	if (!is_damage(r) || is_strict(s) || s->gathering)
		return r;
	if (!s->again && !(s->again = calloc(1, sizeof(*s->again))))
		return -ENOMEM;
	if (idset_get(&s->again->failed, id))
		return r;
	if (!(path = strndup(dir, len)))
		return -ENOMEM;
	s->gathering = true;	/* what is met on the way is no news */
	r = make_run(s, root, path);
	if (r == 0)
		r = get(s, id, ret);
	s->gathering = false;
	if (is_damage(r) && idset_put(&s->again->failed, id, 1) < 0)
		return -ENOMEM;
	return r == -ENOENT ? -EBADMSG : r;
}
