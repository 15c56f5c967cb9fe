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

/* A name with white space in it is ended by a tab in the --- and +++ lines, for patch(1) and git apply. */
static bool needs_tab(const char *line, size_t n, const git_diff_delta *d)
{
	const char *path = *line == '-' ? d->old_file.path : d->new_file.path;

	if (n <= 4 || (memcmp(line, "--- ", 4) && memcmp(line, "+++ ", 4)) || line[4] == '/')
		return false;
	return path && strchr(path, ' ');	/* the others are quoted away */
}

/* The lines of a header, each in bold as git does it. */
static void print_header(const git_diff_delta *d, const char *p, size_t n, bool color)
{
	while (n) {
		const char *nl = memchr(p, '\n', n);
		size_t len = nl ? (size_t)(nl - p) : n;

		if (color)
			fputs(BOLD, stdout);
		fwrite(p, 1, len, stdout);
		if (color)
			fputs(RESET, stdout);
		if (needs_tab(p, len, d))
			fputc('\t', stdout);
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

static bool same_blob(const git_diff_delta *d)
{
	return git_oid_equal(&d->old_file.id, &d->new_file.id);
}

/* An empty file that comes or goes has no lines, so git names no sides. */
static size_t header_length(const git_diff_delta *d, const git_diff_line *line)
{
	static const unsigned char empty[GIT_OID_RAWSZ] = {
		0xe6, 0x9d, 0xe2, 0x9b, 0xb2, 0xd1, 0xd6, 0x43, 0x4b, 0x8b,
		0x29, 0xae, 0x77, 0x5a, 0xd8, 0xc2, 0xe4, 0x8c, 0x53, 0x91,
	};
	const git_oid *id = d->status == GIT_DELTA_ADDED ? &d->new_file.id : &d->old_file.id;
	const char *sides;

	if ((d->status != GIT_DELTA_ADDED && d->status != GIT_DELTA_DELETED) || memcmp(id->id, empty, sizeof(empty)))
		return line->content_len;
	sides = memmem(line->content, line->content_len, "\n--- ", 5);
	return sides ? (size_t)(sides - line->content) + 1 : line->content_len;
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
	} else if (o == GIT_DIFF_LINE_FILE_HDR) {
		print_header(delta, line->content, header_length(delta, line), opt->color);
	} else if (!opt->color) {
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
	const struct patch_options *opt, git_diff **ret)
{
	git_diff_options o;
	git_diff_find_options f;
	git_diff_similarity_metric metric = *patch_metric();
	autoput(strs_release) struct strs never = { 0 };
	int r;

	(void)git_diff_options_init(&o, GIT_DIFF_OPTIONS_VERSION);
	(void)git_diff_find_options_init(&f, GIT_DIFF_FIND_OPTIONS_VERSION);
	o.flags = GIT_DIFF_DISABLE_PATHSPEC_MATCH | GIT_DIFF_INDENT_HEURISTIC | GIT_DIFF_INCLUDE_TYPECHANGE;
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
	for (size_t i = 0; i < git_diff_num_deltas(*ret); i++) {
		const git_diff_delta *d = git_diff_get_delta(*ret, i);

		if (d->status == GIT_DELTA_TYPECHANGE)
			strs_add(&never, xstrdup(d->new_file.path));
	}
	metric.payload = &never;
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

/* A file that became a link (or back): git deletes the one and creates the other. */
static int print_typechange(git_repository *repo, git_tree *a, git_tree *b, const git_diff_delta *d,
	const struct patch_options *opt)
{
	struct strs one = { .s = (char *[]){ (char *)(uintptr_t)d->new_file.path, NULL }, .n = 1 };
	int r = 0;

	for (int side = 0; side < 2 && r >= 0; side++) {
		autoput(free_diff) git_diff *diff = NULL;

		r = make_diff(repo, side ? NULL : a, side ? b : NULL, &one, opt, &diff);
		if (r >= 0)
			r = git_diff_print(diff, GIT_DIFF_FORMAT_PATCH, print_line, (void *)(uintptr_t)opt);
	}
	return r;
}

/* With -w or -b: all that differs is ignored. */
static bool only_space(const git_patch *patch, const struct patch_options *opt)
{
	const git_diff_delta *d = git_patch_get_delta(patch);

	return (opt->ignore_space || opt->ignore_space_change) && d->status == GIT_DELTA_MODIFIED &&
		!(d->flags & GIT_DIFF_FLAG_BINARY) && d->old_file.mode == d->new_file.mode &&
		!git_patch_num_hunks(patch);
}

static int print_patches(git_repository *repo, git_tree *a, git_tree *b, git_diff *diff,
	const struct patch_options *opt)
{
	for (size_t i = 0; i < git_diff_num_deltas(diff); i++) {
		const git_diff_delta *d = git_diff_get_delta(diff, i);
		git_patch *patch = NULL;
		int r;

		if (d->status == GIT_DELTA_TYPECHANGE) {
			r = print_typechange(repo, a, b, d, opt);
		} else {
			r = git_patch_from_diff(&patch, diff, i);
			if (r >= 0 && patch && !only_space(patch, opt))
				r = git_patch_print(patch, print_line, (void *)(uintptr_t)opt);
			git_patch_free(patch);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int patch_trees(git_repository *repo, git_tree *a, git_tree *b, const struct strs *paths,
	const struct patch_options *opt)
{
	autoput(free_diff) git_diff *diff = NULL;
	unsigned format = opt->format ? opt->format : PATCH_TEXT;
	int r;

	if ((r = make_diff(repo, a, b, paths, opt, &diff)) < 0)
		return r;
	if (format & PATCH_NAME_STATUS)
		print_name_status(diff);
	else if (format & PATCH_NAME_ONLY)
		print_names(diff);
	if (format & (PATCH_STAT | PATCH_NUMSTAT | PATCH_SHORTSTAT | PATCH_SUMMARY))
		if ((r = patch_stat(repo, diff, opt)) < 0)
			return r;
	if ((format & PATCH_TEXT) && (format & ~(unsigned)PATCH_TEXT) && git_diff_num_deltas(diff))
		fputc('\n', stdout);
	if ((format & PATCH_TEXT) && (r = print_patches(repo, a, b, diff, opt)) < 0)
		return r;
	return git_diff_num_deltas(diff) > 0;
}
