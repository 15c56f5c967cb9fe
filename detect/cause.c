#include "detect/cause.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* With this share of the machine's memory left, an OOM kill was a cgroup's. Percent. */
enum { MACHINE_HAS_ROOM = 15, GUARDS_ACT = 12 };

static const struct evidence *find(
	const struct evidence_list *ev, enum evidence_what what, pid_t pid)
{
	for (unsigned i = 0; i < ev->n; i++)
		if (ev->e[i].what == what && (pid == 0 || ev->e[i].pid == pid))
			return &ev->e[i];
	return NULL;
}

static void set(struct verdict *v, enum cause cause, enum confidence sure)
{
	v->cause = cause;
	v->sure = sure;
}

static bool moved(uint64_t before, uint64_t after)
{
	return before != MACHINE_NONE && after != MACHINE_NONE && after > before;
}

static bool still(uint64_t before, uint64_t after)
{
	return before != MACHINE_NONE && before == after;
}

/* May SIGKILL have been the end? Every OOM killer uses it. */
static bool maybe_sigkill(const struct fact *f)
{
	return f->status == FACT_UNKNOWN || (f->status == FACT_SIGNALED && f->signal == SIGKILL);
}

/* The guard's line before a command's: where both acted, memory had run out. */
static const struct evidence *in_ledger(const struct evidence_list *ev, pid_t pid)
{
	for (unsigned i = 0; i < ev->n; i++)
		if (ev->e[i].what == EV_LEDGER && ev->e[i].pid == pid && !ev->e[i].orderly)
			return &ev->e[i];
	return find(ev, EV_LEDGER, pid);
}

/* A record that names the pid: nothing is surer. */
static bool by_record(const struct fact *f, const struct evidence_list *ev, struct verdict *v)
{
	const struct evidence *e = in_ledger(ev, f->proc.pid);
	const struct evidence *want = find(ev, EV_WANT, f->proc.pid);

	if (!e && want) {
		set(v, want->cause, SURE_CERTAIN);
		return true;
	}
	if (!e && maybe_sigkill(f)) {
		e = find(ev, EV_KERNEL_OOM, f->proc.pid);
		if (e) {
			set(v, e->cgroup ? CAUSE_OOM_CGROUP : CAUSE_OOM_KERNEL, SURE_CERTAIN);
			return true;
		}
	}
	if (!e)
		e = find(ev, EV_GUARD, f->proc.pid);
	if (!e)
		return false;
	set(v, e->what == EV_LEDGER && e->orderly ? CAUSE_TERMINATED : CAUSE_OOM_GUARD,
		SURE_CERTAIN);
	(void)snprintf(v->who, sizeof(v->who), "%s", e->who);
	return true;
}

/* Was it the group's limit, or the machine that had no memory left? The counters count every kind
 * of OOM kill of a group's processes (mm/oom_kill.c, __oom_kill_process). A group that was full to
 * its limit, or had none: that decides. Else the room the machine had before the end; after it there
 * is what the victim gave back. */
static enum cause whose_memory(const struct fact *f, bool *ret_sure)
{
	uint64_t left =
		f->before_available != MACHINE_NONE ? f->before_available : f->m.mem_available;

	*ret_sure = true;
	if (f->cg_limit == 0)
		return CAUSE_OOM_KERNEL;
	if (f->cg_limit != MACHINE_NONE && f->cg_peak != MACHINE_NONE)
		return f->cg_peak >= f->cg_limit - f->cg_limit / 16 ? CAUSE_OOM_CGROUP
								    : CAUSE_OOM_KERNEL;
	*ret_sure = f->before_available != MACHINE_NONE;
	return f->m.mem_total != 0 && f->m.mem_total != MACHINE_NONE && left != MACHINE_NONE &&
			       left / (f->m.mem_total / 100 + 1) >= MACHINE_HAS_ROOM
		       ? CAUSE_OOM_CGROUP
		       : CAUSE_OOM_KERNEL;
}

static bool by_counter(const struct fact *f, struct verdict *v)
{
	bool group = moved(f->cg_oom_before, f->cg_oom_after), sure;
	enum cause c;

	if (!maybe_sigkill(f) || (!group && !moved(f->oom_before, f->oom_after)))
		return false;
	/* Our own group lost nobody, so the machine's kill was another's. */
	if (!group && still(f->cg_oom_before, f->cg_oom_after))
		return false;
	c = whose_memory(f, &sure);
	set(v, c, sure && f->status != FACT_UNKNOWN ? SURE_LIKELY : SURE_POSSIBLE);
	return true;
}

