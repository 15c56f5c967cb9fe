#include "patch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "paint.h"
#include "xalloc.h"

#define LARGE ((size_t)512 << 20)

void patch_quote(const char *name, const char *prefix, struct buf *ret)
{
	static const char letters[] = "abtnvfr";	/* \a is 7 ... \r is 13 */
	const unsigned char *p;
	bool plain = true;

	for (p = (const unsigned char *)name; *p; p++)
		if (*p < ' ' || *p >= 0x7f || *p == '"' || *p == '\\')
			plain = false;
	if (plain) {
		(void)buf_printf(ret, "%s%s", prefix, name);
		return;
	}
	(void)buf_printf(ret, "\"%s", prefix);
	for (p = (const unsigned char *)name; *p; p++) {
		if (*p >= 7 && *p <= 13)
			(void)buf_printf(ret, "\\%c", letters[*p - 7]);
		else if (*p == '"' || *p == '\\')
			(void)buf_printf(ret, "\\%c", *p);
		else if (*p < ' ' || *p >= 0x7f)
			(void)buf_printf(ret, "\\%03o", *p);
		else
			(void)buf_addch(ret, *p);
	}
	(void)buf_addch(ret, '"');
}

/* ---- headers ---------------------------------------------------------- */

/* One pair while it is printed. */
struct printing {
	const struct patch_options *opt;
	char status;
	int score;
	const struct side *a, *b;
	char *from, *to;	/* "a/NAME", quoted; "/dev/null" where a side is missing */
	bool binary;
	bool headed, sided;	/* the header, the lines --- and +++ are out */
	struct paint paint;
};

static void line_start(const struct printing *p)
{
	if (p->opt->color)
		fputs(BOLD, stdout);
}

static void line_end(const struct printing *p, bool tab)
{
	if (p->opt->color)
		fputs(RESET, stdout);
	fputs(tab ? "\t\n" : "\n", stdout);
}

static void __attribute__((format(printf, 2, 3)))
header_line(const struct printing *p, const char *fmt, ...)
{
	va_list ap;

	line_start(p);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	line_end(p, false);
}

static char *quoted(const char *name, const char *prefix)
{
	struct buf b = BUF_INIT;

	patch_quote(name, prefix, &b);
	return b.data ? buf_detach(&b, NULL) : xstrdup("");
}

static void print_index(const struct printing *p)
{
	char a[41], b[41];
	int len = p->opt->full_index || (p->binary && p->opt->binary) ? 40 : 7;

	if (git_oid_equal(&p->a->id, &p->b->id))
		return;
	git_oid_tostr(a, sizeof(a), &p->a->id);
	git_oid_tostr(b, sizeof(b), &p->b->id);
	if (p->a->mode == p->b->mode)
		header_line(p, "index %.*s..%.*s %06o", len, a, len, b, p->b->mode);
	else
		header_line(p, "index %.*s..%.*s", len, a, len, b);
}

static void print_header(struct printing *p)
{
	autofree char *a = quoted(p->a->path, "a/"), *b = quoted(p->b->path, "b/");
	autofree char *from = quoted(p->a->path, ""), *to = quoted(p->b->path, "");

	if (p->headed)
		return;
	p->headed = true;
	header_line(p, "diff --git %s %s", a, b);
	if (!p->a->mode)
		header_line(p, "new file mode %06o", p->b->mode);
	else if (!p->b->mode)
		header_line(p, "deleted file mode %06o", p->a->mode);
	else if (p->a->mode != p->b->mode) {
		header_line(p, "old mode %06o", p->a->mode);
		header_line(p, "new mode %06o", p->b->mode);
	}
	if (p->status == 'R') {
		header_line(p, "similarity index %d%%", p->score * 100 / SCORE_MAX);
		header_line(p, "rename from %s", from);
		header_line(p, "rename to %s", to);
	}
	print_index(p);
}

/* A name with a space in it is ended by a tab, for patch(1) and git apply; other white space is
 * quoted away. */
