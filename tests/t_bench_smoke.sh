#!/bin/sh
# Every bench once, tiny: they run, and what they restore is right.
here=$(cd "$(dirname "$0")/.." && pwd)
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
export BENCH_DIR="$d" BENCH_OUT="$d/out" SKIP="restic"
cd "$d" || exit 1
fail=0
try()
{
	name=$1
	shift
	if "$@" >"$d/log" 2>&1 && ! grep -q DIFFERENT "$d/log"; then
		echo "ok bench/$name"
	else
		echo "not ok bench/$name"
		sed 's/^/    /' "$d/log"
		fail=1
	fi
}
git init -q history
for i in 1 2 3 4 5 6; do
	echo "line $i" >>history/file
	mkdir -p "history/d$i" && echo "$i" >"history/d$i/new"
	git -C history add -A && git -C history -c user.name=t -c user.email=t@t commit -qm "$i"
done
try edit env FILES="50 100" N=6 N_ONCE=2 N_GIT=2 N_RESTIC=0 "$here/bench/edit"
try first env FILES="100" N=1 "$here/bench/first"
try replay env RESTIC_EVERY=0 "$here/bench/replay" history 6
try large env MIB=20 "$here/bench/large"
try restore env FILES=100 N=2 "$here/bench/restore"
try rest env FILES=100 SECONDS=1 SNAPSHOTS=60 "$here/bench/rest"
try detect env PROCESSES="0 20" N=5 "$here/bench/detect"
try gate env N=2 "$here/bench/gate"
exit $fail
