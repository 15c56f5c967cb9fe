/* tests/preload_nvml.c - stands in for libnvidia-ml.so.1 (HOLDFAST_NVML names it). FAKE_NVML
 * holds words:
 * 	init=N count=N		what those calls return; gpus=N how many there are (2)
 * 	lost			the first cannot be reached
 * 	old			fewer calls succeed: no use, no temperature, no processes, no memory
 * 	full			the second is full
 * 	pid=N			the process that holds 3 GiB of the first (4242)
 * 	crash			dies in its first reading, hang: does not come back from it */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct memory {
	unsigned long long total, free, used;
};
struct use {
	unsigned gpu, memory;
};
struct process {
	unsigned pid;
	unsigned long long used;
	unsigned gpu_instance, compute_instance;
};

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetCount_v2(unsigned *n);
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d);
int nvmlDeviceGetName(void *d, char *p, unsigned n);
int nvmlDeviceGetMemoryInfo(void *d, struct memory *m);
int nvmlDeviceGetUtilizationRates(void *d, struct use *u);
int nvmlDeviceGetTemperature(void *d, int which, unsigned *t);
int nvmlDeviceGetComputeRunningProcesses_v3(void *d, unsigned *n, struct process *p);

static int word(const char *name, int otherwise)
{
	const char *s = getenv("FAKE_NVML"), *at = s ? strstr(s, name) : NULL;

	if (!at)
		return otherwise;
	at += strlen(name);
	return *at == '=' ? atoi(at + 1) : 1;
}

static char devices[32];

int nvmlInit_v2(void)
{
	return word("init", 0);
}

int nvmlShutdown(void)
{
	return 0;
}

int nvmlDeviceGetCount_v2(unsigned *n)
{
	*n = (unsigned)word("gpus", 2);
	return word("count", 0);
}

int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d)
{
	if (i == 0 && word("lost", 0))
		return 15;	/* NVML_ERROR_GPU_IS_LOST */
	*d = &devices[i];
	return 0;
}

static unsigned index_of(const void *d)
{
	return (unsigned)((const char *)d - devices);
}

int nvmlDeviceGetName(void *d, char *p, unsigned n)
{
	(void)snprintf(p, n, "Stand-in %u", index_of(d));
	return 0;
}

int nvmlDeviceGetMemoryInfo(void *d, struct memory *m)
{
	unsigned long long used =
		index_of(d) == 1 && word("full", 0) ? 15900ull << 20 : 4096ull << 20;

	*m = (struct memory){ 16384ull << 20, (16384ull << 20) - used, used };
	return word("old", 0) ? 4 : 0;
}

int nvmlDeviceGetUtilizationRates(void *d, struct use *u)
{
	(void)d;
	*u = (struct use){ 87, 12 };
	return word("old", 0) ? 3 : 0;
}

int nvmlDeviceGetTemperature(void *d, int which, unsigned *t)
{
	(void)d;
	*t = 71;
	return word("old", 0) || which != 0 ? 3 : 0;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *d, unsigned *n, struct process *p)
{
	if (*n < 2)
		return 7;
	if (word("crash", 0)) {
		(void)signal(SIGSEGV, SIG_DFL);	/* a sanitizer would make an exit of it */
		(void)raise(SIGSEGV);
	}
	while (word("hang", 0))
		(void)pause();
	*n = index_of(d) == 0 ? 2 : 0;
	p[0] = (struct process){ (unsigned)word("pid", 4242), 3ull << 30, ~0u, ~0u };
	p[1] = (struct process){ 4243, ~0ull, ~0u, ~0u };
	return word("old", 0) ? 3 : 0;
}
