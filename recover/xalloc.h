/* recover/xalloc.h - memory for a program that can only give up without it.
 * The libraries propagate -ENOMEM; the command line says so and stops (nothing
 * is half done then: a restore is journaled). */
#ifndef RECOVER_XALLOC_H
#define RECOVER_XALLOC_H

#include <stddef.h>

/* Says so and ends: for who met -ENOMEM itself. */
void xalloc_failed(void) __attribute__((noreturn));
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Room for one more in the array *p of *cap items; the classic doubling. */
void *xgrow(void *p, size_t n, size_t *cap, size_t size);

#endif
