/* lib/sha1.h - SHA-1 of a short text, for names. Loading libcrypto takes longer than a small
 * program runs; who hashes content uses that all the same, it is many times faster. */
#ifndef LIB_SHA1_H
#define LIB_SHA1_H

#include <stddef.h>
#include <stdint.h>

void sha1_text(const void *p, size_t n, uint8_t out[20]);

#endif
