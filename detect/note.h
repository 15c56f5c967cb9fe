/* detect/note.h - `detect-core note NAME=VALUE...`: a launch into the journal. Started by
 * launch_note
 * and by a run at its end; not for people. */
#ifndef DETECT_NOTE_H
#define DETECT_NOTE_H

#include "detect/settings.h"

int cmd_note(int argc, char **argv, const struct detect_settings *set);

#endif
