/* config/habits.h - words that people bring along from git, restic, systemctl or ps, or from another
 * of the three programs, and the command that does here what they do there.
 *
 * For messages only: nothing is run by such a word. */
#ifndef CONFIG_HABITS_H
#define CONFIG_HABITS_H

enum habit_of { HABIT_SNAPD, HABIT_RECOVER, HABIT_DETECT };

/* The command as it is typed, for who typed the word (in any case, with leading dashes or without) to
 * that program. NULL: we know none. Static text. */
const char *habit(enum habit_of program, const char *word);
/* The same for a word that is nearly one of them (hint_near). */
const char *habit_near(enum habit_of program, const char *word);

#endif
