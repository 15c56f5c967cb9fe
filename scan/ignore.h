/* scan/ignore.h - one list of gitignore(5) patterns: a file of them, or a setting. */
#ifndef SCAN_IGNORE_H
#define SCAN_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "../config/config.h"

struct ignore;

/* The patterns of a file's text: lines, BOM, CRLF, comments, trailing spaces as git reads them.
 * Takes text (malloc'ed, len bytes and one more), also on failure. *ret is NULL if there is not
 * one pattern in it. */
int ignore_parse(char *text, size_t len, struct ignore **ret);
int ignore_from_list(const struct config_list *list, struct ignore **ret);
void ignore_free(struct ignore *ig);		/* NULL is fine */

/* The last pattern that matches decides: 1 it ignores, -1 it re-includes (`!`), 0 none matched.
 * name is relative to the folder the list stands in, base its last component. */
int ignore_match(
	const struct ignore *ig, const char *name, size_t len, const char *base, bool is_dir);

/* Could a pattern of the list match something below the folder name? any_depth: also count the
 * patterns that match at every depth. */
bool ignore_may_match_below(const struct ignore *ig, const char *name, size_t len, bool any_depth);

#endif
