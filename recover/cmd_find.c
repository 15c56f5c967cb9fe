#include "recover.h"

#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/log.h"
#include "../lib/progress.h"
#include "entries.h"
#include "out.h"
#include "pager.h"
#include "rows.h"

enum { F_JSON = 1, F_TEXT, F_PROGRESS };
enum { MOST_BYTES = 64 << 20, LINE = 160, TELL_MS = 100 };

const struct opt find_opts[] = {
	OPT_JSON(F_JSON),
	{ F_TEXT, 't', "text", OPT_VALUE, "TEXT", "files of which a version holds these bytes" },
	{ F_PROGRESS, 0, "progress", OPT_FLAG, NULL, "with --json --text: also how far it is" },
	{ 0 }
};

struct finding {
	const struct recover *recover;
	struct store *store;
	const char *pattern;
	bool whole;		/* the pattern has a slash: match the whole path */
	bool json;
	uint64_t found;
	const char *text;	/* NULL: paths alone */
	const char *path;	/* whose versions are looked at */
	struct oid looked;	/* the last of them that was read */
	bool any, hit, told;	/* one was read; one held the text; one that could not be read was named */
	uint64_t of, versions;	/* to look into: of all files; of this one, so far */
	uint64_t looked_into;
	struct progress *progress;	/* NULL: none, or a pager has the terminal */
	bool tells, paged;	/* --progress; a pager was asked for */
	uint64_t told_ms;
	int err;
};

/* Not before there is something to show: until then the terminal is the progress's, and Ctrl-C's. */
static void page(struct finding *f)
{
	progress_hide(f->progress);
	if (f->paged || f->json)
		return;
	f->paged = true;
	pager_start(f->recover);
	if (!pager_runs())
		return;
	progress_done(f->progress);
	f->progress = NULL;
}

static bool matches(const struct finding *f, const char *path)
{
	const char *slash = strrchr(path, '/');

	/* without a slash, a pattern is for names; with one, '*' crosses folders */
	return fnmatch(f->pattern, f->whole || !slash ? path : slash + 1, 0) == 0;
}

static void print_found(const struct finding *f, const char *path, const struct store_entry *e)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 }, held = { 0 };
	bool gone = e->kind == KIND_GONE;
	bool known = store_by_seq(f->store, e->seq, &sn) == 0;
	char hex[41] = "", when[32];

	if (gone && store_before(f->store, e->seq, &held) == 0)
		id_hex(&held.id, hex);
	if (f->json) {
		cJSON *o = entry_json(path, e);

		if (known)
			json_time(o, gone ? "deleted" : "changed", sn.time_ns);
		cJSON_AddItemToObject(
			o, "last_held_by", *hex ? cJSON_CreateString(hex) : cJSON_CreateNull());
		json_line(o);
		return;
	}
	if (!gone) {
		entry_print_short(path, e);
		return;
	}
	out_name(path);
	printf("  deleted%s%s, last in %.*s\n", known ? " " : "",
		known ? row_time(sn.time_ns, when) : "", SHORT_ID, *hex ? hex : "?");
}

static int look(const char *path, const struct store_entry *e, void *arg)
{
	struct finding *f = arg;

	if (!*path || !matches(f, path))
		return 0;
	f->found++;
	page(f);
	print_found(f, path, e);
	return ferror(stdout) ? 1 : 0;
}

/* ---- by what they hold ---------------------------------------------------------- */

/* The line around `at`, as it can be shown, and its number. */
static size_t line_around(const struct buf *b, const char *at, char ret[static LINE])
{
	const char *from = at, *end = b->data + b->len, *nl = memchr(at, '\n', (size_t)(end - at));
	size_t number = 1, n = 0;

	while (from > b->data && from[-1] != '\n' && at - from < LINE / 2)
		from--;
	for (const char *p = b->data; (p = memchr(p, '\n', (size_t)(at - p))); p++)
		number++;
	end = nl ? nl : end;
	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	while (from < end && n + 1 < LINE) {
		ret[n++] = (unsigned char)*from < 32 ? ' ' : *from;
		from++;
	}
	ret[n] = '\0';
	return number;
}

static void print_hit(struct finding *f, const struct store_entry *e, size_t number, const char *line)
{
	autoput(store_snapshot_release) struct store_snapshot sn = { 0 };
	char hex[41] = "", when[32] = "?";

	if (store_by_seq(f->store, e->seq, &sn) == 0) {
		id_hex(&sn.id, hex);
		(void)row_time(sn.time_ns, when);
	}
	if (f->json) {
		cJSON *o = entry_json(f->path, e);

		cJSON_AddStringToObject(o, "id", hex);
		json_time(o, "time", sn.time_ns);
		cJSON_AddNumberToObject(o, "line_number", (double)number);
		json_name(o, "line", line);
		json_line(o);
		return;
	}
	printf("%.*s  %s  ", SHORT_ID, *hex ? hex : "?", when);
	out_name(f->path);
	printf(":%zu: ", number);
	out_name(line);
	fputc('\n', stdout);
}

/* Ctrl-C. SIGTERM ends at once, as ever. A write that waits for the pager goes on waiting. */
static void stop(int signo)
{
	interrupted = signo;
}

static void catch_stop(void)
{
	(void)sigaction(SIGINT, &(struct sigaction){ .sa_handler = stop, .sa_flags = SA_RESTART }, NULL);
}

static void tell(struct finding *f, bool end)
{
	struct timespec ts;
	uint64_t now;
	cJSON *o;

	if (!f->tells)
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	if (!end && f->told_ms && now - f->told_ms < TELL_MS)
		return;
	f->told_ms = now;
	o = cJSON_CreateObject();
	cJSON_AddNumberToObject(o, "looked_into", (double)f->looked_into);
	cJSON_AddNumberToObject(o, "of", (double)f->of);
	cJSON_AddNumberToObject(o, "found", (double)f->found);
	if (end)
		cJSON_AddBoolToObject(o, "stopped", interrupted != 0);
	json_line(o);
	(void)fflush(stdout);
}

