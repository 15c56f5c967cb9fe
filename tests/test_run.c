#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detect/run.h"
#include "lib/auto.h"
#include "lib/io.h"

#define EXITED(code) ((code) << 8)

static const char *cause;
static char how[400];

static bool want(struct ending e)
{
	return run_ending(&e, &cause, how, sizeof(how));
}

START_TEST(run_ending__its_own_status)
{
	ck_assert(!want((struct ending){ .status = EXITED(0) }));
	ck_assert_str_eq(cause, "exited");
	ck_assert(!want((struct ending){ .status = EXITED(3) }));
	ck_assert_str_eq(cause, "failed");
	ck_assert_str_eq(how, "exit code 3");
	ck_assert(!want((struct ending){ .status = SIGSEGV }));
	ck_assert_str_eq(cause, "crashed");
	ck_assert(!want((struct ending){ .status = SIGTERM }));
	ck_assert_str_eq(cause, "terminated");
	ck_assert(!want((struct ending){ .status = SIGKILL }));
	ck_assert_str_eq(cause, "killed");
}
END_TEST

START_TEST(run_ending__want_of_memory_only_where_it_failed)
{
	ck_assert(!want((struct ending){
		.status = EXITED(0), .want = WANT_GPU, .cgroup_oom = true, .guarded = true }));
	ck_assert(want((struct ending){
		.status = EXITED(1), .want = WANT_GPU, .line = "CUDA out of memory" }));
	ck_assert_str_eq(cause, "out-of-memory (gpu)");
	ck_assert(want((struct ending){ .status = EXITED(1), .want = WANT_RAM }));
	ck_assert_str_eq(cause, "out-of-memory (allocation)");
	ck_assert(want((struct ending){ .status = SIGBUS, .want = WANT_SHM }));
	ck_assert_str_eq(cause, "out-of-memory (shm)");
	/* A worker that is killed fails the whole: by exit code, not by signal. */
	ck_assert(
		want((struct ending){ .status = EXITED(1), .cgroup_oom = true, .limit = 1 << 20 }));
	ck_assert_str_eq(cause, "out-of-memory (cgroup)");
	ck_assert_ptr_nonnull(strstr(how, "1.0 MiB"));
	ck_assert(want((struct ending){ .status = SIGKILL, .machine_oom = true }));
	ck_assert_str_eq(cause, "out-of-memory (kernel)");
	ck_assert(want((struct ending){ .status = EXITED(137), .machine_oom = true }));
	/* Somebody's else: the counter is the whole machine's. */
	ck_assert(!want((struct ending){ .status = EXITED(1), .machine_oom = true }));
	ck_assert(want((struct ending){ .status = SIGTERM, .guarded = true, .machine_oom = true }));
	ck_assert_str_eq(cause, "out-of-memory (guard)");
	ck_assert(
		want((struct ending){ .status = EXITED(0), .over_limit = true, .limit = 1 << 30 }));
	ck_assert_str_eq(cause, "out-of-memory (guard)");
}
END_TEST

START_TEST(run_ending__by_hand_is_no_want_of_memory)
{
	struct ending e = { .status = SIGTERM, .by_hand = "detect stop", .want = WANT_RAM,
		.cgroup_oom = true, .machine_oom = true };

	ck_assert(!want(e));
	ck_assert_str_eq(cause, "terminated");
	ck_assert_str_eq(how, "ended by hand: detect stop");
	e.status = SIGKILL;
	ck_assert(!want(e));
	ck_assert_str_eq(cause, "terminated");
	e.status = EXITED(0); /* it was done all the same */
	ck_assert(!want(e));
	ck_assert_str_eq(cause, "exited");
	/* What the guard began a hand may have helped to end. */
	e.status = SIGTERM;
	e.guarded = true;
	ck_assert(want(e));
	ck_assert_str_eq(cause, "out-of-memory (guard)");
}
END_TEST

