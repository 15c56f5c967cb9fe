/* detect/settings.c - the part of settings that needs no configuration; see the header. */
#include "detect/settings.h"

#include <ctype.h>
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

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

static bool is_rest_empty(const char *p, const char *end)
{
	p = skip_blanks(p, end);
	return p == end || *p == '#' || *p == ';';
}

static const char *skip_name(const char *p, const char *end)
{
	while (p < end && (isalnum((unsigned char)*p) || *p == '-' || *p == '.'))
		p++;
	return p;
}

/* Not read as settings are: what might be one of these sections, or wrong, is enough. Comments are not: who copies
 * holdfast.conf has a file full of them. */
static bool is_silent_line(const char *p, const char *end, const char *const *sections, bool *in_section)
{
	const char *name, *after;

	if (is_rest_empty(p, end))
		return true;
	p = skip_blanks(p, end);
	name = *p == '[' ? p + 1 : p;
	after = skip_name(name, end);
	if (after == name)
		return false;
	if (*p == '[') {
		for (size_t i = 0; sections[i]; i++)
			if ((size_t)(after - name) >= strlen(sections[i]) && strncasecmp(name, sections[i], strlen(sections[i])) == 0)
				return false;
		*in_section = true;
		return after < end && *after == ']' && is_rest_empty(after + 1, end);
	}
	/* A value of quotes or escapes may be wrong, or go on in the next line. */
	if (!*in_section || !isalpha((unsigned char)*name) || memchr(name, '.', (size_t)(after - name)))
		return false;
	p = skip_blanks(after, end);
	return is_rest_empty(p, end) || (*p == '=' && !memchr(p, '"', (size_t)(end - p)) && !memchr(p, '\\', (size_t)(end - p)) &&
	       !memchr(p, '\0', (size_t)(end - p)));
}

static bool is_silent(const char *path, const char *const *sections)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = io_read_file(AT_FDCWD, path, FILE_MAX, &b);
	const char *p = b.data, *end = p ? p + b.len : p;
	bool in_section = false;

	if (r == -ENOENT || r == -ENOTDIR)
		return true;
	if (r < 0)
		return false;
	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));

		if (!eol)
			eol = end;
		if (!is_silent_line(p, eol, sections, &in_section))
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
