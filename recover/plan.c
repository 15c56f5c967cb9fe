#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "cached.h"
#include "xalloc.h"

void targets_add(struct targets *t, const char *path, const struct store_entry *want, bool parent)
{
	t->t = xgrow(t->t, t->n, &t->cap, sizeof(*t->t));
	t->t[t->n++] = (struct target){ xstrdup(path), *want, parent };
}

static int by_path(const void *x, const void *y)
{
	const struct target *a = x, *b = y;
	int r = path_compare(a->path, b->path);

	if (r || a->parent != b->parent)
		return r ? r : a->parent - b->parent;
	return (a->want.kind == KIND_GONE) - (b->want.kind == KIND_GONE);
}

void targets_sort(struct targets *t)
{
	size_t n = 0;

	if (t->n)
		qsort(t->t, t->n, sizeof(*t->t), by_path);
	for (size_t i = 0; i < t->n; i++) {
		if (n && !strcmp(t->t[n - 1].path, t->t[i].path))
			free(t->t[i].path);
		else
			t->t[n++] = t->t[i];
	}
	t->n = n;
}

void targets_release(struct targets *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->t[i].path);
	free(t->t);
	*t = (struct targets){ 0 };
}

/* ---- one target -------------------------------------------------------- */

struct building {
	struct store *store;
	struct folder at;
	struct cached known;
	const struct plan_options *opt;
	struct plan *plan;
	/* a path nothing below can be written: prefix of the following targets, or NULL */
	const char *blocked;
	const char *blocked_why;
	/* a folder that will be made anew: nothing is below it yet, or NULL */
	const char *fresh;
};

/* Is the content there the wanted one? 1, 0, negative. */
static int same_content(struct building *b, const struct target *t, const struct had *h)
{
	struct oid id;
	int r;

	if (h->kind != t->want.kind || h->size != t->want.size)
		return 0;
	if (!b->opt->no_known && cached_oid(&b->known, t->path, h, &id) == 1)
		return !memcmp(&id, &t->want.oid, sizeof(id));
	r = look_hash(&b->at, t->path, h, &id);
	if (r == -ESTALE)
		return 0;
	return r < 0 ? r : !memcmp(&id, &t->want.oid, sizeof(id));
}

static bool same_meta(const struct store_entry *want, const struct had *h)
{
	/* with the same bits as then it may still have its list */
	if (want->kind != KIND_LINK && (want->mode & 07777) != (h->mode & 07777) &&
		want_mode(want) != (h->mode & 07777))
		return false;
	return want->mtime_ns == h->mtime_ns;
}

static enum plan_action decide_dir(const struct target *t, const struct had *h)
{
	if (h->kind == KIND_GONE)
		return PLAN_CREATE;
	if (h->kind != KIND_DIR)
		return PLAN_REPLACE;
	if (t->parent)
		return PLAN_NOTHING;
	return same_meta(&t->want, h) ? PLAN_NOTHING : PLAN_META;
}

static int decide(struct building *b, const struct target *t, struct plan_item *it)
{
	const struct had *h = &it->had;
	int r;

	if (h->kind == KIND_SKIPPED && t->want.kind != KIND_GONE) {
		it->action = PLAN_BLOCKED;
		it->why = "there is a special file (socket, pipe, device) in its place";
		return 0;
	}
	if (t->want.kind == KIND_GONE) {
		it->action = h->kind == KIND_GONE      ? PLAN_NOTHING
			     : h->kind == KIND_SKIPPED ? PLAN_BLOCKED
						       : PLAN_DELETE;
		it->why = "is a special file";
		return 0;
	}
	if (t->want.kind == KIND_DIR) {
		it->action = decide_dir(t, h);
		if (it->action == PLAN_REPLACE && t->parent) {
			it->action = PLAN_BLOCKED;
			it->why = "is no folder now; restore it too, or move it away";
		}
		return 0;
	}
	if (h->kind == KIND_GONE) {
		it->action = PLAN_CREATE;
		return 0;
	}
	if (h->kind == KIND_DIR && !b->opt->delete_ok) {
		it->action = PLAN_BLOCKED;
		it->why = "is a folder now; --delete lets a file take its place";
		return 0;
	}
	r = same_content(b, t, h);
	if (r == -EACCES) {
		it->action = PLAN_BLOCKED;
		it->why = "cannot be read to compare it";
		return 0;
	}
	if (r < 0)
		return r;
	it->action = !r ? PLAN_REPLACE : same_meta(&t->want, h) ? PLAN_NOTHING : PLAN_META;
	return 0;
}

static void keep_existing(struct plan_item *it)
{
	if (it->action == PLAN_META)
		it->action = PLAN_NOTHING;
	if (it->action == PLAN_REPLACE) {
		it->action = PLAN_BLOCKED;
		it->why = "is there already and differs; kept";
	}
}

