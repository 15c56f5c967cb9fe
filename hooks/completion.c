/* hooks/completion.c - one script a shell for all three programs. None knows an option: each
 * asks the program's --help, which is printed from the very table that parses the command line,
 * so what is completed is what is taken. @ stands before what depends on the programs' names. */
#include "hooks-internal.h"

#include <errno.h>
#include <string.h>

#include "../lib/names.h"

static const struct {
	const char *shell, *text;
} scripts[] = {
	{ "bash", "# bash completion for @snapd, @recover and @detect: the words are those of "
		  "their own --help.\n"
		  "_holdfast@id()\n"
		  "{\n"
		  "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} "
		  "prog=${1/#\\~/$HOME} cmd= words= all=--help i\n"
		  "\tCOMPREPLY=()\n"
		  "\tcase $prev in\n"
		  "\t-w|--workspace|--store|--to|--log-dir)\n"
		  "\t\tcompopt -o dirnames 2>/dev/null\n"
		  "\t\treturn;;\n"
		  "\t--reason)\n"
		  "\t\twords='interval launch risk exit manual restore start stop import';;\n"
		  "\tesac\n"
		  "\tcase ${prog##*/} in\n"
		  "\t*snapd) all=--help-all;;\n"
		  "\t*)\n"
		  "\t\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		  "\t\t\tcase ${COMP_WORDS[i]} in\n"
		  "\t\t\t-w|--workspace|--store) ((i++));;\n"
		  "\t\t\t-*) ;;\n"
		  "\t\t\t*) cmd=${COMP_WORDS[i]}; break;;\n"
		  "\t\t\tesac\n"
		  "\t\tdone;;\n"
		  "\tesac\n"
		  "\tif [[ -z $words && $cur == -* ]]; then\n"
		  "\t\twords=$(\"$prog\" ${cmd:+\"$cmd\"} $all 2>/dev/null | grep -oE "
		  "'(^|[^A-Za-z0-9-])--?[A-Za-z][A-Za-z-]*' | grep -oE -e '--?[A-Za-z][A-Za-z-]*' "
		  "| sort -u)\n"
		  "\telif [[ -z $words && -z $cmd && ${prog##*/} != *snapd ]]; then\n"
		  "\t\twords=$(\"$prog\" --help-all 2>/dev/null | sed -nE 's/^ {2,4}([a-z]+) "
		  "{2,}.*/\\1/p' | sort -u)\n"
		  "\telif [[ -z $words && ${prog##*/} == *recover ]]; then\n"
		  "\t\tcase $cmd in\n"
		  "\t\trestore|show|diff|ls|mark) words=\"@ @~1 @crash $(\"$prog\" list -n 20 "
		  "2>/dev/null | sed -nE 's/^([0-9a-f]{8,40}) .*/\\1/p')\";;\n"
		  "\t\tesac\n"
		  "\tfi\n"
		  "\tif [[ -n $words ]]; then\n"
		  "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
		  "\telse\n"
		  "\t\tcompopt -o default 2>/dev/null\n"
		  "\tfi\n"
		  "}\n"
		  "complete -F _holdfast@id @snapd @recover @detect\n" },
	{ "zsh", "#compdef @snapd @recover @detect\n"
		 "# zsh completion: the words are those of the programs' own --help.\n"
		 "_holdfast@id()\n"
		 "{\n"
		 "\tlocal prog=${words[1]/#\\~/$HOME} cmd= all=--help i\n"
		 "\tlocal -a found\n"
		 "\tcase ${words[CURRENT-1]} in\n"
		 "\t-w|--workspace|--store|--to|--log-dir)\n"
		 "\t\t_files -/\n"
		 "\t\treturn;;\n"
		 "\t--reason)\n"
		 "\t\tcompadd -- interval launch risk exit manual restore start stop import\n"
		 "\t\treturn;;\n"
		 "\tesac\n"
		 "\tcase ${prog:t} in\n"
		 "\t*snapd) all=--help-all;;\n"
		 "\t*)\n"
		 "\t\tfor ((i = 2; i < CURRENT; i++)); do\n"
		 "\t\t\tcase ${words[i]} in\n"
		 "\t\t\t-w|--workspace|--store) ((i++));;\n"
		 "\t\t\t-*) ;;\n"
		 "\t\t\t*) cmd=${words[i]}; break;;\n"
		 "\t\t\tesac\n"
		 "\t\tdone;;\n"
		 "\tesac\n"
		 "\tif [[ ${words[CURRENT]} == -* ]]; then\n"
		 "\t\tfound=(${(f)\"$($prog ${cmd:+$cmd} $all 2>/dev/null | grep -oE "
		 "'(^|[^A-Za-z0-9-])--?[A-Za-z][A-Za-z-]*' | grep -oE -e '--?[A-Za-z][A-Za-z-]*' | "
		 "sort -u)\"})\n"
		 "\telif [[ -z $cmd && ${prog:t} != *snapd ]]; then\n"
		 "\t\tfound=(${(f)\"$($prog --help-all 2>/dev/null | sed -nE 's/^ {2,4}([a-z]+) "
		 "{2,}.*/\\1/p' | sort -u)\"})\n"
		 "\telif [[ ${prog:t} == *recover && $cmd == (restore|show|diff|ls|mark) ]]; then\n"
		 "\t\tfound=(@ @~1 @crash ${(f)\"$($prog list -n 20 2>/dev/null | sed -nE "
		 "'s/^([0-9a-f]{8,40}) .*/\\1/p')\"})\n"
		 "\tfi\n"
		 "\tif (( $#found )); then\n"
		 "\t\tcompadd -- $found\n"
		 "\telse\n"
		 "\t\t_files\n"
		 "\tfi\n"
		 "}\n"
		 "compdef _holdfast@id @snapd @recover @detect\n" },
	{ "fish", "# fish completion for @snapd, @recover and @detect: the words are those of "
		  "their own --help.\n"
		  "function __holdfast@id\n"
		  "\tset -l tokens (commandline -opc)\n"
		  "\tset -l prog $tokens[1]\n"
		  "\tset -l base (string split -r -m 1 / -- $prog)[-1]\n"
		  "\tset -l cmd\n"
		  "\tset -l all --help-all\n"
		  "\tset -l skip 0\n"
		  "\tif not string match -q -- '*snapd' $base\n"
		  "\t\tset all --help\n"
		  "\t\tfor t in $tokens[2..-1]\n"
		  "\t\t\tif test $skip = 1\n"
		  "\t\t\t\tset skip 0\n"
		  "\t\t\telse if contains -- $t -w --workspace --store\n"
		  "\t\t\t\tset skip 1\n"
		  "\t\t\telse if not string match -q -- '-*' $t\n"
		  "\t\t\t\tset cmd $t\n"
		  "\t\t\t\tbreak\n"
		  "\t\t\tend\n"
		  "\t\tend\n"
		  "\tend\n"
		  "\tif string match -q -- '-*' (commandline -ct)\n"
		  "\t\t$prog $cmd $all 2>/dev/null | grep -oE "
		  "'(^|[^A-Za-z0-9-])--?[A-Za-z][A-Za-z-]*' | grep -oE -e '--?[A-Za-z][A-Za-z-]*' "
		  "| sort -u\n"
		  "\telse if test $tokens[-1] = --reason\n"
		  "\t\tprintf '%s\\n' interval launch risk exit manual restore start stop import\n"
		  "\telse if test -z \"$cmd\"; and not string match -q -- '*snapd' $base\n"
		  "\t\t$prog --help-all 2>/dev/null | sed -nE 's/^ {2,4}([a-z]+) {2,}.*/\\1/p' | "
		  "sort "
		  "-u\n"
		  "\telse if string match -q -- '*recover' $base; and contains -- \"$cmd\" restore "
		  "show diff ls mark\n"
		  "\t\tprintf '%s\\n' @ @~1 @crash\n"
		  "\t\t$prog list -n 20 2>/dev/null | sed -nE 's/^([0-9a-f]{8,40}) .*/\\1/p'\n"
		  "\tend\n"
		  "end\n"
		  "for p in @snapd @recover @detect\n"
		  "\tcomplete -c $p -a '(__holdfast@id)'\n"
		  "end\n" },
};

static int expand(const char *text, struct buf *b)
{
	int r = 0;

	for (const char *s = text; r == 0 && *s; s++) {
		if (strncmp(s, "@id", 3) == 0) {
			/* Two installations side by side: a function each. */
			for (const char *p = NAME_PREFIX; r == 0 && *p; p++)
				r = buf_addch(b,
					(*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') ? *p
											     : '_');
			s += 2;
		} else if (strncmp(s, "@snapd", 6) == 0 || strncmp(s, "@recover", 8) == 0 ||
			   strncmp(s, "@detect", 7) == 0) {
			r = buf_addstr(b, NAME_PREFIX);
		} else {
			r = buf_addch(b, *s);
		}
	}
	return r;
}

int hooks_completion(const char *shell, struct buf *ret)
{
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++)
		if (strcmp(shell, scripts[i].shell) == 0)
			return expand(scripts[i].text, ret);
	return -EINVAL;
}
