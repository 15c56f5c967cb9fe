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

/* Until when, on now_ms's clock. */
struct limit {
	int64_t end;			/* < 0: for ever */
	const struct ctl_wait *wait;	/* or, if not NULL: when to ask it next */
};

static struct limit limit_of(int timeout_ms, const struct ctl_wait *wait)
{
	int64_t ms = wait ? wait->every_ms : timeout_ms;

	return (struct limit){ .end = ms < 0 ? -1 : now_ms() + ms, .wait = wait };
}

/* Is there still time? 0 or negative. */
static int over(struct limit *l)
{
	int r;

	if (l->end < 0 || now_ms() < l->end)
		return 0;
	r = l->wait ? l->wait->each(l->wait->arg) : -ETIMEDOUT;
	if (r < 0)
		return r;
	l->end = now_ms() + l->wait->every_ms;
	return 0;
}

static int wait_for(int fd, short events, struct limit *l)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int64_t left = l->end < 0 ? -1 : l->end - now_ms();
		int n = poll(&p, 1, l->end >= 0 && left < 0 ? 0 : (int)left), r;

		if (n < 0)
			return -errno;
		if (n)
			return 0;
		r = over(l);
		if (r < 0)
			return r;
	}
}

/* A full queue cannot be polled for: looked at again every 10 ms. */
static int connect_until(int dirfd, const char *name, struct limit *l)
{
	for (;;) {
		int fd = ctl_connect(dirfd, name), r;

		if (fd != -EAGAIN)
			return fd;
		r = over(l);
		if (r < 0)
			return r;
		if (poll(NULL, 0, 10) < 0)
			return -errno;
	}
}

static int send_until(int fd, const char *p, size_t n, struct limit *end)
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

static int read_until_end(int fd, struct buf *ret, struct limit *end)
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

static int call(int dirfd, const char *name, const char *req, struct limit *end, struct buf *ret)
{
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

int ctl_call(int dirfd, const char *name, const char *req, int timeout_ms, struct buf *ret)
{
	struct limit l = limit_of(timeout_ms, NULL);

	return call(dirfd, name, req, &l, ret);
}

int ctl_call_wait(
	int dirfd, const char *name, const char *req, const struct ctl_wait *wait, struct buf *ret)
{
	struct limit l = limit_of(0, wait);

	return call(dirfd, name, req, &l, ret);
}
