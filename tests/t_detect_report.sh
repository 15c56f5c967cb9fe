#!/bin/sh
# `detect` and `detect report` from outside: exit codes, settings, no colour, no library, no trace; the manual.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD_DIR:-$PWD/build}
detect=$build/detect
d=$(mktemp -d) || exit 1
trap 'kill $pids 2>/dev/null; rm -rf "$d"' EXIT
pids=
unset NO_COLOR TERM
export HOME="$d/home" XDG_CONFIG_HOME="$d/config" HOLDFAST_STATE="$d/state"
mkdir -p "$HOME" "$d/config/holdfast"
conf=$d/config/holdfast/config

check()
{
	name=$1; shift
	if "$@"; then echo "ok $name"; else echo "not ok $name"; [ ! -s "$d/err" ] || sed 's/^/    /' "$d/err"; fi
}
# gives CODE COMMAND...: its exit code, output in $d/out and $d/err
gives()
{
	want=$1; shift
	"$@" >"$d/out" 2>"$d/err"
	[ $? = "$want" ]
}
json() { python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); sys.exit(not eval(sys.argv[2]))' "$d/out" "$1"; }

check "plain detect reports" gives 0 "$detect"
check "nothing on stderr" [ ! -s "$d/err" ]
check "the risk stands first" grep -q '^risk      \(LOW\|MEDIUM\|CRITICAL\), status ' "$d/out"
check "at most 24 lines" [ "$(wc -l <"$d/out")" -le 24 ]
check "at most 80 columns" [ "$(awk 'length > n { n = length } END { print n }' "$d/out")" -le 80 ]
esc=$(printf '\033')
plain() { ! grep -q "$esc" "$d/out"; }
check "no colour in a file" plain
check "detect report" gives 0 "$detect" report
check "detect report --json" gives 0 "$detect" report --json
check "one line" [ "$(wc -l <"$d/out")" = 1 ]
check "the promised fields" json '{"time","risk","status","reasons","memory","swap","cgroup","psi","shm","gpu","processes"} <= r.keys()'
check "memory adds up" json '0 < r["memory"]["available"] <= r["memory"]["total"] and 0 <= r["memory"]["used_percent"] <= 100'
check "detect --json" gives 0 "$detect" --json
check "it leaves no folder" [ ! -e "$d/state" ]

# A static program names no loader and nothing to load; where the compiler cannot link one, libc alone.
loads() { readelf -d "$detect" | grep NEEDED | grep -v 'libc\.so\|ld-linux\|libasan\|libubsan\|libtsan\|libm\.\|libgcc\|libstdc\|libdl\|libpthread\|librt'; }
nothing_loaded() { [ -n "${SAN-}" ] || [ -z "$(loads)" ]; }	# linked otherwise for the sanitizers
check "the small program loads libc at most" nothing_loaded

# A terminal, by script(1), where there is one.
if command -v script >/dev/null 2>&1; then
	TERM=xterm script -qec "$detect" /dev/null >"$d/out" 2>"$d/err" </dev/null
	check "colour on a terminal" grep -q "$esc" "$d/out"
	NO_COLOR=1 TERM=xterm script -qec "$detect" /dev/null >"$d/out" 2>"$d/err" </dev/null
	check "NO_COLOR" plain
	TERM=dumb script -qec "$detect" /dev/null >"$d/out" 2>"$d/err" </dev/null
	check "a dumb terminal" plain
fi

check "unknown command" gives 2 "$detect" nosuch
check "it is named" grep -q '^detect: nosuch: no such command' "$d/err"
check "unknown option" gives 2 "$detect" report --nosuch
check "a word too many" gives 2 "$detect" report now
check "report --help" gives 0 "$detect" report --help
check "it shows its usage" grep -q '^usage: detect \[report\]' "$d/out"
check "--version" gives 0 "$detect" --version
full() { "$detect" "$@" >/dev/full 2>"$d/err"; [ $? = 4 ] && grep -q '^detect: standard output: ' "$d/err"; }
if [ -c /dev/full ]; then check "a full disk is an error" full; fi

printf '[detect]\n\tmemoryMedium = 1\n\tmemoryCritical = 100\n' >"$conf"
check "a setting counts" gives 0 "$detect" --json
check "MEDIUM from 1 %" json 'r["risk"] == "MEDIUM" and r["reasons"][0]["threshold"] == 1'
printf '[detect]\n\ttraining = fit_*.py\n\tnotTraining = train_timetable.py\n' >"$conf"
printf 'import time\nprint("up", flush=True)\ntime.sleep(1000)\n' >"$d/fit_it.py"
cp "$d/fit_it.py" "$d/train_timetable.py"
cp "$d/fit_it.py" "$d/train.py"
for s in fit_it train_timetable train; do
	python3 "$d/$s.py" >"$d/$s.up" &
	pids="$pids $!"
	n=0
	until grep -q up "$d/$s.up" 2>/dev/null || [ $n = 400 ]; do n=$((n + 1)); sleep 0.05; done
done
# The child of a test that trains trains: so look at names only.
check "patterns from a file" gives 0 "$detect" --json
check "what they name is training" json '{"fit_it.py", "train.py"} <= {p["name"] for p in r["processes"] if p["kind"] == "training"}'
check "what they deny is none" json '"train_timetable.py" not in {p["name"] for p in r["processes"]}'
# The kernel's rss is a sum of roughly kept counters, pss is counted; and one follows the other.
check "its memory is told" json 'any(0 < (p["own"] if p["pss"] is None else p["pss"]) <= p["rss"] + (4 << 20) for p in r["processes"] if p["name"] == "train.py")'
printf '[detect]\n\tmemoryMedium = many\n' >"$conf"
check "a bad value is named and left out" gives 0 "$detect"
check "with file and line" grep -q 'config:2: detect.memoryMedium: ' "$d/err"
printf '[detect\n' >"$conf"
check "a broken file" gives 2 "$detect"
printf '[snap' >"$conf"
check "one that has nothing of ours" gives 2 "$detect"
check "for a gate too" gives 2 "$detect" gate --need 1M
rm "$conf"
check "HOLDFAST_CONFIG that is not there" gives 2 env HOLDFAST_CONFIG="$d/none" "$detect"

check "detect --help" gives 0 "$detect" --help
commands=$(sed -n 's/^  \([a-z]*\) .*/\1/p' "$d/out")
check "it lists commands" [ -n "$commands" ]
for c in $commands; do
	check "$c has --help" gives 0 "$detect" "$c" --help
	check "docs/detect.1 has $c" grep -q "^\.\(It \)\{0,1\}Ic $c" "$here/../docs/detect.1"
done
for k in $(sed -n '/^\[detect\]/,/^\[/s/^	#\([A-Za-z]*\) = .*/\1/p' "$here/../config/holdfast.conf"); do
	grep -q "detect\.$k" "$here/../docs/detect.1" || { echo "not ok docs/detect.1 has detect.$k"; }
done
exit 0
