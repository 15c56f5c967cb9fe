/* detect/report_text.c - the report for people: 24 lines of 80 columns; see report.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "detect/report.h"
#include "lib/auto.h"
#include "lib/names.h"
#include "lib/text.h"

enum { REASONS_SHOWN = 3, GPUS_SHOWN = 2, GROUPS_SHOWN = 2 };

struct page {
	struct buf *b;
	bool colour;
	unsigned lines;
};

/* At most n characters, and nothing that drives a terminal. */
static int add_clipped(struct buf *b, const char *s, unsigned n)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && *s && i < n; i++) {
		size_t len = text_print_len(s, strlen(s));

		r = len ? buf_add(b, s, len) : buf_addch(b, '?');
		s += len ? len : 1;
	}
	return r;
}

static int line(struct page *p, const char *label, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int line(struct page *p, const char *label, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int r;

	if (p->lines == REPORT_LINES)
		return 0;
	p->lines++;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r = buf_printf(p->b, "%-10s", label);
	if (r == 0)
		r = add_clipped(p->b, text, REPORT_COLUMNS - 10);
	return r < 0 ? r : buf_addch(p->b, '\n');
}

#define OR_FAIL(call) do { int r_ = (call); if (r_ < 0) return r_; } while (0)

static bool known(uint64_t v)
{
	return v != MACHINE_NONE;
}

static unsigned percent(uint64_t part, uint64_t whole)
{
	return !whole || part >= whole ? 100 : (unsigned)((double)part / (double)whole * 100);
}

static int head(struct page *p, const struct report *r)
{
	static const char *const colours[] = { "\x1b[32m", "\x1b[33m", "\x1b[1;31m" };
	const struct risk_verdict *v = &r->verdict;

	p->lines++;
	return buf_printf(p->b, "risk      %s%s%s, status %s\n", p->colour ? colours[v->risk] : "",
		risk_name(v->risk), p->colour ? "\x1b[m" : "", status_name(v->status));
}

static int reasons(struct page *p, const struct report *r)
{
	const struct risk_verdict *v = &r->verdict;
	char text[256];

	for (unsigned i = 0; i < v->n && i < REASONS_SHOWN; i++) {
		(void)risk_reason_text(&v->reason[i], &r->in, text, sizeof(text));
		OR_FAIL(line(p, i ? "" : "because", "%s", text));
		OR_FAIL(line(p, "", "-> %s", risk_advice(&v->reason[i])));
	}
	if (v->n > REASONS_SHOWN)
		OR_FAIL(line(p, "", "and %u more: " DETECT " report --json", v->n - REASONS_SHOWN));
	return 0;
}

static int memory(struct page *p, const struct report *r)
{
	const struct machine *m = &r->m;
	char a[16], b[16], c[16], left[64] = "";

	if (known(m->arc_reclaimable))
		(void)snprintf(left, sizeof(left), " (%s of it held by ZFS)",
			text_size(m->arc_reclaimable, c));
	OR_FAIL(line(p, "memory", "%u %% of %s used, %s available%s",
		percent(m->mem_total - m->mem_available, m->mem_total), text_size(m->mem_total, a),
		text_size(m->mem_available, b), left));
	if (m->cg.version) {
		OR_FAIL(line(p, "cgroup", "%u %% of its limit of %s used, %s left%s",
			percent(m->cg.used, m->cg.limit), text_size(m->cg.limit, a),
			text_size(m->cg.limit > m->cg.used ? m->cg.limit - m->cg.used : 0, b),
			m->total == m->cg.limit ? ": it counts here" : ""));
	}
	if (known(m->swap_total) && m->swap_total && known(m->swap_free))
		OR_FAIL(line(p, "swap", "%u %% of %s used, %s free",
			percent(m->swap_total - m->swap_free, m->swap_total),
			text_size(m->swap_total, a), text_size(m->swap_free, b)));
	else if (m->swap_total == 0)
		OR_FAIL(line(p, "swap", "none"));
	if (known(m->zram_stored) && m->zram_stored)
		OR_FAIL(line(p, "zram", "%s in %s of memory", text_size(m->zram_stored, a),
			text_size(m->zram_used, b)));
	return 0;
}

/* The fullest of the limits that others have. */
static int limits(struct page *p, const struct report *r)
{
	const struct group_use *u = r->in.groups ? groups_fullest(r->in.groups) : NULL;
	char a[16], b[16];

	if (!u)
		return 0;
	return line(p, "limit", "%u %% of %s used, %s left: %.24s (%d), %.200s",
		(unsigned)(group_used(u) / 100), text_size(u->cg.limit, a),
		text_size(u->cg.limit > u->cg.used ? u->cg.limit - u->cg.used : 0, b), u->name,
		(int)u->pid, u->cg.path);
}

static int growth(struct page *p, const struct report *r)
{
	const struct risk_verdict *v = &r->verdict;
	char a[16], b[24];

	if (r->samples < 3)
		return 0;
	if (v->growth > (1 << 20) && known(v->left_ms))
		return line(p, "growth", "%s a second: critical in %s",
			text_size((uint64_t)v->growth, a), text_duration(v->left_ms / 1000, b));
	return line(p, "growth", v->growth < -(1 << 20) ? "none, memory is given back" : "none");
}

static int add_psi(struct buf *b, const char *what, const struct psi *p)
{
	if (!known(p->some10))
		return 0;
	OR_FAIL(buf_printf(b, "%s%s %u.%u %%", b->len ? ", " : "", what,
		(unsigned)(p->some10 / 100), (unsigned)(p->some10 % 100 / 10)));
	if (known(p->full10) && p->full10)
		OR_FAIL(buf_printf(b, " (all %u.%u %%)", (unsigned)(p->full10 / 100),
			(unsigned)(p->full10 % 100 / 10)));
	return 0;
}

static int pressure(struct page *p, const struct report *r)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	OR_FAIL(add_psi(&b, "memory", &r->m.mem_psi));
	if (r->m.cg.version)
		OR_FAIL(add_psi(&b, "cgroup", &r->m.cg.psi));
	OR_FAIL(add_psi(&b, "io", &r->m.io_psi));
	OR_FAIL(add_psi(&b, "cpu", &r->m.cpu_psi));
	return b.len ? line(p, "waiting", "%s", b.data)
		     : line(p, "waiting", "not told by this kernel (no PSI)");
}

