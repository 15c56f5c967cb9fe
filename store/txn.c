/* A transaction: changes collected by path, then trees, manifest and snapshot record, one
 * fdatasync, the acknowledgement, and only then the catalogue. */
#include <string.h>
#include <stdio.h>

#include "../lib/text.h"
#include "hash.h"
#include "internal.h"

#define INLINE_MANIFEST (64u << 10)	/* longer ones become objects of their own */
#define MANIFEST_PART (256u << 10)

static void txn_free(struct store_txn *t)
{
	for (uint32_t i = 0; i < t->n_pend; i++)
		rbuf_unref(t->pend[i].raw);
	free(t->pend);
	free(t->known);
	free(t->hash);
	free(t->change);
	buf_release(&t->paths);
	buf_release(&t->io);
	cat_rollback(t->s->cat);	/* nothing to undo after a commit */
	t->s->txn = NULL;
	free(t);
}

int store_txn_begin(struct store *s, struct store_txn **ret)
{
	struct store_txn *t;
	int r;

	if (!s->write)
		return -EROFS;
	if (s->txn)
		return -EBUSY;
	if (!cat_is_there(s, s->cat))
		log_warn("%s/catalogue.db was removed; it is made again", s->dir), s->broken = 1;
	if ((r = log_present(s)) < 0)
		return r;
	if ((s->broken || r == 0) && (r = store_writer_ready(s)) < 0)
		return r;
	if ((r = store_shed_readers(s)) < 0)
		return r;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->s = s;
	t->start = s->end;
	t->pend = calloc(BATCH_OBJECTS + 1, sizeof(*t->pend));
	if (!t->pend) {
		free(t);
		return -ENOMEM;
	}
	if (s->mended_cached)	/* nothing new is to stand on what is right in memory only */
		obj_cache_clear(s);
	if ((r = cat_begin(s->cat)) < 0 || (r = heal_begin(s)) < 0) {
		cat_rollback(s->cat);
		free(t->pend);
		free(t);
		return r;
	}
	s->txn = t;
	*ret = t;
	return 0;
}

/* A record that was written in part stands behind the end. */
static bool wrote_more(struct store *s)
{
	uint64_t size;

	return s->end.seg && seg_size(s, s->end.seg, &size) == 0 && size > s->end.off;
}

void store_txn_abort(struct store_txn *t)
{
	struct store *s;
	int e = errno;

	if (!t)
		return;
	s = t->s;
	if (s->end.seg != t->start.seg || s->end.off != t->start.off || wrote_more(s)) {
		/* What was written was never acknowledged. If it cannot be cut now, the tail
		 * must be looked at before anything follows it. */
		if (seg_cut(s, t->start) < 0)
			s->broken = 1;
	}
	txn_free(t);
	errno = e;
}

/* ---- collecting ---- */

static const char *change_path(const struct store_txn *t, const struct txn_change *c)
{
	return t->paths.data + c->path;
}

int txn_add_change(struct store_txn *t, const char *path, const struct store_entry *e,
	const struct store_entry *was)
{
	struct txn_change *c;

	if (t->n_change == t->cap_change) {
		size_t cap = t->cap_change ? t->cap_change * 2 : 16;
		void *p = realloc(t->change, cap * sizeof(*t->change));

		if (!p)
			return -ENOMEM;
		t->change = p;
		t->cap_change = cap;
	}
	c = &t->change[t->n_change];
	*c = (struct txn_change){ .path = t->paths.len, .order = (uint32_t)t->n_change, .e = *e };
	c->known = was->kind != KIND_GONE;
	c->noop = was->kind == e->kind && was->mode == e->mode && was->size == e->size &&
		  was->mtime_ns == e->mtime_ns && was->why == e->why &&
		  oid_eq(&was->oid, &e->oid) &&
		  (was->flags & (ENTRY_KEPT | ENTRY_UNSTABLE | ENTRY_ACL)) ==
			  (e->flags & (ENTRY_KEPT | ENTRY_UNSTABLE | ENTRY_ACL));
	if (buf_add(&t->paths, path, strlen(path) + 1) < 0)
		return -ENOMEM;
	t->n_change++;
	return 0;
}

/* The current entry, or one that says GONE. */
static int current(struct store_txn *t, const char *path, struct store_entry *ret)
{
	int r = store_cur_get(t->s, path, ret);

	if (r == -ENOENT) {
		*ret = (struct store_entry){ .kind = KIND_GONE };
		return 0;
	}
	return r;
}

