/* detect/top_cmd.c - the row `top` of detect-core: the screen is a program of its own, so that
 * nobody else loads one. */
#include <stdio.h>

#include "detect/top.h"
#include "lib/become.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/names.h"

int cmd_top(int argc, char **argv, const struct detect_settings *set)
{
	char name[] = DETECT, top[] = "top", *words[64] = { name, top };

	(void)set;
	if (argc > 60) {
		log_error("top: too many words; " DETECT " top --help says what it takes");
		return EXIT_USAGE;
	}
	for (int i = 0; i < argc; i++)
		words[2 + i] = argv[i];
	return become("detect-top", words);
}
