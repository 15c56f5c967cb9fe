/* The guard's hands: who belongs to which training, what they hold, and the signals. guard.h decides.
 *
 * Signals go through the pidfds that were opened when a process was found to be of a training: what has got its pid
 * since cannot be hit. Nothing is allocated and no file written between a reading and its signal; the
 * ledger (evidence.h) and the fact follow. A frozen training is thawed when the monitor ends, and by the next
 * monitor if this one was killed. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "detect/evidence.h"
#include "detect/fields.h"
#include "detect/monitor.h"
#include "detect/prompt.h"
#include "detect/reaper.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"

enum {
	EFFECT_MS = 100,	/* until an action's effect is read and told */
	GONE_MS = 1000,		/* the same for an end that does not come */
	PASSES = 4,		/* who was forked between two of them is found by the next */
	TOLD = 8,
	ADJ = 900,		/* above an editor's renderers (300) with whatever they hold */
	LEDGER_MAX = 1 << 20,
	LEDGER_TAIL = 64 << 10,
	DRY_MS = 10000,		/* between two words about the same */
	NICE = -10,
};

struct told_later {
	char key[GUARD_KEY];
	enum guard_action action;
	uint64_t due_ms;
	struct fact fact;	/* the process, and the reading before */
};

struct hands {
	struct guard guard;
	struct guard_run all[GUARD_RUNS];	/* of this turn */
	unsigned n;
	struct told_later later[TOLD];
	unsigned n_later;
	uint64_t faults;		/* of editors, since we began */
	uint64_t turn_ms, dry_ms;
	struct reaper *reaper;		/* NULL: who dies frees its memory alone */
	int ledger_fd;
};

static bool is_head(const struct watched *w)
{
	return w->role.role != ROLE_WORKER;
}

/* Is this one of a training that the guard may touch? */
static bool is_guarded(const struct watched *w)
{
	return w->role.kind == KIND_TRAINING && *w->run && !w->dead && !w->spared;
}

#define EACH(m, w)                               \
	for (unsigned b_ = 0; b_ < BUCKETS; b_++) \
		for (struct watched *w = (m)->bucket[b_]; w; w = w->next)

/* ---- what they hold ---- */

/* Resident and not shared with a file: "size resident shared ..." in pages (proc(5)). */
static uint64_t anonymous(struct monitor *m, const struct watched *w)
{
	char path[32], text[128];
	autoclose int fd = -1;
	const char *p = text;
	uint64_t v[3] = { 0 };
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%d/statm", (int)w->id.pid);
	fd = openat(m->proc_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fields_read(fd, text, sizeof(text));
	for (unsigned i = 0; i < 3 && n > 0 && p < text + n; i++) {
		v[i] = fields_number(&p, text + n);
		p++;
	}
	return n <= 0 || v[1] == MACHINE_NONE || v[2] == MACHINE_NONE || v[1] < v[2]
		       ? 0
		       : (v[1] - v[2]) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool handles(struct monitor *m, const struct watched *w, int signo)
{
	return proc_handles(m->proc_fd, w->id.pid, signo);
}

static struct guard_run *run_of(struct hands *h, const char *key)
{
	for (unsigned i = 0; i < h->n; i++)
		if (strcmp(h->all[i].key, key) == 0)
			return &h->all[i];
	if (h->n == GUARD_RUNS)
		return NULL;
	h->all[h->n] = (struct guard_run){ 0 };
	memcpy(h->all[h->n].key, key, sizeof(h->all[h->n].key));
	return &h->all[h->n++];
}

/* Heads first: what a forked worker holds beyond its head is its own for sure. */
static void collect(struct monitor *m, bool closely)
{
	struct hands *h = m->hands;

	h->n = 0;
	for (unsigned heads = 2; heads--;)
		EACH(m, w) {
			struct guard_run *x;
			uint64_t held;

			if (!is_guarded(w) || is_head(w) != (heads == 1))
				continue;
			x = run_of(h, w->run);
			if (!x)
				continue;
			held = closely ? anonymous(m, w) : w->rss;
			x->bytes += held;
			if (is_head(w)) {
				x->sure_bytes += held;
				x->was_bytes = held > x->was_bytes ? held : x->was_bytes;
				x->kernel = x->kernel || w->role.role == ROLE_KERNEL;
				x->can_ask = x->can_ask || (closely && handles(m, w, SIGUSR2));
				x->has_head = true;
			} else if (held > x->was_bytes) {
				x->sure_bytes += held - x->was_bytes;
			}
		}
}

/* Each process counts from when we first saw it: a new one's start is no being paged out. */
static uint64_t editor_faults(struct monitor *m)
{
	EACH(m, w) {
		struct proc *p = m->scratch;

		if (w->role.kind != KIND_EDITOR || w->dead ||
			proc_read(m->proc_fd, w->id.pid, PROC_STAT, p) < 0 ||
			p->id.start != w->id.start)
			continue;
		if (w->faults_known && p->major_faults > w->guard_faults)
			m->hands->faults += p->major_faults - w->guard_faults;
		w->faults_known = true;
		w->guard_faults = p->major_faults;
	}
	return m->hands->faults;
}

/* ---- the ledger and the word ---- */

static void ledger(struct monitor *m, const struct watched *w, enum guard_action a, const char *why)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%" PRIu64 "\t%d\t%" PRIu64 "\t%s\t%s\n",
		monitor_real_ms(), (int)w->id.pid, w->id.start, guard_action_name(a), why);

	if (n > 0 && (size_t)n < sizeof(line) && m->hands->ledger_fd >= 0 &&
		write(m->hands->ledger_fd, line, (size_t)n) != n)
		log_debug("ledger: %s", strerror(errno));
}

