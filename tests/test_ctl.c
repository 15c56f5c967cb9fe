#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/auto.h"
#include "lib/ctl-internal.h"
#include "lib/ctl.h"

START_TEST(field__any_bytes_come_back)
{
	for (int round = 0; round < 5000; round++) {
		autoput(buf_release) struct buf b = BUF_INIT;
		char field[6][12], *line;
		size_t n = 1 + check_below(6);

		for (size_t i = 0; i < n; i++) {
			size_t len = check_below(11) + (i == 0);	/* the first is never empty */

			for (size_t k = 0; k < len; k++)
				field[i][k] = check_below(2) ? "\\\t\ntn"[check_below(5)] :
							       (char)(1 + check_below(255));
			field[i][len] = '\0';
			ck_assert_int_eq(ctl_add_field(&b, field[i]), 0);
		}
		ck_assert_ptr_null(strchr(b.data, '\n'));
		line = b.data;
		for (size_t i = 0; i < n; i++)
			ck_assert_str_eq(ctl_next_field(&line), field[i]);
		ck_assert_ptr_null(ctl_next_field(&line));
		ck_assert_ptr_null(ctl_next_field(&line));
	}
}
END_TEST

START_TEST(field__no_bytes_break_the_reader)
{
	for (int round = 0; round < 20000; round++) {
		size_t n = check_below(20);
		autofree char *s = malloc(n + 1);	/* exact: asan sees a step too far */
		char *line = s;

		for (size_t i = 0; i < n; i++)
			s[i] = check_below(2) ? "\\\t\ntn\\"[check_below(6)] : (char)(1 + check_below(255));
		s[n] = '\0';
		while (ctl_next_field(&line))
			;
	}
}
END_TEST

START_TEST(line__each_begins_without_a_tab)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	char *text, *line;

	ck_assert_int_eq(ctl_add_field(&b, "ok"), 0);
	ck_assert_int_eq(ctl_add_field(&b, "a\nb"), 0);
	ck_assert_int_eq(buf_addch(&b, '\n'), 0);
	ck_assert_int_eq(ctl_add_field(&b, "second"), 0);
	ck_assert_int_eq(buf_addch(&b, '\n'), 0);
	ck_assert_str_eq(b.data, "ok\ta\\nb\nsecond\n");
	text = b.data;
	line = ctl_next_line(&text);
	ck_assert_str_eq(ctl_next_field(&line), "ok");
	ck_assert_str_eq(ctl_next_field(&line), "a\nb");
	ck_assert_str_eq(ctl_next_line(&text), "second");
	ck_assert_ptr_null(ctl_next_line(&text));
}
END_TEST

/* A server in a child: "echo X" answers X; "later" answers from before-sleep;
 * "big" with a megabyte; "never" not at all; "die" ends it without a word;
 * "gone" says how many clients went away; "stop" ends it. */
struct server {
	struct ctl_conn *later;
	int gone;
	bool stop;
};

static void on_request(struct ctl_conn *c, char *req, void *arg)
{
	struct server *s = arg;
	char *verb = ctl_next_field(&req);
	char n[16];

	if (strcmp(verb, "echo") == 0) {
		char *what = ctl_next_field(&req);

		ctl_answer(c, what, strlen(what));
		(void)strlen(verb);	/* still ours after the answer */
	} else if (strcmp(verb, "later") == 0) {
		s->later = c;
	} else if (strcmp(verb, "big") == 0) {
		char *mega = malloc(1 << 20);

		memset(mega, 'm', 1 << 20);
		ctl_answer(c, mega, 1 << 20);
		free(mega);
	} else if (strcmp(verb, "gone") == 0) {
		ctl_answer(c, n, (size_t)sprintf(n, "%d", s->gone));
	} else if (strcmp(verb, "die") == 0) {
		_exit(0);
	} else if (strcmp(verb, "stop") == 0) {
		s->stop = true;
		ctl_answer(c, "ok", 2);
	}
}

static void on_gone(struct ctl_conn *c, void *arg)
{
	(void)c;
	((struct server *)arg)->gone++;
}

static void before_sleep(struct loop *l, void *arg)
{
	struct server *s = arg;

	if (s->later) {
		ctl_answer(s->later, "at last", 7);
		s->later = NULL;
	}
	if (s->stop)
		loop_stop(l, 0);
}

