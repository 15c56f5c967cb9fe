/* tests/fuzz/fuzz_snapshot.c - hostile bytes where a decoded object is expected: a
 * snapshot, a manifest, a tree. The first byte chooses. What a parser accepts must stay inside
 * of the input and give paths the rest of the store may trust. */
#include <assert.h>
#include <string.h>

#include "store/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int entry(const char *path, const struct store_entry *e, void *arg)
{
	(void)arg;
	assert(e->kind <= KIND_SKIPPED);
	assert(path[0] != '/' && strstr(path, "//") == NULL);
	assert(strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0 && strstr(path, "/../") == NULL);
	return 0;
}

static void snapshot(const uint8_t *p, size_t n)
{
	struct snap sn;
	autoput(buf_release) struct buf text = BUF_INIT;

	if (snap_parse(p, n, 1, 4096, &sn) < 0)
		return;
	assert(sn.entries_at <= n);
	(void)snap_entries(p + sn.entries_at, n - sn.entries_at, sn.n_entries, sn.info.time_ns, entry, NULL);
	if (snap_commit_text(&sn.info, sn.has_parent ? &sn.parent : NULL, &text) == 0)
		assert(text.len > 0);
	snap_release(&sn);
}

static void tree(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	struct tree_entry e;

	while (tree_next(&p, end, &e) == 1) {
		assert(p <= end && e.len > 0 && e.raw + e.raw_len <= end);
		assert(memchr(e.name, '/', e.len) == NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	switch (data[0] % 3) {
	case 0:
		snapshot(data + 1, size - 1);
		break;
	case 1:
		(void)snap_entries(data + 1, size - 1, ~(uint64_t)0, 0, entry, NULL);
		break;
	default:
		tree(data + 1, size - 1);
	}
	return 0;
}
