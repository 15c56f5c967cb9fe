/* detect/launch.c - launches on their way to the journal; see gate.h. Writing takes a disk's time
 * and SQLite: detect-core does it, and nobody waits. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/gate.h"
#include "detect/run.h"
#include "lib/auto.h"
#include "lib/become.h"
#include "lib/ctl.h"
#include "lib/io.h"
#include "lib/text.h"

enum { STATUS_MS = 1000 };

struct words {
	char *w[28];
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

/* True in the process that goes on: nobody's child, neither we nor the parent waits for it. */
static bool detach(void)
{
	pid_t pid = fork();
	int null;

	if (pid != 0) {
		if (pid > 0)
			(void)waitpid(pid, NULL, 0);
		return false;
	}
	if (fork() != 0)
		_exit(0);
	(void)setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3 && null >= 0; i++)
		(void)dup2(null, i);
	(void)close_range(3, ~0U, 0);
	return true;
}

void launch_note(const struct gate_answer *a, const char *what, const char *id, const char *more)
{
	struct words w = { .n = 2 };
	char name[] = "detect-core", note[] = "note";

	if (!detach())
		return;
	w.w[0] = name;
	w.w[1] = note;
	fill(a, what, id, more, &w);
	w.w[w.n] = NULL;
	(void)become("detect-core", w.w);
	_exit(0);
}

static void add_number(struct words *w, const char *name, int64_t v)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%lld", (long long)v);
	if (v >= 0)
		add(w, name, text);
}

/* The journal's row of a run's end where no monitor writes one. */
void run_note_end(const struct run_start *s, const struct run *r, bool unwanted)
{
	struct words w = { .n = 2 };
	char name[] = "detect-core", note[] = "note", number[32], text[512], peak[16];
	autoclose int dir = detect_run_dir();
	autoput(buf_release) struct buf answer = BUF_INIT;

	if (dir >= 0 && ctl_call(dir, DETECT_SOCKET, "status", STATUS_MS, &answer) == 0)
		return;
	if (!detach())
		return;
	w.w[0] = name;
	w.w[1] = note;
	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)r->ended_ms);
	add(&w, "time", number);
	add(&w, "cause", r->cause);
	add(&w, "confidence", "certain");
	add(&w, "run", r->id);
	add(&w, "command", r->command);
	add(&w, "folder", r->cwd);
	add(&w, "name", "run");
	add(&w, "unwanted", unwanted ? "1" : NULL);
	(void)snprintf(text, sizeof(text), "run %s: %.300s%s%s", r->id, r->how ? r->how : "?",
		r->peak.ram ? ", at most " : "", r->peak.ram ? text_size(r->peak.ram, peak) : "");
	add(&w, "text", text);
	add(&w, "evidence", r->how);
	add_number(&w, "pid", r->pid.pid);
	add_number(&w, "peak", (int64_t)r->peak.ram);
	add_number(&w, "code", r->code);
	add_number(&w, "signal", r->signal);
	add(&w, "workspace", r->workspace);
	add(&w, "store", s->gate->store);
	add(&w, "snapshot", r->snapshot);
	w.w[w.n] = NULL;
	(void)become("detect-core", w.w);
	_exit(0);
}
