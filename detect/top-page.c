/* detect/top-page.c - the page: title, reasons, graphs, processes, events, hints; see top.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "detect/events.h"
#include "detect/top.h"
#include "lib/auto.h"
#include "lib/names.h"
#include "lib/term-keys.h"
#include "lib/term.h"
#include "lib/text.h"

enum {
	LABEL = 42, /* columns before a graph, where there is room for that */
	LEAST_GRAPH = 12,
	REASONS = 3,
	PROCESSES = 4, /* lines of processes kept free of graphs and events */
};

#define OR_FAIL(call)              \
	do {                       \
		int r_ = (call);   \
		if (r_ < 0)        \
			return r_; \
	} while (0)

static bool known(uint64_t v)
{
	return v != MACHINE_NONE;
}

static struct top_row *add_row(struct top_page *p)
{
	struct top_row *row;

	if (p->n == p->rows || p->n == TOP_ROWS)
		return NULL;
	row = &p->row[p->n++];
	*row = (struct top_row){ 0 };
	return row;
}

/* A row of text; where the page is full, nothing. */
static int line(struct top_page *p, enum term_style style, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int line(struct top_page *p, enum term_style style, const char *fmt, ...)
{
	struct top_row *row = add_row(p);
	va_list ap;
	int r;

	if (!row)
		return 0;
	row->style = (unsigned char)style;
	va_start(ap, fmt);
	r = buf_vprintf(&row->text, fmt, ap);
	va_end(ap);
	return r;
}

/* Any bytes: what must not reach a terminal becomes '?'. */
static int add_name(struct buf *b, const char *s)
{
	size_t left = strlen(s);
	int r = 0;

	while (r == 0 && left) {
		size_t n = text_print_len(s, left);

		r = n ? buf_add(b, s, n) : buf_addch(b, '?');
		n = n ? n : 1;
		s += n;
		left -= n;
	}
	return r;
}

static enum term_style risk_style(enum risk r)
{
	return r == RISK_CRITICAL ? TERM_RED : r == RISK_MEDIUM ? TERM_YELLOW : TERM_GREEN;
}

static int head(const struct top *t, struct top_page *p)
{
	const struct risk_verdict *v = &t->verdict;
	char when[32], left[64] = "", span[24], *clock;
	struct top_row *row = add_row(p);

	if (!row)
		return 0;
	row->bar = true;
	row->style = (unsigned char)risk_style(v->risk);
	clock = strchr(text_local_time((int64_t)t->m.real_ms * 1000000, when), ' ');
	if (known(v->left_ms) && v->left_ms < 3600000)
		(void)snprintf(left, sizeof(left), ", critical in %s at this rate",
			text_duration(v->left_ms / 1000, span));
	return buf_printf(&row->text, " " DETECT " top   risk %s, status %s%s %s",
		risk_name(v->risk), status_name(v->status), left, clock ? clock : "");
}

static int reasons(const struct top *t, struct top_page *p, unsigned most)
{
	char text[256];

	for (unsigned i = 0; i < t->verdict.n && i < most; i++) {
		const struct risk_reason *r = &t->verdict.reason[i];

		(void)risk_reason_text(r, &t->in, text, sizeof(text));
		if (strlen(text) + strlen(risk_advice(r)) + 4 <= p->columns) {
			OR_FAIL(line(p, risk_style(r->level), "%s -> %s", text, risk_advice(r)));
			continue;
		}
		OR_FAIL(line(p, risk_style(r->level), "%s", text));
		if (p->rows >= 20)
			OR_FAIL(line(p, risk_style(r->level), "  -> %s", risk_advice(r)));
	}
	return t->trouble ? line(p, TERM_YELLOW, "%s", t->trouble) : 0;
}

/* ---- graphs ---- */

int top_graph_line(const struct top *t, enum top_graph g, unsigned width, unsigned at,
	unsigned lines, struct buf *b)
{
	static const char ascii[] = " .:-=+*#@";

	width = width < TOP_PAST ? width : TOP_PAST;
	for (unsigned i = 0; i < width; i++) {
		uint8_t v = t->past[g][(t->next + TOP_PAST - width + i) % TOP_PAST];
		/* Of the eighths of all lines, those above the lines below this one. */
		int eighths = v == TOP_NO_POINT ? 0 : (int)((v * 8 * lines + 50) / 100);

		eighths -= (int)(8 * (lines - 1 - at));
		/* What is there is seen, however little. */
		if (v != TOP_NO_POINT && v && at == lines - 1 && eighths < 1)
			eighths = 1;
		eighths = eighths < 0 ? 0 : eighths > 8 ? 8 : eighths;
		if (!t->utf8 || !eighths)
			OR_FAIL(buf_addch(b, ascii[eighths]));
		else /* U+2581 to U+2588: blocks of one to eight eighths */
			OR_FAIL(buf_printf(b, "\xe2\x96%c", 0x80 + eighths));
	}
	return 0;
}

struct metric {
	enum top_graph graph;
	char text[128];
	enum term_style style;
};

static void metric(struct metric *m, unsigned *n, enum top_graph g, bool warn, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
static void metric(struct metric *m, unsigned *n, enum top_graph g, bool warn, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(m[*n].text, sizeof(m[*n].text), fmt, ap);
	va_end(ap);
	m[*n].graph = g;
	m[*n].style = warn ? TERM_RED : TERM_CYAN;
	(*n)++;
}

static unsigned percent(uint64_t part, uint64_t whole)
{
	return !whole || part >= whole ? 100 : (unsigned)((double)part / (double)whole * 100);
}

static void gpu_metrics(const struct top *t, struct metric *m, unsigned *n)
{
	const struct risk_limits *lim = &t->set->limits;
	char a[16];

	for (unsigned i = 0; i < t->gpus.n; i++) {
		const struct gpu *g = &t->gpus.gpu[i];
		char busy[32] = "";

		if (known(g->busy))
			(void)snprintf(
				busy, sizeof(busy), ", busy %u %%", (unsigned)(g->busy / 100));
		if (known(g->used) && known(g->total) && g->total)
			metric(m, n, TOP_GPU + i, percent(g->used, g->total) * 100u >= lim->gpu,
				"GPU %u     %3u %% of %s%s", i, percent(g->used, g->total),
				text_size(g->total, a), busy);
		else
			metric(m, n, TOP_GPU + i, false, "GPU %u     memory not told%s", i, busy);
	}
}

static unsigned metrics(const struct top *t, struct metric *m)
{
	const struct machine *x = &t->m;
	const struct risk_limits *lim = &t->set->limits;
	unsigned n = 0, used = percent(x->mem_total - x->mem_available, x->mem_total);
	char a[16], b[16];

	metric(m, &n, TOP_MEM, used * 100u >= lim->mem_critical, "memory    %3u %% of %s, %s left",
		used, text_size(x->mem_total, a), text_size(x->mem_available, b));
	if (x->cg.version)
		metric(m, &n, TOP_CG, percent(x->cg.used, x->cg.limit) * 100u >= lim->mem_critical,
			"cgroup    %3u %% of %s, %s left", percent(x->cg.used, x->cg.limit),
			text_size(x->cg.limit, a),
			text_size(x->cg.limit > x->cg.used ? x->cg.limit - x->cg.used : 0, b));
	if (known(x->swap_total) && x->swap_total && known(x->swap_free))
		metric(m, &n, TOP_SWAP,
			percent(x->swap_total - x->swap_free, x->swap_total) * 100u >= lim->swap,
			"swap      %3u %% of %s",
			percent(x->swap_total - x->swap_free, x->swap_total),
			text_size(x->swap_total, a));
	if (known(x->mem_psi.some10))
		metric(m, &n, TOP_PSI,
			known(x->mem_psi.full10) && x->mem_psi.full10 >= lim->psi_medium,
			"waiting   %3u %% for memory, all %u %%",
			(unsigned)(x->mem_psi.some10 / 100),
			known(x->mem_psi.full10) ? (unsigned)(x->mem_psi.full10 / 100) : 0);
	gpu_metrics(t, m, &n);
	if (known(x->shm_total))
		metric(m, &n, TOP_SHM,
			percent(x->shm_total - x->shm_free, x->shm_total) * 100u >= lim->shm,
			"/dev/shm  %3u %% of %s", percent(x->shm_total - x->shm_free, x->shm_total),
			text_size(x->shm_total, a));
	if (known(x->cpu_busy))
		metric(m, &n, TOP_CPU, x->cpu_busy >= lim->cpu,
			"cpu       %3u %% of %" PRIu64 ", load %" PRIu64 ".%02u",
			(unsigned)(x->cpu_busy / 100), x->ncpu,
			known(x->load1) ? x->load1 / 100 : 0,
			known(x->load1) ? (unsigned)(x->load1 % 100) : 0);
	return n;
}

/* `lines` rows of one figure: the text stands before the lowest. */
static int graph(const struct top *t, struct top_page *p, const struct metric *m, unsigned lines)
{
	unsigned width = p->columns > LABEL + LEAST_GRAPH ? p->columns - LABEL : 0;

	for (unsigned i = 0; i < lines; i++) {
		struct top_row *row = add_row(p);

		if (!row)
			return 0;
		row->style = (unsigned char)m->style;
		OR_FAIL(buf_printf(
			&row->text, "%-*s", width ? LABEL : 1, i == lines - 1 ? m->text : ""));
		if (width)
			OR_FAIL(top_graph_line(t, m->graph, width, i, lines, &row->text));
	}
	return 0;
}

/* ---- processes ---- */

static int add_growth(struct buf *b, int64_t growth)
{
	char size[16];

	/* Less than a quarter of a MiB a second is nothing to look at. */
	if (growth == INT64_MIN || (growth < 262144 && growth > -262144))
		return buf_printf(b, " %11s", growth == INT64_MIN ? "" : "-");
	return buf_printf(b, " %c%8s/s", growth < 0 ? '-' : '+',
		text_size((uint64_t)(growth < 0 ? -growth : growth), size));
}

static int process(const struct top *t, struct top_page *p, const struct top_item *x)
{
	const struct survey_proc *q = &t->survey.proc[x->index];
	bool whole = q->head == x->index;
	struct top_row *row = add_row(p);
	char size[16], gpu[16] = "";

	if (!row)
		return 0;
	row->bold = whole;
	row->at = q->id.pid == t->at.pid && q->id.start == t->at.start;
	row->style = x->frozen                                ? TERM_YELLOW
		     : whole && q->role.kind == KIND_TRAINING ? TERM_CYAN
							      : TERM_PLAIN;
	OR_FAIL(buf_printf(&row->text, "%8d %10s", (int)q->id.pid, text_size(x->bytes, size)));
	OR_FAIL(add_growth(&row->text, x->growth));
	if (t->gpus.n)
		OR_FAIL(buf_printf(
			&row->text, " %9s", known(x->gpu) ? text_size(x->gpu, gpu) : ""));
	OR_FAIL(buf_printf(
		&row->text, "  %*s%s", (int)x->depth * 2, "", whole ? x->folded ? "+ " : "" : ""));
	if (q->role.kind == KIND_EDITOR && whole)
		OR_FAIL(add_name(&row->text, family_name(q->role.family)));
	else if (q->role.kind == KIND_TRAINING && (whole || q->role.role == ROLE_NONE))
		OR_FAIL(add_name(&row->text, q->name));
	else
		OR_FAIL(add_name(&row->text, role_name(q->role.role)));
	if (whole && x->n > 1)
		OR_FAIL(buf_printf(&row->text, ", %u processes", x->n));
	return x->frozen ? buf_addstr(&row->text, "  FROZEN") : 0;
}

static void keep_in_sight(struct top *t, unsigned at, unsigned n, unsigned room)
{
	if (!room)
		return;
	if (t->top > at)
		t->top = at;
	if (at >= t->top + room)
		t->top = at - room + 1;
	if (t->top + room > n)
		t->top = n > room ? n - room : 0;
}

static int processes(struct top *t, struct top_page *p, unsigned room)
{
	unsigned at = 0;

	for (unsigned i = 0; i < t->n_item; i++)
		if (t->survey.proc[t->item[i].index].id.pid == t->at.pid)
			at = i;
	OR_FAIL(line(p, TERM_DIM, "%8s %10s %11s%s  %s", "PID", "MEMORY", "GROWTH",
		t->gpus.n ? "       GPU" : "", "EDITORS AND TRAININGS"));
	p->row[p->n - 1].bold = true;
	keep_in_sight(t, at, t->n_item, --room);
	for (unsigned i = 0; i < room && t->top + i < t->n_item; i++)
		OR_FAIL(process(t, p, &t->item[t->top + i]));
	return t->n_item ? 0 : line(p, TERM_DIM, "          none runs");
}

static int events(struct top *t, struct top_page *p, unsigned from, unsigned room, bool choose)
{
	OR_FAIL(line(p, TERM_DIM, "%s", choose ? "WHAT ENDED, AND WHY" : "RECENT"));
	p->row[p->n - 1].bold = true;
	for (unsigned i = 0; i + 1 < room && from + i < t->n_event; i++) {
		const char *text = t->event[from + i];
		autoput(buf_release) struct buf b = BUF_INIT;

		OR_FAIL(event_add_cut(&b, text, p->columns));
		OR_FAIL(line(p, strlen(text) > 20 && text[20] == '!' ? TERM_RED : TERM_PLAIN, "%s",
			b.len ? b.data : ""));
		p->row[p->n - 1].at = choose && from + i == t->event_at;
	}
	return t->n_event ? 0 : line(p, TERM_DIM, "nothing is recorded");
}

/* ---- the page ---- */

static int fill_to(struct top_page *p, unsigned n)
{
	while (p->n < n && p->n < p->rows)
		OR_FAIL(line(p, TERM_PLAIN, "%s", ""));
	return 0;
}

static int main_page(struct top *t, struct top_page *p)
{
	struct metric m[TOP_GRAPHS];
	unsigned n = metrics(t, m), free_rows, recent, lines, body;

	OR_FAIL(head(t, p));
	OR_FAIL(reasons(t, p, p->rows >= 30 ? REASONS : p->rows >= 20 ? 2 : 1));
	if (p->rows < p->n + 2)
		return 0;
	free_rows = p->rows - p->n - 1;
	/* Processes come first, then one line a figure, then events, then higher graphs. */
	n = free_rows > PROCESSES + n ? n : free_rows > PROCESSES ? free_rows - PROCESSES : 1;
	body = free_rows > n ? free_rows - n : 0;
	recent = body > 2 * PROCESSES + 12 ? 6 : body > PROCESSES + 5 ? 4 : 0;
	body -= recent;
	lines = 1;
	while (lines < 4 && body > n + t->n_item + 2 && body > n + PROCESSES + 8) {
		lines++;
		body -= n;
	}
	for (unsigned i = 0; i < n; i++)
		OR_FAIL(graph(t, p, &m[i], lines));
	if (body)
		OR_FAIL(processes(t, p, body));
	OR_FAIL(fill_to(p, p->rows - 1 - recent));
	return recent ? events(t, p, 0, recent, false) : 0;
}

/* ---- keys ---- */

/* A row each; t->top is the first that is shown. */
static int help_page(struct top *t, struct top_page *p)
{
	unsigned room = p->rows > 3 ? p->rows - 2 : 1, n = 0;

	while (top_keys[n].help)
		n++;
	if (t->top + room > n)
		t->top = n > room ? n - room : 0;
	OR_FAIL(line(p, TERM_PLAIN, " keys   a training is acted on whole, workers and all; an editor never"));
	p->row[0].bar = true;
	for (unsigned i = t->top; i < n && p->n < p->rows; i++) {
		autoput(buf_release) struct buf names = BUF_INIT;

		OR_FAIL(term_key_names(&names, top_keys[i].key, TOP_KEYS, top_keys[i].also));
		OR_FAIL(line(p, TERM_PLAIN, " %-26s %s", names.data, top_keys[i].help));
	}
	return 0;
}

/* What there is room for, in the order of the table. */
static int add_hints(const struct top *t, unsigned columns, struct buf *b)
{
	unsigned view = top_view(t);

	for (const struct top_key *k = top_keys; k->help; k++)
		if (k->hint && k->in & view && b->len + strlen(k->hint) + 2 < columns)
			OR_FAIL(buf_printf(b, "%s%s", b->len ? "  " : " ", k->hint));
	return 0;
}

static int bottom(const struct top *t, struct top_page *p)
{
	autoput(buf_release) struct buf hints = BUF_INIT;

	if (*t->message)
		return line(p, TERM_PLAIN, "%s", t->message);
	OR_FAIL(add_hints(t, p->columns, &hints));
	return line(p, TERM_PLAIN, "%s", hints.len ? hints.data : "");
}

int top_page(struct top *t, unsigned rows, unsigned columns, struct top_page *p)
{
	int r;

	p->n = 0;
	p->rows = rows < TOP_ROWS ? rows : TOP_ROWS;
	p->columns = columns;
	if (t->help) {
		r = help_page(t, p);
	} else if (t->events) {
		unsigned room = p->rows > 3 ? p->rows - 2 : 1;

		r = head(t, p);
		keep_in_sight(t, t->event_at, t->n_event, room - 1);
		r = r < 0 ? r : events(t, p, t->top, room, true);
	} else {
		r = main_page(t, p);
	}
	if (p->n == p->rows && p->n)
		buf_release(&p->row[--p->n].text);
	r = r < 0 ? r : fill_to(p, p->rows - 1);
	r = r < 0 ? r : bottom(t, p);
	if (r == 0 && p->n)
		p->row[p->n - 1].bold = true;
	return r;
}

void top_page_release(struct top_page *p)
{
	for (unsigned i = 0; i < p->n; i++)
		buf_release(&p->row[i].text);
	p->n = 0;
}
