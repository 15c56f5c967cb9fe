/* Damage that costs nothing: one flipped bit anywhere in the log; a lost tree, as long as the rows are there. And a lost
 * sector, which takes contents, and never a name, and never gives a wrong byte. */
#include "rot.h"

#include "store/portion.h"

#include <git2.h>
#include <stdlib.h>

#define SNAPSHOTS 60
#define PATHS 24

/* ---- a store, and what it holds ---- */

static char *held[SNAPSHOTS + 1];	/* each snapshot, as expect() has it */

static void text_of(int i, int version, char out[200])
{
	int n = 20 + (i * 37 + version * 11) % 90;

	for (int k = 0; k < n; k++)
		out[k] = "abcdefghijklmnopqrstuvwxyz "[(i * 7 + version * 13 + k * k) % 27];
	out[n] = 0;
}

static void path_of(int i, char out[40])
{
	static const char *const dirs[] = { "", "sub/", "sub/deep/", "other/" };

	sprintf(out, "%sfile %d", dirs[i % 4], i);
}

static char *listing_of(struct store *s, uint64_t seq)
{
	struct listing l = { .s = s };

	ck_assert_int_eq(store_walk_at(s, seq, "", list_one, &l), 0);
	return buf_detach(&l.text, NULL);
}

static void put_dir(struct store_txn *t, const char *path)
{
	struct stat st = { .st_mode = S_IFDIR | 0755 };

	ck_assert_int_eq(store_txn_dir(t, path, &st), 0);
}

static void many_snapshots(const char *name)
{
	struct store *s = new_store(name);
	int version[PATHS] = { 0 };

	for (int n = 1; n <= SNAPSHOTS; n++) {
		struct store_txn *t = begin(s);

		if (n == 1) {
			put_dir(t, "sub");
			put_dir(t, "sub/deep");
			put_dir(t, "other");
		}
		for (int k = n == 1 ? PATHS : 1 + (int)check_below(3); k-- > 0;) {
			int i = n == 1 ? k : (int)check_below(PATHS);
			char path[40], text[200];

			path_of(i, path);
			if (n > 1 && check_below(12) == 0) {
				(void)store_txn_gone(t, path);
				continue;
			}
			text_of(i, ++version[i], text);
			put(t, path, text);
		}
		/* What comes back again and again, alike in two folders: any of them may be taken for the other. */
		put(t, check_below(2) ? "sub/flag" : "other/flag", check_below(2) ? "0" : "1");
		put(t, "always", (char[]){ (char)('0' + n % 10), (char)('0' + n / 10), 0 });
		commit(t);
	}
	for (int n = 1; n <= SNAPSHOTS; n++) {
		free(held[n]);
		held[n] = listing_of(s, (uint64_t)n);
	}
	store_close(s);
}

static void read_log(struct buf *b)
{
	char path[600];

	segment_path(1, path);
	buf_reset(b);
	ck_assert_int_eq(io_read_file(AT_FDCWD, path, 1 << 24, b), 0);
}

static void write_log(const struct buf *b)
{
	char path[600];
	autoclose int fd = -1;

	segment_path(1, path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, b->data, b->len, 0), (ssize_t)b->len);
}

static int count_entry(const char *root, const git_tree_entry *e, void *arg)
{
	(void)root, (void)e;
	++*(int *)arg;
	return 0;
}

/* What git is shown: diff, export and the mirror go by that. */
static void git_reads_all(const char *what)
{
	struct store *s = open_store(STORE_READ);
	git_repository *repo;
	git_odb *odb;

	ck_assert_int_eq(store_git(s, &repo, &odb), 0);
	for (int n = SNAPSHOTS; n >= 1; n--) {
		autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
		git_tree *tree;
		git_oid id;
		int k = 0;

		ck_assert_int_eq(store_by_seq(s, (uint64_t)n, &sn), 0);
		memcpy(id.id, sn.tree.b, 20);
		ck_assert_msg(git_tree_lookup(&tree, repo, &id) == 0, "%s: git cannot read snapshot %d", what, n);
		ck_assert_int_eq(git_tree_walk(tree, GIT_TREEWALK_PRE, count_entry, &k), 0);
		ck_assert_int_gt(k, 0);
		git_tree_free(tree);
	}
	store_close(s);
}

static void same_as_before(const char *what)
{
	struct store *s = open_store(STORE_READ);

	for (int n = 1; n <= SNAPSHOTS; n++) {
		autofree char *now = listing_of(s, (uint64_t)n);

		ck_assert_msg(strcmp(now, held[n]) == 0, "%s: snapshot %d was\n%sis\n%s", what, n, held[n], now);
	}
	store_close(s);
}

/* ---- one bit ---- */

