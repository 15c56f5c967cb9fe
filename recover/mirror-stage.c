#include "mirror-stage.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "mirror-marks.h"
#include "pack.h"
#include "secret.h"
#include "xalloc.h"

#define DEPTH_LIMIT 2000		/* folders in each other; libgit2 and git end with their stack */
#define SLACK (32u << 20)		/* so much more than a new one needs may lie there */
/* What is staged lies whole, and git makes deltas of it when it pushes: but of two objects in one pack it believes that whoever made
 * the pack has tried. So the versions of a file, that follow each other, come into different ones. */
#define LOTS 4

struct seen {			/* a tree of the store and what it becomes */
	git_oid was, is;	/* was zero: free */
	uint64_t left_out;
};

struct object {
	git_oid id;
	git_object_t type;
	unsigned lot;		/* which pack it comes into */
	struct buf own;		/* its bytes, where neither store nor staging has it */
};

struct stage {
	struct recover *r;
	git_repository *from, *to;
	git_odb *odb, *to_odb;
	struct seen *tree;	/* open addressing */
	size_t n_tree, cap_tree;
	struct seen *there;	/* objects that are staged, or will be: was is the id */
	size_t n_there, cap_there;
	struct object *object;
	size_t n, cap;
	git_oid tip;
	bool has_tip, filter;
	unsigned lot;
	uint64_t bytes;		/* of what is in object, about */
	uint64_t left_out;
};

/* ---- sets ---- */

static struct seen *slot_of(struct seen *s, size_t cap, const git_oid *id)
{
	size_t i;

	memcpy(&i, id->id, sizeof(i));
	for (i &= cap - 1; !git_oid_is_zero(&s[i].was) && !git_oid_equal(&s[i].was, id); i = (i + 1) & (cap - 1))
		;
	return &s[i];
}

static struct seen *put(struct seen **s, size_t *n, size_t *cap, const git_oid *id)
{
	struct seen *at;

	if ((*n + 1) * 2 > *cap) {
		size_t had = *cap;
		struct seen *old = *s;

		*cap = had ? had * 2 : 4096;
		*s = xcalloc(*cap, sizeof(**s));
		for (size_t i = 0; i < had; i++)
			if (!git_oid_is_zero(&old[i].was))
				*slot_of(*s, *cap, &old[i].was) = old[i];
		free(old);
	}
	at = slot_of(*s, *cap, id);
	*n += git_oid_is_zero(&at->was);
	return at;
}

/* true: it was not there. */
static bool is_new(struct stage *st, const git_oid *id)
{
	struct seen *at = put(&st->there, &st->n_there, &st->cap_there, id);

	if (!git_oid_is_zero(&at->was))
		return false;
	at->was = *id;
	return true;
}

static struct object *put_down(struct stage *st, const git_oid *id, git_object_t type)
{
	st->object = xgrow(st->object, st->n, &st->cap, sizeof(*st->object));
	st->object[st->n] = (struct object){ .id = *id, .type = type, .lot = st->lot, .own = BUF_INIT };
	return &st->object[st->n++];
}

static void add_blob(struct stage *st, const git_oid *id)
{
	uint64_t size = 0;
	struct oid own;

	memcpy(own.b, id->id, 20);
	if (store_blob_size(st->r->store, &own, &size) == 0)	/* else it is said when it is read */
		st->bytes += size;
	(void)put_down(st, id, GIT_OBJECT_BLOB);
}

/* ---- trees ---- */

static int add_row(struct buf *b, const git_tree_entry *e, const git_oid *id)
{
	const char *name = git_tree_entry_name(e);

	if (buf_printf(b, "%o ", (unsigned)git_tree_entry_filemode_raw(e)) < 0 ||
		buf_add(b, name, strlen(name) + 1) < 0 || buf_add(b, id->id, 20) < 0)
		return -ENOMEM;
	return 0;
}

static int visit(struct stage *st, const git_oid *id, unsigned depth, git_oid *ret, uint64_t *ret_left);

