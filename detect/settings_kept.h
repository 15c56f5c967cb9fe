/* detect/settings_kept.h - the settings as detect-core read them, for the small programs.
 *
 * Reading the files takes libgit2: five times the memory and the time of all that the gate does.
 * So detect-core leaves what it found in the state folder, in the file `settings`, with the
 * files' identity (device, inode, size, both times), HOME and the version; who finds all of that
 * as it was may take it. Nothing is kept of files that had problems, which must be told each
 * time, that take in others, or that were written within the last seconds, when another writing
 * need not change their times. What is kept is what report, gate and stop use: struct
 * detect_settings without the rest of cfg.
 *
 *	before = settings_origin(&o);
 *	detect_settings_load(&set);
 *	if (before == 0)
 *		settings_keep(&o, version, commit, &set);
 *
 *	settings_kept(version, commit, &set) ? use set : become detect-core */
#ifndef DETECT_SETTINGS_KEPT_H
#define DETECT_SETTINGS_KEPT_H

#include "detect/settings.h"
#include "lib/buf.h"

struct settings_origin {
	struct buf text; /* a line a file */
	bool fit;        /* their values may be kept */
};

/* What the files are now; before they are read. -ENOENT: it is not known which they are. */
int settings_origin(struct settings_origin *ret);
void settings_origin_release(struct settings_origin *o);
/* 1: kept, 0: as it was, or not to be kept; -errno. No folder is made for it. */
int settings_keep(const struct settings_origin *o, const char *version, const char *commit,
	const struct detect_settings *s);
/* True: *ret holds the kept ones, until settings_kept_release. */
bool settings_kept(const char *version, const char *commit, struct detect_settings *ret);
void settings_kept_release(struct detect_settings *s);

#endif
