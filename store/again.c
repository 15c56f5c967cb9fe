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

#include "again.h"

#define KEEP_MAX (64u << 20)		/* bytes of trees in memory */
#define RUN_MAX 4096			/* snapshots that are hit, one behind the other */

struct made { struct oid id; struct rbuf *raw; bool whole; };

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

	s->again_all = false;
	if (!a)
		return;
	drop_all(a);
	free(a->blob);
	free(a->tree);
	idset_release(&a->failed);
	free(a);
	s->again = NULL;
}

static int grow(struct again *a)
{
	struct again b = { .size = a->size ? a->size * 2 : 64 };

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

int again_keep(struct again *a, const struct oid *id, struct rbuf *raw, bool whole)
{
	size_t i;

	if (a->bytes + raw->len > KEEP_MAX)
		drop_all(a);
	if (a->n * 2 >= a->size && grow(a) < 0)
		return -ENOMEM;
	i = slot_of(a, id->b);
	if (a->x[i].raw && (a->x[i].whole || !whole))
		return 0;
	if (a->x[i].raw) {		/* in part until now */
		a->bytes -= a->x[i].raw->len;
		rbuf_unref(a->x[i].raw);
		a->n--;
	}
	a->x[i] = (struct made){ *id, rbuf_ref(raw), whole };
	a->n++;
	a->bytes += raw->len;
	return 0;
}

bool again_is_part(const struct store *s, const struct oid *id)
{
	const struct made *m = made_get(s, id->b);

	return m && !m->whole;
}

/* ---- plain reading: nothing is made ---- */

int again_read(struct store *s, const struct oid *id, struct rbuf **ret)
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

int again_read_at(struct store *s, const struct oid *root, const char *dir, struct rbuf **ret)
{
	autorbuf struct rbuf *tree = NULL;
	size_t at = 0, len = strlen(dir);
	int r = again_read(s, root, &tree);

	while (r == 0 && at < len) {
		size_t n;
		const char *name = name_at(dir, at, &n);
		struct tree_entry e;

		if ((r = tree_find(tree, name, n, &e)) == 0 && e.mode != 040000)
			r = -ENOENT;
		if (r < 0)
			break;
		rbuf_unref(take_ptr(tree));
		r = again_read(s, &e.oid, &tree);
		at = (size_t)(name - dir) + n;
	}
	if (r == 0)
		*ret = take_ptr(tree);
	return r;
}

/* ---- the log's objects ---- */

static int add_placed(struct placed **x, size_t *n, size_t *cap, uint64_t size, loc_t loc)
{
	if (*n == *cap) {
		void *p = realloc(*x, (*cap * 2 + 256) * sizeof(**x));

		if (!p)
			return -ENOMEM;
		*x = p;
		*cap = *cap * 2 + 256;
	}
	(*x)[(*n)++] = (struct placed){ size, loc };
	return 0;
}

static int add_objects(struct store *s, const struct head *h, void *arg)
{
	struct again *a = arg;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < h->n_objs; i++) {
		loc_t loc = loc_make(h->seg, h->off, i);
		autorbuf struct rbuf *list = NULL;
		uint8_t type = head_frame(h, i)->type;
		uint64_t size = h->raw[i];

		if (type == OBJ_TREE) {
			r = add_placed(&a->tree, &a->n_tree, &a->cap_tree, 0, loc);
			continue;
		}
		if (type == OBJ_LARGE && obj_read(s, loc, NULL, NULL, &list) == 0) {
			struct cursor c = { list->data, list->data + list->len, 0 };

			size = cur_varint(&c);
		} else if (type != OBJ_BLOB) {
			continue;
		}
		r = add_placed(&a->blob, &a->n_blob, &a->cap_blob, size, loc);
	}
	return r;
}

static int placed_cmp(const void *pa, const void *pb)
{
	const struct placed *a = pa, *b = pb;

	return a->size != b->size ? a->size < b->size ? -1 : 1 :
		a->loc < b->loc ? -1 : a->loc > b->loc;
}

int again_objects(struct store *s, struct again *a)
{
	int r;

	if (a->have_objects)
		return 0;
	a->n_blob = a->n_tree = 0;
	if ((r = log_each_head(s, add_objects, a)) < 0)
		return r;
	if (a->n_blob)
		qsort(a->blob, a->n_blob, sizeof(*a->blob), placed_cmp);
	if (a->n_tree)
		qsort(a->tree, a->n_tree, sizeof(*a->tree), placed_cmp);
	a->have_objects = true;
	return 0;
}

/* ---- one snapshot ---- */

static void at_release(struct at *t)
{
	buf_release(&t->text);
	buf_release(&t->ours);
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
	if (obj_is_lost(r)) {
		t->all = true;
		return 0;
	}
	return r < 0 ? r : sort_paths(t);
}

bool again_touched(const struct at *t, const char *dir)
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

