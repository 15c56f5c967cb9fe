/* detect-top: see top.h. Started by detect. */
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "detect/top.h"
#include "lib/auto.h"
#include "lib/become.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/term.h"
#include "lib/text.h"

enum { TICK_MS = 1000, SHORTEST_MS = 100, LONGEST_MS = 60000 };

static bool quit;

static uint64_t now_ms(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void draw(void *arg)
{
	static struct top_page p;
	struct top *t = arg;

	if (top_page(t, (unsigned)LINES, (unsigned)COLS, &p) < 0)
		return;
	for (unsigned i = 0; i < p.n; i++) {
		const struct top_row *row = &p.row[i];

		term_style((enum term_style)row->style, row->bold, row->at || row->bar);
		/* The last place of all cannot be written without scrolling. */
		term_put((int)i, 0, i + 1 == (unsigned)LINES ? COLS - 1 : COLS,
			row->text.data ? row->text.data : "");
	}
	top_page_release(&p);
	term_style(TERM_PLAIN, false, false);
	(void)move(LINES - 1, COLS - 1);
	term_refresh();
}

static void act(struct top *t, enum top_act a)
{
	char question[256];

	if (!top_question(t, a, question, sizeof(question)))
		return;
	if (term_confirm(question, draw, t))
		top_do(t, a);
	else
		(void)snprintf(t->message, sizeof(t->message), "nothing was done");
}

static void become_detect(void *arg)
{
	_exit(become("detect-core", arg));
}

static void clean(struct top *t)
{
	char name[] = DETECT, word[] = "clean", dry[] = "--dry-run";
	char *look[] = { name, word, dry, NULL }, *argv[] = { name, word, NULL };

	if (term_run(DETECT " clean --dry-run", true, become_detect, look) == EXIT_DONE &&
		term_confirm("free that now? (" DETECT " clean) [y/N] ", draw, t))
		(void)term_run(DETECT " clean", true, become_detect, argv);
}

static void gate(struct top *t)
{
	char line[1024], shown[1100], *save = NULL;
	char name[] = DETECT, word[] = "gate", no[] = "--no-snapshot", dashes[] = "--",
	     *argv[40] = { name, word, no, dashes };
	unsigned n = 4;

	if (!term_prompt("is there room for which command? ", line, sizeof(line), draw, t))
		return;
	(void)snprintf(shown, sizeof(shown), DETECT " gate --no-snapshot -- %s", line);
	for (char *w = strtok_r(line, " \t", &save); w && n < 39; w = strtok_r(NULL, " \t", &save))
		argv[n++] = w;
	if (n > 4)
		(void)term_run(shown, true, become_detect, argv);
}

static void slower(struct top *t, bool slower)
{
	uint64_t ms = slower ? t->tick_ms * 2 : t->tick_ms / 2;

	t->tick_ms = ms < SHORTEST_MS ? SHORTEST_MS : ms > LONGEST_MS ? LONGEST_MS : ms;
	(void)snprintf(t->message, sizeof(t->message), "a look every %u.%u s",
		(unsigned)(t->tick_ms / 1000), (unsigned)(t->tick_ms % 1000 / 100));
}

/* Nothing but the page: from there one comes back. */
static void show(struct top *t, bool *what)
{
	t->help = t->events = false;
	if (what)
		*what = true;
	t->top = t->event_at = 0;
}

static void scroll_by(struct top *t, long by)
{
	long to = (long)t->top + by;

	if (t->help)
		t->top = to < 0 ? 0 : to > TOP_ROWS ? TOP_ROWS : (unsigned)to;
	else
		top_move(t, by);
}

static void do_verb(struct top *t, enum top_verb verb)
{
	static const long far = 100000;

	switch (verb) {
	case TOP_DO_NOTHING:
		break;
	case TOP_DO_DOWN:
		scroll_by(t, 1);
		break;
	case TOP_DO_UP:
		scroll_by(t, -1);
		break;
	case TOP_DO_PAGE_DOWN:
		scroll_by(t, LINES / 2);
		break;
	case TOP_DO_PAGE_UP:
		scroll_by(t, -(LINES / 2));
		break;
	case TOP_DO_FIRST:
		scroll_by(t, -far);
		break;
	case TOP_DO_LAST:
		scroll_by(t, far);
		break;
	case TOP_DO_FOLD:
		top_fold(t);
		break;
	case TOP_DO_FREEZE:
		act(t, TOP_FREEZE);
		break;
	case TOP_DO_RESUME:
		act(t, TOP_RESUME);
		break;
	case TOP_DO_ASK:
		act(t, TOP_ASK);
		break;
	case TOP_DO_END:
		act(t, TOP_END);
		break;
	case TOP_DO_KILL:
		act(t, TOP_KILL);
		break;
	case TOP_DO_CLEAN:
		clean(t);
		break;
	case TOP_DO_GATE:
		gate(t);
		break;
	case TOP_DO_EVENTS:
		show(t, &t->events);
		break;
	case TOP_DO_SLOWER:
	case TOP_DO_FASTER:
		slower(t, verb == TOP_DO_SLOWER);
		break;
	case TOP_DO_REDRAW:
		(void)clearok(curscr, TRUE);
		break;
	case TOP_DO_HELP:
		show(t, &t->help);
		break;
	case TOP_DO_BACK:
		show(t, NULL);
		break;
	case TOP_DO_QUIT:
		quit = true;
	}
}

static void do_key(struct top *t, int key)
{
	*t->message = '\0';
	do_verb(t, top_verb_of(t, key));
}

static void loop(struct top *t)
{
	uint64_t next = 0;

	while (!quit && !term_ended()) {
		struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
		uint64_t now = now_ms();
		int key;

		if (now >= next) {
			top_read(t);
			next = now_ms() + t->tick_ms;
		}
		draw(t);
		now = now_ms();
		if (term_poll(&in, 1, next > now ? (int)(next - now) : 0) > 0 &&
			in.revents & (POLLHUP | POLLERR))
			return;
		while (!quit && !term_ended() && (key = term_key()) != ERR) {
			if (key != KEY_RESIZE)
				do_key(t, key);
			/* What was done shows at the next look, not a tick later. */
			next = now_ms() + 100 < next ? now_ms() + 100 : next;
		}
	}
}

/* 1: help. argv[1] is "top". */
static int parse(int argc, char **argv, uint64_t *tick_ms, bool *once)
{
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--once") == 0)
			*once = true;
		else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return 1;
		else if (strcmp(argv[i], "--interval") == 0 && i + 1 < argc &&
			 text_parse_duration_ms(argv[i + 1], tick_ms) == 0 &&
			 *tick_ms >= SHORTEST_MS && *tick_ms <= LONGEST_MS)
			i++;
		else
			return -EINVAL;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct top t;
	struct detect_settings set;
	uint64_t tick_ms = TICK_MS;
	bool once = !isatty(STDOUT_FILENO);
	int r = parse(argc, argv, &tick_ms, &once);

	(void)setlocale(LC_ALL, "");
	log_init(DETECT, LOG_WARN);
	if (r == 1)
		return top_help();
	if (r < 0) {
		log_error("usage: " DETECT " top [--interval TIME] [--once]; TIME is 100ms to 60s");
		return EXIT_USAGE;
	}
	if (detect_settings_load(&set) < 0) {
		detect_settings_release(&set);
		return EXIT_USAGE; /* said where it was found */
	}
	r = top_open(&t, machine_roots(), &set, tick_ms);
	if (r < 0) {
		(void)log_error_errno(r, "%s: cannot be read, is it mounted?", machine_roots()->proc);
		detect_settings_release(&set);
		return EXIT_ENV;
	}
	t.utf8 = term_is_utf8();
	if (once || term_is_dumb()) {
		t.utf8 = t.utf8 && !term_is_dumb();
		r = top_lines(&t, once);
	} else {
		term_start();
		loop(&t);
		term_end();
		r = EXIT_DONE;
	}
	top_close(&t);
	detect_settings_release(&set);
	if (term_ended())
		term_die();
	return r;
}
