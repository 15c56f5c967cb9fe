/* holdfast.conf(5), written from the table of keys: a key cannot be missing in it. The help of a
 * key is plain text; here it becomes mdoc: a `word` is quoted, a program's name is a reference, a
 * sentence begins a line. */
#include "config/config-internal.h"

#include <errno.h>
#include <string.h>

#include "lib/names.h"

static const char head[] =
	".\\\" Written by build/tests/tool_defaults --man from config/keys.c: change it there.\n"
	".Dd November 28, 2026\n"
	".Dt HOLDFAST.CONF 5\n"
	".Os Holdfast\n"
	".Sh NAME\n"
	".Nm holdfast.conf\n"
	".Nd settings of Holdfast\n"
	".Sh DESCRIPTION\n"
	"Settings of\n"
	".Xr " SNAPD " 1 ,\n"
	".Xr " RECOVER " 1\n"
	"and\n"
	".Xr " DETECT " 1 ,\n"
	"in the syntax of\n"
	".Xr git-config 1 .\n"
	"They are read in this order; the later wins, and lists add up:\n"
	".Pp\n"
	".Bl -enum -compact\n"
	".It\n"
	".Pa /etc/holdfast/config\n"
	".It\n"
	".Pa $XDG_CONFIG_HOME/holdfast/config ,\n"
	"which is\n"
	".Pa ~/.config/holdfast/config\n"
	".It\n"
	".Pa .holdfast\n"
	"in the workspace\n"
	".El\n"
	".Pp\n"
	"The third may have come with a repository that was cloned.\n"
	"It cannot set what is marked\n"
	".Sq not in .holdfast\n"
	"below, nor include other files.\n"
	".Ev HOLDFAST_CONFIG\n"
	"names a file that is read instead of the first two.\n"
	".Pp\n"
	"A wrong key or value is named with its file and line, and the default holds;\n"
	"while one of [prune] is wrong nothing is thinned by age.\n"
	"With a file that is broken\n"
	".Xr " SNAPD " 1\n"
	"and\n"
	".Xr " DETECT " 1\n"
	"do not start\n"
	".Po\n"
	"but\n"
	".Ql " DETECT " stop ,\n"
	"which then ends only what\n"
	".Ql " DETECT " run\n"
	"started\n"
	".Pc ;\n"
	".Xr " RECOVER " 1\n"
	"goes on without it.\n"
	".Ss Values\n"
	".Bl -tag -width number\n"
	".It Ar time\n"
	".Ql 500ms ,\n"
	".Ql 30s ,\n"
	".Ql 10m ,\n"
	".Ql 2h ,\n"
	".Ql 1d ,\n"
	".Ql 1w\n"
	".It Ar size\n"
	"Bytes, or\n"
	".Ql 512k ,\n"
	".Ql 16M ,\n"
	".Ql 5G ,\n"
	"in powers of 1024\n"
	".It Ar number\n"
	"A whole number in the range that is given\n"
	".It Ar bool\n"
	".Ql true\n"
	"or\n"
	".Ql false\n"
	".It Ar list\n"
	"Text, one item a line; the key may be repeated, and an empty value forgets the items "
	"before it\n"
	".It Ar path\n"
	"An absolute path;\n"
	".Ql ~/\n"
	"is the home folder\n"
	".It Ar text\n"
	"Anything\n"
	".El\n"
	".Sh SETTINGS\n";

static const char tail[] =
	".Sh FILES\n"
	".Bl -tag -width Ds\n"
	".It Pa share/doc/holdfast/holdfast.conf\n"
	"All settings with their defaults, commented out: to be copied from.\n"
	".El\n"
	".Sh EXAMPLES\n"
	"A snapshot every ten seconds, large results among them, and a store on another disk:\n"
	".Bd -literal -offset indent\n"
	"[snapshot]\n"
	"\tinterval = 10s\n"
	"\tmaxFileSize = 64M\n"
	"\tinclude = results/*.json\n"
	"[store]\n"
	"\tdir = /data/snapshots\n"
	".Ed\n"
	".Sh SEE ALSO\n"
	".Xr " DETECT " 1 ,\n"
	".Xr git-config 1 ,\n"
	".Xr " RECOVER " 1 ,\n"
	".Xr " SNAPD " 1 ,\n"
	".Xr gitignore 5 ,\n"
	".Xr holdfast 7\n";

