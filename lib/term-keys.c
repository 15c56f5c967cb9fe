/* lib/term-keys.c - see the header. */
#include "term-keys.h"

#include <curses.h>
#include <string.h>

static const struct {
	int key;
	const char *name;
} names[] = {
	{ ' ', "Space" }, { '\t', "Tab" }, { '\n', "Enter" }, { '\r', "Enter" }, { KEY_ENTER, "Enter" },
	{ 27, "Esc" }, { 8, "Backspace" }, { 127, "Backspace" }, { KEY_BACKSPACE, "Backspace" },
	{ KEY_UP, "Up" }, { KEY_DOWN, "Down" }, { KEY_LEFT, "Left" }, { KEY_RIGHT, "Right" },
	{ KEY_NPAGE, "PgDn" }, { KEY_PPAGE, "PgUp" }, { KEY_HOME, "Home" }, { KEY_END, "End" }, { KEY_F(1), "F1" },
};

static const char *name_of(int key, char own[8])
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].key == key)
			return names[i].name;
	if (key > 0 && key < ' ') {
		memcpy(own, "Ctrl-", 5);
		own[5] = (char)(key + '@');
		own[6] = '\0';
	} else {
		own[0] = (char)key;
		own[1] = '\0';
	}
	return own;
}

int term_key_names(struct buf *b, const int *keys, size_t n, const char *also)
{
	const char *before = "";
	size_t begin = b->len;
	char own[8];
	int r = 0;

	for (size_t i = 0; i < n && keys[i] && r == 0; i++) {
		const char *name = name_of(keys[i], own);

		if (strcmp(name, before) == 0)
			continue;
		r = buf_printf(b, "%s%s", b->len > begin ? ", " : "", name);
		before = name == own ? "" : name;
	}
	if (also && r == 0)
		r = buf_printf(b, "%s%s", b->len > begin ? ", " : "", also);
	return r;
}
