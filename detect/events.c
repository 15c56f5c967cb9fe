/* detect events: the journal, newest first. */
#include "detect/events.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/evidence.h"
#include "detect/json.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/text.h"

enum { COLUMNS = 80, DEFAULT_ROWS = 20 };

const char *event_kind_name(enum journal_kind k)
{
	static const char *const name[] = { [J_EXIT] = "exit",
		[J_RISK] = "risk",
		[J_GUARD] = "guard",
		[J_LAUNCH] = "launch",
		[J_RESTORE] = "restore",
		[J_MACHINE] = "machine",
		[J_HANG] = "hang" };

	return (size_t)k < sizeof(name) / sizeof(*name) ? name[k] : "event";
}

/* ---- JSON ---- */

static int field_lines(struct buf *b, const char *key, const char *lines)
{
	int r = json_key(b, key);

	if (r == 0)
		r = buf_addch(b, '[');
	while (r == 0 && lines && *lines) {
		size_t n = strcspn(lines, "\n");
		autofree char *one = strndup(lines, n);

		r = one ? json_string(b, one) : -ENOMEM;
		lines += n + (lines[n] == '\n');
		if (r == 0 && *lines)
			r = buf_addch(b, ',');
	}
	return r < 0 ? r : buf_addch(b, ']');
}

static int field_number(struct buf *b, const char *key, int64_t v)
{
	return json_field(b, key, v < 0 ? MACHINE_NONE : (uint64_t)v);
}

static int field_bool(struct buf *b, const char *key, bool v)
{
	int r = json_key(b, key);

	return r < 0 ? r : buf_addstr(b, v ? "true" : "false");
}

static int field_time(struct buf *b, const char *key, uint64_t ms)
{
	char when[40];

	return json_field_string(b, key, ms ? text_rfc3339((int64_t)ms * 1000000, when) : NULL);
}

static int field_links(struct buf *b, const struct journal_event *ev)
{
	int r = json_key(b, "links");

	if (r == 0)
		r = buf_addch(b, '[');
	for (unsigned i = 0; i < ev->n_link && r == 0; i++) {
		const struct journal_link *l = &ev->link[i];

		r = buf_addstr(b, i ? ",{" : "{");
		if (r == 0)
			r = json_field_string(b, "workspace", l->workspace);
		if (r == 0)
			r = json_field_string(b, "store", l->store);
		if (r == 0)
			r = json_field_string(b, "before", *l->before ? l->before : NULL);
		if (r == 0)
			r = json_field_string(b, "after", *l->after ? l->after : NULL);
		if (r == 0)
			r = buf_addch(b, '}');
	}
	return r < 0 ? r : buf_addch(b, ']');
}

static int all_fields(const struct journal_event *ev, struct buf *b)
{
	const struct journal_link *l = ev->n_link ? &ev->link[0] : NULL;
	int r = field_time(b, "time", ev->real_ms);

#define ADD(call)   \
	if (r == 0) \
	r = (call)
	ADD(json_field_string(b, "kind", event_kind_name(ev->kind)));
	ADD(field_number(b, "pid", ev->pid));
	ADD(json_field_string(b, "role", ev->role));
	ADD(json_field_string(b, "name", ev->name));
	ADD(json_field_string(b, "cause", ev->cause));
	ADD(field_number(b, "code", ev->code));
	ADD(field_number(b, "signal", ev->signal));
	ADD(field_bool(b, "core", ev->core));
	ADD(json_field_string(b, "confidence", ev->confidence));
	ADD(field_lines(b, "evidence", ev->evidence));
	ADD(json_field_string(b, "snapshot", l && *l->before ? l->before : NULL));
	ADD(json_field_string(b, "workspace", l ? l->workspace : NULL));
	ADD(json_field_string(b, "what", ev->text));
	ADD(json_field_string(b, "editor", ev->family));
	ADD(json_field_string(b, "command", ev->command));
	ADD(field_bool(b, "crash", ev->unwanted));
	ADD(field_bool(b, "final", ev->fact == NULL));
	ADD(json_field(b, "peak_bytes", ev->peak ? ev->peak : MACHINE_NONE));
	ADD(field_time(b, "not_after", ev->until_ms));
	ADD(json_field_string(b, "note", ev->note));
	ADD(field_links(b, ev));
	ADD(json_field_string(b, "id", ev->id));
#undef ADD
	return r;
}

