/* recover report: what died, when, why, how near the edge the machine was, and what is safe. */
#include "recover.h"

#include <errno.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "../scan/scan.h"
#include "crash.h"
#include "out.h"
#include "paths.h"
#include "pending.h"
#include "plot.h"
#include "report_html.h"
#include "rev.h"
#include "rows.h"
#include "unsaved.h"
#include "xalloc.h"

enum { R_JSON = 1, R_EVENT, R_HTML };
enum {
	COLUMNS = 80,
	INDENT = 2,
	SHOWN = 8, /* differing paths named */
	MEMORY_ROWS = 5,
	OTHER_ROWS = 2,
	SPAN_MS = 10 * 60 * 1000,
	HOLD_MS = 30000,
	ADVICE = 8,
};

const struct opt report_opts[] = {
	{ R_JSON, 0, "json", OPT_FLAG, NULL, "one object" },
	{ R_HTML, 0, "html", OPT_VALUE, "FILE",
		"a page with curves and a time axis; - is stdout" },
	{ R_EVENT, 0, "event", OPT_VALUE, "ID",
		"another event than the last crash: its id in `" DETECT " events --json`" },
	{ 0 },
};

struct difference {
	char letter; /* A since, M, D since */
	char *path;
};

struct report {
	struct recover *r;
	struct journal_event ev;
	struct store_snapshot before, newest; /* seq 0: none */
	const struct journal_link *link;      /* snapd's word for this workspace, or NULL */
	struct difference *d;
	size_t n_d, cap_d;
	int diff_error;
	bool running; /* snapd */
	struct unsaved_list unsaved;
	bool elsewhere;	    /* the workspace is the event's, we stand in none */
	const char *window; /* the editor that had this workspace open in it; NULL: not told */
	char *advice[ADVICE];
	unsigned n_advice;
};

static void report_release(struct report *x)
{
	journal_event_release(&x->ev);
	store_snapshot_release(&x->before);
	store_snapshot_release(&x->newest);
	for (size_t i = 0; i < x->n_d; i++)
		free(x->d[i].path);
	free(x->d);
	unsaved_release(&x->unsaved);
	for (unsigned i = 0; i < x->n_advice; i++)
		free(x->advice[i]);
}

static int64_t event_ns(const struct report *x)
{
	return (int64_t)x->ev.real_ms * 1000000;
}

/* ---- what differs ---- */

static bool content(const struct store_entry *e)
{
	return e->kind == KIND_FILE || e->kind == KIND_LINK;
}

static int differs(
	const char *path, const struct store_entry *was, const struct store_entry *is, void *arg)
{
	struct report *x = arg;
	char letter = content(was) && is->kind == KIND_GONE ? 'D'
		      : content(is) && !content(was)        ? 'A'
		      : content(is)                         ? 'M'
							    : 0;

	if (!letter || is->kind == KIND_SKIPPED || (is->flags & ENTRY_KEPT))
		return 0;
	x->d = xgrow(x->d, x->n_d, &x->cap_d, sizeof(*x->d));
	x->d[x->n_d++] = (struct difference){ letter, xstrdup(path) };
	return 0;
}

static void find_differences(struct report *x)
{
	struct scan_options so = { .cfg = &x->r->cfg };
	autoscan struct scan *sc = NULL;

	if (!x->before.seq) {
		x->diff_error = -ENOENT;
		return;
	}
	x->diff_error = scan_open(x->r->workspace, &so, &sc);
	if (x->diff_error == 0)
		x->diff_error = scan_diff(sc, x->r->store, x->before.seq, NULL, differs, x);
}

/* ---- what to do ---- */

static void advise(struct report *x, char *text)
{
	if (x->n_advice < ADVICE)
		x->advice[x->n_advice++] = text;
	else
		free(text);
}

static bool evidence_says(const struct report *x, const char *word)
{
	return x->ev.evidence && strstr(x->ev.evidence, word);
}

