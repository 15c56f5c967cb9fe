/* scan/scan.h - the workspace as snapshots see it: which paths are kept, what changed since
 * the newest snapshot, and taking a snapshot of it.
 *
 * Used by snapd (with the paths inotify named, or all), by `snapd --once` without a
 * daemon and by recover (safety snapshots, diff against the workspace). Knows no daemon
 * and no terminal.
 *
 * Rules (DESIGN.md section 6), first match wins:
 * 1. `.git` (any case, file or folder) and the temporaries of a restore of this workspace that is
 * under way (scan/temporary.h) are never looked at
 * 2. snapshot.include patterns, `.vscode/` and below, `.env*` and `*.ipynb` files: always stored
 * (not over
 * other file systems, special files; the size limit does not apply to the last three kinds, it does
 * to include)
 * 3. .snapignore files (gitignore syntax, nested like .gitignore), snapshot.exclude: WHY_EXCLUDED,
 * or kept if it is a `!` pattern
 * 4. the built-in list of what tools can make again (scan/builtin.c: .venv, node_modules,
 * __pycache__, any folder
 * with a pyvenv.cfg or a CACHEDIR.TAG, ...): WHY_EXCLUDED; editors' swap and lock files: skipped
 * without a word
 * 5. .gitignore files, the workspace's .git/info/exclude and the user's core.excludesFile:
 * WHY_IGNORED An ignored folder is not entered (and not watched) unless an include pattern could
 * match below it; patterns for every depth (`*.pt`) reach into what git ignores, not into what
 * rules 3 and 4 exclude.
 *
 * The manifest names a skipped folder once, not what is in it. The size and time of a skipped
 * file are those of when it was first skipped; of a file over the size limit they are written
 * again when the size is half as much again, or less by a third, or the time an hour off: a file
 * that only grows makes no snapshots. */
#ifndef SCAN_SCAN_H
#define SCAN_SCAN_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "../config/config.h"
#include "../lib/auto.h"
#include "../store/store.h"

struct rules;

enum rules_verdict {
	RULES_KEEP,
	RULES_SKIP,
	/* a folder whose own content is ignored but which may hold always-kept files below */
	RULES_ENTER,
	/* a file of patterns that matters for it cannot be read: what was kept is kept, what was
	 * skipped is skipped, what is new is not stored and named as unreadable */
	RULES_UNSURE,
};

/* rootfd: the workspace, borrowed for the life of r. Reads .gitignore / .snapignore
 * files as folders are asked about, caches them and what it found in folders: whoever asks twice
 * says in between what changed, rules_told for every name or rules_forget for all below a
 * folder. */
int rules_new(int rootfd, const struct config *cfg, struct rules **ret);
void rules_free(struct rules *r);
/* Is path (relative, a folder if is_dir) kept? What stands below a skipped folder is skipped.
 * A verdict, or negative: no descriptors, no memory; nothing is known then.
 * *ret_why is set for RULES_SKIP (WHY_NONE: not worth a word); over_limit_ok says the size limit
 * does not apply. */
int rules_check(struct rules *r, const char *path, bool is_dir,
	enum store_why *ret_why, bool *ret_over_limit_ok);
/* 1: everything has to be judged anew, for a file of patterns could not be read and has to be
 * tried again, or the one outside the tree (.git/info/exclude) is not what was read. At the
 * start of each snapshot. */
int rules_refresh(struct rules *r);
void rules_rest(struct rules *r);			/* hold no descriptor between two looks */
void rules_forget(struct rules *r, const char *dir);	/* "" = all */
/* name in dir was made, changed or taken away. What has to be judged anew: nothing; everything
 * below dir; dir itself and the folder above it, which may have become, or been, one that tools
 * can make again. */
enum rules_news { RULES_NO_NEWS, RULES_NEWS_BELOW, RULES_NEWS_ITSELF };
enum rules_news rules_told(struct rules *r, const char *dir, const char *name);

