/* lib/term-keys.h - keys as people call them: "j, Down, Ctrl-N". For a program's one table of keys,
 * from which what is typed and what its help says both come. Knows the codes of curses, links
 * nothing of it. */
#ifndef LIB_TERM_KEYS_H
#define LIB_TERM_KEYS_H

#include <stddef.h>

#include "buf.h"

/* Appends the names of up to n keys as getch() gives them (0: no more), one that has two codes
 * once, and of what is typed but is no key of curses (a signal; NULL: none). -ENOMEM. */
int term_key_names(struct buf *b, const int *keys, size_t n, const char *also);

#endif
