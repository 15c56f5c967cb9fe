/* detect/journal.h - the machine-wide record: ends, risk, launches, guard actions, restores, and
 * readings around them.
 *
 * SQLite in the state folder; WAL is not used (one file survives a power cut by itself): rollback
 * journal, synchronous=FULL, one transaction an event. Append-only in spirit: rows are added, links
 * filled in, and a verdict is completed while its row is unfinished (traces of an end come up to 10
 * s after it); nothing else is rewritten. The oldest go when journal.quota is passed, never the
 * latest crash. A damaged journal is set aside as journal.db.bad-TIME, said once, and a new one
 * begun: the record of old crashes must not hide the newest. Readers (recover, snapd) open it
 * read-only and may find none: that is "nothing recorded". */
#ifndef DETECT_JOURNAL_H
#define DETECT_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "detect/samples.h"

struct journal;

enum journal_kind { J_EXIT, J_RISK, J_GUARD, J_LAUNCH, J_RESTORE, J_MACHINE, J_HANG };

struct journal_link {
	char *workspace, *store;    /* paths */
	char before[41], after[41]; /* snapshot ids; "" none */
	uint64_t before_ms, after_ms;
};

struct journal_event {
	int64_t row;
	char id[33]; /* of the fact */
	enum journal_kind kind;
	uint64_t real_ms;
	int64_t pid;    /* -1 none */
	int64_t ppid;   /* -1 none */
	uint64_t start; /* of the process: clock ticks after boot */
	const char *role, *name, *cause,
		*confidence; /* names as in roles.h, cause.h; name is comm; NULL none */
	const char *family;  /* of an editor */
	const char *command; /* the front of its command line */
	const char *place;   /* an editor's user data folder; where a training was started */
	const char *run;     /* the run a training belongs to */
	const char *text;    /* one sentence for people */
	bool unwanted;       /* somebody's work may be lost: for `@crash` and reports */
	uint64_t until_ms;   /* when it was not later than this, though perhaps than real_ms; 0:
				real_ms is exact */
	uint64_t peak;       /* bytes; 0 not known */
	int code, signal;    /* -1 none */
	bool core;
	const char *evidence; /* lines, newline between */
	const char *note;     /* what is known besides: run id, what this kernel could not tell */
	struct journal_link *link;
	unsigned n_link;
	struct sample *sample; /* the minutes before, thinned; only where asked for */
	unsigned n_sample;
	const char *fact; /* unfinished: the fact_line, from which the verdict is completed; NULL
			     final */
	uint64_t due_ms;  /* unfinished: when to look again, CLOCK_REALTIME */
};

int journal_open(
	int state_dirfd, bool write, struct journal **ret); /* read: -ENOENT when there is none */
void journal_close(struct journal *j);
/* One that turned out damaged while it was used (-EBADMSG): it is kept aside, what can be read of it
 * goes into a new one. Nobody has it open to write. */
int journal_renew(int state_dirfd);
/* Several additions and completions as one; all or, after a failure or without the commit, none. */
int journal_batch_begin(struct journal *j);
int journal_batch_commit(struct journal *j);
void journal_batch_abort(struct journal *j); /* fine where nothing was begun */
/* Fills ev->row. An id already there: 0, nothing is added, ev->row stays 0. samples are kept with
 * it. */
int journal_add(struct journal *j, struct journal_event *ev);
/* The verdict of the row ev->id: cause, confidence, text, unwanted, evidence, note, fact, due_ms. A
 * final row stays as it is. */
int journal_complete(struct journal *j, const struct journal_event *ev);
/* 1: nobody was told of this event, and now it is the caller who tells, at at_ms (of a warning that
 * with a minus); 0: somebody was. */
int journal_tell(struct journal *j, const char *id, int64_t at_ms);
/* Of how many, or of how many warnings, somebody was told since then. Only events of the hour before
 * are looked at. */
int journal_told_since(struct journal *j, uint64_t since_ms, bool warnings, unsigned *ret);
int journal_add_link(struct journal *j, const char *id, const struct journal_link *l);

struct journal_filter {
	uint64_t from_ms, to_ms; /* 0: no bound */
	unsigned kinds;          /* 1 << kind; 0 all */
	const char *workspace;   /* NULL any */
	bool crashes_only;       /* ends that were not wanted: crashed, out-of-memory, killed,
				    machine-lost */
	unsigned limit;          /* newest first; 0 all */
	bool samples;
	bool unfinished; /* only those */
	const char *id;	 /* only those whose id begins so, whenever they were; NULL any */
	int64_t row;	 /* only this one; 0 any */
};
/* Newest first; what ev points to is valid during the call. fn's answer other than 0 ends it and is
 * returned. */
int journal_each(struct journal *j, const struct journal_filter *f,
	int (*fn)(const struct journal_event *ev, void *arg), void *arg);
/* Whose it was: a run's end is that of its folder, and of those above and below. An editor's, the machine's,
 * one for want of the machine's memory, and one whose folder is not known are everybody's. */
bool journal_concerns(const struct journal_event *ev, const char *workspace);
/* The latest crash (of what concerns the workspace; NULL: of all), or with an id that event (a unique
 * prefix of at least 4 letters): of ends within seconds of each other the one that took the others along
 * (the machine before an editor's main process, that before its parts, a run before its workers). 1: fn
 * was called (with samples and links), 0: none; fn's own answer otherwise. -ENOTUNIQ. */
int journal_crash(struct journal *j, const char *id, const char *workspace,
	int (*fn)(const struct journal_event *ev, void *arg), void *arg);
/* What outlives the call: everything is the copy's own. -ENOMEM: nothing to release. */
int journal_event_copy(const struct journal_event *ev, struct journal_event *ret);
void journal_event_release(struct journal_event *ev); /* of a copy; zeroes are fine */
/* The oldest go until it is no larger. */
int journal_trim(struct journal *j, uint64_t quota_bytes);

#endif
