/* detect/launch.c - launches on their way to the journal; see gate.h. Writing takes a disk's time
 * and SQLite: detect-core does it, and nobody waits. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "detect/gate.h"
#include "lib/auto.h"
#include "lib/become.h"
#include "lib/io.h"
#include "lib/text.h"

struct words {
	char *w[24];
	unsigned n;
};

static void add(struct words *w, const char *name, const char *value)
{
	struct buf b = BUF_INIT;

	if (w->n + 1 < sizeof(w->w) / sizeof(*w->w) && value && *value &&
		buf_printf(&b, "%s=%s", name, value) == 0)
		w->w[w->n++] = buf_detach(&b, NULL);
	else
		buf_release(&b);
}

static void sentence(
	const struct gate_answer *a, const char *what, const char *more, struct words *w)
{
	char need[16], room[16], text[400];
	const char *first = a->argv && a->argv[0] ? a->argv[0] : "a launch";

	(void)text_size(a->need.ram == MACHINE_NONE ? 0 : a->need.ram, need);
	(void)text_size(a->room.ram, room);
	(void)snprintf(text, sizeof(text), "%.160s: %s%s, needs %s, room for %s%s%s", first, what,
		a->forced ? " against the gate's advice" : "",
		a->need.ram == MACHINE_NONE ? "an unknown amount" : need, room, more ? "; " : "",
		more ? more : "");
	add(w, "text", text);
}

static void fill(const struct gate_answer *a, const char *what, const char *id, const char *more,
	struct words *w)
{
	autoput(buf_release) struct buf command = BUF_INIT, evidence = BUF_INIT;
	char text[256], ms[32];

	(void)snprintf(ms, sizeof(ms), "%llu", (unsigned long long)a->room.m.real_ms);
	add(w, "time", ms);
	add(w, "id", id);
	add(w, "what", what);
	sentence(a, what, more, w);
	if (a->argv && gate_words(a->argv, &command) == 0)
		add(w, "command", command.data);
	for (unsigned i = 0; i < a->verdict.n; i++) {
		(void)gate_reason_text(&a->verdict.reason[i], &a->room, text, sizeof(text));
		if (buf_printf(&evidence, "%s%s", evidence.len ? "\n" : "", text) < 0)
			break;
	}
	add(w, "evidence", evidence.data);
	add(w, "forced", a->forced ? a->forced_by : NULL);
	add(w, "workspace", a->workspace);
	add(w, "store", a->store);
	add(w, "snapshot", a->snapshot);
}

void launch_note(const struct gate_answer *a, const char *what, const char *id, const char *more)
{
	struct words w = { .n = 2 };
	char name[] = "detect-core", note[] = "note";
	int null;

	/* The grandchild is nobody's: neither we nor the parent waits for it. */
	switch (fork()) {
	case 0:
		break;
	default:
		return;
	}
	(void)setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3 && null >= 0; i++)
		(void)dup2(null, i);
	(void)close_range(3, ~0U, 0);
	w.w[0] = name;
	w.w[1] = note;
	fill(a, what, id, more, &w);
	w.w[w.n] = NULL;
	(void)become("detect-core", w.w);
	_exit(0);
}