/* b: the tree as it is to be; *ret_same: that is as it was. */
static int filter_entries(struct stage *st, git_tree *t, unsigned depth, struct buf *b, bool *ret_same, uint64_t *left)
{
	*ret_same = true;
	for (size_t i = 0; i < git_tree_entrycount(t); i++) {
		const git_tree_entry *e = git_tree_entry_byindex(t, i);
		const char *name = git_tree_entry_name(e);
		git_oid sub = *git_tree_entry_id(e), is = sub;
		uint64_t below = 0;
		int r = 0;

		if (interrupted)
			return -EINTR;
		bool tree = git_tree_entry_type(e) == GIT_OBJECT_TREE;

		/* Of folders those with a dot: others of such names hold what works with secrets. */
		if (st->filter && (!tree || *name == '.') && secret_name(&st->r->cfg, name, strlen(name))) {
			++*left;
			*ret_same = false;
			continue;
		}
		if (tree) {
			r = visit(st, &sub, depth + 1, &is, &below);
			*left += below;
		} else if (is_new(st, &sub)) {
			add_blob(st, &sub);
		}
		if (r < 0 || (r = add_row(b, e, &is)) < 0)
			return r;
		*ret_same &= git_oid_equal(&sub, &is);
	}
	return 0;
}

/* A tree of the store and all below it that is not there yet. */
static int visit(struct stage *st, const git_oid *id, unsigned depth, git_oid *ret, uint64_t *ret_left)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct seen *at = st->cap_tree ? slot_of(st->tree, st->cap_tree, id) : NULL;
	uint64_t left = 0;
	git_tree *t = NULL;
	git_oid is = *id;
	bool same;
	int r;

	if (at && !git_oid_is_zero(&at->was)) {
		*ret = at->is;
		*ret_left = at->left_out;
		return 0;
	}
	if (depth > DEPTH_LIMIT)
		return -ELOOP;
	if (!st->filter && !is_new(st, id)) {
		*ret = *id;
		*ret_left = 0;
		return 0;
	}
	if ((r = git_tree_lookup(&t, st->from, id)) < 0)
		return err_from_git(r);
	r = filter_entries(st, t, depth, &b, &same, &left);
	git_tree_free(t);
	if (r < 0)
		return r;
	if (!same && (r = git_odb_hash(&is, b.data ? b.data : "", b.len, GIT_OBJECT_TREE)) < 0)
		return err_from_git(r);
	if (!st->filter || is_new(st, &is)) {
		struct object *o = put_down(st, &is, GIT_OBJECT_TREE);

		if (!same) {
			o->own = b;
			b = (struct buf)BUF_INIT;
		}
	}
	*put(&st->tree, &st->n_tree, &st->cap_tree, id) = (struct seen){ *id, is, left };
	*ret = is;
	*ret_left = left;
	return 0;
}

/* What the staging repository holds of a tree need not come again. */
static int hide_tree(struct stage *st, const git_oid *id, unsigned depth)
{
	git_tree *t = NULL;
	int r;

	if (depth > DEPTH_LIMIT)
		return -ELOOP;
	if (!is_new(st, id))
		return 0;
	if ((r = git_tree_lookup(&t, st->to, id)) < 0)
		return err_from_git(r);
	for (size_t i = 0; i < git_tree_entrycount(t) && r >= 0; i++) {
		const git_tree_entry *e = git_tree_entry_byindex(t, i);

		if (git_tree_entry_type(e) == GIT_OBJECT_TREE)
			r = hide_tree(st, git_tree_entry_id(e), depth + 1);
		else
			(void)is_new(st, git_tree_entry_id(e));
	}
	git_tree_free(t);
	return r;
}

/* ---- commits ---- */

enum { TREE_LINE = 46, PARENT_LINE = 48 };	/* "tree " or "parent ", 40 digits, a newline */

static int commit_text(struct stage *st, const git_oid *id, const git_oid *tree, struct buf *ret)
{
	git_odb_object *o = NULL;
	char want[TREE_LINE + PARENT_LINE + 1], hex[41];
	const char *text;
	size_t n, head, skip = TREE_LINE;
	int r = git_odb_read(&o, st->odb, id);

	if (r < 0)
		return err_from_git(r);
	text = git_odb_object_data(o);
	n = git_odb_object_size(o);
	if (git_odb_object_type(o) != GIT_OBJECT_COMMIT || n < TREE_LINE || memcmp(text, "tree ", 5) != 0) {
		git_odb_object_free(o);
		return -EBADMSG;
	}
	if (n >= TREE_LINE + PARENT_LINE && !memcmp(text + TREE_LINE, "parent ", 7))
		skip += PARENT_LINE;
	head = (size_t)snprintf(want, sizeof(want), "tree %s\n", git_oid_tostr(hex, sizeof(hex), tree));
	if (st->has_tip)
		head += (size_t)snprintf(want + head, sizeof(want) - head, "parent %s\n",
			git_oid_tostr(hex, sizeof(hex), &st->tip));
	r = buf_add(ret, want, head) | buf_add(ret, text + skip, n - skip);
	if (head != skip || memcmp(want, text, head) != 0)
		r |= buf_printf(ret, "\nHoldfast-Id: %s\n", git_oid_tostr(hex, sizeof(hex), id));
	git_odb_object_free(o);
	return r ? -ENOMEM : 0;
}

