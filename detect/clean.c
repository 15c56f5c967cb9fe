/* detect/clean.c - see the header. */
#include "detect/clean.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detect/clean-internal.h"
#include "detect/detect.h"
#include "detect/json.h"
#include "detect/protect.h"
#include "detect/run.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/text.h"

#define OR_FAIL(call)              \
	do {                       \
		int r_ = (call);   \
		if (r_ < 0)        \
			return r_; \
	} while (0)

enum { DEPTH = 64, FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW };

int clean_note(struct clean *c, const char *what, const char *path, uint64_t bytes, int error)
{
	struct clean_item *i;

	if (error == 0)
		c->bytes += bytes;
	if (c->n == CLEAN_ITEMS)
		return 0; /* done all the same, and counted */
	i = reallocarray(c->item, c->n + 1, sizeof(*i));
	if (!i)
		return -ENOMEM;
	c->item = i;
	i[c->n] = (struct clean_item){ strdup(path), what, bytes, error };
	return i[c->n++].path ? 0 : -ENOMEM;
}

static int first(int a, int b)
{
	return a < 0 ? a : b;
}

int clean_tree(int dirfd, const char *name, dev_t dev, bool dry, unsigned depth, uint64_t *ret)
{
	struct stat st;
	struct dirent *e;
	DIR *d;
	int fd, r = 0;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(st.st_mode)) {
		if (st.st_nlink == 1)
			*ret += (uint64_t)st.st_blocks * 512;
		return dry || unlinkat(dirfd, name, 0) == 0 ? 0 : -errno;
	}
	if (st.st_dev != dev || depth == DEPTH)
		return -EXDEV;
	fd = openat(dirfd, name, FOLDER);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return -errno;
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = first(r, clean_tree(fd, e->d_name, dev, dry, depth + 1, ret));
	(void)closedir(d);
	if (r == 0 && !dry && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

/* ---- the workspace ---- */

/* One that a person has put something into is left. */
static bool is_bytecode_only(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, FOLDER);
	autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return false;
	while ((e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		/* "m.cpython-311.pyc", and "m.cpython-311.pyc.1403" of a write that was cut short */
		if ((n < 5 || strcmp(e->d_name + n - 4, ".pyc") != 0) &&
			!strstr(e->d_name, ".pyc.") && !strstr(e->d_name, ".nbi") &&
			!strstr(e->d_name, ".nbc"))
			return false;
	}
	return true;
}

static const char *cache_kind(int dirfd, const char *name)
{
	static const char *const caches[] = { ".pytest_cache", ".mypy_cache", ".ruff_cache" };

	if (strcmp(name, "__pycache__") == 0)
		return is_bytecode_only(dirfd, name) ? "bytecode" : NULL;
	for (size_t i = 0; i < sizeof(caches) / sizeof(*caches); i++)
		if (strcmp(name, caches[i]) == 0)
			return "cache";
	return NULL;
}

static bool is_passed_over(const char *name)
{
	static const char *const left[] = { ".", "..", ".git", ".hg", ".svn", ".venv", "venv",
		"env", ".tox", ".nox", "node_modules", "site-packages" };

	for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++)
		if (strcmp(name, left[i]) == 0)
			return true;
	return false;
}

static void walk(
	struct clean *c, int dirfd, const char *name, dev_t dev, unsigned depth, struct buf *path)
{
	int fd = openat(dirfd, name, FOLDER);
	autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t len = path->len;
	struct dirent *e;

	while (d && depth < DEPTH && (e = readdir(d))) {
		const char *kind;
		struct stat st;
		uint64_t bytes = 0;
		int r;

		if (is_passed_over(e->d_name) || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN) ||
			fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISDIR(st.st_mode) || st.st_dev != dev ||
			buf_printf(path, "/%s", e->d_name) < 0)
			continue;
		kind = cache_kind(fd, e->d_name);
		if (kind) {
			r = clean_tree(fd, e->d_name, dev, c->dry, 0, &bytes);
			(void)clean_note(c, kind, path->data, bytes, r);
		} else if (strcmp(e->d_name, "__pycache__") != 0) {
			walk(c, fd, e->d_name, dev, depth + 1, path);
		}
		path->data[path->len = len] = '\0';
	}
}

