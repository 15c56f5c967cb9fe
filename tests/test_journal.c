#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/journal.h"

static struct journal *open_new(int *dirfd)
{
	struct journal *j = NULL;

	(void)check_dir(dirfd);
	ck_assert_int_eq(journal_open(*dirfd, true, &j), 0);
	return j;
}

static void add(struct journal *j, const char *id, uint64_t ms, bool unwanted)
{
	struct journal_event ev = { .kind = J_EXIT,
		.real_ms = ms,
		.pid = 7,
		.role = "renderer",
		.cause = "killed",
		.confidence = "certain",
		.unwanted = unwanted,
		.code = -1,
		.signal = 9,
		.evidence = "a\nb" };

	(void)snprintf(ev.id, sizeof(ev.id), "%s", id);
	ck_assert_int_eq(journal_add(j, &ev), 0);
}

struct seen {
	unsigned n, links, samples;
	char first[33];
	uint64_t available;
};

static int see(const struct journal_event *ev, void *arg)
{
	struct seen *s = arg;

	if (s->n++ == 0)
		memcpy(s->first, ev->id, sizeof(s->first));
	s->links += ev->n_link;
	s->samples += ev->n_sample;
	if (ev->n_sample)
		s->available = ev->sample[0].available;
	ck_assert_str_eq(ev->evidence, "a\nb");
	ck_assert(ev->pid == 7 && ev->signal == 9 && ev->code == -1);
	return 0;
}

static struct seen each(struct journal *j, const struct journal_filter *f)
{
	struct seen s = { 0 };

	ck_assert_int_eq(journal_each(j, f, see, &s), 0);
	return s;
}

START_TEST(add__once_for_one_id)
{
	int dirfd;
	struct journal *j = open_new(&dirfd);
	struct seen s;

	add(j, "one", 1000, true);
	add(j, "one", 1000, true);
	add(j, "two", 2000, false);
	s = each(j, &(struct journal_filter){ 0 });
	ck_assert_uint_eq(s.n, 2);
	ck_assert_str_eq(s.first, "two"); /* newest first */
	s = each(j, &(struct journal_filter){ .crashes_only = true });
	ck_assert_str_eq(s.first, "one");
	s = each(j, &(struct journal_filter){ .from_ms = 1001, .to_ms = 1999 });
	ck_assert_uint_eq(s.n, 0);
	s = each(j, &(struct journal_filter){ .kinds = 1u << J_RISK });
	ck_assert_uint_eq(s.n, 0);
	s = each(j, &(struct journal_filter){ .limit = 1 });
	ck_assert_uint_eq(s.n, 1);
	journal_close(j);
}
END_TEST

START_TEST(link__may_come_before_its_event_and_be_filled_in)
{
	char ws[] = "/home/u/p", store[] = "/s";
	int dirfd;
	struct journal *j = open_new(&dirfd);
	struct journal_link l = { ws, store, "aa", "", 5, 0 };
	struct seen s;

	ck_assert_int_eq(journal_add_link(j, "one", &l), 0);
	add(j, "one", 1000, true);
	(void)snprintf(l.after, sizeof(l.after), "bb");
	ck_assert_int_eq(journal_add_link(j, "one", &l), 0);
	s = each(j, &(struct journal_filter){ .workspace = ws });
	ck_assert_uint_eq(s.n, 1);
	ck_assert_uint_eq(s.links, 1);
	s = each(j, &(struct journal_filter){ .workspace = "/home/u" });
	ck_assert_uint_eq(s.n, 0);
	journal_close(j);
}
END_TEST

START_TEST(samples__come_back_as_they_went)
{
	struct sample x[3] = { { .real_ms = 1,
		.available = UINT64_MAX,
		.psi_full10 = 65535,
		.cpu_busy = 1,
		.risk = 2 } };
	struct journal_event ev = { .id = "s",
		.pid = 7,
		.signal = 9,
		.code = -1,
		.evidence = "a\nb",
		.sample = x,
		.n_sample = 3 };
	int dirfd;
	struct journal *j = open_new(&dirfd);
	struct seen s;

	ck_assert_int_eq(journal_add(j, &ev), 0);
	s = each(j, &(struct journal_filter){ .samples = true });
	ck_assert_uint_eq(s.samples, 3);
	ck_assert_uint_eq(s.available, UINT64_MAX);
	journal_close(j);
}
END_TEST

START_TEST(reader__finds_nothing_where_nothing_was_written)
{
	struct journal *j = NULL;
	int dirfd;

	(void)check_dir(&dirfd);
	ck_assert_int_eq(journal_open(dirfd, false, &j), -ENOENT);
	ck_assert_int_eq(faccessat(dirfd, DETECT_JOURNAL, F_OK, 0), -1);
}
END_TEST