static void tell_one(struct monitor *m, struct told_later *t)
{
	struct fact f = t->fact;

	f.m = m->now;
	f.left_after = t->fact.dry ? MACHINE_NONE : m->now.available;
	told(m, &f);
}

static bool lives(struct monitor *m, const char *key)
{
	EACH(m, w)
		if (!w->dead && strcmp(w->run, key) == 0)
			return true;
	return false;
}

static void tell_due(struct monitor *m, bool all)
{
	struct hands *h = m->hands;
	unsigned kept = 0;

	for (unsigned i = 0; i < h->n_later; i++) {
		struct told_later *t = &h->later[i];
		bool end = t->action == GUARD_TERM || t->action == GUARD_KILL;

		if (all || m->now.mono_ms >= t->due_ms || (end && !lives(m, t->key)))
			tell_one(m, t);
		else if (kept++ != i)
			h->later[kept - 1] = *t;
	}
	h->n_later = kept;
}

static void note(struct monitor *m, const struct guard_run *x, enum guard_action a, const char *why)
{
	struct hands *h = m->hands;
	struct told_later *t;
	const struct watched *head = NULL;
	bool end = a == GUARD_TERM || a == GUARD_KILL;

	EACH(m, w)
		if (is_guarded(w) && strcmp(w->run, x->key) == 0 && (!head || is_head(w)))
			head = w;
	if (!head)
		return;
	log_info("%s%s %s (process %d): %s", m->set.guard_dry ? "would " : "", guard_action_name(a),
		head->comm, (int)head->id.pid, why);
	if (h->n_later == TOLD)
		tell_due(m, true);
	t = &h->later[h->n_later++];
	memcpy(t->key, x->key, sizeof(t->key));
	t->action = a;
	t->due_ms = m->now.mono_ms + (end ? GONE_MS : EFFECT_MS);
	monitor_fact(m, FACT_GUARD, &t->fact);
	watched_fact(head, &t->fact);
	t->fact.rss = x->bytes;
	t->fact.left_before = m->now.available;
	t->fact.dry = m->set.guard_dry;
	(void)snprintf(t->fact.action, sizeof(t->fact.action), "%s", guard_action_name(a));
	(void)snprintf(t->fact.reasons, sizeof(t->fact.reasons), "%s", why);
}

/* ---- the signals ---- */

static int send(const struct watched *w, int signo)
{
	return syscall(SYS_pidfd_send_signal, w->pidfd, signo, NULL, 0) < 0 ? -errno : 0;
}

/* The stop first, all that are known; then who was forked meanwhile. */
static void freeze(struct monitor *m, const char *key)
{
	for (unsigned pass = 0; pass < PASSES; pass++) {
		unsigned stopped = 0;

		EACH(m, w)
			/* Stopped by somebody else already: theirs to continue. */
			if (is_guarded(w) && !w->frozen && w->state != 'T' && strcmp(w->run, key) == 0 &&
				send(w, SIGSTOP) == 0) {
				w->frozen = true;
				stopped++;
			}
		if (!stopped && pass)
			break;
		watched_children(m, key);
	}
}

static void to_all(struct monitor *m, const char *key, int signo)
{
	EACH(m, w)
		if (is_guarded(w) && strcmp(w->run, key) == 0)
			(void)send(w, signo);
}

static void release_memory(struct monitor *m, const char *key)
{
	EACH(m, w)
		if (is_guarded(w) && strcmp(w->run, key) == 0)
			reaper_ask(m->hands->reaper, w->pidfd);
}

static void thaw(struct monitor *m, const char *key)
{
	EACH(m, w)
		if (w->frozen && strcmp(w->run, key) == 0) {
			(void)send(w, SIGCONT);
			w->frozen = false;
			w->state = 'S';
			w->stuck_since_ms = 0;
		}
}

