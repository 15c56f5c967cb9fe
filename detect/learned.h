/* detect/learned.h - what earlier runs of a command took.
 *
 * The file `learned` in the state folder: a line a run, appended when it ends,
 *
 *	KEY TAB REAL_MS TAB RAM TAB SHM TAB GPU TAB END
 *
 * KEY: 16 hex digits of the SHA-1 of the current folder and the words of the command (of the first
 * only its base name: `python` and `.venv/bin/python` are one); sizes in bytes; END ok, or oom: it
 * wanted more than that. Text, so that the gate reads it without SQLite. The newest LEARNED_KEPT
 * lines stay. Other lines are passed over. */
#ifndef DETECT_LEARNED_H
#define DETECT_LEARNED_H

#include <stdbool.h>
#include <stdint.h>

enum { LEARNED_KEPT = 512, LEARNED_LAST = 5 };

struct learned {
	uint64_t ram, shm, gpu; /* the most of its last LEARNED_LAST runs */
	unsigned runs;          /* how many are known */
	bool at_least;          /* the newest that counts ended for want of memory */
};

void learned_key(const char *folder, const char *const *argv, char ret[static 17]);
/* -ENOENT: never ran, or no file. dirfd: the state folder. */
int learned_find(int dirfd, const char *key, struct learned *ret);
/* One more run: x->ram, shm, gpu, at_least. */
int learned_add(int dirfd, const char *key, uint64_t real_ms, const struct learned *x);

#endif
