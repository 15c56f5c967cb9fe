/* Writing the store tighter now. Where a daemon has it, we make the segments and it puts them into their place. */
#include "recover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/progress.h"
#include "../lib/text.h"
#include "../store/tidy.h"
#include "daemon.h"
#include "out.h"

enum { T_DRY = 1, T_JSON };
enum { LEAST = 4096, ASK_MS = 600000, TRIES = 5 };

const struct opt tidy_opts[] = {
	OPT_DRY_RUN(T_DRY),
	{ T_JSON, 0, "json", OPT_FLAG, NULL, "one object" },
	{ 0 },
};

static void close_store(struct store **s)
{
	store_close(*s);
}

static int look_out(void *arg)
{
	(void)arg;
	return interrupted ? -EINTR : 0;
}

/* 1: the daemon did, 0: there is none; negative: it said why not. What was made for it may not fit any more. */
static int taken_by_daemon(struct recover *r, struct tidied *ret)
{
	autoput(buf_release) struct buf answer = BUF_INIT;
	int e = daemon_ask(r, (const char *[]){ "tidy", NULL }, ASK_MS, &answer);

	if (e <= 0)
		return e;
	if (!answer.data || sscanf(answer.data, "%" SCNu32 " %" SCNu64 " %" SCNu64, &ret->segments, &ret->before,
				    &ret->after) != 3)
		return log_error_errno(-EPROTO, SNAPD);
	return 1;
}

static void add(struct tidied *sum, const struct tidied *d)
{
	sum->segments += d->segments;
	sum->before += d->before;
	sum->after += d->after;
}

/* A copy takes the segment's room until it has its place. What prune keeps for itself of the quota is not needed meanwhile. */
static int has_room(struct recover *r, struct store *s, uint64_t bytes)
{
	struct store_room m;
	char need[16], left[16];
	int e = store_room(s, &r->cfg, &m), why;

	if (e < 0)
		return e;
	m.margin = 0;
	if (store_room_left(&m, &why) >= bytes)
		return 0;
	log_error("a segment of %s is written anew, and %s may be used: %s", text_size(bytes, need),
		text_size(store_room_left(&m, &why), left), why == -EDQUOT ? "raise store.quota, or " RECOVER " prune" :
		"make room (store.freeFloor stays free)");
	return -ESTALE;
}

/* One segment. s: who makes it; w: a writer, NULL where the daemon is that. 1: it was taken; 0: while it was made it
 * has changed. */
static int one(struct recover *r, struct store *s, struct store *w, uint32_t no, struct tidied *sum)
{
	struct tidied d = { 0 };
	int e = store_tidy_make(s, no, look_out, NULL);

	if (e < 0)
		return e;
	if (w) {
		e = store_tidy_take(w, &d);
	} else if ((e = taken_by_daemon(r, &d)) == 0) {
		log_error(SNAPD " has ended meanwhile");
		e = -ESTALE;
	}
	if (e < 0)
		return e;
	add(sum, &d);
	return d.segments > 0;
}

struct left { uint32_t hurt, full; };	/* segments that stay as they are: damaged; for want of room */

/* Those before one that stays wait for the next time. */
static int all(struct recover *r, struct store *s, struct store *w, struct tidied *sum, struct left *left)
{
	uint32_t no, passed = 0;
	uint64_t bytes;
	int e, tries = TRIES;

	while ((e = store_tidy_due(s, LEAST, passed, &no, &bytes)) == 1) {
		if ((e = has_room(r, s, bytes)) == -ESTALE) {
			passed = no;
			left->full++;
			continue;
		}
		if (e < 0)
			return e;
		e = one(r, s, w, no, sum);
		if (e == -EBADMSG || e == -ENOTSUP) {
			log_warn("segment %u stays as it is: %s (" RECOVER " verify)", no, err_str(e));
			passed = no;
			left->hurt++;
			continue;
		}
		if (e < 0)
			return e;
		if (e == 0 && --tries == 0) {
			log_error("the workspace changes all the time: the store is tidied by itself when that ends");
			return -EBUSY;
		}
		if (!w && (e = store_refresh(s)) < 0)
			return e;
	}
	return e;
}

static int run(struct recover *r, struct tidied *sum, struct left *left)
{
	autoput(close_store) struct store *w = NULL;
	struct store_options so = { .level = r->cfg.level, .workspace = r->workspace };
	int e = store_open(r->store_path, STORE_WRITE, &so, &w);

	if (e < 0 && e != -EBUSY)
		return e;
	if (w)		/* a second reader would keep the catalogue's files larger than they need be */
		store_close(take_ptr(r->store));
	if ((e = all(r, w ? w : r->store, w, sum, left)) == 0 && w)
		e = store_compact(w);
	return e < 0 ? e : 0;
}

static void print(const struct tidied *d, bool dry, bool json)
{
	char before[16], after[16];

	if (json) {
		cJSON *o = cJSON_CreateObject();

		cJSON_AddBoolToObject(o, "dry_run", dry);
		cJSON_AddNumberToObject(o, "segments", d->segments);
		cJSON_AddNumberToObject(o, "before_bytes", (double)d->before);
		if (!dry)	/* only doing it can say */
			cJSON_AddNumberToObject(o, "after_bytes", (double)d->after);
		json_line(o);
	} else if (!d->segments) {
		printf("nothing to tidy\n");
	} else if (dry) {
		printf("%" PRIu32 " segment%s of %s would be written anew\n", d->segments, d->segments == 1 ? "" : "s",
			text_size(d->before, before));
	} else {
		printf("%" PRIu32 " segment%s: %s are %s now\n", d->segments, d->segments == 1 ? "" : "s",
			text_size(d->before, before), text_size(d->after, after));
	}
}

int cmd_tidy(struct recover *r, const struct args *a)
{
	struct tidied d = { 0 };
	struct left left = { 0 };
	int e;

	interrupt_catch();
	e = a->on[T_DRY] ? store_tidy_left(r->store, LEAST, &d) : run(r, &d, &left);
	if (e == -EINTR) {
		log_error("stopped; the store is whole, and the next " RECOVER " tidy goes on");
		return EXIT_PART;
	}
	if (e < 0)
		return e == -EPROTO || e == -ESTALE ? EXIT_ENV : context_failed(r, e, "cannot be tidied");
	if (left.full && !left.hurt && !d.segments)
		return EXIT_ENV;
	print(&d, a->on[T_DRY], a->on[T_JSON]);
	return left.hurt || left.full ? EXIT_PART : EXIT_DONE;
}
