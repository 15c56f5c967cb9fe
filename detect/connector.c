/* The proc connector: the kernel tells of every exec, fork and exit (include/uapi/linux/cn_proc.h).
 * Ordinary users may listen since Linux 6.6, which also takes a filter; not in a network, pid or
 * user namespace of their own.
 *
 * Only what is asked for wakes us: execs always, forks of trainings and of zygotes (their children
 * do not exec), exits where the kernel has no better way to tell a status. A classic socket filter
 * leaves out threads and the forks of everybody else: a build beside an open editor costs nothing.
 * After a first event the socket is left alone for a rest, so that a build with
 * its thousands of compilers wakes us ten times a second and not thousands; a rest is never so long
 * that the buffer could run over at the rate seen. When it does all the same (ENOBUFS), all of
 * /proc is scanned. */
#include "detect/monitor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/log.h"

enum {
	ACK_MS = 300,
	REST_MS = 10,
	REST_MAX_MS = 100, /* a training that fails at once is to be seen */
	ROOM = 1 << 20,    /* asked for; net.core.rmem_max may give less */
	EVENT_COST = 1024, /* of it, a message: skb and all */
	PARENTS_MAX = 128, /* in the filter; of more than that all forks are told */
	FILTER_MS = 10000,
};

struct connector {
	int fd, rest_fd;
	uint64_t rest_ms, last_drain_ms;
	uint64_t capacity; /* events the buffer holds */
	uint32_t ack;      /* by chance: everybody's answers go to everybody */
	bool resting, exits, forks, all; /* all: the filter lets every fork pass */
	uint64_t filter_ms;
	pid_t parent[PARENTS_MAX];
	uint64_t overflows;
};

/* struct proc_input of Linux 6.6; the headers of Debian 12 are older. */
struct input {
	uint32_t op, events;
};
struct message {
	struct nlmsghdr h;
	struct cn_msg cn;
	union {
		struct input in;
		struct proc_event ev;
	} u;
} __attribute__((packed));

#define AT(field) (offsetof(struct message, u) + offsetof(struct proc_event, field))

/* Execs, exits of whole processes, and those forks of whole processes whose parent is of interest.
 * Anything else but the answer to our request is dropped. The filter loads words in network
 * order. */
static int set_filter(int fd, const pid_t *parent, unsigned n)
{
	const struct sock_filter head[] = {
		/* 0 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(what)),
		/* 1 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(PROC_EVENT_FORK), 9, 0),
		/* 2 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl((uint32_t)PROC_EVENT_EXIT), 2, 0),
		/* 3 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(PROC_EVENT_EXEC), 5, 0),
		/* 4 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(PROC_EVENT_NONE), 4, 5),
		/* 5 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.exit.process_pid)),
		/* 6 */ BPF_STMT(BPF_MISC | BPF_TAX, 0),
		/* 7 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.exit.process_tgid)),
		/* 8 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1),
		/* 9 */ BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
		/* 10 */ BPF_STMT(BPF_RET | BPF_K, 0),
		/* 11 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.fork.child_pid)),
		/* 12 */ BPF_STMT(BPF_MISC | BPF_TAX, 0),
		/* 13 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.fork.child_tgid)),
		/* 14 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 1, 0),
		/* 15 */ BPF_STMT(BPF_RET | BPF_K, 0),
		/* 16 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.fork.parent_tgid)),
	};
	struct sock_filter code[sizeof(head) / sizeof(*head) + (size_t)2 * PARENTS_MAX + 1];
	struct sock_fprog prog = { sizeof(head) / sizeof(*head), code };

	memcpy(code, head, sizeof(head));
	for (unsigned i = 0; i < n && n <= PARENTS_MAX; i++) {
		code[prog.len++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, htonl((uint32_t)parent[i]), 0, 1);
		code[prog.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0xffffffff);
	}
	code[prog.len++] =
		(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, n <= PARENTS_MAX ? 0 : 0xffffffff);
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

/* events 0: the request of all kernels, for all there is. Linux 6.6 takes a choice too, older ones
 * drop that request. */
static int listen_for(const struct connector *c, uint32_t events)
{
	uint16_t size = events ? sizeof(struct input) : sizeof(uint32_t);
	struct message msg = {
		.h = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct cn_msg) + size),
			.nlmsg_type = NLMSG_DONE },
		.cn = { .id = { CN_IDX_PROC, CN_VAL_PROC }, .ack = c->ack, .len = size },
		.u.in = { PROC_CN_MCAST_LISTEN, events },
	};

	return send(c->fd, &msg, msg.h.nlmsg_len, 0) < 0 ? -errno : 0;
}

