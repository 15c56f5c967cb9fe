/* detect/run-end.c - how a run ended, by all that is known; see run.h. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "detect/run.h"
#include "lib/text.h"

static const struct {
	const char *text;
	enum want want;
} signs[] = {
	/* torch, cuDNN, cuBLAS, TensorFlow, JAX, the driver */
	{ "CUDA out of memory", WANT_GPU },
	{ "torch.cuda.OutOfMemoryError", WANT_GPU },
	{ "torch.OutOfMemoryError: CUDA", WANT_GPU },
	{ "HIP out of memory", WANT_GPU },
	{ "CUDA error: out of memory", WANT_GPU },
	{ "CUDA_ERROR_OUT_OF_MEMORY", WANT_GPU },
	{ "CUBLAS_STATUS_ALLOC_FAILED", WANT_GPU },
	{ "RESOURCE_EXHAUSTED: Out of memory", WANT_GPU },
	{ "OOM when allocating tensor", WANT_GPU },
	/* a data worker that finds /dev/shm full */
	{ "insufficient shared memory (shm)", WANT_SHM },
	{ "workers are out of shared memory", WANT_SHM },
	{ "unable to open shared memory object", WANT_SHM },
	{ "unable to allocate shared memory(shm)", WANT_SHM },
	{ "No space left on device: '/dev/shm", WANT_SHM },
	/* the C library, Python, NumPy, torch on the CPU */
	{ "DefaultCPUAllocator: can't allocate memory", WANT_RAM },
	{ "DefaultCPUAllocator: not enough memory", WANT_RAM },
	{ "Cannot allocate memory", WANT_RAM },
	{ "std::bad_alloc", WANT_RAM },
	{ "MemoryError", WANT_RAM },
	{ "ArrayMemoryError", WANT_RAM },
};

enum want run_want(const char *line, size_t n)
{
	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		if (memmem(line, n, signs[i].text, strlen(signs[i].text)))
			return signs[i].want;
	return WANT_NONE;
}

static bool faults(int signo)
{
	return signo == SIGSEGV || signo == SIGBUS || signo == SIGABRT || signo == SIGILL ||
	       signo == SIGFPE || signo == SIGTRAP || signo == SIGSYS;
}

bool run_ending(const struct ending *e, const char **cause, char *how, size_t n)
{
	int signo = WIFSIGNALED(e->status) ? WTERMSIG(e->status) : 0;
	int code = signo ? 0 : WEXITSTATUS(e->status);
	bool failed = signo || code;
	char size[16];

	if (e->over_limit) {
		*cause = "out-of-memory (guard)";
		(void)snprintf(how, n, "ended for taking more than its limit of %s",
			text_size(e->limit, size));
		return true;
	}
	if (failed && e->guarded) {
		*cause = "out-of-memory (guard)";
		(void)snprintf(how, n, "ended by the guard, to keep the editor alive");
		return true;
	}
	if (failed && *e->by_hand) {
		*cause = "terminated";
		(void)snprintf(how, n, "ended by hand: %s", e->by_hand);
		return false;
	}
	if (failed && e->cgroup_oom) {
		*cause = "out-of-memory (cgroup)";
		(void)snprintf(how, n, "the kernel killed it, or a worker of it, at its limit%s%s",
			e->limit ? " of " : "", e->limit ? text_size(e->limit, size) : "");
		return true;
	}
	if (failed && e->want == WANT_GPU) {
		*cause = "out-of-memory (gpu)";
		(void)snprintf(how, n, "the GPU's memory did not suffice: %s", e->line);
		return true;
	}
	if (failed && (e->want == WANT_SHM || (signo == SIGBUS && e->want == WANT_RAM))) {
		*cause = "out-of-memory (shm)";
		(void)snprintf(how, n, "/dev/shm did not suffice: %s", e->line);
		return true;
	}
	if (failed && e->want == WANT_RAM) {
		*cause = "out-of-memory (allocation)";
		(void)snprintf(how, n, "memory was refused to it: %s", e->line);
		return true;
	}
	if (e->machine_oom && (signo == SIGKILL || code == 128 + SIGKILL)) {
		*cause = "out-of-memory (kernel)";
		(void)snprintf(how, n, "killed while the machine ran out of memory");
		return true;
	}
	/* A shell says so of what it has started. */
	if (code > 128 && faults(code - 128)) {
		*cause = "crashed";
		(void)snprintf(how, n, "exit code %d (%s)", code, strsignal(code - 128));
		return false;
	}
	*cause = signo  ? faults(signo)      ? "crashed"
			  : signo == SIGKILL ? "killed"
					     : "terminated"
		 : code ? "failed"
			: "exited";
	if (signo)
		(void)snprintf(how, n, "signal %d (%s)", signo, strsignal(signo));
	else
		(void)snprintf(how, n, "exit code %d", code);
	return false;
}
