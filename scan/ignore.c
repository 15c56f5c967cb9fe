/* scan/ignore.c - see the header. Where git's reading of gitignore(5) has corners, this has the
 * same ones: tests/test_rules.c compares the two on thousands of generated patterns. */
#include "ignore.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wildmatch.h"

enum {
	NEGATIVE = 1,		/* `!` */
	ONLY_DIR = 2,		/* ended in '/' */
	NAME_ONLY = 4,		/* no '/': matches the last component at any depth */
	TAIL = 8,		/* `*` and then nothing special: compare the end */
};

struct pattern {
	const char *text;	/* in ignore.text */
	uint32_t len;
	uint32_t literal;	/* bytes before the first special one */
	unsigned flags;
};

struct ignore {
	char *text;
	struct pattern *pattern;
	size_t n;
};

void ignore_free(struct ignore *ig)
{
	if (!ig)
		return;
	free(ig->pattern);
	free(ig->text);
	free(ig);
}

/* Spaces at the end do not count unless a backslash stands before them. */
static size_t without_trailing_spaces(const char *line, size_t len)
{
	size_t end = 0;

	for (size_t i = 0; i < len; i++) {
		if (line[i] == '\\') {
			if (++i >= len)
				return len;
			end = i + 1;
		} else if (line[i] != ' ') {
			end = i + 1;
		}
	}
	return end;
}

static void pattern_parse(struct pattern *p, const char *s, size_t len)
{
	*p = (struct pattern){ 0 };
	if (len && *s == '!') {
		p->flags |= NEGATIVE;
		s++;
		len--;
	}
	p->literal = (uint32_t)wild_literal_len(s, len);
	if (len && *s == '*' && wild_literal_len(s + 1, len - 1) == len - 1)
		p->flags |= TAIL;
	if (len && s[len - 1] == '/') {
		p->flags |= ONLY_DIR;
		len--;
	}
	if (!memchr(s, '/', len)) {
		p->flags |= NAME_ONLY;
	} else if (*s == '/') {
		s++;
		len--;
		p->literal -= p->literal > 0;
	}
	if (p->literal > len)
		p->literal = (uint32_t)len;
	p->text = s;
	p->len = (uint32_t)len;
}

static int add(struct ignore *ig, size_t *cap, const char *line, size_t len)
{
	if (ig->n == *cap) {
		size_t n = *cap ? *cap * 2 : 8;
		struct pattern *p = realloc(ig->pattern, n * sizeof(*p));

		if (!p)
			return -ENOMEM;
		ig->pattern = p;
		*cap = n;
	}
	pattern_parse(&ig->pattern[ig->n++], line, len);
	return 0;
}

static int parse_lines(struct ignore *ig, const char *p, size_t len)
{
	const char *end = p + len;
	size_t cap = 0;

	if (len >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
		p += 3;
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl ? nl : end;
		size_t n = (size_t)(stop - p);

		if (n && *p != '#') {
			int r;

			n -= p[n - 1] == '\r';
			n = strnlen(p, n);
			r = add(ig, &cap, p, without_trailing_spaces(p, n));
			if (r < 0)
				return r;
		}
		p = stop + 1;
	}
	return 0;
}

int ignore_parse(char *text, size_t len, struct ignore **ret)
{
	struct ignore *ig = calloc(1, sizeof(*ig));
	int r;

	if (!ig) {
		free(text);
		return -ENOMEM;
	}
	ig->text = text;
	r = parse_lines(ig, text, len);
	if (r < 0 || !ig->n) {
		ignore_free(ig);
		ig = NULL;
	}
	if (r == 0)
		*ret = ig;
	return r;
}

int ignore_from_list(const struct config_list *list, struct ignore **ret)
{
	size_t len = 0;
	char *text, *p;

	for (size_t i = 0; i < list->n; i++)
		len += strlen(list->item[i]) + 1;
	p = text = malloc(len + 1);
	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < list->n; i++) {
		p = stpcpy(p, list->item[i]);
		*p++ = '\n';
	}
	return ignore_parse(text, len, ret);
}

static bool match_name(const struct pattern *p, const char *base, size_t len)
{
	if (p->literal == p->len)
		return len == p->len && len && p->text[0] == base[0] && !memcmp(p->text, base, len);
	if (p->literal && (len < p->literal || p->text[0] != base[0]))
		return false;
	if (p->flags & TAIL)
		return len >= p->len - 1 && (p->len == 1 || p->text[p->len - 1] == base[len - 1]) &&
			!memcmp(p->text + 1, base + len - (p->len - 1), p->len - 1);
	return wild_match(p->text, p->len, base, len, false);
}

/* The literal beginning is cut off first, as git does: what `**` means at its new
 * beginning depends on it. */
static bool match_path(const struct pattern *p, const char *name, size_t len)
{
	size_t k = p->literal;

	if (k > len || (k && (p->text[0] != name[0] || memcmp(p->text, name, k))))
		return false;
	return wild_match(p->text + k, p->len - k, name + k, len - k, true);
}

int ignore_match(
	const struct ignore *ig, const char *name, size_t len, const char *base, bool is_dir)
{
	size_t base_len = len - (size_t)(base - name);

	for (size_t i = ig->n; i-- > 0;) {
		const struct pattern *p = &ig->pattern[i];

		if ((p->flags & ONLY_DIR) && !is_dir)
			continue;
		if (p->flags & NAME_ONLY ? match_name(p, base, base_len) : match_path(p, name, len))
			return p->flags & NEGATIVE ? -1 : 1;
	}
	return 0;
}

/* Component by component; whichever ends first leaves the rest open. */
static bool may_match_below(const struct pattern *p, const char *name, size_t len, bool any_depth)
{
	const char *a = p->text, *a_end = a + p->len, *b = name, *b_end = name + len;

	while (a < a_end && b < b_end) {
		const char *as = memchr(a, '/', (size_t)(a_end - a));
		const char *bs = memchr(b, '/', (size_t)(b_end - b));
		size_t an = (size_t)((as ? as : a_end) - a), bn = (size_t)((bs ? bs : b_end) - b);

		if (an >= 2 && !memcmp(a, "**", 2))
			return a > p->text || any_depth;
		if (!wild_match(a, an, b, bn, true) && !(an >= 2 && memmem(a, an, "**", 2)))
			return false;
		a += an + (as != NULL);
		b += bn + (bs != NULL);
	}
	return true;
}

bool ignore_may_match_below(const struct ignore *ig, const char *name, size_t len, bool any_depth)
{
	for (size_t i = 0; i < ig->n; i++) {
		const struct pattern *p = &ig->pattern[i];

		if (p->flags & NEGATIVE)
			continue;
		if (p->flags & NAME_ONLY ? any_depth && p->len
					 : may_match_below(p, name, len, any_depth))
			return true;
	}
	return false;
}
