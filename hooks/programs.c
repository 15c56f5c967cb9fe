/* hooks/programs.c - where our programs are, and by which word others start them. A name alone
 * is better in a file that goes into a repository; it is used where PATH leads to the very same
 * file. */
#include "hooks-internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/log.h"
#include "../lib/names.h"

static char *in_path(const char *name)
{
	const char *path = getenv("PATH");

	while (path && *path) {
		size_t n = strcspn(path, ":");
		autofree char *file = text_of("%.*s/%s", (int)n, path, name);

		if (n && *path == '/' && access(file, X_OK) == 0)
			return take_ptr(file);
		path += n + (path[n] == ':');
	}
	return NULL;
}

/* VSCode starts tasks with the PATH of a login shell, whatever ours is: these folders are in it. */
static bool is_usual(const char *file)
{
	static const char *const dirs[] = { "/usr/local/bin/", "/usr/bin/", "/bin/" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		if (strncmp(file, dirs[i], strlen(dirs[i])) == 0 &&
			!strchr(file + strlen(dirs[i]), '/'))
			return true;
	return false;
}

static char *word_of(const char *file)
{
	const char *name = strrchr(file, '/') + 1;
	autofree char *found = in_path(name);
	autofree char *a = found ? realpath(found, NULL) : NULL, *b = realpath(file, NULL);

	return text_of("%s", a && b && strcmp(a, b) == 0 && is_usual(found) ? name : file);
}

static char *try(const char *dir)
{
	autofree char *file = text_of("%s/" SNAPD, dir);
	autofree char *real = realpath(dir, NULL);

	return real && access(file, X_OK) == 0 ? text_of("%s", real) : NULL;
}

/* Where we were called, beside us, or where libexec's neighbour is. */
static char *find_dir(const char *argv0)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *dir;

	if (strchr(argv0, '/')) {
		autofree char *there = text_of("%.*s", (int)(strrchr(argv0, '/') - argv0), argv0);

		dir = try(*there ? there : "/");
		if (dir)
			return dir;
	}
	if (n <= 0)
		return NULL;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	dir = try(self);
	if (!dir) {
		autofree char *bin = text_of("%s/../../bin", self);

		dir = try(bin);
	}
	return dir;
}

int programs_find(const char *argv0, struct programs *ret)
{
	autofree char *dir = find_dir(argv0);

	*ret = (struct programs){ 0 };
	if (!dir)
		return log_error_errno(-ENOENT, SNAPD ": where is it");
	ret->snapd = text_of("%s/" SNAPD, dir);
	ret->recover = text_of("%s/" RECOVER, dir);
	ret->detect = text_of("%s/" DETECT, dir);
	ret->snapd_word = word_of(ret->snapd);
	ret->recover_word = word_of(ret->recover);
	ret->detect_word = word_of(ret->detect);
	return 0;
}

void programs_release(struct programs *p)
{
	char *all[] = { p->snapd, p->recover, p->detect, p->snapd_word, p->recover_word,
		p->detect_word };

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		free(all[i]);
	*p = (struct programs){ 0 };
}
