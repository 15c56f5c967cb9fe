#include "recover.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/become.h"
#include "../lib/ctl.h"
#include "../lib/err.h"
#include "../lib/hint.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "crash.h"
#include "daemon.h"
#include "live.h"
#include "losses.h"
#include "out.h"
#include "rev.h"
#include "rows.h"
#include "unsaved.h"

enum { ST_JSON = 1 };
enum { DAY_S = 24 * 60 * 60, ANSWER_MS = 2000 };

const struct opt status_opts[] = {
	{ ST_JSON, 0, "json", OPT_FLAG, NULL, "one object" },
	{ 0 },
};

struct state {
	struct store_totals totals;
	struct store_snapshot last; /* seq 0: none */
	struct live live;
	struct losses losses;
	bool running, silent, stopped;	/* silent: it does not answer; stopped: and that is why */
	pid_t pid;
	uint64_t quota;
	struct buf daemon; /* its own words, JSON, or empty */
};

static void state_release(struct state *s)
{
	store_snapshot_release(&s->last);
	losses_release(&s->losses);
	buf_release(&s->daemon);
}

/* The smaller of 5 GiB and 10 % of the file system, unless it is set. */
static uint64_t quota(const struct recover *r)
{
	struct statvfs v;
	uint64_t most = UINT64_C(5) << 30;

	if (r->cfg.quota)
		return r->cfg.quota;
	if (statvfs(r->store_path, &v) == 0 && (uint64_t)v.f_blocks * v.f_frsize / 10 < most)
		most = (uint64_t)v.f_blocks * v.f_frsize / 10;
	return most;
}

/* What it cannot watch only the daemon knows. One that hangs protects nothing. */
static void ask_daemon(const struct recover *r, struct state *s)
{
	s->stopped = daemon_is_stopped(s->pid);
	s->silent = s->stopped || ctl_call(store_dirfd(r->store), "control", "status\tjson", ANSWER_MS,
					&s->daemon) == -ETIMEDOUT;
}

static int load(struct recover *r, struct state *s)
{
	int e = store_totals(r->store, &s->totals);

	if (e < 0)
		return context_failed(r, e, "cannot read the totals");
	if ((e = store_newest(r->store, &s->last)) < 0 && e != -ENOENT)
		return context_failed(r, e, "cannot read the newest snapshot");
	s->running = store_writer(r->store_path, &s->pid) == 1;
	if (s->running)
		ask_daemon(r, s);
	s->quota = quota(r);
	live_count(r, s->last.seq, &s->live);
	losses_find(r->store, &s->losses);
	return EXIT_DONE;
}

/* The daemon's list, out of the object in its answer ("ok" line first). */
static cJSON *unwatched(const struct state *s)
{
	const char *brace = s->daemon.data ? strchr(s->daemon.data, '{') : NULL;
	cJSON *o = brace ? cJSON_Parse(brace) : NULL;
	cJSON *u = o ? cJSON_DetachItemFromObject(o, "unwatched") : NULL;

	cJSON_Delete(o);
	return cJSON_IsArray(u) ? u : cJSON_CreateArray();
}

static int64_t age_s(const struct recover *r, const struct state *s)
{
	return (r->now_ns - s->last.time_ns) / 1000000000;
}

static void add_losses(cJSON *o, const struct losses *l)
{
	cJSON *sub, *list;

	if (l->dropped) {
		sub = cJSON_AddObjectToObject(o, "dropped");
		cJSON_AddNumberToObject(sub, "count", (double)l->dropped);
		cJSON_AddStringToObject(sub, "held_by", l->from);
	} else {
		cJSON_AddNullToObject(o, "dropped");
	}
	list = cJSON_AddArrayToObject(o, "emptied");
	for (size_t i = 0; i < LOSSES_NAMED && l->emptied[i].path; i++) {
		sub = cJSON_CreateObject();
		json_name(sub, "path", l->emptied[i].path);
		cJSON_AddBoolToObject(sub, "nul_bytes", l->emptied[i].nulled);
		cJSON_AddStringToObject(sub, "held_by", l->emptied[i].from);
		cJSON_AddItemToArray(list, sub);
	}
}

/* Why no snapshot can be written, or null. */
static void add_stopped(const struct recover *r, cJSON *o)
{
	autoput(buf_release) struct buf why = BUF_INIT;
	int64_t since;

	if (store_stopped(r->store, &since, &why) == 1)
		json_name(o, "stopped", why.data);
	else
		cJSON_AddNullToObject(o, "stopped");
}