/* ---- a run of snapshots whose trees are lost ---- */

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
		int r = here ? again_read(t->s, &id, &raw) : -ENOMEM;

		if (r == -EBADMSG)
			r = again_folder(t, here, &id, NULL, 0, &got, &raw);
		r = r == 1 ? 0 : r;	/* in part is enough to go on */
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
			r = again_read_at(s, &sn.tree, dir, &raw);
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
		if (n && obj_is_lost(r))	/* it may be that another is known all the same */
			r = 0;
	}
	return r;
}

/* In part, or not at all, until somebody made it good. */
static int read_sound(struct store *s, const struct oid *id, bool part, struct rbuf **ret)
{
	bool was = s->unnoted;
	int r;

	s->unnoted |= part;		/* noted already */
	r = obj_read_id(s, id, NULL, ret);
	s->unnoted = was;
	return r;
}

int tree_read(struct store *s, const struct oid *root, const char *dir, size_t len,
	const struct oid *id, struct rbuf **ret)
{
	const struct made *had = made_get(s, id->b);
	autofree char *path = NULL;
	int r;

	r = had && had->whole ? -EBADMSG : read_sound(s, id, had, ret);
	if (!obj_is_lost(r) || is_strict(s) || s->unnoted)
		return r;
	if (had) {
		*ret = rbuf_ref(had->raw);
		return 0;
	}
	if (!s->again && !(s->again = calloc(1, sizeof(*s->again))))
		return -ENOMEM;
	if (idset_get(&s->again->failed, id))
		return r;
	if (!(path = strndup(dir, len)))
		return -ENOMEM;
	s->unnoted = true;	/* what is met on the way is no news */
	r = make_run(s, root, path);
	if (r == 0)
		r = again_read(s, id, ret);
	s->unnoted = false;
	if (obj_is_lost(r) && idset_put(&s->again->failed, id, 1) < 0)
		return -ENOMEM;
	return r == -ENOENT ? -EBADMSG : r;
}

/* ---- all of them ---- */

struct all {
	struct store *s;
	struct idset seen;
	struct oid root;
	struct buf todo;	/* id, path, the length of both */
};

static int all_push(struct all *a, const struct oid *id, const char *dir, const char *name,
	size_t len)
{
	size_t was = a->todo.len;
	int r;

	if (idset_get(&a->seen, id))
		return 0;
	r = idset_put(&a->seen, id, 1);
	r |= buf_add(&a->todo, id->b, 20);
	if (*dir)
		r |= buf_addstr(&a->todo, dir) | buf_addch(&a->todo, '/');
	r |= buf_add(&a->todo, name, len);
	return r | buf_add_u32(&a->todo, (uint32_t)(a->todo.len - was)) ? -ENOMEM : 0;
}

static int all_pop(struct all *a)
{
	autorbuf struct rbuf *tree = NULL;
	autofree char *dir = NULL;
	struct cursor c = { (uint8_t *)a->todo.data + a->todo.len - 4,
		(uint8_t *)a->todo.data + a->todo.len, 0 };
	uint32_t n = cur_u32(&c);
	const uint8_t *p, *end;
	struct tree_entry e;
	struct oid id;
	int r;

	a->todo.len -= 4 + n;
	memcpy(id.b, a->todo.data + a->todo.len, 20);
	if (!(dir = strndup(a->todo.data + a->todo.len + 20, n - 20)))
		return -ENOMEM;
	if ((r = tree_read(a->s, &a->root, dir, n - 20, &id, &tree)) < 0)
		return obj_is_lost(r) ? 0 : r;
	p = tree->data;
	end = p + tree->len;
	while ((r = tree_next(&p, end, &e)) == 1)
		if (e.mode == 040000 && (r = all_push(a, &e.oid, dir, e.name, e.len)) < 0)
			return r;
	return obj_is_lost(r) ? 0 : r;
}

static int all_of(const struct store_snapshot *sn, void *arg)
{
	struct all *a = arg;
	int r;

	a->root = sn->tree;
	r = all_push(a, &sn->tree, "", "", 0);
	while (r == 0 && a->todo.len)
		r = all_pop(a);
	return r;
}

int again_find(struct store *s, const struct oid *id, struct rbuf **ret)
{
	struct all a = { .s = s };
	struct rbuf *made = again_get(s, id->b);
	int r = 0;

	if (!made && !is_strict(s) && !s->again_all) {
		r = store_list(s, 0, all_of, &a);
		s->again_all = true;
		buf_release(&a.todo);
		idset_release(&a.seen);
		made = again_get(s, id->b);
	}
	if (r < 0)
		return r;
	if (made) {
		*ret = rbuf_ref(made);
		return 0;
	}
	r = obj_read_id(s, id, NULL, ret);	/* what it stands on may be there now */
	return obj_is_lost(r) ? -EBADMSG : r;
}
