/* recover/report_html.c - see the header. One axis of time for all: from ten minutes before the
 * crash, or as far back as there are readings, to half a minute after it. */
#include "report_html.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../detect/detect.h"
#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/html.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "out.h"
#include "xalloc.h"

enum {
	BEFORE_MS = 10 * 60 * 1000,
	AFTER_MS = 30 * 1000,
	GAP_MS = 60 * 1000, /* without a reading: the curve stops */
	MARKS = 500,	    /* on the axis and in its list; the newest */
	LISTED = 200,	    /* paths and buffers named */
};

enum lane { LANE_SNAPSHOT, LANE_LAUNCH, LANE_GUARD, LANE_RISK, LANE_END, LANES };

static const struct {
	const char *name, *colour;
} lanes[LANES] = {
	{ "snapshots", "--gpu" },
	{ "launches", "--launch" },
	{ "guard", "--guard" },
	{ "risk", "--swap" },
	{ "ends", "--bad" },
};

struct mark {
	uint64_t ms;
	enum lane lane;
	char *text;
};

struct page {
	struct buf b;
	uint64_t from, to;
	struct mark *m;
	size_t n, cap;
	int err; /* the first failure of b */
};

static void page_release(struct page *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->m[i].text);
	free(p->m);
	buf_release(&p->b);
}

static void raw(struct page *p, const char *s)
{
	if (p->err == 0)
		p->err = buf_addstr(&p->b, s);
}

static void text(struct page *p, const char *s)
{
	if (p->err == 0)
		p->err = html_text(&p->b, s);
}

/* "<TAG>TEXT</TAG>", what stands before and after being our own. */
static void item(struct page *p, const char *before, const char *s, const char *after)
{
	raw(p, before);
	text(p, s);
	raw(p, after);
}

static double at(const struct page *p, uint64_t ms, double width)
{
	ms = ms < p->from ? p->from : ms > p->to ? p->to : ms;
	return (double)(ms - p->from) * width / (double)(p->to - p->from);
}

/* ---- what happened when ---- */

static void add_mark(struct page *p, uint64_t ms, enum lane lane, char *what)
{
	if (ms < p->from || ms > p->to || p->n == MARKS) {
		free(what);
		return;
	}
	p->m = xgrow(p->m, p->n, &p->cap, sizeof(*p->m));
	p->m[p->n++] = (struct mark){ ms, lane, what };
}

static int add_snapshot(const struct store_snapshot *sn, void *arg)
{
	struct page *p = arg;
	uint64_t ms = (uint64_t)(sn->time_ns / 1000000);
	char id[41];

	if (ms < p->from || p->n == MARKS)
		return 1;
	id_hex(&sn->id, id);
	add_mark(p, ms, LANE_SNAPSHOT,
		xasprintf("snapshot %.8s (%s), %ju changed%s%s", id, store_reason_name(sn->reason),
			(uintmax_t)sn->changed, *sn->message ? ": " : "", sn->message));
	return 0;
}

static int add_event(const struct journal_event *ev, void *arg)
{
	static const enum lane of[] = {
		[J_EXIT] = LANE_END, [J_RISK] = LANE_RISK, [J_GUARD] = LANE_GUARD,
		[J_LAUNCH] = LANE_LAUNCH, [J_RESTORE] = LANE_SNAPSHOT, [J_MACHINE] = LANE_END,
		[J_HANG] = LANE_RISK,
	};

	if ((size_t)ev->kind < sizeof(of) / sizeof(*of))
		add_mark(arg, ev->real_ms, of[ev->kind],
			xstrdup(ev->text ? ev->text : ev->name ? ev->name : "an event"));
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	return (x->ms > y->ms) - (x->ms < y->ms);
}

