/* A hostile .holdfast: nothing crashes, no include is ever seen by libgit2,
 * and what is reported cannot drive a terminal. */
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/config-internal.h"
#include "lib/gitlib.h"
#include "lib/io.h"
#include "lib/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int yes)
{
	if (!yes)
		abort();
}

static int no_include(const git_config_entry *e, void *arg)
{
	(void)arg;
	check(e->include_depth == 0);
	check(strncasecmp(e->name, "include.", 8) != 0);
	check(strncasecmp(e->name, "includeif.", 10) != 0);
	return 0;
}

static void hidden_means_hidden(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), path[64];
	int mem = memfd_create("fuzz", MFD_CLOEXEC);
	unsigned line = 0;
	git_config *g;

	check(text && mem >= 0);
	memcpy(text, data, size);
	if (config_hide_includes(text, size, &line))
		check(line > 0);
	check(io_write_all(mem, text, size) == 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", mem);
	check(git_config_new(&g) == 0);
	if (git_config_add_file_ondisk(g, path, GIT_CONFIG_LEVEL_APP, NULL, 0) == 0)
		check(git_config_foreach(g, no_include, NULL) == 0);
	git_config_free(g);
	(void)close(mem);
	free(text);
}

static void scan_ends(const uint8_t *data, size_t size)
{
	struct config_scan s;
	unsigned before = 0;

	config_scan_init(&s, (const char *)data, size);
	while (config_scan_next(&s) > 0) {
		check(s.name_line >= before && s.name_line <= s.line);
		before = s.name_line;
	}
	check(s.p == s.end);
	config_scan_release(&s);
}

static void hear(const char *line, void *arg)
{
	(void)arg;
	for (size_t left = strlen(line); left;) {
		size_t n = text_print_len(line, left);

		check(n > 0 || *line == '\t');
		n += n == 0;
		line += n;
		left -= n;
	}
}

static char dir[] = "/tmp/holdfast-fuzz-config-XXXXXX";
static int fd = -1;

static void remove_dir(void)
{
	(void)unlinkat(fd, ".holdfast", 0);
	(void)rmdir(dir);
}

static void load(const uint8_t *data, size_t size)
{
	struct config c;
	int r;

	if (fd < 0) {
		check(mkdtemp(dir) != NULL);
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		check(atexit(remove_dir) == 0);
		check(fd >= 0 && setenv("HOLDFAST_CONFIG", "/dev/null", 1) == 0);
	}
	{
		int out = openat(fd, ".holdfast", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		check(out >= 0 && io_write_all(out, data, size) == 0);
		(void)close(out);
	}
	r = config_load(&c, dir, hear, NULL);
	check(r == 0 || c.n_problems > 0);
	check(!c.store_dir && !c.pager && c.quota == 0);
	config_release(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int ready;

	if (!ready)
		ready = gitlib_init();
	if (size > 4096)
		return 0;
	hidden_means_hidden(data, size);
	scan_ends(data, size);
	load(data, size);
	return 0;
}
