/* The shared page between detect-gpu and the monitor. */
#include "check_main.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detect/gpu_feed.h"

static struct gpu_feed *shared(void)
{
	struct gpu_feed *f =
		mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(f != MAP_FAILED);
	return f;
}

/* All figures of a reading are the same number: two halves of different ones would show. */
static void fill(struct gpu_list *l, uint64_t v)
{
	l->n = 1 + (unsigned)(v % GPU_MAX);
	for (unsigned i = 0; i < l->n; i++)
		l->gpu[i] =
			(struct gpu){ .total = v, .used = v, .free = v, .busy = v, .celsius = v };
}

START_TEST(gpu_feed__says_what_it_has)
{
	struct gpu_feed *f = shared();
	static struct gpu_list in, out;

	ck_assert_int_eq(gpu_feed_read(f, 1000, 100, &out), -ENODATA);
	fill(&in, 5);
	(void)strcpy(in.gpu[0].name, "A");
	in.gpu[0].n_procs = 1;
	in.gpu[0].proc[0] = (struct gpu_proc){ 7, 9 };
	gpu_feed_write(f, &in, 1000);
	ck_assert_int_eq(gpu_feed_read(f, 1100, 100, &out), 0);
	ck_assert_uint_eq(out.n, in.n);
	ck_assert_str_eq(out.gpu[0].name, "A");
	ck_assert(out.gpu[0].proc[0].pid == 7 && out.gpu[0].proc[0].used == 9);
	ck_assert_int_eq(gpu_feed_read(f, 1101, 100, &out), -ETIME);
	/* A writer that died in the middle. */
	f->seq |= 1;
	ck_assert_int_eq(gpu_feed_read(f, 1000, 100, &out), -EAGAIN);
	gpu_feed_write(f, &in, 1200);
	ck_assert_int_eq(gpu_feed_read(f, 1200, 100, &out), 0);
}
END_TEST

START_TEST(gpu_feed__keeps_to_its_bounds)
{
	struct gpu_feed *f = shared();
	static struct gpu_list in, out;

	fill(&in, 3);
	gpu_feed_write(f, &in, 1);
	f->n = UINT32_MAX;
	f->gpu[2].n_procs = UINT32_MAX;
	memset(f->gpu[1].name, 'x', GPU_NAME);
	ck_assert_int_eq(gpu_feed_read(f, 1, 1, &out), 0);
	ck_assert_uint_eq(out.n, GPU_MAX);
	ck_assert_uint_eq(out.gpu[2].n_procs, GPU_PROCS);
	ck_assert_uint_eq(strlen(out.gpu[1].name), GPU_NAME - 1);
}
END_TEST

START_TEST(gpu_feed__no_reading_is_torn)
{
	struct gpu_feed *f = shared();
	static struct gpu_list out;
	unsigned whole = 0;
	pid_t pid = fork();

	if (pid == 0) {
		static struct gpu_list in;

		for (uint64_t v = 1;; v++) {
			fill(&in, v);
			gpu_feed_write(f, &in, v);
		}
	}
	ck_assert_int_gt(pid, 0);
	while (whole < 20000) {
		if (gpu_feed_read(f, 0, UINT64_MAX, &out) < 0)
			continue;
		whole++;
		ck_assert_uint_eq(out.n, 1 + out.gpu[0].total % GPU_MAX);
		for (unsigned i = 0; i < out.n; i++)
			ck_assert(out.gpu[i].total == out.gpu[0].total &&
				  out.gpu[i].celsius == out.gpu[0].total);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}
END_TEST

CHECK_MAIN("gpu_feed", gpu_feed__says_what_it_has, gpu_feed__keeps_to_its_bounds,
	gpu_feed__no_reading_is_torn)
