#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#include "detect/command.h"
#include "detect/evidence.h"
#include "lib/auto.h"
#include "lib/io.h"

START_TEST(kernel_line__names_the_pid)
{
	static const struct {
		const char *line;
		int pid;
		enum evidence_what what;
		bool cgroup;
	} row[] = {
		{ "Out of memory: Killed process 4321 (code) total-vm:1kB, anon-rss:1kB", 4321,
			EV_KERNEL_OOM, false },
		{ "Out of memory: Kill process 12 (python3) score 900 or sacrifice child", 12,
			EV_KERNEL_OOM, false },
		{ "Memory cgroup out of memory: Killed process 9 (a b) total-vm:5kB", 9,
			EV_KERNEL_OOM, true },
		{ "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/"
		  ",mems_allowed=0,oom_memcg=/x,task_memcg=/x,"
		  "task=leaker,pid=23793,uid=0",
			23793, EV_KERNEL_OOM, true },
		{ "oom-kill:constraint=CONSTRAINT_NONE,task=a,pid=1,uid=5,pid=77,uid=0", 77,
			EV_KERNEL_OOM, false },
		{ "python3[1234]: segfault at 0 ip 00007f sp 00007f error 4 in libc", 1234,
			EV_KERNEL_FAULT, false },
		{ "traps: code[55] trap int3 ip:55 sp:7f error:0", 55, EV_KERNEL_FAULT, false },
		{ "a[1]b[66]: segfault at 10 ip 0", 66, EV_KERNEL_FAULT, false },
	};
	static const char *const no[] = { "", "oom_reaper: reaped process 1 (x), now anon-rss:0kB",
		"usb 1-1: new device", "Out of memory: Killed process -1 (x)",
		"Out of memory: Killed process 99999999999999999999 (x)",
		"x: Out of memory: Killed process 5 (y)",
		"oom-kill:constraint=CONSTRAINT_NONE,task=a", "[1]: segfaul" };
	struct evidence e;

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		ck_assert_msg(evidence_kernel_line(row[i].line, &e) == 1, "%s", row[i].line);
		ck_assert_msg(
			e.pid == row[i].pid && e.what == row[i].what && e.cgroup == row[i].cgroup,
			"%s", row[i].line);
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		ck_assert_msg(evidence_kernel_line(no[i], &e) == 0, "%s", no[i]);
}
END_TEST

START_TEST(guard_line__names_the_guard)
{
	struct evidence e;
	pid_t v = 0;

	ck_assert_int_eq(evidence_guard_line("sending SIGTERM to process 812 uid 1000 \"python3\": "
					     "badness 800, VmRSS 3 MiB",
				 &v, &e),
		1);
	ck_assert_int_eq(e.pid, 812);
	ck_assert_str_eq(e.who, "earlyoom");
	ck_assert_int_eq(
		evidence_guard_line(
			"Killed /user.slice/user-1000.slice/app-code.scope due to memory pressure "
			"for"
			" /user.slice being 82.36% > 80.00% for > 20s with reclaim activity",
			&v, &e),
		1);
	ck_assert_str_eq(e.who, "systemd-oomd");
	ck_assert(e.cgroup && e.pid == 0);
	/* Its self-test at start, and a process that calls itself so. */
	ck_assert_int_eq(
		evidence_guard_line(
			"sending 0 (no-op signal) to process 1 uid 0 \"x\": badness 0", &v, &e),
		0);
	/* nohang: who, then what is done; in between it may still decide otherwise. */
	ck_assert_int_eq(evidence_guard_line("  Sending SIGTERM to the victim", &v, &e), 0);
	ck_assert_int_eq(evidence_guard_line("  PID:       4711, name: python3, state: R "
					     "(running), EUID: 1000, SID: 1 (sh), "
					     "lifetime: 3s",
				 &v, &e),
		0);
	ck_assert_int_eq(evidence_guard_line("Memory info, MiB:", &v, &e), 0);
	ck_assert_int_eq(evidence_guard_line("  Sending SIGTERM to the victim", &v, &e), 1);
	ck_assert_int_eq(e.pid, 4711);
	ck_assert_str_eq(e.who, "nohang");
	ck_assert_int_eq(evidence_guard_line("  Sending SIGKILL to the victim", &v, &e), 0);
	ck_assert_int_eq(evidence_guard_line("process 7 cmdline \"sending SIGTERM\"", &v, &e), 0);
}
END_TEST

