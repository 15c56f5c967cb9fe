/* A fact as a line: kind, then name=value fields, empty ones left out, the sum last. The sum is
 * what tells a whole line from one that a power cut has torn. Everything is done in the caller's
 * memory: the monitor writes these lines when there is none to be had. */
#include "detect/spool.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ctl.h"

enum type {
	U64,
	NONE64,
	I32,
	CH,
	BOOL,
	RISK,
	STR
}; /* NONE64: MACHINE_NONE when it is absent; U64: 0 */

#define F(type, name, field)                                                                \
	{                                                                                   \
		name, type, offsetof(struct fact, field), sizeof(((struct fact *)0)->field) \
	}

static const struct field {
	const char *name;
	enum type type;
	size_t at, size;
} fields[] = {
	F(STR, "id", id),
	F(U64, "real", real_ms),
	F(U64, "mono", mono_ms),
	F(I32, "pid", proc.pid),
	F(U64, "start", proc.start),
	F(I32, "ppid", ppid),
	F(I32, "tty", tty),
	F(STR, "comm", comm),
	F(STR, "run", run),
	F(I32, "code", code),
	F(I32, "signal", signal),
	F(BOOL, "core", core),
	F(NONE64, "oom0", oom_before),
	F(NONE64, "oom1", oom_after),
	F(NONE64, "cgoom0", cg_oom_before),
	F(NONE64, "cgoom1", cg_oom_after),
	F(U64, "counted", counted_ms),
	F(NONE64, "beforeavail", before_available),
	F(NONE64, "cglimit", cg_limit),
	F(NONE64, "cgpeak", cg_peak),
	F(NONE64, "gpuheld", gpu_held),
	F(NONE64, "gputotal", gpu_total),
	F(NONE64, "gpuused", gpu_used),
	F(NONE64, "gpubusy", gpu_busy),
	F(NONE64, "gpucelsius", gpu_celsius),
	F(U64, "rss", rss),
	F(U64, "peak", peak),
	F(CH, "state", state),
	F(RISK, "was", was),
	F(RISK, "risk", risk),
	F(STR, "action", action),
	F(BOOL, "dry", dry),
	F(NONE64, "left0", left_before),
	F(NONE64, "left1", left_after),
	F(STR, "of", of),
	F(STR, "before", before),
	F(STR, "after", after),
	F(U64, "before_ms", before_ms),
	F(U64, "after_ms", after_ms),
	F(U64, "m.real", m.real_ms),
	F(U64, "m.mono", m.mono_ms),
	F(NONE64, "m.total", m.total),
	F(NONE64, "m.available", m.available),
	F(NONE64, "m.mem_total", m.mem_total),
	F(NONE64, "m.mem_available", m.mem_available),
	F(NONE64, "m.mem_free", m.mem_free),
	F(NONE64, "m.arc", m.arc_size),
	F(NONE64, "m.arc_back", m.arc_reclaimable),
	F(NONE64, "m.dirty", m.dirty),
	F(NONE64, "m.swap_total", m.swap_total),
	F(NONE64, "m.swap_free", m.swap_free),
	F(NONE64, "m.zram_stored", m.zram_stored),
	F(NONE64, "m.zram_used", m.zram_used),
	F(NONE64, "m.mem_some", m.mem_psi.some10),
	F(NONE64, "m.mem_full", m.mem_psi.full10),
	F(NONE64, "m.mem_full_us", m.mem_psi.full_us),
	F(NONE64, "m.io_some", m.io_psi.some10),
	F(NONE64, "m.io_full", m.io_psi.full10),
	F(NONE64, "m.io_full_us", m.io_psi.full_us),
	F(NONE64, "m.cpu_some", m.cpu_psi.some10),
	F(NONE64, "m.cpu_full", m.cpu_psi.full10),
	F(NONE64, "m.cpu_full_us", m.cpu_psi.full_us),
	F(I32, "m.cg", m.cg.version),
	F(NONE64, "m.cg_limit", m.cg.limit),
	F(NONE64, "m.cg_used", m.cg.used),
	F(NONE64, "m.cg_swap_limit", m.cg.swap_limit),
	F(NONE64, "m.cg_swap_used", m.cg.swap_used),
	F(NONE64, "m.cg_oom", m.cg.oom_kills),
	F(NONE64, "m.shm_total", m.shm_total),
	F(NONE64, "m.shm_free", m.shm_free),
	F(NONE64, "m.ncpu", m.ncpu),
	F(NONE64, "m.cpu_busy", m.cpu_busy),
	F(NONE64, "m.load", m.load1),
	F(NONE64, "m.oom", m.oom_kills),
	F(NONE64, "m.faults", m.major_faults),
	/* The long ones, the least wanted last: what has no room is left out. */
	F(STR, "workspace", workspace),
	F(STR, "store", store),
	F(STR, "reasons", reasons),
	F(STR, "exe", exe),
	F(STR, "cwd", cwd),
	F(STR, "user_data", user_data),
	F(STR, "cgroup", cgroup),
	F(STR, "m.cg_path", m.cg.path),
	F(STR, "argv", argv),
};
enum { N_FIELDS = sizeof(fields) / sizeof(*fields) };

