/* snapd/unsaved.h - copies of what an editor holds of this workspace and never saved
 * (editors/copies.h).
 *
 * The folders of its windows are watched; a moment after a backup was written it is read and, if
 * it is a whole one, copied. Empty and headless files are passed over: they never stand in place
 * of a good copy. With each snapshot, too, everything is looked at, and new versions of Local
 * History are copied. */
#ifndef SNAPD_UNSAVED_H
#define SNAPD_UNSAVED_H

struct unsaved;
struct workspace;

/* NULL: unsaved.copies is off, or there is no memory; never an obstacle to the workspace. */
struct unsaved *unsaved_new(struct workspace *w);
void unsaved_free(struct unsaved *u); /* NULL is fine */
void unsaved_take(struct unsaved *u); /* what is new, now; NULL is fine */

#endif
