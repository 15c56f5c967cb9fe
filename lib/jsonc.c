#include "jsonc.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#include <jsmn.h>

#include "auto.h"
#include "err.h"

struct parse {
	struct jsonc *j;
	char *blank;   /* the text without comments and trailing commas */
	size_t *comma; /* those, ascending */
	size_t n_comma, cap_comma;
	size_t pos; /* what stands before is accounted for */
	int open;   /* the innermost container; -1: none */
	int depth;
	bool value_next; /* in an object: behind a key */
	size_t key, key_end;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int broken(struct parse *p, size_t at, const char *why)
{
	size_t line = 1, begin = 0;

	for (size_t i = 0; i < at; i++) {
		if (p->j->text[i] == '\n') {
			line++;
			begin = i + 1;
		}
	}
	(void)snprintf(p->j->error, sizeof(p->j->error), "line %zu, column %zu: %s", line,
		at - begin + 1, why);
	return -EINVAL;
}

/* ---- blanks --------------------------------------------------------------------- */

/* Behind the closing quote; the length when there is none. */
static size_t skip_string(const char *s, size_t len, size_t i)
{
	for (i++; i < len && s[i] != '"'; i++)
		if (s[i] == '\\' && i + 1 < len)
			i++;
	return i < len ? i + 1 : len;
}

static int blank_comment(struct parse *p, size_t *at)
{
	size_t len = p->j->len, i = *at;
	const char *s = p->j->text;

	if (s[i + 1] == '/') {
		for (; i < len && s[i] != '\n' && s[i] != '\r'; i++)
			p->blank[i] = ' ';
	} else {
		const char *end = memmem(s + i + 2, len - i - 2, "*/", 2);

		if (!end)
			return broken(p, i, "a comment does not end");
		for (; s + i < end + 2; i++)
			if (!is_blank(s[i]))
				p->blank[i] = ' ';
	}
	*at = i;
	return 0;
}

static int blank_comments(struct parse *p)
{
	const char *s = p->j->text;
	size_t len = p->j->len, i = 0;
	int r;

	if (len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0) {
		memset(p->blank, ' ', 3);
		p->j->end = i = 3;
	}
	while (i < len) {
		if (s[i] == '/' && i + 1 < len && (s[i + 1] == '/' || s[i + 1] == '*')) {
			if ((r = blank_comment(p, &i)) < 0)
				return r;
		} else if (s[i] == '"') {
			i = skip_string(s, len, i);
		} else if (is_blank(s[i])) {
			i++;
			continue;
		} else {
			i++;
		}
		p->j->end = i;
	}
	return 0;
}

static int note_comma(struct parse *p, size_t at)
{
	if (p->n_comma == p->cap_comma) {
		size_t cap = p->cap_comma ? 2 * p->cap_comma : 64,
		       *a = realloc(p->comma, cap * sizeof(*a));

		if (!a)
			return -ENOMEM;
		p->comma = a;
		p->cap_comma = cap;
	}
	p->comma[p->n_comma++] = at;
	p->blank[at] = ' ';
	return 0;
}

/* A comma is a trailing one when a value stands before it and a closing bracket behind. */
static int blank_commas(struct parse *p)
{
	char before = '[', *s = p->blank;
	size_t len = p->j->len, next;
	int r;

	for (size_t i = 0; i < len; i++) {
		if (is_blank(s[i]))
			continue;
		if (s[i] == '"') {
			i = skip_string(s, len, i) - 1;
			before = '"';
			continue;
		}
		if (s[i] == ',' && !strchr("[{,:", before)) {
			for (next = i + 1; next < len && is_blank(s[next]); next++)
				;
			if (next < len && (s[next] == ']' || s[next] == '}')) {
				if ((r = note_comma(p, i)) < 0)
					return r;
				continue;
			}
		}
		before = s[i];
	}
	return 0;
}

/* ---- structure ------------------------------------------------------------------ */

/* Between pos and at stands only sep (0: nothing), and blanks. */
static int check_gap(struct parse *p, size_t at, char sep)
{
	bool seen = false;

	for (size_t i = p->pos; i < at; i++) {
		if (is_blank(p->blank[i]))
			continue;
		if (!sep || seen || p->blank[i] != sep)
			return broken(p, i, "this is not expected here");
		seen = true;
	}
	if (sep && !seen)
		return broken(p, at, sep == ',' ? "a comma is missing" : "a colon is missing");
	return 0;
}

static size_t comma_between(const struct parse *p, size_t from, size_t to)
{
	size_t lo = 0, hi = p->n_comma;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (p->comma[mid] < from)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->n_comma && p->comma[lo] < to ? p->comma[lo] : 0;
}

static int close_one(struct parse *p)
{
	struct jsonc_node *c = &p->j->node[p->open];
	int r = check_gap(p, c->end - 1, 0);

	if (r < 0)
		return r;
	if (p->value_next)
		return broken(p, p->pos, "a value is missing");
	c->comma = comma_between(p, p->pos, c->end);
	/* Blanks of the text itself, not of the copy: comments count as something. */
	c->last_end = c->end - 1;
	while (c->last_end > p->pos && is_blank(p->j->text[c->last_end - 1]))
		c->last_end--;
	p->pos = c->end;
	p->open = c->parent;
	p->depth--;
	return 0;
}

static bool is_number(const char *s, size_t n)
{
	size_t i = n && *s == '-';

	if (i >= n || s[i] < '0' || s[i] > '9')
		return false;
	if (s[i++] != '0')
		while (i < n && s[i] >= '0' && s[i] <= '9')
			i++;
	if (i < n && s[i] == '.') {
		size_t from = ++i;

		while (i < n && s[i] >= '0' && s[i] <= '9')
			i++;
		if (i == from)
			return false;
	}
	if (i < n && (s[i] == 'e' || s[i] == 'E')) {
		size_t from;

		i += i + 1 < n && (s[i + 1] == '+' || s[i + 1] == '-') ? 2 : 1;
		from = i;
		while (i < n && s[i] >= '0' && s[i] <= '9')
			i++;
		if (i == from)
			return false;
	}
	return i == n;
}

static bool is_word(const char *s, size_t n)
{
	return (n == 4 && (memcmp(s, "true", 4) == 0 || memcmp(s, "null", 4) == 0)) ||
	       (n == 5 && memcmp(s, "false", 5) == 0) || is_number(s, n);
}

/* What libjsmn lets pass inside a token. */
static int check_token(struct parse *p, const jsmntok_t *t)
{
	const char *s = p->blank + t->start;
	size_t n = (size_t)(t->end - t->start);

	if (t->type == JSMN_PRIMITIVE && !is_word(s, n))
		return broken(p, (size_t)t->start, "neither a value nor quoted");
	for (size_t i = 0; t->type == JSMN_STRING && i < n; i++)
		if ((unsigned char)s[i] < 0x20)
			return broken(p, (size_t)t->start + i,
				"a string has a control character or no end");
	return 0;
}

static void add_child(struct jsonc *j, int parent, int child)
{
	struct jsonc_node *c = &j->node[parent];

	if (c->last >= 0)
		j->node[c->last].next = child;
	else
		c->first = child;
	c->last = child;
}

static int add_token(struct parse *p, const jsmntok_t *t)
{
	bool quoted = t->type == JSMN_STRING, in_object;
	size_t start = (size_t)t->start - quoted, end = (size_t)t->end + quoted;
	struct jsonc *j = p->j;
	struct jsonc_node *n;
	int r;

	while (p->open >= 0 && j->node[p->open].end <= start)
		if ((r = close_one(p)) < 0)
			return r;
	in_object = p->open >= 0 && j->node[p->open].type == JSONC_OBJECT;
	if (p->open < 0 && j->n)
		return broken(p, start, "more than one value");
	r = check_gap(p, start,
		p->value_next                                ? ':'
		: p->open >= 0 && j->node[p->open].last >= 0 ? ','
							     : 0);
	if (r == 0)
		r = check_token(p, t);
	if (r < 0)
		return r;
	p->pos = end;
	if (in_object && !p->value_next) {
		if (!quoted)
			return broken(p, start, "a key must be quoted");
		p->key = start;
		p->key_end = end;
		p->value_next = true;
		return 0;
	}
	n = &j->node[j->n];
	*n = (struct jsonc_node){
		.type = t->type == JSMN_OBJECT  ? JSONC_OBJECT
			: t->type == JSMN_ARRAY ? JSONC_ARRAY
			: quoted                ? JSONC_STRING
						: JSONC_OTHER,
		.start = start,
		.end = end,
		.key = p->key,
		.key_end = in_object ? p->key_end : 0,
		.parent = p->open,
		.next = -1,
		.first = -1,
		.last = -1,
	};
	if (p->open >= 0)
		add_child(j, p->open, j->n);
	p->value_next = false;
	if (n->type == JSONC_OBJECT || n->type == JSONC_ARRAY) {
		if (++p->depth > JSONC_DEPTH)
			return broken(p, start, "too deep");
		p->open = j->n;
		p->pos = start + 1;
	}
	j->n++;
	return 0;
}

static int read_tokens(struct parse *p)
{
	autofree jsmntok_t *tok = NULL;
	jsmn_parser parser;
	int n, r = 0;

	jsmn_init(&parser);
	n = jsmn_parse(&parser, p->blank, p->j->len, NULL, 0);
	if (n < 0)
		return broken(
			p, parser.pos < p->j->len ? parser.pos : p->j->len, "a string is broken");
	tok = calloc((size_t)n + 1, sizeof(*tok));
	p->j->node = calloc((size_t)n + 1, sizeof(*p->j->node));
	if (!tok || !p->j->node)
		return -ENOMEM;
	jsmn_init(&parser);
	n = jsmn_parse(&parser, p->blank, p->j->len, tok, (unsigned)n + 1);
	if (n < 0)
		return broken(p, parser.pos < p->j->len ? parser.pos : p->j->len,
			n == JSMN_ERROR_PART ? "the end is missing" : "brackets do not match");
	for (int i = 0; i < n && r == 0; i++)
		r = add_token(p, &tok[i]);
	while (r == 0 && p->open >= 0)
		r = close_one(p);
	return r < 0 ? r : check_gap(p, p->j->len, 0);
}

/* libjsmn walks up from each closing bracket: nesting without end would cost its square. */
static int check_depth(struct parse *p)
{
	int depth = 0;

	for (size_t i = 0; i < p->j->len; i++) {
		char c = p->blank[i];

		if (c == '"')
			i = skip_string(p->blank, p->j->len, i) - 1;
		else if ((c == '[' || c == '{') && ++depth > JSONC_DEPTH)
			return broken(p, i, "too deep");
		else if ((c == ']' || c == '}') && --depth < 0)
			return broken(p, i, "brackets do not match");
	}
	return 0;
}

int jsonc_parse(const char *text, size_t len, struct jsonc *ret)
{
	struct parse p = { .j = ret, .open = -1 };
	const char *nul;
	int r;

	*ret = (struct jsonc){ .text = text, .len = len };
	if (len > JSONC_MAX)
		return -EFBIG;
	if ((nul = len ? memchr(text, '\0', len) : NULL))
		return broken(&p, (size_t)(nul - text), "a NUL byte");
	p.blank = malloc(len + 1);
	if (!p.blank)
		return -ENOMEM;
	if (len)
		memcpy(p.blank, text, len);
	p.blank[len] = '\0';
	r = blank_comments(&p);
	if (r == 0)
		r = blank_commas(&p);
	if (r == 0)
		r = check_depth(&p);
	if (r == 0)
		r = read_tokens(&p);
	free(p.blank);
	free(p.comma);
	return r;
}

void jsonc_release(struct jsonc *j)
{
	free(j->node);
	j->node = NULL;
	j->n = 0;
}

/* ---- looking -------------------------------------------------------------------- */

static int hex4(const char *s)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		int c = s[i] | 0x20;

