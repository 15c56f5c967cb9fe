#include "import.h"

#include <errno.h>
#include <stdlib.h>

#include "../lib/err.h"
#include "../lib/log.h"
#include "../scan/import.h"
#include "parts.h"
#include "prune.h"

static void on_progress(uint64_t files, uint64_t bytes, void *arg)
{
	(void)files, (void)bytes;
	daemon_poll_clients(arg);
}

int workspace_import(struct workspace *w, const char *path, int64_t time_ns, const char *message,
	uint64_t *ret_unreadable)
{
	struct import what = {
		.path = path,
		.time_ns = time_ns,
		.message = message,
		.stop = daemon_abort_flag(),
		.progress = on_progress,
		.arg = w,
	};
	int r;

	prune_stop(w);		/* it goes on after the next snapshot */
	daemon_begin(w->daemon);
	r = import_folder(w->store, &w->cfg, &what, ret_unreadable);
	/* What the store takes for the present state is that copy. */
	workspace_mark_all(w);
	daemon_done(w);
	workspace_arm(w);
	return r;
}
