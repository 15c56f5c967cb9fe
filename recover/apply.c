#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "journal.h"
#include "write.h"
#include "xalloc.h"

enum {
	WRITERS = 2,
	QUEUE = 8,			/* batches that wait */
	BATCH_ITEMS = 128,
	BATCH_BYTES = 2 << 20,
	LARGE = 1 << 20,		/* beyond, a file is streamed and never whole in memory */
	THREADS_FROM = 64,		/* items; fewer are not worth a thread */
	RENAME_ITEMS = 8192,		/* temporaries between two syncs */
};
#define RENAME_BYTES (UINT64_C(256) << 20)

/* Items of one folder, so that two writers seldom meet in the same one. */
struct batch {
	struct work {
		struct plan_item *it;
		char *data;		/* NULL: META */
		size_t len;
	} work[BATCH_ITEMS];
	size_t n, bytes;
};

struct apply {
	struct store *store;
	int root;
	struct plan *plan;
	const struct apply_options *opt;
	struct folder at;		/* the main thread's */
	struct batch *batch;		/* being filled */

	pthread_t thread[WRITERS];
	int threads;
	pthread_mutex_t mutex;
	pthread_cond_t more, less;
	struct batch *queue[QUEUE];
	int queued, busy;
	bool stop;
	int full;			/* -ENOSPC, -EROFS, -EIO: no use in going on */
	int unsynced;			/* what syncfs said: what was written may be lost */

	size_t temps;			/* to rename */
	uint64_t temp_bytes;
	size_t rename_from;
};

/* ---- the writers -------------------------------------------------------------- */

static bool hopeless(int e)
{
	return e == -ENOSPC || e == -EROFS || e == -EIO || e == -EMFILE;
}

static void give_up(struct apply *a, int why)
{
	pthread_mutex_lock(&a->mutex);
	a->full = why;
	pthread_mutex_unlock(&a->mutex);
}

static void write_batch(struct apply *a, struct folder *f, struct batch *b)
{
	int full = 0;

	for (size_t i = 0; i < b->n; i++) {
		struct work *w = &b->work[i];

		if (full)
			w->it->error = full;
		else
			write_item(f, w->it, w->data, w->len, a->opt->op);
		w->it->done = true;
		if (hopeless(w->it->error))
			full = w->it->error;
		free(w->data);
	}
	free(b);
	if (full)
		give_up(a, full);
}

static void *writer(void *arg)
{
	struct apply *a = arg;
	struct folder at = FOLDER_INIT(a->root);

	pthread_mutex_lock(&a->mutex);
	for (;;) {
		struct batch *b;

		while (!a->queued && !a->stop)
			pthread_cond_wait(&a->more, &a->mutex);
		if (!a->queued)
			break;
		b = a->queue[0];
		memmove(a->queue, a->queue + 1, (size_t)--a->queued * sizeof(*a->queue));
		a->busy++;
		pthread_cond_signal(&a->less);
		pthread_mutex_unlock(&a->mutex);
		write_batch(a, &at, b);
		pthread_mutex_lock(&a->mutex);
		a->busy--;
		pthread_cond_signal(&a->less);
	}
	pthread_mutex_unlock(&a->mutex);
	folder_release(&at);
	return NULL;
}

