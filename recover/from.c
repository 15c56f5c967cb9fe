#include "from.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <git2.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/gitlib.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/progress.h"
#include "../store/mirrored.h"
#include "git-run.h"
#include "mirror.h"
#include "mirror-marks.h"
#include "mirror-stage.h"
#include "out.h"
#include "xalloc.h"

#define SECOND INT64_C(1000000000)
#define DEPTH_LIMIT 2000		/* folders in each other */
#define LARGE (4u << 20)		/* cut into chunks by the store */
#define REFS "refs/holdfast/"

struct from {
	struct recover *r;
	char *url, *wanted;		/* before and behind the '#'; wanted may be NULL */
	char *dir, *git, *store_dir;
	char *ref;
	char *refs;		/* what ls-remote said */
	int lock;		/* of dir; -1 */
	git_repository *repo;
	struct store *store;
	struct store_txn *txn;
	git_commit *commit;		/* that becomes a snapshot */
	struct progress *progress;
	uint64_t left;			/* names that cannot be stored */
};

static void from_release(struct from *f)
{
	store_txn_abort(f->txn);
	store_close(f->store);
	git_repository_free(f->repo);
	progress_done(f->progress);
	free(f->url);
	free(f->refs);
	free(f->wanted);
	free(f->dir);
	free(f->git);
	free(f->store_dir);
	free(f->ref);
	auto_close_(&f->lock);
}

static int failed(const struct from *f, const char *what, int e)
{
	autoput(buf_release) struct buf url = BUF_INIT;

	if (mirrored_url_text(f->url, &url) < 0)
		xalloc_failed();
	if (e == -EINTR)
		log_error("stopped; run it again");
	else
		log_error("%s: %s: %s", url.data, what, err_str(e));
	return e == -EINTR ? EXIT_PART : EXIT_ENV;
}

static int said(const struct from *f, const char *why)
{
	autoput(buf_release) struct buf url = BUF_INIT;

	if (mirrored_url_text(f->url, &url) < 0)
		xalloc_failed();
	log_error("%s: %s", url.data, why);
	return EXIT_ENV;
}

static int git(const struct from *f, const char *const *words, struct buf *out)
{
	autoput(buf_release) struct buf why = BUF_INIT;
	int e = git_run(f->dir, words, out, &why);

	return e == -ENOENT ? said(f, "git is not installed") : e < 0 ? failed(f, "git", e) : e ? said(f, why.data) : EXIT_DONE;
}

/* ---- which one ---- */

/* The part of a line of ls-remote that is between refs/holdfast/ and /main; NULL: another. */
static char *name_of(const char *line)
{
	const char *ref = strchr(line, '\t'), *end;

	if (!ref || strncmp(ref + 1, REFS, strlen(REFS)) != 0)
		return NULL;
	ref += 1 + strlen(REFS);
	end = ref + strlen(ref);
	return end - ref > 5 && !strcmp(end - 5, "/main") ? xstrndup(ref, (size_t)(end - 5 - ref)) : NULL;
}

