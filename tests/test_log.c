#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/progress.h"

static int dir;

/* stderr goes to a file from here on */
static void catch_stderr(void)
{
	autoclose int fd = -1;

	(void)check_dir(&dir);
	fd = openat(dir, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	log_init("prog", LOG_INFO);
}

static const char *caught(void)
{
	static struct buf b;

	buf_reset(&b);
	ck_assert_int_eq(io_read_file(dir, "log", 1 << 20, &b), 0);
	ck_assert_int_eq(truncate("/proc/self/fd/2", 0), 0);
	return b.data ? b.data : "";
}

START_TEST(log__one_line_each_with_the_level_asked_for)
{
	catch_stderr();
	errno = EDOM;
	log_info("%s: %s", "object", "why");
	ck_assert_int_eq(errno, EDOM);
	ck_assert_str_eq(caught(), "prog: object: why\n");
	log_debug("not shown");
	ck_assert_str_eq(caught(), "");
	log_set_level(LOG_DEBUG);
	log_debug("shown");
	ck_assert_str_eq(caught(), "prog: shown\n");
	ck_assert_int_eq(log_warn_errno(-EBUSY, "store"), -EBUSY);
	ck_assert_str_eq(caught(), "prog: store: locked by another process\n");
	ck_assert_int_eq(log_oom(), -ENOMEM);
	ck_assert_str_eq(caught(), "prog: out of memory\n");
}
END_TEST

START_TEST(log__names_cannot_drive_the_terminal)
{
	catch_stderr();
	log_warn("watch %s: gone", "a\nb\033[2Jc\302\233d\366e\303\266\t\177");
	ck_assert_str_eq(caught(), "prog: watch a\\nb\\x1b[2Jc\\xc2\\x9bd\\xf6e\303\266\\t\\x7f: gone\n");
}
END_TEST

START_TEST(log__too_long_is_cut_and_says_so)
{
	autofree char *name = calloc(1, 20001);
	const char *line;

	catch_stderr();
	memset(name, '\001', 20000);
	log_error_errno(-EIO, "%s", name);
	line = caught();
	ck_assert_uint_lt(strlen(line), 25000);
	ck_assert_ptr_nonnull(strstr(line, "...: "));
	ck_assert_int_eq(line[strlen(line) - 1], '\n');
}
END_TEST

START_TEST(log__has_levels_under_systemd)
{
	char stream[64];
	struct stat st;

	catch_stderr();
	ck_assert_int_eq(fstat(2, &st), 0);
	(void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	ck_assert_int_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
	log_init("prog", LOG_INFO);
	log_error("a");
	log_warn("b");
	log_info("c");
	ck_assert_str_eq(caught(), "<3>prog: a\n<4>prog: b\n<6>prog: c\n");
	ck_assert_int_eq(setenv("JOURNAL_STREAM", "1:1", 1), 0);
	log_init("prog", LOG_INFO);
	log_error("a");
	ck_assert_str_eq(caught(), "prog: a\n");
}
END_TEST

START_TEST(err__every_code_has_words)
{
	for (int e = -200; e <= 200; e++)
		ck_assert_ptr_nonnull(err_str(e));
	ck_assert_ptr_nonnull(strstr(err_str(-EDQUOT), "quota"));
	ck_assert_ptr_nonnull(strstr(err_str(-ENOSPC), "space"));
	ck_assert_int_eq(err_from_git(0), 0);
	ck_assert_int_eq(err_from_git(-3), -ENOENT);
	ck_assert_int_eq(err_from_sqlite(100), 0);
	ck_assert_int_eq(err_from_sqlite(11), -EBADMSG);
	ck_assert_int_eq(err_from_sqlite(10 | 12 << 8), -ENOMEM);
	ck_assert_int_eq(err_from_zstd(12345), 0);
	ck_assert_int_eq(err_from_zstd((size_t)-20), -EBADMSG);
	for (int i = -100; i < 0; i++)
		ck_assert_int_lt(err_from_git(i), 0);
}
END_TEST

static const char *line_of(struct progress_state s)
{
	static struct buf b;

	buf_reset(&b);
	ck_assert_int_eq(progress_format(&s, &b), 0);
	return b.data;
}

START_TEST(progress__says_rate_and_time_left)
{
	ck_assert_str_eq(line_of((struct progress_state){ "restoring", "files", 10000, 6213,
				 31 * 6ULL << 20, 6000 }),
		"restoring  62 % 6,213/10,000 files, 31 MiB/s, 4 s left");
	ck_assert_str_eq(line_of((struct progress_state){ "reading", "files", 0, 1234567, 0, 1000 }),
		"reading 1,234,567 files");
	ck_assert_str_eq(line_of((struct progress_state){ "copying", "bytes", 4096, 1024, 0, 1000 }),
		"copying  25 % 1.0 KiB/4.0 KiB, 1.0 KiB/s, 3 s left");
	/* more than the total, nothing at all, no time at all */
	ck_assert_str_eq(line_of((struct progress_state){ "x", "files", 5, 9, 0, 0 }),
		"x 100 % 9/5 files");
	ck_assert_str_eq(line_of((struct progress_state){ "x", "files", 5, 0, 0, 99 }), "x   0 % 0/5 files");
}
END_TEST

START_TEST(progress__is_silent_when_short_or_quiet)
{
	struct progress *p;

	catch_stderr();
	ck_assert_int_eq(progress_new("x", "files", 100, false, &p), 0);
	for (int i = 0; i < 1000; i++)
		progress_add(p, 1, 1);
	progress_done(p);
	ck_assert_str_eq(caught(), "");
	progress_add(NULL, 1, 1);
	progress_set_total(NULL, 1);
	progress_done(NULL);
}
END_TEST

CHECK_MAIN("log", log__one_line_each_with_the_level_asked_for, log__names_cannot_drive_the_terminal,
	log__too_long_is_cut_and_says_so, log__has_levels_under_systemd, err__every_code_has_words,
	progress__says_rate_and_time_left, progress__is_silent_when_short_or_quiet)
