#include "check_main.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/auto.h"
#include "lib/text.h"

START_TEST(duration__knows_its_units)
{
	static const struct {
		const char *s;
		uint64_t ms;
	} good[] = {
		{ "30", 30000 }, { "30s", 30000 }, { "500ms", 500 }, { "10m", 600000 }, { "10min", 600000 },
		{ "2h", 7200000 }, { "1d", 86400000 }, { "1w", 604800000 }, { "0", 0 }, { " 5 s ", 5000 },
		{ "1.5h", 5400000 }, { "0.3s", 300 }, { "2 weeks", 1209600000 },
	};
	static const char *const bad[] = { "", " ", "s", "-1s", "+1", "1x", "1M", "1 2", "1s s", "1.s", ".5s",
		"1..5s", "0x10", "1e3", "30s\n", "1.1234567890s", "nan", "inf" };
	uint64_t ms = 7;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_msg(text_parse_duration_ms(good[i].s, &ms) == 0, "'%s'", good[i].s);
		ck_assert_uint_eq(ms, good[i].ms);
	}
	ms = 7;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(text_parse_duration_ms(bad[i], &ms) == -EINVAL, "'%s'", bad[i]);
	ck_assert_int_eq(text_parse_duration_ms("99999999999999999999", &ms), -ERANGE);
	ck_assert_int_eq(text_parse_duration_ms("9223372036854775807w", &ms), -ERANGE);
	ck_assert_uint_eq(ms, 7);
}
END_TEST

START_TEST(size__is_powers_of_1024)
{
	static const struct {
		const char *s;
		uint64_t n;
	} good[] = {
		{ "512", 512 }, { "64k", 65536 }, { "64KiB", 65536 }, { "16M", 16 << 20 }, { "16MB", 16 << 20 },
		{ "5 GiB", 5ULL << 30 }, { "5G", 5ULL << 30 }, { "1tib", 1ULL << 40 }, { "1.5k", 1536 },
		{ "0", 0 }, { "7 B", 7 }, { "9223372036854775807", INT64_MAX },
	};
	uint64_t n = 7;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_msg(text_parse_size(good[i].s, &n) == 0, "'%s'", good[i].s);
		ck_assert_uint_eq(n, good[i].n);
	}
	ck_assert_int_eq(text_parse_size("5 parsecs", &n), -EINVAL);
	ck_assert_int_eq(text_parse_size("9223372036854775808", &n), -ERANGE);
	ck_assert_int_eq(text_parse_size("9999999T", &n), -ERANGE);
}
END_TEST

START_TEST(size__is_short_and_close_to_the_number)
{
	char out[16];

	ck_assert_str_eq(text_size(0, out), "0 B");
	ck_assert_str_eq(text_size(312, out), "312 B");
	ck_assert_str_eq(text_size(1023, out), "1023 B");
	ck_assert_str_eq(text_size(1024, out), "1.0 KiB");
	ck_assert_str_eq(text_size(1503238553, out), "1.4 GiB");
	ck_assert_str_eq(text_size((1 << 20) - 1, out), "1.0 MiB");
	ck_assert_str_eq(text_size(UINT64_MAX, out), "16 EiB");
	for (int i = 0; i < 100000; i++) {
		uint64_t n = check_rand() >> check_below(64), back;

		ck_assert_uint_le(strlen(text_size(n, out)), 10);
		if (n >= 1ULL << 50)
			continue;
		ck_assert_int_eq(text_parse_size(out, &back), 0);
		ck_assert_msg(back <= n + n / 19 + 1 && back >= n - n / 19, "%s", out);
	}
}
END_TEST

START_TEST(duration__says_the_largest_unit)
{
	char out[24];

	ck_assert_str_eq(text_duration(0, out), "0 s");
	ck_assert_str_eq(text_duration(59, out), "59 s");
	ck_assert_str_eq(text_duration(14 * 60 + 59, out), "14 min");
	ck_assert_str_eq(text_duration(3 * 3600, out), "3 h");
	ck_assert_str_eq(text_duration(86400, out), "1 day");
	ck_assert_str_eq(text_duration(2 * 86400, out), "2 days");
	ck_assert_uint_lt(strlen(text_duration(UINT64_MAX, out)), sizeof(out));
}
END_TEST

