/* lib/gitspare.h - libgit2 goes on when there is no memory.
 *
 * libgit2 1.5's reader of settings and its start do not look at every allocation: want of memory is
 * a null pointer in use there (config_parse.c, config_file.c, runtime.c). With this allocator a block
 * that malloc(3) refuses comes from 256 KiB set aside, more than our settings and its start ask for;
 * whoever has to know asks afterwards. Beyond that it is libgit2's matter again. The room is free for
 * the next once all blocks of it were given back; untouched it costs no memory. Any thread. */
#ifndef LIB_GITSPARE_H
#define LIB_GITSPARE_H

#include <stdbool.h>

/* Before libgit2 is started: for the rest of the process. 0 or libgit2's code. */
int gitspare_use(void);
/* Whether malloc has refused a block since the last call. */
bool gitspare_wanted(void);

#endif
