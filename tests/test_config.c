#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config-internal.h"
#include "lib/auto.h"
#include "lib/io.h"

static const char *top;		/* HOME, and the workspace in top/w */
static int dir;
static struct config c;
static struct buf said;		/* what was reported, a line each, without top */

static void hear(const char *line, void *arg)
{
	const char *at;

	(void)arg;
	/* the same words wherever the test runs */
	while ((at = strstr(line, top))) {
		ck_assert_int_eq(buf_add(&said, line, (size_t)(at - line)), 0);
		line = at + strlen(top) + 1;
	}
	ck_assert_int_eq(buf_printf(&said, "%s\n", line), 0);
}

static void start(void)
{
	top = check_dir(&dir);
	ck_assert_int_eq(setenv("HOME", top, 1), 0);
	ck_assert_int_eq(unsetenv("XDG_CONFIG_HOME"), 0);
	ck_assert_int_eq(unsetenv("HOLDFAST_CONFIG"), 0);
	ck_assert_int_eq(io_mkdir_p(dir, ".config/holdfast", 0700), 0);
	ck_assert_int_eq(io_mkdir_p(dir, "w", 0700), 0);
}

static void put_bytes(const char *path, const char *p, size_t n)
{
	autoclose int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write_all(fd, p, n), 0);
}

#define USER ".config/holdfast/config"
#define SPACE "w/.holdfast"

static void put(const char *path, const char *text)
{
	put_bytes(path, text, strlen(text));
}

static int load(void)
{
	char w[256];

	config_release(&c);
	buf_reset(&said);
	ck_assert_int_eq(buf_reserve(&said, 1), 0);
	(void)snprintf(w, sizeof(w), "%s/w", top);
	return config_load(&c, w, hear, NULL);
}

START_TEST(config__without_files_is_its_defaults)
{
	start();
	ck_assert_int_eq(load(), 0);
	ck_assert_str_eq(said.data, "");
	ck_assert_uint_eq(c.interval_ms, 30000);
	ck_assert_uint_eq(c.settle_ms, 200);
	ck_assert_uint_eq(c.max_file_size, 16 << 20);
	ck_assert_uint_eq(c.include.n, 0);
	ck_assert_uint_eq(c.exclude.n, 0);
	ck_assert(c.default_excludes && c.gitignore);
	ck_assert_uint_eq(c.poll_ms, 10000);
	ck_assert_ptr_null(c.store_dir);
	ck_assert_uint_eq(c.quota, 0);
	ck_assert_uint_eq(c.free_floor, 256 << 20);
	ck_assert_int_eq(c.level, 3);
	ck_assert_ptr_null(c.pager);
	ck_assert_str_eq(c.color, "auto");
	ck_assert_int_eq(c.context, 3);
	ck_assert_uint_eq(c.n_problems, 0);
	config_release(&c);
	ck_assert_int_eq(config_load(&c, NULL, NULL, NULL), 0);
	config_release(&c);
	config_release(&c);
}
END_TEST

START_TEST(config__the_later_file_wins_and_lists_add_up)
{
	start();
	put(USER, "[snapshot]\n\tinterval = 10s\n\tmaxFileSize = 1G\n\texclude = *.a\n\texclude = *.b\n"
		  "\tgitignore = no\n[store]\n\tdir = ~/stores\n\tcompressionlevel = 19\n[recover]\n\tpager = less -R\n"
		  "\tcolor = never\n\tquux\n");
	put(SPACE, "[Snapshot]\n\tINTERVAL = \"5m\" ; often enough\n\texclude = *.c\n\tinclude = \"a b\"\n"
		   "\tgitignore\n\tsettle = 0\n[recover]\n\tcontext = 0\n");
	ck_assert_int_eq(load(), 0);
	ck_assert_str_eq(said.data, ".config/holdfast/config:13: recover.quux: unknown key, ignored\n");
	ck_assert_uint_eq(c.n_problems, 1);
	ck_assert_uint_eq(c.interval_ms, 300000);
	ck_assert_uint_eq(c.max_file_size, 1 << 30);
	ck_assert_uint_eq(c.settle_ms, 0);
	ck_assert_uint_eq(c.exclude.n, 3);
	ck_assert_str_eq(c.exclude.item[0], "*.a");
	ck_assert_str_eq(c.exclude.item[1], "*.b");
	ck_assert_str_eq(c.exclude.item[2], "*.c");
	ck_assert_uint_eq(c.include.n, 1);
	ck_assert_str_eq(c.include.item[0], "a b");
	ck_assert(c.gitignore);
	ck_assert_ptr_nonnull(strstr(c.store_dir, "/stores"));
	ck_assert_int_eq(c.store_dir[0], '/');
	ck_assert_int_eq(c.level, 19);
	ck_assert_str_eq(c.pager, "less -R");
	ck_assert_str_eq(c.color, "never");
	ck_assert_int_eq(c.context, 0);
}
END_TEST

