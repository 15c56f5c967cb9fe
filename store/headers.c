/* log/headers: a second copy of every segment's header. Without the salt in it no record of a
 * segment can be found, so one lost sector would cost 64 MiB of history. A copy is on the disk
 * before the segment has any record; what a segment says itself counts first. */
#include <fcntl.h>
#include <string.h>
#include <zlib.h>

#include "internal.h"

#define NAME "headers"

static off_t place(uint32_t no)
{
	return (off_t)(no - 1) * SEG_HEADER;
}

int headers_get(struct store *s, uint32_t no, uint8_t h[SEG_HEADER])
{
	autoclose int fd = openat(s->logfd, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		return err_errno();
	n = io_pread_full(fd, h, SEG_HEADER, place(no));
	return n < 0 ? (int)n : n == SEG_HEADER && seg_header_is(h, no) ? 0 : -EBADMSG;
}

/* Best effort: a segment is whole without it. */
void headers_put(struct store *s, uint32_t no, const uint8_t h[SEG_HEADER])
{
	autoclose int fd =
		openat(s->logfd, NAME, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = fd < 0 ? err_errno() : io_pwrite_all(fd, h, SEG_HEADER, place(no));

	if (r == 0 && !s->opt.no_sync)
		r = io_datasync(fd);
	if (r < 0)
		log_debug_errno(r, "%s/log/headers: not written", s->dir);
}

/* Stores of before, and those whose copies were damaged or removed. again: whatever is there. */
int headers_fill(struct store *s, bool again)
{
	uint32_t first, last;
	int r = seg_list(s, &first, &last);

	for (uint32_t no = first; r == 0 && no && no <= last; no = seg_next(s, no, last)) {
		uint8_t h[SEG_HEADER];
		struct segment *g;

		if (!again && headers_get(s, no, h) == 0)
			continue;
		if (seg_get(s, no, &g) == 0 && !g->copied && !g->mended &&
			io_pread_full(g->fd, h, sizeof(h), 0) == (ssize_t)sizeof(h) &&
			seg_header_is(h, no))
			headers_put(s, no, h);
	}
	return r;
}

/* What was put right in memory is put right on the disk, if it is the one that the records were
 * made with. */
void headers_mend(struct store *s)
{
	for (uint32_t no = 1; no < s->n_segs; no++) {
		autohead struct head *h = NULL;
		uint8_t b[SEG_HEADER];
		struct segment *g = &s->segs[no];

		if (g->fd < 0 || (!g->mended && !g->copied) ||
			head_resync(s, no, SEG_HEADER, &h) < 0)
			continue;
		g = &s->segs[no];
		memcpy(b, g->header, sizeof(b));
		if (io_pwrite_all(g->fd, b, sizeof(b), 0) < 0 || io_datasync(g->fd) < 0)
			continue;
		log_warn("%s: segment %u: its header was damaged, and is mended", s->dir, no);
		g->mended = g->copied = false;
	}
}
