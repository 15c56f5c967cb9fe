/* detect/report_json.c - the report for scripts: one object; see report.h and docs/detect.1. */
#include "detect/json.h"
#include "detect/report.h"
#include "lib/text.h"

#define OR_FAIL(call) do { int r_ = (call); if (r_ < 0) return r_; } while (0)

static bool known(uint64_t v)
{
	return v != MACHINE_NONE;
}

/* Percent times 100 of total that is not left. */
static uint64_t used_share(uint64_t total, uint64_t left)
{
	if (!known(total) || !known(left) || !total)
		return MACHINE_NONE;
	return left >= total ? 0 : (uint64_t)((double)(total - left) / (double)total * 10000);
}

static int open_object(struct buf *b, const char *key)
{
	OR_FAIL(json_key(b, key));
	return buf_addch(b, '{');
}

static int open_list(struct buf *b, const char *key)
{
	OR_FAIL(json_key(b, key));
	return buf_addch(b, '[');
}

static const char *reason_name(enum reason what)
{
	static const char *const names[REASON_MAX] = { "memory", "cgroup", "limit", "swap", "psi", "gpu",
		"shm", "cpu", "together", "disk", "trend" };

	return (unsigned)what < REASON_MAX ? names[what] : "?";
}

static int reasons(struct buf *b, const struct report *r)
{
	OR_FAIL(open_list(b, "reasons"));
	for (unsigned i = 0; i < r->verdict.n; i++) {
		const struct risk_reason *x = &r->verdict.reason[i];
		bool share = x->what != REASON_FAMILY && x->what != REASON_DISK &&
			     x->what != REASON_TREND;
		char text[256];

		(void)risk_reason_text(x, &r->in, text, sizeof(text));
		OR_FAIL(buf_addstr(b, i ? ",{" : "{"));
		OR_FAIL(json_field_string(b, "what", reason_name(x->what)));
		OR_FAIL(json_field_string(b, "level", risk_name(x->level)));
		OR_FAIL(json_field_string(b, "text", text));
		OR_FAIL(json_field_string(b, "advice", risk_advice(x)));
		/* percent; bytes of together and disk; milliseconds of trend */
		OR_FAIL(share ? json_field_hundredths(b, "value", x->value)
			      : json_field(b, "value", x->value));
		OR_FAIL(share ? json_field_hundredths(b, "threshold", x->threshold)
			      : json_field(b, "threshold", x->threshold));
		OR_FAIL(buf_addch(b, '}'));
	}
	return buf_addch(b, ']');
}

static int sizes(
	struct buf *b, const char *key, uint64_t total, uint64_t left, const char *left_key)
{
	OR_FAIL(open_object(b, key));
	OR_FAIL(json_field(b, "total", total));
	OR_FAIL(json_field(b, left_key, left));
	return json_field_hundredths(b, "used_percent", used_share(total, left));
}

static int memory(struct buf *b, const struct report *r)
{
	const struct machine *m = &r->m;

	/* What counts here; the machine's own figures stand beside it. */
	OR_FAIL(sizes(b, "memory", m->total, m->available, "available"));
	OR_FAIL(json_field(b, "machine_total", m->mem_total));
	OR_FAIL(json_field(b, "machine_available", m->mem_available));
	OR_FAIL(json_field(b, "free", m->mem_free));
	OR_FAIL(json_field(b, "dirty", m->dirty));
	OR_FAIL(json_field(b, "zfs_arc", m->arc_size));
	OR_FAIL(json_field(b, "zfs_reclaimable", m->arc_reclaimable));
	OR_FAIL(json_key(b, "growth_per_s"));
	OR_FAIL(r->samples < 3 ? buf_addstr(b, "null")
			       : buf_printf(b, "%lld", (long long)r->verdict.growth));
	OR_FAIL(json_field(
		b, "left_s", known(r->verdict.left_ms) ? r->verdict.left_ms / 1000 : MACHINE_NONE));
	OR_FAIL(buf_addch(b, '}'));
	OR_FAIL(sizes(b, "swap", m->swap_total, m->swap_free, "free"));
	OR_FAIL(json_field(b, "zram_stored", m->zram_stored));
	OR_FAIL(json_field(b, "zram_used", m->zram_used));
	return buf_addch(b, '}');
}

