#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "hash.h"

/* libcrypto's SHA-1 uses the processor's instructions: four times libgit2's
 * collision-detecting one. A hit on a known id is confirmed by bytes (put.c),
 * which is what a collision would need to fool. */
static EVP_MD *sha1_md;
static _Thread_local EVP_MD_CTX *shared_ctx;

/* What a digest takes of memory it takes at its first beginning: later ones cannot fail. */
static int make_shared(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!ctx || !EVP_DigestInit_ex2(ctx, sha1_md, NULL)) {
		EVP_MD_CTX_free(ctx);
		return -ENOMEM;
	}
	shared_ctx = ctx;
	return 0;
}

int store_hash_init(void)
{
	static OSSL_LIB_CTX *own;

	/* The machine's settings for TLS are not ours: not read, and SHA-1 is not theirs to
	 * forbid. A context of our own: the library does not look whether it has memory for its. */
	if (!sha1_md && !OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL))
		return -ENOTSUP;
	if (!sha1_md && !own && !(own = OSSL_LIB_CTX_new()))
		return -ENOMEM;
	if (!sha1_md && !(sha1_md = EVP_MD_fetch(own, "SHA1", NULL)))
		return -ENOTSUP;
	return shared_ctx ? 0 : make_shared();
}

int hash_begin(struct hash *h, const char *type, uint64_t size)
{
	char head[64];
	int n;

	if (store_hash_init() < 0)
		return -ENOTSUP;
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || !EVP_DigestInit_ex2(h->ctx, sha1_md, NULL)) {
		EVP_MD_CTX_free(h->ctx);
		h->ctx = NULL;
		return -ENOMEM;
	}
	n = snprintf(head, sizeof(head), "%s %llu", type, (unsigned long long)size);
	hash_add(h, head, (size_t)n + 1);
	return 0;
}

void hash_add(struct hash *h, const void *p, size_t n)
{
	if (h->ctx)
		EVP_DigestUpdate(h->ctx, p, n);
}

void hash_end(struct hash *h, struct oid *ret)
{
	unsigned n = 20;

	if (h->ctx)
		EVP_DigestFinal_ex(h->ctx, ret->b, &n);
	EVP_MD_CTX_free(h->ctx);
	h->ctx = NULL;
}

/* Of this thread: who opened a store in it has it. */
static EVP_MD_CTX *shared(void)
{
	if (!shared_ctx)
		assert(store_hash_init() == 0);
	return shared_ctx;
}

void hash_bytes(const void *p, size_t n, struct oid *ret)
{
	EVP_MD_CTX *ctx = shared();
	unsigned len = 20;

	EVP_DigestInit_ex2(ctx, sha1_md, NULL);
	EVP_DigestUpdate(ctx, p, n);
	EVP_DigestFinal_ex(ctx, ret->b, &len);
}

void store_hash(const char *type, const void *p, size_t n, struct oid *ret)
{
	EVP_MD_CTX *ctx = shared();
	char head[64];
	unsigned len = 20;
	int hn = snprintf(head, sizeof(head), "%s %zu", type, n);

	EVP_DigestInit_ex2(ctx, sha1_md, NULL);
	EVP_DigestUpdate(ctx, head, (size_t)hn + 1);
	EVP_DigestUpdate(ctx, p, n);
	EVP_DigestFinal_ex(ctx, ret->b, &len);
}
