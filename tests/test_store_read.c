/* The reading side against a catalogue, a log and a system that fail: an answer is right and whole, or an error. */
#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/auto.h"
#include "lib/io.h"
#include "lib/log.h"
#include "store/internal.h"

static char dir[512];		/* the store */

static void new_dir(const char *name)
{
	log_set_level(LOG_ERROR);
	snprintf(dir, sizeof(dir), "%s/%s", check_dir(NULL), name);
}

static struct store *open_with(enum store_mode mode, uint64_t segment_size)
{
	struct store_options opt = { .no_sync = true, .segment_size = segment_size };
	struct store *s;
	int r = store_open(dir, mode, &opt, &s);

	ck_assert_msg(r == 0, "open: %d", r);
	return s;
}

static struct store *open_store(enum store_mode mode)
{
	return open_with(mode, 0);
}

static struct store_txn *begin(struct store *s)
{
	struct store_txn *t;

	ck_assert_int_eq(store_txn_begin(s, &t), 0);
	return t;
}

static void put(struct store_txn *t, const char *path, const char *text)
{
	struct stat st = { .st_mode = S_IFREG | 0644, .st_size = (off_t)strlen(text) };

	ck_assert_int_eq(store_txn_bytes(t, path, &st, text, strlen(text)), 0);
}

static void put_dir(struct store_txn *t, const char *path)
{
	struct stat st = { .st_mode = S_IFDIR | 0755 };

	ck_assert_int_eq(store_txn_dir(t, path, &st), 0);
}

static void commit(struct store_txn *t)
{
	struct store_commit how = { .reason = REASON_MANUAL, .force = true };

	ck_assert_int_eq(store_txn_commit(t, &how, NULL), 1);
}

static void snapshot(struct store *s, const char *path, const char *text)
{
	struct store_txn *t = begin(s);

	put(t, path, text);
	commit(t);
}

static void file_path(const char *name, char out[600])
{
	snprintf(out, 600, "%s/%s", dir, name);
}

static void read_file(const char *name, struct buf *b)
{
	char path[600];

	file_path(name, path);
	buf_reset(b);
	ck_assert_int_eq(io_read_file(AT_FDCWD, path, 64 << 20, b), 0);
}

static void write_file(const char *name, const void *p, size_t n)
{
	char path[600];
	int fd;

	file_path(name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write_all(fd, p, n), 0);
	close(fd);
}

static void put_catalogue(const struct buf *b)
{
	static const char *const names[] = { "catalogue.db-wal", "catalogue.db-shm", "catalogue.bad" };
	char path[600];

	for (int i = 0; i < 3; i++) {
		file_path(names[i], path);
		(void)unlink(path);
	}
	write_file("catalogue.db", b->data, b->len);
}

static bool is_bad(void)
{
	char path[600];

	file_path("catalogue.bad", path);
	return access(path, F_OK) == 0;
}

/* Statements on the catalogue, behind the store's back. */
static void sql(const char *text)
{
	const char *vfs;
	char path[600];
	sqlite3 *db;

	file_path("catalogue.db", path);
	ck_assert_int_eq(pagesum_init(&vfs), 0);
	ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, vfs), SQLITE_OK);
	ck_assert_msg(sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static int64_t sql_number(const char *text)
{
	const char *vfs;
	char path[600];
	sqlite3_stmt *st;
	sqlite3 *db;
	int64_t v;

	file_path("catalogue.db", path);
	ck_assert_int_eq(pagesum_init(&vfs), 0);
	ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, vfs), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
	v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return v;
}

/* ---- counting answers ---- */

static int count_snapshot(const struct store_snapshot *sn, void *arg)
{
	(void)sn;
	++*(int *)arg;
	return 0;
}

static int count_mark(const char *name, uint64_t seq, void *arg)
{
	(void)name;
	(void)seq;
	++*(int *)arg;
	return 0;
}

static int count_entry(const char *path, const struct store_entry *e, void *arg)
{
	(void)path;
	(void)e;
	++*(int *)arg;
	return 0;
}

