/* All snapshots as an ordinary bare repository: the same objects, bit for bit, in a pack.
 * Exported again, only what is new is added. Commits are those of chain.h. */
#include "recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <git2.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/progress.h"
#include "chain.h"
#include "exported.h"
#include "out.h"
#include "pack.h"
#include "pairs.h"
#include "xalloc.h"

struct set {			/* of ids; open addressing, zero: free */
	git_oid *slot;
	size_t n, cap;
};

struct object {
	git_oid id;
	git_object_t type;
	size_t link;		/* of a commit: which */
};

struct exporting {
	struct store *store;
	struct set met;
	struct object *object;	/* what goes into the pack */
	size_t n, cap;
	git_repository *from;
	struct exported to;
	git_odb *odb;
	struct pack *pack;
	struct chain chain;
	struct progress *progress;
	git_oid newest;
};

static void set_release(struct set *s)
{
	free(s->slot);
}

static void exporting_release(struct exporting *x)
{
	set_release(&x->met);
	chain_release(&x->chain);
	pack_drop(x->pack);
	free(x->object);
	exported_close(&x->to);
	progress_done(x->progress);
}

static int stopped(void)
{
	log_error("stopped; nothing was added to the repository, run it again");
	return EXIT_PART;
}

static int git_failed(const char *what, int code)
{
	const git_error *e = git_error_last();

	if (interrupted)
		return stopped();
	if (err_from_git(code) == -EBADMSG)
		log_error("%s: cannot be made: the store is %s%s", what, e ? e->message : "damaged", context_way_out(-EBADMSG));
	else
		log_error("%s: %s", what, e ? e->message : err_str(err_from_git(code)));
	return EXIT_ENV;
}

/* ---- what goes into the pack -------------------------------------------------------
 * libgit2 would walk the trees itself, by calling itself for each level: a store with a hundred
 * thousand folders in each other ends that with the stack. */

static git_oid *set_slot(const struct set *s, const git_oid *id)
{
	size_t i;

	memcpy(&i, id->id, sizeof(i));
	for (i &= s->cap - 1; !git_oid_is_zero(&s->slot[i]); i = (i + 1) & (s->cap - 1))
		if (git_oid_equal(&s->slot[i], id))
			break;
	return &s->slot[i];
}

/* true: it was not in it. */
static bool set_add(struct set *s, const git_oid *id)
{
	git_oid *at;

	if ((s->n + 1) * 2 > s->cap) {
		struct set old = *s;

		s->cap = s->cap ? s->cap * 2 : 4096;
		s->slot = xcalloc(s->cap, sizeof(*s->slot));
		for (size_t i = 0; i < old.cap; i++)
			if (!git_oid_is_zero(&old.slot[i]))
				*set_slot(s, &old.slot[i]) = old.slot[i];
		free(old.slot);
	}
	at = set_slot(s, id);
	if (!git_oid_is_zero(at))
		return false;
	*at = *id;
	s->n++;
	return true;
}

static void put_down(struct exporting *x, const git_oid *id, git_object_t type)
{
	x->object = xgrow(x->object, x->n, &x->cap, sizeof(*x->object));
	x->object[x->n++] = (struct object){ .id = *id, .type = type };
}

/* A tree and what is below it that was not met before; pack false: only remembered, the target
 * has it. */
static int add_tree(
	struct exporting *x, git_repository *in, const git_oid *id, bool pack, unsigned depth)
{
	git_tree *t = NULL;
	int r;

	if (interrupted)
		return GIT_EUSER;
	if (!set_add(&x->met, id))
		return 0;
	if (depth > TREE_DEPTH_MAX) {
		git_error_set_str(GIT_ERROR_INVALID,
			"folders in folders without end; is the store whole? (" RECOVER
			" verify --all)");
		return GIT_ERROR;
	}
	if ((r = git_tree_lookup(&t, in, id)) < 0)
		return r;
	if (pack)
		put_down(x, id, GIT_OBJECT_TREE);
	for (size_t i = 0; i < git_tree_entrycount(t) && r >= 0; i++) {
		const git_tree_entry *e = git_tree_entry_byindex(t, i);
		const git_oid *sub = git_tree_entry_id(e);

		if (git_tree_entry_type(e) == GIT_OBJECT_TREE)
			r = add_tree(x, in, sub, pack, depth + 1);
		else if (set_add(&x->met, sub) && pack)
			put_down(x, sub, GIT_OBJECT_BLOB);
	}
	git_tree_free(t);
	return r;
}

/* What the target's branch holds need not come again; it may be of a time when the store held other
 * snapshots. */
static int hide_known(struct exporting *x, const git_oid *head)
{
	git_commit *c = NULL;
	int r = git_commit_lookup(&c, x->to.repo, head);

	if (r == 0)
		r = add_tree(x, x->to.repo, git_commit_tree_id(c), false, 0);
	git_commit_free(c);
	return r == GIT_ENOTFOUND ? 0 : r;	/* damaged, or shallow: it comes whole then */
}

