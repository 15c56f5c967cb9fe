/* Which settings the small programs may take for the default ones, and those that detect-core
 * keeps for them. */
#include "tests/check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/settings_kept.h"
#include "lib/auto.h"
#include "lib/io.h"

static const char *home;
static int home_fd;

static void world(void)
{
	home = check_dir(&home_fd);
	(void)setenv("HOME", home, 1);
	(void)unsetenv("XDG_CONFIG_HOME");
	(void)unsetenv("XDG_STATE_HOME");
	(void)unsetenv("HOLDFAST_CONFIG");
	(void)unsetenv("HOLDFAST_STATE");
	ck_assert_int_eq(io_mkdir_p(home_fd, ".config/holdfast", 0700), 0);
}

static void conf(const char *text)
{
	autoclose int dir = openat(home_fd, ".config/holdfast", O_RDONLY | O_DIRECTORY);

	ck_assert_int_eq(io_replace_file(dir, "config", text, strlen(text), 0600), 0);
}

START_TEST(settings__comments_and_others_are_none_of_ours)
{
	static const struct {
		const char *text;
		bool silent;
	} row[] = {
		{ "", true },
		{ "[snapshot]\n\tinterval = 5s\n", true },
		{ "# [gate]\n\t; [detect]\n [prune]\n\t# [store]", true },
		{ "[snapshot]\n\texclude = store/**\n\tinclude = detect.log\n", true },
		{ "[gate]\n", false },
		{ "# x\n\t [Gate] reserve = 5", false },
		{ "[snapshot] interval = 5s\n[ detect ]", false },
		{ "\xef\xbb\xbf[detect]\n", false },
		{ "[snapshot]\n[detect", false },
		{ "[include]\n\tpath = x\n", false },
		{ "[includeIf \"gitdir:x\"]\n", false },
		{ "[training]\n", false },
		{ "[store]\n", false },
		{ "[snapshot]\r\n\tinterval = 5s ; soon\r\n\r\nquiet\n[prune] # x\n", true },
		/* what may be broken is for who reads it */
		{ "[snap", false },
		{ "[snapshot] interval = 5s\n", false },
		{ "[snapshot]\n\tmessage = \"open\n", false },
		{ "[snapshot]\n\ta = b\\\n", false },
		{ "[snapshot]\n\t= 5\n", false },
		{ "[snapshot]\n\ta b = 5\n", false },
		{ "[snapshot]\n\ta.b = 5\n", false },
		{ "[mirror \"x\"]\n", false },
		{ "interval = 5s\n", false },
		{ "[]\n", false },
	};

	world();
	ck_assert(detect_settings_are_default());
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		conf(row[i].text);
		ck_assert_msg(detect_settings_are_default() == row[i].silent, "%s", row[i].text);
	}
	conf("");
	(void)setenv("HOLDFAST_CONFIG", "/nowhere", 1);
	ck_assert(!detect_settings_are_default());
	(void)unsetenv("HOLDFAST_CONFIG");
	(void)unsetenv("HOME");
	ck_assert(!detect_settings_are_default());
}
END_TEST

/* As detect-core does it, but that the files were written just now. */
static int keep(struct detect_settings *set)
{
	struct settings_origin o;
	int r;

	ck_assert_int_eq(settings_origin(&o), 0);
	ck_assert_int_eq(detect_settings_load(set), 0);
	o.fit = true;
	r = settings_keep(&o, "1.0", "abc", set);
	settings_origin_release(&o);
	return r;
}

static bool kept(void)
{
	struct detect_settings s;
	bool is = settings_kept("1.0", "abc", &s);

	if (is)
		settings_kept_release(&s);
	return is;
}

static void same_list(const char *const *a, const char *const *b)
{
	size_t i = 0;

	for (; a[i] && b[i]; i++)
		ck_assert_str_eq(a[i], b[i]);
	ck_assert(!a[i] && !b[i]);
}

static const char some[] =
	"[gate]\n\treserve = 7\n\tforce = true\n\tfree = 3G\n\tsnapshot = false\n"
	"[detect]\n\tmemoryMedium = 61\n\ttraining = fit_*.py\n\teditor = mine\n\tnotTraining = "
	"train_x.py\n"
	"[training]\n\tconfigs = sizes\n[store]\n\tdir = /s s\n";