static int choose(struct from *f)
{
	autoput(buf_release) struct buf out = BUF_INIT, own = BUF_INIT, all = BUF_INIT;
	autofree char *one = NULL;
	char *save = NULL;
	size_t n = 0;
	int rc = git(f, (const char *[]){ "ls-remote", "--", f->url, REFS "*", NULL }, &out);

	if (rc || mirror_name(f->r, &own) < 0 || buf_addch(&out, '\0') < 0)
		return rc ? rc : EXIT_ENV;
	f->refs = xstrdup(out.data);
	for (char *l = strtok_r(out.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		autofree char *name = name_of(l);

		if (!name)
			continue;
		n++;
		if (!strcmp(name, f->wanted ? f->wanted : own.data)) {
			f->ref = xasprintf(REFS "%s/main", name);
			return EXIT_DONE;
		}
		if (buf_printf(&all, "%s%s", all.len ? ", " : "", name) < 0)
			xalloc_failed();
		free(one);
		one = take_ptr(name);
	}
	if (n == 1 && !f->wanted) {
		f->ref = xasprintf(REFS "%s/main", one);
		return EXIT_DONE;
	}
	if (!n) {
		(void)said(f, "holds no mirror (nothing below " REFS "); what an export holds git itself shows: git -C DIR log");
	} else {
		autofree char *why = xasprintf("has %s; say which: --from 'URL#HOST/WORKSPACE'", all.data);

		(void)said(f, why);
	}
	return EXIT_NO;
}

/* ---- a commit becomes a snapshot ---- */

/* A name that git has and no store takes is left out. */
static int taken(struct from *f, int e)
{
	if (e != -EINVAL && e != -ENAMETOOLONG)
		return e;
	f->left++;
	return 0;
}

static struct stat stat_of(const struct from *f, mode_t mode, uint64_t size)
{
	struct stat st = { .st_mode = mode, .st_size = (off_t)size };

	st.st_mtim.tv_sec = git_commit_time(f->commit);
	return st;
}

static int put_large(struct from *f, const char *path, const struct stat *st, const void *p, size_t n)
{
	autoclose int fd = memfd_create("blob", MFD_CLOEXEC);
	struct timespec times[2] = { st->st_mtim, st->st_mtim };
	int e = fd < 0 ? -errno : io_write_all(fd, p, n);

	if (e == 0 && (fchmod(fd, st->st_mode & 07777) < 0 || futimens(fd, times) < 0))
		e = -errno;
	return e < 0 ? e : store_txn_file(f->txn, path, fd, NULL);
}

static int put_blob(struct from *f, const char *path, const git_oid *id, git_filemode_t mode)
{
	git_blob *blob = NULL;
	int e = err_from_git(git_blob_lookup(&blob, f->repo, id));
	struct stat st;

	if (e < 0)
		return e;
	if (mode == GIT_FILEMODE_LINK) {
		autofree char *target = xstrndup(git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));

		st = stat_of(f, S_IFLNK | 0777, strlen(target));
		e = store_txn_link(f->txn, path, &st, target);
	} else {
		st = stat_of(f, S_IFREG | (mode == GIT_FILEMODE_BLOB_EXECUTABLE ? 0755 : 0644),
			(uint64_t)git_blob_rawsize(blob));
		e = git_blob_rawsize(blob) >= LARGE ?
			put_large(f, path, &st, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob)) :
			store_txn_bytes(f->txn, path, &st, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
	}
	git_blob_free(blob);
	return taken(f, e);
}

static int compare(struct from *f, const char *dir, const git_tree *was, const git_tree *is, unsigned depth);

/* was: the tree that had this name, or NULL. */
static int put_tree(struct from *f, const char *path, const git_oid *was, const git_oid *id, unsigned depth)
{
	git_tree *a = NULL, *b = NULL;
	struct stat st = stat_of(f, S_IFDIR | 0755, 0);
	int e = err_from_git(git_tree_lookup(&b, f->repo, id));

	if (e == 0 && was)
		e = err_from_git(git_tree_lookup(&a, f->repo, was));
	if (e == 0 && !a)
		e = taken(f, store_txn_dir(f->txn, path, &st));
	if (e == 0)
		e = depth > DEPTH_LIMIT ? -ELOOP : compare(f, path, a, b, depth);
	git_tree_free(a);
	git_tree_free(b);
	return e;
}

static int put_entry(struct from *f, const char *path, const git_tree_entry *was, const git_tree_entry *is, unsigned depth)
{
	git_object_t type = git_tree_entry_type(is);

	if (type == GIT_OBJECT_TREE)
		return put_tree(f, path, was && git_tree_entry_type(was) == type ? git_tree_entry_id(was) : NULL,
			git_tree_entry_id(is), depth + 1);
	return type == GIT_OBJECT_BLOB ? put_blob(f, path, git_tree_entry_id(is), git_tree_entry_filemode(is)) : 0;
}

static bool same(const git_tree_entry *a, const git_tree_entry *b)
{
	return a && git_oid_equal(git_tree_entry_id(a), git_tree_entry_id(b)) &&
		git_tree_entry_filemode(a) == git_tree_entry_filemode(b);
}