START_TEST(writer__begins_anew_beside_a_damaged_one)
{
	int dirfd, fd;
	struct journal *j = open_new(&dirfd);
	struct seen s;

	add(j, "old", 1, true);
	journal_close(j);
	fd = openat(dirfd, DETECT_JOURNAL, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, "not a database at all, no", 25, 0), 25);
	(void)close(fd);
	ck_assert_int_eq(journal_open(dirfd, true, &j), 0);
	add(j, "new", 2, true);
	s = each(j, &(struct journal_filter){ 0 });
	ck_assert_uint_eq(s.n, 1);
	journal_close(j);
}
END_TEST

START_TEST(file__is_the_users_alone)
{
	struct stat st;
	int dirfd;

	(void)umask(0);
	journal_close(open_new(&dirfd));
	ck_assert_int_eq(fstatat(dirfd, DETECT_JOURNAL, &st, 0), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(trim__keeps_the_latest_crash)
{
	int dirfd;
	struct journal *j = open_new(&dirfd);
	struct stat st;
	struct seen s;

	add(j, "crash", 1, true);
	for (unsigned i = 2; i < 2000; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "e%u", i);
		add(j, id, i, false);
	}
	ck_assert_int_eq(journal_trim(j, 64 << 10), 0);
	ck_assert_int_eq(fstatat(dirfd, DETECT_JOURNAL, &st, 0), 0);
	ck_assert_int_le(st.st_size, 64 << 10);
	s = each(j, &(struct journal_filter){ .crashes_only = true });
	ck_assert_str_eq(s.first, "crash");
	s = each(j, &(struct journal_filter){ 0 });
	ck_assert_uint_gt(s.n, 10);
	ck_assert_str_eq(s.first, "e1999");
	ck_assert_int_eq(journal_trim(j, 0), 0);
	s = each(j, &(struct journal_filter){ 0 });
	ck_assert_uint_eq(s.n, 1);
	journal_close(j);
}
END_TEST

/* What journal_add returned 0 for is there after kill -9; two writers at once. */
START_TEST(writer__killed_loses_nothing_it_said_yes_to)
{
	int dirfd, p[2];
	struct journal *j = open_new(&dirfd);
	struct seen s;
	char c;
	unsigned yes = 0;
	pid_t pid[2];

	ck_assert_int_eq(pipe(p), 0);
	for (int w = 0; w < 2; w++) {
		pid[w] = fork();
		if (pid[w] == 0) {
			struct journal *mine = NULL;

			if (journal_open(dirfd, true, &mine) < 0)
				_exit(1);
			for (unsigned i = 0;; i++) {
				char id[32];

				(void)snprintf(id, sizeof(id), "w%d-%u", w, i);
				add(mine, id, i, false);
				if (write(p[1], "y", 1) != 1)
					_exit(1);
			}
		}
	}
	while (yes < 40 && read(p[0], &c, 1) == 1)
		yes++;
	for (int w = 0; w < 2; w++) {
		(void)kill(pid[w], SIGKILL);
		(void)waitpid(pid[w], NULL, 0);
	}
	(void)close(p[1]);
	while (read(p[0], &c, 1) == 1)
		yes++;
	s = each(j, &(struct journal_filter){ 0 });
	ck_assert_uint_ge(s.n, yes);
	ck_assert_uint_le(
		s.n, yes + 2); /* one each may have been between its commit and its word */
	journal_close(j);
}
END_TEST

static void add_as(
	struct journal *j, const char *id, uint64_t ms, const char *role, enum journal_kind kind)
{
	struct journal_event ev = { .kind = kind,
		.real_ms = ms,
		.pid = 7,
		.ppid = -1,
		.role = role,
		.unwanted = true,
		.code = -1,
		.signal = 9,
		.evidence = "a\nb",
		.fact = "line",
		.due_ms = ms + 10 };

	(void)snprintf(ev.id, sizeof(ev.id), "%s", id);
	ck_assert_int_eq(journal_add(j, &ev), 0);
}

static int same_id(const struct journal_event *ev, void *arg)
{
	ck_assert_str_eq(ev->id, arg);
	return 0;
}

START_TEST(crash__is_the_one_that_took_the_others_along)
{
	char main_id[] = "main-1", old[] = "old-1", lost[] = "lost-1";
	int dirfd;
	struct journal *j = open_new(&dirfd);

	ck_assert_int_eq(journal_crash(j, NULL, NULL, same_id, main_id), 0);
	add_as(j, "old-1", 1000, "run", J_EXIT);
	ck_assert_int_eq(journal_crash(j, NULL, NULL, same_id, old), 1);
	add_as(j, "worker-1", 99000, "worker", J_EXIT);
	add_as(j, "main-1", 100000, "main", J_EXIT);
	add_as(j, "renderer-1", 100001, "renderer", J_EXIT);
	add_as(j, "renderer-2", 100002, "renderer", J_EXIT);
	ck_assert_int_eq(journal_crash(j, NULL, NULL, same_id, main_id), 1);
	ck_assert_int_eq(journal_crash(j, "old-", NULL, same_id, old), 1);
	ck_assert_int_eq(journal_crash(j, "renderer-", NULL, same_id, old), -ENOTUNIQ);
	ck_assert_int_eq(journal_crash(j, "nobody", NULL, same_id, old), 0);
	add_as(j, "lost-1", 101000, NULL, J_MACHINE);
	ck_assert_int_eq(journal_crash(j, NULL, NULL, same_id, lost), 1);
	journal_close(j);
}
END_TEST

static void add_run(struct journal *j, const char *id, uint64_t ms, const char *place, const char *cause)
{
	struct journal_event ev = { .kind = J_EXIT, .real_ms = ms, .pid = 7, .ppid = -1, .role = "run",
		.unwanted = true, .code = -1, .signal = 11, .place = place, .cause = cause };

	(void)snprintf(ev.id, sizeof(ev.id), "%s", id);
	ck_assert_int_eq(journal_add(j, &ev), 0);
}

START_TEST(crash__of_a_run_is_that_of_its_folder)
{
	char unknown[] = "unknown-1", within[] = "within-1", above[] = "above-1", beside[] = "beside-2",
	     kernel[] = "kernel-1";
	int dirfd;
	struct journal *j = open_new(&dirfd);

	add_run(j, "beside-1", 100000, "/home/w2", "crashed");
	ck_assert_int_eq(journal_crash(j, NULL, "/home/w", same_id, within), 0);
	add_run(j, "unknown-1", 200000, NULL, "crashed");
	add_run(j, "beside-2", 201000, "/home/w2", "crashed");
	ck_assert_int_eq(journal_crash(j, NULL, "/home/w", same_id, unknown), 1);
	add_run(j, "within-1", 300000, "/home/w/src", "crashed");
	ck_assert_int_eq(journal_crash(j, NULL, "/home/w", same_id, within), 1);
	ck_assert_int_eq(journal_crash(j, NULL, "/home/w2", same_id, beside), 1);
	add_run(j, "above-1", 400000, "/", "crashed");
	ck_assert_int_eq(journal_crash(j, NULL, "/home/w", same_id, above), 1);
	add_run(j, "kernel-1", 500000, "/home/w2", "out-of-memory (kernel)");
	ck_assert_int_eq(journal_crash(j, NULL, "/home/w", same_id, kernel), 1);
	/* By its id it is whatever it is. */
	ck_assert_int_eq(journal_crash(j, "beside-2", "/home/w", same_id, beside), 1);
	journal_close(j);
}
END_TEST

static int see_verdict(const struct journal_event *ev, void *arg)
{
	ck_assert_str_eq(ev->cause, arg);
	return 1;
}

START_TEST(verdict__is_completed_until_it_is_final)
{
	char killed[] = "killed";
	struct journal_event ev = {
		.id = "one", .cause = "unknown", .text = "t", .fact = "line", .due_ms = 5
	};
	struct journal_filter f = { .unfinished = true };
	int dirfd;
	struct journal *j = open_new(&dirfd);

	add_as(j, "one", 1000, "main", J_EXIT);
	ck_assert_int_eq(journal_complete(j, &ev), 0);
	ck_assert_int_eq(journal_each(j, &f, see_verdict, (char[]){ "unknown" }), 1);
	ev.cause = killed;
	ev.fact = NULL;
	ck_assert_int_eq(journal_complete(j, &ev), 0);
	ev.cause = "exited";
	ck_assert_int_eq(journal_complete(j, &ev), 0);
	f.unfinished = false;
	ck_assert_int_eq(journal_each(j, &f, see_verdict, killed), 1);
	f.unfinished = true;
	ck_assert_int_eq(journal_each(j, &f, see_verdict, killed), 0);
	journal_close(j);
}
END_TEST

START_TEST(told__once)
{
	unsigned recent = 9;
	int dirfd;
	struct journal *j = open_new(&dirfd);

	add_as(j, "one", 1000, "main", J_EXIT);
	add_as(j, "two", 1000, "main", J_EXIT);
	ck_assert_int_eq(journal_told_since(j, 4000, false, &recent), 0);
	ck_assert_uint_eq(recent, 0);
	ck_assert_int_eq(journal_tell(j, "one", 5000), 1);
	ck_assert_int_eq(journal_tell(j, "one", 5001), 0);
	ck_assert_int_eq(journal_tell(j, "two", -4500), 1);
	ck_assert_int_eq(journal_told_since(j, 4000, true, &recent), 0);
	ck_assert_uint_eq(recent, 1);
	ck_assert_int_eq(journal_told_since(j, 4501, true, &recent), 0);
	ck_assert_uint_eq(recent, 0);
	ck_assert_int_eq(journal_told_since(j, 4000, false, &recent), 0);
	ck_assert_uint_eq(recent, 1);
	journal_close(j);
}
END_TEST

CHECK_MAIN("journal", crash__is_the_one_that_took_the_others_along, crash__of_a_run_is_that_of_its_folder,
	verdict__is_completed_until_it_is_final, told__once, add__once_for_one_id,
	link__may_come_before_its_event_and_be_filled_in, samples__come_back_as_they_went,
	reader__finds_nothing_where_nothing_was_written, writer__begins_anew_beside_a_damaged_one,
	file__is_the_users_alone, trim__keeps_the_latest_crash,
	writer__killed_loses_nothing_it_said_yes_to)