START_TEST(run_want__what_is_said)
{
	static const struct {
		const char *line;
		enum want want;
	} rows[] = {
		{ "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0",
			WANT_GPU },
		{ "RuntimeError: CUDA error: out of memory", WANT_GPU },
		{ "RuntimeError: [enforce fail at alloc_cpu.cpp:75] err == 0. DefaultCPUAllocator: "
		  "can't allocate "
		  "memory: you tried to allocate 400000000000 bytes. Error code 12 (Cannot "
		  "allocate memory)",
			WANT_RAM },
		{ "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 745. GiB",
			WANT_RAM },
		{ "terminate called after throwing an instance of 'std::bad_alloc'", WANT_RAM },
		{ "RuntimeError: DataLoader worker (pid 7) is killed by signal: Bus error. It is "
		  "possible that dataloader's "
		  "workers are out of shared memory. Please try to raise your shared memory limit.",
			WANT_SHM },
		{ "ERROR: Unexpected bus error encountered in worker. This might be caused by "
		  "insufficient shared memory "
		  "(shm).",
			WANT_SHM },
		{ "epoch 3: loss 0.12, memory 3.1 GiB", WANT_NONE },
		{ "", WANT_NONE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_msg(run_want(rows[i].line, strlen(rows[i].line)) == rows[i].want, "%s",
			rows[i].line);
}
END_TEST

static void split(const char *line, const char *const *words)
{
	char **got;
	unsigned i = 0;

	ck_assert_int_eq(plan_split(line, &got), 0);
	for (; words[i]; i++) {
		ck_assert_ptr_nonnull(got[i]);
		ck_assert_str_eq(got[i], words[i]);
	}
	ck_assert_ptr_null(got[i]);
	plan_free(got);
}

START_TEST(plan_split__like_a_shell)
{
	char **got;

	split("", (const char *[]){ NULL });
	split("  a\tb \n", (const char *[]){ "a", "b", NULL });
	split("'a  b' \"c 'd\" e\\ f '' \"x\\\"y\" 'p'q\"r\"",
		(const char *[]){ "a  b", "c 'd", "e f", "", "x\"y", "pqr", NULL });
	split("$HOME `id` ; |", (const char *[]){ "$HOME", "`id`", ";", "|", NULL });
	ck_assert_int_eq(plan_split("a 'b", &got), -EINVAL);
	ck_assert_int_eq(plan_split("\"", &got), -EINVAL);
}
END_TEST

START_TEST(run_record__comes_back_as_it_was)
{
	struct run r = { .running = true,
		.pid = { 7, 8 },
		.super = { 9, 10 },
		.began_ms = 11,
		.limit = 12,
		.in_force = MACHINE_NONE,
		.need = 13,
		.attempt = 2,
		.code = -1,
		.signal = -1,
		.command = (char *)(uintptr_t) "a\tb\nc\\ \xff",
		.cwd = (char *)(uintptr_t) "/x" };
	struct run got;
	int dir, folder;

	(void)check_dir(&dir);
	folder = run_folder(dir, "0123abcd", true);
	ck_assert_int_ge(folder, 0);
	ck_assert_int_eq(run_write(folder, &r), 0);
	ck_assert_int_eq(run_read(folder, &got), 0);
	ck_assert_str_eq(got.command, r.command);
	ck_assert_str_eq(got.cwd, "/x");
	ck_assert_ptr_null(got.tier);
	ck_assert_int_eq(got.pid.pid, 7);
	ck_assert_uint_eq(got.super.start, 10);
	ck_assert_uint_eq(got.in_force, MACHINE_NONE);
	ck_assert_int_eq(got.signal, -1);
	ck_assert(got.running && got.lost); /* nobody has that pid and that start */
	run_release(&got);
	ck_assert_int_eq(run_find(dir, "01", &got), 0);
	ck_assert_str_eq(got.id, "0123abcd");
	run_release(&got);
	ck_assert_int_eq(run_find(dir, "1", &got), -ENOENT);
	ck_assert_int_eq(run_folder(dir, "../../etc", false), -EINVAL);
	ck_assert_int_eq(run_folder(dir, "0123ABCD", false), -EINVAL);
	ck_assert_int_eq(run_remove(dir, "0123abcd"), 0);
	ck_assert_int_eq(run_find(dir, NULL, &got), -ENOENT);
}
END_TEST

START_TEST(run_record__any_bytes_are_survived)
{
	static const char text[] = "state\trunning\ncommand\tpython "
				   "train.py\nbegan_ms\t5\npid\t-7\nsuper\t99999999999\n"
				   "limit\t-1\npeak.ram\tx\n\t\n\n";
	size_t n = sizeof(text) - 1;
	struct run got;
	int dir, folder;

	(void)check_dir(&dir);
	folder = run_folder(dir, "0123abcd", true);
	for (unsigned i = 0; i < 300; i++) {
		char copy[sizeof(text)];

		memcpy(copy, text, sizeof(text));
		for (unsigned k = 0; i && k < 4; k++)
			copy[check_below(n)] = (char)check_rand();
		ck_assert_int_eq(
			io_replace_file(folder, "run", copy, i % 7 ? n : check_below(n), 0600), 0);
		if (run_read(folder, &got) == 0)
			run_release(&got);
	}
	ck_assert_int_eq(symlinkat("/etc/passwd", folder, "run.link"), 0);
	ck_assert_int_eq(run_remove(dir, "0123abcd"), 0);
	ck_assert_int_eq(access("/etc/passwd", F_OK), 0);
}
END_TEST

CHECK_MAIN("run", run_ending__its_own_status, run_ending__want_of_memory_only_where_it_failed,
	run_ending__by_hand_is_no_want_of_memory,
	run_want__what_is_said, plan_split__like_a_shell, run_record__comes_back_as_it_was,
	run_record__any_bytes_are_survived)
