/* lib/auto.h - clean-up by attribute: for descriptors, heap pointers and the
 * library's own handles. `goto undo` stays for reversing effects (unlink,
 * rollback). gcc and clang. */
#ifndef LIB_AUTO_H
#define LIB_AUTO_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <unistd.h>

static inline void auto_close_(int *fd)
{
	if (*fd >= 0) {
		int e = errno;

		(void)close(*fd);
		errno = e;
	}
}

static inline void auto_free_(void *p)
{
	free(*(void **)p);
}

static inline void auto_closedir_(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static inline void auto_fclose_(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

#define autoclose	__attribute__((cleanup(auto_close_)))
#define autofree	__attribute__((cleanup(auto_free_)))
#define autoclosedir	__attribute__((cleanup(auto_closedir_)))
#define autofclose	__attribute__((cleanup(auto_fclose_)))

/* Any other handle: autoput(buf_release) struct buf b = BUF_INIT; */
#define autoput(fn)	__attribute__((cleanup(fn)))

/* Give a descriptor or pointer away: the cleanup then sees nothing. */
static inline int take_fd(int *fd)
{
	int r = *fd;

	*fd = -1;
	return r;
}

static inline void *take_ptr_(void *pp)
{
	void **p = pp;
	void *r = *p;

	*p = NULL;
	return r;
}
#define take_ptr(p) ((__typeof__(p))take_ptr_(&(p)))

#endif
