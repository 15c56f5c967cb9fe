/* detect/clean-internal.h - what the files of clean share. */
#ifndef DETECT_CLEAN_INTERNAL_H
#define DETECT_CLEAN_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "detect/machine.h"
#include "lib/buf.h"

enum { CLEAN_ITEMS = 4096 };

struct clean_item {
	char *path;       /* for people */
	const char *what; /* "bytecode", "cache", "log", "shared memory", "temporary", "run" */
	uint64_t bytes;
	int error; /* negative errno: it stays */
};

struct clean {
	bool dry, json, keep_caches;
	struct clean_item *item;
	unsigned n;
	uint64_t bytes;         /* freed, or to be */
	uint64_t before, after; /* memory available */
	int caches;             /* 1 dropped, 0 not tried, -errno */
};

int clean_note(struct clean *c, const char *what, const char *path, uint64_t bytes, int error);
/* All below dirfd/name, and itself; nothing is removed when dry. The bytes go to *ret. The first
 * error
 * stays, the rest goes on. */
int clean_tree(int dirfd, const char *name, dev_t dev, bool dry, unsigned depth, uint64_t *ret);
void clean_workspace(struct clean *c, const char *path);
/* clean-logs.c */
void clean_logs(struct clean *c, const char *workspace);
void clean_state(struct clean *c);
/* clean-temp.c */
void clean_temp(struct clean *c, const struct roots *roots, const char *folder);

#endif
