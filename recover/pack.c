#include "pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "../lib/auto.h"
#include "../lib/buf.h"
#include "../lib/io.h"
#include "../store/hash.h"
#include "xalloc.h"

#define TEMPORARY "tmp_pack_"
enum { OUT = 1 << 16, HEX = 16, OLD_S = 86400 };

struct row {
	git_oid id;
	uint32_t crc;
	uint64_t at;
};

struct pack {
	int dirfd, fd;
	char tmp[40];
	struct hash sum;
	z_stream z;
	bool deflating;
	uint32_t want;
	struct row *row;
	size_t n, cap;
	uint64_t at;			/* bytes written and hashed */
	uint64_t left;			/* of the object at hand */
	uint64_t limit;			/* of at; 0: none */
	int limit_err;
	unsigned char out[OUT];
};

static int put(struct pack *p, const void *data, size_t n)
{
	int r = p->limit && p->at + n > p->limit ? p->limit_err : io_write_all(p->fd, data, n);

	if (r < 0)
		return r;
	hash_add(&p->sum, data, n);
	if (p->n)
		p->row[p->n - 1].crc = (uint32_t)crc32(p->row[p->n - 1].crc, data, (uInt)n);
	p->at += n;
	return 0;
}

static void be32(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)(v >> 24);
	p[1] = (unsigned char)(v >> 16);
	p[2] = (unsigned char)(v >> 8);
	p[3] = (unsigned char)v;
}

/* Ours: git's own have six characters behind it. */
static bool is_temporary(const char *name)
{
	const char *hex = name + strlen(TEMPORARY);

	if (!strncmp(name, TEMPORARY, strlen(TEMPORARY)))
		return strspn(hex, "0123456789abcdef") == HEX && !hex[HEX];
	return !strncmp(name, ".pack-", 6) && strstr(name, ".tmp-");
}

