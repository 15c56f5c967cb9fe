#include "recover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../editors/copies.h"
#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/progress.h"
#include "../lib/text.h"
#include "../store/portion.h"
#include "out.h"
#include "rev.h"
#include "xalloc.h"

enum { V_ALL = 1, V_JSON };

const struct opt verify_opts[] = {
	{ V_ALL, 0, "all", OPT_FLAG, NULL,
					   "unpack and hash every object" },
	{ V_JSON, 0, "json", OPT_FLAG, NULL,
		"one object for each damage, a line each, and one for all" },
	{ 0 },
};

struct verifying {
	struct store *store;
	struct progress *progress;
	uint64_t shown;		/* bytes */
	uint64_t damages, lost;	/* lost: paths whose content is */
	const char *part;	/* what of it is looked at; NULL: the snapshots */
	bool json;
};

static void print_snapshot(struct store *s, uint64_t seq)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	char hex[41], when[32];

	if (store_by_seq(s, seq, &sn) == 0)
		printf("%s of %s", rev_short(&sn, hex), text_local_time(sn.time_ns, when));
	else
		printf("snapshot %" PRIu64, seq);
}

static void add_snapshot(struct store *s, cJSON *o, const char *key, uint64_t seq)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	char hex[41];

	if (seq && store_by_seq(s, seq, &sn) == 0) {
		id_hex(&sn.id, hex);
		cJSON_AddStringToObject(o, key, hex);
	} else {
		cJSON_AddNullToObject(o, key);
	}
}

static void on_damage(const struct store_damage *d, void *arg)
{
	struct verifying *v = arg;

	v->damages++;
	v->lost += d->path && strncmp(d->what, "file:", 5) == 0;
	if (v->json) {
		cJSON *o = cJSON_CreateObject();
		autofree char *what = xasprintf("%s%s%s", v->part ? v->part : "", v->part ? ": " : "", d->what);

		cJSON_AddStringToObject(o, "what", what);
		if (d->path)
			json_name(o, "path", d->path);
		else
			cJSON_AddNullToObject(o, "path");
		add_snapshot(v->store, o, "first", d->first_seq);
		add_snapshot(v->store, o, "last", d->last_seq);
		json_line(o);
		return;
	}
	printf("%s%s%s", v->part ? v->part : "", v->part ? ": " : "", d->what);
	if (d->path) {
		printf(": hits ");
		out_name(*d->path ? d->path : "the workspace's own folder");
	}
	if (d->first_seq) {
		printf(d->path ? " in " : ": hits ");
		print_snapshot(v->store, d->first_seq);
		if (d->last_seq != d->first_seq) {
			printf(" to ");
			print_snapshot(v->store, d->last_seq);
		}
	}
	fputc('\n', stdout);
}

static void on_progress(uint64_t done, uint64_t total, void *arg)
{
	struct verifying *v = arg;

	progress_set_total(v->progress, total);
	if (done > v->shown)
		progress_add(v->progress, done - v->shown, done - v->shown);
	v->shown = done;
}

/* So that a whole store says something too. */
static void print_end(const struct verifying *v, const struct store_verify *how)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddBoolToObject(o, "whole", v->damages == 0);
	cJSON_AddNumberToObject(o, "damages", (double)v->damages);
	cJSON_AddNumberToObject(o, "snapshots", (double)how->snapshots);
	cJSON_AddNumberToObject(o, "objects", (double)how->objects);
	cJSON_AddNumberToObject(o, "bytes", (double)how->bytes);
	cJSON_AddBoolToObject(o, "all", how->all);
	json_line(o);
}

/* What the daily look has found, of which the checksums of the heads tell nothing: is it still so? */
static int look_at_known(struct verifying *v)
{
	struct checked c;
	autofree char *what = NULL;
	char when[32];
	int e = checked_read(v->store, &c);
	int64_t found_ns = c.bad_ns;

	if (e < 0 || !c.bad_seg)
		return e;
	if ((e = store_check_portion(v->store, &c, 0, found_ns, NULL, NULL)) != 1)
		return e;
	what = xasprintf("segment %u: damaged at offset %llu, as was seen on %s (--all says what it hits)", c.bad_seg,
		(unsigned long long)c.bad_off, text_local_time(found_ns, when));
	on_damage(&(struct store_damage){ .what = what }, v);
	return 0;
}

