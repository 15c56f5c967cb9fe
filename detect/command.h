/* detect/command.h - another program, run to its end: no shell, a time limit, bounded output. Not
 * for outside the room. */
#ifndef DETECT_COMMAND_H
#define DETECT_COMMAND_H

#include <stddef.h>

#include "lib/buf.h"

struct command_run {
	const char *const *argv; /* argv[0] is looked for in PATH; NULL-terminated */
	const void *in;          /* for its stdin; NULL: /dev/null */
	size_t in_len;
	unsigned timeout_ms;   /* then it and its process group are killed: -ETIMEDOUT */
	size_t max;            /* bytes kept of each output; more is read and dropped */
	struct buf *out, *err; /* appended to; NULL: dropped */
};

/* Its exit code, 128 + N for signal N; -ENOENT: no such program; -errno. SIGPIPE is not raised. */
int command_run(const struct command_run *c);

#endif
