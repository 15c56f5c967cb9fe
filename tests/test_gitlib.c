#include "check_main.h"

#include <git2.h>
#include <malloc.h>

#include "lib/gitlib.h"

/* The certificates of a usual machine are a MiB of heap; a machine without any proves nothing. */
START_TEST(gitlib_init__leaves_the_certificates_alone)
{
	size_t before = mallinfo2().uordblks;
	int major, minor, rev;

	ck_assert_int_eq(gitlib_init(), 1);
	ck_assert_uint_lt(mallinfo2().uordblks - before, 300 << 10);
	ck_assert_int_eq(git_libgit2_version(&major, &minor, &rev), 0);
	ck_assert_int_eq(gitlib_init(), 2);
	ck_assert_int_eq(git_libgit2_shutdown(), 1);
	ck_assert_int_eq(git_libgit2_shutdown(), 0);
}
END_TEST

/* Who wants TLS starts libgit2 as ever. */
START_TEST(git_libgit2_init__still_works_by_itself)
{
	ck_assert_int_eq(git_libgit2_init(), 1);
	ck_assert_int_eq(gitlib_init(), 2);
	ck_assert_int_eq(git_libgit2_shutdown(), 1);
	ck_assert_int_eq(git_libgit2_shutdown(), 0);
}
END_TEST

CHECK_MAIN("gitlib", gitlib_init__leaves_the_certificates_alone,
	git_libgit2_init__still_works_by_itself)