int stage_add(struct stage *st, const struct oid *id, const struct oid *tree)
{
	autoput(buf_release) struct buf text = BUF_INIT;
	git_oid commit, was, is = { 0 };
	uint64_t left = 0;
	int r;

	memcpy(commit.id, id->b, 20);
	memcpy(was.id, tree->b, 20);
	st->lot = (st->lot + 1) % LOTS;
	if ((r = visit(st, &was, 0, &is, &left)) < 0 || (r = commit_text(st, &commit, &is, &text)) < 0)
		return r;
	if ((r = git_odb_hash(&st->tip, text.data, text.len, GIT_OBJECT_COMMIT)) < 0)
		return err_from_git(r);
	st->has_tip = true;
	st->left_out = left;
	if (is_new(st, &st->tip)) {
		put_down(st, &st->tip, GIT_OBJECT_COMMIT)->own = text;
		text = (struct buf)BUF_INIT;
	}
	return 0;
}

/* ---- packs ---- */

static int on_bytes(const void *p, size_t n, void *arg)
{
	return interrupted ? -EINTR : pack_data(arg, p, n);
}

static int pack_one(struct stage *st, git_odb *other, struct pack *p, const struct object *o)
{
	git_odb_object *data = NULL;
	struct oid id;
	uint64_t size;
	int r;

	if (o->own.len) {
		r = pack_object(p, &o->id, o->type, o->own.len);
		return r < 0 ? r : pack_data(p, o->own.data, o->own.len);
	}
	memcpy(id.b, o->id.id, 20);
	if (o->type == GIT_OBJECT_BLOB && !other) {	/* piece by piece */
		if ((r = store_blob_size(st->r->store, &id, &size)) < 0 || (r = pack_object(p, &o->id, o->type, size)) < 0)
			return r;
		return store_stream_blob(st->r->store, &id, on_bytes, p);
	}
	if ((r = git_odb_read(&data, other ? other : st->odb, &o->id)) < 0)
		return err_from_git(r);
	r = pack_object(p, &o->id, o->type, git_odb_object_size(data));
	if (r == 0)
		r = pack_data(p, git_odb_object_data(data), git_odb_object_size(data));
	git_odb_object_free(data);
	return r;
}

static bool is_in(const struct object *o, unsigned lot)
{
	return lot == LOTS || o->lot == lot;
}

/* Half of what there is: a mirror never fills the disk, and no snapshot is to go for it. */
int stage_room(struct recover *r, uint64_t *ret, int *ret_err)
{
	struct store_room m;
	int e = store_room(r->store, &r->cfg, &m);

	if (e == 0)
		*ret = store_room_left(&m, ret_err) / 2;
	return e;
}

static int limit(struct stage *st, struct pack *p)
{
	uint64_t left;
	int err, r = stage_room(st->r, &left, &err);

	if (r == 0)
		pack_limit(p, left ? left : 1, err);
	return r;
}

/* other: where the objects are read from, NULL: the store. lot: those of it, LOTS: all. */
static int pack_all(struct stage *st, git_odb *other, const char *git_dir, unsigned lot)
{
	autofree char *folder = xasprintf("%s/objects/pack", git_dir);
	autoclose int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct pack *p = NULL;
	uint32_t n = 0;
	int r;

	if (dirfd < 0)
		return -errno;
	pack_sweep(dirfd);	/* one at a time: mirror.h */
	if (st->n > UINT32_MAX / 2)
		return -EFBIG;
	for (size_t i = 0; i < st->n; i++)
		n += is_in(&st->object[i], lot);
	if (!n)
		return 0;
	if ((r = pack_begin(dirfd, n, &p)) < 0)
		return r;
	if ((r = limit(st, p)) < 0) {
		pack_drop(p);
		return r;
	}
	for (size_t i = 0; i < st->n; i++)
		if (is_in(&st->object[i], lot) && ((r = interrupted ? -EINTR : pack_one(st, other, p, &st->object[i])) < 0 ||
			(r = pack_object_end(p)) < 0)) {
			pack_drop(p);
			return r;
		}
	return pack_finish(p);
}

