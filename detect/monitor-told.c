/* Who is told: those who wait on the socket, the spool, the log, and the judge. In this order: the
 * spool may have to wait for a disk, a snapshot should not wait for that. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detect/detect.h"
#include "detect/monitor.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/text.h"

enum {
	JUDGE_REST_MS = 1000,
	JUDGE_AFTER_MS = 20, /* starting it takes a millisecond: not while others die */
	LINE = 4096,
};

static void answer(struct ctl_conn *c, const char *text)
{
	ctl_answer(c, text, strlen(text));
}

static void answer_error(struct ctl_conn *c, const char *why)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "error\t%s\n", why);
	answer(c, text);
}

/* The ring: lines one behind the other, begun anew at the front; the oldest make room. */
static void forget_oldest(struct monitor *m)
{
	m->first_event = (m->first_event + 1) % EVENTS;
	m->n_events--;
}

static void keep(struct monitor *m, const char *line, uint32_t n, bool hidden)
{
	struct event *e;
	uint32_t at = m->event_end;

	if (at + n > EVENT_BYTES)
		at = 0;
	while (m->n_events) {
		const struct event *old = &m->event[m->first_event];

		if (m->n_events < EVENTS && (old->at >= at + n || old->at + old->len <= at) &&
			!(at < m->event_end && old->at >= m->event_end))
			break;
		forget_oldest(m);
	}
	e = &m->event[(m->first_event + m->n_events++) % EVENTS];
	*e = (struct event){ ++m->seq, at, n, hidden };
	memcpy(m->event_bytes + at, line, n);
	m->event_end = at + n;
}

static void answer_wait(struct monitor *m, struct ctl_conn *c, uint64_t seq)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = buf_printf(&b, "ok\t%" PRIu64 "\n", m->seq);

	for (unsigned i = 0; r == 0 && i < m->n_events; i++) {
		const struct event *e = &m->event[(m->first_event + i) % EVENTS];

		if (e->seq <= seq || e->hidden)
			continue;
		r = buf_printf(&b, "%" PRIu64 "\t", e->seq);
		if (r == 0)
			r = buf_add(&b, m->event_bytes + e->at, e->len);
		if (r == 0)
			r = buf_addch(&b, '\n');
	}
	if (r < 0)
		answer_error(c, err_str(r));
	else
		ctl_answer(c, b.data, b.len);
}

static void answer_all(struct monitor *m)
{
	/* Answering may call gone(), which takes from the list. */
	while (m->n_waiters) {
		struct ctl_conn *c = m->waiter[--m->n_waiters];

		answer_wait(m, c, m->wait_seq[m->n_waiters]);
	}
}

static void on_wait(struct monitor *m, struct ctl_conn *c, char **req)
{
	const char *text = ctl_next_field(req);
	char *end = NULL;
	uint64_t seq = text ? strtoull(text, &end, 10) : 0;

	daemon_waits(m, ctl_peer(c));
	if (!text || !*text || *end) {
		answer_error(c, "wait: a number, please");
	} else if (seq &&
		   seq != m->seq) { /* one of another monitor's, too: what there is comes at once */
		answer_wait(m, c, seq < m->seq ? seq : 0);
	} else if (m->n_waiters == WAITERS) {
		answer_error(c, "too many wait already");
	} else {
		m->waiter[m->n_waiters] = c;
		m->wait_seq[m->n_waiters++] = m->seq;
	}
}

/* What could not be written stays in the ring until it can: a judge that is stopped holds the spool,
 * a disk is full and is not for ever. */
static void spool_ring(struct monitor *m)
{
	int r = 0;

	if (m->n_events && m->event[m->first_event].seq > m->unspooled) {
		m->n_lost += m->event[m->first_event].seq - m->unspooled;
		m->unspooled = m->event[m->first_event].seq;
	}
	for (unsigned i = 0; r == 0 && i < m->n_events; i++) {
		const struct event *e = &m->event[(m->first_event + i) % EVENTS];

		if (e->seq < m->unspooled)
			continue;
		r = spool_add_line(m->spool_fd, m->event_bytes + e->at, e->len);
		if (r == 0)
			m->unspooled = e->seq + 1;
	}
	if (r < 0 && r != m->spool_error && r != -EBUSY)
		(void)log_warn_errno(r, "spool: events wait for room");
	m->spool_error = r;
	if (r == 0)
		m->unspooled = 0;
}

