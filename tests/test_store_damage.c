/* Rot in the log: what it costs, that it is named, and that the next snapshot is whole. */
#include "rot.h"

/* ---- trees ---- */

static void damaged_tree(const char *name, const char *folder)
{
	struct store *s = four_files(name);
	struct store_txn *t;
	struct found f;
	struct oid id;

	tree_of(s, folder, &id);
	store_close(s);
	s = open_store(STORE_READ);
	hurt(s, &id, false);
	store_close(s);

	s = open_store(STORE_WRITE);
	ck_assert_uint_eq(snapshot(s, "sub/deep/c", "new"), 2);
	expect(s, 2, "a=a\nsub/\nsub/b=b\nsub/deep/\nsub/deep/c=new\nz/\nz/d=d\n");
	t = begin(s);
	ck_assert_int_eq(store_txn_gone(t, "z"), 0);
	put(t, "sub/b", "bb");
	ck_assert_uint_eq(commit(t), 3);
	expect(s, 3, "a=a\nsub/\nsub/b=bb\nsub/deep/\nsub/deep/c=new\n");
	f = verify(s);
	ck_assert_uint_eq(f.last, 1);
	ck_assert(!f.catalogue);
	store_close(s);
	drop_catalogue();
	s = open_store(STORE_READ);
	expect(s, 2, "a=a\nsub/\nsub/b=b\nsub/deep/\nsub/deep/c=new\nz/\nz/d=d\n");
	expect(s, 3, "a=a\nsub/\nsub/b=bb\nsub/deep/\nsub/deep/c=new\n");
	store_close(s);
}

START_TEST(store__a_damaged_tree_does_not_stop_the_next_snapshot)
{
	damaged_tree("root-tree", "");
	damaged_tree("sub-tree", "sub");
}
END_TEST

/* The ids of files come from the trees: without both, the files must be read again, and are named until then. */
START_TEST(store__without_tree_and_catalogue_nothing_is_guessed)
{
	struct store *s = four_files("no-tree-no-catalogue");
	struct oid id;

	tree_of(s, "sub", &id);
	store_close(s);
	s = open_store(STORE_READ);
	hurt(s, &id, false);
	store_close(s);
	drop_catalogue();
	s = open_store(STORE_WRITE);
	ck_assert(store_forgot(s));
	ck_assert(!store_forgot(s));
	ck_assert_uint_eq(snapshot(s, "sub/new", "new"), 2);
	ck_assert_int_gt(verify(s).n, 0);
	ck_assert_uint_eq(snapshot(s, "sub/b", "b"), 3);
	store_close(s);
	s = open_store(STORE_READ);
	ck_assert_uint_eq(verify(s).last, 1);
	/* All trees of the first snapshot are in one frame. */
	expect(s, 3, "a: unreadable\nsub/\nsub/b=b\nsub/deep/\nsub/deep/c: unreadable\nsub/new=new\nz/\nz/d: unreadable\n");
	store_close(s);
}
END_TEST

/* ---- lost snapshots ---- */

/* The record of the second of three is not there any more. */
static void lose_second(bool in_head)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	struct store *s = open_store(STORE_READ);

	ck_assert_int_eq(store_by_seq(s, 2, &sn), 0);
	hurt(s, &sn.id, in_head);
	store_close(s);
	drop_catalogue();
}

static void lost_snapshot(const char *name, bool in_head)
{
	struct store *s = four_files(name);
	struct store_txn *t;

	if (in_head) {		/* with all that is in the record; and nothing later is a delta on it */
		store_close(s);
		ck_assert_int_eq(store_open(dir, STORE_WRITE, &(struct store_options){ .no_sync = true, .segment_size = 1 }, &s), 0);
	}
	t = begin(s);
	ck_assert_int_eq(store_txn_gone(t, "a"), 0);
	ck_assert_int_eq(store_txn_gone(t, "z"), 0);
	put(t, "sub/b", "changed");
	put(t, "more/e", "e");
	ck_assert_uint_eq(commit(t), 2);
	ck_assert_uint_eq(snapshot(s, "f", "f"), 3);
	store_close(s);
	lose_second(in_head);

	s = open_store(STORE_WRITE);
	ck_assert_uint_eq(store_count(s), 2);
	expect(s, 1, FOUR);
	if (!in_head)
		expect(s, 3, "f=f\nmore/\nmore/e=e\nsub/\nsub/b=changed\nsub/deep/\nsub/deep/c=c\nz/\n");
	/* What a scan compares with is what the tree has. */
	expect_now(s, "f=f\nmore/\nsub/\nz/\n");
	ck_assert_uint_eq(snapshot(s, "g", "g"), 4);
	expect(s, 4, in_head ? "f=f\ng=g\nmore/\nsub/\nsub/b=b\nsub/deep/\nsub/deep/c=c\nz/\n" :
		"f=f\ng=g\nmore/\nmore/e=e\nsub/\nsub/b=changed\nsub/deep/\nsub/deep/c=c\nz/\n");
	ck_assert_uint_lt(verify(s).last, 4);
	ck_assert_int_eq(store_mark_set(s, "lost", 2), -ENOENT);
	store_close(s);
}