/* So that whoever asks how things are hears of it: the daily look finds it by and by only. */
static void keep_known(const struct recover *r, const struct store_verify *how)
{
	struct checked c;

	if (!how->all || checked_read(r->store, &c) < 0 || !c.bad_seg == !how->bad_seg)
		return;
	c.bad_seg = how->bad_seg;
	c.bad_off = how->bad_off;
	c.bad_ns = how->bad_seg ? r->now_ns : 0;
	c.n_bad = how->bad_seg != 0;
	(void)checked_write(r->store, &c);	/* read-only, full: then not */
}

static void say_lost(const struct verifying *v, bool all)
{
	if (!v->lost && all)
		log_info("no file of a snapshot has lost what it held; " RECOVER " repair makes a store without the damage");
	else if (v->lost)
		log_info("%" PRIu64 " version%s of files %s lost, in the snapshots named above; " RECOVER
			" repair makes a sound store of all the rest", v->lost, v->lost == 1 ? "" : "s",
			v->lost == 1 ? "is" : "are");
	else
		log_info(RECOVER " verify --all says what it hits, " RECOVER " repair makes a sound store of the rest");
}

/* The copies of what was never saved are stores of their own. */
static int verify_copies(struct verifying *v, const struct store_verify *how)
{
	static const char *const names[] = { COPIES_NOW, COPIES_OLD };
	struct store *own = v->store;
	int e = 0;

	for (size_t i = 0; e >= 0 && i < sizeof(names) / sizeof(*names); i++) {
		autofree char *dir = xasprintf("%s/%s", store_dir(own), names[i]);
		struct store_verify h = { .all = how->all, .damage = on_damage, .stop = how->stop, .arg = v };

		if ((e = store_open(dir, STORE_READ, NULL, &v->store)) == -ENOENT) {
			e = 0;
			continue;
		}
		v->part = names[i];
		if (e == 0) {
			e = store_verify(v->store, &h);
			store_close(v->store);
		} else {
			autofree char *what = xasprintf("cannot be opened: %s", err_str(e));

			v->store = own;
			on_damage(&(struct store_damage){ .what = what }, v);
			e = 0;
		}
	}
	v->store = own;
	v->part = NULL;
	return e < 0 ? e : 0;
}

int cmd_verify(struct recover *r, const struct args *a)
{
	struct verifying v = { .store = r->store, .json = a->on[V_JSON] };
	struct store_verify how = {
		.all = a->on[V_ALL],
		.damage = on_damage,
		.progress = on_progress,
		.stop = &interrupted,
		.arg = &v,
	};
	char size[16];
	int e;

	interrupt_catch();
	(void)progress_new("verifying", "bytes", 0, r->quiet, &v.progress);
	e = store_verify(r->store, &how);
	if (e >= 0)
		keep_known(r, &how);
	if (e >= 0 && !how.all)
		e = look_at_known(&v);
	if (e >= 0)
		e = verify_copies(&v, &how);
	progress_done(v.progress);
	if (e == -EINTR) {
		log_error("stopped after %" PRIu64 " objects", how.objects);
		return EXIT_PART;
	}
	if (e < 0)
		return context_failed(r, e, "cannot verify");
	if (how.after && !r->quiet)
		log_info("%" PRIu64
			 " bytes after the last acknowledged snapshot: a writer is at work on them,"
			 " or was interrupted (the next snapshot then cuts them off)",
			how.after);
	if (v.json)
		print_end(&v, &how);
	if (!r->quiet)
		log_info("%" PRIu64 " snapshot%s, %" PRIu64 " object%s, %s looked at: %s",
			how.snapshots, how.snapshots == 1 ? "" : "s", how.objects,
			how.objects == 1 ? "" : "s", text_size(how.bytes, size),
			v.damages ? "DAMAGED"
			: a->on[V_ALL]
				? "whole"
				: "its structure is whole (--all reads all contents)");
	if (v.damages && !r->quiet)
		say_lost(&v, how.all);
	return v.damages ? EXIT_NO : EXIT_DONE;
}
