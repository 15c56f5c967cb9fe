#include "mirror.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "../store/mirrored.h"
#include "git-run.h"
#include "mirror-marks.h"
#include "mirror-stage.h"
#include "xalloc.h"

/* What is staged at once, then pushed, then goes again: whole objects, that is many times what they take in the store. */
#define BATCH 500			/* snapshots */
#define BATCH_BYTES (64u << 20)
#define SECOND INT64_C(1000000000)

struct mirror {
	struct recover *r;
	struct mirrored now;
	struct stage *stage;
	char *git;			/* STORE/mirror/git */
	char *ref, *marks, *branch;	/* at the remote */
	const char *url;
	uint64_t added;
};

static void mirror_release(struct mirror *m)
{
	stage_close(m->stage);
	mirrored_release(&m->now);
	free(m->git);
	free(m->ref);
	free(m->marks);
	free(m->branch);
}

static int fail(struct mirror *m, const char *why)
{
	free(m->now.error);
	m->now.error = xstrdup(why);
	return 1;
}

static int fail_errno(struct mirror *m, const char *what, int r)
{
	autofree char *text = xasprintf("%s: %s", what, r == -ENOENT && !strcmp(what, "git") ? "is not installed" : err_str(r));

	return r == -EINTR ? r : fail(m, text);
}

static int no_room(struct mirror *m, int r)
{
	return fail(m, r == -EDQUOT ? "there is no room to stage what is to be pushed: raise store.quota" :
		"there is no room to stage what is to be pushed: the disk is full, or below store.freeFloor");
}

/* ---- names ---- */

/* What git takes in a ref: letters, digits, and these. */
static int add_safe(struct buf *b, const char *s)
{
	size_t from = b->len;
	int r = 0;

	for (; *s && r == 0; s++) {
		bool ok = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '-' ||
			*s == '_' || (*s == '.' && b->len > from && s[1] && s[1] != '.');

		r = buf_addch(b, ok ? *s : '_');
	}
	if (r == 0 && b->len - from > 5 && !strcmp(b->data + b->len - 5, ".lock"))
		b->data[b->len - 5] = '_';
	return r < 0 ? r : b->len == from ? buf_addch(b, '_') : 0;
}

int mirror_name(const struct recover *r, struct buf *ret)
{
	autoput(buf_release) struct buf who = BUF_INIT, machine = BUF_INIT;
	char host[HOST_NAME_MAX + 1] = "", hex[13];
	const char *name = strrchr(r->workspace, '/');
	struct oid id;
	int e;

	(void)gethostname(host, sizeof(host) - 1);
	if ((e = add_safe(ret, host)) < 0 || (e = buf_addch(ret, '/')) < 0 ||
		(e = add_safe(ret, name ? name + 1 : r->workspace)) < 0)
		return e;
	/* Two workspaces may have one name, and two machines: many are called as they were installed. */
	if (io_read_file(AT_FDCWD, "/etc/machine-id", 64, &machine) < 0)
		buf_reset(&machine);
	if (buf_printf(&who, "holdfast mirror %s\n%s", r->workspace, machine.len ? machine.data : "") < 0)
		return -ENOMEM;
	store_hash("blob", who.data, who.len, &id);
	text_hex(id.b, 6, hex);
	return buf_printf(ret, "-%s", hex);
}

/* ---- what the remote has ---- */

/* The line of ls-remote that is the ref's: it lists all whose names end so. */
static bool is_listed(const char *list, const char *ref, git_oid *ret)
{
	size_t n = strlen(ref);

	for (const char *l = list, *end; *l; l = end + (*end == '\n')) {
		end = l + strcspn(l, "\n");
		if ((size_t)(end - l) == n + 41 && l[40] == '\t' && strncmp(l + 41, ref, n) == 0)
			return git_oid_fromstrn(ret, l, 40) == 0;
	}
	return false;
}

/* 1: it has the ref, at *ret; 0: it has not; negative: said in m->now.error (as 1 of fail: -EREMOTEIO). */
static int ask(struct mirror *m, git_oid *ret)
{
	autoput(buf_release) struct buf out = BUF_INIT, why = BUF_INIT;
	int r = git_run(m->git, (const char *[]){ "ls-remote", "--", m->url, m->ref, NULL }, &out, &why);

	if (r != 0) {
		(void)(r < 0 ? fail_errno(m, "git", r) : fail(m, why.data));
		return r == -EINTR ? r : -EREMOTEIO;
	}
	return out.len && is_listed(out.data, m->ref, ret);
}