void told_again(struct monitor *m)
{
	if (!m->unspooled)
		return;
	spool_ring(m);
	m->judge_wanted = true;
}

static void spool(struct monitor *m, const char *line, uint32_t n, bool hidden)
{
	keep(m, line, n, hidden);
	if (!m->unspooled)
		m->unspooled = m->seq;
	if (!hidden)
		answer_all(m);
	spool_ring(m);
	if (m->unspooled)
		monitor_arm(m);
}

/* Nobody waits for it. */
static void spool_link(struct monitor *m, const struct fact *f)
{
	char line[LINE];
	int n = fact_line(f, line, sizeof(line));

	if (n > 0 && (m->unspooled || spool_add_line(m->spool_fd, line, (size_t)n) < 0))
		spool(m, line, (uint32_t)n, true);
	m->judge_wanted = true;
}

static void on_link(struct monitor *m, struct ctl_conn *c, char **req)
{
	char line[LINE];
	struct fact f;

	/* The fact's own tabs are the request's: what is left of it is the line. */
	if (!*req || strlen(*req) >= sizeof(line))
		goto refuse;
	memcpy(line, *req, strlen(*req) + 1);
	if (fact_parse(line, &f) < 0 || f.kind != FACT_LINK || !*f.of)
		goto refuse;
	answer(c, "ok\n");
	spool_link(m, &f);
	jsonlog_fact(m->log, &f);
	told_judge(m);
	return;
refuse:
	answer_error(c, "link: not a link");
}

static void on_register(struct monitor *m, struct ctl_conn *c, char **req)
{
	const char *pid = ctl_next_field(req), *start = ctl_next_field(req),
		   *run = ctl_next_field(req);
	struct proc_id id = { pid ? (pid_t)strtol(pid, NULL, 10) : 0,
		start ? strtoull(start, NULL, 10) : 0 };

	if (!run || id.pid <= 0 || strlen(run) > 32) {
		answer_error(c, "register: pid, start, run");
		return;
	}
	watched_register(m, &id, run);
	answer(c, watched_find(m, id.pid) ? "ok\n" : "error\tno such process of yours\n");
}

static void on_stop(struct monitor *m, struct ctl_conn *c, char **req)
{
	(void)req;
	answer(c, "ok\n");
	/* Who would start us again is told that it was wished. */
	while (m->n_waiters)
		answer_error(m->waiter[--m->n_waiters], "stopped");
	loop_stop(m->loop, 0);
}

/* From a snapd that takes its workspace out of use, once its daemon has ended. */
static void on_release(struct monitor *m, struct ctl_conn *c, char **req)
{
	if (!m->set.by_snapd)
		answer_error(c, "started by hand");
	else if (m->n_waiters || daemon_runs(m))
		answer_error(c, "in use");
	else
		on_stop(m, c, req);
}

static const char *adj(void)
{
	static char text[16];
	FILE *f = fopen("/proc/self/oom_score_adj", "re");

	text[0] = '\0';
	if (f && fgets(text, sizeof(text), f))
		text[strcspn(text, "\n")] = '\0';
	if (f)
		(void)fclose(f);
	return *text ? text : "null";
}

/* How often the kernel has told of pressure; null where it does not. */
static const char *pressed(const struct monitor *m, char p[static 24])
{
	if (m->pressure_fd[0] < 0)
		return "null";
	(void)snprintf(p, 24, "%" PRIu64, m->n_pressed);
	return p;
}