static int compare(struct from *f, const char *dir, const git_tree *was, const git_tree *is, unsigned depth)
{
	int e = 0;

	for (size_t i = 0; was && i < git_tree_entrycount(was) && e == 0; i++) {
		const char *name = git_tree_entry_name(git_tree_entry_byindex(was, i));

		if (!git_tree_entry_byname(is, name)) {
			autofree char *path = xasprintf("%s%s%s", dir, *dir ? "/" : "", name);

			e = taken(f, store_txn_gone(f->txn, path));
		}
	}
	for (size_t i = 0; i < git_tree_entrycount(is) && e == 0; i++) {
		const git_tree_entry *b = git_tree_entry_byindex(is, i);
		const git_tree_entry *a = was ? git_tree_entry_byname(was, git_tree_entry_name(b)) : NULL;
		autofree char *path = xasprintf("%s%s%s", dir, *dir ? "/" : "", git_tree_entry_name(b));

		if (interrupted)
			return -EINTR;
		if (!same(a, b))
			e = put_entry(f, path, a, b, depth);
	}
	return e;
}

/* "REASON[: MESSAGE]", and perhaps our own line. */
static char *read_message(const git_commit *c, enum store_reason *ret)
{
	const char *m = git_commit_message(c), *own = strstr(m, "\n\nHoldfast-Id: ");
	autofree char *text = xstrndup(m, own ? (size_t)(own - m) : strlen(m));
	char *colon = strchr(text, ':'), *nl;
	int reason;

	if (text[strcspn(text, "\n")] && (nl = text + strlen(text) - 1) && *nl == '\n')
		*nl = 0;
	if (colon)
		*colon = 0;
	reason = store_reason_parse(text);
	*ret = reason < 0 ? REASON_IMPORT : (enum store_reason)reason;
	return reason < 0 || !colon ? xstrdup(reason < 0 ? m : "") : xstrdup(colon + 1 + (colon[1] == ' '));
}

static int take_commit(struct from *f, const git_oid *id)
{
	git_commit *parent = NULL;
	git_tree *was = NULL, *is = NULL;
	autofree char *message = NULL;
	struct store_commit how = { .force = true };
	int e = err_from_git(git_commit_lookup(&f->commit, f->repo, id));

	if (e < 0)
		return e;
	message = read_message(f->commit, &how.reason);
	how.message = *message ? message : NULL;
	how.time_ns = git_commit_time(f->commit) * SECOND;
	e = err_from_git(git_commit_tree(&is, f->commit));
	if (e == 0 && git_commit_parentcount(f->commit) && (e = err_from_git(git_commit_parent(&parent, f->commit, 0))) == 0)
		e = err_from_git(git_commit_tree(&was, parent));
	if (e == 0 && (e = store_txn_begin(f->store, &f->txn)) == 0) {
		struct stat st = stat_of(f, S_IFDIR | 0755, 0);

		e = was ? 0 : store_txn_dir(f->txn, "", &st);
	}
	if (e == 0 && (e = compare(f, "", was, is, 0)) == 0) {
		e = store_txn_commit(f->txn, &how, NULL);
		f->txn = NULL;
	}
	git_tree_free(was);
	git_tree_free(is);
	git_commit_free(parent);
	git_commit_free(f->commit);
	return e < 0 ? e : 0;
}

/* ---- what is new ---- */

struct ids {
	git_oid *x;
	size_t n, cap;
};

/* From the tip back to `at` (or the first); *ret_met: at was met. */
static int list_new(struct from *f, const git_oid *tip, const char *at, struct ids *l, bool *ret_met)
{
	git_oid id = *tip;
	char hex[41];

	for (*ret_met = false;;) {
		git_commit *c = NULL;
		int e;

		if (!strcmp(git_oid_tostr(hex, sizeof(hex), &id), at)) {
			*ret_met = true;
			return 0;
		}
		if ((e = err_from_git(git_commit_lookup(&c, f->repo, &id))) < 0)
			return e;
		l->x = xgrow(l->x, l->n, &l->cap, sizeof(*l->x));
		l->x[l->n++] = id;
		if (!git_commit_parentcount(c)) {
			git_commit_free(c);
			return 0;
		}
		id = *git_commit_parent_id(c, 0);
		git_commit_free(c);
	}
}