/* ---- damaged pages ---- */

enum { SNAPS = 300, ANSWERS = 10 };

static void ask_all(struct store *s, const struct oid *blob, int n[ANSWERS], int r[ANSWERS])
{
	struct store_totals t;
	struct oid id;

	memset(n, 0, ANSWERS * sizeof(*n));
	r[0] = store_list(s, 0, count_snapshot, &n[0]);
	r[1] = store_marks(s, count_mark, &n[1]);
	r[2] = store_history(s, "often", count_entry, &n[2]);
	r[3] = store_paths(s, count_entry, &n[3]);
	r[4] = store_walk_at(s, SNAPS, "", count_entry, &n[4]);
	r[5] = store_walk_at(s, 7, "", count_entry, &n[5]);
	r[6] = store_cur_dir(s, "d", count_entry, &n[6]);
	r[7] = store_totals(s, &t);
	n[7] = r[7] < 0 ? 0 : (int)(t.snapshots * 1000 + t.files * 10 + t.dirs);
	r[8] = n[8] = store_has(s, blob);
	memset(&id, 0x5a, sizeof(id));
	r[9] = store_changes(s, 1, count_entry, &n[9]);
}

/* SQLite says of a page what it cannot read only when it comes to it: in the middle of an answer. */
START_TEST(store_read__a_damaged_page_never_shortens_an_answer)
{
	autoput(buf_release) struct buf whole = BUF_INIT, hurt = BUF_INIT;
	int want[ANSWERS], got[ANSWERS], r[ANSWERS], errors = 0;
	struct store_entry e;
	struct store_txn *t;
	struct store *s;
	char text[200];

	new_dir("pages");
	s = open_store(STORE_WRITE);
	t = begin(s);
	put_dir(t, "d");
	for (int i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "d/a file with a long name to fill pages %d", i);
		put(t, text, text);
	}
	put(t, "often", "0");
	commit(t);
	for (int i = 2; i <= SNAPS; i++) {
		snprintf(text, sizeof(text), "version %d", i);
		snapshot(s, "often", text);
		snprintf(text, sizeof(text), "a mark with a long name that fills the pages of its table %d", i);
		ck_assert_int_eq(store_mark_set(s, text, (uint64_t)i), 0);
	}
	store_close(s);
	read_file("catalogue.db", &whole);
	ck_assert_int_eq(whole.len % 4096, 0);

	s = open_store(STORE_READ);
	ck_assert_int_eq(store_entry_at(s, 3, "often", &e), 0);
	ask_all(s, &e.oid, want, r);
	for (int i = 0; i < ANSWERS; i++)
		ck_assert_msg(r[i] >= 0 && want[i] > 0, "question %d: %d", i, r[i]);
	store_close(s);

	for (size_t page = 1; page < whole.len / 4096; page++) {
		buf_reset(&hurt);
		ck_assert_int_eq(buf_add(&hurt, whole.data, whole.len), 0);
		memset(hurt.data + page * 4096, page % 2 ? 0 : 0xff, 4096);
		put_catalogue(&hurt);
		s = open_store(STORE_READ);
		ask_all(s, &e.oid, got, r);
		for (int i = 0; i < ANSWERS; i++)
			ck_assert_msg(r[i] < 0 || got[i] == want[i], "page %zu, question %d: %d, not %d (%d)",
				page, i, got[i], want[i], r[i]);
		for (int i = 0; i < ANSWERS; i++)
			errors += r[i] < 0;
		store_close(s);
		if (!is_bad())
			continue;
		s = open_store(STORE_READ);	/* a new catalogue, and all answers */
		ask_all(s, &e.oid, got, r);
		ck_assert_int_eq(memcmp(got, want, sizeof(got)), 0);
		store_close(s);
	}
	ck_assert_int_gt(errors, 0);
}
END_TEST

/* ---- a catalogue that points elsewhere ---- */

