/* The file: SAMPLES_N records of 64 bytes, record 0 the header. Little-endian.
 *
 *	0	8	sequence number of the record, from 1; of the header: its next
 *	8	48	of a sample, packed:
 *			8 real_ms
 *			4 total, 4 available, 4 swap_total, 4 swap_free, 4 gpu_total,
 *			4 gpu_used, 4 editor, 4 training
 *			  in units of 64 KiB; 0xffffffff: not known. 256 TiB fit
 *			2 psi_full10, 2 cpu_busy (0xffff: not known), 1 risk,
 *			1 GPU's use in percent plus one, 1 its degrees plus one (0: not known),
 *			1 zero
 *		of the header: 36 boot id, 1 in order, 11 zero
 *	56	4	magic "HFs1"; "HFh1" for the header
 *	60	4	sum over the 60 bytes before, FNV-1a
 *
 * Sample with sequence n stands at record 1 + n % (SAMPLES_N - 1). A record whose sum, magic or
 * place is wrong is none: what a power cut leaves half is not read as a reading. Sequence numbers
 * go on across boots. */
#include "detect/samples.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detect/detect.h"
#include "lib/auto.h"
#include "lib/io.h"

enum { RECORD = 64, ROUND = SAMPLES_N - 1, UNIT = 16 };

static const char magic_sample[4] = "HFs1", magic_header[4] = "HFh1";

struct samples {
	int fd;
	uint64_t next;
	char boot_id[37];
};

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, 8);
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return le64toh(v);
}

static void put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, 4);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return le32toh(v);
}

static void put16(uint8_t *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, 2);
}

static uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return le16toh(v);
}

static void put_size(uint8_t *p, uint64_t v)
{
	uint64_t u = v >> UNIT;

	put32(p, v == MACHINE_NONE ? UINT32_MAX : u < UINT32_MAX ? (uint32_t)u : UINT32_MAX - 1);
}

static uint64_t get_size(const uint8_t *p)
{
	uint32_t u = get32(p);

	return u == UINT32_MAX ? MACHINE_NONE : (uint64_t)u << UNIT;
}

