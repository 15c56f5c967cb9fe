/* detect/runs.c - `detect runs`: what ran, and how it ended. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/json.h"
#include "detect/run.h"
#include "detect/runs_html.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/text.h"

#define OR_FAIL(call)              \
	do {                       \
		int r_ = (call);   \
		if (r_ < 0)        \
			return r_; \
	} while (0)

enum { COMMAND_COLUMNS = 23, LISTED = 20 };

struct listing {
	struct buf b;
	unsigned n, limit;
	bool json;
	const char *html; /* the file; NULL */
	struct runs_html page;
};

static const char *state_of(const struct run *r)
{
	return r->lost ? "lost" : r->running ? "running" : "ended";
}

static uint64_t or_none(uint64_t v)
{
	return v ? v : MACHINE_NONE;
}

static int json_time(struct buf *b, const char *key, uint64_t ms)
{
	char text[40];

	return json_field_string(b, key, ms ? text_rfc3339((int64_t)ms * 1000000, text) : NULL);
}

static int row_json(const struct run *r, struct buf *b)
{
	OR_FAIL(buf_addch(b, '{'));
	OR_FAIL(json_field_string(b, "id", r->id));
	OR_FAIL(json_field_string(b, "state", state_of(r)));
	OR_FAIL(json_time(b, "began", r->began_ms));
	OR_FAIL(json_time(b, "ended", r->running ? 0 : r->ended_ms));
	OR_FAIL(json_field(b, "pid", r->pid.pid > 0 ? (uint64_t)r->pid.pid : MACHINE_NONE));
	OR_FAIL(json_field_string(b, "command", r->command));
	OR_FAIL(json_field_string(b, "folder", r->cwd));
	OR_FAIL(json_field_string(b, "mode", r->mode));
	OR_FAIL(json_field_string(b, "tier", r->tier));
	OR_FAIL(json_field_string(b, "scope", r->scope));
	OR_FAIL(json_field(b, "limit", or_none(r->limit)));
	OR_FAIL(json_field(b, "limit_in_force", r->in_force));
	OR_FAIL(json_field(b, "need", r->need));
	OR_FAIL(json_field(b, "attempt", r->attempt));
	OR_FAIL(json_field(b, "peak_bytes", or_none(r->peak.ram)));
	OR_FAIL(json_field(b, "peak_shm_bytes", r->running ? MACHINE_NONE : r->peak.shm));
	OR_FAIL(json_field(b, "peak_gpu_bytes", r->running ? MACHINE_NONE : r->peak.gpu));
	OR_FAIL(json_field(
		b, "code", r->running || r->code < 0 ? MACHINE_NONE : (uint64_t)r->code));
	OR_FAIL(json_field(
		b, "signal", r->running || r->signal < 0 ? MACHINE_NONE : (uint64_t)r->signal));
	OR_FAIL(json_field_string(b, "cause", r->running ? NULL : r->cause));
	OR_FAIL(json_field_string(b, "how", r->running ? NULL : r->how));
	OR_FAIL(json_field_string(b, "ended_by", r->running ? NULL : r->by));
	OR_FAIL(json_field_string(b, "workspace", r->workspace));
	OR_FAIL(json_field_string(b, "snapshot", r->snapshot));
	return buf_addstr(b, "}\n");
}

static int short_name(const char *s, struct buf *b)
{
	size_t n = strlen(s), at = b->len;

	OR_FAIL(text_quote_name(b, s, n > COMMAND_COLUMNS ? COMMAND_COLUMNS : n));
	if (n > COMMAND_COLUMNS && b->len > at)
		b->data[b->len - 1] = '~';
	return 0;
}

static int row_text(const struct run *r, struct buf *b)
{
	char when[32], peak[16];

	OR_FAIL(buf_printf(b, "%s  %.16s  %-9s  ", r->id,
		text_local_time((int64_t)r->began_ms * 1000000, when),
		r->peak.ram ? text_size(r->peak.ram, peak) : "-"));
	if (r->lost)
		OR_FAIL(buf_printf(b, "%-15s  ", "lost"));
	else if (r->running)
		OR_FAIL(buf_printf(b, "%-15s  ", "running"));
	else if (r->cause && strncmp(r->cause, "out-of-memory", 13) == 0)
		OR_FAIL(buf_printf(b, "%-15s  ", "out of memory"));
	else if (r->by)
		OR_FAIL(buf_printf(b, "%-15s  ", "ended by hand"));
	else if (r->signal > 0)
		OR_FAIL(buf_printf(b, "signal %-8d  ", r->signal));
	else
		OR_FAIL(buf_printf(b, "exit %-10d  ", r->code));
	OR_FAIL(short_name(r->command, b));
	return buf_addch(b, '\n');
}

static int add_row(struct run *r, int folder, void *arg)
{
	struct listing *l = arg;
	int e;

	(void)folder;
	if (l->html)
		e = runs_html_add(&l->page, r);
	else
		e = l->json ? row_json(r, &l->b) : row_text(r, &l->b);
	return e < 0 ? e : ++l->n == l->limit;
}

static int line(struct buf *b, const char *name, const char *value)
{
	if (!value)
		return 0;
	OR_FAIL(buf_printf(b, "%-10s", name));
	OR_FAIL(text_quote_name(b, value, strlen(value)));
	return buf_addch(b, '\n');
}

