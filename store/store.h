/* store/store.h - where one workspace's snapshots live.
 *
 * A store is a folder: log/ holds the append-only segments (docs/format.md),
 * which are the truth; catalogue.db is an SQLite index of them that may be deleted at any
 * time; lock is the writer's OFD lock; workspace names the folder it keeps.
 *
 * Readers (STORE_READ) take no lock and write nothing but, where they can get the writer's
 * lock for a moment, a missing catalogue, and where they met damage a note of it for the writer,
 * whose next snapshot makes good what is still in the workspace; they work beside the writer, on a
 * read-only medium and on a full disk. There is one writer (STORE_WRITE) at a time: a second
 * open says -EBUSY, and store_writer() tells who.
 *
 * A snapshot is made in a transaction: begin, any number of txn calls, then exactly
 * one of commit or abort. It is acknowledged when commit returns 1: from then on it
 * survives kill -9 and power loss. Until then nothing of it is visible.
 *
 * Paths are relative to the workspace: no leading or trailing '/', no empty, "." or ".."
 * component, no ".git" component in any case; any other bytes but NUL. "" is
 * the workspace itself. Times are CLOCK_REALTIME ns. One thread per handle.
 *
 * Errors: negative errno in lib/err.h's vocabulary. Objects that fail their checksum give -EBADMSG,
 * never wrong bytes. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/stat.h>
#include <git2.h>

#include "../lib/buf.h"

struct store;
struct store_txn;

struct oid {
	uint8_t b[20];
};

/* ---- where ---------------------------------------------------------- */

/* The folder of workspace's store: override if not NULL, else HOLDFAST_STORE, else
 * parent/<name>-<id> where parent NULL means $XDG_DATA_HOME/holdfast (~/.local/share/holdfast),
 * name is the last component of the canonical path and id 12 hex digits of the
 * SHA-1 of it. workspace must be canonical and absolute (store_canonical), but need not exist. */
int store_place(const char *workspace, const char *override, const char *parent, struct buf *ret);

/* Is the store in dir the one of this workspace (a canonical path)? 1: yes, by path or as the
 * same folder, or it does not say or there is none yet; 0: it keeps another, *ret is that
 * folder's path; negative. Reads one small file. */
int store_keeps(const char *dir, const char *workspace, struct buf *ret);

/* Does the folder look like a store: has it a log of ours, or does it name the workspace that it keeps? A folder named log
 * alone is none: a workspace may have one. */
bool store_is(int dirfd);

/* realpath(3) that also works when the last components are gone. */
int store_canonical(const char *workspace, struct buf *ret);

/* ---- open ----------------------------------------------------------- */

enum store_mode { STORE_READ, STORE_WRITE };

struct store_options {
	int level;			/* zstd level for new objects; 0 = 3 */
	uint64_t segment_size;		/* roll after so many bytes; 0 = 64 MiB, or an eighth of the quota that store_room
					 * was told (tests shrink it) */
	const char *workspace;		/* STORE_WRITE on a new folder: what it keeps; or NULL */
	bool no_sync;			/* skip fdatasync: for a store that is synced as a whole, or can be had again */
};

/* STORE_WRITE creates the folder (0700) and its parents if missing, cuts a torn tail, brings the
 * catalogue up to date. -ENOENT: no store there (STORE_READ). -EBUSY: another writer.
 * -ENOTSUP: a newer format. */
int store_open(const char *dir, enum store_mode mode, const struct store_options *opt,
	struct store **ret);
void store_close(struct store *s);		/* NULL is fine; releases the lock */

const char *store_dir(const struct store *s);
int store_dirfd(const struct store *s);
/* The canonical path it was made for; "" if unknown. */
const char *store_workspace(const struct store *s);
/* Parts of its log are gone, and snapshots with them: store_verify says which. */
bool store_is_lossy(struct store *s);
/* The catalogue was found damaged: whoever opens the store next makes it again. */
bool store_index_damaged(const struct store *s);
/* A reader's view is fixed at open; this looks again. 1 = there is something new. */
int store_refresh(struct store *s);

/* In a store that a repair makes, and has made, as long as it has not taken the old one's place. */
#define STORE_MADE "repaired"

/* The writer's lock alone, for who puts another folder in this one's place: nothing of the store is opened or changed. A
 * descriptor to close; errors as of store_open. */
int store_hold(const char *dir);

/* Who holds the writer's lock of the store in dir: 1 and its pid (0: it did not say;
 * ret_pid may be NULL), 0 nobody. */
