/* detect/top.h - detect-top: how the machine is, live, and what can be done about it. What its
 * files share; not for others.
 *
 * top_open, then top_read once a tick, top_page for what it looks like as rows of text, top_close.
 * The page knows no terminal:
 * top_main.c puts it on one with lib/term.h, top-lines.c prints it where there is none, tests
 * compare it. Everything comes
 * from the room's own readings (machine.h, gpu.h, survey.h, risk.h, journal.h); the graphs begin
 * with what the monitor left
 * (samples.h).
 *
 * What is done to a training goes to its whole: the first process and its workers, each held by a
 * pidfd whose start time is
 * compared again. Editors, shells, other users' processes and whoever started us are never touched.
 * Ends go to the ledger
 * (evidence.h) first. */
#ifndef DETECT_TOP_H
#define DETECT_TOP_H

#include <stdbool.h>
#include <stdint.h>

#include "detect/gpu.h"
#include "detect/machine.h"
#include "detect/risk.h"
#include "detect/settings.h"
#include "detect/survey.h"
#include "lib/buf.h"

enum {
	TOP_PAST = 512,		/* points of a graph: one a tick */
	TOP_EVENTS = 100,
	TOP_EVENT = 400,	/* columns kept of one */
	TOP_FOLDS = 64,
	TOP_ROWS = 256,		/* of a page */
	TOP_GROWTH = 16,	/* sizes kept of each process, for its growth */
	TOP_NO_POINT = 255,
};

enum top_graph {
	TOP_MEM, TOP_CG, TOP_SWAP, TOP_PSI, TOP_CPU, TOP_SHM, TOP_GPU,
	TOP_GRAPHS = TOP_GPU + GPU_MAX
};

/* What a process held at the last looks. */
struct top_past {
	struct proc_id id;
	unsigned n, next;
	struct { uint64_t ms, bytes; } at[TOP_GROWTH];
	bool seen;
};

/* A line of the tree: proc[index] of the survey. A head stands for its whole. */
struct top_item {
	unsigned index, depth;
	unsigned n;		/* of a head: processes of the whole */
	uint64_t bytes, gpu;	/* of a head: of the whole; gpu MACHINE_NONE: none, or not told */
	int64_t growth;		/* bytes a second; INT64_MIN: not known yet */
	bool folded, frozen;
};

struct top {
	const struct roots *roots;
	const struct detect_settings *set;
	struct machine_reader *reader;
	uint64_t tick_ms;
	struct machine m;
	struct gpu_list gpus;
	struct survey survey;
	struct disk_reading disk[1];
	struct risk_state state;
	struct risk_input in;
	struct risk_verdict verdict;
	bool read;			/* a first reading was made */
	const char *trouble;		/* what cannot be read now; NULL */

	/* percent, or TOP_NO_POINT; round, the newest before `next` */
	uint8_t past[TOP_GRAPHS][TOP_PAST];
	unsigned next;

	struct top_past *of;		/* of processes */
	unsigned n_of, room_of;
	struct top_item *item;
	unsigned n_item, room_item;
	struct proc_id folded[TOP_FOLDS];
	unsigned n_folded;

	char *event[TOP_EVENTS];	/* newest first, as event_row writes them */
	unsigned n_event;
	int64_t journal_ns;		/* its mtime when they were read; -1: never */

	/* what the user looks at */
	struct proc_id at;
	unsigned top;			/* first item, event or row of the help on the page */
	unsigned event_at;
	bool events;			/* the events fill the page */
	bool help;
	bool utf8;
	char message[256];		/* the bottom line; "": the hints */
};

/* -errno when /proc cannot be read at all. */
int top_open(struct top *t, const struct roots *roots, const struct detect_settings *set,
	uint64_t tick_ms);
void top_close(struct top *t);
/* A new reading, a point in each graph. What fails now is in `trouble`; the rest goes on. */
void top_read(struct top *t);

/* top-tree.c: the survey as rows, the largest whole first; growth. After each reading, and after a
 * fold. */
void top_tree(struct top *t);
int64_t top_growth(const struct top *t, const struct proc_id *id);	/* INT64_MIN: not known */
struct top_item *top_here(struct top *t);	/* the item chosen; NULL: none */
void top_move(struct top *t, long by);
void top_fold(struct top *t);			/* the whole that is chosen, or open again */

/* top-page.c */
struct top_row {
	struct buf text;
	unsigned char style;	/* enum term_style */
	bool bold, at, bar;	/* bar: reverse over the whole width */
};
struct top_page {
	unsigned n, rows, columns;
	struct top_row row[TOP_ROWS];
};
/* rows >= 5 and columns >= 20 are filled; less gives what fits. Release with top_page_release.
 * -ENOMEM. */
int top_page(struct top *t, unsigned rows, unsigned columns, struct top_page *ret);
void top_page_release(struct top_page *p);
/* One graph line: the newest `width` points at the right, line `line` (0 is the highest) of
 * `lines`. Appended. */
int top_graph_line(const struct top *t, enum top_graph g, unsigned width, unsigned line,
	unsigned lines, struct buf *b);

/* top-keys.c: the one table of keys: what is typed, `?` and the hints come from it. */
enum { TOP_KEYS = 4 };
enum { TOP_MAIN = 1, TOP_EVENTS_ALONE = 2, TOP_HELP = 4, TOP_ANYWHERE = 7 };	/* what fills the page */
enum top_verb {
	TOP_DO_NOTHING, TOP_DO_DOWN, TOP_DO_UP, TOP_DO_PAGE_DOWN, TOP_DO_PAGE_UP, TOP_DO_FIRST, TOP_DO_LAST,
	TOP_DO_FOLD, TOP_DO_FREEZE, TOP_DO_RESUME, TOP_DO_ASK, TOP_DO_END, TOP_DO_KILL, TOP_DO_CLEAN,
	TOP_DO_GATE, TOP_DO_EVENTS, TOP_DO_SLOWER, TOP_DO_FASTER, TOP_DO_REDRAW, TOP_DO_HELP, TOP_DO_BACK,
	TOP_DO_QUIT
};
struct top_key {
	int key[TOP_KEYS];	/* as getch() gives them; 0: no more */
	unsigned in;
	enum top_verb verb;
	const char *help, *hint; /* hint: in the bottom line of those views; NULL */
	const char *also;	/* typed, but no key for us: a signal; NULL */
};
extern const struct top_key top_keys[];	/* ends with a NULL help */
unsigned top_view(const struct top *t);	/* TOP_MAIN, ... */
/* What it does on this page. TOP_DO_NOTHING: nothing, t->message says so. */
enum top_verb top_verb_of(struct top *t, int key);

/* top-act.c. The answer for the bottom line goes to t->message. */
enum top_act { TOP_FREEZE, TOP_RESUME, TOP_ASK, TOP_END, TOP_KILL, TOP_ACTS };
/* The question to confirm; false: it cannot be done, t->message says why. */
bool top_question(struct top *t, enum top_act act, char *ret, size_t size);
void top_do(struct top *t, enum top_act act);

/* top-lines.c: where lines are all there is. once: a page and out. An exit code. */
int top_lines(struct top *t, bool once);

/* The command, in detect-core: becomes detect-top. */
int cmd_top(int argc, char **argv, const struct detect_settings *set);
int top_help(void);	/* on stdout; an exit code */

#endif