START_TEST(time__has_the_offset_of_the_place)
{
	char out[40];

	ck_assert_int_eq(setenv("TZ", "CET-1", 1), 0);
	tzset();
	ck_assert_str_eq(text_rfc3339(1795440667999999999, out), "2026-11-23T14:31:07+01:00");
	ck_assert_str_eq(text_local_time(1795440667000000000, out), "2026-11-23 14:31:07");
	ck_assert_str_eq(text_rfc3339(-1, out), "1970-01-01T00:59:59+01:00");
	ck_assert_int_eq(setenv("TZ", "NST3:30", 1), 0);
	tzset();
	ck_assert_str_eq(text_rfc3339(0, out), "1969-12-31T20:30:00-03:30");
	for (int i = 0; i < 10000; i++)
		ck_assert_uint_eq(strlen(text_rfc3339((int64_t)check_rand(), out)), 25);
}
END_TEST

START_TEST(now__can_be_set)
{
	int64_t now;

	ck_assert_int_eq(setenv("HOLDFAST_NOW", "1700000000.25", 1), 0);
	ck_assert_int_eq(text_now_ns(), 1700000000250000000);
	ck_assert_int_eq(setenv("HOLDFAST_NOW", "soon", 1), 0);
	now = text_now_ns();
	ck_assert_int_gt(now, 1700000000000000000);
	ck_assert_int_eq(unsetenv("HOLDFAST_NOW"), 0);
	ck_assert_int_ge(text_now_ns(), now);
}
END_TEST

static const char *quoted(const char *s, size_t n)
{
	static char out[4096];
	autoput(buf_release) struct buf b = BUF_INIT;

	ck_assert_int_eq(text_quote_name(&b, s, n), 0);
	(void)snprintf(out, sizeof(out), "%s", b.data);
	return out;
}

START_TEST(quote__as_git_does)
{
	ck_assert_str_eq(quoted("plain name.c", 12), "plain name.c");
	ck_assert_str_eq(quoted("", 0), "");
	ck_assert_str_eq(quoted("\303\266", 2), "\303\266");
	ck_assert_str_eq(quoted("\366", 1), "\"\\366\"");
	ck_assert_str_eq(quoted("a\nb\t\"\\\033", 7), "\"a\\nb\\t\\\"\\\\\\033\"");
	ck_assert_str_eq(quoted("\303\266\303", 3), "\"\303\266\\303\"");
	ck_assert_str_eq(quoted("x\302\233y", 4), "\"x\\302\\233y\"");
	ck_assert_str_eq(quoted("gpj.\342\200\256exe", 10), "\"gpj.\\342\\200\\256exe\"");
	ck_assert_str_eq(quoted("a\0b", 3), "\"a\\000b\"");
}
END_TEST

/* *p is at a backslash; left at the last character of the escape. */
static char unescape(const char **p)
{
	static const char letters[] = "abtnvfr\"\\";
	const char *s = ++*p, *at = strchr(letters, *s);

	if (at)
		return "\a\b\t\n\v\f\r\"\\"[at - letters];
	*p += 2;
	return (char)((s[0] - '0') << 6 | (s[1] - '0') << 3 | (s[2] - '0'));
}

/* The law: no two names look the same, and nothing that drives a terminal comes out. */
START_TEST(quote__can_be_undone)
{
	for (int round = 0; round < 20000; round++) {
		autoput(buf_release) struct buf b = BUF_INIT;
		char name[12], back[64];
		size_t n = check_below(sizeof(name)), len = 0;

		for (size_t i = 0; i < n; i++)
			name[i] = check_below(3) ? (char)check_rand() : "\\\"a\303\266\n"[check_below(6)];
		ck_assert_int_eq(text_quote_name(&b, name, n), 0);
		if (b.data[0] != '"') {
			ck_assert_uint_eq(b.len, n);
			ck_assert_mem_eq(b.data, name, n);
			continue;
		}
		for (const char *p = b.data + 1; p < b.data + b.len - 1; p++) {
			ck_assert((unsigned char)*p >= 0x20 && *p != 0x7f);
			if (*p == '\\')
				back[len++] = unescape(&p);
			else
				back[len++] = *p;
		}
		ck_assert_uint_eq(len, n);
		ck_assert_mem_eq(back, name, n);
	}
}
END_TEST

