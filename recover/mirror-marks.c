#include "mirror-marks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "recover.h"
#include "out.h"
#include "xalloc.h"

#define FILE_NAME "marks"

/* ---- to the mirror ---- */

struct telling {
	struct store *s;
	struct buf text;
};

static int tell(const char *name, uint64_t seq, void *arg)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	struct telling *t = arg;
	char hex[41];
	int r = store_by_seq(t->s, seq, &sn);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	id_hex(&sn.id, hex);
	return buf_printf(&t->text, "%s %s\n", hex, name);
}

static int write_commit(git_repository *repo, const struct buf *text, git_oid *ret)
{
	git_treebuilder *b = NULL;
	git_tree *tree = NULL;
	git_signature *who = NULL;
	git_oid blob, id;
	int e = git_blob_create_from_buffer(&blob, repo, text->data ? text->data : "", text->len);

	if (!e)
		e = git_treebuilder_new(&b, repo, NULL);
	if (!e)
		e = git_treebuilder_insert(NULL, b, FILE_NAME, &blob, GIT_FILEMODE_BLOB);
	if (!e)
		e = git_treebuilder_write(&id, b);
	if (!e)
		e = git_tree_lookup(&tree, repo, &id);
	if (!e)
		e = git_signature_new(&who, "Holdfast", "holdfast@localhost", 0, 0);
	if (!e)
		e = git_commit_create(ret, repo, NULL, who, who, NULL, "marks\n", tree, 0, NULL);
	git_signature_free(who);
	git_tree_free(tree);
	git_treebuilder_free(b);
	return err_from_git(e);
}

int marks_stage(struct store *s, git_repository *repo)
{
	struct telling t = { .s = s, .text = BUF_INIT };
	git_reference *ref = NULL;
	git_oid is, was;
	int r = store_marks(s, tell, &t);

	bool had = git_reference_name_to_id(&was, repo, MARKS_REF) == 0, any = t.text.len > 0;

	if (r == 0)
		r = write_commit(repo, &t.text, &is);
	buf_release(&t.text);
	if (r < 0)
		return r;
	if (had ? git_oid_equal(&was, &is) : !any)
		return 0;
	r = err_from_git(git_reference_create(&ref, repo, MARKS_REF, &is, 1, NULL));
	git_reference_free(ref);
	return r < 0 ? r : 1;
}

/* ---- from it ---- */

struct names {
	char **x;
	size_t n, cap;
};

static int add_name(const char *name, uint64_t seq, void *arg)
{
	struct names *l = arg;

	(void)seq;
	l->x = xgrow(l->x, l->n, &l->cap, sizeof(*l->x));
	l->x[l->n++] = xstrdup(name);
	return 0;
}

static int forget_all(struct store *s)
{
	struct names l = { 0 };
	int r = store_marks(s, add_name, &l);

	for (size_t i = 0; i < l.n; i++) {
		if (r == 0)
			r = store_mark_set(s, l.x[i], 0);
		free(l.x[i]);
	}
	free(l.x);
	return r;
}

/* The lines that say the snapshot hex. */
static int set_those(struct store *s, const char *text, const char *hex, uint64_t seq)
{
	for (const char *l = text, *end; *l; l = end + (*end == '\n')) {
		autofree char *name = NULL;
		int r;

		end = l + strcspn(l, "\n");
		if (end - l < 42 || l[40] != ' ' || strncmp(l, hex, 40) != 0)
			continue;
		name = xstrndup(l + 41, (size_t)(end - l - 41));
		/* A name that no store takes is no mark. */
		if ((r = store_mark_set(s, name, seq)) < 0 && r != -EINVAL && r != -ENOENT)
			return r;
	}
	return 0;
}

/* The commits back from the tip are the store's snapshots back from its newest. */
static int set_all(struct store *s, git_repository *repo, const git_oid *tip, const char *text)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	git_oid id = *tip;
	int r = store_newest(s, &sn);

	while (r == 0) {
		struct store_snapshot before = { 0 };
		git_commit *c = NULL;
		const char *own;
		char hex[41];
		bool first;

		if ((r = err_from_git(git_commit_lookup(&c, repo, &id))) < 0)
			return r;
		own = strstr(git_commit_message(c), "\nHoldfast-Id: ");
		(void)git_oid_tostr(hex, sizeof(hex), &id);
		if (own && strspn(own + 14, "0123456789abcdef") >= 40)
			memcpy(hex, own + 14, 40);
		first = !git_commit_parentcount(c);
		if (!first)
			id = *git_commit_parent_id(c, 0);
		git_commit_free(c);
		if ((r = set_those(s, text, hex, sn.seq)) < 0 || first)
			return r;
		r = store_before(s, sn.seq, &before);
		store_snapshot_release(&sn);
		sn = before;
	}
	return r == -ENOENT ? 0 : r;
}

int marks_take(struct store *s, git_repository *repo, const git_oid *tip)
{
	git_commit *c = NULL;
	git_tree *tree = NULL;
	git_blob *blob = NULL;
	git_oid id;
	int r = forget_all(s);

	if (r < 0 || git_reference_name_to_id(&id, repo, MARKS_REF) < 0)
		return r;
	r = err_from_git(git_commit_lookup(&c, repo, &id));
	if (r == 0)
		r = err_from_git(git_commit_tree(&tree, c));
	if (r == 0) {
		const git_tree_entry *e = git_tree_entry_byname(tree, FILE_NAME);

		r = e ? err_from_git(git_blob_lookup(&blob, repo, git_tree_entry_id(e))) : -ENOENT;
	}
	if (r == 0) {
		autofree char *text = xstrndup(git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));

		r = *text ? set_all(s, repo, tip, text) : 0;
	}
	git_blob_free(blob);
	git_tree_free(tree);
	git_commit_free(c);
	return r;
}
