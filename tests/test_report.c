#include "check_main.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/json.h"
#include "detect/report.h"
#include "detect/samples.h"
#include "lib/auto.h"
#include "lib/io.h"
#include "lib/text.h"

#define GIB (UINT64_C(1) << 30)

/* A /proc of our own, in which processes are three files each. */
static char top[128], sys[160];
static int dir;

static void write_in(const char *name, const void *p, size_t n)
{
	autoclose int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write_all(fd, p, n), 0);
}

static struct roots world(void)
{
	static const char meminfo[] =
		"MemTotal: 16777216 kB\nMemFree: 1048576 kB\nMemAvailable: 8388608 kB\n"
		"SwapTotal: 0 kB\nSwapFree: 0 kB\n";

	(void)snprintf(top, sizeof(top), "%s", check_dir(&dir));
	(void)snprintf(sys, sizeof(sys), "%s/sys", top);
	(void)setenv("HOME", top, 1);
	(void)setenv("HOLDFAST_STATE", sys, 1);
	(void)unsetenv("HOLDFAST_NVML");
	write_in("meminfo", meminfo, strlen(meminfo));
	return (struct roots){ top, sys, sys, sys };
}

/* args: words with "|" between them, written with NULs. exe "": cannot be read. */
static void process(int pid, int ppid, const char *exe, const char *args, uint64_t rss)
{
	char name[64], text[512], stat[256];
	size_t n = strlen(args);

	(void)snprintf(name, sizeof(name), "%d", pid);
	ck_assert_int_eq(mkdirat(dir, name, 0700), 0);
	(void)snprintf(name, sizeof(name), "%d/stat", pid);
	(void)snprintf(stat, sizeof(stat),
		"%d (MainThread) S %d 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 %d 0 %llu 0\n", pid, ppid,
		pid * 10, (unsigned long long)(rss / (uint64_t)sysconf(_SC_PAGESIZE)));
	write_in(name, stat, strlen(stat));
	ck_assert_uint_lt(n, sizeof(text) - 1);
	for (size_t i = 0; i <= n; i++)
		text[i] = (char)(args[i] == '|' ? '\0' : args[i]);
	(void)snprintf(name, sizeof(name), "%d/cmdline", pid);
	write_in(name, text, n + 1);
	(void)snprintf(name, sizeof(name), "%d/exe", pid);
	if (*exe)
		ck_assert_int_eq(symlinkat(exe, dir, name), 0);
}

static struct survey s;

static const struct survey_proc *of(pid_t pid)
{
	for (unsigned i = 0; i < s.n; i++)
		if (s.proc[i].id.pid == pid)
			return &s.proc[i];
	return NULL;
}

static void typical(void)
{
	process(100, 1, "/usr/share/code/code", "/usr/share/code/code", 200 << 20);
	process(110, 100, "/usr/share/code/code", "/usr/share/code/code|--type=renderer",
		900 << 20);
	process(120, 100, "/usr/share/code/code", "/proc/self/exe|--type=gpu-process", 100 << 20);
	process(200, 1, "/usr/bin/python3.11", "python3|-u|/home/u/train.py|--epochs|3", 2 * GIB);
	process(210, 200, "/usr/bin/python3.11", "python3|-u|/home/u/train.py|--epochs|3", GIB);
	process(150, 210, "/usr/bin/python3.11",
		"python3|-c|from multiprocessing.spawn import spawn_main", GIB);
	process(300, 1, "/usr/bin/bash", "bash|train.py", 5 << 20);
	process(310, 1, "/usr/bin/vim.basic", "vim|train.py", 5 << 20);
	process(320, 1, "/usr/bin/python3.11", "python3|/usr/bin/calibre", 5 << 20);
}

