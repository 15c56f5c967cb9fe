/* What `recover --help`, `help COMMAND` and `--help-all` print, from the table of commands. */
#include "recover.h"

#include <stdio.h>
#include <string.h>

#include "../config/topics.h"
#include "../lib/names.h"

enum { COLUMNS = 80 };

/* text, of which `at` columns are taken, in lines that go on at column `indent`: broken at blanks, not inside of
 * brackets. */
static void print_wrapped(FILE *to, size_t at, size_t indent, const char *text)
{
	const char *end;

	for (; *text; text = end + (*end == ' ')) {
		int depth = 0;

		for (end = text; *end && (depth || *end != ' '); end++)
			depth += (*end == '[') - (*end == ']');
		if (at > indent && at + 1 + (size_t)(end - text) > COLUMNS)
			at = (size_t)fprintf(to, "\n%*s", (int)indent, "") - 1;
		else if (at > indent)
			at += (size_t)fprintf(to, " ");
		at += (size_t)fprintf(to, "%.*s", (int)(end - text), text);
	}
	fprintf(to, "\n");
}

void command_usage(FILE *to, const struct command *c)
{
	size_t n = (size_t)fprintf(to, "usage: " RECOVER " %s ", c->name);

	print_wrapped(to, n, n, c->usage);
}

static void print_opts(const struct opt *o)
{
	for (; o && o->id; o++) {
		char left[64];
		int n = 0;

		if (o->letter)
			n = snprintf(left, sizeof(left), "-%c%s", o->letter, o->name ? ", " : "");
		else
			n = snprintf(left, sizeof(left), "    ");
		if (o->name)
			n += snprintf(left + n, sizeof(left) - (size_t)n, "--%s%s", o->name,
				o->kind == OPT_MAYBE ? "[" : "");
		if (o->arg)
			(void)snprintf(left + n, sizeof(left) - (size_t)n, "%s%s%s",
				o->name && o->kind == OPT_MAYBE ? "="
				: o->name                       ? " "
								: " ",
				o->arg, o->kind == OPT_MAYBE ? "]" : "");
		print_wrapped(stdout, (size_t)printf("    %-27s ", left), 32, o->help);
	}
}

void command_help(const struct command *c)
{
	command_usage(stdout, c);
	printf("\n    %s\n", c->summary);
	if (c->opts) {
		printf("\n");
		print_opts(c->opts);
	}
}

/* What somebody in trouble wants first; the rest is named below it. */
static const char *const first[] = { "report", "unsaved", "diff", "history", "deleted", "restore",
	"undo", "list", "status" };
enum { N_FIRST = sizeof(first) / sizeof(*first) };

static bool is_first(const char *name)
{
	for (size_t i = 0; i < N_FIRST; i++)
		if (!strcmp(first[i], name))
			return true;
	return false;
}

void recover_help(void)
{
	int at;

	printf("usage: " RECOVER " [OPTIONS] [COMMAND ...]\n\n"
	       "    %-9s the screen: what happened, snapshots, changes; ? shows its keys\n",
		"");
	for (size_t i = 0; i < N_FIRST; i++)
		printf("    %-9s %s\n", first[i], command_find(first[i])->summary);
	at = printf("\nalso:") - 1;
	for (const struct command *c = commands; c->name; c++) {
		if (is_first(c->name))
			continue;
		if (at + (int)strlen(c->name) + 1 > COLUMNS)
			at = printf("\n     ") - 1;
		at += printf(" %s", c->name);
	}
	printf("\n\n"
	       "    -w, --workspace DIR         the protected folder; default: the nearest above\n"
	       "        --store DIR             where its snapshots are; also HOLDFAST_STORE\n"
	       "        --help-all              all options, every command with its own\n\n" RECOVER
	       " help COMMAND says more of one, " RECOVER " help TOPIC of:\n%s.\n",
		topic_names);
}

void recover_help_all(void)
{
	printf("usage: " RECOVER " [OPTIONS] [COMMAND ...]\n\ncommands:\n");
	for (const struct command *c = commands; c->name; c++)
		printf("    %-9s %s\n", c->name, c->summary);
	printf("\noptions:\n");
	print_opts(global_opts);
	printf("\nrevisions: %s", topic_text("revisions"));
	for (const struct command *c = commands; c->name; c++) {
		printf("\n");
		command_help(c);
	}
}
