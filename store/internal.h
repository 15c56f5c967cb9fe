/* store/internal.h - what the store's own files share. Nobody else includes it.
 *
 *	place		where a store is
 *	open		open, catch up, close
 *	segment		files of records: append, read, cut
 *	headers		a second copy of their headers
 *	record		one record's head: parse and build (docs/format.md)
 *	object		reading one object: frame, base chain
 *	mend		one flipped bit
 *	cache		objects and frames kept in memory
 *	encode		choosing and making the stored form of objects
 *	chunk		content-defined chunks of large files
 *	hash		git ids (hash.h)
 *	tree		git tree objects: parse, patch, splice
 *	names		the entries of one, for looking many up
 *	snapshot	the snapshot record and its manifest
 *	catalogue	the SQLite index: its file, its sums, the writing of its tables
 *	pagesum		a checksum on each page of its file
 *	catchup		following the log into a catalogue
 *	query		the questions of store.h: snapshots, marks, totals
 *	current		... the current state, rows as of a snapshot
 *	content		... what is in a snapshot, rows and trees together
 *	again		... its trees, where the log has lost them: which; again-folder: one of them
 *	changes		... what a snapshot changed
 *	versions	... one path through time
 *	blob		... the bytes of files
 *	put		objects and files on their way into a record
 *	txn, build	a transaction; the trees of its state
 *	reconcile	making rows say what a tree says, after damage
 *	heal		damage that was found, made good as far as it goes
 *	gitodb		libgit2's view
 *	idset		ids and what is known of each
 *	verify, compare	looking for damage
 *	retain		which snapshots stay, as a policy
 *	dropped		log/dropped: those that count no more
 *	fold		what happened in them, told of the next one that is kept
 *	live		which objects the kept ones want
 *	rewrite		one segment without the rest
 *	prune, pruned	all of that in order; a catalogue that was left behind
 *	tidy		segments written tighter
 *	room		quota, floor, reserve */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <sqlite3.h>
#include <zstd.h>

#include "../lib/auto.h"
#include "../lib/buf.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "store.h"

#define SEG_HEADER	64
#define SEG_SIZE_DEFAULT (64u << 20)
#define SEG_SIZE_MAX	(192u << 20)	/* offsets have 28 bits in a loc */
#define SEG_NO_END	(1u << 19)	/* their numbers are below: SQLite takes a loc for signed */
#define REWRITE_NAME	"rewrite"	/* log/: a segment in the making (rewrite.c) */
#define TIDY_NAME	"tidy"		/* log/: how the names of tidy's begin (tidy.c) */
#define RECORD_MARK	0xD7
#define SNAPSHOT_MIN	64	/* no snapshot's record is shorter */
#define HEAD_MAX	(4u << 20)	/* longest body we accept */
#define OBJECT_MAX	(64u << 20)	/* longest raw object we accept */
#define LARGE_MIN	(4u << 20)	/* files from here on are chunked */
#define SOLID_MAX	(256u << 10)	/* raw bytes in a solid frame: to read one of its objects half of them are decoded */
#define BATCH_BYTES	(1u << 20)	/* raw bytes in a record */
#define BATCH_OBJECTS	512
#define PATH_BYTES_MAX	(1u << 20)
#define DEPTH_MAX	32
#define CHAIN_BYTES	(8u << 20)	/* depth * raw size of a delta chain */

enum obj_type {
	OBJ_BLOB = 1, OBJ_TREE, OBJ_LARGE, OBJ_SNAPSHOT, OBJ_MANIFEST, OBJ_MARK, OBJ_DROPPED,
};

enum obj_enc { ENC_RAW, ENC_ZSTD, ENC_ZDELTA, ENC_SPLICE, ENC_ZIDS };

/* Where an object is: segment, offset of its record, index among its objects. 0 = nowhere. */
typedef uint64_t loc_t;

static inline loc_t loc_make(uint32_t seg, uint64_t off, uint32_t idx)
{
	return (uint64_t)seg << 44 | off << 16 | idx;
}
static inline uint32_t loc_seg(loc_t l) { return (uint32_t)(l >> 44); }
static inline uint64_t loc_off(loc_t l) { return (l >> 16) & 0xfffffff; }
static inline uint32_t loc_idx(loc_t l) { return l & 0xffff; }

static inline bool oid_eq(const struct oid *a, const struct oid *b)
{
	return !__builtin_memcmp(a->b, b->b, 20);
}
static inline bool oid_zero(const struct oid *a)
{
	static const struct oid z;

	return oid_eq(a, &z);
}

/* A raw object shared between a cache and its users. */
struct rbuf {
	unsigned refs;
	size_t len;
	uint8_t data[];
};
struct rbuf *rbuf_new(size_t len);
struct rbuf *rbuf_ref(struct rbuf *r);
void rbuf_unref(struct rbuf *r);
static inline void rbuf_put_(struct rbuf **r) { rbuf_unref(*r); }
#define autorbuf autoput(rbuf_put_)

/* ---- segment.c ----
 *
 * Segments are never merged, and their files never go: their number is that of all bytes that were ever stored, divided by
 * the size of one (64 MiB, or an eighth of the quota). 20 MB a day, which is much, are 120 in a year; with a quota of 16 MiB
 * 3,600. Measured, for each: 10 us to open the store, 3 us a snapshot, and a block of the disk for one that prune has
 * left empty (that is 14 of those 16 MiB, in that year; of 64 MiB, 4). To merge them is to say in a header which numbers are left
 * out, for every reader: not worth it below some thousands. */