void clean_workspace(struct clean *c, const char *path)
{
	autoput(buf_release) struct buf at = BUF_INIT;
	const char *home = getenv("HOME");
	struct stat st, there;

	if (stat(path, &st) < 0)
		return;
	if (strcmp(path, "/") == 0 ||
		(home && stat(home, &there) == 0 && there.st_ino == st.st_ino &&
			there.st_dev == st.st_dev)) {
		log_warn("clean: %s is no workspace: its caches are left; go into one", path);
		return;
	}
	if (buf_addstr(&at, path) == 0)
		walk(c, AT_FDCWD, path, st.st_dev, 0, &at);
	clean_logs(c, path);
}

static void clean_here(struct clean *c, const struct config *cfg)
{
	autoput(buf_release) struct buf workspace = BUF_INIT, store = BUF_INIT;
	char folder[PATH_MAX];

	if (protect_find(cfg->store_dir, &workspace, &store) > 0)
		clean_workspace(c, workspace.data);
	else if (getcwd(folder, sizeof(folder)))
		clean_workspace(c, folder);
}

/* ---- runs, the kernel's caches ---- */

struct old_runs {
	struct clean *c;
	unsigned keep, n;
	int state;
};

static int old_run(struct run *r, int folder, void *arg)
{
	struct old_runs *o = arg;
	autoclose int top = run_folder(o->state, "", false);
	char path[64];
	struct stat st;
	uint64_t bytes = 0;
	int e;

	(void)folder;
	if ((r->running && !r->lost) || ++o->n <= o->keep || fstat(top, &st) < 0)
		return 0;
	(void)snprintf(path, sizeof(path), "run %s", r->id);
	e = clean_tree(top, r->id, st.st_dev, o->c->dry, 0, &bytes);
	(void)clean_note(o->c, "run", path, bytes, e);
	return 0;
}

static void clean_runs(struct clean *c, unsigned keep)
{
	autoclose int state = detect_state_dir_if_any();
	struct old_runs o = { .c = c, .keep = keep ? keep : 20, .state = state };

	if (state >= 0)
		(void)run_each(state, old_run, &o);
}

static int drop_caches(void)
{
	autoclose int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, "3", 1) == 1 ? 1 : -errno;
}

static uint64_t available(void)
{
	struct machine_reader *reader;
	struct machine m;

	if (machine_open(&roots_real, &reader) < 0)
		return MACHINE_NONE;
	machine_clear(reader, &m);
	(void)machine_update(reader, MACHINE_MEMORY, &m);
	machine_close(reader);
	return m.available;
}

/* ---- what it says ---- */

static int as_json(const struct clean *c, struct buf *b)
{
	OR_FAIL(buf_printf(b, "{\"dry_run\":%s,\"items\":[", c->dry ? "true" : "false"));
	for (unsigned i = 0; i < c->n; i++) {
		const struct clean_item *x = &c->item[i];

		OR_FAIL(buf_addstr(b, i ? ",{" : "{"));
		OR_FAIL(json_field_string(b, "what", x->what));
		OR_FAIL(json_field_string(b, "path", x->path));
		OR_FAIL(json_field(b, "bytes", x->bytes));
		OR_FAIL(json_field_string(b, "error", x->error < 0 ? err_str(x->error) : NULL));
		OR_FAIL(buf_addch(b, '}'));
	}
	OR_FAIL(buf_addch(b, ']'));
	OR_FAIL(json_field(b, "freed_bytes", c->bytes));
	OR_FAIL(json_field(b, "available_before", c->before));
	OR_FAIL(json_field(b, "available_after", c->after));
	OR_FAIL(json_key(b, "caches_dropped"));
	return buf_addstr(b, c->caches > 0 ? "true}\n" : "false}\n");
}

