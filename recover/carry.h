/* recover/carry.h - what a store's folder holds beside the snapshots of the workspace, for one that
 * is to take its place: the copies of what was never saved (editors/copies.h, stores of their own),
 * the list of what was imported (scan/import.h), a restore that waits to be finished and the one that
 * can be taken back (recover/journal.h). What any of the programs makes again is left where it is: the
 * mirror, the reserve, what was checked. */
#ifndef RECOVER_CARRY_H
#define RECOVER_CARRY_H

/* Copied from the one folder into the other, whose own go first, and synced, so that who dies may begin again. Nobody writes to them
 * meanwhile (stores_lock). The old ones stay as they are. Names what failed; EXIT_DONE or EXIT_ENV. */
int carry_all(const char *from, const char *to);

#endif
