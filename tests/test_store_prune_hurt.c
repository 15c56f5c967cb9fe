/* Pruning what is damaged: what cannot be read does not keep the rest from going. */
#include "rot.h"

static const struct store_retention hard = { .all_s = 1 };

static void text(int i, char *p)
{
	uint32_t s = (uint32_t)i * 7 + 1;

	for (int k = 0; k < 20000; k++) {
		s = s * 1664525 + 1013904223;
		p[k] = "abcdefghijklmnop"[s >> 28];
	}
	p[20000] = 0;
}

static void keep_first(struct store *s)
{
	ck_assert_int_eq(store_mark_set(s, "first", 1), 0);
}

static struct store_pruned prune(struct store *s, bool slices)
{
	struct store_prune_options o = { .keep = hard, .min_dead = 1, .now_ns = INT64_C(4000000000) * 1000000000 };
	struct store_pruned d;
	struct store_prune *p;
	int r;

	ck_assert_int_eq((slices ? store_prune_open : store_prune_begin)(s, &o, &p), 0);
	while ((r = store_prune_step(p, slices ? 1 : 0)) == 1)
		;
	ck_assert_int_eq(r, 0);
	store_prune_end(p, &d);
	return d;
}

static void read_back(struct store *s, uint64_t seq, const char *path, const char *want)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct store_entry e;

	ck_assert_int_eq(store_entry_at(s, seq, path, &e), 0);
	ck_assert_int_eq(store_read_blob(s, &e.oid, 1 << 20, &b), 0);
	ck_assert_uint_eq(b.len, strlen(want));
	ck_assert(memcmp(b.data, want, b.len) == 0);
}

/* A tree of the oldest that stays is lost: what is older than it stays, the dozens after it go all the same. */
static void one(const char *name, const char *folder, bool slices)
{
	static char p[20001], mine[20001];
	struct store *s = new_store(name);
	struct store_pruned d;
	struct store_txn *t = begin(s);
	uint64_t before;
	struct oid id;

	text(1000, mine);
	put(t, "sub/kept", mine);
	put(t, "top", "top");
	ck_assert_uint_eq(commit(t), 1);
	keep_first(s);
	tree_of(s, folder, &id);
	for (int i = 0; i < 20; i++) {
		text(i, p);
		snapshot(s, "sub/other", p);
	}
	snapshot(s, "sub/kept", "short");
	store_close(s);
	s = open_store(STORE_READ);
	hurt(s, &id, false);
	store_close(s);

	/* Those after it are made against it, but the next one, which makes good what it can. */
	s = open_store(STORE_WRITE);
	ck_assert_uint_eq(snapshot(s, "top", "new"), 23);
	before = store_count(s);
	d = prune(s, slices);
	ck_assert_uint_eq(before, 23);
	ck_assert_uint_eq(d.kept, 2);
	ck_assert_uint_eq(d.dropped, 21);
	ck_assert_uint_eq(d.hurt, 1);
	ck_assert_uint_eq(store_count(s), 2);
	/* The newest is whole. */
	read_back(s, 23, "sub/kept", "short");
	read_back(s, 23, "sub/other", p);
	/* What only the lost tree names is still there for who finds the tree again (repair, a copy). */
	{
		struct oid blob;

		store_hash("blob", mine, strlen(mine), &blob);
		ck_assert_int_eq(store_has(s, &blob), 1);
	}
	store_close(s);
	drop_catalogue();
	s = open_store(STORE_WRITE);
	ck_assert_uint_eq(store_count(s), 2);
	read_back(s, 23, "sub/other", p);
	store_close(s);
}

START_TEST(store_prune__what_is_damaged_stays_and_the_rest_goes)
{
	one("root", "", false);
	one("folder", "sub", false);
	one("slices", "sub", true);
}
END_TEST

/* A catalogue that lacks a snapshot, as no damage of a page leaves it: the log has it, and keeps what it wants. */
START_TEST(store_prune__nothing_goes_on_the_word_of_the_catalogue_alone)
{
	static char mine[20001], p[20001];
	struct store *s = new_store("word");
	sqlite3 *db;

	text(1000, mine);
	snapshot(s, "lost", mine);
	snapshot(s, "a", "one");
	ck_assert_int_eq(store_mark_set(s, "first", 1), 0);
	for (int i = 0; i < 8; i++) {
		text(i, p);
		snapshot(s, "lost", p);
	}
	db = cat_db(s->cat);
	ck_assert_int_eq(sqlite3_exec(db, "DELETE FROM snapshot WHERE seq=1; DELETE FROM mark", NULL, NULL, NULL), SQLITE_OK);
	(void)prune(s, false);
	store_close(s);
	drop_catalogue();
	s = open_store(STORE_READ);
	read_back(s, 1, "lost", mine);
	store_close(s);
}
END_TEST

CHECK_MAIN("store_prune_hurt", store_prune__what_is_damaged_stays_and_the_rest_goes,
	store_prune__nothing_goes_on_the_word_of_the_catalogue_alone)
