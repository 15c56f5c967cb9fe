/* detect/run-io.h - a run's output on its way: from the command into the log and to the viewers.
 * Of the supervisor alone; see run.h for the packets.
 *
 * A viewer that does not keep up holds the output back: all the while when it said RUN_ALL (a pipe
 * behind it), else for two seconds; then it is told how much it missed, and where that stands. */
#ifndef DETECT_RUN_IO_H
#define DETECT_RUN_IO_H

#include "detect/run.h"
#include "lib/loop.h"

enum { VIEWERS = 8, TAIL = 2048 };

struct viewer {
	struct run_io *io;
	int fd; /* -1: free */
	bool all, slow;
	size_t pending; /* bytes of packet, not sent yet */
	uint64_t since_ms, skipped;
	char packet[RUN_PACKET];
};

struct stream { /* one of the command's outputs */
	struct run_io *io;
	int fd;          /* -1: closed */
	bool held;       /* not read at the moment */
	char letter;     /* RUN_OUT, RUN_ERR */
	char line[TAIL]; /* the unfinished last line */
	size_t line_len;
};

struct run_io {
	struct loop *loop;
	int folder, log, listener;
	uint64_t log_len, log_max;
	struct viewer viewer[VIEWERS];
	struct stream stream[3]; /* pty or stdout, stderr, */
	unsigned open_streams;
	enum want want; /* the last sign seen */
	char want_line[200];
	void (*on_signal)(void *arg, int signo);
	void (*on_quiet)(void *arg); /* the last stream is closed */
	void *arg;
	int terminal; /* our side of the pty, -1 none */
};

int run_io_open(struct run_io *io, struct loop *l, int folder, uint64_t log_max);
void run_io_viewer(struct run_io *io, int fd); /* becomes its own */
void run_io_stream(struct run_io *io, int fd, char letter);
void run_io_say(struct run_io *io, const char *text); /* to the viewers and the log */
void run_io_tick(struct run_io *io, uint64_t now_ms); /* now and then: slow viewers */
void run_io_close_streams(struct run_io *io);
/* The last packet; waits for those who must miss nothing. */
void run_io_end(struct run_io *io, const char *end);

#endif
