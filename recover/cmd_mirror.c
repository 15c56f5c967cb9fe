/* The copy at another machine: pushed now, or how far it is. */
#include "recover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../store/mirrored.h"
#include "mirror.h"
#include "out.h"
#include "rows.h"
#include "xalloc.h"

enum { M_STATUS = 1, M_JSON };

const struct opt mirror_opts[] = {
	{ M_STATUS, 0, "status", OPT_FLAG, NULL, "only say how far it is" },
	{ M_JSON, 0, "json", OPT_FLAG, NULL, "one object" },
	{ 0 },
};

static void print_json(struct recover *r, const struct mirrored *m)
{
	autoput(buf_release) struct buf url = BUF_INIT;
	cJSON *o = cJSON_CreateObject();

	if (mirrored_url_text(r->cfg.mirror_url, &url) < 0)
		xalloc_failed();
	json_name(o, "url", url.data);
	if (*m->ref)
		json_name(o, "ref", m->ref);
	else
		cJSON_AddNullToObject(o, "ref");
	cJSON_AddNumberToObject(o, "behind", (double)mirrored_behind(r->store, m));
	if (m->pushed_ns)
		json_time(o, "pushed", m->pushed_ns);
	else
		cJSON_AddNullToObject(o, "pushed");
	cJSON_AddNumberToObject(o, "left_out", (double)m->left_out);
	if (*m->error)
		json_name(o, "error", m->error);
	else
		cJSON_AddNullToObject(o, "error");
	json_line(o);
}

static void print_text(struct recover *r, const struct mirrored *m)
{
	autoput(buf_release) struct buf url = BUF_INIT;
	uint64_t behind = mirrored_behind(r->store, m);
	char when[32];

	if (mirrored_url_text(r->cfg.mirror_url, &url) < 0)
		xalloc_failed();
	out_name(url.data);
	/* Before the first push it has no name. */
	printf("%s%s\n", *m->ref ? "  " : "", m->ref);
	if (m->pushed_ns)
		printf("pushed  %s, %" PRIu64 " snapshot%s behind\n", row_time(m->pushed_ns, when), behind, behind == 1 ? "" : "s");
	else
		printf("pushed  never\n");
	if (m->left_out)
		printf("left out  %" PRIu64 " path%s that look%s like secrets (mirror.allow)\n", m->left_out,
			m->left_out == 1 ? "" : "s", m->left_out == 1 ? "s" : "");
	if (*m->error)
		printf("error   %s\n", m->error);
}

/* What the last one left, if it was for this URL. */
static int load(struct recover *r, struct mirrored *m)
{
	int e = mirrored_read(r->store, m);

	if (e < 0 && e != -ENOENT)
		return context_failed(r, e, "mirror");
	if (e == -ENOENT || strcmp(m->url, r->cfg.mirror_url) != 0) {
		m->pushed_ns = 0;
		m->pushed = m->left_out = 0;
		*m->error = 0;
	}
	return EXIT_DONE;
}

static int push(struct recover *r, bool json)
{
	autoput(store_snapshot_release) struct store_snapshot newest = { 0 };
	autoput(mirrored_release) struct mirrored m = { 0 };
	uint64_t n = 0;
	int e = store_newest(r->store, &newest), rc;

	if (e < 0)
		return context_failed(r, e, "there is no snapshot to push");
	e = mirror_push(r, &n);

	if (e == -EINTR) {
		log_error("stopped; run it again for the rest");
		return EXIT_PART;
	}
	if (e < 0) {
		log_error("mirror: %s", e == -EBUSY ? "another one is at work (" RECOVER " mirror --status)" : err_str(e));
		return EXIT_ENV;
	}
	if ((rc = load(r, &m)))
		return rc;
	if (e > 0) {
		log_error("mirror: %s%s", m.error, e == 1 ? "; nothing is lost, it is tried again" : "");
		return EXIT_ENV;
	}
	if (*m.error)
		log_warn("mirror: %s", m.error);
	if (json)
		print_json(r, &m);
	else if (!r->quiet)
		log_info("%" PRIu64 " snapshot%s pushed%s", n, n == 1 ? "" : "s",
			m.left_out ? "; what looks like a secret was left out (" RECOVER " mirror --status)" : "");
	return *m.error ? EXIT_PART : EXIT_DONE;
}

int cmd_mirror(struct recover *r, const struct args *a)
{
	autoput(mirrored_release) struct mirrored m = { 0 };
	int rc;

	if (!r->cfg.mirror_url || !*r->cfg.mirror_url) {
		log_error("mirror.url is not set: a path, or what git push takes, in the settings");
		return EXIT_NO;
	}
	if (!a->on[M_STATUS]) {
		interrupt_catch();
		return push(r, a->on[M_JSON]);
	}
	if ((rc = load(r, &m)))
		return rc;
	a->on[M_JSON] ? print_json(r, &m) : print_text(r, &m);
	return *m.error ? EXIT_NO : EXIT_DONE;
}