static void forget_objects(struct stage *st)
{
	for (size_t i = 0; i < st->n; i++)
		buf_release(&st->object[i].own);
	st->n = 0;
	st->bytes = 0;
}

static int set_main(git_repository *repo, git_odb *odb, const git_oid *tip)
{
	git_reference *ref = NULL;
	int r = git_odb_refresh(odb);

	if (r == 0)
		r = git_reference_create(&ref, repo, "refs/heads/main", tip, 1, NULL);
	git_reference_free(ref);
	return err_from_git(r);
}

int stage_flush(struct stage *st)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < LOTS; i++)
		r = pack_all(st, NULL, git_repository_path(st->to), i);
	if (r == 0 && st->has_tip)
		r = set_main(st->to, st->to_odb, &st->tip);
	forget_objects(st);
	return r;
}

uint64_t stage_bytes(const struct stage *st)
{
	return st->bytes;
}

const git_oid *stage_tip(const struct stage *st)
{
	return st->has_tip ? &st->tip : NULL;
}

uint64_t stage_left_out(const struct stage *st)
{
	return st->left_out;
}

/* ---- the repository ---- */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st, (void)flag, (void)at;
	(void)remove(path);
	return 0;
}

void stage_remove(const char *dir)
{
	(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void stage_unlock(const char *dir)
{
	static const char *const of[] = { "HEAD", "config", "shallow", "packed-refs", "refs/heads/main", MARKS_REF };

	for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
		autofree char *path = xasprintf("%s/%s.lock", dir, of[i]);

		(void)unlink(path);
	}
}

static int make(const char *dir, git_repository **ret)
{
	git_repository_init_options o;

	(void)git_repository_init_options_init(&o, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
	o.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKDIR;
	o.mode = 0700;		/* as closed as the store */
	o.initial_head = "main";
	return err_from_git(git_repository_init_ext(ret, dir, &o));
}

/* Is there a path that would have to be left out, in any snapshot? */
static int looks_secret(const char *path, const struct store_entry *e, void *arg)
{
	const char *name = strrchr(path, '/');
	struct stage *st = arg;

	(void)e;
	name = name ? name + 1 : path;
	st->filter |= secret_name(&st->r->cfg, name, strlen(name));
	return st->filter;
}

static int go_on_from(struct stage *st, const git_oid *tip)
{
	git_commit *c = NULL;
	int r = git_commit_lookup(&c, st->to, tip);

	if (r == 0)
		r = hide_tree(st, git_commit_tree_id(c), 0);
	else
		r = err_from_git(r);
	git_commit_free(c);
	if (r < 0)
		return r == -EINTR || r == -ENOMEM ? r : -ENOENT;
	(void)is_new(st, tip);
	st->tip = *tip;
	st->has_tip = true;
	return set_main(st->to, st->to_odb, tip);
}

static int open_all(struct stage *st, const char *dir, const git_oid *tip)
{
	int r = store_git(st->r->store, &st->from, &st->odb);

	if (r < 0 || (r = store_paths(st->r->store, looks_secret, st)) < 0)
		return r;
	if (!tip)
		stage_remove(dir);
	r = tip ? err_from_git(git_repository_open_bare(&st->to, dir)) : make(dir, &st->to);
	if (r == 0)
		r = err_from_git(git_repository_odb(&st->to_odb, st->to));
	if (r < 0)
		return tip && r != -ENOMEM ? -ENOENT : r;
	return tip ? go_on_from(st, tip) : 0;
}

int stage_open(struct recover *r, const char *dir, const git_oid *tip, struct stage **ret)
{
	struct stage *st = xcalloc(1, sizeof(*st));
	int e;

	st->r = r;
	if ((e = open_all(st, dir, tip)) < 0) {
		stage_close(st);
		return e;
	}
	*ret = st;
	return 0;
}

void stage_close(struct stage *st)
{
	if (!st)
		return;
	forget_objects(st);
	git_odb_free(st->to_odb);
	git_repository_free(st->to);
	free(st->object);
	free(st->tree);
	free(st->there);
	free(st);
}

/* ---- letting go of what is behind ---- */

static void add_files(const char *folder, uint64_t *sum)
{
	autoclosedir DIR *d = opendir(folder);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		struct stat st;

		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			*sum += (uint64_t)st.st_size;
	}
}

/* In packs, and each by itself: so git may have left them that fetched a few. */
static uint64_t object_bytes(const char *git_dir)
{
	uint64_t sum = 0;
	autofree char *packs = xasprintf("%s/objects/pack", git_dir);

	add_files(packs, &sum);
	for (unsigned i = 0; i < 256; i++) {
		autofree char *folder = xasprintf("%s/objects/%02x", git_dir, i);

		add_files(folder, &sum);
	}
	return sum;
}

static int add_there(struct stage *st, const git_oid *id, unsigned depth)
{
	git_tree *t = NULL;
	int r;

	if (depth > DEPTH_LIMIT)
		return -ELOOP;
	if (!is_new(st, id))
		return 0;
	if ((r = git_tree_lookup(&t, st->to, id)) < 0)
		return err_from_git(r);
	(void)put_down(st, id, GIT_OBJECT_TREE);
	for (size_t i = 0; i < git_tree_entrycount(t) && r >= 0; i++) {
		const git_tree_entry *e = git_tree_entry_byindex(t, i);

		if (git_tree_entry_type(e) == GIT_OBJECT_TREE)
			r = add_there(st, git_tree_entry_id(e), depth + 1);
		else if (is_new(st, git_tree_entry_id(e)))
			(void)put_down(st, git_tree_entry_id(e), GIT_OBJECT_BLOB);
	}
	git_tree_free(t);
	return r;
}

/* A new repository with the tip alone, beside the old one. */
static int make_small(struct stage *st, const char *dir)
{
	autofree char *line = xasprintf("%s\n", git_oid_tostr((char[41]){ 0 }, 41, &st->tip));
	git_repository *small = NULL;
	git_commit *c = NULL;
	git_odb *odb = NULL;
	int r = err_from_git(git_commit_lookup(&c, st->to, &st->tip)), fd;

	forget_objects(st);
	st->n_there = st->cap_there = 0;
	free(take_ptr(st->there));
	if (r == 0 && (r = add_there(st, git_commit_tree_id(c), 0)) == 0) {
		(void)put_down(st, &st->tip, GIT_OBJECT_COMMIT);
		stage_remove(dir);
		r = make(dir, &small);
	}
	if (r == 0)
		r = pack_all(st, st->to_odb, dir, LOTS);
	if (r == 0)
		r = err_from_git(git_repository_odb(&odb, small));
	if (r == 0)
		r = set_main(small, odb, &st->tip);
	if (r == 0 && (fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0) {
		r = io_replace_file(fd, "shallow", line, strlen(line), 0600);
		(void)close(fd);
	}
	git_commit_free(c);
	git_odb_free(odb);
	git_repository_free(small);
	return r;
}

int stage_shrink(struct stage *st, const char *dir)
{
	autofree char *small = xasprintf("%s.new", dir), *old = xasprintf("%s.old", dir), *note = xasprintf("%s/small", dir);
	autofree char *size = NULL;
	autoput(buf_release) struct buf b = BUF_INIT;
	uint64_t had = 0, now = object_bytes(dir);
	int r;

	if (io_read_file(AT_FDCWD, note, 32, &b) == 0 && b.data)
		had = strtoull(b.data, NULL, 10);
	if (now < had + had / 2 + SLACK || !st->has_tip) {
		stage_close(st);
		return 0;
	}
	r = make_small(st, small);
	stage_close(st);
	if (r == 0) {
		autofree char *at = xasprintf("%s/small", small);
		int fd = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

		size = xasprintf("%llu\n", (unsigned long long)object_bytes(small));
		if (fd >= 0) {
			(void)!write(fd, size, strlen(size));
			(void)close(fd);
		}
		stage_remove(old);
		/* Killed between these two: stage_mend. */
		r = rename(dir, old) < 0 || rename(small, dir) < 0 ? -errno : 0;
	}
	stage_remove(r == 0 ? old : small);
	return r;
}

void stage_mend(const char *dir)
{
	autofree char *small = xasprintf("%s.new", dir), *old = xasprintf("%s.old", dir);

	/* The old one: it has all that the new one has, and was synced long ago. */
	if (access(dir, F_OK) < 0)
		(void)rename(old, dir);
	stage_remove(old);
	stage_remove(small);
}