START_TEST(editor_line__tells_order_from_crash)
{
	static const struct {
		const char *line;
		int pid;
		bool orderly;
	} row[] = {
		{ "2023-01-17 07:29:33.660 [error] CodeWindow: renderer process gone (reason: "
		  "killed, code: 9)",
			0, false },
		{ "x CodeWindow: renderer process gone (reason: clean-exit, code: 0)", 0, true },
		{ "[UtilityProcess id: 1, type: extensionHost, pid: 42]: crashed with code 9 and "
		  "reason 'killed'",
			42, false },
		{ "Extension host with pid 77 exited with code: 0, signal: unknown.", 77, true },
		{ "Extension host with pid 77 exited with code: 133, signal: unknown.", 77, false },
		{ "[10.0.0.1][1a2b][ExtensionHostConnection] <31092> Extension Host Process exited "
		  "with code: null, signal: SIGKILL.",
			31092, false },
		{ "Extension host terminating: received terminate message from renderer", 0, true },
		{ "Extension host terminating: parent process 12 does not exist anymore: kill "
		  "ESRCH (code: ESRCH) (errno: -3)",
			12, false },
	};
	struct evidence e;

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		ck_assert_msg(evidence_editor_line(row[i].line, &e) == 1, "%s", row[i].line);
		ck_assert_msg(
			e.pid == row[i].pid && e.orderly == row[i].orderly, "%s", row[i].line);
	}
	ck_assert_int_eq(evidence_editor_line("[info] Extension host with pid 5 is ready", &e), 0);
}
END_TEST

START_TEST(quotes__are_one_printable_line)
{
	struct evidence e;
	char line[2000] = "Out of memory: Killed process 4321 (\x1b[2J\n\x01) ";

	memset(line + strlen(line), 'x', 1500);
	ck_assert_int_eq(evidence_kernel_line(line, &e), 1);
	ck_assert_uint_eq(strlen(e.text), sizeof(e.text) - 1);
	for (const char *s = e.text; *s; s++)
		ck_assert_int_ge((unsigned char)*s, ' ');
}
END_TEST

START_TEST(other_lines__are_told_apart)
{
	struct evidence e;
	uint64_t start = 0;
	char own[64];

	ck_assert_int_eq(
		evidence_core_line("Process 51 (python3) of user 1000 dumped core.", &e), 1);
	ck_assert(e.pid == 51 && e.what == EV_CORE);
	ck_assert_int_eq(
		evidence_core_line("Process 51 (x) of user 1000 terminated abnormally", &e), 0);
	ck_assert_int_eq(evidence_down_line("System is rebooting.", &e), 1);
	ck_assert(e.what == EV_LOGIND && e.orderly);
	(void)snprintf(own, sizeof(own), "Stopping User Manager for UID %u...", (unsigned)getuid());
	ck_assert_int_eq(evidence_down_line(own, &e), 1);
	(void)snprintf(
		own, sizeof(own), "Stopping User Manager for UID %u...", (unsigned)getuid() + 1);
	ck_assert_int_eq(evidence_down_line(own, &e), 0);
	ck_assert_int_eq(
		evidence_ledger_line("1700000000123\t51\t777\tkill\tmemory 97 %", &start, &e), 1);
	ck_assert(e.pid == 51 && start == 777 && e.real_ms == 1700000000123 && e.what == EV_LEDGER);
	ck_assert_int_eq(
		evidence_ledger_line("1700000000123\t51\t777\tfreeze\tmemory", &start, &e), 0);
	ck_assert_int_eq(evidence_ledger_line("1700000000123\t51\t777\tgpu\trun 1: CUDA out of memory", &start, &e), 1);
	ck_assert(e.pid == 51 && e.what == EV_WANT && e.cause == CAUSE_OOM_GPU);
	ck_assert_int_eq(evidence_ledger_line("1700000000123\t51\t777\tshm\tx", &start, &e), 1);
	ck_assert(e.what == EV_WANT && e.cause == CAUSE_OOM_SHM);
	ck_assert(!e.orderly);
	/* Typed by somebody: no guard, and no lack of memory. */
	ck_assert_int_eq(evidence_ledger_line("17\t51\t777\tterm\tdetect stop", &start, &e), 1);
	ck_assert(e.orderly && e.what == EV_LEDGER);
	ck_assert_str_eq(e.who, "detect stop");
	ck_assert_int_eq(evidence_ledger_line("17\t51\t777\tkill\thf-detect top", &start, &e), 1);
	ck_assert(e.orderly);
	ck_assert_int_eq(evidence_ledger_line("17\t51\t777\tkill\tmemory stop", &start, &e), 1);
	ck_assert(!e.orderly);
	ck_assert_int_eq(evidence_ledger_line("17\t51\t777\tkill\t", &start, &e), 1);
	ck_assert(!e.orderly);
	ck_assert_int_eq(evidence_ledger_line("1700000000123\t51\t", &start, &e), 0);
	ck_assert_int_eq(evidence_ledger_line("17", &start, &e), 0);
}
END_TEST

