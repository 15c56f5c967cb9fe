/* libcrypto's SHA-1 uses the processor's instructions: four times libgit2's collision-detecting
 * one. A hit on a known id is confirmed by bytes (put.c), which is what a collision would need to
 * fool. Its plain functions, not those of EVP: they take no memory, so they cannot fail; EVP takes some
 * at each beginning, reads the machine's settings for TLS, and may forbid SHA-1. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "hash.h"

#include <stdio.h>
#include <string.h>

#include "internal.h"

void hash_begin_bytes(struct hash *h)
{
	SHA1_Init(&h->ctx);
}

void hash_begin(struct hash *h, const char *type, uint64_t size)
{
	char head[64];
	int n = snprintf(head, sizeof(head), "%s %llu", type, (unsigned long long)size);

	hash_begin_bytes(h);
	hash_add(h, head, (size_t)n + 1);
}

void hash_add(struct hash *h, const void *p, size_t n)
{
	SHA1_Update(&h->ctx, p, n);
}

void hash_end(struct hash *h, struct oid *ret)
{
	SHA1_Final(ret->b, &h->ctx);
}

void hash_bytes(const void *p, size_t n, struct oid *ret)
{
	struct hash h;

	hash_begin_bytes(&h);
	hash_add(&h, p, n);
	hash_end(&h, ret);
}

void store_hash(const char *type, const void *p, size_t n, struct oid *ret)
{
	struct hash h;

	hash_begin(&h, type, n);
	hash_add(&h, p, n);
	hash_end(&h, ret);
}
