/* detect/runs_html.c - see the header. */
#include "detect/runs_html.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "detect/gate.h"
#include "lib/err.h"
#include "lib/html.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/text.h"

enum { MOST_COMMANDS = 100, NOTHING = TIERS };

enum end { END_DONE, END_FAILED, END_OOM, END_RUNNING, END_LOST, ENDS };

static const struct {
	const char *name, *class;
} ends[ENDS] = {
	[END_DONE] = { "done", "good" },
	[END_FAILED] = { "failed or ended", "fail" },
	[END_OOM] = { "out of memory", "oom" },
	[END_RUNNING] = { "running", "live" },
	[END_LOST] = { "lost", "gone" },
};

struct page {
	struct buf b;
	const struct runs_html *h;
	const char *configs;
	uint64_t total; /* of the machine; 0: cannot be read */
	int err;        /* the first failure of b */
};

static int new_run(struct runs_html *h)
{
	size_t cap = h->cap ? h->cap * 2 : 64;
	struct run *run;

	if (h->n < h->cap)
		return 0;
	run = reallocarray(h->run, cap, sizeof(*run));
	if (!run)
		return -ENOMEM;
	h->run = run;
	h->cap = cap;
	return 0;
}

int runs_html_add(struct runs_html *h, struct run *r)
{
	int e = new_run(h);

	if (e < 0)
		return e;
	h->run[h->n++] = *r;
	memset(r, 0, sizeof(*r));
	return 0;
}

static void release(struct runs_html *h)
{
	for (size_t i = 0; i < h->n; i++)
		run_release(&h->run[i]);
	free(h->run);
	*h = (struct runs_html){ 0 };
}

static enum end end_of(const struct run *r)
{
	if (r->lost)
		return END_LOST;
	if (r->running)
		return END_RUNNING;
	if (r->cause && strncmp(r->cause, "out-of-memory", 13) == 0)
		return END_OOM;
	return r->signal <= 0 && r->code == 0 ? END_DONE : END_FAILED;
}

/* ---- pieces ---- */

static void raw(struct page *p, const char *s)
{
	if (p->err == 0)
		p->err = buf_addstr(&p->b, s);
}

/* Text between two pieces of our own. */
static void item(struct page *p, const char *before, const char *s, const char *after)
{
	raw(p, before);
	if (p->err == 0)
		p->err = html_text(&p->b, s);
	raw(p, after);
}

static void count(struct page *p, const char *before, size_t n, const char *after)
{
	raw(p, before);
	if (p->err == 0)
		p->err = buf_printf(&p->b, "%zu", n);
	raw(p, after);
}

static const char *size_or(uint64_t v, const char *none, char p[16])
{
	return v && v != MACHINE_NONE ? text_size(v, p) : none;
}

static void cell(struct page *p, uint64_t v)
{
	char size[16];

	item(p, "<td class=\"n\">", size_or(v, "-", size), "</td>");
}

static uint64_t ram_of(const struct run *r)
{
	return r->peak.ram;
}

static uint64_t gpu_of(const struct run *r)
{
	return r->peak.gpu == MACHINE_NONE ? 0 : r->peak.gpu;
}

static uint64_t most(const struct runs_html *h, uint64_t (*of)(const struct run *r))
{
	uint64_t m = 0;

	for (size_t i = 0; i < h->n; i++)
		m = of(&h->run[i]) > m ? of(&h->run[i]) : m;
	return m;
}

/* ---- what it is about ---- */

static void put_ends(struct page *p)
{
	size_t n[ENDS] = { 0 };

	for (size_t i = 0; i < p->h->n; i++)
		n[end_of(&p->h->run[i])]++;
	raw(p, "<div class=\"key\">");
	for (unsigned i = 0; i < ENDS; i++) {
		if (!n[i])
			continue;
		item(p, "<span class=\"", ends[i].class, "\"><i></i>");
		count(p, "", n[i], " ");
		item(p, "", ends[i].name, "</span>");
	}
	raw(p, "</div>\n");
}

