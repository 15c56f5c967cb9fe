#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/auto.h"

/* The code for errno. A full quota is a full disk to everybody above. */
static int fail(void)
{
	return errno == EDQUOT ? -ENOSPC : -errno;
}

/* One loop for all four directions; at < 0 uses the position of the file. */
static ssize_t transfer(int fd, void *p, size_t n, off_t at, int writing)
{
	size_t done = 0;

	while (done < n) {
		char *from = (char *)p + done;
		size_t left = n - done > SSIZE_MAX ? SSIZE_MAX : n - done;
		off_t pos = at + (off_t)done;
		ssize_t k;

		if (writing)
			k = at < 0 ? write(fd, from, left) : pwrite(fd, from, left, pos);
		else
			k = at < 0 ? read(fd, from, left) : pread(fd, from, left, pos);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return fail();
		if (k == 0)
			break;
		done += (size_t)k;
	}
	return (ssize_t)done;
}

static int wrote(ssize_t k, size_t n)
{
	if (k < 0)
		return (int)k;
	return (size_t)k == n ? 0 : -EIO;
}

int io_write_all(int fd, const void *p, size_t n)
{
	return wrote(transfer(fd, (void *)(uintptr_t)p, n, -1, 1), n);
}

int io_pwrite_all(int fd, const void *p, size_t n, off_t at)
{
	if (at < 0)
		return -EINVAL;
	return wrote(transfer(fd, (void *)(uintptr_t)p, n, at, 1), n);
}

ssize_t io_read_full(int fd, void *p, size_t n)
{
	return transfer(fd, p, n, -1, 0);
}

ssize_t io_pread_full(int fd, void *p, size_t n, off_t at)
{
	if (at < 0)
		return -EINVAL;
	return transfer(fd, p, n, at, 0);
}

/* Reads until the end, whatever fstat says: /proc files have size 0, and a log
 * grows while it is read. One byte over max is asked for, to see that it is over. */
static int append_rest(int fd, size_t max, struct buf *b)
{
	size_t got = 0, step = 4096;
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		step = (size_t)st.st_size + 1;
	while (got <= max) {
		ssize_t k;
		int r;

		if (step > max - got)
			step = max - got < SIZE_MAX ? max - got + 1 : max - got;
		r = buf_reserve(b, step);
		if (r < 0)
			return r;
		k = io_read_full(fd, b->data + b->len, step);
		if (k < 0)
			return (int)k;
		b->len += (size_t)k;
		got += (size_t)k;
		b->data[b->len] = '\0';
		if ((size_t)k < step)
			return got > max ? -EFBIG : 0;
		step = 65536;
	}
	return -EFBIG;
}

int io_read_rest(int fd, size_t max, struct buf *b)
{
	size_t before = b->len;
	int r = append_rest(fd, max, b);

	if (r < 0 && b->data) {
		b->len = before;
		b->data[b->len] = '\0';
	}
	return r;
}

int io_read_file(int dirfd, const char *name, size_t max, struct buf *b)
{
	/* O_NONBLOCK: a FIFO somebody left there must not hang us. */
	autoclose int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd < 0 ? fail() : io_read_rest(fd, max, b);
}

static int synced(int rc)
{
	if (rc == 0 || errno == EINVAL || errno == ENOTSUP)
		return 0;
	return fail();
}

/* Never repeated after EIO: the kernel has forgotten the pages that failed. */
int io_sync(int fd)
{
	int rc;

	do
		rc = fsync(fd);
	while (rc < 0 && errno == EINTR);
	return synced(rc);
}

int io_datasync(int fd)
{
	int rc;

	do
		rc = fdatasync(fd);
	while (rc < 0 && errno == EINTR);
	return synced(rc);
}

int io_sync_dir(int dirfd)
{
	autoclose int fd = -1;

	if (dirfd != AT_FDCWD && (fcntl(dirfd, F_GETFL) & O_PATH) == 0)
		return io_sync(dirfd);
	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail() : io_sync(fd);
}

/* ".NAME.tmp-XXXXXXXX"; of a name too long for that, as much as fits. */
static int open_tmp(int dirfd, const char *name, char tmp[NAME_MAX + 1])
{
	const int room = NAME_MAX - (int)sizeof(".tmp-XXXXXXXX");
	char hex[17];
	int fd;

	for (int i = 0; i < 100; i++) {
		io_random_hex(hex);
		(void)snprintf(tmp, NAME_MAX + 1, ".%.*s.tmp-%.8s", room, name, hex);
		fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			return fd < 0 ? fail() : fd;
	}
	return -EEXIST;
}

