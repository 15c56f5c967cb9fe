/* hooks/block.c - lines of ours in a text file of the user's, between two marks. The first mark
 * says whether the line before it had no end, so that taking the block out gives back every
 * byte. */
#include "hooks-internal.h"

#include <string.h>

#include "../lib/auto.h"

#define BEGIN "# >>> holdfast >>>"
#define BEGIN_OPEN "# >>> holdfast >>> (the line above had no end)"
#define END "# <<< holdfast <<<\n"

static bool cut(const char *text, size_t *from, size_t *to)
{
	const char *b = text, *e;

	while ((b = strstr(b, BEGIN)) && b > text && b[-1] != '\n')
		b++;
	e = b ? strstr(b, END) : NULL;
	if (!e)
		return false;
	*from = (size_t)(b - text);
	*to = (size_t)(e - text) + strlen(END);
	if (*from && strncmp(b, BEGIN_OPEN, strlen(BEGIN_OPEN)) == 0)
		--*from;
	return true;
}

bool block_take(struct change *c)
{
	size_t from, to;

	if (!cut(c->now.data, &from, &to))
		return false;
	{
		autofree char *rest = text_of("%.*s%s", (int)from, c->now.data, c->now.data + to);

		change_set(c, rest, strlen(rest));
	}
	return true;
}

void block_put(struct change *c, const char *text)
{
	size_t from, to, n;
	bool had = cut(c->now.data, &from, &to), open;

	if (had) {
		bool was_open =
			strncmp(c->now.data + from, "\n" BEGIN_OPEN, strlen(BEGIN_OPEN) + 1) == 0;
		autofree char *all = text_of("%.*s%s%s\n%s" END "%s", (int)from, c->now.data,
			was_open ? "\n" : "", was_open ? BEGIN_OPEN : BEGIN, text,
			c->now.data + to);

		change_set(c, all, strlen(all));
		return;
	}
	n = c->now.len;
	open = n && c->now.data[n - 1] != '\n';
	{
		autofree char *all = text_of("%s%s%s\n%s" END, c->now.data, open ? "\n" : "",
			open ? BEGIN_OPEN : BEGIN, text);

		change_set(c, all, strlen(all));
	}
}
