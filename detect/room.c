/* detect/room.c - see the header. */
#include "detect/room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESERVE_MAX (UINT64_C(2) << 30)	/* the guard acts from there on */

void gate_limits(const struct config *c, struct gate_limits *ret)
{
	/* Those of config/keys.c; a test compares. */
	*ret = (struct gate_limits){ .reserve = 10,
		.swap = 50,
		.memory = 65,
		.cpu = 70,
		.free = UINT64_C(4) << 30,
		.snapshot = true,
		.wait_ms = 30000,
		.configs = "config/memory_optimized" };
	if (!c || !c->gate_memory)
		return;
	*ret = (struct gate_limits){ .reserve = (unsigned)c->gate_reserve,
		.swap = (unsigned)c->gate_swap,
		.memory = (unsigned)c->gate_memory,
		.cpu = (unsigned)c->gate_cpu,
		.free = c->gate_free,
		.force = c->gate_force,
		.snapshot = c->gate_snapshot,
		.wait_ms = c->gate_wait_ms,
		.configs = c->training_configs,
		.store_dir = c->store_dir };
}

/* Of the machine, or of the cgroup where that allows less. */
static uint64_t swap_left(const struct machine *m)
{
	uint64_t left = m->swap_free == MACHINE_NONE ? 0 : m->swap_free;
	const struct cgroup_reading *c = &m->cg;

	if (c->version && c->swap_limit != MACHINE_NONE && c->swap_used != MACHINE_NONE) {
		uint64_t more = c->swap_limit > c->swap_used ? c->swap_limit - c->swap_used : 0;

		left = more < left ? more : left;
	}
	return left;
}

void room_reserve(struct room *r, const struct gate_limits *lim, uint64_t editor)
{
	uint64_t used = r->m.total > r->m.available ? r->m.total - r->m.available : 0;
	uint64_t most = r->m.available + r->swap, part;

	r->editor = editor;
	part = (editor == MACHINE_NONE || editor > used ? used : editor) / 10;
	r->reserve = r->m.total / 100 * lim->reserve;
	if (r->reserve > RESERVE_MAX)
		r->reserve = RESERVE_MAX;
	if (part > r->reserve)
		r->reserve = part;
	r->ram = most > r->reserve ? most - r->reserve : 0;
}

/* "0,2": numbers of GPUs. Anything else (a UUID, MIG) may be any of them. */
static bool shows(const char *variable, unsigned i)
{
	const char *p = variable;
	char *end;

	if (!variable)
		return true;
	while (*p) {
		long v = strtol(p, &end, 10);

		if (end == p || (*end && *end != ','))
			return true;
		if (v < 0) /* CUDA stops reading at the first that is none */
			return false;
		if (v == (long)i)
			return true;
		p = *end ? end + 1 : end;
	}
	return false;
}

uint64_t room_gpu(const struct gpu_list *l, const char *variable)
{
	uint64_t best = MACHINE_NONE;

	for (unsigned i = 0; i < l->n; i++) {
		uint64_t f = l->gpu[i].free;

		if (f != MACHINE_NONE && shows(variable, i) && (best == MACHINE_NONE || f > best))
			best = f;
	}
	return best;
}

int room_read(const struct roots *roots, const struct gate_limits *lim, bool gpu, struct room *ret)
{
	static struct gpu_list gpus;
	struct machine_reader *reader;
	int r = machine_open(roots, &reader);

	if (r < 0)
		return r;
	machine_clear(reader, &ret->m);
	r = machine_update(reader, MACHINE_MEMORY | MACHINE_CPU | MACHINE_REST, &ret->m);
	machine_close(reader);
	if (r < 0)
		return r;
	ret->swap = swap_left(&ret->m) / 100 * lim->swap;
	ret->shm = ret->m.shm_free;
	ret->gpu = MACHINE_NONE;
	ret->gpu_why = NULL;
	if (gpu) {
		(void)gpu_read(&gpus);
		ret->gpu = room_gpu(&gpus, getenv("CUDA_VISIBLE_DEVICES"));
		ret->gpu_why = gpus.n ? "CUDA_VISIBLE_DEVICES shows none" : gpus.why;
	}
	room_reserve(ret, lim, MACHINE_NONE);
	return 0;
}
