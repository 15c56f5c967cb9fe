#include "patch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "xalloc.h"

#define BOLD	"\033[1m"
#define RED	"\033[31m"
#define GREEN	"\033[32m"
#define CYAN	"\033[36m"
#define ON_RED	"\033[41m"
#define RESET	"\033[m"

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

/* ---- text ------------------------------------------------------------ */

static void print_hunk_header(const char *p, size_t n, bool color)
{
	const char *end = n > 2 ? memmem(p + 2, n - 2, "@@", 2) : NULL;
	size_t len = end ? (size_t)(end - p) + 2 : n;
	size_t rest = n - len;

	if (!color) {
		fwrite(p, 1, n, stdout);
		fputc('\n', stdout);
		return;
	}
	fputs(CYAN, stdout);
	fwrite(p, 1, len, stdout);
	fputs(RESET, stdout);
	/* " " and the function: the space and the text in colours of their own, both plain */
	if (rest) {
		fputc(' ', stdout);
		fputs(RESET, stdout);
		fwrite(p + len + 1, 1, rest - 1, stdout);
		fputs(RESET, stdout);
	}
	fputc('\n', stdout);
}

/* Where trailing white space begins in an added line. */
static size_t text_length(const char *p, size_t n)
{
	while (n && (p[n - 1] == ' ' || p[n - 1] == '\t' || p[n - 1] == '\r' || p[n - 1] == '\v' ||
			    p[n - 1] == '\f'))
		n--;
	return n;
}

/* The indent up to its last tab, with spaces before a tab painted. Returns its length. */
static size_t print_indent(const char *p, size_t n)
{
	size_t done = 0;

	for (size_t i = 0; i < n && (p[i] == ' ' || p[i] == '\t'); i++) {
		if (p[i] != '\t')
			continue;
		if (done < i) {
			fputs(ON_RED, stdout);
			fwrite(p + done, 1, i - done, stdout);
			fputs(RESET, stdout);
		}
		fputc('\t', stdout);
		done = i + 1;
	}
	return done;
}

static void print_added(const char *p, size_t n)
{
	size_t len = text_length(p, n), indent;

	fputs(GREEN "+" RESET, stdout);
	indent = print_indent(p, len);
	if (len > indent) {
		fputs(GREEN, stdout);
		fwrite(p + indent, 1, len - indent, stdout);
		fputs(RESET, stdout);
	}
	if (n > len) {
		fputs(ON_RED, stdout);
		fwrite(p + len, 1, n - len, stdout);
		fputs(RESET, stdout);
	}
}

static void print_colored(char origin, const char *p, size_t n)
{
	bool nl = n && p[n - 1] == '\n';
	bool cr = nl && n > 1 && p[n - 2] == '\r' && origin != GIT_DIFF_LINE_ADDITION;

	n -= (size_t)nl + cr;
	switch (origin) {
	case GIT_DIFF_LINE_ADDITION:
		print_added(p, n);
		break;
	case GIT_DIFF_LINE_DELETION:
		fputs(RED "-", stdout);
		fwrite(p, 1, n, stdout);
		fputs(RESET, stdout);
		break;
	default:	/* context */
		fputc(' ', stdout);
		fwrite(p, 1, n, stdout);
		fputs(RESET, stdout);
	}
	if (cr)
		fputc('\r', stdout);
	if (nl)
		fputc('\n', stdout);
}

/* libgit2 gives "\n\\ No newline at end of file\n" with the line feed the last line lacked. */
static void print_no_newline(const char *p, size_t n, bool color)
{
	if (n && *p == '\n') {
		fputc('\n', stdout);
		p++, n--;
	}
	if (n && p[n - 1] == '\n')
		n--;
	if (color)
		fwrite(p, 1, n, stdout), fputs(RESET, stdout);
	else
		fwrite(p, 1, n, stdout);
	fputc('\n', stdout);
}

static int print_line(const git_diff_delta *delta, const git_diff_hunk *hunk,
	const git_diff_line *line, void *arg)
{
	struct printing *p = arg;
	bool color = p->opt->color;
	char o = line->origin;

	(void)hunk, (void)delta;
	if (o == GIT_DIFF_LINE_FILE_HDR)
		return 0;
	if (o == GIT_DIFF_LINE_BINARY && !p->opt->binary) {
		print_header(p);
		printf("Binary files %s and %s differ\n", p->from, p->to);
		return ferror(stdout) ? -1 : 0;
	}
	if (o == GIT_DIFF_LINE_BINARY)
		print_header(p);
	else
		print_sides(p);
	if (o == GIT_DIFF_LINE_CONTEXT_EOFNL || o == GIT_DIFF_LINE_ADD_EOFNL ||
		o == GIT_DIFF_LINE_DEL_EOFNL) {
		print_no_newline(line->content, line->content_len, color);
	} else if (o == GIT_DIFF_LINE_HUNK_HDR) {
		size_t n = line->content_len;

		/* the function's name is cut at 80 bytes: git drops white space before the cut */
		while (n && strchr(" \t\r\n\f\v", line->content[n - 1]))
			n--;
		print_hunk_header(line->content, n, color);
	} else if (!color) {
		if (o == '+' || o == '-' || o == ' ')
			fputc(o, stdout);
		fwrite(line->content, 1, line->content_len, stdout);
	} else if (o == GIT_DIFF_LINE_BINARY) {
		fwrite(line->content, 1, line->content_len, stdout);
	} else {
		print_colored(o, line->content, line->content_len);
	}
	return ferror(stdout) ? -1 : 0;
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
	int r = 0;

	p.from = p.a->mode ? quoted(p.a->path, "a/") : xstrdup("/dev/null");
	p.to = p.b->mode ? quoted(p.b->path, "b/") : xstrdup("/dev/null");
	if (!git_oid_equal(&p.a->id, &p.b->id)) {
		if ((r = patch_of(repo, pair, side, opt, &patch)) < 0)
			return r;
		p.binary = patch && git_patch_get_delta(patch)->flags & GIT_DIFF_FLAG_BINARY;
	}
	/* of what was only modified nothing is said when all that differs is ignored */
	if (p.a->mode != p.b->mode || p.status == 'R')
		print_header(&p);
	if (patch)
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