static int gather(struct page *p, struct recover *r)
{
	struct journal_filter f = { .from_ms = p->from, .to_ms = p->to, .limit = MARKS };
	autoclose int dirfd = detect_state_dir_if_any();
	struct journal *j = NULL;
	int e = dirfd < 0 ? dirfd : journal_open(dirfd, false, &j);

	if (e == 0)
		e = journal_each(j, &f, add_event, p);
	journal_close(j);
	if (e < 0)
		return log_warn_errno(e, "the journal of events");
	e = store_list(r->store, 0, add_snapshot, p);
	if (p->n)
		qsort(p->m, p->n, sizeof(*p->m), by_time);
	return e < 0 ? e : 0;
}

/* ---- the curves ---- */

static double percent(uint64_t left, uint64_t total)
{
	return total && total != MACHINE_NONE && left <= total
		       ? (double)(total - left) * 100 / (double)total
		       : -1;
}

static double memory_of(const struct sample *s)
{
	return percent(s->available, s->total);
}

static double swap_of(const struct sample *s)
{
	return percent(s->swap_free, s->swap_total);
}

static double gpu_of(const struct sample *s)
{
	return s->gpu_used == MACHINE_NONE || s->gpu_total == MACHINE_NONE ||
			       s->gpu_used > s->gpu_total
		       ? -1
		       : percent(s->gpu_total - s->gpu_used, s->gpu_total);
}

static const struct curve {
	const char *name, *class, *colour;
	double (*of)(const struct sample *s);
} curves[] = {
	{ "memory", "mem", "--mem", memory_of },
	{ "swap", "swap", "--swap", swap_of },
	{ "GPU memory", "gpu", "--gpu", gpu_of },
};
enum { N_CURVES = sizeof(curves) / sizeof(*curves) };

static void draw(struct page *p, const struct journal_event *ev, const struct curve *c)
{
	uint64_t last = 0;

	if (p->err == 0)
		p->err = buf_printf(&p->b, "<path class=\"%s\" d=\"", c->class);
	for (unsigned i = 0; i < ev->n_sample && p->err == 0; i++) {
		uint64_t ms = ev->sample[i].real_ms;
		double v = c->of(&ev->sample[i]);

		if (v < 0 || ms < p->from || ms > p->to)
			continue;
		p->err = buf_printf(&p->b, "%c%.1f %.1f",
			last && ms - last <= GAP_MS ? 'L' : 'M', at(p, ms, 1000), 100 - v);
		last = ms;
	}
	raw(p, "\"/>");
}

static void legend(struct page *p, const struct journal_event *ev, const struct curve *c)
{
	double most = -1, v = -1;

	for (unsigned i = 0; i < ev->n_sample; i++) {
		double now = c->of(&ev->sample[i]);

		v = now < 0 ? v : now;
		most = now > most ? now : most;
	}
	if (most < 0 || p->err < 0)
		return;
	p->err = buf_printf(&p->b,
		"<span><i style=\"border-color:var(%s)\"></i>%s: at most %.0f %%, "
		"%.0f %% at the end</span>",
		c->colour, c->name, most, v);
}

static void put_legends(struct page *p, const struct journal_event *ev)
{
	raw(p, "<h2>Memory, swap and GPU</h2>\n");
	if (!ev->n_sample) {
		raw(p, "<p class=\"dim\">There are no readings of that time.</p>\n");
		return;
	}
	raw(p, "<div class=\"key\">");
	for (size_t i = 0; i < N_CURVES; i++)
		legend(p, ev, &curves[i]);
	raw(p, "</div>\n");
}

static void put_curves(struct page *p, const struct journal_event *ev)
{
	if (!ev->n_sample)
		return;
	raw(p, "<div class=\"scale\"><b>100 %</b><b>50 %</b><b>0 %</b>"
	       "<svg class=\"chart\" viewBox=\"0 0 1000 100\" "
	       "preserveAspectRatio=\"none\" role=\"img\" "
	       "aria-label=\"shares in use over time, 0 to 100 percent\">"
	       "<path class=\"grid\" d=\"M0 25H1000M0 50H1000M0 75H1000\"/>");
	for (size_t i = 0; i < N_CURVES; i++)
		draw(p, ev, &curves[i]);
	if (p->err == 0)
		p->err = buf_printf(&p->b, "<path class=\"then\" d=\"M%.1f 0V100\"/></svg></div>\n",
			at(p, ev->real_ms, 1000));
}

