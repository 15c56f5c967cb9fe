/* tests/tool_get.c - what store.h says of a store, without any program above it.
 *
 *	tool_get STORE dump SEQ	one line for each path: kind mode mtime size sha1 path
 *				("!" and the reason instead of the sha1 where it cannot be read)
 *	tool_get STORE verify	every object; damage to stdout, exit 1 if there is any
 *	tool_get STORE count */
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/text.h"
#include "store/store.h"

static int feed(const void *p, size_t n, void *arg)
{
	return EVP_DigestUpdate(arg, p, n) ? 0 : -EIO;
}

static int print_entry(const char *path, const struct store_entry *e, void *arg)
{
	autoput(buf_release) struct buf name = BUF_INIT;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	char hex[2 * EVP_MAX_MD_SIZE + 1] = "-";
	int r = 0;

	if (ctx && (e->kind == KIND_FILE || e->kind == KIND_LINK)) {
		(void)EVP_DigestInit_ex(ctx, EVP_sha1(), NULL);
		r = store_stream_blob(arg, &e->oid, feed, ctx);
		(void)EVP_DigestFinal_ex(ctx, sum, &n);
		text_hex(sum, n, hex);
	}
	EVP_MD_CTX_free(ctx);
	if (text_quote_name(&name, path, strlen(path)) < 0)
		return -ENOMEM;
	printf("%d %06o %" PRId64 " %" PRIu64 " %s%s %s\n", (int)e->kind, e->mode, e->mtime_ns, e->size,
		r < 0 ? "!" : "", r < 0 ? err_str(r) : hex, name.data);
	return 0;
}

static void print_damage(const struct store_damage *d, void *arg)
{
	(void)arg;
	printf("%s: %s: %" PRIu64 "..%" PRIu64 "\n", d->what, d->path ? d->path : "-", d->first_seq, d->last_seq);
}

int main(int argc, char **argv)
{
	struct store_verify v = { .all = true, .damage = print_damage };
	struct store *s = NULL;
	int r;

	log_init("tool_get", LOG_WARN);
	if (argc < 3)
		return 2;
	r = store_open(argv[1], STORE_READ, NULL, &s);
	if (r < 0)
		return log_error_errno(r, "%s", argv[1]), 4;
	if (strcmp(argv[2], "dump") == 0 && argc == 4)
		r = store_walk_at(s, strtoull(argv[3], NULL, 10), "", print_entry, s);
	else if (strcmp(argv[2], "verify") == 0)
		r = store_verify(s, &v);
	else if (strcmp(argv[2], "count") == 0)
		printf("%" PRIu64 "\n", store_count(s));
	if (r < 0)
		log_error_errno(r, "%s", argv[2]);
	store_close(s);
	return r < 0 ? 4 : r;
}
