#include "recover.h"

#include <stdio.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/text.h"
#include "entries.h"
#include "out.h"
#include "pager.h"
#include "rev.h"
#include "rows.h"

enum { S_JSON = 1 };

const struct opt show_opts[] = {
	{ S_JSON, 0, "json", OPT_FLAG, NULL, "one object" },
	{ 0 }
};

struct showing {
	struct store *store;
	uint64_t before;	/* the snapshot before it, 0: none */
	cJSON *changes;		/* NULL: text */
};

/* A new, M changed, m only its mode or time, D gone, S skipped */
static char letter(const struct showing *s, const char *path, const struct store_entry *e)
{
	struct store_entry was;

	if (e->kind == KIND_GONE)
		return 'D';
	if (e->kind == KIND_SKIPPED)
		return 'S';
	if (!s->before || store_entry_at(s->store, s->before, path, &was) < 0)
		return 'A';
	if (was.kind != e->kind)
		return was.kind == KIND_SKIPPED ? 'A' : 'M';
	return e->kind == KIND_DIR || entry_same(&was, e) ? 'm' : 'M';
}

static int print_change(const char *path, const struct store_entry *e, void *arg)
{
	struct showing *s = arg;
	char c = letter(s, path, e);

	if (s->changes) {
		cJSON *o = entry_json(path, e);
		char word[2] = { c, 0 };

		cJSON_AddStringToObject(o, "change", word);
		cJSON_AddItemToArray(s->changes, o);
		return 0;
	}
	printf(" %c  ", c);
	entry_print_short(path, e);
	return ferror(stdout) ? 1 : 0;
}

static void print_head(
	const struct recover *r, const struct store_snapshot *sn, const struct marks *m)
{
	char hex[41], t[40], age[24], size[16];
	const char *name;

	id_hex(&sn->id, hex);
	printf("snapshot %s\n", hex);
	printf("time     %s (%s ago)\n", text_rfc3339(sn->time_ns, t),
		text_duration((uint64_t)(r->now_ns > sn->time_ns ? r->now_ns - sn->time_ns : 0) /
				      1000000000,
			age));
	printf("reason   %s", store_reason_name(sn->reason));
	if (*sn->message) {
		fputs(": ", stdout);
		out_name(sn->message);
	}
	fputc('\n', stdout);
	for (size_t i = 0; (name = marks_of(m, sn->seq, i)); i++) {
		fputs("mark     ", stdout);
		out_name(name);
		fputc('\n', stdout);
	}
	printf("changed  %llu, %s added to the store\n\n", (unsigned long long)sn->changed,
		text_size(sn->added_bytes, size));
}

int cmd_show(struct recover *r, const struct args *a)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 }, before = { 0 };
	autoput(marks_release) struct marks marks = { 0 };
	struct showing s = { .store = r->store };
	cJSON *o = NULL;
	int e, rc;

	if ((rc = rev_arg(r, a->n ? a->arg[0] : "@", &sn)))
		return rc;
	if ((e = marks_load(r->store, &marks)) < 0)
		return context_failed(r, e, "cannot read the marks");
	if (store_before(r->store, sn.seq, &before) == 0)
		s.before = before.seq;
	if (a->on[S_JSON]) {
		o = row_json(&sn, &marks);
		s.changes = cJSON_AddArrayToObject(o, "changes");
	} else {
		pager_start(r);
		print_head(r, &sn, &marks);
	}
	e = store_changes(r->store, sn.seq, print_change, &s);
	if (o)
		json_line(o);
	return e < 0 ? context_failed(r, e, "cannot read the snapshot") : EXIT_DONE;
}
