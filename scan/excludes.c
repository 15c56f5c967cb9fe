#include "excludes.h"

#include <errno.h>
#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/buf.h"
#include "../lib/gitlib.h"

/* A configuration that git would not read names nothing. */
static char *configured(void)
{
	git_config *c = NULL;
	git_buf path = { 0 };
	char *r = NULL;

	if (gitlib_init() < 0)
		return NULL;
	if (git_config_open_default(&c) == 0 &&
		git_config_get_path(&path, c, "core.excludesfile") == 0)
		r = strdup(path.ptr);
	git_buf_dispose(&path);
	git_config_free(c);
	(void)git_libgit2_shutdown();
	return r;
}

int excludes_path(char **ret)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	autofree char *path = configured();
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = 0;

	if (!path && xdg && *xdg == '/')
		r = buf_printf(&b, "%s/git/ignore", xdg);
	else if (!path && home && *home == '/')
		r = buf_printf(&b, "%s/.config/git/ignore", home);
	if (r < 0)
		return r;
	if (!path)
		path = buf_detach(&b, NULL);
	*ret = path && *path == '/' ? take_ptr(path) : NULL;
	return 0;
}
