/* hooks/places.c - memory and places. */
#include "hooks-internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/sha1.h"
#include "../lib/text.h"

void must(int r)
{
	if (r >= 0)
		return;
	(void)log_error_errno(r, "cannot go on");
	exit(EXIT_ENV);
}

char *text_of(const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vprintf(&b, fmt, ap);
	va_end(ap);
	must(r);
	must(buf_reserve(&b, 1));
	b.data[b.len] = '\0';
	return buf_detach(&b, NULL);
}

const char *home_dir(void)
{
	const char *home = getenv("HOME");

	return home && *home == '/' ? home : NULL;
}

static char *xdg_path(const char *variable, const char *usual, const char *below)
{
	const char *xdg = getenv(variable), *home = home_dir();

	if (xdg && *xdg == '/')
		return text_of("%s/%s", xdg, below);
	return home ? text_of("%s/%s/%s", home, usual, below) : NULL;
}

char *config_path(const char *below)
{
	return xdg_path("XDG_CONFIG_HOME", ".config", below);
}

char *data_path(const char *below)
{
	return xdg_path("XDG_DATA_HOME", ".local/share", below);
}

/* Letters that a file name, a unit name and a shell can do without quotes. */
char *workspace_name(const char *workspace)
{
	const char *base = strrchr(workspace, '/');
	uint8_t sum[20];
	char hex[13], name[41];
	size_t n = 0;

	sha1_text(workspace, strlen(workspace), sum);
	text_hex(sum, 6, hex);
	for (base = base ? base + 1 : workspace; *base && n + 1 < sizeof(name); base++) {
		bool plain = (*base >= 'a' && *base <= 'z') || (*base >= 'A' && *base <= 'Z') ||
			     (*base >= '0' && *base <= '9') || *base == '_' || (*base == '.' && n);

		name[n++] = plain ? *base : '_';
	}
	name[n] = '\0';
	return text_of("%s-%s", n ? name : "root", hex);
}