/* ---- the axis ---- */

static void put_lane(struct page *p, enum lane lane)
{
	char when[32];

	if (p->err == 0)
		p->err = buf_printf(&p->b, "<div class=\"lane\" style=\"--c:var(%s)\"><b>%s</b>",
			lanes[lane].colour, lanes[lane].name);
	for (size_t i = 0; i < p->n && p->err == 0; i++) {
		if (p->m[i].lane != lane)
			continue;
		p->err = buf_printf(&p->b, "<i style=\"left:%.2f%%\" title=\"%s: ",
			at(p, p->m[i].ms, 100),
			text_local_time((int64_t)p->m[i].ms * 1000000, when) + 11);
		item(p, "", p->m[i].text, "\"></i>");
	}
	raw(p, "</div>\n");
}

static void put_axis(struct page *p, const struct journal_event *ev)
{
	char when[32];

	put_legends(p, ev);
	raw(p, "<div class=\"axis\">\n");
	put_curves(p, ev);
	for (enum lane l = 0; l < LANES; l++)
		put_lane(p, l);
	item(p, "<div class=\"ends\"><span>",
		text_local_time((int64_t)p->from * 1000000, when), "</span>");
	raw(p, "<span class=\"wide\">dashed: the end; gaps: nothing was read</span>");
	item(p, "<span>", text_local_time((int64_t)p->to * 1000000, when) + 11,
		"</span></div>\n</div>\n");
}

static void put_marks(struct page *p)
{
	char when[32];

	raw(p, "<h2>One after the other</h2>\n<table>\n");
	for (size_t i = 0; i < p->n && p->err == 0; i++) {
		item(p, "<tr><td class=\"n\">",
			text_local_time((int64_t)p->m[i].ms * 1000000, when) + 11, "</td>");
		item(p, "<td class=\"dim wide n\">", lanes[p->m[i].lane].name, "</td>");
		item(p, "<td>", p->m[i].text, "</td></tr>\n");
	}
	raw(p, p->n ? "</table>\n" : "</table><p class=\"dim\">Nothing is recorded.</p>\n");
}

/* ---- in words ---- */

static const char *string(const cJSON *o, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
}

static void term(struct page *p, const char *name, const char *value)
{
	if (!value)
		return;
	item(p, "<dt>", name, "</dt>");
	item(p, "<dd>", value, "</dd>\n");
}

static void put_snapshot(
	struct page *p, const char *name, const cJSON *sn, const char *later, const char *none)
{
	const cJSON *age = cJSON_GetObjectItemCaseSensitive(sn, "age_s");
	const char *id = string(sn, "id"), *time = string(sn, "time");
	autofree char *line = NULL;
	char before[24];

	/* The local time as it stands there, without the T between. */
	if (id && time && strlen(time) > 19)
		line = xasprintf("%.8s, %.10s %.8s, %s %s", id, time, time + 11,
			text_duration(cJSON_IsNumber(age) && age->valuedouble > 0
					      ? (uint64_t)age->valuedouble
					      : 0,
				before),
			later);
	term(p, name, line ? line : none);
}

static void put_head(struct page *p, const struct journal_event *ev, const cJSON *what)
{
	char when[32], size[16];
	const char *cause = string(what, "cause"), *sure = string(what, "confidence");
	autofree char *peak = NULL;
	autofree char *why =
		cause ? xasprintf("%s%s%s", cause, sure ? ", " : "", sure ? sure : "") : NULL;

	item(p, "<h1>", string(what, "what") ? string(what, "what") : "Something ended",
		"</h1>\n<dl>");
	term(p, "when", text_local_time((int64_t)ev->real_ms * 1000000, when));
	term(p, "why", why);
	term(p, "window", string(what, "window"));
	term(p, "command", string(what, "command"));
	if (ev->peak)
		peak = xasprintf("at least %s at its largest", text_size(ev->peak, size));
	term(p, "memory", peak);
	put_snapshot(p, "last snapshot before",
		cJSON_GetObjectItemCaseSensitive(what, "last_snapshot"), "earlier", "none");
	put_snapshot(p, "newest snapshot",
		cJSON_GetObjectItemCaseSensitive(what, "newest_snapshot"), "before this page",
		NULL);
	raw(p, "</dl>\n<h2>Evidence</h2>\n<pre>");
	for (const cJSON *e = cJSON_GetObjectItemCaseSensitive(what, "evidence")->child; e;
		e = e->next)
		item(p, "", cJSON_GetStringValue(e), "\n");
	if (string(what, "note"))
		item(p, "not known: ", string(what, "note"), "\n");
	raw(p, "</pre>\n");
}

