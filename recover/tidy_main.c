/* recover-tidy: what snapd starts to write a segment of its store tighter (store/tidy.h) when nobody works. It runs when no other
 * process wants to, for SHARE percent of the time at most, and may be killed at any moment. Arguments: STORE LEAST SHARE. Exit codes:
 * 0 one was made, for the writer to take; 1 none has LEAST bytes to gain from; 4 it could not be made. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../lib/err.h"
#include "../lib/log.h"
#include "../store/tidy.h"

#define IOPRIO_IDLE (3 << 13)

struct pace {
	struct timespec from;		/* of this piece of work */
	int share;			/* percent */
};

static int rest(void *arg)
{
	struct pace *p = arg;
	struct timespec now;
	int64_t ns;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	ns = ((now.tv_sec - p->from.tv_sec) * 1000000000LL + now.tv_nsec - p->from.tv_nsec) * (100 - p->share) / p->share;
	if (ns > 0)
		(void)nanosleep(&(struct timespec){ ns / 1000000000, ns % 1000000000 }, NULL);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &p->from);
	return 0;
}

static int tidy(struct store *s, uint64_t least, struct pace *p)
{
	uint32_t no = 0;
	uint64_t bytes;
	int r;

	/* One that is damaged stays as it is, the next may be whole. */
	do {
		if ((r = store_tidy_due(s, least, no, &no, &bytes)) <= 0)
			return r < 0 ? r : 1;
		r = store_tidy_make(s, no, rest, p);
	} while (r == -EBADMSG || r == -ENOTSUP);
	return r;
}

int main(int argc, char **argv)
{
	struct pace p = { .share = argc == 4 ? atoi(argv[3]) : 0 };
	struct store *s;
	int r;

	log_init("recover-tidy", LOG_WARN);
	if (p.share < 1 || p.share > 100) {
		log_error("usage: recover-tidy STORE LEAST SHARE");
		return EXIT_USAGE;
	}
	(void)setpriority(PRIO_PROCESS, 0, 19);
	(void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){ 0 });
	(void)syscall(SYS_ioprio_set, 1, 0, IOPRIO_IDLE);
	if ((r = store_open(argv[1], STORE_READ, NULL, &s)) < 0) {
		log_error_errno(r, "%s", argv[1]);
		return EXIT_ENV;
	}
	r = tidy(s, strtoull(argv[2], NULL, 10), &p);
	store_close(s);
	if (r < 0)
		log_error_errno(r, "%s", argv[1]);
	return r < 0 ? EXIT_ENV : r ? EXIT_NO : EXIT_DONE;
}