int store_writer(const char *dir, pid_t *ret_pid);

/* ---- snapshots ------------------------------------------------------- */

enum store_reason {
	REASON_INTERVAL = 1, REASON_LAUNCH, REASON_RISK, REASON_EXIT, REASON_MANUAL,
	REASON_RESTORE, REASON_START, REASON_STOP, REASON_IMPORT,
	REASON_MAX_
};
const char *store_reason_name(enum store_reason r);		/* "interval", ... */
int store_reason_parse(const char *name);			/* the reason or -EINVAL */

enum {	/* entry flags; a snapshot's flags are the union of its entries' */
	ENTRY_UNSTABLE = 1,	/* it changed while it was read */
	ENTRY_EMPTIED = 2,	/* had bytes in the snapshot before, now has none */
	ENTRY_NULLED = 4,	/* became all NUL bytes (or its second half or more did) */
	ENTRY_SPARSE = 8,	/* had holes */
	ENTRY_KEPT = 16,	/* could not be read: the entry before stands, `why` says why */
	/* had an access control list, which is not stored: mode's group bits are its mask, what
	 * others than the owning group may have had */
	ENTRY_ACL = 32,
};

struct store_snapshot {
	uint64_t seq;			/* 1, 2, 3, ... never reused */
	struct oid id;			/* the commit */
	struct oid tree;
	int64_t time_ns;
	enum store_reason reason;
	uint32_t flags;			/* ENTRY_* union */
	uint64_t changed;		/* entries in its manifest */
	uint64_t added_bytes;		/* bytes it appended to the log */
	char *message;			/* never NULL; a callback's is valid until it returns */
};
void store_snapshot_release(struct store_snapshot *sn);

/* Return 0 to go on, 1 to stop (the walk then returns 1), negative to fail (likewise). */
typedef int (*store_snapshot_fn)(const struct store_snapshot *sn, void *arg);

/* Newest first, starting below before_seq (0 = the newest). */
int store_list(struct store *s, uint64_t before_seq, store_snapshot_fn fn, void *arg);
uint64_t store_count(struct store *s);
/* Each fills *ret (release it) or says -ENOENT. */
int store_newest(struct store *s, struct store_snapshot *ret);
/* Exactly this one. */
int store_by_seq(struct store *s, uint64_t seq, struct store_snapshot *ret);
/* The newest below seq. */
int store_before(struct store *s, uint64_t seq, struct store_snapshot *ret);
/* The n-th below seq, 0 being seq itself. */
int store_back(struct store *s, uint64_t seq, uint64_t n, struct store_snapshot *ret);
/* The newest not after. What was imported counts where its time is later than that of the
 * others. */
int store_at_time(struct store *s, int64_t time_ns, struct store_snapshot *ret);
/* hex: 4..40 digits of a commit id. -ENOTUNIQ if several match. */
int store_by_prefix(struct store *s, const char *hex, struct store_snapshot *ret);

/* Marks: names for snapshots. Writer only for set; name NULL-terminated, no control
 * characters, not starting with '@', at most 100 bytes; seq 0 removes it. -ENOENT: no such
 * snapshot, or no such mark to remove. */
int store_mark_set(struct store *s, const char *name, uint64_t seq);
int store_mark_get(struct store *s, const char *name, uint64_t *ret_seq);
typedef int (*store_mark_fn)(const char *name, uint64_t seq, void *arg);
int store_marks(struct store *s, store_mark_fn fn, void *arg);		/* by seq */

/* ---- what is in a snapshot --------------------------------------------- */

enum store_kind { KIND_GONE, KIND_FILE, KIND_LINK, KIND_DIR, KIND_SKIPPED };

enum store_why {	/* why a path is skipped or kept */
	WHY_NONE, WHY_TOO_LARGE, WHY_SPECIAL, WHY_IGNORED, WHY_OTHER_FS,
	WHY_UNREADABLE, WHY_NAME, WHY_EXCLUDED, WHY_MAX_
};
const char *store_why_text(enum store_why w);	/* "too large", "special file", ... */

struct store_entry {
	enum store_kind kind;
	uint32_t mode;			/* whole st_mode */
	uint64_t size;
	int64_t mtime_ns;
	uint32_t flags;			/* ENTRY_* */
	enum store_why why;
	struct oid oid;			/* files and links; else zeroes */
	uint64_t seq;			/* the snapshot that recorded it */
	/* only for the current state (store_cur_*): what lstat said then, 0 = not known (rehash) */
	int64_t ctime_ns;
	uint64_t ino;
	int64_t seen_ns;		/* when that was, if after that snapshot; else 0 */
};

