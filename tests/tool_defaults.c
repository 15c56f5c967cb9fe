/* Prints config/holdfast.conf anew. */
#include <stdio.h>

#include "config/config.h"

int main(void)
{
	return config_print_defaults(stdout) < 0 || fflush(stdout) != 0;
}
