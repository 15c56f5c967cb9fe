/* detect top: the page at three sizes, growth, folds, graphs, and what may be touched. */
#include "check_main.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "detect/menu.h"
#include "detect/top.h"
#include "lib/auto.h"
#include "lib/io.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

static char world_path[128], sys_path[160];
static int dir;
static struct detect_settings set;
static struct top t;
static struct top_page page;

static void write_in(const char *name, const void *p, size_t n)
{
	autoclose int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write_all(fd, p, n), 0);
}

static void memory(unsigned left_percent)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		"MemTotal: 16777216 kB\nMemFree: 104857 kB\nMemAvailable: %u kB\nSwapTotal: "
		"4194304 kB\nSwapFree: 3145728 kB\n",
		16777216 / 100 * left_percent);
	write_in("meminfo", text, strlen(text));
}

/* args: words with "|" between them. state: of stat. */
static void process(int pid, int ppid, char state, const char *exe, const char *args, uint64_t rss)
{
	char name[64], text[512], stat[256];
	size_t n = strlen(args);

	(void)snprintf(name, sizeof(name), "%d", pid);
	(void)mkdirat(dir, name, 0700);
	(void)snprintf(name, sizeof(name), "%d/stat", pid);
	(void)snprintf(stat, sizeof(stat),
		"%d (x) %c %d 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 %d 0 %llu 0\n", pid, state, ppid,
		pid * 10, (unsigned long long)(rss / (uint64_t)sysconf(_SC_PAGESIZE)));
	write_in(name, stat, strlen(stat));
	for (size_t i = 0; i <= n; i++)
		text[i] = (char)(args[i] == '|' ? '\0' : args[i]);
	(void)snprintf(name, sizeof(name), "%d/cmdline", pid);
	write_in(name, text, n + 1);
	(void)snprintf(name, sizeof(name), "%d/exe", pid);
	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		ck_assert_int_eq(symlinkat(exe, dir, name), 0);
}

#define CODE "/usr/share/code/code"
#define PYTHON "/usr/bin/python3.11"

static const struct roots *world(void)
{
	static struct roots roots;

	(void)snprintf(world_path, sizeof(world_path), "%s", check_dir(&dir));
	(void)snprintf(sys_path, sizeof(sys_path), "%s/sys", world_path);
	(void)setenv("HOME", world_path, 1);
	(void)setenv("HOLDFAST_STATE", sys_path, 1);
	(void)setenv("TZ", "UTC", 1);
	tzset();
	(void)unsetenv("HOLDFAST_NVML");
	memory(10);
	process(100, 1, 'S', CODE, CODE, 300 * MIB);
	process(110, 100, 'S', CODE, CODE "|--type=renderer", 700 * MIB);
	process(120, 100, 'S', CODE, CODE "|--type=gpu-process", 100 * MIB);
	process(200, 1, 'R', PYTHON, "python3|train.py", 2 * GIB);
	process(210, 200, 'S', PYTHON, "python3|train.py", 512 * MIB);
	process(220, 200, 'S', PYTHON, "python3|train.py", 512 * MIB);
	process(300, 1, 'T', PYTHON, "python3|train_\x1b[31m.py", 100 * MIB);
	roots = (struct roots){ world_path, sys_path, sys_path, sys_path };
	detect_settings_defaults(&set);
	return &roots;
}

static void open_top(void)
{
	ck_assert_int_eq(top_open(&t, world(), &set, 1000), 0);
	t.utf8 = true;
	top_read(&t);
}

/* The moment is pinned: 2026-11-28 14:31:07. */
static const char *shown(unsigned rows, unsigned columns)
{
	static char text[65536];
	size_t n = 0;

	t.m.real_ms = UINT64_C(1795876267000);
	top_page_release(&page);
	ck_assert_int_eq(top_page(&t, rows, columns, &page), 0);
	ck_assert_uint_eq(page.n, rows);
	for (unsigned i = 0; i < page.n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s%s\n",
			page.row[i].at ? ">" : "", page.row[i].text.data,
			page.row[i].bar ? "|" : "");
	return text;
}

/* GOLDEN_WRITE=1 makes the files anew: look at them before they are committed. */
static void golden(unsigned rows, unsigned columns)
{
	const char *text = shown(rows, columns);
	char path[256], is[65536];
	size_t n;
	autofclose FILE *f = NULL;

	(void)snprintf(path, sizeof(path), "tests/golden/top-%ux%u", columns, rows);
	if (getenv("GOLDEN_WRITE")) {
		autofclose FILE *w = fopen(path, "w");

		ck_assert_ptr_nonnull(w);
		ck_assert_int_ge(fputs(text, w), 0);
	}
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s is missing", path);
	n = fread(is, 1, sizeof(is) - 1, f);
	is[n] = '\0';
	ck_assert_str_eq(text, is);
}

