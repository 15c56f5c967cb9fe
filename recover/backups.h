/* recover/backups.h - a folder whose subfolders are copies of a workspace, by their times: what
 * backup scripts make. */
#ifndef RECOVER_BACKUPS_H
#define RECOVER_BACKUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The time that a name holds, anywhere in it: 20231123_143000, 2023-11-23_14-30-00,
 * 2023-11-23T14:30:00Z, 2023-11-23 14:30, 20231123 (its midnight), seconds or milliseconds since 1970. Local
 * time where no zone is said. 1, or 0: it holds none, or one that is later than a day after now. */
int backup_name_time(const char *name, int64_t now_ns, int64_t *ret);

struct backup {
	char *name;		/* in the folder */
	int64_t time_ns;
	bool by_name;		/* else it is the folder's own mtime */
	int error;		/* it cannot be looked at */
};

struct backups {
	struct backup *x;	/* the oldest first */
	size_t n, cap;
	size_t others;		/* what is no folder */
};

/* Folders alone: no links, nothing whose name begins with a dot. Negative: dir itself cannot be read. */
int backups_load(const char *dir, int64_t now_ns, struct backups *ret);
void backups_release(struct backups *b);

#endif
