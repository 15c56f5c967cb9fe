/* Segments: files of records, appended to by one writer, read by anybody. */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <zlib.h>

#include "../lib/names.h"
#include "../lib/text.h"
#include "internal.h"

#define SPARSE 1024	/* numbers that are missing: one by one they would cost milliseconds */

static const uint8_t magic[8] = { 0x89, 'H', 'F', 'S', 'E', 'G', '\r', '\n' };

void seg_name(uint32_t no, char out[16])
{
	(void)snprintf(out, 16, "%08u.seg", no);
}

static void put_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void put_u64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get_u32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The number in a name of the form 00000001.seg, else 0. None of ours has one that a loc cannot hold. */
static uint32_t parse_name(const char *name)
{
	uint32_t no = 0;

	if (strlen(name) != 12 || strcmp(name + 8, ".seg") != 0)
		return 0;
	for (int i = 0; i < 8; i++) {
		if (!isdigit((unsigned char)name[i]))
			return 0;
		no = no * 10 + (uint32_t)(name[i] - '0');
	}
	return no < SEG_NO_END ? no : 0;
}

static int list(struct store *s, uint32_t *ret_first, uint32_t *ret_last, uint32_t *ret_n)
{
	autoclosedir DIR *d = NULL;
	uint32_t first = 0, last = 0, n = 0;
	struct dirent *de;
	int r = io_opendir(s->logfd, ".", &d);

	if (r < 0)
		return r;
	while ((errno = 0, de = readdir(d))) {
		uint32_t no = parse_name(de->d_name);

		if (!no || de->d_type == DT_DIR)
			continue;
		n++;
		if (!first || no < first)
			first = no;
		if (no > last)
			last = no;
	}
	if (errno)
		return err_errno();
	s->sparse = last > n + SPARSE;
	*ret_first = first;
	*ret_last = last;
	*ret_n = n;
	return 0;
}

int seg_list(struct store *s, uint32_t *ret_first, uint32_t *ret_last)
{
	uint32_t n;

	return list(s, ret_first, ret_last, &n);
}

int seg_count(struct store *s, uint32_t *ret)
{
	uint32_t first, last;

	return list(s, &first, &last, ret);
}

uint32_t seg_next(struct store *s, uint32_t no, uint32_t last)
{
	autoclosedir DIR *d = NULL;
	uint32_t next = last + 1;
	struct dirent *de;
	uint64_t size;

	if (!s->sparse || no >= last || seg_size(s, no + 1, &size) != -ENOENT || io_opendir(s->logfd, ".", &d) < 0)
		return no + 1;
	while ((errno = 0, de = readdir(d))) {
		uint32_t at = parse_name(de->d_name);

		if (at > no && at < next)
			next = at;
	}
	return errno ? no + 1 : next;
}

uint32_t seg_seed(const struct segment *g, uint64_t off)
{
	uint8_t b[24];

	memcpy(b, g->salt, 16);
	put_u64(b + 16, off);
	return (uint32_t)crc32(0, b, sizeof(b));
}

static bool header_right(const uint8_t *h)
{
	return memcmp(h, magic, 8) == 0 && (uint32_t)crc32(0, h, 60) == get_u32(h + 60);
}

/* Without the salt no record can be found: one flipped bit must not cost a whole segment. The
 * check says which one it was. In memory only; verify reports it. */
