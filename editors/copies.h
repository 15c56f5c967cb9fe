/* editors/copies.h - where snapd keeps its copies of editors' buffers and versions, and recover
 * finds them.
 *
 * An editor rewrites a backup by truncating it; killed there, it leaves nothing. So each
 * finished version is copied into a store of its own, STORE/unsaved, with the store's own log,
 * checksums and compression: as durable as a snapshot, but in no snapshot's tree. Its paths:
 *
 * 	b/PLACE/W/SCHEME/NAME	a backup file, whole; GONE where the editor took it away
 * 	h/PLACE/FOLDER/NAME	a version of Local History, whole
 * 	hp/PLACE/FOLDER		which file that folder is about: its path below the workspace
 * 	places/PLACE		the name of the editor, a line end, its folder
 *
 * When its log passes unsaved.quota it becomes STORE/unsaved.old, in place of an older one, and
 * a new one is begun with what the editors hold then: both are read. */
#ifndef EDITORS_COPIES_H
#define EDITORS_COPIES_H

#define COPIES_NOW "unsaved"
#define COPIES_OLD "unsaved.old"
#define COPIES_BUFFER "b/"
#define COPIES_VERSION "h/"
#define COPIES_VERSION_PATH "hp/"
#define COPIES_PLACE "places/"

#endif
