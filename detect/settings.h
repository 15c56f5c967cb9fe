/* detect/settings.h - the settings of [detect], as its parts take them.
 *
 * The small programs run with the defaults; detect-core loads the files (settings_load links
 * libgit2). */
#ifndef DETECT_SETTINGS_H
#define DETECT_SETTINGS_H

#include <stdbool.h>

#include "config/config.h"
#include "detect/risk.h"
#include "detect/roles.h"
#include "lib/buf.h"

struct detect_settings {
	struct risk_limits limits;
	struct role_patterns patterns;	/* strings are cfg's, or literals */
	struct config cfg;		/* empty in the small programs */
	const char **lists[3];
	bool broken; /* a file could not be read: there may be exceptions that nobody knows */
	char *kept; /* what strings point into, of those that were kept (settings_kept.h) */
};

#define SETTINGS_SYSTEM_FILE "/etc/holdfast/config"

void detect_settings_defaults(struct detect_settings *s);
/* Could a file say something of [detect], [gate], [training] or [store]? Then it is detect-core that must answer. */
bool detect_settings_are_default(void);
/* ~/.config/holdfast/config, appended, as config.h finds it. -ENOENT: HOME is not set. */
int detect_settings_user_file(struct buf *b);
/* May this file take in another? */
bool detect_settings_includes(const char *path);
/* The defaults with what the files say. Their problems are logged. -EINVAL: a broken file; s
 * holds the rest. */
int detect_settings_load(struct detect_settings *s);
void detect_settings_release(struct detect_settings *s);

#endif
