/* Marking what is wanted (live.h). */
#include <string.h>
#include <time.h>

#include "live.h"

void live_release(struct live *v)
{
	free(v->key);
	free(v->tree);
	free(v->todo.id);
	*v = (struct live){ .n_key = 0 };
}

static uint64_t key_of(const struct oid *id)
{
	uint64_t k;

	memcpy(&k, id->b, 8);
	return k ? k : 1;
}

static size_t key_slot(const struct live *v, uint64_t k)
{
	size_t i = (size_t)k & (v->cap_key - 1);

	while (v->key[i] && v->key[i] != k)
		i = (i + 1) & (v->cap_key - 1);
	return i;
}

/* 1: it was not there. */
static int add_key(struct live *v, uint64_t k)
{
	size_t i;

	if (v->n_key * 3 >= v->cap_key * 2) {
		struct live big = { .cap_key = v->cap_key ? v->cap_key * 2 : 4096 };

		if (!(big.key = calloc(big.cap_key, sizeof(*big.key))))
			return -ENOMEM;
		for (i = 0; i < v->cap_key; i++)
			if (v->key[i])
				big.key[key_slot(&big, v->key[i])] = v->key[i];
		free(v->key);
		v->key = big.key;
		v->cap_key = big.cap_key;
	}
	i = key_slot(v, k);
	if (v->key[i])
		return 0;
	v->key[i] = k;
	v->n_key++;
	return 1;
}

static size_t tree_slot(const struct live *v, const struct oid *id)
{
	size_t i = (size_t)key_of(id) & (v->cap_tree - 1);

	while (!oid_zero(&v->tree[i]) && !oid_eq(&v->tree[i], id))
		i = (i + 1) & (v->cap_tree - 1);
	return i;
}

static int add_tree(struct live *v, const struct oid *id)
{
	size_t i;

	if (v->n_tree * 3 >= v->cap_tree * 2) {
		struct live big = { .cap_tree = v->cap_tree ? v->cap_tree * 2 : 1024 };

		if (!(big.tree = calloc(big.cap_tree, sizeof(*big.tree))))
			return -ENOMEM;
		for (i = 0; i < v->cap_tree; i++)
			if (!oid_zero(&v->tree[i]))
				big.tree[tree_slot(&big, &v->tree[i])] = v->tree[i];
		free(v->tree);
		v->tree = big.tree;
		v->cap_tree = big.cap_tree;
	}
	i = tree_slot(v, id);
	if (!oid_zero(&v->tree[i]))
		return 0;
	v->tree[i] = *id;
	v->n_tree++;
	return 1;
}

void live_spare(struct live *v, loc_t loc)
{
	if (loc > v->spared)
		v->spared = loc;
}

static bool is_lost(struct live *v, int r)
{
	if (!v->go_on || (r != -EBADMSG && r != -ENOENT))
		return false;
	v->lost++;
	return true;
}

bool live_has(const struct live *v, const struct oid *id, uint8_t type, loc_t loc)
{
	if (loc < v->spared)
		return true;
	if (type == OBJ_TREE)
		return v->cap_tree && !oid_zero(&v->tree[tree_slot(v, id)]);
	return v->cap_key && v->key[key_slot(v, key_of(id))];
}

static int push(struct live_todo *t, const struct oid *id)
{
	if (t->n == t->cap) {
		size_t cap = t->cap * 2 + 64;
		void *p = realloc(t->id, cap * sizeof(*t->id));

		if (!p)
			return -ENOMEM;
		t->id = p;
		t->cap = cap;
	}
	t->id[t->n++] = *id;
	return 0;
}

