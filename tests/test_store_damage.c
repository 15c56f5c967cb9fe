/* Rot in the log and in the catalogue: what it costs, that it is named, and that the next snapshot is whole. */
#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "store/internal.h"

static char dir[512];		/* the store */

static struct store *open_store(enum store_mode mode)
{
	struct store_options opt = { .no_sync = true };
	struct store *s;
	int r = store_open(dir, mode, &opt, &s);

	ck_assert_msg(r == 0, "open: %d", r);
	return s;
}

static struct store *new_store(const char *name)
{
	log_set_level(LOG_ERROR);
	snprintf(dir, sizeof(dir), "%s/%s", check_dir(NULL), name);
	return open_store(STORE_WRITE);
}

static struct store_txn *begin(struct store *s)
{
	struct store_txn *t;
	int r = store_txn_begin(s, &t);

	ck_assert_msg(r == 0, "begin: %d", r);
	return t;
}

static void put(struct store_txn *t, const char *path, const char *text)
{
	struct stat st = { .st_mode = S_IFREG | 0644, .st_size = (off_t)strlen(text) };
	int r = store_txn_bytes(t, path, &st, text, strlen(text));

	ck_assert_msg(r == 0, "%s: %d", path, r);
}

static uint64_t commit(struct store_txn *t)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	struct store_commit how = { .reason = REASON_MANUAL };
	int r = store_txn_commit(t, &how, &sn);

	ck_assert_msg(r == 1, "commit: %d", r);
	return sn.seq;
}

static uint64_t snapshot(struct store *s, const char *path, const char *text)
{
	struct store_txn *t = begin(s);

	if (text)
		put(t, path, text);
	else
		ck_assert_int_eq(store_txn_gone(t, path), 0);
	return commit(t);
}

static void segment_path(uint32_t no, char out[600])
{
	snprintf(out, 600, "%s/log/%08u.seg", dir, no);
}

static off_t log_size(void)
{
	char path[600];
	struct stat st;

	segment_path(1, path);
	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_size;
}

static void flip(uint32_t seg, uint64_t off, int bit)
{
	autoclose int fd = -1;
	char path[600];
	uint8_t b;

	segment_path(seg, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, &b, 1, (off_t)off), 1);
	b ^= (uint8_t)(1 << bit);
	ck_assert_int_eq(pwrite(fd, &b, 1, (off_t)off), 1);
}

static void drop(const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)unlink(path);
}

static void drop_catalogue(void)
{
	drop("catalogue.db");
	drop("catalogue.db-wal");
	drop("catalogue.db-shm");
}

/* A bit in the stored bytes of an object, or in its record's head. */
static void hurt(struct store *s, const struct oid *id, bool in_head)
{
	autohead struct head *h = NULL;
	loc_t loc;

	ck_assert_int_eq(obj_find(s, id, &loc), 0);
	ck_assert_int_eq(head_get(s, loc_seg(loc), loc_off(loc), &h), 0);
	flip(loc_seg(loc), in_head ? h->off + 4 : head_frame(h, loc_idx(loc))->off, 3);
}

static void tree_of(struct store *s, const char *path, struct oid *ret)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	autorbuf struct rbuf *tree = NULL;
	struct tree_entry t;

	ck_assert_int_eq(store_newest(s, &sn), 0);
	*ret = sn.tree;
	if (!*path)
		return;
	ck_assert_int_eq(obj_read_id(s, &sn.tree, NULL, &tree), 0);
	ck_assert_int_eq(tree_find(tree, path, strlen(path), &t), 0);
	*ret = t.oid;
}

struct listing {
	struct store *s;
	struct buf text;
};

static int list_one(const char *path, const struct store_entry *e, void *arg)
{
	struct listing *l = arg;
	int r = 0;

	if (e->kind == KIND_DIR)
		return buf_printf(&l->text, "%s/\n", path);
	if (e->kind == KIND_SKIPPED)
		return buf_printf(&l->text, "%s: %s\n", path, store_why_text(e->why));
	r |= buf_printf(&l->text, "%s=", path);
	if (store_read_blob(l->s, &e->oid, 1 << 20, &l->text) < 0)
		r |= buf_addstr(&l->text, "?");
	return r | buf_addch(&l->text, '\n');
}

