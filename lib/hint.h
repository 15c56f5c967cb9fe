/* lib/hint.h - the way out, for whoever typed the wrong thing first.
 *
 * hint_near: which of the words was probably meant: one letter missing, too many, wrong, or two
 * swapped (two such in a word of six and more), or the beginning of one only. Of several as near it
 * is the one that only letters are missing of (lst: list, not ls). NULL: none, or several. words
 * ends with NULL. ASCII.
 *
 * hint_word: as a shell takes it for one word, in *b (yours): for a command to be typed. Control
 * characters are the log's to show.
 *
 * hint_tilde: a ~ that the shell did not replace, at the beginning of a path that is not there;
 * HINT_TILDE says so.
 *
 * hint_denied: after -EACCES or -EPERM on path: whose it is, or whose the folder above it is that
 * lets nobody through, as "; DIR belongs to root (you are ann): act as root". "": nothing is known,
 * or it is one's own. */
#ifndef LIB_HINT_H
#define LIB_HINT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"

const char *hint_near(const char *typed, const char *const *words);
const char *hint_word(const char *s, struct buf *b);
#define HINT_TILDE "a ~ in quotes or behind a = stays as it is: leave it bare, or write $HOME"
bool hint_tilde(const char *path);
const char *hint_denied(const char *path, char *ret, size_t size);

#endif
