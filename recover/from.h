/* recover/from.h - --from URL: the snapshots of a mirror (mirror.url of some machine) as a store to look into.
 *
 * What is there is fetched into $XDG_CACHE_HOME/holdfast/from/, made a store of its own and looked at there; the next time
 * only what is new, or all of it if that store is not what was noted of it (from.c). Times and modes finer than git's are
 * not in it, nor what was skipped or left out. */
#ifndef RECOVER_FROM_H
#define RECOVER_FROM_H

#include "recover.h"

/* url: what git fetch takes; behind a '#' the HOST/WORKSPACE that is meant, where the mirror has several (else that of
 * this workspace, or the only one). r->workspace is known. Says what is wrong; EXIT_DONE with the folder of the store in
 * *ret_store, or EXIT_NO, EXIT_ENV. */
int from_fetch(struct recover *r, const char *url, char **ret_store);

#endif
