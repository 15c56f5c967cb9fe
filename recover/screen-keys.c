/* What each key does: one table, from which `?` and the hints come. */
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/term-keys.h"
#include "../lib/term.h"
#include "../lib/text.h"
#include "screen.h"
#include "xalloc.h"

enum { MOST_CHOSEN = 4000, ID_DIGITS = 40 };

#define IN(kind) (1u << (kind))
#define ANYWHERE (~0u)
/* Where a row is a snapshot, where it is a path, where either. */
#define SNAPSHOTS IN(VIEW_SNAPSHOTS)
#define BUFFERS IN(VIEW_UNSAVED)
#define PATHS (IN(VIEW_CHANGES) | IN(VIEW_TREE) | IN(VIEW_HISTORY) | IN(VIEW_DELETED) | IN(VIEW_FOUND))
#define ROWS (SNAPSHOTS | PATHS)
#define HUNKS IN(VIEW_DIFF)
#define HELP IN(VIEW_HELP)
#define TEXTS (IN(VIEW_TEXT) | HUNKS | HELP)
#define LISTS (ROWS | BUFFERS)
#define BACK (~SNAPSHOTS)
#define CTRL(letter) ((letter) - '@')

static struct row *here(struct screen *s)
{
	struct view *v = s->view;

	/* What is shown before the row that the user was at has come is not what he means. */
	return v->at < v->n && !v->keep.on ? &v->row[v->at] : NULL;
}

/* The snapshot a row speaks of: its own, or the view's. */
static const char *id_of(struct screen *s)
{
	const struct row *row = here(s);

	return row && row->id ? row->id : s->view->id;
}

static void say(struct screen *s, const char *what)
{
	(void)snprintf(s->message, sizeof(s->message), "%s", what);
}

/* The same; NULL is said: the row is of something that happened, or none is there. */
static const char *id_or_say(struct screen *s)
{
	const char *id = id_of(s);

	if (!id)
		say(s, here(s) && here(s)->event ? "this is no snapshot: the one before it stands further down"
						 : "no snapshot stands here");
	return id;
}

/* ---- moving ------------------------------------------------------------ */

static void down(struct screen *s)
{
	view_move(s, 1);
}

static void up(struct screen *s)
{
	view_move(s, -1);
}

static void page_down(struct screen *s)
{
	view_move(s, (long)view_height(s));
}

static void page_up(struct screen *s)
{
	view_move(s, -(long)view_height(s));
}

static void first(struct screen *s)
{
	view_to(s, 0);
}

static void last(struct screen *s)
{
	view_to(s, s->view->n ? s->view->n - 1 : 0);
}

static void back(struct screen *s)
{
	view_pop(s);
}

static void right(struct screen *s)
{
	int was = s->view->skip;

	view_sideways(s, 1);
	if (s->view->skip == was)
		say(s, "no line here goes on to the right");
}

static void left(struct screen *s)
{
	view_sideways(s, -1);
}

/* Until it stands at the left edge Left is for that. */
static void left_or_back(struct screen *s)
{
	s->view->skip ? left(s) : back(s);
}

static void quit(struct screen *s)
{
	s->quit = true;
}

/* ---- views --------------------------------------------------------------- */

static void text_view(struct screen *s, const char *title, const char *const *words)
{
	(void)view_push(s, VIEW_TEXT, NULL, NULL, title, words);
}

/* What only an editor has, or how it differs from the file. */
static void text_buffer(struct screen *s, const struct row *row, const char *how)
{
	autofree char *title = xasprintf("never saved: %s", row->text);

	text_view(s, title, (const char *[]){ "unsaved", how, row->buffer, NULL });
}

static void changes(struct screen *s, const char *id)
{
	autofree char *title = xasprintf("%.8s: what changed in it", id);

	(void)view_push(s, VIEW_CHANGES, id, NULL, title, (const char *[]){ "show", "--json", id, NULL });
}

