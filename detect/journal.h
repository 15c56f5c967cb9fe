/* detect/journal.h - the machine-wide record: ends, risk, launches, guard actions, restores, and readings around them.
 *
 * SQLite in the state folder; WAL is not used (one file survives a power cut by itself): rollback journal,
 * synchronous=FULL, one transaction an event. Append-only in spirit: rows are added, links filled in, nothing is
 * rewritten; the oldest go when journal.quota is passed, never the latest crash. A damaged journal is set aside as
 * journal.db.bad-TIME, said once, and a new one begun: the record of old crashes must not hide the newest. Readers
 * (recover, snapd) open it read-only and may find none: that is "nothing recorded". */
#ifndef DETECT_JOURNAL_H
#define DETECT_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "detect/samples.h"

struct journal;

enum journal_kind { J_EXIT, J_RISK, J_GUARD, J_LAUNCH, J_RESTORE, J_MACHINE, J_HANG };

struct journal_link {
	char *workspace, *store;
	char before[41], after[41];	/* snapshot ids; "" none */
	uint64_t before_ms, after_ms;
};

struct journal_event {
	int64_t row;
	char id[33];			/* of the fact */
	enum journal_kind kind;
	uint64_t real_ms;
	int64_t pid;			/* -1 none */
	char *role, *name, *cause, *confidence;	/* names as in cause.h; NULL none */
	int code, signal;		/* -1 none */
	bool core;
	char *evidence;			/* lines, newline between */
	char *note;			/* what is known besides: run id, what this kernel could not tell */
	struct journal_link *link;
	unsigned n_link;
	struct sample *sample;		/* the minutes before, thinned; only where asked for */
	unsigned n_sample;
};

int journal_open(int state_dirfd, bool write, struct journal **ret);	/* read: -ENOENT when there is none */
void journal_close(struct journal *j);
/* Fills ev->row. An id already there: 0, nothing is added. samples are kept with it. */
int journal_add(struct journal *j, struct journal_event *ev);
int journal_add_link(struct journal *j, const char *id, const struct journal_link *l);

struct journal_filter {
	uint64_t from_ms, to_ms;	/* 0: no bound */
	unsigned kinds;			/* 1 << kind; 0 all */
	const char *workspace;		/* NULL any */
	bool crashes_only;		/* ends that were not wanted: crashed, out-of-memory, killed, machine-lost */
	unsigned limit;			/* newest first; 0 all */
	bool samples;
};
int journal_each(struct journal *j, const struct journal_filter *f, int (*fn)(const struct journal_event *ev, void *arg), void *arg);
int journal_trim(struct journal *j, uint64_t quota_bytes);

#endif
