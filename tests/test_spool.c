/* Facts as lines, and the file they travel in. */
#include "tests/check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/spool.h"

static struct fact none(void)
{
	char line[] = "kind=exit\tid=x\tsum=0000000000000000";
	struct fact f;

	(void)fact_parse(line, &f); /* refused, but the fields that can be absent are */
	return f;
}

static struct fact fact(unsigned i)
{
	struct fact f = none();

	f.kind = FACT_EXIT;
	(void)snprintf(f.id, sizeof(f.id), "%08x", i);
	f.real_ms = 1700000000000 + i;
	f.proc = (struct proc_id){ (pid_t)(i + 1), 12345 };
	f.role = (struct role_of){ KIND_EDITOR, FAMILY_VSCODE, ROLE_RENDERER };
	(void)strcpy(f.comm, "code\t=\n\\");
	(void)strcpy(f.exe, "/usr/share/code/code");
	(void)strcpy(f.argv, "code --type=renderer\xff");
	f.status = FACT_SIGNALED;
	f.signal = 9;
	f.core = i & 1;
	f.how = "pidfd";
	f.oom_before = 0;
	f.oom_after = i;
	f.state = 'D';
	f.m.available = 77;
	f.m.cg.version = 2;
	return f;
}

static bool same(const struct fact *a, const struct fact *b)
{
	struct fact x = *a, y = *b;

	if (strcmp(x.how, y.how) != 0)
		return false;
	x.how = y.how = "";
	return memcmp(&x, &y, sizeof(x)) == 0;
}

START_TEST(fact__comes_back_as_it_was)
{
	char line[4096];

	for (unsigned i = 0; i < 50; i++) {
		struct fact f = fact(i), g;
		int n;

		f.kind = (enum fact_kind)(i % 7);
		f.status = f.kind == FACT_EXIT ? (enum fact_status)(i % 3) : FACT_UNKNOWN;
		f.was = (enum risk)(i % 3);
		n = fact_line(&f, line, sizeof(line));
		ck_assert_int_gt(n, 0);
		ck_assert_uint_eq(strlen(line), (size_t)n);
		ck_assert_ptr_null(strchr(line, '\n'));
		ck_assert_int_eq(fact_parse(line, &g), 0);
		ck_assert(same(&f, &g));
	}
}
END_TEST

START_TEST(fact__damage_is_refused)
{
	char line[4096], copy[4096];
	struct fact f = fact(3), g;
	int n = fact_line(&f, line, sizeof(line));

	for (int i = 0; i < n; i++) { /* every cut */
		memcpy(copy, line, (size_t)i);
		copy[i] = '\0';
		ck_assert_int_eq(fact_parse(copy, &g), -EINVAL);
	}
	for (int i = 0; i < n * 8; i++) { /* every bit */
		memcpy(copy, line, (size_t)n + 1);
		copy[i / 8] ^= (char)(1 << i % 8);
		if (fact_parse(copy, &g) == 0) { /* the case of a digit of the sum says the same */
			ck_assert_int_ge(i / 8, n - 16);
			ck_assert(same(&f, &g));
		}
	}
	ck_assert_int_eq(fact_line(&f, line, 200), -ENOSPC);
}
END_TEST

/* However long the names are, an end is told within the bound: the arguments go first. */
START_TEST(fact__never_too_long)
{
	static const char full[] = "\t\n\\";
	struct fact f = fact(1), g;
	char line[4094], *at[] = { f.exe, f.argv, f.cwd, f.user_data, f.cgroup, f.reasons };
	size_t size[] = { sizeof(f.exe), sizeof(f.argv), sizeof(f.cwd), sizeof(f.user_data),
		sizeof(f.cgroup), sizeof(f.reasons) };

	for (size_t k = 0; k < 6; k++)
		for (size_t i = 0; i + 1 < size[k]; i++)
			at[k][i] = full[i % 3];
	memset(&f.m, 0x7f, sizeof(f.m));
	memset(f.m.cg.path, 'x', sizeof(f.m.cg.path) - 1);
	f.m.cg.path[sizeof(f.m.cg.path) - 1] = '\0';
	ck_assert_int_gt(fact_line(&f, line, sizeof(line)), 0);
	ck_assert_int_eq(fact_parse(line, &g), 0);
	ck_assert_str_eq(g.exe, f.exe);
	ck_assert_int_eq(g.signal, 9);
	/* A link without its paths would be nothing. */
	f.kind = FACT_LINK;
	memset(f.workspace, '\t', sizeof(f.workspace) - 1);
	memset(f.store, '\t', sizeof(f.store) - 1);
	ck_assert_int_eq(fact_line(&f, line, sizeof(line)), -ENOSPC);
}
END_TEST

