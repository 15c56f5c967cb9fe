/* recover/strays.h - why no store was found: no place to look in, or a workspace that is not
 * where it was. */
#ifndef RECOVER_STRAYS_H
#define RECOVER_STRAYS_H

#include "../config/config.h"

/* Says on stderr what stands in the way of finding stores, or names those whose workspace is
 * gone (it was moved, renamed or deleted), each with the commands that look at it. */
void strays_name(const struct config *cfg);

#endif