static uint32_t wanted(const struct connector *c)
{
	uint32_t events = PROC_EVENT_EXEC;

	if (c->forks)
		events |= PROC_EVENT_FORK;
	if (c->exits)
		events |= (uint32_t)PROC_EVENT_EXIT;
	return events;
}

/* The next message, at the latest by the time until_ms; -ETIMEDOUT. */
static int next_message(int fd, uint64_t until_ms, struct message *ret)
{
	uint64_t now;

	while ((now = monitor_mono_ms()) < until_ms) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, (int)(until_ms - now)) < 0 && errno != EINTR)
			return -errno;
		if (recv(fd, ret, sizeof(*ret), MSG_DONTWAIT) >=
			(ssize_t)offsetof(struct message, u.ev.event_data) + 4)
			return 0;
	}
	return -ETIMEDOUT;
}

/* From another pid or user namespace the request is dropped without a word: so wait for the answer,
 * not for ever. To one who has chosen events the answer does not come: it is none of them. */
static int wait_for_ack(const struct connector *c)
{
	uint64_t until = monitor_mono_ms() + ACK_MS;
	struct message msg = { 0 };
	int r;

	while ((r = next_message(c->fd, until, &msg)) == 0)
		/* Everybody's answers go to everybody; ours counts on from our number. */
		if (msg.u.ev.what == PROC_EVENT_NONE && msg.cn.ack == c->ack + 1)
			return -(int)msg.u.ev.event_data.ack.err;
	return r;
}

/* An answer proves little: a child of ours does, told of by the number it has for us. */
static int prove(const struct connector *c)
{
	uint64_t until = monitor_mono_ms() + ACK_MS;
	const pid_t self = getpid();
	struct message msg = { 0 };
	pid_t pid;
	int r = set_filter(c->fd, &self, 1);

	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return -errno;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	while ((r = next_message(c->fd, until, &msg)) == 0)
		if ((uint32_t)msg.u.ev.what == PROC_EVENT_FORK &&
			msg.u.ev.event_data.fork.child_tgid == pid)
			return set_filter(c->fd, NULL, 0);
	return r;
}

static int open_socket(uint64_t *ret_capacity)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC };
	autoclose int fd =
		socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);
	int room = ROOM;
	socklen_t len = sizeof(room);
	int r;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, &len) < 0)
		return -errno;
	*ret_capacity = (uint64_t)room / EVENT_COST;
	r = set_filter(fd, NULL, 0);
	if (r == 0 && bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		r = -errno;
	return r < 0 ? r : take_fd(&fd);
}

static const char *why(int r)
{
	switch (r) {
	case -EPERM:
	case -EACCES:
		return "the proc connector is closed to ordinary users before Linux 6.6";
	case -ETIMEDOUT:
	case -ECONNREFUSED:
		return "the proc connector does not answer in this container (its own pid, user or "
		       "network namespace)";
	case -EPROTONOSUPPORT:
		return "this kernel has no proc connector";
	default:
		return "the proc connector cannot be opened";
	}
}

static void on_event(struct loop *l, int fd, uint32_t events, void *arg);
static void on_rest_over(struct loop *l, int fd, uint32_t events, void *arg);

int connector_open(struct monitor *m)
{
	struct connector *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->exits = m->set.no_exit_info || !end_kernel_tells();
	c->rest_ms = REST_MS;
	c->rest_fd = -1;
	c->fd = m->set.no_connector ? -EPERM : open_socket(&c->capacity);
	r = c->fd < 0                                   ? c->fd
	    : getrandom(&c->ack, sizeof(c->ack), 0) < 0 ? -errno
							: listen_for(c, 0);
	if (r == 0)
		r = wait_for_ack(c);
	if (r == 0)
		r = prove(c);
	if (r == 0)
		r = listen_for(c, wanted(c));
	if (r == 0) {
		c->rest_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		r = c->rest_fd < 0 ? -errno
				   : loop_add_fd(m->loop, c->rest_fd, EPOLLIN, on_rest_over, m);
	}
	if (r == 0)
		r = loop_add_fd(m->loop, c->fd, EPOLLIN, on_event, m);
	m->connector = c;
	if (r < 0) {
		m->why_no_connector = m->set.no_connector ? "switched off" : why(r);
		connector_close(m);
	}
	return r;
}

void connector_close(struct monitor *m)
{
	struct connector *c = m->connector;

	if (!c)
		return;
	loop_del_fd(m->loop, c->fd);
	loop_del_fd(m->loop, c->rest_fd);
	auto_close_(&c->fd);
	auto_close_(&c->rest_fd);
	free(c);
	m->connector = NULL;
}

/* The kernel translates a filter anew each time, and what is started meanwhile waits: where parents come
 * within a second of each other, all forks pass for ten seconds. */
