#include "recover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "out.h"
#include "pager.h"
#include "patch.h"
#include "rev.h"
#include "wtree.h"
#include "xalloc.h"

enum {
	D_STAT = 1,
	D_NAME_STATUS,
	D_NAME_ONLY,
	D_NUMSTAT,
	D_SHORTSTAT,
	D_SUMMARY,
	D_PATCH,
	D_BINARY,
	D_FULL_INDEX,
	D_CONTEXT,
	D_COLOR,
	D_NO_COLOR,
	D_EXIT_CODE,
	D_RENAMES,
	D_NO_RENAMES,
	D_SPACE,
	D_SPACE_CHANGE,
};

const struct opt diff_opts[] = {
	{ D_STAT, 0, "stat", OPT_FLAG, NULL,
					 "how many lines changed in each file" },
	{ D_NAME_STATUS, 0, "name-status", OPT_FLAG, NULL, "names, with A, M, D, R or T" },
	{ D_NAME_ONLY, 0, "name-only", OPT_FLAG, NULL, "names" },
	{ D_NUMSTAT, 0, "numstat", OPT_FLAG, NULL, "as --stat, for programs" },
	{ D_SHORTSTAT, 0, "shortstat", OPT_FLAG, NULL, "the last line of --stat" },
	{ D_SUMMARY, 0, "summary", OPT_FLAG, NULL, "creations, deletions, renames, modes" },
	{ D_PATCH, 'p', "patch", OPT_FLAG, NULL, "the patch too, after one of the above" },
	{ D_BINARY, 0, "binary", OPT_FLAG, NULL,
		"patches for binary files, as git apply takes them" },
	{ D_FULL_INDEX, 0, "full-index", OPT_FLAG, NULL, "whole ids in the index lines" },
	{ D_CONTEXT, 'U', "unified", OPT_VALUE, "N", "lines around a change; default 3" },
	{ D_COLOR, 0, "color", OPT_MAYBE, "WHEN", "auto, always or never" },
	{ D_NO_COLOR, 0, "no-color", OPT_FLAG, NULL, "as --color=never" },
	{ D_EXIT_CODE, 0, "exit-code", OPT_FLAG, NULL, "exit 1 when there are differences" },
	{ D_RENAMES, 'M', "find-renames", OPT_MAYBE, "N",
		"how much must be alike, in percent; default 50" },
	{ D_NO_RENAMES, 0, "no-renames", OPT_FLAG, NULL,
		"show a rename as a deletion and a creation" },
	{ D_SPACE, 'w', "ignore-all-space", OPT_FLAG, NULL, "ignore white space" },
	{ D_SPACE_CHANGE, 'b', "ignore-space-change", OPT_FLAG, NULL,
		"ignore how much white space there is" },
	{ 0 },
};