static void start_writers(struct apply *a, size_t items)
{
	sigset_t all, old;

	pthread_mutex_init(&a->mutex, NULL);
	pthread_cond_init(&a->more, NULL);
	pthread_cond_init(&a->less, NULL);
	if (items < THREADS_FROM)
		return;
	/* signals are the main thread's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (a->threads < WRITERS && !pthread_create(&a->thread[a->threads], NULL, writer, a))
		a->threads++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void stop_writers(struct apply *a)
{
	pthread_mutex_lock(&a->mutex);
	a->stop = true;
	pthread_cond_broadcast(&a->more);
	pthread_mutex_unlock(&a->mutex);
	for (int i = 0; i < a->threads; i++)
		pthread_join(a->thread[i], NULL);
	a->threads = 0;
	pthread_mutex_destroy(&a->mutex);
	pthread_cond_destroy(&a->more);
	pthread_cond_destroy(&a->less);
}

static void flush_batch(struct apply *a)
{
	struct batch *b = a->batch;

	a->batch = NULL;
	if (!b)
		return;
	if (!a->threads) {
		write_batch(a, &a->at, b);
		return;
	}
	pthread_mutex_lock(&a->mutex);
	while (a->queued == QUEUE)
		pthread_cond_wait(&a->less, &a->mutex);
	a->queue[a->queued++] = b;
	pthread_cond_signal(&a->more);
	pthread_mutex_unlock(&a->mutex);
}

static void drain(struct apply *a)
{
	flush_batch(a);
	if (!a->threads)
		return;
	pthread_mutex_lock(&a->mutex);
	while (a->queued || a->busy)
		pthread_cond_wait(&a->less, &a->mutex);
	pthread_mutex_unlock(&a->mutex);
}

static int trouble(struct apply *a)
{
	int r;

	pthread_mutex_lock(&a->mutex);
	r = a->full;
	pthread_mutex_unlock(&a->mutex);
	return r;
}

/* ---- renames -------------------------------------------------------------------- */

/* The data first, then the names: after a power cut a name never leads to less than the whole
 * file. The kernel tells of bytes that it could not write once, so after that there is no name for
 * any of them. */
static void rename_all(struct apply *a, size_t upto)
{
	int e = 0;

	drain(a);
	if (a->temps && syncfs(a->root) < 0 && errno != ENOSYS)
		e = err_errno();
	if (e) {
		log_error_errno(e, "cannot sync the file system");
		a->unsynced = e;
		give_up(a, e);
	}
	for (size_t i = a->rename_from; a->temps && i < upto; i++) {
		struct plan_item *it = &a->plan->item[i];

		if (!it->temp)
			continue;
		if (!e) {
			write_rename(&a->at, it, a->opt->op);
			continue;
		}
		it->error = e;
		it->written = false;
		(void)write_drop(&a->at, it, a->opt->op);
	}
	a->rename_from = upto;
	a->temps = 0;
	a->temp_bytes = 0;
}

/* ---- what is not content --------------------------------------------------------- */

static void delete_item(struct apply *a, struct plan_item *it)
{
	const char *name;
	struct stat st;
	int dirfd = folder_of(&a->at, it->path, &name);

	it->done = it->action == PLAN_DELETE;
	if (dirfd < 0) {
		it->error = dirfd == -ENOENT ? 0 : dirfd;
		return;
	}
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		it->error = errno == ENOENT ? 0 : -errno;
		return;
	}
	if (it->had.kind == KIND_DIR) {
		if (a->at.path)
			folder_forget(&a->at);
		dirfd = folder_of(&a->at, it->path, &name);
		if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
			it->error = errno == EEXIST ? -ENOTEMPTY : -errno;
		if (it->error == -ENOTEMPTY && it->action == PLAN_DELETE) {
			log_info("%s: stays, it holds what no snapshot holds", it->path);
			it->error = 0;
		}
		return;
	}
	it->error = write_delete(dirfd, name, it, a->opt->op);
}

static bool gives_way(const struct plan_item *it)
{
	return it->action == PLAN_REPLACE &&
	       (it->had.kind == KIND_DIR) != (it->want.kind == KIND_DIR);
}

/* Deepest first. */
static void clear_the_way(struct apply *a)
{
	for (size_t i = a->plan->n; i-- > 0 && !interrupted;) {
		struct plan_item *it = &a->plan->item[i];

		if ((it->action == PLAN_DELETE && it->early) || gives_way(it))
			delete_item(a, it);
	}
}

static void delete_the_rest(struct apply *a)
{
	for (size_t i = a->plan->n; i-- > 0 && !interrupted;) {
		struct plan_item *it = &a->plan->item[i];

		if (it->action == PLAN_DELETE && !it->early)
			delete_item(a, it);
	}
}

static bool unlocked(const struct plan_item *it)
{
	return (it->action == PLAN_META || it->action == PLAN_PARENT) && it->had.kind == KIND_DIR &&
		(it->had.mode & 0300) != 0300;
}

/* Parents before children. A folder that forbids its owner to write is opened up for the time
 * being. */