static void on_status(struct monitor *m, struct ctl_conn *c, char **req)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	unsigned editors = 0;
	bool tells = !m->set.no_exit_info && end_kernel_tells();
	char since[40], count[24];

	(void)req;
	for (unsigned i = 0; i < BUCKETS; i++)
		for (const struct watched *w = m->bucket[i]; w; w = w->next)
			editors += w->role.kind == KIND_EDITOR;
	if (buf_printf(&b,
		    "ok\t%d\n{\"pid\":%d,\"since\":\"%s\",\"risk\":\"%s\",\"watched\":%u,"
		    "\"editors\":%u,\"training\":%u,"
		    "\"not_watched\":%u,\"waiting\":%u,\"newest\":%" PRIu64 ",\"wakeups\":%" PRIu64
		    ",\"found_by\":\"%s\",\"status_by\":\"%s\","
		    "\"memory_locked\":%s,\"oom_score_adj\":%s,\"gpu\":%s,"
		    "\"told_of_pressure\":%s,\"unknown\":[",
		    (int)getpid(), (int)getpid(),
		    text_rfc3339((int64_t)m->started_real_ms * 1000000, since),
		    risk_name(m->verdict.risk), m->n_watched, editors, m->n_watched - editors,
		    m->n_full, m->n_waiters, m->seq, loop_turns(m->loop),
		    m->connector ? "connector" : "scan",
		    tells          ? "pidfd"
		    : m->connector ? "connector"
				   : "stat",
		    m->locked ? "true" : "false", adj(), m->gpus && m->gpus->n ? "true" : "false",
		    pressed(m, count)) < 0)
		goto out;
	if (m->why_no_connector && buf_printf(&b, "\"new processes are found by scanning: %s\",",
					   m->why_no_connector) < 0)
		goto out;
	if (!end_kernel_holds() &&
		buf_addstr(&b, "\"before Linux 5.3 how processes end is not seen\",") < 0)
		goto out;
	if (!tells && buf_printf(&b, "\"before Linux 6.15 the status of an end is known only %s\",",
			      m->connector ? "when the connector's event comes through"
					   : "while its parent has not asked for it") < 0)
		goto out;
	if (!m->locked && buf_printf(&b, "\"the memory is not locked (%s): raise ulimit -l\",",
				  strerror(m->lock_error)) < 0)
		goto out;
	if (m->spool_error < 0 &&
		buf_printf(&b, "\"events wait to be kept: %s\",", err_str(m->spool_error)) < 0)
		goto out;
	if (m->n_lost && buf_printf(&b, "\"%" PRIu64 " events could not be kept\",", m->n_lost) < 0)
		goto out;
	if (m->why_no_gpu && buf_printf(&b, "\"GPUs are not read: %s\",", m->why_no_gpu) < 0)
		goto out;
	if (m->n_full &&
		buf_printf(&b, "\"%u processes are not watched: out of descriptors or room\",",
			m->n_full) < 0)
		goto out;
	if (buf_addstr(&b, "\"who sent a signal is told by no kernel interface\"]}\n") == 0) {
		ctl_answer(c, b.data, b.len);
		return;
	}
out:
	answer_error(c, "out of memory");
}

/* A line for each: pid, start, ppid, kind, family, role, resident bytes, run. */
static void on_watched(struct monitor *m, struct ctl_conn *c, char **req)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = buf_printf(&b, "ok\t%u\n", m->n_watched);

	(void)req;
	for (unsigned i = 0; r == 0 && i < BUCKETS; i++)
		for (const struct watched *w = m->bucket[i]; r == 0 && w; w = w->next)
			r = buf_printf(&b, "%d\t%" PRIu64 "\t%d\t%s\t%s\t%s\t%" PRIu64 "\t%s\n",
				(int)w->id.pid, w->id.start, (int)w->ppid,
				w->role.kind == KIND_EDITOR ? "editor" : "training",
				family_name(w->role.family), role_name(w->role.role), w->rss,
				w->run);
	if (r < 0)
		answer_error(c, err_str(r));
	else
		ctl_answer(c, b.data, b.len);
}

static const struct {
	const char *word;
	void (*fn)(struct monitor *m, struct ctl_conn *c, char **req);
} requests[] = {
	{ "wait", on_wait },
	{ "link", on_link },
	{ "register", on_register },
	{ "status", on_status },
	{ "watched", on_watched },
	{ "stop", on_stop },
	{ "release", on_release },
};

static void on_request(struct ctl_conn *c, char *req, void *arg)
{
	const char *word = ctl_next_field(&req);

	for (size_t i = 0; word && i < sizeof(requests) / sizeof(*requests); i++)
		if (strcmp(word, requests[i].word) == 0) {
			requests[i].fn(arg, c, &req);
			return;
		}
	answer_error(c, "no such request");
}

static void on_gone(struct ctl_conn *c, void *arg)
{
	struct monitor *m = arg;

	for (unsigned i = 0; i < m->n_waiters; i++)
		if (m->waiter[i] == c) {
			m->n_waiters--;
			m->waiter[i] = m->waiter[m->n_waiters];
			m->wait_seq[i] = m->wait_seq[m->n_waiters];
			return;
		}
}

