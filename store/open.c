/* Opening a store: its folder, its lock, its log's tail, its catalogue. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../lib/names.h"
#include "../lib/text.h"
#include "internal.h"
#include "tidy.h"

const char *store_dir(const struct store *s)
{
	return s->dir;
}

int store_dirfd(const struct store *s)
{
	return s->dirfd;
}

const char *store_workspace(const struct store *s)
{
	return s->workspace;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	store_txn_abort(s->txn);
	git_repository_free(s->repo);
	git_odb_free(s->odb);
	if (s->repo)
		git_libgit2_shutdown();
	cat_close(s->cat);
	seg_forget_all(s);
	ZSTD_freeCCtx(s->cctx);
	ZSTD_freeDCtx(s->dctx);
	if (s->ackfd >= 0)
		close(s->ackfd);
	if (s->logfd >= 0)
		close(s->logfd);
	if (s->lockfd >= 0) {
		if (s->write)		/* ours: nobody is to be named any more */
			(void)!ftruncate(s->lockfd, 0);
		close(s->lockfd);
	}
	if (s->dirfd >= 0)
		close(s->dirfd);
	way_release(&s->way);
	free(s->dir);
	free(s->workspace);
	free(s);
}

static void sleep_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* ---- the writer's lock ---- */

/* An OFD lock: the kernel lets it go with the process, so there is no stale one; but what a killed
 * writer wrote into it would be. Whoever takes it takes that away first. */
static int try_lock(struct store *s, bool name_me)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char text[32];
	int n;

	if (s->lockfd < 0)
		s->lockfd =
			openat(s->dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lockfd < 0)
		return -errno;
	if (fcntl(s->lockfd, F_OFD_SETLK, &fl) < 0)
		return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	/* For people and messages only: a full disk must not stop a writer here. */
	if (ftruncate(s->lockfd, 0) == 0 && name_me) {
		n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
		(void)io_pwrite_all(s->lockfd, text, (size_t)n, 0);
	}
	return 0;
}

static void unlock(struct store *s)
{
	if (s->lockfd >= 0)
		close(s->lockfd);
	s->lockfd = -1;
}

/* A reader that renews the catalogue holds the lock for a moment, without naming itself. */
static int wait_for_lock(struct store *s)
{
	int r = try_lock(s, true);

	for (int i = 0; r == -EBUSY && i < 200; i++) {
		pid_t pid = 0;

		/* One that is about to end is waited for. */
		if (i >= 20 && store_writer(s->dir, &pid) == 1 && pid > 0 &&
			(kill(pid, 0) == 0 || errno == EPERM))
			return -EBUSY;
		sleep_ms(10);
		r = try_lock(s, true);
	}
	return r;
}

