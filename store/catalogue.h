/* store/catalogue.h - what the files of the catalogue share; for the rest of the room it is opaque,
 * and internal.h says what it does. */
#ifndef STORE_CATALOGUE_H
#define STORE_CATALOGUE_H

#include "internal.h"

#define ROOT_ID 1		/* of the workspace's own row in path */

struct step {			/* a folder on the way to the one cat_path_id saw last */
	size_t end;		/* of its path, in dir */
	int64_t id;
};

/* LOSSY: a snapshot record is missing. The rows of path do not show what it did: WRONG until the
 * next snapshot's tree has been asked, LATER where that could not be read either. */
enum { LOSSY = 1, ROWS_WRONG = 2, ROWS_LATER = 4 };

struct catalogue {
	struct store *s;
	sqlite3 *db;
	sqlite3_stmt *stmt[CS_MAX_];
	struct log_pos pos;
	int64_t next;			/* id of the next new path */
	bool no_paths;			/* nothing in path yet: rows can be inserted unseen */
	bool no_objects;
	int64_t n_recent;		/* rows in recent; -1 = not counted yet */
	bool in_txn;
	bool memory;
	bool bad;			/* damaged: SQLite says so */
	int wal_pages;			/* after the last commit */
	int wal_most;			/* so many may stay, beside WAL_MAX: there was no room to copy */
	int err;			/* why there was no statement */
	dev_t dev;			/* the file that is open */
	ino_t ino;
	int lossy;			/* LOSSY | ROWS_... */
	uint32_t noted;			/* the table segment goes so far; 0 = ask */
	uint64_t seq;			/* the next snapshot's */
	uint64_t guess; /* so much of seq stands for snapshots that may have been lost */
	struct buf dir;			/* the folder cat_path_id saw last */
	struct step *step;
	size_t n_step, cap_step;
	struct store_snapshot newest;	/* seq 0: not known */
};

/* Our statements are right: one that SQLite does not take means that the tables are not ours. The
 * caller finalizes it. */
int cat_prepare(struct catalogue *c, const char *sql, unsigned flags, sqlite3_stmt **ret);
/* Run a statement of cat_stmt that gives no rows, and reset it. NULL: why there was none. */
int cat_run(struct catalogue *c, sqlite3_stmt *st);
int cat_exec(struct catalogue *c, const char *sql);
/* The key of an object in the tables object and recent. */
int64_t oid_key(const struct oid *id);
/* cat_path_id looks everything up again. */
void cat_forget_steps(struct catalogue *c);
int64_t cat_sum_state(struct log_pos pos, int64_t next, uint64_t seq, int lossy);

#endif
