/* lib/question.h - a question asked on the terminal: on stderr, and a line from stdin. The caller has seen that stdin is a
 * terminal. What was typed before it was asked is no answer to it, and is thrown away. All but the answer that is asked for, the
 * end of the input and *stop (NULL: none) not 0 are no. */
#ifndef LIB_QUESTION_H
#define LIB_QUESTION_H

#include <signal.h>
#include <stdbool.h>

/* "WHAT? [y/N] ": a word that begins with y is yes. */
bool question_yes(const char *what, const volatile sig_atomic_t *stop);
/* "WHAT. Type yes: ", for what nothing brings back: that word alone is yes. */
bool question_typed(const char *what, const volatile sig_atomic_t *stop);

#endif