static int psi(struct buf *b, const char *key, const struct psi *p)
{
	OR_FAIL(open_object(b, key));
	OR_FAIL(json_field_hundredths(b, "some_avg10", p->some10));
	OR_FAIL(json_field_hundredths(b, "full_avg10", p->full10));
	OR_FAIL(json_field(b, "full_total_us", p->full_us));
	return buf_addch(b, '}');
}

static int cgroup(struct buf *b, const struct report *r)
{
	const struct cgroup_reading *c = &r->m.cg;

	OR_FAIL(json_key(b, "cgroup"));
	if (!c->version)
		return buf_addstr(b, "null");
	OR_FAIL(buf_addch(b, '{'));
	OR_FAIL(json_field(b, "version", (uint64_t)c->version));
	OR_FAIL(json_field_string(b, "path", c->path));
	OR_FAIL(json_field(b, "limit", c->limit));
	OR_FAIL(json_field(b, "used", c->used));
	OR_FAIL(json_field_hundredths(b, "used_percent",
		used_share(c->limit, c->limit > c->used ? c->limit - c->used : 0)));
	OR_FAIL(json_field(b, "swap_limit", c->swap_limit));
	OR_FAIL(json_field(b, "swap_used", c->swap_used));
	OR_FAIL(psi(b, "psi", &c->psi));
	OR_FAIL(json_field(b, "oom_kills", c->oom_kills));
	return buf_addch(b, '}');
}

static int limits(struct buf *b, const struct report *r)
{
	const struct groups *g = r->in.groups;

	OR_FAIL(open_list(b, "limits"));
	for (unsigned i = 0; g && i < g->n; i++) {
		const struct group_use *u = &g->use[i];

		OR_FAIL(buf_addstr(b, i ? ",{" : "{"));
		OR_FAIL(json_field(b, "pid", (uint64_t)u->pid));
		OR_FAIL(json_field_string(b, "name", u->name));
		OR_FAIL(json_field_string(b, "path", u->cg.path));
		OR_FAIL(json_field(b, "limit", u->cg.limit));
		OR_FAIL(json_field(b, "used", u->cg.used));
		OR_FAIL(json_field_hundredths(b, "used_percent", group_used(u)));
		OR_FAIL(buf_addch(b, '}'));
	}
	return buf_addch(b, ']');
}

static int machine(struct buf *b, const struct report *r)
{
	const struct machine *m = &r->m;

	OR_FAIL(open_object(b, "psi"));
	OR_FAIL(psi(b, "memory", &m->mem_psi));
	OR_FAIL(psi(b, "io", &m->io_psi));
	OR_FAIL(psi(b, "cpu", &m->cpu_psi));
	OR_FAIL(buf_addch(b, '}'));
	OR_FAIL(sizes(b, "shm", m->shm_total, m->shm_free, "free"));
	OR_FAIL(buf_addch(b, '}'));
	OR_FAIL(open_object(b, "cpu"));
	OR_FAIL(json_field(b, "count", m->ncpu));
	OR_FAIL(json_field_hundredths(b, "busy_percent", m->cpu_busy));
	OR_FAIL(json_field_hundredths(b, "load1", m->load1));
	OR_FAIL(buf_addch(b, '}'));
	OR_FAIL(open_list(b, "disks"));
	for (unsigned i = 0; i < r->n_disk; i++) {
		OR_FAIL(buf_addstr(b, i ? ",{" : "{"));
		OR_FAIL(json_field(b, "total", r->disk[i].total));
		OR_FAIL(json_field(b, "free", r->disk[i].free));
		OR_FAIL(buf_addch(b, '}'));
	}
	OR_FAIL(buf_addch(b, ']'));
	return json_field(b, "oom_kills", m->oom_kills);
}

