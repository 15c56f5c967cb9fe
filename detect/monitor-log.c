/* --log-dir: samples.jsonl and events.jsonl, one JSON object a line, made in a buffer of our own
 * (nothing is allocated while it is written). A file that has reached its size becomes NAME.1; so
 * at most twice the size is used, each. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "detect/monitor.h"
#include "lib/auto.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/text.h"

enum { LINE = 16384 };

struct stream {
	const char *name;
	int fd;
	uint64_t size;
};

struct jsonlog {
	int dirfd;
	uint64_t max;
	int error;
	struct stream samples, events;
	size_t n;
	char line[LINE];
};

static void __attribute__((format(printf, 2, 3))) add(struct jsonlog *l, const char *fmt, ...)
{
	va_list ap;
	int k;

	va_start(ap, fmt);
	k = vsnprintf(l->line + l->n, sizeof(l->line) - l->n, fmt, ap);
	va_end(ap);
	l->n += k < 0 ? 0 : (size_t)k;
	if (l->n >= sizeof(l->line))
		l->n = sizeof(l->line) - 1;
}

/* What is not UTF-8 becomes U+FFFD: JSON has no bytes. */
static void add_text(struct jsonlog *l, const char *name, const char *s)
{
	if (!*s)
		return;
	add(l, ",\"%s\":\"", name);
	while (*s) {
		size_t k = text_utf8_len(s, strnlen(s, 4));

		if (k == 1 && (*s == '"' || *s == '\\'))
			add(l, "\\%c", *s);
		else if (k == 1 && (unsigned char)*s < ' ')
			add(l, "\\u%04x", (unsigned)*s);
		else if (k)
			add(l, "%.*s", (int)k, s);
		else
			add(l, "\\ufffd");
		s += k ? k : 1;
	}
	add(l, "\"");
}

static void add_number(struct jsonlog *l, const char *name, uint64_t v)
{
	if (v == MACHINE_NONE)
		add(l, ",\"%s\":null", name);
	else
		add(l, ",\"%s\":%" PRIu64, name, v);
}

/* As `detect --json` writes them. */
static void add_hundredths(struct jsonlog *l, const char *name, uint16_t v)
{
	if (v == UINT16_MAX)
		add(l, ",\"%s\":null", name);
	else
		add(l, ",\"%s\":%u.%02u", name, v / 100u, v % 100u);
}

static void begin(struct jsonlog *l, uint64_t real_ms)
{
	char when[40];

	l->n = 0;
	add(l, "{\"time\":\"%s\"", text_rfc3339((int64_t)real_ms * 1000000, when));
}

