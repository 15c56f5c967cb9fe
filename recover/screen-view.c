#include "screen.h"

#include <ncurses.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/term.h"
#include "xalloc.h"

static void style(unsigned char of, bool reverse)
{
	term_style((enum term_style)of, of == STYLE_HUNK || of == STYLE_HEAD || of == STYLE_WARN, reverse);
}

/* A line of the summary goes on below its words, up to so many rows: what happened is not to be cut in a small window. */
enum { HEAD_ROWS = 3, HEAD_INDENT = 11, LIST_ROWS = 8, LEAST_HALVES = 20 };

static const char *next_part(const char *text, bool first)
{
	text += term_fit(text, first ? COLS : COLS - HEAD_INDENT);
	return text + strspn(text, " ");
}

static int parts(const char *text, int most)
{
	int n = 0;

	do
		text = next_part(text, n == 0);
	while (++n < most && *text);
	return n;
}

/* Rows for each: as many as it takes, where the list below keeps some. */
static int rows_for_each(const struct screen *s)
{
	int n = 0;

	if (COLS < 4 * HEAD_INDENT)
		return 1;
	for (size_t i = 0; i < s->n_head; i++)
		n += parts(s->head[i].text, HEAD_ROWS);
	return n + 3 + LIST_ROWS <= LINES ? HEAD_ROWS : 1;
}

int view_head_rows(const struct screen *s)
{
	int n = 1, most;

	if (s->view->kind != VIEW_SNAPSHOTS || LINES <= 16 || !s->n_head)
		return n;
	most = rows_for_each(s);
	for (size_t i = 0; i < s->n_head; i++)
		n += parts(s->head[i].text, most);
	return n + 1;
}

size_t view_height(const struct screen *s)
{
	int h = peek_split(s).rows;

	return h > 1 ? (size_t)h : 1;
}

static void keep_in_sight(struct screen *s)
{
	struct view *v = s->view;
	size_t h = view_height(s);

	if (v->n == 0)
		v->at = 0;
	else if (v->at >= v->n)
		v->at = v->n - 1;
	if (v->at < v->top)
		v->top = v->at;
	if (v->at >= v->top + h)
		v->top = v->at - h + 1;
	/* In a window that has grown the rows before fill it. */
	if (v->exit_code != -1 && v->top && v->top + h > v->n)
		v->top = v->n > h ? v->n - h : 0;
}

void view_to(struct screen *s, size_t row)
{
	s->view->keep.on = false;
	s->view->at = row;
	keep_in_sight(s);
}

void view_move(struct screen *s, long by)
{
	struct view *v = s->view;
	long at = (long)v->at + by;

	view_to(s, at < 0 ? 0 : (size_t)at);
}

/* ---- sideways ---------------------------------------------------------------- */

/* Columns in which a row's text, or a half of it, is seen. */
static int text_columns(const struct screen *s, const struct row *row)
{
	int width = peek_split(s).columns - peek_split(s).beside - 1;

	width = row->right && width >= LEAST_HALVES ? (width - 3) / 2 : width;
	return width > 1 ? width : 1;
}

static bool goes_on(const struct screen *s, const struct row *row, int end)
{
	end += text_columns(s, row);
	return term_columns(row->text, strlen(row->text)) > end ||
	       (row->right && term_columns(row->right, strlen(row->right)) > end);
}

void view_sideways(struct screen *s, int direction)
{
	struct view *v = s->view;
	size_t h = view_height(s);
	int least = COLS;
	bool more = direction < 0;

	for (size_t i = v->top; i < v->n && i < v->top + h; i++) {
		int width = text_columns(s, &v->row[i]);

		least = width < least ? width : least;
		more = more || goes_on(s, &v->row[i], v->skip);
	}
	if (!more)
		return;
	v->skip += direction * ((least + 1) / 2);
	if (v->skip < 0)
		v->skip = 0;
}

/* Where it begins is to be seen. */
static void show_hit(struct screen *s, const struct row *row, const char *text, const char *hit)
{
	struct view *v = s->view;
	int col = term_columns(text, (size_t)(hit - text)), width = text_columns(s, row);

	/* In the first and the last column may stand a mark. */
	if ((v->skip && col <= v->skip) || col >= v->skip + width - 1)
		v->skip = col < width - 1 ? 0 : col - 1 - (col - 1) % ((width + 1) / 2);
}