/* One line for each path of a snapshot, "path=content". */
static void expect(struct store *s, uint64_t seq, const char *want)
{
	struct listing l = { .s = s };
	int r = store_walk_at(s, seq, "", list_one, &l);

	ck_assert_msg(r == 0, "snapshot %llu: %d", (unsigned long long)seq, r);
	ck_assert_str_eq(l.text.len ? l.text.data : "", want);
	buf_release(&l.text);
}

static void expect_now(struct store *s, const char *want)
{
	struct listing l = { .s = s };

	ck_assert_int_eq(store_cur_dir(s, "", list_one, &l), 0);
	ck_assert_str_eq(l.text.len ? l.text.data : "", want);
	buf_release(&l.text);
}

struct found {
	int n;
	uint64_t last;		/* the newest snapshot that is hit */
	bool catalogue;
};

static void note_damage(const struct store_damage *d, void *arg)
{
	struct found *f = arg;

	f->n++;
	if (d->last_seq > f->last)
		f->last = d->last_seq;
	if (strstr(d->what, "catalogue"))
		f->catalogue = true;
}

static struct found verify(struct store *s)
{
	struct found f = { 0 };
	struct store_verify v = { .all = true, .damage = note_damage, .arg = &f };
	int r = store_verify(s, &v);

	ck_assert_msg(r == (f.n > 0), "verify: %d with %d", r, f.n);
	return f;
}

/* ---- trees ---- */

static struct store *four_files(const char *name)
{
	struct store *s = new_store(name);
	struct store_txn *t = begin(s);

	put(t, "a", "a");
	put(t, "sub/b", "b");
	put(t, "sub/deep/c", "c");
	put(t, "z/d", "d");
	ck_assert_uint_eq(commit(t), 1);
	return s;
}

#define FOUR "a=a\nsub/\nsub/b=b\nsub/deep/\nsub/deep/c=c\nz/\nz/d=d\n"

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

/* ---- the last transaction ---- */

/* Every byte of the last snapshot: a flipped bit is rot, not a tear; nothing that was acknowledged is cut. */
START_TEST(store__no_flipped_bit_cuts_an_acknowledged_snapshot)
{
	struct store *s = four_files("rot");
	off_t from = log_size(), to;
	char path[600], torn[600];

	segment_path(1, path);
	snprintf(torn, sizeof(torn), "%s/log/torn", dir);
	ck_assert_uint_eq(snapshot(s, "sub/b", "a longer text, so that it has a frame of its own\n"), 2);
	store_close(s);
	to = log_size();
	for (off_t at = from; at < to; at++) {
		int bit = (int)check_below(8);
		struct found f;

		flip(1, (uint64_t)at, bit);
		drop_catalogue();
		s = open_store(STORE_WRITE);
		ck_assert_msg(log_size() == to && access(torn, F_OK) < 0, "byte %lld: cut", (long long)(at - from));
		expect(s, 1, FOUR);
		f = verify(s);
		ck_assert_msg(f.n > 0, "byte %lld, bit %d: not named", (long long)(at - from), bit);
		ck_assert_msg(!f.catalogue, "byte %lld, bit %d: the catalogue is named", (long long)(at - from), bit);
		ck_assert_uint_gt(snapshot(s, "z/d", "later"), 2);
		store_close(s);
		drop_catalogue();
		s = open_store(STORE_READ);
		ck_assert_uint_ge(store_count(s), 2);
		expect_now(s, "a=a\nsub/\nz/\n");
		store_close(s);
		ck_assert_int_eq(truncate(path, to), 0);
		flip(1, (uint64_t)at, bit);
		drop("log/acked");	/* it tells of what is no more */
		drop_catalogue();
		store_close(open_store(STORE_WRITE));
		ck_assert_int_eq(log_size(), to);
	}
}
END_TEST

static void zero_header(uint32_t seg)
{
	static const uint8_t z[SEG_HEADER];
	autoclose int fd = -1;
	char path[600];

	segment_path(seg, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, z, sizeof(z), 0), SEG_HEADER);
}

/* A lost header is damage, not a tear: with its copy nothing is missing, and the next writer mends it. */
START_TEST(store__a_lost_header_is_taken_from_its_copy)
{
	struct store *s = four_files("header");
	off_t size = log_size();

	store_close(s);
	for (int i = 0; i < 2; i++) {
		zero_header(1);
		if (i)
			drop("log/acked");
		drop_catalogue();
		s = open_store(STORE_READ);
		expect(s, 1, FOUR);
		ck_assert_int_eq(verify(s).n, 1);
		store_close(s);
		s = open_store(STORE_WRITE);
		ck_assert_int_eq(log_size(), size);
		expect(s, 1, FOUR);
		ck_assert_int_eq(verify(s).n, 0);
		store_close(s);
	}
}
END_TEST

