#include "safety.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../scan/scan.h"
#include "daemon.h"
#include "cached.h"

/* ---- the snapshot ---------------------------------------------------------- */

static void close_store(struct store **s)
{
	store_close(*s);
}

/* Somebody else may be writing for a moment (`snapd --once`): worth a few seconds. */
static int open_writer(const struct recover *r, struct store **ret)
{
	struct store_options so = { .level = r->cfg.level, .workspace = r->workspace };
	struct timespec pause = { .tv_nsec = 50000000 };
	int e;

	for (int i = 0; (e = store_open(r->store_path, STORE_WRITE, &so, ret)) == -EBUSY && i < 100;
		i++) {
		if (interrupted)
			return -EINTR;
		(void)nanosleep(&pause, NULL);
	}
	return e;
}

static int snapshot_alone(struct recover *r, const char *message, struct store_snapshot *ret)
{
	autoput(close_store) struct store *w = NULL;
	autoscan struct scan *sc = NULL;
	struct scan_options so = { .cfg = &r->cfg, .stop = &interrupted };
	struct store_commit how = { .reason = REASON_RESTORE, .message = message };
	int e;

	if ((e = open_writer(r, &w)) < 0 || (e = scan_open(r->workspace, &so, &sc)) < 0)
		return e;
	return scan_snapshot(sc, w, &how, ret);
}

static int snapshot_by_daemon(struct recover *r, const char *message, struct store_snapshot *ret)
{
	autoput(buf_release) struct buf id = BUF_INIT;
	int e = daemon_ask(r, (const char *[]){ "once", "restore", message, NULL }, -1, &id);

	if (e <= 0)
		return e;
	if (!id.data)
		return -EPROTO;
	if ((e = store_refresh(r->store)) < 0 || (e = store_by_prefix(r->store, id.data, ret)) < 0)
		return e;
	return 1;
}

int safety_snapshot(struct recover *r, const char *message, struct store_snapshot *ret)
{
	int e = snapshot_by_daemon(r, message, ret);

	if (e == 0) {
		e = snapshot_alone(r, message, ret);
		if (e >= 0)
			e = store_refresh(r->store);
	}
	return e;
}

int safety_take(struct recover *r, const char *message, struct store_snapshot *ret)
{
	int e;

	*ret = (struct store_snapshot){ 0 };
	if (access(r->workspace, F_OK) < 0 && errno == ENOENT)
		return EXIT_DONE;
	e = safety_snapshot(r, message, ret);
	if (e >= 0 && ret->seq)
		return EXIT_DONE;
	store_snapshot_release(ret);
	log_error("no snapshot of what is there now can be taken (%s), so nothing was changed%s",
		e == -EBUSY ? "another process writes to the store" : err_str(e),
		e == -ENOSPC ? "; make room, or restore elsewhere with --to DIR"
			     : "; --to DIR restores elsewhere");
	return EXIT_ENV;
}

/* ---- is it held? --------------------------------------------------------------- */

static void block(struct plan_item *it, const char *why)
{
	it->action = PLAN_BLOCKED;
	it->why = why;
}

static bool destroys(const struct plan_item *it)
{
	return it->had.kind != KIND_GONE && it->had.kind != KIND_DIR &&
	       (it->action == PLAN_REPLACE || it->action == PLAN_DELETE || it->action == PLAN_META);
}

/* 1: e is what is there, byte for byte. */
static int holds(
	struct folder *at, const char *path, const struct store_entry *e, const struct had *h)
{
	struct oid id;

	if (e->kind != h->kind || (e->flags & ENTRY_KEPT) || e->size != h->size ||
		look_hash(at, path, h, &id) < 0)
		return 0;
	return !memcmp(&id, &e->oid, sizeof(id));
}

