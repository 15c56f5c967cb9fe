/* tests/rot.h - a store that is to be hurt: words for the tests of what damage costs. */
#ifndef TESTS_ROT_H
#define TESTS_ROT_H

#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/internal.h"

static char dir[512];		/* the store */

static inline struct store *open_store(enum store_mode mode)
{
	struct store_options opt = { .no_sync = true };
	struct store *s;
	int r = store_open(dir, mode, &opt, &s);

	ck_assert_msg(r == 0, "open: %d", r);
	return s;
}

static inline struct store *new_store(const char *name)
{
	log_set_level(LOG_ERROR);
	snprintf(dir, sizeof(dir), "%s/%s", check_dir(NULL), name);
	return open_store(STORE_WRITE);
}

static inline struct store_txn *begin(struct store *s)
{
	struct store_txn *t;
	int r = store_txn_begin(s, &t);

	ck_assert_msg(r == 0, "begin: %d", r);
	return t;
}

static inline void put(struct store_txn *t, const char *path, const char *text)
{
	struct stat st = { .st_mode = S_IFREG | 0644, .st_size = (off_t)strlen(text) };
	int r = store_txn_bytes(t, path, &st, text, strlen(text));

	ck_assert_msg(r == 0, "%s: %d", path, r);
}

static inline uint64_t commit(struct store_txn *t)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	struct store_commit how = { .reason = REASON_MANUAL };
	int r = store_txn_commit(t, &how, &sn);

	ck_assert_msg(r == 1, "commit: %d", r);
	return sn.seq;
}

static inline uint64_t snapshot(struct store *s, const char *path, const char *text)
{
	struct store_txn *t = begin(s);

	if (text)
		put(t, path, text);
	else
		ck_assert_int_eq(store_txn_gone(t, path), 0);
	return commit(t);
}

static inline void segment_path(uint32_t no, char out[600])
{
	snprintf(out, 600, "%s/log/%08u.seg", dir, no);
}

static inline off_t log_size(void)
{
	char path[600];
	struct stat st;

	segment_path(1, path);
	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_size;
}

/* Two bits of a byte, bit and the third after it (again: as it was). One alone is put right in reading (test_store_mend). */
static inline void flip(uint32_t seg, uint64_t off, int bit)
{
	autoclose int fd = -1;
	char path[600];
	uint8_t b;

	segment_path(seg, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, &b, 1, (off_t)off), 1);
	b ^= (uint8_t)(1 << bit | 1 << (bit + 3) % 8);
	ck_assert_int_eq(pwrite(fd, &b, 1, (off_t)off), 1);
}

static inline void drop(const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)unlink(path);
}

static inline void drop_catalogue(void)
{
	drop("catalogue.db");
	drop("catalogue.db-wal");
	drop("catalogue.db-shm");
}

/* A bit in the stored bytes of an object, or in its record's head. */
static inline void hurt(struct store *s, const struct oid *id, bool in_head)
{
	autohead struct head *h = NULL;
	loc_t loc;

	ck_assert_int_eq(obj_find(s, id, &loc), 0);
	ck_assert_int_eq(head_get(s, loc_seg(loc), loc_off(loc), &h), 0);
	flip(loc_seg(loc), in_head ? h->off + 4 : head_frame(h, loc_idx(loc))->off, 3);
}

static inline void tree_of(struct store *s, const char *path, struct oid *ret)
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

static inline int list_one(const char *path, const struct store_entry *e, void *arg)
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
static inline void expect(struct store *s, uint64_t seq, const char *want)
{
	struct listing l = { .s = s };
	int r = store_walk_at(s, seq, "", list_one, &l);

	ck_assert_msg(r == 0, "snapshot %llu: %d", (unsigned long long)seq, r);
	ck_assert_str_eq(l.text.len ? l.text.data : "", want);
	buf_release(&l.text);
}

static inline void expect_now(struct store *s, const char *want)
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

static inline void note_damage(const struct store_damage *d, void *arg)
{
	struct found *f = arg;

	f->n++;
	if (d->last_seq > f->last)
		f->last = d->last_seq;
	if (strstr(d->what, "catalogue.db"))
		f->catalogue = true;
}

static inline struct found verify(struct store *s)
{
	struct found f = { 0 };
	struct store_verify v = { .all = true, .damage = note_damage, .arg = &f };
	int r = store_verify(s, &v);

	ck_assert_msg(r == (f.n > 0), "verify: %d with %d", r, f.n);
	return f;
}

static inline struct store *four_files(const char *name)
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

static inline void write_text(const char *name, const char *text)
{
	autoclose int fd = -1;
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

#endif