START_TEST(config__each_bad_line_is_named_with_what_is_used_instead)
{
	start();
	put(USER, "# a comment\n"
		  "[snapshot]\n"
		  "\tinterval = 12s\n"
		  "\tinterval = 5 parsecs\n"
		  "\tinterval = 50ms\n"
		  "\tsettle\n"
		  "\tmaxFileSize = \"16 \\\n"
		  "MB s\"\n"
		  "\tmaxFileSise = 1\n"
		  "\tgitignore = maybe\n"
		  "\tpollInterval = 99999999999999999999\n"
		  "[store] compressionLevel = 20\n"
		  "\tcompressionLevel = -1\n"
		  "\tquota = 5X\n"
		  "\tdir = relative\n"
		  "\tinterval = 1s\n"
		  "[recover]\n"
		  "\tcolor = al\n"
		  "\tcolor =\n"
		  "\tcontext = 3a\n"
		  "\tpager\n"
		  "[snapshot \"sub.B\"]\n"
		  "\tinterval = 1s\n");
	ck_assert_int_eq(load(), 0);
	ck_assert_str_eq(said.data,
		USER ":4: snapshot.interval: '5 parsecs': not a time such as 500ms, 30s, 10m, 2h; using 12s\n"
		USER ":5: snapshot.interval: '50ms': must be at least 100ms; using 12s\n"
		USER ":6: snapshot.settle: needs a value; using 200ms\n"
		USER ":7: snapshot.maxFileSize: '16 MB s': not a size such as 512k, 16M, 5G; using 16M\n"
		USER ":9: snapshot.maxfilesise: unknown key, ignored; did you mean snapshot.maxFileSize?\n"
		USER ":10: snapshot.gitignore: 'maybe': not true or false; using true\n"
		USER ":11: snapshot.pollInterval: '99999999999999999999': too large; using 10s\n"
		USER ":12: store.compressionLevel: '20': must be from 1 to 19; using 3\n"
		USER ":13: store.compressionLevel: '-1': not a whole number; using 3\n"
		USER ":14: store.quota: '5X': not a size such as 512k, 16M, 5G; using 0 (the smaller of 5 GiB and 10 % of the file system)\n"
		USER ":15: store.dir: 'relative': must be an absolute path, or begin with ~/; using none\n"
		USER ":16: store.interval: unknown key, ignored; did you mean snapshot.interval?\n"
		USER ":18: recover.color: 'al': must be one of auto, always, never; using auto\n"
		USER ":19: recover.color: '': must be one of auto, always, never; using auto\n"
		USER ":20: recover.context: '3a': not a whole number; using 3\n"
		USER ":21: recover.pager: needs a value; using none\n"
		USER ":23: snapshot.sub.B.interval: unknown key, ignored\n");
	ck_assert_uint_eq(c.n_problems, 17);
	ck_assert_uint_eq(c.interval_ms, 12000);
}
END_TEST

START_TEST(config__a_workspace_cannot_run_move_or_prune)
{
	start();
	put(USER, "[snapshot]\n\texclude = *.mine\n");
	put(SPACE, "[recover]\n\tpager = rm -rf ~\n[store]\n\tdir = /tmp/x\n\tquota = 1\n\tfreeFloor = 0\n"
		   "\tcompressionLevel = 1\n[snapshot]\n\texclude =\n\texclude = *.more\n");
	ck_assert_int_eq(load(), 0);
	ck_assert_str_eq(said.data,
		SPACE ":2: recover.pager: not allowed in a workspace, ignored; set it in your own configuration\n"
		SPACE ":4: store.dir: not allowed in a workspace, ignored; set it in your own configuration\n"
		SPACE ":5: store.quota: not allowed in a workspace, ignored; set it in your own configuration\n"
		SPACE ":6: store.freeFloor: not allowed in a workspace, ignored; set it in your own configuration\n"
		SPACE ":9: snapshot.exclude: a workspace can only add to a list, ignored\n");
	ck_assert_ptr_null(c.pager);
	ck_assert_ptr_null(c.store_dir);
	ck_assert_uint_eq(c.quota, 0);
	ck_assert_uint_eq(c.free_floor, 256 << 20);
	ck_assert_int_eq(c.level, 1);
	ck_assert_uint_eq(c.exclude.n, 2);
	/* the user may forget a list */
	put(USER, "[snapshot]\n\texclude = *.mine\n\texclude =\n\texclude = *.new\n");
	put(SPACE, "");
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(c.exclude.n, 1);
	ck_assert_str_eq(c.exclude.item[0], "*.new");
}
END_TEST