START_TEST(store__a_lost_snapshot_leaves_nothing_behind)
{
	lost_snapshot("lost-record", false);
	lost_snapshot("lost-head", true);
}
END_TEST

/* The last one is lost, with or without its head: its number is not given again, and its mark is not another's. */
START_TEST(store__numbers_are_given_once)
{
	for (int in_head = 0; in_head < 2; in_head++) {
		autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
		struct store *s = four_files(in_head ? "once-head" : "once");
		uint64_t seq;

		ck_assert_uint_eq(snapshot(s, "b", "b"), 2);
		ck_assert_int_eq(store_mark_set(s, "mine", 2), 0);
		ck_assert_uint_eq(snapshot(s, "c", "c"), 3);
		ck_assert_int_eq(store_newest(s, &sn), 0);
		store_close(s);
		lose_second(false);
		s = open_store(STORE_READ);
		hurt(s, &sn.id, in_head);
		store_close(s);
		drop_catalogue();

		s = open_store(STORE_WRITE);
		ck_assert_uint_eq(store_count(s), 1);
		seq = snapshot(s, "d", "d");
		ck_assert_uint_gt(seq, 3);
		store_close(s);
		drop_catalogue();
		s = open_store(STORE_WRITE);
		ck_assert_uint_eq(snapshot(s, "e", "e"), seq + 1);
		expect(s, seq, "a=a\nd=d\nsub/\nsub/b=b\nsub/deep/\nsub/deep/c=c\nz/\nz/d=d\n");
		store_close(s);
	}
}
END_TEST

/* ---- what is hit is made good ---- */

/* Nobody touches the folder, and somebody has found it out: a reader in passing, or verify. */
static void found_damage(const char *name, bool tree, bool by_verify)
{
	struct store *s = four_files(name), *reader;
	struct store_entry e;
	struct store_txn *t;
	struct oid id;

	store_close(s);
	s = open_store(STORE_WRITE);
	ck_assert(!store_forgot(s));
	tree_of(s, "sub", &id);
	if (!tree) {
		ck_assert_int_eq(store_cur_get(s, "sub/b", &e), 0);
		ck_assert_int_ne(e.oid.b[0] | e.oid.b[1], 0);
		id = e.oid;
	}
	reader = open_store(STORE_READ);
	hurt(reader, &id, false);
	obj_cache_clear(s);
	if (by_verify) {
		ck_assert_int_gt(verify(reader).n, 0);
	} else {
		autorbuf struct rbuf *raw = NULL;
		int r = obj_read_id(reader, &id, NULL, &raw);

		/* What lies before the damage in its frame may come out right. */
		ck_assert(r == 0 || r == -EBADMSG);
	}
	store_close(reader);

	t = begin(s);
	/* The frame has all files in it: who only tells what changed is told to look at all. */
	ck_assert(tree || store_forgot(s));
	put(t, "z/d", "dd");
	if (!tree) {
		put(t, "a", "a");
		put(t, "sub/b", "b");
		put(t, "sub/deep/c", "c");
	}
	ck_assert_uint_eq(commit(t), 2);
	t = begin(s);
	ck_assert(!store_forgot(s));
	store_txn_abort(t);
	obj_cache_clear(s);
	expect(s, 2, "a=a\nsub/\nsub/b=b\nsub/deep/\nsub/deep/c=c\nz/\nz/d=dd\n");
	if (tree)
		ck_assert_uint_le(verify(s).last, 1);
	store_close(s);
}

START_TEST(store__damage_that_was_found_is_not_in_new_snapshots)
{
	found_damage("heal-tree", true, false);
	found_damage("heal-tree-verify", true, true);
	found_damage("heal-file", false, false);
	found_damage("heal-file-verify", false, true);
}
END_TEST

/* Also where nothing else changes: the same bytes once more are a snapshot then. */
START_TEST(store__a_damaged_content_is_stored_again_when_it_is_read)
{
	struct store *s = four_files("heal-same");
	struct store_commit how = { .reason = REASON_MANUAL };
	struct store_entry e;
	struct store_txn *t;

	ck_assert_int_eq(store_cur_get(s, "a", &e), 0);
	hurt(s, &e.oid, false);
	store_close(s);
	s = open_store(STORE_WRITE);
	for (int want = 1; want >= 0; want--) {
		t = begin(s);
		put(t, "a", "a");
		put(t, "sub/b", "b");
		put(t, "sub/deep/c", "c");
		put(t, "z/d", "d");
		ck_assert_int_eq(store_txn_commit(t, &how, NULL), want);
	}
	obj_cache_clear(s);
	expect(s, 1, FOUR);
	expect(s, 2, FOUR);
	store_close(s);
}
END_TEST

CHECK_MAIN("store_damage", store__a_damaged_tree_does_not_stop_the_next_snapshot,
	store__without_tree_and_catalogue_nothing_is_guessed,
	store__a_lost_snapshot_leaves_nothing_behind, store__numbers_are_given_once,
	store__damage_that_was_found_is_not_in_new_snapshots,
	store__a_damaged_content_is_stored_again_when_it_is_read)
