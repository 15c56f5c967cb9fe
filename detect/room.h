/* detect/room.h - what is really free here, less what the editor needs to live.
 *
 * Memory: what counts as available (machine.h: the tightest cgroup too), a share of the free swap,
 * less the reserve: gate.reserve percent of memory but 2 GiB at most, or a tenth of what editors hold where that is
 * more. A GPU's: the most that one visible to us (CUDA_VISIBLE_DEVICES) has free. */
#ifndef DETECT_ROOM_H
#define DETECT_ROOM_H

#include <stdbool.h>

#include "config/config.h"
#include "detect/gpu.h"
#include "detect/machine.h"

struct gate_limits {            /* [gate] of the settings */
	unsigned reserve, swap; /* percent */
	unsigned memory, cpu;   /* percent in use */
	uint64_t free;
	bool force, snapshot;
	uint64_t wait_ms;
	const char *configs;   /* training.configs */
	const char *store_dir; /* NULL: the default */
};
/* c: NULL or all zeroes stands for the defaults (the small program has no other). */
void gate_limits(const struct config *c, struct gate_limits *ret);

struct room {
	struct machine m;
	uint64_t ram;             /* bytes for a launch */
	uint64_t swap;            /* what of it is swap */
	uint64_t reserve, editor; /* editor: what editors hold; MACHINE_NONE not looked for */
	uint64_t shm;             /* MACHINE_NONE: no /dev/shm in sight */
	uint64_t gpu;             /* MACHINE_NONE: none, or not asked for */
	const char *gpu_why;      /* then why there is none */
};

/* editor: MACHINE_NONE takes as many bytes as there could be. -errno: no /proc/meminfo. */
int room_read(const struct roots *roots, const struct gate_limits *lim, bool gpu, struct room *ret);
void room_reserve(struct room *r, const struct gate_limits *lim, uint64_t editor);
/* The free memory of the GPUs that variable (CUDA_VISIBLE_DEVICES, NULL unset) shows;
 * MACHINE_NONE. */
uint64_t room_gpu(const struct gpu_list *l, const char *variable);

#endif
