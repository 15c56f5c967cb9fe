/* detect/core.c - the whole of detect: all commands, with the settings of the files. The small
 * program in detect.c becomes this one unless it can answer alone. A new command is one row of
 * the table. */
#include <git2.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "config/habits.h"
#include "config/topics.h"
#include "detect/clean.h"
#include "detect/core_watch.h"
#include "detect/events.h"
#include "detect/gate.h"
#include "detect/judge.h"
#include "detect/menu.h"
#include "detect/note.h"
#include "detect/report.h"
#include "detect/run.h"
#include "detect/settings.h"
#include "detect/settings_kept.h"
#include "detect/stop.h"
#include "detect/tiers_cmd.h"
#include "detect/top.h"
#include "lib/err.h"
#include "lib/hint.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/version.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv,
		const struct detect_settings *set); /* argv: what follows the name */
	const char *usage, *help;
	bool short_help;	/* those two lines are all its --help says */
} commands[] = {
	{ "report", cmd_report, "[report] [--json]",
		"how the machine is: risk, reasons, memory, editors and training", false },
	{ "events", cmd_events, "events [--json] [-n N] [--since TIME] [--crashes]",
		"what ended, when and why; refused launches, risk", false },
	{ "top", cmd_top, "top [--interval TIME] [--once]", "all of that live, and what can be done about it", false },
	{ "watch", cmd_watch, "watch [--log-dir DIR] [--dry-run] [-v] | --stop",
		"the monitor, in the foreground; " SNAPD " starts it by itself", false },
	{ "gate", cmd_gate,
		"gate [--need SIZE] [--tier T] [--config FILE] [--force] [--json] [-- COMMAND...]",
		"is there room for a launch? With a snapshot before the yes", false },
	{ "run", cmd_run, "run [--mode light|safe|normal|auto] [--limit SIZE] [-- COMMAND...]",
		"training that outlives its terminal and spares the editor", false },
	{ "runs", cmd_runs, "runs [--json | --html FILE] [-n N] [RUN]", "what ran, and how it ended", false },
	{ "attach", cmd_attach, "attach [RUN]", "back to a run that goes on", false },
	{ "stop", cmd_stop, "stop [--dry-run] [--grace TIME] [--all] [--json]",
		"ends training now, nothing else", false },
	{ "clean", cmd_clean, "clean [--dry-run] [--keep-caches] [--json]",
		"frees what comes back by itself", false },
	{ "tiers", cmd_tiers, "tiers [--json | --write DIR]",
		"the sizes of a training, and which fit now", false },
	{ "menu", cmd_menu, "menu", "all of this by numbers, for the first time", true },
	{ "judge", cmd_judge, "judge [--once]", "from the spool to the journal; the monitor starts it",
		false },
	{ "note", cmd_note, NULL, NULL, false },	/* not for people: stays the last */
};
enum { N_COMMANDS = sizeof(commands) / sizeof(*commands) };

static int help(void)
{
	(void)puts("usage: " DETECT " [COMMAND ...]\n");
	for (size_t i = 0; i < N_COMMANDS && commands[i].usage; i++)
		(void)printf("  %-10s %s\n", commands[i].name, commands[i].help);
	(void)printf("\n" DETECT " COMMAND --help says more of one, " DETECT
		     " --help-all of all,\n" DETECT " help TOPIC of: %s.\n",
		topic_names);
	return fflush(stdout) ? EXIT_ENV : EXIT_DONE;
}

static int help_command(size_t i, const struct detect_settings *set)
{
	static char word[] = "--help";
	char *argv[] = { word, NULL };

	if (commands[i].short_help)
		return printf("usage: " DETECT " %s\n\n%s\n", commands[i].usage, commands[i].help) <
				       0
			       ? EXIT_ENV
			       : EXIT_DONE;
	return commands[i].run(1, argv, set);
}