START_TEST(survey__finds_whose_each_process_is)
{
	struct roots roots = world();

	typical();
	ck_assert_int_eq(survey_take(&roots, &role_defaults, 0, &s), 0);
	ck_assert_uint_eq(s.n, 6);
	ck_assert_uint_eq(s.seen, 9);
	ck_assert_int_eq(of(110)->role.role, ROLE_RENDERER);
	ck_assert_int_eq(s.proc[of(110)->head].id.pid, 100);
	ck_assert_int_eq(s.proc[of(120)->head].id.pid, 100);
	ck_assert_int_eq(of(200)->role.role, ROLE_RUN);
	ck_assert_str_eq(of(200)->name, "train.py");
	ck_assert_int_eq(of(210)->role.role, ROLE_WORKER);
	/* a worker of a parent with a higher pid */
	ck_assert_int_eq(of(150)->role.role, ROLE_WORKER);
	ck_assert_int_eq(s.proc[of(150)->head].id.pid, 200);
	ck_assert_ptr_null(of(310));
	ck_assert_ptr_null(of(320));
	ck_assert_uint_eq(survey_sum(&s, KIND_EDITOR), 1200u << 20);
	ck_assert_uint_eq(survey_sum(&s, KIND_TRAINING), 4 * GIB);
	ck_assert(!s.exact);
	survey_release(&s);
}
END_TEST

/* Most of PyTorch's examples are a main.py. */
START_TEST(survey__a_large_python_that_nothing_names_is_told)
{
	struct roots roots = world();

	typical();
	ck_assert_int_eq(survey_take(&roots, &role_defaults, 0, &s), 0);
	ck_assert_uint_eq(s.overlooked.rss, 0);
	survey_release(&s);
	process(330, 1, "/usr/bin/python3.11", "python3|-u|/home/u/main.py|--epochs|3", 3 * GIB / 2);
	process(340, 1, "/usr/bin/python3.11", "python3|serve.py", GIB);
	process(350, 1, "/usr/bin/node", "node|main.js", 2 * GIB);
	ck_assert_int_eq(survey_take(&roots, &role_defaults, 0, &s), 0);
	ck_assert_uint_eq(s.n, 6);
	ck_assert_int_eq(s.overlooked.id.pid, 330);
	ck_assert_str_eq(s.overlooked.name, "main.py");
	survey_release(&s);
}
END_TEST

static void text_in(const char *name, const char *text)
{
	write_in(name, text, strlen(text));
}

/* What systemd-run, docker and Slurm do: the training's group has a limit, ours has none. */
START_TEST(report__a_trainings_own_limit_counts)
{
	struct roots roots = world();
	struct detect_settings set = { .limits = risk_defaults, .patterns = role_defaults };
	static struct report r;
	autoput(buf_release) struct buf b = BUF_INIT;

	typical();
	ck_assert_int_eq(mkdirat(dir, "sys", 0700), 0);
	ck_assert_int_eq(mkdirat(dir, "sys/me", 0700), 0);
	ck_assert_int_eq(mkdirat(dir, "sys/job", 0700), 0);
	ck_assert_int_eq(mkdirat(dir, "self", 0700), 0);
	text_in("sys/cgroup.controllers", "memory\n");
	text_in("self/cgroup", "0::/me\n");
	text_in("100/cgroup", "0::/me\n");
	text_in("200/cgroup", "0::/job\n");
	text_in("sys/me/memory.max", "max\n");
	text_in("sys/job/memory.max", "209715200\n");
	text_in("sys/job/memory.current", "197132288\n"); /* 94 % */
	text_in("sys/job/memory.stat", "anon 197132288\ninactive_file 0\nactive_file 0\n");
	ck_assert_int_eq(report_take(&roots, &set, &r), 0);
	ck_assert_uint_eq(r.groups.n, 1);
	ck_assert_int_eq(r.groups.use[0].pid, 200);
	ck_assert_int_eq(r.verdict.risk, RISK_CRITICAL);
	ck_assert_int_eq(r.verdict.status, STATUS_CRITICAL);
	ck_assert_int_eq(r.verdict.reason[0].what, REASON_GROUP);
	ck_assert_int_eq(report_text(&r, false, &b), 0);
	ck_assert_ptr_nonnull(strstr(b.data,
		"train.py (200) at 94 % of its limit of 200 MiB (critical from 85 %)\n"));
	ck_assert_ptr_nonnull(strstr(b.data, "limit     94 % of 200 MiB used, 12 MiB left: train.py (200), /job\n"));
	b.len = 0;
	ck_assert_int_eq(report_json(&r, &b), 0);
	ck_assert_ptr_nonnull(strstr(b.data, "\"what\":\"limit\""));
	ck_assert_ptr_nonnull(strstr(b.data, "\"limits\":[{\"pid\":200,\"name\":\"train.py\",\"path\":\"/job\""));
	report_release(&r);
	/* What can be dropped does not count, as everywhere. */
	text_in("sys/job/memory.stat", "anon 20971520\ninactive_file 176160768\nactive_file 0\n");
	ck_assert_int_eq(report_take(&roots, &set, &r), 0);
	ck_assert_int_eq(r.verdict.risk, RISK_LOW);
	report_release(&r);
}
END_TEST

