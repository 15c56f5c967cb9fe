/* config/tiers.h - the sizes a training can be run in, and what each needs.
 *
 * One table: the files of config/memory_optimized are made from it (`detect tiers --write DIR`),
 * the gate takes its requirements from it, `detect run` its epochs and its place in the order of
 * stepping down. A project may keep files of the same names with figures of its own: then those
 * count (detect/need.h). The model is UNETR's (img_size a multiple of 16, hidden_size of
 * num_heads).
 * Needs nothing but libc. */
#ifndef CONFIG_TIERS_H
#define CONFIG_TIERS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"

struct tier {
	const char *name;        /* "low": in options, in JSON */
	const char *file;        /* "low_memory_unetr.json" */
	const char *title, *use; /* of the guide */
	uint64_t ram_min, ram;   /* bytes: a small data set; what to have */
	uint64_t gpu_min, gpu;   /* 0: runs without one */
	uint64_t shm;            /* what its workers hand over through /dev/shm */
	int img, feature, hidden, heads, mlp;
	int batch, workers;
	const char *cache;       /* none, smart, memory */
	bool checkpointing, amp; /* recompute activations; half precision */
	int epochs, val_batches; /* of a run in this size, unless told otherwise */
};

enum { TIERS = 5 };
extern const struct tier tiers[TIERS]; /* the smallest first, "cpu" last */

/* By its name or its file's, with or without .json; NULL. */
const struct tier *tier_find(const char *name);
/* The next smaller one with or without a GPU, NULL at the end. cpu is smaller than none. */
const struct tier *tier_below(const struct tier *t);
/* The file's content, appended. */
int tier_json(const struct tier *t, struct buf *b);

#endif