static void tree(struct screen *s, const char *id, const char *dir)
{
	autofree char *title = xasprintf("%.8s:/%s", id, dir ? dir : "");

	(void)view_push(s, VIEW_TREE, id, dir, title,
		(const char *[]){ "ls", "--json", id, dir && *dir ? "--" : NULL, dir, NULL });
}

static void content(struct screen *s)
{
	const struct row *row = here(s);
	const char *id = id_of(s);
	autofree char *what = NULL;

	if (row && row->buffer) {
		text_buffer(s, row, "cat");
		return;
	}
	if (!id || !row || !row->path || row->folder)
		return;
	what = xasprintf("%s:%s", id, row->path);
	text_view(s, what, (const char *[]){ "cat", what, NULL });
}

/* From the snapshot before to this one; of one path, or all. */
static void diff_before(struct screen *s)
{
	const struct row *row = here(s);
	const char *id = row && row->buffer ? NULL : id_or_say(s), *path = row ? row->path : NULL;
	autofree char *before = id ? xasprintf("%s~1", id) : NULL;
	autofree char *title = NULL;

	if (row && row->buffer) {
		text_buffer(s, row, "diff");
		return;
	}
	if (!id)
		return;
	/* All of it is new; and before the first snapshot there is none. */
	if (row && row->added && !row->folder) {
		content(s);
		return;
	}
	title = xasprintf("%.8s: against the one before%s%s", id, path ? ": " : "", path ? path : "");
	text_view(s, title, (const char *[]){ "diff", before, id, path ? "--" : NULL, path, NULL });
}

static void diff_now(struct screen *s)
{
	const struct row *row = here(s);
	const char *id = row && row->buffer ? NULL : id_or_say(s), *path = row ? row->path : NULL;
	autofree char *title = NULL;

	if (row && row->buffer) {
		text_buffer(s, row, "diff");
		return;
	}
	if (!id)
		return;
	title = xasprintf("%.8s: against the workspace now%s%s", id, path ? ": " : "",
		path ? path : "");
	(void)view_push(s, path && !row->folder ? VIEW_DIFF : VIEW_TEXT, id, path, title,
		(const char *[]){ "diff", id, path ? "--" : NULL, path, NULL });
}

static void history(struct screen *s)
{
	const struct row *row = here(s);
	autofree char *title = NULL, *path = NULL;

	if (!row || !row->path)
		return;
	title = xasprintf("%s: every version", row->path);
	/* It is no option, whatever it begins with. */
	path = xasprintf("%s%s", *row->path == '-' ? "./" : "", row->path);
	(void)view_push(s, VIEW_HISTORY, NULL, row->path, title,
		(const char *[]){ "history", "--json", path, NULL });
}

/* All that is known of an end; what else happened is the line itself. */
static void happened(struct screen *s, const struct row *row)
{
	text_view(s, row->text, (const char *[]){ "report", "--event", row->event, NULL });
}

static void open_row(struct screen *s)
{
	const struct row *row = here(s);

	/* Typed before the row was there again. */
	if (s->view->keep.on)
		s->open_later = s->view->serial;
	if (!row)
		return;
	switch (s->view->kind) {
	case VIEW_SNAPSHOTS:
		row->event ? happened(s, row) : changes(s, row->id);
		break;
	case VIEW_TREE:
		row->folder ? tree(s, s->view->id, row->path) : content(s);
		break;
	case VIEW_CHANGES:
		row->folder ? tree(s, s->view->id, row->path) : diff_before(s);
		break;
	case VIEW_HISTORY:
		diff_before(s);
		break;
	case VIEW_DELETED:
		row->folder ? tree(s, row->id, row->path) : content(s);
		break;
	case VIEW_FOUND:
		history(s);
		break;
	case VIEW_UNSAVED:
		text_buffer(s, row, "cat");
		break;
	default:
		break;
	}
}

