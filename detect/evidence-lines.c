/* Lines other programs wrote, each looked at alone. Nothing in them is trusted: a process chooses
 * its own name, and may choose "x) total-vm" for it; so numbers are taken from where the writer
 * puts them, before any name. */
#include "detect/evidence.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/names.h"

static void quote(struct evidence *e, const char *line)
{
	size_t n = 0;

	while (*line == ' ' || *line == '\t')
		line++;
	for (; *line && n + 1 < sizeof(e->text); line++)
		e->text[n++] = (unsigned char)*line < ' ' || *line == 0x7f ? ' ' : *line;
	e->text[n] = '\0';
}

/* A pid in decimal and what follows it. */
static bool take_pid(const char *s, const char *after, pid_t *ret)
{
	char *end;
	long v;

	if (!isdigit((unsigned char)*s))
		return false;
	v = strtol(s, &end, 10);
	if (v <= 0 || v > INT32_MAX || strncmp(end, after, strlen(after)) != 0)
		return false;
	*ret = (pid_t)v;
	return true;
}

static bool number_after(const char *line, const char *word, const char *after, pid_t *ret)
{
	const char *s = strstr(line, word);

	return s && take_pid(s + strlen(word), after, ret);
}

/* ---- time stamps ---- */

static bool digits(const char **p, int n, int *ret)
{
	*ret = 0;
	for (; n > 0; n--, ++*p) {
		if (!isdigit((unsigned char)**p))
			return false;
		*ret = *ret * 10 + (**p - '0');
	}
	return true;
}

static bool sign(const char **p, char c)
{
	if (**p != c)
		return false;
	++*p;
	return true;
}

/* ".660", ",660": thousandths; further digits are passed over. */
static int fraction(const char **p)
{
	int ms = 0, unit = 100;

	if (**p != '.' && **p != ',')
		return 0;
	for (++*p; isdigit((unsigned char)**p); ++*p, unit /= 10)
		ms += (**p - '0') * unit;
	return ms;
}

static bool in_calendar(const struct tm *t)
{
	return t->tm_mon >= 0 && t->tm_mon < 12 && t->tm_mday > 0 && t->tm_mday < 32 &&
	       t->tm_hour < 24 && t->tm_min < 60 && t->tm_sec < 61;
}

/* HH:MM:SS */
static bool clock_time(const char **p, struct tm *t)
{
	return digits(p, 2, &t->tm_hour) && sign(p, ':') && digits(p, 2, &t->tm_min) &&
	       sign(p, ':') && digits(p, 2, &t->tm_sec);
}

/* YYYY-MM-DD, then between, then HH:MM:SS */
static bool date_time(const char **p, char between, struct tm *t)
{
	*t = (struct tm){ .tm_isdst = -1 };
	if (!digits(p, 4, &t->tm_year) || !sign(p, '-') || !digits(p, 2, &t->tm_mon) ||
		!sign(p, '-') || !digits(p, 2, &t->tm_mday) || !sign(p, between) ||
		!clock_time(p, t))
		return false;
	t->tm_year -= 1900;
	t->tm_mon -= 1;
	return in_calendar(t) && t->tm_year >= 70;
}

const char *stamp_unix(const char *line, uint64_t *ret_ms)
{
	char *end;
	unsigned long long s;
	const char *p;

	if (!isdigit((unsigned char)*line))
		return NULL;
	s = strtoull(line, &end, 10);
	if (*end != '.' || s > UINT32_MAX)
		return NULL;
	p = end;
	*ret_ms = s * 1000 + (unsigned)fraction(&p);
	return *p == ' ' ? p + 1 : NULL;
}

const char *stamp_local(const char *line, uint64_t *ret_ms)
{
	const char *p = line;
	struct tm t;
	time_t s;

	if (!date_time(&p, ' ', &t))
		return NULL;
	s = mktime(&t);
	if (s < 0)
		return NULL;
	*ret_ms = (uint64_t)s * 1000 + (unsigned)fraction(&p);
	return *p == ' ' ? p + 1 : NULL;
}

