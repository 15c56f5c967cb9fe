/* How much room a store may take: its quota, the floor that stays free on the file system, and the
 * reserve, a file of nothing that is given up so that prune can work on a full disk. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>

#include "../config/config.h"
#include "../lib/text.h"
#include "internal.h"

#define RESERVE_NAME "reserve"
#define STOPPED_NAME "stopped"
#define MIRROR "mirror"		/* what is pushed elsewhere, and all that git has beside it (recover/mirror-stage.h) */
#define MIRROR_DEPTH 8
#define RESERVE_MAX (32u << 20)
#define QUOTA_MAX (UINT64_C(5) << 30)
#define TORN_SHARE 32	/* of the quota: log/torn* may have so much, */
#define TORN_FREE 20	/* as long as so much of it is free */
#define MARGIN (1u << 20)
#define SEGMENT_MIN (256u << 10)
#define INDEX_MAX (256u << 10)	/* bytes that the catalogue grows by with a snapshot, about */

/* What the files of a folder take, and the largest of them. */
static int add_folder(int at, const char *name, uint64_t *sum, uint64_t *largest)
{
	autoclosedir DIR *d = NULL;
	struct dirent *e;
	int r = io_opendir(at, name, &d);

	if (r < 0)
		return r;
	while ((errno = 0, e = readdir(d))) {
		struct stat st;

		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		*sum += (uint64_t)st.st_blocks * 512;
		if ((uint64_t)st.st_size > *largest)
			*largest = (uint64_t)st.st_size;
	}
	return -errno;
}

/* All files below a folder. While we look, whoever pushes may take parts of it away. */
static int add_below(int at, const char *name, unsigned depth, uint64_t *sum)
{
	autoclosedir DIR *d = NULL;
	struct dirent *e;
	int r = io_opendir(at, name, &d);

	if (r < 0)
		return r == -ENOENT || r == -ENOTDIR || r == -ELOOP ? 0 : r;
	while ((errno = 0, e = readdir(d))) {
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode))
			*sum += (uint64_t)st.st_blocks * 512;
		else if (S_ISDIR(st.st_mode) && depth > 1 && (r = add_below(dirfd(d), e->d_name, depth - 1, sum)) < 0)
			return r;
	}
	return -errno;
}

static uint64_t reserve_size(const struct store_room *m)
{
	return m->quota / 16 < RESERVE_MAX ? m->quota / 16 : RESERVE_MAX;
}

/* What prune needs beside the reserve to write a segment anew; of one that is large for its quota not all of it. */
static uint64_t margin(const struct store_room *m, uint64_t segment)
{
	uint64_t reserve = reserve_size(m), rest = segment > reserve ? segment - reserve : 0;
	uint64_t index = m->quota / 32 < INDEX_MAX ? m->quota / 32 : INDEX_MAX;

	return (rest < m->quota / 16 ? rest : m->quota / 16) + index;
}

/* A segment is to be small beside the quota: while it is written anew there are two of it. So is the catalogue's WAL. */
static void size_segments(struct store *s, const struct store_room *m)
{
	uint64_t n = m->quota / 8, pages = m->quota / 64 / 4096;

	s->wal_max = pages < 64 ? 64 : pages > 1024 ? 1024 : (int)pages;
	if (s->own_segment_size)
		s->opt.segment_size = n < SEGMENT_MIN ? SEGMENT_MIN : n > SEG_SIZE_DEFAULT ? SEG_SIZE_DEFAULT : n;
}