static int open_stream(struct jsonlog *l, struct stream *s)
{
	struct stat st;

	s->fd = openat(
		l->dirfd, s->name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return -errno;
	s->size = (uint64_t)st.st_size;
	return 0;
}

static int turn_over(struct jsonlog *l, struct stream *s)
{
	char old[32];

	(void)snprintf(old, sizeof(old), "%s.1", s->name);
	auto_close_(&s->fd);
	s->fd = -1;
	(void)renameat(l->dirfd, s->name, l->dirfd, old);
	return open_stream(l, s);
}

static void end(struct jsonlog *l, struct stream *s)
{
	int r = 0;

	if (l->n + 3 > sizeof(l->line))
		return; /* cut: no JSON any more. The bounds of a fact keep it far below that */
	add(l, "}\n");
	if (s->size + l->n > l->max && s->size)
		r = turn_over(l, s);
	if (r == 0)
		r = s->fd < 0 ? -EBADF : io_write_all(s->fd, l->line, l->n);
	if (r == 0)
		s->size += l->n;
	else if (r != l->error)
		(void)log_warn_errno(r, "log: %s", s->name);
	l->error = r;
}

void jsonlog_sample(struct jsonlog *l, const struct sample *x)
{
	if (!l)
		return;
	begin(l, x->real_ms);
	add_text(l, "risk", risk_name((enum risk)x->risk));
	add_number(l, "total", x->total);
	add_number(l, "available", x->available);
	add_number(l, "swap_total", x->swap_total);
	add_number(l, "swap_free", x->swap_free);
	add_number(l, "editor", x->editor);
	add_number(l, "training", x->training);
	add_number(l, "gpu_total", x->gpu_total);
	add_number(l, "gpu_used", x->gpu_used);
	add_number(l, "gpu_busy_percent", x->gpu_busy ? x->gpu_busy - 1u : MACHINE_NONE);
	add_number(l, "gpu_celsius", x->gpu_celsius ? x->gpu_celsius - 1u : MACHINE_NONE);
	add_number(l, "group_percent", x->group ? x->group - 1u : MACHINE_NONE);
	add_hundredths(l, "psi_full10_percent", x->psi_full10);
	add_hundredths(l, "cpu_busy_percent", x->cpu_busy);
	end(l, &l->samples);
}

static void add_process(struct jsonlog *l, const struct fact *f)
{
	add_number(l, "pid", (uint64_t)f->proc.pid);
	add_number(l, "ppid", (uint64_t)f->ppid);
	add_text(l, "role", role_name(f->role.role));
	add_text(l, "family", family_name(f->role.family));
	add_text(l, "name", f->comm);
	add_text(l, "exe", f->exe);
	add_text(l, "argv", f->argv);
	add_text(l, "cwd", f->cwd);
	add_text(l, "run", f->run);
	add_number(l, "rss", f->rss);
	add_number(l, "peak", f->peak);
	add_number(l, "gpu_held", f->gpu_held);
}

static void add_end(struct jsonlog *l, const struct fact *f)
{
	if (f->status == FACT_UNKNOWN) {
		add(l, ",\"code\":null,\"signal\":null,\"core\":null");
		return;
	}
	add_number(l, "code", f->status == FACT_EXITED ? (uint64_t)f->code : MACHINE_NONE);
	add_number(l, "signal", f->status == FACT_SIGNALED ? (uint64_t)f->signal : MACHINE_NONE);
	add(l, ",\"core\":%s", f->core ? "true" : "false");
	add_text(l, "told_by", f->how);
	add_number(l, "oom_before", f->oom_before);
	add_number(l, "oom_after", f->oom_after);
}

void jsonlog_fact(struct jsonlog *l, const struct fact *f)
{
	static const char *const kind[] = { "exit", "risk", "hang", "link", "start", "stop",
		"machine", "guard" };

	if (!l)
		return;
	begin(l, f->real_ms);
	add_text(l, "kind", kind[f->kind]);
	add_text(l, "id", f->id);
	if (f->proc.pid)
		add_process(l, f);
	if (f->kind == FACT_EXIT)
		add_end(l, f);
	if (f->kind == FACT_HANG && f->state) {
		const char state[2] = { f->state, '\0' };

		add_text(l, "state", state);
	}
	if (f->kind == FACT_RISK) {
		add_text(l, "was", risk_name(f->was));
		add_text(l, "risk", risk_name(f->risk));
		add_text(l, "reasons", f->reasons);
	}
	if (f->kind == FACT_GUARD) {
		add_text(l, "action", f->action);
		add(l, ",\"dry_run\":%s", f->dry ? "true" : "false");
		add_text(l, "reasons", f->reasons);
		add_number(l, "left_before", f->left_before);
		add_number(l, "left_after", f->left_after);
	}
	if (f->kind == FACT_LINK) {
		add_text(l, "of", f->of);
		add_text(l, "workspace", f->workspace);
		add_text(l, "before", f->before);
		add_text(l, "after", f->after);
	} else {
		add_number(l, "available", f->m.available);
	}
	end(l, &l->events);
}

int jsonlog_open(const char *dir, uint64_t max, struct jsonlog **ret)
{
	struct jsonlog *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->max = max;
	l->samples = (struct stream){ .name = "samples.jsonl", .fd = -1 };
	l->events = (struct stream){ .name = "events.jsonl", .fd = -1 };
	r = io_mkdir_p(AT_FDCWD, dir, 0700);
	l->dirfd = r < 0 ? -1 : open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r == 0 && l->dirfd < 0)
		r = -errno;
	if (r == 0)
		r = open_stream(l, &l->samples);
	if (r == 0)
		r = open_stream(l, &l->events);
	if (r < 0) {
		jsonlog_close(l);
		return log_error_errno(r, "log folder %s", dir);
	}
	*ret = l;
	return 0;
}

void jsonlog_close(struct jsonlog *l)
{
	if (!l)
		return;
	auto_close_(&l->samples.fd);
	auto_close_(&l->events.fd);
	auto_close_(&l->dirfd);
	free(l);
}
