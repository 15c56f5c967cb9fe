#include "check_main.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "detect/risk.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

static struct machine m;
static struct risk_state st;
static struct risk_verdict v;
static struct risk_input in;
static struct gpu_list gpus;
static struct disk_reading disks[2];

/* A machine of 100 GiB with this percentage in use, and nothing else of note. */
static void machine(unsigned used)
{
	memset(&m, 0xff, sizeof(m));
	m.mono_ms = 1000000;
	m.cg = (struct cgroup_reading){ .psi = { MACHINE_NONE, MACHINE_NONE, MACHINE_NONE } };
	m.total = m.mem_total = 100 * GIB;
	m.available = m.mem_available = (100 - used) * GIB;
	in = (struct risk_input){
		.m = &m, .editor_bytes = MACHINE_NONE, .training_bytes = MACHINE_NONE
	};
	st = (struct risk_state){ 0 };
}

static enum risk judge(void)
{
	risk_judge(&risk_defaults, &in, &st, &v);
	return v.risk;
}

static enum risk at(unsigned used)
{
	machine(used);
	return judge();
}

START_TEST(risk__memory_by_its_thresholds)
{
	ck_assert_int_eq(at(74), RISK_LOW);
	ck_assert_uint_eq(v.n, 0);
	ck_assert_int_eq(at(75), RISK_MEDIUM);
	ck_assert_int_eq(v.reason[0].what, REASON_MEM);
	ck_assert_uint_eq(v.reason[0].threshold, 7500);
	ck_assert_int_eq(at(84), RISK_MEDIUM);
	ck_assert_int_eq(at(85), RISK_CRITICAL);
	ck_assert_int_eq(at(100), RISK_CRITICAL);
	ck_assert_uint_eq(v.reason[0].value, 10000);
}
END_TEST

START_TEST(risk__status_by_its_thresholds)
{
	static const struct { unsigned used; enum status status;
	} c[] = {
		{ 0, STATUS_EXCELLENT },
		{ 59, STATUS_EXCELLENT },
		{ 60, STATUS_GOOD },
		{ 69, STATUS_GOOD },
		{ 70, STATUS_CAUTION },
		{ 79, STATUS_CAUTION },
		{ 80, STATUS_CRITICAL },
		{ 100, STATUS_CRITICAL },
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		(void)at(c[i].used);
		ck_assert_int_eq(v.status, c[i].status);
	}
}
END_TEST

START_TEST(risk__a_cgroup_counts_like_the_machine)
{
	char text[128];

	machine(10);
	m.cg.version = 2;
	m.cg.limit = 500 * MIB;
	m.total = 500 * MIB;
	m.available = 45 * MIB;
	ck_assert_int_eq(judge(), RISK_CRITICAL);
	ck_assert_int_eq(v.reason[0].what, REASON_CGROUP);
	ck_assert_int_gt(risk_reason_text(&v.reason[0], &in, text, sizeof(text)), 0);
	ck_assert_str_eq(
		text, "cgroup limit of 500 MiB 91 % used, 45 MiB left (critical from 85 %)");
}
END_TEST

START_TEST(risk__swap_is_critical_only_with_memory)
{
	machine(30);
	m.swap_total = 8 * GIB;
	m.swap_free = 4 * GIB;
	ck_assert_int_eq(judge(), RISK_MEDIUM);
	ck_assert_int_eq(v.reason[0].what, REASON_SWAP);
	machine(76);
	m.swap_total = 8 * GIB;
	m.swap_free = 4 * GIB;
	ck_assert_int_eq(judge(), RISK_CRITICAL);
	machine(30);
	m.swap_total = 8 * GIB;
	m.swap_free = 5 * GIB;
	ck_assert_int_eq(judge(), RISK_LOW);
	machine(30);
	m.swap_total = m.swap_free = 0;	/* none is not full */
	ck_assert_int_eq(judge(), RISK_LOW);
}
END_TEST

START_TEST(risk__pressure_of_the_machine_or_of_the_group)
{
	machine(30);
	m.mem_psi.full10 = 999;
	ck_assert_int_eq(judge(), RISK_LOW);
	machine(30);
	m.mem_psi.full10 = 1000;
	ck_assert_int_eq(judge(), RISK_MEDIUM);
	machine(30);
	m.mem_psi.full10 = 0;
	m.cg.version = 2;
	m.cg.limit = 90 * GIB;
	m.cg.psi.full10 = 4000;
	ck_assert_int_eq(judge(), RISK_CRITICAL);
	ck_assert_int_eq(v.reason[0].what, REASON_PSI);
}
END_TEST

