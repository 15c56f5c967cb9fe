/* lib/jsonc_edit.c - the edits of jsonc.h.
 *
 * A new last child stands behind everything in its container, comments too, and before the
 * blanks that lead to the closing bracket; the comma it needs goes directly behind the value
 * before it:
 *
 * 	"a": 1 // keep		"a": 1, // keep
 * }                       ->      "b": 2
 * 			      }
 *
 * A container whose list ends in a comma keeps ending in one. */
#include "jsonc.h"

#include <errno.h>
#include <string.h>

#include "auto.h"

struct layout {
	const char *eol;
	char unit[16];
	size_t unit_len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t line_begin(const struct jsonc *j, size_t at)
{
	while (at > 0 && j->text[at - 1] != '\n' && j->text[at - 1] != '\r')
		at--;
	if (at == 0 && j->len >= 3 && memcmp(j->text, "\xef\xbb\xbf", 3) == 0)
		at = 3;
	return at;
}

/* The blanks that the line of `at` begins with. */
static size_t indent_of(const struct jsonc *j, size_t at, const char **ret)
{
	size_t from = line_begin(j, at), n = 0;

	while (from + n < at && (j->text[from + n] == ' ' || j->text[from + n] == '\t'))
		n++;
	*ret = j->text + from;
	return n;
}

static bool begins_line(const struct jsonc *j, size_t at)
{
	const char *s;

	return line_begin(j, at) + indent_of(j, at, &s) == at;
}

static size_t node_begin(const struct jsonc_node *n)
{
	return n->key_end ? n->key : n->start;
}

/* By how much a child stands deeper than the line its parent begins on: of the first that shows
 * it. */
static void find_unit(const struct jsonc *j, struct layout *l)
{
	for (int i = 1; i < j->n; i++) {
		size_t at = node_begin(&j->node[i]), n, m;
		const char *child, *parent;

		if (!begins_line(j, at))
			continue;
		n = indent_of(j, at, &child);
		m = indent_of(j, node_begin(&j->node[j->node[i].parent]), &parent);
		if (n <= m || n - m >= sizeof(l->unit) || memcmp(child, parent, m) != 0)
			continue;
		memcpy(l->unit, child + m, n - m);
		l->unit_len = n - m;
		return;
	}
}

static void find_layout(const struct jsonc *j, struct layout *l)
{
	const char *nl = j->len ? memchr(j->text, '\n', j->len) : NULL;

	*l = (struct layout){ .eol = nl && nl > j->text && nl[-1] == '\r' ? "\r\n" : "\n",
		.unit = "    ",
		.unit_len = 4 };
	if (!nl && j->len && memchr(j->text, '\r', j->len))
		l->eol = "\r";
	find_unit(j, l);
}

static int new_line(struct buf *b, const struct layout *l, const char *indent, size_t n)
{
	int r = buf_addstr(b, l->eol);

	return r < 0 || !n ? r : buf_add(b, indent, n);
}

/* value: lines with one tab a level. */
static int add_value(
	struct buf *b, const struct layout *l, const char *indent, size_t n, const char *value)
{
	int r = 0;

	for (const char *s = value; r == 0 && *s; s++) {
		if (*s != '\n') {
			r = buf_addch(b, *s);
			continue;
		}
		r = new_line(b, l, indent, n);
		for (; r == 0 && s[1] == '\t'; s++)
			r = buf_add(b, l->unit, l->unit_len);
	}
	return r;
}

int jsonc_quote(struct buf *b, const char *s)
{
	int r = buf_addch(b, '"');

	for (; r == 0 && *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			r = buf_printf(b, "\\%c", c);
		else if (c < 32)
			r = buf_printf(b, "\\u%04x", c);
		else
			r = buf_addch(b, c);
	}
	return r < 0 ? r : buf_addch(b, '"');
}

static int add_child(struct buf *b, const struct layout *l, const char *indent, size_t n,
	const char *key, const char *value)
{
	int r = 0;

	if (key) {
		r = jsonc_quote(b, key);
		r = r < 0 ? r : buf_addstr(b, ": ");
	}
	return r < 0 ? r : add_value(b, l, indent, n, value);
}

static int splice(struct buf *text, size_t at, size_t gone, const struct buf *in)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = buf_reserve(&b, text->len + in->len + 1);

	if (r == 0 && at)
		r = buf_add(&b, text->data, at);
	if (r == 0 && in->len)
		r = buf_add(&b, in->data, in->len);
	if (r == 0 && at + gone < text->len)
		r = buf_add(&b, text->data + at + gone, text->len - at - gone);
	if (r < 0)
		return r;
	buf_release(text);
	*text = b;
	b = (struct buf)BUF_INIT;
	return 0;
}

/* No root: the file is empty, or all comments. */
static int add_root(struct buf *text, const struct jsonc *j, const char *key, const char *value)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct layout l;
	size_t bom = j->len >= 3 && memcmp(j->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	bool alone = j->end <= bom;
	int r;

	find_layout(j, &l);
	r = alone ? 0 : buf_addstr(&b, l.eol);
	r = r < 0 ? r : buf_addch(&b, '{');
	r = r < 0 ? r : new_line(&b, &l, l.unit, l.unit_len);
	r = r < 0 ? r : add_child(&b, &l, l.unit, l.unit_len, key, value);
	r = r < 0 ? r : new_line(&b, &l, "", 0);
	r = r < 0 ? r : buf_addch(&b, '}');
	if (r == 0 && j->end == j->len)
		r = buf_addstr(&b, l.eol);
	return r < 0 ? r : splice(text, j->end, 0, &b);
}

