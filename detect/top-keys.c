/* detect/top-keys.c - what each key does, and on which page; see top.h. The codes are those of curses; nothing of it is linked. */
#include <curses.h>
#include <stdio.h>

#include "detect/top.h"
#include "lib/names.h"

enum { ESC = 27, CTRL_B = 2, CTRL_F = 6, CTRL_L = 12, CTRL_N = 14, CTRL_P = 16, LISTS = TOP_MAIN | TOP_EVENTS_ALONE };

const struct top_key top_keys[] = {
	{ { '?', KEY_F(1) }, LISTS, TOP_DO_HELP, "this help", "? help", NULL },
	{ { 'q' }, TOP_MAIN, TOP_DO_QUIT, "leave", "q leave", "Ctrl-C" },
	{ { 'q', ESC, KEY_LEFT, KEY_BACKSPACE }, TOP_EVENTS_ALONE | TOP_HELP, TOP_DO_BACK, "from help and events: back",
		"q back", NULL },
	{ { 'f' }, TOP_MAIN, TOP_DO_FREEZE, "freeze the training: it stops and keeps its memory", "f freeze", NULL },
	{ { 'r' }, TOP_MAIN, TOP_DO_RESUME, "let a frozen one go on", "r resume", NULL },
	{ { 'a' }, TOP_MAIN, TOP_DO_ASK, "ask it for a checkpoint and less memory (SIGUSR2)", "a ask", NULL },
	{ { 'x' }, TOP_MAIN, TOP_DO_END, "end it: SIGTERM", "x end", NULL },
	{ { 'K' }, TOP_MAIN, TOP_DO_KILL, "kill it: SIGKILL, when x did not help", NULL, NULL },
	{ { 'c' }, TOP_MAIN, TOP_DO_CLEAN, DETECT " clean: free what comes back by itself", "c clean", NULL },
	{ { 'g' }, TOP_MAIN, TOP_DO_GATE, "is there room for a command? (" DETECT " gate)", "g gate", NULL },
	{ { 'e' }, TOP_MAIN | TOP_HELP, TOP_DO_EVENTS, "what ended, and why", "e events", NULL },
	{ { '\n', '\r', KEY_ENTER, ' ' }, TOP_MAIN, TOP_DO_FOLD, "fold the editor or training, or open it again", NULL,
		NULL },
	{ { 'j', KEY_DOWN, CTRL_N }, TOP_ANYWHERE, TOP_DO_DOWN, "down", "j k move", NULL },
	{ { 'k', KEY_UP, CTRL_P }, TOP_ANYWHERE, TOP_DO_UP, "up", NULL, NULL },
	{ { KEY_NPAGE, CTRL_F }, TOP_ANYWHERE, TOP_DO_PAGE_DOWN, "half a screen down", NULL, NULL },
	{ { KEY_PPAGE, CTRL_B }, TOP_ANYWHERE, TOP_DO_PAGE_UP, "half a screen up", NULL, NULL },
	{ { KEY_HOME }, TOP_ANYWHERE, TOP_DO_FIRST, "to the first", NULL, NULL },
	{ { 'G', KEY_END }, TOP_ANYWHERE, TOP_DO_LAST, "to the last", NULL, NULL },
	{ { '+' }, TOP_MAIN, TOP_DO_SLOWER, "look less often", NULL, NULL },
	{ { '-' }, TOP_MAIN, TOP_DO_FASTER, "look more often", NULL, NULL },
	{ { CTRL_L }, TOP_ANYWHERE, TOP_DO_REDRAW, "look now, draw anew", NULL, NULL },
	{ { 0 }, TOP_ANYWHERE, TOP_DO_NOTHING, "suspend; fg comes back", NULL, "Ctrl-Z" },
	{ { 0 }, 0, TOP_DO_NOTHING, NULL, NULL, NULL },
};

unsigned top_view(const struct top *t)
{
	return t->help ? TOP_HELP : t->events ? TOP_EVENTS_ALONE : TOP_MAIN;
}

enum top_verb top_verb_of(struct top *t, int key)
{
	unsigned view = top_view(t);
	bool known = false;

	for (const struct top_key *k = top_keys; k->help; k++)
		for (unsigned i = 0; i < TOP_KEYS && k->key[i]; i++) {
			if (k->key[i] != key)
				continue;
			if (k->in & view)
				return k->verb;
			known = true;
		}
	(void)snprintf(t->message, sizeof(t->message), "%s",
		known ? "that key does nothing here; ? shows all" : "? shows all keys");
	return TOP_DO_NOTHING;
}