typedef int (*store_entry_fn)(const char *path, const struct store_entry *e, void *arg);

/* The manifest of one snapshot: what changed in it, by path (byte order). GONE entries included;
 * oid is filled for files and links. */
int store_changes(struct store *s, uint64_t seq, store_entry_fn fn, void *arg);

/* One folder of a snapshot, not recursive: path is the entry's NAME, byte order. Empty folders
 * and skipped paths included. -ENOENT if there is no such folder, -ENOTDIR. */
int store_dir_at(struct store *s, uint64_t seq, const char *dir, store_entry_fn fn, void *arg);
/* Everything below dir ("" = all), parents before children, full paths. */
int store_walk_at(struct store *s, uint64_t seq, const char *dir, store_entry_fn fn, void *arg);
/* One path of a snapshot; -ENOENT. */
int store_entry_at(struct store *s, uint64_t seq, const char *path, struct store_entry *ret);

/* Every version of one path, newest first; GONE where it was deleted. e->seq says when. oid
 * filled. */
int store_history(struct store *s, const char *path, store_entry_fn fn, void *arg);
/* How many of them are files with content; of all paths where path is NULL. */
int store_count_versions(struct store *s, const char *path, uint64_t *ret);
/* Every path the store ever held, byte order within a folder, with its current entry (KIND_GONE:
 * deleted; then e->seq is the snapshot that saw it gone). */
int store_paths(struct store *s, store_entry_fn fn, void *arg);

/* The current state: the newest snapshot plus the stat data of the moment it was read.
 * What a scan compares with. Same shapes as above. */
int store_cur_dir(struct store *s, const char *dir, store_entry_fn fn, void *arg);
int store_cur_get(struct store *s, const char *path, struct store_entry *ret);

struct store_totals {
	uint64_t snapshots;
	uint64_t log_bytes;		/* segments */
	uint64_t catalogue_bytes;
	uint64_t torn_bytes;		/* what unfinished snapshots left */
	uint64_t files, dirs;		/* in the newest */
	uint64_t skipped, skipped_bytes;
	uint64_t kept;			/* entries with ENTRY_KEPT */
};
int store_totals(struct store *s, struct store_totals *ret);

/* ---- objects --------------------------------------------------------------- */

/* The bytes of a blob (links: the target). Verified by the record's checksum. max bounds memory:
 * -EFBIG. */
int store_read_blob(struct store *s, const struct oid *id, size_t max, struct buf *ret);
/* The same piece by piece, in constant memory, hashed on the way: -EBADMSG at the end if the id
 * does not match. fn returns 0, or negative to stop. */
int store_stream_blob(struct store *s, const struct oid *id,
	int (*fn)(const void *p, size_t n, void *arg), void *arg);
int store_blob_size(struct store *s, const struct oid *id, uint64_t *ret);
int store_has(struct store *s, const struct oid *id);		/* 1, 0, negative */

/* libgit2 over this store: trees, commits and blobs as an ordinary (in-memory) repository.
 * Both belong to the store. Reading only. */
int store_git(struct store *s, git_repository **ret_repo, git_odb **ret_odb);

/* The id git gives these bytes. type: "blob", "tree", "commit". */
void store_hash(const char *type, const void *p, size_t n, struct oid *ret);

/* ---- writing ------------------------------------------------------------------ */

/* Also looks whether the log is still there, and at damage that was noted. */
int store_txn_begin(struct store *s, struct store_txn **ret);
void store_txn_abort(struct store_txn *t);		/* NULL is fine */

/* Is what this writer acknowledged where it will be found, and nothing known to be damaged in it?
 * If not, the next transaction is to be made though nothing may have changed. */
bool store_present(struct store *s);

/* Says, once, that the current state was made again from the log since it was last asked about
 * (it has no stat data, and after damage it may lack paths), or that contents of it were found
 * damaged (their paths have no stat data). Ask after begin. Whoever only tells what changed must
 * then look at everything. */
bool store_forgot(struct store *s);

/* Store what fd (a regular file, positioned anywhere) holds as path. fstat before and after: if
 * it changed it is read again, at most twice, then stored and flagged unstable. What did not
 * change since the newest snapshot is not recorded. *ret (may be NULL) is the entry as it will
 * be. */
