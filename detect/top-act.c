/* detect/top-act.c - freeze, resume, ask, end, kill: a training, all of it; see top.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/evidence.h"
#include "detect/top.h"
#include "lib/auto.h"
#include "lib/io.h"
#include "lib/names.h"
#include "lib/text.h"

static const struct {
	const char *question, *done, *ledger; /* ledger: NULL: it ends nothing */
	int signo;
} acts[TOP_ACTS] = {
	[TOP_FREEZE] = { "freeze", "frozen; r lets it go on", NULL, SIGSTOP },
	[TOP_RESUME] = { "let go on", "goes on", NULL, SIGCONT },
	[TOP_ASK] = { "ask for a checkpoint and less memory:", "was asked", NULL, SIGUSR2 },
	[TOP_END] = { "end", "was told to end; K kills it if it does not", "term", SIGTERM },
	[TOP_KILL] = { "KILL, nothing more is saved:", "was killed", "kill", SIGKILL },
};

static bool is_above_us(int procfd, pid_t pid)
{
	struct proc p = { .ppid = getpid() };

	for (unsigned i = 0; i < 64 && p.ppid > 1; i++) {
		pid_t at = p.ppid;

		if (at == pid)
			return true;
		if (proc_read(procfd, at, PROC_STAT, &p) < 0)
			return false;
	}
	return false;
}

/* May it be touched? Of the kind and user, and none of those we were started by. */
static bool is_ours(const struct top *t, int procfd, unsigned i, unsigned head)
{
	const struct survey_proc *p = &t->survey.proc[i];

	return p->head == head && p->role.kind == KIND_TRAINING && p->uid == geteuid() &&
	       p->state != 'Z' && !is_above_us(procfd, p->id.pid);
}

static const struct survey_proc *head_here(struct top *t)
{
	const struct top_item *x = top_here(t);

	return x ? &t->survey.proc[t->survey.proc[x->index].head] : NULL;
}

static unsigned count(const struct top *t, int procfd, unsigned head, enum top_act act)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t->survey.n; i++)
		n += is_ours(t, procfd, i, head) &&
		     (act != TOP_ASK || proc_handles(procfd, t->survey.proc[i].id.pid, SIGUSR2));
	return n;
}

bool top_question(struct top *t, enum top_act act, char *ret, size_t size)
{
	autoclose int procfd = open(t->roots->proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct survey_proc *h = head_here(t);
	autoput(buf_release) struct buf name = BUF_INIT;
	unsigned n;

	*t->message = '\0';
	if (!h || procfd < 0) {
		(void)snprintf(t->message, sizeof(t->message), "nothing is chosen");
		return false;
	}
	if (h->role.kind != KIND_TRAINING) {
		(void)snprintf(t->message, sizeof(t->message),
			"an editor: nothing is done to it from here");
		return false;
	}
	n = count(t, procfd, h->head, act);
	if (!n || text_quote_name(&name, h->name, strlen(h->name)) < 0) {
		(void)snprintf(t->message, sizeof(t->message), "%s",
			act == TOP_ASK ? "it does not listen to SIGUSR2: it would only die of it"
				       : "not yours, or gone, or what started this program");
		return false;
	}
	(void)snprintf(ret, size, "%s %s, process %d%s? [y/N] ", acts[act].question, name.data,
		(int)h->id.pid, n > 1 ? " and its workers" : "");
	return true;
}

static int open_ledger(void)
{
	autoclose int state = detect_state_dir();

	return state < 0 ? -1
			 : openat(state, DETECT_LEDGER,
				   O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static void note(int ledger, const struct proc_id *id, const char *action)
{
	char line[160];
	int n = snprintf(line, sizeof(line), "%" PRIu64 "\t%d\t%" PRIu64 "\t%s\t" DETECT " top\n",
		(uint64_t)(text_now_ns() / 1000000), (int)id->pid, id->start, action);

	if (ledger >= 0)
		(void)io_write_all(ledger, line, (size_t)n);
}

/* The handle first: what it holds is what is looked at. */
static int send(int procfd, int ledger, const struct proc_id *id, enum top_act act)
{
	autoclose int fd = (int)syscall(SYS_pidfd_open, id->pid, 0);
	struct proc p;

	if (fd < 0)
		return -errno;
	if (proc_read(procfd, id->pid, PROC_STAT, &p) < 0 || p.id.start != id->start ||
		p.uid != geteuid())
		return -ESRCH;
	if (act == TOP_ASK && !proc_handles(procfd, id->pid, SIGUSR2))
		return 0;
	if (acts[act].ledger)
		note(ledger, id, acts[act].ledger);
	if (syscall(SYS_pidfd_send_signal, fd, acts[act].signo, NULL, 0) < 0)
		return -errno;
	/* A frozen one would never see it. */
	if (act == TOP_END)
		(void)syscall(SYS_pidfd_send_signal, fd, SIGCONT, NULL, 0);
	return 1;
}

void top_do(struct top *t, enum top_act act)
{
	autoclose int procfd = open(t->roots->proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* A pid of a recorded machine is somebody else here: its start time tells. */
	autoclose int herefd = open(roots_real.proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int ledger = acts[act].ledger ? open_ledger() : -1;
	const struct survey_proc *h = head_here(t);
	unsigned sent = 0;
	int failed = 0;

	if (!h || procfd < 0 || herefd < 0)
		return;
	for (unsigned i = 0; i < t->survey.n; i++) {
		int r;

		if (!is_ours(t, procfd, i, h->head))
			continue;
		r = send(herefd, ledger, &t->survey.proc[i].id, act);
		if (r > 0)
			sent++;
		else if (r < 0 && r != -ESRCH)
			failed = r;
	}
	if (failed)
		(void)snprintf(t->message, sizeof(t->message), "process %d: %s", (int)h->id.pid,
			strerror(-failed));
	else if (!sent)
		(void)snprintf(
			t->message, sizeof(t->message), "process %d is gone", (int)h->id.pid);
	else
		(void)snprintf(t->message, sizeof(t->message), "process %d: %s", (int)h->id.pid,
			acts[act].done);
}