static void assert_content(struct store *s, uint64_t seq, const char *path, const char *text)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct store_entry e;
	int r = store_entry_at(s, seq, path, &e);

	ck_assert_msg(r == 0, "%s: %d", path, r);
	r = store_read_blob(s, &e.oid, 1 << 20, &b);
	ck_assert_msg(r == 0, "%s: %d", path, r);
	ck_assert_uint_eq(b.len, strlen(text));
	ck_assert_mem_eq(b.data, text, b.len);
}

static void three_files(void)
{
	struct store *s = open_store(STORE_WRITE);

	snapshot(s, "a", "first");
	snapshot(s, "b", "second");
	snapshot(s, "c", "third");
	store_close(s);
}

static void assert_all_there(struct store *s)
{
	assert_content(s, 3, "a", "first");
	assert_content(s, 3, "b", "second");
	assert_content(s, 3, "c", "third");
}

START_TEST(store_read__a_wrong_location_is_looked_up_in_the_log)
{
	static const char *const wrong[] = {
		/* each object where another one is; in the middle of a record; in a segment that is not there; gone */
		"UPDATE recent SET loc=(SELECT min(loc) FROM recent) WHERE loc>(SELECT min(loc) FROM recent)",
		"UPDATE recent SET loc=loc+(3<<16)",
		"UPDATE recent SET loc=loc+(1<<44)",
		"DELETE FROM recent",
	};
	autoput(buf_release) struct buf whole = BUF_INIT;
	struct store_verify v = { .all = true };
	int64_t sum;
	struct store *s;

	new_dir("where");
	three_files();
	sum = sql_number("SELECT sum(loc) FROM (SELECT loc FROM recent UNION ALL SELECT loc FROM object)");
	read_file("catalogue.db", &whole);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		put_catalogue(&whole);
		sql(wrong[i]);
		s = open_store(STORE_READ);
		ck_assert_int_eq(store_verify(s, &v), 1);	/* it sees what a reader gets around */
		store_close(s);
		put_catalogue(&whole);
		sql(wrong[i]);
		s = open_store(STORE_READ);
		assert_all_there(s);
		store_close(s);
		ck_assert(is_bad());
		s = open_store(STORE_READ);
		assert_all_there(s);
		ck_assert_int_eq(store_verify(s, &v), 0);
		store_close(s);
		ck_assert(!is_bad());
		ck_assert_int_eq(sql_number("SELECT sum(loc) FROM"
			" (SELECT loc FROM recent UNION ALL SELECT loc FROM object)"), sum);
	}
}
END_TEST

/* ---- libgit2's view ---- */

START_TEST(store_read__an_object_in_both_tables_has_one_prefix)
{
	git_oid id = { .id = { 0 } }, got;
	struct store_snapshot sn;
	git_odb *odb;
	struct store *s;

	new_dir("prefix");
	three_files();
	sql("INSERT INTO object SELECT key, loc FROM recent");
	s = open_store(STORE_READ);
	ck_assert_int_eq(store_newest(s, &sn), 0);
	ck_assert_int_eq(store_git(s, NULL, &odb), 0);
	memcpy(id.id, sn.id.b, 5);
	ck_assert_int_eq(git_odb_exists_prefix(&got, odb, &id, 10), 0);
	ck_assert_mem_eq(got.id, sn.id.b, 20);
	store_snapshot_release(&sn);
	store_close(s);
}
END_TEST

/* ---- out of descriptors ---- */