START_TEST(survey__passes_over_no_exe_that_has_a_role)
{
	static const char *const may[] = { "/usr/share/code/code",
		"/usr/share/code-insiders/code-insiders", "/usr/share/codium/codium",
		"/opt/vscodium", "/usr/bin/code-oss",
		"/tmp/.mount_CursorAb/usr/share/cursor/cursor", "/usr/share/windsurf/windsurf",
		"/usr/lib/electron32/electron", "/usr/share/code/chrome_crashpad_handler",
		"/usr/lib/code-server/lib/node", "/usr/bin/node", "/usr/bin/nodejs",
		"/home/u/.vscode-server/cli/servers/Stable-1/server/node",
		"/home/u/.vscode-server/code-1a2b", "/home/u/.cursor-server/bin/linux-x64/1/node",
		"/usr/bin/python3.11", "/usr/local/bin/python3.13t", "/opt/conda/bin/python",
		"/usr/bin/pypy3.10" };
	static const char *const no[] = { "/usr/bin/bash", "/usr/bin/sleep",
		"/usr/lib/systemd/systemd", "/usr/bin/vim.basic", "/usr/sbin/sshd",
		"/usr/lib/firefox/firefox", "/usr/bin/gnome-shell", "" };
	static const char *const mine[] = { "my-editor", NULL };
	struct role_patterns pat = role_defaults;

	for (size_t i = 0; i < sizeof(may) / sizeof(may[0]); i++)
		ck_assert_msg(survey_may_be(may[i], &role_defaults), "%s", may[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		ck_assert_msg(!survey_may_be(no[i], &role_defaults), "%s", no[i]);
	pat.editors = mine;
	ck_assert(survey_may_be("/opt/my-editor", &pat));
	ck_assert(!survey_may_be("/opt/my-editor", &role_defaults));
}
END_TEST

static struct report r;
static struct detect_settings set;

static cJSON *as_json(void)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	cJSON *j;

	ck_assert_int_eq(report_json(&r, &b), 0);
	ck_assert(text_is_utf8(b.data, b.len));
	ck_assert_int_eq(b.data[b.len - 1], '\n');
	ck_assert_ptr_eq(memchr(b.data, '\n', b.len), b.data + b.len - 1);
	j = cJSON_Parse(b.data);
	ck_assert_ptr_nonnull(j);
	return j;
}

static double number(const cJSON *j, const char *a, const char *b)
{
	const cJSON *v =
		cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(j, a), b);

	ck_assert_msg(cJSON_IsNumber(v), "%s.%s", a, b);
	return v->valuedouble;
}

static const char *string(const cJSON *j, const char *a)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(j, a);

	ck_assert_msg(cJSON_IsString(v), "%s", a);
	return v->valuestring;
}

START_TEST(report__json_has_the_promised_fields)
{
	static const char *const fields[] = { "time", "risk", "status", "reasons", "memory", "swap",
		"cgroup", "psi", "shm", "gpu", "processes" };
	struct roots roots = world();
	const cJSON *all, *p;
	cJSON *j;

	typical();
	detect_settings_defaults(&set);
	ck_assert_int_eq(report_take(&roots, &set, &r), 0);
	j = as_json();
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		ck_assert_msg(cJSON_HasObjectItem(j, fields[i]), "%s", fields[i]);
	ck_assert_str_eq(string(j, "risk"), "LOW");
	ck_assert_str_eq(string(j, "status"), "Excellent");
	ck_assert(number(j, "memory", "total") == 16.0 * (double)GIB);
	ck_assert(number(j, "memory", "available") == 8.0 * (double)GIB);
	ck_assert(number(j, "memory", "used_percent") == 50);
	ck_assert(cJSON_IsNull(cJSON_GetObjectItem(j, "cgroup")));
	ck_assert(cJSON_IsNull(cJSON_GetObjectItem(
		cJSON_GetObjectItem(cJSON_GetObjectItem(j, "psi"), "memory"), "some_avg10")));
	all = cJSON_GetObjectItem(j, "processes");
	ck_assert_int_eq(cJSON_GetArraySize(all), 6);
	p = cJSON_GetArrayItem(all, 1);
	ck_assert_int_eq(cJSON_GetObjectItem(p, "pid")->valueint, 110);
	ck_assert_int_eq(cJSON_GetObjectItem(p, "head")->valueint, 100);
	ck_assert_str_eq(string(p, "role"), "renderer");
	ck_assert_str_eq(string(p, "kind"), "editor");
	ck_assert_str_eq(string(p, "family"), "VSCode");
	cJSON_Delete(j);
	report_release(&r);
}
END_TEST