int event_json(const struct journal_event *ev, struct buf *b)
{
	int r = buf_addch(b, '{');

	if (r == 0)
		r = all_fields(ev, b);
	return r < 0 ? r : buf_addstr(b, "}\n");
}

/* ---- for people ---- */

/* What fits, by characters; what must not reach a terminal becomes '?'. */
int event_add_cut(struct buf *b, const char *s, size_t columns)
{
	size_t left = strlen(s), shown = 0;
	int r = 0;

	while (r == 0 && left && shown < columns) {
		size_t n = text_print_len(s, left);

		if (shown + 1 == columns && left > (n ? n : 1)) {
			r = buf_addstr(b, "~");
			break;
		}
		r = n ? buf_add(b, s, n) : buf_addch(b, '?');
		n = n ? n : 1;
		s += n;
		left -= n;
		shown++;
	}
	return r;
}

/* 2026-11-23 14:31:07  !  VSCode renderer (process 4711) was killed by the kernel */
int event_row(const struct journal_event *ev, unsigned columns, struct buf *b)
{
	const char *text = ev->text ? ev->text : event_kind_name(ev->kind);
	char when[32];
	int r = buf_printf(b, "%s %c ", text_local_time((int64_t)ev->real_ms * 1000000, when),
		ev->unwanted ? '!' : ' ');

	if (r == 0)
		r = event_add_cut(b, text, columns - 22);
	return r < 0 ? r : buf_addch(b, '\n');
}

/* All first, then the output: a reader that does not read on must not hold the journal. */
struct showing {
	bool json;
	bool all; /* helpers that went with their whole, too */
	unsigned shown, limit, helpers, columns;
	struct buf out;
};

/* Of the terminal; a pipe or a file has no end of the line, and who searches it wants all. */
static unsigned columns(void)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0)
		return UINT_MAX;
	return w.ws_col >= COLUMNS ? w.ws_col : COLUMNS;
}

static int show(const struct journal_event *ev, void *arg)
{
	struct showing *s = arg;

	if (!s->json && !s->all && !ev->unwanted && ev->text &&
		strstr(ev->text, " went with process ")) {
		s->helpers++;
		return 0;
	}
	if (s->limit && s->shown == s->limit)
		return 1; /* enough */
	s->shown++;
	return s->json ? event_json(ev, &s->out) : event_row(ev, s->columns, &s->out);
}

static int refuse(const char *word, const char *value, const char *why)
{
	log_error("events: %s%s%s: %s; " DETECT " events --help lists what there is", word,
		*value ? " " : "", value, why);
	return -EINVAL;
}

/* A span back from now, or a local time. */
static int parse_since(const char *s, uint64_t *ret_ms)
{
	uint64_t now = (uint64_t)text_now_ns() / 1000000, span;
	char whole[32];

	if (text_parse_duration_ms(s, &span) == 0) {
		*ret_ms = span < now ? now - span : 0;
		return 0;
	}
	if (strlen(s) > 19)
		return -EINVAL;
	/* Filled up to 2026-11-23 14:31:07 and what stamp_local wants behind it. */
	(void)snprintf(whole, sizeof(whole), "%s%s ", s, "0000-00-00 00:00:00" + strlen(s));
	if (whole[10] == 'T')
		whole[10] = ' ';
	return stamp_local(whole, ret_ms) ? 0 : -EINVAL;
}

static int parse_count(const char *s, unsigned *ret)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (*s < '0' || *s > '9' || *end || v > UINT32_MAX)
		return -EINVAL;
	*ret = (unsigned)v;
	return 0;
}

