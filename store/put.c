/* Objects on their way into the log: known ones are not stored twice, new ones wait for their
 * record, large files pass through in chunks. */
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "../lib/text.h"
#include "hash.h"
#include "internal.h"

#define TRIES 3		/* reads of a file that changes meanwhile */

/* ---- the transaction's own objects ---- */

static size_t hash_slot(const struct store_txn *t, const struct oid *id)
{
	uint64_t v;

	memcpy(&v, id->b, 8);
	return (size_t)(v * 0x9e3779b97f4a7c15 >> 20) & (t->hash_size - 1);
}

static struct known *known_find(struct store_txn *t, const struct oid *id)
{
	if (!t->hash_size)
		return NULL;
	for (size_t i = hash_slot(t, id); t->hash[i]; i = (i + 1) & (t->hash_size - 1))
		if (oid_eq(&t->known[t->hash[i] - 1].id, id))
			return &t->known[t->hash[i] - 1];
	return NULL;
}

static int known_grow(struct store_txn *t)
{
	size_t size = t->hash_size ? t->hash_size * 2 : 64;
	uint32_t *h = calloc(size, sizeof(*h));
	void *p = realloc(t->known, size / 2 * sizeof(*t->known));

	if (p)
		t->known = p;
	if (!h || !p) {
		free(h);
		return -ENOMEM;
	}
	free(t->hash);
	t->hash = h;
	t->hash_size = size;
	t->cap_known = size / 2;
	for (size_t k = 0; k < t->n_known; k++) {
		size_t i = hash_slot(t, &t->known[k].id);

		while (t->hash[i])
			i = (i + 1) & (size - 1);
		t->hash[i] = (uint32_t)k + 1;
	}
	return 0;
}

static int known_add(struct store_txn *t, const struct oid *id, uint8_t type, uint32_t pend)
{
	struct known *k = known_find(t, id);
	size_t i;
	int r;

	if (k) {		/* a sound copy of a damaged one of this transaction */
		k->loc = 0;
		k->pend = pend;
		return 0;
	}
	if (t->n_known == t->cap_known && (r = known_grow(t)) < 0)
		return r;
	t->known[t->n_known] = (struct known){ .id = *id, .type = type, .pend = pend };
	for (i = hash_slot(t, id); t->hash[i]; i = (i + 1) & (t->hash_size - 1))
		;
	t->hash[i] = (uint32_t)++t->n_known;
	return 0;
}

int txn_find(struct store_txn *t, const struct oid *id, loc_t *ret, struct rbuf **ret_pending)
{
	struct known *k = known_find(t, id);

	if (!k)
		return 0;
	if (k->loc) {
		*ret = k->loc;
		return 1;
	}
	if (ret_pending) {
		*ret_pending = rbuf_ref(t->pend[k->pend].raw);
		*ret = t->pend[k->pend].type;
	}
	return 2;
}

/* ---- records ---- */

static int sync_segment(struct store *s)
{
	struct segment *g;
	int r;

	if (s->opt.no_sync || !s->end.seg)
		return 0;
	r = seg_get(s, s->end.seg, &g);
	if (r == -EBADMSG)	/* nothing was added to it */
		return 0;
	return r < 0 ? r : io_datasync(g->fd);
}

int put_ready(struct store_txn *t)
{
	struct store *s = t->s;
	struct segment *g;
	int r = s->end.seg && s->end.off < s->opt.segment_size ? seg_get(s, s->end.seg, &g)
							       : -EBADMSG;

	/* To write into a page of which a sector is lost, it would have to be read. */
	if (r == 0 && !g->unread)
		return 0;
	if (r < 0 && r != -EBADMSG)
		return r;
	if ((r = sync_segment(s)) < 0 || (r = seg_create(s, s->end.seg + 1)) < 0)
		return r;
	/* Bases are in the same segment only. */
	for (uint32_t i = 0; i < t->n_pend; i++)
		t->pend[i].base = 0;
	return 0;
}

int put_flush(struct store_txn *t)
{
	struct store *s = t->s;
	autoput(encoded_release) struct encoded e = { .frames = NULL };
	autoput(buf_release) struct buf rec = BUF_INIT;
	struct segment *g;
	uint64_t off;
	int r;

	if (!t->n_pend)
		return 0;
	if ((r = put_ready(t)) < 0 || (r = seg_get(s, s->end.seg, &g)) < 0)
		return r;
	off = s->end.off;
	if ((r = encode_batch(s, t->pend, t->n_pend, off, &e)) < 0)
		return r;
	if ((r = head_build(e.frames, e.n_frames, e.raw, e.ids, e.n_objs, seg_seed(g, off), &rec)) <
			0 ||
		(e.stored.len && (r = buf_add(&rec, e.stored.data, e.stored.len)) < 0) ||
		(r = seg_append(s, rec.data, rec.len)) < 0)
		return r;
	head_written(s, s->end.seg, off, rec.data, rec.len);
	for (uint32_t i = 0; i < t->n_pend; i++) {
		struct known *k = known_find(t, &t->pend[i].id);

		if (k && !k->loc && k->pend == i)
			k->loc = loc_make(s->end.seg, off, e.slot[i]);
		/* What was written last is the base of what comes next. */
		if (t->pend[i].type <= OBJ_LARGE)
			obj_cache_put(s, loc_make(s->end.seg, off, e.slot[i]), t->pend[i].type,
				t->pend[i].id.b, t->pend[i].raw);
		rbuf_unref(t->pend[i].raw);
	}
	t->n_pend = 0;
	t->pend_bytes = 0;
	return 0;
}