static void make_folders(struct apply *a)
{
	for (size_t i = 0; i < a->plan->n && !interrupted; i++) {
		struct plan_item *it = &a->plan->item[i];
		const char *name;
		int dirfd;

		if (it->want.kind != KIND_DIR || it->error || !*it->path)
			continue;
		if (it->action != PLAN_CREATE && it->action != PLAN_REPLACE && !unlocked(it))
			continue;
		dirfd = folder_of(&a->at, it->path, &name);
		if (dirfd < 0)
			it->error = dirfd;
		else if (unlocked(it))
			it->error = fchmodat(dirfd, name, (it->had.mode & 07777) | 0300,
					    AT_SYMLINK_NOFOLLOW) < 0
					    ? -errno
					    : 0;
		else if (mkdirat(dirfd, name, want_mode(&it->want) | 0700) < 0 &&
			 errno != EEXIST)
			it->error = -errno;
	}
}

/* Deepest first, so that no later change inside touches a time again. */
static void finish_folders(struct apply *a)
{
	for (size_t i = a->plan->n; i-- > 0;) {
		struct plan_item *it = &a->plan->item[i];
		const char *name;
		int dirfd, r = 0;

		if (it->want.kind != KIND_DIR || it->error || it->action == PLAN_BLOCKED ||
			it->action == PLAN_NOTHING)
			continue;
		if (it->action == PLAN_PARENT && !unlocked(it))
			continue;
		dirfd = folder_of(&a->at, it->path, &name);
		if (dirfd < 0)
			r = dirfd;
		else if (it->action == PLAN_PARENT)
			r = fchmodat(dirfd, name, it->had.mode & 07777, AT_SYMLINK_NOFOLLOW) < 0
				    ? -errno
				    : 0;
		else
			r = write_meta(dirfd, name, &it->want);
		it->error = r;
	}
}

/* ---- content ----------------------------------------------------------------------- */

static int append(const void *p, size_t n, void *arg)
{
	return buf_add(arg, p, n);
}

static void queue_item(struct apply *a, struct plan_item *it, const char *same_folder_as)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct work *w;

	if (it->action != PLAN_META) {
		/* the hash is checked by the stream: nothing wrong is ever written */
		if ((it->error = buf_reserve(&b, it->want.size + 1)) < 0 ||
		    (it->error = store_stream_blob(a->store, &it->want.oid, append, &b)) < 0) {
			it->done = true;
			return;
		}
		(void)buf_addstr(&b, "");
	}
	if (a->batch && (a->batch->n == BATCH_ITEMS || a->batch->bytes + b.len > BATCH_BYTES ||
				!same_folder_as))
		flush_batch(a);
	if (!a->batch)
		a->batch = xcalloc(1, sizeof(*a->batch));
	w = &a->batch->work[a->batch->n++];
	w->it = it;
	w->len = b.len;
	a->batch->bytes += b.len;
	w->data = it->action == PLAN_META ? NULL : buf_detach(&b, NULL);
}

static size_t folder_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

static bool same_folder(const char *a, const char *b)
{
	size_t n = folder_length(a);

	return n == folder_length(b) && !memcmp(a, b, n);
}

/* A folder's own files come apart in the order of a walk (its subfolders are between): batches
 * are made by folder, so small folders are collected until one is full. */
static void write_contents(struct apply *a)
{
	const char *last = NULL;
	size_t here = 0;

	for (size_t i = 0; i < a->plan->n && !interrupted && !trouble(a); i++) {
		struct plan_item *it = &a->plan->item[i];
		bool content = it->action == PLAN_CREATE || it->action == PLAN_REPLACE;

		if (it->error || (it->want.kind != KIND_FILE && it->want.kind != KIND_LINK) ||
		    (!content && it->action != PLAN_META))
			continue;
		if (content && it->want.kind == KIND_FILE && it->want.size > LARGE) {
			write_stream(a->store, &a->at, it, a->opt->op);
			it->done = true;
			if (hopeless(it->error))
				give_up(a, it->error);
		} else {
			here = last && same_folder(last, it->path) ? here + 1 : 0;
			queue_item(a, it,
				here || (a->batch && a->batch->n < BATCH_ITEMS / 2) ? "" : NULL);
			last = it->path;
		}
		if (content) {
			a->temps++;
			a->temp_bytes += it->want.size;
		}
		progress_add(a->opt->progress, 1, content ? it->want.size : 0);
		if (a->temps >= RENAME_ITEMS || a->temp_bytes >= RENAME_BYTES)
			rename_all(a, i + 1);
	}
	rename_all(a, a->plan->n);
}