static void fits(const char *text)
{
	unsigned lines = 0;

	for (const char *p = text; *p; lines++) {
		const char *eol = strchr(p, '\n');
		unsigned columns = 0;

		ck_assert_ptr_nonnull(eol);
		while (p < eol) {
			size_t n = text_print_len(p, (size_t)(eol - p));

			ck_assert_uint_gt(n, 0);	/* nothing that drives a terminal */
			p += n;
			columns++;
		}
		ck_assert_msg(columns <= REPORT_COLUMNS, "%u columns", columns);
		p = eol + 1;
	}
	ck_assert_msg(lines <= REPORT_LINES, "%u lines:\n%s", lines, text);
}

START_TEST(report__text_is_for_a_terminal_of_24_lines)
{
	struct roots roots = world();
	autoput(buf_release) struct buf b = BUF_INIT;

	typical();
	detect_settings_defaults(&set);
	ck_assert_int_eq(report_take(&roots, &set, &r), 0);
	ck_assert_int_eq(report_text(&r, false, &b), 0);
	fits(b.data);
	ck_assert_ptr_nonnull(strstr(b.data, "risk      LOW, status Excellent\n"));
	ck_assert_ptr_nonnull(strstr(b.data, "50 % of 16 GiB used, 8.0 GiB available"));
	ck_assert_ptr_nonnull(strstr(b.data, "VSCode, 100, 3 processes, largest renderer 110"));
	ck_assert_ptr_nonnull(strstr(b.data, "at most 4.0 GiB: train.py, 200, 3 processes"));
	ck_assert_ptr_null(strchr(b.data, '\x1b'));
	buf_reset(&b);
	ck_assert_int_eq(report_text(&r, true, &b), 0);
	ck_assert_ptr_nonnull(strchr(b.data, '\x1b'));
	report_release(&r);
}
END_TEST

START_TEST(report__the_worst_machine_fits_too)
{
	static const char hostile[] = "python3|/x/"
				      "train_\x1b[2J\n\xff\xc3\xa9\"\\\x7f_a_name_that_is_very_"
				      "very_very_long_indeed_and_goes_on.py";
	struct roots roots = world();
	autoput(buf_release) struct buf b = BUF_INIT;
	const char *build = getenv("BUILD_DIR");
	char path[512];
	cJSON *j;

	for (int i = 0; i < 5; i++)
		process(100 + i, 1, "/usr/bin/python3", hostile, GIB);
	for (int i = 0; i < 5; i++)
		process(200 + i, 1, "/usr/share/code/code", "code", GIB);
	(void)snprintf(path, sizeof(path), "%s/tests/preload_nvml.so", build ? build : "build");
	(void)setenv("HOLDFAST_NVML", path, 1);
	(void)setenv("FAKE_NVML", "gpus=8 full", 1);
	detect_settings_defaults(&set);
	set.limits.disk_free = MACHINE_NONE;
	ck_assert_int_eq(report_take(&roots, &set, &r), 0);
	/* all that a machine can have, and all of it bad */
	r.m.cg = (struct cgroup_reading){ .version = 2,
		.limit = GIB,
		.used = GIB - 1,
		.swap_limit = 1,
		.swap_used = 1,
		.psi = { 9999, 9999, 9999 } };
	r.m.total = GIB;
	r.m.available = 1;
	r.m.swap_total = 8 * GIB;
	r.m.swap_free = 1;
	r.m.zram_stored = r.m.zram_used = GIB;
	r.m.arc_reclaimable = GIB;
	r.m.mem_psi = r.m.io_psi = r.m.cpu_psi = (struct psi){ 9999, 9999, 9999 };
	r.m.shm_total = GIB;
	r.m.shm_free = 0;
	r.m.cpu_busy = 10000;
	r.m.load1 = 123456;
	r.n_disk = 2;
	r.samples = 50;
	risk_judge(&set.limits, &r.in, &(struct risk_state){ 0 }, &r.verdict);
	ck_assert_int_eq(r.verdict.risk, RISK_CRITICAL);
	ck_assert_uint_ge(r.verdict.n, 8);
	ck_assert_int_eq(report_text(&r, false, &b), 0);
	fits(b.data);
	j = as_json();
	ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(j, "gpu")), 8);
	ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(j, "reasons")), (int)r.verdict.n);
	cJSON_Delete(j);
	report_release(&r);
	gpu_unload();
}
END_TEST

