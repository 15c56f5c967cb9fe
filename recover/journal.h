/* recover/journal.h - the record of a restore, so that it can be finished and taken back.
 *
 * restore.journal in the store's folder describes one restore under way: what it is for, the
 * snapshot that holds what was there before, and every path with its wanted state. It is whole (its
 * last record says so) and on disk before the first change is made; one whose end was never written
 * describes nothing that happened, one that is damaged does: it is kept and nothing is made of it.
 * How far it came is not in it: what a path holds is looked at and
 * compared by hash, which is the only answer that survives a power cut. At the end it becomes
 * restore.last, which undo reads.
 *
 * The file is locked (OFD) while the restore runs; the lock goes with the process. */
#ifndef RECOVER_JOURNAL_H
#define RECOVER_JOURNAL_H

#include "../scan/temporary.h"
#include "plan.h"

#define JOURNAL_PENDING TEMPORARY_JOURNAL
#define JOURNAL_LAST "restore.last"
/* the undo's of one that is still pending, until it takes its place */
#define JOURNAL_NEXT "restore.next"
/* a copy was written after that restore, below the folder it names */
#define JOURNAL_COPY "restore.copy"

struct journal {
	int fd;				/* locked; -1 */
	uint64_t op;			/* random: names its temporaries (temporary_name) */
	bool undo;			/* it was itself an undo */
	bool delete_ok;
	int64_t time_ns;
	uint64_t safety_seq;		/* 0: nothing was there before */
	struct oid safety, rev;
	char *workspace;
	struct targets targets;
};

/* Writes and syncs all but fd, op (both are set). -EBUSY: another restore runs or waits to be
 * finished. */
int journal_begin(int dirfd, struct journal *j, const struct plan *p);
/* The same in the place of `old`, which is pending and ours (journal_resume), in one step: on
 * failure the old one is as it was. */
int journal_supersede(int dirfd, struct journal *j, const struct plan *p, struct journal *old);
/* restore.journal, locked: -ENOENT none (one that was never whole is removed), -EBUSY its
 * restore is running, -EBADMSG damaged (something was done by it: keep it), -EROFS: there is one
 * but it cannot be locked for writing. */
int journal_resume(int dirfd, struct journal *ret);
/* The same for who only asks: nothing is locked, nothing written. */
int journal_peek(int dirfd, struct journal *ret);
/* restore.last. -ENOENT, -EBADMSG */
int journal_last(int dirfd, struct journal *ret);
/* It is done: journal -> last. */
int journal_end(int dirfd, struct journal *j);
/* Nothing was changed: forget it. */
void journal_drop(int dirfd, struct journal *j);
void journal_release(struct journal *j);

/* A copy is no restore and has no undo; whoever asks for one next is told so, and not given an
 * older restore's in its place. Best effort: a store that cannot be written has no undo either. */
void journal_note_copy(int dirfd, const char *dir);
/* 1: the newest was a copy, to *ret. The note ends with journal_forget_copy and with the next
 * restore. */
int journal_copied(int dirfd, struct buf *ret);
void journal_forget_copy(int dirfd);

/* The bytes, for the tests: never reads past n, never trusts a length. -EBADMSG damaged; -ENODATA
 * its end was never written. */
int journal_parse(const void *p, size_t n, struct journal *ret);
int journal_format(const struct journal *j, const struct plan *p, struct buf *ret);

#endif
