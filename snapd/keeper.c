#include "keeper.h"

#include <errno.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/buf.h"
#include "../lib/log.h"
#include "../store/store.h"

int keeper_check(const char *dir, const char *path, bool quiet)
{
	autoput(buf_release) struct buf other = BUF_INIT;
	int r = store_keeps(dir, path, &other);

	if (r < 0)
		return log_error_errno(r, "%s/workspace", dir);
	if (r > 0)
		return 0;
	if (!quiet && access(other.data, F_OK) == 0)
		log_error("%s: refused, the store %s keeps %s; name another with --store DIR", path,
			dir, other.data);
	else if (!quiet)
		log_error("%s: refused, the store %s keeps %s, which is gone; if that was moved "
			  "here say --force, "
			  "else name another store with --store DIR",
			path, dir, other.data);
	return -EPERM;
}
