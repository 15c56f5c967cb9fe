#include "lib/progress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/text.h"

enum { SILENT_MS = 500, REDRAW_MS = 100, LINE_MS = 5000 };

struct progress {
	struct progress_state state;
	uint64_t start_ms, shown_ms;	/* shown: last time; 0 = not yet */
	bool quiet, tty, drawn;
};

static struct progress *active;		/* whose line a message must clear */

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void clear_line(void)
{
	if (active && active->drawn) {
		(void)io_write_all(STDERR_FILENO, "\r\033[K", 4);
		active->drawn = false;
	}
}

int progress_count(struct buf *b, uint64_t n)
{
	if (n >= 1000) {
		int r = progress_count(b, n / 1000);

		return r < 0 ? r : buf_printf(b, ",%03u", (unsigned)(n % 1000));
	}
	return buf_printf(b, "%u", (unsigned)n);
}

static int add_amount(const struct progress_state *s, struct buf *b, uint64_t n)
{
	char text[16];

	if (strcmp(s->unit, "bytes") == 0)
		return buf_addstr(b, text_size(n, text));
	return progress_count(b, n);
}

static int add_total(const struct progress_state *s, struct buf *b)
{
	int r;

	if (s->total) {
		uint64_t part = s->items < s->total ? s->items : s->total;

		r = buf_printf(b, " %3u %% ", (unsigned)(100.0 * (double)part / (double)s->total));
	} else {
		r = buf_addch(b, ' ');
	}
	if (r == 0)
		r = add_amount(s, b, s->items);
	if (r == 0 && s->total) {
		r = buf_addch(b, '/');
		if (r == 0)
			r = add_amount(s, b, s->total);
	}
	if (r == 0 && strcmp(s->unit, "bytes") != 0)
		r = buf_printf(b, " %s", s->unit);
	return r;
}

int progress_format(const struct progress_state *s, struct buf *b)
{
	double seconds = (double)s->elapsed_ms / 1000;
	uint64_t bytes = strcmp(s->unit, "bytes") == 0 && !s->bytes ? s->items : s->bytes;
	char text[24];
	int r = buf_addstr(b, s->verb);

	if (r == 0)
		r = add_total(s, b);
	if (r == 0 && bytes && seconds > 0)
		r = buf_printf(b, ", %s/s", text_size((uint64_t)((double)bytes / seconds), text));
	if (r == 0 && s->items && s->items < s->total && seconds > 0) {
		double left = seconds * (double)(s->total - s->items) / (double)s->items;

		r = buf_printf(b, ", %s left", text_duration((uint64_t)(left + 0.5), text));
	}
	return r;
}

/* Cut to the terminal: a line that wraps could not be redrawn. */
static void draw(struct progress *p, struct buf *line)
{
	struct winsize w;
	size_t width = 79;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1)
		width = (size_t)w.ws_col - 1;
	if (line->len > width)
		line->len = width;
	if (buf_addstr(line, "\033[K") < 0)
		return;
	p->drawn = true;
	(void)io_write_all(STDERR_FILENO, "\r", 1);
	(void)io_write_all(STDERR_FILENO, line->data, line->len);
}

static void show(struct progress *p, uint64_t now)
{
	struct buf line = BUF_INIT;

	p->shown_ms = now;
	p->state.elapsed_ms = now - p->start_ms;
	if (progress_format(&p->state, &line) == 0) {
		if (p->tty)
			draw(p, &line);
		else
			log_info("%s", line.data);
	}
	buf_release(&line);
}

int progress_new(const char *verb, const char *unit, uint64_t total, bool quiet,
	struct progress **ret)
{
	struct progress *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->state = (struct progress_state){ .verb = verb, .unit = unit, .total = total };
	p->start_ms = now_ms();
	p->quiet = quiet;
	p->tty = isatty(STDERR_FILENO);
	active = p;
	log_before_line(clear_line);
	*ret = p;
	return 0;
}

void progress_set_total(struct progress *p, uint64_t total)
{
	if (p)
		p->state.total = total;
}

void progress_add(struct progress *p, uint64_t items, uint64_t bytes)
{
	uint64_t now, every;

	if (!p)
		return;
	p->state.items += items;
	p->state.bytes += bytes;
	if (p->quiet)
		return;
	now = now_ms();
	every = p->tty ? REDRAW_MS : LINE_MS;
	if (now - p->start_ms < (p->tty ? SILENT_MS : LINE_MS) ||
		(p->shown_ms && now - p->shown_ms < every))
		return;
	show(p, now);
}

void progress_hide(struct progress *p)
{
	if (p && active == p)
		clear_line();
}

void progress_done(struct progress *p)
{
	if (!p)
		return;
	if (active == p) {
		clear_line();
		log_before_line(NULL);
		active = NULL;
	}
	free(p);
}
