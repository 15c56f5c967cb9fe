/* lib/become.h - a small program hands over to the whole one, which lies beside it or in
 * ../libexec/holdfast.
 *
 * What only asks must not load what only work needs; so the program a user starts is small, and
 * becomes the other (same arguments, same process) when there is more to do. */
#ifndef LIB_BECOME_H
#define LIB_BECOME_H

/* Returns only when it could not be started: then that has been said, and the exit code is
 * EXIT_ENV. */
int become(const char *name, char **argv);

#endif
