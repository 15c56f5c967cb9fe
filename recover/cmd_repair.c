/* A new store of all that a damaged one still holds. The old one is only read; it is put aside when asked, and then nobody writes
 * to it from before it is read until it has another name. */
#include "recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/hint.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/progress.h"
#include "../lib/question.h"
#include "../store/mirrored.h"
#include "../store/salvage.h"
#include "carry.h"
#include "journal.h"
#include "mirror-stage.h"
#include "out.h"
#include "paths.h"
#include "stores.h"
#include "xalloc.h"

enum { P_SWITCH = 1, P_JSON, P_YES };
#define MADE_HEAD "made by " RECOVER " repair\n"
enum { SHOWN = 1000 };

const struct opt repair_opts[] = {
	{ P_SWITCH, 0, "switch", OPT_FLAG, NULL, "then put it in the old one's place, which is kept beside" },
	OPT_JSON(P_JSON),
	OPT_YES(P_YES),
	{ 0 },
};

struct repairing {
	struct recover *r;
	int root;		/* the workspace; -1: it is gone */
	bool json;
	uint64_t shown;
	struct progress *progress;
	uint64_t done;
	struct buf stamp;	/* what the old store had when it was read */
	int lock;		/* of the old store, to the end of a switch; else -1 */
	int making;		/* the new one, locked (flock) until it has its name; else -1 */
};

/* ---- what is told ---- */

static void on_hurt(uint64_t seq, const char *path, const char *what, void *arg)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	struct repairing *x = arg;
	char hex[41] = "";

	if (store_by_seq(x->r->store, seq, &sn) == 0)
		id_hex(&sn.id, hex);
	if (x->json) {
		cJSON *o = cJSON_CreateObject();

		cJSON_AddStringToObject(o, "snapshot", hex);
		if (path)
			json_name(o, "path", path);
		else
			cJSON_AddNullToObject(o, "path");
		cJSON_AddStringToObject(o, "what", what);
		json_line(o);
		return;
	}
	if (x->shown++ >= SHOWN)
		return;
	printf("%.*s  ", SHORT_ID, hex);
	if (path)
		out_name(path);
	printf("%s%s\n", path ? ": " : "", what);
}

static void on_progress(uint64_t done, uint64_t total, void *arg)
{
	struct repairing *x = arg;

	progress_set_total(x->progress, total);
	progress_add(x->progress, done - x->done, 0);
	x->done = done;
}

/* The file as it is now may be what was lost. */
static int on_find(const char *path, const struct store_entry *e, void *arg)
{
	struct repairing *x = arg;
	struct stat st;
	int fd = x->root < 0 || !path_safe(path) ? -1 : io_open_beneath(x->root, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, 0);

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != e->size)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* ---- is it right? ---- */

static void on_damage(const struct store_damage *d, void *arg)
{
	(void)arg;
	log_error("the new store: %s", d->what);
}

static int check(const char *dir)
{
	struct store_verify v = { .all = true, .damage = on_damage, .stop = &interrupted };
	struct store *s;
	int e = store_open(dir, STORE_READ, NULL, &s);

	if (e == 0) {
		e = store_verify(s, &v);
		store_close(s);
	}
	return e;
}

static void on_any(const struct store_damage *d, void *arg)
{
	(void)d;
	*(volatile sig_atomic_t *)arg = 1;	/* one is enough */
}

static bool is_whole(const char *dir)
{
	volatile sig_atomic_t found = 0;
	struct store_verify v = { .all = true, .damage = on_any, .stop = &found, .arg = (void *)&found };
	struct store *s;
	bool whole;

	if (store_open(dir, STORE_READ, NULL, &s) < 0)
		return false;
	whole = store_verify(s, &v) == 0;
	store_close(s);
	return whole && !found;
}

/* ---- in its place ---- */