static int rest_of_machine(struct page *p, const struct report *r)
{
	const struct machine *m = &r->m;
	char a[16], b[16], c[16], busy[32] = "";

	if (known(m->shm_total))
		OR_FAIL(line(p, "/dev/shm", "%u %% of %s used, %s free",
			percent(m->shm_total - m->shm_free, m->shm_total),
			text_size(m->shm_total, a), text_size(m->shm_free, b)));
	if (r->n_disk == 1)
		OR_FAIL(line(p, "disk", "%s free of %s", text_size(r->disk[0].free, a),
			text_size(r->disk[0].total, b)));
	else if (r->n_disk == 2)
		OR_FAIL(line(p, "disk", "%s free of %s here, %s where stores are",
			text_size(r->disk[0].free, a), text_size(r->disk[0].total, b),
			text_size(r->disk[1].free, c)));
	if (known(m->cpu_busy))
		(void)snprintf(busy, sizeof(busy), ", %u %% busy", (unsigned)(m->cpu_busy / 100));
	if (known(m->load1))
		OR_FAIL(line(p, "cpu", "%" PRIu64 ", load %" PRIu64 ".%02u%s", m->ncpu,
			m->load1 / 100, (unsigned)(m->load1 % 100), busy));
	return 0;
}

static int gpus(struct page *p, const struct report *r)
{
	const struct gpu_list *l = &r->gpus;
	char a[16], b[16];

	for (unsigned i = 0; i < l->n && i < GPUS_SHOWN; i++) {
		const struct gpu *g = &l->gpu[i];
		char label[16], used[64] = "memory not told", more[64] = "";

		(void)snprintf(label, sizeof(label), "GPU %u", i);
		if (known(g->total))
			(void)snprintf(used, sizeof(used), "%u %% of %s used, %s free",
				percent(g->used, g->total), text_size(g->total, a),
				text_size(g->free, b));
		if (known(g->busy) && known(g->celsius))
			(void)snprintf(more, sizeof(more), ", %u %% busy, %u C",
				(unsigned)(g->busy / 100), (unsigned)g->celsius);
		OR_FAIL(line(p, label, "%s%s, %s", used, more, g->name));
	}
	if (l->n > GPUS_SHOWN)
		OR_FAIL(line(p, "", "and %u more: " DETECT " report --json", l->n - GPUS_SHOWN));
	return 0;
}