/* Names that must not get into a tree: the caller's mistake, or a hostile import. What is in no
 * tree may be called as git's own folder: it is named in the manifest, nothing else. */
static int check_path(const char *p, bool in_tree)
{
	if (strlen(p) > PATH_BYTES_MAX)
		return -ENAMETOOLONG;
	return snap_path_ok(p, in_tree) ? 0 : -EINVAL;
}

static int gone_child(const char *path, const struct store_entry *e, void *arg)
{
	static const struct store_entry gone = { .kind = KIND_GONE };

	return txn_add_change(arg, path, &gone, e);
}

static int gone_below(struct store_txn *t, const char *dir)
{
	int r = query_below(t->s, dir, gone_child, t);

	return r == -ENOENT ? 0 : r;
}

int store_txn_file(struct store_txn *t, const char *path, int fd, struct store_entry *ret)
{
	struct store_entry was, e;
	int r = check_path(path, true);

	if (r < 0 || (r = current(t, path, &was)) < 0)
		return r;
	if ((r = put_file(t, fd, &was, &e)) < 0)
		return r;
	if (was.kind == KIND_DIR && (r = gone_below(t, path)) < 0)
		return r;
	if (ret)
		*ret = e;
	return txn_add_change(t, path, &e, &was);
}

static void from_stat(const struct stat *st, enum store_kind kind, struct store_entry *e)
{
	*e = (struct store_entry){ .kind = kind };
	if (!st)
		return;
	e->mode = st->st_mode;
	e->size = kind == KIND_DIR ? 0 : (uint64_t)st->st_size;
	e->mtime_ns = text_ns(&st->st_mtim);
	e->ctime_ns = text_ns(&st->st_ctim);
	e->ino = st->st_ino;
}

static int put_content(struct store_txn *t, const char *path, const struct stat *st,
	enum store_kind kind, const void *p, size_t n)
{
	struct store_entry was, e;
	int r = check_path(path, true);

	if (r < 0 || (r = current(t, path, &was)) < 0 || (r = put_bytes(t, p, n, &was, &e.oid)) < 0)
		return r;
	if (was.kind == KIND_DIR && (r = gone_below(t, path)) < 0)
		return r;
	{
		struct oid id = e.oid;

		from_stat(st, kind, &e);
		e.oid = id;
		e.size = n;
		if (kind == KIND_FILE)
			e.flags = put_suspect(p, n, &was);
	}
	return txn_add_change(t, path, &e, &was);
}

int store_txn_bytes(
	struct store_txn *t, const char *path, const struct stat *st, const void *p, size_t n)
{
	return put_content(t, path, st, KIND_FILE, p, n);
}

int store_txn_link(struct store_txn *t, const char *path, const struct stat *st, const char *target)
{
	return put_content(t, path, st, KIND_LINK, target, strlen(target));
}

int store_txn_dir(struct store_txn *t, const char *path, const struct stat *st)
{
	return store_txn_dir_flags(t, path, st, 0);
}

int store_txn_dir_flags(
	struct store_txn *t, const char *path, const struct stat *st, uint32_t flags)
{
	struct store_entry was, e;
	int r = check_path(path, true);

	if (r < 0 || (r = current(t, path, &was)) < 0)
		return r;
	from_stat(st, KIND_DIR, &e);
	e.flags = flags;
	return txn_add_change(t, path, &e, &was);
}

int store_txn_gone(struct store_txn *t, const char *path)
{
	static const struct store_entry gone = { .kind = KIND_GONE };
	struct store_entry was;
	int r = check_path(path, false);

	if (r < 0 || (r = current(t, path, &was)) < 0)
		return r;
	if (was.kind == KIND_GONE && !t->n_change)
		return 0;
	if (was.kind == KIND_DIR && (r = gone_below(t, path)) < 0)
		return r;
	return txn_add_change(t, path, &gone, &was);
}

int store_txn_skip(struct store_txn *t, const char *path, const struct stat *st, enum store_why why)
{
	struct store_entry was, e;
	int r = check_path(path, false);

	if (r < 0 || (r = current(t, path, &was)) < 0 ||
		(was.kind == KIND_DIR && (r = gone_below(t, path)) < 0))
		return r;
	from_stat(st, KIND_SKIPPED, &e);
	e.why = why;
	return txn_add_change(t, path, &e, &was);
}

