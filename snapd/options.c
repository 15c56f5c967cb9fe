#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../config/habits.h"
#include "../config/topics.h"
#include "../lib/auto.h"
#include "../lib/err.h"
#include "../lib/hint.h"
#include "../lib/log.h"
#include "../lib/names.h"
#include "../lib/text.h"
#include "../store/store.h"

static const struct row {
	const char *name;
	char letter;		/* 0 = none */
	const char *value;	/* NULL = takes none; "[=X]" = may take one */
	const char *help;
} table[] = {
	{ "workspace", 'w', "DIR", "the folder to protect; may be given several times" },
	{ "interval", 'i', "TIME", "between snapshots while something changes (30s, 2min)" },
	{ "store", 0, "DIR", "keep the snapshots here" },
	{ "once", 0, NULL, "one snapshot now, by a running " SNAPD "; prints its id" },
	{ "message", 'm', "TEXT", "with --once: a note to keep with it" },
	{ "reason", 0, "REASON", "with --once: launch, risk, exit, manual, restore" },
	{ "status", 0, NULL, "what the running " SNAPD " does" },
	{ "json", 0, NULL, "with --status: as JSON" },
	{ "stop", 0, NULL, "ask the running " SNAPD " for a last snapshot, and to end" },
	{ "start", 0, NULL, "run it in the background; nothing to do when one runs" },
	{ "install", 0, "[=PARTS]", "at login, VSCode, .env, shells: shows it and asks" },
	{ "uninstall", 0, "[=PARTS]", "take away what --install added" },
	{ "yes", 'y', NULL, "with --install, --uninstall: do not ask" },
	{ "completion", 0, "SHELL", "print the completion for bash, zsh or fish" },
	{ "force", 0, NULL, "also a workspace that is refused, as your home folder" },
	{ "quiet", 'q', NULL, "say only what goes wrong" },
	{ "verbose", 'v', NULL, "say more; twice: everything" },
	{ "help", 'h', NULL, "the usual options" },
	{ "help-all", 0, NULL, "all options" },
	{ "version", 'V', NULL, "the version, its commit and libraries" },
};
enum { N_ROWS = sizeof(table) / sizeof(*table) };

/* Only in --help-all. */
static bool is_rare(const struct row *o)
{
	static const char *const rare[] = { "message", "reason", "completion" };

	for (size_t i = 0; i < sizeof(rare) / sizeof(*rare); i++)
		if (strcmp(rare[i], o->name) == 0)
			return true;
	return false;
}

static void print_rows(bool all)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		char left[40];

		if (!all && is_rare(&table[i]))
			continue;
		(void)snprintf(left, sizeof(left), "%s%c%s--%s%s%s", table[i].letter ? "-" : "  ",
			table[i].letter ? table[i].letter : ' ', table[i].letter ? ", " : " ",
			table[i].name,
			table[i].value && *table[i].value != '[' ? " " : "",
			table[i].value ? table[i].value : "");
		printf("  %-24s %s\n", left, table[i].help);
	}
}

int options_help(const struct options *o)
{
	const char *topic = o->topic ? topic_text(o->topic) : NULL;
	bool all = o->help_all || (o->topic && strcmp(o->topic, "all") == 0);

	if (o->topic && !topic && !all) {
		log_error("%s: no such topic; there are %s", o->topic, topic_names);
		return EXIT_USAGE;
	}
	if (topic)
		return fputs(topic, stdout) < 0 || fflush(stdout) ? EXIT_ENV : EXIT_DONE;
	puts("usage: " SNAPD " --workspace DIR [--interval TIME] [--store DIR]\n"
	     "       " SNAPD " -w DIR --once|--status|--stop|--start|--install|--uninstall\n");
	if (all)
		puts("With --once: [-m TEXT] [--reason REASON]; with --status: [--json].\n"
		     "PARTS: login,vscode,env,shell unless named; autosave, launches only when "
		     "named.\n");
	print_rows(all);
	if (all)
		puts("\nExit codes: 0 done, 1 no, 2 usage, 3 done in part, 4 the environment "
		     "forbids it.");
	else
		printf("\n" SNAPD " --help-all has all options, " SNAPD
		       " help TOPIC says more of:\n%s.\n",
			topic_names);
	return fflush(stdout) ? EXIT_ENV : EXIT_DONE;
}

static int usage(const char *what, const char *why)
{
	log_error("%s: %s; " SNAPD " --help lists the options", what, why);
	return EXIT_USAGE;
}

static int add_workspace(struct options *o, const char *dir)
{
	const char **p;

	if (!*dir)
		return usage("--workspace", "empty");
	p = realloc(o->workspace, (o->n_workspaces + 1) * sizeof(*p));
	if (!p) {
		(void)log_oom();
		return EXIT_ENV;
	}
	o->workspace = p;
	o->workspace[o->n_workspaces++] = dir;
	return 0;
}

