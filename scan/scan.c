/* scan/scan.c - the handle, what counts as unchanged, one whole snapshot. */
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/text.h"
#include "scan-internal.h"

int64_t scan_ns(const struct timespec *ts)
{
	return text_ns(ts);
}

int scan_open(const char *workspace, const struct scan_options *opt, struct scan **ret)
{
	struct scan *s = calloc(1, sizeof(*s));
	struct stat st = { 0 };
	int r;

	if (!s)
		return -ENOMEM;
	s->opt = *opt;
	s->near.fd = -1;
	s->workspace = strdup(workspace);
	s->rootfd = open(workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->rootfd < 0 || fstat(s->rootfd, &st) < 0)
		r = -errno;
	else
		r = s->workspace ? rules_new(s->rootfd, opt->cfg, &s->rules) : -ENOMEM;
	if (r < 0) {
		scan_close(s);
		return r;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	*ret = s;
	return 0;
}

void scan_close(struct scan *s)
{
	if (!s)
		return;
	rules_free(s->rules);
	at_forget(&s->near);
	auto_close_(&s->rootfd);
	free(s->workspace);
	free(s);
}

struct rules *scan_rules(struct scan *s)
{
	return s->rules;
}

int scan_rootfd(const struct scan *s)
{
	return s->rootfd;
}

/* rules.c and others hold the number, so that stays. */
void scan_rest(struct scan *s)
{
	autoclose int fd = s->resting ? -1 : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	rules_rest(s->rules);
	at_forget(&s->near);
	s->resting |= fd >= 0 && dup3(fd, s->rootfd, O_CLOEXEC) >= 0;
}

static int wake(struct scan *s)
{
	autoclose int fd = open(s->workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	if (st.st_dev != s->dev || st.st_ino != s->ino)
		return -ENOENT;
	if (dup3(fd, s->rootfd, O_CLOEXEC) < 0)
		return -errno;
	s->resting = false;
	return 0;
}

int scan_present(struct scan *s)
{
	struct stat there, ours;

	if (s->resting)
		return wake(s);
	if (stat(s->workspace, &there) < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	/* Of a file system that is dead, while another is in its place. */
	if (fstat(s->rootfd, &ours) < 0)
		return -ENOENT;
	return there.st_dev == ours.st_dev && there.st_ino == ours.st_ino && ours.st_nlink
		       ? 0
		       : -ENOENT;
}

static int holds_something(struct store *st)
{
	autoput(known_release) struct known k = { 0 };
	int r = known_read(&k, st, "");

	for (size_t i = 0; r == 0 && i < k.n; i++)
		if (k.at[i].e.kind != KIND_SKIPPED)
			return 1;
	return r;
}

static int is_empty(struct scan *s)
{
	autoput(listing_release) struct listing l = { 0 };
	int r = listing_read(&l, s->rootfd);

	for (size_t i = 0; r == 0 && i < l.n; i++) {
		enum store_why why;
		bool any;

		if (rules_check(s->rules, listing_name(&l, i), l.at[i].type == DT_DIR, &why,
			    &any) != RULES_SKIP)
			return 0;
	}
	return r < 0 ? r : 1;
}

int scan_replaced(struct scan *s, struct store *st)
{
	struct store_entry was;
	struct stat now;
	int r = store_cur_get(st, "", &was);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (fstat(s->rootfd, &now) < 0)
		return -errno;
	if (was.kind != KIND_DIR || was.ino == now.st_ino)
		return 0;
	r = holds_something(st);
	return r <= 0 ? r : is_empty(s);
}

void scan_counts(const struct scan *s, struct scan_counts *ret)
{
	*ret = s->counts;
}

int scan_tick(struct scan *s)
{
	if (s->opt.progress)
		s->opt.progress(s->counts.files, s->counts.read_bytes, s->opt.arg);
	return s->opt.stop && *s->opt.stop ? -EINTR : 0;
}

bool scan_is_ours(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -EINTR;
}

/* When snapshot seq was begun; 0 if that is not known. */
static int64_t time_of(struct scan *s, struct store *st, uint64_t seq)
{
	size_t i = seq % TIMES;
	struct store_snapshot sn;

	if (s->time[i].seq != seq || !s->time[i].time_ns) {
		if (store_by_seq(st, seq, &sn) < 0)
			return 0;
		s->time[i].seq = seq;
		s->time[i].time_ns = sn.time_ns;
		store_snapshot_release(&sn);
	}
	return s->time[i].time_ns;
}

bool scan_unchanged(
	struct scan *s, struct store *st, const struct store_entry *e, const struct stat *now)
{
	int64_t mtime = scan_ns(&now->st_mtim), ctime = scan_ns(&now->st_ctim);

	if (e->mode != now->st_mode || e->mtime_ns != mtime || e->ctime_ns != ctime || !ctime ||
		e->ino != now->st_ino || (e->flags & (ENTRY_KEPT | ENTRY_UNSTABLE)))
		return false;
	if (e->kind == KIND_FILE && e->size != (uint64_t)now->st_size)
		return false;
	/* It may have changed again within the grain of the times after it was read. */
	return (mtime > ctime ? mtime : ctime) <
	       (e->seen_ns ? e->seen_ns : time_of(s, st, e->seq)) - SCAN_GRAIN_NS;
}

int scan_snapshot(struct scan *s, struct store *st, const struct store_commit *how,
	struct store_snapshot *ret)
{
	struct store_commit h = *how;
	struct store_txn *t;
	int r;

	if (!h.time_ns)
		h.time_ns = text_now_ns();
	r = s->opt.replaced_ok || h.reason == REASON_RESTORE ? 0 : scan_replaced(s, st);
	if (r)
		return r < 0 ? r : -ENOMEDIUM;
	r = store_txn_begin(st, &t);
	if (r < 0)
		return r;
	r = scan_all(s, st, t);
	if (r < 0) {
		store_txn_abort(t);
		return r;
	}
	return store_txn_commit(t, &h, ret);
}
