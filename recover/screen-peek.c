/* What the chosen row is about, with the list. It is asked for when the cursor has rested, so that who runs down a list waits
 * for nothing. */
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../lib/auto.h"
#include "screen.h"
#include "xalloc.h"

enum { REST_MS = 60 };

uint64_t peek_now_ms(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Of a list with a peek beside it. A snapshot's flags and marks begin at column 56: they are to be seen. */
static int list_columns(enum view_kind kind)
{
	int share = COLS >= 160 ? COLS * 2 / 5 : COLS / 2, least = COLS >= 160 ? 80 : 76;

	return kind == VIEW_SNAPSHOTS && share < least ? least : share;
}

static bool is_list(enum view_kind kind)
{
	return kind != VIEW_TEXT && kind != VIEW_DIFF && kind != VIEW_HELP;
}

struct split peek_split(const struct screen *s)
{
	int rows = LINES - view_head_rows(s) - 1;
	struct split all = { rows > 1 ? rows : 1, COLS, false, false };

	if (s->no_peek || !is_list(s->view->kind))
		return all;
	if (COLS >= SCREEN_WIDE)
		return (struct split){ all.rows, list_columns(s->view->kind), true, false };
	if (LINES >= SCREEN_TALL)
		return (struct split){ rows / 2, COLS, false, true };
	return all;
}

/* ---- when --------------------------------------------------------------------- */

void peek_follow(struct screen *s)
{
	const struct view *v = s->view;
	bool row = v->at < v->n;

	if (s->want_serial == v->serial && s->want_at == v->at && s->want_row == row)
		return;
	s->want_serial = v->serial;
	s->want_at = v->at;
	s->want_row = row;
	s->want_ms = peek_now_ms() + REST_MS;
}

static bool is_due(const struct screen *s)
{
	struct split sp = peek_split(s);

	return (sp.beside || sp.below) && s->want_row &&
	       !(s->peek && s->peek_serial == s->want_serial && s->peek_at == s->want_at);
}

int peek_wait(const struct screen *s)
{
	uint64_t now = peek_now_ms();

	if (!is_due(s))
		return -1;
	return now >= s->want_ms ? 0 : (int)(s->want_ms - now);
}

/* ---- what --------------------------------------------------------------------- */

struct words {
	char *w[8];
	size_t n;
};

static void words_release(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->w[i]);
}

static void add(struct words *w, const char *a, const char *b, const char *c)
{
	w->w[w->n++] = xasprintf("%s%s%s", a, b, c);
}

static void say_changed(struct words *w, const char *id, const struct row *row)
{
	add(w, "diff", "", "");
	add(w, id, "~1", "");
	add(w, id, "", "");
	add(w, "--", "", "");
	add(w, row->path, "", "");
}

static void say_content(struct words *w, const char *id, const struct row *row)
{
	add(w, row->folder ? "ls" : "cat", "", "");
	if (row->folder) {
		add(w, id, "", "");
		add(w, "--", "", "");
		add(w, row->path, "", "");
	} else {
		add(w, id, ":", row->path);
	}
}

static void say_snapshot(struct words *w, const struct row *row)
{
	if (row->event) {
		add(w, "report", "", "");
		add(w, "--event", "", "");
		add(w, row->event, "", "");
	} else if (row->id) {
		add(w, "show", "", "");
		add(w, row->id, "", "");
	}
}

static void say_versions(struct words *w, const struct row *row)
{
	add(w, "history", "", "");
	add(w, *row->path == '-' ? "./" : "", row->path, "");
}

/* None: nothing is known of this row. */
static void find_words(const struct screen *s, struct words *w)
{
	const struct row *row = &s->view->row[s->view->at];
	const char *id = row->id ? row->id : s->view->id;

	if (row->buffer) {
		add(w, "unsaved", "", "");
		add(w, "cat", "", "");
		add(w, row->buffer, "", "");
	} else if (s->view->kind == VIEW_SNAPSHOTS) {
		say_snapshot(w, row);
	} else if (row->path && s->view->kind == VIEW_FOUND) {
		say_versions(w, row);
	} else if (!row->path || !id) {
		return;
	} else if (s->view->kind == VIEW_TREE || s->view->kind == VIEW_DELETED || row->added ||
		   row->folder) {
		say_content(w, id, row);
	} else {
		say_changed(w, id, row);
	}
}

void peek_stop(struct screen *s)
{
	if (s->peek)
		view_free(s->peek);
	s->peek = NULL;
}

void peek_start(struct screen *s)
{
	autoput(words_release) struct words w = { 0 };
	autofree char *title = NULL;

	peek_stop(s);
	if (s->view->serial == s->want_serial && s->view->at < s->view->n)
		find_words(s, &w);
	title = w.n ? feed_command((const char *const *)w.w) : xstrdup("");
	s->peek = view_new(s, VIEW_TEXT, NULL, NULL, title);
	s->peek_serial = s->want_serial;
	s->peek_at = s->want_at;
	if (w.n)
		view_start(s, s->peek, (const char *const *)w.w);
	else
		s->peek->exit_code = 0;
}

/* ---- where -------------------------------------------------------------------- */

static void draw_edge(const struct split *sp, int top, int height)
{
	if (!sp->beside)
		return;
	term_style(TERM_DIM, false, false);
	for (int i = 0; i < height; i++)
		term_put(top + i, sp->columns - 1, 1, term_is_utf8() ? "\xe2\x94\x82" : "|");
	term_style(TERM_PLAIN, false, false);
}

void peek_draw(struct screen *s)
{
	struct split sp = peek_split(s);
	int top = view_head_rows(s), x = sp.beside ? sp.columns : 0, width = COLS - x;
	int y = sp.beside ? top : top + sp.rows, height = LINES - 1 - y;
	/* Of another row it would mislead; of the row before it may stay for the moment. */
	const struct view *v = s->peek && s->peek_serial == s->view->serial ? s->peek : NULL;

	if ((!sp.beside && !sp.below) || height < 2)
		return;
	draw_edge(&sp, top, height);
	term_style(TERM_DIM, false, !sp.beside);
	term_put(y, x, width, v ? v->title : "");
	term_style(TERM_PLAIN, false, false);
	for (int i = 1; i < height; i++) {
		static char nothing[] = "";
		const struct row none = { .text = nothing };

		view_draw_row(
			y + i, x, width, 0, v && (size_t)i <= v->n ? &v->row[i - 1] : &none, false);
	}
}
