/* What is taken of all that is found: evidence.h. */
#include "detect/evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "detect/evidence-internal.h"
#include "lib/auto.h"
#include "lib/io.h"

enum {
	BEFORE_MS = 15000, /* a process may take so long to die of its SIGKILL: it gives its memory
			      back */
	AFTER_MS = 12000,  /* editors write their traces so late */
	DOWN_BEFORE_MS = 120000,
};

void evidence_add(struct evidence_list *l, const struct evidence *e)
{
	unsigned at = l->n;

	for (unsigned i = 0; i < l->n; i++)
		if (l->e[i].what == e->what && l->e[i].pid == e->pid &&
			strcmp(l->e[i].text, e->text) == 0)
			return;
	if (at == EVIDENCE_MAX) {
		if (e->what == EV_CLOSED)
			return;
		for (at = 0; at < EVIDENCE_MAX && l->e[at].what != EV_CLOSED; at++)
			;
		if (at == EVIDENCE_MAX)
			return;
		l->n--;
	}
	l->e[at] = *e;
	l->n++;
}

bool gathering_in_time(const struct gathering *g, uint64_t real_ms)
{
	return real_ms >= g->from_ms && real_ms <= g->to_ms;
}

void gathering_closed(struct gathering *g, const char *fmt, ...)
{
	struct evidence e = { .what = EV_CLOSED };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	evidence_add(g->ret, &e);
}

int gathering_tail(int dirfd, const char *path, size_t max, struct buf *b, uint64_t *ret_mtime_ms)
{
	autoclose int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	off_t from;
	ssize_t n;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	from = st.st_size > (off_t)max ? st.st_size - (off_t)max : 0;
	r = buf_reserve(b, max + 1);
	if (r < 0)
		return r;
	n = io_pread_full(fd, b->data, max, from);
	if (n < 0)
		return (int)n;
	b->len = (size_t)n;
	b->data[n] = '\0';
	if (from) {
		const char *nl = memchr(b->data, '\n', b->len);
		size_t cut = nl ? (size_t)(nl + 1 - b->data) : b->len;

		memmove(b->data, b->data + cut, b->len - cut + 1);
		b->len -= cut;
	}
	for (size_t i = 0; i < b->len; i++) /* holes and binary stay one line each */
		if (!b->data[i])
			b->data[i] = ' ';
	if (ret_mtime_ms)
		*ret_mtime_ms =
			(uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
	return 0;
}

/* systemd-oomd names the cgroup it killed, with all groups below. */
static bool ours_by_group(const struct fact *f, const char *text)
{
	const char *path = text + sizeof("Killed ") - 1;
	size_t n = strcspn(path, " ");

	return n > 1 && strncmp(f->cgroup, path, n) == 0 && (f->cgroup[n] == '/' || !f->cgroup[n]);
}

static bool is_guard(const char *tag)
{
	return !*tag || strcmp(tag, "earlyoom") == 0 || strcmp(tag, "nohang") == 0 ||
	       strcmp(tag, "systemd-oomd") == 0 || strcmp(tag, "nohang-desktop") == 0;
}

static bool is_system(const char *tag)
{
	return strncmp(tag, "systemd", 7) == 0 || strcmp(tag, "shutdown") == 0;
}

void gathering_line(
	struct gathering *g, const char *tag, const char *text, uint64_t real_ms, pid_t *victim)
{
	struct evidence e;
	bool ours;

	/* Who may say what: any program may write "Killed process 1" under its own name. */
	if (strcmp(tag, "kernel") == 0
			? !evidence_kernel_line(text, &e)
			: !((is_guard(tag) && evidence_guard_line(text, victim, &e)) ||
				  (is_system(tag) && (evidence_core_line(text, &e) ||
							     evidence_down_line(text, &e)))))
		return;
	if (!gathering_in_time(g, real_ms))
		return;
	ours = e.what == EV_LOGIND || e.pid == g->f->proc.pid ||
	       (e.what == EV_GUARD && e.cgroup && ours_by_group(g->f, text));
	if (!ours || (e.what != EV_LOGIND && g->f->proc.pid <= 0))
		return;
	e.real_ms = real_ms;
	if (e.what == EV_GUARD)
		e.pid = g->f->proc.pid;
	evidence_add(g->ret, &e);
}

static uint64_t now_ms(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void set_time(struct gathering *g)
{
	uint64_t end = g->f->real_ms;

	g->from_ms = end > BEFORE_MS ? end - BEFORE_MS : 0;
	g->to_ms = end + AFTER_MS;
	if (g->f->kind != FACT_MACHINE)
		return;
	g->from_ms = end > DOWN_BEFORE_MS ? end - DOWN_BEFORE_MS : 0;
	g->to_ms = g->at.now_ms ? g->at.now_ms : now_ms();
}

int evidence_gather(const struct evidence_places *at, const struct fact *f, unsigned from,
	struct evidence_list *ret)
{
	static const struct evidence_places real;
	struct gathering g = { .at = at ? *at : real, .f = f, .ret = ret };

	if (!g.at.kmsg)
		g.at.kmsg = "/dev/kmsg";
	if (!g.at.journalctl)
		g.at.journalctl = "journalctl";
	if (!g.at.log_dir)
		g.at.log_dir = "/var/log";
	if (!g.at.core_pattern)
		g.at.core_pattern = "/proc/sys/kernel/core_pattern";
	if (!g.at.pid_ns)
		g.at.pid_ns = "/proc/self/ns/pid";
	set_time(&g);
	if (from)
		evidence_ledger(&g);
	if (from & FROM_KERNEL)
		evidence_kernel(&g);
	if (from & FROM_LOGS)
		evidence_logs(&g);
	if (from & FROM_FILES)
		evidence_files(&g);
	if (from & FROM_EDITOR && f->kind == FACT_EXIT && f->role.kind == KIND_EDITOR)
		evidence_editor(&g);
	return 0;
}
