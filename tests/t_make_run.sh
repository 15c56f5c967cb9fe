#!/bin/sh
# make run WORKSPACE=DIR: what README says first. The programs are built; `-o all` keeps the outer make's flags.
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
