#include "plot.h"

struct column {
	double percent;
	uint64_t ms;
};

static void fill(const struct plot_point *p, size_t n, uint64_t from, uint64_t to, uint64_t hold,
	struct column *c)
{
	for (unsigned i = 0; i < PLOT_COLUMNS; i++)
		c[i] = (struct column){ -1, 0 };
	for (size_t i = 0; i < n; i++) {
		uint64_t at = p[i].ms < from || to <= from
				      ? PLOT_COLUMNS
				      : (p[i].ms - from) * PLOT_COLUMNS / (to - from + 1);

		if (at >= PLOT_COLUMNS || p[i].percent < 0)
			continue;
		if (p[i].percent > c[at].percent)
			c[at].percent = p[i].percent;
		c[at].ms = p[i].ms;
	}
	for (unsigned i = 1; i < PLOT_COLUMNS; i++) {
		uint64_t here = from + (to - from) * i / PLOT_COLUMNS;

		if (c[i].percent < 0 && c[i - 1].percent >= 0 && here <= c[i - 1].ms + hold)
			c[i] = c[i - 1];
	}
}

static int scale(unsigned row, unsigned rows, struct buf *b)
{
	unsigned top = (rows - row) * 100 / rows;

	return row == 0 || row == rows - 1 || rows > 4 ? buf_printf(b, "  %3u %% |", top)
						       : buf_addstr(b, "        |");
}

static int cell(double percent, unsigned row, unsigned rows, bool blocks, struct buf *b)
{
	static const char *const eighth[] = { " ", "\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83",
		"\xe2\x96\x84", "\xe2\x96\x85", "\xe2\x96\x86", "\xe2\x96\x87", "\xe2\x96\x88" };
	double height = percent < 0 ? 0 : (percent > 100 ? 100 : percent) / 100 * rows * 8;
	double floor = (rows - 1 - row) * 8.0;
	int n = height <= floor ? 0 : height >= floor + 8 ? 8 : (int)(height - floor + 0.5);

	/* A reading of nearly nothing is one all the same. */
	if (row == rows - 1 && percent >= 0 && n == 0)
		n = 1;
	return buf_addstr(b, blocks ? eighth[n] : n >= 4 ? "#" : n ? "." : " ");
}

int plot(const struct plot_point *p, size_t n, uint64_t from_ms, uint64_t to_ms, uint64_t hold_ms,
	unsigned rows, bool blocks, struct buf *b)
{
	struct column c[PLOT_COLUMNS];
	int r = 0;

	fill(p, n, from_ms, to_ms, hold_ms, c);
	for (unsigned row = 0; row < rows && r == 0; row++) {
		r = scale(row, rows, b);
		for (unsigned i = 0; i < PLOT_COLUMNS && r == 0; i++)
			r = cell(c[i].percent, row, rows, blocks, b);
		while (r == 0 && b->data[b->len - 1] == ' ')
			b->data[--b->len] = '\0';
		if (r == 0)
			r = buf_addch(b, '\n');
	}
	return r;
}
