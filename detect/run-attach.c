/* detect/run-attach.c - the viewer of a run: output, signals, what is typed; see run.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/run.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/names.h"

enum { TAIL_BYTES = 8192, TAIL_LINES = 20 };

struct view {
	int fd, signals;
	const char *id, *log;
	bool input, out_closed, err_closed;
	bool tail; /* show the end of the log first */
	int exit_code;
	bool ended;
};

static void send_packet(struct view *v, char letter, const void *p, size_t n)
{
	char b[RUN_PACKET];

	b[0] = letter;
	if (n >= sizeof(b))
		n = sizeof(b) - 1;
	if (n)
		memcpy(b + 1, p, n);
	(void)!send(v->fd, b, n + 1, MSG_NOSIGNAL);
}

static void send_size(struct view *v)
{
	struct winsize w;
	char text[32];
	int n;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0)
		return;
	n = snprintf(text, sizeof(text), "%u\t%u", w.ws_row, w.ws_col);
	send_packet(v, RUN_SIZE, text, (size_t)n);
}

/* Who reads us may have gone: the run goes on, and its end is still waited for. */
static void put(int fd, bool *closed, const char *p, size_t n)
{
	if (!*closed && io_write_all(fd, p, n) < 0)
		*closed = true;
}

static void show_tail(struct view *v, uint64_t upto)
{
	autoclose int fd = open(v->log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char b[TAIL_BYTES];
	uint64_t from = upto > sizeof(b) ? upto - sizeof(b) : 0;
	ssize_t n = fd < 0 ? -1 : io_pread_full(fd, b, (size_t)(upto - from), (off_t)from);
	const char *p;
	int lines = 0;

	if (n <= 0)
		return;
	for (p = b + n - 1; p > b && lines < TAIL_LINES; p--)
		lines += p[-1] == '\n';
	put(STDOUT_FILENO, &v->out_closed, p, (size_t)(b + n - p));
}

static void on_end(struct view *v, char *text)
{
	char *tab = strchr(text, '\t');
	long code = strtol(text, NULL, 10), signo = tab ? strtol(tab + 1, NULL, 10) : -1;

	v->ended = true;
	v->exit_code = signo > 0 ? 128 + (int)signo : (int)code & 255;
}

static void on_packet(struct view *v, char *p, size_t n)
{
	p[n] = '\0';
	switch (*p) {
	case RUN_OUT:
		put(STDOUT_FILENO, &v->out_closed, p + 1, n - 1);
		break;
	case RUN_ERR:
		put(STDERR_FILENO, &v->err_closed, p + 1, n - 1);
		break;
	case RUN_SAY:
		log_info("%s", p + 1);
		break;
	case RUN_HELLO:
		if (v->tail)
			show_tail(v, strtoull(p + 1, NULL, 10));
		break;
	case RUN_END:
		on_end(v, p + 1);
		break;
	default:
		break;
	}
}

static void on_input(struct view *v)
{
	char p[4096];
	ssize_t n;

	/* In the background the terminal is not ours to read. */
	if (tcgetpgrp(STDIN_FILENO) != getpgrp()) {
		v->input = false;
		return;
	}
	n = read(STDIN_FILENO, p, sizeof(p));
	if (n > 0) {
		send_packet(v, RUN_INPUT, p, (size_t)n);
	} else if (n == 0 || errno != EINTR) {
		send_packet(v, RUN_NO_INPUT, NULL, 0);
		v->input = false;
	}
}

/* 1: we leave, the run goes on. */
static int on_signals(struct view *v)
{
	struct signalfd_siginfo i;
	unsigned char signo;

	if (read(v->signals, &i, sizeof(i)) != sizeof(i))
		return 0;
	signo = (unsigned char)i.ssi_signo;
	if (signo == SIGHUP)
		return 1;
	if (signo == SIGWINCH)
		send_size(v);
	else if (signo != SIGCONT)
		send_packet(v, RUN_SIGNAL, &signo, 1);
	else if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		v->input = true;
	return 0;
}

static int watch(struct view *v)
{
	char p[RUN_PACKET + 1];

	while (!v->ended) {
		struct pollfd f[] = { { v->fd, POLLIN, 0 }, { v->signals, POLLIN, 0 },
			{ v->input ? STDIN_FILENO : -1, POLLIN, 0 } };
		ssize_t n;

		if (poll(f, 3, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (f[1].revents && on_signals(v))
			return 1;
		if (f[2].revents)
			on_input(v);
		if (!f[0].revents)
			continue;
		n = recv(v->fd, p, RUN_PACKET, 0);
		if (n <= 0)
			return n == 0 ? -ECONNRESET : -errno;
		on_packet(v, p, (size_t)n);
	}
	return 0;
}

static int signals(void)
{
	static const int all[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH,
		SIGCONT };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		(void)sigaddset(&set, all[i]);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTTIN, SIG_IGN);
	(void)signal(SIGTTOU, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int view(struct view *v)
{
	int r;

	v->signals = signals();
	if (v->signals < 0)
		return EXIT_ENV;
	if (!isatty(STDOUT_FILENO))
		send_packet(v, RUN_ALL, NULL, 0);
	send_size(v);
	r = watch(v);
	(void)close(v->fd);
	if (r == 1) {
		log_info("run %s goes on: " DETECT " attach %s", v->id, v->id);
		return 128 + SIGHUP;
	}
	if (r < 0) {
		log_error("run %s: its supervisor is gone; what is known: " DETECT " runs", v->id);
		return EXIT_ENV;
	}
	return v->exit_code;
}

int run_view(int fd, const char *id, bool input, const char *log_path)
{
	struct view v = { .fd = fd, .id = id, .input = input, .log = log_path };

	return view(&v);
}

static int connect_to(int folder)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/socket", folder);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	return take_fd(&fd);
}

static int attach(int state, const char *id)
{
	autoclose int folder = run_folder(state, id, false);
	char log[64];
	struct view v = {
		.id = id, .tail = true, .input = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)
	};

	if (folder < 0)
		return folder;
	(void)snprintf(log, sizeof(log), "/proc/self/fd/%d/log", folder);
	v.log = log;
	v.fd = connect_to(folder);
	return v.fd < 0 ? v.fd : view(&v);
}

static int help(void)
{
	(void)puts("usage: " DETECT " attach [RUN]\n\n"
		   "Shows the output of a run that goes on, from its last lines; the newest\n"
		   "without RUN (the start of its id: `" DETECT " runs`). Ctrl-C and other signals\n"
		   "go to the run, a closed terminal does not end it. Ends as the run ends: its\n"
		   "exit code, or 128 + N for signal N.\n\n"
		   "1: no such run, or it has ended.");
	return fflush(stdout) ? EXIT_ENV : EXIT_DONE;
}

int cmd_attach(int argc, char **argv, const struct detect_settings *set)
{
	autoclose int state = detect_state_dir_if_any();
	struct run r;
	int e;

	(void)set;
	if (argc == 1 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0))
		return help();
	if (argc > 1 || (argc == 1 && *argv[0] == '-')) {
		log_error("usage: " DETECT " attach [RUN]");
		return EXIT_USAGE;
	}
	e = state < 0 ? -ENOENT : run_find(state, argc ? argv[0] : NULL, &r);
	if (e == -ENOTUNIQ)
		log_error("attach: %s: several runs begin so; " DETECT " runs lists them", argv[0]);
	else if (e < 0 && argc)
		log_error("attach: %s: no such run; " DETECT " runs lists them", argv[0]);
	else if (e < 0)
		log_error("attach: nothing runs; " DETECT " run -- COMMAND starts one, " DETECT " runs lists what ran");
	if (e < 0)
		return EXIT_NO;
	log_set_level(LOG_INFO);
	e = r.running && !r.lost ? attach(state, r.id) : -ECONNREFUSED;
	if (e < 0)
		log_error("attach: run %s %s; " DETECT " runs %s says how", r.id,
			r.lost ? "has lost its supervisor" : "has ended", r.id);
	run_release(&r);
	return e < 0 ? EXIT_NO : e;
}
