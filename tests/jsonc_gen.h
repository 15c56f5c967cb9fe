/* tests/jsonc_gen.h - files as people write them: valid JSON with comments in every place,
 * trailing commas, doubled keys, any indentation, line ends and byte order mark. */
#ifndef TESTS_JSONC_GEN_H
#define TESTS_JSONC_GEN_H

#include "lib/buf.h"

struct jsonc_gen {
	uint64_t (*below)(uint64_t n);
	const char *list;        /* a member with this name is an array, */
	const char *id_key;      /* of objects that have this key */
	const char *const *keys; /* members of the root that are likely; NULL-terminated, or NULL */
};

/* An object at the root; now and then no more than comments. */
void jsonc_generate(const struct jsonc_gen *g, struct buf *ret);

#endif