START_TEST(stamps__are_read_as_they_are_written)
{
	const uint64_t at = 1700000000000; /* 2023-11-14 22:13:20 UTC */
	uint64_t ms = 0;

	ck_assert_int_eq(setenv("TZ", "UTC", 1), 0);
	tzset();
	ck_assert_str_eq(stamp_unix("1700000000.123456 host x: y", &ms), "host x: y");
	ck_assert_uint_eq(ms, at + 123);
	ck_assert_str_eq(stamp_local("2023-11-14 22:13:20.660 [error] z", &ms), "[error] z");
	ck_assert_uint_eq(ms, at + 660);
	ck_assert_str_eq(stamp_syslog("2023-11-14T23:13:20.5+01:00 host", at, &ms), "host");
	ck_assert_uint_eq(ms, at + 500);
	ck_assert_str_eq(stamp_syslog("Nov 14 22:13:20 host", at, &ms), "host");
	ck_assert_uint_eq(ms, at);
	/* Read in January, written in December. */
	ck_assert_str_eq(stamp_syslog("Dec 31 23:59:59 h", 1704067201000, &ms), "h");
	ck_assert_uint_eq(ms, 1704067199000);
	ck_assert_ptr_nonnull(stamp_syslog("Nov  4 22:13:20 host", at, &ms));
	ck_assert_ptr_null(stamp_syslog("Foo 14 22:13:20 host", at, &ms));
	ck_assert_ptr_null(stamp_local("2023-11-14", &ms));
	ck_assert_ptr_null(stamp_local("2023-13-14 22:13:20 x", &ms));
	ck_assert_ptr_null(stamp_unix("1700000000", &ms));
}
END_TEST

/* ---- recorded machines: a folder of files, as they were found ---- */

static const uint64_t died = 1700000000000;

static struct fact exit_fact(int sig)
{
	struct fact f = { .kind = FACT_EXIT,
		.proc = { 4711, 5 },
		.status = FACT_SIGNALED,
		.signal = sig,
		.comm = "python3",
		.real_ms = died,
		.role = { KIND_TRAINING, FAMILY_NONE, ROLE_RUN },
		.cgroup = "/user.slice/a.scope/b" };

	return f;
}

static void put(int dirfd, const char *name, const char *text)
{
	char dir[256];
	const char *slash = strrchr(name, '/');
	int fd;

	if (slash) {
		(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - name), name);
		ck_assert_int_eq(io_mkdir_p(dirfd, dir, 0700), 0);
	}
	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write_all(fd, text, strlen(text)), 0);
	ck_assert_int_eq(
		futimens(fd, (struct timespec[]){ { died / 1000 + 1, 0 }, { died / 1000 + 1, 0 } }),
		0);
	(void)close(fd);
}

static struct evidence_places places(const char *dir, char *kmsg, size_t n)
{
	(void)snprintf(kmsg, n, "%s/kmsg", dir);
	return (struct evidence_places){ .kmsg = kmsg,
		.kmsg_zero_ms = died - 100000,
		.journalctl = "",
		.log_dir = dir,
		.core_pattern = "/nonexistent",
		.pid_ns = "/nonexistent" };
}

