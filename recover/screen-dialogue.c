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

static void run(struct screen *s, const char *const *words)
{
	char *argv[16] = { s->recover, (char *)(uintptr_t) "--no-pager" };
	autofree char *command = feed_command(words);
	size_t n = 2;
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
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
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

int dialogue(struct screen *s)
{
	char line[1024], path[4096];

	run(s, (const char *[]){ "status", NULL });
	for (;;) {
		if (!ask("\n 1 restore the latest snapshot\n 2 restore one path\n 3 list the snapshots\n"
			 " 4 what differs now\n 5 files that are gone\n 6 what happened\n"
			 " 7 undo the last restore\n 8 leave\n> ", line, sizeof(line)) ||
			strcmp(line, "8") == 0 || strcmp(line, "q") == 0)
			return EXIT_DONE;
		if (strcmp(line, "1") == 0)
			run(s, (const char *[]){ "restore", "@", NULL });
		else if (strcmp(line, "2") == 0 &&
			 ask("snapshot (@ is the newest, @~1 the one before): ", line, sizeof(line)) &&
			 ask("path: ", path, sizeof(path)) && *path)
			run(s, (const char *[]){ "restore", *line ? line : "@", "--", path, NULL });
		else if (strcmp(line, "3") == 0)
			run(s, (const char *[]){ "list", "-n", "30", NULL });
		else if (strcmp(line, "4") == 0)
			run(s, (const char *[]){ "diff", NULL });
		else if (strcmp(line, "5") == 0)
			run(s, (const char *[]){ "deleted", NULL });
		else if (strcmp(line, "6") == 0)
			run(s, (const char *[]){ "report", NULL });
		else if (strcmp(line, "7") == 0)
			run(s, (const char *[]){ "undo", NULL });
		else
			printf("a number from 1 to 8\n");
	}
}
