/* A row of the journal out of a fact, its traces and the verdict. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "detect/judge.h"
#include "lib/text.h"

enum {
	TOGETHER_BEFORE_MS = 15000, /* a run notices the loss of a worker */
	TOGETHER_AFTER_MS = 2000, /* an editor's helpers go before its main process when it quits */
	SAME_MOMENT_MS = 20,
	NOTICED_MS = 2000,
};

/* ---- words ---- */

static void add_line(char *p, size_t size, const char *between, const char *line)
{
	size_t n = strlen(p), k = strlen(line);

	if (!k || n + strlen(between) + k + 1 > size)
		return;
	(void)snprintf(p + n, size - n, "%s%s", n ? between : "", line);
}

static void add_status(const struct fact *f, char *p, size_t size)
{
	const char *by = !f->how || !*f->how            ? ""
			 : strcmp(f->how, "pidfd") == 0 ? ", told by its pidfd"
			 : strcmp(f->how, "stat") == 0  ? ", told by its zombie"
							: ", told by the proc connector";
	const char *abbrev = f->status == FACT_SIGNALED ? sigabbrev_np(f->signal) : NULL;
	char line[128] = "";

	if (f->kind != FACT_EXIT)
		return;
	if (f->status == FACT_EXITED)
		(void)snprintf(line, sizeof(line), "exit code %d%s", f->code, by);
	else if (f->status == FACT_SIGNALED)
		(void)snprintf(line, sizeof(line), "signal %d%s%s%s%s", f->signal,
			abbrev ? " SIG" : "", abbrev ? abbrev : "", f->core ? ", core dumped" : "",
			by);
	add_line(p, size, "\n", line);
}

static void add_counter(const struct fact *f, const char *what, uint64_t before, uint64_t after,
	char *p, size_t size)
{
	uint64_t s = f->counted_ms && f->mono_ms > f->counted_ms
			     ? (f->mono_ms - f->counted_ms + 999) / 1000
			     : 0;
	char line[128], in[48] = "";

	if (before == MACHINE_NONE || after == MACHINE_NONE || after <= before)
		return;
	if (s)
		(void)snprintf(in, sizeof(in), " in the %" PRIu64 " s before", s);
	(void)snprintf(line, sizeof(line), "%s oom_kill went from %" PRIu64 " to %" PRIu64 "%s",
		what, before, after, in);
	add_line(p, size, "\n", line);
}

/* What the group could hold, and did: the machine's own memory says nothing of that. */
static void add_bounds(const struct fact *f, char *p, size_t size)
{
	char limit[24], peak[24], line[384];

	if (f->kind != FACT_EXIT || f->cg_limit == MACHINE_NONE || f->cg_limit == 0)
		return;
	(void)snprintf(line, sizeof(line), "its cgroup %.200s: limit %s, at most %s used",
		f->cgroup, text_size(f->cg_limit, limit),
		f->cg_peak == MACHINE_NONE ? "(not known)" : text_size(f->cg_peak, peak));
	add_line(p, size, "\n", line);
}

static void add_gpu(const struct fact *f, char *p, size_t size)
{
	char a[24], b[24], line[160];
	int n;

	if (f->kind != FACT_EXIT && f->kind != FACT_HANG)
		return;
	if (f->gpu_held != MACHINE_NONE) {
		(void)snprintf(line, sizeof(line), "it held %s of GPU memory", text_size(f->gpu_held, a));
		add_line(p, size, "\n", line);
	}
	/* A GPU that is full makes programs fail; one that has room explains nothing. */
	if (f->gpu_total == MACHINE_NONE || !f->gpu_total || f->gpu_used / 9 < f->gpu_total / 10)
		return;
	n = snprintf(line, sizeof(line), "of a GPU's %s %s were used", text_size(f->gpu_total, a),
		text_size(f->gpu_used, b));
	if (f->gpu_celsius != MACHINE_NONE && n > 0 && (size_t)n < sizeof(line))
		(void)snprintf(line + n, sizeof(line) - (size_t)n, ", at %" PRIu64 " degrees",
			f->gpu_celsius);
	add_line(p, size, "\n", line);
}

