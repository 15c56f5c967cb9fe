/* scan/rules.c - which paths are kept (scan.h lists the rules).
 *
 * The folders from the workspace down to the one last asked about are kept as a chain of levels, each with
 * its verdict and its ignore files. Questions come folder by folder, so the chain rarely moves, and
 * its memory does not grow with the tree. */
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
#include "ignore.h"

/* More than any real ignore file; a larger one is not read. */
#define IGNORE_FILE_MAX ((off_t)4 << 20)

enum state {
	NORMAL,
	INCLUDED,	/* snapshot.include named it: all below is kept */
	ALWAYS,		/* .vscode: likewise, and of any size */
	ENTERED,	/* ignored, but include patterns may match below */
	SKIPPED,
};

struct level {
	size_t len;		/* of the folder's path */
	enum state state;
	enum store_why why;	/* for ENTERED and SKIPPED */
	struct ignore *git, *snap;
};

struct rules {
	int rootfd;
	bool defaults, gitignore;
	struct ignore *include, *exclude;
	struct ignore *info;		/* .git/info/exclude; read with the root level */
	struct buf path;		/* of the deepest level */
	struct level *level;
	size_t n, cap;
};

int rules_new(int rootfd, const struct config *cfg, struct rules **ret)
{
	struct rules *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return -ENOMEM;
	r->rootfd = rootfd;
	r->defaults = cfg->default_excludes;
	r->gitignore = cfg->gitignore;
	e = ignore_from_list(&cfg->include, &r->include);
	if (e == 0)
		e = ignore_from_list(&cfg->exclude, &r->exclude);
	if (e < 0) {
		rules_free(r);
		return e;
	}
	*ret = r;
	return 0;
}

static void pop(struct rules *r)
{
	struct level *l = &r->level[--r->n];

	ignore_free(l->git);
	ignore_free(l->snap);
	if (r->n == 0) {
		ignore_free(r->info);
		r->info = NULL;
	}
}

void rules_free(struct rules *r)
{
	if (!r)
		return;
	while (r->n)
		pop(r);
	ignore_free(r->include);
	ignore_free(r->exclude);
	buf_release(&r->path);
	free(r->level);
	free(r);
}

static bool is_below(const char *path, const char *dir, size_t dir_len)
{
	return dir_len == 0 || (strncmp(path, dir, dir_len) == 0 && (path[dir_len] == '/' || !path[dir_len]));
}

void rules_forget(struct rules *r, const char *dir)
{
	size_t len = strlen(dir);

	if (r->n && is_below(r->path.data ? r->path.data : "", dir, len))
		while (r->n && r->level[r->n - 1].len >= len)
			pop(r);
}

/* A file of patterns below dir (of dir_len bytes). No such file, or one that cannot be read: no patterns, so more is kept. */
static struct ignore *load(struct rules *r, const char *dir, size_t dir_len, const char *name)
{
	autoput(buf_release) struct buf path = BUF_INIT;
	struct ignore *ig = NULL;
	autofree char *text = NULL;
	autoclose int fd = -1;
	struct stat st;
	ssize_t n;

	if ((dir_len && (buf_add(&path, dir, dir_len) < 0 || buf_addch(&path, '/') < 0)) ||
		buf_addstr(&path, name) < 0)
		return NULL;
	fd = at_open(r->rootfd, path.data, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		if (fd != -ENOENT && fd != -ENOTDIR)
			(void)log_debug_errno(fd, "%s: not read", path.data);
		return NULL;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > IGNORE_FILE_MAX) {
		log_warn("%s: not a usable file of patterns", path.data);
		return NULL;
	}
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return NULL;
	n = io_read_full(fd, text, (size_t)st.st_size);
	if (n < 0) {
		(void)log_warn_errno((int)n, "%s: not read", path.data);
		return NULL;
	}
	text[n] = '\0';
	(void)ignore_parse(take_ptr(text), (size_t)n, &ig);
	return ig;
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
	}
	return 0;
}

