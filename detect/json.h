/* detect/json.h - JSON as the room writes it: into a buf, by hand, so that the small programs
 * load no library.
 *
 * Numbers that are not known (MACHINE_NONE) are null. A name is bytes, JSON is UTF-8: what is
 * not becomes U+FFFD, one a byte. Every function returns 0 or -ENOMEM. */
#ifndef DETECT_JSON_H
#define DETECT_JSON_H

#include <stdint.h>

#include "lib/buf.h"

int json_string(struct buf *b, const char *s);		/* quoted */
int json_key(struct buf *b, const char *key);		/* "key": with a comma before it unless a brace stands there */
int json_field_string(struct buf *b, const char *key, const char *value);	/* NULL: null */
int json_field(struct buf *b, const char *key, uint64_t value);
int json_field_hundredths(struct buf *b, const char *key, uint64_t value);	/* 1234 is 12.34 */

#endif
