/* detect/top_cmd.c - the row `top` of detect-core: the screen is a program of its own, so that
 * nobody else loads one. */
#include <stdio.h>
#include <string.h>

#include "detect/top.h"
#include "lib/become.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/names.h"

int top_help(void)
{
	(void)puts("usage: " DETECT " top [--interval TIME] [--once]\n\n"
		   "Live: risk and why, memory, swap, pressure, GPUs and /dev/shm as graphs,\n"
		   "editors and trainings as trees with what they hold and grow by, what ended\n"
		   "lately. A training can be frozen, resumed, asked, ended from here, each asked\n"
		   "before. ? shows the keys.\n\n"
		   "  --interval TIME   between two looks, 1s\n"
		   "  --once            one page of text, then out; so too where the output is no\n"
		   "                    terminal\n\n"
		   "Exit codes: 0 done, 2 usage, 4 /proc cannot be read.");
	return fflush(stdout) ? EXIT_ENV : EXIT_DONE;
}

int cmd_top(int argc, char **argv, const struct detect_settings *set)
{
	char name[] = DETECT, top[] = "top", *words[64] = { name, top };

	(void)set;
	/* --help-all goes on behind it */
	if (argc == 1 && strcmp(argv[0], "--help") == 0)
		return top_help();
	if (argc > 60) {
		log_error("top: too many words; " DETECT " top --help says what it takes");
		return EXIT_USAGE;
	}
	for (int i = 0; i < argc; i++)
		words[2 + i] = argv[i];
	return become("detect-top", words);
}
