/* detect/note.c - see the header. */
#include "detect/note.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect/detect.h"
#include "detect/journal.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/text.h"

static const char *value(int argc, char **argv, const char *name)
{
	size_t n = strlen(name);

	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=')
			return argv[i] + n + 1;
	return NULL;
}

static uint64_t number(const char *s)
{
	return s ? strtoull(s, NULL, 10) : 0;
}

static void link_of(int argc, char **argv, uint64_t when, struct journal_link *l)
{
	const char *snapshot = value(argc, argv, "snapshot");

	l->workspace = (char *)(uintptr_t)value(argc, argv, "workspace");
	l->store = (char *)(uintptr_t)value(argc, argv, "store");
	if (snapshot) {
		(void)snprintf(l->before, sizeof(l->before), "%s", snapshot);
		l->before_ms = when;
	}
}

static int add(int argc, char **argv, struct journal *j, uint64_t quota)
{
	const char *id = value(argc, argv, "id"), *pid = value(argc, argv, "pid"),
		   *cause = value(argc, argv, "cause"), *code = value(argc, argv, "code"),
		   *signal = value(argc, argv, "signal"), *forced = value(argc, argv, "forced");
	struct journal_link l = { 0 };
	struct journal_event ev = { .kind = cause ? J_EXIT : J_LAUNCH,
		.ppid = -1,
		.pid = pid ? (int64_t)number(pid) : -1,
		.start = number(value(argc, argv, "start")),
		.real_ms = number(value(argc, argv, "time")),
		.role = cause ? "run" : NULL,
		.cause = cause,
		.confidence = value(argc, argv, "confidence"),
		.name = value(argc, argv, "name"),
		.run = value(argc, argv, "run"),
		.command = value(argc, argv, "command"),
		.place = value(argc, argv, "folder"),
		.text = value(argc, argv, "text"),
		.evidence = value(argc, argv, "evidence"),
		.unwanted = value(argc, argv, "unwanted") != NULL,
		.peak = number(value(argc, argv, "peak")),
		.code = code ? (int)number(code) : -1,
		.signal = signal ? (int)number(signal) : -1,
		.note = forced ? forced : value(argc, argv, "what") };
	int r;

	if (!ev.real_ms)
		ev.real_ms = (uint64_t)(text_now_ns() / 1000000);
	io_random_hex(ev.id);
	if (id)
		(void)snprintf(ev.id, sizeof(ev.id), "%s", id);
	link_of(argc, argv, ev.real_ms, &l);
	if (l.workspace) {
		ev.link = &l;
		ev.n_link = 1;
	}
	r = journal_add(j, &ev);
	return r < 0 ? r : journal_trim(j, quota);
}

int cmd_note(int argc, char **argv, const struct detect_settings *set)
{
	autoclose int dir = detect_state_dir();
	struct journal *j;
	int r = dir < 0 ? dir : journal_open(dir, true, &j);

	if (r == 0) {
		r = add(argc, argv, j, set->cfg.journal_quota);
		journal_close(j);
	}
	if (r < 0) {
		(void)log_error_errno(r, "note");
		return EXIT_ENV;
	}
	return EXIT_DONE;
}