static int fill_tmp(int fd, const void *p, size_t n, mode_t mode)
{
	int r = io_write_all(fd, p, n);

	if (r < 0)
		return r;
	if (fchmod(fd, mode) < 0)
		return fail();
	return io_sync(fd);
}

int io_replace_file(int dirfd, const char *name, const void *p, size_t n, mode_t mode)
{
	autoclose int fd = -1;
	char tmp[NAME_MAX + 1];
	int r;

	if (!name[0] || strchr(name, '/'))
		return -EINVAL;
	fd = open_tmp(dirfd, name, tmp);
	if (fd < 0)
		return fd;
	r = fill_tmp(fd, p, n, mode);
	if (r < 0)
		goto undo;
	if (close(take_fd(&fd)) < 0 || renameat(dirfd, tmp, dirfd, name) < 0) {
		r = fail();
		goto undo;
	}
	return io_sync_dir(dirfd);
undo:
	(void)unlinkat(dirfd, tmp, 0);
	return r;
}

int io_sync_files(int at, const char *name)
{
	autoclosedir DIR *d = NULL;
	struct dirent *e;
	int r = io_opendir(at, name, &d);

	while (r == 0 && (errno = 0, e = readdir(d))) {
		autoclose int fd = -1;
		struct stat st;

		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		r = fd < 0 ? -errno : io_sync(fd);
	}
	if (r < 0)
		return r;
	return errno ? -errno : io_sync_dir(dirfd(d));
}

int io_rename_new(const char *from, const char *to)
{
	struct stat st;

	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
		return -errno;
	if (lstat(to, &st) == 0)
		return -EEXIST;
	return rename(from, to) < 0 ? -errno : 0;
}

/* The folder that the last component of path, at offset at, was made in. */
static int sync_above(int dirfd, const char *path, size_t at)
{
	autofree char *up = at ? strndup(path, at) : strdup(".");
	autoclose int fd = -1;

	if (!up)
		return -ENOMEM;
	fd = openat(dirfd, up, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)		/* one may write in a folder that one cannot read */
		return errno == EACCES ? 0 : fail();
	return io_sync_dir(fd);
}

int io_mkdir_p(int dirfd, const char *path, mode_t mode)
{
	autofree char *copy = strdup(path);
	struct stat st;

	if (!copy)
		return -ENOMEM;
	if (!copy[0])
		return -ENOENT;
	for (char *at = copy; *at;) {
		char *end = at + strcspn(at, "/"), had = *end;

		*end = '\0';
		if (*at && mkdirat(dirfd, copy, mode) == 0) {
			int r = sync_above(dirfd, copy, (size_t)(at - copy));

			if (r < 0)
				return r;
		} else if (*at && errno != EEXIST) {
			int r = fail();

			/* A level that exists may answer EROFS or EACCES first. */
			if (fstatat(dirfd, copy, &st, 0) < 0)
				return r;
		}
		*end = had;
		at = end + strspn(end, "/");
	}
	if (fstatat(dirfd, path, &st, 0) < 0)
		return fail();
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int io_opendir(int dirfd, const char *name, DIR **ret)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), r;

	if (fd < 0)
		return -errno;
	if ((*ret = fdopendir(fd)))
		return 0;
	r = -errno;
	(void)close(fd);
	return r;
}

int io_poll(struct pollfd *p, nfds_t n, int timeout_ms, const volatile sig_atomic_t *stop)
{
	struct timespec t = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
	sigset_t those, was;
	int r;

	(void)sigemptyset(&those);
	(void)sigaddset(&those, SIGTERM);
	(void)sigaddset(&those, SIGHUP);
	(void)sigaddset(&those, SIGINT);
	(void)sigaddset(&those, SIGWINCH);
	(void)sigprocmask(SIG_BLOCK, &those, &was);
	r = *stop ? -EINTR : ppoll(p, n, timeout_ms < 0 ? NULL : &t, &was);
	if (r == -1)
		r = -errno;
	(void)sigprocmask(SIG_SETMASK, &was, NULL);
	return r;
}

void io_random_hex(char out[17])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[8];

	/* Up to 256 bytes never come short once the pool is ready. */
	while (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		;
	for (size_t i = 0; i < sizeof(raw); i++) {
		out[2 * i] = digits[raw[i] >> 4];
		out[2 * i + 1] = digits[raw[i] & 15];
	}
	out[16] = '\0';
}