int store_txn_file(struct store_txn *t, const char *path, int fd, struct store_entry *ret);
int store_txn_link(struct store_txn *t, const char *path, const struct stat *st,
	const char *target);
int store_txn_dir(struct store_txn *t, const char *path, const struct stat *st);
/* ... with ENTRY_ACL, or 0. */
int store_txn_dir_flags(
	struct store_txn *t, const char *path, const struct stat *st, uint32_t flags);
/* path and all that is below it do not exist any more. Nothing happens if the store does not
 * know it. */
int store_txn_gone(struct store_txn *t, const char *path);
/* Policy: it exists but is not to be stored (too large, special, ignored, ...); leaves the tree. */
int store_txn_skip(struct store_txn *t, const char *path, const struct stat *st,
	enum store_why why);
/* It could not be read or listed: whatever the store has for it (and below it) stands, flagged
 * ENTRY_KEPT. A path the store does not know is recorded as skipped. st may be NULL. */
int store_txn_keep(struct store_txn *t, const char *path, const struct stat *st,
	enum store_why why);
/* Bytes from memory instead of a file (tests, import, restore of editor buffers). */
int store_txn_bytes(struct store_txn *t, const char *path, const struct stat *st, const void *p,
	size_t n);

struct store_commit {
	int64_t time_ns;		/* 0 = now */
	enum store_reason reason;
	const char *message;		/* NULL = none */
	bool force;			/* also when nothing changed */
};
/* Frees t whatever it returns. 1: a snapshot was written and is on disk; 0: nothing changed,
 * *ret is the newest (all zero if there is none); negative: nothing was acknowledged (-ESTALE:
 * the log was taken away meanwhile; begin again). ret may be NULL, else release it. */
int store_txn_commit(struct store_txn *t, const struct store_commit *how,
	struct store_snapshot *ret);

/* ---- thinning ------------------------------------------------------------------------ */

/* How long snapshots stay, by age in seconds: all of them, then one of 10 minutes, of an hour,
 * of a day, of a week (0: for ever). A step of 0 (or less than the one before) is left out.
 * Nobody loses what is younger than the grace. tighter halves all of them but the grace so many
 * times: when there is no room. */
struct store_retention {
	uint64_t all_s, ten_minutes_s, hourly_s, daily_s, weekly_s;
	uint64_t grace_s;
	unsigned tighter;
};

struct store_kept {
	uint64_t seq;
	int64_t time_ns;
	bool pinned;		/* in: marked, or the last before a crash */
	bool imported;		/* in: REASON_IMPORT, with a time of its own */
	bool keep;		/* out */
	bool odd;		/* out: its time is in the future, or before that of an older one */
};
/* The policy, without a store: x by seq. The newest always stays, so does what is pinned or
 * younger than the grace. What is odd counts as young as it may be, by those that came after it, and is
 * thinned among itself; so is what was imported, in the order of its times. */
void store_retain(const struct store_retention *k, struct store_kept *x, size_t n, int64_t now_ns);

struct store_prune_options {
	struct store_retention keep;
	const int64_t *crash_ns;	/* the last snapshot not after each of these stays */
	size_t n_crash;
	int64_t now_ns;			/* 0 = now */
	uint64_t target; /* thin harder, until the log has no more bytes than this; 0 = do not */
	bool lazy;			/* nothing to do where no snapshot is to go */
	unsigned min_dead;		/* a segment is written anew where so many percent of it are
					 * wanted by nobody; 0 = 20 */
};

struct store_pruned {
	uint64_t dropped, kept;		/* snapshots */
	uint64_t freed;			/* bytes that came back, or would */
	uint64_t moved;			/* bytes that were written for it, or would be */
	uint32_t segments;		/* written anew */
	unsigned tighter;		/* halvings the target took */
	bool short_of;			/* all that may go does not reach the target */
	uint64_t hurt;			/* kept ones that cannot be read whole: what is older than the last
					 * of them stays */
};

/* What prune would do. Writes nothing, any handle. -EBADMSG: the store is damaged in what prune cannot do
 * without (verify names it). */
int store_prune_plan(
	struct store *s, const struct store_prune_options *o, struct store_pruned *ret);

/* Prune, a writer: begin drops the snapshots, which is one durable step (from then on nobody sees
 * them); step writes segments anew without what only they had, and works for about budget_ms
 * (0: to the end): 1 there is more to do, 0 done. Between steps the store may be used freely,
 * transactions too. end says what was done, at any time, and frees p; what is left undone the next
 * prune does. One segment of room is needed beside the log. -EBUSY: in a transaction. */
