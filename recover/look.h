/* recover/look.h - what is at a path of the workspace now, never through a link.
 *
 * Paths come sorted (path_compare), so one open folder is remembered: every look is then a single
 * fstatat of one name. */
#ifndef RECOVER_LOOK_H
#define RECOVER_LOOK_H

#include <stdbool.h>
#include <sys/stat.h>

#include "../store/store.h"

struct folder {			/* one open folder at a time */
	int root;		/* borrowed */
	char *path;		/* NULL: none */
	int fd;			/* or the error why it could not be opened */
};
#define FOLDER_INIT(rootfd) { .root = (rootfd), .fd = -1 }

/* The folder that holds path; *ret_name is its last component. A descriptor that stays the
 * folder's, or -errno (-ENOENT, -ENOTDIR, -ELOOP: something on the way is no folder). path ""
 * gives the root and ".". */
int folder_of(struct folder *f, const char *path, const char **ret_name);
void folder_release(struct folder *f);
void folder_forget(struct folder *f);

struct had {
	/* GONE: nothing there; SKIPPED: something that is neither file, link nor folder */
	enum store_kind kind;
	uint32_t mode;
	uint64_t size;
	int64_t mtime_ns, ctime_ns;
	uint64_t ino;
};

/* 0, or negative when that could not be found out (never for "nothing there"). */
int look_at(struct folder *f, const char *path, struct had *ret);
void had_from_stat(const struct stat *st, struct had *ret);
/* not a byte was touched in between */
bool had_same(const struct had *a, const struct had *b);

/* The git blob id of a file or link. -ESTALE if it grows or shrinks meanwhile. */
int look_hash(struct folder *f, const char *path, const struct had *h, struct oid *ret);
int hash_fd(int fd, uint64_t size, struct oid *ret);

#endif