/* ---- how far it is: STORE/from ----
 * A line: the commit, the snapshot that it became, how many there are. The store is not synced while it grows. So the line is
 * written when all of it is on the disk, and taken away before the next byte: where it is missing, or not true of the store, somebody
 * was killed or the power was cut, and what lies there is worth nothing. */

#define NOTE "from"

static char *note_text(struct from *f, const char *commit)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	char hex[41];

	if (store_newest(f->store, &sn) < 0)
		return NULL;
	id_hex(&sn.id, hex);
	return xasprintf("%.40s %s %llu\n", commit, hex, (unsigned long long)store_count(f->store));
}

/* The commit that the newest snapshot is; "" if the store is not to be believed. */
static void read_note(struct from *f, char ret[41])
{
	autoput(buf_release) struct buf b = BUF_INIT;
	autofree char *true_one = NULL;

	*ret = 0;
	if (io_read_file(store_dirfd(f->store), NOTE, 128, &b) < 0 || b.len <= 40 || !(true_one = note_text(f, b.data)))
		return;
	if (!strcmp(b.data, true_one))
		(void)snprintf(ret, 41, "%.40s", b.data);
}

/* -ENOENT: there is none. */
static int drop_note(int dirfd)
{
	return unlinkat(dirfd, NOTE, 0) < 0 ? -errno : io_sync_dir(dirfd);
}

