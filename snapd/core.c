/* snapd/core.c - the whole of snapd, started by the small program in snapd.c when there is more
 * to do than to ask a daemon: loading libgit2 and SQLite takes ten times as long as asking. */
#include <stdio.h>

#include "../lib/log.h"
#include "../lib/names.h"
#include "daemon.h"
#include "install.h"
#include "options.h"

int main(int argc, char **argv)
{
	struct options opt;
	int r;

	log_init(SNAPD, LOG_WARN);
	r = options_parse(argc, argv, &opt);
	if (r)
		return r;
	if (opt.verbose > 1)
		log_set_level(LOG_DEBUG);
	else if (opt.verbose || (opt.mode == MODE_RUN && !opt.quiet))
		log_set_level(LOG_INFO);
	if (opt.mode == MODE_RUN)
		r = daemon_run(&opt);
	else if (install_is(opt.mode))
		r = install_run(&opt, argv[0]);
	else
		r = alone_run(&opt);
	options_release(&opt);
	return r;
}
