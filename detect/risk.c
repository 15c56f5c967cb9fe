/* detect/risk.c - the verdict; see the header. */
#include "detect/risk.h"

#include <stdio.h>
#include <string.h>

#include "lib/text.h"

enum { TREND_MS = 10000, TREND_OLD_MS = 60000, TREND_LEAST = 4, TREND_SPAN_MS = 3000 };

const struct risk_limits risk_defaults = {
	.mem_medium = 7500,
	.mem_critical = 8500,
	.swap = 5000,
	.gpu = 9000,
	.shm = 9000,
	.cpu = 9500,
	.psi_medium = 1000,
	.psi_critical = 4000,
	.family_bytes = UINT64_C(8) << 30,
	.disk_free = UINT64_C(256) << 20,
	.warn_left_ms = 60000,
	.calm_points = 300,
	.calm_ms = 10000,
};

/* Percent times 100 of whole that part is; the machine's sizes do not overflow a double's 53
 * bits by much. */
static uint64_t share(uint64_t part, uint64_t whole)
{
	if (part >= whole)
		return 10000;
	return (uint64_t)((double)part / (double)whole * 10000);
}

static bool known(uint64_t v)
{
	return v != MACHINE_NONE;
}

static uint64_t used_share(uint64_t total, uint64_t left)
{
	return share(left < total ? total - left : 0, total);
}

/* Is it the cgroup whose figures count? */
static bool is_cgroup(const struct machine *m)
{
	return m->cg.version && m->total == m->cg.limit;
}

static void add(struct risk_verdict *v, enum reason what, enum risk level, uint64_t value,
	uint64_t threshold, unsigned index)
{
	unsigned at = v->n++;

	for (; at > 0 && v->reason[at - 1].level < level; at--)
		v->reason[at] = v->reason[at - 1];
	v->reason[at] = (struct risk_reason){ what, level, value, threshold, index };
}

static uint64_t memory_used(const struct machine *m)
{
	return used_share(m->total, m->available);
}

static void judge_memory(
	const struct risk_limits *lim, const struct machine *m, struct risk_verdict *v)
{
	uint64_t used = memory_used(m);
	enum reason what = is_cgroup(m) ? REASON_CGROUP : REASON_MEM;

	if (used >= lim->mem_critical)
		add(v, what, RISK_CRITICAL, used, lim->mem_critical, 0);
	else if (used >= lim->mem_medium)
		add(v, what, RISK_MEDIUM, used, lim->mem_medium, 0);
}

/* Who is in it dies of its limit, however much the machine has. */
static void judge_groups(
	const struct risk_limits *lim, const struct groups *groups, struct risk_verdict *v)
{
	const struct group_use *u = groups ? groups_fullest(groups) : NULL;
	uint64_t used = u ? group_used(u) : 0;

	if (u && used >= lim->mem_medium)
		add(v, REASON_GROUP, used >= lim->mem_critical ? RISK_CRITICAL : RISK_MEDIUM, used,
			used >= lim->mem_critical ? lim->mem_critical : lim->mem_medium,
			(unsigned)(u - groups->use));
}

static void judge_swap(
	const struct risk_limits *lim, const struct machine *m, struct risk_verdict *v)
{
	uint64_t used;

	if (!known(m->swap_total) || !known(m->swap_free) || m->swap_total == 0)
		return;
	used = used_share(m->swap_total, m->swap_free);
	if (used >= lim->swap)
		add(v, REASON_SWAP, memory_used(m) >= lim->mem_medium ? RISK_CRITICAL : RISK_MEDIUM,
			used, lim->swap, 0);
}

static void judge_psi(
	const struct risk_limits *lim, const struct machine *m, struct risk_verdict *v)
{
	uint64_t full = known(m->mem_psi.full10) ? m->mem_psi.full10 : 0;

	if (m->cg.version && known(m->cg.psi.full10) && m->cg.psi.full10 > full)
		full = m->cg.psi.full10;
	if (full >= lim->psi_critical)
		add(v, REASON_PSI, RISK_CRITICAL, full, lim->psi_critical, 0);
	else if (full >= lim->psi_medium)
		add(v, REASON_PSI, RISK_MEDIUM, full, lim->psi_medium, 0);
}

static void judge_gpus(
	const struct risk_limits *lim, const struct gpu_list *gpus, struct risk_verdict *v)
{
	uint64_t worst = 0;
	unsigned index = 0;

	for (unsigned i = 0; gpus && i < gpus->n; i++) {
		const struct gpu *g = &gpus->gpu[i];
		uint64_t used = known(g->total) && known(g->used) && g->total
					? share(g->used, g->total)
					: 0;

		if (used > worst) {
			worst = used;
			index = i;
		}
	}
	if (worst && worst >= lim->gpu)
		add(v, REASON_GPU, RISK_MEDIUM, worst, lim->gpu, index);
}

