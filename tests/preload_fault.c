/* tests/preload_fault.c - LD_PRELOAD: makes chosen calls fail on purpose.
 *
 *	FAULT_CALLS	comma list: write pwrite writev pwritev fsync fdatasync open
 *			openat rename renameat renameat2 syncfs ftruncate mmap readdir read
 *			pread unlink unlinkat
 *			(openat2 goes through syscall(2): "openat2")
 *	FAULT_AT	the first matching call that fails, from 1; 0 = none (count only)
 *	FAULT_COUNT	how many in a row from there; default 1, -1 = all
 *	FAULT_ERR	EIO ENOSPC ENOMEM EMFILE EACCES EDQUOT EINTR, "short" (half of a transfer), "kill",
 *			"lie" (fsync, fdatasync, syncfs: it is done, says the call, and it is not),
 *			"save" (renameat, renameat2: an editor saves "MY NEW WORK" to that name first)
 *	FAULT_PATH	only where the file's path contains this
 *	FAULT_SECTOR	pread only: where it touches the 512 bytes that hold this offset; else none
 *	FAULT_WHEN	only while this file exists
 *	FAULT_RANDOM	chance is the same each time: getrandom gives bytes counted on from 1, and
 *			/dev/urandom is /dev/zero
 *	FAULT_CLOCK	time(2) is so many seconds later each time it is asked
 *	FAULT_LOG	a file that gets one byte for each matching call (its size = their number)
 *
 * Counting is per process. mmap without a file never matches a FAULT_PATH. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { PASS, FAIL, SHORT, LIE };

static atomic_long seen;

static bool chosen(const char *call)
{
	const char *list = getenv("FAULT_CALLS");
	size_t n = strlen(call);

	for (const char *p = list; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (strncmp(p, call, n) == 0 && (p[n] == ',' || p[n] == '\0'))
			return true;
	return false;
}

static bool fd_path(int fd, char *out, size_t cap)
{
	char link[40];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = syscall(SYS_readlink, link, out, cap - 1);
	out[n < 0 ? 0 : n] = '\0';
	return n >= 0;
}

static bool path_matches(int fd, const char *path)
{
	const char *want = getenv("FAULT_PATH");
	char full[PATH_MAX];

	if (!want || !*want)
		return true;
	if (path && strstr(path, want))
		return true;
	return (!path || path[0] != '/') && fd >= 0 && fd_path(fd, full, sizeof(full)) && strstr(full, want);
}

static void count_call(void)
{
	const char *log = getenv("FAULT_LOG");
	int fd;

	if (!log || !*log)
		return;
	fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0) {
		(void)syscall(SYS_write, fd, ".", 1);
		(void)syscall(SYS_close, fd);
	}
}

static int error_number(const char *name)
{
	static const struct { const char *name; int no; } known[] = {
		{ "EIO", EIO }, { "ENOSPC", ENOSPC }, { "ENOMEM", ENOMEM }, { "EMFILE", EMFILE },
		{ "EACCES", EACCES }, { "EDQUOT", EDQUOT }, { "EINTR", EINTR },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(name, known[i].name) == 0)
			return known[i].no;
	return EIO;
}

/* As editors do: beside, then renamed. */
static void save(int dir, const char *path)
{
	static const char work[] = "MY NEW WORK\n";
	int fd = (int)syscall(SYS_openat, dir, ".editor", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	(void)syscall(SYS_write, fd, work, sizeof(work) - 1);
	(void)syscall(SYS_close, fd);
	(void)syscall(SYS_renameat2, dir, ".editor", dir, path, 0);
}

/* What shall happen to this call? With FAIL, errno is set. */
static int verdict(const char *call, int fd, const char *path)
{
	const char *when = getenv("FAULT_WHEN"), *at = getenv("FAULT_AT"), *count = getenv("FAULT_COUNT");
	const char *err = getenv("FAULT_ERR");
	int keep = errno;
	long n, first = at ? atol(at) : 0, many = count ? atol(count) : 1;

	if (!chosen(call) || !path_matches(fd, path) ||
	    (when && syscall(SYS_faccessat, AT_FDCWD, when, F_OK) < 0)) {
		errno = keep;
		return PASS;
	}
	count_call();
	n = atomic_fetch_add(&seen, 1) + 1;
	errno = keep;
	if (first < 1 || n < first || (many >= 0 && n >= first + many))
		return PASS;
	if (err && strcmp(err, "kill") == 0)
		(void)raise(SIGKILL);
	if (err && strcmp(err, "short") == 0)
		return SHORT;
	if (err && strcmp(err, "lie") == 0)
		return LIE;
	if (err && strcmp(err, "save") == 0) {
		save(fd, path);
		return PASS;
	}
	errno = error_number(err ? err : "EIO");
	return FAIL;
}

/* The next definition of this function, looked up once. */
#define REAL(name) ({ static __typeof__(&name) real_; \
	if (!real_) { real_ = (__typeof__(&name))dlsym(RTLD_NEXT, #name); } real_; })
#define EXPORT __attribute__((visibility("default")))

#define TRANSFER(ret, name, label, params, half, whole) \
	EXPORT ret name params \
	{ \
		switch (verdict(label, fd, NULL)) { \
		case FAIL: return -1; \
		case SHORT: return REAL(name) half; \
		default: return REAL(name) whole; \
		} \
	}

/* A bad sector is bad for whoever reads over it. */
static int verdict_at(int fd, off64_t o, size_t n)
{
	const char *bad = getenv("FAULT_SECTOR");
	off64_t from = bad ? atoll(bad) / 512 * 512 : 0;

	return bad && (o >= from + 512 || o + (off64_t)n <= from) ? PASS : verdict("pread", fd, NULL);
}

#define TRANSFER_AT(name, params, half, whole) \
	EXPORT ssize_t name params \
	{ \
		switch (verdict_at(fd, o, n)) { \
		case FAIL: return -1; \
		case SHORT: return REAL(name) half; \
		default: return REAL(name) whole; \
		} \
	}

TRANSFER(ssize_t, write, "write", (int fd, const void *p, size_t n), (fd, p, n > 1 ? n / 2 : n), (fd, p, n))
TRANSFER(ssize_t, read, "read", (int fd, void *p, size_t n), (fd, p, n > 1 ? n / 2 : n), (fd, p, n))
TRANSFER(ssize_t, pwrite, "pwrite", (int fd, const void *p, size_t n, off_t o),
	(fd, p, n > 1 ? n / 2 : n, o), (fd, p, n, o))
TRANSFER(ssize_t, pwrite64, "pwrite", (int fd, const void *p, size_t n, off64_t o),
	(fd, p, n > 1 ? n / 2 : n, o), (fd, p, n, o))
TRANSFER_AT(pread, (int fd, void *p, size_t n, off_t o),
	(fd, p, n > 1 ? n / 2 : n, o), (fd, p, n, o))
TRANSFER_AT(pread64, (int fd, void *p, size_t n, off64_t o),
	(fd, p, n > 1 ? n / 2 : n, o), (fd, p, n, o))
TRANSFER(ssize_t, writev, "writev", (int fd, const struct iovec *v, int n), (fd, v, n > 1 ? n / 2 : n), (fd, v, n))
TRANSFER(ssize_t, pwritev, "pwritev", (int fd, const struct iovec *v, int n, off_t o),
	(fd, v, n > 1 ? n / 2 : n, o), (fd, v, n, o))
TRANSFER(ssize_t, pwritev64, "pwritev", (int fd, const struct iovec *v, int n, off64_t o),
	(fd, v, n > 1 ? n / 2 : n, o), (fd, v, n, o))

#define PLAIN(name, label, params, args, fd, path) \
	EXPORT int name params \
	{ \
		return verdict(label, fd, path) == PASS ? REAL(name) args : -1; \
	}

#define SYNC(name) \
	EXPORT int name(int fd) \
	{ \
		int v = verdict(#name, fd, NULL); \
		return v == PASS ? REAL(name)(fd) : v == LIE ? 0 : -1; \
	}

SYNC(fsync)
SYNC(fdatasync)
SYNC(syncfs)
PLAIN(ftruncate, "ftruncate", (int fd, off_t n), (fd, n), fd, NULL)
PLAIN(ftruncate64, "ftruncate", (int fd, off64_t n), (fd, n), fd, NULL)
PLAIN(rename, "rename", (const char *a, const char *b), (a, b), -1, b)
PLAIN(renameat, "renameat", (int da, const char *a, int db, const char *b), (da, a, db, b), db, b)
/* the name that is not a temporary of recover's is the user's */
PLAIN(renameat2, "renameat2", (int da, const char *a, int db, const char *b, unsigned how),
	(da, a, db, b, how), db, strstr(b, ".hf-") ? a : b)
PLAIN(unlink, "unlink", (const char *a), (a), -1, a)
PLAIN(unlinkat, "unlinkat", (int d, const char *a, int how), (d, a, how), d, a)

static mode_t open_mode(int flags, va_list ap)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? (mode_t)va_arg(ap, int) : 0;
}

/* sqlite3's way to random bytes (os_unix.c, unixRandomness). */
static const char *chance(const char *path)
{
	return getenv("FAULT_RANDOM") && strcmp(path, "/dev/urandom") == 0 ? "/dev/zero" : path;
}

EXPORT ssize_t getrandom(void *p, size_t n, unsigned flags)
{
	static atomic_uchar given;

	if (!getenv("FAULT_RANDOM"))
		return syscall(SYS_getrandom, p, n, flags);
	for (size_t i = 0; i < n; i++)
		((unsigned char *)p)[i] = ++given;
	return (ssize_t)n;
}

EXPORT time_t time(time_t *ret)
{
	static atomic_long asked;
	const char *step = getenv("FAULT_CLOCK");
	struct timespec ts;
	time_t t;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	t = ts.tv_sec + (step ? atol(step) * atomic_fetch_add(&asked, 1) : 0);
	if (ret)
		*ret = t;
	return t;
}

#define OPEN(name) \
	EXPORT int name(const char *path, int flags, ...) \
	{ \
		va_list ap; \
		mode_t mode; \
		va_start(ap, flags); \
		mode = open_mode(flags, ap); \
		va_end(ap); \
		return verdict("open", -1, path) == PASS ? REAL(name)(chance(path), flags, mode) : -1; \
	}
#define OPENAT(name) \
	EXPORT int name(int dir, const char *path, int flags, ...) \
	{ \
		va_list ap; \
		mode_t mode; \
		va_start(ap, flags); \
		mode = open_mode(flags, ap); \
		va_end(ap); \
		return verdict("openat", dir, path) == PASS ? REAL(name)(dir, path, flags, mode) : -1; \
	}
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

/* What _FORTIFY_SOURCE makes of the calls above. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);
ssize_t __read_chk(int fd, void *p, size_t n, size_t cap);
ssize_t __pread_chk(int fd, void *p, size_t n, off_t o, size_t cap);
ssize_t __pread64_chk(int fd, void *p, size_t n, off64_t o, size_t cap);
PLAIN(__open_2, "open", (const char *path, int flags), (path, flags), -1, path)
PLAIN(__open64_2, "open", (const char *path, int flags), (path, flags), -1, path)
PLAIN(__openat_2, "openat", (int dir, const char *path, int flags), (dir, path, flags), dir, path)
PLAIN(__openat64_2, "openat", (int dir, const char *path, int flags), (dir, path, flags), dir, path)
TRANSFER(ssize_t, __read_chk, "read", (int fd, void *p, size_t n, size_t cap),
	(fd, p, n > 1 ? n / 2 : n, cap), (fd, p, n, cap))
TRANSFER_AT(__pread_chk, (int fd, void *p, size_t n, off_t o, size_t cap),
	(fd, p, n > 1 ? n / 2 : n, o, cap), (fd, p, n, o, cap))
TRANSFER_AT(__pread64_chk, (int fd, void *p, size_t n, off64_t o, size_t cap),
	(fd, p, n > 1 ? n / 2 : n, o, cap), (fd, p, n, o, cap))

EXPORT void *mmap(void *a, size_t n, int prot, int flags, int fd, off_t o)
{
	return verdict("mmap", fd, NULL) == PASS ? REAL(mmap)(a, n, prot, flags, fd, o) : MAP_FAILED;
}

EXPORT void *mmap64(void *a, size_t n, int prot, int flags, int fd, off64_t o)
{
	return verdict("mmap", fd, NULL) == PASS ? REAL(mmap64)(a, n, prot, flags, fd, o) : MAP_FAILED;
}

/* The C library's own, by the names it has for them: to look them up would take memory. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

EXPORT void *malloc(size_t n)
{
	return verdict("malloc", -1, NULL) == PASS ? __libc_malloc(n) : NULL;
}

EXPORT void *calloc(size_t n, size_t size)
{
	return verdict("malloc", -1, NULL) == PASS ? __libc_calloc(n, size) : NULL;
}

EXPORT void *realloc(void *p, size_t n)
{
	return verdict("malloc", -1, NULL) == PASS ? __libc_realloc(p, n) : NULL;
}

/* The C library's own getdents64 cannot be reached from here: its two callers can. */
EXPORT struct dirent *readdir(DIR *d)
{
	return verdict("readdir", dirfd(d), NULL) == PASS ? REAL(readdir)(d) : NULL;
}

EXPORT struct dirent64 *readdir64(DIR *d)
{
	return verdict("readdir", dirfd(d), NULL) == PASS ? REAL(readdir64)(d) : NULL;
}

EXPORT ssize_t getdents64(int fd, void *p, size_t n)
{
	return verdict("readdir", fd, NULL) == PASS ? REAL(getdents64)(fd, p, n) : -1;
}

/* openat2(2) has no wrapper. Everything else goes on as it came. */
EXPORT long syscall(long no, ...)
{
	static long (*real)(long, ...);
	long a[6];
	va_list ap;

	va_start(ap, no);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (!real)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	if (no == SYS_openat2 && verdict("openat2", (int)a[0], (const char *)a[1]) != PASS)
		return -1;
	return real(no, a[0], a[1], a[2], a[3], a[4], a[5]);
}
