#include "screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/names.h"
#include "xalloc.h"

enum {
	WORDS = 4096,		/* of a command: chosen paths */
	PIECE = 65536,
	PIECES = 2,		/* read in one turn: keys wait for no more */
};

/* recover --no-pager [-w W] [--store S] WORDS... */
static char **arguments(const struct screen *s, const char *const *words)
{
	char **argv = xcalloc(WORDS + 8, sizeof(*argv));
	size_t n = 0;

	argv[n++] = s->recover;
	argv[n++] = (char *)(uintptr_t) "--no-pager";
	if (s->workspace) {
		argv[n++] = (char *)(uintptr_t) "-w";
		argv[n++] = s->workspace;
	}
	if (s->store) {
		argv[n++] = (char *)(uintptr_t) "--store";
		argv[n++] = s->store;
	}
	for (size_t i = 0; words && words[i] && i < WORDS; i++)
		argv[n++] = (char *)(uintptr_t)words[i];
	return argv;
}

int feed_start(struct screen *s, struct feed *f, const char *const *words)
{
	autofree char **argv = arguments(s, words);
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int p[2], r;

	*f = (struct feed){ .fd = -1 };
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)posix_spawn_file_actions_init(&files);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&files, p[1], 1);
	(void)posix_spawn_file_actions_adddup2(&files, p[1], 2);
	/* A group of its own: Ctrl-C is ours. */
	(void)posix_spawnattr_setpgroup(&attr, 0);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	r = posix_spawn(&f->pid, s->recover, &files, &attr, argv, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attr);
	(void)close(p[1]);
	if (r) {
		(void)close(p[0]);
		f->pid = 0;
		return -r;
	}
	(void)fcntl(p[0], F_SETFL, O_NONBLOCK);
	f->fd = p[0];
	return 0;
}

static void lines(struct feed *f, void (*fn)(char *line, void *arg), void *arg)
{
	char *from = f->line.data, *nl;
	size_t left = f->line.len;

	while (left && (nl = memchr(from, '\n', left))) {
		*nl = '\0';
		fn(from, arg);
		left -= (size_t)(nl + 1 - from);
		from = nl + 1;
	}
	if (from != f->line.data && left)
		memmove(f->line.data, from, left);
	f->line.len = left;
}

static int reap(struct feed *f)
{
	int status = 0;

	while (waitpid(f->pid, &status, 0) < 0 && errno == EINTR)
		;
	f->pid = 0;
	(void)close(f->fd);
	f->fd = -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool feed_read(struct feed *f, void (*fn)(char *line, void *arg), void *arg, int *ret_exit)
{
	static char piece[PIECE];

	for (unsigned i = 0; f->fd >= 0 && i < PIECES; i++) {
		ssize_t n = read(f->fd, piece, sizeof(piece));

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			return false;
		if (n > 0) {
			if (buf_add(&f->line, piece, (size_t)n) < 0)
				xalloc_failed();
			lines(f, fn, arg);
			continue;
		}
		if (f->line.len && buf_addch(&f->line, '\n') == 0)
			lines(f, fn, arg);
		buf_release(&f->line);
		*ret_exit = reap(f);
		return true;
	}
	return false;
}

void feed_stop(struct feed *f)
{
	if (f->pid) {
		(void)kill(f->pid, SIGTERM);
		(void)reap(f);
	}
	buf_release(&f->line);
}

void feed_interrupt(struct feed *f)
{
	if (f->pid)
		(void)kill(f->pid, SIGINT);
}

static void become_recover(void *arg)
{
	char **argv = arg;

	(void)execv(argv[0], argv);
}

int feed_run(struct screen *s, bool pause, const char *const *words)
{
	autofree char **argv = arguments(s, words);
	autofree char *command = feed_command(words);

	return term_run(command, pause, become_recover, argv);
}

static void note_line(char *line, void *arg)
{
	struct screen *s = arg;
	size_t name = sizeof(RECOVER ": ") - 1;

	(void)snprintf(s->message, sizeof(s->message), "%s", line + (strncmp(line, RECOVER ": ", name) ? 0 : name));
}

int feed_ask(struct screen *s, const char *const *words)
{
	struct feed f;
	int code = EXIT_ENV, r = feed_start(s, &f, words);

	if (r < 0) {
		(void)snprintf(s->message, sizeof(s->message), "%s: %s", s->recover, strerror(-r));
		return EXIT_ENV;
	}
	while (!feed_read(&f, note_line, s, &code)) {
		struct pollfd p = { .fd = f.fd, .events = POLLIN };

		(void)term_poll(&p, 1, -1);
		if (term_ended()) {
			feed_stop(&f);
			break;
		}
	}
	return code;
}

static bool is_plain(const char *w)
{
	return *w && w[strspn(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/@~:=+,-")] == '\0';
}

char *feed_command(const char *const *words)
{
	struct buf b = BUF_INIT;
	int r = buf_addstr(&b, RECOVER);

	for (size_t i = 0; words && words[i] && r == 0; i++) {
		r = buf_addch(&b, ' ');
		if (is_plain(words[i])) {
			r = r < 0 ? r : buf_addstr(&b, words[i]);
			continue;
		}
		r = r < 0 ? r : buf_addch(&b, '\'');
		for (const char *p = words[i]; *p && r == 0; p++)
			r = *p == '\'' ? buf_addstr(&b, "'\\''") : buf_addch(&b, *p);
		r = r < 0 ? r : buf_addch(&b, '\'');
	}
	if (r < 0)
		xalloc_failed();
	return buf_detach(&b, NULL);
}