static void make_advice(struct report *x)
{
	const char *cause = x->ev.cause ? x->ev.cause : "";
	char id[41];

	if (x->unsaved.n)
		advise(x, xasprintf(RECOVER " unsaved diff %s  (what was typed and never saved)",
				  x->unsaved.it[0].id));

	if (x->diff_error == -ENOENT && x->before.seq)
		advise(x, xasprintf(RECOVER " restore %s --yes  (the workspace is gone)",
				  rev_short(&x->before, id)));
	else if (x->n_d) {
		advise(x, xasprintf(RECOVER " diff %s  (what changed since the snapshot before it)",
				  rev_short(&x->before, id)));
		advise(x, xasprintf(RECOVER " restore %s --dry-run  (what going back would do)",
				  rev_short(&x->before, id)));
		advise(x, xasprintf(RECOVER " restore %s -- PATH  (one path of it)",
				  rev_short(&x->before, id)));
	}
	if (x->newest.flags & (ENTRY_EMPTIED | ENTRY_NULLED))
		advise(x, xasprintf(RECOVER " show %s  (files in it became empty; their versions "
					    "before are kept)",
				  rev_short(&x->newest, id)));
	if (strncmp(cause, "out-of-memory", 13) == 0)
		advise(x, xstrdup(DETECT "  (who holds the memory now; start with fewer workers or "
					 "a smaller batch)"));
	if (strcmp(cause, "crashed") == 0 && evidence_says(x, "dumped core."))
		advise(x, xasprintf("coredumpctl info %lld  (where it crashed)",
				  (long long)x->ev.pid));
	if (!x->running)
		advise(x, xasprintf(SNAPD " --workspace %s  (nothing takes snapshots now)",
				  x->r->workspace));
}

/* ---- gathering ---- */

/* The window is known by its lock: the process's own, or one of the same editor. */
static int look_at_window(const struct editor_open *e, void *arg)
{
	struct report *x = arg;
	bool same_place = x->ev.place && !strcmp(x->ev.place, e->place->path);

	if (e->pid == x->ev.pid || (same_place && x->ev.role && strcmp(x->ev.role, "run")))
		x->window = e->place->name;
	return 0;
}

static void find_window(struct report *x)
{
	autoput(places_release) struct places places = { 0 };
	const struct config_list *more = &x->r->cfg.unsaved_places;

	if (x->ev.family && places_find(more->item, more->n, &places) == 0)
		(void)editors_open_each(&places, x->r->workspace, look_at_window, x);
}

/* After a crash one opens a terminal, and stands in no workspace: then it is one of those that snapd
 * protected when it happened. */
static int find_place(struct report *x)
{
	const struct journal_link *l = x->ev.n_link ? &x->ev.link[0] : NULL;
	int rc;

	if (!context_is_given(x->r)) {
		if (!l)
			return EXIT_DONE;
		x->elsewhere = true;
		x->r->workspace_arg = l->workspace;
		x->r->store_arg = *l->store ? l->store : NULL;
	}
	rc = context_open(x->r);
	if (rc == EXIT_DONE)
		pending_say(x->r);
	return rc;
}

static int load(struct report *x)
{
	struct store *s = x->r->store;
	int e = crash_snapshot(s, &x->ev, &x->before);

	if (e < 0 && e != -ENOENT)
		return context_failed(x->r, e, "cannot read the snapshot before it");
	e = store_newest(s, &x->newest);
	if (e < 0 && e != -ENOENT)
		return context_failed(x->r, e, "cannot read the newest snapshot");
	x->link = crash_link(&x->ev, x->r->workspace);
	x->running = store_writer(x->r->store_path, NULL) == 1;
	find_differences(x);
	(void)unsaved_find(x->r, false, &x->unsaved);
	find_window(x);
	make_advice(x);
	return EXIT_DONE;
}

/* ---- JSON ---- */

static void add_lines(cJSON *a, const char *lines)
{
	while (lines && *lines) {
		size_t n = strcspn(lines, "\n");
		autofree char *one = xstrndup(lines, n);
		cJSON *tmp = cJSON_CreateObject();

		json_name(tmp, "x", one);
		cJSON_AddItemToArray(a, cJSON_DetachItemFromObject(tmp, "x"));
		cJSON_Delete(tmp);
		lines += n + (lines[n] == '\n');
	}
}

static void json_text(cJSON *o, const char *key, const char *value)
{
	if (value)
		json_name(o, key, value);
	else
		cJSON_AddNullToObject(o, key);
}

static void json_number(cJSON *o, const char *key, bool known, double value)
{
	if (known)
		cJSON_AddNumberToObject(o, key, value);
	else
		cJSON_AddNullToObject(o, key);
}