static int mark_entries(struct live *v, struct live_todo *t, const struct rbuf *raw)
{
	const uint8_t *p = raw->data, *end = p + raw->len;
	struct tree_entry e;
	int r, fresh;

	while ((r = tree_next(&p, end, &e)) == 1) {
		if (e.mode == 040000) {
			fresh = add_tree(v, &e.oid);
			if (fresh == 1 && (fresh = push(t, &e.oid)) == 0 && v->fresh)
				fresh = v->fresh(&e.oid, v->arg);
		} else {
			fresh = add_key(v, key_of(&e.oid));
			if (fresh == 1 && v->fresh)
				fresh = v->fresh(&e.oid, v->arg);
		}
		if (fresh < 0)
			return fresh;
	}
	return r;
}

int live_mark_begin(struct live *v, const struct oid *root)
{
	int r = add_tree(v, root);

	if (r == 1 && (r = push(&v->todo, root)) == 0 && v->fresh)
		r = v->fresh(root, v->arg);
	return r < 0 ? r : 0;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int live_mark_run(struct live *v, struct store *s, uint64_t deadline_ms)
{
	int r = 0;

	while (r == 0 && v->todo.n) {
		autorbuf struct rbuf *raw = NULL;
		struct oid id = v->todo.id[v->todo.n - 1];
		uint8_t type;

		if (deadline_ms && now_ms() >= deadline_ms)
			return 1;
		v->todo.n--;
		r = obj_read_id(s, &id, &type, &raw);
		if (r == 0)
			r = type == OBJ_TREE ? mark_entries(v, &v->todo, raw) : -EBADMSG;
		if (is_lost(v, r))
			r = 0;
	}
	return r;
}

int live_mark_tree(struct live *v, struct store *s, const struct oid *root)
{
	int r = live_mark_begin(v, root);

	return r < 0 ? r : live_mark_run(v, s, 0);
}

int live_mark_list(struct live *v, struct store *s, loc_t loc)
{
	autorbuf struct rbuf *raw = NULL;
	struct cursor c;
	uint8_t type;
	int r = obj_read(s, loc, &type, NULL, &raw);

	if (r < 0 || type != OBJ_LARGE)
		return r < 0 ? r : -EBADMSG;
	c = (struct cursor){ raw->data, raw->data + raw->len, 0 };
	(void)cur_varint(&c);
	while (c.p < c.end && !c.bad) {
		const uint8_t *p;
		struct oid id;

		(void)cur_varint(&c);
		if (!(p = cur_bytes(&c, 20)))
			return -EBADMSG;
		memcpy(id.b, p, 20);
		r = add_key(v, key_of(&id));
		if (r == 1 && v->fresh)
			r = v->fresh(&id, v->arg);
		if (r < 0)
			return r;
	}
	return c.bad ? -EBADMSG : 0;
}

static int mark_in_head(struct live *v, struct store *s, const struct head *h)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < h->n_frames; i++) {
		const struct frame *f = &h->frames[i];

		for (uint32_t k = f->first; f->type == OBJ_LARGE && r == 0 && k < f->first + f->n;
			k++) {
			struct oid id;

			memcpy(id.b, head_id(h, k), 20);
			/* Of one that is spared the chunks are, too: they were written before it. */
			if (live_has(v, &id, OBJ_LARGE, loc_make(h->seg, h->off, k)))
				r = live_mark_list(v, s, loc_make(h->seg, h->off, k));
			if (is_lost(v, r)) {
				live_spare(v, loc_make(h->seg, h->off, k));
				r = 0;
			}
		}
	}
	return r;
}

int live_mark_chunks(struct live *v, struct store *s, uint32_t no, uint64_t *off, uint64_t deadline_ms)
{
	uint64_t size;
	int r = seg_size(s, no, &size);

	if (!*off)
		*off = SEG_HEADER;
	while (r == 0 && *off < size) {
		autohead struct head *h = NULL;

		if (deadline_ms && now_ms() >= deadline_ms)
			return 1;
		r = head_get(s, no, *off, &h);
		if (r == -EBADMSG)
			r = head_resync(s, no, *off + 1, &h);
		if (r < 0)
			break;
		r = mark_in_head(v, s, h);
		*off = h->end;
	}
	/* The rest of it, or all, is no record. */
	return r == -ENOENT ? 0 : r;
}