/* The folder that was most likely meant. */
int options_which(const struct options *o)
{
	static const char *const said[] = { [MODE_RUN] = "",
		[MODE_ONCE] = " --once",
		[MODE_STATUS] = " --status",
		[MODE_STOP] = " --stop",
		[MODE_START] = " --start",
		[MODE_INSTALL] = " --install",
		[MODE_UNINSTALL] = " --uninstall",
		[MODE_COMPLETION] = "" };
	autofree char *cwd = getcwd(NULL, 0);
	const char *home = getenv("HOME");
	bool here = cwd && strcmp(cwd, "/") != 0 && !(home && strcmp(cwd, home) == 0);

	log_error("--workspace: which folder? %s" SNAPD " --workspace %s%s; " SNAPD
		  " --help lists the options",
		here ? "This one: " : "For example: ", here ? "." : "~/project", said[o->mode]);
	return EXIT_USAGE;
}

/* What needs a store that is there anyway. */
static bool may_find(const struct options *o)
{
	return o->mode == MODE_ONCE || o->mode == MODE_STATUS || o->mode == MODE_STOP ||
	       o->mode == MODE_START || o->mode == MODE_UNINSTALL;
}

static bool has_store(const char *dir, const char *parent)
{
	autoput(buf_release) struct buf b = BUF_INIT;

	return store_place(dir, NULL, parent, &b) == 0 && buf_addstr(&b, "/log") == 0 &&
	       access(b.data, F_OK) == 0;
}

int options_find(struct options *o, const char *parent)
{
	autofree char *dir = getcwd(NULL, 0);
	const char *env = getenv("HOLDFAST_STORE");

	if (o->n_workspaces || o->help || o->version || !may_find(o))
		return 0;
	if (o->store || (env && *env))
		return -ENOENT;
	while (dir && *dir == '/' && !has_store(dir, parent)) {
		char *slash = strrchr(dir, '/');

		if (!dir[1])
			return -ENOENT;
		slash[slash == dir] = '\0';
	}
	if (!dir || *dir != '/' || add_workspace(o, dir))
		return -ENOENT;
	o->found = take_ptr(dir);
	return 0;
}

static int no_such_option(const char *typed)
{
	const char *names[N_ROWS + 1] = { NULL }, *near, *elsewhere;
	size_t dashes = strspn(typed, "-");

	for (size_t i = 0; i < N_ROWS; i++)
		names[i] = table[i].name;
	elsewhere = dashes == 2 ? habit(HABIT_SNAPD, typed) : NULL;
	near = elsewhere ? elsewhere : dashes == 2 ? hint_near(typed + 2, names) : NULL;
	if (!near)
		return usage(typed, "no such option");
	log_error("%s: no such option, did you mean %s%s?", typed, elsewhere ? "" : "--", near);
	return EXIT_USAGE;
}

static int set_mode(struct options *o, enum mode m, const char *name)
{
	if (o->mode != MODE_RUN && o->mode != m)
		return usage(name, "only one of --once, --status, --stop, --start, --install, "
				   "--uninstall");
	o->mode = m;
	return 0;
}

static int take_interval(struct options *o, const char *text)
{
	if (text_parse_duration_ms(text, &o->interval_ms) < 0 || o->interval_ms < 100)
		return usage(text, "not an interval; 30s, 500ms (at least 100ms), 2min are");
	return 0;
}

static int take_hooks(struct options *o, const char *name, char *value)
{
	enum mode mode;

	if (strcmp(name, "yes") == 0)
		o->yes = true;
	if (strcmp(name, "start") == 0)
		return set_mode(o, MODE_START, "--start");
	if (strcmp(name, "install") == 0)
		mode = MODE_INSTALL;
	else if (strcmp(name, "uninstall") == 0)
		mode = MODE_UNINSTALL;
	else if (strcmp(name, "completion") == 0)
		mode = MODE_COMPLETION;
	else
		return 0;
	o->parts = value;
	return set_mode(o, mode, name);
}

static int take(struct options *o, const char *name, char *value)
{
	if (strcmp(name, "workspace") == 0)
		return add_workspace(o, value);
	else if (strcmp(name, "interval") == 0)
		return take_interval(o, value);
	else if (strcmp(name, "store") == 0)
		o->store = value;
	else if (strcmp(name, "message") == 0)
		o->message = value;
	else if (strcmp(name, "reason") == 0)
		o->reason = value;
	else if (strcmp(name, "json") == 0)
		o->json = true;
	else if (strcmp(name, "force") == 0)
		o->force = true;
	else if (strcmp(name, "quiet") == 0)
		o->quiet = true;
	else if (strcmp(name, "verbose") == 0)
		o->verbose++;
	else if (strcmp(name, "help") == 0)
		o->help = true;
	else if (strcmp(name, "help-all") == 0)
		o->help_all = o->help = true;
	else if (strcmp(name, "version") == 0)
		o->version = true;
	else if (strcmp(name, "once") == 0)
		return set_mode(o, MODE_ONCE, "--once");
	else if (strcmp(name, "status") == 0)
		return set_mode(o, MODE_STATUS, "--status");
	else if (strcmp(name, "stop") == 0)
		return set_mode(o, MODE_STOP, "--stop");
	else
		return take_hooks(o, name, value);
	return 0;
}

