#include "builtin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../lib/auto.h"
#include "../lib/io.h"
#include "at.h"
#include "scan-internal.h"

/* Byte order. A folder with one of these names is made by a tool, and the tool can make it
 * again. */
static const char *const folders[] = {
	".Trash",
	".angular",
	".bzr",
	".cache",
	".ccache",
	".direnv",
	".eggs",
	".gradle",
	".hg",
	".hypothesis",
	".ipynb_checkpoints",
	".jj",
	".mypy_cache",
	".next",
	".nox",
	".npm",
	".nuxt",
	".nyc_output",
	".parcel-cache",
	".pixi",
	".pnpm-store",
	".pytest_cache",
	".ruff_cache",
	".sass-cache",
	".svelte-kit",
	".svn",
	".terraform",
	".tox",
	".turbo",
	".venv",
	"__pycache__",
	"__pypackages__",
	"bower_components",
	"lost+found",
	"node_modules",
};

static const char signature[] = "Signature: 8a477f597d28d172789f06886806bc55";

static bool starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static bool ends(const char *s, const char *with)
{
	size_t n = strlen(s), k = strlen(with);

	return n >= k && memcmp(s + n - k, with, k) == 0;
}

bool builtin_invisible(const char *name)
{
	return strcmp(name, ".git") == 0;
}

bool builtin_unnameable(const char *name)
{
	return strcasecmp(name, ".git") == 0 && strcmp(name, ".git") != 0;
}

bool builtin_always(const char *name)
{
	return starts(name, ".env") || ends(name, ".ipynb");
}

/* ".NAME.swp" and, when that is taken, .swo, .swn ... */
static bool vim_swap(const char *name)
{
	size_t n = strlen(name);

	return n > 5 && memcmp(name + n - 4, ".sw", 3) == 0 && name[n - 1] >= 'a' &&
	       name[n - 1] <= 'p';
}

bool builtin_transient(const char *name)
{
	if (name[0] == '.')
		return vim_swap(name) || starts(name, ".#") || starts(name, ".nfs0") ||
			starts(name, ".fuse_hidden") || starts(name, ".goutputstream-") ||
			starts(name, ".~lock.");
	return ends(name, "___jb_tmp___") || ends(name, "___jb_old___");
}

bool builtin_file(const char *name)
{
	size_t n = strlen(name);

	if (n > 4 && name[n - 4] == '.' && (name[n - 1] == 'c' || name[n - 1] == 'o') &&
		name[n - 3] == 'p' && name[n - 2] == 'y')
		return true;
	return strcmp(name, ".DS_Store") == 0 || strcmp(name, "Thumbs.db") == 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, *(const char *const *)b);
}

bool builtin_folder(const char *name)
{
	return bsearch(name, folders, sizeof(folders) / sizeof(*folders), sizeof(*folders),
		       compare) ||
	       starts(name, ".Trash-");
}

static int tagged(int dir)
{
	char head[sizeof(signature) - 1];
	autoclose int fd = at_open_file(dir, "CACHEDIR.TAG");
	struct stat st;

	if (fd < 0)
		return scan_is_ours(fd) ? fd : 0;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		io_read_full(fd, head, sizeof(head)) == (ssize_t)sizeof(head) &&
		memcmp(head, signature, sizeof(head)) == 0;
}

static bool has(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What writes to it would be written about in it, without end. */
static bool is_store(int dir)
{
	return has(dir, "catalogue.db") && has(dir, "lock") && has(dir, "log");
}

int builtin_folder_content(int rootfd, struct at_near *near, const char *path)
{
	autoclose int dir = at_open_near(rootfd, near, path, O_PATH | O_DIRECTORY);

	if (dir < 0)
		return scan_is_ours(dir) ? dir : 0;
	if (has(dir, "pyvenv.cfg") || has(dir, "conda-meta/history") || is_store(dir))
		return 1;
	return tagged(dir);
}

bool builtin_tells(const char *name)
{
	static const char *const names[] = {
		"CACHEDIR.TAG",
		"catalogue.db",
		"conda-meta",
		"history",
		"lock",
		"log",
		"pyvenv.cfg",
	};

	return bsearch(name, names, sizeof(names) / sizeof(*names), sizeof(*names), compare);
}