/* Were one of them followed, the pager would be set. */
START_TEST(config__a_workspace_cannot_include)
{
	static const char *const ways[] = {
		"[include]\n\tpath = evil\n",
		"[InClude] path = evil\n",
		"[snapshot] interval = 1s\n[snapshot][include] path = evil\n",
		"\n  [include]path=evil\n",
		"[ include]\n\tpath = evil\n",
		"\xef\xbb\xbf[include]\n\tpath = evil\n",
		"[snapshot]\n\tinterval = \"x\\\n# \"\n[include]\n\tpath = evil\n",
		"# [x] \\\n[include]\n\tpath = evil\n",
		"[includeIf \"gitdir:/\"]\n\tpath = evil\n",
		"[include \"x\"]\n\tpath = evil\n",
		"[include]\r\n\tpath = evil\r\n",
		"[include]\n\tpath = ~/w/evil\n",
	};
	char full[300];

	start();
	put("w/evil", "[snapshot]\n\tinterval = 77s\n");
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		put(SPACE, ways[i]);
		(void)load();	/* some are not even git's syntax */
		ck_assert_msg(strstr(said.data, ": include: not followed in a workspace, ignored"), "%zu: %s",
			i, said.data);
		ck_assert_msg(c.interval_ms != 77000, "%zu", i);
	}
	(void)snprintf(full, sizeof(full), "[include]\n\tpath = %s/w/evil\n", top);
	put(SPACE, full);
	ck_assert_int_eq(load(), 0);
	ck_assert_str_eq(said.data, SPACE ":1: include: not followed in a workspace, ignored\n");
	ck_assert_uint_eq(c.interval_ms, 30000);
	/* words that only look like it stay as they are */
	put(SPACE, "# [include]\n[snapshot]\n\texclude = include\n\texclude = [i]nclude\n");
	ck_assert_int_eq(load(), 0);
	ck_assert_str_eq(said.data, "");
	ck_assert_str_eq(c.exclude.item[1], "[i]nclude");
	/* the user's own file may include */
	put(".config/holdfast/evil", "[snapshot]\n\tinterval = 77s\n\tnone = 1\n");
	put(USER, "[include]\n\tpath = evil\n[snapshot]\n\tsettle = x\n");
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(c.interval_ms, 77000);
	ck_assert_str_eq(said.data, USER ": snapshot.none: unknown key, ignored\n"
		USER ":4: snapshot.settle: 'x': not a time such as 500ms, 30s, 10m, 2h; using 200ms\n");
}
END_TEST

START_TEST(config__broken_is_an_error_with_its_line)
{
	static const struct {
		const char *text, *says;
	} broken[] = {
		{ "[snapshot]\n\tinterval = 9s\n[broken\n", ":3: missing ']' in section header\n" },
		{ "[snapshot]\n\n\texclude = \\q\n", ":3: invalid escape at q\n" },
		{ "[snapshot]\n\t= 3\n", ":2: invalid configuration key\n" },
		{ "[snapshot]\ninterval : 3\n", ":2: " },
	};

	start();
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		for (int space = 0; space < 2; space++) {
			char want[100];

			put(USER, space ? "[recover]\n\tcontext = 8\n" : broken[i].text);
			put(SPACE, space ? broken[i].text : "[recover]\n\tcontext = 9\n");
			(void)snprintf(want, sizeof(want), "%s%s", space ? SPACE : USER, broken[i].says);
			ck_assert_int_eq(load(), -EINVAL);
			ck_assert_msg(strncmp(said.data, want, strlen(want)) == 0, "%s, not %s", said.data, want);
			/* the other file still counts */
			ck_assert_int_eq(c.context, space ? 8 : 9);
			ck_assert_uint_ge(c.n_problems, 1);
		}
	}
	put(USER, "");
	put_bytes(SPACE, "[recover]\n\tcontext\0 = 3\n", 25);
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(said.data, SPACE ":2: holds a NUL byte\n");
}
END_TEST

