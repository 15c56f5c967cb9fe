/* detect/need.h - what a launch will take: as told, as learned from its earlier runs, or as its
 * tier or configuration says.
 *
 * Told figures stand as they are. Of learned ones 3 % and 16 MiB more are wanted, a quarter more
 * where the run wanted more than it got. Both go before a tier's, which are made for data of
 * some size. A configuration may say "requirements": {"ram", "gpu", "shm"} (bytes, or "6 GiB"),
 * or "tier"; of one that says neither but has a model, the smallest tier that is as large
 * (img_size, feature_size, batch_size) counts. */
#ifndef DETECT_NEED_H
#define DETECT_NEED_H

#include <stdbool.h>
#include <stdint.h>

#include "config/tiers.h"
#include "detect/machine.h"

enum need_from { NEED_UNKNOWN, NEED_TOLD, NEED_LEARNED, NEED_TIER, NEED_CONFIG, NEED_LIKE };

struct need {
	uint64_t ram, shm, gpu;  /* bytes; ram MACHINE_NONE: nobody knows */
	enum need_from from;     /* of ram */
	const struct tier *tier; /* in play, or NULL */
	unsigned runs;           /* NEED_LEARNED: how many */
	bool at_least;           /* it ended for want of memory */
	char config[256];        /* the file read, "" none */
};

struct need_ask {
	uint64_t ram, shm, gpu;  /* MACHINE_NONE: not told */
	const char *tier;        /* NULL: none named */
	const char *config;      /* a file; NULL: the one that the command names with --config */
	const char *configs;     /* folder of the project's own tier files */
	const char *const *argv; /* the command, NULL-terminated; NULL: none */
	int state_dirfd;         /* of what was learned; negative: nothing was */
};

/* A size from the command line: 500M, 6G. -EINVAL: none, or a few bytes because the unit was forgotten. 0 is one. */
int need_size(const char *text, uint64_t *ret);
/* -EINVAL: said (no such tier, a file that cannot be read). */
int need_find(const struct need_ask *ask, struct need *ret);
/* "recorded: the most of 3 runs and 3 %" */
const char *need_why(const struct need *n, char *p, size_t size);
/* The tier's figures, or those of the project's own file of its name. */
void need_of_tier(const struct tier *t, const char *configs, struct need *ret);
/* From a configuration's text. -ENOENT: it says nothing of use. -EBADMSG: not JSON. */
int need_of_text(const char *text, size_t n, struct need *ret);

#endif