struct segment {
	uint32_t no;		/* 0 = unused slot */
	int fd;			/* -1 = not open */
	bool mended;		/* its header had a flipped bit */
	bool copied;		/* its header is damaged: this one is from log/headers */
	bool unread;		/* some of it the disk cannot read */
	uint8_t salt[16];
	uint8_t header[SEG_HEADER];	/* as it should be */
};

/* A stretch of the log: what a reader may look at, where a writer goes on. */
struct log_pos {
	uint32_t seg;		/* 0 = before everything */
	uint64_t off;
};

void seg_name(uint32_t no, char out[16]);
/* 0, 0 if there is none. That one is missing in between is for verify to say. */
int seg_list(struct store *s, uint32_t *ret_first, uint32_t *ret_last);
int seg_count(struct store *s, uint32_t *ret);
/* The number to go on with after no, up to last: where seg_list found many more numbers than segments (a stray file),
 * that of the next one that is there. */
uint32_t seg_next(struct store *s, uint32_t no, uint32_t last);
/* Opened, header checked. */
int seg_get(struct store *s, uint32_t no, struct segment **ret);
int seg_get_as(struct store *s, uint32_t no, const char *name, struct segment **ret);	/* if it is not open */
/* Its records up to this offset are as tidy left them (0: none); said in a file that has no name yet. */
uint64_t seg_tidied(const struct segment *g);
int seg_set_tidied(struct segment *g, uint64_t upto);
int seg_size(struct store *s, uint32_t no, uint64_t *ret);
int seg_create(struct store *s, uint32_t no);
int seg_create_as(struct store *s, uint32_t no, const char *name); /* not yet under its own name; NULL: in memory */
/* s reads and writes this file as its segment from now on (prune), whatever has its name. */
int seg_replace(struct store *s, const struct segment *by);
void seg_forget(struct store *s, uint32_t no);		/* opened again by its name */
int seg_rename(struct store *s, const char *from, uint32_t no);	/* durable */
/* The salt cannot be had (-EBADMSG of seg_get), or it is not there. */
bool seg_is_lost(struct store *s, uint32_t no);
/* Nothing in it may be taken for a tear: not all of it could be read as it was written. A
 * segment that has a header at most holds nothing. */
bool seg_is_hurt(struct store *s, uint32_t no, uint64_t *ret_size);
bool seg_header_is(const uint8_t *h, uint32_t no);	/* a whole one, of this number */
/* As io_pread_full; sectors that cannot be read are -EBADMSG. */
ssize_t seg_read(struct segment *g, void *p, size_t n, uint64_t off);
/* All of it or -EBADMSG. */
int seg_pread(struct store *s, uint32_t no, void *p, size_t n, uint64_t off);
ssize_t seg_pread_some(struct store *s, uint32_t no, void *p, size_t n, uint64_t off);
int seg_append(struct store *s, const void *p, size_t n);	/* at s->end */
int seg_cut(struct store *s, struct log_pos to);	/* truncate, remove later segments, sync */
/* What was cut off and is kept in log/torn*: bytes on the disk; the oldest of them goes (-ENOENT: there is none). */
uint64_t seg_torn(struct store *s);
int seg_torn_drop(struct store *s);
void seg_forget_all(struct store *s);
/* How far the log was acknowledged, as log/acked says; 0 if it does not. Written after the
 * fdatasync, not synced itself: it may be older than the log, never newer. */
struct log_pos seg_acked(struct store *s);
/* So many bytes are missing that were acknowledged; 0: none that we know of. */
uint64_t seg_is_cut(struct store *s);
void seg_set_acked(struct store *s);	/* up to s->end */
uint32_t seg_seed(const struct segment *g, uint64_t off);

/* ---- headers.c ---- */

int headers_get(struct store *s, uint32_t no,
	uint8_t h[SEG_HEADER]); /* -ENOENT, -EBADMSG: none that is right */
int headers_put(struct store *s, uint32_t no, const uint8_t h[SEG_HEADER]);
int headers_fill(struct store *s);
bool headers_differ(struct store *s, uint32_t no);	/* both are right, and not the same */
void headers_mend(struct store *s);

/* ---- record.c ---- */

struct frame {
	uint8_t type, enc;
	bool solid;
	uint32_t stored;
	uint32_t crc;
	uint64_t dist;		/* 0 = no base */
	uint32_t bidx, depth;
	uint32_t first, n;	/* objects */
	uint64_t off;		/* of the stored bytes, in the segment */
};

struct head {
	unsigned refs;
	uint32_t seg;
	uint64_t off, end;	/* the record */
	bool mended;		/* a flipped bit in it was put right */
	uint32_t n_frames, n_objs;
	struct frame *frames;
	uint32_t *raw;		/* raw length of each object */
	const uint8_t *ids;	/* 20 bytes each */
	uint8_t *mem;		/* owns all of the above */
};

/* The head at a place. -EBADMSG if there is no whole, right one; one flipped bit is put right. Cached. */
int head_get(struct store *s, uint32_t seg, uint64_t off, struct head **ret);
/* The record that was just written there: the next one is made against it. */
void head_written(struct store *s, uint32_t seg, uint64_t off, const void *p, size_t n);
void head_unref(struct head *h);
static inline void head_put_(struct head **h) { head_unref(*h); }
#define autohead autoput(head_put_)
const struct frame *head_frame(const struct head *h, uint32_t idx);
static inline const uint8_t *head_id(const struct head *h, uint32_t idx)
{
	return h->ids + 20 * (size_t)idx;
}
/* Are the stored bytes of all frames right? */
int head_check_frames(struct store *s, const struct head *h);
/* The first valid head at or after off; -ENOENT at the end of the segment. */
int head_resync(struct store *s, uint32_t seg, uint64_t off, struct head **ret);
/* Serialise: body from frames/raw/ids, with mark, length and check. */
int head_build(const struct frame *f, uint32_t n_frames, const uint32_t *raw, const uint8_t *ids,
	uint32_t n_objs, uint32_t seed, struct buf *out);