/* +01:00, Z; seconds */
static bool offset(const char **p, long *ret)
{
	int h, m, minus = **p == '-';

	*ret = 0;
	if (sign(p, 'Z'))
		return true;
	if ((!sign(p, '+') && !sign(p, '-')) || !digits(p, 2, &h) || !sign(p, ':') ||
		!digits(p, 2, &m))
		return false;
	*ret = (minus ? -1L : 1L) * (h * 3600L + m * 60L);
	return true;
}

static const char *stamp_rfc3339(const char *line, uint64_t *ret_ms)
{
	const char *p = line;
	struct tm t;
	time_t s;
	long off;
	int ms;

	if (!date_time(&p, 'T', &t))
		return NULL;
	ms = fraction(&p);
	if (!offset(&p, &off))
		return NULL;
	s = timegm(&t) - off;
	*ret_ms = (uint64_t)s * 1000 + (unsigned)ms;
	return s >= 0 && *p == ' ' ? p + 1 : NULL;
}

static uint64_t away(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

const char *stamp_syslog(const char *line, uint64_t near_ms, uint64_t *ret_ms)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	const char *p = stamp_rfc3339(line, ret_ms), *at;
	time_t around = (time_t)(near_ms / 1000);
	struct tm t = { .tm_isdst = -1 }, year = { 0 };
	char month[4] = "";
	uint64_t best = 0;

	if (p)
		return p;
	memccpy(month, line, '\0', 3);
	at = strlen(month) == 3 ? strstr(months, month) : NULL;
	if (!at || (at - months) % 3 || line[3] != ' ' || !gmtime_r(&around, &year))
		return NULL;
	p = line + 4;
	if (*p == ' ' ? !(++p, digits(&p, 1, &t.tm_mday)) : !digits(&p, 2, &t.tm_mday))
		return NULL;
	t.tm_mon = (int)(at - months) / 3;
	if (!sign(&p, ' ') || !clock_time(&p, &t) || !in_calendar(&t) || *p != ' ')
		return NULL;
	for (int y = -1; y <= 1; y++) {
		struct tm with = t;
		time_t s;

		with.tm_year = year.tm_year + y;
		s = mktime(&with);
		if (s >= 0 && (!best || away((uint64_t)s * 1000, near_ms) < away(best, near_ms)))
			best = (uint64_t)s * 1000;
	}
	*ret_ms = best;
	return best ? p + 1 : NULL;
}

/* ---- records ---- */

static bool begins(const char *line, const char *with)
{
	return strncmp(line, with, strlen(with)) == 0;
}

/* "python3[1234]: segfault at", "traps: code[1234] trap int3 ip:": the last bracket before the
 * word, as the name may hold some. */
static bool fault_line(const char *line, pid_t *ret)
{
	static const char *const word[] = { "]: segfault at ", "] trap ",
		"] general protection fault " };

	for (size_t i = 0; i < sizeof(word) / sizeof(*word); i++) {
		const char *at = strstr(line, word[i]), *s = at;

		while (s && s > line && isdigit((unsigned char)s[-1]))
			s--;
		if (s && s > line && s[-1] == '[' && take_pid(s, "]", ret))
			return true;
	}
	return false;
}

int evidence_kernel_line(const char *line, struct evidence *ret)
{
	struct evidence e = { 0 };
	bool group = begins(line, "Memory cgroup out of memory: ");

	/* mm/oom_kill.c, dump_oom_summary and __oom_kill_process; "Kill process" before Linux 5.3
	 */
	if (group || begins(line, "Out of memory: ") || begins(line, "Out of memory (")) {
		if (!number_after(line, ": Killed process ", " (", &e.pid) &&
			!number_after(line, ": Kill process ", " (", &e.pid))
			return 0;
		e.what = EV_KERNEL_OOM;
		e.cgroup = group;
	} else if (begins(line, "oom-kill:constraint=")) {
		const char *last = NULL;

		/* task=NAME,pid=N,uid=N closes the line: the last one is the kernel's */
		for (const char *s = strstr(line, ",pid="); s; s = strstr(s + 1, ",pid="))
			last = s;
		if (!last || !take_pid(last + 5, ",uid=", &e.pid))
			return 0;
		e.what = EV_KERNEL_OOM;
		e.cgroup = begins(line, "oom-kill:constraint=CONSTRAINT_MEMCG");
	} else if (fault_line(line, &e.pid)) {
		e.what = EV_KERNEL_FAULT; /* arch/x86/mm/fault.c show_signal_msg, kernel/traps.c */
	} else {
		return 0;
	}
	quote(&e, line);
	*ret = e;
	return 1;
}