static void judge_rest(
	const struct risk_limits *lim, const struct risk_input *in, struct risk_verdict *v)
{
	const struct machine *m = in->m;
	uint64_t family = known(in->editor_bytes) ? in->editor_bytes : 0, used;
	unsigned least = 0;

	if (known(m->shm_total) && m->shm_total) {
		used = used_share(m->shm_total, m->shm_free);
		if (used >= lim->shm)
			add(v, REASON_SHM, RISK_MEDIUM, used, lim->shm, 0);
	}
	for (unsigned i = 1; i < in->n_disk; i++)
		if (in->disk[i].free < in->disk[least].free)
			least = i;
	if (in->n_disk && in->disk[least].free < lim->disk_free)
		add(v, REASON_DISK, RISK_MEDIUM, in->disk[least].free, lim->disk_free, least);
	if (known(m->cpu_busy) && m->cpu_busy >= lim->cpu)
		add(v, REASON_CPU, RISK_LOW, m->cpu_busy, lim->cpu, 0);
	if (known(in->training_bytes) &&
		__builtin_add_overflow(family, in->training_bytes, &family))
		family = MACHINE_NONE;
	if (family >= lim->family_bytes)
		add(v, REASON_FAMILY, RISK_LOW, family, lim->family_bytes, 0);
}

void risk_note(struct risk_state *st, uint64_t mono_ms, uint64_t available)
{
	unsigned last = (st->next + RISK_HISTORY - 1) % RISK_HISTORY;

	if (st->n && st->past[last].mono_ms > mono_ms)
		st->n = 0;	/* another boot's */
	if (st->n && st->past[last].mono_ms == mono_ms) {
		st->past[last].available = available;
		return;
	}
	st->past[st->next].mono_ms = mono_ms;
	st->past[st->next].available = available;
	st->next = (st->next + 1) % RISK_HISTORY;
	if (st->n < RISK_HISTORY)
		st->n++;
}

/* Bytes a second taken from the first-newest to the last-newest reading (1 is the newest), by
 * least squares. */
static double slope(const struct risk_state *st, unsigned first, unsigned last)
{
	unsigned k = last - first + 1;
	double t0 = 0, a0 = 0, t_mean = 0, a_mean = 0, up = 0, down = 0;

	for (int pass = 0; pass < 2; pass++)
		for (unsigned i = first; i <= last; i++) {
			unsigned at = (st->next + RISK_HISTORY - i) % RISK_HISTORY;
			/* Differences first: absolute times and sizes would cost the digits that
			 * count. */
			double t = ((double)st->past[at].mono_ms - t0) / 1000,
			       a = (double)st->past[at].available - a0;

			if (pass == 0 && i == first) {
				t0 = (double)st->past[at].mono_ms;
				a0 = (double)st->past[at].available;
				t = a = 0;
			}
			if (pass == 0) {
				t_mean += t / k;
				a_mean += a / k;
			} else {
				up += (t - t_mean) * (a - a_mean);
				down += (t - t_mean) * (t - t_mean);
			}
		}
	return down <= 0 ? 0 : -up / down;
}

static uint64_t age(const struct risk_state *st, unsigned i, uint64_t now)
{
	return now - st->past[(st->next + RISK_HISTORY - i) % RISK_HISTORY].mono_ms;
}

/* A program that starts takes much at once and then no more. So it is growth only when it has
 * lasted some seconds, in the older half of them and in the newer alike; the smaller of the two
 * counts. */
static int64_t growth(const struct risk_state *st)
{
	uint64_t now = st->past[(st->next + RISK_HISTORY - 1) % RISK_HISTORY].mono_ms;
	unsigned k = 0;
	double older, newer;

	while (k < st->n && (age(st, k + 1, now) <= TREND_MS ||
				    (k < TREND_LEAST && age(st, k + 1, now) <= TREND_OLD_MS)))
		k++;
	if (k < TREND_LEAST - 1 || age(st, k, now) < TREND_SPAN_MS)
		return 0;
	older = slope(st, k / 2 + 1, k);
	newer = slope(st, 1, k / 2 + 1);
	if ((older > 0) != (newer > 0))
		return 0;
	return (int64_t)((older > 0) == (newer < older) ? newer : older); /* the nearer to 0 */
}

