/* detect/evidence.h - where traces of an end are looked for.
 *
 * evidence_gather reads, with a time limit each: /dev/kmsg, or where it is closed the journal's
 * kernel part or /var/log; what earlyoom, nohang and systemd-oomd wrote (journal, syslog, a file of
 * earlyoom's stderr named in the settings); coredump records and core files; the editor's logs and
 * locks below its user data folder; our guard's ledger; the marks of a machine going down. Only
 * what is of the time of the end is taken, only what names this process (or, of an editor's log,
 * its role). A source that is closed to us becomes an EV_CLOSED line, never silence. Takes up to 2
 * s: the judge calls it, never the monitor. EV_CHILD and EV_PARENT are the judge's: it has the
 * journal.
 *
 * Sources: Documentation/ABI/testing/dev-kmsg; mm/oom_kill.c; systemd.journal-fields(7); core(5);
 * utmp(5); VSCODE.md. */
#ifndef DETECT_EVIDENCE_H
#define DETECT_EVIDENCE_H

#include "detect/cause.h"

enum {                   /* what to read */
	FROM_KERNEL = 1, /* cheap: /dev/kmsg, the ledger */
	FROM_LOGS = 2,   /* journalctl, /var/log */
	FROM_EDITOR = 4, /* its logs and locks */
	FROM_FILES = 8,  /* core files, wtmp */
	FROM_ALL = 15,
};

struct evidence_places {               /* zeroes: the real ones; tests feed recorded machines */
	const char *kmsg;              /* /dev/kmsg; a file holds records one behind the other */
	uint64_t kmsg_zero_ms;         /* CLOCK_REALTIME of its time stamp 0; 0: by our clocks */
	const char *journalctl;        /* the program; "" none */
	const char *log_dir;           /* /var/log: syslog, messages, kern.log, wtmp */
	const char *const *guard_logs; /* files of earlyoom's stderr, NULL-terminated */
	const char *core_pattern;      /* /proc/sys/kernel/core_pattern */
	const char *pid_ns; /* /proc/self/ns/pid: in another one the kernel's pids are not ours */
	int state_dirfd;    /* of the ledger; 0: none */
	uint64_t now_ms;    /* until when a machine that was lost may have gone; 0: now */
};
int evidence_gather(const struct evidence_places *at, const struct fact *f, unsigned from,
	struct evidence_list *ret);
/* Adds e unless the list is full or holds its text. A record that names a cause displaces an
 * EV_CLOSED. */
void evidence_add(struct evidence_list *l, const struct evidence *e);

/* Parsers, each for one line, fuzzed. 1: it is one, *ret filled; 0 not. */
int evidence_kernel_line(const char *line, struct evidence *ret);
/* nohang names its victim lines before it acts: *victim (0 at first) is its memory between the
 * lines of one log. */
int evidence_guard_line(const char *line, pid_t *victim, struct evidence *ret);
int evidence_editor_line(const char *line, struct evidence *ret);
int evidence_core_line(const char *line, struct evidence *ret); /* systemd-coredump's */
int evidence_down_line(const char *line,
	struct evidence *ret); /* the machine, or this user's manager, goes down */

/* The ledger: file `ledger` in the state folder, appended by the guard before each action, a line
 * each:
 *
 *	REAL_MS TAB PID TAB START TAB ACTION TAB WHY
 *
 * START in clock ticks after boot (0 not known), ACTION one of ask, freeze, thaw, term, kill, WHY
 * for people. Only term and kill are an end (EV_LEDGER). `detect run` adds gpu, shm or allocation (EV_WANT)
 * for a run whose output told that such an allocation was refused; WHY is the line. *ret_start is for comparison with the process's. */
#define DETECT_LEDGER "ledger"
int evidence_ledger_line(const char *line, uint64_t *ret_start, struct evidence *ret);

/* Time stamps of log lines; each returns what follows the stamp, or NULL. Milliseconds of
 * CLOCK_REALTIME. near_ms: a stamp without a year is of the year that brings it nearest. */
const char *stamp_unix(const char *line, uint64_t *ret_ms);  /* 1700000000.123456 */
const char *stamp_local(const char *line, uint64_t *ret_ms); /* 2023-01-17 07:29:33.660 */
const char *stamp_syslog(
	const char *line, uint64_t near_ms, uint64_t *ret_ms); /* Nov 24 00:21:50, RFC 3339 */

#endif
