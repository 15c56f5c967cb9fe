#include "check_main.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[] = "/tmp/holdfast-test-XXXXXX";
static uint64_t state;

/* splitmix64: any seed is a good one, zero included. */
uint64_t check_rand(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t check_below(uint64_t n)
{
	return check_rand() % n;
}

const char *check_dir(int *ret_fd)
{
	static char path[sizeof(top) + 16];

	(void)snprintf(path, sizeof(path), "%s/XXXXXX", top);
	ck_assert_ptr_nonnull(mkdtemp(path));
	if (ret_fd) {
		*ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ck_assert_int_ge(*ret_fd, 0);
	}
	return path;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)at;
	if (type == FTW_DNR)
		(void)chmod(path, 0700);
	(void)remove(path);
	return 0;
}

static void start_seed(const char *name)
{
	const char *s = getenv("TEST_SEED");

	if (s)
		state = strtoull(s, NULL, 0);
	else if (getrandom(&state, sizeof(state), 0) != sizeof(state))
		abort();
	printf("%s: TEST_SEED=%" PRIu64 "\n", name, state);
	(void)fflush(stdout);
}

int check_main(const char *name, const TTest *const *tests, size_t n)
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *sr;
	int failed;

	(void)umask(022);
	if (!mkdtemp(top)) {
		perror(top);
		return 1;
	}
	start_seed(name);
	tcase_set_timeout(tc, 400);	/* sanitizers on a busy machine */
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	(void)nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return failed ? 1 : 0;
}
