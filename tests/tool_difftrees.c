/* tool_difftrees REPO A B [--stat ...] - prints the difference of two revisions of an ordinary git
 * repository with recover's own printer, to be held against `git diff A B`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/gitlib.h"
#include "recover/out.h"
#include "recover/patch.h"

static git_tree *tree_of(git_repository *repo, const char *spec)
{
	git_object *o = NULL, *t = NULL;

	if (git_revparse_single(&o, repo, spec) < 0 || git_object_peel(&t, o, GIT_OBJECT_TREE) < 0) {
		fprintf(stderr, "%s: %s\n", spec, git_error_last()->message);
		exit(2);
	}
	git_object_free(o);
	return (git_tree *)t;
}

int main(int argc, char **argv)
{
	struct patch_options opt = { .context = 3 };
	git_repository *repo = NULL;
	git_tree *a, *b;
	int r;

	if (argc < 4)
		return 2;
	gitlib_init();
	if (git_repository_open(&repo, argv[1]) < 0)
		return 2;
	for (int i = 4; i < argc; i++) {
		if (!strcmp(argv[i], "--stat"))
			opt.format |= PATCH_STAT;
		else if (!strcmp(argv[i], "--numstat"))
			opt.format |= PATCH_NUMSTAT;
		else if (!strcmp(argv[i], "--name-status"))
			opt.format |= PATCH_NAME_STATUS;
		else if (!strcmp(argv[i], "--name-only"))
			opt.format |= PATCH_NAME_ONLY;
		else if (!strcmp(argv[i], "--summary"))
			opt.format |= PATCH_SUMMARY;
		else if (!strcmp(argv[i], "--binary"))
			opt.binary = true;
		else if (!strcmp(argv[i], "--full-index"))
			opt.full_index = true;
		else if (!strcmp(argv[i], "--no-renames"))
			opt.no_renames = true;
		else if (!strcmp(argv[i], "--color=always"))
			opt.color = true;
		else if (!strncmp(argv[i], "-U", 2))
			opt.context = atoi(argv[i] + 2);
		else
			return 2;
	}
	a = tree_of(repo, argv[2]);
	b = tree_of(repo, argv[3]);
	r = patch_trees(repo, a, b, NULL, &opt);
	if (r < 0)
		fprintf(stderr, "failed: %s\n", git_error_last()->message);
	git_tree_free(a);
	git_tree_free(b);
	git_repository_free(repo);
	git_libgit2_shutdown();
	return r < 0 ? 2 : 0;
}
