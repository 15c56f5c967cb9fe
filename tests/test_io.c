#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/io.h"

static size_t count_entries(int dirfd)
{
	autoclosedir DIR *d = fdopendir(openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	size_t n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	return n - 2;
}

static void put(int dirfd, const char *name, const char *text)
{
	ck_assert_int_eq(io_replace_file(dirfd, name, text, strlen(text), 0644), 0);
}

static const char *get(int dirfd, const char *name)
{
	static struct buf b;

	buf_reset(&b);
	ck_assert_int_eq(io_read_file(dirfd, name, 1 << 20, &b), 0);
	return b.data ? b.data : "";
}

START_TEST(replace__has_the_exact_mode_and_leaves_nothing_beside)
{
	struct stat st;
	int dir;

	(void)check_dir(&dir);
	(void)umask(077);
	ck_assert_int_eq(io_replace_file(dir, "f", "one", 3, 0664), 0);
	ck_assert_int_eq(fstatat(dir, "f", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0664);
	ck_assert_int_eq(io_replace_file(dir, "f", "", 0, 0400), 0);
	ck_assert_int_eq(fstatat(dir, "f", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0400);
	ck_assert_int_eq(st.st_size, 0);
	ck_assert_uint_eq(count_entries(dir), 1);
}
END_TEST

START_TEST(replace__takes_a_name_of_255_bytes)
{
	char name[NAME_MAX + 2];
	int dir;

	(void)check_dir(&dir);
	memset(name, 'n', sizeof(name));
	name[NAME_MAX] = '\0';
	put(dir, name, "long");
	ck_assert_str_eq(get(dir, name), "long");
	ck_assert_uint_eq(count_entries(dir), 1);
}
END_TEST

START_TEST(replace__undoes_what_it_cannot_finish)
{
	int dir;

	(void)check_dir(&dir);
	ck_assert_int_eq(mkdirat(dir, "folder", 0755), 0);
	ck_assert_int_eq(io_replace_file(dir, "folder", "x", 1, 0644), -EISDIR);
	ck_assert_int_eq(io_replace_file(dir, "", "x", 1, 0644), -EINVAL);
	ck_assert_int_eq(io_replace_file(dir, "folder/f", "x", 1, 0644), -EINVAL);
	ck_assert_uint_eq(count_entries(dir), 1);
}
END_TEST

START_TEST(replace__a_link_is_replaced_not_followed)
{
	struct stat st;
	int dir;

	(void)check_dir(&dir);
	put(dir, "target", "old");
	ck_assert_int_eq(symlinkat("target", dir, "link"), 0);
	put(dir, "link", "new");
	ck_assert_str_eq(get(dir, "target"), "old");
	ck_assert_int_eq(fstatat(dir, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert(S_ISREG(st.st_mode));
}
END_TEST

START_TEST(read_file__max_is_a_bound)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	autofree char *text = calloc(1, 200001);
	int dir;

	(void)check_dir(&dir);
	memset(text, 'a', 200000);
	put(dir, "f", text);
	ck_assert_int_eq(buf_addstr(&b, "before"), 0);
	ck_assert_int_eq(io_read_file(dir, "f", 199999, &b), -EFBIG);
	ck_assert_str_eq(b.data, "before");
	ck_assert_int_eq(io_read_file(dir, "f", 200000, &b), 0);
	ck_assert_uint_eq(b.len, 200006);
	ck_assert_int_eq(io_read_file(dir, "f", SIZE_MAX, &b), 0);
	ck_assert_uint_eq(b.len, 400006);
	put(dir, "empty", "");
	ck_assert_int_eq(io_read_file(dir, "empty", 0, &b), 0);
	ck_assert_int_eq(io_read_file(dir, "f", 0, &b), -EFBIG);
	ck_assert_int_eq(io_read_file(dir, "none", 10, &b), -ENOENT);
	ck_assert_int_eq(io_read_file(dir, ".", 10, &b), -EISDIR);
	ck_assert_uint_eq(b.len, 400006);
}
END_TEST

START_TEST(read_file__has_no_need_of_a_size)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int dir;

	ck_assert_int_eq(io_read_file(AT_FDCWD, "/proc/self/status", 1 << 20, &b), 0);
	ck_assert_uint_gt(b.len, 100);
	/* a FIFO without a writer would hang a plain open */
	(void)check_dir(&dir);
	ck_assert_int_eq(mkfifoat(dir, "fifo", 0600), 0);
	buf_reset(&b);
	ck_assert_int_eq(io_read_file(dir, "fifo", 10, &b), 0);
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

static void on_alarm(int signo)
{
	(void)signo;
}

static void *drain(void *arg)
{
	int fd = *(int *)arg;
	size_t total = 0;
	char some[777];
	ssize_t n;

	while ((n = read(fd, some, sizeof(some))) != 0)
		total += n > 0 ? (size_t)n : 0;
	return (void *)total;
}

/* A pipe takes 64 KiB at a time, and a timer interrupts every write. */
START_TEST(write_all__survives_short_writes_and_signals)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	timer_t timer;
	struct itimerspec each = { { 0, 200000 }, { 0, 200000 } };
	size_t n = 8 << 20;
	autofree char *bytes = calloc(1, n);
	void *got;
	pthread_t thread;
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, drain, &p[0]), 0);
	ck_assert_int_eq(sigaction(SIGALRM, &sa, NULL), 0);
	ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
	ck_assert_int_eq(timer_settime(timer, 0, &each, NULL), 0);
	ck_assert_int_eq(io_write_all(p[1], bytes, n), 0);
	(void)close(p[1]);
	ck_assert_int_eq(timer_delete(timer), 0);
	ck_assert_int_eq(pthread_join(thread, &got), 0);
	ck_assert_uint_eq((size_t)got, n);
}
END_TEST

START_TEST(pread__stops_at_the_end)
{
	char some[10];
	int dir;

	(void)check_dir(&dir);
	put(dir, "f", "0123456789");
	{
		autoclose int fd = openat(dir, "f", O_RDWR | O_CLOEXEC);

		ck_assert_int_eq(io_pread_full(fd, some, 10, 7), 3);
		ck_assert_mem_eq(some, "789", 3);
		ck_assert_int_eq(io_pread_full(fd, some, 10, 100), 0);
		ck_assert_int_eq(io_pread_full(fd, some, 10, -1), -EINVAL);
		ck_assert_int_eq(io_pwrite_all(fd, "ab", 2, 4), 0);
		ck_assert_int_eq(io_read_full(fd, some, 10), 10);
		ck_assert_mem_eq(some, "0123ab6789", 10);
		ck_assert_int_eq(io_sync(fd), 0);
		ck_assert_int_eq(io_datasync(fd), 0);
	}
	ck_assert_int_eq(io_write_all(-1, "x", 1), -EBADF);
	ck_assert_int_eq(io_sync_dir(dir), 0);
	ck_assert_int_eq(io_sync_dir(AT_FDCWD), 0);
}
END_TEST

/* What the code under test syncs, by inode: ours comes before libc's. */
static ino_t synced[16];
static size_t n_synced;

int fsync(int fd)
{
	struct stat st;

	if (n_synced < 16 && fstat(fd, &st) == 0)
		synced[n_synced++] = st.st_ino;
	return (int)syscall(SYS_fsync, fd);
}

START_TEST(mkdir_p__puts_each_folder_on_the_disk)
{
	static const char *const above[] = { ".", "x", "x/y" };
	struct stat st;
	int dir;

	(void)check_dir(&dir);
	n_synced = 0;
	ck_assert_int_eq(io_mkdir_p(dir, "x/y/z", 0700), 0);
	ck_assert_uint_eq(n_synced, 3);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(fstatat(dir, above[i], &st, 0), 0);
		ck_assert_uint_eq(synced[i], st.st_ino);
	}
	n_synced = 0;
	ck_assert_int_eq(io_mkdir_p(dir, "x/y/z", 0700), 0);
	ck_assert_uint_eq(n_synced, 0);
}
END_TEST

