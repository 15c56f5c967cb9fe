/* detect/gate-text.c - the answer for people and for scripts; see gate.h. */
#include <stdio.h>
#include <string.h>

#include "detect/gate.h"
#include "detect/json.h"
#include "lib/names.h"
#include "lib/text.h"

#define OR_FAIL(call)              \
	do {                       \
		int r_ = (call);   \
		if (r_ < 0)        \
			return r_; \
	} while (0)

enum { SHOWN = 4 };

/* Quoted only where a shell would cut it up. */
static int word(const char *s, struct buf *b)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_@%+=:,./-";

	if (*s && s[strspn(s, plain)] == '\0')
		return buf_addstr(b, s);
	OR_FAIL(buf_addch(b, '\''));
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		OR_FAIL(c == '\'' ? buf_addstr(b, "'\\''")
				  : buf_addch(b, c < 32 || c == 127 ? '?' : c));
	}
	return buf_addch(b, '\'');
}

int gate_words(const char *const *argv, struct buf *b)
{
	for (unsigned i = 0; argv[i]; i++) {
		OR_FAIL(i ? buf_addch(b, ' ') : 0);
		OR_FAIL(word(argv[i], b));
	}
	return 0;
}

/* The command with the smaller tier's file in place of this one's. */
static int smaller(const struct gate_answer *a, struct buf *b)
{
	const struct tier *t = a->verdict.fits;

	bool any = false;

	OR_FAIL(buf_printf(b, DETECT " run --tier %s --", t->name));
	for (unsigned i = 0; a->argv && a->argv[i]; i++)
		any |= strstr(a->argv[i], ".json") && tier_find(a->argv[i]);
	if (!any)
		return buf_addstr(b, " COMMAND with {config} where its configuration goes");
	for (unsigned i = 0; a->argv[i]; i++) {
		const char *s = a->argv[i], *eq = strncmp(s, "--config=", 9) == 0 ? s + 9 : NULL;
		bool file = strstr(s, ".json") && tier_find(s);

		OR_FAIL(buf_addch(b, ' '));
		OR_FAIL(file ? buf_addstr(b, eq ? "--config={config}" : "{config}") : word(s, b));
	}
	return 0;
}

static int need_and_room(const struct gate_answer *a, struct buf *b)
{
	const struct room *r = &a->room;
	char x[16], y[16], z[16], why[320];

	if (a->need.ram != MACHINE_NONE)
		OR_FAIL(buf_printf(b, "need      %s", text_size(a->need.ram, x)));
	else
		OR_FAIL(buf_addstr(b, "need      not known"));
	if (a->need.shm)
		OR_FAIL(buf_printf(b, ", %s of /dev/shm", text_size(a->need.shm, x)));
	if (a->need.gpu)
		OR_FAIL(buf_printf(b, ", %s of GPU memory", text_size(a->need.gpu, x)));
	if (a->need.from != NEED_UNKNOWN)
		OR_FAIL(buf_printf(b, " (%s)", need_why(&a->need, why, sizeof(why))));
	OR_FAIL(buf_printf(b, "\nroom      %s: %s available%s", text_size(r->ram, x),
		text_size(r->m.available, y),
		r->m.cg.version && r->m.total < r->m.mem_total ? " in this cgroup" : ""));
	if (r->swap)
		OR_FAIL(buf_printf(b, ", %s of swap", text_size(r->swap, z)));
	OR_FAIL(buf_printf(b, ", less %s for the editor\n", text_size(r->reserve, z)));
	return 0;
}

static int holders(const struct gate_answer *a, struct buf *b)
{
	uint64_t rest = a->holders.others_bytes;
	unsigned others = a->holders.others;
	char size[16];

	for (unsigned i = 0; i < a->holders.n; i++) {
		const struct holder *h = &a->holders.h[i];

		if (i >= SHOWN) {
			others += h->n;
			rest += h->bytes;
			continue;
		}

		OR_FAIL(buf_addstr(b, i ? "          " : "held by   "));
		OR_FAIL(text_quote_name(b, h->name, strlen(h->name)));
		OR_FAIL(buf_printf(b, ", process %d%s: %s%s\n", (int)h->pid,
			h->n > 1 ? " and others" : "", h->n > 1 ? "at most " : "",
			text_size(h->bytes, size)));
	}
	if (!others)
		return 0;
	return buf_printf(b, "%s%u%s process%s: at most %s\n", a->holders.n ? "          " : "held by   ", others,
		a->holders.n ? " other" : " small", others > 1 ? "es" : "", text_size(rest, size));
}

