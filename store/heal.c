/* Damage to what is stored now, and how it ends.
 *
 * Whoever cannot read an object notes its id in a file beside the log; that outlives a reader. And
 * somebody may take log/ or a segment of it away while we write. The next transaction looks at
 * both: rows whose content is hit lose their stat data, so that the file is read and stored again;
 * trees that are hit are made again from the rows (build.c). New snapshots are whole then, and
 * older ones as far as they share the content. The rest is named, and `recover verify` names it
 * with its snapshots. */
#include <fcntl.h>
#include <string.h>

#include "../lib/names.h"
#include "../lib/text.h"
#include "internal.h"

#define NOTE "damaged"			/* 20 bytes each */
#define NOTE_MAX (20u << 16)
#define NAMED_MAX 20			/* so many paths are said one by one */
#define FRESH_NS 2000000000ll /* a folder's time does not tell changes apart that follow at once */

void heal_note(struct store *s, const struct oid *id)
{
	autoclose int fd = -1;
	struct stat st;

	/* What a transaction meets it stores again, or makes again. */
	if (s->unnoted || s->txn || oid_eq(&s->noted, id))
		return;
	s->noted = *id;
	fd = openat(s->dirfd, NOTE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size < NOTE_MAX)
		(void)io_write_all(fd, id->b, sizeof(id->b));	/* read-only, full: then not */
}

