/* How alike two files are, by git's measure: the bytes of lines (cut at 64 bytes) of the one that also occur in the
 * other, against the size of the larger one. libgit2's own measure gives other
 * percentages, and so other renames, than the git people compare us with. */
#include "patch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/io.h"
#include "../lib/auto.h"
#include "xalloc.h"

struct span {
	uint32_t hash;
	uint32_t bytes;
};

struct signature {
	uint64_t size;
	size_t n;
	struct span span[];
};

static int by_hash(const void *a, const void *b)
{
	uint32_t x = ((const struct span *)a)->hash, y = ((const struct span *)b)->hash;

	return (x > y) - (x < y);
}

/* Binary as git decides it: a NUL in the first 8000 bytes. */
static bool is_text(const unsigned char *p, size_t n)
{
	return !memchr(p, 0, n < 8000 ? n : 8000);
}

static size_t cut(const unsigned char *p, size_t len, struct span *out)
{
	bool text = is_text(p, len);
	size_t n = 0, i = 0;

	while (i < len) {
		uint32_t h = 2166136261u, taken = 0;
		bool whole = false;

		while (i < len && !whole) {
			unsigned char c = p[i++];

			if (text && c == '\r' && i < len && p[i] == '\n')
				continue;	/* line ends of either kind are alike */
			h = (h ^ c) * 16777619u;
			whole = ++taken >= 64 || c == '\n';
		}
		/* what is left at the end does not count: so it is up to git 2.43 */
		if (whole)
			out[n++] = (struct span){ h, taken };
	}
	return n;
}

static size_t fold(struct span *s, size_t n)
{
	size_t out = 0;

	if (n)
		qsort(s, n, sizeof(*s), by_hash);
	for (size_t i = 0; i < n; i++) {
		if (out && s[out - 1].hash == s[i].hash)
			s[out - 1].bytes += s[i].bytes;
		else
			s[out++] = s[i];
	}
	return out;
}

static size_t count_spans(const unsigned char *p, size_t len)
{
	size_t n = 1, run = 0;

	for (size_t i = 0; i < len; i++) {
		if (++run >= 64 || p[i] == '\n') {
			n++;
			run = 0;
		}
	}
	return n;
}

static int from_buffer(void **out, const git_diff_file *file, const char *buf, size_t len, void *payload)
{
	const unsigned char *p = (const unsigned char *)buf;
	struct signature *sig = malloc(sizeof(*sig) + count_spans(p, len) * sizeof(struct span));

	const struct strs *never = payload;

	if (!sig)
		return -1;
	sig->n = 0;
	sig->size = UINT64_MAX / 128;
	*out = sig;
	/* what became a link is no source of a rename for git */
	for (size_t i = 0; never && i < never->n; i++)
		if (!strcmp(never->s[i], file->path))
			return 0;
	sig->size = len;
	sig->n = fold(sig->span, cut(p, len, sig->span));
	*out = sig;
	return 0;
}

/* Only for files of a working folder, and our diffs are of trees. */
static int from_file(void **out, const git_diff_file *file, const char *fullpath, void *payload)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	if (io_read_file(AT_FDCWD, fullpath, 1 << 30, &b) < 0)
		return -1;
	return from_buffer(out, file, b.data ? b.data : "", b.len, payload);
}

static void release(void *sig, void *payload)
{
	(void)payload;
	free(sig);
}

static int similarity(int *score, void *a, void *b, void *payload)
{
	const struct signature *x = a, *y = b;
	uint64_t max = x->size > y->size ? x->size : y->size, same = 0;

	(void)payload;
	for (size_t i = 0, j = 0; i < x->n && j < y->n;) {
		if (x->span[i].hash < y->span[j].hash) {
			i++;
		} else if (x->span[i].hash > y->span[j].hash) {
			j++;
		} else {
			same += x->span[i].bytes < y->span[j].bytes ? x->span[i].bytes : y->span[j].bytes;
			i++, j++;
		}
	}
	*score = max ? (int)(same * 100 / max) : 100;
	if (max == UINT64_MAX / 128)
		*score = 0;
	return 0;
}

const git_diff_similarity_metric *patch_metric(void)
{
	static const git_diff_similarity_metric metric = {
		.file_signature = from_file,
		.buffer_signature = from_buffer,
		.free_signature = release,
		.similarity = similarity,
	};

	return &metric;
}
