#include "paint.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

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

static bool is_blank(const char *p, size_t n)
{
	while (n && isspace((unsigned char)p[n - 1]))
		n--;
	return n == 0;
}

/* end: a new blank line at the end of the file. */
static void print_colored(char origin, const char *p, size_t n, bool end)
{
	bool nl = n && p[n - 1] == '\n';
	bool cr;

	n -= nl;
	cr = n && p[n - 1] == '\r' && (end || origin != GIT_DIFF_LINE_ADDITION);
	n -= cr;
	switch (origin) {
	case GIT_DIFF_LINE_ADDITION:
		if (end) {
			fputs(ON_RED "+", stdout);
			fwrite(p, 1, n, stdout);
			fputs(RESET, stdout);
		} else {
			print_added(p, n);
		}
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

/* How many blank lines a text ends in; the first line is never one of them, as in git. */
static int count_blank(const char *text, size_t len)
{
	size_t end = len && text[len - 1] == '\n' ? len - 1 : len;
	int n = 0;

	while (end > 1) {
		const char *nl = memrchr(text, '\n', end);
		size_t start = nl ? (size_t)(nl - text) + 1 : 0;

		if (!is_blank(text + start, end - start))
			break;
		n++;
		if (!nl)
			break;
		end = start - 1;
	}
	return n;
}

static int count_lines(const char *text, size_t len)
{
	const char *p = text, *end = text + len;
	int n = 0;

	for (; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		n++;
	return n + (len && end[-1] != '\n');
}

void paint_ends(struct paint *p, const char *a, size_t a_len, const char *b, size_t b_len)
{
	int old = count_blank(a, a_len), new = count_blank(b, b_len);

	p->blank_old = p->blank_new = 0;
	if (new > old) {
		p->blank_old = count_lines(a, a_len) - old + 1;
		p->blank_new = count_lines(b, b_len) - new + 1;
	}
}

/* git counts lines as it prints them: the old text's from the hunk's first, a "\\ No newline" as
 * one; the new text's one ahead. */
static bool is_blank_end(const struct paint *p, const git_diff_line *line)
{
	return p->blank_old && p->blank_new && p->blank_old <= p->old_line &&
		p->blank_new <= line->new_lineno + 1 && is_blank(line->content, line->content_len);
}

void paint_line(struct paint *p, const git_diff_hunk *hunk, const git_diff_line *line)
{
	size_t n = line->content_len;
	char o = line->origin;

	if (o == GIT_DIFF_LINE_CONTEXT_EOFNL || o == GIT_DIFF_LINE_ADD_EOFNL ||
		o == GIT_DIFF_LINE_DEL_EOFNL) {
		print_no_newline(line->content, n, p->color);
		p->old_line++;
	} else if (o == GIT_DIFF_LINE_HUNK_HDR) {
		/* the function's name is cut at 80 bytes: git drops white space before the cut */
		while (n && strchr(" \t\r\n\f\v", line->content[n - 1]))
			n--;
		print_hunk_header(line->content, n, p->color);
		p->old_line = hunk ? hunk->old_start : 0;
	} else if (!p->color) {
		if (o == '+' || o == '-' || o == ' ')
			fputc(o, stdout);
		fwrite(line->content, 1, n, stdout);
	} else if (o == GIT_DIFF_LINE_BINARY) {
		fwrite(line->content, 1, n, stdout);
	} else {
		p->old_line += o != '+';
		print_colored(o, line->content, n, o == '+' && is_blank_end(p, line));
	}
}
