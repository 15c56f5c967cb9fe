#include "salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

#define SMALL (8u << 20)		/* larger ones go through a file */

struct salvage {
	struct store_salvage *v;
	struct store *from, *to;
	struct store_txn *t;
	uint64_t seq;			/* the snapshot at hand */
	bool hurt;			/* something in it is */
	struct idset lost;		/* contents that nobody has: looked for once */
};

static void hurt(struct salvage *x, const char *path, const char *what)
{
	x->v->paths_hurt += path != NULL;
	x->hurt = true;
	if (x->v->hurt)
		x->v->hurt(x->seq, path, what, x->v->arg);
}

static int stopped(const struct salvage *x)
{
	return x->v->stop && *x->v->stop ? -EINTR : 0;
}

static bool is_damage(int r)
{
	return obj_is_lost(r) || r == -ESTALE;
}

/* ---- contents ---- */

/* Only what is what it is said to be. */
static int put_fd(struct salvage *x, int fd, const struct store_entry *e, const struct store_entry *was)
{
	struct store_entry got;
	int r = put_file(x->t, fd, was, &got);

	return r < 0 ? r : oid_eq(&got.oid, &e->oid) ? 0 : -EBADMSG;
}

static int to_fd(const void *p, size_t n, void *arg)
{
	return io_write_all(*(int *)arg, p, n);
}

static int put_large(struct salvage *x, const struct store_entry *e, const struct store_entry *was)
{
	autoclose int fd = openat(x->to->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)	/* a file system without */
		fd = memfd_create("blob", MFD_CLOEXEC);
	if (fd < 0)
		return err_errno();
	r = store_stream_blob(x->from, &e->oid, to_fd, &fd);
	return r < 0 ? r : put_fd(x, fd, e, was);
}

static int put_small(struct salvage *x, const struct store_entry *e, const struct store_entry *was)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct oid id;
	int r = store_read_blob(x->from, &e->oid, SMALL, &b);

	if (r < 0)
		return r;
	store_hash("blob", b.data ? b.data : "", b.len, &id);
	if (!oid_eq(&id, &e->oid))
		return -EBADMSG;
	/* The version before of this path is what it is near to. */
	r = put_bytes(x->t, b.data ? b.data : "", b.len, was, &id);
	return r < 0 ? r : 0;
}

static int put_found(struct salvage *x, const char *path, const struct store_entry *e, const struct store_entry *was)
{
	autoclose int fd = x->v->find && e->kind == KIND_FILE ? x->v->find(path, e, x->v->arg) : -1;

	return fd < 0 ? -ENOENT : put_fd(x, fd, e, was);
}

/* 0: it is in the new store; 1: it is lost. */
static int put_content(struct salvage *x, const char *path, const struct store_entry *e,
	const struct store_entry *was)
{
	int r = store_has(x->to, &e->oid);

	if (r != 0)
		return r < 0 ? r : 0;
	r = idset_get(&x->lost, &e->oid) ? -EBADMSG : e->size > SMALL ? put_large(x, e, was) : put_small(x, e, was);
	if (!is_damage(r))
		return r;
	/* Another path may be one whose file has it. */
	r = put_found(x, path, e, was);
	x->v->found += r == 0;
	if (!is_damage(r))
		return r;
	return idset_put(&x->lost, &e->oid, 1) < 0 ? -ENOMEM : 1;
}

/* ---- one snapshot ---- */

static int put_entry(const char *path, const struct store_entry *e, void *arg)
{
	struct salvage *x = arg;
	struct store_entry was, now = *e;
	int r = stopped(x);

	if (r < 0)
		return r;
	if (e->kind == KIND_GONE)
		return store_txn_gone(x->t, path);
	r = store_cur_get(x->to, path, &was);
	if (r == -ENOENT)
		was = (struct store_entry){ .kind = KIND_GONE };
	else if (r < 0)
		return r;
	r = 0;
	if (entry_has_oid(e) && (oid_zero(&e->oid) || (r = put_content(x, path, e, &was)) == 1)) {
		hurt(x, path, "its content is lost");
		now.kind = KIND_SKIPPED;
		now.why = WHY_UNREADABLE;
		now.oid = (struct oid){ { 0 } };
		r = 0;
	}
	if (r < 0)
		return r;
	now.ctime_ns = 0;
	now.ino = 0;
	return txn_add_change(x->t, path, &now, &was);
}


/* What the new store has and the snapshot has not. */
static int drop_gone(const char *path, const struct store_entry *e, void *arg)
{
	struct salvage *x = arg;
	struct store_entry is;
	int r = e->kind == KIND_GONE ? 0 : store_entry_at(x->from, x->seq, path, &is);

	if (r == -ENOENT)
		return store_txn_gone(x->t, path);
	return is_damage(r) ? 0 : r;
}