/* ---- mend.c ---- */

/* The one bit of p that makes its crc32 differ by diff from the one that was written is put right. -EBADMSG: there is
 * none. More damage may look like one bit, in one of 2^32 / 8n cases: ask a hash too. */
int mend_bit(uint8_t *p, size_t n, uint32_t diff);
/* Was it tried in vain at this place? To be remembered. */
bool mend_is_beyond(const struct store *s, uint32_t seg, uint64_t off);
void mend_beyond(struct store *s, uint32_t seg, uint64_t off);

/* ---- object.c ---- */

/* Are these the bytes of the object of this id? 0, -EBADMSG. Of the list of a large blob that is
 * not known. */
int obj_check(const struct head *h, uint8_t type, const uint8_t *id, const uint8_t *p, size_t n);
/* Decode one object; one flipped bit is put right. ret_type / ret_id may be NULL. */
int obj_read(struct store *s, loc_t loc, uint8_t *ret_type, struct oid *ret_id, struct rbuf **ret);
/* Decode a frame's stored bytes; base is NULL when it has none; ids are the record's. */
int frame_decode(struct store *s, const struct frame *f, const uint32_t *raw, const uint8_t *ids,
	uint32_t n_ids, const uint8_t *stored, const struct rbuf *base, struct rbuf **ret);
/* Its stored bytes, checked: room for f->stored. */
int frame_stored(struct store *s, const struct head *h, const struct frame *f, uint8_t *ret);
/* -ENOENT; looks into the running transaction too */
int obj_find(struct store *s, const struct oid *id, loc_t *ret);
/* The same of an object that somebody said is there: where the catalogue does not know it, the
 * log is asked. */
int obj_must_find(struct store *s, const struct oid *id, loc_t *ret);
int obj_read_id(struct store *s, const struct oid *id, uint8_t *ret_type, struct rbuf **ret);
/* Is that an answer about the store, not about the machine at hand? */
static inline bool obj_is_lost(int r)
{
	return r == -EBADMSG || r == -ENOENT || r == -ENOTSUP;
}

/* ---- cache.c ---- */

struct obj_slot;
const struct obj_slot *obj_cache_get(
	struct store *s, loc_t loc); /* NULL: not in it; valid until the next put */
void obj_cache_put(struct store *s, loc_t loc, uint8_t type, const uint8_t *id,
	struct rbuf *r);                                /* refers to r */
void obj_cache_drop(struct store *s, loc_t loc);	/* nobody will ask for it soon */
void obj_cache_clear(struct store *s);			/* all caches: heads and frames too */
struct rbuf *solid_cache_get(
	struct store *s, const struct head *h, uint32_t frame); /* a reference, or NULL */
void solid_cache_put(struct store *s, const struct head *h, uint32_t frame, struct rbuf *r);
void solid_cache_trim(struct store *s, size_t max);		/* at most max bytes stay */

/* ---- encode.c ---- */

struct pend {			/* one object waiting for its record */
	uint8_t type;
	struct oid id;
	struct rbuf *raw;
	loc_t base;		/* 0 = none */
};

struct encoded {		/* the frames of one record */
	struct frame *frames;
	uint32_t n_frames;
	uint32_t *raw;
	uint8_t *ids;
	uint32_t *slot;		/* pend index -> object index */
	uint32_t n_objs;
	struct buf stored;
};
#define NEAR 4096u	/* a delta sees so much of its base on either side of what changed */
/* The part of a base that a zdelta is made against; p and s: what is the same at its start and
 * end, p + s <= len. */
static inline size_t delta_from(size_t p)
{
	return p > NEAR ? p - NEAR : 0;
}
static inline size_t delta_to(size_t len, size_t s)
{
	return len - (s > NEAR ? s - NEAR : 0);
}
/* Encodes, decodes again and compares. A frame that does not come back as it was is stored raw. */
int encode_batch(struct store *s, const struct pend *p, uint32_t n, uint64_t record_off,
	struct encoded *ret);
void encoded_release(struct encoded *e);
/* A base for new content of len bytes whose version before is at old, as the depth and segment
 * rules allow; 0 = none. */
loc_t encode_base(struct store *s, loc_t old, size_t len);

/* ---- chunk.c ---- */

#define CHUNK_MIN	(16u << 10)
#define CHUNK_AVG	(64u << 10)
#define CHUNK_MAX	(256u << 10)
/* Length of the next chunk of p; n is what there is, last: nothing follows. 0 = give me more. */
size_t chunk_next(const uint8_t *p, size_t n, bool last);

/* ---- tree.c ---- */

struct tree_edit {
	const char *name;
	size_t len;
	uint32_t mode;		/* 0 = remove */
	struct oid oid;
};
struct tree_entry {
	const uint8_t *raw;	/* "MODE NAME\0" + 20 */
	size_t raw_len;
	const char *name;
	size_t len;
	uint32_t mode;
	struct oid oid;
};
/* Next entry of a raw tree. 1, 0 at the end, -EBADMSG. */
int tree_next(const uint8_t **p, const uint8_t *end, struct tree_entry *ret);
/* -ENOENT */
int tree_find(const struct rbuf *tree, const char *name, size_t len, struct tree_entry *ret);
/* base (NULL = empty) with the edits applied, in any order; of several for one name one with a
 * mode wins. */
