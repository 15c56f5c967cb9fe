/* tests/check_main.h - what every unit test needs, so that a test file is its
 * tests and one line:
 *
 *	START_TEST(buf_add__keeps_bytes) { ... } END_TEST
 *	CHECK_MAIN("buf", buf_add__keeps_bytes, ...)
 *
 * Each test runs in a child of its own. Names tell the law that is tested. */
#ifndef TESTS_CHECK_MAIN_H
#define TESTS_CHECK_MAIN_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#define CHECK_MAIN(name, ...)                                                                      \
	int main(void)                                                                             \
	{                                                                                          \
		const TTest *const all[] = { __VA_ARGS__ };                                        \
		return check_main(name, all, sizeof(all) / sizeof(all[0]));                        \
	}

int check_main(const char *name, const TTest *const *tests, size_t n);

/* A folder for this test, empty, removed with all it holds when the program
 * ends. The descriptor stays open for the life of the process. */
const char *check_dir(int *ret_fd);

/* Random numbers from TEST_SEED (printed; a new one each run when unset). */
uint64_t check_rand(void);
uint64_t check_below(uint64_t n);	/* 0 .. n-1 */

#endif
