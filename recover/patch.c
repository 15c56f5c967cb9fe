#include "patch.h"

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

/* ---- text ------------------------------------------------------------ */

/* One line of a header, in bold, as git does: the escape goes around each line. */
static void print_bold(const char *p, size_t n)
{
	while (n) {
		const char *nl = memchr(p, '\n', n);
		size_t len = nl ? (size_t)(nl - p) : n;

		fputs(BOLD, stdout);
		fwrite(p, 1, len, stdout);
		fputs(RESET, stdout);
		if (nl)
			fputc('\n', stdout);
		p += len + (nl != NULL);
		n -= len + (nl != NULL);
	}
}

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
	if (rest) {	/* " " and the function: the space and the text in colours of their own, both plain */
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
	while (n && (p[n - 1] == ' ' || p[n - 1] == '\t' || p[n - 1] == '\r' || p[n - 1] == '\v' || p[n - 1] == '\f'))
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

	n -= nl;
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

static bool same_blob(const git_diff_delta *d)
{
	return git_oid_equal(&d->old_file.id, &d->new_file.id);
}

static int print_line(const git_diff_delta *delta, const git_diff_hunk *hunk, const git_diff_line *line, void *arg)
{
	const struct patch_options *opt = arg;
	char o = line->origin;

	(void)hunk;
	if (o == GIT_DIFF_LINE_BINARY && same_blob(delta))
		return 0;	/* only renamed: git says no more of it */
	if (o == GIT_DIFF_LINE_CONTEXT_EOFNL || o == GIT_DIFF_LINE_ADD_EOFNL || o == GIT_DIFF_LINE_DEL_EOFNL) {
		print_no_newline(line->content, line->content_len, opt->color);
	} else if (o == GIT_DIFF_LINE_HUNK_HDR) {
		size_t n = line->content_len;

		/* the function's name is cut at 80 bytes: git drops white space before the cut */
		while (n && strchr(" \t\r\n\f\v", line->content[n - 1]))
			n--;
		print_hunk_header(line->content, n, opt->color);
	} else if (!opt->color) {
		if (o == '+' || o == '-' || o == ' ')
			fputc(o, stdout);
		fwrite(line->content, 1, line->content_len, stdout);
	} else if (o == GIT_DIFF_LINE_FILE_HDR) {
		print_bold(line->content, line->content_len);
	} else if (o == GIT_DIFF_LINE_BINARY) {
		fwrite(line->content, 1, line->content_len, stdout);
	} else {
		print_colored(o, line->content, line->content_len);
	}
	return ferror(stdout) ? -1 : 0;
}

/* ---- names -------------------------------------------------------------- */

static void print_name_status(git_diff *diff)
{
	for (size_t i = 0; i < git_diff_num_deltas(diff); i++) {
		const git_diff_delta *d = git_diff_get_delta(diff, i);
		autoput(buf_release) struct buf b = BUF_INIT;

		if (d->status == GIT_DELTA_RENAMED || d->status == GIT_DELTA_COPIED) {
			(void)buf_printf(&b, "%c%03d\t", git_diff_status_char(d->status), d->similarity);
			patch_quote(d->old_file.path, "", &b);
			(void)buf_addch(&b, '\t');
		} else {
			(void)buf_printf(&b, "%c\t", git_diff_status_char(d->status));
		}
		patch_quote(d->status == GIT_DELTA_DELETED ? d->old_file.path : d->new_file.path, "", &b);
		puts(b.data);
	}
}

static void print_names(git_diff *diff)
{
	for (size_t i = 0; i < git_diff_num_deltas(diff); i++) {
		const git_diff_delta *d = git_diff_get_delta(diff, i);
		autoput(buf_release) struct buf b = BUF_INIT;

		patch_quote(d->status == GIT_DELTA_DELETED ? d->old_file.path : d->new_file.path, "", &b);
		puts(b.data);
	}
}

/* ---- the whole ------------------------------------------------------------ */

static int make_diff(git_repository *repo, git_tree *a, git_tree *b, const struct strs *paths,
	const struct patch_options *opt, bool typechange, git_diff **ret)
{
	git_diff_options o;
	git_diff_find_options f;
	git_diff_similarity_metric metric = *patch_metric();
	int r;

	(void)git_diff_options_init(&o, GIT_DIFF_OPTIONS_VERSION);
	(void)git_diff_find_options_init(&f, GIT_DIFF_FIND_OPTIONS_VERSION);
	o.flags = GIT_DIFF_DISABLE_PATHSPEC_MATCH | GIT_DIFF_INDENT_HEURISTIC;
	if (typechange)
		o.flags |= GIT_DIFF_INCLUDE_TYPECHANGE;
	if (opt->binary)
		o.flags |= GIT_DIFF_SHOW_BINARY;
	if (opt->ignore_space)
		o.flags |= GIT_DIFF_IGNORE_WHITESPACE;
	if (opt->ignore_space_change)
		o.flags |= GIT_DIFF_IGNORE_WHITESPACE_CHANGE;
	if (opt->full_index)
		o.id_abbrev = 40;
	o.context_lines = (uint32_t)opt->context;
	if (paths && paths->n && **paths->s) {
		o.pathspec.strings = paths->s;
		o.pathspec.count = paths->n;
	}
	if ((r = git_diff_tree_to_tree(ret, repo, a, b, &o)) < 0 || opt->no_renames)
		return r;
	f.flags = GIT_DIFF_FIND_RENAMES;
	f.rename_threshold = (uint16_t)(opt->rename_percent ? opt->rename_percent : 50);
	f.rename_limit = 1000;
	f.metric = &metric;
	return git_diff_find_similar(*ret, &f);
}

static void free_diff(git_diff **d)
{
	git_diff_free(*d);
}

int patch_trees(git_repository *repo, git_tree *a, git_tree *b, const struct strs *paths,
	const struct patch_options *opt)
{
	autoput(free_diff) git_diff *diff = NULL, *typed = NULL;
	unsigned format = opt->format ? opt->format : PATCH_TEXT;
	int r;

	/* a file that became a link is a deletion and a creation in a patch, one line in a list */
	if (format & ~(unsigned)PATCH_TEXT) {
		if ((r = make_diff(repo, a, b, paths, opt, true, &typed)) < 0)
			return r;
		if (format & PATCH_NAME_STATUS)
			print_name_status(typed);
		else if (format & PATCH_NAME_ONLY)
			print_names(typed);
		if (format & (PATCH_STAT | PATCH_NUMSTAT | PATCH_SHORTSTAT | PATCH_SUMMARY))
			if ((r = patch_stat(typed, opt)) < 0)
				return r;
		if (!(format & PATCH_TEXT))
			return git_diff_num_deltas(typed) > 0;
		if (git_diff_num_deltas(typed))
			fputc('\n', stdout);
	}
	if ((r = make_diff(repo, a, b, paths, opt, false, &diff)) < 0)
		return r;
	if ((r = git_diff_print(diff, GIT_DIFF_FORMAT_PATCH, print_line, (void *)(uintptr_t)opt)) < 0)
		return r;
	return git_diff_num_deltas(diff) > 0;
}