static int terminal_width(void)
{
	struct winsize w;
	const char *c = getenv("COLUMNS");

	if (c && atoi(c) > 0)
		return atoi(c);
	/* stdout may already be the pager's pipe */
	if (isatty(STDIN_FILENO) && ioctl(STDIN_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 &&
		w.ws_col < 1000)
		return w.ws_col;
	return 80;
}

/* As git: 90% and 90 are nine tenths, 5 is a half, 05% a twentieth. Of SCORE_MAX; -EINVAL. */
static int read_score(const char *s)
{
	uint64_t n = 0, of = 1;

	for (; *s >= '0' && *s <= '9'; s++) {
		if (of < 100000) {
			n = n * 10 + (uint64_t)(*s - '0');
			of *= 10;
		}
	}
	if (of == 1 || (*s == '%' ? s[1] : s[0]))
		return -EINVAL;
	if (*s == '%')
		of = 100;
	return n >= of ? SCORE_MAX : (int)(SCORE_MAX * n / of);
}

static int read_options(const struct recover *r, const struct args *a, struct patch_options *o)
{
	uint64_t n;

	*o = (struct patch_options){
		.context = r->cfg.context,
		.binary = a->on[D_BINARY],
		.full_index = a->on[D_FULL_INDEX],
		.no_renames = a->on[D_NO_RENAMES],
		.ignore_space = a->on[D_SPACE],
		.ignore_space_change = a->on[D_SPACE_CHANGE],
		.format = (a->on[D_STAT] ? PATCH_STAT : 0u) |
			  (a->on[D_NUMSTAT] ? PATCH_NUMSTAT : 0u) |
			  (a->on[D_SHORTSTAT] ? PATCH_SHORTSTAT : 0u) |
			  (a->on[D_SUMMARY] ? PATCH_SUMMARY : 0u) |
			  (a->on[D_NAME_STATUS] ? PATCH_NAME_STATUS : 0u) |
			  (a->on[D_NAME_ONLY] ? PATCH_NAME_ONLY : 0u) |
			  (a->on[D_PATCH] ? PATCH_TEXT : 0u),
	};
	if (a->on[D_CONTEXT]) {
		if (args_number("-U", a->value[D_CONTEXT], 1000000, &n) < 0)
			return EXIT_USAGE;
		o->context = (int)n;
	}
	if (a->value[D_RENAMES] && (o->rename_least = read_score(a->value[D_RENAMES])) < 0) {
		log_error("--find-renames: '%s' is no percentage", a->value[D_RENAMES]);
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

struct sides {
	struct store_snapshot a, b;	/* b.seq 0: the workspace */
	git_tree *from, *to;
};

static void sides_release(struct sides *s)
{
	store_snapshot_release(&s->a);
	store_snapshot_release(&s->b);
	git_tree_free(s->from);
	git_tree_free(s->to);
}

/* In the workspace, or what the newest snapshot still has of it. */
static bool is_path(const struct recover *r, const char *word)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	autofree char *path = NULL;
	struct store_entry e;

	if (access(word, F_OK) == 0)
		return true;
	return path_from_arg(r, word, &path) == 0 && store_newest(r->store, &sn) == 0 &&
	       store_entry_at(r->store, sn.seq, path, &e) == 0 && e.kind != KIND_GONE;
}

/* As git: without a -- the first word that is no revision but a path begins the paths. */
static int count_revs(const struct recover *r, const struct args *a)
{
	int n = 0;

	if (a->dashes)
		return a->n;
	while (n < a->n && n < 3 && (rev_is(r->store, a->arg[n]) || !is_path(r, a->arg[n])))
		n++;
	return n;
}

/* n = 0: the newest; A: A; A B or A..B: both */
static int read_revs(const struct recover *r, const struct args *a, int n, struct sides *s)
{
	const char *first = n ? a->arg[0] : "@", *second = n > 1 ? a->arg[1] : NULL;
	autofree char *left = NULL;
	const char *dots = strstr(first, "..");
	int rc;

	if (!second && dots && !strchr(first, '{')) {
		left = dots == first ? xstrdup("@") : xstrndup(first, (size_t)(dots - first));
		first = left;
		second = dots[2] ? dots + 2 : "@";
	}
	rc = rev_arg(r, first, &s->a);
	if (!rc && second)
		rc = rev_arg(r, second, &s->b);
	return rc;
}

static int open_tree(git_repository *repo, const struct store_snapshot *sn, git_tree **ret)
{
	git_oid id;

	memcpy(id.id, sn->tree.b, 20);
	return err_from_git(git_tree_lookup(ret, repo, &id));
}

static int open_sides(
	struct recover *r, const struct strs *paths, struct wtree_notes *notes, struct sides *s)
{
	git_repository *repo;
	git_odb *odb;
	int e;

	if ((e = store_git(r->store, &repo, &odb)) < 0)
		return context_failed(r, e, "cannot read the snapshot");
	/* a tree that lies about its id could hold itself, and there would be no end of it */
	(void)git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
	if ((e = open_tree(repo, &s->a, &s->from)) < 0)
		return context_failed(r, e, "cannot read the snapshot");
	if (s->b.seq) {
		e = open_tree(repo, &s->b, &s->to);
		return e < 0 ? context_failed(r, e, "cannot read the snapshot") : EXIT_DONE;
	}
	e = wtree_build(r, &s->a, paths, notes, &s->to);
	if (e == -ENOENT) {
		log_error("%s: is gone; " RECOVER " restore @ brings it back", r->workspace);
		return EXIT_ENV;
	}
	if (e == -EBADMSG)
		return context_failed(r, e, "cannot read the snapshot");
	if (e < 0) {
		log_error_errno(e, "%s", r->workspace);
		return EXIT_ENV;
	}
	return EXIT_DONE;
}

/* What could not be compared. All of it is named: who reads the diff must not take it for
 * unchanged. */
static size_t say_unread(const struct recover *r, const struct wtree_notes *notes)
{
	for (size_t i = 0; i < notes->unread.n; i++)
		log_error("%s: cannot be read now, so it is not compared", notes->unread.s[i]);
	for (size_t i = 0; i < notes->left_out.n && !r->quiet; i++)
		log_warn("%s: is in the snapshot, but not stored any more (ignored, excluded or "
			 "too large): not compared",
			notes->left_out.s[i]);
	return notes->unread.n;
}

struct missing {
	struct wtree_notes *notes;
	size_t n;
};

static void on_unread(const struct pair *p, void *arg)
{
	struct missing *m = arg;
	const git_error *e = git_error_last();

	if (m->notes->stale)
		log_error("%s: changed while it was compared; try again", p->b.path);
	else
		log_error("%s: %s; " RECOVER " verify names what is damaged", p->b.path,
			e ? e->message : "cannot be read");
	m->notes->stale = NULL;
	m->n++;
}

int cmd_diff(struct recover *r, const struct args *a)
{
	static struct wtree_notes notes;	/* as long-lived as the store's object backends */
	autoput(sides_release) struct sides s = { 0 };
	autoput(strs_release) struct strs paths = { 0 };
	struct missing missing = { .notes = &notes };
	struct patch_options opt;
	git_repository *repo;
	git_odb *odb;
	int rc, e, n = count_revs(r, a);

	if ((rc = read_options(r, a, &opt)))
		return rc;
	if (n > 2) {
		log_error("%s: at most two revisions; paths come after --", a->arg[2]);
		return EXIT_USAGE;
	}
	if (paths_from_args(r, a->arg + n, a->n - n, &paths) < 0 ||
		paths_from_args(r, a->path, a->n_paths, &paths) < 0)
		return EXIT_USAGE;
	if ((rc = read_revs(r, a, n, &s)) || (rc = open_sides(r, &paths, &notes, &s)))
		return rc;
	opt.width = terminal_width();
	opt.unread = on_unread;
	opt.arg = &missing;
	pager_start(r);
	if ((e = color_wanted(r, a->on[D_COLOR] || a->on[D_NO_COLOR],
		     a->on[D_NO_COLOR] ? "never" : a->value[D_COLOR])) < 0)
		return EXIT_USAGE;
	opt.color = e;
	missing.n = say_unread(r, &notes);
	if ((e = store_git(r->store, &repo, &odb)) < 0)
		return context_failed(r, e, "diff");
	notes.stale = NULL;
	e = patch_trees(repo, s.from, s.to, &paths, &opt);
	if (e < 0)
		return context_failed(r, err_from_git(e), err_from_git(e) == -EBADMSG || !git_error_last() ? "diff" :
			git_error_last()->message);
	if (missing.n)
		return EXIT_PART;
	return e > 0 && a->on[D_EXIT_CODE] ? EXIT_NO : EXIT_DONE;
}