static int find(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int help_all(const struct detect_settings *set)
{
	int r = help();

	for (size_t i = 0; r == EXIT_DONE && i < N_COMMANDS && commands[i].usage; i++) {
		(void)puts("");
		r = help_command(i, set);
	}
	return r;
}

static int no_such_command(const char *typed)
{
	const char *names[N_COMMANDS + 1] = { NULL }, *near, *elsewhere = habit(HABIT_DETECT, typed);

	for (size_t i = 0; i < N_COMMANDS && commands[i].usage; i++)
		names[i] = commands[i].name;
	near = elsewhere ? NULL : hint_near(typed, names);
	if (!near && !elsewhere)
		elsewhere = habit_near(HABIT_DETECT, typed);
	if (elsewhere)
		log_error("%s: no such command; did you mean %s? " DETECT " help names all", typed, elsewhere);
	else if (near)
		log_error("%s: no such command; did you mean " DETECT " %s? " DETECT " help names all",
			typed, near);
	else
		log_error("%s: no such command; " DETECT " help names them", typed);
	return EXIT_USAGE;
}

/* `help`, `help COMMAND`, `help TOPIC`, `help all`; works whatever the settings say. */
static int help_about(const char *about)
{
	const char *topic = topic_text(about);
	struct detect_settings set;
	int i = find(about), r;

	if (topic)
		return fputs(topic, stdout) < 0 || fflush(stdout) ? EXIT_ENV : EXIT_DONE;
	if (strcmp(about, "all") != 0 && (i < 0 || !commands[i].usage)) {
		if (habit(HABIT_DETECT, about))
			return no_such_command(about);
		log_error("%s: no such command or topic; " DETECT " help names them", about);
		return EXIT_USAGE;
	}
	detect_settings_defaults(&set);
	r = i < 0 ? help_all(&set) : help_command((size_t)i, &set);
	detect_settings_release(&set);
	return r;
}

static int say_version(void)
{
	int major = 0, minor = 0, patch = 0;
	char git[40];
	const char *libraries[] = { "libgit2", git, "sqlite", sqlite3_libversion(), NULL };

	(void)git_libgit2_version(&major, &minor, &patch);
	(void)snprintf(git, sizeof(git), "%d.%d.%d", major, minor, patch);
	return version_print(DETECT, libraries) < 0 ? EXIT_ENV : EXIT_DONE;
}

/* What needs no settings. -1: nothing of that. */
static int answer(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (strcmp(word, "--help-all") == 0)
		return help_about("all");
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
		return argc > 2 ? help_about(argv[2]) : help();
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
		return say_version();
	return -1;
}

/* And leaves them for the small program, which cannot read them itself. */
static int load(struct detect_settings *set)
{
	struct settings_origin o;
	bool known = settings_origin(&o) == 0;
	int r = detect_settings_load(set), e;

	if (r == 0 && known) {
		e = settings_keep(&o, version, version_commit, set);
		if (e < 0)
			log_debug("settings: not kept for the next time: %s", err_str(e));
	}
	if (known)
		settings_origin_release(&o);
	return r;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 && argv[1][0] != '-' ? argv[1] : "report";
	int skip = argc > 1 && argv[1][0] != '-' ? 2 : 1, exit_code, i = find(name);
	struct detect_settings set;

	log_init(DETECT, LOG_WARN);
	exit_code = answer(argc, argv);
	if (exit_code >= 0)
		return exit_code;
	if (i < 0) {
		return no_such_command(name);
	}
	if (commands[i].short_help && argc > skip && strcmp(argv[skip], "--help") == 0)
		return help_command((size_t)i, NULL);
	set.broken = load(&set) < 0;
	/* Said where it was found. Who needs `stop` cannot mend a file first. */
	if (set.broken && strcmp(name, "stop") != 0) {
		detect_settings_release(&set);
		return EXIT_USAGE;
	}
	exit_code = commands[i].run(
		argc > skip ? argc - skip : 0, argv + (argc < skip ? argc : skip), &set);
	detect_settings_release(&set);
	return exit_code;
}
