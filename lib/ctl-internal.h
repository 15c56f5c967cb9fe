/* lib/ctl-internal.h - what the two sides of the control socket share. */
#ifndef LIB_CTL_INTERNAL_H
#define LIB_CTL_INTERNAL_H

#include <stdbool.h>
#include <sys/un.h>

/* /proc/self/fd/DIRFD/NAME; -ENAMETOOLONG, -EINVAL for a name with a slash. */
int ctl_address(int dirfd, const char *name, struct sockaddr_un *ret);
/* A connected non-blocking socket. -EAGAIN: its queue is full. */
int ctl_connect(int dirfd, const char *name);
bool ctl_peer_is_me(int fd);

#endif
