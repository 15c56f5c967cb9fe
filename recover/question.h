/* recover/question.h - yes or no, asked on the terminal. */
#ifndef RECOVER_QUESTION_H
#define RECOVER_QUESTION_H

#include <stdbool.h>

/* "WHAT? [y/N] " on stderr and a line from stdin: y is yes; all else, the end of the input and what
 * sets `interrupted` (recover.h) are no. The caller has seen that stdin is a terminal. */
bool question_yes(const char *what);

#endif