START_TEST(report__without_meminfo_there_is_none)
{
	struct roots roots = world();

	ck_assert_int_eq(unlinkat(dir, "meminfo", 0), 0);
	detect_settings_defaults(&set);
	ck_assert_int_eq(report_take(&roots, &set, &r), -ENOENT);
}
END_TEST

START_TEST(report__growth_comes_from_the_monitors_samples)
{
	struct roots roots = world();
	autoput(buf_release) struct buf b = BUF_INIT;
	autoclose int state = detect_state_dir();
	uint64_t now = (uint64_t)(text_now_ns() / 1000000);
	/* As on a real machine no multiple of what the file counts in. */
	static const char meminfo[] =
		"MemTotal: 16777228 kB\nMemFree: 1048576 kB\nMemAvailable: 8388608 kB\n"
		"SwapTotal: 0 kB\nSwapFree: 0 kB\n";
	struct samples *w;

	write_in("meminfo", meminfo, strlen(meminfo));
	ck_assert_int_eq(samples_open(state, "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", &w), 0);
	/* 100 MiB a second on the way from 11 to 9 GiB available; 8 now; critical at 2.4 */
	for (uint64_t i = 0; i < 20; i++)
		ck_assert_int_eq(
			samples_add(w, &(struct sample){ .real_ms = now - 20000 + i * 1000,
					       .total = 16 * GIB + 12 * 1024,
					       .available = 8 * GIB + (20 - i) * (100 << 20),
					       .cpu_busy = 4200 }),
			0);
	samples_close(w, false);
	detect_settings_defaults(&set);
	ck_assert_int_eq(report_take(&roots, &set, &r), 0);
	ck_assert_uint_eq(r.samples, 20);
	ck_assert_int_ge(r.verdict.growth, 90 << 20);
	ck_assert_int_le(r.verdict.growth, 110 << 20);
	ck_assert_uint_ge(r.verdict.left_ms, 50000);
	ck_assert_uint_le(r.verdict.left_ms, 65000);
	ck_assert_uint_eq(r.m.cpu_busy, 4200);
	ck_assert_int_eq(report_text(&r, false, &b), 0);
	ck_assert_ptr_nonnull(strstr(b.data, "a second: critical in "));
	report_release(&r);
}
END_TEST

START_TEST(report__it_leaves_no_folder_behind)
{
	struct roots roots = world();

	detect_settings_defaults(&set);
	ck_assert_int_eq(report_take(&roots, &set, &r), 0);
	ck_assert_int_lt(access(sys, F_OK), 0);
	report_release(&r);
}
END_TEST

START_TEST(json__any_bytes_are_a_string)
{
	for (int round = 0; round < 2000; round++) {
		autoput(buf_release) struct buf b = BUF_INIT;
		char text[24];
		size_t n = check_below(sizeof(text));
		cJSON *j;

		for (size_t i = 0; i < n; i++)
			text[i] = (char)(1 + check_below(255));
		text[n] = '\0';
		ck_assert_int_eq(json_string(&b, text), 0);
		ck_assert(text_is_utf8(b.data, b.len));
		j = cJSON_Parse(b.data);
		ck_assert(cJSON_IsString(j));
		if (text_is_utf8(text, n))
			ck_assert_str_eq(j->valuestring, text);
		cJSON_Delete(j);
	}
}
END_TEST

CHECK_MAIN("report", survey__finds_whose_each_process_is,
	survey__a_large_python_that_nothing_names_is_told, report__a_trainings_own_limit_counts,
	survey__passes_over_no_exe_that_has_a_role, report__json_has_the_promised_fields,
	report__text_is_for_a_terminal_of_24_lines, report__the_worst_machine_fits_too,
	report__without_meminfo_there_is_none, report__growth_comes_from_the_monitors_samples,
	report__it_leaves_no_folder_behind, json__any_bytes_are_a_string)