static void print_json(const struct recover *r, const struct state *s)
{
	cJSON *o = cJSON_CreateObject(), *sub;
	char hex[41];

	json_name(o, "workspace", r->workspace);
	json_name(o, "store", r->store_path);
	cJSON_AddNumberToObject(o, "snapshots", (double)s->totals.snapshots);
	if (s->last.seq) {
		sub = cJSON_AddObjectToObject(o, "last");
		id_hex(&s->last.id, hex);
		cJSON_AddStringToObject(sub, "id", hex);
		json_time(sub, "time", s->last.time_ns);
		cJSON_AddNumberToObject(sub, "age_s", (double)age_s(r, s));
	} else {
		cJSON_AddNullToObject(o, "last");
	}
	if (s->live.known)
		cJSON_AddNumberToObject(
			o, "dirty", (double)(s->live.created + s->live.changed + s->live.deleted));
	else
		cJSON_AddNullToObject(o, "dirty");
	sub = cJSON_AddObjectToObject(o, "skipped");
	cJSON_AddNumberToObject(sub, "count", (double)s->totals.skipped);
	cJSON_AddNumberToObject(sub, "bytes", (double)s->totals.skipped_bytes);
	cJSON_AddNumberToObject(o, "kept", (double)s->totals.kept);
	cJSON_AddItemToObject(o, "unwatched", unwatched(s));
	cJSON_AddNumberToObject(
		o, "size_bytes", (double)(s->totals.log_bytes + s->totals.catalogue_bytes));
	cJSON_AddNumberToObject(o, "quota_bytes", (double)s->quota);
	cJSON_AddNumberToObject(o, "torn_bytes", (double)s->totals.torn_bytes);
	add_losses(o, &s->losses);
	add_stopped(r, o);
	sub = cJSON_AddObjectToObject(o, "daemon");
	cJSON_AddBoolToObject(sub, "running", s->running);
	if (s->running && s->pid > 0)
		cJSON_AddNumberToObject(sub, "pid", s->pid);
	else
		cJSON_AddNullToObject(sub, "pid");
	if (s->running)
		cJSON_AddBoolToObject(sub, "answers", !s->silent);
	else
		cJSON_AddNullToObject(sub, "answers");
	json_line(o);
}

static void print_counts(const struct live *l)
{
	const struct {
		uint64_t n;
		const char *word;
	} counts[] = { { l->created, "new" }, { l->changed, "changed" },
		{ l->deleted, "deleted" } };
	const char *sep = "now        ";

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		if (!counts[i].n)
			continue;
		printf("%s%llu %s", sep, (unsigned long long)counts[i].n, counts[i].word);
		sep = ", ";
	}
	printf(" since (" RECOVER " diff%s)\n",
		l->deleted ? "; back: " RECOVER " restore @" : "");
}

static void print_live(const struct live *l)
{
	if (!l->known)
		printf("now        %s\n", l->error == -ENOENT ? "the workspace is gone; " RECOVER
								" restore @ brings it back"
							      : err_str(l->error));
	else if (!(l->created + l->changed + l->deleted))
		printf("now        as in the last snapshot\n");
	else
		print_counts(l);
}

/* A pid of 0 is one that cannot be told from here. */
static void print_silent(const struct state *s)
{
	if (s->pid <= 0)
		printf("does not answer");
	else if (s->stopped)
		printf("does not answer: kill -CONT %d lets it go on, pid %d was stopped", (int)s->pid, (int)s->pid);
	else
		printf("does not answer, pid %d: a slow disk or a large file holds it up; if that lasts, kill %d",
			(int)s->pid, (int)s->pid);
}

static void print_daemon(const struct recover *r, const struct state *s)
{
	autoput(buf_release) struct buf dir = BUF_INIT, store = BUF_INIT, usual = BUF_INIT;
	bool elsewhere = config_store_place(r->workspace, r->cfg.store_dir, &usual) < 0 ||
			 strcmp(usual.data, r->store_path) != 0;

	if (!s->running)
		printf("not running: " SNAPD " --workspace %s%s%s starts it", hint_word(r->workspace, &dir),
			elsewhere ? " --store " : "", elsewhere ? hint_word(r->store_path, &store) : "");
	else if (s->silent)
		print_silent(s);
	else if (s->pid > 0)
		printf("running, pid %d", (int)s->pid);
	else
		printf("running");
}

static void print_above(const struct recover *r)
{
	autoput(buf_release) struct buf above = BUF_INIT, command = BUF_INIT;

	if (!context_above(r, &above, &command))
		return;
	printf("above      ");
	out_name(above.data);
	printf(" has a store too (");
	out_name(command.data);
	printf(")\n");
}

