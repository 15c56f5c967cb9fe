/* Git tree objects as bytes: "MODE NAME\0" and 20 bytes of id, sorted by name with a '/' behind
 * folders. Patched in place along the changed path: an index of 100,000 entries costs more
 * than the whole snapshot. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* Names from a store are hostile (DESIGN.md section 12). */
static bool name_ok(const char *p, size_t n)
{
	if (*p == '.' &&
		(n == 1 || (n == 2 && p[1] == '.') || (n == 4 && strncasecmp(p, ".git", 4) == 0)))
		return false;
	return !memchr(p, '/', n);
}

int tree_next(const uint8_t **p, const uint8_t *end, struct tree_entry *ret)
{
	const uint8_t *q = *p, *nul;
	uint32_t mode = 0;

	if (q == end)
		return 0;
	ret->raw = q;
	while (q < end && *q >= '0' && *q <= '7' && mode < 1u << 24)
		mode = mode << 3 | (uint32_t)(*q++ - '0');
	if (q == end || *q != ' ' || q == ret->raw)
		return -EBADMSG;
	q++;
	nul = memchr(q, 0, (size_t)(end - q));
	if (!nul || nul == q || end - nul < 21 || !name_ok((const char *)q, (size_t)(nul - q)))
		return -EBADMSG;
	ret->name = (const char *)q;
	ret->len = (size_t)(nul - q);
	ret->mode = mode;
	memcpy(ret->oid.b, nul + 1, 20);
	*p = nul + 21;
	ret->raw_len = (size_t)(*p - ret->raw);
	return 1;
}

int tree_find(const struct rbuf *tree, const char *name, size_t len, struct tree_entry *ret)
{
	const uint8_t *p = tree->data, *end = p + tree->len;
	int r;

	while ((r = tree_next(&p, end, ret)) == 1)
		if (ret->len == len && memcmp(ret->name, name, len) == 0)
			return 0;
	return r < 0 ? r : -ENOENT;
}

/* Git's order: as if folders ended in '/'. */
static int entry_cmp(const char *a, size_t an, bool a_dir, const char *b, size_t bn, bool b_dir)
{
	size_t n = an < bn ? an : bn;
	int r = memcmp(a, b, n);
	unsigned char ca, cb;

	if (r)
		return r;
	ca = an > n ? (unsigned char)a[n] : a_dir ? '/' : 0;
	cb = bn > n ? (unsigned char)b[n] : b_dir ? '/' : 0;
	return ca < cb ? -1 : ca > cb;
}

static int edit_cmp(const void *pa, const void *pb)
{
	const struct tree_edit *a = pa, *b = pb;

	return entry_cmp(a->name, a->len, a->mode == 040000, b->name, b->len, b->mode == 040000);
}

static int edit_name_cmp(const void *pa, const void *pb)
{
	const struct tree_edit *a = pa, *b = pb;

	return entry_cmp(a->name, a->len, false, b->name, b->len, false);
}

static int add_edit(struct buf *out, const struct tree_edit *e)
{
	int r = buf_printf(out, "%o ", e->mode);

	r |= buf_add(out, e->name, e->len);
	r |= buf_addch(out, 0);
	return r | buf_add(out, e->oid.b, 20) ? -ENOMEM : 0;
}

/* Two orders meet here: base is in git's, which depends on the kind an entry has, and an edit
 * may change the kind. So edits are found by name to drop the old entry, and merged in git's
 * order to add the new one. */
static size_t one_per_name(struct tree_edit *e, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		if (k && edit_name_cmp(&e[k - 1], &e[i]) == 0)
			e[k - 1] = e[i].mode ? e[i] : e[k - 1];
		else
			e[k++] = e[i];
	}
	return k;
}

