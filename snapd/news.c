/* See news.h. */
#include "news.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../detect/detect.h"
#include "../detect/spool.h"
#include "../lib/auto.h"
#include "../lib/ctl.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/text.h"
#include "workspace.h"

enum {
	RETRY_MS = 200, /* after a start; doubles */
	RETRY_MAX_MS = 60000,
	LINKS_MAX = 256, /* waiting to be answered */
	LINE = 4096,
	FRESH_MS = 60000, /* older news are history: no snapshot for them */
	TRIES = 5,
	FEW = 3, WINDOW_MS = 10000, /* so many snapshots in which nothing changed, in that time */
};

struct link {
	struct link *next;
	char line[];
};

struct news {
	struct daemon *d;
	struct loop *loop;
	bool autostart;
	bool resting; /* `detect watch --stop`: until SIGHUP */
	bool said;    /* that it cannot be started */
	int folder;   /* inotify: a socket that comes is a monitor started by hand */
	unsigned tries; /* to reach it */
	int dir;      /* of the socket */
	struct ctl_ask *wait, *send;
	struct loop_timer *retry;
	uint64_t retry_ms;
	uint64_t seq; /* the newest we know; 0 none */
	uint64_t window_ms; /* when the count of those began */
	unsigned forced;
	struct link *first, **end;
	unsigned n_links;
	pid_t child;
};

static void try_now(struct news *n);

static void on_retry(struct loop *l, void *arg)
{
	struct news *n = arg;

	(void)l;
	n->retry = NULL;
	try_now(n);
}

/* Without autostart nobody is waited for; one that comes is seen by its socket. */
static void later(struct news *n)
{
	if (n->retry || (!n->autostart && !n->tries))
		return;
	if (n->tries)
		n->tries--;
	(void)loop_add_timer(n->loop, n->retry_ms, on_retry, n, &n->retry);
	n->retry_ms = n->retry_ms * 2 < RETRY_MAX_MS ? n->retry_ms * 2 : RETRY_MAX_MS;
}

