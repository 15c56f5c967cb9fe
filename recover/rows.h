/* recover/rows.h - the one line that stands for a snapshot, made quickly: a list has tens of
 * thousands. */
#ifndef RECOVER_ROWS_H
#define RECOVER_ROWS_H

#include <cjson/cJSON.h>

#include "../store/store.h"

/* The marks of a store, by snapshot. */
struct marks {
	struct mark {
		uint64_t seq;
		char *name;
	} *m;
	size_t n, cap;
};
int marks_load(struct store *s, struct marks *ret);
void marks_release(struct marks *m);
/* The i-th name of a snapshot, or NULL. */
const char *marks_of(const struct marks *m, uint64_t seq, size_t i);

void row_print(const struct store_snapshot *sn, const struct marks *m);
cJSON *row_json(const struct store_snapshot *sn, const struct marks *m);	/* yours */

/* As text_local_time, with the last hour's offset remembered. */
const char *row_time(int64_t time_ns, char out[32]);

#endif