static void add_traces(const struct evidence_list *ev, struct event_text *t)
{
	for (unsigned i = 0; i < ev->n; i++) {
		if (ev->e[i].what == EV_CLOSED)
			add_line(t->note, sizeof(t->note), "; ", ev->e[i].text);
		else
			add_line(t->evidence, sizeof(t->evidence), "\n", ev->e[i].text);
	}
}

static const char *state_word(char state)
{
	return state == 'T' || state == 't'
		       ? "is stopped (state T): Ctrl-Z, a signal or a debugger holds it"
	       : state == 'D' ? "hangs: waiting in the kernel (state D), for a disk or for memory"
			      : "hangs: faulting pages in without getting on";
}

static void guard_words(const struct fact *f, struct event_text *t)
{
	static const struct {
		const char *action, *did, *would;
	} word[] = {
		{ "ask", "asked", "would ask" },
		{ "freeze", "froze", "would freeze" },
		{ "thaw", "let go on", "would let go on" },
		{ "term", "ended (SIGTERM)", "would end (SIGTERM)" },
		{ "kill", "killed", "would kill" },
	};
	const char *verb = f->action;
	size_t n;

	for (size_t i = 0; i < sizeof(word) / sizeof(*word); i++)
		if (strcmp(f->action, word[i].action) == 0)
			verb = f->dry ? word[i].would : word[i].did;
	(void)snprintf(t->text, sizeof(t->text), "the guard %s the training %s (process %d, %" PRIu64 " MiB)",
		verb, f->comm, (int)f->proc.pid, f->rss >> 20);
	n = (size_t)snprintf(t->evidence, sizeof(t->evidence), "%s", f->reasons);
	if (f->left_after != MACHINE_NONE && n < sizeof(t->evidence))
		(void)snprintf(t->evidence + n, sizeof(t->evidence) - n,
			"\na moment later %" PRIu64 " MiB were left", f->left_after >> 20);
}

static void words(const struct fact *f, const struct evidence_list *ev, const struct verdict *v,
	struct event_text *t)
{
	static const char *const risk[] = { "LOW", "MEDIUM", "CRITICAL" };
	char who[112];

	*t->evidence = *t->note = '\0';
	(void)snprintf(t->text, sizeof(t->text), "%s", v->text);
	add_status(f, t->evidence, sizeof(t->evidence));
	if (f->kind == FACT_EXIT && v->cause != CAUSE_EXITED && v->cause != CAUSE_QUIT) {
		add_counter(f, "its cgroup's", f->cg_oom_before, f->cg_oom_after, t->evidence,
			sizeof(t->evidence));
		add_counter(f, "the machine's", f->oom_before, f->oom_after, t->evidence,
			sizeof(t->evidence));
	}
	add_bounds(f, t->evidence, sizeof(t->evidence));
	if (v->cause != CAUSE_EXITED && v->cause != CAUSE_QUIT)
		add_gpu(f, t->evidence, sizeof(t->evidence));
	add_traces(ev, t);
	if (f->kind == FACT_EXIT && f->status == FACT_UNKNOWN)
		add_line(t->note, sizeof(t->note), "; ",
			"this kernel does not tell how a process that is not ours ended (Linux "
			"6.15 does)");
	if (f->kind == FACT_RISK) {
		(void)snprintf(t->text, sizeof(t->text), "memory risk went from %s to %s",
			risk[f->was], risk[f->risk]);
		(void)snprintf(t->evidence, sizeof(t->evidence), "%s", f->reasons);
	} else if (f->kind == FACT_HANG) {
		cause_who(f, who, sizeof(who));
		(void)snprintf(t->text, sizeof(t->text), "%s %s", who, state_word(f->state));
	} else if (f->kind == FACT_GUARD) {
		guard_words(f, t);
	} else if (f->kind == FACT_STOP) {
		(void)snprintf(t->text, sizeof(t->text),
			"the monitor ended without a word; until it was started again nothing was "
			"watched");
	}
}

/* Cut off it would be another folder. */
static const char *place_of(const struct fact *f)
{
	if (f->role.kind == KIND_TRAINING && *f->cwd && strlen(f->cwd) < sizeof(f->cwd) - 1)
		return f->cwd;
	return *f->user_data ? f->user_data : NULL;
}

