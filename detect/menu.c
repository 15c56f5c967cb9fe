/* detect/menu.c - see the header. */
#include "detect/menu.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detect/gate.h"
#include "detect/report.h"
#include "detect/run.h"
#include "lib/auto.h"
#include "lib/become.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/text.h"

enum { WORDS = 64, MOST_EPOCHS = 100000 };

enum entry {
	ENTRY_STATUS = 1,
	ENTRY_CLEAN,
	ENTRY_LIGHT,
	ENTRY_SAFE,
	ENTRY_NORMAL,
	ENTRY_TOP,
	ENTRY_EVENTS,
	ENTRY_HELP,
	ENTRY_LEAVE
};

static const struct {
	const char *what, *command;
} entries[] = {
	[ENTRY_STATUS] = { "how the machine is", DETECT " report" },
	[ENTRY_CLEAN] = { "free what comes back by itself", DETECT " clean" },
	[ENTRY_LIGHT] = { "train, ultra-light: 1 epoch, 1 batch",
		DETECT " run --mode light" },
	[ENTRY_SAFE] = { "train, conservative: you say epochs and batches",
		DETECT " run --mode safe" },
	[ENTRY_NORMAL] = { "train, normal: no limits, watched", DETECT " run --mode normal" },
	[ENTRY_TOP] = { "watch it live", DETECT " top" },
	[ENTRY_EVENTS] = { "what ended, and why", DETECT " events" },
	[ENTRY_HELP] = { "what all this means", DETECT " --help" },
	[ENTRY_LEAVE] = { "leave", "" },
};

const char *menu_advice(enum status s, unsigned *ret_entry)
{
	static const struct {
		const char *text;
		unsigned entry;
	} advice[] = {
		[STATUS_EXCELLENT] = { "below 60 %: any training is safe", ENTRY_NORMAL },
		[STATUS_GOOD] = { "60 to 70 %: conservative training", ENTRY_SAFE },
		[STATUS_CAUTION] = { "70 to 80 %: ultra-light training only", ENTRY_LIGHT },
		[STATUS_CRITICAL] = { "above 80 %: clean up first, start nothing", ENTRY_CLEAN },
	};

	*ret_entry = advice[s].entry;
	return advice[s].text;
}

static uint64_t used_percent(const struct machine *m)
{
	return m->total ? (m->total - (m->available < m->total ? m->available : m->total)) * 100 /
				  m->total
			: 100;
}

static int show(const struct detect_settings *set)
{
	static struct report r;
	char left[16], total[16], text[256];
	unsigned entry;
	const char *advice;
	int e = report_take(machine_roots(), set, &r);

	if (e < 0)
		return e;
	advice = menu_advice(r.verdict.status, &entry);
	printf("\n%s: %u %% of %s in use, %s left; risk %s\n", status_name(r.verdict.status),
		(unsigned)used_percent(&r.m), text_size(r.m.total, total),
		text_size(r.m.available, left), risk_name(r.verdict.risk));
	for (unsigned i = 0; i < r.verdict.n && i < 2; i++) {
		(void)risk_reason_text(&r.verdict.reason[i], &r.in, text, sizeof(text));
		printf("  %s\n", text);
	}
	printf("recommended at %s: %u\n\n", advice, entry);
	for (unsigned i = 1; i <= ENTRY_LEAVE; i++)
		printf("%c%u  %-48s %s\n", i == entry ? '>' : ' ', i, entries[i].what,
			entries[i].command);
	report_release(&r);
	return 0;
}

