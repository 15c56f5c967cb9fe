/* snapd/core.c - the whole of snapd, started by the small program in snapd.c when there is more
 * to do than to ask a daemon: loading libgit2 and SQLite takes ten times as long as asking. */
#include <git2.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include <zstd.h>

#include "../config/config.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/version.h"
#include "daemon.h"
#include "install.h"
#include "options.h"

/* What is large goes back to the system when it is freed. glibc would else raise the threshold to
 * the largest frame it has seen, and keep that much in the heap for good (mallopt(3)). */
static void give_back_large(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 2 << 20);
}

static int say_version(void)
{
	int major = 0, minor = 0, patch = 0;
	char git[40];
	const char *libraries[] = { "libgit2", git, "zstd", ZSTD_versionString(), "sqlite",
		sqlite3_libversion(), "libcrypto", OpenSSL_version(OPENSSL_VERSION_STRING), NULL };

	(void)git_libgit2_version(&major, &minor, &patch);
	(void)snprintf(git, sizeof(git), "%d.%d.%d", major, minor, patch);
	return version_print(SNAPD, libraries) < 0 ? EXIT_ENV : EXIT_DONE;
}

static void say_nothing(const char *line, void *arg)
{
	(void)line, (void)arg;
}

/* Wrong settings are named later, with those of the workspace. */
static int find(struct options *opt)
{
	struct config cfg;
	int r = config_load(&cfg, NULL, say_nothing, NULL);

	r = options_find(opt, r < 0 ? NULL : cfg.store_dir);
	config_release(&cfg);
	return r < 0 ? options_which(opt) : 0;
}

int main(int argc, char **argv)
{
	struct options opt;
	int r;

	give_back_large();
	log_init(SNAPD, LOG_WARN);
	r = options_parse(argc, argv, &opt);
	if (r)
		return r;
	if (opt.version) {
		options_release(&opt);
		return say_version();
	}
	if (opt.verbose > 1)
		log_set_level(LOG_DEBUG);
	else if (opt.verbose || (opt.mode == MODE_RUN && !opt.quiet))
		log_set_level(LOG_INFO);
	if (opt.mode != MODE_COMPLETION && !opt.n_workspaces && (r = find(&opt))) {
		options_release(&opt);
		return r;
	}
	if (opt.mode == MODE_RUN)
		r = daemon_run(&opt);
	else if (install_is(opt.mode))
		r = install_run(&opt, argv[0]);
	else
		r = alone_run(&opt);
	options_release(&opt);
	return r;
}