/* The snapshot that a commit at the remote is, or the last one before it, if that was thinned out since. moved: we know what we
 * pushed, and this is not it: -EXDEV if it is none of this store. */
static int find_seq(struct mirror *m, git_repository *repo, const git_oid *id, bool moved, uint64_t *ret)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	git_commit *c = NULL;
	const char *line;
	char hex[41];
	int r = err_from_git(git_commit_lookup(&c, repo, id));

	if (r < 0)
		return r;
	line = strstr(git_commit_message(c), "\nHoldfast-Id: ");
	(void)git_oid_tostr(hex, sizeof(hex), id);
	if (line && strspn(line + 14, "0123456789abcdef") >= 40) {
		memcpy(hex, line + 14, 40);
		hex[40] = 0;
	}
	if (strcmp(git_commit_author(c)->email, "holdfast@localhost") != 0)
		r = -EEXIST;
	else if ((r = store_by_prefix(m->r->store, hex, &sn)) == -ENOENT)
		r = moved ? -EXDEV : store_at_time(m->r->store, (git_commit_time(c) + 1) * SECOND - 1, &sn);
	*ret = r == 0 ? sn.seq : 0;
	git_commit_free(c);
	return r == -ENOENT ? 0 : r;	/* all we have is later */
}

/* How much comes is not known before; in one pack, however few objects it has, there is a limit to it. */
static int fetch_tip(struct mirror *m)
{
	autofree char *spec = xasprintf("+%s:refs/heads/main", m->ref);
	autoput(buf_release) struct buf why = BUF_INIT;
	uint64_t most;
	int err = -ENOSPC, r = stage_room(m->r, &most, &err);

	if (r < 0)
		return fail_errno(m, m->git, r);
	r = !most ? -EFBIG : git_run_within(m->git, (const char *[]){ "-c", "fetch.unpackLimit=1", "fetch", "--quiet", "--no-tags",
		"--depth=1", "--no-write-fetch-head", "--update-head-ok", "--", m->url, spec, NULL }, most, NULL, &why);
	if (r)
		stage_remove(m->git);	/* with the half of a pack; the next one makes it new */
	return r == -EFBIG ? no_room(m, err) : r < 0 ? fail_errno(m, "git", r) : r ? fail(m, why.data) : 0;
}

static int begin_from_remote(struct mirror *m, const struct mirrored *had)
{
	char hex[41] = "";
	bool moved;
	git_oid tip;
	int r;

	stage_close(take_ptr(m->stage));
	m->now.seq = m->now.pushed = 0;
	m->now.commit[0] = m->now.at[0] = 0;
	if ((r = stage_open(m->r, m->git, NULL, &m->stage)) < 0)
		return fail_errno(m, m->git, r);
	if ((r = ask(m, &tip)) < 0)
		return r == -EINTR ? r : 1;
	if (r == 0)
		return 0;
	(void)git_oid_tostr(hex, sizeof(hex), &tip);
	moved = had->at[0] && strcmp(hex, had->at) != 0 && strcmp(hex, had->commit) != 0;
	stage_close(take_ptr(m->stage));
	if ((r = fetch_tip(m)))
		return r;
	if ((r = stage_open(m->r, m->git, &tip, &m->stage)) < 0)
		return fail_errno(m, m->git, r);
	{
		git_repository *repo = NULL;

		r = err_from_git(git_repository_open_bare(&repo, m->git));
		if (r == 0)
			r = find_seq(m, repo, &tip, moved, &m->now.seq);
		git_repository_free(repo);
	}
	if (r == -EEXIST)
		return fail(m, "what is there was not made by us; choose another mirror.url");
	if (r == -EXDEV) {
		autofree char *text = xasprintf("what is there was not pushed from here (by another store of this name?); to go on behind it"
			" remove %s/" MIRROR_DIR, store_dir(m->r->store));

		return fail(m, text);
	}
	if (r < 0)
		return fail_errno(m, m->git, r);
	m->now.pushed = m->now.seq;
	(void)git_oid_tostr(m->now.commit, sizeof(m->now.commit), &tip);
	(void)strcpy(m->now.at, m->now.commit);
	return 0;
}

/* We do not know how far the remote is, or it is elsewhere: begin from what it has. Where that fails, what we know stays known:
 * else the next one would go on behind what somebody else has pushed. */