static void count(struct finding *f, uint64_t versions)
{
	f->looked_into += versions;
	progress_add(f->progress, versions, 0);
	tell(f, false);
}

/* Newest first: the first that holds it is the one that is told. */
static int look_into(const char *path, const struct store_entry *e, void *arg)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	struct finding *f = arg;
	char line[LINE];
	const char *at;
	int r;

	(void)path;
	if (interrupted)
		return 1;
	if (e->kind != KIND_FILE)
		return 0;
	f->versions++;
	count(f, 1);
	if (e->size < strlen(f->text) ||
		(f->any && !entry_is_lost(e) && memcmp(&f->looked, &e->oid, sizeof(e->oid)) == 0))
		return 0;
	f->looked = e->oid;
	f->any = true;
	r = store_read_blob(f->store, &e->oid, MOST_BYTES, &b);
	if (r < 0) {
		f->err = r;
		if (!f->told)
			(void)log_warn_errno(r, "%s: not looked into", f->path);
		f->told = true;		/* of one path once is enough */
		return 0;
	}
	at = b.len ? memmem(b.data, b.len, f->text, strlen(f->text)) : NULL;
	if (!at)
		return 0;
	f->hit = true;
	f->found++;
	page(f);
	print_hit(f, e, line_around(&b, at, line), line);
	return 1;
}

static int look_for_text(const char *path, const struct store_entry *e, void *arg)
{
	struct finding *f = arg;
	uint64_t all;
	int r;

	if (!*path || e->kind == KIND_DIR || (f->pattern && !matches(f, path)))
		return 0;
	f->path = path;
	f->any = f->hit = f->told = false;
	f->versions = 0;
	r = store_history(f->store, path, look_into, f);
	if (f->json || f->hit)
		(void)fflush(stdout);	/* who waits for it sees it come */
	/* those before the one that is told are done with */
	if (f->hit && store_count_versions(f->store, path, &all) == 0 && all > f->versions)
		count(f, all - f->versions);
	return r < 0 ? r : ferror(stdout) || interrupted ? 1 : 0;
}

static int count_of(const char *path, const struct store_entry *e, void *arg)
{
	struct finding *f = arg;
	uint64_t n = 0;
	int r;

	if (!*path || e->kind == KIND_DIR || !matches(f, path))
		return interrupted ? 1 : 0;
	r = store_count_versions(f->store, path, &n);
	f->of += n;
	return r < 0 ? r : interrupted ? 1 : 0;
}

static int look_into_all(struct finding *f)
{
	int e = f->pattern ? store_paths(f->store, count_of, f)
			   : store_count_versions(f->store, NULL, &f->of);

	if (e < 0 || interrupted)
		return e;
	tell(f, false);
	(void)progress_new("looking into", "versions", f->of, f->tells || f->recover->quiet, &f->progress);
	e = store_paths(f->store, look_for_text, f);
	progress_done(f->progress);
	f->progress = NULL;
	return e;
}

static void say_stopped(const struct finding *f)
{
	autoput(buf_release) struct buf b = BUF_INIT;
	int r = progress_count(&b, f->looked_into);

	if (r == 0)
		r = buf_addstr(&b, " of ");
	if (r == 0)
		r = progress_count(&b, f->of);
	if (r == 0)
		r = buf_addstr(&b, " versions looked into; ");
	if (r == 0)
		r = f->found ? progress_count(&b, f->found) : buf_addstr(&b, "none");
	log_error("stopped: %s found", r == 0 ? b.data : "some");
}

static int find_text(struct recover *r, struct finding *f)
{
	int e;

	if (!*f->text) {
		log_error("find: --text: no text");
		return EXIT_USAGE;
	}
	catch_stop();
	e = look_into_all(f);
	if (e < 0)
		return context_failed(r, e, "cannot look into the files");
	tell(f, true);
	if (interrupted) {
		(void)fflush(stdout);
		say_stopped(f);
		return EXIT_PART;
	}
	if (!f->found && !f->json)
		log_error("%s: no version %s holds it", f->text, f->err ? "that could be read" : "of any file");
	return f->err ? EXIT_PART : f->found ? EXIT_DONE : EXIT_NO;
}

int cmd_find(struct recover *r, const struct args *a)
{
	struct finding f = {
		.recover = r, .store = r->store, .pattern = a->n ? a->arg[0] : NULL,
		.whole = a->n && strchr(a->arg[0], '/') != NULL,
		.json = a->on[F_JSON], .text = a->value[F_TEXT],
		.tells = a->on[F_PROGRESS],
	};
	int e;

	if (!f.pattern && !f.text) {
		log_error("find: what? A PATTERN for paths, or --text TEXT for what files hold");
		return EXIT_USAGE;
	}
	if (f.tells && !(f.json && f.text)) {
		log_error("find: --progress: goes with --json and --text");
		return EXIT_USAGE;
	}
	if (f.text)
		return find_text(r, &f);
	e = store_paths(r->store, look, &f);
	if (e < 0)
		return context_failed(r, e, "cannot read the paths");
	if (!f.found && !f.json && strpbrk(f.pattern, "*?["))
		log_error("%s: no path of any snapshot matches", f.pattern);
	else if (!f.found && !f.json)
		log_error("%s: no path of any snapshot matches; '*%s*' looks for it inside of names",
			f.pattern, f.pattern);
	return f.found ? EXIT_DONE : EXIT_NO;
}