/* A pack without its index, which came second. Of an old one only: git, too, may be between the two. */
static bool is_half(int dirfd, const char *name)
{
	char idx[NAME_MAX + 1];
	size_t n = strlen(name);
	struct stat st;

	if (n < 10 || n >= sizeof(idx) || strncmp(name, "pack-", 5) != 0 || strcmp(name + n - 5, ".pack") != 0)
		return false;
	(void)snprintf(idx, sizeof(idx), "%.*s.idx", (int)(n - 5), name);
	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime + OLD_S < time(NULL) &&
	       faccessat(dirfd, idx, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

void pack_sweep(int dirfd)
{
	autoclosedir DIR *d = NULL;
	struct dirent *e;

	(void)io_opendir(dirfd, ".", &d);
	while (d && (e = readdir(d)))
		if (is_temporary(e->d_name) || is_half(dirfd, e->d_name))
			(void)unlinkat(dirfd, e->d_name, 0);
}

int pack_begin(int dirfd, uint32_t objects, struct pack **ret)
{
	struct pack *p = xcalloc(1, sizeof(*p));
	unsigned char head[12] = "PACK\0\0\0\2";
	char hex[17];
	int r;

	p->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	p->want = objects;
	io_random_hex(hex);
	snprintf(p->tmp, sizeof(p->tmp), TEMPORARY "%s", hex);	/* git gc sweeps these */
	p->fd = openat(
		p->dirfd, p->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444);
	if (p->fd < 0) {
		r = -errno;
		auto_close_(&p->dirfd);
		free(p);
		return r;
	}
	hash_begin_bytes(&p->sum);
	r = deflateInit(&p->z, Z_BEST_SPEED) == Z_OK ? 0 : -ENOMEM;
	p->deflating = r == 0;
	be32(head + 8, objects);
	if (r < 0 || (r = put(p, head, sizeof(head))) < 0) {
		pack_drop(p);
		return r;
	}
	*ret = p;
	return 0;
}

void pack_limit(struct pack *p, uint64_t bytes, int err)
{
	p->limit = bytes;
	p->limit_err = err;
}

static int run_deflate(struct pack *p, const void *data, size_t n, int flush)
{
	int z, r;

	p->z.next_in = (unsigned char *)(uintptr_t)data;
	p->z.avail_in = (uInt)n;
	do {
		p->z.next_out = p->out;
		p->z.avail_out = OUT;
		z = deflate(&p->z, flush);
		if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
			return -EIO;
		if ((r = put(p, p->out, OUT - p->z.avail_out)) < 0)
			return r;
	} while (flush == Z_FINISH ? z != Z_STREAM_END : p->z.avail_in || !p->z.avail_out);
	return 0;
}

int pack_object(struct pack *p, const git_oid *id, git_object_t type, uint64_t size)
{
	unsigned char head[16];
	size_t n = 0;
	uint64_t rest = size >> 4;

	p->row = xgrow(p->row, p->n, &p->cap, sizeof(*p->row));
	p->row[p->n++] = (struct row){ .id = *id, .at = p->at };
	p->left = size;
	head[n++] = (unsigned char)((unsigned)type << 4 | (size & 15) | (rest ? 0x80 : 0));
	for (; rest; rest >>= 7)
		head[n++] = (unsigned char)((rest & 0x7f) | (rest >> 7 ? 0x80 : 0));
	if (deflateReset(&p->z) != Z_OK)
		return -EIO;
	return put(p, head, n);
}

int pack_data(struct pack *p, const void *data, size_t n)
{
	const char *from = data;
	int r = 0;

	if (n > p->left)
		return -EBADMSG;
	p->left -= n;
	while (n && r == 0) {
		size_t step = n < 1 << 30 ? n : 1 << 30;	/* zlib counts in 32 bits */

		r = run_deflate(p, from, step, Z_NO_FLUSH);
		from += step;
		n -= step;
	}
	return r;
}

int pack_object_end(struct pack *p)
{
	return p->left ? -EBADMSG : run_deflate(p, "", 0, Z_FINISH);
}

/* ---- the index ---------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	return memcmp(((const struct row *)a)->id.id, ((const struct row *)b)->id.id, 20);
}

static int add32(struct buf *b, uint32_t v)
{
	unsigned char be[4];

	be32(be, v);
	return buf_add(b, be, 4);
}

static int index_tables(const struct pack *p, struct buf *b)
{
	uint32_t large = 0, upto = 0;
	int r = buf_add(b, "\377tOc\0\0\0\2", 8);

	for (unsigned first = 0; first < 256 && r == 0; first++) {
		while (upto < p->n && p->row[upto].id.id[0] <= first)
			upto++;
		r = add32(b, upto);
	}
	for (size_t i = 0; i < p->n && r == 0; i++)
		r = buf_add(b, p->row[i].id.id, 20);
	for (size_t i = 0; i < p->n && r == 0; i++)
		r = add32(b, p->row[i].crc);
	for (size_t i = 0; i < p->n && r == 0; i++)
		r = add32(b,
			p->row[i].at >> 31 ? UINT32_C(1) << 31 | large++ : (uint32_t)p->row[i].at);
	for (size_t i = 0; i < p->n && r == 0; i++)
		if (p->row[i].at >> 31 && (r = add32(b, (uint32_t)(p->row[i].at >> 32))) == 0)
			r = add32(b, (uint32_t)p->row[i].at);
	return r;
}

static int write_index(struct pack *p, const struct oid *sum, const char *name)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct oid own;
	int r;

	if (p->n)
		qsort(p->row, p->n, sizeof(*p->row), by_id);
	if ((r = index_tables(p, &b)) < 0 || (r = buf_add(&b, sum->b, 20)) < 0)
		return r;
	hash_bytes(b.data, b.len, &own);
	if ((r = buf_add(&b, own.b, 20)) < 0)
		return r;
	return io_replace_file(p->dirfd, name, b.data, b.len, 0444);
}

/* The trailer, and the name under which git finds it. */
static int finish(struct pack *p)
{
	struct oid sum;
	char hex[41], name[64];
	git_oid id;
	int r;

	if (p->n != p->want)
		return -EPROTO;
	hash_end(&p->sum, &sum);
	if ((r = io_write_all(p->fd, sum.b, 20)) < 0 || (r = io_sync(p->fd)) < 0)
		return r;
	memcpy(id.id, sum.b, 20);
	git_oid_tostr(hex, sizeof(hex), &id);
	snprintf(name, sizeof(name), "pack-%s.pack", hex);
	if (renameat(p->dirfd, p->tmp, p->dirfd, name) < 0)
		return -errno;
	p->tmp[0] = 0;
	if ((r = io_sync_dir(p->dirfd)) < 0)
		return r;
	snprintf(name, sizeof(name), "pack-%s.idx", hex);
	return write_index(p, &sum, name);
}

int pack_finish(struct pack *p)
{
	int r = finish(p);

	pack_drop(p);
	return r;
}

void pack_drop(struct pack *p)
{
	if (!p)
		return;
	if (p->tmp[0])
		(void)unlinkat(p->dirfd, p->tmp, 0);
	if (p->deflating)
		(void)deflateEnd(&p->z);
	(void)close(p->fd);
	auto_close_(&p->dirfd);
	free(p->row);
	free(p);
}
