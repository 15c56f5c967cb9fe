/* recover-screen: see screen.h. Started by recover, which says where it is: --recover PATH, then its own
 * options. */
#include <errno.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "screen.h"
#include "xalloc.h"

enum { MOST_PEEK = 500, NEWEST_ROWS = 500 };

static void head_release(struct screen *s)
{
	for (size_t i = 0; i < s->n_head; i++)
		free(s->head[i].text);
	s->n_head = 0;
	s->head_stale = false;
}

/* Does the list have the newest snapshot that the summary tells of? It stands before all but events. */
static bool list_is_new(const struct view *list, const char *newest)
{
	for (size_t i = 0; i < list->n && i < NEWEST_ROWS; i++)
		if (list->row[i].id && strncmp(list->row[i].id, newest, strlen(newest)) == 0)
			return true;
	return !*newest || (!list->n && list->feed.fd >= 0);
}

static void head_told(struct screen *s)
{
	struct view *list = s->view;

	while (list->below)
		list = list->below;
	list->stale |= !list_is_new(list, s->newest);
}

static void head_line(char *line, void *arg)
{
	struct screen *s = arg;

	(void)sscanf(line, "last %15s", s->newest);
	if (s->head_stale)
		head_release(s);
	/* The summary; what follows its empty line is for those who have no screen. */
	if (s->n_head == sizeof(s->head) / sizeof(*s->head) || !*line || strncmp(line, "  ", 2) == 0)
		return;
	s->head[s->n_head] = (struct row){ .text = xstrdup(line) };
	if (strstr(line, "not running") || strstr(line, "does not answer") || strncmp(line, "crash", 5) == 0 || strncmp(line, "lost", 4) == 0 ||
		strstr(line, "emptied") || strstr(line, "dropped"))
		s->head[s->n_head].style = STYLE_WARN;
	s->n_head++;
}

static void view_line(char *line, void *arg)
{
	row_add(arg, line);
}

/* Something to draw? */
static bool take_rows(struct screen *s)
{
	bool any = false;
	int code;

	if (s->head_feed.fd >= 0) {
		size_t n = s->n_head;

		if (feed_read(&s->head_feed, head_line, s, &code)) {
			head_told(s);
			any = true;
		}
		any |= s->n_head != n;
	}
	if (s->peek && s->peek->feed.fd >= 0) {
		any |= feed_read(&s->peek->feed, view_line, s->peek, &s->peek->exit_code) || s->peek->n;
		if (s->peek->n > MOST_PEEK)
			feed_stop(&s->peek->feed);
	}
	for (struct view *v = s->view; v; v = v->below) {
		uint64_t looked = v->looked_into;
		size_t n = v->n;

		if (v->feed.fd < 0)
			continue;
		if (feed_read(&v->feed, view_line, v, &v->exit_code))
			any = true;
		any |= v->n != n || v->looked_into != looked;
		keep_seek(s, v);
	}
	if (s->open_later && !s->view->keep.on) {
		if (s->open_later == s->view->serial)
			keys_do(s, '\n');
		s->open_later = 0;
		any = true;
	}
	return any;
}

/* Milliseconds until the summary is asked for again; -1: it is being told. */
static int head_wait(const struct screen *s)
{
	uint64_t now = peek_now_ms();

	if (s->head_feed.fd >= 0 || !s->head_ms)
		return -1;
	return now >= s->head_ms ? 0 : (int)(s->head_ms - now);
}

static int sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Time goes on, and snapshots come, while one looks at them. */
static void keep_up(struct screen *s)
{
	struct view *v = s->view;

	if (head_wait(s) == 0)
		keys_head(s);
	if (v->kind == VIEW_SNAPSHOTS && v->stale && v->feed.fd < 0 && s->head_feed.fd < 0) {
		v->stale = false;
		view_again(s, v);
	}
}

/* Until a key, a line, or the time for a peek. */
static int wait_for(struct screen *s)
{
	struct pollfd p[16] = { { .fd = STDIN_FILENO, .events = POLLIN } };
	nfds_t n = 1;

	if (s->peek && s->peek->feed.fd >= 0)
		p[n++] = (struct pollfd){ .fd = s->peek->feed.fd, .events = POLLIN };

	if (s->head_feed.fd >= 0)
		p[n++] = (struct pollfd){ .fd = s->head_feed.fd, .events = POLLIN };
	for (struct view *v = s->view; v && n < 16; v = v->below)
		if (v->feed.fd >= 0)
			p[n++] = (struct pollfd){ .fd = v->feed.fd, .events = POLLIN };
	/* It fails for a signal alone, and errno may then be another: ncurses' handler of Ctrl-Z does not keep it. */
	if (term_poll(p, n, sooner(peek_wait(s), head_wait(s))) <= 0)
		return 0;
	return p[0].revents & (POLLHUP | POLLERR) ? -EIO : 0;
}

static void loop(struct screen *s)
{
	bool draw = true;

	while (!s->quit && !term_ended()) {
		int key;

		if (draw)
			view_draw(s);
		term_hold_interrupt(view_searches(s->view));
		if (wait_for(s) < 0)
			break;
		draw = term_interrupted() && view_stop(s->view);
		draw |= take_rows(s);
		keep_up(s);
		if (peek_wait(s) == 0) {
			peek_start(s);
			draw = true;
		}
		while (!s->quit && !term_ended() && (key = term_key()) != ERR) {
			if (key != KEY_RESIZE)
				keys_do(s, key);
			draw = true;
		}
		if (!s->quit)
			peek_follow(s);
	}
}

static void release(struct screen *s)
{
	while (s->view) {
		struct view *v = s->view;

		s->view = v->below;
		view_free(v);
	}
	peek_stop(s);
	feed_stop(&s->head_feed);
	head_release(s);
	free(s->word);
	free(s->compare);
}

static bool parse(struct screen *s, int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--recover") == 0)
			s->recover = argv[i + 1];
		else if (strcmp(argv[i], "--workspace") == 0)
			s->workspace = argv[i + 1];
		else if (strcmp(argv[i], "--store") == 0)
			s->store = argv[i + 1];
		else
			return false;
	}
	return s->recover && argc % 2;
}

int main(int argc, char **argv)
{
	struct screen s = { .head_feed = { .fd = -1 } };

	(void)setlocale(LC_ALL, "");
	log_init(RECOVER, LOG_WARN);
	if (!parse(&s, argc, argv)) {
		log_error("usage: recover-screen --recover PATH [--workspace DIR] [--store DIR]; " RECOVER
			  " starts it");
		return EXIT_USAGE;
	}
	/* Paths of a store begin at the workspace, wherever this was typed. */
	if (chdir("/") < 0)
		log_warn("/: %s", strerror(errno));
	if (term_is_dumb())
		return dialogue(&s);
	term_start();
	/* The page first: those that fill it would take the processor from it. */
	keys_title(&s);
	view_draw(&s);
	keys_snapshots(&s);
	loop(&s);
	term_end();
	release(&s);
	if (term_ended())
		term_die();
	return EXIT_DONE;
}
