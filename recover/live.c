#include "live.h"

#include <string.h>

#include "../lib/auto.h"
#include "../scan/scan.h"

static bool content(const struct store_entry *e)
{
	return e->kind == KIND_FILE || e->kind == KIND_LINK;
}

static int count(
	const char *path, const struct store_entry *was, const struct store_entry *is, void *arg)
{
	struct live *l = arg;

	(void)path;
	if (is->kind == KIND_SKIPPED || (is->flags & ENTRY_KEPT))
		return 0;
	if (content(was) && is->kind == KIND_GONE)
		l->deleted++;
	else if (content(is) && !content(was))
		l->created++;
	else if (content(is))
		l->changed++;
	return 0;
}

void live_count(struct recover *r, uint64_t seq, struct live *ret)
{
	struct scan_options so = { .cfg = &r->cfg };
	autoscan struct scan *sc = NULL;

	*ret = (struct live){ 0 };
	ret->error = scan_open(r->workspace, &so, &sc);
	if (ret->error == 0)
		ret->error = scan_diff(sc, r->store, seq, NULL, count, ret);
	ret->known = ret->error >= 0;
}
