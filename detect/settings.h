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

struct detect_settings {
	struct risk_limits limits;
	struct role_patterns patterns;	/* strings are cfg's, or literals */
	struct config cfg;		/* empty in the small programs */
	const char **lists[3];
};

void detect_settings_defaults(struct detect_settings *s);
/* Could a file say something of [detect], [gate], [training] or [store]? Then it is detect-core that must answer. */
bool detect_settings_are_default(void);
/* The defaults with what the files say. Their problems are logged. -EINVAL: a broken file; s
 * holds the rest. */
int detect_settings_load(struct detect_settings *s);
void detect_settings_release(struct detect_settings *s);

#endif