		v = 16 * v + (c >= 'a' ? c - 'a' + 10 : c - '0');
	}
	return v;
}

static int add_utf8(struct buf *b, int c)
{
	if (c < 0x80)
		return buf_addch(b, c);
	if (c < 0x800)
		return buf_printf(b, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
	if (c < 0x10000)
		return buf_printf(
			b, "%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 0x3f), 0x80 | (c & 0x3f));
	return buf_printf(b, "%c%c%c%c", 0xf0 | c >> 18, 0x80 | (c >> 12 & 0x3f),
		0x80 | (c >> 6 & 0x3f), 0x80 | (c & 0x3f));
}

/* s..end: behind a backslash. Its bytes go to b; how many letters were read, 0: a NUL. */
static size_t unescape(const char *s, const char *end, struct buf *b, int *r)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *at = strchr(from, *s);
	size_t n = 5;
	int c;

	if (*s != 'u') {
		*r = buf_addch(b, at ? to[at - from] : *s);
		return 1;
	}
	c = hex4(s + 1);
	if (c >= 0xd800 && c < 0xdc00 && end - s >= 11 && s[5] == '\\' && s[6] == 'u') {
		int low = hex4(s + 7);

		if (low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			n = 11;
		}
	}
	*r = add_utf8(b, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
	return c ? n : 0;
}

static bool decode(const char *s, const char *end, struct buf *ret)
{
	int r = buf_reserve(ret, 1);

	buf_reset(ret);
	for (; r == 0 && s < end; s++) {
		size_t n;

		if (*s != '\\') {
			r = buf_addch(ret, *s);
			continue;
		}
		n = unescape(s + 1, end, ret, &r);
		if (!n)
			return false;
		s += n;
	}
	if (r == 0 && !ret->len)
		ret->data[0] = '\0';
	return r == 0;
}

bool jsonc_string(const struct jsonc *j, int node, struct buf *ret)
{
	if (node < 0 || j->node[node].type != JSONC_STRING)
		return false;
	return decode(j->text + j->node[node].start + 1, j->text + j->node[node].end - 1, ret);
}

bool jsonc_key(const struct jsonc *j, int node, struct buf *ret)
{
	return node >= 0 && j->node[node].key_end &&
	       decode(j->text + j->node[node].key + 1, j->text + j->node[node].key_end - 1, ret);
}

bool jsonc_is(const struct jsonc *j, int node, const char *string)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	return jsonc_string(j, node, &b) && strcmp(b.data, string) == 0;
}

bool jsonc_number(const struct jsonc *j, int node, double *ret)
{
	char s[32];
	size_t n;

	if (node < 0 || j->node[node].type != JSONC_OTHER)
		return false;
	n = j->node[node].end - j->node[node].start;
	if (n >= sizeof(s) || j->text[j->node[node].start] < '0' ||
		j->text[j->node[node].start] > '9')
		return false;
	memcpy(s, j->text + j->node[node].start, n);
	s[n] = '\0';
	*ret = strtod(s, NULL);
	return true;
}

int jsonc_member(const struct jsonc *j, int object, const char *key)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int found = -1;

	if (object < 0 || object >= j->n || j->node[object].type != JSONC_OBJECT)
		return -1;
	for (int i = j->node[object].first; i >= 0; i = j->node[i].next)
		if (jsonc_key(j, i, &b) && strcmp(b.data, key) == 0)
			found = i;
	return found;
}