static void open_tree(struct screen *s)
{
	const char *id = id_or_say(s);

	if (id)
		tree(s, id, NULL);
}

static void deleted(struct screen *s)
{
	(void)view_push(s, VIEW_DELETED, NULL, NULL, "files that are gone, and the snapshot that still has them",
		(const char *[]){ "deleted", "--json", NULL });
}

static void report(struct screen *s)
{
	text_view(s, "what happened", (const char *[]){ "report", NULL });
}

static void status(struct screen *s)
{
	text_view(s, "how well this workspace is protected", (const char *[]){ "status", NULL });
}

static void find(struct screen *s)
{
	char word[256];
	autofree char *title = NULL, *pattern = NULL;

	if (!view_prompt(s, "find paths (part of a name, or like *.py), over all time: ", word, sizeof(word)))
		return;
	pattern = strpbrk(word, "*?[") ? xstrdup(word) : xasprintf("*%s*", word);
	title = xasprintf("paths that match %s", pattern);
	(void)view_push(s, VIEW_FOUND, NULL, NULL, title, (const char *[]){ "find", "--json", pattern, NULL });
}

static void find_text(struct screen *s)
{
	char word[256];
	autofree char *title = NULL;

	if (!view_prompt(s, "find a text, in every version of every file: ", word, sizeof(word)))
		return;
	title = xasprintf("files that hold or held: %s", word);
	(void)view_push(s, VIEW_FOUND, NULL, NULL, title, (const char *[]){ "find", "--json", "--progress", "--text", word, NULL });
}

static void unsaved(struct screen *s)
{
	(void)view_push(s, VIEW_UNSAVED, NULL, NULL, "texts that were never saved: only an editor has them",
		(const char *[]){ "unsaved", "--json", NULL });
}

/* The newest is the first. */
static bool stands_below(const struct screen *s, const char *id)
{
	for (size_t i = s->view->at; i < s->view->n; i++)
		if (s->view->row[i].id && strcmp(s->view->row[i].id, id) == 0)
			return true;
	return false;
}

static void compare(struct screen *s)
{
	const char *id = id_or_say(s), *older, *newer;
	autofree char *title = NULL;

	if (!id)
		return;
	if (!s->compare) {
		s->compare = xstrdup(id);
		(void)snprintf(s->message, sizeof(s->message), "%.8s: now c on the other one", id);
		return;
	}
	older = stands_below(s, s->compare) ? s->compare : id;
	newer = older == id ? s->compare : id;
	title = xasprintf("%.8s against %.8s", older, newer);
	text_view(s, title, (const char *[]){ "diff", older, newer, NULL });
	free(s->compare);
	s->compare = NULL;
}

static void search(struct screen *s)
{
	char word[256];

	if (!view_prompt(s, "/", word, sizeof(word)))
		return;
	free(s->word);
	s->word = xstrdup(word);
	view_search(s, 1, true);
}

static void next(struct screen *s)
{
	view_search(s, 1, false);
}

static void previous(struct screen *s)
{
	view_search(s, -1, false);
}

/* ---- what writes: recover itself, with its plan and its question ------------- */

static const char restored[] = "restored; u takes it back";
/* Also where it was there already. u would take back an older restore, which is not what is meant. */
static const char beside[] = "the text is in a file of its own; nothing was replaced";

void keys_title(struct screen *s)
{
	(void)view_push(s, VIEW_SNAPSHOTS, NULL, NULL, " Holdfast: snapshots", NULL);
}

void keys_head(struct screen *s)
{
	feed_stop(&s->head_feed);
	s->head_stale = true;
	s->head_ms = peek_now_ms() + SCREEN_HEAD_MS;
	(void)feed_start(s, &s->head_feed, NULL);
}

void keys_snapshots(struct screen *s)
{
	static const char *const words[] = { "list", "--json", "--events", NULL };

	if (s->view->words)
		view_again(s, s->view);
	else
		view_start(s, s->view, words);
	keys_head(s);
}

