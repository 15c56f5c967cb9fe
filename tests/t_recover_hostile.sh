#!/bin/sh
# Stores that no honest program writes: whatever they name, nothing is written outside, and every command ends.
. "$(dirname "$0")/recover/lib.sh"
mkdir -p "$d/in"
w=$d/in/w s=$d/in/s HOLDFAST_STORE=$d/in/s
hostile() { rm -rf "$d/in" && mkdir -p "$w" && echo keep >"$w/keep" && python3 -B "$here/recover/hostile.py" "$1" "$s" "$w"; }
# ends NAME COMMAND...: by itself, with an exit code of ours
ends() { n=$1; shift; timeout -k 1 120 "$bin/recover" --workspace "$w" "$@" >"$d/out" 2>"$d/err" </dev/null; rc=$?
	if [ $rc -le 4 ]; then ok "$n"; else not_ok "$n (exit $rc)"; tail -5 "$d/err"; fi; }
all() {
	for c in 'list' 'ls -r @' show 'find *' 'history good' 'diff @' 'verify --all' 'restore @ --yes' 'undo --yes'; do
		# shellcheck disable=SC2086
		ends "$1: $c" $c
	done
	ends "$1: restore --to" restore @ --to "$d/in/to" --yes
	ends "$1: export" export "$d/in/export" -q
	check "$1: nothing outside, nothing in a .git" test -z "$(find "$d" \( -name 'pwned*' -o -name 'post-commit' \) ! -path '*/export/*')" \
		-a "$(cat "$w/keep" 2>/dev/null)" = keep -a ! -e /pwned -a ! -e /tmp/pwned
}
for which in -1 0 1 2 3 4 5 6 7 8; do
	export WHICH="$which"
	hostile names
	gives 1 "names $which: verify names what is not right" "$bin/recover" --workspace "$w" verify --all
	gives 4 '... export writes no tree with such names' "$bin/recover" --workspace "$w" export "$d/in/export" -q
	rm -rf "$d/in/export"
	[ $which -ge 0 ] || { all names; continue; }
	ends "name $which: restore" restore @ --yes
	ends "name $which: diff" diff @
	check '... nothing outside' test -z "$(find "$d" \( -name 'pwned*' -o -name 'post-commit' \))" -a ! -e /pwned
done
hostile inner
gives 1 'names below honest ones: verify names them' "$bin/recover" --workspace "$w" verify --all
ends '... restore of what is honest' restore @ --yes -- good e
check '... brings it back' test "$(cat "$w/good" "$w/e/fine" 2>/dev/null | wc -l)" = 2
for c in inner counts self; do hostile $c; all $c; done
hostile self
gives 4 'a tree that holds itself ends diff' "$bin/recover" --workspace "$w" diff @~1 @
gives 4 '... and export' "$bin/recover" --workspace "$w" export "$d/in/export"
hostile bomb
gives 4 'a million million paths end diff' "$bin/recover" --workspace "$w" diff --stat @~1 @
says '... with the reason' "$d/err" 'more than a million'
DEPTH=100000 hostile deep
gives 4 'a hundred thousand folders in each other end diff' "$bin/recover" --workspace "$w" diff @~1 @
says '... with the reason' "$d/err" 'without end'
gives 4 '... and export' "$bin/recover" --workspace "$w" export "$d/in/export" -q
ends '... and restore' restore @ --yes
exit $bad
