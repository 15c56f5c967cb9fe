#!/bin/sh
# A file system that is mounted over the workspace, or unmounted, while snapd runs: what is worked in is what is
# protected. In a user and mount namespace of its own.
if [ "${1-}" != --inside ]; then
	unshare -Urm sh -c 'mount -t tmpfs none /mnt' 2>/dev/null || { echo "skip no user namespace that may mount"; exit; }
	exec unshare -Urm "$0" --inside
fi
. "$(dirname "$0")/snapd/lib.sh"
mkdir "$d/other"
got() { [ "$(python3 -B "$here/reader/hfread.py" "$s" cat last "$1" 2>/dev/null)" = "$2" ]; }
gets() { until_true got "$1" "$2"; }

mount -t tmpfs none "$w" && echo 1 >"$w/f1" || exit 1
start || { echo "not ok it starts"; exit 1; }
got f1 1 || echo "not ok a first snapshot"
over() { mount --bind "$d/other" "$w" && echo MYWORK >"$w/work.py" && once -m check >/dev/null && got work.py MYWORK && same; }
check "a folder that is mounted over it is what is worked in" over
lazy()
{
	umount "$w" && umount -l "$w" && mount --bind "$d/other" "$w" && echo NEW >"$w/new" && once >/dev/null && got new NEW && same
}
check "after a lazy unmount too" lazy
check "a file system at rest can be unmounted" umount "$w"
empty() { once >/dev/null 2>"$d/err"; [ $? -eq 4 ] && grep -q "empty folder" "$d/err" && got new NEW; }
check "without it the folder is empty: refused" empty
stops() { "$snapd" -w "$w" --store "$s" --stop 2>"$d/err" && wait "$pid" && grep -q "no last snapshot: an empty folder" "$d/err"; }
check "--stop says that there is no last snapshot" stops

# Nobody asks, nothing is due for an hour.
mount -t tmpfs none "$w" && echo 2 >"$w/f2"
start || exit 1
at_once() { mount --bind "$d/other" "$w" && gets new NEW; }
check "it is noticed at once" at_once
mkdir "$w/sub" && echo stored >"$w/sub/s" && once >/dev/null
below() { mount -t tmpfs none "$w/sub" && echo hidden >"$w/sub/h" && once >/dev/null && ! got sub/s stored && ! got sub/h hidden; }
check "what is mounted in it is another file system" below
below_gone() { umount "$w/sub" && once >/dev/null && got sub/s stored; }
check "and shows what it hid when it is unmounted" below_gone
again() { umount "$w" && gets f2 2 && echo 3 >"$w/f2" && once >/dev/null && got f2 3; }
check "what was below it comes back" again
stop
umount "$w"; rm -rf "$s"; w=$d/other
mkdir "$d/small" && mount -t tmpfs -o size=8M none "$d/small"
full()
{
	printf '[store]\n\tfreeFloor = 0\n' >"$d/config" && export HOLDFAST_CONFIG="$d/config"
	s=$d/small/s && once >/dev/null && { dd if=/dev/zero of="$d/small/fill" bs=4k 2>/dev/null; once -m x 2>"$d/err"; [ $? -eq 4 ]; } &&
		grep -q "make room" "$d/err" || return 1
	"$snapd" -w "$w" --store "$s" --interval 1h 2>"$d/log" & pid=$!
	pids="$pids $pid"
	until_true grep -qE "waiting for it|trying again" "$d/log" && kill -0 "$pid" && echo room >"$w/room" && rm "$d/small/fill" && gets room room && stop
}
check "a disk that is full at the start: it waits for room, and says so" full
unset HOLDFAST_CONFIG
umount "$d/small"; s=$d/s
moved_back()
{
	start && mv "$w" "$d/x" && until_true sh -c '"$0" -w "$1" --store "$2" --status --json | grep -q present\":false' "$snapd" "$w" "$s" &&
		mv "$d/x" "$w" && echo n >"$w/n" && stop && same
}
check "--stop takes a folder that was away and is back" moved_back
