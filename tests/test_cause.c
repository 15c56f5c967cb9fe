#include "check_main.h"

#include <signal.h>
#include <string.h>

#include "detect/cause.h"

#define GIB ((uint64_t)1 << 30)

/* A training that ended, the machine with plenty of room, counters readable and still. */
static struct fact base(enum fact_status status, int n)
{
	struct fact f = { .kind = FACT_EXIT,
		.proc = { 100, 5 },
		.status = status,
		.comm = "python3",
		.before_available = 8 * GIB,
		.cg_limit = MACHINE_NONE,
		.cg_peak = MACHINE_NONE,
		.role = { KIND_TRAINING, FAMILY_NONE, ROLE_RUN },
		.m = { .mem_total = 16 * GIB, .mem_available = 8 * GIB } };

	if (status == FACT_SIGNALED)
		f.signal = n;
	else
		f.code = n;
	return f;
}

static struct fact editor(enum role role, enum fact_status status, int n)
{
	struct fact f = base(status, n);

	f.role = (struct role_of){ KIND_EDITOR, FAMILY_VSCODE, role };
	return f;
}

static struct verdict judge(const struct fact *f, unsigned n, const struct evidence *e)
{
	struct evidence_list ev = { .n = n };
	struct verdict v;

	if (n)
		memcpy(ev.e, e, n * sizeof(*e));
	cause_judge(f, &ev, &v);
	ck_assert_uint_gt(strlen(v.text), 0);
	return v;
}

static void expect(const struct verdict *v, enum cause cause, enum confidence sure)
{
	ck_assert_msg(v->cause == cause && v->sure == sure, "%s (%s): %s", cause_name(v->cause),
		confidence_name(v->sure), v->text);
}

START_TEST(judge__takes_code_and_signal_as_they_are)
{
	static const struct {
		enum fact_status status;
		int n;
		enum cause cause;
	} row[] = {
		{ FACT_EXITED, 0, CAUSE_EXITED },
		{ FACT_EXITED, 3, CAUSE_FAILED },
		{ FACT_EXITED, 137, CAUSE_FAILED },
		{ FACT_SIGNALED, SIGSEGV, CAUSE_CRASHED },
		{ FACT_SIGNALED, SIGABRT, CAUSE_CRASHED },
		{ FACT_SIGNALED, SIGKILL, CAUSE_KILLED },
		{ FACT_SIGNALED, SIGTERM, CAUSE_TERMINATED },
		{ FACT_SIGNALED, SIGINT, CAUSE_TERMINATED },
		{ FACT_SIGNALED, 40, CAUSE_TERMINATED },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		struct fact f = base(row[i].status, row[i].n);
		struct verdict v = judge(&f, 0, NULL);

		expect(&v, row[i].cause, SURE_CERTAIN);
	}
}
END_TEST

START_TEST(judge__is_less_sure_of_a_kill_without_counters)
{
	struct fact f = base(FACT_SIGNALED, SIGKILL);
	struct verdict v;

	f.oom_before = f.oom_after = f.cg_oom_before = f.cg_oom_after = MACHINE_NONE;
	v = judge(&f, 0, NULL);
	expect(&v, CAUSE_KILLED, SURE_LIKELY);
}
END_TEST

START_TEST(judge__believes_the_kernel_log_over_counters)
{
	const struct evidence e[] = { { .what = EV_KERNEL_OOM, .pid = 100, .cgroup = true } };
	const struct evidence other[] = { { .what = EV_KERNEL_OOM, .pid = 101 } };
	struct fact f = base(FACT_SIGNALED, SIGKILL);
	struct verdict v;

	f.oom_after = f.oom_before + 1;
	f.m.mem_available = f.before_available = 0;
	f.cg_oom_before = f.cg_oom_after = MACHINE_NONE;
	v = judge(&f, 1, e);
	expect(&v, CAUSE_OOM_CGROUP, SURE_CERTAIN);
	v = judge(&f, 1, other);
	expect(&v, CAUSE_OOM_KERNEL, SURE_LIKELY);
	/* The log names the pid, but it ended by itself: an old line, a pid given again. */
	f = base(FACT_EXITED, 0);
	v = judge(&f, 1, e);
	expect(&v, CAUSE_EXITED, SURE_CERTAIN);
}
END_TEST

