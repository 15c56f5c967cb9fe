/* snapd/keeper.h - two workspaces must not share a store: a restore would bring one's files into
 * the other's history. Needs no more than the client has. */
#ifndef SNAPD_KEEPER_H
#define SNAPD_KEEPER_H

#include <stdbool.h>

/* dir: a store's folder, or where one will be; path: a workspace, canonical. 0: it is the
 * workspace's own, or nobody's yet;
 * -EPERM: it keeps another folder, said on stderr with the way out unless quiet; other failures
 * are said too. */
int keeper_check(const char *dir, const char *path, bool quiet);

#endif