/* age_s: at the event, as DESIGN.md's "last snapshot, how old it was then". */
static void json_snapshot(
	cJSON *o, const char *key, const struct store_snapshot *sn, int64_t then_ns)
{
	cJSON *sub;
	char hex[41];

	if (!sn->seq) {
		cJSON_AddNullToObject(o, key);
		return;
	}
	sub = cJSON_AddObjectToObject(o, key);
	id_hex(&sn->id, hex);
	cJSON_AddStringToObject(sub, "id", hex);
	json_time(sub, "time", sn->time_ns);
	cJSON_AddNumberToObject(sub, "age_s", (double)((then_ns - sn->time_ns) / 1000000000));
}

static void json_size(cJSON *o, const char *key, uint64_t v)
{
	json_number(o, key, v != MACHINE_NONE, (double)v);
}

static void json_readings(cJSON *o, const struct journal_event *ev)
{
	cJSON *a = cJSON_AddArrayToObject(o, "readings");

	for (unsigned i = 0; i < ev->n_sample; i++) {
		const struct sample *s = &ev->sample[i];
		cJSON *r = cJSON_CreateObject();

		json_time(r, "time", (int64_t)s->real_ms * 1000000);
		json_size(r, "total", s->total);
		json_size(r, "available", s->available);
		json_size(r, "swap_total", s->swap_total);
		json_size(r, "swap_free", s->swap_free);
		json_size(r, "gpu_total", s->gpu_total);
		json_size(r, "gpu_used", s->gpu_used);
		json_number(r, "gpu_busy_percent", s->gpu_busy != 0, s->gpu_busy - 1);
		json_number(r, "gpu_celsius", s->gpu_celsius != 0, s->gpu_celsius - 1);
		json_size(r, "editor", s->editor);
		json_size(r, "training", s->training);
		json_number(r, "group_percent", s->group != 0, s->group - 1);
		cJSON_AddItemToArray(a, r);
	}
}

static void json_differences(cJSON *o, const struct report *x)
{
	cJSON *a = cJSON_AddArrayToObject(o, "differs");

	for (size_t i = 0; i < x->n_d; i++) {
		cJSON *d = cJSON_CreateObject();
		char letter[2] = { x->d[i].letter, 0 };

		json_name(d, "path", x->d[i].path);
		cJSON_AddStringToObject(d, "change", letter);
		cJSON_AddItemToArray(a, d);
	}
}

static void json_unsaved(cJSON *o, const struct report *x)
{
	cJSON *a = cJSON_AddArrayToObject(o, "unsaved");

	for (size_t i = 0; i < x->unsaved.n; i++) {
		const struct unsaved_item *it = &x->unsaved.it[i];
		cJSON *one = cJSON_CreateObject();

		cJSON_AddStringToObject(one, "id", it->id);
		json_name(one, "path", it->name);
		cJSON_AddBoolToObject(one, "untitled", it->untitled);
		json_time(one, "time", it->v[it->best].time_ns);
		cJSON_AddNumberToObject(one, "size", (double)it->size);
		cJSON_AddItemToArray(a, one);
	}
}

static cJSON *as_json(const struct report *x)
{
	const struct journal_event *ev = &x->ev;
	cJSON *o = cJSON_CreateObject(), *a;

	json_text(o, "what", ev->text);
	json_text(o, "cause", ev->cause);
	json_text(o, "confidence", ev->confidence);
	add_lines(cJSON_AddArrayToObject(o, "evidence"), ev->evidence);
	json_time(o, "time", event_ns(x));
	if (ev->until_ms)
		json_time(o, "not_after", (int64_t)ev->until_ms * 1000000);
	else
		cJSON_AddNullToObject(o, "not_after");
	json_snapshot(o, "last_snapshot", &x->before, crash_time_ns(ev));
	json_snapshot(o, "newest_snapshot", &x->newest, x->r->now_ns);
	json_text(o, "crash_snapshot", x->link && *x->link->after ? x->link->after : NULL);
	json_differences(o, x);
	cJSON_AddBoolToObject(o, "differs_known", x->r->store && x->diff_error >= 0);
	json_unsaved(o, x);
	a = cJSON_AddArrayToObject(o, "advice");
	for (unsigned i = 0; i < x->n_advice; i++)
		cJSON_AddItemToArray(a, cJSON_CreateString(x->advice[i]));
	json_number(o, "pid", ev->pid >= 0, (double)ev->pid);
	json_text(o, "role", ev->role);
	json_text(o, "workspace", x->r->workspace);
	json_text(o, "window", x->window);
	json_text(o, "name", ev->name);
	json_text(o, "command", ev->command);
	json_number(o, "code", ev->code >= 0, ev->code);
	json_number(o, "signal", ev->signal >= 0, ev->signal);
	cJSON_AddBoolToObject(o, "core", ev->core);
	json_number(o, "peak_bytes", ev->peak != 0, (double)ev->peak);
	json_text(o, "note", ev->note);
	json_readings(o, ev);
	cJSON_AddBoolToObject(o, "final", ev->fact == NULL);
	cJSON_AddStringToObject(o, "id", ev->id);
	return o;
}

