#include "settings.h"

#include <errno.h>

#include "../lib/log.h"

static void say_nothing(const char *line, void *arg)
{
	(void)line, (void)arg;
}

int settings_load(struct config *c, const char *workspace)
{
	struct config own;
	int r = config_load(&own, NULL, say_nothing, NULL), s;

	config_release(&own);
	s = config_load(c, workspace, NULL, NULL);
	if (r < 0)
		return r == -EINVAL ? (log_error("%s: not watched with settings that cannot be "
						 "read; mend the file named above",
					       workspace),
					      r)
				    : log_error_errno(r, "%s: the settings", workspace);
	if (s == -ENOMEM || s == -EMFILE || s == -ENFILE)
		return log_error_errno(s, "%s/.holdfast", workspace);
	if (s < 0)
		log_error("%s/.holdfast: going on with what could be read of it", workspace);
	return 0;
}