struct store_prune;
int store_prune_begin(
	struct store *s, const struct store_prune_options *o, struct store_prune **ret);
/* The same, but that finding out what may go is also left to the steps: nothing was dropped when it returns. A snapshot that is
 * marked meanwhile stays: then nothing goes this time. (With a target: as begin.) */
int store_prune_open(struct store *s, const struct store_prune_options *o, struct store_prune **ret);
int store_prune_step(struct store_prune *p, uint64_t budget_ms);
void store_prune_end(struct store_prune *p, struct store_pruned *ret);	/* ret may be NULL */

/* The catalogue gives back what stands empty in it (after prune, say), if that is a fifth at least, and what a reader that stays
 * makes it keep beside; a writer, in no transaction. It takes as long as to copy it. 1: it did. */
int store_compact(struct store *s);

/* ---- room ----------------------------------------------------------------------------- */

struct config;

struct store_room {		/* bytes */
	uint64_t size;		/* all files of the store, as the disk counts them */
	uint64_t quota, floor;	/* as set, or by default */
	uint64_t avail;		/* free on its file system */
	uint64_t torn;		/* in size: what unfinished snapshots left (log/torn*); it goes before any snapshot does */
	uint64_t reserve;	/* in size: a file of nothing, to be given up */
	uint64_t due;		/* one that was given up: so much is not for snapshots */
	uint64_t margin;	/* of the quota: for the catalogue, and for a segment while prune writes it anew */
};
int store_room(struct store *s, const struct config *cfg, struct store_room *ret);
/* Bytes that may be written; *ret_err: what there is none of then, -EDQUOT or -ENOSPC. */
uint64_t store_room_left(const struct store_room *m, int *ret_err);
/* A writer: of what unfinished snapshots left goes, oldest first, what is more than a 32nd of the quota, or in the way where
 * little of it is free; or all. m is brought up to date. */
void store_torn_trim(struct store *s, const struct config *cfg, struct store_room *m, bool all);
/* To what the log should come down to have some room again. */
uint64_t store_target(struct store *s, const struct store_room *m);
/* A writer: no more than so many bytes go into the log from now on, then this error, and nothing
 * was written. UINT64_MAX: no limit. */
void store_limit(struct store *s, uint64_t bytes, int err);
/* Made where there is plenty of room, or, one that was given up, where there just is enough;
 * given up (true) so that prune can work on a full disk. A writer that finds no room to open
 * gives it up by itself. */
void store_reserve_make(struct store *s, const struct config *cfg);
bool store_reserve_release(struct store *s);
void store_keep_from(const struct config *cfg, struct store_retention *ret);
/* That snapshots have stopped and why, for whoever looks at the store; NULL: they go on. Best
 * effort. */
void store_set_stopped(struct store *s, const char *why);
/* 1: they have, since *ret_ns, *ret is why; 0: not that anybody knows. */
int store_stopped(const struct store *s, int64_t *ret_ns, struct buf *ret);

/* ---- trust ------------------------------------------------------------------------ */

struct store_damage {
	const char *what;		/* "segment 3: cut short, ...", ... */
	const char *path;		/* a path it hits, or NULL */
	uint64_t first_seq, last_seq;	/* the snapshots it hits, 0 = none known */
};
typedef void (*store_damage_fn)(const struct store_damage *d, void *arg);
typedef void (*store_progress_fn)(uint64_t done_bytes, uint64_t total_bytes, void *arg);

struct store_verify {
	bool all;			/* decode and hash every object; else heads and links */
	store_damage_fn damage;
	store_progress_fn progress;	/* may be NULL */
	const volatile sig_atomic_t *stop;	/* may be NULL; non-zero: -EINTR */
	void *arg;
	uint64_t objects, snapshots, bytes;	/* out: what was looked at */
	/* out: bytes after the last acknowledged snapshot: a writer is at */
	uint64_t after;
					/* work on them or died at it; reported only if they are
					 * damaged */
	uint32_t bad_seg;		/* out: the first record that is damaged; 0: none */
	uint64_t bad_off;
};
/* 0 clean, 1 damage was reported, negative: it could not look. Writes nothing but the word that the
 * catalogue is damaged, for the next command to make it again. */
int store_verify(struct store *s, struct store_verify *v);

#endif
