/* detect/menu.h - `detect menu`: the guided way. Numbers and questions; every entry shows the
 * command that it runs, so that the next time it can be typed. */
#ifndef DETECT_MENU_H
#define DETECT_MENU_H

#include "detect/risk.h"
#include "detect/settings.h"

/* What to start at this use of memory, and the number of the entry that does it. */
const char *menu_advice(enum status s, unsigned *ret_entry);

int cmd_menu(int argc, char **argv, const struct detect_settings *set);

#endif