int tree_patch(const struct rbuf *base, struct tree_edit *e, size_t n, struct buf *out)
{
	autofree struct tree_edit *by_name = malloc((n + 1) * sizeof(*e));
	const uint8_t *p = base ? base->data : NULL, *end = base ? p + base->len : NULL;
	struct tree_entry t;
	size_t i = 0;
	int r = 0;

	if (!by_name)
		return -ENOMEM;
	if (n) {		/* e may be NULL then, which neither of these takes */
		qsort(e, n, sizeof(*e), edit_name_cmp);
		n = one_per_name(e, n);
		memcpy(by_name, e, n * sizeof(*e));
		qsort(e, n, sizeof(*e), edit_cmp);
	}
	if (buf_reserve(out, (base ? base->len : 0) + n * 64) < 0)
		return -ENOMEM;
	while (base && (r = tree_next(&p, end, &t)) == 1) {
		struct tree_edit key = { .name = t.name, .len = t.len };

		while (i < n && entry_cmp(e[i].name, e[i].len, e[i].mode == 040000, t.name, t.len,
					t.mode == 040000) <= 0) {
			if (e[i].mode && (r = add_edit(out, &e[i])) < 0)
				return r;
			i++;
		}
		if (!bsearch(&key, by_name, n, sizeof(*e), edit_name_cmp) &&
			buf_add(out, t.raw, t.raw_len) < 0)
			return -ENOMEM;
	}
	if (r < 0)
		return r;
	for (; i < n; i++)
		if (e[i].mode && (r = add_edit(out, &e[i])) < 0)
			return r;
	return 0;
}

/* ---- splice ---- */

struct ops {			/* runs of equal operations are joined */
	struct buf *out;
	size_t copy, skip;
	int bad;
};

static void ops_flush(struct ops *o)
{
	if (o->skip)
		o->bad |= buf_add_varint(o->out, o->skip << 2 | 1);
	if (o->copy)
		o->bad |= buf_add_varint(o->out, o->copy << 2);
	o->copy = o->skip = 0;
}

static void ops_copy(struct ops *o, size_t n)
{
	if (o->skip)
		ops_flush(o);
	o->copy += n;
}

static void ops_skip(struct ops *o, size_t n)
{
	if (o->copy)
		ops_flush(o);
	o->skip += n;
}

static void ops_literal(struct ops *o, const void *p, size_t n)
{
	ops_flush(o);
	o->bad |= buf_add_varint(o->out, n << 2 | 2);
	o->bad |= buf_add(o->out, p, n);
}

static void ops_id(struct ops *o, const uint8_t *id, const uint8_t *ids, uint32_t n_ids)
{
	for (uint32_t i = 0; i < n_ids; i++) {
		if (memcmp(ids + 20 * (size_t)i, id, 20) == 0) {
			ops_flush(o);
			o->bad |= buf_add_varint(o->out, (uint64_t)i << 2 | 3);
			return;
		}
	}
	ops_literal(o, id, 20);
}

int tree_splice(const struct rbuf *base, const uint8_t *p, size_t n, const uint8_t *ids,
	uint32_t n_ids, struct buf *out)
{
	const uint8_t *end = p + n, *q = base->data, *qend = q + base->len;
	struct ops o = { .out = out };
	struct tree_entry a, b;
	int ra = tree_next(&q, qend, &a), rb = tree_next(&p, end, &b);

	while (ra == 1 || rb == 1) {
		int c = ra != 1 ? 1 : rb != 1 ? -1 :
			entry_cmp(a.name, a.len, a.mode == 040000, b.name, b.len, b.mode == 040000);

		if (c < 0) {
			ops_skip(&o, a.raw_len);
		} else if (c > 0) {
			ops_literal(&o, b.raw, b.raw_len - 20);
			ops_id(&o, b.oid.b, ids, n_ids);
		} else if (a.raw_len == b.raw_len && memcmp(a.raw, b.raw, a.raw_len) == 0) {
			ops_copy(&o, a.raw_len);
		} else if (a.mode == b.mode) {
			ops_copy(&o, a.raw_len - 20);
			ops_skip(&o, 20);
			ops_id(&o, b.oid.b, ids, n_ids);
		} else {
			ops_skip(&o, a.raw_len);
			ops_literal(&o, b.raw, b.raw_len);
		}
		if (c <= 0)
			ra = tree_next(&q, qend, &a);
		if (c >= 0)
			rb = tree_next(&p, end, &b);
	}
	o.skip = 0;	/* what is left of the base is simply not used */
	ops_flush(&o);
	if (ra < 0 || rb < 0)
		return -EBADMSG;
	return o.bad ? -ENOMEM : 0;
}
