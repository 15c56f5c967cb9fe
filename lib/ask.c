/* The client side of the control socket inside a loop: see ctl.h. */
#include "lib/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/ctl-internal.h"

struct ctl_ask {
	struct loop *loop;
	int fd;
	struct buf out, in;
	size_t sent;
	ctl_answer_fn fn;
	void *arg;
};

void ctl_ask_cancel(struct ctl_ask *a)
{
	if (!a)
		return;
	loop_del_fd(a->loop, a->fd);
	(void)close(a->fd);
	buf_release(&a->out);
	buf_release(&a->in);
	free(a);
}

/* The handler may ask anew: what was asked is gone by then. */
static void finish(struct ctl_ask *a, int r)
{
	struct buf in = a->in;
	ctl_answer_fn fn = a->fn;
	void *arg = a->arg;

	a->in = (struct buf)BUF_INIT;
	ctl_ask_cancel(a);
	fn(r, in.data, arg);
	buf_release(&in);
}

/* 1: it waits for room. */
static int push(struct ctl_ask *a)
{
	while (a->sent < a->out.len) {
		ssize_t k = send(a->fd, a->out.data + a->sent, a->out.len - a->sent, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return errno == EAGAIN ? 1 : -errno;
		a->sent += (size_t)k;
	}
	return 0;
}

/* 1: more may come. 0: the answer is whole. */
static int pull(struct ctl_ask *a)
{
	for (;;) {
		ssize_t k;

		if (a->in.len > 16 * CTL_MAX)
			return -EPROTO;
		if (buf_reserve(&a->in, 4096) < 0)
			return -ENOMEM;
		k = recv(a->fd, a->in.data + a->in.len, 4096, 0);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return errno == EAGAIN ? 1 : -errno;
		if (k == 0)
			return a->in.len ? 0 : -ECONNRESET;
		a->in.len += (size_t)k;
		a->in.data[a->in.len] = '\0';
	}
}

static void on_ask(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct ctl_ask *a = arg;
	int r = 0;

	(void)events;
	if (a->sent < a->out.len) {
		r = push(a);
		if (r == 0)
			r = loop_mod_fd(l, fd, EPOLLIN) < 0 ? -EBADF : 1;
	} else {
		r = pull(a);
	}
	if (r <= 0)
		finish(a, r);
}

int ctl_ask(struct loop *l, int dirfd, const char *name, const char *req, ctl_answer_fn fn,
	void *arg, struct ctl_ask **ret)
{
	struct ctl_ask *a;
	int fd = ctl_connect(dirfd, name), r;

	if (fd < 0)
		return fd;
	a = calloc(1, sizeof(*a));
	if (!a) {
		(void)close(fd);
		return -ENOMEM;
	}
	*a = (struct ctl_ask){ .loop = l, .fd = fd, .fn = fn, .arg = arg };
	r = ctl_peer_is_me(fd) ? buf_printf(&a->out, "%s\n", req) : -EACCES;
	if (r == 0)
		r = push(a);
	if (r >= 0)
		r = loop_add_fd(l, fd, r ? EPOLLOUT : EPOLLIN, on_ask, a);
	if (r < 0) {
		ctl_ask_cancel(a);
		return r;
	}
	*ret = a;
	return 0;
}
