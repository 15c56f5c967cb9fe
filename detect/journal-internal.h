/* detect/journal-internal.h - what the files of the journal share. Not for outside the room. */
#ifndef DETECT_JOURNAL_INTERNAL_H
#define DETECT_JOURNAL_INTERNAL_H

#include <sqlite3.h>

#include "detect/journal.h"
#include "lib/auto.h"
#include "lib/buf.h"

enum { SAMPLE_BYTES = 80 };

struct journal {
	sqlite3 *db;
	bool begun; /* by journal_batch_begin */
};

/* 0 or the -errno of what SQLite said. */
int journal_check(const struct journal *j, int rc);
int journal_exec(struct journal *j, const char *sql);
int journal_prepare(struct journal *j, const char *sql, sqlite3_stmt **ret);

static inline void journal_finalize(sqlite3_stmt **st)
{
	(void)sqlite3_finalize(*st);
}
#define autostmt autoput(journal_finalize) sqlite3_stmt *

/* -EBADMSG: damaged. j->db may be open all the same: close it. */
int journal_try(int dirfd, const char *name, bool write, struct journal *j);
void journal_close_db(struct journal *j);
int journal_set_aside(int dirfd, char name[static 64]); /* the name it has now */

#endif