static bool is_fault(int sig)
{
	switch (sig) {
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGFPE:
	case SIGABRT:
	case SIGTRAP:
	case SIGSYS:
	case SIGXCPU:
	case SIGXFSZ:
	case SIGQUIT:
		return true;
	default:
		return false;
	}
}

/* A run whose worker died first, or code-server's parent, which exits 0 when its child was killed.
 */
static bool by_child(const struct fact *f, const struct evidence_list *ev, struct verdict *v)
{
	const struct evidence *e = find(ev, EV_CHILD, 0);
	bool zero = f->status == FACT_EXITED && f->code == 0;

	/* What was ended by a signal has its own reason. */
	if (!e || f->status == FACT_SIGNALED || (zero && f->role.role != ROLE_SERVER))
		return false;
	v->by_child = e->pid;
	set(v, e->cause,
		f->status == FACT_UNKNOWN || e->cause == CAUSE_UNKNOWN ? SURE_POSSIBLE
								       : SURE_LIKELY);
	return true;
}

/* A part that went with its whole: an editor ends its helpers with SIGKILL when it quits. */
static bool by_parent(const struct fact *f, const struct evidence_list *ev, struct verdict *v)
{
	const struct evidence *e = find(ev, EV_PARENT, 0);

	if (!e || (f->status == FACT_SIGNALED && (is_fault(f->signal) || f->core)))
		return false;
	set(v, e->cause == CAUSE_EXITED ? CAUSE_QUIT : e->cause, SURE_LIKELY);
	(void)snprintf(v->who, sizeof(v->who), "%s", e->who);
	v->with_parent = e->pid;
	return true;
}

static bool going_down(const struct evidence_list *ev)
{
	return find(ev, EV_LOGIND, 0) != NULL;
}

/* Little memory, and logs that we may not read: a guard (earlyoom, nohang, systemd-oomd) looks like
 * this. earlyoom begins with SIGTERM. */
static bool may_be_guard(const struct fact *f, const struct evidence_list *ev)
{
	return find(ev, EV_CLOSED, 0) && (f->signal == SIGTERM || f->signal == SIGKILL) &&
	       f->before_available != MACHINE_NONE && f->m.mem_total != MACHINE_NONE &&
	       f->before_available < f->m.mem_total / 100 * GUARDS_ACT;
}

static void by_signal(const struct fact *f, const struct evidence_list *ev, struct verdict *v)
{
	if (is_fault(f->signal) || f->core) {
		set(v, CAUSE_CRASHED, SURE_CERTAIN);
	} else if (going_down(ev) && f->signal != SIGUSR1 && f->signal != SIGUSR2) {
		set(v, CAUSE_LOGOUT, SURE_LIKELY);
	} else if (may_be_guard(f, ev)) {
		set(v, CAUSE_OOM_GUARD, SURE_POSSIBLE);
		(void)snprintf(v->who, sizeof(v->who), "a guard, it seems,");
	} else if (f->signal == SIGKILL) {
		/* With a counter that stood still no OOM killer did it; whether a guard did, its log
		 * would say. */
		bool known = (still(f->oom_before, f->oom_after) ||
				     still(f->cg_oom_before, f->cg_oom_after)) &&
			     !find(ev, EV_CLOSED, 0);

		set(v, CAUSE_KILLED, known ? SURE_CERTAIN : SURE_LIKELY);
	} else {
		set(v, CAUSE_TERMINATED,
			f->signal == SIGTERM && find(ev, EV_CLOSED, 0) ? SURE_LIKELY
								       : SURE_CERTAIN);
	}
}

static bool is_whole_editor(const struct fact *f)
{
	return f->role.kind == KIND_EDITOR &&
	       (f->role.role == ROLE_MAIN || f->role.role == ROLE_SERVER ||
		       f->role.role == ROLE_SERVER_CHILD);
}

