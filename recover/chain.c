#include "chain.h"

#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "xalloc.h"

void chain_release(struct chain *c)
{
	free(c->link);
	*c = (struct chain){ NULL, 0, 0 };
}

static int add(const struct store_snapshot *sn, void *arg)
{
	struct chain *c = arg;
	struct chain_link *l;

	c->link = xgrow(c->link, c->n, &c->cap, sizeof(*c->link));
	l = &c->link[c->n++];
	*l = (struct chain_link){ .seq = sn->seq };
	memcpy(l->store.id, sn->id.b, 20);
	memcpy(l->tree.id, sn->tree.b, 20);
	return 0;
}

const struct chain_link *chain_find(const struct chain *c, uint64_t seq)
{
	size_t lo = 0, hi = c->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->link[mid].seq < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->n && c->link[lo].seq == seq ? &c->link[lo] : NULL;
}

enum { TREE_LINE = 46, PARENT_LINE = 48 };	/* "tree " or "parent ", 40 digits, a newline */

/* The same with another parent. */
static int rewrite(
	const char *text, size_t n, const git_oid *store, const git_oid *parent, struct buf *ret)
{
	size_t skip = TREE_LINE;
	char hex[41];
	int r;

	if (n < TREE_LINE || memcmp(text, "tree ", 5) != 0)
		return GIT_EINVALID;
	if (n >= TREE_LINE + PARENT_LINE && !memcmp(text + TREE_LINE, "parent ", 7))
		skip += PARENT_LINE;
	r = buf_add(ret, text, TREE_LINE);
	if (parent)
		r |= buf_printf(ret, "parent %s\n", git_oid_tostr(hex, sizeof(hex), parent));
	r |= buf_add(ret, text + skip, n - skip);
	r |= buf_printf(ret, "\nHoldfast-Id: %s\n", git_oid_tostr(hex, sizeof(hex), store));
	return r ? GIT_ERROR : 0;
}

/* Does the commit name this parent? NULL: none. */
static bool has_parent(const char *text, size_t n, const git_oid *parent)
{
	const char *line = text + TREE_LINE;
	git_oid id;

	if (n < TREE_LINE + PARENT_LINE || memcmp(line, "parent ", 7) != 0)
		return !parent;
	return parent && git_oid_fromstrn(&id, line + 7, 40) == 0 && git_oid_equal(&id, parent);
}

int chain_text(const struct chain *c, git_odb *odb, size_t i, struct buf *ret)
{
	const git_oid *parent = i ? &c->link[i - 1].id : NULL;
	git_odb_object *o = NULL;
	const char *text;
	size_t n;
	int r = git_odb_read(&o, odb, &c->link[i].store);

	if (r < 0)
		return r;
	text = git_odb_object_data(o);
	n = git_odb_object_size(o);
	if (git_odb_object_type(o) != GIT_OBJECT_COMMIT)
		r = GIT_EINVALID;
	else if (has_parent(text, n, parent))
		r = buf_add(ret, text, n) < 0 ? GIT_ERROR : 0;
	else
		r = rewrite(text, n, &c->link[i].store, parent, ret);
	git_odb_object_free(o);
	return r;
}

static void turn(struct chain *c)
{
	for (size_t i = 0; i < c->n / 2; i++) {
		struct chain_link l = c->link[i];

		c->link[i] = c->link[c->n - 1 - i];
		c->link[c->n - 1 - i] = l;
	}
}

int chain_load(struct store *s, git_odb *odb, struct chain *ret)
{
	int r = store_list(s, 0, add, ret);

	if (r < 0) {
		git_error_set_str(GIT_ERROR_ODB, err_str(r));
		return GIT_ERROR;
	}
	turn(ret);
	for (size_t i = 0; r == 0 && i < ret->n; i++) {
		autoput(buf_release) struct buf text = BUF_INIT;

		r = chain_text(ret, odb, i, &text);
		if (r == 0)
			r = git_odb_hash(&ret->link[i].id, text.data, text.len, GIT_OBJECT_COMMIT);
	}
	return r;
}
