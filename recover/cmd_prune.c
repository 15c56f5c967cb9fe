/* Thinning now: the running daemon does it, else we do. */
#include "recover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../detect/crashtimes.h"
#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "daemon.h"
#include "out.h"

enum { P_DRY = 1, P_JSON };
enum { ASK_MS = 600000, STEP_MS = 200 };

const struct opt prune_opts[] = {
	OPT_DRY_RUN(P_DRY),
	{ P_JSON, 0, "json", OPT_FLAG, NULL, "one object" },
	{ 0 },
};

static void close_store(struct store **s)
{
	store_close(*s);
}

/* By age; where there is no room any more, as hard as it takes. */
static int options(const struct recover *r, struct store *s, struct store_prune_options *o,
	int64_t **ret_times)
{
	struct store_room m;
	int e = crash_times(ret_times, &o->n_crash);

	if (e < 0)
		return log_error_errno(e,
			"the journal of crashes cannot be read, so it is not known what must stay (" DETECT
			" watch makes it anew)");
	o->crash_ns = *ret_times;
	o->now_ns = r->now_ns;
	store_keep_from(&r->cfg, &o->keep);
	if ((e = store_room(s, &r->cfg, &m)) < 0)
		return log_error_errno(e, "%s", r->store_path);
	if (r->store != s)
		store_torn_trim(s, &r->cfg, &m, false);
	if (m.size > m.quota + m.torn || m.avail < m.floor)
		o->target = store_target(s, &m);
	return 0;
}

/* 1: the daemon did it, 0: there is none; negative: it said why not. */
static int by_daemon(const struct recover *r, struct store_pruned *ret)
{
	int more = 1, e = 0;

	for (const char *what = "begin"; more && !interrupted; what = "more") {
		autoput(buf_release) struct buf answer = BUF_INIT;

		e = daemon_ask(r, (const char *[]){ "prune", what, NULL }, ASK_MS, &answer);
		if (e <= 0)
			return e;
		if (!answer.data ||
			sscanf(answer.data, "%d %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu32 " %" SCNu64,
				&more, &ret->dropped, &ret->kept, &ret->freed, &ret->segments, &ret->hurt) != 6)
			return log_error_errno(-EPROTO, SNAPD);
	}
	return e;
}

static int by_ourselves(struct recover *r, struct store_pruned *ret)
{
	autoput(close_store) struct store *w = NULL;
	struct store_options so = { .level = r->cfg.level, .workspace = r->workspace };
	struct store_prune_options o = { .min_dead = 10 };
	autofree int64_t *times = NULL;
	struct store_prune *p;
	int e = store_open(r->store_path, STORE_WRITE, &so, &w);

	if (e < 0)
		return context_failed(r, e, "cannot be pruned"), e;
	if ((e = options(r, w, &o, &times)) < 0)
		return e;
	(void)store_reserve_release(w);
	e = store_prune_begin(w, &o, &p);
	if (e == 0) {
		do
			e = store_prune_step(p, STEP_MS);
		while (e == 1 && !interrupted);
		store_prune_end(p, ret);
	}
	if (e == 0) {
		store_close(take_ptr(r->store));	/* a reader beside us would keep the old catalogue */
		(void)store_compact(w);
	}
	store_reserve_make(w, &r->cfg);
	if (e < 0)
		(void)context_failed(r, e,
			e == -EBADMSG ? "cannot be pruned, for nobody can say what is still wanted (" RECOVER
					" verify --all names it, " RECOVER " repair makes a new store of the rest)" :
					"cannot be pruned");
	return e < 0 ? e : 0;
}

static int plan(struct recover *r, struct store_pruned *ret)
{
	struct store_prune_options o = { .min_dead = 10 };
	autofree int64_t *times = NULL;
	int e = options(r, r->store, &o, &times);

	if (e == 0 && (e = store_prune_plan(r->store, &o, ret)) < 0)
		(void)context_failed(r, e, "cannot be planned");
	return e;
}

static void print(const struct store_pruned *d, bool dry, bool json)
{
	char size[16];

	if (json) {
		cJSON *o = cJSON_CreateObject();

		cJSON_AddBoolToObject(o, "dry_run", dry);
		cJSON_AddNumberToObject(o, "dropped", (double)d->dropped);
		cJSON_AddNumberToObject(o, "kept", (double)d->kept);
		cJSON_AddNumberToObject(o, "freed_bytes", (double)d->freed);
		cJSON_AddNumberToObject(o, "damaged", (double)d->hurt);
		json_line(o);
		return;
	}
	if (!d->dropped && !d->segments) {
		printf("nothing to prune: %" PRIu64 " snapshot%s\n", d->kept,
			d->kept == 1 ? "" : "s");
		return;
	}
	printf(dry ? "%" PRIu64 " snapshot%s would go, %" PRIu64
		     " would be kept; about %s would come back\n"
		   : "%" PRIu64 " snapshot%s went, %" PRIu64 " stay; %s came back\n",
		d->dropped, d->dropped == 1 ? "" : "s", d->kept, text_size(d->freed, size));
}

int cmd_prune(struct recover *r, const struct args *a)
{
	struct store_pruned d = { 0 };
	int e;

	if (r->cfg.keep_doubtful) {
		log_error("with these settings nothing is pruned: what they meant to keep might go; put right what is named above");
		return r->cfg.unread ? EXIT_ENV : EXIT_USAGE;
	}
	interrupt_catch();
	if (a->on[P_DRY])
		e = plan(r, &d);
	else if ((e = by_daemon(r, &d)) == 0)
		e = by_ourselves(r, &d);
	if (e < 0)
		return EXIT_ENV;
	print(&d, a->on[P_DRY], a->on[P_JSON]);
	if (interrupted) {
		log_error("stopped; the store is whole, and the next prune goes on");
		return EXIT_PART;
	}
	return EXIT_DONE;
}
