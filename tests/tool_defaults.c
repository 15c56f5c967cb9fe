/* Prints config/holdfast.conf anew; with --man docs/holdfast.conf.5. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"

int main(int argc, char **argv)
{
	int r = argc > 1 && strcmp(argv[1], "--man") == 0 ? config_print_manual(stdout)
							  : config_print_defaults(stdout);

	return r < 0 || fflush(stdout) != 0;
}
