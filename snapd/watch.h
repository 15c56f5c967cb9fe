/* snapd/watch.h - the folders of a workspace under inotify(7).
 *
 * A watch is added by whoever lists the folder, before it lists it (watch_add); so nothing that
 * happens in it falls between. A new folder is therefore only named here: the scan that reads it
 * also watches it.
 *
 * When the kernel has no more watches, folders stay unwatched: they are counted and named, and
 * somebody has to poll them (watch_each_unwatched). When it has no inotify instance to give, all
 * are. */
#ifndef SNAPD_WATCH_H
#define SNAPD_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watch;

struct watch_ops {
	/* Something happened to name in the folder dir (name NULL: to the folder itself). mask,
	 * cookie: inotify's. */
	void (*event)(const char *dir, const char *name, uint32_t mask, uint32_t cookie, void *arg);
	/* the queue overflowed: anything may have changed */
	void (*lost)(void *arg);
	/* The workspace folder itself was moved; lost: deleted or unmounted, and its watch is no
	 * more. */
	void (*root)(bool lost, void *arg);
};

/* Succeeds without an inotify instance too: *ret_fd is then -1 and watch_error says why. */
int watch_new(const struct watch_ops *ops, void *arg, struct watch **ret);
void watch_free(struct watch *w);		/* NULL is fine */
int watch_fd(const struct watch *w);
/* dirfd: the folder itself. 0 also when it cannot be watched; -ENOMEM. */
int watch_add(struct watch *w, const char *dir, int dirfd);
/* dir and all below it. */
void watch_forget(struct watch *w, const char *dir);
/* Read what is in the queue now, and only that: what was done before the call is reported when it
 * returns. The number of events. */
int watch_read(struct watch *w);

size_t watch_count(const struct watch *w);
size_t watch_unwatched(const struct watch *w);
/* Why folders are unwatched: -ENOSPC (fs.inotify.max_user_watches), -EMFILE
 * (max_user_instances), ...; 0. */
int watch_error(const struct watch *w);
/* Try again for those that come by. */
void watch_retry(struct watch *w);
/* all: watched ones too. Stops when fn returns non-zero. fn must not change the watches. */
int watch_each(struct watch *w, bool all, int (*fn)(const char *dir, void *arg), void *arg);

#endif
