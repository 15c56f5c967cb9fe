/* detect/gpu_main.c - detect-gpu: reads the GPUs through the driver's library and writes what it
 * read where the monitor looks (gpu_feed.h). The monitor starts it; it ends with it. */
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "detect/gpu_feed.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/names.h"

static uint64_t mono_ms(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* As long as is wished, or until something else is. */
static void rest(struct gpu_feed *f)
{
	uint32_t ms = atomic_load(&f->period_ms);
	struct timespec t = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };

	(void)syscall(SYS_futex, &f->period_ms, FUTEX_WAIT, ms, &t, NULL, 0);
}

static int run(struct gpu_feed *f, pid_t parent)
{
	static struct gpu_list list;

	for (;;) {
		(void)gpu_read(&list);
		if (!list.n) {
			log_info("gpu: %s", list.why ? list.why : "none");
			return EXIT_NO;
		}
		gpu_feed_write(f, &list, mono_ms());
		rest(f);
		if (getppid() != parent)
			return EXIT_DONE;
	}
}

int main(int argc, char **argv)
{
	pid_t parent = getppid();
	struct gpu_feed *f;
	struct stat st;

	log_init(DETECT, LOG_WARN);
	if (argc == 2 && strcmp(argv[1], "-v") == 0)
		log_set_level(LOG_INFO);
	if (fstat(GPU_FEED_FD, &st) < 0 || st.st_size < (off_t)sizeof(*f)) {
		log_error("usage: detect-gpu; it is started by the monitor, `" DETECT " watch`");
		return EXIT_USAGE;
	}
	f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED, GPU_FEED_FD, 0);
	if (f == MAP_FAILED)
		return log_error_errno(-errno, "gpu: the monitor's segment"), EXIT_ENV;
	(void)close(GPU_FEED_FD);
	/* Of the signals only those that end it; of parents only this one. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "detect-gpu");
	if (getppid() != parent)
		return EXIT_DONE;
	return run(f, parent);
}