static void judge_trend(const struct risk_limits *lim, const struct machine *m,
	const struct risk_state *st, struct risk_verdict *v)
{
	uint64_t floor =
		m->total - (uint64_t)((double)m->total * (double)lim->mem_critical / 10000);
	double left;

	v->growth = growth(st);
	v->left_ms = MACHINE_NONE;
	if (v->growth <= 0)
		return;
	left = m->available > floor ? (double)(m->available - floor) / (double)v->growth * 1000 : 0;
	if (left < 1e15)
		v->left_ms = (uint64_t)left;
	/* Over the threshold already it says nothing new. */
	if (v->left_ms < lim->warn_left_ms && m->available > floor)
		add(v, REASON_TREND, RISK_MEDIUM, v->left_ms, lim->warn_left_ms, 0);
}

static void judge_all(const struct risk_limits *lim, const struct risk_input *in,
	const struct risk_state *st, struct risk_verdict *v)
{
	v->n = 0;
	judge_memory(lim, in->m, v);
	judge_groups(lim, in->groups, v);
	judge_swap(lim, in->m, v);
	judge_psi(lim, in->m, v);
	judge_gpus(lim, in->gpus, v);
	judge_trend(lim, in->m, st, v);
	judge_rest(lim, in, v);
	v->risk = v->n ? v->reason[0].level : RISK_LOW;
}

static uint64_t less(uint64_t v, uint64_t by)
{
	return v > by ? v - by : 0;
}

/* What the level would be if every threshold stood calm_points lower. */
static enum risk calm_level(
	const struct risk_limits *lim, const struct risk_input *in, const struct risk_state *st)
{
	struct risk_limits low = *lim;
	struct risk_verdict v;

	low.mem_medium = less(lim->mem_medium, lim->calm_points);
	low.mem_critical = less(lim->mem_critical, lim->calm_points);
	low.swap = less(lim->swap, lim->calm_points);
	low.gpu = less(lim->gpu, lim->calm_points);
	low.shm = less(lim->shm, lim->calm_points);
	low.psi_medium = less(lim->psi_medium, lim->calm_points);
	low.psi_critical = less(lim->psi_critical, lim->calm_points);
	low.disk_free = lim->disk_free + lim->disk_free / 8;
	low.warn_left_ms = lim->warn_left_ms + lim->warn_left_ms / 4;
	judge_all(&low, in, st, &v);
	return v.risk;
}

static void settle(const struct risk_limits *lim, struct risk_state *st, enum risk asked,
	enum risk calm, uint64_t now)
{
	if (asked >= st->level) {
		st->level = asked;
		st->below_since_ms = 0;
		return;
	}
	if (calm >= st->level) {
		st->below_since_ms = 0;
		return;
	}
	if (!st->below_since_ms || now < st->below_since_ms) {
		st->below_since_ms = now ? now : 1;
		st->below_level = calm;
	}
	if (calm > st->below_level)
		st->below_level = calm;
	if (now - st->below_since_ms < lim->calm_ms)
		return;
	st->level = st->below_level;
	st->below_since_ms = calm < st->level ? now : 0;
	st->below_level = calm;
}

static enum status status_of(uint64_t used)
{
	return used < 6000   ? STATUS_EXCELLENT
	       : used < 7000 ? STATUS_GOOD
	       : used < 8000 ? STATUS_CAUTION
			     : STATUS_CRITICAL;
}

/* "CRITICAL, Excellent" would say two things. */
static enum status no_better(enum status s, enum risk r)
{
	enum status worst = r == RISK_CRITICAL ? STATUS_CRITICAL
			    : r == RISK_MEDIUM ? STATUS_CAUTION
					       : STATUS_EXCELLENT;

	return s > worst ? s : worst;
}

void risk_judge(const struct risk_limits *lim, const struct risk_input *in, struct risk_state *st,
	struct risk_verdict *ret)
{
	const struct machine *m = in->m;
	enum risk asked;

	risk_note(st, m->mono_ms, m->available);
	judge_all(lim, in, st, ret);
	asked = ret->risk;
	settle(lim, st, asked, asked < st->level ? calm_level(lim, in, st) : asked, m->mono_ms);
	ret->risk = st->level;
	ret->held = st->level > asked;
	ret->status = no_better(status_of(memory_used(m)), ret->risk);
}

const char *risk_name(enum risk r)
{
	static const char *const names[] = { "LOW", "MEDIUM", "CRITICAL" };

	return (unsigned)r < 3 ? names[r] : "?";
}

const char *status_name(enum status s)
{
	static const char *const names[] = { "Excellent", "Good", "Caution", "Critical" };

	return (unsigned)s < 4 ? names[s] : "?";
}

