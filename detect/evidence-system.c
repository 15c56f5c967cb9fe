/* The kernel's log and the system's: /dev/kmsg, journalctl, /var/log. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "detect/command.h"
#include "detect/evidence-internal.h"
#include "lib/auto.h"
#include "lib/ctl.h"
#include "lib/err.h"

enum {
	RECORD = 8192, /* CONSOLE_EXT_LOG_MAX and more */
	JOURNAL_MS = 2000,
	JOURNAL_BYTES = 1 << 20,
	LOG_TAIL = 256 << 10,
};

static int64_t clock_ms(clockid_t clock)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* In a container with pids of its own the kernel's are others, and may be those of somebody else
 * here. */
static bool own_pids(const struct gathering *g)
{
	char text[64];
	ssize_t n = readlink(g->at.pid_ns, text, sizeof(text) - 1);

	if (n < 0)
		return true;
	text[n] = '\0';
	return strcmp(text, "pid:[4026531836]") == 0; /* PROC_PID_INIT_INO */
}

/* "6,1234,5678901,-;text", then " KEY=value" lines of the same record. */
static void kmsg_record(struct gathering *g, char *line, int64_t zero_ms)
{
	char *text = strchr(line, ';'), *p = strchr(line, ',');
	uint64_t us;
	pid_t none = 0;

	if (!text || !p || p > text || *line == ' ')
		return;
	p = strchr(p + 1, ',');
	if (!p || p > text)
		return;
	us = strtoull(p + 1, NULL, 10);
	gathering_line(g, "kernel", text + 1, (uint64_t)(zero_ms + (int64_t)(us / 1000)), &none);
}

static void kmsg_lines(struct gathering *g, char *text, size_t n, int64_t zero_ms)
{
	char *nl;

	text[n] = '\0';
	while ((nl = strchr(text, '\n'))) {
		*nl = '\0';
		kmsg_record(g, text, zero_ms);
		text = nl + 1;
	}
}

/* 0: it could be read. A read of the device is one record; of a recorded file, the tests', all. */
static int read_kmsg(struct gathering *g)
{
	autoclose int fd = open(g->at.kmsg, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	autofree char *p = malloc(RECORD + 1);
	int64_t zero = g->at.kmsg_zero_ms ? (int64_t)g->at.kmsg_zero_ms
					  : clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_MONOTONIC);
	ssize_t n;

	if (fd < 0 || !p)
		return fd < 0 ? -errno : -ENOMEM;
	for (;;) {
		n = read(fd, p, RECORD);
		if (n < 0 && (errno == EPIPE ||
				     errno == EINTR)) /* overwritten meanwhile: the next one */
			continue;
		if (n <= 0)
			return n < 0 && errno != EAGAIN ? -errno : 0;
		kmsg_lines(g, p, (size_t)n, zero);
	}
}

void evidence_kernel(struct gathering *g)
{
	int r;

	if (g->f->kind == FACT_MACHINE)
		return; /* that kernel's log went with it */
	if (!own_pids(g)) {
		gathering_closed(g,
			"the kernel log numbers processes in another pid namespace: not compared");
		return;
	}
	r = read_kmsg(g);
	if (r < 0)
		gathering_closed(g, "the kernel log is closed to this user (%s)", err_str(r));
}

/* "host tag[pid]: text": the tag and the text. */
static char *split_tag(char *line, char **ret_tag)
{
	char *tag = strchr(line, ' '), *end;

	if (!tag)
		return NULL;
	tag++;
	end = strstr(tag, ": ");
	if (!end)
		return NULL;
	*end = '\0';
	tag[strcspn(tag, "[")] = '\0';
	*ret_tag = tag;
	return end + 2;
}

static void journal_lines(struct gathering *g, char *text)
{
	pid_t victim = 0;
	char *line;

	while ((line = ctl_next_line(&text))) {
		uint64_t ms;
		const char *rest = stamp_unix(line, &ms);
		char *tag, *said = rest ? split_tag(line + (rest - line), &tag) : NULL;

		if (!said || (strcmp(tag, "kernel") == 0 && !own_pids(g)))
			continue;
		gathering_line(g, tag, said, ms, &victim);
	}
}

static int read_journal(struct gathering *g)
{
	autoput(buf_release) struct buf out = BUF_INIT, err = BUF_INIT;
	char since[40], until[40];
	const char *argv[] = { g->at.journalctl, "--no-pager", "-o", "short-unix", "-t", "kernel",
		"-t", "earlyoom", "-t", "nohang", "-t", "nohang-desktop", "-t", "systemd-oomd",
		"-t", "systemd-coredump", "-t", "systemd-logind", "-t", "systemd-shutdown", "-t",
		"systemd", "-t", "shutdown", since, until, NULL };
	struct command_run c = { .argv = argv,
		.timeout_ms = JOURNAL_MS,
		.max = JOURNAL_BYTES,
		.out = &out,
		.err = &err };
	int r;

	if (!*g->at.journalctl)
		return 0;
	(void)snprintf(since, sizeof(since), "--since=@%" PRIu64, g->from_ms / 1000);
	(void)snprintf(until, sizeof(until), "--until=@%" PRIu64, g->to_ms / 1000 + 1);
	r = command_run(&c);
	if (r == -ENOENT || r == 127)
		return 0;
	if (r == -ETIMEDOUT) {
		gathering_closed(g, "the journal did not answer within %d s", JOURNAL_MS / 1000);
		return r;
	}
	if (r < 0)
		return r;
	if (err.len && strstr(err.data, "No journal files were found"))
		return 0;
	if (err.len && (strstr(err.data, "not seeing messages from") ||
			       strstr(err.data, "insufficient permissions")))
		gathering_closed(g, "the system's journal is closed to this user (group "
				    "systemd-journal may read it)");
	if (out.len)
		journal_lines(g, out.data);
	return 0;
}

static int read_syslog(struct gathering *g, int dirfd, const char *name)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	pid_t victim = 0;
	uint64_t mtime;
	char *text, *line;
	int r = gathering_tail(dirfd, name, LOG_TAIL, &b, &mtime);

	if (r < 0)
		return r;
	if (mtime < g->from_ms)
		return 0;
	text = b.data;
	while ((line = ctl_next_line(&text))) {
		uint64_t ms;
		const char *rest = stamp_syslog(line, g->f->real_ms, &ms);
		char *tag, *said = rest ? split_tag(line + (rest - line), &tag) : NULL;

		if (!said)
			continue;
		if (strcmp(tag, "kernel") == 0) {
			if (!own_pids(g))
				continue;
			if (*said == '[' && strstr(said, "] ")) /* "[ 1234.567890] " */
				said = strstr(said, "] ") + 2;
		}
		gathering_line(g, tag, said, ms, &victim);
	}
	return 0;
}

void evidence_logs(struct gathering *g)
{
	static const char *const names[] = { "syslog", "messages", "kern.log" };
	autoclose int dirfd = -1;

	(void)read_journal(g);
	dirfd = open(g->at.log_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; dirfd >= 0 && i < sizeof(names) / sizeof(*names); i++) {
		int r = read_syslog(g, dirfd, names[i]);

		if (r == -EACCES)
			gathering_closed(
				g, "%s/%s is closed to this user", g->at.log_dir, names[i]);
	}
}