static int mend_header(uint8_t *h)
{
	for (int i = 0; i < SEG_HEADER * 8; i++) {
		h[i / 8] ^= (uint8_t)(1 << i % 8);
		if (header_right(h))
			return 0;
		h[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	return -EBADMSG;
}

bool seg_header_is(const uint8_t *h, uint32_t no)
{
	return header_right(h) && get_u32(h + 12) == no;
}

static int check_header(struct store *s, struct segment *g, uint8_t *h)
{
	g->copied = false;
	g->mended = !header_right(h);
	if (g->mended && mend_header(h) < 0) {
		g->mended = false;
		if (headers_get(s, g->no, h) < 0)
			return -EBADMSG;
		g->copied = true;
	}
	if ((h[8] | h[9] << 8) != 1)
		return -ENOTSUP;
	if (get_u32(h + 12) != g->no)
		return -EBADMSG;
	if (!s->have_id) {
		memcpy(s->id, h + 16, 16);
		s->have_id = true;
	} else if (memcmp(s->id, h + 16, 16) != 0) {
		return -EBADMSG;
	}
	memcpy(g->header, h, SEG_HEADER);
	memcpy(g->salt, h + 32, 16);
	return 0;
}

static int seg_slot(struct store *s, uint32_t no, struct segment **ret)
{
	struct segment *p;

	if (no >= SEG_NO_END)
		return -EBADMSG;
	if (no >= s->n_segs) {
		uint32_t n = no + 16;

		p = realloc(s->segs, n * sizeof(*p));
		if (!p)
			return -ENOMEM;
		for (uint32_t i = s->n_segs; i < n; i++)
			p[i] = (struct segment){ .fd = -1 };
		s->segs = p;
		s->n_segs = n;
	}
	*ret = &s->segs[no];
	return 0;
}

/* Keep descriptors few: a store of 5 GiB has eighty segments. A reader keeps those it has, as
 * far as it may: prune puts others in their place, and what is open stays what it was. */
static uint32_t most_open(const struct store *s)
{
	struct rlimit l;
	rlim_t n = getrlimit(RLIMIT_NOFILE, &l) == 0 ? l.rlim_cur / 4 : 0;

	return s->write || n < 32 ? 32 : n > 1024 ? 1024 : (uint32_t)n;
}

static void close_some(struct store *s, uint32_t keep)
{
	uint32_t open = 0, most = most_open(s);

	for (uint32_t i = 0; i < s->n_segs; i++)
		open += s->segs[i].fd >= 0;
	for (uint32_t i = 0; open > most && i < s->n_segs; i++) {
		if (s->segs[i].fd < 0 || i == keep || i == s->end.seg)
			continue;
		close(s->segs[i].fd);
		s->segs[i].fd = -1;
		open--;
	}
}

/* What a disk cannot read is damage, and costs what it hits: -EBADMSG. Once more first: some only
 * stumble. */
ssize_t seg_read(struct segment *g, void *p, size_t n, uint64_t off)
{
	ssize_t r = io_pread_full(g->fd, p, n, (off_t)off);

	if (r == -EIO)
		r = io_pread_full(g->fd, p, n, (off_t)off);
	if (r != -EIO)
		return r;
	if (!g->unread)
		log_warn("segment %u, offset %llu: the disk cannot read it (" RECOVER
			 " verify --all)",
			g->no, (unsigned long long)off);
	g->unread = true;
	return -EBADMSG;
}

bool seg_is_lost(struct store *s, uint32_t no)
{
	struct segment *g;
	int r = seg_get(s, no, &g);

	return r == -EBADMSG || r == -ENOENT;
}

bool seg_is_hurt(struct store *s, uint32_t no, uint64_t *ret_size)
{
	struct segment *g;
	int r = seg_get(s, no, &g);

	return (r == -EBADMSG || (r == 0 && (g->copied || g->unread))) &&
	       seg_size(s, no, ret_size) == 0 && *ret_size > SEG_HEADER;
}

int seg_get_as(struct store *s, uint32_t no, const char *name, struct segment **ret)
{
	struct segment *g;
	uint8_t h[SEG_HEADER];
	ssize_t n;
	int r;

	if (!no)
		return -EBADMSG;
	if ((r = seg_slot(s, no, &g)) < 0)
		return r;
	if (g->fd >= 0) {
		*ret = g;
		return 0;
	}
	g->fd = openat(s->logfd, name, (s->write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
	if (g->fd < 0)
		return err_errno();
	g->no = no;
	n = seg_read(g, h, sizeof(h), 0);
	if (n == -EBADMSG)		/* a sector is lost */
		memset(h, 0, (size_t)(n = sizeof(h)));
	r = n < 0 ? (int)n : n < (ssize_t)sizeof(h) ? -EBADMSG : check_header(s, g, h);
	if (r < 0) {
		close(g->fd);
		g->fd = -1;
		return r;
	}
	close_some(s, no);
	*ret = g;
	return 0;
}

int seg_get(struct store *s, uint32_t no, struct segment **ret)
{
	char name[16];

	seg_name(no, name);
	return seg_get_as(s, no, name, ret);
}

uint64_t seg_tidied(const struct segment *g)
{
	return get_u32(g->header + 56);
}

int seg_set_tidied(struct segment *g, uint64_t upto)
{
	put_u32(g->header + 56, (uint32_t)upto);
	put_u32(g->header + 60, (uint32_t)crc32(0, g->header, 60));
	return io_pwrite_all(g->fd, g->header, SEG_HEADER, 0);
}

int seg_size(struct store *s, uint32_t no, uint64_t *ret)
{
	char name[16];
	struct stat st;

	seg_name(no, name);
	if (fstatat(s->logfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno();
	/* Another may be in its place: the size is that of the one we read. */
	if (!s->write && no < s->n_segs && s->segs[no].fd >= 0 && fstat(s->segs[no].fd, &st) < 0)
		return err_errno();
	*ret = (uint64_t)st.st_size;
	return 0;
}

int seg_create_as(struct store *s, uint32_t no, const char *name)
{
	uint8_t h[SEG_HEADER] = { 0 };
	struct segment *g;
	int r;

	if ((r = seg_slot(s, no, &g)) < 0)
		return r;
	if (!s->have_id) {
		if (getrandom(s->id, 16, 0) != 16)
			return -EIO;
		s->have_id = true;
	}
	if (getrandom(g->salt, 16, 0) != 16)
		return -EIO;
	memcpy(h, magic, 8);
	h[8] = 1;
	put_u32(h + 12, no);
	memcpy(h + 16, s->id, 16);
	memcpy(h + 32, g->salt, 16);
	put_u64(h + 48, (uint64_t)text_now_ns());
	put_u32(h + 60, (uint32_t)crc32(0, h, 60));

	g->fd = name ? openat(s->logfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600) :
		       memfd_create("segment", MFD_CLOEXEC);
	if (g->fd < 0)
		return errno == EDQUOT ? -ENOSPC : -errno;
	g->no = no;
	g->mended = g->copied = g->unread = false;
	memcpy(g->header, h, sizeof(h));
	/* Name and header must survive a power cut before the first record is written: so a segment
	 * with records and without a header is damaged, never torn. */
	r = io_pwrite_all(g->fd, h, sizeof(h), 0);
	if (r == 0 && !s->opt.no_sync && (r = io_datasync(g->fd)) == 0)
		r = io_sync_dir(s->logfd);
	if (r < 0) {
		close(g->fd);
		g->fd = -1;
		if (name)
			(void)unlinkat(s->logfd, name, 0);
		return r;
	}
	s->end = (struct log_pos){ no, SEG_HEADER };
	s->n_log++;
	return 0;
}

int seg_create(struct store *s, uint32_t no)
{
	char name[16];
	int r;

	seg_name(no, name);
	if ((r = seg_create_as(s, no, name)) == 0)
		(void)headers_put(s, no, s->segs[no].header);
	return r;
}

int seg_replace(struct store *s, const struct segment *by)
{
	struct segment *g;
	int fd = fcntl(by->fd, F_DUPFD_CLOEXEC, 0), r;

	if (fd < 0)
		return err_errno();
	if ((r = seg_slot(s, by->no, &g)) < 0) {
		close(fd);
		return r;
	}
	if (g->fd >= 0)
		close(g->fd);
	*g = *by;
	g->fd = fd;
	obj_cache_clear(s);
	return 0;
}

void seg_forget(struct store *s, uint32_t no)
{
	if (no < s->n_segs && s->segs[no].fd >= 0) {
		close(s->segs[no].fd);
		s->segs[no].fd = -1;
	}
	obj_cache_clear(s);
}

int seg_rename(struct store *s, const char *from, uint32_t no)
{
	autoclose int fd = openat(s->logfd, from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint8_t h[SEG_HEADER];
	char name[16];
	int r;

	if (fd < 0)
		return err_errno();
	seg_name(no, name);
	if (renameat(s->logfd, from, s->logfd, name) < 0)
		return err_errno();
	if (!s->opt.no_sync && (r = io_sync_dir(s->logfd)) < 0)
		return r;
	/* Who dies before this leaves the copy of another file's header: for headers_fill, and so is what cannot be written. */
	if (io_pread_full(fd, h, sizeof(h), 0) != (ssize_t)sizeof(h) || headers_put(s, no, h) < 0)
		s->broken = 1;
	return 0;
}

ssize_t seg_pread_some(struct store *s, uint32_t no, void *p, size_t n, uint64_t off)
{
	struct segment *g;
	int r = seg_get(s, no, &g);

	return r < 0 ? r : seg_read(g, p, n, off);
}

int seg_pread(struct store *s, uint32_t no, void *p, size_t n, uint64_t off)
{
	ssize_t got = seg_pread_some(s, no, p, n, off);

	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : -EBADMSG;
}

int seg_append(struct store *s, const void *p, size_t n)
{
	struct segment *g;
	int r = s->limited && n > s->room ? s->limited : seg_get(s, s->end.seg, &g);

	if (r == 0)
		r = io_pwrite_all(g->fd, p, n, (off_t)s->end.off);
	if (r < 0)
		return r;
	s->end.off += n;
	s->room -= s->limited ? n : 0;
	return 0;
}

void seg_forget_all(struct store *s)
{
	for (uint32_t i = 0; i < s->n_segs; i++)
		if (s->segs[i].fd >= 0)
			close(s->segs[i].fd);
	free(s->segs);
	s->segs = NULL;
	s->n_segs = 0;
	obj_cache_clear(s);
}

/* ---- what is cut ---- */

#define TORN_MAX 16

/* -1: none of log/torn, log/torn.1, ... */
static long torn_number(const char *name)
{
	char *end;
	long n;

	if (strncmp(name, "torn", 4) != 0)
		return -1;
	if (!name[4])
		return 0;
	if (name[4] != '.' || !isdigit((unsigned char)name[5]))
		return -1;
	n = strtol(name + 5, &end, 10);
	return *end || n > INT_MAX - 1 ? -1 : n;
}

static void torn_format(long n, char out[32])
{
	(void)snprintf(out, 32, n ? "torn.%ld" : "torn", n);
}

struct torn {
	long first, last, n;	/* their numbers; n 0: there is none */
	uint64_t bytes;		/* as the disk counts them */
};

static struct torn torn_find(struct store *s)
{
	struct torn t = { LONG_MAX, -1, 0, 0 };
	autoclosedir DIR *d = NULL;
	struct dirent *de;

	(void)io_opendir(s->logfd, ".", &d);
	while (d && (de = readdir(d))) {
		long no = torn_number(de->d_name);
		struct stat st;

		if (no < 0)
			continue;
		t.n++;
		t.first = no < t.first ? no : t.first;
		t.last = no > t.last ? no : t.last;
		if (fstatat(s->logfd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			t.bytes += (uint64_t)st.st_blocks * 512;
	}
	return t;
}

uint64_t seg_torn(struct store *s)
{
	return torn_find(s).bytes;
}

int seg_torn_drop(struct store *s)
{
	struct torn t = torn_find(s);
	char name[32];

	if (!t.n)
		return -ENOENT;
	torn_format(t.first, name);
	return unlinkat(s->logfd, name, 0) < 0 ? err_errno() : 0;
}

/* The name for what is cut off next: those before it stay, the oldest of too many do not. How many bytes may stay
 * only those know who know the quota (store_torn_trim). */
static void torn_name(struct store *s, char out[32])
{
	struct torn t = torn_find(s);

	if (t.n >= TORN_MAX)
		(void)seg_torn_drop(s);
	torn_format(t.last + 1, out);
}

/* What is cut may be wanted by somebody after all (a flipped bit in the last transaction looks
 * like a torn one): it stays in log/torn. */
static void keep_tail(struct store *s, const char *name, uint64_t from)
{
	autoclose int in = openat(s->logfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), out = -1;
	uint8_t b[65536];
	char torn[32];
	ssize_t n;

	if (in < 0)
		return;
	torn_name(s, torn);
	out = openat(s->logfd, torn, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	while (out >= 0 && (n = io_pread_full(in, b, sizeof(b), (off_t)from)) > 0) {
		if (io_write_all(out, b, (size_t)n) < 0) {
			(void)unlinkat(s->logfd, torn, 0);	/* a full disk: then not */
			return;
		}
		from += (uint64_t)n;
	}
}

/* A segment of which nothing stays */
static int seg_remove(struct store *s, uint32_t no)
{
	char name[16], torn[32];
	uint64_t size;

	if (no < s->n_segs && s->segs[no].fd >= 0) {
		close(s->segs[no].fd);
		s->segs[no].fd = -1;
	}
	seg_name(no, name);
	if (!s->txn && seg_size(s, no, &size) == 0 && size > SEG_HEADER) {
		torn_name(s, torn);
		if (renameat(s->logfd, name, s->logfd, torn) == 0)
			return 0;
	}
	return unlinkat(s->logfd, name, 0) < 0 && errno != ENOENT ? err_errno() : 0;
}

int seg_cut(struct store *s, struct log_pos to)
{
	uint32_t first, last, no;
	struct segment *g;
	char name[16];
	int r = seg_list(s, &first, &last);

	if (r < 0)
		return r;
	for (no = last; no > to.seg;) {		/* the last one first: what a kill leaves has no gap */
		if ((r = seg_remove(s, no)) < 0 || (r = seg_list(s, &first, &no)) < 0)
			return r;
		s->n_log -= s->n_log > 0;
	}
	if (last > to.seg && (r = io_sync_dir(s->logfd)) < 0)
		return r;
	/* A segment that cannot be read is left as it is: the next record begins another. */
	if (to.seg && (r = seg_get(s, to.seg, &g)) != -EBADMSG) {
		uint64_t size;

		if (r < 0 || (r = seg_size(s, to.seg, &size)) < 0)
			return r;
		seg_name(to.seg, name);
		if (size > to.off && !s->txn && last == to.seg)
			keep_tail(s, name, to.off);
		if (size > to.off && ftruncate(g->fd, (off_t)to.off) < 0)
			return -errno;
	}
	obj_cache_clear(s);
	s->end = to;
	return 0;
}

/* ---- how far it was acknowledged ---- */

static uint32_t acked_sum(const struct segment *g, const uint8_t *p)
{
	return (uint32_t)crc32(crc32(0, g->salt, 16), p, 12);
}

struct log_pos seg_acked(struct store *s)
{
	autoclose int fd = openat(s->logfd, "acked", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct segment *g;
	uint8_t p[16];

	if (fd < 0 || io_pread_full(fd, p, sizeof(p), 0) != (ssize_t)sizeof(p) ||
		seg_get(s, get_u32(p), &g) < 0 || get_u32(p + 12) != acked_sum(g, p))
		return (struct log_pos){ 0, 0 };
	return (struct log_pos){ get_u32(p), get_u32(p + 4) | (uint64_t)get_u32(p + 8) << 32 };
}

/* What log/acked says is never newer than the log: where the log ends before that, something has cut it. */
uint64_t seg_is_cut(struct store *s)
{
	autoclose int fd = openat(s->logfd, "acked", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct log_pos acked = seg_acked(s);
	struct segment *g;
	struct stat st;
	uint8_t p[16];

	if (acked.seg)	/* of the file that it was written for: prune may be about to put another one there */
		return seg_get(s, acked.seg, &g) == 0 && fstat(g->fd, &st) == 0 && (uint64_t)st.st_size < acked.off ?
			acked.off - (uint64_t)st.st_size : 0;
	/* A segment that has not even its header left cannot say that it is the one. */
	if (fd < 0 || io_pread_full(fd, p, sizeof(p), 0) != (ssize_t)sizeof(p) || !get_u32(p) || !seg_is_lost(s, get_u32(p)))
		return 0;
	return get_u32(p + 4) | (uint64_t)get_u32(p + 8) << 32;
}

/* It only tells rot from a tear: nothing depends on its being there. */
void seg_set_acked(struct store *s)
{
	struct segment *g;
	uint8_t p[16];

	if (s->ackfd < 0)
		s->ackfd = openat(
			s->logfd, "acked", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->ackfd < 0 || seg_get(s, s->end.seg, &g) < 0)
		return;
	put_u32(p, s->end.seg);
	put_u64(p + 4, s->end.off);
	put_u32(p + 12, acked_sum(g, p));
	if (io_pwrite_all(s->ackfd, p, sizeof(p), 0) < 0)
		log_debug("%s/log/acked: not written", s->dir);
}