/* Is the folder that is open the one that has the name? */
static bool is_at_its_name(const struct store *s)
{
	struct stat a, b;

	return fstat(s->dirfd, &a) == 0 && stat(s->dir, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* folders opens them. Whoever had the lock may have put another folder in this one's place (repair --switch,
 * adopt, drop): what would be written into this one nobody would find. */
static int lock_writer(struct store *s, int (*folders)(struct store *s))
{
	int r = folders(s);

	for (int i = 0; i < 100; i++) {
		if (r < 0 || (r = wait_for_lock(s)) < 0 || is_at_its_name(s))
			return r;
		unlock(s);
		auto_close_(&s->logfd);
		auto_close_(&s->dirfd);
		r = folders(s);
	}
	return r < 0 ? r : -EBUSY;
}

/* ---- the catalogue against the log ---- */

/* 0: pos is the end of the log's last whole transaction. 1: there are whole ones after it.
 * -ESTALE: the log is shorter. */
static int compare_log(struct store *s, struct log_pos pos)
{
	uint32_t first, last;
	struct log_pos end;
	uint64_t size;
	int r = seg_list(s, &first, &last);

	if (r < 0)
		return r;
	if (!last)
		return pos.seg ? -ESTALE : 0;
	if (pos.seg) {
		r = seg_size(s, pos.seg, &size);
		if (r < 0 || size < pos.off)
			return r < 0 && r != -ENOENT ? r : -ESTALE;
		if (size == pos.off && last == pos.seg)
			return 0;
	}
	if ((r = log_catch_up(s, NULL, pos, &end)) < 0)
		return r;
	return end.seg != pos.seg || end.off != pos.off;
}

/* It is only an index: the log makes a new one. */
static void remove_catalogue(struct store *s)
{
	static const char *const names[] = { "catalogue.db", "catalogue.db-wal", "catalogue.db-shm",
		"catalogue.db-journal", CATALOGUE_COPY, CATALOGUE_COPY "-journal", CATALOGUE_BAD };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		(void)unlinkat(s->dirfd, names[i], 0);
	s->cat_damaged = false;
}

static int catch_up(struct store *s, struct catalogue *c, struct log_pos *ret_end)
{
	int r = cat_begin(c);

	if (r < 0)
		return r;
	s->forgot |= s->write && !cat_pos(c).seg;
	s->hurt |= s->forgot;
	r = log_catch_up(s, c, cat_pos(c), ret_end);
	if (r == 0)
		r = cat_commit(c, *ret_end);
	if (r < 0)
		cat_rollback(c);
	return r;
}

/* From the log alone. No number is given twice, also of what the log has lost. */
static int new_catalogue(struct store *s, struct log_pos *ret_end)
{
	uint64_t seq = s->cat ? cat_next_seq(s->cat) : 1;
	int r;

	cat_close(take_ptr(s->cat));
	remove_catalogue(s);
	if ((r = cat_open(s, true, false, &s->cat)) < 0)
		return r;
	cat_met_seq(s->cat, seq - 1);
	return catch_up(s, s->cat, ret_end);
}

/* What we make in it can be used by whose it is. */
static bool is_mine(const struct store *s)
{
	struct stat st;

	return fstat(s->dirfd, &st) == 0 && st.st_uid == geteuid();
}

/* A catalogue of another user, in a folder that is ours. */
static bool is_strange(const struct store *s)
{
	return is_mine(s) && faccessat(s->dirfd, "catalogue.db", R_OK | W_OK, AT_EACCESS) < 0 &&
	       errno == EACCES;
}

/* The disk takes no catalogue: the writer keeps one for himself. Readers ask the log, as on a
 * medium that is read-only. */
static int catalogue_for_me(struct store *s, struct log_pos *ret_end)
{
	int r;

	cat_close(take_ptr(s->cat));
	if ((r = cat_open(s, false, true, &s->cat)) == 0)
		r = catch_up(s, s->cat, ret_end);
	if (r == 0)
		log_warn("%s/catalogue.db cannot be written: going on without it", s->dir);
	return r;
}

static int renew_catalogue(struct store *s, struct log_pos *ret_end)
{
	int r = new_catalogue(s, ret_end);

	/* What was just written is not to be had again. */
	return r == -EIO || r == -EBADMSG ? catalogue_for_me(s, ret_end) : r;
}

/* With the lock held: an up-to-date catalogue for writing, and the end of the log. */
static int writer_catalogue(struct store *s, struct log_pos *ret_end)
{
	int r = cat_open(s, true, false, &s->cat);

	if (r == 0 && (r = cat_begin(s->cat)) == 0)
		r = log_follow_prune(s, s->cat);
	if (r == 0 && compare_log(s, cat_pos(s->cat)) == -ESTALE) {
		log_warn("%s: the log is shorter than it was: snapshots are lost (" RECOVER
			 " verify)",
			s->dir);
		s->was_longer = true;
		r = -EBADMSG;
	}
	if (r == 0 && (r = catch_up(s, s->cat, ret_end)) == 0)
		return 0;
	/* Damaged, of another schema, not of this log, or another user's in a folder of ours.
	 * What else there may be (no descriptors, a lock) says nothing against it. */
	if (r != -EBADMSG && r != -ESTALE && r != -EEXIST && r != -EIO &&
		!(r == -EACCES && is_strange(s)))
		return r;
	return renew_catalogue(s, ret_end);
}

/* The id of the store is in every segment; the first whose header can be read gives it. */
static int learn_id(struct store *s)
{
	uint32_t first, last;
	int r = seg_list(s, &first, &last), bad = 0;

	for (uint32_t no = first; r == 0 && no && no <= last && !s->have_id; no = seg_next(s, no, last)) {
		struct segment *g;
		int e = seg_get(s, no, &g);

		if (e == -ENOTSUP)
			bad = e;
	}
	return r < 0 ? r : s->have_id ? 0 : bad;
}

static bool is_bad(struct store *s)
{
	return faccessat(s->dirfd, CATALOGUE_BAD, F_OK, 0) == 0;
}

/* The file, and not while another is put in its place (store_leave_readers): a WAL that is not its
 * own would be believed. */
static int reader_file(struct store *s)
{
	struct stat was = { 0 }, is = { 0 };
	int r;

	(void)fstatat(s->dirfd, "catalogue.db", &was, AT_SYMLINK_NOFOLLOW);
	r = is_bad(s) ? -EBADMSG : cat_open(s, false, false, &s->cat);
	if (r == 0 &&
		(is_bad(s) || fstatat(s->dirfd, "catalogue.db", &is, AT_SYMLINK_NOFOLLOW) < 0 ||
			is.st_ino != was.st_ino || is.st_dev != was.st_dev))
		r = -ESTALE;
	return r;
}

/* What a writer that died had written is shown as soon as it is in the catalogue: then it is to
 * be on the disk as well. */
static int sync_tail(struct store *s)
{
	struct log_pos acked = seg_acked(s);
	uint32_t first, last;
	struct segment *g;
	uint64_t size;
	int r = seg_list(s, &first, &last);

	if (r < 0 || !last ||
		(last == acked.seg && seg_size(s, last, &size) == 0 && size == acked.off))
		return r;
	for (uint32_t no = acked.seg > first ? acked.seg : first; r == 0 && no <= last; no = seg_next(s, no, last)) {
		r = seg_get(s, no, &g);
		if (r == 0)
			r = io_datasync(g->fd);
		if (r == -EBADMSG || r == -ENOENT)	/* for verify to say */
			r = 0;
	}
	return r == 0 ? io_sync_dir(s->logfd) : r;
}

static int reader_try(struct store *s)
{
	int r = reader_file(s);

	if (r == 0)		/* opens all segments: what is there now stays readable */
		r = log_was_pruned(s, s->cat);
	if (r == 0)
		r = compare_log(s, cat_pos(s->cat));
	if (r == 0)
		return 0;
	cat_close(take_ptr(s->cat));
	seg_forget_all(s);
	return r < 0 ? r : -ESTALE;
}

/* An index in memory, of one state of the log: prune may be at work on it. */
static int memory_catalogue(struct store *s)
{
	struct log_pos end;
	uint64_t gen;
	int r = 1;

	for (int i = 0; r == 1 && i < 8; i++) {
		cat_close(take_ptr(s->cat));
		seg_forget_all(s);
		r = cat_open(s, false, true, &s->cat);
		if (r == 0)
			r = catch_up(s, s->cat, &end);
		if (r == 0)
			r = cat_gen(s->cat, &gen);
		if (r == 0)
			r = log_changed_since(s, gen);
	}
	return r < 0 ? r : 0;
}

/* A reader needs a catalogue that covers the log. If it is behind, the writer is about to renew
 * it; if there is no writer, do it in its place; if that cannot be (read-only, full), index in
 * memory. */
static int reader_catalogue(struct store *s)
{
	struct log_pos end;
	int r = reader_try(s), lock;

	for (int i = 0; r < 0 && i < 40; i++) {
		if (r == -ENOMEM)
			return r;
		if (r == -EBUSY && i >= 2)	/* each waited for seconds */
			break;
		lock = is_mine(s) ? try_lock(s, false) : -EACCES;
		if (lock == 0) {
			s->write = true;
			if (is_bad(s))
				remove_catalogue(s);
			r = sync_tail(s);
			if (r == 0)
				r = writer_catalogue(s, &end);
			if (r == 0)
				(void)headers_fill(s);
			s->write = false;
			cat_close(take_ptr(s->cat));
			seg_forget_all(s);
			unlock(s);
			if (r == 0 && reader_try(s) == 0)
				return 0;
			break;
		}
		unlock(s);
		if (lock != -EBUSY)	/* read-only, full, not ours: nobody will renew it for us */
			break;
		sleep_ms(5);
		r = reader_try(s);
	}
	if (r == 0 && s->cat)
		return 0;
	return memory_catalogue(s);
}

int store_refresh(struct store *s)
{
	struct log_pos was = cat_pos(s->cat), now;
	uint64_t gen;
	int r;

	if (s->write)
		return 0;
	if (!s->cat_damaged && cat_is_there(s, s->cat) && cat_gen(s->cat, &gen) == 0 &&
	    log_changed_since(s, gen) == 0 && cat_refresh(s, s->cat) == 0) {
		now = cat_pos(s->cat);
		if (now.seg == was.seg && now.off == was.off && log_was_pruned(s, s->cat) == 0 &&
		    compare_log(s, now) == 0)
			return 0;
		/* What stood behind the end before may have been cut off and written anew. */
		seg_forget_all(s);
		if (log_was_pruned(s, s->cat) == 0 && compare_log(s, now) == 0)
			return 1;
	}
	s->cat_damaged = false;
	cat_close(take_ptr(s->cat));
	seg_forget_all(s);
	r = reader_catalogue(s);
	return r < 0 ? r : 1;
}

bool store_is_lossy(struct store *s)
{
	return cat_is_lossy(s->cat) || seg_is_cut(s);
}

/* ---- folders ---- */

static bool name_is(const char *name, const char *const *list)
{
	while (*list && strcmp(*list, name) != 0)
		list++;
	return *list;
}

/* A folder that is called log may be anybody's: of a training, say. */
static int check_log(int dirfd)
{
	static const char *const ours[] = { "acked", "headers", "dropped", NULL };
	autoclosedir DIR *d = NULL;
	struct dirent *de;
	int r = io_opendir(dirfd, "log", &d);

	if (r < 0)
		return r;
	while ((errno = 0, de = readdir(d))) {
		size_t digits = strspn(de->d_name, "0123456789");

		if (*de->d_name != '.' && !(digits == 8 && strncmp(de->d_name + 8, ".seg", 4) == 0) &&
		    !name_is(de->d_name, ours) && strncmp(de->d_name, "torn", 4) != 0)
			return -ENOTEMPTY;
	}
	return errno ? err_errno() : 0;
}

/* May a store be begun here? Not among what is somebody else's: -ENOTEMPTY. What a start that was
 * killed leaves is no obstacle: the log's folder comes first. */
static int check_empty(int dirfd, bool has_log)
{
	static const char *const first[] = { ".", "..", "log", "workspace", "lock", "control",
		STORE_MADE, NULL };
	static const char *const later[] = { "catalogue.db", "catalogue.db-wal", "catalogue.db-shm",
		"catalogue.db-journal", CATALOGUE_COPY, CATALOGUE_BAD, "reserve", "stopped", NULL };
	autoclosedir DIR *d = NULL;
	struct dirent *de;
	int r = io_opendir(dirfd, ".", &d);

	if (r < 0)
		return r;
	while ((errno = 0, de = readdir(d)))
		if (!name_is(de->d_name, first) && !(has_log && (name_is(de->d_name, later) ||
		    strncmp(de->d_name, ".workspace.tmp-", 15) == 0)))
			return -ENOTEMPTY;
	if (errno)
		return err_errno();
	return has_log ? check_log(dirfd) : 0;
}

/* A store has a log, or names its workspace where that was taken away. */
static int check_ours(int dirfd)
{
	struct stat st;

	return store_is(dirfd) ? 0 : check_empty(dirfd,
		fstatat(dirfd, "log", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode));
}

bool store_is(int dirfd)
{
	static const char *const signs[] = { "log/00000001.seg", "log/acked", "log/headers" };
	autoput(buf_release) struct buf b = BUF_INIT;
	struct stat st;

	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		if (fstatat(dirfd, signs[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			return true;
	return io_read_file(dirfd, "workspace", 65536, &b) >= 0 && b.len && *b.data == '/';
}

/* A store that is new: its name is to survive a power cut, whoever made the folders above it and
 * died before he said so to the disk. */
static int sync_above(const struct store *s)
{
	autofree char *path = strdup(s->dir);
	int r = 0;

	if (!path)
		return -ENOMEM;
	for (char *slash; r == 0 && (slash = strrchr(path, '/'));) {
		autoclose int fd = -1;

		*slash = 0;
		fd = open(*path ? path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		/* Folders that we may not even list are not ours to have made. */
		if (fd >= 0 && faccessat(fd, ".", W_OK, AT_EACCESS) == 0)
			r = io_sync_dir(fd);
		if (r == -EINVAL || r == -EROFS)	/* a file system without it */
			r = 0;
	}
	return r;
}

static int open_folders(struct store *s, bool create)
{
	struct stat st;
	int r;

	if (create && (r = io_mkdir_p(AT_FDCWD, s->dir, 0700)) < 0)
		return r;
	s->dirfd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd < 0)
		return -errno;
	if (create && (r = check_ours(s->dirfd)) < 0)
		return r;
	if (create && mkdirat(s->dirfd, "log", 0700) < 0 && errno != EEXIST)
		return -errno;
	s->logfd = openat(s->dirfd, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->logfd < 0)
		return -errno;
	if (!create || s->opt.no_sync || fstatat(s->logfd, "acked", &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return (r = io_sync_dir(s->dirfd)) < 0 ? r : sync_above(s);
}

static int read_workspace(struct store *s)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = io_read_file(s->dirfd, "workspace", 65536, &b);

	if (r < 0 && r != -ENOENT)
		return r;
	s->workspace = strdup(b.len ? b.data : "");
	return s->workspace ? 0 : -ENOMEM;
}

static int name_workspace(struct store *s, const char *workspace)
{
	int r;

	if (!workspace || *s->workspace)
		return 0;
	if ((r = io_replace_file(s->dirfd, "workspace", workspace, strlen(workspace), 0600)) < 0)
		return r;
	free(s->workspace);
	s->workspace = strdup(workspace);
	return s->workspace ? 0 : -ENOMEM;
}

static bool has_tail(struct store *s, struct log_pos end)
{
	uint32_t first, last;
	uint64_t size;

	if (seg_list(s, &first, &last) < 0 || !last)
		return false;
	return last > end.seg || (end.seg && seg_size(s, end.seg, &size) == 0 && size > end.off);
}

/* What follows the last whole transaction goes; never on the word of the index alone. What is
 * kept is put on the disk before anybody is told of it: a writer that died may not have got to
 * that. */
static int cut_tail(struct store *s, struct log_pos end)
{
	struct segment *g;
	int r = 0;

	if (has_tail(s, end)) {
		if ((r = renew_catalogue(s, &end)) < 0)
			return r;
		if (has_tail(s, end))
			log_warn("%s: the remains of an unfinished snapshot are cut off the log "
				 "(log/torn keeps them)",
				s->dir);
	}
	if ((r = seg_cut(s, end)) < 0 || !end.seg)
		return r;
	r = s->opt.no_sync ? 0 : seg_get(s, end.seg, &g);
	if (r == -EBADMSG)	/* its header is lost: nothing will be added to it */
		return 0;
	if (r == 0 && !s->opt.no_sync && (r = io_datasync(g->fd)) == 0)
		r = io_sync_dir(s->logfd);
	if (r == 0)
		seg_set_acked(s);
	return r;
}

int store_leave_readers(struct store *s)
{
	static const char *const rest[] = { "catalogue.db-wal", "catalogue.db-shm" };
	int fd, r = cat_copy(s, s->cat, CATALOGUE_COPY);

	/* No room for a copy, say: then it grows on. */
	if (r < 0)
		return r == -EBADMSG ? r : 0;
	/* Who dies between the steps leaves an old WAL beside the new file. */
	fd = openat(s->dirfd, CATALOGUE_BAD, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return 0;
	close(fd);
	if (!s->opt.no_sync)
		(void)io_sync_dir(s->dirfd);
	cat_close(take_ptr(s->cat));
	if (renameat(s->dirfd, CATALOGUE_COPY, s->dirfd, "catalogue.db") < 0)
		return store_writer_ready(s);
	for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++)
		(void)unlinkat(s->dirfd, rest[i], 0);
	if (cat_open(s, true, false, &s->cat) < 0)
		return store_writer_ready(s);
	(void)unlinkat(s->dirfd, CATALOGUE_BAD, 0);
	return 0;
}

int store_shed_readers(struct store *s)
{
	return cat_is_held(s->cat) ? store_leave_readers(s) : 0;
}

int store_compact(struct store *s)
{
	struct log_pos was;
	int r;

	if (!s->write || s->txn || s->broken)
		return 0;
	if ((r = cat_empty_wal(s->cat)) == 0)
		r = cat_is_sparse(s->cat);
	if (r <= 0)
		return r;
	was = cat_pos(s->cat);
	r = store_leave_readers(s);
	return r < 0 ? r : cat_pos(s->cat).off == was.off;
}

bool store_forgot(struct store *s)
{
	bool r = s->forgot;

	s->forgot = false;
	return r;
}

int store_can_write(struct store *s)
{
	if (!s->write)
		return -EROFS;
	if (s->txn)
		return -EBUSY;
	if (!cat_is_there(s, s->cat))
		s->broken = 1;
	return s->broken ? store_writer_ready(s) : 0;
}

/* After the lock: what a writer needs. Also when the handle is broken and starts again. */
int store_writer_ready(struct store *s)
{
	struct log_pos end;
	int r;

	s->log_known = false;
	cat_close(take_ptr(s->cat));
	seg_forget_all(s);
	if ((r = log_reopen(s)) < 0)
		goto not_ready;
	if (s->cat_damaged || is_bad(s))
		remove_catalogue(s);
	(void)unlinkat(s->logfd, REWRITE_NAME, 0);	/* of a prune that died */
	store_tidy_clean(s);
	r = learn_id(s);
	if (r == 0)
		r = writer_catalogue(s, &end);
	if (r == 0)
		r = cut_tail(s, end);
	if (r < 0)
		goto not_ready;
	headers_mend(s);
	(void)headers_fill(s);
	log_seen(s);
	s->broken = 0;
	return 0;
not_ready:
	/* Questions may still come before the next try: an empty index answers them. */
	if (!s->cat && cat_open(s, false, true, &s->cat) < 0)
		return -ENOMEM;
	s->broken = 1;
	return r;
}

/* SQLite says of a file that it could not make beside its own no more than that. */
static int why_not(struct store *s, int r)
{
	autoclose int fd = -1;

	if (r != -EACCES)
		return r;
	fd = openat(s->dirfd, ".probe", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno == ENOSPC || errno == EDQUOT ? -ENOSPC : r;
	(void)unlinkat(s->dirfd, ".probe", 0);
	return r;
}

static int make_folders(struct store *s)
{
	return open_folders(s, true);
}

static int find_folders(struct store *s)
{
	return open_folders(s, false);
}

static int store_open_in(struct store *s, enum store_mode mode)
{
	int r = mode == STORE_WRITE ? lock_writer(s, make_folders) : find_folders(s);

	if (r < 0)
		return r;
	if (mode == STORE_WRITE) {
		if ((r = read_workspace(s)) < 0)
			return r;
		s->write = true;
		r = name_workspace(s, s->opt.workspace);
		if (r == 0)
			r = why_not(s, store_writer_ready(s));
		/* On a full disk: whoever writes will prune first. */
		if (r == -ENOSPC && store_reserve_release(s) &&
		    (r = name_workspace(s, s->opt.workspace)) == 0)
			r = why_not(s, store_writer_ready(s));
		return r;
	}
	if ((r = read_workspace(s)) < 0 || (r = learn_id(s)) < 0)
		return r;
	return reader_catalogue(s);
}

int store_open(
	const char *dir, enum store_mode mode, const struct store_options *opt, struct store **ret)
{
	struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->dirfd = s->logfd = s->lockfd = s->ackfd = -1;
	if (opt)
		s->opt = *opt;
	s->own_segment_size = !s->opt.segment_size;
	if (!s->opt.segment_size || s->opt.segment_size > SEG_SIZE_MAX)
		s->opt.segment_size = SEG_SIZE_DEFAULT;
	s->dir = strdup(dir);
	r = s->dir ? store_open_in(s, mode) : -ENOMEM;
	s->opt.workspace = NULL;
	if (r < 0) {
		store_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

int store_hold(const char *dir)
{
	struct store s = { .dir = (char *)(uintptr_t)dir, .dirfd = -1, .logfd = -1, .lockfd = -1 };
	int r = lock_writer(&s, find_folders);

	auto_close_(&s.logfd);
	auto_close_(&s.dirfd);
	if (r == 0)
		return s.lockfd;
	unlock(&s);
	return r;
}