static const char *const kinds[] = { "exit", "risk", "hang", "link", "start", "stop", "machine",
	"guard" };
static const char *const statuses[] = { "unknown", "exited", "signaled" };
static const char *const hows[] = { "", "pidfd", "stat", "connector" };

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

struct out {
	char *p;
	size_t n, max;
};

static uint64_t sum(const char *p, size_t n)
{
	uint64_t h = 14695981039346656037u;

	while (n--)
		h = (h ^ (uint8_t)*p++) * 1099511628211u;
	return h;
}

/* Tab, name, "=", value; nothing of it when it does not fit, unless it may be cut. */
static bool put(struct out *o, const char *name, const char *value, bool cut)
{
	size_t k = strlen(name), n = o->n;

	if (n + k + 2 > o->max)
		return false;
	if (n)
		o->p[n++] = '\t';
	memcpy(o->p + n, name, k);
	n += k;
	o->p[n++] = '=';
	for (; *value; value++) {
		const char *esc = *value == '\t'   ? "\\t"
				  : *value == '\n' ? "\\n"
				  : *value == '\\' ? "\\\\"
						   : NULL;

		if (n + 2 > o->max) {
			if (cut)
				break;
			return false;
		}
		if (esc)
			o->p[n++] = *esc++;
		o->p[n++] = esc ? *esc : *value;
	}
	o->n = n;
	return true;
}

static bool put_number(struct out *o, const struct field *f, const void *at)
{
	char text[24];

	switch (f->type) {
	case U64:
	case NONE64:
		if (*(const uint64_t *)at == (f->type == U64 ? 0 : MACHINE_NONE))
			return true;
		(void)snprintf(text, sizeof(text), "%" PRIu64, *(const uint64_t *)at);
		break;
	case I32:
		if (!*(const int *)at)
			return true;
		(void)snprintf(text, sizeof(text), "%d", *(const int *)at);
		break;
	case CH:
		if (*(const char *)at <= ' ')
			return true;
		(void)snprintf(text, sizeof(text), "%c", *(const char *)at);
		break;
	case BOOL:
		if (!*(const bool *)at)
			return true;
		(void)snprintf(text, sizeof(text), "1");
		break;
	default:
		if (!*(const enum risk *)at)
			return true;
		(void)snprintf(text, sizeof(text), "%d", (int)*(const enum risk *)at);
	}
	return put(o, f->name, text, false);
}

static bool put_head(struct out *o, const struct fact *f)
{
	if (!put(o, "kind", kinds[f->kind], false))
		return false;
	if (f->role.kind && !put(o, "role", role_name(f->role.role), false))
		return false;
	if (f->role.family && !put(o, "family", family_name(f->role.family), false))
		return false;
	if (f->role.kind &&
		!put(o, "of_kind", f->role.kind == KIND_EDITOR ? "editor" : "training", false))
		return false;
	if (f->kind == FACT_EXIT && !put(o, "status", statuses[f->status], false))
		return false;
	return !f->how || !*f->how || put(o, "how", f->how, false);
}

int fact_line(const struct fact *f, char *p, size_t n)
{
	enum { TAIL = sizeof("\tsum=0123456789abcdef") };
	struct out o = { p, 0, n > TAIL ? n - TAIL : 0 };
	bool whole = put_head(&o, f);

	for (size_t i = 0; i < N_FIELDS && whole; i++) {
		const struct field *d = &fields[i];
		const void *at = (const char *)f + d->at;

		if (d->type != STR)
			whole = put_number(&o, d, at);
		else if (*(const char *)at &&
			 !put(&o, d->name, at, d->at == offsetof(struct fact, argv)))
			/* Of a link the paths are the whole matter. */
			whole = d->size >= 256 && f->kind != FACT_LINK;
	}
	if (!whole)
		return -ENOSPC;
	(void)snprintf(p + o.n, n - o.n, "\tsum=%016" PRIx64, sum(p, o.n));
	return (int)(o.n + TAIL - 1);
}

static int which(const char *value, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(value, list[i]) == 0)
			return (int)i;
	return -EINVAL;
}

