#include "gitspare.h"

#include <git2.h>
#include <git2/sys/alloc.h>
#include <malloc.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 256 << 10, STEP = alignof(max_align_t) };

static alignas(max_align_t) unsigned char room[ROOM];
static size_t used, blocks;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool wanted;

static bool is_spare(const void *p)
{
	return (uintptr_t)p - (uintptr_t)room < ROOM;
}

/* A block's size lies before it. */
static void *spare(size_t n)
{
	size_t whole;
	void *p = NULL;

	atomic_store(&wanted, true);
	n = n ? n : 1;	/* its place is within the room */
	if (n > ROOM)
		return NULL;
	whole = STEP + (n + STEP - 1) / STEP * STEP;
	(void)pthread_mutex_lock(&lock);
	if (whole <= ROOM - used) {
		memcpy(room + used, &n, sizeof n);
		p = room + used + STEP;
		used += whole;
		blocks++;
	}
	(void)pthread_mutex_unlock(&lock);
	return p;
}

static void *take(size_t n, const char *file, int line)
{
	void *p = malloc(n ? n : 1);

	(void)file, (void)line;
	return p ? p : spare(n);
}

static void give(void *p)
{
	if (!is_spare(p)) {
		free(p);
		return;
	}
	(void)pthread_mutex_lock(&lock);
	if (--blocks == 0)
		used = 0;
	(void)pthread_mutex_unlock(&lock);
}

static void *retake(void *p, size_t n, const char *file, int line)
{
	size_t had = 0;
	void *q;

	if (!p)
		return take(n, file, line);
	if (!is_spare(p)) {
		q = realloc(p, n ? n : 1);
		if (q)
			return q;
		q = spare(n);
		had = q ? malloc_usable_size(p) : 0;
	} else {
		memcpy(&had, (unsigned char *)p - STEP, sizeof had);
		q = take(n, file, line);
	}
	if (!q)
		return NULL;
	memcpy(q, p, had < n ? had : n);
	give(p);
	return q;
}

#if LIBGIT2_VER_MAJOR == 1 && LIBGIT2_VER_MINOR < 7	/* what newer ones make of the three themselves */
static void *take_array(size_t n, size_t size, const char *file, int line)
{
	size_t whole;

	return __builtin_mul_overflow(n, size, &whole) ? NULL : take(whole, file, line);
}

static void *take_zeroes(size_t n, size_t size, const char *file, int line)
{
	void *p = take_array(n, size, file, line);

	if (p)
		memset(p, 0, n * size);
	return p;
}

static void *retake_array(void *p, size_t n, size_t size, const char *file, int line)
{
	size_t whole;

	return __builtin_mul_overflow(n, size, &whole) ? NULL : retake(p, whole, file, line);
}

static char *copy(const char *s, size_t n, const char *file, int line)
{
	char *p = n < SIZE_MAX ? take(n + 1, file, line) : NULL;

	if (!p)
		return NULL;
	memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

static char *copy_string(const char *s, const char *file, int line)
{
	return copy(s, strlen(s), file, line);
}

static char *copy_at_most(const char *s, size_t n, const char *file, int line)
{
	return copy(s, strnlen(s, n), file, line);
}
#endif

int gitspare_use(void)
{
	static git_allocator ours = {
		.gmalloc = take,
		.grealloc = retake,
		.gfree = give,
#if LIBGIT2_VER_MAJOR == 1 && LIBGIT2_VER_MINOR < 7
		.gcalloc = take_zeroes,
		.gmallocarray = take_array,
		.greallocarray = retake_array,
		.gstrdup = copy_string,
		.gstrndup = copy_at_most,
		.gsubstrdup = copy,
#endif
	};

	return git_libgit2_opts(GIT_OPT_SET_ALLOCATOR, &ours);
}

bool gitspare_wanted(void)
{
	return atomic_exchange(&wanted, false);
}
