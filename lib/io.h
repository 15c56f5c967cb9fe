/* lib/io.h - whole reads and writes, durable replacement, *at() helpers.
 *
 * All return 0 / a count or a negative errno. Partial transfers and EINTR are
 * handled inside. EDQUOT is returned as -ENOSPC. Descriptors are O_CLOEXEC. */
#ifndef LIB_IO_H
#define LIB_IO_H

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/stat.h>

#include "buf.h"

/* Write all of it, or fail. */
int io_write_all(int fd, const void *p, size_t n);
int io_pwrite_all(int fd, const void *p, size_t n, off_t at);

/* Read until n bytes or end of file; returns the count. */
ssize_t io_read_full(int fd, void *p, size_t n);
ssize_t io_pread_full(int fd, void *p, size_t n, off_t at);

/* Append a whole file to b; -EFBIG past max. A name relative to dirfd. */
int io_read_file(int dirfd, const char *name, size_t max, struct buf *b);
/* The same of an open file, from where it stands. */
int io_read_rest(int fd, size_t max, struct buf *b);

/* fsync/fdatasync; EINVAL and ENOTSUP (the file system has none) are success. */
int io_sync(int fd);
int io_datasync(int fd);
/* fsync the folder a name was created in, renamed in or removed from. */
int io_sync_dir(int dirfd);

/* Create or replace dirfd/name with these bytes so that after a power cut the
 * old or the new content is there, whole: temporary beside it, write, fsync,
 * rename, fsync of the folder. The temporary (".NAME.tmp-XXXXXXXX") is removed
 * on failure. mode is exact (the umask does not apply). name is one component. */
int io_replace_file(int dirfd, const char *name, const void *p, size_t n, mode_t mode);

/* All regular files of the folder name (relative to dirfd), and the folder: nothing was synced while they were made. */
int io_sync_files(int dirfd, const char *name);

/* Under a name that nothing has yet: -EEXIST. Where the file system cannot do that in one step (renameat2(2): NFS, FAT),
 * it is looked for first. */
int io_rename_new(const char *from, const char *to);

/* A folder to be read, the names one after the other; yours to closedir. dirfd(3) of it is for what is in it.
 * -ELOOP, -ENOTDIR: it is a link. */
int io_opendir(int dirfd, const char *name, DIR **ret);
/* mkdir -p below dirfd, each level with mode (less the umask); existing ones are
 * left alone, links to folders are followed. Each that is made is on the disk under its name
 * when this returns (the folder above it is synced). */
int io_mkdir_p(int dirfd, const char *path, mode_t mode);

/* Open path strictly below dirfd: no "..", no absolute path, no symbolic link
 * in any component, no crossing of mount points when same_fs. openat2(2) with
 * RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS, else (ENOSYS/EPERM) component by component with
 * O_NOFOLLOW; so too where the path is longer than PATH_MAX. -ELOOP/-EXDEV where the path tries
 * to leave. */
int io_open_beneath(int dirfd, const char *path, int flags, mode_t mode, int same_fs);
/* The second way alone, for tests. */
int io_open_beneath_walk(int dirfd, const char *path, int flags, mode_t mode, int same_fs);

/* poll(2), where a handler of SIGTERM, SIGHUP, SIGINT or SIGWINCH sets *stop, at whatever moment: those
 * signals come while it waits, and not between a look at *stop and that. -EINTR for *stop and for
 * any signal meanwhile. */
int io_poll(struct pollfd *p, nfds_t n, int timeout_ms, const volatile sig_atomic_t *stop);

/* 16 hex digits of randomness from getrandom(2), NUL-terminated. */
void io_random_hex(char out[17]);

#endif
