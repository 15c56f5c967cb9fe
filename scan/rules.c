/* scan/rules.c - which paths are kept (scan.h lists the rules).
 *
 * The folders from the workspace down to the one last asked about are kept as a chain of levels,
 * each with its verdict and its ignore files. Questions come folder by folder, so the chain
 * rarely moves, and its memory does not grow with the tree. */
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/buf.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "at.h"
#include "builtin.h"
#include "excludes.h"
#include "ignore.h"
#include "scan-internal.h"

/* More than any real ignore file; a larger one is not read. */
#define IGNORE_FILE_MAX ((off_t)4 << 20)
#define INFO ".git/info/exclude"

enum state {
	NORMAL,
	INCLUDED,	/* snapshot.include named it: all below is kept */
	ALWAYS,		/* .vscode: likewise, and of any size */
	ENTERED,	/* ignored, but include patterns may match below */
	SKIPPED,
	UNSURE,		/* the patterns that would tell cannot be read */
	FAILED,		/* rules.error says why */
};

enum { UNKNOWN = 2 };	/* beside 1, 0, -1: whether a pattern matches */

struct level {
	size_t len;		/* of the folder's path */
	enum state state;
	enum store_why why;	/* for ENTERED and SKIPPED */
	bool unsure;		/* it was judged UNSURE */
	struct ignore *git, *snap;
	bool git_bad, snap_bad;	/* there, and not to be read */
};

/* Folders that left the chain and were NORMAL, without files of patterns: work goes on in a few
 * folders, and each question less saves some eight looks at the disk. */
enum { PLAIN_MAX = 64 };

/* What a file outside the tree was when it was read. */
struct seen {
	bool there;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

/* Patterns from outside the tree: they are weaker than all .gitignore files. */
struct outside {
	char *path;			/* absolute; NULL for .git/info/exclude */
	struct ignore *ig;
	bool bad;			/* there, and not to be read */
	struct seen seen;
};

enum { INFO_FILE, USER_FILE, N_OUTSIDE };	/* the first that matches decides */

struct rules {
	int rootfd;
	struct at_near near;
	bool defaults, gitignore;
	struct ignore *include, *exclude;
	struct outside outside[N_OUTSIDE];	/* read with the root level */
	bool outside_read;
	int error;			/* ours, of this question */
	/* files that cannot be read, each behind a NUL: since all was forgotten, and before */
	struct buf bad, bad_before;
	struct buf path;		/* of the deepest level */
	struct level *level;
	size_t n, cap;
	char *plain[PLAIN_MAX];
	size_t next_plain;
};

int rules_new(int rootfd, const struct config *cfg, struct rules **ret)
{
	struct rules *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return -ENOMEM;
	r->rootfd = rootfd;
	r->near.fd = -1;
	r->defaults = cfg->default_excludes;
	r->gitignore = cfg->gitignore;
	e = ignore_from_list(&cfg->include, &r->include);
	if (e == 0)
		e = ignore_from_list(&cfg->exclude, &r->exclude);
	if (e == 0 && r->gitignore)
		e = excludes_path(&r->outside[USER_FILE].path);
	if (e < 0) {
		rules_free(r);
		return e;
	}
	*ret = r;
	return 0;
}

static void forget_plain(struct rules *r)
{
	for (size_t i = 0; i < PLAIN_MAX; i++)
		free(take_ptr(r->plain[i]));
}

static bool is_plain(const struct rules *r, const char *path, size_t len)
{
	for (size_t i = 0; i < PLAIN_MAX; i++)
		if (r->plain[i] && strncmp(r->plain[i], path, len) == 0 && !r->plain[i][len])
			return true;
	return false;
}

static void keep_plain(struct rules *r, const struct level *l, const char *path)
{
	char **to = &r->plain[r->next_plain % PLAIN_MAX];

	if (!l->len || l->state != NORMAL || l->unsure || l->git || l->snap || l->git_bad ||
		l->snap_bad || is_plain(r, path, l->len))
		return;
	free(*to);
	*to = strndup(path, l->len);	/* NULL: then not */
	r->next_plain++;
}

static void pop(struct rules *r)
{
	struct level *l = &r->level[--r->n];

	ignore_free(l->git);
	ignore_free(l->snap);
	for (size_t i = 0; r->n == 0 && i < N_OUTSIDE; i++) {
		ignore_free(r->outside[i].ig);
		r->outside[i].ig = NULL;
	}
}

void rules_free(struct rules *r)
{
	if (!r)
		return;
	while (r->n)
		pop(r);
	forget_plain(r);
	at_forget(&r->near);
	for (size_t i = 0; i < N_OUTSIDE; i++)
		free(r->outside[i].path);
	ignore_free(r->include);
	ignore_free(r->exclude);
	buf_release(&r->path);
	buf_release(&r->bad);
	buf_release(&r->bad_before);
	free(r->level);
	free(r);
}

static bool is_below(const char *path, const char *dir, size_t dir_len)
{
	return dir_len == 0 ||
	       (strncmp(path, dir, dir_len) == 0 && (path[dir_len] == '/' || !path[dir_len]));
}

void rules_rest(struct rules *r)
{
	at_forget(&r->near);
}

void rules_forget(struct rules *r, const char *dir)
{
	size_t len = strlen(dir);

	at_forget(&r->near);
	forget_plain(r);
	if (r->n && is_below(r->path.data ? r->path.data : "", dir, len))
		while (r->n && r->level[r->n - 1].len >= len)
			pop(r);
	if (!len) {
		struct buf old = r->bad_before;

		r->bad_before = r->bad;
		r->bad = old;
		buf_reset(&r->bad);
	}
}

enum rules_news rules_told(struct rules *r, const char *dir, const char *name)
{
	const char *slash = strrchr(dir, '/');
	autofree char *above = NULL;

