/* scan/scan.h - the workspace as snapshots see it: which paths are kept, what changed since
 * the newest snapshot, and taking a snapshot of it.
 *
 * Used by snapd (with the paths inotify named, or all), by `snapd --once` without a
 * daemon and by recover (safety snapshots, diff against the workspace). Knows no daemon
 * and no terminal.
 *
 * Rules (DESIGN.md section 6), first match wins:
 *	1. `.git` (any case, file or folder) is never looked at; names a git tree cannot hold are skipped (WHY_NAME)
 *	2. snapshot.include patterns, `.vscode/` and below, `.env*`, `*.ipynb`: always stored (not over
 *	   other file systems, special files; the size limit does not apply to the last three kinds, it does to include)
 *	3. .snapignore files (gitignore syntax, nested like .gitignore), snapshot.exclude: WHY_EXCLUDED
 *	4. the built-in list of what tools can make again (.venv, node_modules, __pycache__, ...): WHY_EXCLUDED
 *	5. .gitignore files and .git/info/exclude: WHY_IGNORED
 * An ignored folder is not entered (and not watched) unless an include pattern could match below it.
 * Holdfast's own temporaries (".NAME.hf-XXXXXXXX" where X is hex) are never looked at. */
#ifndef SCAN_SCAN_H
#define SCAN_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "../config/config.h"
#include "../store/store.h"

struct rules;

enum rules_verdict { RULES_KEEP, RULES_SKIP, RULES_ENTER };	/* ENTER: a folder whose own content is ignored but which may hold always-kept files below */

/* rootfd: the workspace, borrowed for the life of r. Reads .gitignore / .snapignore
 * files as folders are asked about, caches them; rules_forget(dir) when such a file changed. */
int rules_new(int rootfd, const struct config *cfg, struct rules **ret);
void rules_free(struct rules *r);
/* Is path (relative, a folder if is_dir) kept? Its parents are assumed to be kept or entered.
 * *ret_why is set for RULES_SKIP; over_limit_ok says the size limit does not apply. */
enum rules_verdict rules_check(struct rules *r, const char *path, bool is_dir,
	enum store_why *ret_why, bool *ret_over_limit_ok);
void rules_forget(struct rules *r, const char *dir);	/* "" = all */

/* One look at the workspace. */
struct scan;
typedef int (*scan_dir_fn)(const char *dir, int dirfd, void *arg);
struct scan_options {
	const struct config *cfg;
	bool quiet_unreadable;
	/* Called for every folder that is kept, BEFORE it is listed (snapd adds its watch here). Negative stops. */
	scan_dir_fn before_list;
	void *arg;
	const volatile sig_atomic_t *stop;	/* non-zero: -EINTR */
	void (*progress)(uint64_t files, uint64_t bytes, void *arg);
};
/* workspace: canonical path. -ENOENT when it is gone (never reported as "everything was deleted"). */
int scan_open(const char *workspace, const struct scan_options *opt, struct scan **ret);
void scan_close(struct scan *s);
struct rules *scan_rules(struct scan *s);
int scan_rootfd(const struct scan *s);

/* Compare with the store's current state and put what differs into the transaction.
 * scan_all: the whole tree (unchanged size, mtime, ctime and inode = unchanged, unless the times are not older than the snapshot
 * that recorded them); scan_path: one path, read whatever stat says (a folder: it and
 * all below, by stat); a parent that vanished or became a link/file is handled. scan_dir_only: list one folder without recursing into known ones. */
int scan_all(struct scan *s, struct store *st, struct store_txn *t);
int scan_path(struct scan *s, struct store *st, struct store_txn *t, const char *path);

struct scan_counts {
	uint64_t files, dirs, read_files, read_bytes, skipped, skipped_bytes, unreadable;
};
void scan_counts(const struct scan *s, struct scan_counts *ret);

/* The whole of "one snapshot now" for who holds the writer's store: scan_all + commit.
 * As store_txn_commit. */
int scan_snapshot(struct scan *s, struct store *st, const struct store_commit *how, struct store_snapshot *ret);

/* What differs between a snapshot and the workspace, without writing: fn gets the path, the snapshot's entry (kind GONE if not there)
 * and the workspace's (kind GONE if not there; oid computed for files that had to be read). Uses the stat cache: only files whose
 * stat differs are read. paths: NULL-terminated list of prefixes, or NULL for all. */
typedef int (*scan_diff_fn)(const char *path, const struct store_entry *was, const struct store_entry *is, void *arg);
int scan_diff(struct scan *s, struct store *st, uint64_t seq, const char *const *paths, scan_diff_fn fn, void *arg);

/* May this folder be a workspace? 0, or -EPERM with the reason ("is your home folder", "is the root", "is inside a store",
 * ...) for messages. */
int scan_refuse(const char *workspace, const char **ret_why);

#endif
