/* A line of what recover prints becomes a row: JSON where names and ids are taken from it, text where it is only looked at. */
#include <cjson/cJSON.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "screen.h"
#include "xalloc.h"

static const char *word(const cJSON *o, const char *key)
{
	const cJSON *x = cJSON_GetObjectItemCaseSensitive(o, key);

	return cJSON_IsString(x) ? x->valuestring : "";
}

static double number(const cJSON *o, const char *key)
{
	const cJSON *x = cJSON_GetObjectItemCaseSensitive(o, key);

	return cJSON_IsNumber(x) ? x->valuedouble : 0;
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The true bytes where JSON could not hold them. Yours. */
static char *path_of(const cJSON *o)
{
	const char *hex = word(o, "path_hex");
	size_t n = strlen(hex) / 2;
	char *p;

	if (!n)
		return xstrdup(word(o, "path"));
	p = xmalloc(n + 1);
	for (size_t i = 0; i < n; i++) {
		int a = nibble(hex[2 * i]), b = nibble(hex[2 * i + 1]);

		p[i] = (char)(a < 0 || b < 0 ? '?' : a << 4 | b);
	}
	p[n] = '\0';
	return p;
}

/* "2026-11-28T04:15:09+00:00": the local time as it stands there. */
static void put_time(const char *rfc, char out[20])
{
	size_t n = strnlen(rfc, 19);

	memcpy(out, rfc, n);
	out[n] = '\0';
	if (n > 10)
		out[10] = ' ';
}

static void put_words(const cJSON *o, const char *key, const char *before, struct buf *b)
{
	const cJSON *x, *list = cJSON_GetObjectItemCaseSensitive(o, key);

	cJSON_ArrayForEach(x, list)
		if (cJSON_IsString(x) && (buf_addstr(b, before) < 0 || buf_addstr(b, x->valuestring) < 0))
			xalloc_failed();
}

static bool has_flag(const cJSON *o, const char *flag)
{
	const cJSON *x, *list = cJSON_GetObjectItemCaseSensitive(o, "flags");

	cJSON_ArrayForEach(x, list)
		if (cJSON_IsString(x) && strcmp(x->valuestring, flag) == 0)
			return true;
	return false;
}

/* Emptied, NUL-filled, unstable: what one looks for after a crash. */
static unsigned char style_of(const cJSON *o)
{
	return has_flag(o, "emptied") || has_flag(o, "nulled") || has_flag(o, "unstable") ? STYLE_WARN
											   : STYLE_PLAIN;
}

static void add_flags(const cJSON *o, struct buf *b)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "flags");

	if (cJSON_GetArraySize(list) > 0)
		put_words(o, "flags", "  !", b);
}

static struct row *add(struct view *v, struct buf *text)
{
	v->row = xgrow(v->row, v->n, &v->cap, sizeof(*v->row));
	v->row[v->n] = (struct row){ .text = buf_detach(text, NULL) };
	if (!v->row[v->n].text)
		v->row[v->n].text = xstrdup("");
	return &v->row[v->n++];
}

static void snapshot(struct view *v, const cJSON *o)
{
	struct buf b = BUF_INIT;
	char when[20], size[16];
	const char *reason = word(o, "reason");
	struct row *row;

	put_time(word(o, "time"), when);
	if (buf_printf(&b, "%s  %-8s %6.0f changed %9s", when, reason, number(o, "changed"),
		    text_size((uint64_t)number(o, "added_bytes"), size)) < 0)
		xalloc_failed();
	/* What the row is looked for by first: a message may be cut. */
	add_flags(o, &b);
	put_words(o, "marks", "  @", &b);
	if (*word(o, "message") && buf_printf(&b, "  %s", word(o, "message")) < 0)
		xalloc_failed();
	row = add(v, &b);
	row->id = xstrdup(word(o, "id"));
	row->style = style_of(o);
	if (row->style == STYLE_PLAIN && (strcmp(reason, "exit") == 0 || strcmp(reason, "risk") == 0))
		row->style = STYLE_REMOVED;
	else if (row->style == STYLE_PLAIN && strcmp(reason, "restore") == 0)
		row->style = STYLE_HUNK;
}

