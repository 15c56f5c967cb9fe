#include "portion.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define NAME "checked"
#define REST (256u << 10)

/* ---- what is known ---- */

int checked_read(const struct store *s, struct checked *ret)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct checked c = { 0 };
	int r = io_read_file(s->dirfd, NAME, 4096, &b);

	*ret = c;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (buf_addch(&b, '\0') < 0)
		return -ENOMEM;
	/* The last is missing where none was cut short. */
	if (sscanf(b.data, "1 %" SCNu32 " %" SCNu64 " %" SCNd64 " %" SCNd64 " %" SCNu32 " %" SCNu64 " %" SCNd64 " %" SCNu64 " %" SCNu64,
		&c.seg, &c.off, &c.time_ns, &c.round_ns, &c.bad_seg, &c.bad_off, &c.bad_ns, &c.n_bad, &c.part) >= 8)
		*ret = c;
	return 0;
}

int checked_write(const struct store *s, const struct checked *c)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = buf_printf(&b, "1 %" PRIu32 " %" PRIu64 " %" PRId64 " %" PRId64 " %" PRIu32 " %" PRIu64 " %" PRId64 " %" PRIu64,
		c->seg, c->off, c->time_ns, c->round_ns, c->bad_seg, c->bad_off, c->bad_ns, c->n_bad);

	if (r == 0 && c->part)
		r = buf_printf(&b, " %" PRIu64, c->part);
	if (r == 0)
		r = buf_addch(&b, '\n');
	return r < 0 ? r : io_replace_file(s->dirfd, NAME, b.data, b.len, 0600);
}

/* ---- looking ---- */

/* Is there no sound copy of one of its objects? They are noted for the next snapshot. */
static int is_lost(struct store *s, const struct head *h)
{
	int lost = 0;

	for (uint32_t i = 0; i < h->n_objs; i++) {
		autorbuf struct rbuf *raw = NULL;
		uint8_t type = head_frame(h, i)->type;
		struct oid id;
		int r;

		memcpy(id.b, head_id(h, i), 20);
		r = type == OBJ_MANIFEST || type == OBJ_MARK || type == OBJ_DROPPED || type == OBJ_SNAPSHOT ?
			obj_read(s, loc_make(h->seg, h->off, i), NULL, NULL, &raw) : obj_read_id(s, &id, NULL, &raw);
		if (r == 0 || r == -ENOENT)	/* nobody wants it any more */
			continue;
		if (r != -EBADMSG && r != -ENOTSUP)
			return r;
		heal_note(s, &id);
		lost = 1;
	}
	return lost;
}

/* The record at a place. 1: damaged; *ret_next is the place after it. */
static int look(struct store *s, uint32_t seg, uint64_t off, uint64_t *ret_next)
{
	autohead struct head *h = NULL;
	struct segment *g;
	int r = seg_get(s, seg, &g);

	if (r == 0)	/* the disk's own word */
		(void)posix_fadvise(g->fd, (off_t)off, REST, POSIX_FADV_DONTNEED);
	if (r == 0)
		r = head_get(s, seg, off, &h);
	if (r == -EBADMSG) {
		autohead struct head *next = NULL;
		int e = seg_is_lost(s, seg) ? -ENOENT : head_resync(s, seg, off + 1, &next);

		*ret_next = e == 0 ? next->off : UINT64_MAX;
		return e < 0 && e != -ENOENT && e != -EBADMSG ? e : 1;
	}
	if (r != 0)
		return r;
	*ret_next = h->end;
	r = head_check_frames(s, h);
	return r == -EBADMSG ? is_lost(s, h) : r;
}

/* How far a segment was acknowledged. */
static int end_of(struct store *s, uint32_t seg, uint64_t *ret)
{
	struct log_pos end = cat_pos(s->cat);
	int r = seg_size(s, seg, ret);

	if (r == 0 && seg == end.seg && *ret > end.off)
		*ret = end.off;
	return r;
}

uint64_t store_check_size(struct store *s)
{
	struct log_pos end = cat_pos(s->cat);
	uint64_t sum = 0, size;

	for (uint32_t no = 1; no <= end.seg; no = seg_next(s, no, end.seg))
		if (end_of(s, no, &size) == 0)
			sum += size;
	return sum;
}

/* Is what was bad still so? */
static int look_again(struct store *s, struct checked *c)
{
	uint64_t next, size;
	int r = c->bad_seg ? end_of(s, c->bad_seg, &size) : -ENOENT;

	if (r == 0)
		r = c->bad_off < size ? look(s, c->bad_seg, c->bad_off, &next) : -ENOENT;
	if (r == 0 || r == -ENOENT) {
		c->bad_seg = 0;
		c->bad_off = c->n_bad = 0;
		c->bad_ns = 0;
		return 0;
	}
	return r;
}

static void found(struct checked *c, uint32_t seg, uint64_t off, int64_t now_ns)
{
	if (c->bad_seg == seg && c->bad_off == off)
		return;
	if (!c->bad_seg) {
		c->bad_seg = seg;
		c->bad_off = off;
		c->bad_ns = now_ns;
	}
	c->n_bad++;
}

int store_check_portion(struct store *s, struct checked *c, uint64_t bytes, int64_t now_ns, int (*pause)(void *arg), void *arg)
{
	struct log_pos end = cat_pos(s->cat);
	uint64_t left = store_check_size(s), rest = 0, todo = bytes > c->part ? bytes - c->part : 0;
	int r;

	obj_cache_clear(s);	/* something in it may have been put right */
	s->strict = true;
	r = look_again(s, c);

	todo = left = todo < left ? todo : left;
	while (r >= 0 && left && end.seg) {
		uint64_t size = 0, next = UINT64_MAX;

		if (!c->seg || c->seg > end.seg || c->off < SEG_HEADER) {
			c->seg = c->seg > end.seg || !c->seg ? 1 : c->seg;
			c->off = SEG_HEADER;
		}
		r = end_of(s, c->seg, &size);
		if (r == -ENOENT) {	/* a segment that is not there is damage, told once a round */
			found(c, c->seg, SEG_HEADER, now_ns);
			size = 0;
		} else if (r != 0) {
			break;
		}
		if (c->off >= size) {
			c->off = SEG_HEADER;
			left -= left < SEG_HEADER ? left : SEG_HEADER;
			c->seg = size ? c->seg + 1 : seg_next(s, c->seg, end.seg);
			if (c->seg > end.seg) {
				c->seg = 1;
				c->round_ns = now_ns;
			}
			r = 0;
			continue;
		}
		if ((r = look(s, c->seg, c->off, &next)) < 0)
			break;
		if (r == 1)
			found(c, c->seg, c->off, now_ns);
		next = next < size ? next : size;
		next = next > c->off ? next : size;
		rest += next - c->off;
		left -= left < next - c->off ? left : next - c->off;
		c->off = next;
		r = 0;
		if (rest >= REST && pause) {
			rest = 0;
			r = pause(arg);
		}
	}
	s->strict = false;
	if (r == -EINTR) {
		c->part += todo - left;
	} else if (r >= 0) {
		c->time_ns = now_ns;
		c->part = 0;
	}
	return r < 0 ? r : c->bad_seg != 0;
}
