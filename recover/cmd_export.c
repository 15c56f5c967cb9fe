/* All snapshots as an ordinary bare repository: the same objects, bit for bit, in a pack made by libgit2. Exported
 * again, only what is new is added. */
#include "recover.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <git2.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/progress.h"
#include "out.h"
#include "paths.h"
#include "xalloc.h"

struct exporting {
	git_repository *from, *to;
	git_odb *odb;
	git_packbuilder *pack;
	git_revwalk *walk;
	struct progress *progress;
	uint32_t shown;
	git_oid newest;
	uint64_t tags;
	int renamed;		/* marks whose name git does not take */
};

static void exporting_release(struct exporting *x)
{
	git_revwalk_free(x->walk);
	git_packbuilder_free(x->pack);
	git_repository_free(x->to);
	progress_done(x->progress);
}

static int git_failed(const char *what, int code)
{
	const git_error *e = git_error_last();

	if (interrupted)
		log_error("stopped; nothing was added to the repository, run it again");
	else
		log_error("%s: %s", what, e ? e->message : err_str(err_from_git(code)));
	return interrupted ? EXIT_PART : EXIT_ENV;
}

/* 1: it holds something, 0: empty or not there. */
static int holds_something(const char *dir)
{
	autoclosedir DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			return 1;
	return 0;
}

static int open_target(struct exporting *x, const char *dir)
{
	git_repository_init_options o;
	int e = holds_something(dir), r;

	if (e < 0) {
		log_error_errno(e, "%s", dir);
		return EXIT_ENV;
	}
	if (e > 0) {
		r = git_repository_open_ext(&x->to, dir, GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_BARE, NULL);
		if (r < 0 || !git_repository_is_bare(x->to)) {
			log_error("%s: is not empty and no bare git repository", dir);
			return EXIT_ENV;
		}
		return EXIT_DONE;
	}
	(void)git_repository_init_options_init(&o, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
	o.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH;
	o.mode = 0700;		/* as closed as the store */
	o.initial_head = "main";
	r = git_repository_init_ext(&x->to, dir, &o);
	return r < 0 ? git_failed(dir, r) : EXIT_DONE;
}

static int on_pack(int stage, uint32_t current, uint32_t total, void *arg)
{
	struct exporting *x = arg;

	(void)stage;
	progress_set_total(x->progress, total);
	if (current > x->shown)
		progress_add(x->progress, current - x->shown, 0);
	x->shown = current;
	return interrupted ? GIT_EUSER : 0;
}

static int on_write(const git_indexer_progress *p, void *arg)
{
	(void)p, (void)arg;
	return interrupted ? GIT_EUSER : 0;
}

/* What a former export brought need not come again. */
static int hide_known(struct exporting *x)
{
	git_oid head;

	if (git_reference_name_to_id(&head, x->to, "refs/heads/main") < 0)
		return 0;
	if (git_oid_equal(&head, &x->newest))
		return 1;
	/* a store that was thinned since has other commits: then everything is packed anew */
	if (!git_odb_exists(x->odb, &head))
		return 0;
	return git_revwalk_hide(x->walk, &head);
}

static int pack_all(struct exporting *x)
{
	autofree char *objects = NULL;
	int r;

	if ((r = git_revwalk_new(&x->walk, x->from)) < 0 || (r = git_revwalk_push(x->walk, &x->newest)) < 0 ||
	    (r = git_packbuilder_new(&x->pack, x->from)) < 0)
		return r;
	git_revwalk_sorting(x->walk, GIT_SORT_TOPOLOGICAL);
	/* a store is for one thread */
	git_packbuilder_set_threads(x->pack, 1);
	(void)git_packbuilder_set_callbacks(x->pack, on_pack, x);
	if ((r = hide_known(x)) != 0)
		return r < 0 ? r : 0;
	if ((r = git_packbuilder_insert_walk(x->pack, x->walk)) < 0)
		return r;
	objects = xasprintf("%sobjects/pack", git_repository_path(x->to));
	return git_packbuilder_write(x->pack, objects, 0444, on_write, x);
}

/* Characters git has no place for in a name of a tag become '-'. */
static char *tag_name(const char *mark)
{
	char *name = xasprintf("refs/tags/%s", mark), *p;

	for (p = name + 10; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr("~^:?*[\\", *p) ||
		    (*p == '.' && (p[1] == '.' || p[1] == '/' || !p[1] || p[-1] == '/')) || (*p == '@' && p[1] == '{') ||
		    (*p == '/' && (p[1] == '/' || !p[1] || p[-1] == '/')))
			*p = '-';
	if (strlen(name) > 15 && !strcmp(name + strlen(name) - 5, ".lock"))
		name[strlen(name) - 5] = '-';
	return name;
}

struct tagging {
	struct exporting *x;
	struct store *store;
};

static int add_tag(const char *mark, uint64_t seq, void *arg)
{
	struct tagging *t = arg;
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	autofree char *name = tag_name(mark);
	git_reference *ref = NULL;
	git_oid id;

	if (store_by_seq(t->store, seq, &sn) < 0)
		return 0;
	memcpy(id.id, sn.id.b, 20);
	if (git_reference_create(&ref, t->x->to, name, &id, 1, NULL) < 0)
		log_warn("mark %s: %s", mark, git_error_last()->message);
	else if (strcmp(name + 10, mark))
		log_info("mark %s: is the tag %s", mark, name + 10);
	git_reference_free(ref);
	return 0;
}

static int set_refs(struct recover *r, struct exporting *x)
{
	struct tagging t = { x, r->store };
	git_reference *ref = NULL;
	int e;

	/* the refs may name objects only the new pack has */
	git_odb *odb = NULL;
	if (git_repository_odb(&odb, x->to) == 0)
		(void)git_odb_refresh(odb);
	git_odb_free(odb);
	if ((e = git_reference_create(&ref, x->to, "refs/heads/main", &x->newest, 1, NULL)) < 0)
		return e;
	git_reference_free(ref);
	if ((e = git_repository_set_head(x->to, "refs/heads/main")) < 0)
		return e;
	return store_marks(r->store, add_tag, &t);
}

int cmd_export(struct recover *r, const struct args *a)
{
	autoput(store_snapshot_release) struct store_snapshot newest = { 0 };
	autoput(exporting_release) struct exporting x = { 0 };
	int e, rc;

	if (path_place(r, a->arg[0]) == PLACE_STORE) {
		log_error("%s: is in the store; choose another folder", a->arg[0]);
		return EXIT_ENV;
	}
	if ((e = store_newest(r->store, &newest)) < 0)
		return context_failed(r, e, "there is no snapshot to export");
	memcpy(x.newest.id, newest.id.b, 20);
	if ((e = store_git(r->store, &x.from, &x.odb)) < 0)
		return context_failed(r, e, "cannot read the objects");
	interrupt_catch();
	/* an export is worth its fsync */
	(void)git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	if ((rc = open_target(&x, a->arg[0])))
		return rc;
	(void)progress_new("exporting", "objects", 0, r->quiet, &x.progress);
	if ((e = pack_all(&x)) < 0)
		return git_failed(a->arg[0], e);
	progress_done(x.progress);
	x.progress = NULL;
	if ((e = set_refs(r, &x)) < 0)
		return git_failed(a->arg[0], e);
	if (!r->quiet)
		log_info("%llu snapshots are in %s; git -C %s log shows them",
			(unsigned long long)store_count(r->store), a->arg[0], a->arg[0]);
	return EXIT_DONE;
}