void connector_parents(struct monitor *m)
{
	struct connector *c = m->connector;
	uint64_t now = monitor_mono_ms();
	unsigned n = 0;

	if (!c)
		return;
	if (c->all && now < c->filter_ms + FILTER_MS)
		return;
	/* More than one a second: all. */
	m->parents_gone = c->all = now < c->filter_ms + FILTER_MS / 10;
	for (unsigned b = 0; b < BUCKETS && !c->all; b++)
		for (const struct watched *w = m->bucket[b]; w; w = w->next)
			if (!w->dead && watched_is_parent(&w->role) && n++ < PARENTS_MAX)
				c->parent[n - 1] = w->id.pid;
	(void)set_filter(c->fd, c->parent, c->all ? PARENTS_MAX + 1 : n);
	c->filter_ms = now;
	if (c->forks == (c->all || n))
		return;
	c->forks = c->all || n;
	(void)listen_for(c, wanted(c));
}

static void one(struct monitor *m, const struct proc_event *ev)
{
	struct watched *w;

	switch ((uint32_t)ev->what) {
	case PROC_EVENT_EXEC:
		w = watched_find(m, ev->event_data.exec.process_tgid);
		if (w)
			w->execed = true;
		watched_consider(m, ev->event_data.exec.process_tgid);
		break;
	case PROC_EVENT_FORK:
		w = watched_find(m, ev->event_data.fork.parent_tgid);
		if (w && watched_is_parent(&w->role))
			watched_consider(m, ev->event_data.fork.child_tgid);
		break;
	case (uint32_t)PROC_EVENT_EXIT:
		w = watched_find(m, ev->event_data.exit.process_tgid);
		if (w)
			end_told(m, w, (int)ev->event_data.exit.exit_code);
		break;
	default:
		break;
	}
}

/* How many there were. */
static uint64_t drain(struct monitor *m)
{
	struct connector *c = m->connector;
	struct message msg = { 0 };
	struct proc_event ev;
	uint64_t n = 0;

	for (;;) {
		ssize_t k = recv(c->fd, &msg, sizeof(msg), 0);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == ENOBUFS) {
			c->overflows++;
			m->next_scan_ms = 0;
			n += c->capacity;
			continue;
		}
		if (k < 0)
			break;
		/* Only the kernel may send to this group (netlink(7)): others' messages do not
		 * come. */
		if (k >= (ssize_t)offsetof(struct message, u.ev.event_data) + 8) {
			ev = msg.u.ev;
			one(m, &ev);
		}
		n++;
	}
	if (m->next_scan_ms == 0)
		(void)watched_scan(m);
	watched_settle(m);
	return n;
}

void connector_drain(struct monitor *m)
{
	(void)drain(m);
}

static void rest(struct monitor *m, uint64_t n)
{
	struct connector *c = m->connector;
	uint64_t now = monitor_mono_ms(), since = now - c->last_drain_ms, most;
	struct itimerspec t = { 0 };

	c->last_drain_ms = now;
	/* A quarter of the buffer at the rate of the last rest. */
	most = n && since ? c->capacity / 4 * since / n : REST_MAX_MS;
	c->rest_ms = c->rest_ms * 2 < REST_MAX_MS ? c->rest_ms * 2 : REST_MAX_MS;
	if (c->rest_ms > most)
		c->rest_ms = most > 1 ? most : 1;
	t.it_value = (struct timespec){ (time_t)(c->rest_ms / 1000),
		(long)(c->rest_ms % 1000) * 1000000 };
	(void)loop_mod_fd(m->loop, c->fd, 0);
	(void)timerfd_settime(c->rest_fd, 0, &t, NULL);
	c->resting = true;
}

/* What finds a process of interest looks again soon: where one is, its children follow. So does
 * what waits for one to become something. */
static void look(struct monitor *m)
{
	struct connector *c = m->connector;
	unsigned before = m->n_watched;
	uint64_t serial = m->serial, n = drain(m);

	if (m->n_young)
		watched_young(m);
	if (m->n_watched != before || m->serial != serial)
		c->rest_ms = REST_MS / 2;
	if (n || m->n_young) {
		rest(m, n);
		return;
	}
	c->resting = false;
	c->rest_ms = REST_MS / 2;
	(void)loop_mod_fd(m->loop, c->fd, EPOLLIN);
}

static void on_event(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct monitor *m = arg;

	(void)l, (void)fd, (void)events;
	m->connector->last_drain_ms = monitor_mono_ms() - 1;
	look(m);
}

static void on_rest_over(struct loop *l, int fd, uint32_t events, void *arg)
{
	uint64_t ticks;

	(void)l, (void)events;
	(void)!read(fd, &ticks, sizeof(ticks));
	look(arg);
}