static void ask(struct monitor *m, const char *key)
{
	EACH(m, w)
		/* Not handled, it would be the end of it. */
		if (is_guarded(w) && is_head(w) && strcmp(w->run, key) == 0 && handles(m, w, SIGUSR2))
			(void)send(w, SIGUSR2);
}

/* A head that handles SIGTERM is asked, and its workers are its own affair until it has gone or the grace is over. One
 * that does not dies of it at once, and they with it. A stopped process gets SIGTERM when it goes on, unless that is
 * its end: the kernel sees to that at once. */
static void term(struct monitor *m, const char *key)
{
	bool asked = false;

	EACH(m, w)
		if (is_guarded(w) && is_head(w) && strcmp(w->run, key) == 0)
			asked |= handles(m, w, SIGTERM);
	EACH(m, w)
		if (is_guarded(w) && (!asked || is_head(w)) && strcmp(w->run, key) == 0)
			(void)send(w, SIGTERM);
	thaw(m, key);
	release_memory(m, key);
}

static void act(struct monitor *m, struct guard_run *x, enum guard_action a)
{
	switch (a) {
	case GUARD_ASK:
		ask(m, x->key);
		break;
	case GUARD_FREEZE:
		freeze(m, x->key);
		break;
	case GUARD_THAW:
		thaw(m, x->key);
		break;
	case GUARD_TERM:
		term(m, x->key);
		break;
	case GUARD_KILL:
		to_all(m, x->key, SIGKILL);
		watched_children(m, x->key);
		to_all(m, x->key, SIGKILL);
		release_memory(m, x->key);
		break;
	default:
		break;
	}
}

static void enter(struct monitor *m, const struct guard_run *x, enum guard_action a, const char *why)
{
	EACH(m, w)
		if (is_guarded(w) && strcmp(w->run, x->key) == 0 && (a != GUARD_ASK || is_head(w)))
			ledger(m, w, a, why);
}

/* ---- a turn ---- */

static uint64_t swap_here(const struct machine *now)
{
	uint64_t left;

	if (now->total == now->mem_total || now->cg.swap_limit == MACHINE_NONE)
		return now->swap_free;
	left = now->cg.swap_limit > now->cg.swap_used ? now->cg.swap_limit - now->cg.swap_used : 0;
	return left < now->swap_free ? left : now->swap_free;
}

static void dry(struct monitor *m, struct guard_run *x, enum guard_action a, const char *why)
{
	struct hands *h = m->hands;

	if (h->dry_ms && m->now.mono_ms - h->dry_ms < DRY_MS)
		return;
	h->dry_ms = m->now.mono_ms;
	note(m, x, a, why);
}

void guard_turn(struct monitor *m)
{
	struct hands *h = m->hands;
	const struct machine *now = &m->now;
	/* From twice the first threshold on it is looked at closely. */
	bool closely = now->available != MACHINE_NONE &&
		       now->available < now->total / 5000 * m->set.guard.ask;
	struct guard_reading r = { .now_ms = now->mono_ms, .total = now->total,
		.available = now->available, .swap_free = swap_here(now),
		.editor_faults = MACHINE_NONE };
	char why[GUARD_WHY];
	struct guard_run *x;
	enum guard_action a;

	if (!h || now->available == MACHINE_NONE)
		return;
	h->turn_ms = now->mono_ms;
	collect(m, closely);
	if (closely && h->n)
		r.editor_faults = editor_faults(m);
	guard_begin(&h->guard, &m->set.guard, &r);
	for (unsigned i = 0; i < h->n; i++)
		(void)guard_add(&h->guard, &h->all[i]);
	/* Each answer changes what the next is asked about; more than a few are none of this turn. */
	for (unsigned i = 0; i < GUARD_RUNS; i++) {
		a = guard_next(&h->guard, &x, why);
		if (a == GUARD_NONE)
			break;
		if (m->set.guard_dry) {
			dry(m, x, a, why);
			break;
		}
		act(m, x, a);
		guard_did(&h->guard, x, a);
		enter(m, x, a, why);
		note(m, x, a, why);
	}
	if (h->n_later)
		tell_due(m, false);
}

uint64_t guard_due_ms(const struct monitor *m)
{
	uint64_t ms = m->hands ? guard_period_ms(&m->hands->guard) : UINT64_MAX;

	if (m->hands && m->hands->n_later && ms > EFFECT_MS)
		ms = EFFECT_MS;
	return ms == UINT64_MAX ? ms : m->hands->turn_ms + ms;
}

/* ---- found, begun, ended ---- */