START_TEST(mkdir_p__makes_what_is_missing)
{
	struct stat st;
	char deep[4000] = "";
	int dir;

	(void)check_dir(&dir);
	ck_assert_int_eq(io_mkdir_p(dir, "a/b//c/", 0700), 0);
	ck_assert_int_eq(io_mkdir_p(dir, "a/b/c", 0755), 0);
	ck_assert_int_eq(fstatat(dir, "a/b/c", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	put(dir, "file", "");
	ck_assert_int_eq(io_mkdir_p(dir, "file", 0700), -ENOTDIR);
	ck_assert_int_eq(io_mkdir_p(dir, "file/x", 0700), -ENOTDIR);
	ck_assert_int_eq(io_mkdir_p(dir, "", 0700), -ENOENT);
	for (int i = 0; i < 1900; i++)
		(void)strcat(deep, "d/");
	ck_assert_int_eq(io_mkdir_p(dir, deep, 0700), 0);
	ck_assert_int_eq(io_mkdir_p(AT_FDCWD, "/proc/self", 0700), 0);
}
END_TEST

typedef int (*open_fn)(int, const char *, int, mode_t, int);

static int try_open(open_fn fn, int dir, const char *path, int flags)
{
	int fd = fn(dir, path, flags, 0600, 0);

	if (fd >= 0)
		(void)close(fd);
	return fd < 0 ? fd : 0;
}

static void beneath_laws(open_fn fn)
{
	const char *top;
	char outside[PATH_MAX];
	int dir;

	top = check_dir(&dir);
	(void)snprintf(outside, sizeof(outside), "%s/real/file", top);
	ck_assert_int_eq(io_mkdir_p(dir, "real/sub", 0755), 0);
	{
		autoclose int sub = openat(dir, "real", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		put(sub, "file", "x");
	}
	ck_assert_int_eq(symlinkat("real", dir, "link"), 0);
	ck_assert_int_eq(symlinkat("real/file", dir, "filelink"), 0);
	ck_assert_int_eq(symlinkat("/", dir, "root"), 0);

	ck_assert_int_eq(try_open(fn, dir, "real/file", O_RDONLY), 0);
	ck_assert_int_eq(try_open(fn, dir, "real//sub/", O_RDONLY), 0);
	ck_assert_int_eq(try_open(fn, dir, ".", O_RDONLY | O_DIRECTORY), 0);
	ck_assert_int_eq(try_open(fn, dir, "real/./file", O_RDONLY), 0);
	ck_assert_int_eq(try_open(fn, dir, "real/new", O_WRONLY | O_CREAT | O_EXCL), 0);
	ck_assert_int_eq(try_open(fn, dir, "real/new", O_WRONLY | O_CREAT | O_EXCL), -EEXIST);
	ck_assert_int_eq(try_open(fn, dir, "..", O_RDONLY), -EXDEV);
	ck_assert_int_eq(try_open(fn, dir, "real/../real/file", O_RDONLY), -EXDEV);
	ck_assert_int_eq(try_open(fn, dir, outside, O_RDONLY), -EXDEV);
	ck_assert_int_eq(try_open(fn, dir, "link/file", O_RDONLY), -ELOOP);
	ck_assert_int_eq(try_open(fn, dir, "link", O_RDONLY | O_DIRECTORY), -ELOOP);
	ck_assert_int_eq(try_open(fn, dir, "filelink", O_RDONLY), -ELOOP);
	ck_assert_int_eq(try_open(fn, dir, "filelink", O_PATH), -ELOOP);
	ck_assert_int_eq(try_open(fn, dir, "filelink", O_PATH | O_NOFOLLOW), 0);
	ck_assert_int_eq(try_open(fn, dir, "filelink", O_WRONLY | O_TRUNC), -ELOOP);
	ck_assert_int_eq(try_open(fn, dir, "root/etc/passwd", O_RDONLY), -ELOOP);
	ck_assert_int_eq(try_open(fn, dir, "real/file/x", O_RDONLY), -ENOTDIR);
	ck_assert_int_eq(try_open(fn, dir, "real/file/", O_RDONLY), -ENOTDIR);
	ck_assert_int_eq(try_open(fn, dir, "none/x", O_RDONLY), -ENOENT);
	ck_assert_int_eq(try_open(fn, dir, "", O_RDONLY), -ENOENT);
	/* names that only look dangerous */
	ck_assert_int_eq(try_open(fn, dir, "..a", O_WRONLY | O_CREAT), 0);
	ck_assert_int_eq(try_open(fn, dir, "...", O_WRONLY | O_CREAT), 0);
}

START_TEST(beneath__the_kernel_keeps_the_laws)
{
	beneath_laws(io_open_beneath);
}
END_TEST

START_TEST(beneath__the_walk_keeps_the_same_laws)
{
	beneath_laws(io_open_beneath_walk);
}
END_TEST

START_TEST(beneath__stays_on_its_file_system)
{
	autoclose int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_eq(io_open_beneath(root, "proc/self/status", O_RDONLY, 0, 1), -EXDEV);
	ck_assert_int_eq(io_open_beneath_walk(root, "proc/1", O_RDONLY, 0, 1), -EXDEV);
	ck_assert_int_eq(io_open_beneath_walk(root, "proc", O_RDONLY, 0, 1), -EXDEV);
	ck_assert_int_ge(io_open_beneath_walk(root, "proc/version", O_RDONLY, 0, 0), 0);
}
END_TEST

static int swap_dir;
static _Atomic int swap_stop;

/* swaps dir/a between a folder and a link that leads outside */
static void *swapper(void *arg)
{
	(void)arg;
	while (!swap_stop)
		(void)renameat2(swap_dir, "a", swap_dir, "b", RENAME_EXCHANGE);
	return NULL;
}

/* Whatever the moment of the swap, the file outside is never the one opened. */
START_TEST(beneath__cannot_be_raced_out)
{
	open_fn both[] = { io_open_beneath, io_open_beneath_walk };
	pthread_t thread;
	int inside = 0;

	(void)check_dir(&swap_dir);
	ck_assert_int_eq(io_mkdir_p(swap_dir, "a", 0755), 0);
	ck_assert_int_eq(io_mkdir_p(swap_dir, "out", 0755), 0);
	ck_assert_int_eq(symlinkat("out", swap_dir, "b"), 0);
	ck_assert_int_eq(symlinkat("/nowhere", swap_dir, "out/f"), 0);
	{
		autoclose int a = openat(swap_dir, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		put(a, "f", "inside");
	}
	ck_assert_int_eq(pthread_create(&thread, NULL, swapper, NULL), 0);
	for (int i = 0; i < 20000; i++) {
		int fd = both[i % 2](swap_dir, "a/f", O_RDONLY, 0, 0);

		ck_assert_msg(fd >= 0 || fd == -ELOOP || fd == -EAGAIN || fd == -ENOTDIR, "%d", fd);
		inside += fd >= 0;
		if (fd >= 0)
			(void)close(fd);
	}
	swap_stop = 1;
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_gt(inside, 0);
}
END_TEST

START_TEST(random_hex__is_never_the_same)
{
	char a[17], b[17];

	io_random_hex(a);
	io_random_hex(b);
	ck_assert_uint_eq(strlen(a), 16);
	ck_assert_uint_eq(strspn(a, "0123456789abcdef"), 16);
	ck_assert_str_ne(a, b);
}
END_TEST

CHECK_MAIN("io", replace__has_the_exact_mode_and_leaves_nothing_beside,
	replace__takes_a_name_of_255_bytes, replace__undoes_what_it_cannot_finish,
	replace__a_link_is_replaced_not_followed, read_file__max_is_a_bound,
	read_file__has_no_need_of_a_size, write_all__survives_short_writes_and_signals,
	pread__stops_at_the_end, mkdir_p__makes_what_is_missing,
	mkdir_p__puts_each_folder_on_the_disk, beneath__the_kernel_keeps_the_laws,
	beneath__the_walk_keeps_the_same_laws, beneath__stays_on_its_file_system,
	beneath__cannot_be_raced_out, random_hex__is_never_the_same)