/* One look at the workspace. */
struct scan;
typedef int (*scan_dir_fn)(const char *dir, int dirfd, void *arg);
struct scan_options {
	const struct config *cfg;
	/* Called for every folder that is kept, BEFORE it is listed (snapd adds its watch here).
	 * Negative stops. */
	scan_dir_fn before_list;
	void *arg;
	/* Called for every file that is looked at and has more than one name (hard links). */
	void (*linked)(const char *path, const struct stat *st, void *arg);
	/* Called for every path that is not in the snapshot as it is now (counts.unreadable), with
	 * -errno. Nobody tells when an error of the disk is over: who goes by events asks again. */
	void (*not_taken)(const char *path, int why, void *arg);
	/* name what cannot be read also when it could not last time */
	bool name_known;
	bool replaced_ok;		/* scan_snapshot does not mind what scan_replaced finds */
	const volatile sig_atomic_t *stop;	/* non-zero: -EINTR */
	/* After every few files and every folder; files: looked at, bytes: read, both so far. */
	void (*progress)(uint64_t files, uint64_t bytes, void *arg);
};
/* workspace: canonical path. opt and its cfg are copied / borrowed: cfg must live as long.
 * -ENOENT when it is gone. */
int scan_open(const char *workspace, const struct scan_options *opt, struct scan **ret);
void scan_close(struct scan *s);		/* NULL is fine */
static inline void scan_put_(struct scan **s) { scan_close(*s); }
#define autoscan autoput(scan_put_)
struct rules *scan_rules(struct scan *s);
int scan_rootfd(const struct scan *s);
/* Is the folder that was opened still what the path leads to? 0, or -ENOENT; other failures: the
 * path leads to something that does not answer (a dead network file system), or is closed to us.
 * The scans below look first: a workspace that is gone is never reported as "everything was
 * deleted". */
int scan_present(struct scan *s);
/* Let go of the folder until the next scan_present, so that its file system can be unmounted.
 * Nothing else may be asked of s meanwhile. Who rests must hear by other means when the folder
 * is deleted: its number may come back. */
void scan_rest(struct scan *s);

/* 1: the folder is empty, the store's newest snapshot is not, and it is not the folder (by
 * inode) that one was made of: the workspace's file system is not mounted, or another folder was
 * put in its place. What was protected is somewhere else then, not deleted. 0: no such thing;
 * negative: could not tell. */
int scan_replaced(struct scan *s, struct store *st);

/* Compare with the store's current state and put what differs into the transaction. Unchanged
 * size, mtime, ctime, mode and inode = unchanged, unless the times are not older (by two
 * seconds) than the snapshot that recorded them. What cannot be read or listed is put in with
 * store_txn_keep; running out of descriptors or memory fails. */
enum scan_depth {
	/* the path alone: a file, or a folder's own mode and time. A folder the store does not
	 * know: TREE */
	SCAN_SELF,
	/* a folder and what it lists; its subfolders only if the store does not know them */
	SCAN_LIST,
	SCAN_TREE,	/* all below it */
};
int scan_all(struct scan *s, struct store *st, struct store_txn *t);
/* read: a file is read whatever stat says (an event named it). A path that is gone, or whose
 * parents are gone or have become something else, is handled. */
int scan_path(struct scan *s, struct store *st, struct store_txn *t, const char *path,
	enum scan_depth depth, bool read);

struct scan_counts {
	uint64_t files, dirs, read_files, read_bytes, skipped, skipped_bytes, unreadable;
};	/* of all scans since scan_open */
void scan_counts(const struct scan *s, struct scan_counts *ret);

/* The whole of "one snapshot now" for who holds the writer's store: scan_all + commit.
 * As store_txn_commit; the snapshot's time is when the scan began. -ENOMEDIUM: scan_replaced
 * says so, and the reason is not REASON_RESTORE (something is about to be written there). */
int scan_snapshot(struct scan *s, struct store *st, const struct store_commit *how,
	struct store_snapshot *ret);

/* What differs between a snapshot and the workspace, without writing. fn gets the path, the
 * snapshot's entry (kind GONE if not there) and the workspace's (kind GONE if not there; SKIPPED
 * with why if not to be stored; ENTRY_KEPT in flags if it could not be read: then nothing is
 * known about it). Called when kind, mode or content differ, and for files and folders when only
 * the mtime does; is->oid is always filled for files and links. Files are read only when their
 * stat differs from what the newest snapshot recorded. Parents come before children; what is
 * below a folder that exists on one side only is named too. paths: NULL-terminated list of
 * prefixes, or NULL for all. */
typedef int (*scan_diff_fn)(
	const char *path, const struct store_entry *was, const struct store_entry *is, void *arg);
int scan_diff(struct scan *s, struct store *st, uint64_t seq, const char *const *paths,
	scan_diff_fn fn, void *arg);

/* May this folder be a workspace? 0, or -EPERM with the reason ("is your home folder", "is the
 * root", "is inside a store", ...) for messages. */
int scan_refuse(const char *workspace, const char **ret_why);

#endif