START_TEST(gather__takes_what_names_the_process_at_its_time)
{
	struct evidence_list l = { 0 };
	struct fact f = exit_fact(SIGKILL);
	struct evidence_places at;
	const char *dir;
	char kmsg[512], link[512];
	int dirfd;

	dir = check_dir(&dirfd);
	at = places(dir, kmsg, sizeof(kmsg));
	put(dirfd, "kmsg",
		"6,1,20000000,-;Out of memory: Killed process 4711 (old) total-vm:1kB\n" /* 80 s
											    before
											  */
		"4,2,99000000,-;Memory cgroup out of memory: Killed process 4711 (python3) "
		"total-vm:9kB\n SUBSYSTEM=x\n"
		"4,3,99500000,-;Memory cgroup out of memory: Killed process 4712 (python3) "
		"total-vm:9kB\n");
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_ALL, &l), 0);
	ck_assert_uint_eq(l.n, 1);
	ck_assert(l.e[0].what == EV_KERNEL_OOM && l.e[0].cgroup && l.e[0].real_ms == died - 1000);
	/* In a container the kernel's 4711 is somebody else. */
	(void)snprintf(link, sizeof(link), "%s/pid", dir);
	ck_assert_int_eq(symlink("pid:[4026532999]", link), 0);
	at.pid_ns = link;
	l.n = 0;
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_KERNEL, &l), 0);
	ck_assert(l.n == 1 && l.e[0].what == EV_CLOSED);
	at.pid_ns = "/nonexistent";
	/* Where it is closed, that is said. */
	at.kmsg = "/nonexistent/kmsg";
	l.n = 0;
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_KERNEL, &l), 0);
	ck_assert(l.n == 1 && l.e[0].what == EV_CLOSED);
}
END_TEST

START_TEST(gather__reads_syslog_and_believes_nobody_but_the_guards)
{
	struct evidence_list l = { 0 };
	struct fact f = exit_fact(SIGTERM);
	struct evidence_places at;
	const char *dir;
	char kmsg[512];
	int dirfd;

	dir = check_dir(&dirfd);
	at = places(dir, kmsg, sizeof(kmsg));
	put(dirfd, "kmsg", "");
	put(dirfd, "syslog",
		"2023-11-14T22:13:19+00:00 h logger: sending SIGTERM to process 4711 uid 1000 "
		"\"python3\": badness 1\n"
		"2023-11-14T22:13:19+00:00 h prog[4]: Out of memory: Killed process 4711 (x) "
		"total-vm:1kB\n"
		"2023-11-14T22:13:19+00:00 h systemd-oomd[5]: Killed /user.slice/a.scope due to "
		"memory pressure for /user.slice being\n"
		"2023-11-14T22:13:19+00:00 h systemd-oomd[5]: Killed /user.slice/a due to memory "
		"pressure for /user.slice being\n");
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_ALL, &l), 0);
	ck_assert_uint_eq(l.n, 1);
	ck_assert(l.e[0].what == EV_GUARD && l.e[0].pid == 4711);
	ck_assert_str_eq(l.e[0].who, "systemd-oomd");
}
END_TEST

START_TEST(gather__reads_earlyooms_own_log)
{
	struct evidence_list l = { 0 };
	struct fact f = exit_fact(SIGTERM);
	struct evidence_places at;
	const char *dir;
	char kmsg[512], log[512];
	const char *const logs[] = { log, NULL };
	int dirfd;

	dir = check_dir(&dirfd);
	at = places(dir, kmsg, sizeof(kmsg));
	at.guard_logs = logs;
	(void)snprintf(log, sizeof(log), "%s/earlyoom.log", dir);
	put(dirfd, "kmsg", "");
	put(dirfd, "earlyoom.log",
		"low memory! at or below SIGTERM limits: mem 10.00%, swap 10.00%\n"
		"sending SIGTERM to process 4711 uid 1000 \"python3\": badness 900, VmRSS 800 "
		"MiB\n");
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_FILES, &l), 0);
	ck_assert(l.n == 1 && l.e[0].what == EV_GUARD);
	/* Another program that had this pid before. */
	memcpy(f.comm, "ruby", 5);
	l.n = 0;
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_FILES, &l), 0);
	ck_assert_uint_eq(l.n, 0);
}
END_TEST

