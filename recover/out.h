/* recover/out.h - what goes to stdout: one big buffer, names made safe, JSON rows.
 *
 * stdout carries data only. A write that fails (a full disk behind >) is an error at
 * out_finish; a reader that went away (`| head`) ends the program quietly by SIGPIPE. */
#ifndef RECOVER_OUT_H
#define RECOVER_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "../store/store.h"

void out_init(void);
int out_finish(void);			/* flushes; says what went wrong, -EIO ... */

/* A name for people: as it is, or quoted when it holds control characters or is no UTF-8. */
void out_name(const char *name);

/* Is a path known under a name JSON can hold? Adds "KEY" (bytes that are no UTF-8 as U+FFFD)
 * and then "KEY_hex" with the true bytes. */
void json_name(cJSON *o, const char *key, const char *name);
void json_time(cJSON *o, const char *key, int64_t time_ns);
/* Flags as words: "unstable", "emptied", "nulled", "sparse", "kept". */
void json_flags(cJSON *o, const char *key, uint32_t flags);
/* One object on one line; frees it. */
void json_line(cJSON *o);

void id_hex(const struct oid *id, char out[41]);
const char *flag_words(uint32_t flags, char out[64]);	/* "unstable emptied" or "" */
#define SHORT_ID 8

#endif