static void print_side(const struct printing *p, const char *sign, const char *name)
{
	line_start(p);
	printf("%s %s", sign, name);
	line_end(p, strchr(name, ' '));
}

static void print_sides(struct printing *p)
{
	print_header(p);
	if (p->sided)
		return;
	p->sided = true;
	print_side(p, "---", p->from);
	print_side(p, "+++", p->to);
}

static void print_binary(struct printing *p)
{
	print_header(p);
	printf("Binary files %s and %s differ\n", p->from, p->to);
}

/* ---- text ------------------------------------------------------------ */

static int print_line(const git_diff_delta *delta, const git_diff_hunk *hunk,
	const git_diff_line *line, void *arg)
{
	struct printing *p = arg;
	char o = line->origin;

	(void)delta;
	if (o == GIT_DIFF_LINE_FILE_HDR)
		return 0;
	if (o == GIT_DIFF_LINE_BINARY && !p->opt->binary) {
		print_binary(p);
		return ferror(stdout) ? -1 : 0;
	}
	if (o == GIT_DIFF_LINE_BINARY)
		print_header(p);
	else
		print_sides(p);
	paint_line(&p->paint, hunk, line);
	return ferror(stdout) ? -1 : 0;
}

bool patch_is_large(git_repository *repo, const struct side *s, uint64_t *ret_bytes)
{
	git_odb *odb = NULL;
	git_object_t type;
	size_t size = 0;

	if (s->mode && git_repository_odb(&odb, repo) == 0)
		(void)git_odb_read_header(&size, &type, odb, &s->id);
	git_odb_free(odb);
	if (ret_bytes)
		*ret_bytes = size;
	return size > LARGE;
}

static void free_blob(git_blob **b)
{
	git_blob_free(*b);
}

int patch_of(git_repository *repo, const struct pair *p, int side, const struct patch_options *opt,
	git_patch **ret)
{
	autoput(free_blob) git_blob *a = NULL, *b = NULL;
	git_diff_options o;
	int r = 0;

	(void)git_diff_options_init(&o, GIT_DIFF_OPTIONS_VERSION);
	o.flags = GIT_DIFF_INDENT_HEURISTIC;
	if (opt->binary)
		o.flags |= GIT_DIFF_SHOW_BINARY;
	if (opt->ignore_space)
		o.flags |= GIT_DIFF_IGNORE_WHITESPACE;
	if (opt->ignore_space_change)
		o.flags |= GIT_DIFF_IGNORE_WHITESPACE_CHANGE;
	o.context_lines = (uint32_t)opt->context;
	if (p->a.mode && side <= 0)
		r = git_blob_lookup(&a, repo, &p->a.id);
	if (p->b.mode && side >= 0 && r >= 0)
		r = git_blob_lookup(&b, repo, &p->b.id);
	return r < 0 ? r : git_patch_from_blobs(ret, a, p->a.path, b, p->b.path, &o);
}

static int find_blank_ends(git_repository *repo, struct printing *p)
{
	autoput(free_blob) git_blob *a = NULL, *b = NULL;
	int r = git_blob_lookup(&a, repo, &p->a->id);

	if (r < 0 || (r = git_blob_lookup(&b, repo, &p->b->id)) < 0)
		return r;
	paint_ends(&p->paint, git_blob_rawcontent(a), (size_t)git_blob_rawsize(a),
		git_blob_rawcontent(b), (size_t)git_blob_rawsize(b));
	return 0;
}

static void printing_release(struct printing *p)
{
	free(p->from);
	free(p->to);
}

