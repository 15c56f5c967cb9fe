/* detect/gpu.h - GPU memory, use and temperature through NVML, loaded when first asked for.
 *
 * libnvidia-ml.so.1 comes with the driver, so it is opened by dlopen; HOLDFAST_NVML=PATH names another (tests have a
 * stand-in). No driver, no library, no device: n = 0 and why says which. Loading costs tens of milliseconds:
 * where nothing under /proc/driver/nvidia and no /dev/nvidiactl exists, it is not tried.
 * Source: NVML API reference, nvmlInit_v2 to nvmlDeviceGetComputeRunningProcesses_v3. */
#ifndef DETECT_GPU_H
#define DETECT_GPU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "detect/machine.h"

enum { GPU_MAX = 16, GPU_PROCS = 64, GPU_NAME = 64 };

struct gpu_proc {
	pid_t pid;
	uint64_t used;		/* bytes, MACHINE_NONE when the driver does not say (MIG, containers) */
};

struct gpu {
	char name[GPU_NAME];
	uint64_t total, used, free;
	uint64_t busy;		/* percent times 100 */
	uint64_t celsius;	/* degrees */
	unsigned n_procs;
	struct gpu_proc proc[GPU_PROCS];
};

struct gpu_list {
	unsigned n;
	const char *why;	/* when n is 0: "no NVIDIA driver", ... */
	struct gpu gpu[GPU_MAX];
};

bool gpu_driver_is_there(void);	/* cheap: loads nothing */
int gpu_read(struct gpu_list *ret);	/* 0 also when there is none */
void gpu_unload(void);

#endif