static int spawn(const char *path, pid_t *ret)
{
	char name[] = "detect-core", watch[] = "watch", by[] = "--by-snapd",
	     *argv[] = { name, watch, by, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	if (posix_spawnattr_init(&attr) || posix_spawn_file_actions_init(&files))
		return -ENOMEM;
	/* It outlives us and our terminal, and must not keep a pipe of ours open. */
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	(void)posix_spawnattr_setflags(
		&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	(void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
	(void)posix_spawn_file_actions_adddup2(&files, 0, 1);
	if (!getenv("JOURNAL_STREAM"))
		(void)posix_spawn_file_actions_adddup2(&files, 0, 2);
	r = posix_spawn(ret, path, &files, &attr, argv, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attr);
	return -r;
}

/* detect-core lies beside us. */
static void start_monitor(struct news *n)
{
	char path[PATH_MAX + 32];
	ssize_t k = readlink("/proc/self/exe", path, PATH_MAX);
	char *slash;
	int r;

	if (k < 0 || n->child)
		return;
	path[k] = '\0';
	slash = strrchr(path, '/');
	(void)strcpy(slash ? slash + 1 : path, "detect-core");
	r = spawn(path, &n->child);
	if (r < 0) {
		n->child = 0;
		if (!n->said)
			(void)log_warn_errno(r, "%s watch: crashes are not noticed", path);
		n->said = true;
	}
}

static void on_child(struct loop *l, int signo, void *arg)
{
	struct news *n = arg;

	(void)l, (void)signo;
	if (n->child && waitpid(n->child, NULL, WNOHANG) == n->child)
		n->child = 0;
}

/* Whose end says that work may be lost. Helpers come and go with their windows; a TERM is
 * somebody's wish. */
static bool is_abnormal(const struct fact *f)
{
	bool gentle = f->signal == SIGTERM || f->signal == SIGINT || f->signal == SIGHUP;

	if (f->kind != FACT_EXIT || (f->status == FACT_EXITED && f->code == 0))
		return false;
	if (f->role.kind == KIND_TRAINING)
		return true;
	switch (f->role.role) {
	case ROLE_MAIN:
	case ROLE_SERVER:
	case ROLE_SERVER_CHILD:
		return true;
	case ROLE_RENDERER:
	case ROLE_EXTENSION_HOST:
	case ROLE_PTY_HOST:
	case ROLE_SHARED:
		return f->status != FACT_SIGNALED || !gentle;
	default:
		return f->status == FACT_SIGNALED && f->signal == SIGKILL; /* memory was short */
	}
}

static void describe(const struct fact *f, char *p, size_t n)
{
	const char *family = family_name(f->role.family);
	char how[64] = "";

	if (f->kind == FACT_RISK) {
		(void)snprintf(p, n, "risk CRITICAL: %.200s", f->reasons);
		return;
	}
	if (f->status == FACT_SIGNALED)
		(void)snprintf(how, sizeof(how), "signal %d", f->signal);
	else if (f->status == FACT_EXITED)
		(void)snprintf(how, sizeof(how), "exit code %d", f->code);
	else
		(void)snprintf(how, sizeof(how), "how is not known");
	(void)snprintf(p, n, "%s%s%s ended (process %d, %s)", family, *family ? " " : "",
		role_name(f->role.role), (int)f->proc.pid, how);
}

static void queue_link(struct news *n, const char *line, size_t len)
{
	struct link *k;

	if (n->n_links >= LINKS_MAX)
		return;
	k = malloc(sizeof(*k) + len + 6);
	if (!k)
		return;
	k->next = NULL;
	memcpy(k->line, "link\t", 5);
	memcpy(k->line + 5, line, len + 1);
	*n->end = k;
	n->end = &k->next;
	n->n_links++;
}

static void send_links(struct news *n);

static void on_link_answer(int r, char *answer, void *arg)
{
	struct news *n = arg;

	n->send = NULL;
	if (r < 0 || !answer || strncmp(answer, "ok", 2) != 0)
		log_debug("link: %s", r < 0 ? err_str(r) : answer ? answer : "");
	send_links(n);
}

/* One after the other: the monitor has few places. */
static void send_links(struct news *n)
{
	while (n->first && !n->send) {
		struct link *k = n->first;

		n->first = k->next;
		if (!n->first)
			n->end = &n->first;
		n->n_links--;
		if (ctl_ask(n->loop, n->dir, DETECT_SOCKET, k->line, on_link_answer, n, &n->send) <
			0)
			n->send = NULL;
		free(k);
	}
}

static void fill_snapshot(const struct store_snapshot *sn, char hex[static 41], uint64_t *ret_ms)
{
	text_hex(sn->id.b, sizeof(sn->id.b), hex);
	*ret_ms = (uint64_t)sn->time_ns / 1000000;
}

static uint32_t hash(const char *s)
{
	uint32_t h = 2166136261u;

	while (*s)
		h = (h ^ (uint8_t)*s++) * 16777619u;
	return h;
}

/* after: NULL, none could be taken or none was wanted. */
static void link_one(struct news *n, struct workspace *w, const struct fact *of,
	const struct store_snapshot *after)
{
	struct store_snapshot before = { 0 };
	char line[LINE], nothing[1] = "";
	size_t skip = strlen(of->id) > 22 ? strlen(of->id) - 22 : 0;
	struct fact f;
	int r;

	(void)fact_parse(nothing, &f);
	f.kind = FACT_LINK;
	/* Of one event there is one link a workspace, however often it is sent. */
	(void)snprintf(
		f.id, sizeof(f.id), "%.22s-%08" PRIx32, of->id + skip, hash(store_dir(w->store)));
	f.real_ms = (uint64_t)text_now_ns() / 1000000;
	memcpy(f.of, of->id, sizeof(f.of));
	if (snprintf(f.workspace, sizeof(f.workspace), "%s", w->path) >= (int)sizeof(f.workspace) ||
		snprintf(f.store, sizeof(f.store), "%s", store_dir(w->store)) >=
			(int)sizeof(f.store))
		return;
	r = store_at_time(w->store, (int64_t)of->real_ms * 1000000, &before);
	if (r >= 0) {
		fill_snapshot(&before, f.before, &f.before_ms);
		store_snapshot_release(&before);
	}
	if (after)
		fill_snapshot(after, f.after, &f.after_ms);
	r = fact_line(&f, line, sizeof(line));
	if (r > 0)
		queue_link(n, line, (size_t)r);
}

struct batch {
	struct fact *fact; /* those that want a snapshot or a link */
	unsigned n;
	const struct fact *first; /* the one the snapshot is named after */
};

/* Is it to be found in the list even when nothing has changed? A training that fails, or that somebody
 * ends, is an everyday thing: its event is linked to the snapshot there is. */
static bool is_a_mark(const struct fact *f)
{
	bool gentle = f->signal == SIGTERM || f->signal == SIGINT || f->signal == SIGHUP;

	return f->kind == FACT_RISK || f->role.kind == KIND_EDITOR || f->status == FACT_UNKNOWN ||
	       (f->status == FACT_SIGNALED && !gentle);
}

static void snapshot_all(struct news *n, const struct batch *b)
{
	char message[256] = "";
	uint64_t now = loop_now_ms(n->loop);
	/* A script whose processes fail one after the other must not fill the list. */
	bool force;

	if (now - n->window_ms >= WINDOW_MS) {
		n->window_ms = now;
		n->forced = 0;
	}
	force = b->first && is_a_mark(b->first) && n->forced++ < FEW;
	if (b->first)
		describe(b->first, message, sizeof(message));
	for (struct workspace *w = daemon_first(n->d); w; w = w->next) {
		struct store_snapshot sn = { 0 };
		int r = -ENOENT;

		if (w->stopping)
			continue;
		if (b->first)
			r = workspace_take(w,
				b->first->kind == FACT_RISK ? REASON_RISK : REASON_EXIT, message,
				force, &sn);
		for (unsigned i = 0; i < b->n; i++)
			link_one(n, w, &b->fact[i], r >= 0 ? &sn : NULL);
		if (r >= 0)
			store_snapshot_release(&sn);
	}
	if (b->first)
		log_info("%s", message);
}

static bool is_fresh(const struct fact *f)
{
	uint64_t now = (uint64_t)text_now_ns() / 1000000,
		 at = f->kind == FACT_MACHINE ? f->m.real_ms : f->real_ms;

	return at + FRESH_MS > now;
}

/* An end outranks the risk that came before it, an editor's a training's. */
static bool outranks(const struct fact *a, const struct fact *b)
{
	if (!b || a->kind != b->kind)
		return !b || a->kind == FACT_EXIT;
	return a->role.kind == KIND_EDITOR && b->role.kind != KIND_EDITOR;
}

static void add_news(struct batch *b, char *line)
{
	struct fact *f = &b->fact[b->n];
	bool act;

	if (fact_parse(line, f) < 0 || !is_fresh(f))
		return;
	act = is_abnormal(f) || (f->kind == FACT_RISK && f->risk == RISK_CRITICAL);
	if (!act && f->kind != FACT_MACHINE && f->kind != FACT_HANG)
		return;
	b->n++;
	if (act && outranks(f, b->first))
		b->first = f;
}

/* SEQ TAB fact, a line each. A batch is one snapshot: a window dies with a dozen processes. */
static void take_news(struct news *n, char *text, bool first_time)
{
	unsigned lines = 0;
	struct batch b = { 0 };
	char *line;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	b.fact = calloc(lines + 1, sizeof(*b.fact));
	if (!b.fact)
		return;
	while ((line = ctl_next_line(&text))) {
		const char *seq = ctl_next_field(&line);

		(void)seq;
		if (line && b.n <= lines)
			add_news(&b, line);
	}
	/* What happened before we were there is linked, but needs no snapshot: ours of the start is
	 * as new. */
	if (first_time)
		b.first = NULL;
	if (b.n)
		snapshot_all(n, &b);
	free(b.fact);
	send_links(n);
}

static void on_news(int r, char *answer, void *arg)
{
	struct news *n = arg;
	char *line = NULL, *word;
	bool first_time = !n->seq;

	n->wait = NULL;
	if (r == 0)
		line = ctl_next_line(&answer);
	word = line ? ctl_next_field(&line) : NULL;
	if (word && strcmp(word, "error") == 0 && line && strcmp(line, "stopped") == 0) {
		n->resting = true;
		return;
	}
	if (!word || strcmp(word, "ok") != 0 || !line) {
		later(n); /* it went away */
		return;
	}
	n->retry_ms = RETRY_MS;
	n->seq = strtoull(line, NULL, 10);
	if (answer)
		take_news(n, answer, first_time);
	try_now(n);
}

static void try_now(struct news *n)
{
	char req[48];
	int r;

	if (n->wait || n->resting)
		return;
	(void)snprintf(req, sizeof(req), "wait\t%" PRIu64, n->seq ? n->seq : 1);
	r = ctl_ask(n->loop, n->dir, DETECT_SOCKET, req, on_news, n, &n->wait);
	if (r == 0)
		return;
	n->wait = NULL;
	if ((r == -ENOENT || r == -ECONNREFUSED) && n->autostart)
		start_monitor(n);
	later(n);
}

/* What was stopped is not started again, but who starts one by hand wants it heard. The socket is
 * there a moment before somebody listens at it. */
static void on_folder(struct loop *l, int fd, uint32_t events, void *arg)
{
	_Alignas(struct inotify_event) char text[4096];
	struct news *n = arg;
	bool came = false;
	ssize_t k;

	(void)l, (void)events;
	while ((k = read(fd, text, sizeof(text))) > 0)
		for (ssize_t at = 0; at < k;) {
			const struct inotify_event *e = (const void *)(text + at);

			came |= e->mask & IN_Q_OVERFLOW || (e->len && !strcmp(e->name, DETECT_SOCKET));
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	if (!came || n->wait)
		return;
	n->resting = false;
	n->tries = TRIES;
	n->retry_ms = RETRY_MS;
	loop_del_timer(n->loop, n->retry);
	n->retry = NULL;
	later(n);
}

static void watch_folder(struct news *n)
{
	char path[64];

	n->folder = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", n->dir);
	if (n->folder >= 0 &&
		(inotify_add_watch(n->folder, path, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0 ||
			loop_add_fd(n->loop, n->folder, EPOLLIN, on_folder, n) < 0))
		auto_close_(&n->folder);
}

struct news *news_open(struct daemon *d, struct loop *l, bool autostart)
{
	const char *env = getenv("HOLDFAST_AUTOSTART");
	struct news *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	*n = (struct news){ .d = d,
		.loop = l,
		.autostart = autostart && !(env && strcmp(env, "0") == 0),
		.retry_ms = RETRY_MS };
	n->end = &n->first;
	n->folder = -1;
	n->dir = detect_run_dir();
	if (n->dir < 0) {
		(void)log_debug_errno(n->dir, "the monitor's folder");
		return n;
	}
	(void)loop_add_signal(l, SIGCHLD, on_child, n);
	watch_folder(n);
	try_now(n);
	return n;
}

void news_again(struct news *n)
{
	if (!n || n->dir < 0)
		return;
	n->resting = false;
	n->retry_ms = RETRY_MS;
	try_now(n);
}

void news_close(struct news *n)
{
	if (!n)
		return;
	ctl_ask_cancel(n->wait);
	ctl_ask_cancel(n->send);
	loop_del_timer(n->loop, n->retry);
	if (n->folder >= 0) {
		loop_del_fd(n->loop, n->folder);
		auto_close_(&n->folder);
	}
	while (n->first) {
		struct link *k = n->first;

		n->first = k->next;
		free(k);
	}
	auto_close_(&n->dir);
	free(n);
}