/* Without the copy what is in the segment is lost, and named; nothing is cut, and the work goes on. */
START_TEST(store__a_lost_header_cuts_nothing)
{
	for (int i = 0; i < 2; i++) {		/* the catalogue is there, and gone */
		char name[16], torn[600], second[600];
		struct store *s;
		uint64_t seq;
		off_t size;

		snprintf(name, sizeof(name), "lost%d", i);
		s = four_files(name);
		size = log_size();
		store_close(s);
		zero_header(1);
		drop("log/headers");
		if (i)
			drop_catalogue();
		s = open_store(STORE_READ);
		ck_assert_int_gt(verify(s).n, 0);
		store_close(s);
		s = open_store(STORE_WRITE);
		seq = snapshot(s, "new", "work that came after");
		ck_assert_uint_gt(seq, 1);
		ck_assert_int_eq(log_size(), size);
		snprintf(torn, sizeof(torn), "%s/log/torn", dir);
		segment_path(2, second);
		ck_assert(access(torn, F_OK) < 0 && access(second, F_OK) == 0);
		store_close(s);
		/* The newest is not taken for a tear because its segment's neighbour is lost. */
		drop("log/acked");
		drop_catalogue();
		s = open_store(STORE_WRITE);
		ck_assert_uint_eq(store_count(s), 1);
		ck_assert_int_eq(log_size(), size);
		ck_assert_int_gt(verify(s).n, 0);
		store_close(s);
		ck_assert(access(torn, F_OK) < 0 && access(second, F_OK) == 0);
	}
}
END_TEST

/* What was cut off once is not thrown away by the next tear. */
START_TEST(store__what_was_cut_stays)
{
	struct store *s = four_files("torn");

	store_close(s);
	for (int i = 0; i < 20; i++) {
		autoclose int fd = -1;
		char path[600];
		struct stat st;

		segment_path(1, path);
		fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
		ck_assert_int_eq(write(fd, "unfinished, unfinished", (size_t)i + 1), i + 1);
		store_close(open_store(STORE_WRITE));
		snprintf(path, sizeof(path), i ? "%s/log/torn.%d" : "%s/log/torn", dir, i);
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_int_eq(st.st_size, i + 1);
		snprintf(path, sizeof(path), i > 16 ? "%s/log/torn.%d" : "%s/log/torn", dir, i - 16);
		ck_assert_int_eq(access(path, F_OK), i < 16 ? 0 : -1);
	}
}
END_TEST

