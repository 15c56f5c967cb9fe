/* log/headers: a second copy of every segment's header. Without the salt in it no record of a
 * segment can be found, so one lost sector would cost 64 MiB of history. A copy is on the disk
 * before a new segment has any record; what a segment says itself counts first. */
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

static int put_one(struct store *s, uint32_t no, const uint8_t h[SEG_HEADER])
{
	autoclose int fd =
		openat(s->logfd, NAME, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = fd < 0 ? err_errno() : io_pwrite_all(fd, h, SEG_HEADER, place(no));

	return r < 0 || s->opt.no_sync ? r : io_datasync(fd);
}

/* Best effort: a segment is whole without it. Once more, for disks that only stumble. */
int headers_put(struct store *s, uint32_t no, const uint8_t h[SEG_HEADER])
{
	int r = put_one(s, no, h);

	if (r < 0)
		r = put_one(s, no, h);
	if (r < 0)
		log_debug_errno(r, "%s/log/headers: not written", s->dir);
	return r;
}

/* Those that are missing or damaged, and those of files in whose place prune or tidy has put another and died before it
 * could say so here: of all of them the segment itself is asked. */
int headers_fill(struct store *s)
{
	autoclose int fd = openat(s->logfd, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint32_t first, last;
	int r = seg_list(s, &first, &last);

	for (uint32_t no = first; r == 0 && no && no <= last; no = seg_next(s, no, last)) {
		uint8_t h[SEG_HEADER];
		struct segment *g;

		if (seg_get(s, no, &g) < 0 || g->copied || g->mended)
			continue;
		if (fd < 0 || io_pread_full(fd, h, SEG_HEADER, place(no)) != SEG_HEADER || memcmp(h, g->header, SEG_HEADER) != 0)
			(void)headers_put(s, no, g->header);
	}
	return r;
}

/* By the file that has the segment's name now, whichever is open. */
bool headers_differ(struct store *s, uint32_t no)
{
	uint8_t own[SEG_HEADER], copy[SEG_HEADER];
	autoclose int fd = -1;
	char name[16];

	seg_name(no, name);
	fd = openat(s->logfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && io_pread_full(fd, own, SEG_HEADER, 0) == SEG_HEADER && seg_header_is(own, no) &&
	       headers_get(s, no, copy) == 0 && memcmp(own, copy, SEG_HEADER) != 0;
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
