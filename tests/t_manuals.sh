#!/bin/sh
# The manuals and the help: each option in both, help that fits a screen, --version. (recover's options: t_recover_cli.)
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD_DIR:-$here/../build}
docs=$here/../docs
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
bad=0
check() { n=$1; shift; if "$@"; then echo "ok $n"; else echo "not ok $n"; bad=1; fi; }

for p in snapd detect; do
	check "$p: help and manual name the same options" python3 -B "$here/manuals/options.py" "$p" "$build/$p" "$docs/$p.1"
done
if command -v mandoc >/dev/null 2>&1; then
	check 'mandoc has no complaint' sh -c 'mandoc -T lint -W warning "$1"/*.[157] >"$2" || { cat "$2"; false; }' - "$docs" "$d/lint"
else
	echo 'skip mandoc: not installed'
fi
check 'the picture of the screen in README.md is what it shows' python3 -B "$here/recover/picture.py"
# What a reference names is there, and every manual is named by another.
refers() {
	for m in "$docs"/*.[157]; do
		n=${m##*/}
		grep -hE "^\.(It )?Xr ${n%.*} ${n##*.}( |$)" "$docs"/*.[157] >/dev/null || { echo "$n: no manual refers to it"; return 1; }
	done
	grep -hoE 'Xr (holdfast|holdfast.conf|snapd|recover|detect) [0-9]' "$docs"/*.[157] | sort -u | while read -r _ n s; do
		[ -f "$docs/$n.$s" ] || { echo "$n($s): not there"; exit 1; }
	done
}
check 'the manuals refer to each other' refers
# What the programs take from the environment stands in a manual, or is told to be for tests.
told_of() {
	(cd "$here/.." && grep -rhoE --include='*.c' 'getenv\("HOLDFAST_[A-Z_]+' lib config store scan snapd recover detect hooks editors) |
		grep -oE 'HOLDFAST_[A-Z_]+' | sort -u >"$d/env"
	[ "$(wc -l <"$d/env")" -ge 8 ] || { echo "found but $(cat "$d/env")"; return 1; }
	while read -r v; do
		grep -qE "^\.(It )?Ev.* $v( |$)" "$docs"/*.1 || grep -q "\`$v\`" "$here/../HACKING.md" || { echo "$v: in no manual"; return 1; }
	done <"$d/env"
}
check 'each variable of the environment is told of' told_of
short() { "$build/$1" --help >"$d/out" && [ "$(wc -l <"$d/out")" -le 24 ] && [ "$(wc -L <"$d/out")" -le 80 ] || { cat "$d/out"; return 1; }; }
topic() {
	"$build/$1" help "$2" >"$d/out" && [ -s "$d/out" ] && [ "$(wc -l <"$d/out")" -le 24 ] && [ "$(wc -L <"$d/out")" -le 80 ] || { cat "$d/out"; return 1; }
	"$build/recover" help "$2" | cmp -s - "$d/out"
}
nosuch() { "$build/$1" help nosuch >"$d/out" 2>&1; [ $? -eq 2 ] && [ "$(wc -l <"$d/out")" -eq 1 ] && grep -q '^[a-z]*: nosuch: no such' "$d/out"; }
# Each command that the short help or the long one lists has its usage in the long one; one that became another program cut it short once.
whole() {
	[ "$(wc -L <"$d/all.$1")" -le 80 ] || { awk 'length > 80' "$d/all.$1"; return 1; }
	[ $1 = snapd ] && return
	for c in $(sed -nE '/^$/d; s/^ {2,4}([a-z]+) {2,}[a-z].*/\1/p' "$d/all.$1" | sort -u); do
		grep -q "^usage: $1 \[*$c\>" "$d/all.$1" || { echo "no usage of $c"; return 1; }
	done
}
longer() { [ "$("$build/$1" --help-all | wc -c)" -gt "$("$build/$1" --help | wc -c)" ] && "$build/$1" --help-all | cmp -s - "$d/all.$1"; }
for p in snapd recover detect; do
	check "$p --help fits a screen" short $p
	check "$p help is the same" sh -c '"$1" help | cmp -s - "$2"' - "$build/$p" "$d/out"
	"$build/$p" help all >"$d/all.$p"
	check "$p --help-all says more, and so does help all" longer $p
	check "... of every command, in 80 columns" whole $p
	for t in crash exit files revisions settings stored start; do
		check "$p help $t fits a screen and is the same everywhere" topic $p $t
		check "... and the short help names it" sh -c '"$1" --help | grep -qw "$2"' - "$build/$p" $t
	done
	check "$p help nosuch: 2, one line" nosuch $p
	"$build/$p" --version >"$d/v"
	check "$p --version: the same everywhere, with libraries" sh -c 'head -n 1 "$1" | grep -Eq "^$2 \(Holdfast\) [0-9]+\.[0-9]+( \(commit [0-9a-f]{7,40}(-dirty)?\))?$" &&
		grep -q "^libgit2 *[0-9]" "$1" && grep -q "^sqlite *3\." "$1"' - "$d/v" $p
	check "$p --version names the commit in a clone" sh -c '[ ! -e "$1/.git" ] || ! git -C "$1" rev-parse HEAD >/dev/null 2>&1 || grep -q commit "$2"' - "$here/.." "$d/v"
done
# All commands that recover and detect have are told of by --help-all.
check 'recover --help-all has every command' sh -c 'for c in $("$1" --help-all | sed -nE "/^commands:/,/^options:/s/^ {4}([a-z]+) .*/\1/p"); do
	grep -q "^usage: recover $c" "$2" || exit 1; done' - "$build/recover" "$d/all.recover"
mkdir "$d/help" && check 'a folder named help is ./help' sh -c 'cd "$1" && "$2" ./help --store "$1/s" --once >"$1/id" && [ -s "$1/id" ]' - "$d" "$build/snapd"
exit $bad