/* In any case of letters, as far as ASCII goes. */
static bool matches(struct screen *s, const struct row *row, const char *word)
{
	const char *left = strcasestr(row->text, word), *right = !left && row->right ? strcasestr(row->right, word) : NULL;

	if (left || right)
		show_hit(s, row, left ? row->text : row->right, left ? left : right);
	return left || right;
}

void view_search(struct screen *s, int direction, bool from_here)
{
	struct view *v = s->view;

	if (!s->word || !v->n)
		return;
	for (size_t i = from_here ? 0 : 1; i <= v->n; i++) {
		size_t k = direction > 0 ? (v->at + i) % v->n : (v->at + v->n - i % v->n) % v->n;

		if (matches(s, &v->row[k], s->word)) {
			view_to(s, k);
			return;
		}
	}
	(void)snprintf(s->message, sizeof(s->message), "not found: %s", s->word);
}

/* One half is as wide as the other, or a column less. */
static void draw_halves(int y, int x, int width, int skip, const struct row *row, bool at)
{
	int left = (width - 3) / 2;

	style(row->style, at);
	term_put_from(y, x, left, skip, row->text);
	style(STYLE_DIM, at);
	term_put(y, x + left, 3, term_is_utf8() ? " \xe2\x94\x82 " : " | ");
	style(row->right_style, at);
	term_put_from(y, x + left + 3, width - left - 3, skip, row->right);
}

void view_draw_row(int y, int x, int width, int skip, const struct row *row, bool at)
{
	style(row->style, at);
	term_put(y, x, 1, row->chosen ? "*" : " ");
	if (row->right && width > LEAST_HALVES)
		draw_halves(y, x + 1, width - 1, skip, row, at);
	else
		term_put_from(y, x + 1, width - 1, skip, row->text);
	term_style(TERM_PLAIN, false, false);
}

static unsigned percent(const struct view *v)
{
	uint64_t n = v->looked_into < v->of ? v->looked_into : v->of;

	return v->of ? (unsigned)(100 * n / v->of) : 0;
}

static void say_state(const struct view *v, char *ret, size_t size)
{
	*ret = '\0';
	if (v->stopped && v->exit_code != 0 && v->exit_code != 1)
		(void)snprintf(ret, size, " stopped at %u %%", percent(v));
	else if (view_searches(v))
		(void)snprintf(ret, size, ", %u %%, Esc stops", percent(v));
	else if (v->exit_code == -1)
		(void)snprintf(ret, size, "...");
	else if (v->exit_code > 1)
		(void)snprintf(ret, size, " (exit %d)", v->exit_code);
}

/* What is left of a line behind its last row is cut by the window. */
static int draw_parts(int y, const char *text, int most)
{
	int n = 0;

	do {
		const char *next = next_part(text, n == 0);
		autofree char *shown = n + 1 < most ? xstrndup(text, (size_t)(next - text)) : xstrdup(text);
		int x = n ? HEAD_INDENT : 0;

		term_put(y + n, 0, x, "");
		term_put(y + n, x, COLS - x, shown);
		text = next;
	} while (++n < most && *text);
	return n;
}

static void draw_summary(const struct screen *s)
{
	int end = view_head_rows(s), y = 1, most = end > 1 ? rows_for_each(s) : 0;

	for (size_t i = 0; i < s->n_head && y < end; i++) {
		style(s->head[i].style, false);
		y += draw_parts(y, s->head[i].text, most);
	}
	term_style(TERM_PLAIN, false, false);
	for (; y < end; y++) {
		(void)move(y, 0);
		(void)clrtoeol();
	}
}

static void draw_head(const struct screen *s)
{
	const struct view *v = s->view;
	char right[96], state[32];
	int n;

	say_state(v, state, sizeof(state));
	n = snprintf(right, sizeof(right), " %zu/%zu%s ", v->n ? v->at + 1 : 0, v->n, state);
	term_style(TERM_PLAIN, false, true);
	term_put(0, 0, COLS - n, v->title);
	term_put(0, COLS - n > 0 ? COLS - n : 0, n, right);
	term_style(TERM_PLAIN, false, false);
	draw_summary(s);
}

/* A diff in halves where they are wide enough to be read, and the user wants it so. */
static void fit_halves(struct screen *s)
{
	struct view *v = s->view;
	bool halves = COLS >= SCREEN_WIDE && !s->inline_;

	if ((v->kind != VIEW_DIFF && v->kind != VIEW_TEXT) || v->halves == halves)
		return;
	v->halves = halves;
	if (v->words && v->n)
		view_again(s, v);
}

