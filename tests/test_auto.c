#include "check_main.h"

#include <fcntl.h>

#include "lib/auto.h"

START_TEST(autoclose__closes_at_the_end_of_the_scope_and_keeps_errno)
{
	int seen;

	{
		autoclose int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		ck_assert_int_ge(fd, 0);
		seen = fd;
		errno = EDOM;
	}
	ck_assert_int_eq(errno, EDOM);
	ck_assert_int_eq(fcntl(seen, F_GETFD), -1);
}
END_TEST

START_TEST(take__leaves_nothing_to_clean_up)
{
	int kept;
	char *p;

	{
		autoclose int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		autofree char *mine = malloc(8);

		kept = take_fd(&fd);
		p = take_ptr(mine);
		ck_assert_int_eq(fd, -1);
		ck_assert_ptr_null(mine);
	}
	ck_assert_int_ge(fcntl(kept, F_GETFD), 0);
	ck_assert_ptr_nonnull(p);
	free(p);
	(void)close(kept);
}
END_TEST

CHECK_MAIN("auto", autoclose__closes_at_the_end_of_the_scope_and_keeps_errno,
	take__leaves_nothing_to_clean_up)