struct seen {
	int dir, fd;
	unsigned n, add, refuse, die_at;
	bool right;
	unsigned char times[4096];
};

static int take(const struct fact *f, void *arg)
{
	struct seen *s = arg;
	unsigned i = (unsigned)strtoul(f->id, NULL, 16);
	struct fact want = fact(i);

	s->right = s->right && i < sizeof(s->times) && same(f, &want);
	if (s->refuse && i % s->refuse == 0)
		return -EIO;
	if (s->die_at && s->n == s->die_at)
		(void)raise(SIGKILL);
	s->times[i % sizeof(s->times)]++;
	s->n++;
	if (s->add) { /* it comes in the meantime */
		struct fact more = fact(1000 + s->add--);

		ck_assert_int_eq(spool_add(s->fd, &more), 0);
	}
	return 0;
}

static void add(int fd, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++) {
		struct fact f = fact(i);

		ck_assert_int_eq(spool_add(fd, &f), 0);
	}
}

static off_t size_of(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) < 0 ? -1 : st.st_size;
}

START_TEST(spool__hands_over_each_once)
{
	struct seen s = { .right = true, .add = 5 };

	(void)check_dir(&s.dir);
	ck_assert_int_eq(spool_drain(s.dir, take, &s), 0);
	s.fd = spool_open(s.dir);
	add(s.fd, 0, 300);
	ck_assert_int_eq(spool_drain(s.dir, take, &s), 0);
	ck_assert(s.right);
	ck_assert_uint_eq(s.n, 305);
	ck_assert_int_eq(size_of(s.dir, DETECT_SPOOL), 0);
	add(s.fd, 300, 1); /* the writer's descriptor goes on */
	ck_assert_int_eq(spool_drain(s.dir, take, &s), 0);
	ck_assert_uint_eq(s.n, 306);
}
END_TEST

START_TEST(spool__keeps_what_was_not_taken)
{
	struct seen s = { .right = true, .refuse = 3 };

	(void)check_dir(&s.dir);
	s.fd = spool_open(s.dir);
	add(s.fd, 0, 30);
	ck_assert_int_eq(spool_drain(s.dir, take, &s), -EIO);
	ck_assert_uint_eq(s.n, 20);
	s.refuse = 0;
	ck_assert_int_eq(spool_drain(s.dir, take, &s), 0);
	ck_assert_uint_eq(s.n, 30);
	for (unsigned i = 0; i < 30; i++)
		ck_assert_uint_eq(s.times[i], 1);
	ck_assert_int_eq(size_of(s.dir, DETECT_SPOOL), 0);
}
END_TEST

