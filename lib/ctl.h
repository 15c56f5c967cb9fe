/* lib/ctl.h - the control socket: one request line, one answer.
 *
 * The server listens on a Unix stream socket named `name` inside a folder that
 * only the user may enter. The address is made through /proc/self/fd/DIRFD, so
 * a long path is no limit. Peers of another uid are refused (SO_PEERCRED).
 * A request is one line of tab-separated fields, at most CTL_MAX bytes, escaped
 * so that a field may hold any byte but NUL (ctl_add_field / ctl_next_field;
 * \\ \t \n). An answer is any number of lines, then the connection closes; its
 * first field is "ok" or "error". The server answers when it can: a request may
 * stay open (after the fsync) without blocking the loop. */
#ifndef LIB_CTL_H
#define LIB_CTL_H

#include <sys/types.h>

#include "buf.h"
#include "loop.h"

#define CTL_MAX 65536

struct ctl_server;
struct ctl_conn;		/* one client waiting for its answer */

/* req is the line without its newline; NUL-terminated; valid during the call.
 * Answer now or later with ctl_answer, exactly once; if the client goes away
 * before (or the server is closed), gone(conn, arg) is called and the conn is
 * invalid after it. */
typedef void (*ctl_request_fn)(struct ctl_conn *c, char *req, void *arg);
typedef void (*ctl_gone_fn)(struct ctl_conn *c, void *arg);

/* A stale socket file (nobody listens) is replaced. -EADDRINUSE if somebody does. */
int ctl_listen(struct loop *l, int dirfd, const char *name, ctl_request_fn fn,
	ctl_gone_fn gone, void *arg, struct ctl_server **ret);
void ctl_close(struct ctl_server *s);		/* unlinks the socket; NULL is fine */
/* Accept, read, send what can be at this moment: for who is busy for long and comes by now and
 * then. Calls fn. */
void ctl_poll(struct ctl_server *s);
void ctl_answer(struct ctl_conn *c, const void *p, size_t n);	/* closes when sent */
pid_t ctl_peer(const struct ctl_conn *c); /* who had it opened; 0 not known. It may have ended */

/* Client: send one request (a line without its newline) and append the whole
 * answer to ret. -ECONNREFUSED / -ENOENT: nobody there. -ECONNRESET: it went away
 * without a word. -ETIMEDOUT; timeout_ms < 0 waits for ever. -EINTR: a signal
 * handler ran. */
int ctl_call(int dirfd, const char *name, const char *req, int timeout_ms, struct buf *ret);
/* The same without a limit but each's own: called every so often while there is no answer;
 * negative ends the call with that. */
struct ctl_wait {
	int every_ms;
	int (*each)(void *arg);
	void *arg;
};
int ctl_call_wait(
	int dirfd, const char *name, const char *req, const struct ctl_wait *wait, struct buf *ret);

/* The same inside a loop: fn gets the answer when it is whole, or r < 0 (-ECONNRESET: the peer went
 * away without a word); answer is its to cut up, during the call. Not called after a cancel, nor
 * when ctl_ask itself fails. The ask is over when fn is called: fn may ask again. A question may
 * stay open for days: nothing wakes us until it is answered. */
struct ctl_ask;
typedef void (*ctl_answer_fn)(int r, char *answer, void *arg);
int ctl_ask(struct loop *l, int dirfd, const char *name, const char *req, ctl_answer_fn fn,
	void *arg, struct ctl_ask **ret);
void ctl_ask_cancel(struct ctl_ask *a);		/* NULL is fine */

/* Escapes; adds a tab before it unless a line begins here (b is empty or ends in a
 * newline). So the first field of a line is never an empty one. */
int ctl_add_field(struct buf *b, const char *s);
char *ctl_next_field(char **line);			/* unescapes in place; NULL at the end */
char *ctl_next_line(char **text);			/* cuts at newlines; NULL at the end */

#endif