/* Rules 3 to 5. WHY_NONE with true: skipped without a word. */
static bool is_unwanted(struct rules *r, const char *path, size_t len, const char *base,
	bool is_dir, enum store_why *ret_why)
{
	int m = match_chain(r, true, path, len, base, is_dir);

	if (!m && r->exclude)
		m = ignore_match(r->exclude, path, len, base, is_dir);
	*ret_why = WHY_EXCLUDED;
	if (m)
		return m > 0;
	if (r->defaults) {
		if (is_dir ? builtin_folder(base) || builtin_folder_content(r->rootfd, path) : builtin_file(base))
			return true;
		if (!is_dir && builtin_transient(base)) {
			*ret_why = WHY_NONE;
			return true;
		}
	}
	if (!r->gitignore)
		return false;
	m = match_chain(r, false, path, len, base, is_dir);
	if (!m && r->info)
		m = ignore_match(r->info, path, len, base, is_dir);
	*ret_why = WHY_IGNORED;
	return m > 0;
}

/* path (its first len bytes, NUL behind them) stands in the deepest level. */
static enum state judge(struct rules *r, const char *path, size_t len, const char *base,
	bool is_dir, enum store_why *ret_why)
{
	const struct level *in = &r->level[r->n - 1];

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
	if (in->state == NORMAL && !is_unwanted(r, path, len, base, is_dir, ret_why))
		return NORMAL;
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
	if (r->n) {
		const struct level *in = &r->level[r->n - 1];

		l.state = judge(r, dir, len, at_base(dir, &parent_len), true, &l.why);
		if (l.state == ENTERED && in->state == ENTERED)
			l.why = in->why;
	} else if (r->gitignore) {
		r->info = load(r, "", 0, ".git/info/exclude");
	}
	if (l.state == NORMAL) {
		l.snap = load(r, dir, len, ".snapignore");
		l.git = r->gitignore ? load(r, dir, len, ".gitignore") : NULL;
	}
	r->level[r->n++] = l;
	return 0;
}

/* Make the chain end at the folder that is path's first len bytes. */
static int chain_to(struct rules *r, const char *path, size_t len)
{
	const char *have = r->path.data ? r->path.data : "";
	size_t at;

	while (r->n) {
		size_t k = r->level[r->n - 1].len;

		if (k == len && memcmp(path, have, k) == 0)
			return 0;
		if (k == 0 || (k < len && path[k] == '/' && memcmp(path, have, k) == 0))
			break;
		pop(r);
	}
	if (!r->n && push(r, "", 0) < 0)
		return -ENOMEM;
	at = r->level[r->n - 1].len;
	while (at < len) {
		const char *slash = memchr(path + at + 1, '/', len - at - 1);

		at = slash ? (size_t)(slash - path) : len;
		if (push(r, path, at) < 0)
			return -ENOMEM;
	}
	buf_reset(&r->path);
	return buf_add(&r->path, path, len);
}

enum rules_verdict rules_check(struct rules *r, const char *path, bool is_dir,
	enum store_why *ret_why, bool *ret_over_limit_ok)
{
	enum store_why why = WHY_NONE;
	size_t parent_len;
	const char *base = at_base(path, &parent_len);
	enum state s = NORMAL;

	*ret_over_limit_ok = false;
	*ret_why = WHY_NONE;
	if (!*path)
		return RULES_KEEP;
	/* Without memory everything is kept: the caller meets the same lack and says so. */
	if (chain_to(r, path, parent_len) < 0)
		rules_forget(r, "");
	else
		s = judge(r, path, strlen(path), base, is_dir, &why);
	*ret_over_limit_ok = s == ALWAYS;
	if (s == SKIPPED)
		*ret_why = why;
	return s == SKIPPED ? RULES_SKIP : s == ENTERED ? RULES_ENTER : RULES_KEEP;
}