/* ---- the log's folder ---- */

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int log_reopen(struct store *s)
{
	struct stat there, ours;
	int fd, r;

	if (fstatat(s->dirfd, "log", &there, AT_SYMLINK_NOFOLLOW) < 0 ? errno != ENOENT :
	    fstat(s->logfd, &ours) < 0 || same_file(&there, &ours))
		return 0;
	if (mkdirat(s->dirfd, "log", 0700) == 0) {
		if ((r = io_sync_dir(s->dirfd)) < 0)
			return r;
	} else if (errno != EEXIST) {
		return err_errno();
	}
	fd = openat(s->dirfd, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_errno();
	seg_forget_all(s);
	close(s->logfd);
	s->logfd = fd;
	if (s->ackfd >= 0)
		close(s->ackfd);
	s->ackfd = -1;
	log_error(
		"%s/log was taken away: what it held is lost, and what is in the workspace now is "
		"stored again",
		s->dir);
	return 0;
}

void log_seen(struct store *s)
{
	struct stat st;

	s->log_known = seg_count(s, &s->n_log) == 0 && fstat(s->logfd, &st) == 0;
	if (s->log_known)
		s->log_ns = text_ns(&st.st_mtim);
	/* Numbers are left out where somebody took a segment away; whether it is missed, the
	 * catalogue knows. */
	s->gap = s->log_known && s->n_log < s->end.seg ? GAP_OLD : GAP_NONE;
}

int log_present(struct store *s)
{
	struct stat there, ours;
	struct segment *g;
	uint32_t n;
	int r;

	if (!s->log_known)
		return 0;
	if (fstatat(s->dirfd, "log", &there, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_errno();
	if (fstat(s->logfd, &ours) < 0)
		return err_errno();
	if (!same_file(&there, &ours))
		return 0;
	if (s->end.seg) {
		if ((r = seg_get(s, s->end.seg, &g)) < 0)
			return r == -ENOENT ? 0 : r == -EBADMSG ? 1 : r;
		if (fstat(g->fd, &ours) < 0)
			return err_errno();
		if (!ours.st_nlink || (uint64_t)ours.st_size < s->end.off)
			return 0;
	}
	if (text_ns(&there.st_mtim) == s->log_ns && text_now_ns() - s->log_ns > FRESH_NS)
		return 1;
	if ((r = seg_count(s, &n)) < 0)
		return r;
	if (n < s->n_log)
		s->gap = GAP_NEW;
	s->n_log = n;
	s->log_ns = text_ns(&there.st_mtim);
	return 1;
}

/* ---- what is hit ---- */

struct doubt {
	struct store *s;
	struct idset bad;	/* cannot be read */
	uint32_t *gone;		/* segments that are missed */
	size_t n_gone;
	size_t rows;		/* of these the content is hit */
};

static void doubt_release(struct doubt *x)
{
	idset_release(&x->bad);
	free(x->gone);
}

static int ignore_piece(const void *p, size_t n, void *arg)
{
	(void)p, (void)n, (void)arg;
	return 0;
}

/* Is it damaged still? A sound copy may have been stored since. 1, 0, or negative. */
static int is_bad(struct store *s, const struct oid *id)
{
	autorbuf struct rbuf *raw = NULL;
	uint8_t type = 0;
	int r = obj_read_id(s, id, &type, &raw);

	if (r == 0 && type == OBJ_LARGE)
		r = store_stream_blob(s, id, ignore_piece, NULL);
	return obj_is_lost(r) ? 1 : r;
}

static int read_note(struct doubt *x)
{
	autoclose int fd = openat(x->s->dirfd, NOTE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct oid id;
	uint64_t at = 0;
	int r = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno();
	for (; r >= 0 && at < NOTE_MAX; at += 20) {
		ssize_t n = io_pread_full(fd, id.b, 20, (off_t)at);

		if (n < 20) {
			r = n < 0 ? (int)n : 0;
			break;
		}
		if (!idset_get(&x->bad, &id) && (r = is_bad(x->s, &id)) == 1)
			r = idset_put(&x->bad, &id, 1);
	}
	x->s->note_size = at;
	return r < 0 ? r : 0;
}

/* Segments that objects are in, as the catalogue says, and that are not there. */
static int find_gone(struct doubt *x)
{
	sqlite3_stmt *st;
	int rc = SQLITE_DONE, r = query_stmt(x->s,
		"SELECT DISTINCT loc >> 44 FROM object UNION SELECT DISTINCT loc >> 44 FROM recent"
		" UNION SELECT DISTINCT loc >> 44 FROM collide", &st);

	if (r < 0)
		return r;
	while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		uint32_t no = (uint32_t)sqlite3_column_int64(st, 0);
		uint64_t size;
		void *p;

		if ((r = seg_size(x->s, no, &size)) != -ENOENT)
			continue;
		if (!(p = realloc(x->gone, (x->n_gone + 1) * sizeof(*x->gone)))) {
			r = -ENOMEM;
			break;
		}
		x->gone = p;
		x->gone[x->n_gone++] = no;
		r = 0;
	}
	return query_done(x->s, st, r, rc);
}

/* In a segment that is gone? 1, 0, or negative. */
static int is_gone(struct doubt *x, const struct oid *id, loc_t *ret)
{
	int r = cat_find(x->s, x->s->cat, id, ret);

	if (r < 0)
		return r == -ENOENT || r == -ESTALE ? 1 : r;
	for (size_t i = 0; i < x->n_gone; i++)
		if (x->gone[i] == loc_seg(*ret))
			return 1;
	return 0;
}

/* The same of a file's content, its pieces with it. */
static int content_gone(struct doubt *x, const struct oid *id)
{
	autohead struct head *h = NULL;
	autorbuf struct rbuf *raw = NULL;
	struct cursor c;
	loc_t loc;
	int r = is_gone(x, id, &loc);

	if (r != 0 || head_get(x->s, loc_seg(loc), loc_off(loc), &h) < 0 ||
	    loc_idx(loc) >= h->n_objs || head_frame(h, loc_idx(loc))->type != OBJ_LARGE)
		return r;
	if ((r = obj_read(x->s, loc, NULL, NULL, &raw)) < 0)
		return obj_is_lost(r) ? 1 : r;
	c = (struct cursor){ raw->data, raw->data + raw->len, 0 };
	(void)cur_varint(&c);
	while (r == 0 && c.p < c.end && !c.bad) {
		const uint8_t *p;
		struct oid part;

		(void)cur_varint(&c);
		if (!(p = cur_bytes(&c, 20)))
			return 1;
		memcpy(part.b, p, 20);
		r = is_gone(x, &part, &loc);
	}
	return r;
}

static int doubt_row(const char *path, const struct store_entry *e, void *arg)
{
	struct doubt *x = arg;
	int r = 0;

	if (!entry_has_oid(e))
		return 0;
	if (!idset_get(&x->bad, &e->oid) && (!x->n_gone || (r = content_gone(x, &e->oid)) <= 0))
		return r;
	if (x->rows++ < NAMED_MAX)
		log_warn("%s: its content is damaged in the store: it is read again", path);
	return cat_touch(x->s->cat, path, 0, 0, 0);
}

/* ---- trees ---- */

static int push_trees(const struct rbuf *tree, struct idset *seen, struct buf *todo)
{
	const uint8_t *p = tree->data, *end = p + tree->len;
	struct tree_entry e;
	int r;

	while ((r = tree_next(&p, end, &e)) == 1) {
		if (e.mode != 040000 || idset_get(seen, &e.oid))
			continue;
		if (idset_put(seen, &e.oid, 1) < 0 || buf_add(todo, e.oid.b, 20) < 0)
			return -ENOMEM;
	}
	return r;
}

/* Is some tree of the newest snapshot hit? 1, 0, or negative. */
static int trees_hit(struct store *s)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	autoput(idset_release) struct idset seen = { .n = 0 };
	autoput(buf_release) struct buf todo = BUF_INIT;
	int r = store_newest(s, &sn);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (buf_add(&todo, sn.tree.b, 20) < 0)
		return -ENOMEM;
	while (r == 0 && todo.len) {
		autorbuf struct rbuf *tree = NULL;
		struct oid id;

		memcpy(id.b, todo.data + todo.len - 20, 20);
		todo.len -= 20;
		if ((r = obj_read_id(s, &id, NULL, &tree)) == 0)
			r = push_trees(tree, &seen, &todo);
	}
	return obj_is_lost(r) ? 1 : r;
}

/* ---- the transaction ---- */

static void say_gone(const struct doubt *x)
{
	for (size_t i = 0; i < x->n_gone; i++)
		log_error("%s/log/%08u.seg is gone: what it held and is still in the workspace is "
			  "stored again; older snapshots have lost it (" RECOVER " verify)",
			x->s->dir, x->gone[i]);
}

static int look(struct store *s)
{
	autoput(doubt_release) struct doubt x = { .s = s };
	int r = s->gap ? find_gone(&x) : 0;

	if (r < 0 || (r = read_note(&x)) < 0)
		return r;
	if (!x.bad.n && !x.n_gone)
		return 0;
	if (x.n_gone)		/* what is open or in memory of it is not there for anybody else */
		seg_forget_all(s);
	if ((r = query_below(s, "", doubt_row, &x)) < 0 || (r = trees_hit(s)) < 0)
		return r;
	if (x.rows > NAMED_MAX)
		log_warn("%s: and that of %zu more files", s->dir, x.rows - NAMED_MAX);
	/* An old loss that costs nothing now is for verify to say. */
	if (s->gap == GAP_NEW || r == 1 || x.rows)
		say_gone(&x);
	s->hurt |= r == 1;
	s->forgot |= x.rows > 0;	/* they are to be read, whoever tells what changed */
	s->heal = r == 1 || x.rows;
	return 0;
}

int heal_begin(struct store *s)
{
	int r;

	s->heal = false;
	if (!s->gap && faccessat(s->dirfd, NOTE, F_OK, 0) < 0)
		return 0;
	s->unnoted = s->strict = true;	/* what is damaged is known, and is not to be put right in memory only */
	obj_cache_clear(s);	/* what is on the disk counts */
	r = look(s);
	s->unnoted = s->strict = false;
	return r;
}

bool store_present(struct store *s)
{
	return log_present(s) != 0 && s->gap != GAP_NEW && faccessat(s->dirfd, NOTE, F_OK, 0) < 0;
}

void heal_done(struct store *s)
{
	struct stat st;

	s->heal = false;
	s->gap = GAP_NONE;
	if (s->note_size && fstatat(s->dirfd, NOTE, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (uint64_t)st.st_size <= s->note_size)
		(void)unlinkat(s->dirfd, NOTE, 0);
	s->note_size = 0;
}