/* The editor or run whose head is i: how many processes, what they hold, the largest of them. */
struct group {
	unsigned head, n, largest;
	uint64_t bytes, gpu;
};

static void gather(const struct survey *s, unsigned head, struct group *g)
{
	*g = (struct group){ .head = head, .largest = head };
	for (unsigned i = 0; i < s->n; i++) {
		const struct survey_proc *p = &s->proc[i];

		if (p->head != head)
			continue;
		g->n++;
		g->bytes += survey_bytes(p);
		g->gpu += known(p->gpu) ? p->gpu : 0;
		if (survey_bytes(p) > survey_bytes(&s->proc[g->largest]))
			g->largest = i;
	}
}

/* The largest groups of a kind, in order; the number of all. */
static unsigned largest(
	const struct survey *s, enum kind kind, struct group top[static GROUPS_SHOWN])
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++) {
		struct group g;
		unsigned at;

		if (s->proc[i].head != i || s->proc[i].role.kind != kind)
			continue;
		gather(s, i, &g);
		at = n < GROUPS_SHOWN ? n : GROUPS_SHOWN;
		n++;
		for (; at > 0 && top[at - 1].bytes < g.bytes; at--)
			if (at < GROUPS_SHOWN)
				top[at] = top[at - 1];
		if (at < GROUPS_SHOWN)
			top[at] = g;
	}
	return n;
}

static int groups(struct page *p, const struct report *r, enum kind kind, const char *label)
{
	const struct survey *s = &r->survey;
	struct group top[GROUPS_SHOWN];
	unsigned n = largest(s, kind, top);
	char a[16], b[16];

	for (unsigned i = 0; i < n && i < GROUPS_SHOWN; i++) {
		const struct survey_proc *h = &s->proc[top[i].head],
					 *big = &s->proc[top[i].largest];
		char gpu[40] = "", more[64] = "", many[24] = "";

		if (top[i].gpu)
			(void)snprintf(
				gpu, sizeof(gpu), " and %s of GPU", text_size(top[i].gpu, b));
		if (top[i].n > 1)
			(void)snprintf(more, sizeof(more), ", largest %s %d",
				role_name(big->role.role), (int)big->id.pid);
		if (top[i].n > 1)
			(void)snprintf(many, sizeof(many), ", %u processes", top[i].n);
		OR_FAIL(line(p, i ? "" : label, "%s%s%s: %.28s, %d%s%s", s->exact ? "" : "at most ",
			text_size(top[i].bytes, a), gpu,
			kind == KIND_EDITOR ? family_name(h->role.family) : h->name, (int)h->id.pid,
			many, more));
	}
	if (n > GROUPS_SHOWN)
		OR_FAIL(line(p, "", "and %u more: " DETECT " report --json", n - GROUPS_SHOWN));
	if (!n)
		OR_FAIL(line(p, label,
			r->surveyed ? "none found" : "not known: the processes cannot be read"));
	return 0;
}

static int overlooked(struct page *p, const struct report *r)
{
	const struct survey_proc *o = &r->survey.overlooked;
	char a[16];

	if (!o->rss)
		return 0;
	return line(p, "unwatched", "%s: %.20s, %d; detect.training = %.20s watches it",
		text_size(o->rss, a), o->name, (int)o->id.pid, o->name);
}

int report_text(const struct report *r, bool colour, struct buf *b)
{
	struct page p = { .b = b, .colour = colour };

	OR_FAIL(head(&p, r));
	OR_FAIL(reasons(&p, r));
	OR_FAIL(memory(&p, r));
	OR_FAIL(growth(&p, r));
	OR_FAIL(groups(&p, r, KIND_EDITOR, "editor"));
	OR_FAIL(groups(&p, r, KIND_TRAINING, "training"));
	OR_FAIL(overlooked(&p, r));
	OR_FAIL(limits(&p, r));
	OR_FAIL(gpus(&p, r));
	OR_FAIL(pressure(&p, r));
	return rest_of_machine(&p, r);
}
