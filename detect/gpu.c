/* detect/gpu.c - see the header. Of NVML only the calls that every driver since 2014 has are
 * needed; the rest is asked for by name and left out where it is not there. */
#include "detect/gpu.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void *nvml_device;

struct nvml_memory {
	unsigned long long total, free, used;
};
struct nvml_use {
	unsigned gpu, memory;
};
struct nvml_process {		/* of _v2 and _v3 */
	unsigned pid;
	unsigned long long used;
	unsigned gpu_instance, compute_instance;
};

enum { NVML_OK = 0, NVML_ALL_PROCS = 1024 };

struct nvml {
	int (*init)(void);
	int (*shutdown)(void);
	int (*count)(unsigned *);
	int (*handle)(unsigned, nvml_device *);
	int (*name)(nvml_device, char *, unsigned);
	int (*memory)(nvml_device, struct nvml_memory *);
	int (*use)(nvml_device, struct nvml_use *);
	int (*temperature)(nvml_device, int, unsigned *);
	int (*processes)(nvml_device, unsigned *, struct nvml_process *);
};

/* The library stays loaded between readings; once it has failed it is not tried again. */
static void *library;
static struct nvml nvml;
static const char *failed;

/* C has no conversion from void * to a function: the bytes are the same (POSIX, dlsym). */
static bool find(const char *name, void *to)
{
	void *at = dlsym(library, name);

	memcpy(to, &at, sizeof(at));
	return at != NULL;
}

static const char *load(void)
{
	const char *path = getenv("HOLDFAST_NVML");

	if (!gpu_driver_is_there())
		return "no NVIDIA driver";
	library = dlopen(path && *path ? path : "libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return "libnvidia-ml.so.1 cannot be loaded";
	if (!find("nvmlInit_v2", &nvml.init) || !find("nvmlShutdown", &nvml.shutdown) ||
		!find("nvmlDeviceGetCount_v2", &nvml.count) ||
		!find("nvmlDeviceGetHandleByIndex_v2", &nvml.handle) ||
		!find("nvmlDeviceGetMemoryInfo", &nvml.memory))
		return "libnvidia-ml.so.1 lacks what is needed";
	(void)find("nvmlDeviceGetName", &nvml.name);
	(void)find("nvmlDeviceGetUtilizationRates", &nvml.use);
	(void)find("nvmlDeviceGetTemperature", &nvml.temperature);
	if (!find("nvmlDeviceGetComputeRunningProcesses_v3", &nvml.processes))
		(void)find("nvmlDeviceGetComputeRunningProcesses_v2", &nvml.processes);
	if (nvml.init() != NVML_OK) {
		nvml.shutdown = NULL;
		return "the NVIDIA driver does not answer";
	}
	return NULL;
}

static void read_processes(nvml_device d, struct gpu *g)
{
	static struct nvml_process all[NVML_ALL_PROCS];
	unsigned n = NVML_ALL_PROCS;

	g->n_procs = 0;
	if (!nvml.processes || nvml.processes(d, &n, all) != NVML_OK || n > NVML_ALL_PROCS)
		return;
	for (unsigned i = 0; i < n && g->n_procs < GPU_PROCS; i++) {
		struct gpu_proc *p = &g->proc[g->n_procs++];

		p->pid = (pid_t)all[i].pid;
		p->used = all[i].used;	/* -1 where it is not told: MACHINE_NONE */
	}
}

static void read_device(nvml_device d, struct gpu *g)
{
	struct nvml_memory mem;
	struct nvml_use use;
	unsigned celsius;

	g->name[0] = '\0';
	if (!nvml.name || nvml.name(d, g->name, GPU_NAME) != NVML_OK)
		(void)snprintf(g->name, GPU_NAME, "GPU");
	g->name[GPU_NAME - 1] = '\0';
	g->total = g->used = g->free = g->busy = g->celsius = MACHINE_NONE;
	if (nvml.memory(d, &mem) == NVML_OK && mem.total) {
		g->total = mem.total;
		g->used = mem.used;
		g->free = mem.free;
	}
	if (nvml.use && nvml.use(d, &use) == NVML_OK && use.gpu <= 100)
		g->busy = use.gpu * UINT64_C(100);
	if (nvml.temperature && nvml.temperature(d, 0, &celsius) == NVML_OK && celsius < 1000)
		g->celsius = celsius;
	read_processes(d, g);
}

int gpu_read(struct gpu_list *ret)
{
	unsigned n = 0;

	ret->n = 0;
	ret->why = NULL;
	if (!library && !failed)
		failed = load();
	if (failed) {
		ret->why = failed;
		return 0;
	}
	if (nvml.count(&n) != NVML_OK) {
		ret->why = "the NVIDIA driver does not answer";
		return 0;
	}
	for (unsigned i = 0; i < n && ret->n < GPU_MAX; i++) {
		nvml_device d;

		/* One that fell off the bus or is not ours does not hide the others. */
		if (nvml.handle(i, &d) == NVML_OK)
			read_device(d, &ret->gpu[ret->n++]);
	}
	if (!ret->n)
		ret->why = n ? "no GPU of it can be reached" : "no GPU";
	return 0;
}

void gpu_unload(void)
{
	if (library && nvml.shutdown)
		(void)nvml.shutdown();
	if (library)
		(void)dlclose(library);
	library = NULL;
	failed = NULL;
	memset(&nvml, 0, sizeof(nvml));
}