/* recover has run on the terminal. Where it said no, or could not, all is as it was. */
static void ran(struct screen *s, int rc, const char *done)
{
	if (rc == EXIT_NO || rc == EXIT_USAGE || rc == EXIT_ENV) {
		say(s, "nothing was changed");
		return;
	}
	view_changed(s);
	say(s, rc == EXIT_DONE ? done : "done in part, or interrupted: R and S say how things are");
}

/* The change the cursor stands in, then on to the next. */
static void choose_hunk(struct screen *s)
{
	struct view *v = s->view;
	size_t at = v->at;

	while (at < v->n && at > 0 && !v->row[at].hunk)
		at--;
	if (at >= v->n || !v->row[at].hunk) {
		say(s, "no change stands here");
		return;
	}
	v->row[at].chosen = !v->row[at].chosen;
	for (at = v->at + 1; at < v->n && !v->row[at].hunk; at++)
		;
	if (at < v->n)
		view_to(s, at);
}

/* "1,3": the chosen changes, else the one here; NULL: none. Yours. */
static char *hunk_numbers(struct screen *s)
{
	const struct view *v = s->view;
	struct buf b = BUF_INIT;
	size_t n = 0, here_n = 0;

	for (size_t i = 0; i < v->n; i++) {
		if (!v->row[i].hunk)
			continue;
		n++;
		if (i <= v->at)
			here_n = n;
		if (v->row[i].chosen && buf_printf(&b, "%s%zu", b.len ? "," : "", n) < 0)
			xalloc_failed();
	}
	if (!b.len && here_n && buf_printf(&b, "%zu", here_n) < 0)
		xalloc_failed();
	return b.len ? buf_detach(&b, NULL) : NULL;
}

static void restore_hunks(struct screen *s)
{
	autofree char *numbers = hunk_numbers(s);
	const struct view *v = s->view;
	bool any = false;

	if (!numbers) {
		for (size_t i = 0; i < v->n; i++)
			any |= v->row[i].hunk;
		say(s, any ? "no change stands here: go to one (@@), or choose some with Space"
			   : "there is no change to take back");
		return;
	}
	ran(s, feed_run(s, true,
		       (const char *[]){ "restore", s->view->id, "--hunk", numbers, "--",
			       s->view->path, NULL }),
		restored);
}

static void choose(struct screen *s)
{
	struct row *row = here(s);

	if (s->view->keep.on)
		return;
	if (s->view->kind == VIEW_DIFF) {
		choose_hunk(s);
		return;
	}

	if (row && row->path)
		row->chosen = !row->chosen;
	down(s);
}

/* The chosen rows, else the one here. */
static void add_chosen(struct screen *s, const char **words, size_t most)
{
	const struct view *v = s->view;
	size_t n = 0;

	for (size_t i = 0; i < v->n && n < most; i++)
		if (v->row[i].chosen && v->row[i].path)
			words[n++] = v->row[i].path;
	if (!n && here(s) && here(s)->path)
		words[n] = here(s)->path;
}

static void restore(struct screen *s)
{
	autofree const char **words = xcalloc(MOST_CHOSEN + 8, sizeof(*words));
	const char *id;
	size_t n = 0;

	if (s->view->keep.on)
		return;
	if (s->view->kind == VIEW_DIFF) {
		restore_hunks(s);
		return;
	}
	if (here(s) && here(s)->buffer) {
		ran(s, feed_run(s, true,
			       (const char *[]){ "unsaved", "restore", here(s)->buffer, NULL }),
			beside);
		return;
	}
	id = id_or_say(s);
	if (!id)
		return;
	words[n++] = "restore";
	words[n++] = id;
	if (s->view->kind != VIEW_SNAPSHOTS) {
		words[n++] = "--";
		add_chosen(s, words + n, MOST_CHOSEN);
	}
	ran(s, feed_run(s, true, words), restored);
}