static const char *type_of(const struct config_key *k)
{
	static const char *const name[] = {
		[KEY_BOOL] = "bool",
		[KEY_INT] = "number",
		[KEY_SIZE] = "size",
		[KEY_TIME] = "time",
		[KEY_STRING] = "text",
		[KEY_PATH] = "path",
		[KEY_CHOICE] = "text",
		[KEY_LIST] = "list",
	};

	return name[k->type];
}

/* Text, as roff takes it: no request at the start of a line, no escape. */
static void put_text(FILE *f, const char *s, size_t n)
{
	if (n && (*s == '.' || *s == '\''))
		(void)fputs("\\&", f);
	for (size_t i = 0; i < n; i++)
		if (s[i] == '\\')
			(void)fputs("\\e", f);
		else
			(void)fputc(s[i], f);
}

/* ".Ql WORDS" or ".Xr NAME 1", and what closes it: each on a line of its own. */
static void put_macro(
	FILE *f, const char *macro, const char *s, size_t n, const char *after, size_t n_after)
{
	(void)fprintf(f, ".%s ", macro);
	put_text(f, s, n);
	if (strcmp(macro, "Xr") == 0)
		(void)fputs(" 1", f);
	for (size_t i = 0; i < n_after; i++)
		(void)fprintf(f, " %c", after[i]);
	(void)fputc('\n', f);
}

static bool is_program(const char *s, size_t n)
{
	static const char *const name[] = { SNAPD, RECOVER, DETECT };

	for (size_t i = 0; i < sizeof(name) / sizeof(*name); i++)
		if (strlen(name[i]) == n && memcmp(name[i], s, n) == 0)
			return true;
	return false;
}

/* The help, whose lines end anywhere. */
static void put_help(FILE *f, const char *s)
{
	bool fresh = true; /* at the start of a line */

	while (*(s += strspn(s, " \n"))) {
		bool quoted = *s == '`' && strchr(s + 1, '`');
		size_t n = quoted ? strcspn(s + 1, "`") : strcspn(s, " \n"), after = 0;
		const char *word = s + quoted;

		if (quoted)
			s = word + n + 1;
		else
			while (n > 1 && strchr(".,;:)", word[n - 1]))
				n--;
		if (!quoted)
			s = word + n;
		while (s[after] && strchr(".,;:)", s[after]))
			after++;
		if (quoted || is_program(word, n)) {
			if (!fresh)
				(void)fputc('\n', f);
			put_macro(f, quoted ? "Ql" : "Xr", word, n, s, after);
			fresh = true;
		} else {
			bool ends = after &&
				    (s[after - 1] == '.' || (after > 1 && s[after - 2] == '.'));

			if (!fresh)
				(void)fputc(' ', f);
			put_text(f, word, n);
			(void)fwrite(s, 1, after, f);
			if (ends)
				(void)fputc('\n', f);
			fresh = ends;
		}
		s += after;
	}
	if (!fresh)
		(void)fputc('\n', f);
}

static void put_key(FILE *f, const struct config_key *k)
{
	(void)fprintf(f, ".It Va %s No = Ar %s\n", k->name, type_of(k));
	put_help(f, k->help);
	if (k->type == KEY_INT)
		(void)fprintf(f, "From %ju to %ju.\n", (uintmax_t)k->min, (uintmax_t)k->max);
	if (k->choices)
		(void)fprintf(f, "One of\n.Cm %s .\n", k->choices);
	if (k->def)
		(void)fprintf(f, "Default:\n.Li %s\n", k->def);
	else
		(void)fprintf(f, "No default; an example:\n.Li %s\n", k->example);
	if (k->user_only)
		(void)fputs("(not in .holdfast)\n", f);
}

int config_print_manual(FILE *f)
{
	const char *section = "";

	(void)fputs(head, f);
	for (const struct config_key *k = config_keys; k->name; k++) {
		size_t n = strcspn(k->name, ".");

		if (strncmp(k->name, section, n + 1) != 0)
			(void)fprintf(f, "%s.Ss [%.*s]\n.Bl -tag -width Ds\n",
				*section ? ".El\n" : "", (int)n, k->name);
		section = k->name;
		put_key(f, k);
	}
	(void)fputs(".El\n", f);
	(void)fputs(tail, f);
	return ferror(f) ? -EIO : 0;
}