static void write_text(const char *name, const char *text)
{
	autoclose int fd = -1;
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* The number that a killed writer left names a stranger by now: whoever takes the lock takes it away. */
START_TEST(store__no_stale_writer_is_named)
{
	struct store *s = four_files("stale");
	char path[600];
	struct stat st;

	store_close(s);
	write_text("lock", "1\n");
	drop_catalogue();
	store_close(open_store(STORE_READ));	/* makes the catalogue, in the writer's place */
	snprintf(path, sizeof(path), "%s/lock", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
}
END_TEST

/* A folder with something else in it is no place for a store, and stays as it is. */
START_TEST(store__a_strangers_folder_is_refused)
{
	char log[600];
	struct store *s;
	struct stat st;

	snprintf(dir, sizeof(dir), "%s/stranger", check_dir(NULL));
	ck_assert_int_eq(mkdir(dir, 0755), 0);
	write_text("catalogue.db", "my books");
	write_text("lock", "my notes on locks");
	ck_assert_int_eq(store_open(dir, STORE_WRITE, NULL, &s), -ENOTEMPTY);
	snprintf(log, sizeof(log), "%s/lock", dir);
	ck_assert_int_eq(stat(log, &st), 0);
	ck_assert_int_eq(st.st_size, 17);
	snprintf(log, sizeof(log), "%s/log", dir);
	ck_assert_int_lt(access(log, F_OK), 0);
	/* What a start that was killed leaves is none. */
	drop("catalogue.db");
	ck_assert_int_eq(mkdir(log, 0700), 0);
	store_close(open_store(STORE_WRITE));
}
END_TEST

static int count_piece(const void *p, size_t n, void *arg)
{
	(void)p;
	*(size_t *)arg += n;
	return 0;
}

/* A list of chunks that says 5 bytes and names a megabyte ten times gives no more than 5. */
START_TEST(store__a_large_file_is_no_larger_than_it_says)
{
	struct store *s = new_store("liar");
	struct store_txn *t = begin(s);
	struct store_entry was = { .kind = KIND_GONE };
	autoput(buf_release) struct buf list = BUF_INIT;
	autorbuf struct rbuf *zero = rbuf_new(1u << 20), *raw = NULL;
	struct oid chunk, id = { { 1 } };
	size_t got = 0;

	memset(zero->data, 0, zero->len);
	ck_assert_int_eq(put_bytes(t, zero->data, zero->len, &was, &chunk), 0);
	buf_add_varint(&list, 5);
	for (int i = 0; i < 10; i++) {
		buf_add_varint(&list, zero->len);
		buf_add(&list, chunk.b, 20);
	}
	raw = rbuf_new(list.len);
	memcpy(raw->data, list.data, list.len);
	ck_assert_int_eq(put_object(t, OBJ_LARGE, &id, raw, 0), 0);
	put(t, "a", "a");
	commit(t);
	ck_assert_int_eq(store_stream_blob(s, &id, count_piece, &got), -EBADMSG);
	ck_assert_uint_le(got, 5);
	store_close(s);
}
END_TEST

/* A look that found nothing new is remembered with what it saw. */
START_TEST(store__a_look_counts_from_when_it_was)
{
	struct store *s = new_store("look");
	struct store_commit how = { .reason = REASON_MANUAL };
	struct store_entry e;
	struct stat st = { .st_mode = S_IFREG | 0644, .st_size = 1, .st_ctim = { .tv_sec = 100 } };

	for (int i = 0; i < 2; i++) {
		struct store_txn *t = begin(s);

		st.st_ctim.tv_sec += 100;
		how.time_ns = (i + 1) * INT64_C(1000000000000);
		ck_assert_int_eq(store_txn_bytes(t, "a", &st, "a", 1), 0);
		ck_assert_int_eq(store_txn_commit(t, &how, NULL), i == 0);
		ck_assert_int_eq(store_cur_get(s, "a", &e), 0);
		ck_assert_int_eq(e.ctime_ns, st.st_ctim.tv_sec * INT64_C(1000000000));
		ck_assert_int_eq(e.seen_ns, i ? how.time_ns : 0);
	}
	store_close(s);
}
END_TEST

/* What says how far the log goes is not believed where it cannot be true. */
START_TEST(store__a_wrong_acknowledgement_is_ignored)
{
	struct store *s = four_files("wrong-ack");
	autoput(buf_release) struct buf acked = BUF_INIT;
	off_t one = log_size();
	char path[600];

	segment_path(1, path);
	ck_assert_uint_eq(snapshot(s, "b", "b"), 2);
	store_close(s);
	ck_assert_int_eq(io_read_file(AT_FDCWD, (snprintf(path, sizeof(path), "%s/log/acked", dir), path), 100, &acked), 0);
	ck_assert_uint_eq(acked.len, 16);
	/* The log was cut: an older copy of it, say. */
	segment_path(1, path);
	ck_assert_int_eq(truncate(path, one + 10), 0);
	drop_catalogue();
	s = open_store(STORE_WRITE);
	ck_assert_uint_eq(store_count(s), 1);
	ck_assert_int_eq(log_size(), one);
	ck_assert_uint_eq(snapshot(s, "a much longer name than the one it had before", "x"), 2);
	ck_assert_int_eq(verify(s).n, 0);
	store_close(s);
	drop_catalogue();
	/* And that of the longer log comes back. */
	snprintf(path, sizeof(path), "%s/log", dir);
	{
		autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		ck_assert_int_eq(io_replace_file(fd, "acked", acked.data, acked.len, 0600), 0);
	}
	s = open_store(STORE_WRITE);
	ck_assert_uint_eq(store_count(s), 2);
	ck_assert_int_eq(verify(s).n, 0);
	store_close(s);
}
END_TEST

/* ---- the catalogue ---- */

static void sql(const char *text)
{
	const char *vfs;
	char path[600];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/catalogue.db", dir);
	ck_assert_int_eq(pagesum_init(&vfs), 0);
	ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, vfs), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void wrong_places(const char *name, const char *text)
{
	struct store *s = four_files(name);
	struct found f;

	store_close(s);
	sql(text);
	s = open_store(STORE_READ);
	f = verify(s);
	ck_assert(f.catalogue);
	store_close(s);
	s = open_store(STORE_READ);	/* that was enough for a new one */
	ck_assert_int_eq(verify(s).n, 0);
	store_close(s);
	sql(text);
	s = open_store(STORE_READ);
	expect(s, 1, FOUR);
	store_close(s);
	s = open_store(STORE_WRITE);
	ck_assert_uint_eq(snapshot(s, "sub/b", "bb"), 2);
	store_close(s);
	s = open_store(STORE_READ);
	expect(s, 1, FOUR);
	ck_assert_int_eq(verify(s).n, 0);
	store_close(s);
}

START_TEST(store__wrong_places_in_the_catalogue_are_found_out_and_mended)
{
	wrong_places("moved", "UPDATE recent SET loc=loc+65536");
	wrong_places("swapped", "UPDATE recent SET loc=loc&~65535|((loc&65535)+1)");
	wrong_places("gone", "DELETE FROM recent WHERE key%2");
}
END_TEST

START_TEST(store__a_catalogue_removed_under_the_writer_is_made_again)
{
	struct store *s = four_files("removed"), *r;

	drop_catalogue();
	ck_assert_uint_eq(snapshot(s, "b", "b"), 2);
	ck_assert(store_forgot(s));
	r = open_store(STORE_READ);
	expect(r, 2, "a=a\nb=b\nsub/\nsub/b=b\nsub/deep/\nsub/deep/c=c\nz/\nz/d=d\n");
	store_close(r);
	store_close(s);
	ck_assert_int_eq(access((snprintf(dir + strlen(dir), 20, "/catalogue.db"), dir), F_OK), 0);
}
END_TEST

/* Not to be able to open it says nothing against it. */
START_TEST(store__a_catalogue_is_not_thrown_away_for_lack_of_descriptors)
{
	struct rlimit was, few;
	struct stat before, after;
	struct store *s = four_files("few");
	char path[600];
	int refused = 0;

	store_close(s);
	snprintf(path, sizeof(path), "%s/catalogue.db", dir);
	ck_assert_int_eq(stat(path, &before), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	for (rlim_t n = 0; n < 24; n++) {
		int r;

		few = was;
		few.rlim_cur = n;
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
		r = store_open(dir, STORE_WRITE, &(struct store_options){ .no_sync = true }, &s);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
		if (r == 0)
			store_close(s);
		refused += r < 0;
		ck_assert_int_eq(stat(path, &after), 0);
		ck_assert_uint_eq(before.st_ino, after.st_ino);
	}
	ck_assert_int_gt(refused, 3);
}
END_TEST

/* Pages of the index that SQLite finds wrong while a snapshot is written. */
START_TEST(store__a_rotten_page_does_not_stop_the_writer)
{
	autoput(buf_release) struct buf whole = BUF_INIT;
	struct store *s = four_files("page");
	struct store_txn *t;
	char path[600];
	int fd;

	t = begin(s);
	for (int i = 0; i < 400; i++) {
		snprintf(path, sizeof(path), "many/file-%d", i);
		put(t, path, path);
	}
	commit(t);
	store_close(s);
	snprintf(path, sizeof(path), "%s/catalogue.db", dir);
	ck_assert_int_eq(io_read_file(AT_FDCWD, path, 1 << 24, &whole), 0);
	for (size_t at = 4096; at < whole.len; at += 4096) {
		int r = -1;

		drop_catalogue();
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		ck_assert_int_eq(io_write_all(fd, whole.data, whole.len), 0);
		ck_assert_int_eq(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, (off_t)at), 8);
		close(fd);
		s = open_store(STORE_WRITE);
		/* The attempt that meets it may fail, the next ones may not. */
		for (int i = 0; r < 0 && i < 2; i++) {
			struct store_commit how = { .reason = REASON_MANUAL };
			char text[64];

			if (store_txn_begin(s, &t) < 0)
				continue;
			snprintf(text, sizeof(text), "%zu", at);
			r = 0;
			for (int k = 0; r == 0 && k < 400; k += 7) {
				char name[64];

				snprintf(name, sizeof(name), "many/file-%d", k);
				r = store_txn_bytes(t, name, &(struct stat){ .st_mode = S_IFREG | 0644 }, text, strlen(text));
			}
			if (r < 0)
				store_txn_abort(t);
			else
				r = store_txn_commit(t, &how, NULL);
		}
		ck_assert_msg(r == 1, "page at %zu: %d", at, r);
		store_close(s);
		s = open_store(STORE_READ);
		if (verify(s).n) {	/* what was not met, verify finds; the next one mends it */
			store_close(s);
			s = open_store(STORE_READ);
		}
		ck_assert_msg(verify(s).n == 0, "page at %zu", at);
		store_close(s);
		buf_reset(&whole);
		ck_assert_int_eq(io_read_file(AT_FDCWD, path, 1 << 24, &whole), 0);
	}
}
END_TEST

/* ---- odd input ---- */

static int64_t mtime_at(struct store *s, const char *path)
{
	struct store_entry e;

	ck_assert_int_eq(store_entry_at(s, 1, path, &e), 0);
	return e.mtime_ns;
}

START_TEST(store__times_out_of_range_are_the_nearest_there_are)
{
	static const struct { time_t sec; long ns; int64_t want; } x[] = {
		{ INT64_C(9223372036), 854775807, INT64_MAX }, { INT64_C(9223372036), 854775808, INT64_MAX },
		{ INT64_C(9223372037), 0, INT64_MAX }, { INT64_MAX, 999999999, INT64_MAX }, { INT64_MIN, 0, INT64_MIN },
		{ INT64_C(-9223372037), 145224192, INT64_MIN }, { INT64_C(-9223372037), 145224193, INT64_MIN + 1 },
		{ INT64_C(-9223372037), 145224191, INT64_MIN }, { -1, 1, -999999999 }, { 0, 0, 0 },
	};
	struct store *s = new_store("times");
	struct store_txn *t = begin(s);
	char name[16];

	for (int i = 0; i < 10; i++) {
		struct stat st = { .st_mode = S_IFREG | 0644, .st_mtim = { x[i].sec, x[i].ns } };

		snprintf(name, sizeof(name), "%d", i);
		ck_assert_int_eq(store_txn_bytes(t, name, &st, name, 1), 0);
	}
	commit(t);
	for (int again = 0; again < 2; again++) {
		for (int i = 0; i < 10; i++) {
			snprintf(name, sizeof(name), "%d", i);
			ck_assert_int_eq(mtime_at(s, name), x[i].want);
		}
		store_close(s);
		drop_catalogue();
		s = open_store(STORE_READ);
	}
	ck_assert_int_eq(verify(s).n, 0);
	store_close(s);
}
END_TEST

START_TEST(store__a_name_that_git_refuses_is_named_in_the_manifest)
{
	struct store *s = four_files("names");
	struct store_txn *t = begin(s);
	struct stat st = { .st_mode = S_IFDIR | 0755 };

	ck_assert_int_eq(store_txn_dir(t, "sub/.Git", &st), -EINVAL);
	ck_assert_int_eq(store_txn_skip(t, "sub/.Git", &st, WHY_NAME), 0);
	ck_assert_int_eq(store_txn_skip(t, "sub/.Git/in", &st, WHY_NAME), -EINVAL);
	ck_assert_uint_eq(commit(t), 2);
	for (int again = 0; again < 2; again++) {
		expect(s, 2, "a=a\nsub/\nsub/.Git: name git cannot hold\nsub/b=b\nsub/deep/\nsub/deep/c=c\nz/\nz/d=d\n");
		ck_assert_int_eq(verify(s).n, 0);
		store_close(s);
		drop_catalogue();
		s = open_store(STORE_WRITE);
	}
	t = begin(s);
	ck_assert_int_eq(store_txn_gone(t, "sub/.Git"), 0);
	ck_assert_uint_eq(commit(t), 3);
	expect(s, 3, FOUR);
	store_close(s);
}
END_TEST

#define DEEP 8000

/* Deeper than any stack would like, and not slower with every level. */
START_TEST(store__eight_thousand_folders_deep)
{
	autofree char *path = malloc(2 * DEEP + 8);
	struct store *s = new_store("deep");
	struct store_txn *t = begin(s);
	struct stat st = { .st_mode = S_IFDIR | 0755 };
	struct store_entry e;
	struct rusage u;
	double cpu;

	for (int i = 0; i < DEEP; i++) {
		path[2 * i] = 'd';
		path[2 * i + 1] = 0;
		ck_assert_int_eq(store_txn_dir(t, path, &st), 0);
		path[2 * i + 1] = '/';
	}
	strcpy(path + 2 * DEEP, "file");
	put(t, path, "down here");
	ck_assert_uint_eq(commit(t), 1);
	ck_assert_uint_eq(snapshot(s, path, "again"), 2);
	store_close(s);
	drop_catalogue();
	s = open_store(STORE_WRITE);
	ck_assert_int_eq(store_cur_get(s, path, &e), 0);
	ck_assert_int_eq(e.kind, KIND_FILE);
	ck_assert(!oid_zero(&e.oid));
	path[1] = 0;
	ck_assert_uint_eq(snapshot(s, path, NULL), 3);
	expect(s, 3, "");
	store_close(s);
	ck_assert_int_eq(getrusage(RUSAGE_SELF, &u), 0);
	cpu = (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6;
	printf("deep: %.2f s CPU\n", cpu);
	ck_assert_double_lt(cpu, 15);	/* 60 and more when each level walks all above it */
}
END_TEST

static int tell_one(const char *path, const struct store_entry *e, void *arg)
{
	return buf_printf(arg, "%s %d %o %lld %llu %02x%02x\n", path, (int)e->kind, e->mode, (long long)e->mtime_ns,
		(unsigned long long)e->size, e->oid.b[0], e->oid.b[1]);
}

static int tell_snapshot(const struct store_snapshot *sn, void *arg)
{
	return buf_printf(arg, "%llu %lld\n", (unsigned long long)sn->seq, (long long)sn->time_ns);
}

/* Everything that a reader says of the store; or that it cannot, and then another can. */
static void tell_all(struct buf *out)
{
	int r = -EBADMSG;

	for (int i = 0; r == -EBADMSG && i < 2; i++) {
		struct store *s = open_store(STORE_READ);

		buf_reset(out);
		r = store_list(s, 0, tell_snapshot, out);
		for (uint64_t seq = 39; r == 0 && seq; seq--)
			r = store_walk_at(s, seq, "", tell_one, out);
		store_close(s);
	}
	ck_assert_int_eq(r, 0);
}

/* Also where SQLite would only lose a row by it, and an older time would stand in its place. */
START_TEST(store__a_flipped_bit_of_the_catalogue_changes_no_answer)
{
	autoput(buf_release) struct buf db = BUF_INIT, want = BUF_INIT;
	struct stat st = { .st_mode = S_IFDIR | 0755 };
	struct store *s = new_store("cat-bits");
	char path[600];

	for (int i = 1; i < 40; i++) {
		struct store_txn *t = begin(s);
		char name[32];

		st.st_mtim.tv_sec = i;
		snprintf(name, sizeof(name), "d%d", i % 7);
		ck_assert_int_eq(store_txn_dir(t, name, &st), 0);
		snprintf(name, sizeof(name), "d%d/e%d", i % 3, i);
		ck_assert_int_eq(store_txn_dir(t, name, &st), 0);
		(void)commit(t);
	}
	store_close(s);
	tell_all(&want);
	snprintf(path, sizeof(path), "%s/catalogue.db", dir);
	ck_assert_int_ge(io_read_file(AT_FDCWD, path, 1 << 24, &db), 0);
	for (int i = 0; i < 300; i++) {
		autoput(buf_release) struct buf got = BUF_INIT;
		size_t at = check_rand() % db.len;
		char bit = (char)(1 << check_rand() % 8);
		autoclose int fd = -1;

		drop_catalogue();
		drop("catalogue.bad");
		db.data[at] ^= bit;
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		ck_assert_int_eq(io_write_all(fd, db.data, db.len), 0);
		db.data[at] ^= bit;
		tell_all(&got);
		ck_assert_msg(strcmp(got.data, want.data) == 0, "byte %zu, bit %d", at, bit);
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

		ck_assert_int_eq(obj_read_id(reader, &id, NULL, &raw), -EBADMSG);
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

/* ---- taken away under the writer ---- */

static void log_name(const char *name, char out[600])
{
	snprintf(out, 600, "%s/%s", dir, name);
}

static void put_four(struct store_txn *t)
{
	put(t, "a", "a");
	put(t, "sub/b", "b");
	put(t, "sub/deep/c", "c");
	put(t, "z/d", "d");
}

START_TEST(store__a_log_that_is_taken_away_is_begun_anew)
{
	struct store *s = four_files("log-gone");
	struct store_commit how = { .reason = REASON_MANUAL };
	char from[600], to[600];
	struct store_txn *t;

	log_name("log", from);
	log_name("elsewhere", to);
	ck_assert_uint_eq(snapshot(s, "a", "aa"), 2);
	ck_assert_int_eq(rename(from, to), 0);
	t = begin(s);
	ck_assert(store_forgot(s));
	put_four(t);
	ck_assert_uint_eq(commit(t), 3);	/* a number is given once, also if its snapshot is lost */
	ck_assert_uint_eq(store_count(s), 1);
	expect(s, 3, FOUR);
	ck_assert_int_eq(verify(s).n, 0);

	/* While one is written: it is not acknowledged. */
	t = begin(s);
	put(t, "a", "new");
	log_name("elsewhere2", to);
	ck_assert_int_eq(rename(from, to), 0);
	ck_assert_int_eq(store_txn_commit(t, &how, NULL), -ESTALE);
	t = begin(s);
	ck_assert(store_forgot(s));
	put_four(t);
	ck_assert_uint_eq(commit(t), 4);
	store_close(s);
	s = open_store(STORE_READ);
	expect(s, 4, FOUR);
	ck_assert_int_eq(verify(s).n, 0);
	store_close(s);
}
END_TEST

static void lose_segment(const char *name, uint32_t no)
{
	struct store_options opt = { .no_sync = true, .segment_size = 100 };	/* one for each */
	struct store_entry e;
	struct store_txn *t;
	struct store *s;
	char path[600];
	uint64_t seq;

	log_set_level(LOG_ERROR);
	snprintf(dir, sizeof(dir), "%s/%s", check_dir(NULL), name);
	ck_assert_int_eq(store_open(dir, STORE_WRITE, &opt, &s), 0);
	ck_assert_uint_eq(snapshot(s, "sub/b", "b"), 1);
	ck_assert_uint_eq(snapshot(s, "sub/deep/c", "c"), 2);
	ck_assert_uint_eq(snapshot(s, "a", "a"), 3);
	ck_assert_uint_eq(snapshot(s, "z/d", "d"), 4);
	(void)store_forgot(s);
	segment_path(no, path);
	ck_assert_int_eq(unlink(path), 0);

	t = begin(s);
	ck_assert(store_forgot(s));
	ck_assert_int_eq(store_cur_get(s, "z/d", &e) == 0 ? e.kind : KIND_GONE, no == 4 ? KIND_GONE : KIND_FILE);
	put_four(t);
	seq = commit(t);
	ck_assert_uint_eq(seq, 5);
	obj_cache_clear(s);
	expect(s, seq, FOUR);
	store_close(s);
	s = open_store(STORE_READ);
	expect(s, seq, FOUR);
	store_close(s);
	ck_assert_int_eq(store_open(dir, STORE_WRITE, &opt, &s), 0);
	t = begin(s);
	ck_assert(!store_forgot(s));	/* what is there is whole: the gap alone is not news */
	store_txn_abort(t);
	store_close(s);
}

START_TEST(store__a_segment_that_is_taken_away_is_noticed)
{
	lose_segment("first-gone", 1);
	lose_segment("middle-gone", 2);
	lose_segment("last-gone", 4);
}
END_TEST

CHECK_MAIN("store_damage", store__a_damaged_tree_does_not_stop_the_next_snapshot,
	store__without_tree_and_catalogue_nothing_is_guessed, store__a_lost_snapshot_leaves_nothing_behind,
	store__numbers_are_given_once, store__no_flipped_bit_cuts_an_acknowledged_snapshot,
	store__no_stale_writer_is_named, store__a_strangers_folder_is_refused,
	store__a_large_file_is_no_larger_than_it_says, store__a_look_counts_from_when_it_was,
	store__a_lost_header_is_taken_from_its_copy, store__a_lost_header_cuts_nothing, store__what_was_cut_stays,
	store__a_wrong_acknowledgement_is_ignored, store__wrong_places_in_the_catalogue_are_found_out_and_mended,
	store__a_catalogue_removed_under_the_writer_is_made_again,
	store__a_catalogue_is_not_thrown_away_for_lack_of_descriptors, store__a_rotten_page_does_not_stop_the_writer,
	store__times_out_of_range_are_the_nearest_there_are, store__a_name_that_git_refuses_is_named_in_the_manifest,
	store__eight_thousand_folders_deep, store__damage_that_was_found_is_not_in_new_snapshots,
	store__a_damaged_content_is_stored_again_when_it_is_read, store__a_log_that_is_taken_away_is_begun_anew,
	store__a_segment_that_is_taken_away_is_noticed, store__a_flipped_bit_of_the_catalogue_changes_no_answer)
