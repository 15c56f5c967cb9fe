/* snapd/snapd.c - what the user starts. Asks a running daemon where that will do; everything
 * else is snapd-core's, which this becomes. It links only lib/ and the name of the store:
 * nothing that takes time to load. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/become.h"
#include "../lib/buf.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../store/store.h"
#include "client.h"
#include "options.h"

enum { CONFIG_MAX = 1 << 20 };

/* Does this file say nothing of where stores are? Then the place is the usual one. */
static bool is_silent(const char *path)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = io_read_file(AT_FDCWD, path, CONFIG_MAX, &b);

	if (r == -ENOENT || r == -ENOTDIR)
		return true;
	return r >= 0 &&
	       (!b.data || (!strcasestr(b.data, "dir") && !strcasestr(b.data, "include")));
}

static bool place_is_usual(void)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	autoput(buf_release) struct buf b = BUF_INIT;

	if (getenv("HOLDFAST_CONFIG"))
		return false;
	if (xdg && *xdg == '/' ? buf_printf(&b, "%s/holdfast/config", xdg) < 0 :
		buf_printf(&b, "%s/.config/holdfast/config", home ? home : "") < 0)
		return false;
	return is_silent("/etc/holdfast/config") && is_silent(b.data);
}

/* 0 and the exit code, or -ENOENT: it needs more than asking. */
static int ask(const struct options *opt, int *ret_exit)
{
	autoput(buf_release) struct buf path = BUF_INIT, dir = BUF_INIT;
	const char *env = getenv("HOLDFAST_STORE");

	if (opt->version ||
		(opt->mode != MODE_ONCE && opt->mode != MODE_STATUS && opt->mode != MODE_STOP))
		return -ENOENT;
	if (!opt->store && !(env && *env) && !place_is_usual())
		return -ENOENT;
	if (store_canonical(opt->workspace[0], &path) < 0 ||
		store_place(path.data, opt->store, NULL, &dir) < 0)
		return -ENOENT;
	return client_run(dir.data, path.data, opt, ret_exit);
}

int main(int argc, char **argv)
{
	struct options opt;
	int r, exit_code;

	log_init(SNAPD, LOG_WARN);
	r = options_parse(argc, argv, &opt);
	if (r)
		return r;
	if (opt.help) {
		exit_code = options_help(&opt);
		options_release(&opt);
		return exit_code;
	}
	/* where the settings say something of places, the whole of snapd looks */
	r = options_find(&opt, NULL) == 0 ? ask(&opt, &exit_code) : -ENOENT;
	options_release(&opt);
	return r == 0 ? exit_code : become("snapd-core", argv);
}