START_TEST(risk__the_fullest_gpu_is_named)
{
	char text[128];

	machine(10);
	gpus = (struct gpu_list){ .n = 3 };
	gpus.gpu[0].total = gpus.gpu[0].used = MACHINE_NONE;	/* not told */
	gpus.gpu[1].total = 16 * GIB;
	gpus.gpu[1].used = 14 * GIB;
	gpus.gpu[2].total = 16 * GIB;
	gpus.gpu[2].used = 15 * GIB;
	in.gpus = &gpus;
	ck_assert_int_eq(judge(), RISK_MEDIUM);
	ck_assert_int_eq(v.reason[0].what, REASON_GPU);
	ck_assert_uint_eq(v.reason[0].index, 2);
	(void)risk_reason_text(&v.reason[0], &in, text, sizeof(text));
	ck_assert_str_eq(text, "GPU 2 memory 93 % used, 1.0 GiB left (medium from 90 %)");
	gpus.gpu[2].used = 14 * GIB;
	st = (struct risk_state){ 0 };
	ck_assert_int_eq(judge(), RISK_LOW);
}
END_TEST

START_TEST(risk__shm_disk_and_warnings)
{
	machine(10);
	m.shm_total = 64 * MIB;
	m.shm_free = 6 * MIB;
	disks[0] = (struct disk_reading){ 100 * GIB, 90 * GIB };
	disks[1] = (struct disk_reading){ 100 * GIB, 255 * MIB };
	in.disk = disks;
	in.n_disk = 2;
	m.cpu_busy = 9600;
	in.editor_bytes = 5 * GIB;
	in.training_bytes = 3 * GIB;
	ck_assert_int_eq(judge(), RISK_MEDIUM);
	ck_assert_uint_eq(v.n, 4);
	ck_assert_int_eq(v.reason[0].what, REASON_SHM);
	ck_assert_int_eq(v.reason[1].what, REASON_DISK);
	ck_assert_uint_eq(v.reason[1].index, 1);
	ck_assert_int_eq(v.reason[2].what, REASON_CPU);
	ck_assert_int_eq(v.reason[2].level, RISK_LOW);
	ck_assert_int_eq(v.reason[3].what, REASON_FAMILY);
	machine(10);
	m.cpu_busy = 9999;
	in.training_bytes = 9 * GIB;
	ck_assert_int_eq(judge(), RISK_LOW);	/* warnings alone */
	ck_assert_uint_eq(v.n, 2);
}
END_TEST

START_TEST(risk__the_gravest_reason_stands_first)
{
	machine(90);
	m.swap_total = 8 * GIB;
	m.swap_free = GIB;
	m.cpu_busy = 9900;
	m.shm_total = 10;
	m.shm_free = 0;
	m.mem_psi.full10 = 1500;
	(void)judge();
	ck_assert_uint_eq(v.n, 5);
	for (unsigned i = 1; i < v.n; i++)
		ck_assert_int_le(v.reason[i].level, v.reason[i - 1].level);
}
END_TEST

/* One reading a second, `used` percent each. */
static enum risk step(double used, uint64_t ms)
{
	m.mono_ms += ms;
	m.available = m.mem_available = (uint64_t)((100 - used) * (double)GIB);
	return judge();
}

START_TEST(risk__a_level_is_left_after_a_calm_time)
{
	(void)at(86);
	ck_assert_int_eq(v.risk, RISK_CRITICAL);
	/* Just below it and for however long: still there. */
	for (int i = 0; i < 60; i++)
		ck_assert_int_eq(step(84.5, 1000), RISK_CRITICAL);
	ck_assert(v.held);
	/* 3 points below, but not for long enough */
	for (int i = 0; i < 9; i++)
		ck_assert_int_eq(step(80, 1000), RISK_CRITICAL);
	ck_assert_int_eq(step(85, 1000), RISK_CRITICAL);
	ck_assert(!v.held);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(step(80, 1000), RISK_CRITICAL);
	ck_assert_int_eq(step(80, 1000), RISK_MEDIUM);
	ck_assert(!v.held);
	/* and up again at once */
	ck_assert_int_eq(step(86, 1000), RISK_CRITICAL);
}
END_TEST

START_TEST(risk__it_falls_to_the_highest_of_the_calm_time)
{
	(void)at(86);
	(void)step(80, 1000);
	for (int i = 0; i < 9; i++)
		(void)step(50, 1000);
	ck_assert_int_eq(v.risk, RISK_CRITICAL);
	ck_assert_int_eq(step(50, 1000), RISK_MEDIUM);
	for (int i = 0; i < 9; i++)
		ck_assert_int_eq(step(50, 1000), RISK_MEDIUM);
	ck_assert_int_eq(step(50, 1000), RISK_LOW);
}
END_TEST