void told(struct monitor *m, const struct fact *f)
{
	char line[LINE];
	int n = fact_line(f, line, sizeof(line));

	if (n > 0)
		spool(m, line, (uint32_t)n, false);
	jsonlog_fact(m->log, f);
	/* What starts gets its row when it ends: a judge would have nothing to do. */
	if (f->kind != FACT_START)
		m->judge_wanted = true;
	told_judge(m);
}

int monitor_spawn(const char *program, const char *const *argv, int fd, int as, pid_t *ret)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	r = posix_spawnattr_init(&attr);
	if (r)
		return -r;
	r = posix_spawn_file_actions_init(&files);
	if (r == 0 && fd >= 0)
		r = posix_spawn_file_actions_adddup2(&files, fd, as);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (r == 0)
		r = posix_spawn(ret, program, &files, &attr, (char *const *)(uintptr_t)argv, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attr);
	return -r;
}

void told_judge(struct monitor *m)
{
	const char *stand_in = getenv("HOLDFAST_JUDGE"), *argv[] = { NULL, "judge", NULL };
	uint64_t now = monitor_mono_ms(), rest;
	int r;

	if (!m->judge_wanted || m->judge || (!stand_in && !m->set.core))
		return;
	if (!m->judge_due_ms) {
		rest = (uint64_t)JUDGE_REST_MS << (m->judge_failed < 6 ? m->judge_failed : 6);
		m->judge_due_ms = now + JUDGE_AFTER_MS;
		if (m->judge_started_ms && m->judge_due_ms < m->judge_started_ms + rest)
			m->judge_due_ms = m->judge_started_ms + rest;
		monitor_arm(m);
	}
	if (now < m->judge_due_ms)
		return;
	m->judge_wanted = false;
	m->judge_due_ms = 0;
	m->judge_started_ms = now;
	argv[0] = stand_in ? stand_in : m->set.core;
	r = monitor_spawn(argv[0], argv, -1, -1, &m->judge);
	if (r < 0) {
		m->judge = 0;
		(void)log_warn_errno(r, "%s judge", stand_in ? stand_in : m->set.core);
	}
}

/* Once we are detect-core there is no way back: so first another one reads the settings. */
void told_check(struct monitor *m)
{
	const char *argv[] = { m->set.core, "watch", "--check", NULL };
	int r;

	if (!m->set.core || m->checker)
		return;
	r = monitor_spawn(m->set.core, argv, -1, -1, &m->checker);
	if (r < 0) {
		m->checker = 0;
		(void)log_warn_errno(r, "%s watch --check", m->set.core);
	}
}

void told_child(struct monitor *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == m->judge) {
			m->judge = 0;
			/* The journal was busy, the disk full, the machine short of memory. */
			m->judge_failed = WIFEXITED(status) && WEXITSTATUS(status) == 0
						  ? 0
						  : m->judge_failed + 1;
			m->judge_wanted |= m->judge_failed > 0;
		}
		if (pid == m->gpu_pid)
			monitor_gpu_ended(m, status);
		if (pid != m->checker)
			continue;
		m->checker = 0;
		m->again = WIFEXITED(status) && WEXITSTATUS(status) == 0;
		if (m->again)
			loop_stop(m->loop, 0);
		else
			log_warn("watch: the settings cannot be used; those from before go on");
	}
	told_judge(m);
}

int told_open(struct monitor *m)
{
	struct stat st;

	m->event_bytes = malloc(EVENT_BYTES);
	if (!m->event_bytes)
		return -ENOMEM;
	/* Higher than any number of a monitor before us. */
	m->seq = m->started_real_ms * 1000;
	m->spool_fd = spool_open(m->state_fd);
	if (m->spool_fd < 0)
		return m->spool_fd;
	/* What the one before us left. */
	m->judge_wanted = fstat(m->spool_fd, &st) == 0 && st.st_size > 0;
	return ctl_listen(m->loop, m->run_fd, DETECT_SOCKET, on_request, on_gone, m, &m->ctl);
}

void told_close(struct monitor *m)
{
	ctl_close(m->ctl);
	m->ctl = NULL;
	auto_close_(&m->spool_fd);
	free(m->event_bytes);
}