START_TEST(judge__does_not_deny_a_guard_it_may_not_read_of)
{
	const struct evidence closed[] = { { .what = EV_CLOSED } };
	struct fact f = base(FACT_SIGNALED, SIGTERM);
	struct verdict v = judge(&f, 1, closed);

	expect(&v, CAUSE_TERMINATED, SURE_LIKELY);
	f.before_available = GIB; /* of 16 */
	v = judge(&f, 1, closed);
	expect(&v, CAUSE_OOM_GUARD, SURE_POSSIBLE);
	v = judge(&f, 0, NULL);
	expect(&v, CAUSE_TERMINATED, SURE_CERTAIN);
	f = base(FACT_SIGNALED, SIGKILL);
	v = judge(&f, 1, closed);
	expect(&v, CAUSE_KILLED, SURE_LIKELY);
	f.before_available = GIB;
	v = judge(&f, 1, closed);
	expect(&v, CAUSE_OOM_GUARD, SURE_POSSIBLE);
}
END_TEST

START_TEST(judge__reads_the_counters)
{
	struct fact f = base(FACT_SIGNALED, SIGKILL);
	struct verdict v;

	f.oom_after = 1; /* the machine's moved, our group's did not: somebody else */
	v = judge(&f, 0, NULL);
	expect(&v, CAUSE_KILLED, SURE_CERTAIN);
	f.cg_oom_after = 1; /* ours did, the machine has room */
	v = judge(&f, 0, NULL);
	expect(&v, CAUSE_OOM_CGROUP, SURE_LIKELY);
	f.m.mem_available = f.before_available = GIB / 8;
	v = judge(&f, 0, NULL);
	expect(&v, CAUSE_OOM_KERNEL, SURE_LIKELY);
	f.status = FACT_UNKNOWN;
	v = judge(&f, 0, NULL);
	expect(&v, CAUSE_OOM_KERNEL, SURE_POSSIBLE);
	/* What is left afterwards is what the victim gave back: the machine had none before. */
	f = base(FACT_SIGNALED, SIGKILL);
	f.oom_after = f.cg_oom_after = 1;
	f.before_available = GIB / 8;
	v = judge(&f, 0, NULL);
	expect(&v, CAUSE_OOM_KERNEL, SURE_LIKELY);
	/* A group full to its limit, one that was not, and none with a limit at all. */
	f.before_available = 8 * GIB;
	f.cg_limit = GIB;
	f.cg_peak = GIB - 4096;
	v = judge(&f, 0, NULL);
	expect(&v, CAUSE_OOM_CGROUP, SURE_LIKELY);
	f.cg_peak = GIB / 2;
	v = judge(&f, 0, NULL);
	expect(&v, CAUSE_OOM_KERNEL, SURE_LIKELY);
	f.cg_limit = 0;
	v = judge(&f, 0, NULL);
	expect(&v, CAUSE_OOM_KERNEL, SURE_LIKELY);
	/* No OOM killer sends SIGTERM. */
	f = base(FACT_SIGNALED, SIGTERM);
	f.oom_after = f.cg_oom_after = 1;
	v = judge(&f, 0, NULL);
	expect(&v, CAUSE_TERMINATED, SURE_CERTAIN);
}
END_TEST