/* What happened between two snapshots: a row without an id, nothing can be restored from it. */
static void happening(struct view *v, const cJSON *o)
{
	bool crash = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "crash"));
	struct buf b = BUF_INIT;
	char when[20];
	struct row *row;

	put_time(word(o, "time"), when);
	if (buf_printf(&b, "%s  %-8s %c %s", when, word(o, "event"), crash ? '!' : ' ',
		    word(o, "what")) < 0)
		xalloc_failed();
	row = add(v, &b);
	row->event = xstrdup(word(o, "event_id"));
	row->style = crash ? STYLE_REMOVED : STYLE_DIM;
}

static void change(struct view *v, const cJSON *o)
{
	autofree char *path = path_of(o);
	bool folder = strcmp(word(o, "kind"), "folder") == 0;
	const char *c = word(o, "change");
	struct buf b = BUF_INIT;
	char size[16];
	struct row *row;

	if (buf_printf(&b, " %s  %s%s", c, path, folder ? "/" : "") < 0)
		xalloc_failed();
	if (!folder && *c != 'D' &&
		buf_printf(&b, "  %s", text_size((uint64_t)number(o, "size"), size)) < 0)
		xalloc_failed();
	if (*word(o, "why") && buf_printf(&b, "  (not stored: %s)", word(o, "why")) < 0)
		xalloc_failed();
	add_flags(o, &b);
	row = add(v, &b);
	row->path = xstrdup(path);
	row->folder = folder;
	row->added = *c == 'A';
	row->style = style_of(o);
	if (row->style == STYLE_PLAIN)
		row->style = *c == 'A' ? STYLE_ADDED : *c == 'D' ? STYLE_REMOVED : *c == 'M' ? STYLE_PLAIN : STYLE_DIM;
}

/* ls names what is in its folder. */
static void entry(struct view *v, const cJSON *o)
{
	autofree char *name = path_of(o);
	autofree char *path = v->path && *v->path ? xasprintf("%s/%s", v->path, name) : xstrdup(name);
	bool folder = strcmp(word(o, "kind"), "folder") == 0;
	struct buf b = BUF_INIT;
	char when[20], size[16] = "-";
	struct row *row;

	put_time(word(o, "mtime"), when);
	if (!folder)
		(void)text_size((uint64_t)number(o, "size"), size);
	if (buf_printf(&b, "%s %9s  %s%s", when, size, name, folder ? "/" : "") < 0)
		xalloc_failed();
	if (*word(o, "why") && buf_printf(&b, "  (not stored: %s)", word(o, "why")) < 0)
		xalloc_failed();
	add_flags(o, &b);
	row = add(v, &b);
	row->path = xstrdup(path);
	row->folder = folder;
	row->style = folder ? STYLE_HUNK : style_of(o);
}

/* history, deleted, find: a path and a snapshot that has it. */
static void version(struct view *v, const cJSON *o)
{
	static const char *const ids[] = { "id", "last_held_by", "snapshot" };
	static const char *const times[] = { "time", "deleted", "mtime" };
	autofree char *path = path_of(o);
	const char *id = "", *time = "";
	struct buf b = BUF_INIT;
	char when[20], size[16];
	struct row *row;

	for (size_t i = 0; i < 3 && !*id; i++)
		id = word(o, ids[i]);
	for (size_t i = 0; i < 3 && !*time; i++)
		time = word(o, times[i]);
	put_time(time, when);
	if (buf_printf(&b, "%s  %-8s %9s  %s", when, word(o, "change"),
		    strcmp(word(o, "kind"), "gone") ? text_size((uint64_t)number(o, "size"), size) : "deleted", path) < 0)
		xalloc_failed();
	if (number(o, "files") > 0 && buf_printf(&b, "/  (%.0f files)", number(o, "files")) < 0)
		xalloc_failed();
	add_flags(o, &b);
	if (*word(o, "line") && buf_printf(&b, "  %s", word(o, "line")) < 0)
		xalloc_failed();
	row = add(v, &b);
	row->path = xstrdup(path);
	row->folder = number(o, "files") > 0;
	row->added = strcmp(word(o, "change"), "added") == 0;
	/* The editors' own copies stand among the snapshots, with ids of another kind. */
	if (strcmp(word(o, "change"), "unsaved") == 0)
		row->buffer = xstrdup(id);
	else if (strcmp(word(o, "change"), "local-history") != 0)
		row->id = *id ? xstrdup(id) : NULL;
	row->style = strcmp(word(o, "change"), "deleted") == 0 ? STYLE_REMOVED : style_of(o);
}

