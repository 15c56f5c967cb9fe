/* detect/gate.c - need against room; see the header. */
#include "detect/gate.h"

#include <stdio.h>
#include <string.h>

#include "lib/text.h"

static void add(struct gate_verdict *v, enum gate_reason_what what, bool refuses, uint64_t need,
	uint64_t room)
{
	v->reason[v->n++] = (struct gate_reason){ what, refuses, need, room };
	if (refuses)
		v->allowed = false;
}

bool gate_fits(const struct need *need, const struct room *room)
{
	if (need->ram != MACHINE_NONE && need->ram > room->ram)
		return false;
	if (room->shm != MACHINE_NONE && need->shm > room->shm)
		return false;
	return !need->gpu || (room->gpu != MACHINE_NONE && need->gpu <= room->gpu);
}

const struct tier *gate_tier(const struct room *room, const char *configs, const struct tier *below)
{
	struct need n;

	for (unsigned i = TIERS - 1; i-- > 0;) {
		if (below && &tiers[i] >= below)
			continue;
		need_of_tier(&tiers[i], configs, &n);
		if (gate_fits(&n, room))
			return &tiers[i];
	}
	if (below == &tiers[TIERS - 1])
		return NULL;
	need_of_tier(&tiers[TIERS - 1], configs, &n);
	return gate_fits(&n, room) ? &tiers[TIERS - 1] : NULL;
}

static uint64_t used_share(const struct machine *m)
{
	uint64_t used = m->total > m->available ? m->total - m->available : 0;

	return m->total ? (uint64_t)((double)used / (double)m->total * 10000) : 0;
}

void gate_judge(const struct gate_limits *lim, const struct need *need, const struct room *room,
	uint64_t cpu_busy, struct gate_verdict *ret)
{
	*ret = (struct gate_verdict){ .allowed = true };
	if (need->ram != MACHINE_NONE && need->ram > room->ram)
		add(ret, GATE_RAM, true, need->ram, room->ram);
	if (need->shm && room->shm != MACHINE_NONE && need->shm > room->shm)
		add(ret, GATE_SHM, true, need->shm, room->shm);
	if (need->gpu && room->gpu == MACHINE_NONE)
		add(ret, GATE_NO_GPU, true, need->gpu, 0);
	else if (need->gpu > room->gpu)
		add(ret, GATE_GPU, true, need->gpu, room->gpu);
	if (need->ram == MACHINE_NONE && used_share(&room->m) >= lim->memory * UINT64_C(100))
		add(ret, GATE_USED, true, used_share(&room->m), lim->memory * UINT64_C(100));
	if (need->ram == MACHINE_NONE && room->ram < lim->free)
		add(ret, GATE_FREE, true, lim->free, room->ram);
	if (cpu_busy != MACHINE_NONE && cpu_busy >= lim->cpu * UINT64_C(100))
		add(ret, GATE_CPU, false, cpu_busy, lim->cpu * UINT64_C(100));
	if (!ret->allowed)
		ret->fits = gate_tier(room, lim->configs, need->tier);
}

int gate_reason_text(const struct gate_reason *r, const struct room *room, char *p, size_t n)
{
	char a[16], b[16], gap[16];
	const char *what = r->what == GATE_SHM   ? "/dev/shm"
			   : r->what == GATE_GPU ? "GPU memory"
						 : "memory";

	(void)text_size(r->need, a);
	(void)text_size(r->room, b);
	(void)text_size(r->need > r->room ? r->need - r->room : 0, gap);
	switch (r->what) {
	case GATE_NO_GPU:
		return snprintf(p, n, "%s of GPU memory needed, but: %s", a, room->gpu_why);
	case GATE_USED:
		return snprintf(p, n,
			"memory %u %% used, and nobody knows what it needs (refused from %u %%)",
			(unsigned)(r->need / 100), (unsigned)(r->room / 100));
	case GATE_FREE:
		return snprintf(p, n,
			"room for %s, and nobody knows what it needs (refused below %s)", b, a);
	case GATE_CPU:
		return snprintf(p, n, "CPU %u %% busy: it will be slow, and so will the editor",
			(unsigned)(r->need / 100));
	default:
		return snprintf(
			p, n, "%s of %s needed, room for %s: %s too little", a, what, b, gap);
	}
}