int store_txn_keep(struct store_txn *t, const char *path, const struct stat *st, enum store_why why)
{
	struct store_entry was, e;
	int r = check_path(path, false);

	if (r < 0 || (r = current(t, path, &was)) < 0)
		return r;
	if (was.kind == KIND_GONE || was.kind == KIND_SKIPPED) {
		from_stat(st, KIND_SKIPPED, &e);
	} else {
		e = was;
		e.flags |= ENTRY_KEPT;
		e.ctime_ns = 0;
	}
	e.why = why;
	return txn_add_change(t, path, &e, &was);
}

/* ---- sorting out what changed ---- */

static int change_cmp(const void *pa, const void *pb, void *arg)
{
	const struct txn_change *a = pa, *b = pb;
	const char *paths = arg;
	int r = strcmp(paths + a->path, paths + b->path);

	return r ? r : a->order < b->order ? -1 : 1;
}

/* What is no folder (any more) has nothing below it: earlier changes below a path are void where
 * a later one says that the path is gone or something else. What is below it is change[*ret_lo
 * .. *ret_hi). */
static void void_below(
	struct store_txn *t, const struct txn_change *x, size_t *ret_lo, size_t *ret_hi)
{
	const char *path = change_path(t, x);
	size_t len = strlen(path), lo = (size_t)(x - t->change), hi = t->n_change;

	while (lo < hi) {		/* the first that is not before "PATH/" */
		size_t mid = lo + (hi - lo) / 2;
		const char *p = change_path(t, &t->change[mid]);
		int c = strncmp(p, path, len);

		if (c < 0 || (c == 0 && (unsigned char)p[len] < '/'))
			lo = mid + 1;
		else
			hi = mid;
	}
	for (*ret_lo = lo; lo < t->n_change; lo++) {
		struct txn_change *b = &t->change[lo];
		const char *p = change_path(t, b);

		if (strncmp(p, path, len) != 0 || p[len] != '/')
			break;
		if (b->order < x->order) {
			b->e = (struct store_entry){ .kind = KIND_GONE };
			b->noop = false;
		}
	}
	*ret_hi = lo;
}

static void void_all_below(struct store_txn *t)
{
	size_t lo = 0, hi = 0;
	uint32_t order = 0;

	for (size_t i = 0; i < t->n_change; i++) {
		const struct txn_change *x = &t->change[i];

		/* Below a path that has gone later than this one all of it is done. */
		if (x->e.kind == KIND_DIR || !*change_path(t, x) ||
			(i >= lo && i < hi && x->order < order))
			continue;
		order = x->order;
		void_below(t, x, &lo, &hi);
	}
}

/* Sorted by path, the last word on each. Entries that say what the store says already are moved
 * to the end: *ret_n counts the real ones. */
