/* recover/screen.h - recover-screen: what `recover` is in a terminal. What its files share; not for
 * others.
 *
 * A view is a list of rows that a child process, recover itself, prints: the screen knows no store.
 * Rows come as they are printed, keys are answered meanwhile. Whatever writes (restore, undo, mark)
 * is recover too, on the terminal, with its own plan and question. So the screen can do nothing
 * that the command line does not do, and shows the command it runs.
 *
 * Where there is room, what the chosen row is about stands beside the list (120 columns) or below
 * it (36 rows): the peek, a view of its own that takes no keys. A diff that has the screen to
 * itself stands in two halves, before and after, from 120 columns on.
 *
 * screen_main.c: the terminal, the loop. screen-view.c: rows on the screen, moving, searching.
 * screen-keep.c: the cursor where it was, when rows come anew.
 * screen-peek.c: the peek. screen-feed.c: the child and its lines. screen-rows.c: a line of JSON or
 * of text into a row. screen-keys.c: what each key does. screen-dialogue.c: where the terminal is
 * dumb. */
#ifndef RECOVER_SCREEN_H
#define RECOVER_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../lib/buf.h"
#include "../lib/term.h"

enum view_kind {
	VIEW_SNAPSHOTS,
	VIEW_CHANGES,	/* of one snapshot */
	VIEW_TREE,	/* a folder of one snapshot */
	VIEW_HISTORY,	/* of one path */
	VIEW_DELETED,
	VIEW_FOUND,
	VIEW_UNSAVED,	/* texts that only an editor has */
	VIEW_TEXT,	/* a diff, a file, a report */
	VIEW_DIFF,	/* of one file against the workspace: its hunks can be chosen */
	VIEW_HELP,
};

/* What a row is, and how it looks (lib/term.h). */
enum style {
	STYLE_PLAIN = TERM_PLAIN, STYLE_ADDED = TERM_GREEN, STYLE_REMOVED = TERM_RED, STYLE_HUNK = TERM_CYAN,
	STYLE_HEAD = TERM_BLUE, STYLE_WARN = TERM_YELLOW, STYLE_DIM = TERM_DIM
};

enum { SCREEN_WIDE = 120, SCREEN_TALL = 36 };
enum { SCREEN_HEAD_MS = 30000 };	/* the summary is no older than that; new snapshots come as soon */

struct row {
	char *text;		/* what is shown; of a row in halves the left one */
	char *right;		/* its right half; NULL: it has none */
	char *path;		/* NULL: none */
	char *id;		/* of a snapshot; NULL: the view's */
	char *event;		/* of something that happened; NULL */
	char *buffer;		/* id of an editor's text; NULL */
	bool folder, chosen, hunk, added;
	unsigned char style, right_style;
};

struct feed {
	pid_t pid;		/* 0: none runs */
	int fd;			/* -1: none */
	struct buf line;	/* not whole yet */
};

/* The place in a view before its rows came anew (screen-keep.c). */
struct keep {
	bool on;		/* still looked for */
	char *key;		/* of the row at the cursor; NULL: a text's */
	size_t at, offset;	/* its number; how far below the top of the page */
	size_t hunk, after;	/* of a text: changes up to there, lines in the last of them */
	char **chosen;		/* keys, sorted */
	size_t n_chosen, cap;
	size_t looked, seen, left; /* rows that came since, changes among them; lines to the place */
};

struct view {
	struct view *below;	/* the one it came from */
	unsigned serial;	/* of no other */
	enum view_kind kind;
	char *title;
	char **words;		/* for feed_start; NULL: no child */
	char *id, *path;	/* what it is about; NULL */
	char *note;		/* what recover said instead of rows; NULL */
	struct row *row;
	size_t n, cap;
	size_t top, at;		/* first row on the screen; the one chosen */
	int skip;		/* columns of its rows that are left of the screen */
	struct feed feed;
	uint64_t looked_into, of;	/* of a search by text; of 0: not told */
	bool stopped;		/* it was told to stop */
	int exit_code;		/* of the child; -1: it still runs */
	bool halves;		/* a diff's rows are made so */
	unsigned left, right;	/* lines of the hunk that are still to come */
	size_t pair;		/* the first row whose right half is to come */
	struct keep keep;
	bool stale;		/* something was written since: anew when it is on top again */
};