/* How many of the line the target has: those up to one that its branch is, or goes back to. */
static size_t count_known(struct exporting *x, const git_oid *head)
{
	git_odb *odb = NULL;
	size_t i = x->chain.n;

	if (git_repository_odb(&odb, x->to.repo) < 0)
		return 0;
	for (; i > 0; i--) {
		const git_oid *id = &x->chain.link[i - 1].id;

		if (git_oid_equal(id, head))
			break;
		if (git_odb_exists(odb, id) && git_graph_descendant_of(x->to.repo, head, id) == 1)
			break;
	}
	git_odb_free(odb);
	return i;
}

/* All that goes into the pack. */
static int gather(struct exporting *x)
{
	size_t known = 0;
	git_oid head;
	int r = chain_load(x->store, x->odb, &x->chain);

	if (r == 0 && git_reference_name_to_id(&head, x->to.repo, "refs/heads/main") == 0) {
		known = count_known(x, &head);
		r = hide_known(x, &head);
	}
	if (r < 0)
		return r;
	x->newest = x->chain.link[x->chain.n - 1].id;
	for (size_t i = known; r >= 0 && i < x->chain.n; i++) {
		const struct chain_link *l = &x->chain.link[i];

		if (!set_add(&x->met, &l->id))
			continue;
		put_down(x, &l->id, GIT_OBJECT_COMMIT);
		x->object[x->n - 1].link = i;
		r = add_tree(x, x->from, &l->tree, true, 0);
	}
	return r;
}

/* ---- writing it ------------------------------------------------------------------ */

static int on_bytes(const void *p, size_t n, void *arg)
{
	struct exporting *x = arg;

	progress_add(x->progress, 0, n);
	return interrupted ? -EINTR : pack_data(x->pack, p, n);
}

/* A blob piece by piece, in constant memory; the store sees to it that they are the id's. */
static int pack_blob(struct exporting *x, const struct object *o)
{
	struct oid id;
	uint64_t size;
	int r;

	memcpy(id.b, o->id.id, 20);
	if ((r = store_blob_size(x->store, &id, &size)) < 0 ||
		(r = pack_object(x->pack, &o->id, o->type, size)) < 0)
		return r;
	return store_stream_blob(x->store, &id, on_bytes, x);
}

static int pack_other(struct exporting *x, const struct object *o)
{
	git_odb_object *data = NULL;
	int r = git_odb_read(&data, x->odb, &o->id);

	if (r < 0)
		return err_from_git(r);
	r = git_odb_object_type(data) == o->type ? 0 : -EBADMSG;
	if (r == 0)
		r = pack_object(x->pack, &o->id, o->type, git_odb_object_size(data));
	if (r == 0)
		r = pack_data(x->pack, git_odb_object_data(data), git_odb_object_size(data));
	git_odb_object_free(data);
	return r;
}

static int pack_commit(struct exporting *x, const struct object *o)
{
	autoput(buf_release) struct buf text = BUF_INIT;
	int r = chain_text(&x->chain, x->odb, o->link, &text);

	if (r < 0)
		return err_from_git(r);
	if ((r = pack_object(x->pack, &o->id, o->type, text.len)) < 0)
		return r;
	return pack_data(x->pack, text.data, text.len);
}

static int pack_failed(const char *dir, const struct object *o, int e)
{
	char hex[41] = "";

	if (o)
		git_oid_tostr(hex, sizeof(hex), &o->id);
	if (e == -EINTR)
		return stopped();
	log_error_errno(e, "%s: %s%s%s", dir, o ? "object " : "the pack", hex,
		e == -EBADMSG ? " (" RECOVER " verify --all names what it hits; " RECOVER " repair makes a new store of the rest, "
				"to export that)" : "");
	return EXIT_ENV;
}

static int pack_all(struct exporting *x, const char *dir)
{
	autofree char *folder = xasprintf("%sobjects/pack", git_repository_path(x->to.repo));
	autoclose int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int e;

	if (dirfd >= 0 && x->to.alone)
		pack_sweep(dirfd);
	if (!x->n)
		return EXIT_DONE;
	progress_set_total(x->progress, x->n);
	if (dirfd < 0 || x->n > UINT32_MAX / 2 ||
		(e = pack_begin(dirfd, (uint32_t)x->n, &x->pack)) < 0)
		return pack_failed(dir, NULL,
			dirfd < 0               ? -errno
			: x->n > UINT32_MAX / 2 ? -EFBIG
						: e);
	for (size_t i = 0; i < x->n; i++) {
		const struct object *o = &x->object[i];

		e = interrupted                  ? -EINTR
		    : o->type == GIT_OBJECT_BLOB ? pack_blob(x, o)
		    : o->type == GIT_OBJECT_COMMIT ? pack_commit(x, o) : pack_other(x, o);
		if (e < 0 || (e = pack_object_end(x->pack)) < 0)
			return pack_failed(dir, o, e);
		progress_add(x->progress, 1, 0);
	}
	e = pack_finish(x->pack);
	x->pack = NULL;
	return e < 0 ? pack_failed(dir, NULL, e) : EXIT_DONE;
}