/* kill -9 in the middle of the n-th: the others once, that one again (the journal knows its id). */
START_TEST(spool__survives_its_judge)
{
	struct seen s = { .right = true };
	int status;
	pid_t pid;

	(void)check_dir(&s.dir);
	s.fd = spool_open(s.dir);
	add(s.fd, 0, 200);
	for (unsigned i = 0; i < 10; i++) {
		pid = fork();
		if (pid == 0) {
			s.die_at = 10;
			(void)spool_drain(s.dir, take, &s);
			_exit(1);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	/* Ten judges of ten each. */
	ck_assert_int_eq(spool_drain(s.dir, take, &s), 0);
	ck_assert(s.right);
	ck_assert_uint_eq(s.n, 100);
	for (unsigned i = 100; i < 200; i++)
		ck_assert_uint_eq(s.times[i], 1);
}
END_TEST

START_TEST(spool__two_writers_and_a_judge)
{
	struct seen s = { .right = true };
	pid_t pid[2];

	(void)check_dir(&s.dir);
	for (unsigned w = 0; w < 2; w++) {
		pid[w] = fork();
		if (pid[w] == 0) {
			int fd = spool_open(s.dir), r;

			for (unsigned i = 0; i < 1000; i++) {
				struct fact f = fact(w * 1000 + i);

				while ((r = spool_add(fd, &f)) == -EBUSY)
					(void)usleep(100);
				if (r < 0)
					_exit(1);
			}
			_exit(0);
		}
	}
	for (unsigned ended = 0; ended < 2;) {
		int status;

		ck_assert_int_eq(spool_drain(s.dir, take, &s), 0);
		for (unsigned w = 0; w < 2; w++)
			if (pid[w] && waitpid(pid[w], &status, WNOHANG) == pid[w]) {
				ck_assert_int_eq(status, 0);
				pid[w] = 0;
				ended++;
			}
	}
	ck_assert_int_eq(spool_drain(s.dir, take, &s), 0);
	ck_assert(s.right);
	ck_assert_uint_eq(s.n, 2000);
	for (unsigned i = 0; i < 2000; i++)
		ck_assert_uint_eq(s.times[i], 1);
	ck_assert_int_eq(size_of(s.dir, DETECT_SPOOL ".bad"), -1);
}
END_TEST

static int busy(const struct fact *f, void *arg)
{
	struct seen *s = arg;

	ck_assert_int_eq(spool_drain(s->dir, take, s), -EBUSY);
	(void)f;
	s->n++;
	return 0;
}

START_TEST(spool__one_judge)
{
	struct seen s = { .right = true };

	(void)check_dir(&s.dir);
	s.fd = spool_open(s.dir);
	add(s.fd, 0, 1);
	ck_assert_int_eq(spool_drain(s.dir, busy, &s), 0);
	ck_assert_uint_eq(s.n, 1);
}
END_TEST

/* Torn records, strange lines, long ones, NULs: aside, and the facts around them whole. */
START_TEST(spool__damage_is_set_aside)
{
	struct seen s = { .right = true };
	static char junk[200000];
	struct fact f = fact(7);
	char line[4096];
	int n = fact_line(&f, line, sizeof(line));

	(void)check_dir(&s.dir);
	s.fd = spool_open(s.dir);
	for (unsigned i = 0; i < 40; i++) {
		size_t k = check_below(sizeof(junk));

		add(s.fd, 2 * i, 1);
		switch (i % 4) {
		case 0: /* a writer that died */
			ck_assert_int_gt(
				write(s.fd, line, (size_t)check_below((uint64_t)n - 1) + 1), 0);
			break;
		case 1:
			for (size_t j = 0; j < k; j++)
				junk[j] = (char)check_rand();
			ck_assert_int_eq(write(s.fd, junk, k), (ssize_t)k);
			break;
		case 2:
			ck_assert_int_eq(write(s.fd, "\n\n\0\0\nkind=exit\tid=a\n", 21), 21);
			break;
		case 3:
			ck_assert_int_eq(write(s.fd, "\nx", 2), 2);
			break;
		}
		if (check_below(2))
			ck_assert_int_eq(spool_drain(s.dir, take, &s), 0);
		add(s.fd, 2 * i + 1, 1);
	}
	ck_assert_int_eq(spool_drain(s.dir, take, &s), 0);
	ck_assert(s.right);
	for (unsigned i = 0; i < 80; i++)
		ck_assert_uint_eq(s.times[i], 1);
	ck_assert_int_gt(size_of(s.dir, DETECT_SPOOL ".bad"), 0);
	ck_assert_int_lt(size_of(s.dir, DETECT_SPOOL ".bad"), (1 << 20) + (1 << 17));
	ck_assert_int_eq(size_of(s.dir, DETECT_SPOOL), 0);
}
END_TEST

/* A whole line that lost only its newline is still a fact. */
START_TEST(spool__the_last_newline)
{
	struct seen s = { .right = true };
	struct fact f = fact(7);
	char line[4096];
	int n = fact_line(&f, line, sizeof(line));

	(void)check_dir(&s.dir);
	s.fd = spool_open(s.dir);
	ck_assert_int_eq(write(s.fd, line, (size_t)n), n);
	ck_assert_int_eq(spool_drain(s.dir, take, &s), 0);
	ck_assert_uint_eq(s.times[7], 1);
}
END_TEST

CHECK_MAIN("spool", fact__comes_back_as_it_was, fact__damage_is_refused, fact__never_too_long,
	spool__hands_over_each_once, spool__keeps_what_was_not_taken, spool__survives_its_judge,
	spool__two_writers_and_a_judge, spool__one_judge, spool__damage_is_set_aside,
	spool__the_last_newline)
