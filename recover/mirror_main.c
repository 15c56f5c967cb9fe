/* recover-mirror: what snapd starts to push a store's snapshots (mirror.h), so that it never waits for a network. It works
 * when nobody else wants to. Arguments: --workspace DIR --store DIR. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/err.h"
#include "../lib/log.h"
#include "mirror.h"

#define IOPRIO_IDLE (3 << 13)

int main(int argc, char **argv)
{
	struct recover r = { .quiet = true };
	uint64_t n;
	int rc, e;

	log_init("recover-mirror", LOG_WARN);
	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--workspace"))
			r.workspace_arg = argv[i + 1];
		else if (!strcmp(argv[i], "--store"))
			r.store_arg = argv[i + 1];
	}
	if (!r.workspace_arg || !r.store_arg) {
		log_error("usage: recover-mirror --workspace DIR --store DIR");
		return EXIT_USAGE;
	}
	(void)setpriority(PRIO_PROCESS, 0, 19);
	(void)syscall(SYS_ioprio_set, 1, 0, IOPRIO_IDLE);
	interrupt_catch();
	if ((rc = context_open(&r)) == EXIT_DONE) {
		e = mirror_push(&r, &n);
		rc = e == 0 ? EXIT_DONE : e > 0 ? EXIT_NO : EXIT_ENV;
	}
	context_close(&r);
	return rc;
}