static int gpus(struct buf *b, const struct report *r)
{
	const struct gpu_list *l = &r->gpus;

	OR_FAIL(open_list(b, "gpu"));
	for (unsigned i = 0; i < l->n; i++) {
		const struct gpu *g = &l->gpu[i];

		OR_FAIL(buf_addstr(b, i ? ",{" : "{"));
		OR_FAIL(json_field_string(b, "name", g->name));
		OR_FAIL(json_field(b, "total", g->total));
		OR_FAIL(json_field(b, "used", g->used));
		OR_FAIL(json_field(b, "free", g->free));
		OR_FAIL(json_field_hundredths(b, "used_percent", used_share(g->total, g->free)));
		OR_FAIL(json_field_hundredths(b, "busy_percent", g->busy));
		OR_FAIL(json_field(b, "celsius", g->celsius));
		OR_FAIL(open_list(b, "processes"));
		for (unsigned k = 0; k < g->n_procs; k++) {
			OR_FAIL(buf_addstr(b, k ? ",{" : "{"));
			OR_FAIL(json_field(b, "pid", (uint64_t)g->proc[k].pid));
			OR_FAIL(json_field(b, "used", g->proc[k].used));
			OR_FAIL(buf_addch(b, '}'));
		}
		OR_FAIL(buf_addstr(b, "]}"));
	}
	OR_FAIL(buf_addch(b, ']'));
	return json_field_string(b, "gpu_why", l->n ? NULL : l->why);
}

static int processes(struct buf *b, const struct report *r)
{
	const struct survey *s = &r->survey;

	OR_FAIL(json_key(b, "processes"));
	if (!r->surveyed)
		return buf_addstr(b, "null");
	OR_FAIL(buf_addch(b, '['));
	for (unsigned i = 0; i < s->n; i++) {
		const struct survey_proc *p = &s->proc[i];
		bool editor = p->role.kind == KIND_EDITOR;
		const char state[2] = { p->state, '\0' };

		OR_FAIL(buf_addstr(b, i ? ",{" : "{"));
		OR_FAIL(json_field(b, "pid", (uint64_t)p->id.pid));
		OR_FAIL(json_field(b, "ppid", (uint64_t)p->ppid));
		OR_FAIL(json_field(b, "head", (uint64_t)s->proc[p->head].id.pid));
		OR_FAIL(json_field_string(b, "kind", editor ? "editor" : "training"));
		OR_FAIL(json_field_string(
			b, "family", editor ? family_name(p->role.family) : NULL));
		OR_FAIL(json_field_string(b, "role", role_name(p->role.role)));
		OR_FAIL(json_field_string(b, "name", p->name));
		OR_FAIL(json_field_string(b, "state", state));
		OR_FAIL(json_field(b, "rss", p->rss));
		OR_FAIL(json_field(b, "pss", p->pss));
		OR_FAIL(json_field(b, "own", p->own));
		OR_FAIL(json_field(b, "gpu", p->gpu));
		OR_FAIL(buf_addch(b, '}'));
	}
	OR_FAIL(buf_addch(b, ']'));
	OR_FAIL(json_key(b, "overlooked"));
	if (s->overlooked.rss) {
		OR_FAIL(buf_addch(b, '{'));
		OR_FAIL(json_field(b, "pid", (uint64_t)s->overlooked.id.pid));
		OR_FAIL(json_field_string(b, "name", s->overlooked.name));
		OR_FAIL(json_field(b, "rss", s->overlooked.rss));
		OR_FAIL(buf_addch(b, '}'));
	} else {
		OR_FAIL(buf_addstr(b, "null"));
	}
	OR_FAIL(json_field(b, "editor_bytes", r->in.editor_bytes));
	return json_field(b, "training_bytes", r->in.training_bytes);
}

int report_json(const struct report *r, struct buf *b)
{
	char time[40];

	OR_FAIL(buf_addch(b, '{'));
	OR_FAIL(json_field_string(b, "time", text_rfc3339((int64_t)r->m.real_ms * 1000000, time)));
	OR_FAIL(json_field_string(b, "risk", risk_name(r->verdict.risk)));
	OR_FAIL(json_field_string(b, "status", status_name(r->verdict.status)));
	OR_FAIL(reasons(b, r));
	OR_FAIL(memory(b, r));
	OR_FAIL(cgroup(b, r));
	OR_FAIL(limits(b, r));
	OR_FAIL(machine(b, r));
	OR_FAIL(gpus(b, r));
	OR_FAIL(processes(b, r));
	return buf_addstr(b, "}\n");
}
