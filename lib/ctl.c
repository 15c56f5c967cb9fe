/* The server side of the control socket. */
#include "lib/ctl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/ctl-internal.h"
#include "lib/log.h"

enum {
	CONNS_MAX = 64,
	PATIENCE_MS = 10000,	/* for a request to come whole, an answer to be taken */
	RETRY_MS = 1000,	/* out of descriptors: accept again */
};

/* reading -> waiting for its answer -> sending; each state is left for ever. */
enum state { READING, WAITING, SENDING };

struct ctl_conn {
	struct ctl_server *s;
	struct ctl_conn *next;
	int fd;
	enum state state;
	struct buf in, out;
	size_t sent;
	struct loop_timer *limit;	/* not while waiting: an answer takes its time */
};

struct ctl_server {
	struct loop *loop;
	int dirfd, fd;
	char name[NAME_MAX + 1];
	dev_t dev;
	ino_t ino;			/* of our socket file */
	ctl_request_fn fn;
	ctl_gone_fn gone;
	void *arg;
	struct ctl_conn *conns;
	size_t n_conns;
	struct loop_timer *retry;
};

static void conn_free(struct ctl_conn *c)
{
	struct ctl_conn **at = &c->s->conns;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->s->n_conns--;
	loop_del_timer(c->s->loop, c->limit);
	loop_del_fd(c->s->loop, c->fd);
	(void)close(c->fd);
	buf_release(&c->in);
	buf_release(&c->out);
	free(c);
}

static void conn_expired(struct loop *l, void *arg)
{
	struct ctl_conn *c = arg;

	(void)l;
	c->limit = NULL;
	conn_free(c);
}

static int set_limit(struct ctl_conn *c)
{
	return loop_add_timer(c->s->loop, PATIENCE_MS, conn_expired, c, &c->limit);
}

static void clear_limit(struct ctl_conn *c)
{
	loop_del_timer(c->s->loop, c->limit);
	c->limit = NULL;
}

static void conn_send(struct ctl_conn *c)
{
	while (c->sent < c->out.len) {
		ssize_t k = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN && loop_mod_fd(c->s->loop, c->fd, EPOLLOUT) == 0)
			return;
		if (k < 0)
			break;
		c->sent += (size_t)k;
	}
	conn_free(c);
}

pid_t ctl_peer(const struct ctl_conn *c)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? peer.pid : 0;
}

void ctl_answer(struct ctl_conn *c, const void *p, size_t n)
{
	assert(c->state != SENDING);
	c->state = SENDING;
	if (buf_add(&c->out, p, n) < 0 || (!c->limit && set_limit(c) < 0)) {
		conn_free(c);
		return;
	}
	conn_send(c);
}

static void refuse(struct ctl_conn *c, const char *why)
{
	struct buf b = BUF_INIT;

	if (ctl_add_field(&b, "error") == 0 && ctl_add_field(&b, why) == 0 &&
		buf_addch(&b, '\n') == 0)
		ctl_answer(c, b.data, b.len);
	else
		conn_free(c);
	buf_release(&b);
}

/* The line is taken out of the conn: the answer may free the conn while the
 * handler still looks at its request. */
static void handle_line(struct ctl_conn *c, size_t len)
{
	autoput(buf_release) struct buf line = c->in;

	c->in = (struct buf)BUF_INIT;
	if (line.len != len + 1 || strlen(line.data) != line.len) {
		refuse(c, "one line, please");
		return;
	}
	line.data[len] = '\0';
	clear_limit(c);
	c->state = WAITING;
	/* Only that the client hangs up is of interest now: always reported. */
	if (loop_mod_fd(c->s->loop, c->fd, 0) < 0) {
		conn_free(c);
		return;
	}
	c->s->fn(c, line.data, c->s->arg);
}

static void conn_read(struct ctl_conn *c)
{
	for (;;) {
		const char *nl;
		ssize_t k;

		if (buf_reserve(&c->in, 4096) < 0)
			break;
		k = recv(c->fd, c->in.data + c->in.len, 4096, 0);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN)
			return;
		if (k <= 0)
			break;
		nl = memchr(c->in.data + c->in.len, '\n', (size_t)k);
		c->in.len += (size_t)k;
		c->in.data[c->in.len] = '\0';
		if (c->in.len > CTL_MAX) {
			refuse(c, "request too long");
			return;
		}
		if (nl) {
			handle_line(c, (size_t)(nl - c->in.data));
			return;
		}
	}
	conn_free(c);	/* gone before it had said anything */
}

static void on_conn(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct ctl_conn *c = arg;

	(void)l, (void)fd;
	switch (c->state) {
	case READING:
		conn_read(c);
		break;
	case WAITING:
		if (events & (EPOLLHUP | EPOLLERR)) {
			c->s->gone(c, c->s->arg);
			conn_free(c);
		}
		break;
	case SENDING:
		conn_send(c);
		break;
	}
}

