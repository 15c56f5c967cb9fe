#include "check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "detect/gpu.h"

#define MIB (UINT64_C(1) << 20)

static struct gpu_list g;

static void read_with(const char *words)
{
	const char *build = getenv("BUILD_DIR");
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/tests/preload_nvml.so", build ? build : "build");
	(void)setenv("HOLDFAST_NVML", path, 1);
	(void)setenv("FAKE_NVML", words, 1);
	gpu_unload();
	ck_assert_int_eq(gpu_read(&g), 0);
}

START_TEST(gpu__all_of_it_is_read)
{
	read_with("");
	ck_assert_uint_eq(g.n, 2);
	ck_assert_ptr_null(g.why);
	ck_assert_str_eq(g.gpu[1].name, "Stand-in 1");
	ck_assert_uint_eq(g.gpu[0].total, 16384 * MIB);
	ck_assert_uint_eq(g.gpu[0].used, 4096 * MIB);
	ck_assert_uint_eq(g.gpu[0].free, 12288 * MIB);
	ck_assert_uint_eq(g.gpu[0].busy, 8700);
	ck_assert_uint_eq(g.gpu[0].celsius, 71);
	ck_assert_uint_eq(g.gpu[0].n_procs, 2);
	ck_assert_int_eq(g.gpu[0].proc[0].pid, 4242);
	ck_assert_uint_eq(g.gpu[0].proc[0].used, 3072 * MIB);
	ck_assert_uint_eq(g.gpu[0].proc[1].used, MACHINE_NONE);
	ck_assert_uint_eq(g.gpu[1].n_procs, 0);
	ck_assert_int_eq(gpu_read(&g), 0);	/* again, without loading */
	ck_assert_uint_eq(g.n, 2);
}
END_TEST

START_TEST(gpu__what_the_driver_does_not_say_is_not_known)
{
	read_with("old");
	ck_assert_uint_eq(g.n, 2);
	ck_assert_uint_eq(g.gpu[0].total, MACHINE_NONE);
	ck_assert_uint_eq(g.gpu[0].used, MACHINE_NONE);
	ck_assert_uint_eq(g.gpu[0].busy, MACHINE_NONE);
	ck_assert_uint_eq(g.gpu[0].celsius, MACHINE_NONE);
	ck_assert_uint_eq(g.gpu[0].n_procs, 0);
}
END_TEST

START_TEST(gpu__a_lost_one_does_not_hide_the_others)
{
	read_with("lost");
	ck_assert_uint_eq(g.n, 1);
	ck_assert_str_eq(g.gpu[0].name, "Stand-in 1");
	read_with("lost gpus=1");
	ck_assert_uint_eq(g.n, 0);
	ck_assert_str_eq(g.why, "no GPU of it can be reached");
}
END_TEST

START_TEST(gpu__more_than_we_hold_are_cut)
{
	read_with("gpus=30");
	ck_assert_uint_eq(g.n, GPU_MAX);
}
END_TEST

START_TEST(gpu__none_says_why)
{
	read_with("gpus=0");
	ck_assert_uint_eq(g.n, 0);
	ck_assert_str_eq(g.why, "no GPU");
	read_with("init=9");
	ck_assert_uint_eq(g.n, 0);
	ck_assert_str_eq(g.why, "the NVIDIA driver does not answer");
	read_with("count=999");
	ck_assert_uint_eq(g.n, 0);
	ck_assert_ptr_nonnull(g.why);
	gpu_unload();
	(void)setenv("HOLDFAST_NVML", "/nowhere/libnvidia-ml.so", 1);
	ck_assert_int_eq(gpu_read(&g), 0);
	ck_assert_str_eq(g.why, "libnvidia-ml.so.1 cannot be loaded");
	gpu_unload();
	(void)setenv("HOLDFAST_NVML", "libz.so.1", 1);
	ck_assert_int_eq(gpu_read(&g), 0);
	ck_assert_ptr_nonnull(g.why);
	gpu_unload();
	(void)unsetenv("HOLDFAST_NVML");
	ck_assert_int_eq(gpu_read(&g), 0);
	if (access("/proc/driver/nvidia", F_OK) != 0 && access("/dev/nvidiactl", F_OK) != 0)
		ck_assert_uint_eq(g.n, 0);
	ck_assert(g.n > 0 || g.why);
	gpu_unload();
}
END_TEST

CHECK_MAIN("gpu", gpu__all_of_it_is_read, gpu__what_the_driver_does_not_say_is_not_known,
	gpu__a_lost_one_does_not_hide_the_others, gpu__more_than_we_hold_are_cut,
	gpu__none_says_why)
