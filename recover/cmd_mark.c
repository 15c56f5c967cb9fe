#include "recover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/ctl.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "daemon.h"
#include "rev.h"

enum { M_REMOVE = 1 };

const struct opt mark_opts[] = {
	{ M_REMOVE, 0, "remove", OPT_FLAG, NULL, "take NAME away" },
	{ 0 }
};

/* The daemon is the writer: it sets the mark. 1: it did; 0: no daemon. */
static int ask_daemon(const struct recover *r, const char *name, uint64_t seq)
{
	char num[24];

	snprintf(num, sizeof(num), "%" PRIu64, seq);
	return daemon_ask(r, (const char *[]){ "mark", num, name, NULL }, 60000, NULL);
}

static void close_store(struct store **s)
{
	store_close(*s);
}

static int set(const struct recover *r, const char *name, uint64_t seq)
{
	autoput(close_store) struct store *w = NULL;
	struct store_options so = { .level = r->cfg.level, .workspace = r->workspace };
	int e = ask_daemon(r, name, seq);

	if (e != 0)
		return e < 0 ? e : 0;
	if ((e = store_open(r->store_path, STORE_WRITE, &so, &w)) < 0)
		return e;
	return store_mark_set(w, name, seq);
}

/* Without its mark a snapshot may be thinned out: where the name was is to be known. */
static void say_moved(const struct recover *r, const char *name, uint64_t was, uint64_t is)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	char hex[41];

	if (was != is && store_by_seq(r->store, was, &sn) == 0)
		log_warn("%s was at %s, which has it no more", name, rev_short(&sn, hex));
}

int cmd_mark(struct recover *r, const struct args *a)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	const char *name = a->arg[a->n - 1];
	uint64_t was = 0;
	bool had;
	int rc, e;

	if (a->n != (a->on[M_REMOVE] ? 1 : 2)) {
		log_error("usage: " RECOVER " mark REV NAME, or " RECOVER " mark --remove NAME");
		return EXIT_USAGE;
	}
	if (!a->on[M_REMOVE] && (rc = rev_arg(r, a->arg[0], &sn)))
		return rc;
	had = !a->on[M_REMOVE] && store_mark_get(r->store, name, &was) == 0;
	e = set(r, name, sn.seq);
	if (e == -EINVAL) {
		log_error("%s: is no name for a mark: at most 100 bytes, no control characters, "
			  "not beginning with @",
			name);
		return EXIT_USAGE;
	}
	if (e == -ENOENT) {
		log_error("%s: there is no such mark", name);
		return EXIT_NO;
	}
	if (e == -EPROTO)	/* the daemon's words were shown */
		return EXIT_ENV;
	if (e < 0)
		return context_failed(r, e, "cannot set the mark");
	if (had)
		say_moved(r, name, was, sn.seq);
	return EXIT_DONE;
}