static void read_back(struct apply *a)
{
	for (size_t i = 0; i < a->plan->n; i++) {
		struct plan_item *it = &a->plan->item[i];
		struct oid id;
		struct had h;
		int r;

		if (!it->written || it->error)
			continue;
		if ((r = look_at(&a->at, it->path, &h)) == 0 &&
			(r = look_hash(&a->at, it->path, &h, &id)) == 0 &&
			memcmp(&id, &it->want.oid, sizeof(id)))
			r = -EBADMSG;
		it->error = r;
	}
}

/* A folder that was moved away while its files were written has their temporaries in it: as soon as
 * it is back they go, and if it stays away they are named. */
static void drop_stranded(struct apply *a)
{
	struct timespec pause = { .tv_nsec = 5000000 };
	size_t left = 0;

	for (int tries = 0; tries < 50 && (!tries || left); tries++) {
		if (tries)
			(void)nanosleep(&pause, NULL);
		left = 0;
		for (size_t i = 0; i < a->plan->n; i++) {
			struct plan_item *it = &a->plan->item[i];

			if (!it->temp || !it->error)
				continue;
			folder_forget(&a->at);
			left += !write_drop(&a->at, it, a->opt->op);
		}
	}
	for (size_t i = 0; i < a->plan->n && left; i++)
		if (a->plan->item[i].temp && a->plan->item[i].error)
			log_warn("%s: its folder was moved away in the middle; a temporary "
				 ".NAME.hf-* is left there",
				a->plan->item[i].path);
}

/* After an end in the middle what was not reached is an error of its own: nobody shall take it for
 * done. */
static void blame(struct apply *a, int why)
{
	for (size_t i = 0; i < a->plan->n; i++) {
		struct plan_item *it = &a->plan->item[i];
		bool file = it->want.kind == KIND_FILE || it->want.kind == KIND_LINK;

		if (it->done || it->error)
			continue;
		if (it->action == PLAN_DELETE ||
			(file && (it->action == PLAN_CREATE || it->action == PLAN_REPLACE ||
					 it->action == PLAN_META)))
			it->error = why;
	}
}

int apply_plan(struct store *s, int root, struct plan *p, const struct apply_options *opt)
{
	struct apply a = {
		.store = s, .root = root, .plan = p, .opt = opt, .at = FOLDER_INIT(root)
	};
	mode_t mask = umask(0);		/* modes are exact */
	int full;

	for (size_t i = 0; i < p->n; i++)
		p->item[i].written = p->item[i].temp = p->item[i].done = false;
	start_writers(&a, p->files[PLAN_CREATE] + p->files[PLAN_REPLACE] + p->files[PLAN_META]);
	clear_the_way(&a);
	folder_forget(&a.at);
	make_folders(&a);
	folder_forget(&a.at);
	write_contents(&a);
	full = trouble(&a);
	stop_writers(&a);
	if (!full)
		delete_the_rest(&a);
	folder_forget(&a.at);
	finish_folders(&a);
	drop_stranded(&a);
	if (opt->verify && !interrupted)
		read_back(&a);
	folder_release(&a.at);
	umask(mask);
	if (full || !interrupted)
		blame(&a, full ? full : -ECANCELED);
	if (opt->sync && !a.unsynced && syncfs(root) < 0 && errno != ENOSYS)
		a.unsynced = err_errno();
	return a.unsynced ? a.unsynced : interrupted ? -EINTR : 0;
}

void apply_sweep(int root, const struct targets *t, uint64_t op)
{
	struct folder at = FOLDER_INIT(root);

	for (size_t i = 0; i < t->n; i++) {
		const char *name, *path = t->t[i].path;
		enum store_kind kind = t->t[i].want.kind;
		char tmp[256];
		int dirfd;

		if (!*path || kind == KIND_SKIPPED || (dirfd = folder_of(&at, path, &name)) < 0)
			continue;
		temporary_name(op, path, name, tmp);
		/* of what was to go, also to give way to a folder, it is the old content */
		if ((kind == KIND_GONE || kind == KIND_DIR) &&
			renameat2(dirfd, tmp, dirfd, name, RENAME_NOREPLACE) == 0)
			continue;
		(void)unlinkat(dirfd, tmp, 0);
	}
	folder_release(&at);
}