/* Where the kernel must choose after all, it shall not be a window: raising is allowed to everybody, lowering not. */
void guard_found(struct monitor *m, struct watched *w)
{
	char path[40], text[16];
	autoclose int fd = -1;
	ssize_t n;

	w->spared = false;
	for (const char *const *dir = m->set.guard_spare; *dir; dir++) {
		size_t k = strlen(*dir);

		if (strncmp(w->cwd, *dir, k) == 0 && (w->cwd[k] == '/' || !w->cwd[k]))
			w->spared = true;
	}
	if (!m->hands || m->set.guard_dry || w->spared || w->role.kind != KIND_TRAINING)
		return;
	(void)snprintf(path, sizeof(path), "%d/oom_score_adj", (int)w->id.pid);
	fd = openat(m->proc_fd, path, O_RDWR | O_CLOEXEC);
	n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return;
	text[n] = '\0';
	if (strtol(text, NULL, 10) < ADJ) {
		n = snprintf(text, sizeof(text), "%d", ADJ);
		(void)!pwrite(fd, text, (size_t)n, 0);
	}
}

struct left {	/* what the ledger's end says of one process */
	struct proc_id id;
	bool frozen;
};

static void note_left(struct left *all, unsigned *n, unsigned max, const struct proc_id *id, bool frozen)
{
	for (unsigned i = 0; i < *n; i++)
		if (all[i].id.pid == id->pid && all[i].id.start == id->start) {
			all[i].frozen = frozen;
			return;
		}
	if (*n < max && frozen)
		all[(*n)++] = (struct left){ *id, true };
}

/* One that the monitor before us froze and did not live to thaw. The pidfd and the start time make sure it is the same. */
static void release(struct monitor *m, const struct proc_id *id)
{
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, id->pid, 0);
	struct proc *p = m->scratch;
	struct watched w = { .id = *id, .pidfd = pidfd };

	if (pidfd < 0 || proc_read(m->proc_fd, id->pid, PROC_STAT, p) < 0 ||
		p->id.start != id->start || p->state != 'T' || p->uid != m->uid)
		return;
	(void)send(&w, SIGCONT);
	ledger(m, &w, GUARD_THAW, "the monitor that froze it is gone");
}

static void release_left(struct monitor *m)
{
	enum { MAX = 512 };
	autofree char *text = malloc(LEDGER_TAIL + 1);
	autofree struct left *all = calloc(MAX, sizeof(*all));
	off_t size = lseek(m->hands->ledger_fd, 0, SEEK_END),
	      from = size > LEDGER_TAIL ? size - LEDGER_TAIL : 0;
	unsigned n = 0;
	ssize_t k;

	if (!text || !all || size <= 0)
		return;
	k = pread(m->hands->ledger_fd, text, LEDGER_TAIL, from);
	text[k > 0 ? k : 0] = '\0';
	for (char *line = text, *next; *line; line = next) {
		char action[8] = "";
		struct proc_id id = { 0 };
		int pid = 0;

		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		if (sscanf(line, "%*u\t%d\t%" SCNu64 "\t%7[a-z]", &pid, &id.start, action) == 3 &&
			pid > 0) {
			id.pid = pid;
			if (strcmp(action, "ask") != 0)
				note_left(all, &n, MAX, &id, strcmp(action, "freeze") == 0);
		}
	}
	for (unsigned i = 0; i < n; i++)
		if (all[i].frozen)
			release(m, &all[i].id);
}

static int open_ledger(int state_fd)
{
	int fd = openat(state_fd, DETECT_LEDGER, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || lseek(fd, 0, SEEK_END) < LEDGER_MAX)
		return fd;
	/* The ends in it have been judged long ago. */
	if (renameat(state_fd, DETECT_LEDGER, state_fd, DETECT_LEDGER ".old") < 0)
		return fd;
	(void)close(fd);
	return openat(state_fd, DETECT_LEDGER, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

int guard_open(struct monitor *m)
{
	if (!m->set.guard_on)
		return 0;
	prompt_ask(NICE);
	m->hands = calloc(1, sizeof(*m->hands));
	if (!m->hands)
		return -ENOMEM;
	if (reaper_open(&m->hands->reaper) < 0)
		log_debug("the kernel frees no memory for others");
	m->hands->ledger_fd = open_ledger(m->state_fd);
	if (m->hands->ledger_fd < 0)
		(void)log_warn_errno(-errno, "ledger: what the guard does is not kept there");
	else
		release_left(m);
	return 0;
}

void guard_close(struct monitor *m)
{
	struct hands *h = m->hands;

	if (!h)
		return;
	EACH(m, w)
		if (w->frozen) {
			(void)send(w, SIGCONT);
			ledger(m, w, GUARD_THAW, "the monitor ends");
			w->frozen = false;
		}
	tell_due(m, true);
	reaper_close(h->reaper);
	auto_close_(&h->ledger_fd);
	free(h);
	m->hands = NULL;
}
