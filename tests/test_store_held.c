/* A reader that stays: what it sees stands still, and the writer is not held up by it. */
#include "check_main.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/config.h"
#include "lib/auto.h"
#include "lib/io.h"
#include "store/internal.h"

static char dir[512];

static struct store *open_store(enum store_mode mode)
{
	struct store_options opt = { .no_sync = true };
	struct store *s;

	ck_assert_int_eq(store_open(dir, mode, &opt, &s), 0);
	return s;
}

/* Many folders, so that a snapshot touches many pages of the catalogue. */
static void snapshot(struct store *s, unsigned n)
{
	const struct store_commit how = { .reason = REASON_INTERVAL, .force = true };
	struct store_txn *t;

	ck_assert_int_eq(store_txn_begin(s, &t), 0);
	for (unsigned i = 0; i < 20; i++) {
		struct stat st = { .st_mode = S_IFREG | 0644, .st_size = 8 };
		char path[64], text[9];

		(void)snprintf(path, sizeof(path), "d%02u/f", i * 37 % 60);
		(void)snprintf(text, sizeof(text), "%08u", n * 60 + i);
		ck_assert_int_eq(store_txn_bytes(t, path, &st, text, 8), 0);
	}
	ck_assert_int_eq(store_txn_commit(t, &how, NULL), 1);
}

static off_t wal_size(struct store *s)
{
	struct stat st;

	return fstatat(store_dirfd(s), "catalogue.db-wal", &st, 0) == 0 ? st.st_size : 0;
}

static void newest_is(struct store *s, uint64_t seq, const char *text)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	autoput(buf_release) struct buf b = BUF_INIT;
	struct store_entry e;

	ck_assert_int_eq(store_newest(s, &sn), 0);
	ck_assert_uint_eq(sn.seq, seq);
	ck_assert_int_eq(store_entry_at(s, seq, "d00/f", &e), 0);
	ck_assert_int_eq(store_read_blob(s, &e.oid, 100, &b), 0);
	ck_assert_uint_eq(b.len, 8);
	ck_assert_int_eq(memcmp(b.data, text, 8), 0);
}

START_TEST(store_held__the_catalogue_does_not_grow_under_a_reader)
{
	struct store *w, *old, *now;
	off_t most = 0;
	struct stat st;

	(void)snprintf(dir, sizeof(dir), "%s/held", check_dir(NULL));
	w = open_store(STORE_WRITE);
	(void)store_forgot(w);		/* a new one */
	snapshot(w, 1);
	old = open_store(STORE_READ);
	for (unsigned n = 2; n <= 600; n++) {
		snapshot(w, n);
		if (wal_size(w) > most)
			most = wal_size(w);
		if (n % 100 == 0) {	/* one that comes meanwhile sees all, also just after a copy */
			char text[9];

			(void)snprintf(text, sizeof(text), "%08u", n * 60);
			now = open_store(STORE_READ);
			newest_is(now, n, text);
			store_close(now);
		}
	}
	ck_assert_int_gt(most, 2 << 20);	/* it was held */
	ck_assert_int_lt(most, 5 << 20);
	newest_is(old, 1, "00000060");
	ck_assert_int_eq(store_refresh(old), 1);
	newest_is(old, 600, "00036000");
	/* stat data and all: nothing was made anew from the log */
	ck_assert(!store_forgot(w));
	ck_assert_int_lt(fstatat(store_dirfd(w), CATALOGUE_BAD, &st, 0), 0);
	ck_assert_int_lt(fstatat(store_dirfd(w), CATALOGUE_COPY, &st, 0), 0);
	store_close(old);
	store_close(w);
	w = open_store(STORE_WRITE);
	newest_is(w, 600, "00036000");
	ck_assert(!store_forgot(w));
	store_close(w);
}
END_TEST