static uint32_t sum(const uint8_t *p)
{
	uint32_t h = 2166136261u;

	for (int i = 0; i < RECORD - 4; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

static void seal(uint8_t *p, const char *magic)
{
	memcpy(p + 56, magic, 4);
	put32(p + 60, sum(p));
}

static bool is_whole(const uint8_t *p, const char *magic)
{
	return memcmp(p + 56, magic, 4) == 0 && get32(p + 60) == sum(p);
}

static off_t place(uint64_t seq)
{
	return (off_t)(1 + seq % ROUND) * RECORD;
}

/* Is the record that stands at index i a sample, and the one that belongs there? */
static bool sample_at(const uint8_t *all, unsigned i, uint64_t *ret_seq)
{
	const uint8_t *p = all + (size_t)i * RECORD;

	if (!is_whole(p, magic_sample))
		return false;
	*ret_seq = get64(p);
	return 1 + *ret_seq % ROUND == i;
}

static void decode(const uint8_t *p, struct sample *x)
{
	*x = (struct sample){
		.real_ms = get64(p + 8),
		.total = get_size(p + 16),
		.available = get_size(p + 20),
		.swap_total = get_size(p + 24),
		.swap_free = get_size(p + 28),
		.gpu_total = get_size(p + 32),
		.gpu_used = get_size(p + 36),
		.editor = get_size(p + 40),
		.training = get_size(p + 44),
		.psi_full10 = get16(p + 48),
		.cpu_busy = get16(p + 50),
		.risk = p[52],
		.gpu_busy = p[53],
		.gpu_celsius = p[54],
		.group = p[55],
	};
}

static void encode(uint64_t seq, const struct sample *x, uint8_t *p)
{
	memset(p, 0, RECORD);
	put64(p, seq);
	put64(p + 8, x->real_ms);
	put_size(p + 16, x->total);
	put_size(p + 20, x->available);
	put_size(p + 24, x->swap_total);
	put_size(p + 28, x->swap_free);
	put_size(p + 32, x->gpu_total);
	put_size(p + 36, x->gpu_used);
	put_size(p + 40, x->editor);
	put_size(p + 44, x->training);
	put16(p + 48, x->psi_full10);
	put16(p + 50, x->cpu_busy);
	p[52] = x->risk;
	p[53] = x->gpu_busy;
	p[54] = x->gpu_celsius;
	p[55] = x->group;
	seal(p, magic_sample);
}

/* What the file holds, short ones filled up with zeroes: those records are none. */
static int load(int dirfd, uint8_t **ret)
{
	autoclose int fd =
		openat(dirfd, DETECT_SAMPLES, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	autofree uint8_t *all = NULL;
	ssize_t n;

	if (fd < 0)
		return -errno;
	all = calloc(SAMPLES_N, RECORD);
	if (!all)
		return -ENOMEM;
	n = io_pread_full(fd, all, (size_t)SAMPLES_N * RECORD, 0);
	if (n < 0)
		return (int)n;
	*ret = take_ptr(all);
	return 0;
}

static uint64_t newest(const uint8_t *all, uint64_t *ret_ms)
{
	uint64_t best = 0, seq;

	*ret_ms = 0;
	for (unsigned i = 1; i < SAMPLES_N; i++)
		if (sample_at(all, i, &seq) && seq > best) {
			best = seq;
			*ret_ms = get64(all + (size_t)i * RECORD + 8);
		}
	return best;
}

static int write_header(const struct samples *s, bool in_order)
{
	uint8_t p[RECORD] = { 0 };

	put64(p, s->next);
	memcpy(p + 8, s->boot_id, 36);
	p[44] = in_order;
	seal(p, magic_header);
	return io_pwrite_all(s->fd, p, RECORD, 0);
}

int samples_open(int dirfd, const char *boot_id, struct samples **ret)
{
	autofree uint8_t *all = NULL;
	struct samples *s;
	uint64_t ms;
	int r = load(dirfd, &all);

	if (r < 0 && r != -ENOENT)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	(void)strncpy(s->boot_id, boot_id, sizeof(s->boot_id) - 1);
	s->next = (all ? newest(all, &ms) : 0) + 1;
	s->fd = openat(dirfd, DETECT_SAMPLES, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	r = s->fd < 0 ? -errno : 0;
	/* The room is taken now: a full disk must not end the record of how it came to that. Where
	 * that is not to be had (a file system without fallocate), the writes themselves take
	 * it. */
	if (r == 0 && fallocate(s->fd, 0, 0, (off_t)SAMPLES_N * RECORD) < 0 && errno == ENOSPC)
		r = -ENOSPC;
	if (r == 0)
		r = write_header(s, false);
	if (r < 0) {
		auto_close_(&s->fd);
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

int samples_add(struct samples *s, const struct sample *x)
{
	uint8_t p[RECORD];
	int r;

	encode(s->next, x, p);
	r = io_pwrite_all(s->fd, p, RECORD, place(s->next));
	if (r == 0)
		s->next++;
	return r;
}

void samples_close(struct samples *s, bool in_order)
{
	if (!s)
		return;
	/* The mark is worth waiting for: without it a machine that was switched off in order looks
	 * lost. */
	if (in_order && write_header(s, true) == 0)
		(void)io_datasync(s->fd);
	(void)close(s->fd);
	free(s);
}

int samples_last(int dirfd, struct samples_last *ret)
{
	autofree uint8_t *all = NULL;
	int r = load(dirfd, &all);

	if (r < 0)
		return r;
	assert(all);
	memset(ret, 0, sizeof(*ret));
	(void)newest(all, &ret->real_ms);
	/* Torn with the machine: that one did not end in order, of that boot nobody knows. */
	if (!is_whole(all, magic_header))
		return ret->real_ms ? 0 : -ENOENT;
	memcpy(ret->boot_id, all + 8, 36);
	ret->in_order = all[44] == 1;
	return 0;
}

struct numbered {
	uint64_t seq;
	unsigned at;
};

static int by_seq(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

int samples_between(
	int dirfd, uint64_t from_ms, uint64_t to_ms, struct sample **ret, unsigned *ret_n)
{
	autofree uint8_t *all = NULL;
	autofree struct numbered *found = NULL;
	struct sample *list;
	unsigned n = 0;
	int r = load(dirfd, &all);

	if (r < 0)
		return r;
	assert(all);
	found = calloc(SAMPLES_N, sizeof(*found));
	if (!found)
		return -ENOMEM;
	for (unsigned i = 1; i < SAMPLES_N; i++) {
		uint64_t seq, ms = get64(all + (size_t)i * RECORD + 8);

		/* The times first: they are most of the decision, the sums most of the work. */
		if (ms >= from_ms && ms <= to_ms && sample_at(all, i, &seq))
			found[n++] = (struct numbered){ seq, i };
	}
	qsort(found, n, sizeof(*found), by_seq);
	list = calloc(n ? n : 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		decode(all + (size_t)found[i].at * RECORD, &list[i]);
	*ret = list;
	*ret_n = n;
	return 0;
}

bool sample_is_of(const struct sample *x, uint64_t total)
{
	return x->total >> UNIT == total >> UNIT;
}
