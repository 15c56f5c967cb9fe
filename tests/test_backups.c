/* Times in the names of copies, and the order of a folder of them. */
#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recover/backups.h"

#define S INT64_C(1000000000)

static const int64_t now = 1764000000 * S;	/* 2025-11-24 16:00 UTC */

static int64_t time_in(const char *name)
{
	int64_t t = -1;

	return backup_name_time(name, now, &t) == 1 ? t / S : -1;
}

START_TEST(usual_forms)
{
	static const char *const half_past[] = {
		"20231123_143000", "20231123-143000", "20231123143000", "2023-11-23_14-30-00", "2023-11-23T14:30:00Z",
		"2023-11-23T14:30:00.123456Z", "2023-11-23 14:30:00", "2023-11-23 14:30", "2023-11-23_14h30m00",
		"backup_20231123_143000", "project-2023.11.23-14.30.00.bak", "snap 2023_11_23 14_30_00", "20231123T1430",
		"2023-11-23T16:30:00+02:00", "2023-11-23T16:30:00+0200", "auto_save-1700749800", "1700749800000",
		"v12_2023-11-23_14-30-00-final", "20231123_143000_2", "2023-11-23@14:30",
	};

	for (size_t i = 0; i < sizeof(half_past) / sizeof(*half_past); i++)
		ck_assert_msg(time_in(half_past[i]) == 1700749800, "%s: %lld", half_past[i],
			(long long)time_in(half_past[i]));
	ck_assert_int_eq(time_in("20231123"), 1700697600);
	ck_assert_int_eq(time_in("2023-11-23"), 1700697600);
	ck_assert_int_eq(time_in("2023-11-23-morning"), 1700697600);
	ck_assert_int_eq(time_in("2023-11-23_99-00-00"), 1700697600);
	ck_assert_int_eq(time_in("2024-02-29"), 1709164800);
}
END_TEST

START_TEST(no_times)
{
	static const char *const none[] = {
		"", "latest", "v1.2.3", "run_00012", "2023", "20231332", "2023-02-30", "2023-11-32", "202311231", "99999999999",
		"2023-11", "2099-01-01_00-00-00", "0000000000", "9999999999", "9444444405555", "1234567890123456", "20231123999", "12345678", "19000101",
	};

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		ck_assert_msg(time_in(none[i]) == -1, "%s: %lld", none[i], (long long)time_in(none[i]));
}
END_TEST

/* Whatever a name is: an answer, within bounds. */
START_TEST(any_bytes)
{
	static const char some[] = "0123456789-_:. TZ+h/\n\xff";

	for (int i = 0; i < 200000; i++) {
		char name[40];
		size_t n = check_below(sizeof(name) - 1);
		int64_t t = -1;

		for (size_t k = 0; k < n; k++)
			name[k] = check_below(3) ? (char)('0' + check_below(10)) : some[check_below(sizeof(some) - 1)];
		name[n] = 0;
		if (backup_name_time(name, now, &t))
			ck_assert(t > 0 && t <= now + 86400 * S);
	}
}
END_TEST

START_TEST(a_folder)
{
	char dir[] = "/tmp/holdfast-test-XXXXXX";
	struct timespec old[2] = { { .tv_sec = 1600000000 }, { .tv_sec = 1600000000 } };
	struct backups b;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(mkdirat(fd, "b_20231123_143000", 0700), 0);
	ck_assert_int_eq(mkdirat(fd, "a_20231124", 0700), 0);
	ck_assert_int_eq(mkdirat(fd, "no time", 0700), 0);
	ck_assert_int_eq(mkdirat(fd, ".hidden", 0700), 0);
	ck_assert_int_eq(symlinkat("a_20231124", fd, "latest"), 0);
	ck_assert_int_eq(close(openat(fd, "x.tar", O_CREAT | O_WRONLY, 0600)), 0);
	ck_assert_int_eq(utimensat(fd, "no time", old, 0), 0);
	ck_assert_int_eq(backups_load(dir, now, &b), 0);
	ck_assert_uint_eq(b.n, 3);
	ck_assert_uint_eq(b.others, 2);
	ck_assert_str_eq(b.x[0].name, "no time");
	ck_assert_int_eq(b.x[0].time_ns / S, 1600000000);
	ck_assert(!b.x[0].by_name && b.x[1].by_name);
	ck_assert_str_eq(b.x[1].name, "b_20231123_143000");
	ck_assert_str_eq(b.x[2].name, "a_20231124");
	backups_release(&b);
	unlinkat(fd, "b_20231123_143000", AT_REMOVEDIR);
	unlinkat(fd, "a_20231124", AT_REMOVEDIR);
	unlinkat(fd, "no time", AT_REMOVEDIR);
	unlinkat(fd, ".hidden", AT_REMOVEDIR);
	unlinkat(fd, "latest", 0);
	unlinkat(fd, "x.tar", 0);
	close(fd);
	rmdir(dir);
	ck_assert_int_eq(backups_load(dir, now, &b), -ENOENT);
}
END_TEST

CHECK_MAIN("backups", usual_forms, no_times, any_bytes, a_folder)
