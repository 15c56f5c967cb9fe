#include "jsonc_gen.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct gen {
	const struct jsonc_gen *g;
	struct buf *b;
	const char *eol, *unit;
	unsigned comments, trailing; /* percent */
	bool compact;
};

static void must(int r)
{
	if (r < 0)
		abort();
}

static void put(struct gen *x, const char *s)
{
	must(buf_addstr(x->b, s));
}

static bool chance(struct gen *x, unsigned percent)
{
	return x->g->below(100) < percent;
}

static void put_eol(struct gen *x, unsigned depth)
{
	put(x, x->eol);
	for (unsigned i = 0; i < depth; i++)
		put(x, x->unit);
}

static void comment(struct gen *x, unsigned depth)
{
	static const char *const text[] = { "keep", "\"quoted\": [1, 2,", "}, ]", "// twice",
		"a * b", "\xc3\xa9\xe2\x82\xac", "http://x/y" };
	const char *t = text[x->g->below(sizeof(text) / sizeof(*text))];

	while (chance(x, x->comments)) {
		if (chance(x, 50)) {
			put(x, " // ");
			put(x, t);
			put_eol(x, depth);
		} else {
			put(x, "/* ");
			put(x, t);
			if (chance(x, 20))
				put_eol(x, depth);
			put(x, "*/");
		}
	}
}

static void space(struct gen *x, unsigned depth)
{
	if (x->compact)
		;
	else if (chance(x, 5))
		put(x, "\t ");
	else if (chance(x, 3))
		put_eol(x, depth + 1);
	comment(x, depth);
}

static void string(struct gen *x)
{
	static const char *const part[] = { "train", " ", "\\\"", "\\u00e9", "\\ud83d\\ude00",
		"/* no */", "// no", "\xf0\x9f\x98\x80", "**/data/**", "\\\\", "\\n", ",]", "x" };

	put(x, "\"");
	for (uint64_t n = x->g->below(4); n > 0; n--)
		put(x, part[x->g->below(sizeof(part) / sizeof(*part))]);
	put(x, "\"");
}

static void value(struct gen *x, unsigned depth);

static void ids(struct gen *x, unsigned depth);

static void close_list(struct gen *x, unsigned depth, uint64_t n, bool lines, const char *bracket)
{
	if (n && chance(x, x->trailing)) {
		space(x, depth);
		put(x, ",");
	}
	space(x, depth);
	if (lines && (n || chance(x, 50)))
		put_eol(x, depth);
	put(x, bracket);
}

static void array(struct gen *x, unsigned depth, bool of_ids)
{
	uint64_t n = x->g->below(4);
	bool lines = !x->compact && chance(x, 60);

	put(x, "[");
	for (uint64_t i = 0; i < n; i++) {
		space(x, depth);
		if (lines)
			put_eol(x, depth + 1);
		if (of_ids)
			ids(x, depth + 1);
		else
			value(x, depth + 1);
		space(x, depth);
		if (i + 1 < n)
			put(x, ",");
	}
	close_list(x, depth, n, lines, "]");
}

static void key(struct gen *x, unsigned depth, const char *name)
{
	if (name) {
		put(x, "\"");
		put(x, name);
		put(x, "\"");
	} else {
		string(x);
	}
	space(x, depth);
	put(x, ":");
	if (!x->compact)
		put(x, " ");
	space(x, depth);
}

static void members(struct gen *x, unsigned depth, bool root, const char *first)
{
	uint64_t n = x->g->below(5) + (first != NULL);
	bool lines = !x->compact && chance(x, 80);
	const char *name;
	size_t known = 0;

	while (x->g->keys && x->g->keys[known])
		known++;
	put(x, "{");
	for (uint64_t i = 0; i < n; i++) {
		space(x, depth);
		if (lines)
			put_eol(x, depth + 1);
		name = i == 0 ? first : NULL;
		if (root && x->g->list && chance(x, 25))
			name = x->g->list;
		else if (root && known && chance(x, 25))
			name = x->g->keys[x->g->below(known)];
		key(x, depth + 1, name);
		if (root && name && name == x->g->list)
			array(x, depth + 1, true);
		else if (first && i == 0)
			string(x);
		else
			value(x, depth + 1);
		space(x, depth);
		if (i + 1 < n)
			put(x, ",");
	}
	close_list(x, depth, n, lines, "}");
}

static void ids(struct gen *x, unsigned depth)
{
	members(x, depth, false, x->g->id_key);
}

static void value(struct gen *x, unsigned depth)
{
	static const char *const other[] = { "true", "false", "null", "0", "-1.5e+3", "12345",
		"0.25", "1E9" };

	switch (depth > 4 ? 2 + x->g->below(3) : x->g->below(5)) {
	case 0:
		array(x, depth, false);
		break;
	case 1:
		members(x, depth, false, NULL);
		break;
	case 2:
		string(x);
		break;
	default:
		put(x, other[x->g->below(sizeof(other) / sizeof(*other))]);
	}
}

void jsonc_generate(const struct jsonc_gen *g, struct buf *ret)
{
	static const char *const units[] = { "\t", "  ", "    ", "   ", "" };
	struct gen x = { .g = g, .b = ret };

	x.eol = g->below(3) ? "\n" : "\r\n";
	x.unit = units[g->below(5)];
	x.comments = g->below(2) ? 20 : 0;
	x.trailing = g->below(2) ? 50 : 0;
	x.compact = g->below(6) == 0;
	if (g->below(6) == 0)
		put(&x, "\xef\xbb\xbf");
	if (g->below(3) == 0)
		comment(&x, 0);
	if (g->below(25)) {
		members(&x, 0, true, NULL);
		comment(&x, 0);
	}
	if (g->below(3))
		put(&x, x.eol);
	if (!ret->data)
		must(buf_reserve(ret, 1));
}