static bool same_bytes(
	const struct jsonc *a, size_t s, size_t e, const struct jsonc *b, size_t t, size_t f)
{
	return e - s == f - t && memcmp(a->text + s, b->text + t, e - s) == 0;
}

/* Nodes stand in the order of the text, a container before what is in it: so two subtrees are
 * compared side by side. */
bool jsonc_same(const struct jsonc *a, int x, const struct jsonc *b, int y)
{
	size_t end, other_end;
	int from = x, other = y;

	if (x < 0 || y < 0)
		return false;
	end = a->node[x].end;
	other_end = b->node[y].end;
	for (; x < a->n && a->node[x].start < end; x++, y++) {
		const struct jsonc_node *n = &a->node[x], *m;

		if (y >= b->n || b->node[y].start >= other_end)
			return false;
		m = &b->node[y];
		if (n->type != m->type || (n->first < 0) != (m->first < 0))
			return false;
		if (x != from && n->parent - from != m->parent - other)
			return false;
		if (x != from && !same_bytes(a, n->key, n->key_end ? n->key_end : n->key, b, m->key,
					 m->key_end ? m->key_end : m->key))
			return false;
		if (n->type != JSONC_OBJECT && n->type != JSONC_ARRAY &&
			!same_bytes(a, n->start, n->end, b, m->start, m->end))
			return false;
	}
	return y >= b->n || b->node[y].start >= other_end;
}