START_TEST(utf8__is_that_of_rfc_3629)
{
	static const char *const good[] = { "", "a", "\302\200", "\337\277", "\340\240\200", "\355\237\277",
		"\356\200\200", "\357\277\277", "\360\220\200\200", "\364\217\277\277" };
	static const char *const bad[] = { "\200", "\277", "\300\200", "\301\277", "\340\237\277", "\355\240\200",
		"\355\277\277", "\360\217\277\277", "\364\220\200\200", "\365\200\200\200", "\377", "\303",
		"\342\202", "\360\237\230", "\303a", "\342\202a" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(text_is_utf8(good[i], strlen(good[i])), "good %zu", i);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!text_is_utf8(bad[i], strlen(bad[i])), "bad %zu", i);
	/* Every code point, spelled out, is one sequence; every surrogate is none. */
	for (uint32_t c = 0x800; c < 0x110000; c++) {
		uint8_t s[4];
		size_t n = c < 0x10000 ? 3 : 4;

		for (size_t i = n; i-- > 1;)
			s[i] = (uint8_t)(0x80 | (c >> 6 * (n - 1 - i) & 0x3f));
		s[0] = (uint8_t)(n == 3 ? 0xe0 | c >> 12 : 0xf0 | c >> 18);
		ck_assert_uint_eq(text_utf8_len((const char *)s, n), c >= 0xd800 && c < 0xe000 ? 0 : n);
		ck_assert_uint_eq(text_utf8_len((const char *)s, n - 1), 0);
	}
}
END_TEST

START_TEST(hex__reads_back_and_refuses_the_rest)
{
	uint8_t raw[20], back[20];
	char hex[41];

	for (int round = 0; round < 1000; round++) {
		size_t at = check_below(40);

		for (size_t i = 0; i < sizeof(raw); i++)
			raw[i] = (uint8_t)check_rand();
		text_hex(raw, sizeof(raw), hex);
		ck_assert_uint_eq(strlen(hex), 40);
		ck_assert_int_eq(text_unhex(hex, sizeof(raw), back), 0);
		ck_assert_mem_eq(raw, back, sizeof(raw));
		hex[at] = "g/:@`G \0"[check_below(8)];
		ck_assert_int_eq(text_unhex(hex, sizeof(raw), back), -EINVAL);
	}
	ck_assert_int_eq(text_unhex("FFfF", 2, back), 0);
	ck_assert_int_eq(text_unhex("f", 1, back), -EINVAL);
}
END_TEST

START_TEST(ns__clamps_what_does_not_fit)
{
	static const struct {
		struct timespec ts;
		int64_t want;
	} x[] = {
		{ { 0, 0 }, 0 },
		{ { -1, 1 }, -999999999 },
		{ { 9223372036, 854775806 }, INT64_MAX - 1 },
		{ { 9223372036, 854775808 }, INT64_MAX },
		{ { INT64_MAX, 999999999 }, INT64_MAX },
		{ { -9223372037, 145224193 }, INT64_MIN + 1 },
		{ { -9223372037, 145224191 }, INT64_MIN },
		{ { INT64_MIN, 0 }, INT64_MIN },
	};

	for (size_t i = 0; i < sizeof(x) / sizeof(*x); i++)
		ck_assert_int_eq(text_ns(&x[i].ts), x[i].want);
}
END_TEST

CHECK_MAIN("text", ns__clamps_what_does_not_fit, duration__knows_its_units, size__is_powers_of_1024,
	size__is_short_and_close_to_the_number, duration__says_the_largest_unit,
	time__has_the_offset_of_the_place, now__can_be_set, quote__as_git_does, quote__can_be_undone,
	utf8__is_that_of_rfc_3629, hex__reads_back_and_refuses_the_rest)
