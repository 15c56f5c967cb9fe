#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/fields.h"
#include "detect/procs.h"
#include "lib/auto.h"
#include "lib/io.h"

static struct proc p;

static int proc_dir(void)
{
	int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(proc__we_are_who_we_are)
{
	autoclose int fd = proc_dir();

	ck_assert_int_eq(proc_read(fd, getpid(), PROC_STAT | PROC_EXE_ARGV | PROC_ADJ, &p), 0);
	ck_assert_int_eq(p.id.pid, getpid());
	ck_assert_int_eq(p.ppid, getppid());
	ck_assert_int_eq(p.sid, getsid(0));
	ck_assert_int_eq(p.pgrp, getpgrp());
	ck_assert_uint_eq(p.uid, geteuid());
	ck_assert_int_eq(p.state, 'R');
	ck_assert_uint_gt(p.id.start, 0);
	ck_assert_uint_gt(p.rss, 0);
	ck_assert_ptr_nonnull(strstr(p.exe, "test_procs"));
	ck_assert_ptr_nonnull(strstr(proc_arg(&p, 0), "test_procs"));
	ck_assert_ptr_null(proc_arg(&p, 1));
}
END_TEST

/* A child of ours with this name and these arguments, until it is told to go. */
static pid_t sleeper(const char *comm, char **argv)
{
	int pipe_fd[2];
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe2(pipe_fd, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (argv) {
			(void)execv("/bin/sleep", argv);
			_exit(127);
		}
		(void)prctl(PR_SET_NAME, comm);
		(void)close(pipe_fd[1]);
		(void)pause();
		_exit(0);
	}
	(void)close(pipe_fd[1]);
	(void)!read(pipe_fd[0], &c, 1);	/* its end: named, or another program */
	(void)close(pipe_fd[0]);
	return pid;
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

START_TEST(proc__a_name_may_hold_anything)
{
	autoclose int fd = proc_dir();
	pid_t pid = sleeper(") X 1 (\n\xff)", NULL);

	ck_assert_int_eq(proc_read(fd, pid, PROC_STAT, &p), 0);
	ck_assert_str_eq(p.comm, ") X 1 (\n\xff)");
	ck_assert_int_eq(p.ppid, getpid());
	ck_assert(p.state == 'R' || p.state == 'S');	/* on its way to sleep */
	end(pid);
	ck_assert_int_lt(proc_read(fd, pid, PROC_STAT, &p), 0);
	ck_assert_int_lt(proc_read(fd, pid, PROC_EXE_ARGV, &p), 0);
}
END_TEST

START_TEST(proc__long_arguments_are_cut)
{
	autoclose int fd = proc_dir();
	static char zero[] = "sleep", time[] = "1000", many[PROC_ARGV + 100];
	char *argv[] = { zero, time, NULL, NULL };
	pid_t pid;

	memset(many, '0', sizeof(many) - 1);
	many[sizeof(many) - 2] = '9';
	argv[1] = many;
	argv[2] = time;
	pid = sleeper(NULL, argv);
	ck_assert_int_eq(proc_read(fd, pid, PROC_EXE_ARGV | PROC_STAT, &p), 0);
	ck_assert_uint_eq(p.argv_len, PROC_ARGV - 1);
	ck_assert_str_eq(proc_arg(&p, 0), "sleep");
	ck_assert_uint_eq(strlen(proc_arg(&p, 1)), PROC_ARGV - 1 - 6);
	ck_assert_ptr_null(proc_arg(&p, 2));
	ck_assert_str_eq(p.comm, "sleep");
	end(pid);
}
END_TEST

START_TEST(proc__a_replaced_program_keeps_its_name)
{
	autoclose int fd = proc_dir();
	const char *dir = check_dir(NULL);
	char path[128], exe[PROC_EXE];
	pid_t pid;

	(void)snprintf(path, sizeof(path), "%s/code", dir);
	pid = fork();
	if (pid == 0) {
		(void)execl("/bin/cp", "cp", "/bin/sleep", path, NULL);
		_exit(127);
	}
	(void)waitpid(pid, NULL, 0);
	pid = fork();
	if (pid == 0) {
		(void)execl(path, "code", "1000", NULL);
		_exit(127);
	}
	do
		ck_assert_int_eq(proc_exe(fd, pid, exe), 0);
	while (strcmp(exe, path) != 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(proc_exe(fd, pid, exe), 0);
	ck_assert_str_eq(exe, path);
	end(pid);
}
END_TEST

START_TEST(proc__stat_of_any_bytes_is_refused_or_bounded)
{
	static const char good[] = "1 (a) S 7 8 9 0 -1 4194560 1 2 3 4 50 60 7 8 20 0 1 0 777 8 99 "
				   "18446744073709551615";
	char text[sizeof(good)];

	ck_assert_int_eq(proc_parse_stat(good, strlen(good), &p), 0);
	ck_assert_int_eq(p.ppid, 7);
	ck_assert_uint_eq(p.major_faults, 3);
	ck_assert_uint_eq(p.utime, 50);
	ck_assert_uint_eq(p.stime, 60);
	ck_assert_uint_eq(p.id.start, 777);
	ck_assert_uint_eq(p.rss, 99 * (uint64_t)sysconf(_SC_PAGESIZE));
	ck_assert_int_eq(proc_parse_stat("", 0, &p), -EBADMSG);
	ck_assert_int_eq(proc_parse_stat("1 a) (S", 7, &p), -EBADMSG);
	ck_assert_int_eq(proc_parse_stat("1 (a)", 5, &p), -EBADMSG);
	for (int round = 0; round < 20000; round++) {
		size_t n = check_below(sizeof(good));

		memcpy(text, good, sizeof(good));
		for (uint64_t k = check_below(8); k; k--)
			text[check_below(sizeof(text))] = (char)check_rand();
		(void)proc_parse_stat(text, n, &p);
		ck_assert_uint_lt(strnlen(p.comm, PROC_COMM), PROC_COMM);
	}
}
END_TEST

static int count(pid_t pid, void *arg)
{
	int *seen = arg;

	*seen += pid == getpid() || pid == getppid();
	return 0;
}

static int first(pid_t pid, void *arg)
{
	(void)arg;
	return pid;
}

START_TEST(procs__each_is_met_once)
{
	autoclose int fd = proc_dir();
	int seen = 0, dir;

	ck_assert_int_eq(procs_each(fd, count, &seen), 0);
	ck_assert_int_eq(seen, 2);
	ck_assert_int_gt(procs_each(fd, first, NULL), 0);
	(void)check_dir(&dir);
	ck_assert_int_eq(mkdirat(dir, "12x", 0700), 0);
	ck_assert_int_eq(mkdirat(dir, "99999999999999999999", 0700), 0);
	ck_assert_int_eq(mkdirat(dir, "0", 0700), 0);
	ck_assert_int_eq(mkdirat(dir, "-3", 0700), 0);
	ck_assert_int_eq(procs_each(dir, first, NULL), 0);
}
END_TEST

static void put(int at, const char *name, const char *text)
{
	autoclose int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write_all(fd, text, strlen(text)), 0);
}

static int sum(pid_t pid, void *arg)
{
	*(int *)arg += pid;
	return 0;
}

static int sum_of(int at, const char *children)
{
	int all = 0;

	put(at, "2/task/2/children", children);
	ck_assert_int_eq(procs_each_user(at, sum, &all), 0);
	return all;
}

START_TEST(procs__the_kernels_threads_are_passed_over)
{
	static const char *const dirs[] = { "1", "2", "2/task", "2/task/2", "3", "10", "20",
		"300" };
	autoclose int fd = proc_dir();
	int seen = 0, at;

	ck_assert_int_eq(procs_each_user(fd, count, &seen), 0);
	ck_assert_int_eq(seen, 2);
	(void)check_dir(&at);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		ck_assert_int_eq(mkdirat(at, dirs[i], 0700), 0);
	put(at, "2/stat", "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0\n"); /* PF_KTHREAD */
	ck_assert_int_eq(sum_of(at, "300 3 10 "), 1 + 20);
	ck_assert_int_eq(sum_of(at, "3 10"), 1 + 10 + 20 + 300); /* cut: it may be 100 */
	ck_assert_int_eq(sum_of(at, "3 x 10 "), 1 + 10 + 20 + 300);
	ck_assert_int_eq(sum_of(at, "3 99999999999999999999 10 "), 1 + 10 + 20 + 300);
	ck_assert_int_eq(sum_of(at, ""), 336);
	/* In a container it is a process as any, whatever it calls itself. */
	put(at, "2/stat", "2 (kthreadd) S 1 2 2 0 -1 4194560 0 0\n");
	ck_assert_int_eq(sum_of(at, "3 10 "), 336);
	put(at, "2/stat", "2 (kthreadd");
	ck_assert_int_eq(sum_of(at, "3 10 "), 336);
}
END_TEST

START_TEST(proc__pss_is_at_most_what_is_resident)
{
	autoclose int fd = proc_dir();
	uint64_t pss;

	ck_assert_int_eq(proc_pss(fd, getpid(), &pss), 0);
	ck_assert_int_eq(proc_read(fd, getpid(), PROC_STAT, &p), 0);
	ck_assert_uint_gt(pss, 0);
	ck_assert_uint_le(pss, p.rss + (1 << 20));
}
END_TEST

static const char *home;

static void world(void)
{
	home = check_dir(NULL);
	(void)unsetenv("HOLDFAST_STATE");
	(void)unsetenv("XDG_STATE_HOME");
	(void)unsetenv("XDG_RUNTIME_DIR");
	(void)setenv("HOME", home, 1);
}

static void is_at(int fd, const char *below)
{
	char path[256];
	struct stat a, b;

	(void)snprintf(path, sizeof(path), "%s/%s", home, below);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &a), 0);
	ck_assert_int_eq(stat(path, &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_uint_eq(a.st_mode & 07777, 0700);
	(void)close(fd);
}

START_TEST(place__follows_the_environment)
{
	char path[256];

	world();
	ck_assert_int_eq(detect_state_dir_if_any(), -ENOENT);
	is_at(detect_state_dir(), ".local/state/holdfast");
	is_at(detect_state_dir_if_any(), ".local/state/holdfast");
	is_at(detect_run_dir(), ".local/state/holdfast");
	(void)setenv("XDG_STATE_HOME", "relative", 1);	/* counts as unset */
	is_at(detect_state_dir(), ".local/state/holdfast");
	(void)snprintf(path, sizeof(path), "%s/s", home);
	(void)setenv("XDG_STATE_HOME", path, 1);
	is_at(detect_state_dir(), "s/holdfast");
	(void)snprintf(path, sizeof(path), "%s/r", home);
	(void)setenv("XDG_RUNTIME_DIR", path, 1);
	is_at(detect_run_dir(), "r/holdfast");
	(void)snprintf(path, sizeof(path), "%s/all/of/it", home);
	(void)setenv("HOLDFAST_STATE", path, 1);
	is_at(detect_state_dir(), "all/of/it");
	is_at(detect_run_dir(), "all/of/it");
	ck_assert_int_eq(chmod(path, 0755), 0);
	is_at(detect_state_dir(), "all/of/it");	/* closed again */
}
END_TEST

START_TEST(place__our_own_link_is_followed)
{
	char from[256], to[256];

	world();
	(void)snprintf(to, sizeof(to), "%s/big", home);
	(void)snprintf(from, sizeof(from), "%s/.local", home);
	ck_assert_int_eq(mkdir(to, 0755), 0);
	ck_assert_int_eq(symlink("big", from), 0);
	is_at(detect_state_dir(), "big/state/holdfast");
}
END_TEST

START_TEST(place__anothers_link_or_folder_is_not)
{
	char path[256];

	world();
	if (geteuid() != 0)
		return;	/* needs an owner other than us */
	(void)snprintf(path, sizeof(path), "%s/.local", home);
	ck_assert_int_eq(symlink("/", path), 0);
	ck_assert_int_eq(lchown(path, 65534, 65534), 0);
	ck_assert_int_eq(detect_state_dir(), -ELOOP);
	ck_assert_int_eq(unlink(path), 0);
	is_at(detect_state_dir(), ".local/state/holdfast");
	(void)snprintf(path, sizeof(path), "%s/.local/state/holdfast", home);
	ck_assert_int_eq(chown(path, 65534, 65534), 0);
	ck_assert_int_eq(detect_state_dir(), -EPERM);
}
END_TEST

START_TEST(place__a_file_in_the_way_is_said)
{
	int fd;

	world();
	fd = open(home, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(io_replace_file(fd, ".local", "x", 1, 0600), 0);
	ck_assert_int_eq(detect_state_dir(), -ENOTDIR);
}
END_TEST

CHECK_MAIN("procs", proc__we_are_who_we_are, proc__a_name_may_hold_anything,
	proc__long_arguments_are_cut, proc__a_replaced_program_keeps_its_name,
	proc__stat_of_any_bytes_is_refused_or_bounded, procs__each_is_met_once,
	procs__the_kernels_threads_are_passed_over, proc__pss_is_at_most_what_is_resident,
	place__follows_the_environment, place__our_own_link_is_followed,
	place__anothers_link_or_folder_is_not, place__a_file_in_the_way_is_said)
