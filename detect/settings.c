/* detect/settings.c - the part of settings that needs no configuration; see the header. */
#include "detect/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

/* Can this line begin one of these sections? Comments do not: who copies holdfast.conf has a
 * file full of them. */
static bool is_silent_line(const char *p, size_t n, const char *const *sections)
{
	const char *end = p + n;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p < end && (*p == '#' || *p == ';'))
		return true;
	while (p < end && (p = memchr(p, '[', (size_t)(end - p)))) {
		for (p++; p < end && (*p == ' ' || *p == '\t'); p++)
			;
		for (size_t i = 0; sections[i]; i++) {
			size_t k = strlen(sections[i]);

			if ((size_t)(end - p) >= k && strncasecmp(p, sections[i], k) == 0)
				return false;
		}
	}
	return true;
}

/* Not read as settings are: what might be one is enough. */
static bool is_silent(const char *path, const char *const *sections)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = io_read_file(AT_FDCWD, path, FILE_MAX, &b);
	const char *p = b.data, *end = p ? p + b.len : p;

	if (r == -ENOENT || r == -ENOTDIR)
		return true;
	if (r < 0)
		return false;
	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));

		if (!eol)
			eol = end;
		if (!is_silent_line(p, (size_t)(eol - p), sections))
			return false;
		p = eol + 1;
	}
	return true;
}

bool detect_settings_includes(const char *path)
{
	static const char *const include[] = { "include", NULL };

	return !is_silent(path, include);
}

int detect_settings_user_file(struct buf *b)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	/* Without HOME the user database knows, and we do not ask it. */
	if (!(home && *home == '/'))
		return -ENOENT;
	return xdg && *xdg == '/' ? buf_printf(b, "%s/holdfast/config", xdg)
				  : buf_printf(b, "%s/.config/holdfast/config", home);
}

bool detect_settings_are_default(void)
{
	static const char *const sections[] = { "detect", "gate", "training", "include", "store",
		NULL };
	const char *only = getenv("HOLDFAST_CONFIG");
	autoput(buf_release) struct buf b = BUF_INIT;

	if (only && *only)
		return false;
	return detect_settings_user_file(&b) == 0 && is_silent(SETTINGS_SYSTEM_FILE, sections) &&
	       is_silent(b.data, sections);
}
