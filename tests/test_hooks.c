#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hooks/hooks.h"
#include "jsonc_gen.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/jsonc.h"
#include "lib/log.h"

enum { ROUNDS = 170 }; /* of three files */

static char ws[256], snapd[512];
static const char *const names[] = { "tasks.json", "launch.json", "settings.json" };

/* Thousands of synced writes: in memory, where there is some. */
__attribute__((constructor)) static void be_quick(void)
{
	if (access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 1);
}

static void make_world(void)
{
	const char *dir = check_dir(NULL), *build = getenv("BUILD_DIR");
	char path[512];

	(void)snprintf(ws, sizeof(ws), "%s/ws", dir);
	(void)snprintf(path, sizeof(path), "%s/ws/.vscode", dir);
	ck_assert_int_eq(io_mkdir_p(AT_FDCWD, path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/state", dir);
	ck_assert_int_eq(setenv("HOLDFAST_STATE", path, 1), 0);
	ck_assert_int_eq(setenv("HOME", dir, 1), 0);
	(void)snprintf(snapd, sizeof(snapd), "%s/snapd", build ? build : "build");
	ck_assert(freopen("/dev/null", "w", stdout) != NULL);
	log_init("test", LOG_ERROR);
}

static void file_path(const char *name, char *out, size_t n)
{
	(void)snprintf(out, n, "%s/.vscode/%s", ws, name);
}

static void write_file(const char *name, const struct buf *b)
{
	char path[512];
	autoclose int fd = -1;

	file_path(name, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert(fd >= 0);
	ck_assert_int_eq(io_write_all(fd, b->data, b->len), 0);
}

static bool read_file(const char *name, struct buf *b)
{
	char path[512];

	file_path(name, path, sizeof(path));
	buf_reset(b);
	return io_read_file(AT_FDCWD, path, 1 << 20, b) == 0;
}

static int install(unsigned parts, bool away)
{
	const struct hooks_options o = {
		.workspace = ws, .argv0 = snapd, .parts = parts, .yes = true
	};

	return away ? hooks_uninstall(&o) : hooks_install(&o);
}

static void generate(size_t i, struct buf *b)
{
	static const char *const keys[] = { "files.watcherExclude", "search.exclude",
		"debug.onTaskErrors", "search.followSymlinks", "files.autoSave", NULL };
	const struct jsonc_gen g[] = {
		{ check_below, "tasks", "label", NULL },
		{ check_below, "configurations", "name", NULL },
		{ check_below, NULL, NULL, keys },
	};

	buf_reset(b);
	jsonc_generate(&g[i], b);
}

static bool is_within(const struct buf *small, const struct buf *large)
{
	size_t n = 0;

	for (size_t i = 0; i < large->len && n < small->len; i++)
		n += large->data[i] == small->data[n];
	return n == small->len;
}

static void check_parses(const struct buf *b, const struct buf *was)
{
	autoput(jsonc_release) struct jsonc j;

	ck_assert_msg(jsonc_parse(b->data, b->len, &j) == 0, "%s:\n%s\n->\n%s", j.error, was->data,
		b->data);
}

static bool same_bytes(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

START_TEST(install_and_uninstall__are_the_identity)
{
	const unsigned parts = HOOK_VSCODE | HOOK_AUTOSAVE;

	make_world();
	for (int round = 0; round < ROUNDS; round++) {
		autoput(buf_release) struct buf now = BUF_INIT, again = BUF_INIT;
		struct buf was[3] = { BUF_INIT, BUF_INIT, BUF_INIT };

		for (size_t i = 0; i < 3; i++) {
			generate(i, &was[i]);
			write_file(names[i], &was[i]);
		}
		(void)install(parts, false);
		for (size_t i = 0; i < 3; i++) {
			ck_assert(read_file(names[i], &now));
			ck_assert_msg(is_within(&was[i], &now), "%s:\n%s\n->\n%s", names[i],
				was[i].data, now.data);
			check_parses(&now, &was[i]);
			if (i < 2)
				ck_assert(strstr(now.data, "holdfast: ") != NULL);
			if (i == check_below(3)) {
				(void)install(parts, false);
				ck_assert(read_file(names[i], &again));
				ck_assert_msg(
					same_bytes(&now, &again), "%s is changed again", names[i]);
			}
		}
		(void)install(HOOK_VSCODE, true);
		for (size_t i = 0; i < 3; i++) {
			ck_assert(read_file(names[i], &now));
			ck_assert_msg(same_bytes(&was[i], &now), "%s:\n%s\n->\n%s", names[i],
				was[i].data, now.data);
		}
		for (size_t i = 0; i < 3; i++)
			buf_release(&was[i]);
	}
}
END_TEST

/* Somebody writes into the files in between: what is ours goes, what is theirs stays. */
START_TEST(uninstall__takes_ours_out_of_what_others_changed)
{
	make_world();
	for (int round = 0; round < ROUNDS / 3; round++) {
		autoput(buf_release) struct buf was = BUF_INIT, now = BUF_INIT;
		size_t i = check_below(3);
		autoput(jsonc_release) struct jsonc a = { 0 }, b = { 0 };

		generate(i, &was);
		write_file(names[i], &was);
		(void)install(HOOK_VSCODE, false);
		ck_assert(read_file(names[i], &now));
		ck_assert_int_eq(buf_addstr(&now, "\n// theirs\n"), 0);
		write_file(names[i], &now);
		(void)install(HOOK_VSCODE, true);
		ck_assert(read_file(names[i], &now));
		check_parses(&now, &was);
		ck_assert(strstr(now.data, "// theirs") != NULL);
		ck_assert(!strstr(now.data, "holdfast: "));
		ck_assert_int_eq(jsonc_parse(was.data, was.len, &a), 0);
		ck_assert_int_eq(jsonc_parse(now.data, now.len, &b), 0);
		ck_assert_msg(a.n ? jsonc_same(&a, 0, &b, 0) : b.n <= 1, "%s:\n%s\n->\n%s",
			names[i], was.data, now.data);
	}
}
END_TEST

START_TEST(install__leaves_broken_files_alone)
{
	autoput(buf_release) struct buf was = BUF_INIT, now = BUF_INIT;

	make_world();
	ck_assert_int_eq(buf_addstr(&was, "{ \"tasks\": [ }"), 0);
	write_file("tasks.json", &was);
	ck_assert_int_eq(install(HOOK_VSCODE, false), EXIT_PART);
	ck_assert(read_file("tasks.json", &now));
	ck_assert(same_bytes(&was, &now));
	/* No launch may name a gate that is not there. */
	ck_assert(!read_file("launch.json", &now));
	ck_assert(read_file("settings.json", &now));
	ck_assert_int_eq(install(HOOK_VSCODE, true), EXIT_DONE);
	ck_assert(!read_file("settings.json", &now));
}
END_TEST

START_TEST(install__keeps_mode_and_link)
{
	autoput(buf_release) struct buf was = BUF_INIT, now = BUF_INIT;
	char real[512], path[512];
	struct stat st;

	make_world();
	(void)snprintf(real, sizeof(real), "%s/elsewhere.json", ws);
	file_path("tasks.json", path, sizeof(path));
	ck_assert_int_eq(buf_addstr(&was, "{}"), 0);
	write_file("tasks.json", &was);
	ck_assert_int_eq(rename(path, real), 0);
	ck_assert_int_eq(chmod(real, 0640), 0);
	ck_assert_int_eq(symlink("../elsewhere.json", path), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(install(HOOK_VSCODE, i == 1), EXIT_DONE);
		ck_assert(lstat(path, &st) == 0 && S_ISLNK(st.st_mode));
		ck_assert(stat(path, &st) == 0 && (st.st_mode & 07777) == 0640);
		ck_assert(read_file("tasks.json", &now));
		ck_assert_int_eq(strstr(now.data, "holdfast: gate") != NULL, i == 0);
	}
	ck_assert(same_bytes(&was, &now));
}
END_TEST

static bool is_told(const char *line, const char *word)
{
	return strstr(line, word) != NULL;
}

struct hearing {
	const char *word;
	int n, all;
};

static int hear(const char *line, void *arg)
{
	struct hearing *h = arg;

	h->n += is_told(line, h->word);
	h->all++;
	return 0;
}

static int told(const char *word)
{
	struct hearing h = { word, 0, 0 };

	ck_assert_int_eq(hooks_check(ws, hear, &h), 0);
	return h.n;
}

START_TEST(launches__get_the_gate_before_what_they_had)
{
	autoput(buf_release) struct buf launch = BUF_INIT, tasks = BUF_INIT, now = BUF_INIT;
	autoput(jsonc_release) struct jsonc j = { 0 };

	make_world();
	ck_assert_int_eq(
		buf_addstr(&launch, "{\"configurations\": [\n  {\"name\": \"a\", \"request\": "
				    "\"launch\", \"preLaunchTask\": \"build\"}, // keep\n"
				    "  {\"name\": \"b\", \"request\": \"launch\"},\n  {\"name\": "
				    "\"c\", \"request\": \"attach\"},\n"
				    "  {\"name\": \"d\", \"request\": \"launch\", "
				    "\"preLaunchTask\": \"${defaultBuildTask}\"}\n]}"),
		0);
	ck_assert_int_eq(buf_addstr(&tasks, "{\"tasks\": [{\"label\": \"build\"}]}"), 0);
	write_file("launch.json", &launch);
	write_file("tasks.json", &tasks);
	ck_assert_int_eq(install(HOOK_VSCODE | HOOK_LAUNCHES, false), EXIT_DONE);
	ck_assert(read_file("launch.json", &now));
	ck_assert(strstr(now.data, "{\"name\": \"a\", \"request\": \"launch\", \"preLaunchTask\": "
				   "\"holdfast: gate + build\"}, // keep") != NULL);
	ck_assert(strstr(now.data, "\"name\": \"c\", \"request\": \"attach\"}") != NULL);
	ck_assert(strstr(now.data, "\"${defaultBuildTask}\"") != NULL);
	ck_assert(read_file("tasks.json", &now));
	ck_assert(strstr(now.data, "\"dependsOn\": [\"holdfast: gate\", \"build\"]") != NULL);
	ck_assert_int_eq(told("holdfast"), 0);
	ck_assert_int_eq(jsonc_parse(now.data, now.len, &j), 0);
	ck_assert_int_eq(install(HOOK_VSCODE | HOOK_LAUNCHES, true), EXIT_DONE);
	ck_assert(read_file("launch.json", &now) && same_bytes(&launch, &now));
	ck_assert(read_file("tasks.json", &now) && same_bytes(&tasks, &now));
	/* And with a change of somebody else's in between. */
	ck_assert_int_eq(install(HOOK_VSCODE | HOOK_LAUNCHES, false), EXIT_DONE);
	ck_assert(read_file("launch.json", &now));
	ck_assert_int_eq(buf_addch(&now, '\n'), 0);
	write_file("launch.json", &now);
	ck_assert_int_eq(install(HOOK_VSCODE | HOOK_LAUNCHES, true), EXIT_DONE);
	ck_assert(read_file("launch.json", &now));
	ck_assert(strstr(now.data, "\"preLaunchTask\": \"build\"") != NULL &&
		  !strstr(now.data, "holdfast"));
}
END_TEST

static void replace(const char *name, const char *from, const char *to)
{
	autoput(buf_release) struct buf b = BUF_INIT, n = BUF_INIT;
	char *at;

	ck_assert(read_file(name, &b));
	at = strstr(b.data, from);
	ck_assert(at != NULL);
	ck_assert_int_eq(buf_add(&n, b.data, (size_t)(at - b.data)), 0);
	ck_assert_int_eq(buf_addstr(&n, to), 0);
	ck_assert_int_eq(buf_addstr(&n, at + strlen(from)), 0);
	write_file(name, &n);
}

START_TEST(check__tells_a_label_that_is_gone)
{
	make_world();
	ck_assert_int_eq(install(HOOK_VSCODE, false), EXIT_DONE);
	ck_assert_int_eq(told(""), 0);
	replace("tasks.json", "\"label\": \"holdfast: gate\"", "\"label\": \"my gate\"");
	ck_assert_int_ge(told("is not in .vscode/tasks.json"), 3);
	ck_assert_int_eq(told("is gone from .vscode/tasks.json"), 1);
	ck_assert_int_eq(install(HOOK_VSCODE, false), EXIT_DONE); /* mends it */
	ck_assert_int_eq(told(""), 0);
	replace("tasks.json", "\"label\": \"my gate\"", "\"label\": \"holdfast: gate\"");
	ck_assert_int_eq(told("more than once"), 1);
	replace("tasks.json", "\"tasks\": [",
		"\"tasks\": [ {\"label\": \"x\", \"dependsOn\": \"holdfast: gone\"},");
	ck_assert_int_eq(told("depends on \"holdfast: gone\""), 1);
	replace("tasks.json", "\"tasks\": [", "\"tasks\": ");
	ck_assert_int_eq(told("broken"), 1);
}
END_TEST

START_TEST(uninstall__leaves_what_was_changed_by_hand)
{
	autoput(buf_release) struct buf now = BUF_INIT;

	make_world();
	ck_assert_int_eq(install(HOOK_VSCODE, false), EXIT_DONE);
	replace("tasks.json", "\"clean\"", "\"clean\", \"--dry-run\"");
	ck_assert_int_eq(install(HOOK_VSCODE, true), EXIT_PART);
	ck_assert(read_file("tasks.json", &now));
	ck_assert(strstr(now.data, "--dry-run") != NULL && strstr(now.data, "\"version\"") != NULL);
	ck_assert(!strstr(now.data, "holdfast: gate"));
	ck_assert(!read_file("launch.json", &now));
}
END_TEST

START_TEST(parts__are_named)
{
	unsigned p;

	ck_assert(hooks_parse_parts(NULL, &p) == 0 && p == HOOK_USUAL);
	ck_assert(hooks_parse_parts("login,env", &p) == 0 && p == (HOOK_LOGIN | HOOK_ENV));
	ck_assert(hooks_parse_parts("launches", &p) == 0 && p == (HOOK_LAUNCHES | HOOK_VSCODE));
	ck_assert_int_eq(hooks_parse_parts("", &p), -EINVAL);
	ck_assert_int_eq(hooks_parse_parts("log", &p), -EINVAL);
	ck_assert_int_eq(hooks_parse_parts("login,,env", &p), -EINVAL);
}
END_TEST

CHECK_MAIN("hooks", install_and_uninstall__are_the_identity,
	uninstall__takes_ours_out_of_what_others_changed, install__leaves_broken_files_alone,
	install__keeps_mode_and_link, launches__get_the_gate_before_what_they_had,
	check__tells_a_label_that_is_gone, uninstall__leaves_what_was_changed_by_hand,
	parts__are_named)