static int size_line(struct buf *b, const char *name, uint64_t v)
{
	char size[16];

	return v && v != MACHINE_NONE ? buf_printf(b, "%-10s%s\n", name, text_size(v, size)) : 0;
}

/* All of one. */
static int detail(int state, const struct run *r, struct buf *b)
{
	autoclose int folder = run_folder(state, r->id, false);
	autoput(buf_release) struct buf said = BUF_INIT;
	char began[32], ended[32], path[64], log[4096];
	ssize_t n;

	OR_FAIL(line(b, "run", r->id));
	OR_FAIL(line(
		b, "state", r->lost ? "lost: its supervisor is gone without a word" : state_of(r)));
	OR_FAIL(line(b, "command", r->command));
	OR_FAIL(line(b, "folder", r->cwd));
	OR_FAIL(line(b, "began", text_local_time((int64_t)r->began_ms * 1000000, began)));
	if (!r->running) {
		OR_FAIL(line(b, "ended", text_local_time((int64_t)r->ended_ms * 1000000, ended)));
		OR_FAIL(line(b, "cause", r->cause));
		OR_FAIL(line(b, "how", r->how));
	}
	OR_FAIL(line(b, "mode", r->mode));
	OR_FAIL(line(b, "tier", r->tier));
	OR_FAIL(line(b, "scope", r->scope));
	OR_FAIL(size_line(b, "limit", r->limit));
	OR_FAIL(size_line(b, "in force", r->in_force));
	OR_FAIL(size_line(b, "peak", r->peak.ram));
	OR_FAIL(size_line(b, "peak GPU", r->peak.gpu));
	OR_FAIL(size_line(b, "peak shm", r->peak.shm));
	OR_FAIL(line(b, "snapshot", r->snapshot));
	if (folder >= 0 && io_read_file(folder, "answer", 4096, &said) == 0 && said.len) {
		said.data[strcspn(said.data, "\n")] = '\0';
		OR_FAIL(line(b, "answered", said.data));
	}
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", folder);
	n = folder < 0 ? -1 : readlink(path, log, sizeof(log) - 5);
	if (n > 0) {
		memcpy(log + n, "/log", 5);
		OR_FAIL(line(b, "output", log));
	}
	return 0;
}

static int help(void)
{
	(void)puts(
		"usage: " DETECT " runs [--json | --html FILE] [-n N] [RUN]\n\n"
		"What " DETECT " run started: id, begin, the most memory it took, how it ended.\n"
		"RUN, or the start of its id, shows all of one.\n\n"
		"  -n N          the newest N; 20 without, all on a page\n"
		"  --json        one object a line\n"
		"  --html FILE   a page for the browser: what each took, beside what the tiers\n"
		"                need; - is standard output\n\n"
		"1: none, or no such run.");
	return fflush(stdout) ? EXIT_ENV : EXIT_DONE;
}

static int one(int state, const char *id, bool json, struct buf *b)
{
	struct run r;
	int e = run_find(state, id, &r);

	if (e < 0) {
		log_error("runs: %s: %s", id, 
			e == -ENOTUNIQ ? "several begin so" : "no such run; " DETECT " runs lists them");
		return EXIT_NO;
	}
	e = json ? row_json(&r, b) : detail(state, &r, b);
	run_release(&r);
	return e < 0 ? EXIT_ENV : EXIT_DONE;
}

static int parse(int argc, char **argv, struct listing *l, const char **id)
{
	char *end;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			l->json = true;
		} else if (strcmp(argv[i], "--html") == 0 && i + 1 < argc && *argv[i + 1]) {
			l->html = argv[++i];
		} else if (strcmp(argv[i], "-n") == 0 && i + 1 < argc) {
			l->limit = (unsigned)strtoul(argv[++i], &end, 10);
			if (*argv[i] < '0' || *argv[i] > '9' || *end || !l->limit) {
				log_error("runs: -n %s: not a number from 1", argv[i]);
				return -EINVAL;
			}
		} else if (*argv[i] != '-' && !*id) {
			*id = argv[i];
		} else {
			return -EINVAL;
		}
	}
	if (!l->limit)
		l->limit = l->html ? UINT_MAX : LISTED;
	return l->html && (l->json || *id) ? -EINVAL : 0;
}

int cmd_runs(int argc, char **argv, const struct detect_settings *set)
{
	autoclose int state = detect_state_dir_if_any();
	struct listing l = { .b = BUF_INIT };
	const char *id = NULL;
	int e = EXIT_DONE;

	if (argc == 1 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0))
		return help();
	if (parse(argc, argv, &l, &id) < 0) {
		log_warn("usage: " DETECT " runs [--json | --html FILE] [-n N] [RUN]");
		return EXIT_USAGE;
	}
	if (state < 0)
		e = EXIT_NO;
	else if (id)
		e = one(state, id, l.json, &l.b);
	else if (run_each(state, add_row, &l) < 0 || !l.n)
		e = EXIT_NO;
	if (e == EXIT_NO && !id)
		log_warn("runs: none yet: " DETECT " run -- COMMAND starts one");
	if (e == EXIT_DONE && l.html)
		return runs_html_write(&l.page, set, l.html);
	if (l.b.len && (fwrite(l.b.data, 1, l.b.len, stdout) != l.b.len || fflush(stdout)))
		e = log_error_errno(-errno, "standard output") ? EXIT_ENV : e;
	buf_release(&l.b);
	return e;
}
