/* detect/roles-internal.h - what the three files of roles share. */
#ifndef DETECT_ROLES_INTERNAL_H
#define DETECT_ROLES_INTERNAL_H

#include <stdbool.h>

#include "detect/roles.h"

enum { WORDS_MAX = 128 }; /* what decides stands in front */

struct words {
	unsigned n;
	const char *w[WORDS_MAX];
};

void role_words(const struct proc *p, struct words *w);
const char *role_base(const char *path); /* what follows the last slash */
bool role_ends(const char *s, const char *end);
bool role_match(const char *const *patterns, const char *name);

struct role_of role_editor(const char *exe, const struct words *w, const struct role_of *parent,
	const struct role_patterns *pat);
struct role_of role_training(const char *exe, const struct words *w, const struct role_of *parent,
	const struct role_patterns *pat);

#endif
