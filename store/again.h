/* store/again.h - between again.c (which trees, and in what order) and again-folder.c (one of them). Nobody else includes it. */
#ifndef STORE_AGAIN_H
#define STORE_AGAIN_H

#include "internal.h"

struct made;
struct placed { uint64_t size; loc_t loc; };	/* an object of the log; the size of a tree is 0 */

struct again {
	struct made *x;			/* open addressing */
	size_t n, size, bytes;
	struct idset failed;		/* looked for in vain */
	struct placed *blob, *tree;	/* the log's, by size and place */
	size_t n_blob, n_tree, cap_blob, cap_tree;
	bool have_objects;
	uint64_t work;			/* bytes that were put together and hashed */
};

struct at {			/* the snapshot at hand */
	struct store *s;
	struct again *a;
	uint64_t seq, before;	/* before: the kept one before it; 0 = none */
	struct oid root, root_before;
	loc_t loc, loc_before;	/* of their records: what lies between was written for this one */
	struct buf text;	/* the paths that it changed, NUL-terminated */
	const char **path;	/* the same, sorted */
	size_t n_path;
	bool all;		/* what it changed cannot be read: as if it were everything */
	struct buf ours;	/* ids of trees that were written for it, some at most; asked once */
	bool have_ours;
};

#define AHEAD_MAX 64		/* snapshots to look beyond */
#define AGAIN_WORK_MAX (2ull << 30)	/* bytes to hash, of one who reads: some seconds; then what is lost stays so */

/* again.c */
int again_read(struct store *s, const struct oid *id, struct rbuf **ret);	/* nothing is made; -EBADMSG however it is lost */
int again_read_at(struct store *s, const struct oid *root, const char *dir, struct rbuf **ret);	/* -ENOENT: there is no such folder */
/* Under this id from now on; whole: it has it. */
int again_keep(struct again *a, const struct oid *id, struct rbuf *raw, bool whole);
bool again_is_part(const struct store *s, const struct oid *id);
int again_objects(struct store *s, struct again *a);	/* fills blob and tree */
bool again_touched(const struct at *t, const char *dir);	/* did anything below the folder change? */

/* again-folder.c: the tree of a folder, kept. want: its id; NULL: nobody knows it, and what it may be goes to maybe, ids. 0: it is
 * that, or all that is in it is sure; 1: in part (ret_id is want, or one that no tree has); -EBADMSG. */
int again_folder(struct at *t, const char *dir, const struct oid *want, struct buf *maybe, int depth, struct oid *ret_id,
	struct rbuf **ret);

#endif