START_TEST(gather__reads_the_editors_logs_and_locks)
{
	struct evidence_list l = { 0 };
	struct fact f = exit_fact(SIGKILL);
	struct evidence_places at;
	const char *dir;
	char kmsg[512];
	int dirfd;

	ck_assert_int_eq(setenv("TZ", "UTC", 1), 0);
	tzset();
	dir = check_dir(&dirfd);
	at = places(dir, kmsg, sizeof(kmsg));
	(void)snprintf(f.user_data, sizeof(f.user_data), "%s", dir);
	f.role = (struct role_of){ KIND_EDITOR, FAMILY_VSCODE, ROLE_RENDERER };
	put(dirfd, "logs/20221114T221300/main.log",
		"2023-11-14 22:13:21.000 [error] CodeWindow: renderer process gone (reason: oom, "
		"code: 1)\n");
	for (int i = 0; i < 5; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "logs/2023111%dT221300/main.log", i);
		put(dirfd, name, "nothing\n");
	}
	put(dirfd, "logs/20231114T221300/main.log",
		"2023-11-14 21:13:21.000 [error] CodeWindow: renderer process gone (reason: "
		"crashed, code: 11)\n"
		"2023-11-14 22:13:21.000 [error] CodeWindow: renderer process gone (reason: "
		"killed, code: 9)\n");
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_EDITOR, &l), 0);
	ck_assert_uint_eq(l.n, 1);
	ck_assert(l.e[0].what == EV_EDITOR_LOG && l.e[0].cause == CAUSE_KILLED);
	/* The main process: a lock that it left. */
	f.role.role = ROLE_MAIN;
	put(dirfd, "code.lock", "4711");
	l.n = 0;
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_EDITOR, &l), 0);
	ck_assert(l.n == 1 && l.e[0].what == EV_EDITOR_LOCK && !l.e[0].orderly);
	ck_assert_int_eq(unlinkat(dirfd, "code.lock", 0), 0);
	l.n = 0;
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_EDITOR, &l), 0);
	ck_assert_uint_eq(l.n, 0); /* it was killed: whether there ever was a lock nobody knows */
	f.status = FACT_UNKNOWN;
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_EDITOR, &l), 0);
	ck_assert(l.n == 1 && l.e[0].orderly);
	/* An extension host's lock in its workspace. */
	f.role.role = ROLE_EXTENSION_HOST;
	put(dirfd, "User/workspaceStorage/abc/vscode.lock", "{\"pid\":4711,\"willReleaseAt\":0}");
	l.n = 0;
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_EDITOR, &l), 0);
	ck_assert(l.n == 1 && l.e[0].what == EV_EDITOR_LOCK && !l.e[0].orderly);
}
END_TEST

START_TEST(gather__tells_a_shutdown_from_a_lost_machine)
{
	struct utmp u[2] = { { .ut_type = BOOT_TIME, .ut_user = "reboot" },
		{ .ut_type = RUN_LVL, .ut_user = "shutdown" } };
	struct evidence_list l = { 0 };
	struct fact f = { .kind = FACT_MACHINE, .real_ms = died };
	struct evidence_places at;
	const char *dir;
	char kmsg[512];
	int dirfd, fd;

	dir = check_dir(&dirfd);
	at = places(dir, kmsg, sizeof(kmsg));
	at.now_ms = died + 3600000;
	u[0].ut_tv.tv_sec = (int32_t)(died / 1000 - 9000);
	u[1].ut_tv.tv_sec = (int32_t)(died / 1000 + 20);
	fd = openat(dirfd, "wtmp", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(io_write_all(fd, u, sizeof(u)), 0);
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_ALL, &l), 0);
	ck_assert(l.n == 1 && l.e[0].what == EV_LOGIND && l.e[0].orderly);
	/* That shutdown was another, a day before. */
	f.real_ms += 86400000;
	at.now_ms += 86400000;
	l.n = 0;
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_ALL, &l), 0);
	ck_assert_uint_eq(l.n, 0);
	/* A file that never saw a boot says nothing by its silence. */
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	(void)close(fd);
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_ALL, &l), 0);
	ck_assert(l.n == 1 && l.e[0].what == EV_CLOSED);
}
END_TEST

