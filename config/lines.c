/* Where the keys of a git-config file stand. The syntax is git's: sections with
 * an optional "subsection", keys with values that quotes, comments and a
 * backslash at the end of a line may shape. */
#include "config/config-internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

void config_scan_init(struct config_scan *s, const char *text, size_t len)
{
	*s = (struct config_scan){ .p = text, .end = text + len, .line = 1 };
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		s->p += 3;
}

void config_scan_release(struct config_scan *s)
{
	buf_release(&s->section);
	buf_release(&s->name);
}

static int peek(const struct config_scan *s)
{
	return s->p < s->end ? (unsigned char)*s->p : '\n';
}

static void skip_line(struct config_scan *s)
{
	while (s->p < s->end && *s->p != '\n')
		s->p++;
	if (s->p < s->end)
		s->p++;
	s->line++;
}

static void skip_blanks(struct config_scan *s)
{
	while (s->p < s->end && *s->p != '\n' && isspace((unsigned char)*s->p))
		s->p++;
}

/* To the end of the value: past quotes, over a backslash and what follows it. */
static void skip_value(struct config_scan *s)
{
	bool quoted = false;

	for (; s->p < s->end && *s->p != '\n'; s->p++) {
		if (*s->p == '"') {
			quoted = !quoted;
		} else if ((*s->p == '#' || *s->p == ';') && !quoted) {
			break;
		} else if (*s->p == '\\' && s->p + 1 < s->end) {
			s->p++;
			if (*s->p == '\r' && s->p + 1 < s->end && s->p[1] == '\n')
				s->p++;
			s->line += *s->p == '\n';
		}
	}
	skip_line(s);
}

/* [section], [section "Sub"], [section.sub]: a name with a dot at its end. */
static int read_section(struct config_scan *s)
{
	int r = 0;

	buf_reset(&s->section);
	for (s->p++; r == 0 && peek(s) != ']' && peek(s) != '\n' && !isspace(peek(s)); s->p++)
		r = buf_addch(&s->section, tolower(peek(s)));
	skip_blanks(s);
	if (r == 0 && peek(s) == '"') {
		r = buf_addch(&s->section, '.');
		for (s->p++; r == 0 && peek(s) != '"' && peek(s) != '\n'; s->p++) {
			if (peek(s) == '\\' && s->p + 1 < s->end)
				s->p++;
			r = buf_addch(&s->section, peek(s));
		}
	}
	while (peek(s) != ']' && peek(s) != '\n')
		s->p++;
	if (peek(s) == ']')
		s->p++;
	return r < 0 ? r : buf_addch(&s->section, '.');
}

static int read_key(struct config_scan *s)
{
	int r;

	buf_reset(&s->name);
	s->name_line = s->line;
	r = buf_add(&s->name, s->section.data, s->section.len);
	for (; r == 0 && peek(s) != '=' && peek(s) != '\n' && !isspace(peek(s)); s->p++)
		r = buf_addch(&s->name, tolower(peek(s)));
	skip_value(s);
	return r;
}

int config_scan_next(struct config_scan *s)
{
	while (s->p < s->end) {
		int r;

		skip_blanks(s);
		switch (peek(s)) {
		case '#':
		case ';':
		case '\n':
			skip_line(s);
			break;
		case '[':
			r = read_section(s);
			if (r < 0)
				return r;
			break;
		default:
			r = read_key(s);
			return r < 0 ? r : 1;
		}
	}
	return 0;
}

/* Deliberately cruder than the syntax: outside a line that is a comment, whatever
 * looks like "[include" is made harmless, in a value too. To be wrong about where
 * a section begins would let a cloned repository make us open any file. */
unsigned config_hide_includes(char *text, size_t len, unsigned *ret_line)
{
	static const char word[] = "include", other[] = "ignored";
	unsigned line = 1, n = 0;
	bool comment = false, start = true;

	for (char *p = text, *end = text + len; p < end; p++) {
		char *at = p + 1;

		if (*p == '\n') {
			line++;
			start = true;
			comment = false;
		} else if (start && !isspace((unsigned char)*p)) {
			start = false;
			comment = *p == '#' || *p == ';';
		}
		if (*p != '[' || comment)
			continue;
		while (at < end && isspace((unsigned char)*at))
			at++;
		if ((size_t)(end - at) < strlen(word) || strncasecmp(at, word, strlen(word)) != 0)
			continue;
		memcpy(at, other, strlen(other));
		if (n++ == 0)
			*ret_line = line;
	}
	return n;
}
