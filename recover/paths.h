/* recover/paths.h - names from the command line and names from a store.
 *
 * A PATH argument is relative to the current folder when that is inside the workspace,
 * else to the workspace; absolute ones must lead into it. Where nothing of the name is there, or ever was, it is taken as lists
 * print paths, from the workspace (and that is said), unless it begins with a dot. Inside, a path is relative
 * to the workspace without any "." or ".." ("" is the workspace itself).
 * Names that come out of a store are hostile until path_safe() says otherwise. */
#ifndef RECOVER_PATHS_H
#define RECOVER_PATHS_H

#include <stdbool.h>
#include <stddef.h>

struct recover;

/* The path below the workspace that arg means; yours to free. -EINVAL: outside (says so). */
int path_from_arg(const struct recover *r, const char *arg, char **ret);

/* Where a folder the user wants written lies; it need not exist. */
enum path_place {
	PLACE_FREE,
	PLACE_WORKSPACE,
	PLACE_IN_WORKSPACE,
	PLACE_STORE /* the store or in it */
};
enum path_place path_place(const struct recover *r, const char *dir);

/* Joins and cleans lexically: no empty, "." or ".." component in *ret. -EINVAL when it leaves
 * the top. */
int path_clean(const char *prefix, const char *path, char **ret);

/* May this path of a store be written? No empty, ".", ".." component, no ".git" in any case,
 * nothing longer than a name may be. */
bool path_safe(const char *path);

/* Is path equal to or below folder? "" holds all. */
bool path_below(const char *path, const char *folder);

/* Order of a tree walk: byte order with '/' below everything, so that a folder comes before what
 * is in it and everything in it before its next sibling. */
int path_compare(const char *a, const char *b);

/* A list of paths from arguments (strs_free). */
struct strs {
	char **s;		/* NULL-terminated once it has one */
	size_t n, cap;
};
void strs_add(struct strs *l, char *s);		/* takes s */
void strs_release(struct strs *l);
int paths_from_args(const struct recover *r, char **arg, int n, struct strs *ret);
/* Is it in the list (or below)? An empty list holds all. */
bool paths_match(const struct strs *l, const char *path);
/* ... or is it a folder above one of them? */
bool paths_lead(const struct strs *l, const char *path);

#endif
