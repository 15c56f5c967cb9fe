#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "../lib/auto.h"
#include "../lib/ctl.h"
#include "../lib/err.h"
#include "../lib/io.h"
#include "../lib/log.h"
#include "../lib/names.h"

enum { PATIENT_MS = 2000, GIVE_UP_MS = 8000, DISK_MS = 50000 };

/* Stopped by a signal or a debugger (proc_pid_status(5), State): it will not go on by itself. What only waits
 * for a slow disk does. */
bool daemon_is_stopped(pid_t pid)
{
	autoput(buf_release) struct buf text = BUF_INIT;
	char path[64];
	const char *p;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (pid <= 0 || io_read_file(AT_FDCWD, path, 4096, &text) < 0)
		return false;
	p = strstr(text.data, "\nState:\t");
	return p && (p[8] == 'T' || p[8] == 't');
}

/* A daemon that is at work answers this at once, one that is stopped (SIGSTOP, a debugger, a
 * dead disk) never. 1, 0: nobody there, or negative, having said so. */
static int awake(const struct recover *r)
{
	autoput(buf_release) struct buf answer = BUF_INIT;
	int e = ctl_call(store_dirfd(r->store), "control", "status", PATIENT_MS, &answer);
	pid_t pid = 0;

	if (e == -ETIMEDOUT) {
		(void)store_writer(r->store_path, &pid);
		log_info("waiting for " SNAPD " (pid %d), which does not answer", (int)pid);
		e = ctl_call(store_dirfd(r->store), "control", "status", GIVE_UP_MS, &answer);
	}
	if (e == -ETIMEDOUT && !daemon_is_stopped(pid))
		e = ctl_call(store_dirfd(r->store), "control", "status", DISK_MS, &answer);
	if (e == -ETIMEDOUT)
		log_error(SNAPD " (pid %d) does not answer: kill -CONT %d if it was stopped, kill "
				"-KILL %d to do without it",
			(int)pid, (int)pid, (int)pid);
	else if (e < 0 && e != -ENOENT && e != -ECONNREFUSED)
		log_error_errno(e, SNAPD " does not answer");
	return e == -ENOENT || e == -ECONNREFUSED ? 0 : e < 0 ? e : 1;
}

int daemon_ask(const struct recover *r, const char *const *fields, int timeout_ms, struct buf *ret)
{
	autoput(buf_release) struct buf req = BUF_INIT, answer = BUF_INIT;
	char *line, *word, *more;
	int e = 0;

	for (; *fields && e >= 0; fields++)
		e = ctl_add_field(&req, *fields);
	if (e == -ENOMEM)
		return log_oom();
	if (e < 0 || (e = awake(r)) <= 0)
		return e;
	e = ctl_call(store_dirfd(r->store), "control", req.data, timeout_ms, &answer);
	if (e == -ENOENT || e == -ECONNREFUSED)
		return 0;
	if (e < 0)
		return log_error_errno(e, SNAPD " does not answer");
	line = answer.data;
	if (line && (more = strchr(line, '\n')))
		*more = 0;
	word = line ? ctl_next_field(&line) : NULL;
	more = word ? ctl_next_field(&line) : NULL;
	if (word && !strcmp(word, "ok")) {
		if (ret && more)
			return buf_addstr(ret, more) < 0 ? log_oom() : 1;
		return 1;
	}
	if (more && !strcmp(more, err_str(-EINVAL)))
		return -EINVAL;
	log_error(SNAPD ": %s", more ? more : "gave no answer");
	return -EPROTO;
}