int tree_patch(const struct rbuf *base, struct tree_edit *e, size_t n, struct buf *out);
/* Splice operations that make new from base; ids: the record's. */
int tree_splice(const struct rbuf *base, const uint8_t *p, size_t n, const uint8_t *ids,
	uint32_t n_ids, struct buf *out);

/* ---- names.c ---- */

struct names {			/* the entries of a tree, sorted by plain name */
	struct rbuf *tree;
	struct tree_entry *e;
	size_t n;
};
/* Takes the tree (NULL: no names), also when it fails. Release it in any case. */
int names_load(struct names *x, struct rbuf *tree);
void names_release(struct names *x);
const struct tree_entry *names_find(const struct names *x, const char *name, size_t len);

/* ---- snapshot.c ---- */

struct change {			/* one entry of a manifest */
	const char *path;
	struct store_entry e;
};
struct snap_manifest { uint32_t seg; uint64_t off; uint32_t idx; };
struct snap {			/* a decoded snapshot record, without its entries */
	struct store_snapshot info;
	struct oid parent;
	bool has_parent;
	struct snap_manifest *manifest;
	uint32_t n_manifest;
	size_t entries_at;	/* offset of the inline entries in the raw bytes */
	uint64_t n_entries;
};
int snap_build(const struct store_snapshot *info, const struct oid *parent,
	const struct snap_manifest *m, uint32_t n_m, uint32_t rec_seg, uint64_t rec_off,
		const struct change *c, size_t n, struct buf *out);
int snap_parse(const uint8_t *p, size_t n, uint32_t rec_seg, uint64_t rec_off, struct snap *ret);
void snap_release(struct snap *sn);
int snap_commit_text(const struct store_snapshot *info, const struct oid *parent, struct buf *out);
int snap_add_entry(struct buf *b, const char *path, const char *prev, const struct store_entry *e,
	int64_t time_ns);
/* Names from a store are hostile (DESIGN.md section 12). Not in_tree: gone or skipped, may end
 * in ".git". */
bool snap_path_ok(const char *p, bool in_tree);
typedef int (*snap_entry_fn)(const char *path, const struct store_entry *e, void *arg);
/* Entries of one object. count: exactly so many, or ~0 = until its end. */
int snap_entries(const uint8_t *p, size_t n, uint64_t count, int64_t time_ns, snap_entry_fn fn,
	void *arg);
/* All entries of a snapshot read at loc, manifest objects included. */
int snap_each(struct store *s, loc_t loc, snap_entry_fn fn, void *arg);
/* The snapshot at loc. raw may be NULL. */
int snap_read(struct store *s, loc_t loc, struct snap *ret, struct rbuf **ret_raw);

/* ---- catalogue.c ---- */

struct catalogue;
struct new_object { struct oid id; loc_t loc; };

/* Opens, or says why not: -ENOENT missing, -EBADMSG damaged or of another store or schema,
 * -EROFS, ... memory: a new one that is in memory only. */
int cat_open(struct store *s, bool write, bool memory, struct catalogue **ret);
void cat_close(struct catalogue *c);
struct log_pos cat_pos(struct catalogue *c);
/* One transaction: objects, changes, then their snapshot, then the position. All or nothing.
 * Begin may be said again. */
int cat_begin(struct catalogue *c);
int cat_commit(struct catalogue *c, struct log_pos pos);
void cat_rewind(struct catalogue *c, struct log_pos pos); /* the log is followed again from there */
void cat_rollback(struct catalogue *c);
/* Sorts o. */
int cat_add_objects(struct store *s, struct catalogue *c, struct new_object *o, size_t n);
/* All that a segment had, at other places of it now. Sorts o. */
int cat_move_objects(struct store *s, struct catalogue *c, struct new_object *o, size_t n);
int cat_add_snapshot(struct catalogue *c, const struct snap *sn, loc_t loc, uint64_t changed,
	uint64_t added);
int cat_add_change(struct catalogue *c, uint64_t seq, const char *path,
	const struct store_entry *e);
int cat_touch(
	struct catalogue *c, const char *path, int64_t ctime_ns, uint64_t ino, int64_t seen_ns);
int cat_set_mark(struct catalogue *c, const char *name, uint64_t seq);
/* -ENOENT: it knows no such object; -ESTALE: it knows a place, and something else is there. A
 * place that cannot be read is given: the caller must see the damage, not miss the object. */
int cat_find(struct store *s, struct catalogue *c, const struct oid *id, loc_t *ret);
/* Every object whose id starts with these bits: loc of each. */
int cat_find_prefix(struct catalogue *c, uint64_t lo, uint64_t hi, int (*fn)(loc_t loc, void *arg),
	void *arg);
/* A snapshot record of the log is damaged or not there. rows_wrong: what it changed is not in
 * the rows yet; the next snapshot's tree says what there is (log_reconcile). */
void cat_set_lossy(struct catalogue *c, bool rows_wrong);
bool cat_rows_wrong(const struct catalogue *c);
bool cat_rows_later(const struct catalogue *c);
void cat_rows_right(struct catalogue *c, bool later);
/* Numbers of snapshots are given once: the next is greater than all in rows, marks and records
 * met. */
uint64_t cat_next_seq(const struct catalogue *c);
void cat_met_seq(struct catalogue *c, uint64_t seq);
/* At most so many may have been given and lost */
void cat_lost_seqs(struct catalogue *c, uint64_t n);
int cat_newest_id(struct catalogue *c, struct oid *ret);
/* The newest snapshot, if this process wrote it; -ENOENT: ask (store_newest). The writer says
 * when it is in. */
