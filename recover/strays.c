#include "strays.h"

#include <errno.h>

#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../store/around.h"

enum { NAMED = 5 };

static int name_one(const char *workspace, void *arg)
{
	unsigned *n = arg;

	if ((*n)++ == NAMED) {
		log_error("and more: " RECOVER " stores lists all");
		return 1;
	}
	log_error("%s is gone (moved or deleted?) and has snapshots: " RECOVER
		  " --workspace %s list; "
		  "restore @ --to DIR makes a copy of them",
		workspace, workspace);
	return 0;
}

void strays_name(const struct config *cfg)
{
	unsigned n = 0;
	int r = around_gone(cfg->store_dir, name_one, &n);

	if (r == -ENOENT)
		log_error("HOME is not set, so it is not known where stores lie: set it, or name "
			  "one with --store DIR");
	else if (r < 0)
		(void)log_error_errno(r, "the folder where stores lie");
}
