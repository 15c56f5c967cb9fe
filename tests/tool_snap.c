/* tests/tool_snap.c - one snapshot of a workspace through scan/, as `snapd --once` takes it without a daemon.
 *
 *	tool_snap WORKSPACE [MESSAGE [REASON [UNIX_TIME]]]	prints the id */
#include <stdio.h>
#include <stdlib.h>

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/gitlib.h"
#include "lib/log.h"
#include "lib/text.h"
#include "scan/scan.h"

static int take(const char *workspace, const struct store_commit *how)
{
	autoput(buf_release) struct buf place = BUF_INIT, top = BUF_INIT;
	struct store_snapshot sn = { 0 };
	struct config cfg;
	struct scan_options so = { .cfg = &cfg };
	struct store *st = NULL;
	struct scan *sc = NULL;
	char hex[41];
	int r;

	if ((r = config_load(&cfg, workspace, NULL, NULL)) < 0 || (r = store_canonical(workspace, &top)) < 0 ||
	    (r = store_place(top.data, NULL, cfg.store_dir, &place)) < 0)
		return r;
	r = store_open(place.data, STORE_WRITE, &(struct store_options){ .workspace = top.data }, &st);
	if (r == 0)
		r = scan_open(top.data, &so, &sc);
	if (r == 0)
		r = scan_snapshot(sc, st, how, &sn);
	if (r >= 0) {
		text_hex(sn.id.b, 20, hex);
		puts(hex);
	}
	store_snapshot_release(&sn);
	scan_close(sc);
	store_close(st);
	config_release(&cfg);
	return r;
}

int main(int argc, char **argv)
{
	struct store_commit how = { .reason = REASON_MANUAL };
	int r;

	log_init("tool_snap", LOG_INFO);
	gitlib_init();
	if (argc < 2)
		return EXIT_USAGE;
	how.message = argc > 2 && *argv[2] ? argv[2] : NULL;
	if (argc > 3 && (r = store_reason_parse(argv[3])) > 0)
		how.reason = (enum store_reason)r;
	if (argc > 4)
		how.time_ns = atoll(argv[4]) * INT64_C(1000000000);
	r = take(argv[1], &how);
	git_libgit2_shutdown();
	if (r < 0)
		log_error_errno(r, "%s", argv[1]);
	return r < 0 ? EXIT_ENV : EXIT_DONE;
}