int cat_newest(struct catalogue *c, struct store_snapshot *ret);
void cat_set_newest(struct catalogue *c, const struct store_snapshot *sn);
/* Why the last call on it failed; damage is said, and the next writer makes a new one. */
int cat_failed(struct catalogue *c);
bool cat_is_bad(const struct catalogue *c);
/* The open file is still the store's */
bool cat_is_there(struct store *s, const struct catalogue *c);
/* A reader that stays keeps the WAL from being emptied: it has grown beyond the file. */
bool cat_is_held(struct catalogue *c);
/* In no transaction: what is in the WAL goes to its place, and its room comes back. 1: readers keep more there than
 * a copy of the file is worth. */
int cat_empty_wal(struct catalogue *c);
int cat_is_sparse(struct catalogue *c);	/* 1: a fifth of it or more stands empty */
/* All of it into a new file of the store's folder; in no transaction. If it fails it is not held
 * until the WAL is twice as long. */
int cat_copy(struct store *s, struct catalogue *c, const char *name);
int cat_savepoint(struct catalogue *c);
int cat_release(struct catalogue *c, bool keep);	/* or back to the savepoint */
bool cat_is_lossy(const struct catalogue *c);
bool cat_is_empty(struct catalogue *c);
int cat_refresh(struct store *s, struct catalogue *c);	/* a reader: what has come since */
sqlite3 *cat_db(struct catalogue *c);
/* Prepared once, reset on use. */
sqlite3_stmt *cat_stmt(struct catalogue *c, int which, const char *sql);
int64_t cat_sum_entry(int64_t owner, const char *name, size_t len, const struct store_entry *e);
int64_t cat_sum_snapshot(const struct store_snapshot *sn, loc_t loc);
int64_t cat_sum_mark(const char *name, uint64_t seq);
/* So many of the first n bytes are equal. */
size_t path_shared(const char *a, const char *b, size_t n);
/* -ENOENT. */
int cat_path_id(struct catalogue *c, const char *path, size_t len, int64_t *ret);

/* compare.c: 0 if both say the same of snapshots, marks and paths, 1 if not */
int cat_compare(struct store *s, struct catalogue *a, struct catalogue *b);

/* catalogue-dropped.c: what prune leaves behind */
struct dropped_at { uint64_t seq; loc_t loc; };
int cat_note_segments(
	struct catalogue *c, struct log_pos pos); /* those up to pos; with each commit */
int cat_set_segment(struct catalogue *c, uint32_t no);		/* what it is now */
/* Those that can be opened; same: it is the one the places speak of. */
int cat_each_segment(struct catalogue *c, int (*fn)(uint32_t no, bool same, void *arg), void *arg);
int cat_gen(struct catalogue *c, uint64_t *ret);
int cat_set_gen(struct catalogue *c, uint64_t gen);
int cat_forget_segment(struct catalogue *c, uint32_t no);	/* all places in it */
int cat_forget_rest(struct catalogue *c, uint32_t no);		/* ... but those that cat_move_objects changes */
int cat_add_dropped(struct catalogue *c, uint64_t seq, loc_t loc, const struct oid *id);
int cat_drop_snapshot(struct catalogue *c, uint64_t seq);	/* it becomes a dropped one */
/* By seq; both ends excluded. *ret is malloced. */
int cat_dropped_between(struct catalogue *c, uint64_t after, uint64_t before,
	struct dropped_at **ret, size_t *ret_n);
bool cat_is_dropped(struct catalogue *c, const struct oid *id);
int cat_last_seq(struct catalogue *c, uint64_t *ret);		/* of the kept; 0 = none */
int cat_move_snapshot(struct catalogue *c, uint64_t seq, loc_t loc); /* its record is there now */
int cat_drop_versions(struct catalogue *c, int64_t path, uint64_t after, uint64_t upto);
int cat_put_version(struct catalogue *c, int64_t path, const struct store_entry *e);
int cat_set_path(struct catalogue *c, const char *path,
	const struct store_entry *e); /* as it is, no version kept */
int cat_remove_path(struct catalogue *c, const char *path, int64_t id);

enum {	/* slots of cat_stmt */
	CS_BEGIN, CS_COMMIT, CS_ROLLBACK, CS_FIND, CS_COLLIDE, CS_OBJ, CS_OBJ2, CS_OBJ_INS, CS_OBJ_MOVE,
	CS_OBJ_MOVE1,
	CS_RECENT, CS_RECENT_UPD, CS_COLLIDE_INS, CS_SNAP, CS_PATH_GET, CS_PATH_INS,
	CS_PATH_UPD, CS_VER_INS, CS_TOUCH, CS_META_GET, CS_META_SET, CS_MARK_SET, CS_MARK_DEL,
	CS_RANGE, CS_CHILDREN, CS_VERSION_AT, CS_PATH_ROW, CS_ROW, CS_LIST, CS_MAX_
};

/* ---- pagesum.c ---- */

/* The VFS that the catalogue's file is opened through. */
int pagesum_init(const char **ret_vfs);
/* A database that was just opened: if it is a new one, its pages get room for their sums. */
int pagesum_new(sqlite3 *db);

/* ---- query.c: what every question needs; snapshots, marks ---- */

#define CATALOGUE_BAD "catalogue.bad"	/* a file: the next writer makes the catalogue again */
#define CATALOGUE_COPY "catalogue.new"	/* a copy in the making */