/* nohang 0.2, find_victim_info and implement_corrective_action: "PID:  1234, name: X, state: S,
 * EUID: 1000, ...", then "Sending SIGTERM to the victim". Between the two it may still decide
 * otherwise. */
static bool nohang_line(const char *line, pid_t *victim, struct evidence *e)
{
	const char *s = line + strspn(line, " ");

	if (begins(s, "PID:")) {
		s += 4;
		if (!take_pid(s + strspn(s, " "), ", name: ", victim) || !strstr(s, ", EUID: "))
			*victim = 0;
		return false;
	}
	if (!*victim || !begins(s, "Sending SIG") || !strstr(s, " to the victim"))
		return false;
	e->pid = *victim;
	*victim = 0;
	(void)snprintf(e->who, sizeof(e->who), "nohang");
	return true;
}

int evidence_guard_line(const char *line, pid_t *victim, struct evidence *ret)
{
	struct evidence e = { .what = EV_GUARD };
	const char *s;

	/* earlyoom, kill.c: sending SIGTERM to process 1234 uid 1000 "name": ... Signal 0 is its
	 * self-test. */
	s = strstr(line, "sending SIG");
	if (s && number_after(s, " to process ", " uid ", &e.pid) &&
		strchr(s, '"') > strstr(s, " to process ")) {
		(void)snprintf(e.who, sizeof(e.who), "earlyoom");
	} else if (begins(line, "Killed /") && (strstr(line, " due to memory pressure for ") ||
						       strstr(line, " due to memory used (") ||
						       strstr(line, " due to swap used ("))) {
		/* systemd-oomd names a cgroup, no pid: the caller compares the paths */
		(void)snprintf(e.who, sizeof(e.who), "systemd-oomd");
		e.cgroup = true;
	} else if (!nohang_line(line, victim, &e)) {
		return 0;
	}
	quote(&e, line);
	*ret = e;
	return 1;
}

int evidence_core_line(const char *line, struct evidence *ret)
{
	struct evidence e = { .what = EV_CORE };

	/* src/coredump/coredump.c: Process 1234 (python3) of user 1000 dumped core. */
	if (!begins(line, "Process ") || !take_pid(line + 8, " (", &e.pid) ||
		!strstr(line, ") of user ") || !strstr(line, " dumped core"))
		return 0;
	quote(&e, line);
	*ret = e;
	return 1;
}

int evidence_down_line(const char *line, struct evidence *ret)
{
	/* systemd-logind, systemd, systemd-shutdown, shutdown(8) */
	static const char *const word[] = { "System is powering down", "System is rebooting",
		"System is halting", "The system is going down", "The system will power off",
		"The system will reboot", "Reached target Shutdown",
		"Reached target System Shutdown", "Reached target System Power Off",
		"Reached target System Reboot", "Reached target System Halt",
		"Reached target shutdown.target", "Reached target poweroff.target",
		"Reached target reboot.target", "Reached target halt.target" };
	struct evidence e = { .what = EV_LOGIND, .orderly = true };
	char user[64], unit[64];
	bool is = false;

	(void)snprintf(user, sizeof(user), "User Manager for UID %u.", (unsigned)getuid());
	(void)snprintf(unit, sizeof(unit), "user@%u.service", (unsigned)getuid());
	for (size_t i = 0; i < sizeof(word) / sizeof(*word) && !is; i++)
		is = begins(line, word[i]);
	if (!is && begins(line, "Stopp")) /* "Stopping", "Stopped" */
		is = strstr(line, user) != NULL || strstr(line, unit) != NULL;
	if (!is)
		return 0;
	quote(&e, line);
	*ret = e;
	return 1;
}

static bool is_end(const char *action, struct evidence *e)
{
	static const struct {
		const char *word;
		enum cause cause;
	} want[] = { { "\tgpu\t", CAUSE_OOM_GPU }, { "\tshm\t", CAUSE_OOM_SHM },
		{ "\tallocation\t", CAUSE_OOM_ALLOCATION } };

	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
		if (begins(action, want[i].word)) {
			e->what = EV_WANT;
			e->cause = want[i].cause;
			return true;
		}
	return begins(action, "\tterm\t") || begins(action, "\tkill\t");
}