/* What is nothing beside 5 GiB is a quarter of 16 MiB. */
START_TEST(store_held__less_where_the_quota_is_small)
{
	const struct config cfg = { .quota = 16 << 20 };
	struct store_room m;
	struct store *w, *old;
	off_t most = 0;

	(void)snprintf(dir, sizeof(dir), "%s/small", check_dir(NULL));
	w = open_store(STORE_WRITE);
	ck_assert_int_eq(store_room(w, &cfg, &m), 0);
	snapshot(w, 1);
	old = open_store(STORE_READ);
	for (unsigned n = 2; n <= 300; n++) {
		snapshot(w, n);
		if (wal_size(w) > most)
			most = wal_size(w);
	}
	ck_assert_int_gt(most, 128 << 10);
	ck_assert_int_lt(most, 1 << 20);
	newest_is(old, 1, "00000060");
	ck_assert_int_eq(store_refresh(old), 1);
	newest_is(old, 300, "00018000");
	store_close(old);
	store_close(w);
}
END_TEST

static bool has_open(pid_t pid, const char *what)
{
	char path[64], to[600];
	struct dirent *de;
	bool found = false;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	if (!(d = opendir(path)))
		return false;
	while (!found && (de = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), de->d_name, to, sizeof(to) - 1);

		found = n > 0 && (to[n] = '\0', strcmp(to, what) == 0);
	}
	closedir(d);
	return found;
}

/* Who waited for the lock of a folder that got another name meanwhile writes to the one that has the name now. */
START_TEST(store_held__who_waited_writes_to_what_has_the_name)
{
	char first[500], second[500], lock[512];
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd, status;
	struct store *s;
	pid_t pid;

	(void)snprintf(first, sizeof(first), "%s/waited", check_dir(NULL));
	(void)snprintf(second, sizeof(second), "%s/waited.second", check_dir(NULL));
	(void)snprintf(lock, sizeof(lock), "%s/lock", first);
	(void)snprintf(dir, sizeof(dir), "%s", second);
	s = open_store(STORE_WRITE);
	snapshot(s, 1);
	snapshot(s, 2);
	store_close(s);
	(void)snprintf(dir, sizeof(dir), "%s", first);
	s = open_store(STORE_WRITE);
	snapshot(s, 1);
	store_close(s);
	/* Without a name in it, as of a reader that renews the catalogue: it is waited for longer. */
	ck_assert_int_ge(fd = open(lock, O_RDWR | O_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &fl), 0);
	fflush(NULL);
	if ((pid = fork()) == 0) {
		struct store_options opt = { .no_sync = true };

		close(fd);
		if (store_open(first, STORE_WRITE, &opt, &s) < 0)
			_exit(1);
		snapshot(s, 7);
		store_close(s);
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	while (!has_open(pid, lock))
		ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	ck_assert_int_eq(renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE), 0);
	close(fd);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	s = open_store(STORE_READ);
	newest_is(s, 3, "00000420");
	store_close(s);
	(void)snprintf(dir, sizeof(dir), "%s", second);
	s = open_store(STORE_READ);
	newest_is(s, 1, "00000060");
	store_close(s);
}
END_TEST

/* ... also what git keeps by itself, and what was killed there. */
START_TEST(store_held__all_of_its_mirror_counts)
{
	static const char *const in[] = { "mirror", "mirror/git", "mirror/git/objects", "mirror/git/objects/ab", "mirror/git.old" };
	static const char large[1 << 20] = { 1 };
	const struct config cfg = { .quota = 16 << 20 };
	struct store_room before, m;
	struct store *w;

	(void)snprintf(dir, sizeof(dir), "%s/mirrored", check_dir(NULL));
	w = open_store(STORE_WRITE);
	ck_assert_int_eq(store_room(w, &cfg, &before), 0);
	for (size_t i = 0; i < sizeof(in) / sizeof(*in); i++) {
		autoclose int sub = -1;

		ck_assert_int_eq(mkdirat(store_dirfd(w), in[i], 0700), 0);
		sub = openat(store_dirfd(w), in[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ck_assert_int_eq(io_replace_file(sub, "x", large, sizeof(large), 0600), 0);
	}
	ck_assert_int_eq(store_room(w, &cfg, &m), 0);
	ck_assert_uint_ge(m.size, before.size + 5 * sizeof(large));
	store_close(w);
}
END_TEST

CHECK_MAIN("store_held", store_held__who_waited_writes_to_what_has_the_name, store_held__the_catalogue_does_not_grow_under_a_reader,
	store_held__less_where_the_quota_is_small, store_held__all_of_its_mirror_counts)