/* A row of the catalogue is wrong: said once, -EBADMSG. */
int query_damaged(struct store *s);
/* The error of an SQLite result; damage that SQLite sees is told like our own. */
int query_failed(struct store *s, int rc);
/* A statement, prepared once for the life of the catalogue. While one is being stepped, who asks
 * the same question (a walk's callback may) gets another. After it exactly one query_done, which
 * gives r, or if that is 0 the failure that the last step's rc is: rows that cannot be read are
 * never the end of them. */
int query_stmt(struct store *s, const char *sql, sqlite3_stmt **ret);
int query_done(struct store *s, sqlite3_stmt *st, int r, int rc);
/* One snapshot; what: a WHERE ... ORDER BY with one integer. -ENOENT. ret_loc may be NULL. */
int query_snapshot(struct store *s, const char *what, int64_t v, struct store_snapshot *ret,
	loc_t *ret_loc);

/* ---- current.c: rows ---- */

static inline bool entry_has_oid(const struct store_entry *e)
{
	return e->kind == KIND_FILE || e->kind == KIND_LINK;
}
struct child {			/* one name in a folder */
	size_t name;		/* offset in names */
	int64_t id;		/* of the path; 0 = the catalogue does not know it */
	struct store_entry e;
};
struct rows {
	struct child *r;
	size_t n, cap;
	struct buf names;
};
void rows_release(struct rows *x);
struct child *rows_add(struct rows *x, const char *name, size_t len);	/* NULL: no memory */
static inline const char *rows_name(const struct rows *x, const struct child *r)
{
	return x->names.data + r->name;
}
/* What is in a folder as of seq (~0 = now), by name in byte order; what went too when all. x is
 * empty before; release it. */
int query_rows(struct store *s, int64_t dir_id, uint64_t seq, bool all, struct rows *x);
/* The same one by one. */
typedef int (*query_child_fn)(const char *name, size_t len, int64_t id,
	const struct store_entry *e, void *arg);
int query_children(struct store *s, int64_t dir_id, uint64_t seq, bool all, query_child_fn fn,
	void *arg);
/* Every path below dir as it is now, by its whole path, folders before what is in them; fn may
 * change the rows. */
int query_below(struct store *s, const char *dir, store_entry_fn fn, void *arg);
/* The row of one path now: id and entry. -ENOENT: it never was. */
int query_path_row(struct store *s, const char *path, int64_t *ret_id, struct store_entry *e);
/* The same as of seq. -ENOENT also when it was deleted. */
int query_path_at(struct store *s, uint64_t seq, const char *path, int64_t *ret_id,
	struct store_entry *e);
#define VERSION_COLUMNS "seq, kind, mode, size, mtime, flags, why, sum"
/* The entry that a statement over VERSION_COLUMNS stands on; its sum is checked. */
int query_row_version(struct store *s, int64_t id, sqlite3_stmt *st, struct store_entry *e);

/* ---- content.c: rows and trees together ---- */

/* The tree object of a folder in a tree. -ENOENT: no stored file below it. */
int query_tree_at(struct store *s, const struct oid *root, const char *dir, struct rbuf **ret);
/* The id of a stored path in a tree. */
int query_oid_at(struct store *s, const struct oid *root, const char *path, struct oid *ret);

/* ---- again.c: trees that the log has lost, made again from the rows ---- */

/* The tree of a folder (len bytes of dir; 0 = the workspace) of a snapshot whose tree is root; id is what the way there
 * says. Where it cannot be read it is made again and kept in memory (not in a transaction); what a name held that nobody
 * knows any more has the id 0, which nobody can read (-EBADMSG). If not even its names are known: the error of reading it. */
int tree_read(struct store *s, const struct oid *root, const char *dir, size_t len,
	const struct oid *id, struct rbuf **ret);
/* A tree whose place nobody says: the first time all of all snapshots are looked at. -EBADMSG: it cannot be had whole. */
int again_find(struct store *s, const struct oid *id, struct rbuf **ret);
/* One that was made, all of it; NULL. Not yours. */
struct rbuf *again_get(const struct store *s, const uint8_t *id);
void again_release(struct store *s);

/* ---- changes.c ---- */

/* What a snapshot changed, without the ids: a damaged tree does not matter. */
int changed_paths(struct store *s, uint64_t seq, store_entry_fn fn, void *arg);
/* Looking up many paths of one tree: the way to the folder before is kept, so that sorted paths
 * cost what differs between them. Set s and root, leave the rest zero; release it. */
struct trail_step;
struct trail {
	struct store *s;
	struct oid root;
	struct trail_step *step;
	size_t n, cap;
	struct buf dir;
};
int trail_find(struct trail *t, const char *path, struct oid *ret);	/* -ENOENT */
void trail_release(struct trail *t);

/* ---- blob.c ---- */

/* Where an object that somebody said is there is, and the head of its record. -ENOENT: the log has
 * none; -EBADMSG: it is damaged. */
int obj_head(struct store *s, const struct oid *id, loc_t *ret_loc, struct head **ret);
/* For store_stream_blob: arg is a struct buf. */
int query_add_piece(const void *p, size_t n, void *arg);

/* ---- catchup.c ---- */

uint64_t log_bytes_between(struct store *s, struct log_pos from, struct log_pos to);
/* Whole transactions after from: feed them into c (NULL: only look). *ret_end = the end of what
 * was acknowledged. Damage is left out, said, and makes c lossy. */
int log_catch_up(struct store *s, struct catalogue *c, struct log_pos from,
	struct log_pos *ret_end);

