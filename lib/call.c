/* The client side of the control socket. */
#include "lib/ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/ctl-internal.h"

/* Nobody answers with more; a broken server must not fill our memory. */
#define ANSWER_MAX ((size_t)64 << 20)

int ctl_address(int dirfd, const char *name, struct sockaddr_un *ret)
{
	int n;

	if (!name[0] || strchr(name, '/'))
		return -EINVAL;
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", dirfd, name);
	return n > 0 && (size_t)n < sizeof(ret->sun_path) ? 0 : -ENAMETOOLONG;
}

bool ctl_peer_is_me(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

int ctl_connect(int dirfd, const char *name)
{
	autoclose int fd = -1;
	struct sockaddr_un addr;
	int r = ctl_address(dirfd, name, &addr);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return take_fd(&fd);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* end < 0: for ever. */
static int wait_for(int fd, short events, int64_t end)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left = end < 0 ? -1 : end - now_ms();
	int n;

	if (end >= 0 && left < 0)
		left = 0;
	n = poll(&p, 1, (int)left);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

/* A full queue cannot be polled for: looked at again every 10 ms. */
static int connect_until(int dirfd, const char *name, int64_t end)
{
	for (;;) {
		int fd = ctl_connect(dirfd, name);

		if (fd != -EAGAIN)
			return fd;
		if (end >= 0 && now_ms() >= end)
			return -ETIMEDOUT;
		if (poll(NULL, 0, 10) < 0)
			return -errno;
	}
}

static int send_until(int fd, const char *p, size_t n, int64_t end)
{
	while (n) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k < 0 && errno == EAGAIN) {
			int r = wait_for(fd, POLLOUT, end);

			if (r < 0)
				return r;
		} else if (k < 0 && errno == EPIPE) {
			return -ECONNRESET;
		} else if (k < 0 && errno != EINTR) {
			return -errno;
		} else if (k > 0) {
			p += k;
			n -= (size_t)k;
		}
	}
	return 0;
}

static int read_until_end(int fd, struct buf *ret, int64_t end)
{
	size_t got = 0;

	for (;;) {
		ssize_t k;
		int r = buf_reserve(ret, 4096);

		if (r < 0)
			return r;
		k = recv(fd, ret->data + ret->len, 4096, 0);
		if (k == 0)
			return got ? 0 : -ECONNRESET;
		if (k > 0) {
			ret->len += (size_t)k;
			ret->data[ret->len] = '\0';
			got += (size_t)k;
			if (got > ANSWER_MAX)
				return -EMSGSIZE;
			continue;
		}
		if (errno == EAGAIN)
			r = wait_for(fd, POLLIN, end);
		else if (errno != EINTR)
			r = -errno;
		if (r < 0)
			return r;
	}
}

int ctl_call(int dirfd, const char *name, const char *req, int timeout_ms, struct buf *ret)
{
	int64_t end = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	autoput(buf_release) struct buf line = BUF_INIT;
	autoclose int fd = -1;
	size_t before = ret->len;
	int r;

	if (strchr(req, '\n'))
		return -EINVAL;
	if (strlen(req) >= CTL_MAX)
		return -EMSGSIZE;
	r = buf_printf(&line, "%s\n", req);
	if (r < 0)
		return r;
	fd = connect_until(dirfd, name, end);
	if (fd < 0)
		return fd;
	if (!ctl_peer_is_me(fd))
		return -EACCES;
	r = send_until(fd, line.data, line.len, end);
	/* A server that is full may have answered and closed before it read us. */
	if (r == 0 || r == -ECONNRESET)
		r = read_until_end(fd, ret, end);
	if (r < 0 && ret->data) {
		ret->len = before;
		ret->data[before] = '\0';
	}
	return r;
}
