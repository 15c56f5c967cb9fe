/* Where the terminal can do no more than lines: numbers instead of keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/auto.h"
#include "../lib/err.h"
#include "screen.h"
#include "xalloc.h"

/* The exit code. */
static int run(struct screen *s, const char *const *words)
{
	char *argv[16] = { s->recover, (char *)(uintptr_t) "--no-pager" };
	autofree char *command = feed_command(words);
	size_t n = 2;
	int status = 0;
	pid_t pid;

	if (s->workspace)
		argv[n++] = (char *)(uintptr_t) "-w", argv[n++] = s->workspace;
	if (s->store)
		argv[n++] = (char *)(uintptr_t) "--store", argv[n++] = s->store;
	for (size_t i = 0; words[i] && n < 15; i++)
		argv[n++] = (char *)(uintptr_t)words[i];
	printf("$ %s\n", command);
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)execv(s->recover, argv);
		_exit(127);
	}
	if (pid <= 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return EXIT_ENV;
	return WEXITSTATUS(status);
}

/* false: the end of the input. */
static bool ask(const char *what, char *ret, size_t size)
{
	printf("%s", what);
	(void)fflush(stdout);
	if (!fgets(ret, (int)size, stdin))
		return false;
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

/* What is typed, behind the option; of an empty line nothing. A name is no option, whatever it
 * begins with. */
static void run_with(struct screen *s, const char *what, const char *command, const char *option)
{
	autofree char *name = NULL;
	char line[1024];

	if (!ask(what, line, sizeof(line)) || !*line)
		return;
	name = xasprintf("%s%s", *line == '-' && !option ? "./" : "", line);
	(void)run(s, (const char *[]){ command, option ? option : name, option ? name : NULL, NULL });
}

static void restore_path(struct screen *s)
{
	char line[1024], path[4096];

	if (ask("snapshot (@ is the newest, @~1 the one before): ", line, sizeof(line)) &&
		ask("path: ", path, sizeof(path)) && *path)
		(void)run(s, (const char *[]){ "restore", *line ? line : "@", "--", path, NULL });
}

/* false: leave. */
static bool answer(struct screen *s, const char *line)
{
	char *end;
	long n = strtol(line, &end, 10);

	switch (*line && !*end ? n : -1) {
	case 1:
		(void)run(s, (const char *[]){ "restore", "@", NULL });
		break;
	case 2:
		restore_path(s);
		break;
	case 3:
		(void)run(s, (const char *[]){ "list", "-n", "30", NULL });
		break;
	case 4:
		(void)run(s, (const char *[]){ "diff", NULL });
		break;
	case 5:
		(void)run(s, (const char *[]){ "deleted", NULL });
		break;
	case 6:
		(void)run(s, (const char *[]){ "report", NULL });
		break;
	case 7:
		(void)run(s, (const char *[]){ "undo", NULL });
		break;
	case 8:
		if (run(s, (const char *[]){ "unsaved", NULL }) == EXIT_DONE)
			run_with(s, "which comes back, by its id (Enter: none): ", "unsaved", "restore");
		break;
	case 9:
		run_with(s, "path (like *.py): ", "find", NULL);
		break;
	case 10:
		run_with(s, "text: ", "find", "--text");
		break;
	case 11:
		run_with(s, "path: ", "history", NULL);
		break;
	case 12:
		return false;
	default:
		if (strcmp(line, "q") == 0)
			return false;
		printf("a number from 1 to 12\n");
	}
	return true;
}

int dialogue(struct screen *s)
{
	char line[1024];

	(void)run(s, (const char *[]){ "status", NULL });
	while (ask("\n  1 restore the latest snapshot      7 undo the last restore\n"
		   "  2 restore one path                 8 texts that were never saved\n"
		   "  3 list the snapshots               9 find a path, over all time\n"
		   "  4 what differs now                10 find a text, over all time\n"
		   "  5 files that are gone             11 every version of a path\n"
		   "  6 what happened                   12 leave\n> ",
		   line, sizeof(line)) &&
		answer(s, line))
		;
	return EXIT_DONE;
}
