/* recover - lists, compares and restores snapshots. */
#include "recover.h"

#include <cjson/cJSON.h>
#include <git2.h>
#include <locale.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "../config/habits.h"
#include "../config/topics.h"
#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/hint.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "../lib/version.h"
#include "out.h"
#include "pager.h"
#include "pending.h"
#include "xalloc.h"

enum { MOST_COMMANDS = 64 };

static void set_globals(struct recover *r, const struct args *g)
{
	if (g->on[G_WORKSPACE])
		r->workspace_arg = g->value[G_WORKSPACE];
	if (g->on[G_FROM])
		r->from_arg = g->value[G_FROM];
	if (g->on[G_STORE])
		r->store_arg = g->value[G_STORE];
	r->quiet |= g->on[G_QUIET];
	r->verbose |= g->on[G_VERBOSE];
	r->no_pager |= g->on[G_NO_PAGER];
	log_set_level(r->verbose ? LOG_DEBUG : r->quiet ? LOG_WARN : LOG_INFO);
}

/* The command's own options and the global ones: both may follow its name. Ids of the
 * globals are moved behind the command's. */
enum { GLOBAL_BASE = 24 };
_Static_assert(GLOBAL_BASE + (int)G_HELP_ALL < OPTS_MAX, "the last global option has a place");

static const struct opt *joined_opts(const struct command *c)
{
	static struct opt all[64];
	size_t n = 0;

	for (const struct opt *o = c->opts; o && o->id; o++)
		all[n++] = *o;
	for (const struct opt *o = global_opts; o->id; o++) {
		const struct opt *p = c->opts;

		while (p && p->id && !(p->name && !strcmp(p->name, o->name)))
			p++;
		if (p && p->id)
			continue;
		all[n] = *o;
		all[n].id += GLOBAL_BASE;
		for (p = c->opts; p && p->id; p++)	/* the command's letter wins */
			if (p->letter == o->letter)
				all[n].letter = 0;
		n++;
	}
	all[n] = (struct opt){ 0 };
	return all;
}

static int usage_error(const struct command *c)
{
	command_usage(stderr, c);
	return EXIT_USAGE;
}

static int run_command(struct recover *r, const struct command *c, char **argv, int argc)
{
	struct args a, g = { 0 };
	int rc;

	if (args_parse(joined_opts(c), argv, argc, false, &a) < 0)
		return usage_error(c);
	memcpy(g.on, a.on + GLOBAL_BASE, sizeof(*a.on) * (OPTS_MAX - GLOBAL_BASE));
	memcpy(g.value, a.value + GLOBAL_BASE, sizeof(*a.value) * (OPTS_MAX - GLOBAL_BASE));
	set_globals(r, &g);
	if (g.on[G_HELP] || g.on[G_HELP_ALL]) {
		command_help(c);
		rc = EXIT_DONE;
	} else if ((a.n < c->min || (c->max >= 0 && a.n > c->max) || (a.dashes && !c->paths))) {
		rc = usage_error(c);
	} else if (r->from_arg && !(c->needs & TAKES_FROM)) {
		log_error("%s: is not for a mirror: --from only looks, and restores with --to", *c->name ? c->name : "the summary");
		rc = EXIT_USAGE;
	} else {
		rc = c->needs & NEEDS_STORE ? context_open(r) : EXIT_DONE;
		if (rc == EXIT_DONE && !r->from_arg && (c->needs & ~TAKES_FROM) == NEEDS_STORE)
			pending_say(r);
		if (rc == EXIT_DONE)
			rc = c->run(r, &a);
	}
	args_release(&a);
	return rc;
}

static const struct command summary_command = {
	"", "", "a short summary", NULL, 0, 0, false, NEEDS_STORE, cmd_summary,
};