/* The state of the snapshot, where what changed in it cannot be read: what its tree says. */
static int put_all(struct salvage *x)
{
	int r = store_paths(x->to, drop_gone, x);

	return r < 0 ? r : store_walk_at(x->from, x->seq, "", put_entry, x);
}

static int begin(struct salvage *x)
{
	int r = store_txn_begin(x->to, &x->t);

	if (r == 0)
		cat_met_seq(x->to->cat, x->seq - 1);	/* it keeps its number */
	return r;
}

static void abort_txn(struct salvage *x)
{
	store_txn_abort(take_ptr(x->t));
}

static int take(struct salvage *x, const struct store_snapshot *sn, bool whole)
{
	struct store_commit how = {
		.time_ns = sn->time_ns, .reason = sn->reason, .message = *sn->message ? sn->message : NULL, .force = true,
	};
	int r;

	x->seq = sn->seq;
	x->hurt = false;
	if ((r = begin(x)) < 0)
		return r;
	r = whole ? -EBADMSG : store_changes(x->from, sn->seq, put_entry, x);
	if (is_damage(r)) {
		abort_txn(x);
		if (!whole)
			hurt(x, NULL, "its list of changes is lost; its tree says what was there");
		if ((r = begin(x)) == 0)
			r = put_all(x);
	}
	if (is_damage(r)) {
		abort_txn(x);
		hurt(x, NULL, "lost");
		x->v->snapshots_hurt++;
		return 1;
	}
	if (r < 0) {
		abort_txn(x);
		return r;
	}
	r = store_txn_commit(take_ptr(x->t), &how, NULL);
	x->v->snapshots += r >= 0;
	x->v->snapshots_hurt += x->hurt;
	return r < 0 ? r : 0;
}

/* ---- all of them ---- */

struct all {
	struct store_snapshot *x;
	size_t n, cap;
};

static void all_release(struct all *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->x[i].message);
	free(a->x);
}

static int add(const struct store_snapshot *sn, void *arg)
{
	struct all *a = arg;

	if (a->n == a->cap) {
		size_t cap = a->cap * 2 + 256;
		void *p = realloc(a->x, cap * sizeof(*a->x));

		if (!p)
			return -ENOMEM;
		a->x = p;
		a->cap = cap;
	}
	a->x[a->n] = *sn;
	if (!(a->x[a->n].message = strdup(sn->message)))
		return -ENOMEM;
	a->n++;
	return 0;
}

static int copy_mark(const char *name, uint64_t seq, void *arg)
{
	struct salvage *x = arg;
	int r = store_mark_set(x->to, name, seq);

	if (r == -ENOENT) {
		x->seq = seq;
		hurt(x, NULL, "is lost, and with it a mark");
		r = 0;
	}
	return r;
}

/* Is every tree there as it was? Where what a snapshot changed was told wrongly, its tree is not what it makes: then it is made
 * of the tree. */
static bool same_tree(struct salvage *x, const struct store_snapshot *sn)
{
	autoput(store_snapshot_release) struct store_snapshot now = { 0 };

	return store_newest(x->to, &now) == 0 && now.seq == sn->seq && oid_eq(&now.tree, &sn->tree);
}

static int take_all(struct salvage *x)
{
	autoput(all_release) struct all a = { NULL, 0, 0 };
	bool whole = cat_is_lossy(x->from->cat);
	int r = store_list(x->from, 0, add, &a);

	for (size_t i = a.n; r >= 0 && i-- > 0;) {
		r = take(x, &a.x[i], whole);
		/* From the first that is not as it was, what follows is compared with its own tree. */
		if (r == 0)
			whole = cat_is_lossy(x->from->cat) && !same_tree(x, &a.x[i]);
		else
			whole = true;
		if (x->v->progress)
			x->v->progress(a.n - i, a.n, x->v->arg);
	}
	return r < 0 ? r : store_marks(x->from, copy_mark, x);
}

/* Nothing was synced while it was made. All of it is now, the catalogue too, before anybody gives it a name. */
static int sync_all(const char *dir)
{
	autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? err_errno() : io_sync_files(fd, "log");

	return r < 0 ? r : io_sync_files(fd, ".");
}

int store_salvage(struct store *from, const char *into, struct store_salvage *v)
{
	struct store_options o = { .level = 6, .workspace = store_workspace(from), .no_sync = true };
	struct salvage x = { .v = v, .from = from };
	int r;

	v->snapshots = v->paths_hurt = v->snapshots_hurt = v->found = 0;
	if (!*o.workspace)
		o.workspace = NULL;
	if ((r = store_open(into, STORE_WRITE, &o, &x.to)) < 0)
		return r;
	v->gaps = store_is_lossy(from);
	r = store_count(x.to) ? -EEXIST : take_all(&x);
	idset_release(&x.lost);
	store_close(x.to);
	return r < 0 ? r : sync_all(into);
}