/* false: the end of the input. */
static bool ask(const char *what, char *ret, size_t size)
{
	printf("%s", what);
	(void)fflush(stdout);
	if (!fgets(ret, (int)size, stdin)) {
		printf("\n");
		return false;
	}
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

/* Ctrl-C is for what runs: the menu stays. */
static int run(char *const *words)
{
	autoput(buf_release) struct buf shown = BUF_INIT;
	struct sigaction was;
	int status = 0;
	pid_t pid;

	if (gate_words((const char *const *)words, &shown) < 0)
		return EXIT_ENV;
	printf("\n$ %s\n", shown.data);
	(void)fflush(stdout);
	(void)sigaction(SIGINT, &(struct sigaction){ .sa_handler = SIG_IGN }, &was);
	pid = fork();
	if (pid == 0) {
		(void)sigaction(SIGINT, &was, NULL);
		_exit(become("detect-core", (char **)(uintptr_t)words));
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	(void)sigaction(SIGINT, &was, NULL);
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_ENV;
}

static void run_words(const char *a, const char *b)
{
	char *words[] = { (char *)(uintptr_t)DETECT, (char *)(uintptr_t)a, (char *)(uintptr_t)b,
		NULL };

	(void)run(words);
}

static void clean(void)
{
	char line[16];

	run_words("clean", "--dry-run");
	if (ask("free that now? [y/N] ", line, sizeof(line)) && (*line == 'y' || *line == 'Y'))
		run_words("clean", NULL);
}

/* A number, or the given one for an empty line; asked until it is one. false: the end of the
 * input, or q. */
static bool number(const char *what, unsigned otherwise, unsigned *ret)
{
	char question[80], line[64], *end;
	unsigned long v;

	(void)snprintf(question, sizeof(question), "%s [%u]: ", what, otherwise);
	while (ask(question, line, sizeof(line)) && strcmp(line, "q") != 0) {
		v = *line ? strtoul(line, &end, 10) : otherwise;
		if (!*line || (*line >= '0' && *line <= '9' && !*end && v >= 1 && v <= MOST_EPOCHS)) {
			*ret = (unsigned)v;
			return true;
		}
		printf("%s: not a number from 1 to %d; q goes back\n", line, MOST_EPOCHS);
	}
	return false;
}

struct launch {
	char *words[WORDS];
	unsigned n;
	char epochs[16], batches[16];
};

static void add(struct launch *l, const char *word)
{
	if (l->n + 1 < WORDS)
		l->words[l->n++] = (char *)(uintptr_t)word;
	l->words[l->n] = NULL;
}

static void explain(const char *these)
{
	printf("{epochs} and {val_batches} in the command stand for %s.\n", these);
}

static bool add_numbers(struct launch *l)
{
	unsigned epochs, batches;

	if (!number("epochs", 2, &epochs) || !number("validation batches", 1, &batches))
		return false;
	(void)snprintf(l->epochs, sizeof(l->epochs), "%u", epochs);
	(void)snprintf(l->batches, sizeof(l->batches), "%u", batches);
	add(l, "--epochs");
	add(l, l->epochs);
	add(l, "--val-batches");
	add(l, l->batches);
	explain("these");
	return true;
}

static void train(const char *mode, const struct detect_settings *set)
{
	struct launch l = { 0 };
	const char *usual = set->cfg.training_command;
	char **split = NULL, line[2048];
	int r = 0;

	add(&l, DETECT);
	add(&l, "run");
	add(&l, "--mode");
	add(&l, mode);
	if (strcmp(mode, "safe") == 0 && !add_numbers(&l))
		return;
	if (strcmp(mode, "light") == 0)
		explain("1 and 1;\nwithout them it trains as long as ever");
	if (usual)
		printf("Enter alone: %s\n", usual);
	do {
		if (!ask("command (like python3 train.py): ", line, sizeof(line)) ||
			strcmp(line, "q") == 0)
			return;
		if (!*line && !usual) {
			printf("nothing to run\n");
			return;
		}
		r = *line ? plan_split(line, &split) : 0;
		if (r < 0)
			printf("a quote is not closed; again, or q goes back\n");
	} while (r < 0);
	if (*line)
		add(&l, "--");
	for (unsigned i = 0; split && split[i]; i++)
		add(&l, split[i]);
	r = run(l.words);
	if (r)
		printf("(exit %d)\n", r);
	plan_free(split);
}

/* false: leave. */
static bool act(const char *line, const struct detect_settings *set)
{
	char *end;
	unsigned long n = strtoul(line, &end, 10);

	if (strcmp(line, "q") == 0)
		return false;
	switch (*line && !*end ? n : 0) {
	case ENTRY_STATUS:
		run_words("report", NULL);
		break;
	case ENTRY_CLEAN:
		clean();
		break;
	case ENTRY_LIGHT:
		train("light", set);
		break;
	case ENTRY_SAFE:
		train("safe", set);
		break;
	case ENTRY_NORMAL:
		train("normal", set);
		break;
	case ENTRY_TOP:
		run_words("top", NULL);
		break;
	case ENTRY_EVENTS:
		run_words("events", NULL);
		break;
	case ENTRY_HELP:
		run_words("--help", NULL);
		break;
	case ENTRY_LEAVE:
		return false;
	default:
		if (*line)
			printf("a number from 1 to %u\n", ENTRY_LEAVE);
	}
	return true;
}

int cmd_menu(int argc, char **argv, const struct detect_settings *set)
{
	char line[64];
	int e;

	if (argc) {
		log_error(
			"menu: %s: takes no words; " DETECT " --help lists the commands", argv[0]);
		return EXIT_USAGE;
	}
	do {
		e = show(set);
		if (e < 0) {
			(void)log_error_errno(e, "%s/meminfo", machine_roots()->proc);
			return EXIT_ENV;
		}
	} while (ask("\n> ", line, sizeof(line)) && act(line, set));
	return fflush(stdout) ? EXIT_ENV : EXIT_DONE;
}