static const char *asks(const struct risk_reason *r)
{
	return r->level == RISK_CRITICAL ? "critical"
	       : r->level == RISK_MEDIUM ? "medium"
					 : "warns";
}

/* "memory 87 % used, 3.1 GiB left (critical from 85 %)" */
static int share_text(
	const struct risk_reason *r, const char *what, uint64_t left, char *p, size_t n)
{
	char size[16];

	return snprintf(p, n, "%s %u %% used, %s left (%s from %u %%)", what,
		(unsigned)(r->value / 100), text_size(left, size), asks(r),
		(unsigned)(r->threshold / 100));
}

static uint64_t gpu_left(const struct risk_input *in, unsigned i)
{
	const struct gpu *g;

	if (!in->gpus || i >= in->gpus->n)
		return 0;
	g = &in->gpus->gpu[i];
	return g->used < g->total ? g->total - g->used : 0;
}

static int group_text(const struct risk_reason *r, const struct risk_input *in, char *p, size_t n)
{
	const struct group_use *u;
	char limit[24];

	if (!in->groups || r->index >= in->groups->n)
		return snprintf(p, n, "?");
	u = &in->groups->use[r->index];
	return snprintf(p, n, "%.20s (%d) at %u %% of its limit of %s (%s from %u %%)", u->name,
		(int)u->pid, (unsigned)(r->value / 100), text_size(u->cg.limit, limit), asks(r),
		(unsigned)(r->threshold / 100));
}

int risk_reason_text(const struct risk_reason *r, const struct risk_input *in, char *p, size_t n)
{
	char a[24], b[24];
	const struct machine *m = in->m;

	switch (r->what) {
	case REASON_MEM:
		return share_text(r, "memory", m->available, p, n);
	case REASON_CGROUP:
		(void)snprintf(a, sizeof(a), "%s", text_size(m->cg.limit, b));
		return snprintf(p, n, "cgroup limit of %s %u %% used, %s left (%s from %u %%)", a,
			(unsigned)(r->value / 100), text_size(m->available, b), asks(r),
			(unsigned)(r->threshold / 100));
	case REASON_GROUP:
		return group_text(r, in, p, n);
	case REASON_SWAP:
		return share_text(r, "swap", m->swap_free, p, n);
	case REASON_PSI:
		return snprintf(p, n,
			"everything waited for memory %u %% of the time (%s from %u %%)",
			(unsigned)(r->value / 100), asks(r), (unsigned)(r->threshold / 100));
	case REASON_GPU:
		(void)snprintf(a, sizeof(a), "GPU %u memory", r->index);
		return share_text(r, a, gpu_left(in, r->index), p, n);
	case REASON_SHM:
		return share_text(r, "/dev/shm", m->shm_free, p, n);
	case REASON_CPU:
		return snprintf(p, n, "CPU %u %% busy (warns from %u %%)",
			(unsigned)(r->value / 100), (unsigned)(r->threshold / 100));
	case REASON_FAMILY:
		return snprintf(p, n, "editor and training hold %s (warns from %s)",
			text_size(r->value, a), text_size(r->threshold, b));
	case REASON_DISK:
		return snprintf(p, n, "disk has %s left (medium under %s)", text_size(r->value, a),
			text_size(r->threshold, b));
	case REASON_TREND:
		return snprintf(p, n,
			"memory will be critical in %s at this growth (medium under %s)",
			text_duration(r->value / 1000, a), text_duration(r->threshold / 1000, b));
	default:
		return snprintf(p, n, "?");
	}
}

const char *risk_advice(const struct risk_reason *r)
{
	switch (r->what) {
	case REASON_MEM:
		return r->level == RISK_CRITICAL
			       ? "checkpoint and stop the training now; close what you do not need"
			       : "start nothing large; a smaller batch, fewer workers";
	case REASON_CGROUP:
	case REASON_GROUP:
		return "raise the limit, or a smaller batch and fewer workers";
	case REASON_SWAP:
		return "memory is used that is not there: end something before it crawls";
	case REASON_PSI:
		return "memory is being moved instead of used: end or pause something now";
	case REASON_GPU:
		return "a smaller batch or image, mixed precision, or end its other users";
	case REASON_SHM:
		return "fewer data workers, or a larger one (docker run --shm-size)";
	case REASON_CPU:
		return "fewer threads (OMP_NUM_THREADS) or workers, or train with nice";
	case REASON_FAMILY:
		return "close windows you do not need, or train with a smaller tier";
	case REASON_DISK:
		return "free some space: snapshots and checkpoints need it";
	case REASON_TREND:
		return "something grows fast: checkpoint it, or end it, before it decides";
	default:
		return "";
	}
}