START_TEST(store_mend__one_flipped_bit_costs_nothing)
{
	autoput(buf_release) struct buf log = BUF_INIT;

	many_snapshots("bit");
	read_log(&log);
	for (size_t bit = check_below(600); bit < log.len * 8; bit += 1 + check_below(1500)) {
		char what[60];
		struct store *s;
		struct found f;

		log.data[bit / 8] ^= (char)(1 << bit % 8);
		write_log(&log);
		sprintf(what, "byte %zu, bit %zu", bit / 8, bit % 8);
		drop("damaged");
		same_as_before(what);
		s = open_store(STORE_READ);
		f = verify(s);
		ck_assert_msg(f.n > 0, "%s: verify does not see it", what);
		ck_assert_msg(f.last == 0 && !f.catalogue, "%s: verify names a snapshot, or the catalogue", what);
		store_close(s);
		log.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	write_log(&log);
}
END_TEST

/* What is written on is whole on the disk: nobody need put it right. */
START_TEST(store_mend__the_next_snapshot_stands_on_no_flipped_bit)
{
	autoput(buf_release) struct buf log = BUF_INIT, whole = BUF_INIT;

	many_snapshots("stand");
	read_log(&whole);
	for (int i = 0; i < 60; i++) {
		size_t bit = 8 * SEG_HEADER + check_below((uint32_t)(whole.len - SEG_HEADER) * 8);
		autofree char *now = NULL;
		char path[600];
		struct store *s;
		uint64_t seq;

		write_log(&whole);
		segment_path(1, path);
		ck_assert_int_eq(truncate(path, (off_t)whole.len), 0);
		buf_reset(&log);
		ck_assert_int_eq(buf_add(&log, whole.data, whole.len), 0);
		log.data[bit / 8] ^= (char)(1 << bit % 8);
		write_log(&log);
		drop_catalogue();
		drop("damaged");
		drop("log/acked");
		s = open_store(STORE_READ);
		(void)verify(s);		/* it is noted */
		store_close(s);
		s = open_store(STORE_WRITE);
		seq = snapshot(s, "always", "anew");
		store_close(s);
		s = open_store(STORE_READ);
		s->strict = true;		/* its trees; what nobody stored again may be as it was */
		free(listing_of(s, seq));
		store_close(s);
		s = open_store(STORE_READ);
		now = listing_of(s, seq);
		ck_assert_msg(!strchr(now, '?') && strstr(now, "always=anew\n"), "byte %zu, bit %zu:\n%s", bit / 8, bit % 8, now);
		store_close(s);
	}
}
END_TEST

/* ---- trees ---- */

struct frames {
	uint64_t off[4000];
	uint32_t len[4000];
	size_t n;
};

static int add_trees(struct store *s, const struct head *h, void *arg)
{
	struct frames *x = arg;

	(void)s;
	for (uint32_t i = 0; i < h->n_frames && x->n < 4000; i++) {
		const struct frame *f = &h->frames[i];

		if (f->type != OBJ_TREE)
			continue;
		x->off[x->n] = f->off;
		x->len[x->n++] = f->stored;
	}
	return 0;
}

START_TEST(store_mend__a_lost_tree_costs_nothing)
{
	static struct frames x;
	struct store *s;

	many_snapshots("tree");
	x.n = 0;
	s = open_store(STORE_READ);
	ck_assert_int_eq(log_each_head(s, add_trees, &x), 0);
	store_close(s);
	ck_assert_uint_gt(x.n, SNAPSHOTS);
	for (size_t i = 0; i < x.n; i++) {
		uint64_t at = x.off[i] + check_below(x.len[i]);
		struct found f;
		char what[60];

		flip(1, at, 1);
		sprintf(what, "tree %zu of %zu", i, x.n);
		drop("damaged");
		same_as_before(what);
		if (i % 8 == 0)
			git_reads_all(what);
		s = open_store(STORE_READ);
		f = verify(s);
		ck_assert_msg(f.n > 0 && !f.catalogue, "%s: %d", what, f.n);
		store_close(s);
		flip(1, at, 1);
	}
}
END_TEST

/* ---- more ---- */

/* Line by line: what it was, or that it is lost. */
static int lost_lines(const char *now, const char *was)
{
	int lost = 0;

	while (*was) {
		size_t n = strcspn(was, "="), line;

		ck_assert_msg(strncmp(now, was, n + 1) == 0, "not the same names:\n%s\n%s", now, was);
		if (was[n] == '=' && strncmp(now + n, "=?\n", 3) == 0) {
			lost++;
			now += n + 3;
			/* a content may have several lines, none of them with a '=' */
			was += n + 1;
			while (*was) {
				line = strcspn(was, "\n");
				was += line + (was[line] == '\n');
				if (strncmp(was, now, strcspn(now, "=\n")) == 0)
					break;
			}
			continue;
		}
		line = strcspn(was, "\n");
		ck_assert_msg(strncmp(now, was, line + 1) == 0, "not the same:\n%s\n%s", now, was);
		now += line + 1;
		was += line + (was[line] == '\n');
	}
	ck_assert_str_eq(now, "");
	return lost;
}

START_TEST(store_mend__a_lost_sector_gives_no_wrong_name_and_no_wrong_byte)
{
	autoput(buf_release) struct buf log = BUF_INIT;
	int lost = 0, hit = 0;

	many_snapshots("sector");
	read_log(&log);
	for (size_t at = 512; at + 512 < log.len; at += 512) {
		char was[512];
		struct store *s;

		memcpy(was, log.data + at, 512);
		memset(log.data + at, 0, 512);
		write_log(&log);
		memcpy(log.data + at, was, 512);
		drop("damaged");
		s = open_store(STORE_READ);
		for (int n = 1; n <= SNAPSHOTS; n++) {
			autofree char *now = listing_of(s, (uint64_t)n);
			int k = lost_lines(now, held[n]);

			lost += k;
			hit += k > 0;
		}
		store_close(s);
	}
	ck_assert_int_gt(hit, 0);
	printf("sectors: %d names lost in %d snapshots, of all that there were\n", lost, hit);
}
END_TEST

/* A model beside the notes: a hole in it is no hole in them. */
START_TEST(store_mend__a_hole_in_a_large_file_leaves_the_small_ones)
{
	static char large[200001];
	struct store *s = new_store("large");
	struct store_txn *t = begin(s);
	struct listing l = { .s = s };
	struct store_entry e;
	autohead struct head *h = NULL;
	loc_t loc;

	for (size_t i = 0; i < sizeof(large) - 1; i++)
		large[i] = (char)(1 + check_below(255));
	put(t, "a model", large);
	put(t, "notes", "text");
	put(t, "todo", "more text");
	commit(t);
	ck_assert_int_eq(store_entry_at(s, 1, "a model", &e), 0);
	ck_assert_int_eq(obj_find(s, &e.oid, &loc), 0);
	ck_assert_int_eq(head_get(s, loc_seg(loc), loc_off(loc), &h), 0);
	flip(1, head_frame(h, loc_idx(loc))->off + 1000, 2);
	store_close(s);
	l.s = s = open_store(STORE_READ);
	ck_assert_int_eq(store_walk_at(s, 1, "", list_one, &l), 0);
	ck_assert_str_eq(l.text.data, "a model=?\nnotes=text\ntodo=more text\n");
	buf_release(&l.text);
	store_close(s);
}
END_TEST

static int cut_short(void *arg)
{
	return --*(int *)arg < 0 ? -EINTR : 0;
}

/* Each snapshot that is taken ends a look for rot: what is left of the portion is still to be done, and no more than that. */
START_TEST(store_check__a_portion_that_is_cut_short_goes_on)
{
	struct store *s = new_store("portion");
	struct checked whole = { .time_ns = 5 }, c = whole;
	struct store_txn *t = begin(s);
	uint64_t share;
	int n = 0, r, left;

	for (int i = 0; i < 12; i++) {
		char path[8], text[200001] = "";

		snprintf(path, sizeof(path), "f%d", i);
		for (int k = 0; k < 200000; k++)
			text[k] = (char)(1 + check_below(255));
		put(t, path, text);
	}
	commit(t);
	share = store_check_size(s) / 2;
	ck_assert_int_eq(store_check_portion(s, &whole, share, 9, NULL, NULL), 0);
	ck_assert_int_eq(whole.time_ns, 9);
	while (left = 0, (r = store_check_portion(s, &c, share, 8 + ++n, cut_short, &left)) == -EINTR) {
		ck_assert_int_eq(c.time_ns, 5);
		ck_assert_int_lt(n, 100);
		ck_assert_int_eq(checked_write(s, &c), 0);
		ck_assert_int_eq(checked_read(s, &c), 0);
	}
	ck_assert_int_eq(r, 0);
	ck_assert_int_ge(n, 3);
	ck_assert_int_eq(c.time_ns, 8 + n);
	ck_assert(c.seg == whole.seg && c.off == whole.off);
	/* The next is a whole one again. */
	ck_assert_int_eq(store_check_portion(s, &c, share / 2, 99, NULL, NULL), 0);
	ck_assert_int_eq(store_check_portion(s, &whole, share / 2, 99, NULL, NULL), 0);
	ck_assert(c.seg == whole.seg && c.off == whole.off);
	/* One of before, which did not know of this. */
	write_text("checked", "1 1 64 7 0 0 0 0 0\n");
	ck_assert_int_eq(checked_read(s, &c), 0);
	ck_assert(c.time_ns == 7 && c.off == 64);
	store_close(s);
}
END_TEST

CHECK_MAIN("store_mend", store_mend__a_hole_in_a_large_file_leaves_the_small_ones, store_mend__one_flipped_bit_costs_nothing,
	store_mend__the_next_snapshot_stands_on_no_flipped_bit, store_mend__a_lost_tree_costs_nothing,
	store_mend__a_lost_sector_gives_no_wrong_name_and_no_wrong_byte,
	store_check__a_portion_that_is_cut_short_goes_on)