/* Who asked for it by hand: the command that wrote the line, under the name it has here. */
static void by_hand(const char *why, struct evidence *e)
{
	static const char *const command[] = { " stop", " top" };
	const char *space = strchr(why, ' ');

	for (size_t i = 0; space && i < sizeof(command) / sizeof(*command); i++)
		if (strcmp(space, command[i]) == 0 && (size_t)(space - why) >= strlen(DETECT) &&
			strncmp(space - strlen(DETECT), DETECT, strlen(DETECT)) == 0) {
			e->orderly = true;
			(void)snprintf(e->who, sizeof(e->who), "%s", why);
		}
}

int evidence_ledger_line(const char *line, uint64_t *ret_start, struct evidence *ret)
{
	struct evidence e = { .what = EV_LEDGER, .who = "holdfast" };
	char *end;

	if (!isdigit((unsigned char)*line))
		return 0;
	e.real_ms = strtoull(line, &end, 10);
	if (*end != '\t' || !take_pid(end + 1, "\t", &e.pid))
		return 0;
	end = strchr(end + 1, '\t') + 1;
	if (!isdigit((unsigned char)*end))
		return 0;
	*ret_start = strtoull(end, &end, 10);
	if (!is_end(end, &e))
		return 0;
	if (e.what == EV_LEDGER)
		by_hand(strchr(end + 1, '\t') + 1, &e);
	quote(&e, end + 1);
	*ret = e;
	return 1;
}

/* "reason: X, code: N" of a log line; orderly is a clean exit. */
static bool clean(const char *line)
{
	return strstr(line, "reason: clean-exit") || strstr(line, "reason 'clean-exit'");
}

/* The words of Electron and node for how a part of theirs ended. */
static enum cause said(const char *line)
{
	if (strstr(line, "reason: crashed") || strstr(line, "reason 'crashed'") ||
		strstr(line, "signal: SIGSEGV") || strstr(line, "signal: SIGABRT") ||
		strstr(line, "code: 133") || strstr(line, "code: 139") || strstr(line, "code: 134"))
		return CAUSE_CRASHED;
	if (strstr(line, "reason: killed") || strstr(line, "reason 'killed'") ||
		strstr(line, "signal: SIGKILL"))
		return CAUSE_KILLED;
	return CAUSE_UNKNOWN;
}

int evidence_editor_line(const char *line, struct evidence *ret)
{
	static const struct {
		const char *word, *pid_word, *after;
		bool orderly;
	} form[] = {
		/* main.log of the desktop editor (VSCODE.md section 1) */
		{ "renderer process gone (reason: ", NULL, NULL, false },
		{ "detected unresponsive", NULL, NULL, false },
		{ "] crashed with code ", ", pid: ", "]", false },
		{ "]: crashed with code ", ", pid: ", "]", false },
		{ "Extension host with pid ", "Extension host with pid ",
			" exited with code: ", false },
		{ "Extension host (LocalProcess pid: ", "(LocalProcess pid: ",
			") terminated unexpectedly", false },
		/* exthost.log */
		{ "Extension host terminating: received terminate message from renderer", NULL,
			NULL, true },
		{ "Extension host terminating: parent process ", " parent process ",
			" does not exist", false },
		/* remoteagent.log */
		{ "> Extension Host Process exited with code: ", "<", "> Extension Host", false },
		{ "The client has disconnected gracefully", NULL, NULL, true },
	};

	for (size_t i = 0; i < sizeof(form) / sizeof(*form); i++) {
		struct evidence e = { .what = EV_EDITOR_LOG, .orderly = form[i].orderly };
		const char *at = strstr(line, form[i].word);

		if (!at)
			continue;
		if (form[i].pid_word &&
			!number_after(line, form[i].pid_word, form[i].after, &e.pid))
			continue;
		e.cause = said(at);
		if (clean(line) || strstr(at, "exited with code: 0,") ||
			strstr(at, "crashed with code 0 "))
			e.orderly = true;
		quote(&e, line);
		*ret = e;
		return 1;
	}
	return 0;
}
