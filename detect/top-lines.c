/* detect/top-lines.c - the page as lines, and numbers for the keys; see top.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detect/top.h"
#include "lib/become.h"
#include "lib/err.h"
#include "lib/names.h"

enum { ROWS = 60, COLUMNS = 79 }; /* a mark stands before each row */

static int print(struct top *t)
{
	static struct top_page p;
	unsigned rows = 24 + t->n_item < ROWS ? 24 + t->n_item : ROWS;
	int r;

	top_read(t);
	r = top_page(t, rows, COLUMNS, &p);
	/* The last row is the hints of the screen. */
	for (unsigned i = 0; r == 0 && i + 1 < p.n; i++) {
		size_t n = p.row[i].text.len;

		while (n && p.row[i].text.data[n - 1] == ' ')
			n--;
		if (n)
			printf("%s%.*s\n", p.row[i].at ? "*" : " ", (int)n, p.row[i].text.data);
	}
	top_page_release(&p);
	return fflush(stdout) || r < 0 ? EXIT_ENV : EXIT_DONE;
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

static void run(const char *const *words)
{
	char *argv[40], name[] = DETECT;
	unsigned n = 1;
	pid_t pid;

	argv[0] = name;
	for (; words[n - 1] && n < 39; n++)
		argv[n] = (char *)(uintptr_t)words[n - 1];
	argv[n] = NULL;
	printf("$ " DETECT);
	for (unsigned i = 1; i < n; i++)
		printf(" %s", argv[i]);
	printf("\n");
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(become("detect-core", argv));
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
}

static void act(struct top *t, enum top_act a)
{
	char question[256], line[64], *end;
	long pid;

	if (!ask("process: ", line, sizeof(line)))
		return;
	pid = strtol(line, &end, 10);
	for (unsigned i = 0; end != line && !*end && i < t->survey.n; i++)
		if (t->survey.proc[i].id.pid == pid) {
			t->at = t->survey.proc[i].id;
			if (top_question(t, a, question, sizeof(question)) &&
				(!ask(question, line, sizeof(line)) ||
					(*line != 'y' && *line != 'Y')))
				(void)snprintf(t->message, sizeof(t->message), "nothing was done");
			else if (!*t->message)
				top_do(t, a);
			printf("%s\n", t->message);
			*t->message = '\0';
			return;
		}
	printf("%s: none of the processes above\n", line);
}

static void clean(void)
{
	char line[16];

	run((const char *[]){ "clean", "--dry-run", NULL });
	if (ask("free that? [y/N] ", line, sizeof(line)) && (*line == 'y' || *line == 'Y'))
		run((const char *[]){ "clean", NULL });
}

static void gate(void)
{
	char line[1024], *save = NULL;
	const char *words[36] = { "gate", "--no-snapshot", "--" };
	unsigned n = 3;

	if (!ask("command: ", line, sizeof(line)))
		return;
	for (char *w = strtok_r(line, " \t", &save); w && n < 35; w = strtok_r(NULL, " \t", &save))
		words[n++] = w;
	if (n > 3)
		run(words);
}

int top_lines(struct top *t, bool once)
{
	int r = print(t);
	char line[64];

	while (!once && r == EXIT_DONE &&
		ask("\n 1 again  2 freeze  3 let go on  4 ask  5 end  6 kill  7 clean  8 gate  9 leave"
		    "\n> ",
			line, sizeof(line)) &&
		strcmp(line, "9") != 0 && strcmp(line, "q") != 0) {
		if (*line >= '2' && *line <= '6' && !line[1])
			act(t, (enum top_act)(*line - '2'));
		else if (strcmp(line, "7") == 0)
			clean();
		else if (strcmp(line, "8") == 0)
			gate();
		else if (*line && strcmp(line, "1") != 0)
			printf("a number from 1 to 9\n");
		else
			r = print(t);
	}
	return r;
}