int store_room(struct store *s, const struct config *cfg, struct store_room *ret)
{
	struct store_room m = { .floor = cfg->free_floor, .quota = cfg->quota };
	uint64_t own = 0, segment = 0;
	struct statvfs v;
	struct stat st;
	int r;

	if (fstatvfs(s->dirfd, &v) < 0)
		return err_errno();
	if (!m.quota) {
		m.quota = (uint64_t)v.f_blocks * v.f_frsize / 10;
		m.quota = m.quota > QUOTA_MAX || !m.quota ? QUOTA_MAX : m.quota;
	}
	m.avail = (uint64_t)v.f_bavail * v.f_frsize;
	if ((r = add_folder(s->dirfd, ".", &m.size, &own)) < 0 || (r = add_folder(s->logfd, ".", &m.size, &segment)) < 0 ||
	    (r = add_below(s->dirfd, MIRROR, MIRROR_DEPTH, &m.size)) < 0)
		return r;
	m.torn = seg_torn(s);
	size_segments(s, &m);
	m.margin = margin(&m, segment);
	if (fstatat(s->dirfd, RESERVE_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
		m.reserve = (uint64_t)st.st_blocks * 512;
	else if (s->gave_reserve)
		m.due = reserve_size(&m);
	*ret = m;
	return 0;
}

uint64_t store_room_left(const struct store_room *m, int *ret_err)
{
	uint64_t quota = m->quota > m->size + m->margin ? m->quota - m->size - m->margin : 0;
	uint64_t keep = m->floor + m->due, disk = m->avail > keep ? m->avail - keep : 0;

	*ret_err = quota < disk ? -EDQUOT : -ENOSPC;
	return quota < disk ? quota : disk;
}

void store_torn_trim(struct store *s, const struct config *cfg, struct store_room *m, bool all)
{
	uint64_t before = m->torn;
	char size[16];
	int err;

	while (m->torn && (all || m->torn > m->quota / TORN_SHARE || store_room_left(m, &err) < m->quota / TORN_FREE))
		if (seg_torn_drop(s) < 0 || store_room(s, cfg, m) < 0)
			break;
	if (m->torn < before)
		log_info("%s: %s of unfinished snapshots went (log/torn)", s->dir, text_size(before - m->torn, size));
}

void store_limit(struct store *s, uint64_t bytes, int err)
{
	s->room = bytes;
	s->limited = bytes != UINT64_MAX ? err : 0;
}

void store_reserve_make(struct store *s, const struct config *cfg)
{
	struct store_room m;
	uint64_t want;
	int fd, err;

	if (store_room(s, cfg, &m) < 0 || m.reserve)
		return;
	want = reserve_size(&m);
	if (!s->gave_reserve && store_room_left(&m, &err) / 4 < want)
		return;
	fd = openat(
		s->dirfd, RESERVE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	/* Not posix_fallocate: where there is no such call it writes every block. */
	if (fallocate(fd, 0, 0, (off_t)want) < 0) {
		log_debug("%s/" RESERVE_NAME ": %s", s->dir, strerror(errno));
		(void)unlinkat(s->dirfd, RESERVE_NAME, 0);
	} else {
		s->gave_reserve = false;
	}
	close(fd);
}

bool store_reserve_release(struct store *s)
{
	if (unlinkat(s->dirfd, RESERVE_NAME, 0) < 0)
		return false;
	s->gave_reserve = true;
	return true;
}

void store_keep_from(const struct config *cfg, struct store_retention *ret)
{
	*ret = (struct store_retention){
		.all_s = cfg->keep_all_ms / 1000, .ten_minutes_s = cfg->keep_ten_ms / 1000,
		.hourly_s = cfg->keep_hourly_ms / 1000, .daily_s = cfg->keep_daily_ms / 1000,
		.weekly_s = cfg->keep_weekly_ms / 1000, .grace_s = cfg->grace_ms / 1000,
	};
}

uint64_t store_target(struct store *s, const struct store_room *m)
{
	uint64_t log = 0, other, want, need, keep;
	uint32_t first, last;

	if (seg_list(s, &first, &last) < 0)
		return 1;
	for (uint32_t no = first; no && no <= last; no = seg_next(s, no, last)) {
		uint64_t size;

		if (seg_size(s, no, &size) == 0)
			log += size;
	}
	/* A tenth below the quota, an eighth above the floor, or a little: not at once again. */
	other = m->size > log + m->reserve + m->torn ? m->size - log - m->reserve - m->torn : 0;
	want = m->quota - m->quota / 10 - m->margin;
	want = want > other ? want - other : 1;
	keep = m->floor + m->due + (m->floor / 8 > MARGIN ? m->floor / 8 : MARGIN);
	if (m->avail < keep) {
		need = log > keep - m->avail ? log - (keep - m->avail) : 1;
		want = need < want ? need : want;
	}
	return want;
}

void store_set_stopped(struct store *s, const char *why)
{
	autoput(buf_release) struct buf b = BUF_INIT, was = BUF_INIT;
	autoclose int fd = -1;
	int64_t since;

	if (!why) {
		(void)unlinkat(s->dirfd, STOPPED_NAME, 0);
		return;
	}
	/* Since when stays; why may have changed. */
	if (store_stopped(s, &since, &was) == 0)
		since = text_now_ns();
	else if (strcmp(was.data, why) == 0)
		return;
	if (buf_printf(&b, "%lld %s\n", (long long)since, why) < 0)
		return;
	/* In place, and not synced: on a full disk the old one, or an empty one, says enough. */
	fd = openat(s->dirfd, STOPPED_NAME, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && io_write_all(fd, b.data, b.len) == 0)
		(void)!ftruncate(fd, (off_t)b.len);
}

int store_stopped(const struct store *s, int64_t *ret_ns, struct buf *ret)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct stat st;
	char *end;

	if (fstatat(s->dirfd, STOPPED_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (io_read_file(s->dirfd, STOPPED_NAME, 4096, &b) < 0 || !b.len) {
		*ret_ns = text_ns(&st.st_mtim);
		return buf_addstr(ret, "there is no room") < 0 ? 0 : 1;
	}
	b.data[strcspn(b.data, "\n")] = 0;
	*ret_ns = strtoll(b.data, &end, 10);
	return buf_addstr(ret, *end == ' ' ? end + 1 : "there is no room") < 0 ? 0 : 1;
}