/* from: so many were told already. */
static int reasons(const struct gate_answer *a, bool refusing, unsigned from, struct buf *b)
{
	char text[256];

	for (unsigned i = from; i < a->verdict.n; i++) {
		if (a->verdict.reason[i].refuses != refusing)
			continue;
		(void)gate_reason_text(&a->verdict.reason[i], &a->room, text, sizeof(text));
		OR_FAIL(buf_printf(b, "%s%s\n",
			refusing ? from ? "also      " : "because   " : "warning   ", text));
	}
	return 0;
}

static int refusal(const struct gate_answer *a, struct buf *b)
{
	char size[16], text[256];

	(void)gate_reason_text(&a->verdict.reason[0], &a->room, text, sizeof(text));
	OR_FAIL(buf_printf(b, "refused: %s\n", text));
	OR_FAIL(reasons(a, true, 1, b));
	OR_FAIL(need_and_room(a, b));
	OR_FAIL(holders(a, b));
	OR_FAIL(reasons(a, false, 0, b));
	if (a->verdict.fits) {
		OR_FAIL(buf_printf(b, "instead   tier %s (%s) fits:\n          ",
			a->verdict.fits->name, text_size(a->verdict.fits->ram, size)));
		OR_FAIL(smaller(a, b));
		OR_FAIL(buf_addstr(b, "\nor        "));
	} else {
		OR_FAIL(buf_addstr(b, "instead   "));
	}
	return buf_printf(b, DETECT " clean;%s --force goes on all the same\n",
		a->holders.n ? " close what is large above;" : "");
}

int gate_text(const struct gate_answer *a, struct buf *b)
{
	char x[16], y[16], why[320];

	if (!a->verdict.allowed && !a->forced)
		return refusal(a, b);
	if (a->forced) {
		OR_FAIL(buf_printf(b, "allowed by %s, against the odds (noted in the journal)\n",
			a->forced_by));
		OR_FAIL(reasons(a, true, 0, b));
		OR_FAIL(need_and_room(a, b));
	} else if (a->need.ram == MACHINE_NONE) {
		OR_FAIL(buf_printf(b, "allowed: what it needs is not known, room for %s\n",
			text_size(a->room.ram, x)));
	} else {
		OR_FAIL(buf_printf(b, "allowed: needs %s (%s), room for %s\n",
			text_size(a->need.ram, x), need_why(&a->need, why, sizeof(why)),
			text_size(a->room.ram, y)));
	}
	OR_FAIL(reasons(a, false, 0, b));
	if (a->snapshot[0])
		return buf_printf(b, "snapshot  %.12s of %s\n", a->snapshot, a->workspace);
	return a->snapshot_why[0] ? buf_printf(b, "snapshot  none: %s\n", a->snapshot_why) : 0;
}

static int triple(struct buf *b, const char *key, uint64_t ram, uint64_t shm, uint64_t gpu)
{
	OR_FAIL(json_key(b, key));
	OR_FAIL(buf_addch(b, '{'));
	OR_FAIL(json_field(b, "ram", ram));
	OR_FAIL(json_field(b, "shm", shm));
	OR_FAIL(json_field(b, "gpu", gpu));
	return buf_addch(b, '}');
}