/* The folder that holds dir has it under this name, also after a power cut. */
static int sync_above(const char *dir)
{
	autofree char *up = xasprintf("%s/..", dir);
	autoclose int fd = open(up, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : io_sync_dir(fd);
}

static int stamp_mark(const char *name, uint64_t seq, void *arg)
{
	return buf_printf(arg, "mark %" PRIu64 " %s\n", seq, name);
}

/* Every snapshot and mark that somebody was told of changes it. */
static int stamp_of(struct store *s, struct buf *ret)
{
	autoput(store_snapshot_release) struct store_snapshot newest = { 0 };
	char hex[41] = "-";
	int e = store_newest(s, &newest);

	if (e < 0 && e != -ENOENT)
		return e;
	if (e == 0)
		id_hex(&newest.id, hex);
	buf_reset(ret);
	e = buf_printf(ret, MADE_HEAD "%" PRIu64 " %" PRIu64 " %s\n", newest.seq, store_count(s), hex);
	return e < 0 ? e : store_marks(s, stamp_mark, ret);
}

/* The file that names it as one of ours, with the stamp of what it was made of; also after a power cut. */
static int set_made(const char *dir, const struct buf *stamp)
{
	autoclose int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return at < 0 ? -errno : io_replace_file(at, STORE_MADE, stamp->data, stamp->len, 0600);
}

static int unset_made(const char *dir)
{
	autoclose int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (at < 0)
		return -errno;
	if (unlinkat(at, STORE_MADE, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return io_sync_dir(at);
}

/* Is it ours? *ret, unless NULL: its stamp. */
static bool read_made(const char *dir, struct buf *ret)
{
	autoclose int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	autoput(buf_release) struct buf b = BUF_INIT;

	if (at < 0 || io_read_file(at, STORE_MADE, 64u << 20, &b) < 0 || b.len < strlen(MADE_HEAD) ||
	    memcmp(b.data, MADE_HEAD, strlen(MADE_HEAD)) != 0)
		return false;
	if (ret) {
		*ret = b;
		b = (struct buf)BUF_INIT;
	}
	return true;
}

/* Where a switch was ended between its two steps, the new store has the name that the damaged one was to have. Nobody is to take
 * the one for the other. */
static void take_back(const struct recover *r)
{
	autofree char *at = realpath(r->store_path, NULL);

	for (unsigned i = 0; at && i < 1000; i++) {
		autofree char *name = i ? xasprintf("%s.damaged-%u", at, i) : xasprintf("%s.damaged", at), *back = NULL;
		int e;

		if (access(name, F_OK) < 0)
			break;
		if (!read_made(name, NULL) || store_writer(name, NULL) == 1)
			continue;
		for (unsigned k = 0; k < 1000; k++) {
			free(take_ptr(back));
			back = k ? xasprintf("%s.repaired-%u", at, k) : xasprintf("%s.repaired", at);
			if ((e = io_rename_new(name, back)) == 0)
				log_info("%s: is what an earlier repair made and did not put in its place; it is %s again", name, back);
			if (e != -EEXIST)
				break;
		}
	}
}

static void move_over(const char *from, const char *to, const char *name)
{
	autofree char *a = xasprintf("%s/%s", from, name), *b = xasprintf("%s/%s", to, name);

	if (access(a, F_OK) == 0 && rename(a, b) < 0)
		log_warn("%s: stays in the old store: %s", a, strerror(errno));
}

/* The new one has the name of the old one to be for a moment: then one step makes each what it is to be. A moment in which neither
 * is there would be one too many, for the power may go in it; only a file system that cannot exchange has one. */
static int exchange(const char *new, const char *at, const char *old)
{
	int e;

	if (rename(new, old) < 0)
		return -errno;
	if (renameat2(AT_FDCWD, old, AT_FDCWD, at, RENAME_EXCHANGE) == 0)
		return 0;
	e = -errno;
	if (rename(old, new) < 0)
		log_error("%s: is %s now", new, old);
	else if ((e == -EINVAL || e == -ENOSYS || e == -ENOTSUP) && rename(at, old) == 0) {
		if (rename(new, at) == 0)
			return 0;
		e = -errno;
		if (rename(old, at) < 0)
			log_error("%s: is %s now", at, old);
	}
	return e;
}

static int put_in_place(struct recover *r, const char *dir)
{
	autofree char *old = NULL, *at = realpath(r->store_path, NULL);
	autoput(journal_release) struct journal j = { .fd = -1 };
	int rc, e;

	if (!at)
		return context_failed(r, -errno, "cannot be found");
	if (journal_resume(store_dirfd(r->store), &j) == -EBUSY) {
		log_error("a restore of this workspace is running; nothing was switched");
		return EXIT_ENV;
	}
	/* What is there beside the snapshots goes along before the switch: whoever dies leaves one or the other, and each has it. */
	if ((rc = carry_all(at, dir)))
		return rc;
	/* That it was a new one once is not what matters now. */
	if ((e = unset_made(at)) < 0) {
		log_error_errno(e, "%s", at);
		return EXIT_ENV;
	}
	for (unsigned i = 0; i < 1000 && !old; i++) {
		old = i ? xasprintf("%s.damaged-%u", at, i) : xasprintf("%s.damaged", at);
		if (access(old, F_OK) == 0)
			free(take_ptr(old));
	}
	e = old ? exchange(dir, at, old) : -EEXIST;
	if (e == 0)
		e = sync_above(at);
	if (e < 0) {
		log_error_errno(e, "%s: cannot take the place of %s", dir, at);
		return EXIT_PART;
	}
	if ((e = unset_made(at)) < 0)
		log_debug_errno(e, "%s/" STORE_MADE, at);
	/* One that is lost is only asked for at the remote again. */
	move_over(old, at, MIRROR_DIR);
	log_info("%s is the new store; the old one is %s: remove it when you miss nothing", at, old);
	return EXIT_DONE;
}

/* ---- all of it ---- */

/* Is dir what an earlier repair made of this store as it is now? *ret_hurt: snapshots that are not whole in it. */
static bool is_made(const struct repairing *x, const char *dir, uint64_t *ret_hurt)
{
	autoput(buf_release) struct buf stamp = BUF_INIT;

	return read_made(dir, &stamp) && stamp.len > x->stamp.len && memcmp(stamp.data, x->stamp.data, x->stamp.len) == 0 &&
	       sscanf(stamp.data + x->stamp.len, "hurt %" SCNu64 "\n", ret_hurt) == 1;
}

/* Killed so early that it does not say yet whose it is: nothing, or what that was written to. */
static bool just_begun(const char *dir)
{
	autoclosedir DIR *d = opendir(dir);
	const struct dirent *de;
	bool other = false;

	while (d && !other && (de = readdir(d)))
		other = strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0 &&
			strncmp(de->d_name, "." STORE_MADE ".tmp-", sizeof("." STORE_MADE ".tmp-") - 1) != 0;
	return d && !other;
}

/* Who makes it has it locked. */
static bool is_free(const char *dir)
{
	autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

/* Its name from its first moment on, locked until it has another. */
static int make_half(struct repairing *x, const char *half)
{
	if (mkdir(half, 0700) < 0)
		return -errno;
	x->making = open(half, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (x->making < 0)
		return -errno;
	if (flock(x->making, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return -EBUSY;
	return set_made(half, &x->stamp);
}

/* It is whole, as far as it can be. */
static int set_hurt(const struct repairing *x, const char *half, uint64_t hurt)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int e = buf_add(&b, x->stamp.data, x->stamp.len);

	if (e == 0)
		e = buf_printf(&b, "hurt %" PRIu64 "\n", hurt);
	return e < 0 ? e : set_made(half, &b);
}

/* An earlier repair was killed, and left this behind: it is begun anew. */
static int clear_unfinished(const char *dir)
{
	struct stat st;

	if (lstat(dir, &st) < 0)
		return EXIT_DONE;
	if (!is_free(dir)) {
		log_error("%s: another repair is at work on it", dir);
		return EXIT_ENV;
	}
	if (!S_ISDIR(st.st_mode) || (!read_made(dir, NULL) && !just_begun(dir))) {
		log_error("%s: is in the way, and not what an earlier repair left; remove it, or name another folder", dir);
		return EXIT_ENV;
	}
	log_info("%s: an earlier repair was ended before it was whole; it begins anew", dir);
	stage_remove(dir);
	return EXIT_DONE;
}

/* *ret: where; 1: and it is there, whole. */
static int place(const struct repairing *x, const struct args *a, char **ret, bool *ret_there, uint64_t *ret_hurt)
{
	const struct recover *r = x->r;
	autofree char *at = realpath(r->store_path, NULL);
	struct stat st;

	*ret = a->n ? xstrdup(a->arg[0]) : xasprintf("%s.repaired", at ? at : r->store_path);
	for (size_t n = strlen(*ret); n > 1 && (*ret)[n - 1] == '/';)
		(*ret)[--n] = 0;
	if (a->n && path_place(r, *ret) != PLACE_FREE) {
		log_error("%s: is in the workspace or in the store; choose another folder", *ret);
		return EXIT_ENV;
	}
	*ret_there = false;
	if (lstat(*ret, &st) == 0 && a->on[P_SWITCH] && is_made(x, *ret, ret_hurt)) {
		log_info("%s: was made by an earlier repair, and nothing has come since", *ret);
		if (*ret_hurt)
			log_warn("%" PRIu64 " of its snapshots are not whole: remove it, and another one is made with what the workspace "
				"has now", *ret_hurt);
		*ret_there = true;
		return EXIT_DONE;
	}
	/* Who switches does not mind what an older one that never took its place is named. */
	for (unsigned i = 1; !a->n && a->on[P_SWITCH] && i < 1000 && lstat(*ret, &st) == 0; i++) {
		free(take_ptr(*ret));
		*ret = xasprintf("%s.repaired-%u", at ? at : r->store_path, i);
	}
	if (lstat(*ret, &st) == 0) {
		log_error("%s: is there already; remove it, or name another folder", *ret);
		return EXIT_ENV;
	}
	return EXIT_DONE;
}

static int salvage(struct repairing *x, const char *dir, struct store_salvage *v)
{
	autofree char *half = xasprintf("%s" STORES_UNFINISHED, dir);
	int e = clear_unfinished(half);

	if (e)
		return e;
	/* First whose it is: what is in the way later is known to be ours. */
	if ((e = make_half(x, half)) == -EBUSY) {
		log_error("%s: another repair is at work on it", half);
		return EXIT_ENV;
	}
	if (e == 0) {
		(void)progress_new("repairing", "snapshots", 0, x->r->quiet, &x->progress);
		e = store_salvage(x->r->store, half, v);
		progress_done(take_ptr(x->progress));
	}
	if (e == 0 && !v->snapshots) {
		stage_remove(half);
		log_error("%s: not one snapshot can be read; nothing was made, the store is as it was", x->r->store_path);
		return EXIT_NO;
	}
	if (e == 0)
		e = check(half);
	if (e == 0)
		e = set_hurt(x, half, v->snapshots_hurt + v->gaps);
	/* What has the name is whole. */
	if (e == 0)
		e = io_rename_new(half, dir);
	if (e == 0) {
		if ((e = sync_above(dir)) == 0)
			return EXIT_DONE;
		log_error_errno(e, "%s: is whole, but its name may be gone after a power cut; give the command again", dir);
		return EXIT_PART;
	}
	stage_remove(half);	/* half a store is none */
	if (e == -EINTR)
		log_error("stopped; nothing was changed, what was made of the new store is gone again");
	else if (e == 1)
		log_error("%s: is not right and was removed; the old store is as it was", dir);
	else if (e == -EBADMSG && store_index_damaged(x->r->store))
		log_error("%s: its index is damaged, and is made again: give the command again", x->r->store_path);
	else
		log_error_errno(e, "%s", dir);
	return e == -EINTR ? EXIT_PART : EXIT_ENV;
}

static int confirm(bool yes)
{
	if (yes)
		return EXIT_DONE;
	if (!isatty(0)) {
		log_error("not switched: nobody to ask; --yes does it without asking");
		return EXIT_USAGE;
	}
	if (!question_yes("put the new store in the place of the old one, which is kept beside", NULL)) {
		log_error("not switched");
		return EXIT_NO;
	}
	return EXIT_DONE;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* From here to the end of a switch nobody is told that a snapshot of his is kept: it would be kept in what is put aside. */
static int begin(struct repairing *x, bool to_switch)
{
	int e;

	if (to_switch && (x->lock = store_hold(x->r->store_path)) == -EBUSY) {
		log_error("%s: is in use: stop " SNAPD " first (" SNAPD " --workspace DIR --stop), or leave --switch out", x->r->store_path);
		return EXIT_ENV;
	}
	if (to_switch && x->lock < 0)
		return context_failed(x->r, x->lock, "cannot be locked");
	e = to_switch ? store_refresh(x->r->store) : 0;
	if (e >= 0 && (e = stamp_of(x->r->store, &x->stamp)) < 0) {
		/* Damage. It is like no other then. */
		buf_reset(&x->stamp);
		if (e == -EBADMSG)
			e = buf_printf(&x->stamp, MADE_HEAD "damaged %" PRId64 " %d\n", x->r->now_ns, (int)getpid());
	}
	return e < 0 ? context_failed(x->r, e, "cannot be read") : EXIT_DONE;
}

static void repairing_release(struct repairing *x)
{
	auto_close_(&x->lock);
	auto_close_(&x->making);
	buf_release(&x->stamp);
}

int cmd_repair(struct recover *r, const struct args *a)
{
	autoput(repairing_release) struct repairing x = { .r = r, .json = a->on[P_JSON], .lock = -1, .making = -1 };
	struct store_salvage v = {
		.find = on_find, .hurt = on_hurt, .progress = on_progress, .stop = &interrupted, .arg = &x,
	};
	autofree char *dir = NULL;
	uint64_t hurt = 0;
	bool there;
	int rc;

	take_back(r);
	if ((rc = begin(&x, a->on[P_SWITCH])) || (rc = place(&x, a, &dir, &there, &hurt)))
		return rc;
	interrupt_catch();
	if (a->on[P_SWITCH] && !a->n && is_whole(r->store_path)) {
		log_info("%s: is whole (" RECOVER " verify --all): there is nothing to repair", r->store_path);
		return EXIT_DONE;
	}
	if (there && (rc = check(dir)) != 0) {
		log_error("%s: is not right itself; remove it, and another one is made", dir);
		return EXIT_ENV;
	}
	if (there)
		return (rc = confirm(a->on[P_YES])) || (rc = put_in_place(r, dir)) ? rc : hurt ? EXIT_NO : EXIT_DONE;
	x.root = open(r->workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = salvage(&x, dir, &v);
	auto_close_(&x.root);
	if (rc)
		return rc;
	if (x.shown > SHOWN)
		printf("... and %" PRIu64 " more\n", x.shown - SHOWN);
	(void)fflush(stdout);
	log_info("%s: %" PRIu64 " snapshot%s; of them hurt, or lost: %" PRIu64 ", in %" PRIu64 " path%s; %" PRIu64
		 " content%s came from the workspace", dir, v.snapshots, plural(v.snapshots), v.snapshots_hurt,
		v.paths_hurt, plural(v.paths_hurt), v.found, plural(v.found));
	if (v.gaps)
		log_warn("parts of the log are gone; which snapshots were in them nobody can say");
	if (a->on[P_SWITCH] && ((rc = confirm(a->on[P_YES])) || (rc = put_in_place(r, dir))))
		return rc;
	if (!a->on[P_SWITCH]) {
		autoput(buf_release) struct buf word = BUF_INIT;

		log_info("look at it with " RECOVER " --store %s list, then " RECOVER " repair --switch puts it in its place",
			hint_word(dir, &word));
	}
	return v.snapshots_hurt || v.gaps ? EXIT_NO : EXIT_DONE;
}
