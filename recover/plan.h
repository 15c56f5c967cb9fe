/* recover/plan.h - what a restore would do, path by path, before it does anything.
 *
 * A target is a path and the state it is to have (KIND_GONE: none). plan_build looks at the
 * workspace and says what each takes; nothing is written. The same code makes the plan of a
 * restore, of its undo (targets: what the safety snapshot holds of the touched paths) and of one
 * that was interrupted (targets: the journal's): what already is as wanted takes nothing, so
 * doing it twice is doing it once. */
#ifndef RECOVER_PLAN_H
#define RECOVER_PLAN_H

#include <stdio.h>

#include "look.h"
#include "paths.h"
#include "recover.h"

enum plan_action {
	PLAN_NOTHING,		/* it is as wanted */
	PLAN_CREATE,
	PLAN_REPLACE,		/* there is something else, another content or another kind */
	PLAN_DELETE,
	PLAN_META,		/* only mode or times */
	PLAN_PARENT,		/* a folder that is not part of it, but whose time changes by it */
	PLAN_BLOCKED,		/* cannot be done: why */
};

struct target {
	char *path;
	struct store_entry want;
	/* only there so that something below it can be: an existing folder is left alone */
	bool parent;
};

struct targets {
	struct target *t;
	size_t n, cap;
};
void targets_add(struct targets *t, const char *path, const struct store_entry *want, bool parent);
/* and drops doubles: one that is no parent wins, then one that is wanted */
void targets_sort(struct targets *t);
void targets_release(struct targets *t);

struct plan_item {
	char *path;
	enum plan_action action;
	struct store_entry want;
	struct had had;
	bool early;		/* DELETE: it is in the way of something wanted */
	bool temp;		/* the executor: written beside, to be renamed */
	bool written;		/* the executor: its content was written */
	bool done;		/* the executor: it was its turn */
	const char *why;	/* BLOCKED; static text */
	int error;		/* the executor's */
};

struct plan {
	struct plan_item *item;	/* by path_compare */
	size_t n, cap;
	/* how many of each action */
	uint64_t files[PLAN_BLOCKED + 1], folders[PLAN_BLOCKED + 1];
	uint64_t bytes;		/* to write */
	uint64_t same;		/* targets that are as wanted */
};

/* The permissions it gets. Of a file that had an access control list the group's are not known (the
 * mode has the list's mask in their place): it gets none. */
static inline uint32_t want_mode(const struct store_entry *want)
{
	return want->mode & (want->flags & ENTRY_ACL ? 07707 : 07777);
}

struct plan_options {
	bool delete_ok;		/* contents may be deleted to make room for another kind */
	/* not this store's workspace (--to): hash instead of trusting its stat data */
	bool no_known;
	/* no snapshot holds what is there (--to): nothing that exists is changed, not even its
	 * mode */
	bool keep;
};

/* root: the folder it is about, -1 if it does not exist. */
int plan_build(struct store *s, int root, const struct targets *t, const struct plan_options *opt,
	struct plan *ret);
void plan_count(struct plan *p);		/* again, after items were blocked */
void plan_release(struct plan *p);
bool plan_empty(const struct plan *p);		/* nothing to do (blocked ones aside) */
/* For people: grouped, at most `lines` paths of each group. */
void plan_show(const struct plan *p, FILE *to, size_t lines);
/* Names each blocked item and each failure on stderr. How many. */
size_t plan_complain(const struct plan *p);

#endif
