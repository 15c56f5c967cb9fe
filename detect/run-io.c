/* detect/run-io.c - see the header. */
#include "detect/run-io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/io.h"

enum { PATIENCE_MS = 2000, END_MS = 2000, END_ALL_MS = 600000 };

static uint64_t now_ms(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- the log ---- */

/* Two files of half the size: the older half goes as a whole. */
static void log_write(struct run_io *io, const char *p, size_t n)
{
	if (io->log >= 0 && io->log_len && io->log_len + n > io->log_max / 2) {
		(void)close(io->log);
		(void)renameat(io->folder, "log", io->folder, "log.1");
		io->log = openat(io->folder, "log",
			O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
		io->log_len = 0;
	}
	if (io->log >= 0 && io_write_all(io->log, p, n) == 0)
		io->log_len += n;
}

/* ---- what tells of want of memory ---- */

static void look_at_line(struct run_io *io, const char *p, size_t n)
{
	enum want w = run_want(p, n);
	size_t len = 0;

	if (w == WANT_NONE)
		return;
	/* A CUDA message goes before the MemoryError that follows from it. */
	if (io->want == WANT_GPU && w != WANT_GPU)
		return;
	io->want = w;
	for (size_t i = 0; i < n && len + 1 < sizeof(io->want_line); i++)
		if ((unsigned char)p[i] >= 32 && p[i] != 127)
			io->want_line[len++] = p[i];
	io->want_line[len] = '\0';
}

static void scan(struct stream *s, const char *p, size_t n)
{
	while (n) {
		const char *nl = memchr(p, '\n', n);
		size_t part = nl ? (size_t)(nl - p) : n;
		size_t room = sizeof(s->line) - s->line_len;

		/* The front of a long line says what it is about. */
		memcpy(s->line + s->line_len, p, part < room ? part : room);
		s->line_len += part < room ? part : room;
		if (!nl)
			return;
		look_at_line(s->io, s->line, s->line_len);
		s->line_len = 0;
		p = nl + 1;
		n -= part + 1;
	}
}

/* ---- viewers ---- */

static void on_stream(struct loop *l, int fd, uint32_t events, void *arg);
static void on_viewer(struct loop *l, int fd, uint32_t events, void *arg);

static void hold(struct run_io *io, bool held)
{
	for (unsigned i = 0; i < 3; i++) {
		struct stream *s = &io->stream[i];

		if (s->fd < 0 || s->held == held)
			continue;
		s->held = held;
		if (held)
			loop_del_fd(io->loop, s->fd);
		else
			(void)loop_add_fd(io->loop, s->fd, EPOLLIN, on_stream, s);
	}
}

static void settle(struct run_io *io)
{
	bool wait = false;

	for (unsigned i = 0; i < VIEWERS; i++)
		wait |= io->viewer[i].fd >= 0 && io->viewer[i].pending;
	hold(io, wait);
}

static void drop(struct viewer *v)
{
	loop_del_fd(v->io->loop, v->fd);
	(void)close(v->fd);
	v->fd = -1;
	v->pending = 0;
}

static void packet_to(struct viewer *v, const char *p, size_t n)
{
	if (v->slow) {
		v->skipped += n - 1;
		return;
	}
	if (v->pending) { /* only messages of ours come while one is held back */
		v->skipped += n - 1;
		return;
	}
	if (send(v->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n)
		return;
	if (errno != EAGAIN && errno != ENOBUFS) {
		drop(v);
		return;
	}
	memcpy(v->packet, p, n);
	v->pending = n;
	v->since_ms = now_ms();
	(void)loop_mod_fd(v->io->loop, v->fd, EPOLLIN | EPOLLOUT);
}

static void to_all(struct run_io *io, const char *p, size_t n)
{
	for (unsigned i = 0; i < VIEWERS; i++)
		if (io->viewer[i].fd >= 0)
			packet_to(&io->viewer[i], p, n);
	settle(io);
}

static void catch_up(struct viewer *v)
{
	char text[160];
	int n;

	if (v->pending && send(v->fd, v->packet, v->pending, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
	v->pending = 0;
	v->slow = false;
	(void)loop_mod_fd(v->io->loop, v->fd, EPOLLIN);
	if (v->skipped) {
		n = snprintf(text, sizeof(text),
			"%c%llu bytes are not shown here, they are in the log", RUN_SAY,
			(unsigned long long)v->skipped);
		v->skipped = 0;
		packet_to(v, text, (size_t)n);
	}
	settle(v->io);
}

void run_io_tick(struct run_io *io, uint64_t now)
{
	for (unsigned i = 0; i < VIEWERS; i++) {
		struct viewer *v = &io->viewer[i];

		if (v->fd < 0 || !v->pending || v->all || now - v->since_ms < PATIENCE_MS)
			continue;
		v->slow = true;
		v->skipped += v->pending - 1;
		v->pending = 0;
	}
	settle(io);
}

static void set_size(struct run_io *io, char *text)
{
	struct winsize w = { 0 };
	char *end;

	w.ws_row = (unsigned short)strtoul(text, &end, 10);
	w.ws_col = *end == '\t' ? (unsigned short)strtoul(end + 1, NULL, 10) : 0;
	if (io->terminal >= 0 && w.ws_row && w.ws_col)
		(void)ioctl(io->terminal, TIOCSWINSZ, &w);
}

static void take_packet(struct viewer *v, char *p, size_t n)
{
	struct run_io *io = v->io;
	static const char end_of_input = 4;

	p[n] = '\0';
	switch (*p) {
	case RUN_SIGNAL:
		if (n == 2)
			io->on_signal(io->arg, (unsigned char)p[1]);
		break;
	case RUN_INPUT:
		if (io->terminal >= 0)
			(void)!write(io->terminal, p + 1, n - 1);
		break;
	case RUN_NO_INPUT:
		if (io->terminal >= 0)
			(void)!write(io->terminal, &end_of_input, 1);
		break;
	case RUN_SIZE:
		set_size(io, p + 1);
		break;
	case RUN_ALL:
		v->all = true;
		break;
	default:
		break;
	}
}

static void on_viewer(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct viewer *v = arg;
	char p[RUN_PACKET + 1];
	ssize_t n;

	(void)l;
	if (events & EPOLLOUT)
		catch_up(v);
	if (v->fd < 0 || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = recv(fd, p, RUN_PACKET, MSG_DONTWAIT);
	if (n > 0) {
		take_packet(v, p, (size_t)n);
	} else if (n == 0 || errno != EAGAIN) {
		drop(v);
		settle(v->io);
	}
}

void run_io_viewer(struct run_io *io, int fd)
{
	char text[48];
	int n;

	for (unsigned i = 0; i < VIEWERS; i++) {
		struct viewer *v = &io->viewer[i];

		if (v->fd >= 0)
			continue;
		v->io = io;
		v->fd = fd;
		v->all = v->slow = false;
		v->pending = v->skipped = 0;
		if (loop_add_fd(io->loop, fd, EPOLLIN, on_viewer, v) < 0)
			break;
		n = snprintf(
			text, sizeof(text), "%c%llu", RUN_HELLO, (unsigned long long)io->log_len);
		packet_to(v, text, (size_t)n);
		return;
	}
	(void)close(fd);
}

static void on_listener(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct ucred who;
	socklen_t n = sizeof(who);
	int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)l;
	(void)events;
	if (c < 0)
		return;
	if (getsockopt(c, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0 || who.uid != geteuid())
		(void)close(c);
	else
		run_io_viewer(arg, c);
}

/* ---- streams ---- */

static void close_stream(struct stream *s)
{
	if (!s->held)
		loop_del_fd(s->io->loop, s->fd);
	if (s->line_len)
		look_at_line(s->io, s->line, s->line_len);
	s->line_len = 0;
	if (s->fd != s->io->terminal)
		(void)close(s->fd);
	s->fd = -1;
	if (--s->io->open_streams == 0)
		s->io->on_quiet(s->io->arg);
}

static void on_stream(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct stream *s = arg;
	char p[RUN_PACKET];
	ssize_t n = read(fd, p + 1, sizeof(p) - 1);

	(void)l;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* EIO: nobody has the terminal open any more */
		close_stream(s);
		return;
	}
	p[0] = s->letter;
	log_write(s->io, p + 1, (size_t)n);
	scan(s, p + 1, (size_t)n);
	to_all(s->io, p, (size_t)n + 1);
}

void run_io_stream(struct run_io *io, int fd, char letter)
{
	for (unsigned i = 0; i < 3; i++) {
		struct stream *s = &io->stream[i];

		if (s->fd >= 0)
			continue;
		*s = (struct stream){ .io = io, .fd = fd, .letter = letter };
		io->open_streams++;
		(void)loop_add_fd(io->loop, fd, EPOLLIN, on_stream, s);
		return;
	}
}

void run_io_close_streams(struct run_io *io)
{
	for (unsigned i = 0; i < 3; i++)
		if (io->stream[i].fd >= 0)
			close_stream(&io->stream[i]);
	if (io->terminal >= 0)
		(void)close(io->terminal);
	io->terminal = -1;
}

void run_io_say(struct run_io *io, const char *text)
{
	char p[RUN_PACKET];
	int n = snprintf(p, sizeof(p), "%c%s", RUN_SAY, text);

	if (n >= (int)sizeof(p))
		n = sizeof(p) - 1;
	to_all(io, p, (size_t)n);
}

/* ---- begin and end ---- */

int run_io_open(struct run_io *io, struct loop *l, int folder, uint64_t log_max)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	io->loop = l;
	io->folder = folder;
	io->log_max = log_max;
	io->terminal = -1;
	for (unsigned i = 0; i < VIEWERS; i++)
		io->viewer[i].fd = -1;
	for (unsigned i = 0; i < 3; i++)
		io->stream[i].fd = -1;
	io->log =
		openat(folder, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (io->log < 0)
		return -errno;
	io->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/socket", folder);
	if (io->listener < 0 || bind(io->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
		listen(io->listener, VIEWERS) < 0)
		return -errno;
	return loop_add_fd(l, io->listener, EPOLLIN, on_listener, io);
}

static void last_words(struct viewer *v, const char *end, size_t n)
{
	uint64_t until = now_ms() + (v->all ? END_ALL_MS : END_MS);

	while (now_ms() < until) {
		struct pollfd p = { v->fd, POLLOUT, 0 };
		const char *at = v->pending ? v->packet : end;
		size_t len = v->pending ? v->pending : n;

		if (send(v->fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len) {
			if (!v->pending)
				return;
			v->pending = 0;
		} else if (errno != EAGAIN && errno != ENOBUFS) {
			return;
		} else if (poll(&p, 1, 200) < 0 && errno != EINTR) {
			return;
		}
	}
}

void run_io_end(struct run_io *io, const char *end)
{
	for (unsigned i = 0; i < VIEWERS; i++)
		if (io->viewer[i].fd >= 0)
			last_words(&io->viewer[i], end, strlen(end));
	(void)unlinkat(io->folder, "socket", 0);
}