/* The store is closed. */
static int settle(struct from *f, const char *commit)
{
	autofree char *text = note_text(f, commit);
	autoclose int fd = open(f->store_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int e = fd < 0 ? -errno : 0;

	store_txn_abort(take_ptr(f->txn));
	store_close(take_ptr(f->store));
	if (e < 0 || !text || (e = io_sync_files(fd, ".")) < 0 || (e = io_sync_files(fd, "log")) < 0)
		return e;
	return io_replace_file(fd, NOTE, text, strlen(text), 0600);
}

static int open_store(struct from *f)
{
	struct store_options o = { .workspace = f->r->workspace, .no_sync = true };	/* it can be had again */

	return store_open(f->store_dir, STORE_WRITE, &o, &f->store);
}

static int begin_anew(struct from *f)
{
	autoclose int fd = open(f->store_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	store_close(take_ptr(f->store));
	if (fd >= 0)
		(void)drop_note(fd);	/* first of all: the rest takes a while */
	stage_remove(f->store_dir);
	return open_store(f);
}

/* Whose newest snapshot is the commit ret, "": it is empty. l: what follows it, up to tip. */
static int open_known(struct from *f, const git_oid *tip, char ret[41], struct ids *l)
{
	autofree char *path = xasprintf("%s/" NOTE, f->store_dir);
	bool met = false;
	int e = access(path, F_OK) == 0 ? open_store(f) : begin_anew(f);

	if (e == -EBADMSG || e == -EPERM)
		e = begin_anew(f);
	if (e < 0)
		return e;
	read_note(f, ret);
	if ((e = list_new(f, tip, ret, l, &met)) < 0 || met)
		return e;
	*ret = 0;	/* not true, or the mirror itself was begun anew */
	return store_count(f->store) ? begin_anew(f) : 0;
}

static int convert(struct from *f)
{
	struct ids l = { 0 };
	char at[41] = "";
	git_oid tip;
	int e = err_from_git(git_reference_name_to_id(&tip, f->repo, "refs/heads/main")), settled;

	if (e == 0 && (e = open_known(f, &tip, at, &l)) == 0 && (e = drop_note(store_dirfd(f->store))) == -ENOENT)
		e = 0;
	if (e == 0)
		(void)progress_new("fetching", "snapshots", l.n, f->r->quiet, &f->progress);
	for (size_t i = l.n; e == 0 && i-- > 0;) {
		if ((e = take_commit(f, &l.x[i])) == 0)
			(void)git_oid_tostr(at, sizeof(at), &l.x[i]);
		progress_add(f->progress, 1, 0);
	}
	free(l.x);
	if (e == 0)
		e = marks_take(f->store, f->repo, &tip);
	if (!f->store || (e < 0 && e != -EINTR))
		return e;
	settled = settle(f, at);
	return e < 0 ? e : settled;
}

/* What it has of them, or none. */
static int fetch_marks(struct from *f)
{
	autofree char *ref = xasprintf("%.*s/marks", (int)(strlen(f->ref) - 5), f->ref), *line = xasprintf("\t%s\n", ref);
	autofree char *spec = xasprintf("+%s:" MARKS_REF, ref), *all = xasprintf("%s\n", f->refs);
	git_reference *old = NULL;

	if (strstr(all, line))
		return git(f, (const char *[]){ "--git-dir=git", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
			"--update-head-ok", "--", f->url, spec, NULL }, NULL);
	if (git_reference_lookup(&old, f->repo, MARKS_REF) == 0)
		(void)git_reference_delete(old);
	git_reference_free(old);
	return EXIT_DONE;
}

/* ---- all of it ---- */

static int place(struct from *f, const char *url)
{
	const char *hash = strrchr(url, '#'), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	struct oid id;
	char hex[41];
	int e;

	f->url = hash && strchr(hash, '/') ? xstrndup(url, (size_t)(hash - url)) : xstrdup(url);
	f->wanted = hash && strchr(hash, '/') ? xstrdup(hash + 1) : NULL;
	/* git -C stands elsewhere. */
	if (!strstr(f->url, "://") && *f->url != '/' && access(f->url, F_OK) == 0) {
		char *full = realpath(f->url, NULL);

		free(f->url);
		if (!(f->url = full))
			xalloc_failed();
	}
	if ((!cache || *cache != '/') && (!home || *home != '/')) {
		log_error("neither XDG_CACHE_HOME nor HOME say where to keep what is fetched");
		return EXIT_ENV;
	}
	store_hash("blob", url, strlen(url), &id);
	id_hex(&id, hex);
	f->dir = cache && *cache == '/' ? xasprintf("%s/holdfast/from/%.16s", cache, hex) :
		xasprintf("%s/.cache/holdfast/from/%.16s", home, hex);
	f->git = xasprintf("%s/git", f->dir);
	f->store_dir = xasprintf("%s/store", f->dir);
	if ((e = io_mkdir_p(AT_FDCWD, f->dir, 0700)) < 0) {
		log_error_errno(e, "%s", f->dir);
		return EXIT_ENV;
	}
	return EXIT_DONE;
}

/* One at a time; a file system without locks: then not. */
static int lock(struct from *f)
{
	f->lock = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->lock < 0) {
		log_error_errno(-errno, "%s", f->dir);
		return EXIT_ENV;
	}
	return flock(f->lock, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK ? said(f, "another " RECOVER " is fetching it") : EXIT_DONE;
}

static int open_git(struct from *f)
{
	int e;

	stage_unlock(f->git);
	e = err_from_git(git_repository_open_bare(&f->repo, f->git));
	if (e < 0) {
		stage_remove(f->git);
		e = err_from_git(git_repository_init(&f->repo, f->git, 1));
	}
	return e < 0 ? failed(f, f->git, e) : EXIT_DONE;
}

int from_fetch(struct recover *r, const char *url, char **ret_store)
{
	autoput(from_release) struct from f = { .r = r, .lock = -1 };
	autofree char *spec = NULL;
	int rc, e;

	interrupt_catch();
	gitlib_init_tls();
	if ((rc = place(&f, url)) || (rc = lock(&f)) || (rc = choose(&f)) || (rc = open_git(&f)))
		return rc;
	spec = xasprintf("+%s:refs/heads/main", f.ref);
	if ((rc = git(&f, (const char *[]){ "--git-dir=git", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
		"--update-head-ok", "--", f.url, spec, NULL }, NULL)))
		return rc;
	if ((rc = fetch_marks(&f)))
		return rc;
	if ((e = convert(&f)) < 0)
		return failed(&f, "what was fetched", e);
	if (f.left)
		log_warn("%llu name%s that no workspace can have %s left out", (unsigned long long)f.left, f.left == 1 ? "" : "s",
			f.left == 1 ? "is" : "are");
	*ret_store = take_ptr(f.store_dir);
	return EXIT_DONE;
}