void judge_event(const struct fact *f, const struct evidence_list *ev, const struct verdict *v,
	struct event_text *t, struct journal_event *ret)
{
	static const enum journal_kind kinds[] = { [FACT_EXIT] = J_EXIT,
		[FACT_RISK] = J_RISK,
		[FACT_HANG] = J_HANG,
		[FACT_STOP] = J_MACHINE,
		[FACT_MACHINE] = J_MACHINE,
		[FACT_GUARD] = J_GUARD };
	bool process = f->kind == FACT_EXIT || f->kind == FACT_HANG || f->kind == FACT_GUARD,
	     judged = f->kind == FACT_EXIT || f->kind == FACT_MACHINE;

	words(f, ev, v, t);
	*ret = (struct journal_event){ .kind = kinds[f->kind],
		.real_ms = f->real_ms,
		.pid = process ? f->proc.pid : -1,
		.ppid = process ? f->ppid : -1,
		.start = f->proc.start,
		.code = -1,
		.signal = -1,
		.text = t->text,
		.evidence = *t->evidence ? t->evidence : NULL,
		.note = *t->note ? t->note : NULL,
		.peak = f->peak };
	memcpy(ret->id, f->id, sizeof(ret->id));
	if (process) {
		ret->role = role_name(f->role.role);
		ret->family = f->role.kind == KIND_EDITOR ? family_name(f->role.family) : NULL;
		ret->name = f->comm;
		ret->command = *f->argv ? f->argv : NULL;
		ret->place = place_of(f);
		ret->run = *f->run ? f->run : NULL;
	}
	if (f->kind == FACT_EXIT && f->status == FACT_EXITED)
		ret->code = f->code;
	if (f->kind == FACT_EXIT && f->status == FACT_SIGNALED)
		ret->signal = f->signal;
	ret->core = f->core;
	if (judged) {
		ret->cause = cause_name(v->cause);
		ret->confidence = confidence_name(v->sure);
		/* What went with its main process is not a crash of its own; and loaders are ended
		 * with SIGKILL by their own run: where it did not mean to, that fails too. */
		ret->unwanted = cause_unwanted(v->cause) && !v->with_parent &&
				!(f->role.role == ROLE_WORKER && v->cause == CAUSE_KILLED);
	} else if (f->kind == FACT_STOP) {
		ret->cause = cause_name(CAUSE_UNKNOWN);
	}
	/* The last heartbeat was before the end, this boot after it. */
	if (f->kind == FACT_MACHINE && f->m.real_ms > f->m.mono_ms)
		ret->until_ms = f->m.real_ms - f->m.mono_ms;
}

/* ---- relations ---- */

struct relating {
	const struct fact *f;
	const char *own_family;
	struct evidence child, parent; /* pid 0: none */
};

static bool is_role(const struct journal_event *ev, enum role r)
{
	return ev->role && strcmp(ev->role, role_name(r)) == 0;
}

static bool is_same(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

/* The better reason of two: what was short of memory before what crashed, that before what was
 * killed. */
static int weight(enum cause c)
{
	switch (c) {
	case CAUSE_OOM_KERNEL:
	case CAUSE_OOM_CGROUP:
	case CAUSE_OOM_GUARD:
	case CAUSE_OOM_GPU:
	case CAUSE_OOM_SHM:
	case CAUSE_OOM_ALLOCATION:
		return 4;
	case CAUSE_CRASHED:
		return 3;
	case CAUSE_KILLED:
		return 2;
	case CAUSE_FAILED:
		return 1;
	default:
		return 0;
	}
}

static bool is_child(const struct relating *x, const struct journal_event *ev, enum cause c)
{
	const struct fact *f = x->f;
	bool below = ev->ppid == f->proc.pid ||
		     (*f->run && f->role.role != ROLE_WORKER && is_same(ev->run, f->run) &&
			     is_role(ev, ROLE_WORKER));

	/* Of an editor's processes only code-server's first one ends because another did. */
	if (f->role.kind == KIND_EDITOR)
		below = ev->ppid == f->proc.pid && f->role.role == ROLE_SERVER &&
			is_role(ev, ROLE_SERVER_CHILD);
	if (!below || ev->real_ms > f->real_ms + SAME_MOMENT_MS)
		return false;
	/* Where nobody can say what its child died of, its own 0 says nothing either. */
	if (f->role.kind == KIND_EDITOR && c == CAUSE_UNKNOWN)
		return true;
	/* A run that has its loaders killed when it is done with them goes on; one that loses a
	 * loader raises at once. */
	if (c == CAUSE_KILLED && f->role.role != ROLE_LAUNCHER &&
		ev->real_ms + NOTICED_MS < f->real_ms)
		return false;
	return weight(c) > (f->role.role == ROLE_LAUNCHER ? 0 : 1);
}

/* When this process was started; 0: not known. */
static uint64_t started_ms(const struct fact *f)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK), after_boot = f->proc.start * 1000 / hz;

	return f->mono_ms && after_boot <= f->mono_ms ? f->real_ms - (f->mono_ms - after_boot) : 0;
}

