/* recover/happened.c - see the header. */
#include "happened.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../detect/detect.h"
#include "../detect/events.h"
#include "../detect/journal.h"
#include "../lib/auto.h"
#include "../lib/text.h"
#include "crash.h"
#include "out.h"
#include "rows.h"
#include "xalloc.h"

enum { MOST = 5000 };

struct loading {
	const char *workspace;
	struct happened *to;
};

static bool is_of_interest(const struct journal_event *ev, const char *workspace)
{
	if (ev->kind == J_RESTORE || (ev->kind == J_EXIT && !ev->unwanted) || !ev->text)
		return false;
	return journal_concerns(ev, workspace) && (!ev->n_link || crash_link(ev, workspace));
}

static int add(const struct journal_event *ev, void *arg)
{
	struct loading *l = arg;
	struct happened *to = l->to;

	if (!is_of_interest(ev, l->workspace))
		return 0;
	to->h = xgrow(to->h, to->n, &to->cap, sizeof(*to->h));
	to->h[to->n++] = (struct happening){ .time_ns = (int64_t)ev->real_ms * 1000000,
		.text = xstrdup(ev->text),
		.id = xstrdup(ev->id),
		.kind = event_kind_name(ev->kind),
		.crash = ev->unwanted };
	return 0;
}

void happened_load(const char *workspace, struct happened *ret)
{
	struct journal_filter f = { .limit = MOST };
	struct loading l = { workspace, ret };
	autoclose int dir = detect_state_dir_if_any();
	struct journal *j = NULL;

	if (dir >= 0 && journal_open(dir, false, &j) == 0)
		(void)journal_each(j, &f, add, &l);
	journal_close(j);
}

static void print_one(const struct happening *h, bool json)
{
	char when[40];
	cJSON *o;

	if (!json) {
		printf("%-10s%s  %-9s%s", "", row_time(h->time_ns, when), h->kind,
			h->crash ? " ! " : "   ");
		out_name(h->text);
		printf("\n");
		return;
	}
	o = cJSON_CreateObject();
	if (!o)
		xalloc_failed();
	cJSON_AddStringToObject(o, "event", h->kind);
	cJSON_AddStringToObject(o, "event_id", h->id);
	cJSON_AddStringToObject(o, "time", text_rfc3339(h->time_ns, when));
	cJSON_AddBoolToObject(o, "crash", h->crash);
	json_name(o, "what", h->text);
	json_line(o);
}

void happened_print(struct happened *x, int64_t later_ns, bool json)
{
	for (; x->next < x->n && x->h[x->next].time_ns > later_ns; x->next++)
		print_one(&x->h[x->next], json);
}

void happened_release(struct happened *x)
{
	for (size_t i = 0; i < x->n; i++) {
		free(x->h[i].text);
		free(x->h[i].id);
	}
	free(x->h);
	*x = (struct happened){ 0 };
}