static int sort_changes(struct store_txn *t, struct change **ret, size_t *ret_n, size_t *ret_noop)
{
	size_t n = 0, noop = 0;
	struct change *c = calloc(t->n_change + 1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	if (!t->n_change)
		t->paths.len = 0;
	else
		qsort_r(t->change, t->n_change, sizeof(*t->change), change_cmp, t->paths.data);
	void_all_below(t);
	for (size_t i = 0; i < t->n_change; i++) {
		struct txn_change *x = &t->change[i];

		if (i + 1 < t->n_change && strcmp(change_path(t, x), change_path(t, x + 1)) == 0) {
			x[1].known |= x->known;
			continue;
		}
		if (x->e.kind == KIND_GONE && !x->known)
			continue;
		if (x->noop)
			c[t->n_change - ++noop] = (struct change){ change_path(t, x), x->e };
		else
			c[n++] = (struct change){ change_path(t, x), x->e };
	}
	memmove(c + n, c + t->n_change - noop, noop * sizeof(*c));
	*ret = c;
	*ret_n = n;
	*ret_noop = noop;
	return 0;
}

/* ---- folders nobody told us about ---- */

static int path_key_cmp(const void *key, const void *elem)
{
	return strcmp(key, ((const struct change *)elem)->path);
}

/* Folders of stored paths that nobody told us about (bytes from memory), NUL-terminated one
 * after the other. c is sorted. */
static int missing_parents(struct store_txn *t, const struct change *c, size_t n, struct buf *out)
{
	autoput(buf_release) struct buf dir = BUF_INIT;
	int r;

	for (size_t i = 0; i < n; i++) {
		const char *slash = strrchr(c[i].path, '/');

		if (c[i].e.kind == KIND_GONE || !slash)
			continue;
		if (i && strncmp(c[i - 1].path, c[i].path, (size_t)(slash - c[i].path) + 1) == 0 &&
			c[i - 1].e.kind != KIND_GONE &&
			!strchr(c[i - 1].path + (slash - c[i].path) + 1, '/'))
			continue;	/* the same folder as the one before */
		buf_reset(&dir);
		if (buf_add(&dir, c[i].path, (size_t)(slash - c[i].path)) < 0)
			return -ENOMEM;
		for (char *end = dir.data + dir.len; end; end = strrchr(dir.data, '/')) {
			struct store_entry was;

			const struct change *x;

			*end = 0;
			x = bsearch(dir.data, c, n, sizeof(*c), path_key_cmp);
			if (x && x->e.kind == KIND_DIR) /* what is above it is its own affair */
				break;
			if (x)
				continue;
			if ((r = current(t, dir.data, &was)) < 0)
				return r;
			if (was.kind == KIND_DIR)
				break;
			if (buf_add(out, dir.data, strlen(dir.data) + 1) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

/* They get an entry. Positive: some did, sort again. */
static int add_parents(struct store_txn *t, const struct change *c, size_t n, int64_t now)
{
	autoput(buf_release) struct buf dirs = BUF_INIT;
	int r = missing_parents(t, c, n, &dirs);

	/* Only now: adding a change moves the paths that c points to. */
	for (size_t at = 0; r == 0 && at < dirs.len; at += strlen(dirs.data + at) + 1) {
		struct store_entry was,
			e = { .kind = KIND_DIR, .mode = S_IFDIR | 0755, .mtime_ns = now };

		if ((r = current(t, dirs.data + at, &was)) == 0)
			r = txn_add_change(t, dirs.data + at, &e, &was);
	}
	return r < 0 ? r : dirs.len > 0;
}

static int collect(
	struct store_txn *t, int64_t now, struct change **ret, size_t *ret_n, size_t *ret_noop)
{
	int r = sort_changes(t, ret, ret_n, ret_noop);

	if (r < 0 || (r = add_parents(t, *ret, *ret_n, now)) <= 0)
		return r;
	free(take_ptr(*ret));
	return sort_changes(t, ret, ret_n, ret_noop);
}

/* ---- the end ---- */

/* Long manifests go out as objects before the snapshot record. */
static int put_manifests(struct store_txn *t, const struct change *c, size_t n,
	struct snap_manifest **ret, uint32_t *ret_n)
{
	autofree struct oid *ids = NULL;
	struct snap_manifest *m;
	uint32_t n_ids = 0;
	size_t i = 0;
	int r;

	while (i < n) {
		autoput(buf_release) struct buf b = BUF_INIT;
		autorbuf struct rbuf *raw = NULL;
		const char *prev = NULL;
		void *p = realloc(ids, (n_ids + 1) * sizeof(*ids));

		if (!p)
			return -ENOMEM;
		ids = p;
		for (; i < n && b.len < MANIFEST_PART; prev = c[i++].path)
			if ((r = snap_add_entry(&b, c[i].path, prev, &c[i].e, 0)) < 0)
				return r;
		if (!(raw = rbuf_new(b.len)))
			return -ENOMEM;
		memcpy(raw->data, b.data, b.len);
		hash_bytes(raw->data, raw->len, &ids[n_ids]);
		if ((r = put_object(t, OBJ_MANIFEST, &ids[n_ids], raw, 0)) < 0)
			return r;
		n_ids++;
	}
	if ((r = put_flush(t)) < 0)
		return r;
	m = calloc(n_ids, sizeof(*m));
	if (!m)
		return -ENOMEM;
	for (uint32_t k = 0; k < n_ids; k++) {
		loc_t loc = 0;

		if (txn_find(t, &ids[k], &loc, NULL) != 1 && obj_find(t->s, &ids[k], &loc) < 0) {
			free(m);
			return -EIO;
		}
		m[k] = (struct snap_manifest){ loc_seg(loc), loc_off(loc), loc_idx(loc) };
	}
	*ret = m;
	*ret_n = n_ids;
	return 0;
}

static size_t manifest_size(const struct change *c, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n && sum < 2 * INLINE_MANIFEST; i++)
		sum += 24 + strlen(c[i].path) / 3;
	return sum;
}

static int put_snapshot(struct store_txn *t, struct store_snapshot *info, const struct oid *parent,
	const struct change *c, size_t n, loc_t *ret)
{
	autofree struct snap_manifest *m = NULL;
	autoput(buf_release) struct buf out = BUF_INIT, text = BUF_INIT;
	autorbuf struct rbuf *raw = NULL;
	uint32_t n_m = 0;
	int r;

	if (manifest_size(c, n) > INLINE_MANIFEST && (r = put_manifests(t, c, n, &m, &n_m)) < 0)
		return r;
	/* The record refers to earlier ones by distance: from here on its place is fixed. */
	if ((t->n_pend && t->pend_bytes > BATCH_BYTES && (r = put_flush(t)) < 0) ||
		(r = put_ready(t)) < 0)
		return r;
	if ((r = snap_build(info, parent, m, n_m, t->s->end.seg, t->s->end.off, c, n_m ? 0 : n,
		     &out)) < 0 ||
		(r = snap_commit_text(info, parent, &text)) < 0)
		return r;
	store_hash("commit", text.data, text.len, &info->id);
	if (!(raw = rbuf_new(out.len)))
		return -ENOMEM;
	memcpy(raw->data, out.data, out.len);
	/* Not put_object: two snapshots may have one commit id (same tree, second and text, no
	 * parent); each is a record. */
	t->pend[t->n_pend++] =
		(struct pend){ .type = OBJ_SNAPSHOT, .id = info->id, .raw = take_ptr(raw) };
	*ret = loc_make(t->s->end.seg, t->s->end.off, t->n_pend - 1);
	return put_flush(t);
}

/* The acknowledgement: what was written is on the disk, and log/acked says so. */
static int sync_log(struct store *s)
{
	struct segment *g;
	int r = seg_get(s, s->end.seg, &g);

	if (r == 0 && !s->opt.no_sync)
		r = io_datasync(g->fd);
	if (r < 0)
		return r;
	/* Into a file that nobody will find nothing is acknowledged. */
	if ((r = log_present(s)) <= 0) {
		s->broken = 1;
		return r < 0 ? r : -ENOLINK;
	}
	seg_set_acked(s);
	return 0;
}

static int index_objects(struct store_txn *t, const struct store_snapshot *info, loc_t loc)
{
	autofree struct new_object *o = malloc((t->n_known + 1) * sizeof(*o));
	size_t n = 0;

	if (!o)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_known; i++)
		if (t->known[i].type != OBJ_MANIFEST)
			o[n++] = (struct new_object){ t->known[i].id, t->known[i].loc };
	o[n++] = (struct new_object){ info->id, loc };
	return cat_add_objects(t->s, t->s->cat, o, n);
}

static int index_txn(struct store_txn *t, const struct store_snapshot *info, loc_t loc,
	uint64_t added, const struct change *c, size_t n, size_t noop, int64_t seen_ns)
{
	struct store *s = t->s;
	struct snap sn = { .info = *info };
	int r = cat_begin(s->cat);

	if (r == 0 && loc)
		r = index_objects(t, info, loc);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = cat_add_change(s->cat, info->seq, c[i].path, &c[i].e);
	if (r == 0 && loc)
		r = cat_add_snapshot(s->cat, &sn, loc, n, added);
	if (r == 0 && loc && cat_rows_wrong(s->cat) && (r = log_reconcile(s, s->cat, info)) == 0)
		cat_rows_right(s->cat, false);
	for (size_t i = n; r == 0 && i < n + noop; i++)
		r = cat_touch(s->cat, c[i].path, c[i].e.ctime_ns, c[i].e.ino, seen_ns);
	if (r == 0)
		r = cat_commit(s->cat, loc ? s->end : cat_pos(s->cat));
	if (r < 0)
		cat_rollback(s->cat);
	else
		cat_set_newest(s->cat, info);
	return r;
}

/* Whole frames that stay in memory between two snapshots: a small workspace's only one. */
#define SOLID_KEPT (4u << 20)

/* Give back what only a big transaction needs. */
static void slim(struct store *s)
{
	if (s->cctx && ZSTD_sizeof_CCtx(s->cctx) > (4u << 20)) {
		ZSTD_freeCCtx(s->cctx);
		s->cctx = NULL;
	}
	solid_cache_trim(s, SOLID_KEPT);
}

static int commit_snapshot(struct store_txn *t, const struct store_commit *how,
	struct store_snapshot *last, bool have_last, const struct change *c, size_t n, size_t noop,
	struct store_snapshot *info)
{
	struct store *s = t->s;
	loc_t loc = 0;
	uint64_t added;
	int r;

	*info = (struct store_snapshot){
		.seq = cat_next_seq(s->cat), .time_ns = how->time_ns, .reason = how->reason
	};
	for (size_t i = 0; i < n; i++)
		info->flags |= c[i].e.flags;
	info->changed = n;
	info->message = strdup(how->message ? how->message : "");
	if (!info->message)
		return -ENOMEM;
	r = info->seq >> 62 ? -EOVERFLOW
			    : build_tree(t, c, n, have_last ? &last->tree : NULL, &info->tree);
	if (r == 0)
		r = put_snapshot(t, info, have_last ? &last->id : NULL, c, n, &loc);
	if (r == 0)
		r = sync_log(s);
	if (r < 0) {
		store_snapshot_release(info);
		return r;
	}
	/* Acknowledged from here on. The catalogue follows; if it cannot, it is brought up to
	 * date later. */
	info->added_bytes = added = log_bytes_between(s, t->start, s->end);
	if ((r = index_txn(t, info, loc, added, c, n, noop, how->time_ns)) < 0) {
		log_warn_errno(r, "%s: catalogue not updated", s->dir);
		s->broken = 1;
	}
	return 1;
}

int store_txn_commit(
	struct store_txn *t, const struct store_commit *how, struct store_snapshot *ret)
{
	struct store *s = t->s;
	struct store_commit h = *how;
	autoput(store_snapshot_release) struct store_snapshot last = { 0 }, info = { 0 };
	autofree struct change *c = NULL;
	size_t n = 0, noop = 0;
	int r = cat_newest(s->cat, &last) == 0 ? 0 : store_newest(s, &last);
	bool have_last = r == 0;

	if (!h.time_ns)
		h.time_ns = text_now_ns();
	if (r == -ENOENT)
		r = 0;
	if (r == 0)
		r = collect(t, h.time_ns, &c, &n, &noop);
	if (r < 0) {
		store_txn_abort(t);
		return r;
	}
	if (!n && !h.force && !s->heal && !t->healed) {
		/* Whatever was put is in some snapshot already, or nobody wants it. */
		if (noop && index_txn(t, &last, 0, 0, c, 0, noop, h.time_ns) < 0)
			log_debug("%s: stat data not kept", s->dir);
		heal_done(s);	/* nothing that stands now was hit */
		store_txn_abort(t);
		if (ret) {
			*ret = last;
			last.message = NULL;
		}
		return 0;
	}
	r = commit_snapshot(t, &h, &last, have_last, c, n, noop, &info);
	if (r == -ESTALE) {	/* a damaged tree has cost some paths: once more, without them */
		free(take_ptr(c));
		if ((r = collect(t, h.time_ns, &c, &n, &noop)) == 0)
			r = commit_snapshot(t, &h, &last, have_last, c, n, noop, &info);
	}
	if (r < 0) {
		store_txn_abort(t);
		return r == -ENOLINK ? -ESTALE : r;
	}
	heal_done(s);
	txn_free(t);
	slim(s);
	if (ret) {
		*ret = info;
		info.message = NULL;
	}
	return 1;
}

/* ---- marks ---- */

static int check_mark(const char *name)
{
	size_t n = strlen(name);

	if (!n || n > 100 || *name == '@')
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 127)
			return -EINVAL;
	return 0;
}

int store_mark_set(struct store *s, const char *name, uint64_t seq)
{
	autorbuf struct rbuf *raw = NULL;
	autoput(buf_release) struct buf b = BUF_INIT;
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	struct store_txn *t;
	uint64_t had;
	int r = check_mark(name);

	if (r == 0)
		r = seq ? store_by_seq(s, seq, &sn) : store_mark_get(s, name, &had);
	if (r < 0 || (r = store_txn_begin(s, &t)) < 0)
		return r;
	r = buf_add_varint(&b, seq) | buf_addstr(&b, name) ? -ENOMEM : 0;
	if (r == 0 && !(raw = rbuf_new(b.len)))
		r = -ENOMEM;
	if (r == 0) {
		memcpy(raw->data, b.data, b.len);
		t->pend[0] = (struct pend){ .type = OBJ_MARK, .raw = take_ptr(raw) };
		hash_bytes(b.data, b.len, &t->pend[0].id);
		t->n_pend = 1;
		r = put_flush(t);
	}
	if (r == 0)
		r = sync_log(s);
	if (r < 0) {
		store_txn_abort(t);
		return r;
	}
	txn_free(t);
	if ((r = cat_begin(s->cat)) == 0 && (r = cat_set_mark(s->cat, name, seq)) == 0)
		r = cat_commit(s->cat, s->end);
	if (r < 0) {
		cat_rollback(s->cat);
		s->broken = 1;
	}
	return 0;
}
