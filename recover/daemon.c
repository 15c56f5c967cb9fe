#include "daemon.h"

#include <string.h>

#include "../lib/auto.h"
#include "../lib/ctl.h"
#include "../lib/log.h"

int daemon_ask(const struct recover *r, const char *const *fields, int timeout_ms, struct buf *ret)
{
	autoput(buf_release) struct buf req = BUF_INIT, answer = BUF_INIT;
	char *line, *word, *more;
	int e = 0;

	for (; *fields && e >= 0; fields++)
		e = ctl_add_field(&req, *fields);
	if (e < 0)
		return e;
	e = ctl_call(store_dirfd(r->store), "control", req.data, timeout_ms, &answer);
	if (e == -ENOENT || e == -ECONNREFUSED)
		return 0;
	if (e < 0)
		return log_error_errno(e, "snapd does not answer");
	line = answer.data;
	if (line && (more = strchr(line, '\n')))
		*more = 0;
	word = line ? ctl_next_field(&line) : NULL;
	more = word ? ctl_next_field(&line) : NULL;
	if (word && !strcmp(word, "ok")) {
		if (ret && more)
			return (e = buf_addstr(ret, more)) < 0 ? e : 1;
		return 1;
	}
	log_error("snapd: %s", more ? more : "gave no answer");
	return -EPROTO;
}