START_TEST(config__what_is_not_a_file_is_named)
{
	autofree char *big = malloc((1 << 20) + 2);

	start();
	ck_assert_int_eq(mkfifoat(dir, SPACE, 0600), 0);
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(said.data, SPACE ": not a regular file, ignored\n");
	ck_assert_int_eq(unlinkat(dir, SPACE, 0), 0);
	ck_assert_int_eq(symlinkat("/etc/passwd", dir, SPACE), 0);
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(said.data, SPACE ": not a regular file, ignored\n");
	ck_assert_int_eq(unlinkat(dir, SPACE, 0), 0);
	memset(big, '\n', (1 << 20) + 1);
	put_bytes(USER, big, (1 << 20) + 1);
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_ptr_nonnull(strstr(said.data, USER ": cannot be read: "));
	put_bytes(USER, big, 1 << 20);
	ck_assert_int_eq(load(), 0);
	ck_assert_int_eq(unlinkat(dir, USER, 0), 0);
	ck_assert_int_eq(mkdirat(dir, USER, 0700), 0);
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(said.data, USER ": not a regular file, ignored\n");
}
END_TEST

START_TEST(config__the_environment_says_where)
{
	char path[300];

	start();
	put(USER, "[recover]\n\tcontext = 1\n");
	ck_assert_int_eq(io_mkdir_p(dir, "xdg/holdfast", 0700), 0);
	put("xdg/holdfast/config", "[recover]\n\tcontext = 2\n");
	put("only", "[recover]\n\tcontext = 4\n");
	ck_assert_int_eq(load(), 0);
	ck_assert_int_eq(c.context, 1);
	(void)snprintf(path, sizeof(path), "%s/xdg", top);
	ck_assert_int_eq(setenv("XDG_CONFIG_HOME", path, 1), 0);
	ck_assert_int_eq(load(), 0);
	ck_assert_int_eq(c.context, 2);
	ck_assert_int_eq(setenv("XDG_CONFIG_HOME", "relative", 1), 0);
	ck_assert_int_eq(load(), 0);
	ck_assert_int_eq(c.context, 1);
	(void)snprintf(path, sizeof(path), "%s/only", top);
	ck_assert_int_eq(setenv("HOLDFAST_CONFIG", path, 1), 0);
	ck_assert_int_eq(load(), 0);
	ck_assert_int_eq(c.context, 4);
	put(SPACE, "[recover]\n\tcontext = 5\n");	/* still read */
	ck_assert_int_eq(load(), 0);
	ck_assert_int_eq(c.context, 5);
	ck_assert_int_eq(setenv("HOLDFAST_CONFIG", "/dev/null", 1), 0);
	ck_assert_int_eq(load(), 0);
	ck_assert_int_eq(setenv("HOLDFAST_CONFIG", "/nonexistent", 1), 0);
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(said.data, "/nonexistent: cannot be read: no such file or folder\n");
}
END_TEST

START_TEST(config__hostile_names_are_quoted)
{
	start();
	put(SPACE, "[snapshot]\n\texclude = \\\xff\n");
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(said.data, SPACE ":2: \"invalid escape at \\377\"\n");
	put(SPACE, "[snapshot \"a\033[2J\"]\n\tinterval = 1s\n[recover]\n\tcolor = \"\033]0;x\\n\"\n");
	ck_assert_int_eq(load(), 0);
	ck_assert_ptr_null(strchr(said.data, '\033'));
	ck_assert_ptr_nonnull(strstr(said.data, "\\033[2J"));
}
END_TEST

/* holdfast.conf(5) is what config_print_manual writes, and that has every key. */
START_TEST(config__the_manual_is_complete)
{
	autoput(buf_release) struct buf doc = BUF_INIT;
	autofree char *printed = NULL;
	size_t n;
	FILE *f = open_memstream(&printed, &n);

	ck_assert_int_eq(config_print_manual(f), 0);
	ck_assert_int_eq(fclose(f), 0);
	for (const struct config_key *k = config_keys; k->name; k++) {
		char item[128];

		(void)snprintf(item, sizeof(item), "\n.It Va %s No ", k->name);
		ck_assert_ptr_nonnull(strstr(printed, item));
	}
	ck_assert_int_eq(io_read_file(AT_FDCWD, "docs/holdfast.conf.5", 1 << 20, &doc), 0);
	/* both are longer than what a message of Check's may be */
	ck_assert_msg(strcmp(doc.data, printed) == 0, "make it anew: build/tests/tool_defaults --man");
}
END_TEST

