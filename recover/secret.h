/* recover/secret.h - which paths look as if they held a secret: they do not leave the machine unless
 * the settings say so (mirror.secret, mirror.allow). */
#ifndef RECOVER_SECRET_H
#define RECOVER_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "../config/config.h"

/* name: the last component. By the built-in list and mirror.secret, in any case of letters, unless mirror.allow
 * has it. */
bool secret_name(const struct config *cfg, const char *name, size_t len);

#endif
