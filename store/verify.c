/* Looking for damage, without writing. Structure: every segment from end to end, every head,
 * every base, every snapshot and the trees below it, whether the catalogue finds what the log
 * holds. All: every object is decoded and hashed. */
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "../lib/names.h"
#include "../lib/text.h"
#include "internal.h"

enum { SEEN = 1, BAD, WALKED, WALKING };

/* one path with one damaged content, and the snapshots that have it */
struct hurt {
	char *path;
	struct oid id;
	const char *what;
	uint64_t first, last;
};

#define HURT_MAX 10000

struct check {
	struct store *s;
	struct store_verify *v;
	/* SEEN: in the log, whole; BAD: damaged; WALKED: a tree whose all is there */
	struct idset ids;
	uint64_t total, done;
	uint64_t seq;		/* the snapshot being looked at: they come newest first */
	struct hurt *hurt;
	size_t n_hurt;
	bool catalogue;		/* it is damaged */
	int found;
};

static void report(struct check *c, const char *path, uint64_t first, uint64_t last,
	const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static void report(struct check *c, const char *path, uint64_t first, uint64_t last,
	const char *fmt, ...)
{
	struct store_damage d = { .path = path, .first_seq = first, .last_seq = last };
	autofree char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	d.what = text ? text : "damage";
	c->found = 1;
	if (c->v->damage)
		c->v->damage(&d, c->v->arg);
}

static void note_place(struct check *c, uint32_t seg, uint64_t off)
{
	if (c->v->bad_seg)
		return;
	c->v->bad_seg = seg;
	c->v->bad_off = off;
}

/* Said once: the next writer makes a new one. */
static void report_catalogue(struct check *c, const char *what)
{
	if (!c->catalogue)
		report(c, NULL, 0, 0, "catalogue.db: %s; the next command makes it again", what);
	c->catalogue = true;
	(void)query_damaged(c->s);
}

static const char *type_name(uint8_t t)
{
	static const char *const names[] = { "object", "blob", "tree", "large blob", "snapshot",
		"manifest", "mark", "dropped snapshots" };

	return names[t <= OBJ_DROPPED ? t : 0];
}

static bool stopped(const struct check *c)
{
	return c->v->stop && *c->v->stop;
}

/* The type of an object where the catalogue says that it is; 0: it is not there. */
static int type_at(struct check *c, const struct oid *id)
{
	autohead struct head *h = NULL;
	loc_t loc;
	int r = cat_find(c->s, c->s->cat, id, &loc);

	/* Not obj_find: that asks the log where the catalogue is wrong. */
	if (r == 0)
		r = head_get(c->s, loc_seg(loc), loc_off(loc), &h);
	if (r < 0)
		return r == -ENOENT || r == -ESTALE || r == -EBADMSG || r == -ENOTSUP ? 0 : r;
	if (!h || loc_idx(loc) >= h->n_objs || memcmp(head_id(h, loc_idx(loc)), id->b, 20) != 0)
		return 0;
	return head_frame(h, loc_idx(loc))->type;
}

/* ---- the log ---- */

/* Decode one object and hash it. */
static int check_object(struct check *c, const struct head *h, const struct frame *f, uint32_t idx)
{
	autorbuf struct rbuf *raw = NULL;
	int r = obj_read(c->s, loc_make(h->seg, h->off, idx), NULL, NULL, &raw);

	/* Of a large blob its chunks are checked one by one, and its list when it is walked. */
	return r < 0 ? r : obj_check(h, f->type, head_id(h, idx), raw->data, raw->len);
}

/* Are the frame's bytes what was written? A flipped bit is put right for who reads. */
static int check_bytes(struct check *c, const struct head *h, const struct frame *f)
{
	autofree uint8_t *p = malloc(f->stored + 1);
	int r;

	if (!p)
		return -ENOMEM;
	c->s->strict = true;
	r = frame_stored(c->s, h, f, p);
	c->s->strict = false;
	return r;
}

static int any_entry(const char *path, const struct store_entry *e, void *arg)
{
	(void)path, (void)e, (void)arg;
	return 0;
}

/* A snapshot's record that is whole, but says what none may say (a name with "..", a number that
 * another has): it was left out, in part or altogether, when the catalogue was made. */
static int check_listed(struct check *c, const struct head *h, uint32_t idx, const char *hex)
{
	autoput(snap_release) struct snap sn = { .info = { 0 } };
	autoput(store_snapshot_release) struct store_snapshot row = { 0 };
	loc_t loc = loc_make(h->seg, h->off, idx), listed = 0;
	int r = snap_read(c->s, loc, &sn, NULL);

	if (r == 0)
		r = query_snapshot(c->s, "seq=?", (int64_t)sn.info.seq, &row, &listed);
	if (r == -ENOENT || r == -EBADMSG || r == -ENOTSUP || (r == 0 && listed != loc)) {
		report(c, NULL, 0, 0, "snapshot %.12s: its record is not right: it is left out "
		       "(segment %u, offset %llu)",
			hex, h->seg, (unsigned long long)h->off);
		return 0;
	}
	if (r == 0 && c->v->all)
		r = snap_each(c->s, loc, any_entry, NULL);
	if (r == -EBADMSG || r == -ENOENT || r == -ENOTSUP) {
		report(c, NULL, row.seq, row.seq, "snapshot: its list of changes is not right");
		r = 0;
	}
	return r;
}

static int check_base(struct check *c, const struct head *h, const struct frame *f)
{
	autohead struct head *b = NULL;
	int r;

	if (!f->dist)
		return 0;
	if ((r = head_get(c->s, h->seg, h->off - f->dist, &b)) < 0)
		return r;
	if (f->bidx >= b->n_objs || head_frame(b, f->bidx)->depth + 1 != f->depth)
		return -EBADMSG;
	return 0;
}

/* Is it in the catalogue's objects? */
static bool has_place(struct check *c, uint8_t type, const struct oid *id)
{
	if (type == OBJ_MANIFEST || type == OBJ_MARK || type == OBJ_DROPPED)
		return false;
	return type != OBJ_SNAPSHOT || !cat_is_dropped(c->s->cat, id);
}

static int check_frame(struct check *c, const struct head *h, const struct frame *f)
{
	int base = check_base(c, h, f), bytes = c->v->all ? check_bytes(c, h, f) : 0;

	if (bytes < 0 && bytes != -EBADMSG)
		return bytes;
	for (uint32_t i = 0; i < f->n; i++) {
		int r = base;
		char hex[41];
		struct oid id;

		memcpy(id.b, head_id(h, f->first + i), 20);
		if (r == 0 && c->v->all)
			r = check_object(c, h, f, f->first + i);
		if (r < 0 && r != -EBADMSG && r != -ENOTSUP)
			return r;
		text_hex(id.b, 20, hex);
		if (r == 0 && f->type == OBJ_SNAPSHOT && has_place(c, f->type, &id) &&
		    (r = check_listed(c, h, f->first + i, hex)) < 0)
			return r;
		if (r < 0 || bytes < 0) {
			heal_note(c->s, &id);
			note_place(c, h->seg, h->off);
		}
		if (r < 0)
			report(c, NULL, 0, 0, "%s %.12s: damaged (segment %u, offset %llu)",
				type_name(f->type), hex,
				h->seg, (unsigned long long)h->off);
		else if (bytes < 0 && i == 0)
			report(c, NULL, 0, 0, "segment %u: a flipped bit in what is stored at offset %llu, put right in reading",
				h->seg, (unsigned long long)f->off);
		/* A sound copy elsewhere makes up for a damaged one. */
		if (r == 0 || idset_get(&c->ids, &id) == 0)
			if (idset_put(&c->ids, &id, r < 0 ? BAD : SEEN) < 0)
				return -ENOMEM;
		if (has_place(c, f->type, &id)) {
			if ((r = type_at(c, &id)) < 0)
				return r;
			if (r == 0)
				report_catalogue(c, "does not find an object of the log");
		}
		c->v->objects++;
	}
	return 0;
}

static void report_mended(struct check *c, const struct head *h)
{
	note_place(c, h->seg, h->off);
	report(c, NULL, 0, 0, "segment %u: a flipped bit in the record at offset %llu, put right in reading",
		h->seg, (unsigned long long)h->off);
	for (uint32_t i = 0; i < h->n_objs; i++) {
		struct oid id;

		memcpy(id.b, head_id(h, i), 20);
		heal_note(c->s, &id);
	}
}

static int check_segment(struct check *c, uint32_t no, uint64_t end)
{
	uint64_t off = SEG_HEADER;
	int r = 0;

	while (off < end) {
		autohead struct head *h = NULL;

		if (stopped(c))
			return -EINTR;
		r = head_get(c->s, no, off, &h);
		if (r == 0 && h->mended)
			report_mended(c, h);
		if (r == -EBADMSG) {
			note_place(c, no, off);
			r = head_resync(c->s, no, off + 1, &h);
			if (r == -ENOENT || (r == 0 && h->off >= end)) {
				report(c, NULL, 0, 0,
					"segment %u: damaged from offset %llu to its end", no,
					(unsigned long long)off);
				return 0;
			}
			if (r == 0)
				report(c, NULL, 0, 0,
					"segment %u: damaged from offset %llu to %llu", no,
					(unsigned long long)off, (unsigned long long)h->off);
		}
		if (r < 0)
			return r;
		for (uint32_t i = 0; i < h->n_frames; i++)
			if ((r = check_frame(c, h, &h->frames[i])) < 0)
				return r;
		c->done += h->end - off;
		c->v->bytes += h->end - off;
		off = h->end;
		if (c->v->progress)
			c->v->progress(c->done, c->total, c->v->arg);
	}
	return 0;
}

/* A writer that is at work puts one in its place and then the other; it may just have ended. */
static bool has_other_copy(struct check *c, uint32_t no)
{
	pid_t pid;

	for (int i = 0; i < 2; i++)
		if (!headers_differ(c->s, no) || (!c->s->write && store_writer(c->s->dir, &pid) == 1))
			return false;
	return true;
}

/* Up to which one? */
static uint32_t report_missing(struct check *c, uint32_t no, uint32_t last)
{
	uint32_t upto = seg_next(c->s, no, last) - 1;

	if (upto > no)
		report(c, NULL, 0, 0, "segments %u to %u: missing", no, upto);
	else
		report(c, NULL, 0, 0, "segment %u: missing", no);
	return upto;
}

/* As far as the catalogue says that the log was acknowledged: a writer may be adding to it right
 * now. */
static int check_log(struct check *c)
{
	struct log_pos end = cat_pos(c->s->cat);
	uint32_t first, last;
	uint64_t size;
	int r = seg_list(c->s, &first, &last);

	if (r < 0)
		return r;
	for (uint32_t no = 1; no <= end.seg; no = seg_next(c->s, no, end.seg))
		if (seg_size(c->s, no, &size) == 0)
			c->total += size;
	for (uint32_t no = 1; no <= end.seg; no++) {
		struct segment *g;

		r = seg_size(c->s, no, &size);
		if (r == 0)
			r = seg_get(c->s, no, &g);
		if (r == -ENOENT) {
			no = report_missing(c, no, end.seg);
			continue;
		}
		if (r == -EBADMSG) {
			report(c, NULL, 0, 0, "segment %u: header damaged", no);
			continue;
		}
		if (r)
			return r;
		if (g->mended || g->copied)
			report(c, NULL, 0, 0,
				"segment %u: %s in its header; the next snapshot mends it", no,
				g->mended ? "a flipped bit" : "damage");
		else if (has_other_copy(c, no))
			report(c, NULL, 0, 0, "segment %u: log/headers has another header than it; the next snapshot puts it right", no);
		if (no == end.seg && size < end.off)
			report(c, NULL, 0, 0, "segment %u: cut short, %llu of %llu bytes", no,
				(unsigned long long)size, (unsigned long long)end.off);
		else if (no == end.seg)
			size = end.off;
		if ((r = check_segment(c, no, size)) < 0)
			return r;
	}
	return 0;
}

/* What stands behind that: whole snapshots that came meanwhile are left out. */
static int bytes_after(struct check *c, struct log_pos *ret_end, uint32_t *ret_last, uint64_t *ret)
{
	struct log_pos end;
	uint32_t first;
	uint64_t size;
	int r = log_catch_up(c->s, NULL, cat_pos(c->s->cat), &end);

	*ret = 0;
	if (r < 0 || (r = seg_list(c->s, &first, ret_last)) < 0)
		return r;
	*ret_end = end.seg ? end : (struct log_pos){ 1, SEG_HEADER };
	for (uint32_t no = ret_end->seg; no <= *ret_last; no = seg_next(c->s, no, *ret_last)) {
		uint64_t from = no == end.seg ? end.off : SEG_HEADER;

		r = seg_size(c->s, no, &size);
		if (r < 0 && r != -ENOENT)
			return r;
		if (r == 0 && size > from)
			*ret += size - from;
	}
	return 0;
}

/* Is there a whole record of a snapshot or a mark from pos on? */
static int ends_in(struct check *c, struct log_pos pos, uint32_t last)
{
	while (pos.seg <= last) {
		autohead struct head *h = NULL;
		int r = head_resync(c->s, pos.seg, pos.off, &h);

		if (r == -ENOENT || r == -EBADMSG) {
			pos = (struct log_pos){ seg_next(c->s, pos.seg, last), SEG_HEADER };
			continue;
		}
		if (r < 0)
			return r;
		for (uint32_t i = 0; i < h->n_frames; i++)
			if (h->frames[i].type == OBJ_SNAPSHOT || h->frames[i].type == OBJ_MARK)
				return 1;
		pos.off = h->end;
	}
	return 0;
}

/* A writer is at work on the tail of the log, or died at it: then the tail breaks off before the
 * snapshot's own record. If that is there, what comes before it should have been. */
static int check_tail(struct check *c)
{
	struct log_pos end;
	uint32_t last = 0;
	pid_t pid;
	int r = bytes_after(c, &end, &last, &c->v->after);

	if (r < 0 || !c->v->after || c->s->write || store_writer(c->s->dir, &pid) == 1)
		return r;
	if ((r = bytes_after(c, &end, &last, &c->v->after)) < 0)	/* it may just have ended */
		return r;
	if (c->v->after && (r = ends_in(c, end, last)) == 1)
		report(c, NULL, 0, 0,
			"log: %llu bytes after the last acknowledged snapshot are one that is"
			" damaged; the next one cuts them off (log/torn keeps them)",
			(unsigned long long)c->v->after);
	return r < 0 ? r : 0;
}

/* ---- snapshots ---- */

/* The same damage shows in every snapshot that shares the content: said once, with the range. */
static int note(struct check *c, const char *path, const struct oid *id, const char *what)
{
	void *p;

	c->found = 1;
	if (!oid_zero(id))
		heal_note(c->s, id);
	for (size_t i = 0; i < c->n_hurt; i++)
		if (oid_eq(&c->hurt[i].id, id) && strcmp(c->hurt[i].path, path) == 0) {
			c->hurt[i].first = c->seq;
			return 0;
		}
	if (c->n_hurt == HURT_MAX)
		return 0;
	p = realloc(c->hurt, (c->n_hurt + 1) * sizeof(*c->hurt));
	if (!p)
		return -ENOMEM;
	c->hurt = p;
	c->hurt[c->n_hurt] = (struct hurt){ strdup(path), *id, what, c->seq, c->seq };
	return c->hurt[c->n_hurt].path ? (c->n_hurt++, 0) : -ENOMEM;
}

static void report_hurt(struct check *c)
{
	for (size_t i = 0; i < c->n_hurt; i++) {
		struct hurt *h = &c->hurt[i];

		report(c, h->path, h->first, h->last, "%s", h->what);
		free(h->path);
	}
	if (c->n_hurt == HURT_MAX)
		report(c, NULL, 0, 0, "more than %d paths are hit; the rest is not listed",
			HURT_MAX);
	free(c->hurt);
}

static int check_large(struct check *c, const struct oid *id)
{
	autorbuf struct rbuf *raw = NULL;
	struct cursor cur;
	uint8_t type;
	int r = obj_read_id(c->s, id, &type, &raw);

	if (r < 0 || type != OBJ_LARGE)
		return r < 0 ? r : 0;
	cur = (struct cursor){ raw->data, raw->data + raw->len, 0 };
	(void)cur_varint(&cur);
	while (cur.p < cur.end && !cur.bad) {
		const uint8_t *p;
		struct oid part;

		(void)cur_varint(&cur);
		if (!(p = cur_bytes(&cur, 20)))
			return -EBADMSG;
		memcpy(part.b, p, 20);
		if (idset_get(&c->ids, &part) != SEEN)
			return -EBADMSG;
	}
	return cur.bad ? -EBADMSG : 0;
}

/* A file or link of a tree. 1: it is damaged. */
static int check_content(struct check *c, const struct oid *id, const char *path)
{
	uint8_t state = idset_get(&c->ids, id);
	int r = state == SEEN ? type_at(c, id) : 0;

	if (r == OBJ_LARGE)
		r = check_large(c, id);
	if (r == -EBADMSG || r == -ENOENT)
		state = BAD;
	else if (r < 0)
		return r;
	if (state == SEEN)
		return 0;
	r = note(c, path, id, oid_zero(id) ? "file: what it held is not known any more" :
		state == BAD ? "file: its content is damaged" : "file: its content is missing");
	return r < 0 ? r : 1;
}

struct folder {			/* a tree that is being walked */
	struct oid id;
	struct rbuf *raw;
	const uint8_t *p;	/* the next entry */
	size_t path_len;
	bool bad;		/* something at or below it is damaged */
};

/* Trees may be nested by the thousand, and a stranger's may hold themselves: the way is kept on
 * the heap, and a tree that is found whole is not walked again. */
struct tree_walk {
	struct check *c;
	struct oid root;
	struct folder *f;
	size_t n, cap;
	struct buf path;
};

static void tree_walk_release(struct tree_walk *w)
{
	while (w->n)
		rbuf_unref(w->f[--w->n].raw);
	free(w->f);
	buf_release(&w->path);
}

static int folder_push(struct tree_walk *w, const struct oid *id, struct rbuf *raw)
{
	if (w->n == w->cap) {
		size_t cap = w->cap * 2 + 8;
		void *p = realloc(w->f, cap * sizeof(*w->f));

		if (!p)
			return -ENOMEM;
		w->f = p;
		w->cap = cap;
	}
	w->f[w->n] = (struct folder){ *id, rbuf_ref(raw), raw->data, w->path.len, false };
	w->n++;
	return idset_put(&w->c->ids, id, WALKING);
}

/* Begin with the tree of the folder w->path. 1: it is damaged. */
static int folder_enter(struct tree_walk *w, const struct oid *id)
{
	static const struct oid none;	/* many trees of one folder are told at once */
	autorbuf struct rbuf *raw = NULL;
	const char *path = w->path.len ? w->path.data : "", *what;
	uint8_t state = idset_get(&w->c->ids, id);
	int r;

	if (state == WALKED)
		return 0;
	if (stopped(w->c))
		return -EINTR;
	r = state == WALKING ? -EBADMSG : obj_read_id(w->c->s, id, NULL, &raw);
	if (r == 0)
		return folder_push(w, id, raw);
	if (r != -EBADMSG && r != -ENOENT)
		return r;
	if (state != WALKING && tree_read(w->c->s, &w->root, path, strlen(path), id, &raw) == 0) {
		heal_note(w->c->s, id);
		r = note(w->c, path, &none, "folder: its tree is damaged; what it held is known from the catalogue");
		if (r < 0 || (r = folder_push(w, id, raw)) < 0)
			return r;
		w->f[w->n - 1].bad = true;
		return 1;
	}
	what = state == WALKING ? "folder: its tree holds itself" : r == -ENOENT ?
		"folder: its tree is missing" : "folder: its tree is damaged";
	r = note(w->c, path, id, what);
	return r < 0 ? r : 1;
}

/* One entry of the innermost tree. 1: it is damaged. */
static int folder_entry(struct tree_walk *w, const struct tree_entry *e)
{
	size_t len = w->f[w->n - 1].path_len;

	if (w->path.data)
		w->path.data[w->path.len = len] = 0;
	if ((len && buf_addch(&w->path, '/') < 0) || buf_add(&w->path, e->name, e->len) < 0)
		return -ENOMEM;
	return e->mode == 040000 ? folder_enter(w, &e->oid) : check_content(w->c, &e->oid,
		w->path.data);
}

/* Nothing more is in it. What is damaged is walked again from the next snapshot, to tell the
 * range. */
static int folder_leave(struct tree_walk *w)
{
	struct folder *f = &w->f[--w->n];
	bool again = f->bad && w->c->n_hurt < HURT_MAX;

	rbuf_unref(f->raw);
	if (w->n)
		w->f[w->n - 1].bad |= f->bad;
	return idset_put(&w->c->ids, &f->id, again ? SEEN : WALKED);
}

static int walk_tree(struct check *c, const struct oid *id)
{
	autoput(tree_walk_release) struct tree_walk w = { .c = c, .root = *id };
	int r = folder_enter(&w, id);

	while (r >= 0 && w.n) {
		struct folder *f = &w.f[w.n - 1];
		size_t at = w.n - 1;
		struct tree_entry e;

		r = tree_next(&f->p, f->raw->data + f->raw->len, &e);
		if (r == 1) {
			if ((r = folder_entry(&w, &e)) == 1)
				w.f[at].bad = true;
			continue;
		}
		if (r < 0) {
			if (w.path.data)
				w.path.data[w.path.len = f->path_len] = 0;
			f->bad = true;
			if ((r = note(c, w.path.len ? w.path.data : "", &f->id,
				"folder: its tree is damaged")) < 0)
				break;
		}
		r = folder_leave(&w);
	}
	return r < 0 ? r : 0;
}

static int check_snapshot(const struct store_snapshot *sn, void *arg)
{
	struct check *c = arg;
	uint8_t state = idset_get(&c->ids, &sn->id);
	int r = type_at(c, &sn->id);

	c->v->snapshots++;
	c->seq = sn->seq;
	if (r < 0)
		return r;
	if (r == 0)
		report(c, NULL, sn->seq, sn->seq, "snapshot: not in the catalogue's objects");
	else if (state != SEEN && state != WALKED)
		report(c, NULL, sn->seq, sn->seq, "snapshot: its record is %s",
			state == BAD ? "damaged" : "missing");
	return walk_tree(c, &sn->tree);
}

/* ---- the catalogue ---- */

/* What stands in the rows, in one number each; the stat data of the moment is not in the sums. */
static int sum_tables(struct catalogue *c, int64_t ret[8])
{
	static const char sql[] =
		"SELECT (SELECT count(*) FROM path), (SELECT total(sum) FROM path),"
		" (SELECT count(*) FROM version), (SELECT total(sum) FROM version), (SELECT "
		"count(*) FROM snapshot),"
		" (SELECT total(sum) FROM snapshot), (SELECT count(*) FROM mark), (SELECT "
		"total(sum) FROM mark)";
	sqlite3_stmt *st;
	int rc;

	if (sqlite3_prepare_v2(cat_db(c), sql, -1, &st, NULL) != SQLITE_OK)
		return err_from_sqlite(sqlite3_extended_errcode(cat_db(c)));
	rc = sqlite3_step(st);
	for (int i = 0; rc == SQLITE_ROW && i < 8; i++)
		ret[i] = sqlite3_column_int64(st, i);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0 : err_from_sqlite(rc);
}

/* Is it what the log makes of itself? */
static int check_catalogue(struct check *c)
{
	struct log_pos upto = cat_pos(c->s->cat), end = { 0, 0 };
	struct catalogue *again = NULL;
	int64_t have[8], want[8];
	uint64_t gen = 0, now = 0;	/* prune may be at work beside us */
	int r = sum_tables(c->s->cat, have);

	again_release(c->s);		/* the log alone says what it says */
	if (r == 0 && (r = cat_open(c->s, false, true, &again)) == 0 &&
		(r = cat_begin(again)) == 0) {
		r = log_catch_up(c->s, again, (struct log_pos){ 0, 0 }, &end);
		if (r == 0)
			r = cat_commit(again, end);
		if (r == 0 && (r = cat_gen(again, &now)) == 0)
			r = cat_gen(c->s->cat, &gen);
	}
	/* Where the log has lost snapshots, one that was made before knows more. */
	if (r == 0 && gen == now && end.seg == upto.seg && end.off == upto.off &&
		!cat_is_lossy(again) && (r = sum_tables(again, want)) == 0 &&
		memcmp(have, want, sizeof(have)) != 0 &&
		(r = cat_compare(c->s, c->s->cat, again)) == 1) {
		report_catalogue(c, "does not say what the log says");
		r = 0;
	} else if (r == -EBADMSG)
		report_catalogue(c, "damaged");
	cat_close(again);
	return r == -EBADMSG ? 0 : r;
}

static void check_end(struct check *c)
{
	uint64_t cut = seg_is_cut(c->s);

	if (cut)
		report(c, NULL, 0, 0, "log: its last %llu bytes, that were acknowledged, are gone, and the snapshots in them",
			(unsigned long long)cut);
	else if (c->s->was_longer && !c->s->write)	/* a writer has said so, and goes on with what is there */
		report(c, NULL, 0, 0, "log: shorter than the catalogue knew it, and log/acked is gone; so are the snapshots of its end");
}

static int check_dropped(struct check *c)
{
	autoput(dropped_release) struct dropped d = { 0 };
	int r = dropped_read(c->s, &d);

	if (r == -EBADMSG)
		report(c, NULL, 0, 0, "log/dropped: damaged; pruned snapshots may show again");
	return r == -EBADMSG ? 0 : r;
}

int store_verify(struct store *s, struct store_verify *v)
{
	struct check c = { .s = s, .v = v };
	int r;

	v->objects = v->snapshots = v->bytes = v->after = v->bad_off = 0;
	v->bad_seg = 0;
	obj_cache_clear(s);
	s->n_mended = 0;
	s->told_mended = true;	/* it is said here */
	r = check_log(&c);
	if (r == 0)
		r = check_tail(&c);
	if (r == 0)
		check_end(&c);
	if (r == 0)
		r = check_dropped(&c);
	if (r == 0)
		r = store_list(s, 0, check_snapshot, &c);
	if (r == 0 && v->all)
		r = check_catalogue(&c);
	if (s->n_mended && !v->all)
		report(&c, NULL, 0, 0, "flipped bits, put right in reading: " RECOVER " verify --all says where");
	report_hurt(&c);
	idset_release(&c.ids);
	return r < 0 ? r : c.found;
}
