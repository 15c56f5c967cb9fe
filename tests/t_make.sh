#!/bin/sh
# The Makefile: make run WORKSPACE=DIR, which README says first, and the targets that are no tests. `-o all` keeps the
# outer make's flags; the programs are built.
. "$(dirname "$0")/snapd/lib.sh"
top=$here/..
mk() { env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$top" BUILD="${BUILD:-build}" -o all "$@"; }
usage() { mk run 2>"$d/err"; [ $? = 2 ] && grep -q 'usage: make run WORKSPACE=DIR' "$d/err"; }
check 'without a folder: how it is used' usage
folder="my project; touch hf-never \$(touch hf-never) \`touch hf-never\` 'x"
w=$HOME/$folder
mkdir -p "$w" && echo 1 >"$w/f"
runs() {
	mk run WORKSPACE="~/$folder" 2>"$d/log" & make=$!
	pids="$pids $make"
	until_true grep -q watching "$d/log" || { cat "$d/log"; return 1; }
	echo 2 >"$w/f" && "$snapd" -w "$w" --once >/dev/null && rm -rf "$w" && "$build/recover" -w "$w" restore --yes @ >/dev/null 2>&1 &&
		[ "$(cat "$w/f")" = 2 ] && [ ! -e "$top/hf-never" ]
}
check 'a folder whose name a shell would take apart' runs
ends() { "$snapd" -w "$w" --stop && wait "$make"; }
check 'it ends well when snapd does' ends

# The other targets, in a repository of its own.
mkdir "$d/repo" && cp "$top/Makefile" "$top/.clang-format" "$d/repo/" && mkdir "$d/repo/lib" && export GIT_CONFIG_GLOBAL=/dev/null
own() { env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BUILD make -s -C "$d/repo" "$@"; }
targets() { own help >"$d/out" && for t in run test test-real asan tsan analyze fuzz cover format deps install uninstall clean; do grep -qw "$t" "$d/out" || return 1; done; }
check 'make help names the targets' targets
clean() { mkdir "$d/repo/build" "$d/repo/build-hf" && own clean NAME_PREFIX=hf- && [ ! -e "$d/repo/build" ] && [ ! -e "$d/repo/build-hf" ]; }
check 'make clean takes the build folders away' clean
if command -v git-clang-format >/dev/null 2>&1; then
	formats() {
		cd "$d/repo" && git init -q . && printf 'int   old( void );\n' >lib/a.c && git add . &&
			git -c user.name=t -c user.email=t@t commit -q -m a && own format && git diff --quiet || return 1
		printf 'int   other( void );\n' >>lib/a.c && own format && printf 'int   old( void );\nint other(void);\n' | cmp -s - lib/a.c
	}
	check 'make format leaves alone what was not changed' formats
else
	echo "skip make format: no git-clang-format"
fi