static int parse(int argc, char **argv, struct journal_filter *f, struct showing *s)
{
	bool counted = false;

	for (int i = 0; i < argc; i++) {
		const char *a = argv[i], *value = NULL;

		if (strcmp(a, "--json") == 0) {
			s->json = true;
		} else if (strcmp(a, "-v") == 0) {
			s->all = true;
		} else if (strcmp(a, "--crashes") == 0) {
			f->crashes_only = true;
		} else if (strncmp(a, "-n", 2) == 0) {
			value = a[2] ? a + 2 : i + 1 < argc ? argv[++i] : "";
			counted = true;
			if (parse_count(value, &s->limit) < 0)
				return refuse("-n", value, "not a number");
		} else if (strncmp(a, "--since", 7) == 0 && (a[7] == '=' || !a[7])) {
			value = a[7] ? a + 8 : i + 1 < argc ? argv[++i] : "";
			if (parse_since(value, &f->from_ms) < 0)
				return refuse("--since", value,
					"not a span (2h, 3d) nor a time (2026-11-23, 2026-11-23 "
					"14:30)");
		} else {
			return refuse(a, "", "no such option");
		}
	}
	if (!counted && !s->json && !f->from_ms)
		s->limit = DEFAULT_ROWS;
	return 0;
}

static int nothing(const struct showing *s, const struct journal_filter *f)
{
	if (!s->json)
		log_info("nothing is recorded%s", f->from_ms || f->crashes_only
							  ? " that was asked for"
							  : " yet: `" DETECT " watch` watches");
	return EXIT_NO;
}

int cmd_events(int argc, char **argv, const struct detect_settings *set)
{
	struct journal_filter f = { 0 };
	struct showing s = { .columns = columns() };
	struct journal *j = NULL;
	autoclose int dirfd = -1;
	int r;

	(void)set;
	if (argc == 1 && strcmp(argv[0], "--help") == 0) {
		(void)puts(
			"usage: " DETECT
			" events [--json] [-v] [-n N] [--since TIME] [--crashes]\n\n"
			"What ended and why, when memory was at risk, which launches were refused:\n"
			"newest first; ! marks what was a crash. " RECOVER " report says all of one.\n\n"
			"  --json        one object a line\n"
			"  -v            with the helpers of an editor that went with it\n"
			"  -n N          at most so many; 20, unless --since is given\n"
			"  --since TIME  a span (2h, 3d) or a time (2026-11-23, 2026-11-23 14:30)\n"
			"  --crashes     only those\n\n"
			"Exit codes: 0 shown, 1 nothing to show, 2 usage.");
		return EXIT_DONE;
	}
	log_set_level(LOG_INFO);
	if (parse(argc, argv, &f, &s) < 0)
		return EXIT_USAGE;
	if (!detect_state_is_known()) {
		detect_state_complain(-ENOENT);
		return EXIT_ENV;
	}
	dirfd = detect_state_dir_if_any();
	r = dirfd < 0 ? dirfd : journal_open(dirfd, false, &j);
	if (r == -ENOENT)
		return nothing(&s, &f);
	if (r == 0)
		r = journal_each(j, &f, show, &s);
	journal_close(j);
	if (r < 0) {
		(void)log_error_errno(r, DETECT_JOURNAL);
		return EXIT_ENV;
	}
	if (r == 1)
		r = 0;
	if (r == 0 && s.shown && s.helpers)
		r = buf_printf(&s.out, "%*s(%u helpers that went with theirs are left out: -v)\n",
			22, "", s.helpers);
	if (s.shown && (fwrite(s.out.data, 1, s.out.len, stdout) != s.out.len || fflush(stdout)))
		r = -errno;
	buf_release(&s.out);
	if (r < 0 && r != -EPIPE)
		(void)log_error_errno(r, "the output");
	return r < 0 ? EXIT_ENV : s.shown ? EXIT_DONE : nothing(&s, &f);
}