/* The status is not known: only the editor's own traces are left. */
static void by_trace(const struct fact *f, const struct evidence_list *ev, struct verdict *v)
{
	const struct evidence *log = find(ev, EV_EDITOR_LOG, 0),
			      *lock = find(ev, EV_EDITOR_LOCK, 0);

	if (find(ev, EV_KERNEL_FAULT, f->proc.pid) || find(ev, EV_CORE, f->proc.pid))
		set(v, CAUSE_CRASHED, SURE_CERTAIN);
	else if (log && log->cause != CAUSE_UNKNOWN)
		set(v, log->cause, SURE_LIKELY);
	else if (log && log->orderly)
		set(v, CAUSE_QUIT, SURE_LIKELY);
	else if (lock && lock->orderly)
		set(v, CAUSE_QUIT, SURE_POSSIBLE);
	else if (going_down(ev))
		set(v, CAUSE_LOGOUT, SURE_POSSIBLE);
}

static const char *signal_word(int sig, char *p, size_t n)
{
	const char *abbrev = sigabbrev_np(sig);

	if (abbrev)
		(void)snprintf(p, n, "SIG%s", abbrev);
	else
		(void)snprintf(p, n, "signal %d", sig);
	return p;
}

static void how_it_went(const struct fact *f, const struct verdict *v, char *p, size_t n)
{
	char word[32], end[64];

	if (f->status == FACT_EXITED)
		(void)snprintf(end, sizeof(end), "exit code %d", f->code);
	else
		(void)snprintf(end, sizeof(end), "%s",
			f->status == FACT_SIGNALED ? signal_word(f->signal, word, sizeof(word))
						   : "how it ended this kernel does not tell");
	switch (v->cause) {
	case CAUSE_OOM_KERNEL:
		(void)snprintf(p, n, "was killed: the machine was out of memory");
		break;
	case CAUSE_OOM_CGROUP:
		(void)snprintf(p, n, "was killed: its cgroup was out of memory");
		break;
	case CAUSE_OOM_GUARD:
		(void)snprintf(p, n, "was ended by %s, which saw memory run out", v->who);
		break;
	case CAUSE_OOM_GPU:
		(void)snprintf(p, n, "ran out of GPU memory (%s)", end);
		break;
	case CAUSE_OOM_SHM:
		(void)snprintf(p, n, "ran out of /dev/shm (%s)", end);
		break;
	case CAUSE_OOM_ALLOCATION:
		(void)snprintf(p, n, "was refused memory (%s)", end);
		break;
	case CAUSE_CRASHED:
		(void)snprintf(p, n, "crashed (%s%s)", end, f->core ? ", core dumped" : "");
		break;
	case CAUSE_KILLED:
		(void)snprintf(p, n, "was killed (%s); by whom is not known", end);
		break;
	case CAUSE_TERMINATED:
		if (*v->who)
			(void)snprintf(p, n, "was ended by hand: %s (%s)", v->who, end);
		else
			(void)snprintf(p, n, "was asked to end (%s)", end);
		break;
	case CAUSE_LOGOUT:
		(void)snprintf(p, n, "ended with the session or the machine going down (%s)", end);
		break;
	case CAUSE_QUIT:
		(void)snprintf(p, n, "was quit (%s)", end);
		break;
	case CAUSE_EXITED:
		(void)snprintf(p, n, "finished (%s)", end);
		break;
	case CAUSE_FAILED:
		if (f->code > 128 && sigabbrev_np(f->code - 128))
			(void)snprintf(p, n,
				"failed (%s; a shell says that of a command ended by %s)", end,
				signal_word(f->code - 128, word, sizeof(word)));
		else
			(void)snprintf(p, n, "failed (%s)", end);
		break;
	default:
		(void)snprintf(p, n, "ended; why is not known (%s)", end);
	}
}

/* "VSCode renderer (71)", "train.py (72)", "train.py worker (73)" */
void cause_who(const struct fact *f, char *p, size_t n)
{
	bool training = f->role.kind == KIND_TRAINING;
	const char *family =
		!training && *family_name(f->role.family) ? family_name(f->role.family) : f->comm;
	const char *role = role_name(f->role.role);
	char script[48];

	if (training && role_training_name(f->argv, strlen(f->argv), ' ', script, sizeof(script)))
		family = script;
	if (f->role.role == ROLE_NONE || (f->role.role == ROLE_RUN && family == script))
		role = "";
	(void)snprintf(p, n, "%s%s%s (%d)", family, *role ? " " : "", role, (int)f->proc.pid);
}

