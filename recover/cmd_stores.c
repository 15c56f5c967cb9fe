/* Every store of the user, with what one needs to know to keep or drop it. */
#include "recover.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/text.h"
#include "../store/portion.h"
#include "out.h"
#include "rows.h"
#include "stores.h"
#include "xalloc.h"

enum { S_JSON = 1 };

const struct opt stores_opts[] = {
	OPT_JSON(S_JSON),
	{ 0 },
};

struct one {			/* a store */
	char *dir;
	struct buf workspace;
	struct store_totals totals;
	int64_t last_ns;	/* 0: no snapshot */
	int state;		/* of the workspace: 1 there, 0 gone, negative: not known */
	int error;		/* it cannot be opened */
	bool running;
	bool damaged;
	bool aside;		/* not where its workspace would find it */
};

struct all {
	struct one *x;
	size_t n, cap;
};

static void all_release(struct all *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->x[i].dir);
		buf_release(&a->x[i].workspace);
	}
	free(a->x);
}

static void close_store(struct store **s)
{
	store_close(*s);
}

static int newest(struct store *s, int64_t *ret)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	int e = store_newest(s, &sn);

	*ret = e == 0 ? sn.time_ns : 0;
	return e == -ENOENT ? 0 : e;
}

/* Is it the one that its workspace finds? What a repair put aside is not, and a copy. */
static bool is_found(const struct one *x, const char *store_dir)
{
	autoput(buf_release) struct buf place = BUF_INIT;

	return !x->workspace.len || *x->workspace.data != '/' ||
	       config_store_place(x->workspace.data, store_dir, &place) < 0 || !strcmp(place.data, x->dir);
}

/* What a repair is making, or was when it was killed. */
static bool is_unfinished(const char *dir)
{
	size_t n = strlen(dir), k = strlen(STORES_UNFINISHED);

	return n > k && !strcmp(dir + n - k, STORES_UNFINISHED);
}

static void look(struct one *x)
{
	autoput(close_store) struct store *s = NULL;
	const char *w = x->workspace.data;
	struct checked c;
	struct stat st;

	x->state = !w || *w != '/' ? -EINVAL : stat(w, &st) == 0 ? S_ISDIR(st.st_mode) :
		errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	x->running = store_writer(x->dir, NULL) == 1;
	if ((x->error = store_open(x->dir, STORE_READ, NULL, &s)) == 0 &&
	    (x->error = store_totals(s, &x->totals)) == 0)
		x->error = newest(s, &x->last_ns);
	x->damaged = s && (store_is_lossy(s) || (checked_read(s, &c) == 0 && c.bad_seg));
}

static int by_last(const void *pa, const void *pb)
{
	const struct one *a = pa, *b = pb;

	return a->last_ns != b->last_ns ? (a->last_ns < b->last_ns ? 1 : -1)
					: strcmp(a->dir, b->dir);
}

static int load(const char *parent, const char *store_dir, struct all *a)
{
	autoclosedir DIR *d = opendir(parent);
	struct dirent *e;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((errno = 0, e = readdir(d))) {
		autofree char *dir = xasprintf("%s/%s", parent, e->d_name);
		struct one *x;
		int r;
		autoput(buf_release) struct buf workspace = BUF_INIT;

		if (*e->d_name == '.')
			continue;
		r = stores_workspace(dir, &workspace);
		if (r < 0 && r != -EACCES && r != -EIO)
			continue;
		a->x = xgrow(a->x, a->n, &a->cap, sizeof(*a->x));
		x = &a->x[a->n++];
		*x = (struct one){ .dir = take_ptr(dir), .workspace = workspace };
		workspace = (struct buf)BUF_INIT;
		x->aside = !is_found(x, store_dir);
		look(x);
	}
	if (errno)
		return -errno;
	if (a->n)
		qsort(a->x, a->n, sizeof(*a->x), by_last);
	return 0;
}

static void print_json(const struct one *x)
{
	cJSON *o = cJSON_CreateObject();

	json_name(o, "store", x->dir);
	if (x->workspace.len)
		json_name(o, "workspace", x->workspace.data);
	else
		cJSON_AddNullToObject(o, "workspace");
	if (x->state < 0)
		cJSON_AddNullToObject(o, "exists");
	else
		cJSON_AddBoolToObject(o, "exists", x->state);
	if (x->error < 0) {
		cJSON_AddNullToObject(o, "snapshots");
		cJSON_AddNullToObject(o, "size_bytes");
		cJSON_AddStringToObject(o, "error", err_str(x->error));
	} else {
		cJSON_AddNumberToObject(o, "snapshots", (double)x->totals.snapshots);
		cJSON_AddNumberToObject(
			o, "size_bytes", (double)(x->totals.log_bytes + x->totals.catalogue_bytes));
	}
	if (x->last_ns)
		json_time(o, "last", x->last_ns);
	else
		cJSON_AddNullToObject(o, "last");
	cJSON_AddBoolToObject(o, "running", x->running);
	cJSON_AddBoolToObject(o, "damaged", x->damaged);
	cJSON_AddBoolToObject(o, "unfinished", is_unfinished(x->dir));
	json_line(o);
}

static void print_text(const struct one *x)
{
	char size[16], when[32];

	if (x->error < 0)
		printf("%-19s  %9s  %6s  ", "?", "?", "?");
	else
		printf("%-19s  %9s  %6llu  ",
			x->last_ns ? row_time(x->last_ns, when) : "no snapshot",
			text_size(x->totals.log_bytes + x->totals.catalogue_bytes, size),
			(unsigned long long)x->totals.snapshots);
	out_name(x->workspace.len ? x->workspace.data : x->dir);
	if (is_unfinished(x->dir))
		printf("  (%s)", x->running ? "a repair makes it" : "half a repair: the next one begins anew");
	else if (x->error < 0)
		printf("  (%s)", err_str(x->error));
	else if (x->state == 0)
		printf("  (gone)");
	else if (x->running)
		printf("  (running)");
	if (x->damaged)
		printf("  (DAMAGED)");
	if (x->aside) {
		printf("  in ");
		out_name(x->dir);
	}
	fputc('\n', stdout);
}

int cmd_stores(struct recover *r, const struct args *a)
{
	autoput(all_release) struct all all = { 0 };
	autoput(buf_release) struct buf parent = BUF_INIT;
	int e = config_load(&r->cfg, NULL, NULL, NULL), rc;
	bool bad = false;

	if (e < 0 && e != -EINVAL)
		return context_failed(r, e, "cannot read the settings");
	if ((rc = stores_parent(r, &parent)))
		return rc;
	stores_sweep(parent.data);
	if ((e = load(parent.data, r->cfg.store_dir, &all)) < 0) {
		log_error_errno(e, "%s", parent.data);
		return EXIT_ENV;
	}
	if (!a->on[S_JSON] && all.n)
		printf("%-19s  %9s  %6s  %s\n", "last", "size", "count", "workspace");
	for (size_t i = 0; i < all.n; i++) {
		a->on[S_JSON] ? print_json(&all.x[i]) : print_text(&all.x[i]);
		bad |= all.x[i].error < 0 && !is_unfinished(all.x[i].dir);
	}
	if (!all.n && !a->on[S_JSON])
		log_info("no store in %s", parent.data);
	return bad ? EXIT_PART : EXIT_DONE;
}