static void undo(struct screen *s)
{
	ran(s, feed_run(s, true, (const char *[]){ "undo", NULL }),
		"taken back; u again restores it again");
}

static void mark(struct screen *s)
{
	const char *id = id_or_say(s);
	char name[101];

	if (!id || !view_prompt(s, "a name for this snapshot (it is then never thinned out): ", name, sizeof(name)))
		return;
	/* What it says of a name that is none, or that another snapshot had, is to be read. */
	if (feed_ask(s, (const char *[]){ "mark", id, name, NULL }) == EXIT_DONE)
		view_again(s, s->view);
	else if (!*s->message)
		say(s, "not marked");
}

static void again(struct screen *s)
{
	if (s->view->kind == VIEW_SNAPSHOTS)
		keys_snapshots(s);
	else if (s->view->words)
		view_again(s, s->view);
	peek_stop(s);
}

static void redraw(struct screen *s)
{
	(void)s;
	(void)clearok(curscr, TRUE);
}

static void halves(struct screen *s)
{
	s->inline_ = !s->inline_;
	say(s, COLS < SCREEN_WIDE ? "there is no room for two halves: 120 columns are needed"
	       : s->inline_	  ? "before and after one below the other"
				  : "before and after beside each other");
}

static void peek(struct screen *s)
{
	s->no_peek = !s->no_peek;
	peek_stop(s);
	say(s, COLS < SCREEN_WIDE && LINES < SCREEN_TALL
		       ? "there is no room to show it here: 120 columns or 36 rows are needed"
	       : s->no_peek ? "the list alone"
			    : "what a row is about stands with it");
}

static void mouse(struct screen *s)
{
	s->mouse = !s->mouse;
	term_mouse(s->mouse);
	say(s, s->mouse ? "a click chooses, another opens, the wheel moves; M: the terminal's own again" : "the mouse is the terminal's");
}

static void click(struct screen *s, const MEVENT *e)
{
	struct view *v = s->view;
	size_t at;

	if (e->bstate & (BUTTON4_PRESSED | BUTTON5_PRESSED)) {
		view_move(s, e->bstate & BUTTON4_PRESSED ? -3 : 3);
		return;
	}
	if (!(e->bstate & BUTTON1_PRESSED) || e->y < view_head_rows(s) ||
		e->x >= peek_split(s).columns || e->y - view_head_rows(s) >= peek_split(s).rows)
		return;
	at = v->top + (size_t)(e->y - view_head_rows(s));
	if (at >= v->n)
		return;
	if (at == v->at)
		open_row(s);
	else
		view_to(s, at);
}

/* Of several that came together curses gives the last first. */
static void clicked(struct screen *s)
{
	MEVENT e[8];
	size_t n = 0;

	while (n < sizeof(e) / sizeof(*e) && getmouse(&e[n]) == OK)
		n++;
	while (n)
		click(s, &e[--n]);
}

/* Ids as short as elsewhere, so that the line can be read; of paths nothing. */
static void what_command(struct screen *s)
{
	char *const *words = s->view->words;
	bool paths = !words || strcmp(words[0], "history") == 0 || strcmp(words[0], "find") == 0;
	const char *shown[8] = { NULL };
	autofree char *one = NULL, *other = NULL, *command = NULL;

	for (size_t i = 0; words && words[i] && i < 7; i++) {
		size_t n = strspn(words[i], "0123456789abcdef");
		char **shorter = one ? &other : &one;

		paths |= strcmp(words[i], "--") == 0;
		shown[i] = words[i];
		if (n != ID_DIGITS || *shorter || paths || (words[i][n] && !strchr("~:", words[i][n])))
			continue;
		*shorter = xasprintf("%.8s%s", words[i], words[i] + n);
		shown[i] = *shorter;
	}
	command = words ? feed_command(shown) : xstrdup("");
	say(s, command);
}