static void put_head(struct page *p)
{
	const struct run *first = &p->h->run[p->h->n - 1], *last = &p->h->run[0];
	char from[32], to[32], size[16];

	count(p, "<h1>", p->h->n,
		p->h->n == 1 ? " training run</h1>\n<dl>" : " training runs</h1>\n<dl>");
	item(p, "<dt>begun</dt><dd>", text_local_time((int64_t)first->began_ms * 1000000, from),
		"");
	item(p, p->h->n > 1 ? " to " : "",
		p->h->n > 1 ? text_local_time((int64_t)last->began_ms * 1000000, to) : "",
		"</dd>\n");
	item(p, "<dt>most memory</dt><dd>", size_or(most(p->h, ram_of), "not measured", size), "");
	item(p, p->total ? " of " : "", p->total ? text_size(p->total, size) : "",
		p->total ? " that this machine has</dd>\n" : "</dd>\n");
	if (most(p->h, gpu_of))
		item(p, "<dt>most GPU memory</dt><dd>", text_size(most(p->h, gpu_of), size),
			"</dd>\n");
	raw(p, "</dl>\n");
	put_ends(p);
}

/* ---- a bar each ---- */

struct line {
	uint64_t at;
	const char *name;
};

enum { MOST_LINES = TIERS + 1 };

