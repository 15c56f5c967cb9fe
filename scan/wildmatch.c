/* scan/wildmatch.c - see the header.
 *
 * Two points to go back to are enough. A later `*` makes an earlier one in the
 * same folder name needless (what the earlier one could still swallow, the later one can too),
 * and a `**` makes everything before it needless in the same way. So no recursion:
 *
 *	star	the last `*`: where in the pattern to go on, and how far it has swallowed;
 *		it may not swallow '/' (with pathname)
 *	deep	the last `**`: likewise, and it may. `** /` goes on after each '/' only */
#include "wildmatch.h"

#include <string.h>

struct point {
	const char *p;		/* go on here in the pattern; NULL = not set */
	const char *t;		/* the next text position to try */
	bool by_folder;		/* only after a '/' */
};

struct match {
	const char *p, *pend;
	const char *t, *tend;
	const char *pstart;
	bool pathname;
	struct point star, deep;
};

size_t wild_literal_len(const char *pat, size_t plen)
{
	size_t i;

	for (i = 0; i < plen; i++)
		if (pat[i] == '*' || pat[i] == '?' || pat[i] == '[' || pat[i] == '\\')
			break;
	return i;
}

static bool is_alpha(unsigned char c)
{
	return (c | 32) >= 'a' && (c | 32) <= 'z';
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static bool is_punct(unsigned char c)
{
	return c > ' ' && c < 127 && !is_alpha(c) && !is_digit(c);
}

/* Is c in the class [:name:]? -1: there is no such class. */
static int named_class(const char *name, size_t n, unsigned char c)
{
	static const char *const names[] = {
		"alnum", "alpha", "blank", "cntrl", "digit", "graph",
		"lower", "print", "punct", "space", "upper", "xdigit",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i]) == n && !memcmp(names[i], name, n))
			break;
	switch (i) {
	case 0: return is_alpha(c) || is_digit(c);
	case 1: return is_alpha(c);
	case 2: return c == ' ' || c == '\t';
	case 3: return c < 32 || c == 127;
	case 4: return is_digit(c);
	case 5: return c > ' ' && c < 127;
	case 6: return c >= 'a' && c <= 'z';
	case 7: return c >= ' ' && c < 127;
	case 8: return is_punct(c);
	case 9: return c == ' ' || (c >= '\t' && c <= '\r');
	case 10: return c >= 'A' && c <= 'Z';
	case 11: return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');
	default: return -1;
	}
}

/* *pp is behind "[:". 1 or 0 for a class, *pp then on its ']'; -1 if it is not one but
 * plain members; -2 if the pattern is broken. */
static int class_name(const char **pp, const char *end, unsigned char c)
{
	const char *name = *pp;
	const char *close = memchr(name, ']', (size_t)(end - name));
	int r;

	if (!close)
		return -2;
	if (close == name || close[-1] != ':')
		return -1;
	r = named_class(name, (size_t)(close - 1 - name), c);
	*pp = close;
	return r < 0 ? -2 : r;
}

/* The bracket at *pp ('[') against c: 1, 0, or -1 for a broken pattern. *pp moves behind it. */
static int bracket(const char **pp, const char *end, unsigned char c)
{
	const char *p = *pp + 1;
	bool negated = false, hit = false, first = true;
	int prev = -1;

	if (p < end && (*p == '!' || *p == '^')) {
		negated = true;
		p++;
	}
	for (;; p++, first = false) {
		if (p >= end)
			return -1;
		if (*p == ']' && !first)
			break;
		if (*p == '-' && prev > 0 && p + 1 < end && p[1] != ']') {
			if (*++p == '\\' && ++p >= end)
				return -1;
			hit |= c >= prev && c <= (unsigned char)*p;
			prev = -1;
			continue;
		}
		if (*p == '[' && p + 1 < end && p[1] == ':') {
			const char *q = p + 2;
			int r = class_name(&q, end, c);

			if (r == -2)
				return -1;
			if (r >= 0) {
				hit |= r;
				prev = -1;
				p = q;
				continue;
			}
		} else if (*p == '\\' && ++p >= end) {
			return -1;
		}
		prev = (unsigned char)*p;
		hit |= c == prev;
	}
	*pp = p + 1;
	return hit != negated;
}

/* One or more stars at m->p: set the point to come back to. 1: that settles it, it matches. */
static int stars(struct match *m)
{
	const char *first = m->p;
	const char *p = first;
	bool deep;

	while (p < m->pend && *p == '*')
		p++;
	deep = !m->pathname;
	if (m->pathname && p - first >= 2 && (first == m->pstart || first[-1] == '/'))
		deep = p == m->pend || *p == '/' || (*p == '\\' && p + 1 < m->pend && p[1] == '/');
	if (deep && p == m->pend)
		return 1;
	if (!deep) {
		m->star = (struct point){ p, m->t, false };
	} else {
		bool by_folder = m->pathname && *p == '/';

		m->deep = (struct point){ p + by_folder, m->t, by_folder };
		m->star.p = NULL;
		p += by_folder;
	}
	m->p = p;
	return 0;
}

/* Go back to the last point that can still swallow something. */
static bool retry(struct match *m)
{
	struct point *s = &m->star, *d = &m->deep;

	if (s->p && s->t < m->tend && *s->t != '/') {
		m->p = s->p;
		m->t = ++s->t;
		return true;
	}
	s->p = NULL;
	if (!d->p || d->t >= m->tend)
		return false;
	if (d->by_folder) {
		const char *slash = memchr(d->t, '/', (size_t)(m->tend - d->t));

		if (!slash)
			return false;
		d->t = slash;
	}
	m->p = d->p;
	m->t = ++d->t;
	return true;
}

/* One pattern element against one byte of text: 1 and both move on, 0, -1 broken. */
static int step(struct match *m)
{
	unsigned char c = (unsigned char)*m->t;
	int r;

	switch (*m->p) {
	case '?':
		if (c == '/' && m->pathname)
			return 0;
		m->p++;
		break;
	case '[':
		r = bracket(&m->p, m->pend, c);
		if (r <= 0)
			return r;
		if (c == '/' && m->pathname)
			return 0;
		break;
	case '\\':
		if (m->p + 1 >= m->pend)
			return -1;
		m->p++;
		/* fall through */
	default:
		if ((unsigned char)*m->p != c)
			return 0;
		m->p++;
	}
	m->t++;
	return 1;
}

bool wild_match(const char *pat, size_t plen, const char *text, size_t tlen, bool pathname)
{
	struct match m = {
		.p = pat, .pend = pat + plen, .t = text, .tend = text + tlen,
		.pstart = pat, .pathname = pathname,
	};
	int r;

	for (;;) {
		if (m.p < m.pend && *m.p == '*') {
			if (stars(&m))
				return true;
			continue;
		}
		if (m.p == m.pend && m.t == m.tend)
			return true;
		r = m.p < m.pend && m.t < m.tend ? step(&m) : 0;
		if (r < 0 || (r == 0 && !retry(&m)))
			return false;
	}
}