	if (strcmp(name, ".gitignore") == 0 || strcmp(name, ".snapignore") == 0) {
		rules_forget(r, dir);
		return RULES_NEWS_BELOW;
	}
	if (!builtin_tells(name))
		return RULES_NO_NEWS;
	above = strndup(dir, slash ? (size_t)(slash - dir) : 0);	/* of conda-meta/history */
	rules_forget(r, above ? above : "");
	return RULES_NEWS_ITSELF;
}

static bool is_listed(const struct buf *list, const char *path)
{
	for (size_t at = 0; at < list->len; at += strlen(list->data + at) + 1)
		if (strcmp(list->data + at, path) == 0)
			return true;
	return false;
}

/* Named once, until it can be read again. */
static void unreadable(struct rules *r, const char *path, int why, bool *ret_bad)
{
	if (scan_is_ours(why)) {
		r->error = why;
		return;
	}
	*ret_bad = true;
	if (is_listed(&r->bad, path))
		return;
	if (buf_add(&r->bad, path, strlen(path) + 1) < 0)
		r->error = -ENOMEM;
	else if (!is_listed(&r->bad_before, path))
		(void)log_warn_errno(
			why, "%s: cannot be read, so what is new beside it is not stored", path);
}

static char *read_patterns(int fd, size_t *ret_len, int *ret_error)
{
	autofree char *text = NULL;
	struct stat st;
	ssize_t n;

	*ret_error = 0;
	if (fstat(fd, &st) < 0) {
		*ret_error = -errno;
		return NULL;
	}
	if (!S_ISREG(st.st_mode))
		return NULL;
	if (st.st_size > IGNORE_FILE_MAX) {
		*ret_error = -EFBIG;
		return NULL;
	}
	text = malloc((size_t)st.st_size + 1);
	n = text ? io_read_full(fd, text, (size_t)st.st_size) : -ENOMEM;
	if (n < 0) {
		*ret_error = (int)n;
		return NULL;
	}
	text[n] = '\0';
	*ret_len = (size_t)n;
	return take_ptr(text);
}

/* Takes fd, negative if it could not be opened. */
static struct ignore *parse(struct rules *r, int given, const char *path, bool *ret_bad)
{
	autoclose int fd = given;
	struct ignore *ig = NULL;
	size_t n = 0;
	char *text;
	int e;

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || fd == -ENXIO)
		return NULL;
	text = fd < 0 ? NULL : read_patterns(fd, &n, &e);
	if (fd < 0 || e < 0) {
		unreadable(r, path, fd < 0 ? fd : e, ret_bad);
		return NULL;
	}
	if (text && ignore_parse(text, n, &ig) < 0)
		r->error = -ENOMEM;
	return ig;
}

/* A file of patterns below dir (of dir_len bytes). NULL: no patterns; if that is because it
 * cannot be read, *ret_bad or r->error says so. */
static struct ignore *load(
	struct rules *r, const char *dir, size_t dir_len, const char *name, bool *ret_bad)
{
	autoput(buf_release) struct buf path = BUF_INIT;

	if ((dir_len && (buf_add(&path, dir, dir_len) < 0 || buf_addch(&path, '/') < 0)) ||
		buf_addstr(&path, name) < 0) {
		r->error = -ENOMEM;
		return NULL;
	}
	/* A link is no file of patterns: git does not follow it either. */
	return parse(r,
		at_open_near(r->rootfd, &r->near, path.data, O_RDONLY | O_NONBLOCK | O_NOCTTY),
		path.data, ret_bad);
}

static struct seen look_at(const struct rules *r, const struct outside *o)
{
	struct stat st;