/* An object by asking the log from end to end, the first time; -ENOENT. */
int log_find(struct store *s, const struct oid *id, loc_t *ret);
/* The head of every record that is right, from the log's start to its end. */
int log_each_head(struct store *s, int (*fn)(struct store *s, const struct head *h, void *arg), void *arg);
void log_forget_found(struct store *s);

/* ---- dropped.c ---- */

struct dropped {
	uint64_t gen;		/* grows with each prune; 0: there was none */
	uint64_t *seq;		/* ascending */
	size_t n;
};
void dropped_release(struct dropped *d);
int dropped_read(struct store *s, struct dropped *ret);		/* -EBADMSG: damaged */
int dropped_write(struct store *s, const struct dropped *d);	/* durable */
bool dropped_has(const struct dropped *d, uint64_t seq);

/* ---- pruned.c ---- */

/* 1: the catalogue speaks of a log that is no more: another generation, or other segments. */
int log_was_pruned(struct store *s, struct catalogue *c);
/* A writer, in a transaction of c: bring it to the log as it is. What must be read again is
 * followed by log_catch_up, for which the position is set back. -EBADMSG: make a new one. */
int log_follow_prune(struct store *s, struct catalogue *c);
/* 1: since the segments were opened and the generation was this, something was replaced. */
int log_changed_since(struct store *s, uint64_t gen);

/* ---- fold.c ---- */

struct fold_entry { size_t path; uint32_t order; struct store_entry e; };
struct fold { /* the last word on each path of several manifests; all zero is empty */
	struct buf paths;
	struct fold_entry *x;
	size_t n, cap;
	uint32_t order;
};
static inline const char *fold_path(const struct fold *f, const struct fold_entry *x)
{
	return f->paths.data + x->path;
}
void fold_release(struct fold *f);
int fold_add(struct fold *f, struct store *s,
	loc_t loc); /* the manifest of a snapshot, in their order */
int fold_sort(struct fold *f);					/* by path, one each */
/* Of a snapshot that follows dropped ones after the kept snapshot `after` (0 = none), all of it;
 * *ret_n of them are there. n 0: there are none, f stays empty. */
int fold_run(struct store *s, struct catalogue *c, uint64_t after, uint64_t seq, loc_t loc,
	struct fold *f, size_t *ret_n);
/* The rows of c learn that these count no more. */
int fold_into_rows(struct store *s, struct catalogue *c, const struct dropped *d);
/* The same where it knows those before seq (n of them, the last one stays) already; after: the one that stays before them. */
int fold_these(struct store *s, struct catalogue *c, const struct dropped *d, const uint64_t *seq, size_t n, uint64_t after);

/* ---- reconcile.c ---- */

/* Make the rows of c say what sn's tree says. Trees that cannot be read leave theirs as they are
 * (cat_rows_later). */
int log_reconcile(struct store *s, struct catalogue *c, const struct store_snapshot *sn);

/* ---- txn.c, build.c, put.c ---- */

struct known {			/* an object of the running transaction */
	struct oid id;
	loc_t loc;		/* 0 = still pending */
	uint32_t pend;		/* index while pending */
	uint8_t type;
};

struct txn_change {
	size_t path;		/* offset in paths */
	uint32_t order;
	bool noop;		/* equals the current entry: only its stat data is new */
	bool known;		/* the current state has it */
	struct store_entry e;
};

struct store_txn {
	struct store *s;
	struct log_pos start;
	struct pend *pend;
	uint32_t n_pend;
	size_t pend_bytes;
	struct known *known;
	size_t n_known, cap_known;
	uint32_t *hash;		/* open addressing: index into known + 1 */
	size_t hash_size;
	struct txn_change *change;
	size_t n_change, cap_change;
	struct buf paths;
	struct buf io;		/* scratch for large files */
	bool healed;		/* what the state had already was damaged, and is stored again */
};

/* Store an object unless it is there already (confirmed by bytes). Takes a reference of its own.
 * base: the version before, 0 = none. */
int put_object(struct store_txn *t, uint8_t type, const struct oid *id, struct rbuf *raw,
	loc_t base);
int put_flush(struct store_txn *t);		/* pending objects become a record */
/* Roll to a new segment if the current one is full */
int put_ready(struct store_txn *t);
/* The tree of the state after the changes c (sorted by path), from the one before (NULL: none).
 * A tree that cannot be read is made again from the rows. -ESTALE: the changes have grown, sort
 * them again. */
int build_tree(struct store_txn *t, const struct change *c, size_t n, const struct oid *old,
	struct oid *ret);
int txn_add_change(struct store_txn *t, const char *path, const struct store_entry *e,
	const struct store_entry *was);
/* Read a regular file into the store. ret: oid, size, times, mode, flags. -ESTALE if it never
 * stood still. */
int put_file(struct store_txn *t, int fd, const struct store_entry *was, struct store_entry *ret);
int put_bytes(struct store_txn *t, const void *p, size_t n, const struct store_entry *was,
	struct oid *ret);
/* What is suspicious about new content: ENTRY_EMPTIED, ENTRY_NULLED. */
uint32_t put_suspect(const uint8_t *p, size_t n, const struct store_entry *was);
/* Where the content of the entry before is, if it is an object of this type; 0 = nowhere. */
loc_t put_old(struct store_txn *t, const struct store_entry *was, uint8_t type);

/* ---- heal.c ---- */

/* Somebody cannot read an object: the next transaction is to know. */
void heal_note(struct store *s, const struct oid *id);
/* The writer's log/ is another folder now, or none: open what is there, or make it. */
int log_reopen(struct store *s);
/* What is in log/ now is right. */
void log_seen(struct store *s);
/* 1: what is written goes to where it will be found; 0: log/ or its last segment was taken away. */
int log_present(struct store *s);
/* In a transaction that begins: what was noted, and what is in segments that are gone. Sets
 * s->heal if a snapshot must be made although nothing may have changed. */
