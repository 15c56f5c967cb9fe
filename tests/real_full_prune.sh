#!/bin/sh
# ci: yes
# Prune on a file system with 0 bytes free: the reserve makes room for it. A small tmpfs, as root or in a user namespace.
[ "${1-}" = --inside ] || {
	[ "$(id -u)" = 0 ] && exec unshare -m "$0" --inside
	unshare -Urm true 2>/dev/null && exec unshare -Urm "$0" --inside
	echo "skip prune on a full disk: needs root or user namespaces"
	exit 0
}
here=$(cd "$(dirname "$0")" && pwd)
bin=${BUILD_DIR:-$here/../build}
d=$(mktemp -d) || exit 1
mkdir "$d/fs" "$d/w"
mount -t tmpfs -o size=24m none "$d/fs" || { echo "skip prune on a full disk: no mount"; exit 0; }
trap 'umount "$d/fs"; rm -rf "$d"' EXIT
export HOLDFAST_STATE="$d/state" HOLDFAST_CONFIG="$d/config"
ages='all = 1s\n\ttenMinutes = 1s\n\thourly = 1s\n\tdaily = 1s\n\tweekly = 1s\n\tgrace = 0\n\tevery = 0\n'
printf '[store]\n\tquota = 20M\n\tfreeFloor = 0\n[prune]\n\tall = 1d\n' >"$d/config"
s=$d/fs/store bad=0
once() { "$bin/snapd" -w "$d/w" --store "$s" --once; }
recover() { "$bin/recover" --workspace "$d/w" --store "$s" "$@"; }
check() { n=$1; shift; if "$@"; then echo "ok $n"; else echo "not ok $n"; bad=1; fi; }
for i in 1 2 3 4 5 6; do head -c 700000 /dev/urandom >"$d/w/f"; once >/dev/null || bad=1; done
check "there is a reserve" [ -s "$s/reserve" ]
full() { dd if=/dev/zero of="$d/fs/filler" bs=4096 2>/dev/null; [ "$(df --output=avail "$d/fs" | tail -1)" -eq 0 ]; }
full
check "the disk is full" [ "$(df --output=avail "$d/fs" | tail -1)" -eq 0 ]
head -c 700000 /dev/urandom >"$d/w/f"
refused() { once >"$d/out" 2>"$d/err"; [ $? -eq 4 ] && [ ! -s "$d/out" ] && [ -s "$d/err" ]; }
check "without anything to prune a snapshot is refused" refused
check "and nothing is lost" [ "$(recover list --json 2>/dev/null | wc -l)" = 6 ]
rm -f "$d/fs/filler"; once >/dev/null; full
printf "[store]\n\tquota = 20M\n\tfreeFloor = 0\n[prune]\n\t$ages" >"$d/config"
sleep 1.1
check "prune works with 0 bytes free" recover prune
check "one is left" [ "$(recover list --json | wc -l)" = 1 ]
check "the room is back" [ "$(df --output=avail "$d/fs" | tail -1)" -gt 1000 ]
check "whole" recover verify --all
check "and the next snapshot is taken" once
for i in 1 2 3 4; do head -c 700000 /dev/urandom >"$d/w/f"; once >/dev/null || bad=1; done
full
sleep 1.1
for i in 300 300 301 50 51; do head -c ${i}000 /dev/urandom >"$d/w/g"; once >/dev/null 2>"$d/err" || { cat "$d/err"; bad=1; }; [ $i = 301 ] && full; sleep 1.1; done
[ $bad = 0 ] && echo "ok snapshots make their own room on a full disk" || echo "not ok snapshots make their own room on a full disk"
check "whole at the end" recover verify --all
exit $bad