static int json_lists(const struct gate_answer *a, struct buf *b)
{
	static const char *const names[] = { "memory", "shm", "gpu", "no_gpu", "used", "free",
		"cpu" };
	char text[256];

	OR_FAIL(json_key(b, "reasons"));
	OR_FAIL(buf_addch(b, '['));
	for (unsigned i = 0; i < a->verdict.n; i++) {
		const struct gate_reason *r = &a->verdict.reason[i];
		bool share = r->what == GATE_USED || r->what == GATE_CPU;

		(void)gate_reason_text(r, &a->room, text, sizeof(text));
		OR_FAIL(buf_addstr(b, i ? ",{" : "{"));
		OR_FAIL(json_field_string(b, "what", names[r->what]));
		OR_FAIL(json_field_string(b, "level", r->refuses ? "refused" : "warning"));
		OR_FAIL(json_field_string(b, "text", text));
		OR_FAIL(share ? json_field_hundredths(b, "need", r->need)
			      : json_field(b, "need", r->need));
		OR_FAIL(share ? json_field_hundredths(b, "room", r->room)
			      : json_field(b, "room", r->room));
		OR_FAIL(buf_addch(b, '}'));
	}
	OR_FAIL(buf_addch(b, ']'));
	OR_FAIL(json_key(b, "holders"));
	OR_FAIL(buf_addch(b, '['));
	for (unsigned i = 0; i < a->holders.n; i++) {
		const struct holder *h = &a->holders.h[i];

		OR_FAIL(buf_addstr(b, i ? ",{" : "{"));
		OR_FAIL(json_field_string(b, "name", h->name));
		OR_FAIL(json_field_string(b, "kind",
			h->kind == KIND_EDITOR     ? "editor"
			: h->kind == KIND_TRAINING ? "training"
						   : NULL));
		OR_FAIL(json_field(b, "pid", (uint64_t)h->pid));
		OR_FAIL(json_field(b, "processes", h->n));
		OR_FAIL(json_field(b, "bytes", h->bytes));
		OR_FAIL(buf_addch(b, '}'));
	}
	OR_FAIL(buf_addch(b, ']'));
	OR_FAIL(json_key(b, "others"));
	OR_FAIL(buf_addch(b, '{'));
	OR_FAIL(json_field(b, "processes", a->holders.others));
	OR_FAIL(json_field(b, "bytes", a->holders.others_bytes));
	return buf_addch(b, '}');
}

static const char *or_null(const char *s)
{
	return *s ? s : NULL;
}

int gate_json(const struct gate_answer *a, struct buf *b)
{
	static const char *const from[] = { NULL, "told", "recorded", "tier", "config", "like" };
	const struct need *n = &a->need;
	const struct room *r = &a->room;
	uint64_t gap = n->ram == MACHINE_NONE || n->ram <= r->ram ? 0 : n->ram - r->ram;
	bool yes = a->verdict.allowed || a->forced;
	char time[40];

	OR_FAIL(buf_addch(b, '{'));
	OR_FAIL(json_field_string(b, "time", text_rfc3339((int64_t)r->m.real_ms * 1000000, time)));
	OR_FAIL(json_key(b, "allowed"));
	OR_FAIL(buf_addstr(b, yes ? "true" : "false"));
	OR_FAIL(json_field_string(b, "forced_by", a->forced ? a->forced_by : NULL));
	OR_FAIL(triple(b, "need", n->ram, n->shm, n->gpu));
	OR_FAIL(json_field_string(b, "need_from", from[n->from]));
	OR_FAIL(json_field(b, "runs", n->from == NEED_LEARNED ? n->runs : 0));
	OR_FAIL(triple(b, "room", r->ram, r->shm, r->gpu));
	OR_FAIL(json_field(b, "gap", gap));
	OR_FAIL(json_field(b, "available", r->m.available));
	OR_FAIL(json_field(b, "swap", r->swap));
	OR_FAIL(json_field(b, "reserve", r->reserve));
	OR_FAIL(json_lists(a, b));
	OR_FAIL(json_field_string(b, "tier", n->tier ? n->tier->name : NULL));
	OR_FAIL(json_field_string(b, "fits", a->verdict.fits ? a->verdict.fits->name : NULL));
	OR_FAIL(json_field_string(b, "workspace", or_null(a->workspace)));
	OR_FAIL(json_field_string(b, "snapshot", or_null(a->snapshot)));
	OR_FAIL(json_field_string(b, "snapshot_why", or_null(a->snapshot_why)));
	return buf_addstr(b, "}\n");
}