START_TEST(top_page__looks_as_drawn)
{
	static char event[] =
		"2026-11-28 14:30:58 ! VSCode renderer (process 4711) was killed by the kernel";
	static char other[] = "2026-11-28 14:30:41   the guard froze train.py (process 200)";

	open_top();
	for (unsigned i = 0; i < TOP_PAST; i++)
		t.past[TOP_MEM][i] = (uint8_t)(i * 100 / TOP_PAST);
	t.next = 0;
	t.verdict.left_ms = 40000;
	t.event[0] = strdup(event);
	t.event[1] = strdup(other);
	t.n_event = 2;
	golden(24, 80);
	golden(40, 120);
	golden(60, 200);
	t.utf8 = false;
	golden(20, 60);
	top_page_release(&page);
	top_close(&t);
}
END_TEST

/* Codes that getch gives. */
enum { SOME_KEYS = 1024, ON_A_LINE = 80 };

START_TEST(top_keys__are_one_table)
{
	static const unsigned views[] = { TOP_MAIN, TOP_EVENTS_ALONE, TOP_HELP };

	open_top();
	for (unsigned v = 0; v < 3; v++) {
		t.events = views[v] == TOP_EVENTS_ALONE;
		t.help = views[v] == TOP_HELP;
		ck_assert_uint_eq(top_view(&t), views[v]);
		for (int key = 1; key < SOME_KEYS; key++) {
			const struct top_key *is = NULL;
			unsigned n = 0;

			for (const struct top_key *k = top_keys; k->help; k++)
				for (unsigned i = 0; i < TOP_KEYS && k->key[i]; i++)
					if (k->key[i] == key && k->in & views[v]) {
						is = k;
						n++;
					}
			ck_assert_uint_le(n, 1);
			*t.message = '\0';
			ck_assert_int_eq(top_verb_of(&t, key), is ? is->verb : TOP_DO_NOTHING);
			ck_assert_int_eq(*t.message != '\0', is == NULL);
		}
	}
	t.events = false;
	t.help = true;
	(void)shown(24, ON_A_LINE);
	for (const struct top_key *k = top_keys; k->help; k++) {
		const struct top_row *row = &page.row[1 + (k - top_keys)];

		ck_assert_ptr_nonnull(strstr(row->text.data, k->help));
		ck_assert_uint_le(row->text.len, ON_A_LINE);
	}
	top_page_release(&page);
	top_close(&t);
}
END_TEST

START_TEST(top_page__is_whole_at_any_size)
{
	open_top();
	for (unsigned rows = 1; rows < 70; rows++)
		for (unsigned columns = 1; columns < 220; columns += 7)
			for (unsigned view = 0; view < 3; view++) {
				t.help = view == 1;
				t.events = view == 2;
				(void)shown(rows, columns);
			}
	top_page_release(&page);
	top_close(&t);
}
END_TEST

START_TEST(top_page__lets_no_name_drive_the_terminal)
{
	open_top();
	ck_assert_ptr_nonnull(strstr(shown(40, 100), "train_?[31m.py"));
	ck_assert_ptr_null(strchr(shown(40, 100), '\x1b'));
	top_page_release(&page);
	top_close(&t);
}
END_TEST

START_TEST(top_tree__puts_the_largest_whole_first_and_folds)
{
	open_top();
	ck_assert_uint_eq(t.n_item, 7);
	ck_assert_int_eq(t.survey.proc[t.item[0].index].id.pid, 200);
	ck_assert_uint_eq(t.item[0].bytes, 3 * GIB);
	ck_assert_uint_eq(t.item[0].n, 3);
	ck_assert_uint_eq(t.item[1].depth, 1);
	ck_assert_int_eq(t.survey.proc[t.item[3].index].id.pid, 100);
	ck_assert(t.item[6].frozen && !t.item[0].frozen);
	/* A fold from within closes the whole; once more opens it. */
	top_move(&t, 2);
	top_fold(&t);
	ck_assert_uint_eq(t.n_item, 5);
	ck_assert(t.item[0].folded);
	top_move(&t, 1);
	ck_assert_int_eq(t.at.pid, 100);
	top_move(&t, -5);
	ck_assert_int_eq(t.at.pid, 200);
	top_fold(&t);
	ck_assert_uint_eq(t.n_item, 7);
	top_move(&t, 100);
	ck_assert_int_eq(t.at.pid, 300);
	top_close(&t);
}
END_TEST