struct screen {
	char *recover;		/* the program */
	char *workspace, *store;	/* options for it; NULL */
	struct view *view;	/* on top */
	struct row head[8];	/* what happened: lines of the summary */
	size_t n_head;
	bool head_stale;	/* the next line replaces them */
	uint64_t head_ms;	/* when they are asked for again; 0: not yet */
	char newest[16];	/* the newest snapshot, as they say; "" */
	struct feed head_feed;
	char *word;		/* searched for; NULL */
	char *compare;		/* id of the first of two snapshots; NULL */
	char message[256];	/* the bottom line; "" the hints */
	bool quit;
	bool inline_, no_peek, mouse;	/* as the user has it */
	unsigned serial;	/* of the last view */
	unsigned open_later;	/* the view whose row at the cursor is opened when it has come; 0 */
	struct view *peek;	/* NULL */
	unsigned peek_serial;	/* of the view and the row that it is about, */
	size_t peek_at;
	unsigned want_serial;	/* and of those where the cursor stands, since */
	size_t want_at;
	bool want_row;
	uint64_t want_ms;
};

/* screen-feed.c */
/* Starts recover with these words (NULL ends) behind the options that say which workspace; what it
 * complains of
 * comes along with what it prints. 0 or -errno. */
int feed_start(struct screen *s, struct feed *f, const char *const *words);
/* What there is now, a line at a time to fn. true: it has ended; *ret_exit is its exit code then.
 * */
bool feed_read(struct feed *f, void (*fn)(char *line, void *arg), void *arg, int *ret_exit);
void feed_stop(struct feed *f);
void feed_interrupt(struct feed *f);	/* as Ctrl-C does; what it says to that is still read */
/* On the terminal, which is given back as it was before curses; waits for Enter when `pause`. The
 * exit code. */
int feed_run(struct screen *s, bool pause, const char *const *words);
/* Without leaving the screen: the last line it says is the message, if it says any. The exit code. */
int feed_ask(struct screen *s, const char *const *words);
/* As one would type it: "recover diff 3f2a -- 'a b'". Yours. */
char *feed_command(const char *const *words);

/* screen-rows.c */
void row_add(struct view *v, const char *line);		/* as the view's kind says */
void rows_release(struct view *v);

/* screen-view.c */
/* No child. To be pushed, or freed. */
struct view *view_new(struct screen *s, enum view_kind kind, const char *id, const char *path, const char *title);
/* Its child, from the beginning. */
void view_start(struct screen *s, struct view *v, const char *const *words);
struct view *view_push(struct screen *s, enum view_kind kind, const char *id, const char *path, const char *title,
	const char *const *words);
/* Its rows anew, the cursor and what is chosen kept. */
void view_again(struct screen *s, struct view *v);
/* The workspace or the store has changed: the view on top anew, those below when they are on top
 * again. What was chosen is done with. */
void view_changed(struct screen *s);
void view_pop(struct screen *s);
/* A search by text that still runs and was not told to stop? */
bool view_searches(const struct view *v);
bool view_stop(struct view *v);		/* stops it, what it found stays; false: it does not search */
void view_free(struct view *v);
void view_draw(struct screen *s);
void view_move(struct screen *s, long by);
void view_to(struct screen *s, size_t row);
void view_search(struct screen *s, int direction, bool from_here);
size_t view_height(const struct screen *s);
int view_head_rows(const struct screen *s);	/* above the rows */
void view_draw_row(int y, int x, int width, int skip, const struct row *row, bool at);
void view_sideways(struct screen *s, int direction);	/* by half a screen, as far as a row in sight goes */
/* A line at the bottom; false: Esc or empty. */
bool view_prompt(struct screen *s, const char *what, char *ret, size_t size);

/* screen-keep.c */
/* Before the rows go. */
void keep_note(struct view *v);
/* When rows have come, or the last has. */
void keep_seek(struct screen *s, struct view *v);
void keep_drop(struct view *v);		/* the user has gone elsewhere */

/* screen-peek.c */
/* Where the list ends; what is left is the peek's. Without one: the whole screen. */
struct split {
	int rows, columns;	/* of the list */
	bool beside, below;
};
struct split peek_split(const struct screen *s);
void peek_follow(struct screen *s);	/* after keys and rows: where the cursor stands now */
uint64_t peek_now_ms(void);	/* CLOCK_MONOTONIC */
int peek_wait(const struct screen *s);	/* ms until peek_start is to be called; -1: not */
void peek_start(struct screen *s);
void peek_draw(struct screen *s);
void peek_stop(struct screen *s);

/* screen-keys.c */
void keys_do(struct screen *s, int key);
void keys_help(struct screen *s);
const char *keys_hint(enum view_kind kind, int width);
void keys_title(struct screen *s);			/* the first view, empty */
void keys_snapshots(struct screen *s);			/* its rows, and what happened */
void keys_head(struct screen *s);	/* the summary above them, again */

/* screen-dialogue.c: numbered questions instead. An exit code. */
int dialogue(struct screen *s);

#endif
