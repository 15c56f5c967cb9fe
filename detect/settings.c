/* detect/settings.c - the part of settings that needs no configuration; see the header. */
#include "detect/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/auto.h"
#include "lib/buf.h"
#include "lib/io.h"

enum { FILE_MAX = 1 << 20 };

void detect_settings_defaults(struct detect_settings *s)
{
	memset(s, 0, sizeof(*s));
	s->limits = risk_defaults;
	s->patterns = role_defaults;
}

/* Not read as settings are: what might be one is enough. */
static bool is_silent(const char *path)
{
	static const char *const words[] = { "detect", "gate", "training", "include", "store" };
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = io_read_file(AT_FDCWD, path, FILE_MAX, &b);

	if (r == -ENOENT || r == -ENOTDIR)
		return true;
	if (r < 0)
		return false;
	for (size_t i = 0; b.data && i < sizeof(words) / sizeof(*words); i++)
		if (strcasestr(b.data, words[i]))
			return false;
	return true;
}

bool detect_settings_are_default(void)
{
	const char *only = getenv("HOLDFAST_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME"),
		   *home = getenv("HOME");
	autoput(buf_release) struct buf b = BUF_INIT;

	if (only && *only)
		return false;
	if (!(home && *home == '/'))
		return false;	/* the user database knows */
	if (xdg && *xdg == '/' ? buf_printf(&b, "%s/holdfast/config", xdg) < 0 :
				 buf_printf(&b, "%s/.config/holdfast/config", home) < 0)
		return false;
	return is_silent("/etc/holdfast/config") && is_silent(b.data);
}