	if (o->path ? stat(o->path, &st) < 0
		    : fstatat(r->rootfd, INFO, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return (struct seen){ 0 };
	return (struct seen){ .there = true,
		.ino = st.st_ino,
		.size = st.st_size,
		.mtime = st.st_mtim,
		.ctime = st.st_ctim };
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_seen(const struct seen *a, const struct seen *b)
{
	return a->there == b->there && a->ino == b->ino && a->size == b->size &&
	       same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}

static void load_outside(struct rules *r)
{
	for (size_t i = 0; i < N_OUTSIDE; i++) {
		struct outside *o = &r->outside[i];
		int fd;

		if (i == USER_FILE && !o->path)
			continue;
		o->seen = look_at(r, o);
		o->bad = false;
		if (o->path) {	/* the user's own, who may keep it behind a link */
			fd = open(o->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
			o->ig = parse(r, fd < 0 ? -errno : fd, o->path, &o->bad);
		} else {
			o->ig = load(r, "", 0, INFO, &o->bad);
		}
	}
	r->outside_read = true;
}

static int match_outside(
	const struct rules *r, const char *path, size_t len, const char *base, bool is_dir)
{
	int m = 0;

	for (size_t i = 0; !m && i < N_OUTSIDE; i++) {
		const struct outside *o = &r->outside[i];

		m = o->ig ? ignore_match(o->ig, path, len, base, is_dir) : 0;
		if (!m && o->bad)
			m = UNKNOWN;
	}
	return m;
}

int rules_refresh(struct rules *r)
{
	bool same = true;

	if (r->bad.len) {
		rules_forget(r, "");
		return 1;
	}
	if (!r->gitignore || !r->outside_read)
		return 0;
	for (size_t i = 0; i < N_OUTSIDE; i++) {
		struct outside *o = &r->outside[i];
		struct seen now = i == USER_FILE && !o->path ? (struct seen){ 0 } : look_at(r, o);

		same &= same_seen(&now, &o->seen);
		o->seen = now;
	}
	if (same)
		return 0;
	rules_forget(r, "");
	return 1;
}

/* What one kind of ignore file along the chain says: the nearest that matches decides. */
static int match_chain(const struct rules *r, bool snap, const char *path, size_t len,
	const char *base, bool is_dir)
{
	for (size_t i = r->n; i-- > 0;) {
		const struct level *l = &r->level[i];
		const struct ignore *ig = snap ? l->snap : l->git;
		size_t skip = l->len + (l->len > 0);
		int m = ig ? ignore_match(ig, path + skip, len - skip, base, is_dir) : 0;

		if (m)
			return m;
		if (snap ? l->snap_bad : l->git_bad)
			return UNKNOWN;
	}
	return 0;
}

static int is_builtin(struct rules *r, const char *path, const char *base, bool is_dir)
{
	if (!is_dir)
		return builtin_file(base);
	return builtin_folder(base) ? 1 : builtin_folder_content(r->rootfd, &r->near, path);
}

/* Rules 3 to 5: 1, 0, UNKNOWN, negative. WHY_NONE with 1: skipped without a word. */
static int is_unwanted(struct rules *r, const char *path, size_t len, const char *base,
	bool is_dir, enum store_why *ret_why)
{
	int m = match_chain(r, true, path, len, base, is_dir);

	if (!m && r->exclude)
		m = ignore_match(r->exclude, path, len, base, is_dir);
	*ret_why = WHY_EXCLUDED;
	if (m)
		return m < 0 ? 0 : m;
	if (r->defaults) {
		m = is_builtin(r, path, base, is_dir);
		if (m)
			return m;
		if (!is_dir && builtin_transient(base)) {
			*ret_why = WHY_NONE;
			return 1;
		}
	}
	if (!r->gitignore)
		return 0;
	m = match_chain(r, false, path, len, base, is_dir);
	if (!m)
		m = match_outside(r, path, len, base, is_dir);
	*ret_why = WHY_IGNORED;
	return m < 0 ? 0 : m;
}

/* path (its first len bytes, NUL behind them) stands in the deepest level. */
static enum state judge(struct rules *r, const char *path, size_t len, const char *base,
	bool is_dir, enum store_why *ret_why)
{
	const struct level *in = &r->level[r->n - 1];
	int unwanted;

	*ret_why = WHY_NONE;
	if (builtin_invisible(base))
		return SKIPPED;
	if (builtin_unnameable(base)) {
		*ret_why = WHY_NAME;
		return SKIPPED;
	}
	*ret_why = in->why;
	if (in->state == SKIPPED || in->state == ALWAYS)
		return in->state;
	if (is_dir ? strcmp(base, ".vscode") == 0 : builtin_always(base))
		return ALWAYS;
	if (in->state == INCLUDED)
		return INCLUDED;
	if (r->include && ignore_match(r->include, path, len, base, is_dir) > 0)
		return INCLUDED;
	*ret_why = WHY_NONE;
	if (in->state == NORMAL) {
		unwanted = is_unwanted(r, path, len, base, is_dir, ret_why);
		if (unwanted < 0)
			r->error = unwanted;
		if (unwanted != 1)
			return unwanted < 0 ? FAILED : unwanted ? UNSURE : NORMAL;
	}
	/* Patterns for every depth reach into what git ignores, not into what
	 * was excluded: `*.pt` need not go through every virtual environment. */
	if (is_dir && r->include && ignore_may_match_below(r->include, path, len,
		in->state == ENTERED ? in->why == WHY_IGNORED : *ret_why == WHY_IGNORED))
		return ENTERED;
	return SKIPPED;
}

static int push(struct rules *r, const char *path, size_t len)
{
	autofree char *dir = strndup(path, len);
	struct level l = { .len = len };
	size_t parent_len;

	if (!dir)
		return -ENOMEM;
	if (r->n == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 8;
		struct level *p = realloc(r->level, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		r->level = p;
		r->cap = cap;
	}
	if (is_plain(r, path, len)) {
		r->level[r->n++] = l;
		return 0;
	}
	if (r->n) {
		const struct level *in = &r->level[r->n - 1];

		l.state = judge(r, dir, len, at_base(dir, &parent_len), true, &l.why);
		if (l.state == ENTERED && in->state == ENTERED)
			l.why = in->why;
		l.unsure = l.state == UNSURE;
		if (l.unsure)
			l.state = NORMAL;	/* who is in it is as uncertain */
	} else if (r->gitignore) {
		load_outside(r);
	}
	if (l.state == NORMAL) {
		l.snap = load(r, dir, len, ".snapignore", &l.snap_bad);
		l.git = r->gitignore ? load(r, dir, len, ".gitignore", &l.git_bad) : NULL;
	}
	r->level[r->n++] = l;
	if (r->error)
		pop(r);		/* to be asked again */
	return r->error;
}

/* Make the chain end at the folder that is path's first len bytes. */
static int chain_to(struct rules *r, const char *path, size_t len)
{
	const char *have = r->path.data ? r->path.data : "";
	size_t at;
	int e;

	while (r->n) {
		size_t k = r->level[r->n - 1].len;

		if (k == len && memcmp(path, have, k) == 0)
			return 0;
		if (k == 0 || (k < len && path[k] == '/' && memcmp(path, have, k) == 0))
			break;
		keep_plain(r, &r->level[r->n - 1], have);
		pop(r);
	}
	if (!r->n && (e = push(r, "", 0)) < 0)
		return e;
	at = r->level[r->n - 1].len;
	while (at < len) {
		const char *slash = memchr(path + at + 1, '/', len - at - 1);

		at = slash ? (size_t)(slash - path) : len;
		e = push(r, path, at);
		if (e < 0)
			return e;
	}
	buf_reset(&r->path);
	return buf_add(&r->path, path, len);
}

/* A folder that the chain leads through was judged when it became a part of it. */
static bool is_on_chain(const struct rules *r, const char *path, size_t len)
{
	for (size_t i = r->n; i-- > 1 && r->level[i].len >= len;) {
		const struct level *l = &r->level[i];

		if (l->len == len && l->state == NORMAL && !l->unsure &&
			memcmp(r->path.data, path, len) == 0)
			return true;
	}
	return false;
}

int rules_check(struct rules *r, const char *path, bool is_dir,
	enum store_why *ret_why, bool *ret_over_limit_ok)
{
	enum store_why why = WHY_NONE;
	size_t parent_len;
	const char *base = at_base(path, &parent_len);
	enum state s = NORMAL;
	int e;

	*ret_over_limit_ok = false;
	*ret_why = WHY_NONE;
	if (!*path || (is_dir && is_on_chain(r, path, strlen(path))))
		return RULES_KEEP;
	r->error = 0;
	e = chain_to(r, path, parent_len);
	if (e == 0)
		s = judge(r, path, strlen(path), base, is_dir, &why);
	if (e < 0 || s == FAILED) {
		e = e < 0 ? e : r->error;
		rules_forget(r, "");
		return e;
	}
	*ret_over_limit_ok = s == ALWAYS;
	if (s == SKIPPED)
		*ret_why = why;
	return s == SKIPPED   ? RULES_SKIP
	       : s == ENTERED ? RULES_ENTER
	       : s == UNSURE  ? RULES_UNSURE
			      : RULES_KEEP;
}