/* Where a child's line begins: as its last sibling does, else one level deeper than the
 * container. */
static int child_indent(
	const struct jsonc *j, const struct jsonc_node *c, const struct layout *l, struct buf *ret)
{
	const char *s;
	size_t n;
	int r;

	for (int i = c->first; i >= 0; i = j->node[i].next)
		if (begins_line(j, node_begin(&j->node[i]))) {
			n = indent_of(j, node_begin(&j->node[i]), &s);
			return n ? buf_add(ret, s, n) : 0;
		}
	n = indent_of(j, c->start, &s);
	r = n ? buf_add(ret, s, n) : 0;
	return r < 0 ? r : buf_add(ret, l->unit, l->unit_len);
}

static bool has_newline(const struct jsonc *j, size_t from, size_t to)
{
	for (; from < to; from++)
		if (j->text[from] == '\n' || j->text[from] == '\r')
			return true;
	return false;
}

int jsonc_add(
	struct buf *text, const struct jsonc *j, int container, const char *key, const char *value)
{
	autoput(buf_release) struct buf in = BUF_INIT, indent = BUF_INIT;
	const struct buf comma = { (char *)",", 1, 0 };
	const struct jsonc_node *c;
	struct layout l;
	const char *s;
	size_t n;
	int r;

	if (container < 0 || !j->n)
		return add_root(text, j, key, value);
	c = &j->node[container];
	find_layout(j, &l);
	r = child_indent(j, c, &l, &indent);
	r = r < 0 ? r : new_line(&in, &l, indent.data, indent.len);
	r = r < 0 ? r : add_child(&in, &l, indent.data ? indent.data : "", indent.len, key, value);
	if (r == 0 && c->comma)
		r = buf_addch(&in, ',');
	if (r == 0 && !has_newline(j, c->last_end, c->end - 1)) {
		n = indent_of(j, c->start, &s);
		r = new_line(&in, &l, s, n);
	}
	if (r == 0)
		r = splice(text, c->last_end, 0, &in);
	/* Behind it first, so that the position before still holds. */
	if (r == 0 && c->last >= 0 && !c->comma)
		r = splice(text, j->node[c->last].end, 0, &comma);
	return r;
}

/* The comma behind a node, before the next one. */
static size_t comma_after(const struct jsonc *j, int node)
{
	const struct jsonc_node *n = &j->node[node];
	size_t i = n->end;

	if (n->next < 0)
		return j->node[n->parent].comma;
	while (i < j->len && j->text[i] != ',') {
		if (j->text[i] == '/' && j->text[i + 1] == '/')
			while (i < j->len && j->text[i] != '\n' && j->text[i] != '\r')
				i++;
		else if (j->text[i] == '/')
			i = (size_t)((const char *)memmem(
					     j->text + i + 2, j->len - i - 2, "*/", 2) -
				     j->text) +
			    2;
		else
			i++;
	}
	return i;
}

static int before_it(const struct jsonc *j, int node)
{
	int before = -1;

	for (int i = j->node[j->node[node].parent].first; i != node; i = j->node[i].next)
		before = i;
	return before;
}

/* Nothing but blanks, and the comma that goes too, from here to the end of the line? */
static bool ends_line(const struct jsonc *j, size_t at, size_t comma)
{
	while (at < j->len && (j->text[at] == ' ' || j->text[at] == '\t' || at == comma))
		at++;
	return at < j->len && (j->text[at] == '\n' || j->text[at] == '\r');
}

int jsonc_remove(struct buf *text, const struct jsonc *j, int node)
{
	const struct jsonc_node *n = &j->node[node];
	const struct buf none = BUF_INIT;
	size_t from = node_begin(n), comma;
	int before, r = 0;

	if (n->parent < 0)
		return -EINVAL;
	comma = comma_after(j, node);
	before = before_it(j, node);
	if (!comma && before >= 0)
		comma = comma_after(j, before);
	while (from > 0 && is_blank(j->text[from - 1]))
		from--;
	/* A line comment before it must keep its end. */
	if (from > 0 && !ends_line(j, n->end, comma)) {
		size_t line = line_begin(j, from);

		if (memmem(j->text + line, from - line, "//", 2))
			while (from < node_begin(n) && j->text[from] != '\n')
				from++;
		if (from < node_begin(n) && j->text[from] == '\n')
			from++;
	}
	/* The later one first; the first one moves nothing before it. j->text is gone then. */
	if (comma > from)
		r = splice(text, comma, 1, &none);
	if (r == 0)
		r = splice(text, from, n->end - from, &none);
	if (r == 0 && comma && comma < from)
		r = splice(text, comma, 1, &none);
	return r;
}

int jsonc_set(struct buf *text, const struct jsonc *j, int node, const char *value)
{
	autoput(buf_release) struct buf in = BUF_INIT;
	const struct jsonc_node *n = &j->node[node];
	struct layout l;
	const char *s;
	size_t indent;
	int r;

	find_layout(j, &l);
	indent = indent_of(j, n->start, &s);
	r = add_value(&in, &l, s, indent, value);
	return r < 0 ? r : splice(text, n->start, n->end - n->start, &in);
}
