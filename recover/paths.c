#include "paths.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "../lib/auto.h"
#include "../lib/log.h"
#include "../store/store.h"
#include "recover.h"
#include "xalloc.h"

int path_clean(const char *prefix, const char *path, char **ret)
{
	autofree char *all = xasprintf("%s/%s", prefix, path);
	char *out = xmalloc(strlen(all) + 1), *end = out, *save = NULL;

	for (char *c = strtok_r(all, "/", &save); c; c = strtok_r(NULL, "/", &save)) {
		if (!strcmp(c, "."))
			continue;
		if (!strcmp(c, "..")) {
			if (end == out) {
				free(out);
				return -EINVAL;
			}
			while (end > out && *--end != '/')
				;
			continue;
		}
		if (end > out)
			*end++ = '/';
		end = stpcpy(end, c);
	}
	*end = 0;
	*ret = out;
	return 0;
}

static bool is_known(const struct recover *r, const char *path)
{
	uint64_t n;

	return store_count_versions(r->store, path, &n) >= 0;
}

/* What was typed below the workspace's top may be a path as lists print it, from there: so it is where nothing of the name
 * is, or ever was, where one stands. */
static void from_top(const struct recover *r, const char *arg, char **path)
{
	autofree char *full = xasprintf("%s/%s", r->workspace, *path), *top = NULL;
	struct stat st;

	if (!r->store || !r->prefix || !*r->prefix || *arg == '.' || is_known(r, *path) ||
	    lstat(full, &st) == 0 || path_clean("", arg, &top) < 0 || !is_known(r, top))
		return;
	if (!r->quiet)
		log_info("%s: nothing of this name is in %s; that of the workspace's top is taken", arg, r->prefix);
	free(*path);
	*path = take_ptr(top);
}

int path_from_arg(const struct recover *r, const char *arg, char **ret)
{
	size_t top = strlen(r->workspace);

	if (*arg != '/') {
		if (path_clean(r->prefix, arg, ret) == 0)
			return from_top(r, arg, ret), 0;
	} else {
		autofree char *full = NULL;

		if (path_clean("", arg, &full) == 0) {
			/* full lacks the leading slash */
			if (top == 1)
				return *ret = take_ptr(full), 0;
			if (!strncmp(full, r->workspace + 1, top - 1) &&
				(full[top - 1] == '/' || !full[top - 1])) {
				*ret = xstrdup(full + top - 1 + (full[top - 1] == '/'));
				return 0;
			}
		}
	}
	log_error("%s: is outside of the workspace %s", arg, r->workspace);
	return -EINVAL;
}

enum path_place path_place(const struct recover *r, const char *dir)
{
	autoput(buf_release) struct buf d = BUF_INIT, s = BUF_INIT, w = BUF_INIT;

	if (store_canonical(dir, &d) < 0 || store_canonical(r->store_path, &s) < 0 ||
	    store_canonical(r->workspace, &w) < 0)
		return PLACE_FREE;	/* what is wrong with it is said by whoever opens it */
	if (path_below(d.data, s.data))
		return PLACE_STORE;
	if (!path_below(d.data, w.data))
		return PLACE_FREE;
	return strcmp(d.data, w.data) ? PLACE_IN_WORKSPACE : PLACE_WORKSPACE;
}

enum { LONGEST = 1 << 20 };	/* PATH_MAX binds one call, not a file */

bool path_safe(const char *path)
{
	const char *p = path;

	if (!*p || strlen(path) > LONGEST)
		return false;
	for (;;) {
		size_t n = strcspn(p, "/");

		if (n == 0 || n > NAME_MAX || (n == 1 && p[0] == '.') ||
			(n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (n == 4 && !strncasecmp(p, ".git", 4))
			return false;
		if (!p[n])
			return true;
		p += n + 1;
	}
}

bool path_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return n == 0 || (!strncmp(path, folder, n) && (path[n] == '/' || !path[n]));
}

int path_compare(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	/* the end before '/', '/' before any other byte */
	int x = !*a ? 0 : *a == '/' ? 1 : (unsigned char)*a + 2;
	int y = !*b ? 0 : *b == '/' ? 1 : (unsigned char)*b + 2;

	return x - y;
}

void strs_add(struct strs *l, char *s)
{
	l->s = xgrow(l->s, l->n + 1, &l->cap, sizeof(*l->s));
	l->s[l->n++] = s;
	l->s[l->n] = NULL;
}

void strs_release(struct strs *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->s[i]);
	free(l->s);
	*l = (struct strs){ 0 };
}

int paths_from_args(const struct recover *r, char **arg, int n, struct strs *ret)
{
	for (int i = 0; i < n; i++) {
		char *p;

		if (path_from_arg(r, arg[i], &p) < 0)
			return -EINVAL;
		strs_add(ret, p);
	}
	return 0;
}

bool paths_match(const struct strs *l, const char *path)
{
	for (size_t i = 0; i < l->n; i++)
		if (path_below(path, l->s[i]))
			return true;
	return l->n == 0;
}

bool paths_lead(const struct strs *l, const char *path)
{
	for (size_t i = 0; i < l->n; i++)
		if (path_below(l->s[i], path))
			return true;
	return l->n == 0;
}
