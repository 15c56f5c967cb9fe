/* detect/tiers_cmd.h - `detect tiers`: the guide, and which tier fits now. */
#ifndef DETECT_TIERS_CMD_H
#define DETECT_TIERS_CMD_H

#include "detect/settings.h"

int cmd_tiers(int argc, char **argv, const struct detect_settings *set);

#endif
