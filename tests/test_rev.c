#include "check_main.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "recover/paths.h"
#include "recover/recover.h"
#include "recover/rev.h"
#include "recover/when.h"

#define S INT64_C(1000000000)
/* 2026-11-23 15:00:00 UTC */
#define NOW (INT64_C(1795446000) * S)

static void utc(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
}

START_TEST(when__reads_what_people_write)
{
	static const struct {
		const char *s;
		int64_t ns;
	} good[] = {
		{ "now", NOW }, { "10 minutes ago", NOW - 600 * S }, { "10m", NOW - 600 * S },
		{ "an hour ago", NOW - 3600 * S }, { "1 hour 30 minutes ago", NOW - 5400 * S },
		{ "2h30m", NOW - 9000 * S }, { "yesterday", NOW - 86400 * S }, { "3 Days Ago", NOW - 3 * 86400 * S },
		{ "14:30", NOW - 1800 * S }, { "15:30", NOW + 1800 * S - 86400 * S },
		{ "14:30:05", NOW - 1795 * S + S - 1 }, { "yesterday 14:30", NOW - 1800 * S - 86400 * S },
		{ "2026-11-23 14:30", NOW - 1800 * S }, { "2026-11-23T14:30:00Z", NOW - 1800 * S + S - 1 },
		{ "2026-11-23T15:30:00+01:00", NOW - 1800 * S + S - 1 },
		{ "2026-11-23 09:30:00 -0500", NOW - 1800 * S + S - 1 },
		{ "2026-11-23T14:30:00.25Z", NOW - 1800 * S + S / 4 },
		{ "2026-11-22", NOW - 15 * 3600 * S - 1 }, { "@1795446000", NOW + S - 1 },
		{ " 5 min ", NOW - 300 * S }, { "9999-01-01", INT64_MAX }, { "0001-01-01T00:00:00Z", INT64_MIN },
	};
	static const char *const bad[] = { "", " ", "ago", "10", "minutes ago", "10 parsecs ago", "25:00", "14:60",
		"2026-13-01", "2026-02-30", "2026-04-31 12:00", "2026-11-23 14", "2026-11-23 14:30 nonsense", "yesterday noon", "@", "@x", "-5m", "tomorrow",
		"99999999999999 days ago", "14:30x", "2026-11-23T14:30:00+1" };
	int64_t ns;

	utc();
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		ck_assert_msg(when_parse(good[i].s, NOW, &ns) == 0, "'%s'", good[i].s);
		ck_assert_msg(ns == good[i].ns, "'%s': off by %lld ms", good[i].s, (long long)(ns - good[i].ns) / 1000000);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(when_parse(bad[i], NOW, &ns) == -EINVAL, "'%s'", bad[i]);
}
END_TEST

START_TEST(rev__spelling)
{
	static const struct {
		const char *s;
		enum rev_kind kind;
		uint64_t back;
		const char *base;
	} good[] = {
		{ "@", REV_NEWEST, 0, "@" }, { "@~3", REV_NEWEST, 3, "@" }, { "@~", REV_NEWEST, 1, "@" },
		{ "@~~", REV_NEWEST, 2, "@" }, { "@~2~3", REV_NEWEST, 5, "@" }, { "3f2a", REV_NAME, 0, "3f2a" },
		{ "3f2a~12", REV_NAME, 12, "3f2a" }, { "my mark", REV_NAME, 0, "my mark" }, { "@crash", REV_CRASH, 0, "@crash" },
		{ "@crash~1", REV_CRASH, 1, "@crash" }, { "@{14:30}", REV_TIME, 0, "@{14:30}" },
		{ "@{10 minutes ago}~2", REV_TIME, 2, "@{10 minutes ago}" },
	};
	static const char *const bad[] = { "", "~", "~3", "@{", "@{}", "@{nonsense}", "@x", "@~x", "@~-1", "@~99999999999", "@{14:30" };
	struct rev v;
	const char *why;

	utc();
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		ck_assert_msg(rev_parse(good[i].s, NOW, &v, &why) == 0, "'%s': %s", good[i].s, why);
		ck_assert_int_eq(v.kind, good[i].kind);
		ck_assert_uint_eq(v.back, good[i].back);
		ck_assert_str_eq(v.base, good[i].base);
		rev_release(&v);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(rev_parse(bad[i], NOW, &v, &why) == -EINVAL, "'%s'", bad[i]);
}
END_TEST

START_TEST(path__hostile_names_are_never_written)
{
	static const char *const good[] = { "a", "a/b", ".gitignore", "a/.github/x", "..a", "a..", "...", ".git2/x", "\xff\n" };
	static const char *const bad[] = { "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/../b", "./a", "a/.",
		".git", ".GIT/config", "a/.gIt", "a/.git/hooks/x" };
	char longname[300];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		ck_assert_msg(path_safe(good[i]), "'%s'", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(!path_safe(bad[i]), "'%s'", bad[i]);
	memset(longname, 'x', sizeof(longname));
	longname[256] = 0;
	ck_assert(!path_safe(longname));
	longname[255] = 0;
	ck_assert(path_safe(longname));
}
END_TEST

START_TEST(path__arguments_stay_inside)
{
	struct recover r = { .workspace = (char *)(uintptr_t)"/home/me/proj", .prefix = (char *)(uintptr_t)"src/lib/" };
	static const struct {
		const char *arg, *path;
	} t[] = {
		{ "a", "src/lib/a" }, { "./a//b/", "src/lib/a/b" }, { "../a", "src/a" }, { "../..", "" }, { "../../..", NULL },
		{ ".", "src/lib" }, { "/home/me/proj", "" }, { "/home/me/proj/x", "x" }, { "/home/me/projx", NULL },
		{ "/home/me/proj/../proj/x", "x" }, { "/etc/passwd", NULL }, { "/", NULL },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		char *p = NULL;
		int e = path_from_arg(&r, t[i].arg, &p);

		ck_assert_msg((e == 0) == (t[i].path != NULL), "'%s'", t[i].arg);
		if (e == 0)
			ck_assert_str_eq(p, t[i].path);
		free(p);
	}
}
END_TEST

START_TEST(path__order_is_a_walks)
{
	static const char *const order[] = { "", "a", "a/b", "a/b/c", "a/c", "a!", "a-b", "a.b", "ab", "b" };

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		for (size_t j = 0; j < sizeof(order) / sizeof(*order); j++)
			ck_assert_msg((path_compare(order[i], order[j]) < 0) == (i < j), "'%s' '%s'", order[i], order[j]);
	ck_assert(path_below("a/b", "a") && path_below("a", "a") && path_below("x", "") && !path_below("ab", "a"));
}
END_TEST

CHECK_MAIN("rev", when__reads_what_people_write, rev__spelling, path__hostile_names_are_never_written,
	path__arguments_stay_inside, path__order_is_a_walks)
