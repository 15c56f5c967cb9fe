/* recover-check: what snapd starts to look at a portion of a store for rot (store/portion.h). It works when nobody else wants to,
 * and ends at once when told to (SIGTERM), having noted where it was. Arguments: STORE BYTES. Exit codes: 0 nothing
 * wrong, 1 there is damage (STORE/checked says where), 3 told to end, 4 it could not look. */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/text.h"
#include "../store/portion.h"
#include "recover.h"

#define IOPRIO_IDLE (3 << 13)
#define REST_NS 20000000		/* after each 256 KiB: a tenth of a CPU at most */

static int rest(void *arg)
{
	(void)arg;
	(void)nanosleep(&(struct timespec){ .tv_nsec = REST_NS }, NULL);
	return interrupted ? -EINTR : 0;
}

int main(int argc, char **argv)
{
	struct store *s;
	struct checked c;
	int r, e;

	log_init("recover-check", LOG_WARN);
	if (argc != 3) {
		log_error("usage: recover-check STORE BYTES");
		return EXIT_USAGE;
	}
	(void)setpriority(PRIO_PROCESS, 0, 19);
	(void)syscall(SYS_ioprio_set, 1, 0, IOPRIO_IDLE);
	interrupt_catch();
	if ((r = store_open(argv[1], STORE_READ, NULL, &s)) < 0) {
		log_error_errno(r, "%s", argv[1]);
		return EXIT_ENV;
	}
	r = checked_read(s, &c);
	if (r == 0)
		r = store_check_portion(s, &c, strtoull(argv[2], NULL, 10), text_now_ns(), rest, NULL);
	e = checked_write(s, &c);
	store_close(s);
	if (r == -EINTR)
		return EXIT_PART;
	if (r < 0 || e < 0)
		log_error_errno(r < 0 ? r : e, "%s", argv[1]);
	return r < 0 || e < 0 ? EXIT_ENV : r ? EXIT_NO : EXIT_DONE;
}