START_TEST(judge__takes_a_run_at_its_word)
{
	const struct evidence e[] = { { .what = EV_WANT, .pid = 100, .cause = CAUSE_OOM_GPU },
		{ .what = EV_LEDGER, .pid = 100, .who = "holdfast" } };
	struct fact f = base(FACT_EXITED, 1);
	struct verdict v = judge(&f, 1, e);

	expect(&v, CAUSE_OOM_GPU, SURE_CERTAIN);
	ck_assert_ptr_nonnull(strstr(v.text, "GPU memory"));
	ck_assert(cause_unwanted(v.cause) && cause_from_name(cause_name(v.cause)) == v.cause);
	v = judge(&f, 2, e); /* whoever ended it knows better */
	expect(&v, CAUSE_OOM_GUARD, SURE_CERTAIN);
	f.proc.pid = 101; /* another's */
	v = judge(&f, 1, e);
	expect(&v, CAUSE_FAILED, SURE_CERTAIN);
}
END_TEST

START_TEST(judge__tells_a_command_from_the_guard)
{
	const struct evidence e[] = { { .what = EV_LEDGER, .pid = 100, .orderly = true,
					      .who = "detect stop" },
		{ .what = EV_LEDGER, .pid = 100, .who = "holdfast" } };
	struct fact f = base(FACT_SIGNALED, SIGTERM);
	struct verdict v = judge(&f, 1, e);

	expect(&v, CAUSE_TERMINATED, SURE_CERTAIN);
	ck_assert_ptr_nonnull(strstr(v.text, "by hand: detect stop"));
	ck_assert(!cause_unwanted(v.cause));
	f = base(FACT_SIGNALED, SIGKILL);
	v = judge(&f, 1, e);
	expect(&v, CAUSE_TERMINATED, SURE_CERTAIN);
	/* Both: memory ran out, whoever was the first. */
	v = judge(&f, 2, e);
	expect(&v, CAUSE_OOM_GUARD, SURE_CERTAIN);
}
END_TEST

START_TEST(judge__names_the_guard)
{
	const struct evidence e[] = { { .what = EV_GUARD, .pid = 100, .who = "earlyoom" } };
	struct fact f = base(FACT_SIGNALED, SIGTERM);
	struct verdict v = judge(&f, 1, e);

	expect(&v, CAUSE_OOM_GUARD, SURE_CERTAIN);
	ck_assert_str_eq(v.who, "earlyoom");
	ck_assert_ptr_nonnull(strstr(v.text, "earlyoom"));
	f = base(FACT_EXITED, 1); /* it caught the signal and left with a code */
	v = judge(&f, 1, e);
	expect(&v, CAUSE_OOM_GUARD, SURE_CERTAIN);
}
END_TEST

START_TEST(judge__lays_a_run_to_its_worker)
{
	const struct evidence e[] = { { .what = EV_CHILD, .pid = 107, .cause = CAUSE_OOM_KERNEL } };
	struct fact f = base(FACT_EXITED, 1);
	struct verdict v = judge(&f, 1, e);

	expect(&v, CAUSE_OOM_KERNEL, SURE_LIKELY);
	ck_assert_int_eq(v.by_child, 107);
	f.code = 0; /* the run got over it */
	v = judge(&f, 1, e);
	expect(&v, CAUSE_EXITED, SURE_CERTAIN);
	f = base(FACT_SIGNALED, SIGSEGV); /* its own fault */
	v = judge(&f, 1, e);
	expect(&v, CAUSE_CRASHED, SURE_CERTAIN);
	f = base(FACT_EXITED, 0);
	f.role = (struct role_of){ KIND_EDITOR, FAMILY_CODE_SERVER,
		ROLE_SERVER }; /* exits 0 whatever its child died of */
	v = judge(&f, 1, e);
	expect(&v, CAUSE_OOM_KERNEL, SURE_LIKELY);
}
END_TEST