static int as_text(const struct clean *c, struct buf *b)
{
	char size[16], x[16], y[16];

	for (unsigned i = 0; i < c->n; i++) {
		const struct clean_item *t = &c->item[i];

		if (t->error < 0)
			continue; /* said on stderr */
		OR_FAIL(buf_printf(b, "%-13s  %8s  ", t->what, text_size(t->bytes, size)));
		OR_FAIL(text_quote_name(b, t->path, strlen(t->path)));
		OR_FAIL(buf_addch(b, '\n'));
	}
	OR_FAIL(buf_printf(b, "%s %s", c->dry ? "would free" : "freed", text_size(c->bytes, size)));
	if (c->caches > 0)
		OR_FAIL(buf_addstr(b, " and the kernel's caches"));
	if (c->dry)
		return buf_addstr(b, "; nothing was changed\n");
	return buf_printf(b, "; memory available: %s, before %s\n", text_size(c->after, x),
		text_size(c->before, y));
}

static int help(void)
{
	(void)puts("usage: " DETECT " clean [--dry-run] [--keep-caches] [--json]\n\n"
		   "Frees what comes back by itself: bytecode and tool caches inside the\n"
		   "workspace, what killed Python and PyTorch processes left in /dev/shm and the\n"
		   "temporary folder, old runs and logs of our own; as root the kernel's caches.\n"
		   "Shows what, and the memory before and after.\n\n"
		   "  --dry-run      change nothing, say what would go\n"
		   "  --keep-caches  leave the kernel's caches\n"
		   "  --json         one object\n\n"
		   "Exit codes: 0 done, 2 usage, 3 some could not be removed, each is named.");
	return fflush(stdout) ? EXIT_ENV : EXIT_DONE;
}

/* 1: help. */
static int parse(int argc, char **argv, struct clean *c)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--dry-run") == 0 || strcmp(argv[i], "-n") == 0)
			c->dry = true;
		else if (strcmp(argv[i], "--keep-caches") == 0)
			c->keep_caches = true;
		else if (strcmp(argv[i], "--json") == 0)
			c->json = true;
		else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return 1;
		else {
			log_error("clean: %s: no such option; " DETECT
				  " clean --help lists what there is",
				argv[i]);
			return -EINVAL;
		}
	}
	return 0;
}

static int finish(struct clean *c)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int exit_code = EXIT_DONE;

	for (unsigned i = 0; i < c->n; i++)
		if (c->item[i].error < 0) {
			(void)log_warn_errno(c->item[i].error, "clean: %s", c->item[i].path);
			exit_code = EXIT_PART;
		}
	if ((c->json ? as_json(c, &b) : as_text(c, &b)) < 0 ||
		fwrite(b.data, 1, b.len, stdout) != b.len || fflush(stdout))
		return EXIT_ENV;
	for (unsigned i = 0; i < c->n; i++)
		free(c->item[i].path);
	free(c->item);
	return exit_code;
}

int cmd_clean(int argc, char **argv, const struct detect_settings *set)
{
	const char *tmp = getenv("TMPDIR");
	struct clean c = { 0 };
	int r = parse(argc, argv, &c);

	if (r == 1)
		return help();
	if (r < 0)
		return EXIT_USAGE;
	c.before = available();
	clean_here(&c, &set->cfg);
	clean_temp(&c, &roots_real, roots_real.shm);
	clean_temp(&c, &roots_real, tmp && *tmp == '/' ? tmp : "/tmp");
	clean_runs(&c, (unsigned)set->cfg.run_keep);
	clean_state(&c);
	if (!c.dry && !c.keep_caches && geteuid() == 0)
		c.caches = drop_caches();
	c.after = available();
	return finish(&c);
}
