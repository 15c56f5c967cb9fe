/* detect/core.c - the whole of detect: all commands, with the settings of the files. The small
 * program in detect.c becomes this one unless it can answer alone. A new command is one row of
 * the table. */
#include <stdio.h>
#include <string.h>

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
#include "detect/stop.h"
#include "detect/tiers_cmd.h"
#include "detect/top.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/names.h"

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
		"what ended, when and why", false },
	{ "top", cmd_top, "top [--interval TIME] [--once]", "all of that live, and what can be done about it", false },
	{ "watch", cmd_watch, "watch [--log-dir DIR] [--dry-run] [-v] | --stop",
		"the monitor, in the foreground; " SNAPD " starts it by itself", false },
	{ "gate", cmd_gate,
		"gate [--need SIZE] [--tier T] [--config FILE] [--force] [--json] [-- COMMAND...]",
		"is there room for a launch? With a snapshot before the yes", false },
	{ "run", cmd_run, "run [--mode light|safe|normal|auto] [--limit SIZE] [-- COMMAND...]",
		"training that outlives its terminal and spares the editor", false },
	{ "runs", cmd_runs, "runs [--json] [-n N] [RUN]", "what ran, and how it ended", false },
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
	(void)puts(DETECT ": how near the edge the machine is, and how everything ended\n");
	for (size_t i = 0; i < N_COMMANDS && commands[i].usage; i++)
		(void)printf("%s " DETECT " %s\n", i ? "      " : "usage:", commands[i].usage);
	(void)puts("");
	for (size_t i = 0; i < N_COMMANDS && commands[i].usage; i++)
		(void)printf("  %-10s %s\n", commands[i].name, commands[i].help);
	(void)puts(
		"\n" DETECT " COMMAND --help says more of one. The manual is " DETECT "(1).\n"
		"Exit codes: 0 done, 1 no, 2 usage, 3 done in part, 4 the environment forbids it.");
	return fflush(stdout) ? EXIT_ENV : EXIT_DONE;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 && argv[1][0] != '-' ? argv[1] : "report";
	int skip = argc > 1 && argv[1][0] != '-' ? 2 : 1, exit_code;
	struct detect_settings set;
	size_t i = 0;

	log_init(DETECT, LOG_WARN);
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return help();
	if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0))
		return puts(DETECT " (Holdfast) 0.1") < 0 ? EXIT_ENV : EXIT_DONE;
	while (i < N_COMMANDS && strcmp(commands[i].name, name) != 0)
		i++;
	if (i == N_COMMANDS) {
		log_error("%s: no such command; " DETECT " --help lists them", name);
		return EXIT_USAGE;
	}
	if (commands[i].short_help && argc > skip && strcmp(argv[skip], "--help") == 0)
		return printf("usage: " DETECT " %s\n\n%s\n", commands[i].usage, commands[i].help) < 0
			? EXIT_ENV
			: EXIT_DONE;
	if (detect_settings_load(&set) < 0) {
		detect_settings_release(&set);
		return EXIT_USAGE;	/* said where it was found */
	}
	exit_code = commands[i].run(
		argc > skip ? argc - skip : 0, argv + (argc < skip ? argc : skip), &set);
	detect_settings_release(&set);
	return exit_code;
}