static int begin_again(struct mirror *m)
{
	const struct mirrored had = m->now;
	int r = begin_from_remote(m, &had);

	if (r) {
		(void)strcpy(m->now.at, had.at);
		(void)strcpy(m->now.commit, had.commit);
		m->now.seq = m->now.pushed = had.pushed;
	}
	return r;
}

/* ---- what is new ---- */

struct one {
	uint64_t seq;
	struct oid id, tree;
};

struct list {
	struct one *x;
	size_t n, cap;
	uint64_t above;
};

static int add_one(const struct store_snapshot *sn, void *arg)
{
	struct list *l = arg;

	if (sn->seq <= l->above)
		return 1;
	l->x = xgrow(l->x, l->n, &l->cap, sizeof(*l->x));
	l->x[l->n++] = (struct one){ sn->seq, sn->id, sn->tree };
	return 0;
}

static int flush(struct mirror *m, uint64_t seq)
{
	int r = stage_flush(m->stage);

	if (r < 0)
		return r;
	m->now.seq = seq;
	(void)git_oid_tostr(m->now.commit, sizeof(m->now.commit), stage_tip(m->stage));
	m->now.left_out = stage_left_out(m->stage);
	return mirrored_write(m->r->store, &m->now);
}

/* The next of them; *ret_more: there are others behind. */
static int stage_new(struct mirror *m, bool *ret_more)
{
	struct list l = { .above = m->now.seq };
	size_t i, n = 0;
	int r = store_list(m->r->store, 0, add_one, &l);

	r = r > 0 ? 0 : r;
	for (i = l.n; r == 0 && i > 0 && n < BATCH && stage_bytes(m->stage) < BATCH_BYTES; i--, n++)
		r = stage_add(m->stage, &l.x[i - 1].id, &l.x[i - 1].tree);
	if (r == 0 && n)
		r = flush(m, l.x[i].seq);
	*ret_more = i > 0;
	free(l.x);
	if (r == -EBADMSG) {
		(void)fail(m, "a content is damaged: " RECOVER " verify --all says what it hits, " RECOVER
			" repair makes a new store of the rest, and that is pushed then");
		return 2;
	}
	return r == -EDQUOT || r == -ENOSPC ? no_room(m, r) : r < 0 ? fail_errno(m, "staging", r) : 0;
}

/* ---- pushing ---- */

static int push_refs(struct mirror *m, bool branch, struct buf *why)
{
	autofree char *a = xasprintf("refs/heads/main:%s", m->ref), *b = xasprintf("refs/heads/main:%s", m->branch);

	return git_run(m->git, (const char *[]){ "push", "--quiet", "--no-verify", "--", m->url, a, branch ? b : NULL, NULL },
		NULL, why);
}

/* 0, 1 (said), 2: the remote is not where we thought. */
static int push(struct mirror *m)
{
	autoput(buf_release) struct buf why = BUF_INIT, again = BUF_INIT;
	char hex[41] = "";
	git_oid at;
	int r = push_refs(m, m->r->cfg.mirror_branch, &why);

	if (r < 0)
		return fail_errno(m, "git", r);
	if (r == 0)
		return 0;
	if ((r = ask(m, &at)) < 0)
		return r == -EINTR ? r : 1;
	if (r == 1)
		(void)git_oid_tostr(hex, sizeof(hex), &at);
	if (strcmp(hex, m->now.at) != 0 && strcmp(hex, m->now.commit) != 0)
		return 2;
	/* Perhaps the branch alone was refused. */
	if (m->r->cfg.mirror_branch && push_refs(m, false, &again) == 0) {
		autofree char *text = xasprintf("the branch %s: %s", m->branch + 11, why.data);

		(void)fail(m, text);
		return 0;
	}
	return fail(m, why.data);
}

static int prepare(struct mirror *m)
{
	git_oid tip;
	int r = -ENOENT;

	if (strcmp(m->now.url, m->url) != 0 || strcmp(m->now.ref, m->ref) != 0)
		m->now.commit[0] = m->now.at[0] = 0;
	free(m->now.url);
	free(m->now.ref);
	m->now.url = xstrdup(m->url);
	m->now.ref = xstrdup(m->ref);
	if (m->now.commit[0] && git_oid_fromstr(&tip, m->now.commit) == 0)
		r = stage_open(m->r, m->git, &tip, &m->stage);
	if (r == -ENOENT)
		return begin_again(m);
	return r < 0 ? fail_errno(m, m->git, r) : 0;
}