static void put_advice(struct page *p, const cJSON *what)
{
	raw(p, "<h2>What to do</h2>\n<pre>");
	for (const cJSON *e = cJSON_GetObjectItemCaseSensitive(what, "advice")->child; e;
		e = e->next)
		item(p, "", cJSON_GetStringValue(e), "\n");
	raw(p, "</pre>\n");
}

static void put_list(struct page *p, const cJSON *a, const char *mark, const char *name)
{
	unsigned n = 0;

	raw(p, "<table>\n");
	for (const cJSON *e = a ? a->child : NULL; e && n < LISTED; e = e->next, n++) {
		item(p, "<tr><td class=\"id n\">", string(e, mark), "</td>");
		item(p, "<td>", string(e, name), "</td></tr>\n");
	}
	raw(p, "</table>\n");
	if (cJSON_GetArraySize(a) > (int)LISTED && p->err == 0)
		p->err = buf_printf(&p->b, "<p class=\"dim\">and %d more</p>\n",
			cJSON_GetArraySize(a) - (int)LISTED);
}

static void put_saved(struct page *p, const cJSON *what)
{
	const cJSON *differs = cJSON_GetObjectItemCaseSensitive(what, "differs");
	const cJSON *unsaved = cJSON_GetObjectItemCaseSensitive(what, "unsaved");

	raw(p, "<h2>Now, compared with the snapshot before</h2>\n");
	if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(what, "differs_known")))
		raw(p, "<p>The workspace is gone or could not be looked at.</p>\n");
	else if (!cJSON_GetArraySize(differs))
		raw(p, "<p>All files are as they were in it.</p>\n");
	else
		put_list(p, differs, "change", "path");
	if (cJSON_GetArraySize(unsaved)) {
		raw(p, "<h2>Typed and never saved</h2>\n");
		put_list(p, unsaved, "id", "path");
	}
}

static void set_span(struct page *p, const struct journal_event *ev)
{
	uint64_t first = ev->n_sample ? ev->sample[0].real_ms : 0;

	p->to = ev->real_ms + AFTER_MS;
	p->from = ev->real_ms > BEFORE_MS ? ev->real_ms - BEFORE_MS : 0;
	if (first > p->from && first + 60000 < ev->real_ms)
		p->from = first;
}

int report_html(
	struct recover *r, const struct journal_event *ev, const cJSON *what, const char *file)
{
	autoput(page_release) struct page p = { .b = BUF_INIT };
	char when[32];
	int e;

	set_span(&p, ev);
	e = gather(&p, r);
	if (e < 0)
		return context_failed(r, e, "the snapshots of that time");
	p.err = html_begin(&p.b, string(what, "what"));
	put_head(&p, ev, what);
	put_advice(&p, what);
	put_axis(&p, ev);
	put_saved(&p, what);
	put_marks(&p);
	item(&p, "<p class=\"dim\">" RECOVER " report, ",
		text_local_time(r->now_ns, when), ": ");
	item(&p, "", r->workspace, "</p>\n");
	if (p.err == 0)
		p.err = html_end(&p.b);
	if (p.err == 0)
		p.err = html_write(&p.b, file);
	if (p.err == 0)
		return EXIT_DONE;
	(void)log_error_errno(p.err, "%s", file);
	return EXIT_ENV;
}