static int add_target(struct building *b, const struct target *t)
{
	struct plan *p = b->plan;
	struct plan_item it = { .want = t->want, .had = { .kind = KIND_GONE } };
	int r;

	if (*t->path && !path_safe(t->path)) {
		it.action = PLAN_BLOCKED;
		it.why = "is a name that is never written";
	} else if (b->blocked && path_below(t->path, b->blocked)) {
		it.action = PLAN_BLOCKED;
		it.why = b->blocked_why;
	} else if (b->fresh && path_below(t->path, b->fresh)) {
		/* nothing is there yet; what is there now under that name is a link or file, and
		 * goes */
		it.action = t->want.kind == KIND_GONE ? PLAN_NOTHING : PLAN_CREATE;
	} else {
		if (b->at.root >= 0 && (r = look_at(&b->at, t->path, &it.had)) < 0) {
			it.action = PLAN_BLOCKED;
			it.why = "cannot be looked at";
			it.error = r;
		} else if ((r = decide(b, t, &it)) < 0) {
			return r;
		}
		if (b->opt->keep)
			keep_existing(&it);
		if (t->want.kind == KIND_DIR &&
			(it.action == PLAN_CREATE || it.action == PLAN_REPLACE))
			b->fresh = t->path;
		if (t->want.kind == KIND_DIR && it.action == PLAN_BLOCKED) {
			b->blocked = t->path;
			b->blocked_why = "its folder cannot be restored";
		}
	}
	if (it.action == PLAN_NOTHING && !t->parent)
		p->same++;
	it.path = xstrdup(t->path);
	p->item = xgrow(p->item, p->n, &p->cap, sizeof(*p->item));
	p->item[p->n++] = it;
	return 0;
}

/* ---- what follows from the items together ----------------------------------- */

static bool changes_names(const struct plan_item *it)
{
	return it->action == PLAN_CREATE || it->action == PLAN_REPLACE || it->action == PLAN_DELETE;
}

/* The item of the folder that holds path[0..len). NULL: not in the plan. */
static struct plan_item *find_item(struct plan *p, const char *path, size_t len)
{
	autofree char *key = xstrndup(path, len);
	size_t lo = 0, hi = p->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = path_compare(p->item[mid].path, key);

		if (!c)
			return &p->item[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* A folder whose names change gets another time: it is set again at the end (or, when it is not
 * part of the restore, remembered for the undo). */
static void touch_parents(struct plan *p, const struct targets *t)
{
	const char *last = NULL;
	size_t last_len = 0;

	for (size_t i = 0; i < p->n; i++) {
		const char *path = p->item[i].path, *slash = strrchr(path, '/');
		size_t len = slash ? (size_t)(slash - path) : 0;
		struct plan_item *up;

		if (!*path || !changes_names(&p->item[i]))
			continue;
		if (last && last_len == len && !memcmp(last, path, len))
			continue;
		last = path;
		last_len = len;
		up = find_item(p, path, len);
		if (up && up->action == PLAN_NOTHING && up->want.kind == KIND_DIR)
			up->action = t->t[up - p->item].parent ? PLAN_PARENT : PLAN_META;
	}
}

/* Everything below a folder that gives way must be deleted by the plan too. */
static void mark_early(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct plan_item *it = &p->item[i];

		if (it->action != PLAN_REPLACE || it->had.kind != KIND_DIR ||
			it->want.kind == KIND_DIR)
			continue;
		for (size_t j = i + 1; j < p->n && path_below(p->item[j].path, it->path); j++)
			if (p->item[j].action == PLAN_DELETE)
				p->item[j].early = true;
	}
}

int plan_build(struct store *s, int root, const struct targets *t, const struct plan_options *opt,
	struct plan *ret)
{
	struct plan plan = { 0 };
	struct building b = { .store = s, .at = FOLDER_INIT(root), .opt = opt, .plan = &plan };
	int r = 0;

	cached_init(&b.known, s);
	for (size_t i = 0; i < t->n && r >= 0; i++) {
		r = add_target(&b, &t->t[i]);
		if (interrupted)
			r = -EINTR;
	}
	folder_release(&b.at);
	cached_release(&b.known);
	if (r < 0) {
		plan_release(&plan);
		return r;
	}
	if (!opt->keep)
		touch_parents(&plan, t);
	mark_early(&plan);
	plan_count(&plan);
	*ret = plan;
	return 0;
}

void plan_count(struct plan *p)
{
	memset(p->files, 0, sizeof(p->files));
	memset(p->folders, 0, sizeof(p->folders));
	p->bytes = 0;
	for (size_t i = 0; i < p->n; i++) {
		const struct plan_item *it = &p->item[i];
		bool folder = it->want.kind == KIND_DIR ||
			      (it->want.kind == KIND_GONE && it->had.kind == KIND_DIR);

		(folder ? p->folders : p->files)[it->action]++;
		if (it->action == PLAN_CREATE || it->action == PLAN_REPLACE)
			p->bytes += folder ? 0 : it->want.size;
	}
}

void plan_release(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->item[i].path);
	free(p->item);
	*p = (struct plan){ 0 };
}

bool plan_empty(const struct plan *p)
{
	for (int a = PLAN_CREATE; a <= PLAN_META; a++)
		if (p->files[a] || p->folders[a])
			return false;
	return true;
}