START_TEST(gather__reads_the_ledger_and_core_files)
{
	struct evidence_list l = { 0 };
	struct fact f = exit_fact(SIGKILL);
	struct evidence_places at;
	const char *dir;
	char kmsg[512], pattern[512];
	int dirfd;

	dir = check_dir(&dirfd);
	at = places(dir, kmsg, sizeof(kmsg));
	at.state_dirfd = dirfd;
	put(dirfd, "kmsg", "");
	put(dirfd, DETECT_LEDGER,
		"1699999999000\t4711\t6\tkill\tanother start\n1699999999000\t4711\t5\tkill\tmemory "
		"97 %\n");
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_KERNEL, &l), 0);
	ck_assert(l.n == 1 && l.e[0].what == EV_LEDGER);
	l.n = 0;
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_FILES, &l), 0); /* whatever else is asked for */
	ck_assert(l.n == 1 && l.e[0].what == EV_LEDGER);
	put(dirfd, DETECT_LEDGER, "");
	f.signal = SIGSEGV;
	f.core = true;
	(void)snprintf(f.cwd, sizeof(f.cwd), "%s", dir);
	(void)snprintf(pattern, sizeof(pattern), "%s/pattern", dir);
	at.core_pattern = pattern;
	put(dirfd, "pattern", "core.%e.%p\n");
	put(dirfd, "core.python3.14711", "x");
	put(dirfd, "core.python3.4711", "x");
	l.n = 0;
	ck_assert_int_eq(evidence_gather(&at, &f, FROM_FILES, &l), 0);
	ck_assert(l.n == 1 && l.e[0].what == EV_CORE);
	ck_assert_ptr_nonnull(strstr(l.e[0].text, "core.python3.4711"));
}
END_TEST

START_TEST(list__keeps_causes_rather_than_closed_doors)
{
	struct evidence_list l = { 0 };
	struct evidence e = { .what = EV_CLOSED };

	for (int i = 0; i < EVIDENCE_MAX + 3; i++) {
		(void)snprintf(e.text, sizeof(e.text), "%d", i);
		evidence_add(&l, &e);
	}
	ck_assert_uint_eq(l.n, EVIDENCE_MAX);
	e.what = EV_KERNEL_OOM;
	evidence_add(&l, &e);
	evidence_add(&l, &e);
	ck_assert_uint_eq(l.n, EVIDENCE_MAX);
	ck_assert_int_eq(l.e[0].what, EV_KERNEL_OOM);
	ck_assert_int_eq(l.e[1].what, EV_CLOSED);
}
END_TEST

START_TEST(command__has_a_limit_and_no_shell)
{
	autoput(buf_release) struct buf out = BUF_INIT;
	const char *cat[] = { "cat", NULL }, *sleeps[] = { "sleep", "60", NULL },
		   *none[] = { "no-such-program-here", NULL };
	struct command_run c = { .argv = cat,
		.in = "a;b $(c)",
		.in_len = 8,
		.timeout_ms = 20000,
		.max = 5,
		.out = &out };

	ck_assert_int_eq(command_run(&c), 0);
	ck_assert_str_eq(out.data, "a;b $");
	c = (struct command_run){ .argv = sleeps, .timeout_ms = 50 };
	ck_assert_int_eq(command_run(&c), -ETIMEDOUT);
	c.argv = none;
	ck_assert_int_eq(command_run(&c), -ENOENT);
}
END_TEST

CHECK_MAIN("evidence", kernel_line__names_the_pid, guard_line__names_the_guard,
	editor_line__tells_order_from_crash, quotes__are_one_printable_line,
	other_lines__are_told_apart, stamps__are_read_as_they_are_written,
	gather__takes_what_names_the_process_at_its_time,
	gather__reads_syslog_and_believes_nobody_but_the_guards, gather__reads_earlyooms_own_log,
	gather__reads_the_editors_logs_and_locks, gather__tells_a_shutdown_from_a_lost_machine,
	gather__reads_the_ledger_and_core_files, list__keeps_causes_rather_than_closed_doors,
	command__has_a_limit_and_no_shell)