static int create_ref(struct exported *to, const char *name, const git_oid *id)
{
	git_reference *ref = NULL;
	int e = git_reference_create(&ref, to->repo, name, id, 1, NULL);

	if (e == GIT_ELOCKED && exported_unlock(to, name))
		e = git_reference_create(&ref, to->repo, name, id, 1, NULL);
	git_reference_free(ref);
	return e;
}

static int note(struct exported *to, const git_oid *newest)
{
	int e = exported_note(to->repo, newest);

	return e == GIT_ELOCKED && exported_unlock(to, "config") ? exported_note(to->repo, newest) : e;
}

static int set_head(struct exported *to)
{
	int e = git_repository_set_head(to->repo, "refs/heads/main");

	return e == GIT_ELOCKED && exported_unlock(to, "HEAD") ? git_repository_set_head(to->repo, "refs/heads/main") : e;
}

/* Characters git has no place for in a name of a tag become '-'. */
static char *tag_name(const char *mark)
{
	char *name = xasprintf("refs/tags/%s", mark), *p;

	for (p = name + 10; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr("~^:?*[\\", *p) ||
			(*p == '.' && (p[1] == '.' || p[1] == '/' || !p[1] || p[-1] == '/')) ||
			(*p == '@' && p[1] == '{') ||
			(*p == '/' && (p[1] == '/' || !p[1] || p[-1] == '/')))
			*p = '-';
	if (strlen(name) > 15 && !strcmp(name + strlen(name) - 5, ".lock"))
		name[strlen(name) - 5] = '-';
	return name;
}

struct tagging {
	struct exporting *x;
};

static int add_tag(const char *mark, uint64_t seq, void *arg)
{
	struct tagging *t = arg;
	const struct chain_link *l = chain_find(&t->x->chain, seq);
	autofree char *name = tag_name(mark);
	git_oid id;

	if (!l)
		return 0;
	id = l->id;
	if (create_ref(&t->x->to, name, &id) < 0)
		log_warn("mark %s: %s", mark, git_error_last()->message);
	else if (strcmp(name + 10, mark))
		log_info("mark %s: is the tag %s", mark, name + 10);
	return 0;
}

static int set_refs(struct recover *r, struct exporting *x)
{
	struct tagging t = { x };
	int e;

	/* the refs may name objects only the new pack has */
	git_odb *odb = NULL;
	if (git_repository_odb(&odb, x->to.repo) == 0)
		(void)git_odb_refresh(odb);
	git_odb_free(odb);
	if ((e = note(&x->to, &x->newest)) < 0 ||
		(e = create_ref(&x->to, "refs/heads/main", &x->newest)) < 0)
		return e;
	if (x->to.fresh && (e = set_head(&x->to)) < 0)
		return e;
	if ((e = store_marks(r->store, add_tag, &t)) == 0)
		x->to.done = true;
	return e;
}

int cmd_export(struct recover *r, const struct args *a)
{
	autoput(store_snapshot_release) struct store_snapshot newest = { 0 };
	autoput(exporting_release) struct exporting x = { .store = r->store, .to = { .lock = -1 } };
	int e, rc;

	if (path_place(r, a->arg[0]) == PLACE_STORE) {
		log_error("%s: is in the store; choose another folder", a->arg[0]);
		return EXIT_ENV;
	}
	if ((e = store_newest(r->store, &newest)) < 0)
		return context_failed(r, e, "there is no snapshot to export");
	if ((e = store_git(r->store, &x.from, &x.odb)) < 0)
		return context_failed(r, e, "cannot read the objects");
	interrupt_catch();
	/* an export is worth its fsync, and that every object is what its id says */
	(void)git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
	(void)git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	if ((rc = exported_open(a->arg[0], r->workspace, x.odb, &x.to)))
		return rc;
	(void)progress_new("exporting", "objects", 0, r->quiet, &x.progress);
	if ((e = gather(&x)) < 0)
		return git_failed(a->arg[0], e);
	if ((rc = pack_all(&x, a->arg[0])))
		return rc;
	progress_done(x.progress);
	x.progress = NULL;
	if ((e = set_refs(r, &x)) < 0)
		return git_failed(a->arg[0], e);
	if (!r->quiet)
		log_info("%llu snapshot%s in %s; git -C %s log shows them",
			(unsigned long long)store_count(r->store),
			store_count(r->store) == 1 ? " is" : "s are", a->arg[0], a->arg[0]);
	return EXIT_DONE;
}
