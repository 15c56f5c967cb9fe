/* store/hash.h - git ids, whole or in pieces. Nothing here can fail. */
#ifndef STORE_HASH_H
#define STORE_HASH_H

#include <openssl/sha.h>
#include "store.h"

struct hash {
	SHA_CTX ctx;
};

void hash_begin(struct hash *h, const char *type, uint64_t size); /* "TYPE SIZE\0" goes first */
void hash_begin_bytes(struct hash *h);				/* nothing does */
void hash_add(struct hash *h, const void *p, size_t n);
void hash_end(struct hash *h, struct oid *ret);
void hash_bytes(const void *p, size_t n, struct oid *ret);	/* SHA-1 of the bytes alone */

#endif
