#include "pairs.h"

#include <stdlib.h>

#include "xalloc.h"

static struct side side_of(const git_diff_file *f, bool there)
{
	struct side s = { .path = xstrdup(f->path) };

	if (there) {
		s.mode = f->mode;
		s.id = f->id;
	}
	return s;
}

static void add(struct pairs *l, const git_diff_delta *d)
{
	bool old = d->status != GIT_DELTA_ADDED, new = d->status != GIT_DELTA_DELETED;
	char status = !old ? 'A' : !new ? 'D' : d->status == GIT_DELTA_TYPECHANGE ? 'T' : 'M';

	l->p = xgrow(l->p, l->n, &l->cap, sizeof(*l->p));
	l->p[l->n++] = (struct pair){
		.status = status, .a = side_of(&d->old_file, old), .b = side_of(&d->new_file, new),
	};
}

int pairs_collect(git_repository *repo, git_tree *a, git_tree *b, const struct strs *paths, struct pairs *ret)
{
	git_diff_options o;
	git_diff *diff = NULL;
	int r;

	(void)git_diff_options_init(&o, GIT_DIFF_OPTIONS_VERSION);
	o.flags = GIT_DIFF_DISABLE_PATHSPEC_MATCH | GIT_DIFF_INCLUDE_TYPECHANGE;
	if (paths && paths->n && **paths->s) {
		o.pathspec.strings = paths->s;
		o.pathspec.count = paths->n;
	}
	if ((r = git_diff_tree_to_tree(&diff, repo, a, b, &o)) < 0)
		return r;
	for (size_t i = 0; i < git_diff_num_deltas(diff); i++)
		add(ret, git_diff_get_delta(diff, i));
	git_diff_free(diff);
	return 0;
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
