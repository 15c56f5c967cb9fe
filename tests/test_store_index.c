/* Rot in the catalogue, and a catalogue that goes away: no answer is another. */
#include "rot.h"

#include <sys/resource.h>

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

CHECK_MAIN("store_index", store__wrong_places_in_the_catalogue_are_found_out_and_mended,
	store__a_catalogue_removed_under_the_writer_is_made_again,
	store__a_catalogue_is_not_thrown_away_for_lack_of_descriptors,
	store__a_rotten_page_does_not_stop_the_writer,
	store__a_flipped_bit_of_the_catalogue_changes_no_answer)