static int conn_new(struct ctl_server *s, int fd)
{
	struct ctl_conn *c;
	int r;

	if (!ctl_peer_is_me(fd))
		return -EACCES;
	if (s->n_conns >= CONNS_MAX)
		return -EBUSY;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->s = s;
	c->fd = fd;
	r = loop_add_fd(s->loop, fd, EPOLLIN, on_conn, c);
	if (r == 0)
		r = set_limit(c);
	if (r < 0) {
		loop_del_fd(s->loop, fd);
		free(c);
		return r;
	}
	c->next = s->conns;
	s->conns = c;
	s->n_conns++;
	return 0;
}

static void listen_again(struct loop *l, void *arg)
{
	struct ctl_server *s = arg;

	s->retry = NULL;
	(void)loop_mod_fd(l, s->fd, EPOLLIN);
}

/* Without a descriptor the connection stays in the queue and the socket stays
 * readable: look away for a while instead of spinning. */
static void pause_listening(struct ctl_server *s)
{
	if (!s->retry && loop_add_timer(s->loop, RETRY_MS, listen_again, s, &s->retry) == 0)
		(void)loop_mod_fd(s->loop, s->fd, 0);
}

static void on_listen(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct ctl_server *s = arg;

	(void)l, (void)events;
	for (;;) {
		int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), r;

		if (c < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			if (errno != EAGAIN)
				pause_listening(s);
			return;
		}
		r = conn_new(s, c);
		if (r < 0) {
			(void)log_debug_errno(r, "%s: connection refused", s->name);
			(void)close(c);
		}
	}
}

/* Under the lock of the folder: of two servers that start together, one finds
 * the other's socket alive. */
static int remove_stale(struct ctl_server *s)
{
	struct stat st;
	int fd;

	if (fstatat(s->dirfd, s->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = ctl_connect(s->dirfd, s->name);
	if (fd >= 0)
		(void)close(fd);
	if (fd >= 0 || fd == -EAGAIN)
		return -EADDRINUSE;
	if (fd != -ECONNREFUSED && fd != -ENOENT)
		return fd;
	return unlinkat(s->dirfd, s->name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_locked(struct ctl_server *s)
{
	autoclose int lock = openat(s->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sockaddr_un addr;
	struct stat st;
	int r = ctl_address(s->dirfd, s->name, &addr);

	if (r < 0)
		return r;
	/* Some file systems cannot lock folders; then the small race remains. */
	if (lock >= 0)
		while (flock(lock, LOCK_EX) < 0 && errno == EINTR)
			;
	r = remove_stale(s);
	if (r < 0)
		return r;
	/* The mode of the file is that of the socket, less the umask. */
	if (fchmod(s->fd, 0600) < 0 ||
		bind(s->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	if (listen(s->fd, 64) < 0 || fstatat(s->dirfd, s->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		r = -errno;
		(void)unlinkat(s->dirfd, s->name, 0);
		return r;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

void ctl_poll(struct ctl_server *s)
{
	if (!s->retry)
		on_listen(s->loop, s->fd, EPOLLIN, s);
	for (struct ctl_conn *c = s->conns, *next; c; c = next) {
		next = c->next;
		if (c->state != WAITING)
			on_conn(s->loop, c->fd, 0, c);
	}
}

int ctl_listen(struct loop *l, int dirfd, const char *name, ctl_request_fn fn, ctl_gone_fn gone,
	void *arg, struct ctl_server **ret)
{
	struct ctl_server *s;
	int r;

	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	*s = (struct ctl_server){ .loop = l, .fn = fn, .gone = gone, .arg = arg };
	(void)strcpy(s->name, name);
	s->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = s->dirfd < 0 || s->fd < 0 ? -errno : bind_locked(s);
	if (r == 0)
		r = loop_add_fd(l, s->fd, EPOLLIN, on_listen, s);
	if (r < 0) {
		ctl_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

void ctl_close(struct ctl_server *s)
{
	struct stat st;

	if (!s)
		return;
	for (struct ctl_conn *c = s->conns, *next; c; c = next) {
		next = c->next;
		if (c->state == WAITING)
			s->gone(c, s->arg);
		conn_free(c);
	}
	loop_del_timer(s->loop, s->retry);
	/* Another server may have taken the name since: its socket is not ours. */
	if (s->ino && fstatat(s->dirfd, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		st.st_dev == s->dev && st.st_ino == s->ino)
		(void)unlinkat(s->dirfd, s->name, 0);
	loop_del_fd(s->loop, s->fd);
	auto_close_(&s->fd);
	auto_close_(&s->dirfd);
	free(s);
}
