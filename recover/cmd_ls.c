#include "recover.h"

#include <stdio.h>
#include <stdlib.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "entries.h"
#include "out.h"
#include "pager.h"
#include "paths.h"
#include "rev.h"

enum { LS_RECURSIVE = 1, LS_JSON };

const struct opt ls_opts[] = {
	{ LS_RECURSIVE, 'r', "recursive", OPT_FLAG, NULL, "all below it too" },
	OPT_JSON(LS_JSON),
	{ 0 }
};

static int print_entry(const char *path, const struct store_entry *e, void *arg)
{
	if (!*path)
		return 0;
	if (*(const bool *)arg)
		json_line(entry_json(path, e));
	else
		entry_print_long(path, e);
	return ferror(stdout) ? 1 : 0;
}

int cmd_ls(struct recover *r, const struct args *a)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	autofree char *path = NULL;
	const char *rev = a->n ? a->arg[0] : "@", *what = a->n > 1     ? a->arg[1]
							  : a->n_paths ? a->path[0]
								       : ".";
	bool json = a->on[LS_JSON];
	struct store_entry one;
	int rc, e;

	if (path_from_arg(r, what, &path) < 0)
		return EXIT_USAGE;
	if ((rc = rev_arg(r, rev, &sn)))
		return rc;
	if (!json)
		pager_start(r);
	e = a->on[LS_RECURSIVE] ? store_walk_at(r->store, sn.seq, path, print_entry, &json)
		: store_dir_at(r->store, sn.seq, path, print_entry, &json);
	if (e == -ENOTDIR || e == -ENOENT) {
		e = store_entry_at(r->store, sn.seq, path, &one);
		if (e == 0 && one.kind != KIND_GONE)
			(void)print_entry(path, &one, &json);
		else if (e == 0)
			e = -ENOENT;
	}
	if (e == -ENOENT) {
		log_error("%s: is not in snapshot %s", what, rev);
		return EXIT_NO;
	}
	return e < 0 ? context_failed(r, e, "cannot read the snapshot") : EXIT_DONE;
}
