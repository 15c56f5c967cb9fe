/* Two trees side by side. libgit2 would do it, but has no bound: a store may hold trees that
 * name each other without an honest end. */
#include "pairs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/names.h"
#include "recover.h"
#include "xalloc.h"

enum { MOST = 1000000 };

struct walking {
	git_repository *repo;
	const struct strs *paths;
	struct pairs *ret;
	struct buf path;
};

static int refuse(const char *why)
{
	git_error_set_str(GIT_ERROR_INVALID, why);
	return GIT_ERROR;
}

static void free_tree(git_tree **t)
{
	git_tree_free(*t);
}

static bool is_tree(const git_tree_entry *e)
{
	return e && git_tree_entry_type(e) == GIT_OBJECT_TREE;
}

/* The order of a tree: a folder's name ends with a slash. */
static int by_name(const git_tree_entry *a, const git_tree_entry *b)
{
	const char *x = git_tree_entry_name(a), *y = git_tree_entry_name(b);

	while (*x && *x == *y)
		x++, y++;
	return (*x || !is_tree(a) ? (unsigned char)*x : '/') -
	       (*y || !is_tree(b) ? (unsigned char)*y : '/');
}

static struct side side_of(const struct walking *w, const git_tree_entry *e)
{
	struct side s = { .path = xstrdup(w->path.data) };

	if (e) {
		s.mode = git_tree_entry_filemode(e);
		s.id = *git_tree_entry_id(e);
	}
	return s;
}

static int add(struct walking *w, const git_tree_entry *a, const git_tree_entry *b)
{
	struct pairs *l = w->ret;
	struct pair p = { .status = !a   ? 'A'
				    : !b ? 'D'
					 : 'M',
		.a = side_of(w, a),
		.b = side_of(w, b) };

	if (a && b && (p.a.mode & 0170000) != (p.b.mode & 0170000))
		p.status = 'T';
	l->p = xgrow(l->p, l->n, &l->cap, sizeof(*l->p));
	l->p[l->n++] = p;
	return l->n <= MOST
		       ? 0
		       : refuse("more than a million differences; is the store whole? (" RECOVER
				" verify --all)");
}

static int walk(struct walking *w, git_tree *a, git_tree *b, unsigned depth);

static int open_tree(struct walking *w, const git_tree_entry *e, git_tree **ret)
{
	return is_tree(e) ? git_tree_lookup(ret, w->repo, git_tree_entry_id(e)) : 0;
}

/* One name; a or b is NULL where the side has none. */
static int one_name(
	struct walking *w, const git_tree_entry *a, const git_tree_entry *b, unsigned depth)
{
	autoput(free_tree) git_tree *below_a = NULL, *below_b = NULL;
	int r;

	if (a && b && git_tree_entry_filemode(a) == git_tree_entry_filemode(b) &&
	    git_oid_equal(git_tree_entry_id(a), git_tree_entry_id(b)))
		return 0;
	if (!is_tree(a) && !is_tree(b))
		return w->paths && !paths_match(w->paths, w->path.data) ? 0 : add(w, a, b);
	if (w->paths && !paths_match(w->paths, w->path.data) && !paths_lead(w->paths, w->path.data))
		return 0;
	if ((r = open_tree(w, a, &below_a)) < 0 || (r = open_tree(w, b, &below_b)) < 0)
		return r;
	return walk(w, below_a, below_b, depth + 1);
}

static int walk(struct walking *w, git_tree *a, git_tree *b, unsigned depth)
{
	size_t na = a ? git_tree_entrycount(a) : 0, nb = b ? git_tree_entrycount(b) : 0, i = 0,
	       j = 0;
	size_t len = w->path.len;
	int r = 0;

	if (depth > TREE_DEPTH_MAX)
		return refuse("folders in folders without end; is the store whole? (" RECOVER
			      " verify --all)");
	while (r >= 0 && (i < na || j < nb)) {
		const git_tree_entry *x = i < na ? git_tree_entry_byindex(a, i) : NULL;
		const git_tree_entry *y = j < nb ? git_tree_entry_byindex(b, j) : NULL;
		int c = !x ? 1 : !y ? -1 : by_name(x, y);

		if (interrupted)
			return refuse("stopped");
		w->path.len = len;
		if (buf_printf(&w->path, "%s%s", len ? "/" : "",
			    git_tree_entry_name(c <= 0 ? x : y)) < 0)
			return refuse("out of memory");
		r = one_name(w, c <= 0 ? x : NULL, c >= 0 ? y : NULL, depth);
		i += c <= 0;
		j += c >= 0;
	}
	w->path.len = len;
	return r;
}

int pairs_collect(
	git_repository *repo, git_tree *a, git_tree *b, const struct strs *paths, struct pairs *ret)
{
	struct walking w = { .repo = repo, .paths = paths, .ret = ret };
	int r = walk(&w, a, b, 0);

	buf_release(&w.path);
	return r;
}

void pairs_release(struct pairs *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->p[i].a.path);
		free(l->p[i].b.path);
	}
	free(l->p);
	*l = (struct pairs){ 0 };
}