/* ---- the table -------------------------------------------------------------- */

enum { ESC = 27, RUBOUT = 127 };

static const struct binding {
	int key[4];
	unsigned in;
	void (*fn)(struct screen *s);
	const char *help, *hint;	/* hint: in the bottom line of these views */
	const char *also;		/* typed, but no key of ours */
} bindings[] = {
	{ { '\n', '\r', KEY_ENTER, KEY_RIGHT }, LISTS, open_row, "look into it", "Enter open", NULL },
	{ { '?', KEY_F(1) }, ~HELP, keys_help, "this help", "? help", NULL },
	{ { 'q' }, SNAPSHOTS, quit, "leave", "q leave", NULL },
	{ { 'q', ESC, KEY_BACKSPACE }, BACK, back, "back", "q back", NULL },
	{ { KEY_LEFT }, BACK, left_or_back, "back; first to the left, of long lines", NULL, NULL },
	{ { 'r' }, ROWS | HUNKS | BUFFERS, restore, "restore it, or chosen paths or changes; plan first", "r restore", NULL },
	{ { ' ' }, PATHS | HUNKS, choose, "choose this path, or this change of a diff (for r)", "Space choose", NULL },
	{ { 'u' }, ANYWHERE, undo, "take the last restore back", NULL, NULL },
	{ { 'd' }, ROWS | BUFFERS, diff_before, "what changed from the snapshot before", "d diff", NULL },
	{ { 'w' }, ROWS | BUFFERS, diff_now, "what differs in the workspace now", "w vs now", NULL },
	{ { 'c' }, SNAPSHOTS, compare, "compare two: c on one, c on the other", NULL, NULL },
	{ { 't' }, ROWS, open_tree, "all files of the snapshot", "t tree", NULL },
	{ { 'v' }, PATHS | BUFFERS, content, "the file as it was", "v view", NULL },
	{ { 'h' }, PATHS, history, "every version of this path", "h history", NULL },
	{ { 'm' }, SNAPSHOTS, mark, "give the snapshot a name", NULL, NULL },
	{ { 'D' }, ANYWHERE, deleted, "files that are gone", "D deleted", NULL },
	{ { 'U' }, ANYWHERE, unsaved, "texts that were never saved", "U unsaved", NULL },
	{ { 'f' }, ANYWHERE, find, "find a path over all time", NULL, NULL },
	{ { 'F' }, ANYWHERE, find_text, "find a text over all time", NULL, NULL },
	{ { 'R' }, ANYWHERE, report, "what happened: the last crash", "R report", NULL },
	{ { 'S' }, ANYWHERE, status, "how well this workspace is protected", NULL, NULL },
	{ { 'j', KEY_DOWN, CTRL('N') }, ANYWHERE, down, "down", NULL, NULL },
	{ { 'k', KEY_UP, CTRL('P') }, ANYWHERE, up, "up", NULL, NULL },
	{ { KEY_NPAGE, CTRL('F'), CTRL('D') }, ANYWHERE, page_down, "a screen down", NULL, NULL },
	{ { KEY_PPAGE, CTRL('B'), CTRL('U') }, ANYWHERE, page_up, "a screen up", NULL, NULL },
	{ { ' ' }, IN(VIEW_TEXT) | HELP, page_down, "a screen down", "Space down", NULL },
	{ { '\n', '\r', KEY_ENTER }, TEXTS, down, "down", NULL, NULL },
	{ { '>', 'l', KEY_RIGHT }, TEXTS, right, "half a screen to the right, where lines are cut (>)", NULL, NULL },
	{ { '>' }, LISTS, right, "half a screen to the right, where rows are cut (>)", NULL, NULL },
	{ { '<' }, ANYWHERE, left, "half a screen to the left again", NULL, NULL },
	{ { 'g', KEY_HOME }, ANYWHERE, first, "to the first", NULL, NULL },
	{ { 'G', KEY_END }, ANYWHERE, last, "to the last", NULL, NULL },
	{ { '/' }, ANYWHERE, search, "search in this view", NULL, NULL },
	{ { 'n' }, ANYWHERE, next, "the next hit of /", NULL, NULL },
	{ { 'N' }, ANYWHERE, previous, "the hit before", NULL, NULL },
	{ { ':' }, ~HELP, what_command, "the command that shows the same", NULL, NULL },
	{ { '|' }, ANYWHERE, halves, "a diff in two halves or in one (120 columns)", NULL, NULL },
	{ { 'p' }, ANYWHERE, peek, "what a row is about, beside or below the list", NULL, NULL },
	{ { 'M' }, ANYWHERE, mouse, "the mouse: a click chooses, another opens", NULL, NULL },
	{ { 'L' }, ~HELP, again, "look again: what is shown anew", NULL, NULL },
	{ { CTRL('L') }, ANYWHERE, redraw, "draw anew", NULL, NULL },
	{ { 'Q' }, ANYWHERE, quit, "leave, from any view", NULL, "Ctrl-C" },
	{ { 0 }, ANYWHERE, NULL, "suspend; fg comes back", NULL, "Ctrl-Z" },
};
enum { N_BINDINGS = sizeof(bindings) / sizeof(*bindings) };