/* A text that only an editor has. */
static void buffer(struct view *v, const cJSON *o)
{
	const cJSON *path = cJSON_GetObjectItemCaseSensitive(o, "path");
	const char *disk = word(o, "disk"), *held = word(o, "held");
	struct buf b = BUF_INIT;
	char when[20], size[16];
	struct row *row;

	put_time(word(o, "time"), when);
	if (buf_printf(&b, "%s %9s  %s  (%s%s%s%s)", when,
		    text_size((uint64_t)number(o, "size"), size), word(o, "name"), word(o, "editor"),
		    !cJSON_IsString(path)	  ? "; has no file"
		    : strcmp(disk, "none") == 0  ? "; its file is gone"
		    : strcmp(disk, "newer") == 0 ? "; the file is newer"
		    : strcmp(disk, "same") == 0  ? "; the file is the same"
						 : "; the file is older",
		    strcmp(held, "torn") == 0 ? "; the version before: the editor's copy is cut off" : "",
		    strcmp(held, "gone") == 0 ? "; the editor has it no more" : "") < 0)
		xalloc_failed();
	row = add(v, &b);
	row->buffer = xstrdup(word(o, "id"));
}

/* "@@ -1,7 +1,8 @@": what belongs to it is counted, for "--- x" may be a line that went. */
static void begin_hunk(struct view *v, const char *line)
{
	unsigned a, b;

	v->left = v->right = 1;
	if (sscanf(line, "@@ -%u,%u", &a, &b) == 2)
		v->left = b;
	line = strchr(line, '+');
	if (line && sscanf(line, "+%u,%u", &a, &b) == 2)
		v->right = b;
	v->pair = v->n + 1;
}

static void count_down(struct view *v, char c)
{
	if (v->left && (c == '-' || c == ' ' || !c))
		v->left--;
	if (v->right && (c == '+' || c == ' ' || !c))
		v->right--;
}

static struct row *add_text(struct view *v, const char *line)
{
	struct buf b = BUF_INIT;

	if (buf_addstr(&b, line) < 0)
		xalloc_failed();
	return add(v, &b);
}

/* ---- names in the headers of a diff ---- */

static bool is_diff(const struct view *v)
{
	return v->words && (strcmp(v->words[0], "diff") == 0 || (v->words[1] && strcmp(v->words[1], "diff") == 0));
}