static int print_html(const struct report *x, const char *file)
{
	cJSON *o = as_json(x);
	int rc = report_html(x->r, &x->ev, o, file);

	cJSON_Delete(o);
	return rc;
}

/* ---- for people ---- */

static bool utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Words up to column 80, each line behind the same indent; what must not reach a terminal becomes
 * '?'. */
static void wrap(const char *first, const char *text)
{
	size_t indent = strlen(first), column = indent, left = strlen(text);

	fputs(first, stdout);
	while (left) {
		size_t word = strcspn(text, " "), used = 0;

		if (column > indent && column + 1 + word > COLUMNS) {
			printf("\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			fputc(' ', stdout);
			column++;
		}
		while (used < word) {
			size_t n = text_print_len(text + used, word - used);

			if (column == COLUMNS) { /* a word longer than a line */
				printf("\n%*s", (int)indent, "");
				column = indent;
			}
			if (n)
				(void)fwrite(text + used, 1, n, stdout);
			else
				fputc('?', stdout);
			used += n ? n : 1;
			column++;
		}
		text += word;
		left -= word;
		while (left && *text == ' ')
			text++, left--;
	}
	fputc('\n', stdout);
}

static const char *ago(int64_t from_ns, int64_t to_ns, char out[24])
{
	return text_duration((uint64_t)(to_ns > from_ns ? to_ns - from_ns : 0) / 1000000000, out);
}

static void print_head(const struct report *x)
{
	const struct journal_event *ev = &x->ev;
	char when[32], until[32], age[24], size[16];

	wrap("", ev->text ? ev->text : "something ended");
	printf("  when      %s (%s ago)\n", text_local_time(event_ns(x), when),
		ago(event_ns(x), x->r->now_ns, age));
	if (ev->until_ms)
		printf("            that is the last sign of life; it went before %s\n",
			text_local_time((int64_t)ev->until_ms * 1000000, until));
	if (ev->cause)
		printf("  why       %s, %s%s\n", ev->cause,
			ev->confidence ? ev->confidence : "possible",
			ev->fact ? " (traces are still being looked for)" : "");
	if (x->elsewhere)
		wrap("  workspace ", x->r->workspace);
	for (unsigned i = 1; x->elsewhere && i < ev->n_link; i++)
		wrap("            and ", ev->link[i].workspace);
	if (x->window)
		printf("  window    %s had this workspace open in it\n", x->window);
	if (ev->command)
		wrap("  command   ", ev->command);
	if (ev->peak)
		printf("  size      at least %s at its largest\n", text_size(ev->peak, size));
}

static void print_evidence(const struct journal_event *ev)
{
	const char *lines = ev->evidence;

	if (lines && *lines)
		printf("\nevidence\n");
	while (lines && *lines) {
		size_t n = strcspn(lines, "\n");
		autofree char *one = xstrndup(lines, n);

		wrap("  | ", one);
		lines += n + (lines[n] == '\n');
	}
	if (ev->note)
		wrap("  not known: ", ev->note);
}

typedef double (*percent_fn)(const struct sample *s);

static double share(uint64_t used, uint64_t total)
{
	return total && total != MACHINE_NONE && used <= total ? (double)used * 100 / (double)total
							       : -1;
}

static double memory_percent(const struct sample *s)
{
	return s->available == MACHINE_NONE || s->available > s->total
		       ? -1
		       : share(s->total - s->available, s->total);
}

static double swap_percent(const struct sample *s)
{
	return s->swap_free == MACHINE_NONE || s->swap_free > s->swap_total
		       ? -1
		       : share(s->swap_total - s->swap_free, s->swap_total);
}

static double group_percent(const struct sample *s)
{
	return s->group ? s->group - 1 : -1;
}

static double gpu_percent(const struct sample *s)
{
	return s->gpu_used == MACHINE_NONE ? -1 : share(s->gpu_used, s->gpu_total);
}

/* Of ten minutes, or as far back as there are readings, but a minute at least. */
static uint64_t plot_from(const struct journal_event *ev)
{
	uint64_t to = ev->real_ms, from = to > SPAN_MS ? to - SPAN_MS : 0,
		 first = ev->sample[0].real_ms;
	uint64_t minute = to > 60000 ? to - 60000 : 0;

	return first <= from ? from : first < minute ? first : minute;
}

static void print_plot(const struct journal_event *ev, const char *what, percent_fn percent,
	uint64_t total, unsigned rows)
{
	autofree struct plot_point *p = xcalloc(ev->n_sample + 1, sizeof(*p));
	autoput(buf_release) struct buf b = BUF_INIT;
	uint64_t to = ev->real_ms, from = plot_from(ev);
	double first = -1, last = -1, most = -1;
	char size[16], of[24] = "";

	for (unsigned i = 0; i < ev->n_sample; i++) {
		uint64_t ms = ev->sample[i].real_ms;

		p[i] = (struct plot_point){ ms > to ? to : ms, percent(&ev->sample[i]) };
		if (p[i].percent < 0)
			continue;
		last = p[i].percent;
		first = first < 0 ? last : first;
		most = last > most ? last : most;
	}
	if (first < 0 || plot(p, ev->n_sample, from, to, HOLD_MS, rows, utf8(), &b) < 0)
		return;
	if (total)
		(void)snprintf(of, sizeof(of), " of %s", text_size(total, size));
	printf("  %s%s: %.0f %% -> %.0f %%, at most %.0f %%\n%s", what, of, first, last, most, b.data);
}

static void print_readings(const struct journal_event *ev)
{
	const struct sample *last = ev->n_sample ? &ev->sample[ev->n_sample - 1] : NULL;
	bool swap = false, gpu = false, group = false;
	uint64_t gpu_total = 0;
	char span[24];
	int n;

	if (!last)
		return;
	for (unsigned i = 0; i < ev->n_sample; i++) {
		swap = swap || swap_percent(&ev->sample[i]) > 0;
		gpu = gpu || gpu_percent(&ev->sample[i]) > 0;
		group = group || ev->sample[i].group;
		if (ev->sample[i].gpu_total != MACHINE_NONE)
			gpu_total = ev->sample[i].gpu_total;
	}
	(void)text_duration((ev->real_ms - plot_from(ev)) / 1000, span);
	printf("\nthe %s before\n", span);
	print_plot(ev, "memory", memory_percent, last->total, MEMORY_ROWS);
	if (group)
		print_plot(ev, "limit of the fullest cgroup", group_percent, 0, MEMORY_ROWS);
	if (swap)
		print_plot(ev, "swap", swap_percent, last->swap_total, OTHER_ROWS);
	if (gpu)
		print_plot(ev, "GPU memory", gpu_percent, gpu_total, OTHER_ROWS);
	n = printf("         -%s", span);
	printf("%*s\n", COLUMNS - 3 - n, "then");
}

static void print_snapshots(const struct report *x)
{
	char id[41], when[32], age[24];

	printf("\nsnapshots\n");
	if (x->before.seq)
		printf("  before it  %s  %s, %s old then\n", rev_short(&x->before, id),
			text_local_time(x->before.time_ns, when),
			ago(x->before.time_ns, crash_time_ns(&x->ev), age));
	else
		printf("  before it  none: this workspace had no snapshot yet\n");
	if (x->link && *x->link->after)
		printf("  at once    %.8s  %s\n", x->link->after,
			text_local_time((int64_t)x->link->after_ms * 1000000, when));
	if (x->newest.seq && x->newest.seq != x->before.seq)
		printf("  newest     %s  %s, %s ago\n", rev_short(&x->newest, id),
			text_local_time(x->newest.time_ns, when),
			ago(x->newest.time_ns, x->r->now_ns, age));
}

static void print_differences(const struct report *x)
{
	if (!x->before.seq)
		return;
	printf("\nnow\n");
	if (x->diff_error < 0) {
		printf("  the workspace %s\n",
			x->diff_error == -ENOENT ? "is gone" : "cannot be looked at");
		return;
	}
	if (!x->n_d) {
		printf("  all files are as in the snapshot before it\n");
		return;
	}
	printf("  %zu file%s differ%s from the snapshot before it\n", x->n_d,
		x->n_d == 1 ? "" : "s", x->n_d == 1 ? "s" : "");
	for (size_t i = 0; i < x->n_d && i < SHOWN; i++) {
		printf("    %c ", x->d[i].letter);
		out_name(x->d[i].path);
		fputc('\n', stdout);
	}
	if (x->n_d > SHOWN)
		printf("    and %zu more\n", x->n_d - SHOWN);
}

static void print_unsaved(const struct report *x)
{
	char age[24];

	if (!x->unsaved.n)
		return;
	printf("\nnever saved\n");
	for (size_t i = 0; i < x->unsaved.n && i < SHOWN; i++) {
		const struct unsaved_item *it = &x->unsaved.it[i];

		printf("  %s  ", it->id);
		out_name(it->name);
		printf(", %s old\n", ago(it->v[it->best].time_ns, x->r->now_ns, age));
	}
	if (x->unsaved.n > SHOWN)
		printf("  and %zu more: " RECOVER " unsaved\n", x->unsaved.n - SHOWN);
}

static void print_text(const struct report *x)
{
	print_head(x);
	print_evidence(&x->ev);
	print_readings(&x->ev);
	if (!x->r->store) {
		printf("\nNo workspace was protected then: " SNAPD " --workspace DIR does that.\n");
		return;
	}
	print_snapshots(x);
	print_differences(x);
	print_unsaved(x);
	if (x->n_advice)
		printf("\nwhat to do\n");
	for (unsigned i = 0; i < x->n_advice; i++)
		wrap("  ", x->advice[i]);
}

/* ---- without a crash ---- */

static int nothing(const struct report *x, const char *id, bool json, int e)
{
	autoput(journal_event_release) struct journal_event last = { 0 };
	char when[32];

	if (e == -ENOTUNIQ) {
		log_error("%s: several events begin with it", id);
		return EXIT_NO;
	}
	if (e != -ENOENT) {
		log_error_errno(e, "the journal of events");
		return EXIT_ENV;
	}
	if (json) {
		cJSON *o = cJSON_CreateObject();

		cJSON_AddNullToObject(o, "what");
		cJSON_AddNullToObject(o, "cause");
		json_line(o);
	}
	if (id)
		log_error("%s: no such event; " DETECT " events --json shows their ids", id);
	else if (crash_newest_event(&last) == 0)
		log_info("no crash %sis recorded; the last event: %s, %s%s%s%s",
			x->r->store ? "of this workspace " : "",
			text_local_time((int64_t)last.real_ms * 1000000, when),
			last.text ? last.text : "", last.n_link ? " (workspace " : "",
			last.n_link ? last.link[0].workspace : "", last.n_link ? ")" : "");
	else
		log_info("nothing is recorded yet: " SNAPD " starts the monitor, " DETECT " watch too");
	return EXIT_NO;
}

/* Of a workspace that is named or stood in its own: the latest of all may be a run's of another folder. */
static int narrow(struct report *x)
{
	if (!x->r->store || x->elsewhere)
		return 0;
	journal_event_release(&x->ev);
	x->ev = (struct journal_event){ 0 };
	return crash_of(x->r->workspace, &x->ev);
}

int cmd_report(struct recover *r, const struct args *a)
{
	autoput(report_release) struct report x = { .r = r };
	const char *id = a->on[R_EVENT] ? a->value[R_EVENT] : NULL;
	int e = crash_find(id, &x.ev), rc;

	if (e < 0)
		return nothing(&x, id, a->on[R_JSON], e);
	if ((rc = find_place(&x)))
		return rc;
	if (!id && (e = narrow(&x)) < 0)
		return nothing(&x, id, a->on[R_JSON], e);
	if (r->store && (rc = load(&x)))
		return rc;
	if (a->on[R_HTML] && !r->store) {
		log_error("--html: no workspace was protected then; name one with --workspace DIR");
		return EXIT_NO;
	}
	if (a->on[R_HTML])
		return print_html(&x, a->value[R_HTML]);
	if (a->on[R_JSON])
		json_line(as_json(&x));
	else
		print_text(&x);
	return EXIT_DONE;
}