static void print_text(const struct recover *r, const struct state *s)
{
	char a[16], b[16], age[24], when[32], hex[41];
	cJSON *u = unwatched(s);

	printf("workspace  ");
	out_name(r->workspace);
	printf("\nstore      ");
	out_name(r->store_path);
	printf("\ndaemon     ");
	print_daemon(r, s);
	fputc('\n', stdout);
	print_above(r);
	printf("snapshots  %llu, %s of %s\n", (unsigned long long)s->totals.snapshots,
		text_size(s->totals.log_bytes + s->totals.catalogue_bytes, a),
		text_size(s->quota, b));
	if (s->totals.torn_bytes)
		printf("torn       %s in log/torn*: what was cut off the log's end after a crash; it goes when room is short\n",
			text_size(s->totals.torn_bytes, a));
	if (s->last.seq)
		printf("last       %s  %s (%s ago)  %s\n", rev_short(&s->last, hex),
			row_time(s->last.time_ns, when),
			text_duration((uint64_t)(age_s(r, s) > 0 ? age_s(r, s) : 0), age),
			store_reason_name(s->last.reason));
	print_live(&s->live);
	losses_print(&s->losses);
	printf("stored     %llu file%s, %llu folder%s\n", (unsigned long long)s->totals.files,
		s->totals.files == 1 ? "" : "s", (unsigned long long)s->totals.dirs,
		s->totals.dirs == 1 ? "" : "s");
	if (s->totals.skipped)
		printf("skipped    %llu, %s (" RECOVER " ls -r @ names them)\n",
			(unsigned long long)s->totals.skipped,
			text_size(s->totals.skipped_bytes, a));
	if (s->totals.kept)
		printf("unreadable %llu: they stand as they were read last\n",
			(unsigned long long)s->totals.kept);
	for (int i = 0; i < cJSON_GetArraySize(u); i++) {
		const cJSON *item = cJSON_GetArrayItem(u, i);

		if (cJSON_IsString(item)) {
			printf("unwatched  ");
			out_name(item->valuestring);
			fputc('\n', stdout);
		}
	}
	cJSON_Delete(u);
}

int cmd_status(struct recover *r, const struct args *a)
{
	autoput(state_release) struct state s = { 0 };
	int rc = load(r, &s);

	if (rc)
		return rc;
	if (a->on[ST_JSON])
		print_json(r, &s);
	else
		print_text(r, &s);
	return EXIT_DONE;
}

static uint64_t between_s(int64_t from_ns, int64_t to_ns)
{
	return to_ns > from_ns ? (uint64_t)(to_ns - from_ns) / 1000000000 : 0;
}

/* A crash of the last day, and what it left. */
static void print_crash(const struct recover *r)
{
	autoput(journal_event_release) struct journal_event ev = { 0 };
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	char text[24], when[32], hex[41];
	int64_t age;

	if (crash_of(r->workspace, &ev) < 0)
		return;
	age = (r->now_ns - (int64_t)ev.real_ms * 1000000) / 1000000000;
	if (age < 0 || age > DAY_S)
		return;
	printf("crash      %s, %s ago: ", row_time((int64_t)ev.real_ms * 1000000, when),
		text_duration((uint64_t)age, text));
	out_name(ev.text ? ev.text : "an end that nobody asked for");
	if (!ev.cause || crash_cause(&ev))
		printf(", %s", ev.cause ? ev.cause : "why is not known");
	printf("\nbefore it  ");
	if (crash_snapshot(r->store, &ev, &sn) == 0)
		printf("snapshot %s of %s, %s earlier; ", rev_short(&sn, hex),
			row_time(sn.time_ns, when),
			text_duration(between_s(sn.time_ns, crash_time_ns(&ev)), text));
	else
		printf("no snapshot; ");
	printf(RECOVER " report says all\n");
}

/* In a terminal plain `recover` is the screen (screen.h). */
static int open_screen(const struct recover *r)
{
	char self[PATH_MAX], name[] = "recover-screen", program[] = "--recover",
			     w[] = "--workspace", store[] = "--store";
	char *argv[] = { name, program, self, w, r->workspace, store, r->store_path, NULL };
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return context_failed(r, -errno, "/proc/self/exe");
	self[n] = '\0';
	return become(name, argv);
}

/* Plain `recover`: where we stand and what one would type next. */
int cmd_summary(struct recover *r, const struct args *a)
{
	autoput(state_release) struct state s = { 0 };
	char age[24], when[32], hex[41];
	int rc;

	(void)a;
	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !r->quiet && !r->no_pager)
		return open_screen(r);
	rc = load(r, &s);
	if (rc)
		return rc;
	out_name(r->workspace);
	if (!s.last.seq) {
		printf(": no snapshot yet\n");
		return EXIT_DONE;
	}
	printf(": %llu snapshot%s, the last %s ago%s", (unsigned long long)s.totals.snapshots,
		s.totals.snapshots == 1 ? "" : "s",
		text_duration((uint64_t)(age_s(r, &s) > 0 ? age_s(r, &s) : 0), age),
		s.silent ? "; " SNAPD " " : s.running ? "" : "; " SNAPD " is not running");
	if (s.silent)
		print_silent(&s);
	fputc('\n', stdout);
	printf("last       %s  %s  %s", rev_short(&s.last, hex), row_time(s.last.time_ns, when),
		store_reason_name(s.last.reason));
	if (*s.last.message) {
		printf(": ");
		out_name(s.last.message);
	}
	fputc('\n', stdout);
	print_above(r);
	print_live(&s.live);
	losses_print(&s.losses);
	print_crash(r);
	unsaved_print_summary(r);
	printf("\n"
	       "  " RECOVER " diff                    what changed since the last snapshot\n"
	       "  " RECOVER " list                    all snapshots\n"
	       "  " RECOVER " deleted                 files that are gone\n"
	       "  " RECOVER " restore @ -- PATH       bring one path back\n"
	       "  " RECOVER " restore '@{10 minutes ago}'\n"
	       "  " RECOVER " --help                  everything else\n");
	return EXIT_DONE;
}
