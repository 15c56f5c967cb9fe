#include "lib/question.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "lib/io.h"

static bool answered(char answer[16], const volatile sig_atomic_t *stop)
{
	static const volatile sig_atomic_t never;
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	int r;

	stop = stop ? stop : &never;
	(void)fflush(stderr);
	while ((r = io_poll(&in, 1, -1, stop)) == -EINTR && !*stop)
		;
	if (r >= 0 && fgets(answer, 16, stdin))
		return true;
	fputc('\n', stderr);		/* Ctrl-C or Ctrl-D: the line was not ended */
	return false;
}

static void drop_typed(void)
{
	if (isatty(STDIN_FILENO))
		(void)tcflush(STDIN_FILENO, TCIFLUSH);
}

bool question_yes(const char *what, const volatile sig_atomic_t *stop)
{
	char answer[16];

	drop_typed();
	fprintf(stderr, "%s? [y/N] ", what);
	return answered(answer, stop) && (*answer == 'y' || *answer == 'Y');
}

bool question_typed(const char *what, const volatile sig_atomic_t *stop)
{
	char answer[16];

	drop_typed();
	fprintf(stderr, "%s. Type yes: ", what);
	return answered(answer, stop) && strcmp(answer, "yes\n") == 0;
}