void view_draw(struct screen *s)
{
	const struct view *v = s->view;
	size_t h = view_height(s);
	int y = view_head_rows(s), columns = peek_split(s).columns, edge = peek_split(s).beside;

	fit_halves(s);
	keep_in_sight(s);
	draw_head(s);
	for (size_t i = 0; i < h; i++, y++) {
		if (v->top + i < v->n) {
			view_draw_row(y, 0, columns - edge, v->skip, &v->row[v->top + i], v->top + i == v->at);
		} else {
			(void)move(y, 0);
			(void)clrtoeol();
			if (i == 0 && !v->n && v->exit_code != -1)
				term_put(y, 1, columns - 1, v->note ? v->note : "nothing");
		}
	}
	peek_draw(s);
	term_style(TERM_PLAIN, true, false);
	term_put(LINES - 1, 0, COLS - 1, *s->message ? s->message : keys_hint(v->kind, COLS - 1));
	term_style(TERM_PLAIN, false, false);
	(void)clrtoeol();
	(void)move(LINES - 1, COLS - 1);
	term_refresh();
}

struct view *view_new(struct screen *s, enum view_kind kind, const char *id, const char *path, const char *title)
{
	struct view *v = xcalloc(1, sizeof(*v));

	v->kind = kind;
	v->serial = ++s->serial;
	v->title = xstrdup(title);
	v->id = id ? xstrdup(id) : NULL;
	v->path = path ? xstrdup(path) : NULL;
	v->feed.fd = -1;
	v->exit_code = -1;
	return v;
}

static char **copy_words(const char *const *words)
{
	size_t n = 0;
	char **c;

	while (words[n])
		n++;
	c = xcalloc(n + 1, sizeof(*c));
	for (size_t i = 0; i < n; i++)
		c[i] = xstrdup(words[i]);
	return c;
}

void view_start(struct screen *s, struct view *v, const char *const *words)
{
	int r;

	feed_stop(&v->feed);
	rows_release(v);
	if (words)
		v->words = copy_words(words);
	v->exit_code = -1;
	v->looked_into = v->of = 0;
	v->stopped = false;
	r = feed_start(s, &v->feed, (const char *const *)v->words);
	if (r == 0)
		return;
	v->exit_code = 4;
	(void)snprintf(s->message, sizeof(s->message), "%s: %s", s->recover, strerror(-r));
}

struct view *view_push(struct screen *s, enum view_kind kind, const char *id, const char *path, const char *title,
	const char *const *words)
{
	struct view *v = view_new(s, kind, id, path, title);

	v->halves = (kind == VIEW_DIFF || kind == VIEW_TEXT) && COLS >= SCREEN_WIDE && !s->inline_;
	v->below = s->view;
	s->view = v;
	if (words)
		view_start(s, v, words);
	return v;
}

void view_again(struct screen *s, struct view *v)
{
	keep_note(v);
	view_start(s, v, NULL);
}

/* What is on top anew. */
static void anew(struct screen *s)
{
	struct view *v = s->view;

	v->stale = false;
	if (!v->words)
		return;
	if (v->kind == VIEW_SNAPSHOTS)
		keys_snapshots(s);
	else
		view_again(s, v);
}

void view_changed(struct screen *s)
{
	for (struct view *v = s->view; v; v = v->below) {
		v->stale = true;
		for (size_t i = 0; i < v->n; i++)
			v->row[i].chosen = false;
	}
	peek_stop(s);
	anew(s);
}

void view_free(struct view *v)
{
	feed_stop(&v->feed);
	keep_drop(v);
	rows_release(v);
	free(v->title);
	free(v->id);
	free(v->path);
	free(v->note);
	for (size_t i = 0; v->words && v->words[i]; i++)
		free(v->words[i]);
	free(v->words);
	free(v);
}

void view_pop(struct screen *s)
{
	struct view *v = s->view;

	if (!v->below)
		return;
	s->view = v->below;
	view_free(v);
	if (s->view->stale)
		anew(s);
}

bool view_searches(const struct view *v)
{
	return v->kind == VIEW_FOUND && v->feed.pid && !v->stopped && strcmp(v->words[2], "--progress") == 0;
}

bool view_stop(struct view *v)
{
	if (!view_searches(v))
		return false;
	v->stopped = true;
	feed_interrupt(&v->feed);
	return true;
}

static void redraw(void *arg)
{
	view_draw(arg);
}

bool view_prompt(struct screen *s, const char *what, char *ret, size_t size)
{
	return term_prompt(what, ret, size, redraw, s);
}