/* The bytes that a run of "\303\244" stands for, at most 4; how many. */
static size_t octal(const char *p, char ret[4])
{
	size_t n = 0;

	for (; n < 4 && p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' && p[3] <= '7'; p += 4)
		ret[n++] = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
	return n;
}

/* What stands in double quotes, up to the second; git's escapes of letters become letters, those of what must not reach
 * a terminal stay. Returns behind it. */
static const char *add_quoted(const char *p, struct buf *b)
{
	autoput(buf_release) struct buf name = BUF_INIT;
	bool plain = true;
	int r = 0;

	for (p++; *p && *p != '"' && r == 0;) {
		char bytes[4];
		size_t n = octal(p, bytes), letter = n ? text_print_len(bytes, n) : 0;

		if (letter) {
			r = buf_add(&name, bytes, letter);
			p += 4 * letter;
			continue;
		}
		plain = plain && *p != '\\';
		n = *p == '\\' && p[1] ? 2 : 1;
		r = buf_add(&name, p, n);
		p += n;
	}
	if (r < 0 || buf_printf(b, plain ? "%s" : "\"%s\"", name.len ? name.data : "") < 0)
		xalloc_failed();
	return *p ? p + 1 : p;
}

static void add_header(struct view *v, const char *line)
{
	struct buf b = BUF_INIT;

	while (*line) {
		if (*line == '"')
			line = add_quoted(line, &b);
		else if (buf_addch(&b, *line++) < 0)
			xalloc_failed();
	}
	(void)add(v, &b);
}

/* A line of a hunk: what went at the left, what came at the right, beside what went just before. */
static void half(struct view *v, const char *line)
{
	const char *content = *line ? line + 1 : line;
	struct row *row;

	if (*line == '+' && v->pair < v->n) {
		row = &v->row[v->pair++];
		free(row->right);
	} else {
		row = add_text(v, *line == '+' ? "" : content);
		if (*line != '-')
			v->pair = v->n;
		if (*line == '-')
			row->style = STYLE_REMOVED;
	}
	row->right = xstrdup(*line == '-' ? "" : content);
	if (*line == '+')
		row->right_style = STYLE_ADDED;
}

/* What recover complains of is to be read to its end. */
static void add_message(struct view *v, const char *line)
{
	for (bool first = true; *line; first = false) {
		size_t n = COLS > 20 ? term_fit(line, COLS - (first ? 2 : 4)) : strlen(line);
		autofree char *part = xasprintf("%s%.*s", first ? "" : "  ", (int)n, line);

		(void)add_text(v, part);
		line += n ? n : strlen(line);
		line += strspn(line, " ");
	}
}

static void text(struct view *v, const char *line)
{
	bool in = (v->left || v->right) && (!*line || strchr(" +-", *line));
	struct row *row;

	if (v->kind != VIEW_TEXT && v->kind != VIEW_DIFF) {
		(void)add_text(v, line);
	} else if (!in && strncmp(line, RECOVER ": ", sizeof(RECOVER ": ") - 1) == 0) {
		add_message(v, line);
	} else if (in) {
		count_down(v, *line);
		if (v->halves) {
			half(v, line);
			return;
		}
		row = add_text(v, line);
		row->style = *line == '+' ? STYLE_ADDED : *line == '-' ? STYLE_REMOVED : STYLE_PLAIN;
	} else if (strncmp(line, "@@ -", 4) == 0) {
		begin_hunk(v, line);
		row = add_text(v, line);
		row->style = STYLE_HUNK;
		row->hunk = true;
	} else {
		if (is_diff(v) && strchr(line, '"') && term_is_utf8())
			add_header(v, line);
		else
			(void)add_text(v, line);
		row = &v->row[v->n - 1];
		if (strncmp(line, "diff --git", 10) == 0 || strncmp(line, "+++ ", 4) == 0 || strncmp(line, "--- ", 4) == 0)
			row->style = STYLE_HEAD;
	}
}

/* How far a search by text is. */
static void how_far(struct view *v, const cJSON *o)
{
	v->looked_into = (uint64_t)number(o, "looked_into");
	v->of = (uint64_t)number(o, "of");
}

static void object(struct view *v, const cJSON *o)
{
	const cJSON *x;

	switch (v->kind) {
	case VIEW_SNAPSHOTS:
		*word(o, "event") ? happening(v, o) : snapshot(v, o);
		break;
	case VIEW_CHANGES:
		cJSON_ArrayForEach(x, cJSON_GetObjectItemCaseSensitive(o, "changes"))
			change(v, x);
		break;
	case VIEW_TREE:
		entry(v, o);
		break;
	case VIEW_UNSAVED:
		buffer(v, o);
		break;
	case VIEW_FOUND:
		cJSON_HasObjectItem(o, "looked_into") ? how_far(v, o) : version(v, o);
		break;
	default:
		version(v, o);
	}
}

void row_add(struct view *v, const char *line)
{
	cJSON *o;

	if (v->kind == VIEW_TEXT || v->kind == VIEW_DIFF || v->kind == VIEW_HELP) {
		text(v, line);
		return;
	}
	o = *line == '{' ? cJSON_Parse(line) : NULL;
	if (o) {
		object(v, o);
	} else if (*line) {
		free(v->note);
		v->note = xstrdup(line);
	}
	cJSON_Delete(o);
}

void rows_release(struct view *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->row[i].text);
		free(v->row[i].right);
		free(v->row[i].buffer);
		free(v->row[i].path);
		free(v->row[i].id);
		free(v->row[i].event);
	}
	free(v->row);
	v->row = NULL;
	v->n = v->cap = 0;
	v->left = v->right = 0;
}
