/* recover/unsaved.h - texts that are nowhere but with an editor: its backups of unsaved buffers,
 * and the copies that snapd made of them (editors/copies.h).
 *
 * One item is one buffer. What the editor holds now is its newest version; where that is empty,
 * headless or cut off by a kill in the middle of writing, or where the editor took it away, the
 * newest whole copy stands for it. Nothing of the editor's is ever written or deleted. */
#ifndef RECOVER_UNSAVED_H
#define RECOVER_UNSAVED_H

#include "../editors/editors.h"
#include "recover.h"

enum held {
	HELD_LIVE, /* the editor has it */
	HELD_TORN, /* the editor's own is broken; this is the version before */
	HELD_GONE, /* the editor has it no more, and it was not saved since */
};

enum on_disk { DISK_NONE, DISK_SAME, DISK_OLDER, DISK_NEWER };

struct text_version {
	int64_t time_ns;
	uint64_t size; /* of the whole backup file, header too */
	char *file;    /* the editor's own; NULL: in a store of copies */
	bool old;      /* which of the two */
	struct oid oid;
};

struct unsaved_item {
	char id[9];
	char *key;
	char *name; /* below the workspace, or "Untitled-1" */
	bool untitled;
	char *editor; /* "code-server" */
	char *place;  /* its folder */
	char *type;   /* "" or "notebook/..." */
	enum held held;
	enum on_disk disk;
	bool disk_moved;        /* the file was changed since the edit began */
	bool disk_utf8;         /* what is there is UTF-8 */
	struct text_version *v; /* newest first */
	size_t n_v, cap_v;
	size_t best; /* the one that is restored */
	size_t size; /* of its text */
};

struct unsaved_list {
	struct unsaved_item *it;
	size_t n, cap;
	struct store *copies[2]; /* now, old; NULL: none */
};

/* all: also what is on the disk as it is, or was taken away long ago. Newest first. Best effort:
 * an editor's folder that cannot be read is passed over; 0 or negative. */
int unsaved_find(const struct recover *r, bool all, struct unsaved_list *ret);
void unsaved_release(struct unsaved_list *l);
bool unsaved_has(const struct unsaved_list *l, const char *id);
/* By the start of an id, perhaps with ~N for the N-th version before. NULL: said. */
struct unsaved_item *unsaved_by_id(
	const struct unsaved_list *l, const char *id, size_t *ret_version);
/* The text alone. */
int unsaved_text(const struct unsaved_list *l, const struct unsaved_item *it, size_t version,
	struct buf *ret);
/* What is on the disk, a byte order mark taken off; *ret_bom. -ENOENT */
int unsaved_disk(const struct recover *r, const char *name, struct buf *ret, bool *ret_bom,
	struct stat *ret_st);
/* An extension host of the editor in this folder is alive. */
bool unsaved_editor_runs(const struct recover *r, const char *place);
/* One line for the summary, if there is something. */
void unsaved_print_summary(const struct recover *r);

/* One version that is in no snapshot, for `recover history`. */
struct other_version {
	char id[9];
	int64_t time_ns;
	uint64_t size;
	bool unsaved; /* else of Local History */
	char *path, *editor, *source;
	char *file; /* live; NULL: a copy */
	struct oid oid;
	bool old;
};
struct other_versions {
	struct other_version *v;
	size_t n, cap;
	struct unsaved_list buffers;
};
/* All of one path (NULL: of every), newest first. */
void other_find(const struct recover *r, const char *path, struct other_versions *ret);
void other_release(struct other_versions *l);
int other_text(const struct other_versions *l, const struct other_version *v, struct buf *ret);

#endif
