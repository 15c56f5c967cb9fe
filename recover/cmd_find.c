#include "recover.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "entries.h"
#include "out.h"
#include "pager.h"
#include "rows.h"

enum { F_JSON = 1 };

const struct opt find_opts[] = {
	OPT_JSON(F_JSON),
	{ 0 }
};

struct finding {
	struct store *store;
	const char *pattern;
	bool whole;		/* the pattern has a slash: match the whole path */
	bool json;
	uint64_t found;
};

static bool matches(const struct finding *f, const char *path)
{
	const char *slash = strrchr(path, '/');

	/* without a slash, a pattern is for names; with one, '*' crosses folders */
	return fnmatch(f->pattern, f->whole || !slash ? path : slash + 1, 0) == 0;
}

static void print_found(const struct finding *f, const char *path, const struct store_entry *e)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 }, held = { 0 };
	bool gone = e->kind == KIND_GONE;
	bool known = store_by_seq(f->store, e->seq, &sn) == 0;
	char hex[41] = "", when[32];

	if (gone && store_before(f->store, e->seq, &held) == 0)
		id_hex(&held.id, hex);
	if (f->json) {
		cJSON *o = entry_json(path, e);

		if (known)
			json_time(o, gone ? "deleted" : "changed", sn.time_ns);
		cJSON_AddItemToObject(
			o, "last_held_by", *hex ? cJSON_CreateString(hex) : cJSON_CreateNull());
		json_line(o);
		return;
	}
	if (!gone) {
		entry_print_short(path, e);
		return;
	}
	out_name(path);
	printf("  deleted%s%s, last in %.*s\n", known ? " " : "",
		known ? row_time(sn.time_ns, when) : "", SHORT_ID, *hex ? hex : "?");
}

static int look(const char *path, const struct store_entry *e, void *arg)
{
	struct finding *f = arg;

	if (!*path || !matches(f, path))
		return 0;
	f->found++;
	print_found(f, path, e);
	return ferror(stdout) ? 1 : 0;
}

int cmd_find(struct recover *r, const struct args *a)
{
	struct finding f = {
		.store = r->store, .pattern = a->arg[0], .whole = strchr(a->arg[0], '/') != NULL,
		.json = a->on[F_JSON],
	};
	int e;

	if (!f.json)
		pager_start(r);
	e = store_paths(r->store, look, &f);
	if (e < 0)
		return context_failed(r, e, "cannot read the paths");
	if (!f.found && !f.json)
		log_error("%s: no path of any snapshot matches", f.pattern);
	return f.found ? EXIT_DONE : EXIT_NO;
}