/* 1: something was printed. */
static int print_half(
	git_repository *repo, const struct pair *pair, int side, const struct patch_options *opt)
{
	struct side no_a = { .path = pair->b.path }, no_b = { .path = pair->a.path };
	autoput(printing_release) struct printing p = {
		.opt = opt, .status = pair->status, .score = pair->score,
		.a = side > 0 ? &no_a : &pair->a, .b = side < 0 ? &no_b : &pair->b,
	};
	git_patch *patch = NULL;
	bool large = !opt->binary && (patch_is_large(repo, p.a, NULL) || patch_is_large(repo, p.b, NULL));
	int r = 0;

	p.from = p.a->mode ? quoted(p.a->path, "a/") : xstrdup("/dev/null");
	p.to = p.b->mode ? quoted(p.b->path, "b/") : xstrdup("/dev/null");
	if (!git_oid_equal(&p.a->id, &p.b->id) && large) {
		print_binary(&p);
		return ferror(stdout) ? GIT_ERROR : 1;
	}
	if (!git_oid_equal(&p.a->id, &p.b->id)) {
		if ((r = patch_of(repo, pair, side, opt, &patch)) < 0)
			return r;
		p.binary = patch && git_patch_get_delta(patch)->flags & GIT_DIFF_FLAG_BINARY;
	}
	/* of what was only modified nothing is said when all that differs is ignored */
	if (p.a->mode != p.b->mode || p.status == 'R')
		print_header(&p);
	p.paint.color = opt->color;
	if (patch && opt->color && !p.binary && p.a->mode && p.b->mode)
		r = find_blank_ends(repo, &p);
	if (patch && r >= 0)
		r = git_patch_print(patch, print_line, &p);
	git_patch_free(patch);
	return r < 0 ? r : p.headed;
}

/* ---- names -------------------------------------------------------------- */

static const char *pair_name(const struct pair *p)
{
	return p->status == 'D' ? p->a.path : p->b.path;
}

static void print_names(const struct pairs *l, bool with_status)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct pair *p = &l->p[i];
		autofree char *name = quoted(pair_name(p), ""), *from = quoted(p->a.path, "");

		if (with_status && p->status == 'R')
			printf("R%03d\t%s\t", p->score * 100 / SCORE_MAX, from);
		else if (with_status)
			printf("%c\t", p->status);
		puts(name);
	}
}

/* ---- the whole ------------------------------------------------------------ */

/* A file that became a link (or back): git deletes the one and creates the other. */
static int print_pair(git_repository *repo, const struct pair *p, const struct patch_options *opt)
{
	int r;

	if (p->status != 'T')
		return print_half(repo, p, 0, opt);
	r = print_half(repo, p, -1, opt);
	return r < 0 ? r : print_half(repo, p, 1, opt);
}

int patch_trees(git_repository *repo, git_tree *a, git_tree *b, const struct strs *paths,
	const struct patch_options *opt)
{
	autoput(pairs_release) struct pairs l = { 0 };
	unsigned format = opt->format ? opt->format : PATCH_TEXT;
	bool differ;
	int r;

	if ((r = pairs_collect(repo, a, b, paths, &l)) < 0)
		return r;
	if (!opt->no_renames &&
		(r = pairs_find_renames(
			 repo, &l, opt->rename_least ? opt->rename_least : SCORE_MAX / 2)) < 0)
		return r;
	if (format & (PATCH_NAME_STATUS | PATCH_NAME_ONLY))
		print_names(&l, format & PATCH_NAME_STATUS);
	if (format & (PATCH_STAT | PATCH_NUMSTAT | PATCH_SHORTSTAT | PATCH_SUMMARY))
		if ((r = patch_stat(repo, &l, opt)) < 0)
			return r;
	differ = l.n > 0;
	if (!(format & PATCH_TEXT))
		return differ;
	if ((format & ~(unsigned)PATCH_TEXT) && l.n)
		fputc('\n', stdout);
	if (opt->ignore_space || opt->ignore_space_change)
		differ = false;
	for (size_t i = 0; i < l.n; i++) {
		if ((r = print_pair(repo, &l.p[i], opt)) < 0 && !opt->unread)
			return r;
		if (r < 0)
			opt->unread(&l.p[i], opt->arg);
		differ |= r != 0;
	}
	return differ;
}
