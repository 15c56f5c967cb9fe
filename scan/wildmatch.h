/* scan/wildmatch.h - shell patterns as gitignore(5) means them.
 *
 * With pathname set `*`, `?` and classes stop at '/', and `**` between slashes crosses
 * them; without it every `*` crosses everything. Bytes, no locale. Time is bounded by
 * pattern length times text length: hostile patterns cost no more. */
#ifndef SCAN_WILDMATCH_H
#define SCAN_WILDMATCH_H

#include <stdbool.h>
#include <stddef.h>

bool wild_match(const char *pat, size_t plen, const char *text, size_t tlen, bool pathname);

/* Bytes of pat before the first special one (* ? [ \). */
size_t wild_literal_len(const char *pat, size_t plen);

#endif