START_TEST(judge__takes_helpers_of_a_quit_editor_for_quit)
{
	const struct evidence quit[] = { { .what = EV_PARENT, .pid = 90, .cause = CAUSE_QUIT } };
	const struct evidence killed[] = {
		{ .what = EV_PARENT, .pid = 90, .cause = CAUSE_KILLED }
	};
	struct fact f = editor(ROLE_RENDERER, FACT_SIGNALED, SIGKILL);
	struct verdict v = judge(&f, 1, quit);

	expect(&v, CAUSE_QUIT, SURE_LIKELY);
	v = judge(&f, 1, killed);
	expect(&v, CAUSE_KILLED, SURE_LIKELY);
	ck_assert_int_eq(v.with_parent, 90);
	f.signal = SIGSEGV;
	v = judge(&f, 1, quit);
	expect(&v, CAUSE_CRASHED, SURE_CERTAIN);
}
END_TEST

START_TEST(judge__without_a_status_asks_the_editors_traces)
{
	const struct evidence left[] = { { .what = EV_EDITOR_LOCK } };
	const struct evidence gone[] = { { .what = EV_EDITOR_LOCK, .orderly = true } };
	const struct evidence said[] = { { .what = EV_EDITOR_LOG, .cause = CAUSE_KILLED } };
	const struct evidence fault[] = { { .what = EV_KERNEL_FAULT, .pid = 100 } };
	struct fact f = editor(ROLE_MAIN, FACT_UNKNOWN, 0);
	struct verdict v = judge(&f, 0, NULL);

	expect(&v, CAUSE_UNKNOWN, SURE_POSSIBLE);
	v = judge(&f, 1, left);
	expect(&v, CAUSE_UNKNOWN, SURE_POSSIBLE);
	v = judge(&f, 1, gone);
	expect(&v, CAUSE_QUIT, SURE_POSSIBLE);
	v = judge(&f, 1, fault);
	expect(&v, CAUSE_CRASHED, SURE_CERTAIN);
	v = judge(&f, 1, said);
	expect(&v, CAUSE_KILLED, SURE_LIKELY);
}
END_TEST

START_TEST(judge__tells_quit_logout_and_a_lost_machine)
{
	const struct evidence closed[] = { { .what = EV_CLOSED } };
	const struct evidence down[] = { { .what = EV_LOGIND, .orderly = true } };
	struct fact f = editor(ROLE_MAIN, FACT_EXITED, 0);
	struct verdict v = judge(&f, 0, NULL);

	expect(&v, CAUSE_QUIT, SURE_CERTAIN);
	f = editor(ROLE_MAIN, FACT_SIGNALED, SIGTERM);
	v = judge(&f, 1, down);
	expect(&v, CAUSE_LOGOUT, SURE_LIKELY);
	f = (struct fact){ .kind = FACT_MACHINE };
	v = judge(&f, 0, NULL);
	expect(&v, CAUSE_MACHINE_LOST, SURE_LIKELY);
	v = judge(&f, 1, closed);
	expect(&v, CAUSE_MACHINE_LOST, SURE_POSSIBLE);
	v = judge(&f, 1, down);
	expect(&v, CAUSE_LOGOUT, SURE_LIKELY);
}
END_TEST

START_TEST(names__are_all_there)
{
	for (enum cause c = CAUSE_UNKNOWN; c <= CAUSE_MACHINE_LOST; c++)
		ck_assert_uint_gt(strlen(cause_name(c)), 0);
	ck_assert(cause_unwanted(CAUSE_OOM_GUARD) && !cause_unwanted(CAUSE_QUIT) &&
		  !cause_unwanted(CAUSE_FAILED));
}
END_TEST

CHECK_MAIN("cause", judge__takes_code_and_signal_as_they_are,
	judge__is_less_sure_of_a_kill_without_counters,
	judge__believes_the_kernel_log_over_counters,
	judge__does_not_deny_a_guard_it_may_not_read_of, judge__reads_the_counters,
	judge__takes_a_run_at_its_word, judge__tells_a_command_from_the_guard,
	judge__names_the_guard, judge__lays_a_run_to_its_worker,
	judge__takes_helpers_of_a_quit_editor_for_quit,
	judge__without_a_status_asks_the_editors_traces,
	judge__tells_quit_logout_and_a_lost_machine, names__are_all_there)