static int no_such_command(const char *typed)
{
	autoput(buf_release) struct buf word = BUF_INIT;
	const char *names[MOST_COMMANDS], *near, *elsewhere = habit(HABIT_RECOVER, typed);
	size_t n = 0;

	for (const struct command *c = commands; c->name && n + 1 < MOST_COMMANDS; c++)
		names[n++] = c->name;
	names[n] = NULL;
	near = elsewhere ? NULL : hint_near(typed, names);
	if (!near && !elsewhere && *typed != '@' && access(typed, F_OK) < 0)
		elsewhere = habit_near(HABIT_RECOVER, typed);
	if (elsewhere)
		log_error("%s: no such command; did you mean %s? " RECOVER " --help lists all",
			typed, elsewhere);
	else if (near)
		log_error("%s: no such command; did you mean " RECOVER " %s? " RECOVER " --help lists all",
			typed, near);
	else if (*typed == '@' || access(typed, F_OK) == 0)
		log_error("%s: no such command; did you mean " RECOVER " %s %s? " RECOVER
			  " --help lists all",
			typed, *typed == '@' ? "show" : "history", hint_word(typed, &word));
	else
		log_error("%s: no such command; " RECOVER " --help lists them", typed);
	return EXIT_USAGE;
}

/* about: a command, a topic, "all", or "" for the short one. */
static int help(const struct recover *r, const char *about)
{
	const struct command *c = command_find(about);
	const char *topic = topic_text(about);

	if (!c && !topic && *about && strcmp(about, "all")) {
		if (habit(HABIT_RECOVER, about))
			return no_such_command(about);
		log_error("%s: no such command or topic; " RECOVER " help names them", about);
		return EXIT_USAGE;
	}
	if (c)
		command_help(c);
	else if (topic)
		fputs(topic, stdout);
	else if (!*about)
		recover_help();
	if (strcmp(about, "all"))
		return EXIT_DONE;
	pager_start(r);
	recover_help_all();
	return EXIT_DONE;
}

static int say_version(void)
{
	int major = 0, minor = 0, patch = 0;
	char git[40];
	const char *libraries[] = { "libgit2", git, "zstd", ZSTD_versionString(), "sqlite",
		sqlite3_libversion(), "libcrypto", OpenSSL_version(OPENSSL_VERSION_STRING), "zlib",
		zlibVersion(), "cJSON", cJSON_Version(), NULL };

	(void)git_libgit2_version(&major, &minor, &patch);
	(void)snprintf(git, sizeof(git), "%d.%d.%d", major, minor, patch);
	return version_print(RECOVER, libraries) < 0 ? EXIT_ENV : EXIT_DONE;
}

static int recover_main(struct recover *r, int argc, char **argv)
{
	const struct command *c;
	struct args g;
	int rc;

	if (args_parse(global_opts, argv + 1, argc - 1, true, &g) < 0)
		return EXIT_USAGE;
	set_globals(r, &g);
	if (g.on[G_HELP_ALL]) {
		rc = help(r, "all");
	} else if (g.on[G_HELP] || (g.n && !strcmp(g.arg[0], "help"))) {
		const char *about = g.n ? g.arg[!strcmp(g.arg[0], "help") && g.n > 1] : "";

		if (!strcmp(about, "help"))
			about = "";
		rc = help(r, about);
	} else if (g.on[G_VERSION]) {
		rc = say_version();
	} else if (!g.n) {
		rc = run_command(r, &summary_command, NULL, 0);
	} else if (!(c = command_find(g.arg[0]))) {
		rc = no_such_command(g.arg[0]);
	} else {
		rc = run_command(r, c, g.arg + 1, g.n - 1);
	}
	args_release(&g);
	return rc;
}

int main(int argc, char **argv)
{
	struct recover r = { 0 };
	int rc;

	(void)setlocale(LC_CTYPE, "");
	log_init(RECOVER, LOG_INFO);
	r.now_ns = text_now_ns();
	out_init();
	rc = recover_main(&r, argc, argv);
	context_close(&r);
	if (out_finish() < 0 && rc == EXIT_DONE)
		rc = EXIT_ENV;
	pager_wait();
	return rc;
}