static void say(const struct fact *f, struct verdict *v)
{
	char how[160], name[112];

	if (f->kind == FACT_MACHINE) {
		(void)snprintf(v->text, sizeof(v->text),
			v->cause == CAUSE_MACHINE_LOST
				? "the machine went down without shutting down: power, panic or "
				  "reset"
				: "the machine was shut down or started again in order");
		return;
	}
	how_it_went(f, v, how, sizeof(how));
	cause_who(f, name, sizeof(name));
	if (v->by_child)
		(void)snprintf(v->text, sizeof(v->text),
			"%s ended (exit code %d) because its child %d did: %s", name, f->code,
			(int)v->by_child, cause_name(v->cause));
	else if (v->with_parent)
		(void)snprintf(v->text, sizeof(v->text), "%s went with process %d: %s", name,
			(int)v->with_parent, cause_name(v->cause));
	else
		(void)snprintf(v->text, sizeof(v->text), "%s %s", name, how);
}

static void judge_exit(const struct fact *f, const struct evidence_list *ev, struct verdict *v)
{
	if (by_record(f, ev, v) || by_counter(f, v) || by_child(f, ev, v) || by_parent(f, ev, v))
		return;
	if (f->status == FACT_SIGNALED)
		by_signal(f, ev, v);
	else if (f->status == FACT_UNKNOWN)
		by_trace(f, ev, v);
	else if (f->code != 0)
		set(v, CAUSE_FAILED, SURE_CERTAIN);
	else
		set(v, is_whole_editor(f) ? CAUSE_QUIT : CAUSE_EXITED, SURE_CERTAIN);
}

void cause_judge(const struct fact *f, const struct evidence_list *ev, struct verdict *ret)
{
	const struct evidence *e;

	*ret = (struct verdict){ .cause = CAUSE_UNKNOWN, .sure = SURE_POSSIBLE };
	if (f->kind == FACT_MACHINE) {
		e = find(ev, EV_LOGIND, 0);
		if (e && e->orderly)
			set(ret, CAUSE_LOGOUT, SURE_LIKELY);
		else /* where a shutdown would not have shown, its mark's absence says little */
			set(ret, CAUSE_MACHINE_LOST,
				find(ev, EV_CLOSED, 0) ? SURE_POSSIBLE : SURE_LIKELY);
	} else {
		judge_exit(f, ev, ret);
	}
	say(f, ret);
}

bool cause_unwanted(enum cause c)
{
	switch (c) {
	case CAUSE_CRASHED:
	case CAUSE_OOM_KERNEL:
	case CAUSE_OOM_CGROUP:
	case CAUSE_OOM_GUARD:
	case CAUSE_OOM_GPU:
	case CAUSE_OOM_SHM:
	case CAUSE_OOM_ALLOCATION:
	case CAUSE_KILLED:
	case CAUSE_MACHINE_LOST:
		return true;
	default:
		return false;
	}
}

const char *cause_name(enum cause c)
{
	static const char *const name[] = {
		[CAUSE_UNKNOWN] = "unknown",
		[CAUSE_EXITED] = "exited",
		[CAUSE_QUIT] = "quit",
		[CAUSE_LOGOUT] = "logout",
		[CAUSE_FAILED] = "failed",
		[CAUSE_CRASHED] = "crashed",
		[CAUSE_OOM_KERNEL] = "out-of-memory (kernel)",
		[CAUSE_OOM_CGROUP] = "out-of-memory (cgroup)",
		[CAUSE_OOM_GUARD] = "out-of-memory (guard)",
		[CAUSE_OOM_GPU] = "out-of-memory (gpu)",
		[CAUSE_OOM_SHM] = "out-of-memory (shm)",
		[CAUSE_OOM_ALLOCATION] = "out-of-memory (allocation)",
		[CAUSE_KILLED] = "killed",
		[CAUSE_TERMINATED] = "terminated",
		[CAUSE_MACHINE_LOST] = "machine-lost",
	};

	assert((size_t)c < sizeof(name) / sizeof(*name));
	return name[c];
}

enum cause cause_from_name(const char *name)
{
	for (enum cause c = CAUSE_UNKNOWN; name && c <= CAUSE_MACHINE_LOST; c++)
		if (strcmp(name, cause_name(c)) == 0)
			return c;
	return CAUSE_UNKNOWN;
}

const char *confidence_name(enum confidence c)
{
	return c == SURE_CERTAIN ? "certain" : c == SURE_LIKELY ? "likely" : "possible";
}