START_TEST(top_growth__is_the_slope_of_what_was_seen)
{
	struct proc_id id = { 200, 2000 };

	open_top();
	ck_assert(top_growth(&t, &id) == INT64_MIN);
	for (unsigned i = 1; i < 40; i++) {
		process(200, 1, 'R', PYTHON, "python3|train.py", 2 * GIB + i * 10 * MIB);
		(void)usleep(2000);	/* a reading of the same millisecond is the same reading */
		top_read(&t);
	}
	/* A second each, whatever the clock said. */
	for (unsigned i = 0; i < t.n_of; i++)
		for (unsigned k = 0; k < t.of[i].n; k++)
			t.of[i].at[(t.of[i].next + TOP_GROWTH - t.of[i].n + k) % TOP_GROWTH].ms =
				1000 * (k + 1);
	ck_assert_int_eq(top_growth(&t, &id), (int64_t)(10 * MIB));
	id.start++; /* another process of that number */
	ck_assert(top_growth(&t, &id) == INT64_MIN);
	top_close(&t);
}
END_TEST

START_TEST(top_graph__has_eighths_of_all_its_lines)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	memset(&t, 0, sizeof(t));
	memset(t.past, TOP_NO_POINT, sizeof(t.past));
	for (unsigned i = 0; i < 4; i++)
		t.past[TOP_MEM][i] = (uint8_t[]){ 0, 1, 50, 100 }[i];
	t.next = 4;
	ck_assert_int_eq(top_graph_line(&t, TOP_MEM, 5, 0, 1, &b), 0);
	ck_assert_str_eq(
		b.data, "  .=@"); /* the oldest is not known, then nothing, little, half, all */
	buf_reset(&b);
	ck_assert_int_eq(top_graph_line(&t, TOP_MEM, 4, 0, 2, &b), 0);
	ck_assert_str_eq(b.data, "   @");
	buf_reset(&b);
	ck_assert_int_eq(top_graph_line(&t, TOP_MEM, 4, 1, 2, &b), 0);
	ck_assert_str_eq(b.data, " .@@");
	buf_reset(&b);
	t.utf8 = true;
	ck_assert_int_eq(top_graph_line(&t, TOP_MEM, 2, 0, 1, &b), 0);
	ck_assert_str_eq(b.data, "\xe2\x96\x84\xe2\x96\x88");
}
END_TEST

START_TEST(top_question__is_asked_for_trainings_alone)
{
	char question[256];

	open_top();
	t.at = (struct proc_id){ 110, 1100 };
	ck_assert(!top_question(&t, TOP_END, question, sizeof(question)));
	ck_assert_ptr_nonnull(strstr(t.message, "an editor"));
	t.at = (struct proc_id){ 210, 2100 }; /* a worker stands for its whole */
	ck_assert(top_question(&t, TOP_FREEZE, question, sizeof(question)));
	ck_assert_str_eq(question, "freeze train.py, process 200 and its workers? [y/N] ");
	ck_assert(!top_question(&t, TOP_ASK, question, sizeof(question)));
	ck_assert_ptr_nonnull(strstr(t.message, "SIGUSR2"));
	top_close(&t);
}
END_TEST

START_TEST(top_do__reaches_the_process_that_was_seen_and_no_other)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		for (;;)
			(void)pause();
	open_top();
	/* Its number is right, its start is not: somebody else has it by now. */
	process((int)pid, 1, 'S', PYTHON, "python3|train.py", 5 * GIB);
	top_read(&t);
	t.at = t.survey.proc[t.item[0].index].id;
	ck_assert_int_eq(t.at.pid, pid);
	t.roots = &roots_real;
	top_do(&t, TOP_KILL);
	ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	ck_assert_ptr_nonnull(strstr(t.message, "gone"));
	(void)kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	top_close(&t);
}
END_TEST

START_TEST(menu_advice__follows_the_status)
{
	static const unsigned entry[] = { [STATUS_EXCELLENT] = 5,
		[STATUS_GOOD] = 4,
		[STATUS_CAUTION] = 3,
		[STATUS_CRITICAL] = 2 };

	for (unsigned s = STATUS_EXCELLENT; s <= STATUS_CRITICAL; s++) {
		unsigned n = 0;

		ck_assert_ptr_nonnull(menu_advice((enum status)s, &n));
		ck_assert_uint_eq(n, entry[s]);
	}
}
END_TEST

CHECK_MAIN("top", top_page__looks_as_drawn, top_keys__are_one_table, top_page__is_whole_at_any_size,
	top_page__lets_no_name_drive_the_terminal, top_tree__puts_the_largest_whole_first_and_folds,
	top_growth__is_the_slope_of_what_was_seen, top_graph__has_eighths_of_all_its_lines,
	top_question__is_asked_for_trainings_alone,
	top_do__reaches_the_process_that_was_seen_and_no_other, menu_advice__follows_the_status)