/* A helper's editor is not always its parent: renderers are the zygote's children. One that had
 * ended before the helper was started is another. */
static bool is_head(const struct relating *x, const struct journal_event *ev)
{
	const struct fact *f = x->f;

	return is_role(ev, ROLE_MAIN) && f->role.kind == KIND_EDITOR && is_same(ev->family, x->own_family) &&
		ev->real_ms + SAME_MOMENT_MS >= started_ms(f) &&
		(is_same(ev->place, f->user_data) || !ev->place || !*f->user_data);
}

static bool is_parent(const struct relating *x, const struct journal_event *ev)
{
	const struct fact *f = x->f;
	bool helper = f->role.kind == KIND_EDITOR && f->role.role != ROLE_MAIN &&
		      f->role.role != ROLE_SERVER && f->role.role != ROLE_SERVER_CHILD;

	if (f->role.role == ROLE_MAIN || f->role.role == ROLE_SERVER || f->role.role == ROLE_RUN ||
		f->role.role == ROLE_LAUNCHER)
		return false;
	if (helper)
		return (ev->pid == f->ppid || is_head(x, ev)) && !is_role(ev, ROLE_ZYGOTE);
	/* A worker, code-server's child: these may take their parent along, so theirs must have
	 * been the first end. */
	return ev->pid == f->ppid && ev->real_ms <= f->real_ms;
}

static void relate(
	struct evidence *e, enum evidence_what what, const struct journal_event *ev, enum cause c)
{
	*e = (struct evidence){
		.what = what, .pid = (pid_t)ev->pid, .cause = c, .real_ms = ev->real_ms
	};
	(void)snprintf(e->text, sizeof(e->text), "%s ended %s: %s",
		what == EV_CHILD ? "its child" : "what it belongs to",
		what == EV_CHILD ? "first" : "too", ev->text ? ev->text : cause_name(c));
}

static int consider(const struct journal_event *ev, void *arg)
{
	struct relating *x = arg;
	enum cause c = cause_from_name(ev->cause);

	if (strcmp(ev->id, x->f->id) == 0 || ev->pid == x->f->proc.pid)
		return 0;
	if (is_child(x, ev, c) && (!x->child.pid || weight(c) > weight(x->child.cause)))
		relate(&x->child, EV_CHILD, ev, c);
	if (is_parent(x, ev) && (!x->parent.pid || is_role(ev, ROLE_MAIN)))
		relate(&x->parent, EV_PARENT, ev, c);
	return 0;
}

int judge_relations(struct journal *j, const struct fact *f, struct evidence_list *ev)
{
	struct relating x = { .f = f,
		.own_family = f->role.kind == KIND_EDITOR ? family_name(f->role.family) : NULL };
	struct journal_filter filter = {
		.from_ms = f->real_ms > TOGETHER_BEFORE_MS ? f->real_ms - TOGETHER_BEFORE_MS : 0,
		.to_ms = f->real_ms + TOGETHER_AFTER_MS,
		.kinds = 1u << J_EXIT
	};
	int r;

	if (f->kind != FACT_EXIT)
		return 0;
	r = journal_each(j, &filter, consider, &x);
	if (r == 0 && x.child.pid)
		evidence_add(ev, &x.child);
	if (r == 0 && x.parent.pid)
		evidence_add(ev, &x.parent);
	return r;
}