START_TEST(risk__steady_growth_warns_before_the_threshold)
{
	enum risk r = at(20);

	/* 1 GiB a second: 85 % is 60 s away at 25 %. */
	for (int i = 1; i <= 4; i++)
		ck_assert_int_eq(step(20 + i, 1000), RISK_LOW);
	r = step(26, 1000);
	r = step(27, 1000);
	ck_assert_int_eq(r, RISK_MEDIUM);
	ck_assert_int_eq(v.reason[0].what, REASON_TREND);
	ck_assert_int_ge(v.growth, (int64_t)(GIB - GIB / 4));
	ck_assert_int_le(v.growth, (int64_t)(GIB + GIB / 4));
	ck_assert_uint_ge(v.left_ms, 45000);
	ck_assert_uint_lt(v.left_ms, 60000);
}
END_TEST

START_TEST(risk__a_program_that_starts_is_no_trend)
{
	(void)at(20);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(step(20, 1000), RISK_LOW);
	ck_assert_int_eq(step(35, 1000), RISK_LOW);	/* 15 GiB in one second */
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(step(35, 1000), RISK_LOW);
	ck_assert_int_eq(v.growth, 0);
	ck_assert_uint_eq(v.left_ms, MACHINE_NONE);
}
END_TEST

START_TEST(risk__memory_given_back_is_negative_growth)
{
	(void)at(60);
	for (int i = 1; i < 10; i++)
		(void)step(60 - i, 1000);
	ck_assert_int_lt(v.growth, 0);
	ck_assert_uint_eq(v.left_ms, MACHINE_NONE);
}
END_TEST

START_TEST(risk__readings_of_another_boot_are_forgotten)
{
	machine(20);
	for (uint64_t i = 0; i < 100; i++)
		risk_note(&st, 900000000 + i * 1000, (90 - i / 2) * GIB);
	ck_assert_int_eq(judge(), RISK_LOW);
	ck_assert_int_eq(v.growth, 0);
}
END_TEST

START_TEST(risk__any_numbers_give_a_verdict)
{
	for (int round = 0; round < 20000; round++) {
		char text[256];
		uint64_t *w = (uint64_t *)(void *)&m;

		if (round % 100 == 0)
			st = (struct risk_state){ 0 };
		for (size_t i = 0; i < sizeof(m) / 8; i++)
			w[i] = check_below(4) ? check_rand() >> check_below(64) : MACHINE_NONE;
		m.cg.version = (int)check_below(3);
		if (!m.total || m.total == MACHINE_NONE)
			m.total = 1;
		if (m.available > m.total)
			m.available = m.total;
		in = (struct risk_input){
			.m = &m, .editor_bytes = check_rand(), .training_bytes = check_rand()
		};
		(void)judge();
		ck_assert_uint_le(v.n, REASON_MAX);
		ck_assert_int_le(v.risk, RISK_CRITICAL);
		for (unsigned i = 0; i < v.n; i++) {
			ck_assert_int_gt(
				risk_reason_text(&v.reason[i], &in, text, sizeof(text)), 0);
			ck_assert_uint_lt(strlen(text), 80);
			ck_assert_int_gt(strlen(risk_advice(&v.reason[i])), 0);
		}
	}
}
END_TEST

START_TEST(risk__every_reason_has_words)
{
	static struct groups groups = { .n = 1,
		.use = { { 4711, "train.py", { .version = 2, .limit = GIB, .used = GIB / 2 } } } };

	machine(50);
	in.groups = &groups;
	for (int i = 0; i < REASON_MAX; i++) {
		struct risk_reason r = { (enum reason)i, RISK_MEDIUM, 1, 1, 0 };
		char text[256];

		ck_assert_int_gt(risk_reason_text(&r, &in, text, sizeof(text)), 10);
		ck_assert_int_gt(strlen(risk_advice(&r)), 10);
		ck_assert_uint_le(strlen(risk_advice(&r)), 67);
	}
	ck_assert_str_eq(risk_name(RISK_CRITICAL), "CRITICAL");
	ck_assert_str_eq(status_name(STATUS_GOOD), "Good");
}
END_TEST

CHECK_MAIN("risk", risk__memory_by_its_thresholds, risk__status_by_its_thresholds,
	risk__a_cgroup_counts_like_the_machine, risk__swap_is_critical_only_with_memory,
	risk__pressure_of_the_machine_or_of_the_group, risk__the_fullest_gpu_is_named,
	risk__shm_disk_and_warnings, risk__the_gravest_reason_stands_first,
	risk__a_level_is_left_after_a_calm_time, risk__it_falls_to_the_highest_of_the_calm_time,
	risk__steady_growth_warns_before_the_threshold, risk__a_program_that_starts_is_no_trend,
	risk__memory_given_back_is_negative_growth, risk__readings_of_another_boot_are_forgotten,
	risk__any_numbers_give_a_verdict, risk__every_reason_has_words)
