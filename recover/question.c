#include "question.h"

#include <stdio.h>
#include <unistd.h>

#include "../lib/io.h"
#include "recover.h"

bool question_yes(const char *what)
{
	char answer[16] = "";

	fprintf(stderr, "%s? [y/N] ", what);
	(void)fflush(stderr);
	if (io_wait_input(STDIN_FILENO, &interrupted) < 0 || !fgets(answer, sizeof(answer), stdin)) {
		fputc('\n', stderr);	/* Ctrl-C or Ctrl-D: the line was not ended */
		return false;
	}
	return *answer == 'y' || *answer == 'Y';
}