static int by_height(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Lines across, where they are not so high that the bars would be specks; those too near each other
 * to be read share their name. */
static void put_lines(struct page *p, struct line *l, unsigned n, uint64_t scale)
{
	char size[16];

	qsort(l, n, sizeof(*l), by_height);
	for (unsigned i = 0; i < n && l[i].at <= scale && p->err == 0;) {
		uint64_t at = l[i].at;

		p->err = buf_printf(&p->b, "<b style=\"bottom:%.2f%%\"><span>",
			(double)at * 100 / (double)scale);
		for (const char *between = "";
			i < n && l[i].at <= scale && l[i].at - at <= scale / 12;
			i++, between = ", ") {
			item(p, between, l[i].name, " ");
			item(p, "", text_size(l[i].at, size), "");
		}
		raw(p, "</span></b>");
	}
}

static void put_bar(struct page *p, const struct run *r, uint64_t v, uint64_t scale)
{
	char when[32], size[16];

	item(p, "<i class=\"", ends[end_of(r)].class, "\" title=\"");
	item(p, "", text_local_time((int64_t)r->began_ms * 1000000, when), ", ");
	item(p, "", size_or(v, "not measured", size), ", ");
	item(p, "", ends[end_of(r)].name, ": ");
	item(p, "", r->command ? r->command : "", "\"");
	if (p->err == 0)
		p->err = buf_printf(&p->b, " style=\"height:%.2f%%\"></i>",
			scale ? (double)v * 100 / (double)scale : 0.0);
}

static void put_bars(struct page *p, uint64_t (*of)(const struct run *r), uint64_t total, bool gpu)
{
	uint64_t top = most(p->h, of), scale = top + top / 8;
	struct line line[MOST_LINES];
	unsigned n = 0;
	struct need need;

	if (!top) {
		raw(p, "<p class=\"dim\">Nothing was measured.</p>\n");
		return;
	}
	if (total > scale && total / 3 <= top)
		scale = total + total / 16;
	raw(p, "<div class=\"bars\">");
	for (size_t i = p->h->n; i-- > 0;)
		put_bar(p, &p->h->run[i], of(&p->h->run[i]), scale);
	for (unsigned i = 0; i < TIERS; i++) {
		need_of_tier(&tiers[i], p->configs, &need);
		/* cpu is a way to run, not a size between the others. */
		if (strcmp(tiers[i].name, "cpu") != 0 && (gpu ? need.gpu : need.ram))
			line[n++] = (struct line){ gpu ? need.gpu : need.ram, tiers[i].name };
	}
	if (total)
		line[n++] = (struct line){ total, "the machine" };
	put_lines(p, line, n, scale);
	raw(p, "</div>\n<div class=\"ends\"><span>a bar a run, the oldest first; dashed: what the tiers need</span></div>\n");
}

/* ---- by tier ---- */

static size_t tier_of(const struct run *r)
{
	const struct tier *t = r->tier ? tier_find(r->tier) : NULL;

	return t ? (size_t)(t - tiers) : NOTHING;
}

static void put_tier(struct page *p, size_t tier)
{
	uint64_t ram = 0, gpu = 0;
	size_t n = 0, oom = 0;
	struct need need;

	for (size_t i = 0; i < p->h->n; i++) {
		const struct run *r = &p->h->run[i];

		if (tier_of(r) != tier)
			continue;
		n++;
		oom += end_of(r) == END_OOM;
		ram = ram_of(r) > ram ? ram_of(r) : ram;
		gpu = gpu_of(r) > gpu ? gpu_of(r) : gpu;
	}
	if (tier == NOTHING && !n)
		return;
	item(p, "<tr><td class=\"n\">", tier == NOTHING ? "none" : tiers[tier].name, "</td>");
	if (tier != NOTHING)
		need_of_tier(&tiers[tier], p->configs, &need);
	cell(p, tier == NOTHING ? 0 : need.ram);
	cell(p, ram);
	cell(p, tier == NOTHING ? 0 : need.gpu);
	cell(p, gpu);
	count(p, "<td class=\"n\">", n, "</td>");
	count(p, oom ? "<td class=\"n bad\">" : "<td class=\"n\">", oom, "</td>");
	item(p, "<td class=\"dim wide\">", tier == NOTHING ? "" : tiers[tier].use, "</td></tr>\n");
}

static void put_tiers(struct page *p)
{
	raw(p, "<h2>By tier</h2>\n<div "
	       "class=\"rows\"><table><tr><th>tier</th><th>needs</th><th>took</th>"
	       "<th>GPU needs</th><th>took</th><th>runs</th><th>out of memory</th>"
	       "<th class=\"wide\">for</th></tr>\n");
	for (size_t i = 0; i <= NOTHING; i++)
		put_tier(p, i);
	raw(p, "</table></div>\n");
}

/* ---- by command: what the next launch will be asked about ---- */

static bool same_command(const struct run *a, const struct run *b)
{
	return strcmp(a->command ? a->command : "", b->command ? b->command : "") == 0 &&
	       strcmp(a->cwd ? a->cwd : "", b->cwd ? b->cwd : "") == 0;
}

static bool seen_before(const struct runs_html *h, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (same_command(&h->run[i], &h->run[at]))
			return true;
	return false;
}

static void put_command(struct page *p, size_t at)
{
	const struct run *of = &p->h->run[at];
	uint64_t ram = 0, gpu = 0;
	size_t n = 0, oom = 0;

	for (size_t i = at; i < p->h->n; i++) {
		const struct run *r = &p->h->run[i];

		if (!same_command(r, of))
			continue;
		n++;
		oom += end_of(r) == END_OOM;
		ram = ram_of(r) > ram ? ram_of(r) : ram;
		gpu = gpu_of(r) > gpu ? gpu_of(r) : gpu;
	}
	count(p, "<tr><td class=\"n\">", n, "</td>");
	count(p, oom ? "<td class=\"n bad\">" : "<td class=\"n\">", oom, "</td>");
	cell(p, ram);
	cell(p, gpu);
	item(p, "<td><code>", of->command, "</code>");
	item(p, "<br><span class=\"dim\">", of->cwd, "</span></td></tr>\n");
}

static void put_commands(struct page *p)
{
	size_t n = 0, left = 0;

	raw(p, "<h2>By command</h2>\n<div class=\"rows\"><table><tr><th>runs</th><th>out of "
	       "memory</th><th>most memory</th><th>GPU</th>"
	       "<th>command</th></tr>\n");
	for (size_t i = 0; i < p->h->n; i++) {
		if (seen_before(p->h, i))
			continue;
		if (n < MOST_COMMANDS)
			put_command(p, i);
		else
			left++;
		n++;
	}
	raw(p, "</table></div>\n");
	if (left)
		count(p, "<p class=\"dim\">and ", left, " more</p>\n");
}

/* ---- each ---- */

static void put_end(struct page *p, const struct run *r)
{
	enum end e = end_of(r);
	char code[40];

	item(p, "<td class=\"n ", ends[e].class, "\">");
	if (e == END_FAILED && r->by)
		(void)snprintf(code, sizeof(code), "ended by hand");
	else if (e == END_FAILED && r->signal > 0)
		(void)snprintf(code, sizeof(code), "signal %d", r->signal);
	else if (e == END_FAILED)
		(void)snprintf(code, sizeof(code), "exit code %d", r->code);
	item(p, "", e == END_FAILED ? code : ends[e].name, "</td>");
}

static void put_run(struct page *p, const struct run *r)
{
	char when[32], took[24];
	bool known = !r->running && r->ended_ms >= r->began_ms;

	item(p, "<tr><td class=\"n\">", text_local_time((int64_t)r->began_ms * 1000000, when),
		"</td>");
	item(p, "<td class=\"n wide\">",
		known ? text_duration((r->ended_ms - r->began_ms) / 1000, took) : "-", "</td>");
	cell(p, r->peak.ram);
	cell(p, gpu_of(r));
	item(p, "<td class=\"n wide\">", r->tier ? r->tier : r->mode ? r->mode : "-", "</td>");
	put_end(p, r);
	item(p, "<td><code>", r->command, "</code>");
	if (end_of(r) == END_OOM || end_of(r) == END_FAILED)
		item(p, "<br><span class=\"dim\">", r->how, "</span>");
	item(p, "<span class=\"dim id\"> ", r->id, "</span></td></tr>\n");
}

static void put_runs(struct page *p)
{
	raw(p, "<h2>One after the other</h2>\n<div class=\"rows\"><table><tr><th>begun</th><th "
	       "class=\"wide\">took</th>"
	       "<th>memory</th><th>GPU</th><th "
	       "class=\"wide\">tier</th><th>end</th><th>command</th></tr>\n");
	for (size_t i = 0; i < p->h->n; i++)
		put_run(p, &p->h->run[i]);
	raw(p, "</table></div>\n");
}

static uint64_t machine_total(void)
{
	struct machine_reader *reader = NULL;
	struct machine m = { 0 };
	uint64_t total = 0;

	if (machine_open(&roots_real, &reader) == 0 && machine_read(reader, &m) == 0)
		total = m.total;
	machine_close(reader);
	return total;
}

static void fill(struct page *p)
{
	char when[32];
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &now);
	p->err = html_begin(&p->b, "Training runs");
	put_head(p);
	raw(p, "<h2>Memory of each run</h2>\n");
	put_bars(p, ram_of, p->total, false);
	if (most(p->h, gpu_of)) {
		raw(p, "<h2>GPU memory of each run</h2>\n");
		put_bars(p, gpu_of, 0, true);
	}
	put_tiers(p);
	put_commands(p);
	put_runs(p);
	item(p, "<p class=\"dim\">" DETECT " runs, ",
		text_local_time((int64_t)now.tv_sec * 1000000000, when),
		": " DETECT " runs RUN says more of one, " DETECT
		" tiers which sizes fit now.</p>\n");
	if (p->err == 0)
		p->err = html_end(&p->b);
}

/* The newest first, by their begin: run_each goes by what was last written. */
static int by_begin(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return (x->began_ms < y->began_ms) - (x->began_ms > y->began_ms);
}

int runs_html_write(struct runs_html *h, const struct detect_settings *set, const char *file)
{
	struct gate_limits lim;
	struct page p = { .b = BUF_INIT, .h = h, .total = machine_total() };

	qsort(h->run, h->n, sizeof(*h->run), by_begin);
	gate_limits(&set->cfg, &lim);
	p.configs = lim.configs;
	fill(&p);
	if (p.err == 0)
		p.err = html_write(&p.b, file);
	buf_release(&p.b);
	release(h);
	if (p.err == 0)
		return EXIT_DONE;
	(void)log_error_errno(p.err, "runs: %s", file);
	return EXIT_ENV;
}