static int check_tilde(const char *path)
{
	if (!hint_tilde(path))
		return 0;
	log_error("%s: " HINT_TILDE, path);
	return EXIT_USAGE;
}

static int check(const struct options *o)
{
	for (size_t i = 0; i < o->n_workspaces; i++)
		if (check_tilde(o->workspace[i]))
			return EXIT_USAGE;
	if (o->store && check_tilde(o->store))
		return EXIT_USAGE;
	if (!o->n_workspaces && o->mode != MODE_COMPLETION && !may_find(o))
		return options_which(o);
	if (o->yes && o->mode != MODE_INSTALL && o->mode != MODE_UNINSTALL)
		return usage("--yes", "only with --install or --uninstall");
	if (o->n_workspaces > 1 && (o->mode != MODE_RUN || o->store))
		return usage("--workspace", "only one of them here");
	if ((o->message || o->reason) && o->mode != MODE_ONCE)
		return usage(o->message ? "-m" : "--reason", "only with --once");
	if (o->json && o->mode != MODE_STATUS)
		return usage("--json", "only with --status");
	return 0;
}

/* `snapd status`: a word for an option, where no folder has that name. */
static int take_folder(struct options *o, const char *word)
{
	static const char *const modes[] = { "once", "status", "stop", "start", "install", "uninstall", "version", NULL };
	bool none = access(word, F_OK) < 0 && !strchr(word, '/');
	const char *elsewhere = none ? habit(HABIT_SNAPD, word) : NULL;
	const char *near = none && !elsewhere ? hint_near(word, modes) : NULL;

	if (elsewhere)
		log_error("%s: no such folder; did you mean %s?", word, elsewhere);
	else if (near)
		log_error("%s: no such folder; did you mean " SNAPD " --workspace . --%s?", word,
			near);
	else
		return add_workspace(o, word);
	return EXIT_USAGE;
}

static int not_an_option(const char *word)
{
	const char *elsewhere = habit(HABIT_SNAPD, word);

	if (!elsewhere)
		return usage(word, "not an option");
	log_error("%s: not an option; did you mean %s? " SNAPD " --help lists the options", word,
		elsewhere);
	return EXIT_USAGE;
}

int options_parse(int argc, char **argv, struct options *ret)
{
	struct option longs[N_ROWS + 1];
	char shorts[2 * N_ROWS + 2] = ":";
	int c, r = 0, index;
	size_t n = 1;

	*ret = (struct options){ 0 };
	memset(longs, 0, sizeof(longs));
	for (size_t i = 0; i < N_ROWS; i++) {
		const char *v = table[i].value;

		longs[i] = (struct option){ table[i].name,
			!v ? no_argument : *v == '[' ? optional_argument : required_argument, NULL,
			1000 + (int)i };
		if (table[i].letter)
			shorts[n++] = table[i].letter;
		if (table[i].letter && table[i].value)
			shorts[n++] = ':';
	}
	opterr = 0;
	/* A folder of that name is ./help. */
	if (argc > 1 && argc < 4 && strcmp(argv[1], "help") == 0) {
		ret->help = true;
		ret->topic = argv[2];
		return 0;
	}
	while (r == 0 && (c = getopt_long(argc, argv, shorts, longs, NULL)) >= 0) {
		if (c == '?' || c == ':') {
			r = c == ':' ? usage(argv[optind - 1], "a value is missing")
				     : no_such_option(argv[optind - 1]);
			break;
		}
		index = c - 1000;
		if (c < 1000)
			for (index = 0; table[index].letter != c; index++)
				;
		r = take(ret, table[index].name, optarg);
	}
	if (r == 0 && optind < argc && !ret->n_workspaces && optind + 1 == argc)
		r = take_folder(ret, argv[optind++]);
	if (r == 0 && optind < argc)
		r = not_an_option(argv[optind]);
	if (r == 0 && !ret->help && !ret->version)
		r = check(ret);
	if (r)
		options_release(ret);
	return r;
}

void options_release(struct options *o)
{
	free(o->workspace);
	free(o->found);
	o->workspace = NULL;
	o->found = NULL;
}
