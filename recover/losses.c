#include "losses.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/names.h"
#include "out.h"
#include "rev.h"
#include "xalloc.h"

/* Lines of manifests read at most, beyond the newest snapshot's: the summary is to come at once. */
enum { LOOK_AT = 200000 };

struct finding {
	struct store *store;
	struct losses *l;
	struct {
		uint64_t seq, changed;
		uint32_t flags;
	} sn[LOSSES_SNAPSHOTS + 1];	/* newest first; the last only as the one before */
	size_t n;

	uint64_t seq, before;		/* of the one being read */
	char from[41];			/* before, short */
	uint64_t dropped;
};

static int collect(const struct store_snapshot *sn, void *arg)
{
	struct finding *f = arg;

	f->sn[f->n].seq = sn->seq;
	f->sn[f->n].changed = sn->changed;
	f->sn[f->n++].flags = sn->flags;
	return f->n == sizeof(f->sn) / sizeof(*f->sn);
}

static bool content(const struct store_entry *e)
{
	return e->kind == KIND_FILE || e->kind == KIND_LINK;
}

static void note_emptied(struct finding *f, const char *path, const struct store_entry *e)
{
	struct store_entry was;
	struct emptied *x;

	if (store_entry_at(f->store, f->before, path, &was) < 0 || was.kind != KIND_FILE ||
		!was.size)
		return;
	if (f->l->n_emptied++ >= LOSSES_NAMED)
		return;
	x = &f->l->emptied[f->l->n_emptied - 1];
	x->path = xstrdup(path);
	x->nulled = e->flags & ENTRY_NULLED;
	memcpy(x->from, f->from, sizeof(x->from));
}

static int look(const char *path, const struct store_entry *e, void *arg)
{
	struct finding *f = arg;
	struct store_entry is, was;

	if (e->kind != KIND_GONE && !(e->flags & (ENTRY_EMPTIED | ENTRY_NULLED)))
		return 0;
	if (store_cur_get(f->store, path, &is) < 0)
		is.kind = KIND_GONE;
	if (e->kind == KIND_GONE && is.kind == KIND_GONE)
		f->dropped += store_entry_at(f->store, f->before, path, &was) == 0 && content(&was);
	else if (e->kind == KIND_FILE && is.kind == KIND_FILE && is.seq == f->seq)
		note_emptied(f, path, e);
	return 0;
}

static void keep_dropped(struct finding *f, bool newest)
{
	f->l->dropped = f->dropped;
	f->l->newest = newest;
	memcpy(f->l->from, f->from, sizeof(f->l->from));
}

void losses_find(struct store *s, struct losses *ret)
{
	struct finding f = { .store = s, .l = ret };
	struct store_totals now;
	uint64_t read = 0;

	*ret = (struct losses){ 0 };
	if (store_list(s, 0, collect, &f) < 0 || store_totals(s, &now) < 0)
		return;
	for (size_t i = 0; i + 1 < f.n; i++) {
		struct store_snapshot before = { 0 };

		read += f.sn[i].changed;
		if (i && read > LOOK_AT)
			break;
		if (store_by_seq(s, f.sn[i + 1].seq, &before) < 0)
			break;
		f.seq = f.sn[i].seq;
		f.before = before.seq;
		f.dropped = 0;
		id_hex(&before.id, f.from);
		f.from[SHORT_ID] = 0;
		store_snapshot_release(&before);
		if (store_changes(s, f.seq, look, &f) < 0)
			continue;
		/* one file less here and there is daily work; most of what there was is not */
		if (!ret->dropped && f.dropped && (!i || f.dropped >= now.files))
			keep_dropped(&f, !i);
	}
}

void losses_release(struct losses *l)
{
	for (size_t i = 0; i < LOSSES_NAMED; i++)
		free(l->emptied[i].path);
	*l = (struct losses){ 0 };
}

void losses_print(const struct losses *l)
{
	if (l->dropped)
		printf("dropped    %" PRIu64 " file%s, by %s: " RECOVER " restore %s\n",
			l->dropped, l->dropped == 1 ? "" : "s",
			l->newest ? "the last snapshot" : "one of the last snapshots", l->from);
	for (size_t i = 0; i < LOSSES_NAMED && l->emptied[i].path; i++) {
		const struct emptied *x = &l->emptied[i];

		fputs(x->nulled ? "NUL bytes  " : "emptied    ", stdout);
		out_name(x->path);
		printf(": " RECOVER " restore %s -- ", x->from);
		out_name(x->path);
		fputs(" brings it back\n", stdout);
	}
	if (l->n_emptied > LOSSES_NAMED)
		printf("           and %" PRIu64 " more files were emptied lately\n",
			l->n_emptied - LOSSES_NAMED);
}