/* So many segments that the one in question is not kept open. */
START_TEST(store_read__without_descriptors_nothing_is_missing)
{
	struct rlimit was, few;
	struct store_verify v = { .all = true };
	struct store_snapshot sn;
	struct store_entry e;
	struct store *s;
	git_odb *odb;
	git_oid id;
	char text[9000];
	int fd, r;

	new_dir("few");
	s = open_with(STORE_WRITE, 4096);
	for (int i = 1; i <= 44; i++) {
		char path[20];

		for (size_t k = 0; k < sizeof(text) - 1; k++)
			text[k] = (char)('a' + check_below(26));
		text[sizeof(text) - 1] = 0;
		snprintf(path, sizeof(path), "file %d", i);
		snapshot(s, path, text);
	}
	store_close(s);
	s = open_store(STORE_READ);
	ck_assert_int_eq(store_entry_at(s, 4, "file 4", &e), 0);
	ck_assert_int_eq(store_by_seq(s, 5, &sn), 0);
	store_close(s);

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = (struct rlimit){ 100, was.rlim_max };	/* a fourth is 32 at least */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	s = open_store(STORE_READ);
	ck_assert_int_eq(store_git(s, NULL, &odb), 0);
	fd = dup(0);
	close(fd);
	few = (struct rlimit){ (rlim_t)fd, was.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	memcpy(id.id, e.oid.b, 20);
	ck_assert_int_eq(store_has(s, &e.oid), -EMFILE);
	ck_assert_int_eq(git_odb_exists(odb, &id), 1);
	id.id[5] = 0;
	ck_assert_int_ne(git_odb_exists_prefix(&id, odb, &id, 10), GIT_ENOTFOUND);
	r = store_walk_at(s, 5, "", count_entry, &(int){ 0 });
	ck_assert_int_eq(r, -EMFILE);
	ck_assert_int_eq(store_verify(s, &v), -EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	ck_assert_int_eq(store_has(s, &e.oid), 1);
	ck_assert(!is_bad());
	ck_assert_int_eq(store_verify(s, &v), 0);
	store_snapshot_release(&sn);
	store_close(s);
}
END_TEST

/* ---- a reader that looks again ---- */

START_TEST(store_read__a_log_cut_and_grown_again_is_read_anew)
{
	autoput(buf_release) struct buf log = BUF_INIT;
	struct store_snapshot gone;
	struct store *s, *w;
	size_t one;

	new_dir("again");
	w = open_store(STORE_WRITE);
	snapshot(w, "a", "first");
	store_close(w);
	read_file("log/00000001.seg", &log);
	one = log.len;
	w = open_store(STORE_WRITE);
	snapshot(w, "b", "a second one that will be lost");
	store_close(w);
	s = open_store(STORE_READ);
	assert_content(s, 2, "b", "a second one that will be lost");

	write_file("log/00000001.seg", log.data, one);
	w = open_store(STORE_WRITE);
	snapshot(w, "b", "another second one");
	snapshot(w, "c", "and a third");
	store_close(w);
	ck_assert_int_eq(store_refresh(s), 1);
	/* The number of the lost one is not given again. */
	ck_assert_int_eq(store_by_seq(s, 2, &gone), -ENOENT);
	assert_content(s, 3, "b", "another second one");
	assert_content(s, 4, "c", "and a third");
	ck_assert(!is_bad());
	ck_assert_int_eq(store_refresh(s), 0);
	store_close(s);
}
END_TEST

/* ---- many questions at once ---- */

static int list_below(const struct store_snapshot *sn, void *arg)
{
	int n = 0, r = store_list(arg, sn->seq, count_snapshot, &n);

	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(n, (int)sn->seq - 1);
	return store_list(arg, sn->seq > 2 ? 2 : 1, list_below, arg);
}

START_TEST(store_read__a_callback_may_ask_the_same_question)
{
	struct store *s;

	new_dir("same");
	three_files();
	s = open_store(STORE_READ);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(store_list(s, 0, list_below, s), 0);
	store_close(s);
}
END_TEST

/* ---- lost records ---- */

struct ids {
	int n, unknown;
};

static int count_ids(const char *path, const struct store_entry *e, void *arg)
{
	static const struct oid none;
	struct ids *x = arg;

	(void)path;
	x->n++;
	x->unknown += memcmp(&e->oid, &none, sizeof(none)) == 0;
	return 0;
}

/* Whatever byte of the middle snapshot is wrong, the versions before and after it are told. */
START_TEST(store_read__history_goes_on_past_a_damaged_snapshot)
{
	autoput(buf_release) struct buf log = BUF_INIT;
	size_t end[4] = { 0 };
	int unknown = 0, whole = 0;

	new_dir("past");
	for (int i = 1; i <= 3; i++) {
		struct store *s = open_store(STORE_WRITE);
		struct store_txn *t = begin(s);
		char text[20];

		snprintf(text, sizeof(text), "version %d", i);
		put_dir(t, "sub");
		put(t, "sub/a", text);
		commit(t);
		store_close(s);
		read_file("log/00000001.seg", &log);
		end[i] = log.len;
	}
	for (size_t at = end[1]; at < end[2]; at++) {
		struct ids x = { 0, 0 };
		struct store *s;
		int r;

		log.data[at] ^= 0x11;
		write_file("log/00000001.seg", log.data, log.len);
		log.data[at] ^= 0x11;
		s = open_store(STORE_READ);
		r = store_history(s, "sub/a", count_ids, &x);
		ck_assert_msg(r == 0 && x.n == 3, "byte %zu: %d, %d versions", at, r, x.n);
		unknown += x.unknown;
		whole += !x.unknown;
		store_close(s);
	}
	ck_assert_int_gt(unknown, 0);
	ck_assert_int_gt(whole, 0);
}
END_TEST

/* A folder of thousands, half of it known from the tree alone. */
START_TEST(store_read__a_lossy_folder_is_listed_whole_and_at_once)
{
	enum { HALF = 6000 };
	autoput(buf_release) struct buf log = BUF_INIT;
	size_t end = 0;
	struct store *s;
	int n = 0;

	new_dir("lossy");
	s = open_store(STORE_WRITE);
	for (int k = 1; k <= 3; k++) {
		struct store_txn *t = begin(s);

		for (int i = 0; i < HALF; i++) {
			char name[40];

			snprintf(name, sizeof(name), "d/%05d in %d", i, k);
			if (k < 3)
				put(t, name, "");
		}
		put(t, "other", k == 1 ? "1" : k == 2 ? "2" : "3");
		commit(t);
		read_file("log/00000001.seg", &log);
		if (k == 2)
			end = log.len;
	}
	store_close(s);
	log.data[end - 1] ^= 1;		/* its snapshot record */
	write_file("log/00000001.seg", log.data, log.len);
	write_file("catalogue.bad", "", 0);
	s = open_store(STORE_READ);
	ck_assert_int_eq(store_dir_at(s, 3, "d", count_entry, &n), 0);
	ck_assert_int_eq(n, 2 * HALF);
	assert_content(s, 3, "d/00005 in 2", "");
	store_close(s);
}
END_TEST

/* ---- deep folders ---- */

/* Thousands of folders within each other need neither stack nor time by their square. */
START_TEST(store_read__folders_as_deep_as_they_come)
{
	enum { DEEP = 1200 };
	struct rlimit small;
	struct store_txn *t;
	struct store *s;
	char *path = calloc(2, DEEP + 10);
	size_t len = 0;
	int n = 0;

	ck_assert_ptr_nonnull(path);
	new_dir("deep");
	s = open_store(STORE_WRITE);
	t = begin(s);
	for (int i = 0; i < DEEP; i++) {
		len += (size_t)sprintf(path + len, i ? "/d" : "d");
		put_dir(t, path);
	}
	strcpy(path + len, "/f");
	put(t, path, "at the bottom");
	commit(t);
	store_close(s);

	ck_assert_int_eq(getrlimit(RLIMIT_STACK, &small), 0);
	small.rlim_cur = 256 << 10;
	ck_assert_int_eq(setrlimit(RLIMIT_STACK, &small), 0);
	s = open_store(STORE_READ);
	ck_assert_int_eq(store_walk_at(s, 1, "", count_entry, &n), 0);
	ck_assert_int_eq(n, DEEP + 1);
	ck_assert_int_eq(store_paths(s, count_entry, &n), 0);
	ck_assert_int_eq(store_changes(s, 1, count_entry, &n), 0);
	ck_assert_int_eq(n, 3 * (DEEP + 1));
	assert_content(s, 1, path, "at the bottom");
	store_close(s);
	free(path);
}
END_TEST

/* ---- what verify says ---- */

static int last_damage(struct store *s, struct store_verify *v)
{
	*v = (struct store_verify){ .all = true };
	return store_verify(s, v);
}

START_TEST(store_read__verify_tells_of_the_tail)
{
	autoput(buf_release) struct buf log = BUF_INIT, hurt = BUF_INIT;
	struct store_verify v;
	struct store *s, *w;
	size_t two = 0;
	char path[600];

	new_dir("tail");
	w = open_store(STORE_WRITE);
	snapshot(w, "a", "first");
	snapshot(w, "b", "second");
	read_file("log/00000001.seg", &log);
	two = log.len;
	snapshot(w, "c", "third");
	store_close(w);
	s = open_store(STORE_READ);
	ck_assert_int_eq(last_damage(s, &v), 0);
	ck_assert_uint_eq(v.after, 0);
	store_close(s);
	read_file("log/00000001.seg", &log);

	/* cut short, and log/acked says that it was acknowledged */
	write_file("log/00000001.seg", log.data, log.len - 1);
	write_file("catalogue.bad", "", 0);
	s = open_store(STORE_READ);
	ck_assert_int_eq(last_damage(s, &v), 1);
	ck_assert_uint_eq(v.after, log.len - 1 - two);
	store_close(s);

	/* cut short: never acknowledged, and said */
	file_path("log/acked", path);
	ck_assert_int_eq(unlink(path), 0);
	write_file("catalogue.bad", "", 0);
	s = open_store(STORE_READ);
	ck_assert_int_eq(last_damage(s, &v), 0);
	ck_assert_uint_eq(v.after, log.len - 1 - two);
	store_close(s);

	/* there to the end, but not whole */
	ck_assert_int_eq(buf_add(&hurt, log.data, log.len), 0);
	hurt.data[log.len - 1] ^= 4;
	write_file("log/00000001.seg", hurt.data, hurt.len);
	write_file("catalogue.bad", "", 0);
	s = open_store(STORE_READ);
	ck_assert_uint_eq(store_count(s), 2);
	ck_assert_int_eq(last_damage(s, &v), 1);
	ck_assert_uint_eq(v.after, log.len - two);
	store_close(s);

	/* the writer cuts it, and what it adds is no damage while it is at it */
	w = open_store(STORE_WRITE);
	s = open_store(STORE_READ);
	ck_assert_int_eq(last_damage(s, &v), 0);
	ck_assert_uint_eq(v.after, 0);
	write_file("log/00000001.seg", hurt.data, hurt.len);
	ck_assert_int_eq(last_damage(s, &v), 0);
	ck_assert_uint_eq(v.after, log.len - two);
	store_close(w);
	store_close(s);
}
END_TEST

/* ---- the machine's own settings ---- */

START_TEST(store_read__settings_for_tls_are_not_ours)
{
	static const char conf[] = "openssl_conf=all\n[all]\nalg_section=alg\n[alg]\ndefault_properties=fips=yes\n";
	char path[600];

	new_dir("tls");
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	write_file("openssl.cnf", conf, sizeof(conf) - 1);
	file_path("openssl.cnf", path);
	ck_assert_int_eq(setenv("OPENSSL_CONF", path, 1), 0);
	new_dir("tls-store");
	three_files();
}
END_TEST

CHECK_MAIN("store_read", store_read__a_damaged_page_never_shortens_an_answer,
	store_read__a_wrong_location_is_looked_up_in_the_log,
	store_read__an_object_in_both_tables_has_one_prefix,
	store_read__without_descriptors_nothing_is_missing,
	store_read__a_log_cut_and_grown_again_is_read_anew,
	store_read__a_callback_may_ask_the_same_question,
	store_read__history_goes_on_past_a_damaged_snapshot,
	store_read__a_lossy_folder_is_listed_whole_and_at_once,
	store_read__folders_as_deep_as_they_come, store_read__verify_tells_of_the_tail,
	store_read__settings_for_tls_are_not_ours)
