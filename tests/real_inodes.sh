#!/bin/sh
# ci: yes
# A file system that has no file left to give, but room: what is there is read, who writes says so, a daemon waits and goes on. A
# small tmpfs, as root or in a user namespace.
[ "${1-}" = --inside ] || {
	[ "$(id -u)" = 0 ] && exec unshare -m "$0" --inside
	unshare -Urm true 2>/dev/null && exec unshare -Urm "$0" --inside
	echo "skip no inodes: needs root or user namespaces"
	exit 0
}
here=$(cd "$(dirname "$0")" && pwd)
bin=${BUILD_DIR:-$here/../build}
d=$(mktemp -d) || exit 1
mkdir "$d/fs" "$d/w"
mount -t tmpfs -o size=64m,nr_inodes=60 none "$d/fs" || { echo "skip no inodes: no mount"; exit 0; }
pid=
trap '[ -z "$pid" ] || kill $pid; umount "$d/fs"; rm -rf "$d"' EXIT
export HOLDFAST_STATE="$d/state" HOLDFAST_CONFIG="$d/config" HOLDFAST_AUTOSTART=0
printf '[store]\n\tquota = 40M\n\tfreeFloor = 0\n[detect]\n\tnotify = false\n' >"$d/config"
s=$d/fs/store bad=0
once() { "$bin/snapd" -w "$d/w" --store "$s" --once; }
recover() { "$bin/recover" --workspace "$d/w" --store "$s" "$@"; }
check() { n=$1; shift; if "$@"; then echo "ok $n"; else echo "not ok $n"; bad=1; fi; }
until_true() { k=0; until "$@"; do k=$((k + 1)); [ $k -lt 600 ] || return 1; sleep 0.05; done; }
fill() { i=0; while : 2>/dev/null >"$d/fs/x$i"; do i=$((i + 1)); done; [ -e "$d/fs/x0" ]; }
echo one >"$d/w/a"; check "a snapshot" once
rm -f "$s/reserve"
( fill ) 2>/dev/null
check "no file is left" [ "$(df --output=iavail "$d/fs" | tail -1)" -eq 0 ]
echo two >"$d/w/a"
says() { once >"$d/out" 2>"$d/err"; [ $? -eq 4 ] && [ ! -s "$d/out" ] && grep -q 'no space' "$d/err"; }
check "who writes says that there is no space" says
check "list works" sh -c '"$0" --workspace "$1" --store "$2" list | grep -q manual' "$bin/recover" "$d/w" "$s"
check "verify works" recover verify --all
check "a restore works" recover restore @ --to "$d/out.d" --yes
check "... is what there was" [ "$(cat "$d/out.d/a")" = one ]
"$bin/snapd" -w "$d/w" --store "$s" --interval 100ms 2>"$d/log" & pid=$!
check "a daemon waits" until_true grep -q 'waiting for it' "$d/log"
rm "$d"/fs/x*
saved() { [ "$(recover cat @:a 2>/dev/null)" = two ]; }
check "... and goes on" until_true saved
kill $pid; wait $pid; pid=
check "whole at the end" recover verify --all
exit $bad
