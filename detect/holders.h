/* detect/holders.h - who holds the memory: all processes by name, the largest first; where a cgroup
 * limits it (m->total), those in that group.
 *
 * For a refusal, where there is time to look at everybody. Editors and runs count as a whole under
 * their names; the rest by program. Resident pages without those of files where the kernel tells
 * them apart: pages that several share count in each, so a sum is "at most". Who holds less than 64 MiB and less than a
 * hundredth of the memory is of no use to anybody who looks for room: those are added up. */
#ifndef DETECT_HOLDERS_H
#define DETECT_HOLDERS_H

#include "detect/machine.h"
#include "detect/roles.h"
#include "detect/survey.h"

enum { HOLDERS = 8 };

struct holder {
	char name[SURVEY_NAME];
	enum kind kind;
	pid_t pid;  /* of the largest; of an editor or a run its first */
	unsigned n; /* processes */
	uint64_t bytes, largest;
};

struct holders {
	unsigned n;
	struct holder h[HOLDERS];
	uint64_t editor, training; /* sums */
	unsigned others;           /* processes that are not in h */
	uint64_t others_bytes;
};

/* m: the reading they are the holders of. */
int holders_take(const struct roots *roots, const struct role_patterns *pat,
	const struct machine *m, struct holders *ret);

#endif
