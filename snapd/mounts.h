/* snapd/mounts.h - file systems that are mounted and unmounted while we run. inotify(7) says
 * nothing of a mount over a folder that is watched; /proc/self/mountinfo wakes who polls it, and
 * nobody else. */
#ifndef SNAPD_MOUNTS_H
#define SNAPD_MOUNTS_H

#include <stdint.h>

#include "../lib/loop.h"

/* fn is called after each change. Without such a file (no /proc) never: what is mounted over the
 * workspace is then noticed at the next snapshot. *ret_fd: close it after loop_del_fd; -1. */
int mounts_watch(struct loop *l, loop_fd_fn fn, void *arg, int *ret_fd);
/* A number for what is mounted below path, another after a change; 0 if that cannot be told. */
uint64_t mounts_below(const char *path);

#endif