static int parse_role(const char *value, struct role_of *ret)
{
	for (int r = ROLE_NONE; r <= ROLE_KERNEL; r++)
		if (strcmp(value, role_name((enum role)r)) == 0) {
			ret->role = (enum role)r;
			return 0;
		}
	return -EINVAL;
}

static int parse_family(const char *value, struct role_of *ret)
{
	for (int r = FAMILY_NONE; r <= FAMILY_CHROMIUM; r++)
		if (strcmp(value, family_name((enum family)r)) == 0) {
			ret->family = (enum family)r;
			return 0;
		}
	return -EINVAL;
}

/* 1: it is none of these. */
static int parse_head(const char *name, const char *value, struct fact *f)
{
	int r;

	if (strcmp(name, "role") == 0)
		return parse_role(value, &f->role);
	if (strcmp(name, "family") == 0)
		return parse_family(value, &f->role);
	if (strcmp(name, "of_kind") == 0) {
		f->role.kind = strcmp(value, "editor") == 0 ? KIND_EDITOR : KIND_TRAINING;
		return 0;
	}
	if (strcmp(name, "status") == 0) {
		r = which(value, statuses, COUNT(statuses));
		f->status = r < 0 ? FACT_UNKNOWN : (enum fact_status)r;
		return r < 0 ? r : 0;
	}
	if (strcmp(name, "how") == 0) {
		r = which(value, hows, COUNT(hows));
		f->how = hows[r < 0 ? 0 : r];
		return r < 0 ? r : 0;
	}
	return 1;
}

static int parse_u64(const char *s, uint64_t *ret)
{
	char *end;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	*ret = strtoull(s, &end, 10);
	return errno || *end ? -EINVAL : 0;
}

static int parse_i32(const char *s, int *ret)
{
	bool minus = *s == '-';
	uint64_t v;

	if (parse_u64(s + minus, &v) < 0 || v > INT32_MAX)
		return -EINVAL;
	*ret = minus ? -(int)v : (int)v;
	return 0;
}

static int parse_field(const struct field *d, const char *value, void *at)
{
	int v = 0;

	switch (d->type) {
	case U64:
	case NONE64:
		return parse_u64(value, at);
	case I32:
		return parse_i32(value, at);
	case CH:
		*(char *)at = *value;
		return *value && !value[1] ? 0 : -EINVAL;
	case BOOL:
		*(bool *)at = strcmp(value, "1") == 0;
		return 0;
	case RISK:
		if (parse_i32(value, &v) < 0 || v < RISK_LOW || v > RISK_CRITICAL)
			return -EINVAL;
		*(enum risk *)at = (enum risk)v;
		return 0;
	default:
		if (strlen(value) >= d->size)
			return -EINVAL;
		memcpy(at, value, strlen(value) + 1);
		return 0;
	}
}

/* Cuts the sum off; is it right? */
static bool sum_is_right(char *line)
{
	char *last = strrchr(line, '\t'), *end;
	uint64_t h;

	if (!last || strncmp(last, "\tsum=", 5) != 0 || strlen(last) != 21)
		return false;
	h = strtoull(last + 5, &end, 16);
	if (*end || h != sum(line, (size_t)(last - line)))
		return false;
	*last = '\0';
	return true;
}

static bool is_id(const char *s)
{
	return *s && s[strspn(s, "0123456789abcdefghijklmnopqrstuvwxyz-")] == '\0';
}

static int parse_one(char *text, struct fact *f)
{
	char *value = strchr(text, '=');
	int r;

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	r = parse_head(text, value, f);
	if (r <= 0)
		return r;
	for (size_t i = 0; i < N_FIELDS; i++)
		if (strcmp(text, fields[i].name) == 0)
			return parse_field(&fields[i], value, (char *)f + fields[i].at);
	return 0; /* of a newer monitor */
}

int fact_parse(char *line, struct fact *ret)
{
	char *text;
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->how = "";
	for (size_t i = 0; i < N_FIELDS; i++)
		if (fields[i].type == NONE64)
			*(uint64_t *)(void *)((char *)ret + fields[i].at) = MACHINE_NONE;
	if (!sum_is_right(line))
		return -EINVAL;
	text = ctl_next_field(&line);
	if (!text || strncmp(text, "kind=", 5) != 0)
		return -EINVAL;
	r = which(text + 5, kinds, COUNT(kinds));
	if (r < 0)
		return r;
	ret->kind = (enum fact_kind)r;
	while ((text = ctl_next_field(&line))) {
		r = parse_one(text, ret);
		if (r < 0)
			return r;
	}
	return is_id(ret->id) ? 0 : -EINVAL;
}
