/* The ring of readings: what it keeps, and that damage is never read as a reading. */
#include "tests/check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/samples.h"

#define BOOT "0b0e1f0a-1111-2222-3333-444455556666"
#define MIB ((uint64_t)1 << 20)

static struct sample sample(uint64_t i)
{
	return (struct sample){
		.real_ms = 1000 + i,
		.total = 1000 * MIB,
		.available = i * MIB,
		.swap_total = MACHINE_NONE,
		.swap_free = 3 * MIB,
		.gpu_total = MACHINE_NONE,
		.gpu_used = MACHINE_NONE,
		.editor = 7 * MIB,
		.training = (i + 1) * MIB,
		.psi_full10 = (uint16_t)(i % 10000),
		.cpu_busy = UINT16_MAX,
		.risk = (uint8_t)(i % 3),
	};
}

static void add(int dir, uint64_t from, uint64_t n)
{
	struct samples *s;

	ck_assert_int_eq(samples_open(dir, BOOT, &s), 0);
	for (uint64_t i = from; i < from + n; i++) {
		struct sample x = sample(i);

		ck_assert_int_eq(samples_add(s, &x), 0);
	}
	samples_close(s, false);
}

static bool same(const struct sample *a, const struct sample *b)
{
	return a->real_ms == b->real_ms && a->total == b->total && a->available == b->available &&
	       a->swap_total == b->swap_total && a->swap_free == b->swap_free &&
	       a->gpu_total == b->gpu_total && a->gpu_used == b->gpu_used &&
	       a->editor == b->editor && a->training == b->training &&
	       a->psi_full10 == b->psi_full10 && a->cpu_busy == b->cpu_busy && a->risk == b->risk;
}

/* Each is one that was written, in order; how many of them. */
static unsigned read_back(int dir)
{
	struct sample *x;
	unsigned n;

	ck_assert_int_eq(samples_between(dir, 0, UINT64_MAX, &x, &n), 0);
	for (unsigned i = 0; i < n; i++) {
		struct sample want = sample(x[i].real_ms - 1000);

		ck_assert(same(&x[i], &want));
		ck_assert(i == 0 || x[i].real_ms > x[i - 1].real_ms);
	}
	free(x);
	return n;
}

START_TEST(samples__come_back_as_they_were)
{
	struct samples_last last;
	struct sample *x;
	struct stat st;
	unsigned n;
	int dir;

	(void)check_dir(&dir);
	ck_assert_int_eq(samples_last(dir, &last), -ENOENT);
	add(dir, 0, 100);
	ck_assert_uint_eq(read_back(dir), 100);
	ck_assert_int_eq(samples_between(dir, 1010, 1019, &x, &n), 0);
	ck_assert_uint_eq(n, 10);
	ck_assert_uint_eq(x[0].real_ms, 1010);
	free(x);
	ck_assert_int_eq(fstatat(dir, DETECT_SAMPLES, &st, 0), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(st.st_size, SAMPLES_N * 64);
}
END_TEST

START_TEST(samples__go_round)
{
	int dir;

	(void)check_dir(&dir);
	add(dir, 0, SAMPLES_N + 500);
	ck_assert_uint_eq(read_back(dir), SAMPLES_N - 1);
	add(dir, SAMPLES_N + 500, 3000); /* the next monitor goes on */
	ck_assert_uint_eq(read_back(dir), SAMPLES_N - 1);
}
END_TEST

START_TEST(samples__tell_how_the_last_one_ended)
{
	struct samples_last last;
	struct samples *s;
	struct sample x = sample(5);
	int dir;

	(void)check_dir(&dir);
	ck_assert_int_eq(samples_open(dir, BOOT, &s), 0);
	ck_assert_int_eq(samples_last(dir, &last), 0);
	ck_assert(!last.in_order && last.real_ms == 0);
	ck_assert_int_eq(samples_add(s, &x), 0);
	ck_assert_int_eq(samples_last(dir, &last), 0);
	ck_assert_str_eq(last.boot_id, BOOT);
	ck_assert(!last.in_order && last.real_ms == 1005);
	samples_close(s, true);
	ck_assert_int_eq(samples_last(dir, &last), 0);
	ck_assert(last.in_order && last.real_ms == 1005);
	ck_assert_int_eq(
		samples_open(dir, BOOT, &s), 0); /* from here on it is not in order again */
	ck_assert_int_eq(samples_last(dir, &last), 0);
	ck_assert(!last.in_order && last.real_ms == 1005);
	samples_close(s, false);
}
END_TEST

/* Any byte changed, any cut, records torn in the middle or moved: fewer samples, never a false
 * one. */
START_TEST(samples__damage_is_never_a_reading)
{
	int dir, fd;
	unsigned whole;

	(void)check_dir(&dir);
	add(dir, 0, 3000);
	fd = openat(dir, DETECT_SAMPLES, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	whole = 3000;
	for (int i = 0; i < 400; i++) {
		off_t at = (off_t)(64 * (1 + check_below(SAMPLES_N - 1)));
		uint8_t p[64], q[64];
		struct samples_last last;
		unsigned n;

		ck_assert_int_eq(pread(fd, p, 64, at), 64);
		memcpy(q, p, 64);
		switch (check_below(3)) {
		case 0:
			q[check_below(64)] ^= (uint8_t)(1 << check_below(8));
			break;
		case 1: /* half of another one */
			ck_assert_int_eq(pread(fd, q, 1 + check_below(63),
						 64 * (1 + (off_t)check_below(SAMPLES_N - 1))) > 0,
				1);
			break;
		case 2: /* a whole one in a wrong place */
			ck_assert_int_eq(pread(fd, q, 64, 64 * (1 + (off_t)check_below(3000))), 64);
			break;
		}
		ck_assert_int_eq(pwrite(fd, q, 64, at), 64);
		n = read_back(dir);
		ck_assert_uint_le(n, whole);
		ck_assert_uint_ge(n, whole - 1);
		ck_assert_int_eq(samples_last(dir, &last), 0);
		ck_assert_int_eq(pwrite(fd, p, 64, at), 64);
	}
	for (int i = 0; i < 50; i++) {
		ck_assert_int_eq(ftruncate(fd, (off_t)check_below(SAMPLES_N * 64)), 0);
		(void)read_back(dir);
	}
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_uint_eq(read_back(dir), 0);
	add(dir, 0, 3);
	ck_assert_uint_eq(read_back(dir), 3);
	(void)close(fd);
}
END_TEST

CHECK_MAIN("samples", samples__come_back_as_they_were, samples__go_round,
	samples__tell_how_the_last_one_ended, samples__damage_is_never_a_reading)