/* holdfast.conf is what config_print_defaults writes, has every key, and
 * loads, commented in, without a word. */
START_TEST(config__the_documentation_is_complete_and_true)
{
	autoput(buf_release) struct buf doc = BUF_INIT, live = BUF_INIT;
	autofree char *printed = NULL;
	struct config def;
	size_t n;
	FILE *f = open_memstream(&printed, &n);

	start();
	ck_assert_int_eq(config_print_defaults(f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(io_read_file(AT_FDCWD, "config/holdfast.conf", 1 << 20, &doc), 0);
	ck_assert_msg(strcmp(doc.data, printed) == 0, "make it anew: build/tests/tool_defaults");
	for (const char *p = doc.data; *p;) {
		size_t len = strcspn(p, "\n") + 1;
		const char *hash = memchr(p, '#', len);

		/* "\t#key = value" */
		if (p[0] == '\t' && hash == p + 1 && p[2] != ' ')
			ck_assert_int_eq(buf_add(&live, p + 2, len - 2), 0);
		else
			ck_assert_int_eq(buf_add(&live, p, len), 0);
		p += len;
	}
	put(USER, live.data);
	ck_assert_int_eq(load(), 0);
	ck_assert_str_eq(said.data, "");
	ck_assert_int_eq(config_init(&def), 0);
	for (const struct config_key *k = config_keys; k->name; k++) {
		autoput(buf_release) struct buf a = BUF_INIT, b = BUF_INIT;

		ck_assert_ptr_nonnull(strstr(live.data, strchr(k->name, '.') + 1));
		ck_assert_int_eq(config_key_show(&def, k, &a), 0);
		ck_assert_int_eq(config_key_show(&c, k, &b), 0);
		if (k->def)
			ck_assert_str_eq(a.data, b.data);
		else
			ck_assert_str_ne(k->example, "");
	}
	ck_assert_uint_eq(c.include.n, 1);
	config_release(&def);
}
END_TEST

START_TEST(config__what_is_shown_can_be_read)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	const struct config_key *keys[] = { config_key_find("snapshot.interval"),
		config_key_find("snapshot.maxfilesize") };

	ck_assert_int_eq(config_init(&c), 0);
	for (int i = 0; i < 2000; i++) {
		uint64_t *at = i % 2 ? &c.max_file_size : &c.interval_ms;
		uint64_t v = check_rand() >> (1 + check_below(60));

		*at = v * (check_below(2) ? 1024 : 1000) & INT64_MAX;
		if (*at < 100)
			continue;
		v = *at;
		buf_reset(&b);
		ck_assert_int_eq(config_key_show(&c, keys[i % 2], &b), 0);
		ck_assert_int_eq(config_key_set(&c, keys[i % 2], b.data, &b), 0);
		ck_assert_uint_eq(*at, v);
	}
}
END_TEST

/* The failure is ours: that the file is broken would be a lie. */
START_TEST(config__no_descriptor_left_is_not_a_broken_file)
{
	struct rlimit was, none;
	int fd, r;

	start();
	put(USER, "[snapshot]\n\tinterval = 10s\n");
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	fd = dup(STDIN_FILENO);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	none = (struct rlimit){ (rlim_t)fd, was.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = load();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	ck_assert_int_eq(r, -EMFILE);
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(c.interval_ms, 10000);
	config_release(&c);
}
END_TEST

CHECK_MAIN("config", config__without_files_is_its_defaults,
	config__the_later_file_wins_and_lists_add_up,
	config__each_bad_line_is_named_with_what_is_used_instead,
	config__a_workspace_cannot_run_move_or_prune, config__a_workspace_cannot_include,
	config__no_descriptor_left_is_not_a_broken_file, config__broken_is_an_error_with_its_line,
	config__what_is_not_a_file_is_named, config__the_environment_says_where,
	config__hostile_names_are_quoted, config__the_documentation_is_complete_and_true,
	config__the_manual_is_complete, config__what_is_shown_can_be_read)
