#include "question.h"

#include <errno.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "../lib/io.h"
#include "recover.h"

bool question_yes(const char *what)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char answer[16] = "";
	int r;

	/* What was typed before it was asked is no answer to it. */
	if (isatty(STDIN_FILENO))
		(void)tcflush(STDIN_FILENO, TCIFLUSH);
	fprintf(stderr, "%s? [y/N] ", what);
	(void)fflush(stderr);
	while ((r = io_poll(&in, 1, -1, &interrupted)) == -EINTR && !interrupted)
		;
	if (r < 0 || !fgets(answer, sizeof(answer), stdin)) {
		fputc('\n', stderr);	/* Ctrl-C or Ctrl-D: the line was not ended */
		return false;
	}
	return *answer == 'y' || *answer == 'Y';
}