static int confirm(struct store_txn *t, uint8_t type, const struct oid *id, const struct rbuf *raw)
{
	autorbuf struct rbuf *have = NULL;
	uint8_t have_type = 0;
	loc_t loc;
	int r = txn_find(t, id, &loc, NULL) ? 0 : obj_find(t->s, id, &loc);

	if (r == 0)
		r = obj_read_id(t->s, id, &have_type, &have);
	if (r < 0 || !have)
		return r == -ENOMEM ? r : 0; /* not there, or damaged: store it (again) */
	if (have_type != type)
		return 1; /* the same blob in pieces or whole: its bytes are confirmed on reading */
	if (have->len == raw->len && memcmp(have->data, raw->data, raw->len) == 0)
		return 1;
	return -EEXIST;
}

int put_object(
	struct store_txn *t, uint8_t type, const struct oid *id, struct rbuf *raw, loc_t base)
{
	int r = raw->len > OBJECT_MAX ? -EFBIG : confirm(t, type, id, raw);

	if (r != 0) {
		if (r == -EEXIST)
			log_error("store: two different contents have one SHA-1; the new one is "
				  "not stored");
		return r < 0 ? r : 0;
	}
	if (t->n_pend && (t->pend_bytes + raw->len > BATCH_BYTES || t->n_pend == BATCH_OBJECTS) &&
		(r = put_flush(t)) < 0)
		return r;
	if ((r = known_add(t, id, type, t->n_pend)) < 0)
		return r;
	t->pend[t->n_pend++] = (struct pend){
		.type = type,
		.id = *id,
		.raw = rbuf_ref(raw),
		.base = encode_base(t->s, base, raw->len),
	};
	t->pend_bytes += raw->len;
	return 0;
}

/* ---- files ---- */

/* The first n bytes say how many of them are NUL at the end. */
static size_t nul_tail(const uint8_t *p, size_t n)
{
	size_t k = n;

	while (k > 0 && !p[k - 1])
		k--;
	return n - k;
}

uint32_t put_suspect(const uint8_t *p, size_t n, const struct store_entry *was)
{
	size_t tail;

	if (was->kind != KIND_FILE || !was->size)
		return 0;
	if (!n)
		return ENTRY_EMPTIED;
	tail = nul_tail(p, n);
	/* What a power cut leaves: a file of the right size whose end, or all, was never
	 * written. A head with NUL bytes of its own is a binary format and may look like that. */
	if (tail == n || (tail >= 512 && tail >= n / 2 && !memchr(p, 0, n - tail)))
		return ENTRY_NULLED;
	return 0;
}

loc_t put_old(struct store_txn *t, const struct store_entry *was, uint8_t type)
{
	autohead struct head *h = NULL;
	loc_t loc;

	if (was->kind != KIND_FILE || cat_find(t->s, t->s->cat, &was->oid, &loc) < 0)
		return 0;
	if (head_get(t->s, loc_seg(loc), loc_off(loc), &h) < 0 || loc_idx(loc) >= h->n_objs)
		return 0;
	return head_frame(h, loc_idx(loc))->type == type ? loc : 0;
}

/* known: objects of the transaction before it got any of this content. */
static int put_again(struct store_txn *t, uint8_t type, const struct store_entry *was,
	const struct oid *id, struct rbuf *raw, size_t known)
{
	int r = put_object(t, type, id, raw, put_old(t, was, type));

	if (t->n_known > known && entry_has_oid(was) && oid_eq(&was->oid, id))
		t->healed = true;
	return r;
}

static int put_small(struct store_txn *t, int fd, size_t size, const struct store_entry *was,
	struct store_entry *e)
{
	autorbuf struct rbuf *raw = rbuf_new(size);
	ssize_t n;

	if (!raw)
		return -ENOMEM;
	n = io_pread_full(fd, raw->data, size, 0);
	if (n < 0)
		return (int)n;
	if ((size_t)n < size)
		return -ESTALE;
	store_hash("blob", raw->data, size, &e->oid);
	/* Also where the id is the same: the bytes confirm it, and a damaged copy is made good. */
	if (was->kind != KIND_FILE || !oid_eq(&was->oid, &e->oid))
		e->flags |= put_suspect(raw->data, size, was);
	return put_again(t, OBJ_BLOB, was, &e->oid, raw, t->n_known);
}

static int put_chunk(struct store_txn *t, const uint8_t *p, size_t n, struct buf *list)
{
	autorbuf struct rbuf *raw = rbuf_new(n);
	struct oid id;
	int r;

	if (!raw)
		return -ENOMEM;
	memcpy(raw->data, p, n);
	store_hash("blob", p, n, &id);
	if ((r = put_object(t, OBJ_BLOB, &id, raw, 0)) < 0)
		return r;
	r = buf_add_varint(list, n);
	return r | buf_add(list, id.b, 20) ? -ENOMEM : 0;
}

