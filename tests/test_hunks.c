/* Single changes taken back: all of them give the old text, none the new one. */
#include "check_main.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/auto.h"
#include "lib/gitlib.h"
#include "recover/hunks.h"

static void put(struct buf *b, const char *s)
{
	ck_assert_int_eq(buf_addstr(b, s), 0);
}

START_TEST(hunks__one_of_several)
{
	autoput(buf_release) struct buf was = BUF_INIT, now = BUF_INIT, out = BUF_INIT;
	bool chosen[3] = { false, true, false };
	size_t n = 0;

	ck_assert_int_ge(gitlib_init(), 0);
	for (int i = 1; i <= 60; i++) {
		char line[32];

		(void)snprintf(line, sizeof(line), "line %d\n", i);
		put(&was, line);
		if (i == 5)
			put(&now, "changed 5\n");
		else if (i != 30) /* deleted */
			put(&now, line);
		if (i == 50)
			put(&now, "added after 50\n");
	}
	ck_assert_int_eq(hunks_apply(&was, &now, 3, NULL, 0, &out, &n), 0);
	ck_assert_uint_eq(n, 3);
	ck_assert_int_eq(hunks_apply(&was, &now, 3, chosen, 3, &out, &n), 0);
	ck_assert_ptr_nonnull(strstr(out.data, "changed 5\n"));
	ck_assert_ptr_nonnull(strstr(out.data, "line 29\nline 30\nline 31\n"));
	ck_assert_ptr_nonnull(strstr(out.data, "added after 50\n"));
	ck_assert_uint_eq(out.len, now.len + strlen("line 30\n"));
}
END_TEST

START_TEST(hunks__all_are_the_old_text_and_none_the_new)
{
	ck_assert_int_ge(gitlib_init(), 0);
	for (int round = 0; round < 400; round++) {
		autoput(buf_release) struct buf was = BUF_INIT, now = BUF_INIT, all = BUF_INIT,
						none = BUF_INIT;
		static bool yes[512], no[512];
		int context = (int)check_below(4);
		size_t n = 0;

		memset(yes, 1, sizeof(yes));
		put(&was, "");
		put(&now, "");
		for (uint64_t i = check_below(80); i > 0; i--) {
			char line[32];

			(void)snprintf(line, sizeof(line), "%u\n", (unsigned)check_below(9));
			if (check_below(6))
				put(&was, line);
			if (check_below(6))
				put(&now, line);
		}
		/* A last line without its end, on either side. */
		if (!check_below(3))
			put(&was, "end");
		if (!check_below(3))
			put(&now, "end");
		ck_assert_int_eq(hunks_apply(&was, &now, context, yes, 512, &all, &n), 0);
		ck_assert_uint_eq(all.len, was.len);
		ck_assert(!was.len || memcmp(all.data, was.data, was.len) == 0);
		ck_assert_int_eq(hunks_apply(&was, &now, context, no, 512, &none, &n), 0);
		ck_assert_uint_eq(none.len, now.len);
		ck_assert(!now.len || memcmp(none.data, now.data, now.len) == 0);
	}
}
END_TEST

START_TEST(hunks_parse__takes_lists_and_nothing_else)
{
	static const char *const bad[] = { "", "0", "a", "1,", ",1", "3-2", "1-", "-1", "1 2", "+1",
		"1;2", "99999999999999999999999" };
	bool chosen[6] = { false };

	ck_assert_int_eq(hunks_parse("1,3-4", chosen, 6), 0);
	ck_assert(chosen[0] && !chosen[1] && chosen[2] && chosen[3] && !chosen[4]);
	ck_assert_int_eq(hunks_parse("7", chosen, 6), -ERANGE);
	ck_assert_int_eq(hunks_parse("2-7", chosen, 6), -ERANGE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_int_lt(hunks_parse(bad[i], chosen, 6), 0);
}
END_TEST

CHECK_MAIN("hunks", hunks__one_of_several, hunks__all_are_the_old_text_and_none_the_new,
	hunks_parse__takes_lists_and_nothing_else)