/* Returns when the socket listens: the child inherits it. */
static pid_t serve(int dir, int max_fds)
{
	static struct server state;
	static struct ctl_server *s;
	static struct loop *l;
	pid_t pid;

	/* The socket is made here, so that it is there when we go on. */
	ck_assert_int_eq(loop_new(&l), 0);
	ck_assert_int_eq(ctl_listen(l, dir, "s", on_request, on_gone, &state, &s), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;	/* our copy of the loop and the socket go with the test */
	if (max_fds) {
		struct rlimit rl = { (rlim_t)max_fds, (rlim_t)max_fds };

		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
	loop_before_sleep(l, before_sleep, &state);
	(void)loop_run(l);
	ctl_close(s);
	loop_free(l);
	_exit(0);
}

static const char *call(int dir, const char *req)
{
	static struct buf b;
	int r;

	buf_reset(&b);
	r = ctl_call(dir, "s", req, 60000, &b);
	ck_assert_msg(r == 0, "%s: %d", req, r);
	return b.data;
}

static void stop(int dir, pid_t pid)
{
	int status;

	ck_assert_str_eq(call(dir, "stop"), "ok");
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

START_TEST(call__is_answered_at_once_or_later)
{
	int dir;
	pid_t pid;

	(void)check_dir(&dir);
	pid = serve(dir, 0);
	ck_assert_str_eq(call(dir, "echo\thello"), "hello");
	ck_assert_str_eq(call(dir, "later"), "at last");
	ck_assert_uint_eq(strlen(call(dir, "big")), 1 << 20);
	stop(dir, pid);
	ck_assert_int_eq(faccessat(dir, "s", F_OK, 0), -1);	/* taken along */
}
END_TEST

START_TEST(call__says_when_nobody_is_there)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int dir, status, r;
	pid_t pid;

	(void)check_dir(&dir);
	ck_assert_int_eq(ctl_call(dir, "s", "x", 1000, &b), -ENOENT);
	ck_assert_int_eq(ctl_call(dir, "a/b", "x", 1000, &b), -EINVAL);
	ck_assert_int_eq(ctl_call(dir, "s", "x\ny", 1000, &b), -EINVAL);
	pid = fork();
	if (pid == 0)	/* its own child serves; both copies of the socket die */
		_exit(serve(dir, 0) < 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(ctl_call(dir, "s", "never", 50, &b), -ETIMEDOUT);
	ck_assert_int_eq(ctl_call(dir, "s", "die", 60000, &b), -ECONNRESET);
	ck_assert_uint_eq(b.len, 0);
	/* a dying process closes its descriptors in no order we may rely on */
	while ((r = ctl_call(dir, "s", "x", 60000, &b)) == -ECONNRESET)
		(void)usleep(1000);
	ck_assert_int_eq(r, -ECONNREFUSED);
	ck_assert_int_eq(faccessat(dir, "s", F_OK, 0), 0);
	/* the stale file is replaced */
	pid = serve(dir, 0);
	ck_assert_str_eq(call(dir, "echo\tagain"), "again");
	stop(dir, pid);
}
END_TEST

START_TEST(listen__refuses_a_second_server_and_a_file_in_its_place)
{
	struct server state = { 0 };
	struct ctl_server *s;
	struct stat st;
	struct loop *l;
	int dir;
	pid_t pid;

	(void)check_dir(&dir);
	pid = serve(dir, 0);
	ck_assert_int_eq(loop_new(&l), 0);
	ck_assert_int_eq(ctl_listen(l, dir, "s", on_request, on_gone, &state, &s), -EADDRINUSE);
	ck_assert_str_eq(call(dir, "echo\tstill"), "still");
	ck_assert_int_eq(fstatat(dir, "s", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	stop(dir, pid);
	(void)close(openat(dir, "s", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	ck_assert_int_eq(ctl_listen(l, dir, "s", on_request, on_gone, &state, &s), -EEXIST);
	ck_assert_int_eq(faccessat(dir, "s", F_OK, 0), 0);
	loop_free(l);
}
END_TEST

START_TEST(close__leaves_the_socket_of_a_successor)
{
	struct server state = { 0 };
	struct ctl_server *a, *b;
	struct loop *l;
	int dir;

	(void)check_dir(&dir);
	ck_assert_int_eq(loop_new(&l), 0);
	ck_assert_int_eq(ctl_listen(l, dir, "s", on_request, on_gone, &state, &a), 0);
	ck_assert_int_eq(unlinkat(dir, "s", 0), 0);
	ck_assert_int_eq(ctl_listen(l, dir, "s", on_request, on_gone, &state, &b), 0);
	ctl_close(a);
	ck_assert_int_eq(faccessat(dir, "s", F_OK, 0), 0);
	ctl_close(b);
	ctl_close(NULL);
	ck_assert_int_eq(faccessat(dir, "s", F_OK, 0), -1);
	loop_free(l);
}
END_TEST

static int raw_client(int dir)
{
	int fd = ctl_connect(dir, "s");

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
	return fd;
}

/* What the server says to these bytes; half = then no more from us. */
static const char *raw(int dir, const char *bytes, size_t n, bool half)
{
	static char answer[256];
	autoclose int fd = raw_client(dir);
	size_t len = 0;
	ssize_t k;

	while (n) {
		k = send(fd, bytes, n, MSG_NOSIGNAL);
		if (k < 0)
			break;
		bytes += k;
		n -= (size_t)k;
	}
	if (half)
		(void)shutdown(fd, SHUT_WR);
	while (len < sizeof(answer) - 1 && (k = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) > 0)
		len += (size_t)k;
	answer[len] = '\0';
	return answer;
}

START_TEST(server__survives_clients_of_any_kind)
{
	autofree char *junk = malloc(3 * CTL_MAX);
	int dir;
	pid_t pid;

	(void)check_dir(&dir);
	pid = serve(dir, 0);
	ck_assert_str_eq(raw(dir, "", 0, true), "");
	ck_assert_str_eq(raw(dir, "echo\thalf", 9, true), "");
	ck_assert_str_eq(raw(dir, "echo\tshut\n", 10, true), "shut");
	ck_assert_str_eq(raw(dir, "echo\ta\necho\tb\n", 14, false), "error\tone line, please\n");
	ck_assert_str_eq(raw(dir, "echo\t\0a\n", 8, false), "error\tone line, please\n");
	memset(junk, 'j', 3 * CTL_MAX);
	ck_assert_str_eq(raw(dir, junk, 3 * CTL_MAX, false), "error\trequest too long\n");
	for (int round = 0; round < 300; round++) {
		size_t n = check_below(200);

		for (size_t i = 0; i < n; i++)
			junk[i] = check_below(4) ? (char)check_rand() : "\n\t\\\0"[check_below(4)];
		junk[0] = 'x';	/* no verb of the server */
		if (n && memchr(junk, '\n', n) == junk + n - 1 && !memchr(junk, 0, n))
			continue;	/* a request that is never answered */
		(void)raw(dir, junk, n, true);
	}
	ck_assert_str_eq(call(dir, "echo\talive"), "alive");
	stop(dir, pid);
}
END_TEST

START_TEST(server__hears_that_a_waiting_client_left)
{
	int dir, n = 0;
	pid_t pid;

	(void)check_dir(&dir);
	pid = serve(dir, 0);
	for (int i = 0; i < 10; i++) {
		autoclose int fd = raw_client(dir);

		ck_assert_int_eq((int)send(fd, "never\n", 6, 0), 6);
	}
	for (int i = 0; i < 6000 && n < 10; i++) {	/* one close may be heard after the call */
		n = atoi(call(dir, "gone"));
		if (n < 10)
			(void)usleep(10000);
	}
	ck_assert_int_eq(n, 10);
	stop(dir, pid);
}
END_TEST

START_TEST(server__outlives_a_crowd_and_a_lack_of_descriptors)
{
	int dir, fd[60];
	pid_t pid;

	(void)check_dir(&dir);
	pid = serve(dir, 40);
	for (int i = 0; i < 60; i++)
		fd[i] = raw_client(dir);	/* connected, silent: more than it has room for */
	for (int i = 0; i < 60; i++)
		(void)close(fd[i]);
	ck_assert_str_eq(call(dir, "echo\talive"), "alive");
	stop(dir, pid);
}
END_TEST

START_TEST(address__of_a_deep_folder_is_no_longer)
{
	char deep[2000] = "";
	int dir, sub;
	pid_t pid;

	(void)check_dir(&dir);
	for (int i = 0; i < 100; i++) {
		(void)strcat(deep, "some folder/");
		ck_assert_int_eq(mkdirat(dir, deep, 0700), 0);
	}
	sub = openat(dir, deep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(sub, 0);
	pid = serve(sub, 0);
	ck_assert_str_eq(call(sub, "echo\tdeep"), "deep");
	stop(sub, pid);
}
END_TEST

CHECK_MAIN("ctl", field__any_bytes_come_back, field__no_bytes_break_the_reader,
	line__each_begins_without_a_tab, call__is_answered_at_once_or_later,
	call__says_when_nobody_is_there, listen__refuses_a_second_server_and_a_file_in_its_place,
	close__leaves_the_socket_of_a_successor, server__survives_clients_of_any_kind,
	server__hears_that_a_waiting_client_left, server__outlives_a_crowd_and_a_lack_of_descriptors,
	address__of_a_deep_folder_is_no_longer)