/* What was pushed is not needed any more but for the last. */
static int make_small(struct mirror *m)
{
	git_oid tip = *stage_tip(m->stage);
	int r = stage_shrink(take_ptr(m->stage), m->git);

	if (r == 0)
		r = stage_open(m->r, m->git, &tip, &m->stage);
	return r == -EDQUOT || r == -ENOSPC ? no_room(m, r) : r < 0 ? fail_errno(m, m->git, r) : 0;
}

static int bring_there(struct mirror *m)
{
	bool more = true, again = false;
	int r = prepare(m);

	while (r == 0 && more) {
		uint64_t before = m->now.pushed;

		if ((r = stage_new(m, &more)))
			return r;
		if (m->now.seq == m->now.pushed && m->now.pushed_ns && !*m->now.error)
			return 0;	/* nothing is new */
		if ((r = push(m)) == 2) {
			r = again ? fail(m, "somebody else pushes there") : begin_again(m);
			more = again = true;
			continue;
		}
		if (r)
			return r;
		m->added += mirrored_behind(m->r->store, &(struct mirrored){ .pushed = before }) -
			mirrored_behind(m->r->store, &(struct mirrored){ .pushed = m->now.seq });
		m->now.pushed = m->now.seq;
		(void)strcpy(m->now.at, m->now.commit);
		m->now.pushed_ns = text_now_ns();
		if (more && (r = mirrored_write(m->r->store, &m->now)) < 0)
			r = fail_errno(m, MIRROR_DIR, r);
		if (r == 0 && more)
			r = make_small(m);
	}
	return r;
}

/* They change without a snapshot, and where nobody ever set one there is nothing to push. */
static int push_marks(struct mirror *m)
{
	autofree char *spec = xasprintf("+" MARKS_REF ":%s", m->marks);
	autoput(buf_release) struct buf why = BUF_INIT;
	git_repository *repo = NULL;
	git_reference *ref = NULL;
	int r = err_from_git(git_repository_open_bare(&repo, m->git));

	if (r == 0)
		r = marks_stage(m->r->store, repo);
	if (r == 1) {
		r = git_run(m->git, (const char *[]){ "push", "--quiet", "--no-verify", "--", m->url, spec, NULL }, NULL, &why);
		/* The next one is to try again. */
		if (r && git_reference_lookup(&ref, repo, MARKS_REF) == 0)
			(void)git_reference_delete(ref);
	}
	git_reference_free(ref);
	git_repository_free(repo);
	return r < 0 ? fail_errno(m, "marks", r) : r ? fail(m, why.data) : 0;
}

/* STORE/mirror, locked as long as the descriptor is open. */
static int lock(struct recover *r, int *ret)
{
	autoclose int fd = -1;

	if (mkdirat(store_dirfd(r->store), MIRROR_DIR, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(store_dirfd(r->store), MIRROR_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	*ret = take_fd(&fd);
	return 0;
}

static int set_names(struct mirror *m)
{
	autoput(buf_release) struct buf name = BUF_INIT;
	int r = mirror_name(m->r, &name);

	if (r < 0)
		return r;
	m->git = xasprintf("%s/" MIRROR_DIR "/git", store_dir(m->r->store));
	m->ref = xasprintf("refs/holdfast/%s/main", name.data);
	m->marks = xasprintf("refs/holdfast/%s/marks", name.data);
	m->branch = xasprintf("refs/heads/holdfast/%s", name.data);
	return 0;
}

int mirror_push(struct recover *r, uint64_t *ret_n)
{
	autoput(mirror_release) struct mirror m = { .r = r, .url = r->cfg.mirror_url };
	autoclose int fd = -1;
	int e;

	if (!m.url || !*m.url)
		return -ENODEV;
	if ((e = lock(r, &fd)) < 0 || (e = set_names(&m)) < 0)
		return e;
	if ((e = mirrored_read(r->store, &m.now)) < 0 && e != -ENOENT)
		return e;
	stage_mend(m.git);
	stage_unlock(m.git);
	(void)fail(&m, "");
	e = bring_there(&m);
	if (e == 0)
		e = push_marks(&m);
	m.now.tried_ns = text_now_ns();
	if (e == -EINTR)
		return e;
	if (mirrored_write(r->store, &m.now) < 0)
		log_warn("%s/" MIRROR_DIR ": its state cannot be written", store_dir(r->store));
	if (e == 0 && m.stage && stage_shrink(take_ptr(m.stage), m.git) < 0)
		log_debug("%s: not made smaller", m.git);
	*ret_n = m.added;
	return e;
}