/* Read size bytes, hash them as one blob, cut them into chunks, write their list. */
static int put_chunks(
	struct store_txn *t, int fd, uint64_t size, struct hash *h, struct buf *list, bool *ret_nul)
{
	struct buf *b = &t->io;
	uint64_t at = 0;
	size_t pos = 0;
	int r;

	buf_reset(b);
	if ((r = buf_reserve(b, 4 * CHUNK_MAX)) < 0 || (r = buf_add_varint(list, size)) < 0)
		return r;
	*ret_nul = true;
	for (;;) {
		size_t n, want = 4 * CHUNK_MAX - b->len;

		if (want > size - at)
			want = (size_t)(size - at);
		if (want) {
			ssize_t got = io_pread_full(fd, b->data + b->len, want, (off_t)at);

			if (got < 0)
				return (int)got;
			if ((size_t)got < want)
				return -ESTALE;
			hash_add(h, b->data + b->len, want);
			if (*ret_nul && nul_tail((uint8_t *)b->data + b->len, want) < want)
				*ret_nul = false;
			b->len += want;
			at += want;
		}
		while ((n = chunk_next((uint8_t *)b->data + pos, b->len - pos, at == size))) {
			if ((r = put_chunk(t, (uint8_t *)b->data + pos, n, list)) < 0)
				return r;
			pos += n;
		}
		if (at == size)
			return 0;
		memmove(b->data, b->data + pos, b->len - pos);
		b->len -= pos;
		pos = 0;
	}
}

static int put_large(struct store_txn *t, int fd, uint64_t size, const struct store_entry *was,
	struct store_entry *e)
{
	autoput(buf_release) struct buf list = BUF_INIT;
	autorbuf struct rbuf *raw = NULL;
	size_t known = t->n_known;
	struct hash h;
	bool nul;
	int r;

	hash_begin(&h, "blob", size);
	r = put_chunks(t, fd, size, &h, &list, &nul);
	hash_end(&h, &e->oid);
	buf_release(&t->io);
	if (r < 0)
		return r;
	if (nul && was->kind == KIND_FILE && was->size && !oid_eq(&was->oid, &e->oid))
		e->flags |= ENTRY_NULLED;
	if (!(raw = rbuf_new(list.len)))
		return -ENOMEM;
	memcpy(raw->data, list.data, list.len);
	return put_again(t, OBJ_LARGE, was, &e->oid, raw, known);
}

static void from_stat(const struct stat *st, struct store_entry *e)
{
	*e = (struct store_entry){
		.kind = KIND_FILE,
		.mode = st->st_mode,
		.size = (uint64_t)st->st_size,
		.mtime_ns = text_ns(&st->st_mtim),
		.ctime_ns = text_ns(&st->st_ctim),
		.ino = st->st_ino,
	};
	if (st->st_size > 0 && (uint64_t)st->st_blocks * 512 + 4096 <= (uint64_t)st->st_size)
		e->flags |= ENTRY_SPARSE;
}

#define ACL "system.posix_acl_access"

/* With one, the group's bits are those of its mask: there is none without any. */
static bool may_have_acl(const struct stat *st)
{
	return st->st_mode & 070;
}

static bool same_stat(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Exactly the size that fstat gave is read, so that a file that only grows is stored as it once
 * was. */
int put_file(struct store_txn *t, int fd, const struct store_entry *was, struct store_entry *ret)
{
	struct stat st, after;
	int r = 0;

	for (int i = 0; i < TRIES; i++) {
		if (fstat(fd, &st) < 0)
			return -errno;
		if (!S_ISREG(st.st_mode))
			return -EINVAL;
		from_stat(&st, ret);
		if (may_have_acl(&st) && fgetxattr(fd, ACL, NULL, 0) > 0)
			ret->flags |= ENTRY_ACL;
		r = st.st_size < LARGE_MIN ? put_small(t, fd, (size_t)st.st_size, was, ret) :
			put_large(t, fd, (uint64_t)st.st_size, was, ret);
		if (r < 0 && r != -ESTALE)
			return r;
		if (fstat(fd, &after) < 0)
			return -errno;
		if (r == 0 && same_stat(&st, &after))
			return 0;
	}
	if (r < 0)
		return r;
	ret->flags |= ENTRY_UNSTABLE;
	ret->ctime_ns = 0;		/* look at it again next time */
	return 0;
}

int put_bytes(struct store_txn *t, const void *p, size_t n, const struct store_entry *was,
	struct oid *ret)
{
	autorbuf struct rbuf *raw = NULL;

	if (n > OBJECT_MAX || !(raw = rbuf_new(n)))
		return n > OBJECT_MAX ? -EFBIG : -ENOMEM;
	memcpy(raw->data, p, n);
	store_hash("blob", p, n, ret);
	return put_again(t, OBJ_BLOB, was, ret, raw, t->n_known);
}