/* A diff of more than one file, or between snapshots. */
static bool is_diff(const struct view *v)
{
	return v->kind == VIEW_TEXT && v->words && strcmp(v->words[0], "diff") == 0;
}

void keys_do(struct screen *s, int key)
{
	bool known = false;

	*s->message = '\0';
	s->open_later = 0;
	if (key == KEY_MOUSE) {
		clicked(s);
		return;
	}
	if (key == ESC && view_stop(s->view))
		return;
	for (size_t i = 0; i < N_BINDINGS; i++) {
		const struct binding *b = &bindings[i];

		for (size_t k = 0; k < 4 && b->key[k]; k++) {
			if (b->key[k] != key && !(b->key[k] == KEY_BACKSPACE && (key == RUBOUT || key == 8)))
				continue;
			if (b->in & IN(s->view->kind)) {
				b->fn(s);
				return;
			}
			known = true;
		}
	}
	say(s, key == 'r' && is_diff(s->view) ? "single changes are taken back in the diff of one file: q, Enter, choose it, w"
	       : known			      ? "that key does nothing here; ? shows all"
					      : "? shows all keys");
}

/* Those of the view that it was asked in, or the others. */
static void add_keys(struct view *v, enum view_kind kind, bool here)
{
	for (size_t i = 0; i < N_BINDINGS; i++) {
		const struct binding *b = &bindings[i];
		autoput(buf_release) struct buf names = BUF_INIT;
		autofree char *line = NULL;

		if (!(b->in & IN(kind)) == here)
			continue;
		if (term_key_names(&names, b->key, 4, b->also) < 0)
			xalloc_failed();
		line = xasprintf("%-24s %s", names.data, b->help);
		row_add(v, line);
	}
}

void keys_help(struct screen *s)
{
	enum view_kind kind = s->view->kind;
	struct view *v = view_push(s, VIEW_HELP, NULL, NULL, " keys, first those of the view you came from", NULL);

	add_keys(v, kind, true);
	row_add(v, "");
	row_add(v, "in other views");
	add_keys(v, kind, false);
	v->exit_code = 0;
}

const char *keys_hint(enum view_kind kind, int width)
{
	static char line[256];
	size_t n = 0;

	*line = '\0';
	for (size_t i = 0; i < N_BINDINGS; i++)
		if (bindings[i].hint && bindings[i].in & IN(kind) && n + strlen(bindings[i].hint) + 3 < sizeof(line) &&
			(int)(n + strlen(bindings[i].hint)) + 2 <= width)
			n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", n ? "  " : " ", bindings[i].hint);
	return line;
}