static void check_item(struct cached *known, struct folder *at, struct plan_item *it)
{
	const struct store_entry *e;
	struct oid id;
	int r = look_at(at, it->path, &it->had);

	if (r < 0) {
		block(it, "cannot be looked at");
		it->error = r;
		return;
	}
	if (it->action == PLAN_CREATE && it->had.kind != KIND_GONE &&
		!(it->want.kind == KIND_DIR && it->had.kind == KIND_DIR)) {
		block(it, "appeared just now; left alone");
		return;
	}
	if (!destroys(it) || cached_oid(known, it->path, &it->had, &id) == 1)
		return;
	e = cached_entry(known, it->path);
	if (!e || e->kind == KIND_SKIPPED || e->kind == KIND_GONE || (e->flags & ENTRY_KEPT))
		block(it, "no snapshot holds what is there now (it is ignored, too large or "
			  "unreadable); move it away first");
	else if (holds(at, it->path, e, &it->had) != 1)
		block(it, "is being changed just now; left alone");
}

int safety_check(struct recover *r, int root, struct plan *p)
{
	struct folder at = FOLDER_INIT(root);
	struct cached known;

	if (root < 0)
		return 0;
	cached_init(&known, r->store);
	for (size_t i = 0; i < p->n && !interrupted; i++)
		if (p->item[i].action != PLAN_NOTHING && p->item[i].action != PLAN_BLOCKED)
			check_item(&known, &at, &p->item[i]);
	cached_release(&known);
	folder_release(&at);
	plan_count(p);
	return interrupted ? -EINTR : 0;
}

/* ---- after an interruption --------------------------------------------------------- */

struct prefix {
	int fd;
	bool differs, padded;	/* padded: only zeros so far past the common part */
	uint64_t left;
};

static int compare(const void *p, size_t n, void *arg)
{
	struct prefix *x = arg;
	char have[4096];

	while (n && x->left && !x->differs) {
		size_t want = n < sizeof(have) ? n : sizeof(have);
		ssize_t got;

		if (want > x->left)
			want = x->left;
		got = io_read_full(x->fd, have, want);
		if (got != (ssize_t)want)
			return -ESTALE;
		for (size_t i = 0; i < want && !x->differs; i++) {
			if (!x->padded && have[i] == ((const char *)p)[i])
				continue;
			x->padded = true;
			x->differs = have[i] != 0;
		}
		p = (const char *)p + want;
		n -= want;
		x->left -= want;
	}
	return x->differs ? -ESTALE : 0;
}

/* What was being written when the restore was killed: the beginning of the wanted bytes, after a
 * power cut perhaps with zeros for those that did not reach the disk. Nothing in it is lost by
 * writing it again. */
static bool half_written(struct recover *r, struct folder *at, const struct plan_item *it)
{
	autoclose int fd = -1;
	struct prefix x = { .left = it->had.size };
	const char *name;
	int dirfd = folder_of(at, it->path, &name);

	if (dirfd < 0 || it->had.kind != KIND_FILE || it->want.kind != KIND_FILE ||
		it->had.size > it->want.size)
		return false;
	if ((fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) < 0)
		return false;
	x.fd = fd;
	return it->had.size == 0 || store_stream_blob(r->store, &it->want.oid, compare, &x) == 0;
}

int safety_check_resumed(struct recover *r, int root, uint64_t seq, struct plan *p)
{
	struct folder at = FOLDER_INIT(root);

	for (size_t i = 0; i < p->n && root >= 0 && !interrupted; i++) {
		struct plan_item *it = &p->item[i];
		struct store_entry e;

		/* META: its content is already the wanted one */
		if (!destroys(it) || it->action == PLAN_META)
			continue;
		if (seq && store_entry_at(r->store, seq, it->path, &e) == 0 &&
			holds(&at, it->path, &e, &it->had) == 1)
			continue;
		if (it->action == PLAN_REPLACE && half_written(r, &at, it))
			continue;
		block(it, "was changed since the interruption; left alone");
	}
	folder_release(&at);
	plan_count(p);
	return interrupted ? -EINTR : 0;
}