int heal_begin(struct store *s);
void heal_done(struct store *s);	/* that snapshot is made */

/* ---- idset.c ---- */

struct idset {			/* all zero is empty */
	struct oid *id;
	uint8_t *state;		/* 0 free */
	size_t n, size;
};
int idset_put(struct idset *x, const struct oid *id, uint8_t state);
uint8_t idset_get(const struct idset *x, const struct oid *id);	/* 0: not in it */
void idset_release(struct idset *x);

/* ---- the handle ---- */

#define HEAD_CACHE 48
#define SOLID_CACHE 6
#define BEYOND_CACHE 64
#define OBJ_CACHE 1024
#define OBJ_CACHE_BYTES (4u << 20)

struct solid_slot { uint32_t seg; uint64_t off; uint32_t frame; uint64_t used; struct rbuf *r; };
struct obj_slot {
	loc_t loc;
	struct rbuf *r;
	uint16_t newer, older, next;	/* slots; 0 = none. next: in the bucket, or unused */
	uint8_t type;
	struct oid id;
};
struct obj_cache {			/* all zero is empty */
	struct obj_slot slot[OBJ_CACHE + 1];	/* from 1 */
	uint16_t bucket[OBJ_CACHE];
	uint16_t n, unused, newest, oldest;	/* n slots were ever used */
	size_t bytes;
};

struct way_step { size_t end; struct oid id; };
struct way {			/* from a tree to a folder in it: the one that was gone last */
	struct oid root;
	struct buf dir;
	struct way_step *step;
	size_t n, cap;
};
void way_release(struct way *w);	/* content.c */

struct store {
	char *dir;
	char *workspace;
	int dirfd, logfd, lockfd;
	int ackfd;			/* writer: log/acked */
	bool write;
	/* the current state has lost its stat data, or more (store_forgot) */
	bool forgot;
	/* an object could not be read: build_tree looks at all trees once */
	bool hurt;
	/* a row's sum was wrong: the writer makes a new catalogue */
	bool cat_damaged;
	bool was_longer;		/* the catalogue knew a longer log than the one that was found */
	bool heal;			/* this transaction makes damage good (heal_begin) */
	bool unnoted;			/* what cannot be read needs no note (heal_note) */
	bool strict;			/* is_strict */
	bool told_mended;		/* said once */
	uint64_t n_mended;		/* frames that were read so */
	bool mended_cached;		/* the caches hold some of them */
	struct again *again;		/* those that were; NULL: none */
	bool again_all;			/* they are all that can be */
	enum {
		GAP_NONE,
		GAP_OLD,
		GAP_NEW
	} gap;                          /* a segment may be missed; it went while we looked */
	struct oid noted;		/* the last one */
	uint64_t note_size;		/* so much of the notes was read */
	bool log_known;			/* log/ as it was when it was right: */
	int64_t log_ns;			/* its mtime */
	uint32_t n_log;			/* segments in it */
	bool sparse;			/* of their numbers most are missing (seg_next) */
	int broken;			/* writer: look at the log's tail again before going on */
	int limited; /* not 0: room bytes more may be appended, then this (store_limit) */
	uint64_t room;
	bool own_segment_size;		/* nobody has asked for another */
	int wal_max;			/* pages that readers may keep in the catalogue's WAL, by the quota; 0 = as many as ever */
	bool gave_reserve;		/* up, and it is to be made again as soon as it fits */
	struct store_options opt;
	uint8_t id[16];
	bool have_id;

	struct segment *segs;
	uint32_t n_segs;
	struct log_pos end;		/* writer: where the next record goes */

	struct catalogue *cat;
	struct store_txn *txn;		/* the running one */

	ZSTD_CCtx *cctx;
	int cctx_level;
	bool tight;			/* what is encoded is to be as small as can be, whatever it costs */
	ZSTD_DCtx *dctx;
	struct head *heads[HEAD_CACHE];
	loc_t head_at[HEAD_CACHE];
	uint64_t head_used[HEAD_CACHE];
	struct solid_slot solid[SOLID_CACHE];
	uint64_t beyond[BEYOND_CACHE];	/* places of heads and frames with more damage than one bit */
	uint32_t next_beyond;
	loc_t touched[SOLID_CACHE];	/* frames read in part, once */
	uint32_t next_touched;
	struct obj_cache objs;
	uint64_t tick;

	struct way way;

	struct found_loc *found;	/* log_find: every object of the log */
	size_t n_found;
	bool have_found;

	git_repository *repo;
	git_odb *odb;
};

/* What is not as it was written is damaged: nothing is put right, or made again. So it is in a transaction, for what is
 * new is to stand on what is right on the disk. */
static inline bool is_strict(const struct store *s)
{
	return s->strict || s->txn;
}

/* txn.c. 1: found, *ret says where; 2: not written yet, *ret is its type and *ret_pending its
 * bytes; 0: not of this transaction. */
int txn_find(struct store_txn *t, const struct oid *id, loc_t *ret, struct rbuf **ret_pending);
int store_writer_ready(struct store *s);	/* open.c */
/* In no transaction (-EBUSY), with a catalogue that is there: made ready again where it is not. */
int store_can_write(struct store *s);
/* The writer goes on in a copy of the catalogue, and the old file ends with its last reader. */
int store_leave_readers(struct store *s);
/* The same where they make the WAL grow; in no transaction. */
int store_shed_readers(struct store *s);

#endif
