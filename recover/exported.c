#include "exported.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "mirror-stage.h"
#include "recover.h"
#include "xalloc.h"

#define KEY_WORKSPACE "holdfast.workspace"
#define KEY_EXPORTED "holdfast.exported"

static int refused(const char *dir, const char *why)
{
	log_error("%s: %s; nothing was written, choose a new folder", dir, why);
	return EXIT_ENV;
}

static int git_failed(const char *dir, int code)
{
	const git_error *e = git_error_last();

	log_error("%s: %s", dir, e ? e->message : err_str(err_from_git(code)));
	return EXIT_ENV;
}

/* 1: it holds something, 0: empty or not there. */
static int holds_something(const char *dir)
{
	autoclosedir DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (errno = 0, (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			return 1;
	return -errno;
}

/* Is it, or is it in, the .git of a project? */
static bool in_git(const char *dir)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	if (store_canonical(dir, &b) < 0)
		return false;	/* what is wrong with it is said by whoever opens it */
	for (const char *p = b.data; *p; p += strcspn(p, "/")) {
		p += strspn(p, "/");
		if (strcspn(p, "/") == 4 && !strncasecmp(p, ".git", 4))
			return true;
	}
	return false;
}

/* The repository's own file alone: what the user's or the machine's says is not about it. */
static int open_config(git_repository *repo, git_config **ret)
{
	autofree char *path = xasprintf("%sconfig", git_repository_path(repo));

	return git_config_open_ondisk(ret, path);
}

/* *ret: NULL where the key is not there; yours to free. */
static int get(git_config *c, const char *key, char **ret)
{
	git_buf b = { 0 };
	int r = git_config_get_string_buf(&b, c, key);

	*ret = r == 0 ? xstrdup(b.ptr) : NULL;
	git_buf_dispose(&b);
	return r == GIT_ENOTFOUND ? 0 : r;
}

/* 1: not a single one. */
static int no_refs(git_repository *repo)
{
	git_reference_iterator *it = NULL;
	const char *name;
	int r = git_reference_iterator_new(&it, repo);

	if (r == 0)
		r = git_reference_next_name(&name, it);
	git_reference_iterator_free(it);
	return r == GIT_ITEROVER ? 1 : r;
}

/* main is where an export left it: at a snapshot of this store, or where the last one put it (what
 * was thinned since is another commit in the store), or was before that if it was killed there. */
static bool main_is_ours(git_repository *repo, git_config *c, git_odb *ours)
{
	char hex[GIT_OID_HEXSZ + 1];
	autofree char *was = NULL;
	git_oid head;

	if (git_reference_name_to_id(&head, repo, "refs/heads/main") < 0)
		return true;
	if (git_odb_exists(ours, &head))
		return true;
	return get(c, KEY_EXPORTED, &was) == 0 && was &&
	       strstr(was, git_oid_tostr(hex, sizeof(hex), &head));
}

static int check(const char *dir, const char *workspace, git_repository *repo, git_config *c,
	git_odb *ours, bool fresh)
{
	autofree char *of = NULL;
	int bare = 0, r;

	/* libgit2 was told to take it for one; its own word counts */
	if (git_config_get_bool(&bare, c, "core.bare") < 0 || !bare)
		return refused(dir, "is the repository of a work tree");
	if ((r = get(c, KEY_WORKSPACE, &of)) < 0)
		return git_failed(dir, r);
	if (!of)
		return fresh ? EXIT_DONE
			     : refused(dir, "is a git repository that no export made");
	if (!main_is_ours(repo, c, ours))
		return refused(dir, "its branch main was moved since the last export");
	if (strcmp(of, workspace) && !fresh) {
		git_oid head;

		/* a workspace that was moved has another path and the same snapshots */
		if (git_reference_name_to_id(&head, repo, "refs/heads/main") < 0 ||
			!git_odb_exists(ours, &head)) {
			log_error("%s: holds the snapshots of %s; nothing was written, choose "
				  "a new folder",
				dir, of);
			return EXIT_ENV;
		}
	}
	return EXIT_DONE;
}

enum { PATIENCE_MS = 1000 };

/* In the folder from before the first lock until the export ends: where it is found, that one was killed, and its locks are there. */
#define EXPORTING "holdfast-exporting"

static int mark(struct exported *x)
{
	struct stat st;
	int fd;

	if (!x->alone)
		return 0;	/* another one may be at work here, too */
	(void)clock_gettime(CLOCK_REALTIME, &x->begun);
	if (fstatat(x->lock, EXPORTING, &st, AT_SYMLINK_NOFOLLOW) == 0)
		x->killed = st.st_mtim;
	fd = openat(x->lock, EXPORTING, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	(void)close(fd);
	x->marked = true;
	return io_sync_dir(x->lock);
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* Made between its begin and ours, and not touched between was and now. */
static bool left_by_killed(const struct exported *x, const struct stat *was, const struct stat *now)
{
	return x->killed.tv_sec && !is_before(&was->st_mtim, &x->killed) && is_before(&was->st_mtim, &x->begun) &&
	       was->st_ino == now->st_ino && was->st_size == now->st_size && !is_before(&was->st_mtim, &now->st_mtim);
}

bool exported_unlock(struct exported *x, const char *name)
{
	autofree char *path = xasprintf("%s%s.lock", git_repository_path(x->repo), name), *why = NULL;
	struct stat was, now;
	bool there = lstat(path, &was) == 0;

	if (there)
		(void)poll(NULL, 0, PATIENCE_MS);
	if (!there || lstat(path, &now) < 0)
		return true;
	if (left_by_killed(x, &was, &now) && unlink(path) == 0)
		return true;
	why = xasprintf("%s is in the way: a git is at work there, or was killed; if none is, remove that file", path);
	git_error_set_str(GIT_ERROR_REFERENCE, why);
	return false;
}

static int note_workspace(struct exported *x, git_config *c, const char *workspace)
{
	autofree char *of = NULL;
	int r;

	if (get(c, KEY_WORKSPACE, &of) == 0 && of && strcmp(of, workspace) == 0)
		return 0;
	r = git_config_set_string(c, KEY_WORKSPACE, workspace);
	return r == GIT_ELOCKED && exported_unlock(x, "config") ? git_config_set_string(c, KEY_WORKSPACE, workspace) : r;
}

static int open_existing(const char *dir, const char *workspace, git_odb *ours, struct exported *x)
{
	git_config *c = NULL;
	int rc, r = git_repository_open_ext(&x->repo, dir,
			GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_BARE, NULL);

	if (r < 0)
		return refused(dir, "is not empty and no bare git repository");
	if ((r = no_refs(x->repo)) < 0 || (x->fresh = r, r = open_config(x->repo, &c)) < 0)
		rc = git_failed(dir, r);
	else
		rc = check(dir, workspace, x->repo, c, ours, x->fresh);
	if (rc == EXIT_DONE && (r = mark(x)) < 0) {
		log_error_errno(r, "%s", dir);
		rc = EXIT_ENV;
	}
	if (rc == EXIT_DONE && (r = note_workspace(x, c, workspace)) < 0)
		rc = git_failed(dir, r);
	git_config_free(c);
	return rc;
}

/* In the folder while it becomes a repository: what was killed there, the next export goes on with. */
#define UNFINISHED "holdfast-unfinished"

/* What git_repository_init writes under a lock; as one that was killed there left it. */
static void unlock_unmade(int dirfd)
{
	(void)unlinkat(dirfd, "config.lock", 0);
	(void)unlinkat(dirfd, "HEAD.lock", 0);
}

static int make(const char *dir, int dirfd, bool alone)
{
	git_repository_init_options o;
	git_repository *repo = NULL;
	int fd, r;

	if (alone && faccessat(dirfd, UNFINISHED, F_OK, 0) == 0)
		unlock_unmade(dirfd);
	fd = openat(dirfd, UNFINISHED, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		log_error_errno(-errno, "%s", dir);
		return EXIT_ENV;
	}
	(void)close(fd);
	(void)git_repository_init_options_init(&o, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
	o.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH;
	o.mode = 0700;		/* as closed as the store */
	o.initial_head = "main";
	if ((r = git_repository_init_ext(&repo, dir, &o)) < 0)
		return git_failed(dir, r);
	git_repository_free(repo);
	return EXIT_DONE;
}

/* Until *ret_fd is closed. */
static int lock(const char *dir, int *ret_fd, bool *ret_alone)
{
	*ret_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0) {
		log_error_errno(-errno, "%s", dir);
		return EXIT_ENV;
	}
	*ret_alone = flock(*ret_fd, LOCK_EX | LOCK_NB) == 0;
	if (*ret_alone || errno != EWOULDBLOCK)
		return EXIT_DONE;	/* a file system without: then not */
	log_error("%s: another export is at work on it", dir);
	return EXIT_ENV;
}

int exported_open(const char *dir, const char *workspace, git_odb *ours, struct exported *ret)
{
	struct stat st;
	bool new = lstat(dir, &st) < 0 && errno == ENOENT;
	int e, rc;

	if (in_git(dir))
		return refused(dir, "is in the .git of a project");
	if ((e = holds_something(dir)) < 0) {
		log_error_errno(e, "%s", dir);
		return EXIT_ENV;
	}
	if (e == 0 && (e = io_mkdir_p(AT_FDCWD, dir, 0700)) < 0) {
		log_error_errno(e, "%s", dir);
		return EXIT_ENV;
	}
	if ((rc = lock(dir, &ret->lock, &ret->alone)))
		return rc;
	if (new && ret->alone && holds_something(dir) == 0)
		ret->made = xstrdup(dir);
	if ((e == 0 || faccessat(ret->lock, UNFINISHED, F_OK, 0) == 0) && (rc = make(dir, ret->lock, ret->alone)))
		return rc;
	rc = open_existing(dir, workspace, ours, ret);
	if (rc == EXIT_DONE)
		(void)unlinkat(ret->lock, UNFINISHED, 0);
	return rc;
}

void exported_close(struct exported *x)
{
	/* Nothing was exported to it: it is as if there had been no export. */
	if (x->made && !x->done && (!x->repo || no_refs(x->repo) == 1))
		stage_remove(x->made);
	free(x->made);
	git_repository_free(x->repo);
	/* What we locked is not locked any more; what a killed one did may be, until one was done. */
	if (x->marked && (x->done || !x->killed.tv_sec))
		(void)unlinkat(x->lock, EXPORTING, 0);
	if (x->lock >= 0)
		(void)close(x->lock);
}

int exported_note(git_repository *repo, const git_oid *main)
{
	char hex[GIT_OID_HEXSZ + 1], before[GIT_OID_HEXSZ + 1] = "";
	autofree char *both = NULL;
	git_config *c = NULL;
	git_oid head;
	int r;

	if (git_reference_name_to_id(&head, repo, "refs/heads/main") == 0)
		git_oid_tostr(before, sizeof(before), &head);
	both = xasprintf(
		"%s%s%s", git_oid_tostr(hex, sizeof(hex), main), *before ? " " : "", before);
	if ((r = open_config(repo, &c)) == 0)
		r = git_config_set_string(c, KEY_EXPORTED, both);
	git_config_free(c);
	return r;
}
