/* detect/holders.h - who holds the memory: all processes by name, the largest first.
 *
 * For a refusal, where there is time to look at everybody. Editors and runs count as a whole under
 * their names; the rest by program. Resident pages without those of files where the kernel tells
 * them apart: pages that several share count in each, so a sum is "at most". */
#ifndef DETECT_HOLDERS_H
#define DETECT_HOLDERS_H

#include "detect/machine.h"
#include "detect/roles.h"
#include "detect/survey.h"

enum { HOLDERS = 8 };

struct holder {
	char name[SURVEY_NAME];
	enum kind kind;
	pid_t pid;  /* of the largest */
	unsigned n; /* processes */
	uint64_t bytes;
};

struct holders {
	unsigned n;
	struct holder h[HOLDERS];
	uint64_t editor, training; /* sums */
};

int holders_take(const struct roots *roots, const struct role_patterns *pat, struct holders *ret);

#endif