START_TEST(kept__are_what_was_read)
{
	struct detect_settings a, b;

	world();
	conf(some);
	/* No folder is made for it. */
	ck_assert_int_eq(keep(&a), 0);
	detect_settings_release(&a);
	ck_assert_int_eq(detect_state_dir_if_any(), -ENOENT);
	ck_assert(!kept());
	ck_assert_int_ge(detect_state_dir(), 0);
	ck_assert_int_eq(keep(&a), 1);
	ck_assert(settings_kept("1.0", "abc", &b));
	ck_assert_int_eq(memcmp(&a.limits, &b.limits, sizeof(a.limits)), 0);
	same_list(a.patterns.training, b.patterns.training);
	same_list(a.patterns.not_training, b.patterns.not_training);
	same_list(a.patterns.editors, b.patterns.editors);
	ck_assert_int_eq(b.cfg.gate_reserve, 7);
	ck_assert(b.cfg.gate_force && !b.cfg.gate_snapshot);
	ck_assert_uint_eq(b.cfg.gate_free, UINT64_C(3) << 30);
	ck_assert_int_eq(a.cfg.gate_swap, b.cfg.gate_swap);
	ck_assert_int_eq(a.cfg.gate_memory, b.cfg.gate_memory);
	ck_assert_int_eq(a.cfg.gate_cpu, b.cfg.gate_cpu);
	ck_assert_uint_eq(a.cfg.gate_wait_ms, b.cfg.gate_wait_ms);
	ck_assert_str_eq(b.cfg.training_configs, "sizes");
	ck_assert_str_eq(b.cfg.store_dir, "/s s");
	settings_kept_release(&b);
	detect_settings_release(&a);
	/* Nothing is written that is there. */
	ck_assert_int_eq(keep(&a), 0);
	detect_settings_release(&a);
}
END_TEST

START_TEST(kept__are_those_of_these_files_alone)
{
	struct detect_settings a, b;
	char path[256], text[sizeof(some)];
	struct timespec t[2] = { { 0, UTIME_OMIT }, { 0, 0 } };

	world();
	conf(some);
	ck_assert_int_ge(detect_state_dir(), 0);
	ck_assert_int_eq(keep(&a), 1);
	detect_settings_release(&a);
	ck_assert(kept());
	ck_assert(!settings_kept("1.1", "abc", &b));
	ck_assert(!settings_kept("1.0", "abd", &b));
	(void)setenv("XDG_CONFIG_HOME", "/elsewhere", 1);
	ck_assert(!kept());
	(void)unsetenv("XDG_CONFIG_HOME");
	(void)snprintf(path, sizeof(path), "%s/.config/holdfast/config", home);
	(void)setenv("HOLDFAST_CONFIG", path, 1);
	ck_assert(!kept());
	(void)unsetenv("HOLDFAST_CONFIG");
	ck_assert(kept());
	ck_assert_int_eq(utimensat(AT_FDCWD, path, t, 0), 0);
	ck_assert(!kept());
	ck_assert_int_eq(keep(&a), 1);
	detect_settings_release(&a);
	ck_assert(kept());
	/* Another of the same size. */
	memcpy(text, some, sizeof(text));
	*strchr(text, '7') = '8';
	conf(text);
	ck_assert(!kept());
	ck_assert_int_eq(unlink(path), 0);
	ck_assert(!kept());
}
END_TEST

START_TEST(kept__not_of_problems_includes_or_what_is_fresh)
{
	struct detect_settings a;
	struct settings_origin o;

	world();
	ck_assert_int_ge(detect_state_dir(), 0);
	conf("[gate]\n\treserve = much\n");
	ck_assert_int_eq(keep(&a), 0);
	detect_settings_release(&a);
	conf("[detect]\n\tmemoryMedium = 80\n\tmemoryCritical = 70\n");
	ck_assert_int_eq(keep(&a), 0);
	detect_settings_release(&a);
	conf("[gate]\n\treserve = 5\n[include]\n\tpath = other\n");
	ck_assert_int_eq(keep(&a), 0);
	detect_settings_release(&a);
	ck_assert(!kept());
	conf(some);
	ck_assert_int_eq(settings_origin(&o), 0);
	ck_assert(!o.fit);
	settings_origin_release(&o);
	(void)setenv("HOLDFAST_CONFIG", "relative", 1);
	ck_assert_int_eq(settings_origin(&o), -ENOENT);
}
END_TEST

START_TEST(kept__torn_or_changed_are_not_taken)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	autoclose int dir = -1;
	struct detect_settings a;

	world();
	conf(some);
	dir = detect_state_dir();
	ck_assert_int_eq(keep(&a), 1);
	detect_settings_release(&a);
	ck_assert_int_eq(io_read_file(dir, "settings", 1 << 20, &b), 0);
	for (unsigned i = 0; i < 200; i++) {
		autofree char *copy = malloc(b.len);
		size_t n = i % 2 ? b.len : check_below(b.len), at = check_below(b.len);

		memcpy(copy, b.data, b.len);
		copy[at] = (char)(copy[at] ^ (1 + (int)check_below(255)));
		if (i % 2 == 0)
			memcpy(copy, b.data, b.len);
		ck_assert_int_eq(io_replace_file(dir, "settings", copy, n, 0600), 0);
		ck_assert_msg(!kept(), "%s at %zu", i % 2 ? "changed" : "cut", i % 2 ? at : n);
	}
	ck_assert_int_eq(io_replace_file(dir, "settings", b.data, b.len, 0600), 0);
	ck_assert(kept());
}
END_TEST

CHECK_MAIN("settings", settings__comments_and_others_are_none_of_ours, kept__are_what_was_read,
	kept__are_those_of_these_files_alone, kept__not_of_problems_includes_or_what_is_fresh,
	kept__torn_or_changed_are_not_taken)
