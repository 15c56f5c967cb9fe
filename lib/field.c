/* Tab-separated fields that may hold any byte but NUL. */
#include "lib/ctl.h"

#include <string.h>

int ctl_add_field(struct buf *b, const char *s)
{
	int r = 0;

	if (b->len && b->data[b->len - 1] != '\n')
		r = buf_addch(b, '\t');
	while (r == 0 && *s) {
		size_t n = strcspn(s, "\\\t\n");

		r = buf_add(b, s, n);
		s += n;
		if (r == 0 && *s) {
			r = buf_addstr(b, *s == '\t' ? "\\t" : *s == '\n' ? "\\n" : "\\\\");
			s++;
		}
	}
	return r;
}

/* What no writer makes (an unknown escape, a backslash at the end) stays as it is. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '\\' && s[1] && strchr("\\tn", s[1])) {
			s++;
			*to++ = *s == 't' ? '\t' : *s == 'n' ? '\n' : '\\';
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static char *cut(char **rest, char at)
{
	char *s = *rest, *end;

	if (!s)
		return NULL;
	end = strchr(s, at);
	if (end)
		*end++ = '\0';
	*rest = end;
	return s;
}

char *ctl_next_field(char **line)
{
	char *s = cut(line, '\t');

	if (s)
		unescape(s);
	return s;
}

char *ctl_next_line(char **text)
{
	if (*text && !**text)	/* what follows the last newline is not a line */
		*text = NULL;
	return cut(text, '\n');
}
