/* Files that stay behind: core files, wtmp, a guard's own log, our ledger. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utmp.h>

#include "detect/detect.h"
#include "detect/evidence-internal.h"
#include "lib/auto.h"
#include "lib/ctl.h"
#include "lib/text.h"

enum {
	WTMP_TAIL = 64 << 10,
	GUARD_TAIL = 64 << 10,
	LEDGER_TAIL = 64 << 10,
	CORE_FILES = 4096, /* names looked at in the folder */
};

/* ---- core files: core(5) ---- */

static bool holds_number(const char *name, long n)
{
	char text[24];
	size_t k = (size_t)snprintf(text, sizeof(text), "%ld", n);

	for (const char *p = strstr(name, text); p; p = strstr(p + 1, text))
		if ((p == name || p[-1] < '0' || p[-1] > '9') && (p[k] < '0' || p[k] > '9'))
			return true;
	return false;
}

static bool is_core(
	struct gathering *g, int dirfd, const char *name, const char *prefix, struct stat *st)
{
	uint64_t ms;

	if (strncmp(name, prefix, strlen(prefix)) != 0 ||
		fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st->st_mode))
		return false;
	ms = (uint64_t)st->st_mtim.tv_sec * 1000 + (uint64_t)st->st_mtim.tv_nsec / 1000000;
	/* A plain "core" may be anybody's: then it is ours only if the kernel said that we left
	 * one. */
	return gathering_in_time(g, ms) && (holds_number(name, (long)g->f->proc.pid) ||
						   (g->f->core && strcmp(name, prefix) == 0));
}

static void look_for_core(struct gathering *g, const char *dir, const char *prefix)
{
	autoclosedir DIR *d = opendir(dir);
	struct dirent *de;

	for (int i = 0; d && i < CORE_FILES && (de = readdir(d)); i++) {
		struct evidence e = {
			.what = EV_CORE, .pid = g->f->proc.pid, .real_ms = g->f->real_ms
		};
		struct stat st;
		char size[16];

		if (!is_core(g, dirfd(d), de->d_name, prefix, &st))
			continue;
		(void)snprintf(e.text, sizeof(e.text), "core file %.160s/%.60s, %s", dir,
			de->d_name, text_size((uint64_t)st.st_size, size));
		evidence_add(g->ret, &e);
	}
}

static void find_core(struct gathering *g)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	char *pattern, *slash, *percent;

	if (g->f->kind != FACT_EXIT || (g->f->status == FACT_EXITED) ||
		(g->f->status == FACT_SIGNALED && !g->f->core))
		return;
	if (gathering_tail(AT_FDCWD, g->at.core_pattern, 4096, &b, NULL) < 0)
		return;
	pattern = b.data;
	pattern[strcspn(pattern, "\n")] = '\0';
	if (*pattern == '|') {
		if (g->f->core && !strstr(pattern, "systemd-coredump"))
			gathering_closed(
				g, "the core was handed to %.100s: look there", pattern + 1);
		return;
	}
	slash = strrchr(pattern, '/');
	percent = strchr(slash ? slash : pattern, '%');
	if (percent)
		*percent = '\0';
	if (slash) {
		*slash = '\0';
		if (!strchr(pattern, '%'))
			look_for_core(g, pattern, slash + 1);
	} else if (*g->f->cwd) {
		look_for_core(g, g->f->cwd, pattern);
	}
}

/* ---- wtmp: what last -x reads ---- */

static void read_wtmp(struct gathering *g)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	autoclose int dirfd = open(g->at.log_dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	bool boots = false;
	struct utmp u;
	struct stat st;
	off_t at;

	fd = dirfd < 0 ? -1 : openat(dirfd, "wtmp", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	at = st.st_size > WTMP_TAIL ? st.st_size - WTMP_TAIL : 0;
	at -= at % (off_t)sizeof(u);
	for (; pread(fd, &u, sizeof(u), at) == (ssize_t)sizeof(u); at += (off_t)sizeof(u)) {
		struct evidence e = { .what = EV_LOGIND, .orderly = true };
		char when[32];

		e.real_ms = (uint64_t)(uint32_t)u.ut_tv.tv_sec * 1000;
		boots = boots || u.ut_type == BOOT_TIME;
		if (u.ut_type != RUN_LVL ||
			strncmp(u.ut_user, "shutdown", sizeof(u.ut_user)) != 0 ||
			!gathering_in_time(g, e.real_ms))
			continue;
		(void)snprintf(e.text, sizeof(e.text), "wtmp: shutdown at %s",
			text_local_time((int64_t)e.real_ms * 1000000, when));
		evidence_add(g->ret, &e);
	}
	if (!boots && g->f->kind == FACT_MACHINE)
		gathering_closed(g,
			"%s/wtmp records no starts of this machine: a shutdown in order would not "
			"show there",
			g->at.log_dir);
}

/* ---- a guard's stderr in a file ---- */

static bool names_comm(const struct fact *f, const char *text)
{
	char quoted[PROC_COMM + 2];

	(void)snprintf(quoted, sizeof(quoted), "\"%s\"", f->comm);
	return strstr(text, quoted) != NULL;
}

/* Its lines bear no time: the file must have been written at the time of the end, and name the
 * program too. */
static void read_guard_log(struct gathering *g, const char *path)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct evidence e, last = { 0 };
	pid_t victim = 0;
	uint64_t mtime = 0;
	char *text, *line;
	int r = gathering_tail(AT_FDCWD, path, GUARD_TAIL, &b, &mtime);

	if (r < 0 && r != -ENOENT)
		gathering_closed(g, "%.200s cannot be read", path);
	if (r < 0 || mtime < g->from_ms)
		return;
	text = b.data;
	while ((line = ctl_next_line(&text)))
		if (evidence_guard_line(line, &victim, &e) && e.pid == g->f->proc.pid &&
			(names_comm(g->f, line) || strcmp(e.who, "nohang") == 0))
			last = e;
	if (last.pid)
		evidence_add(g->ret, &last);
}

void evidence_files(struct gathering *g)
{
	read_wtmp(g);
	if (g->f->kind == FACT_MACHINE)
		return;
	find_core(g);
	for (const char *const *path = g->at.guard_logs; path && *path; path++)
		read_guard_log(g, *path);
}

void evidence_ledger(struct gathering *g)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	char *text, *line;

	if (g->at.state_dirfd <= 0 ||
		gathering_tail(g->at.state_dirfd, DETECT_LEDGER, LEDGER_TAIL, &b, NULL) < 0)
		return;
	text = b.data;
	while ((line = ctl_next_line(&text))) {
		uint64_t start;
		struct evidence e;

		if (evidence_ledger_line(line, &start, &e) && e.pid == g->f->proc.pid &&
			gathering_in_time(g, e.real_ms) && (!start || start == g->f->proc.start))
			evidence_add(g->ret, &e);
	}
}
