#!/bin/sh
# An empty folder in the workspace's place - its file system is not mounted - is not a deletion.
. "$(dirname "$0")/snapd/lib.sh"

refused() { "$snapd" -w "$w" --store "$s" --once 2>"$d/err" >"$d/said"; [ $? -eq 4 ] && [ ! -s "$d/said" ] && grep -q "empty folder" "$d/err"; }
swap() { mv "$w" "$d/away" && mkdir "$w"; }
back() { rm -rf "$w" && mv "$d/away" "$w"; }

mkdir "$w/src"; echo 1 >"$w/src/a"; echo 2 >"$w/b"
start || { echo "not ok it starts"; exit 1; }
id=$(once)
swap
check "the daemon takes no snapshot of it" refused
check "and says so again" refused
said() { [ "$(field present)" = false ] && "$snapd" -w "$w" --store "$s" --status >"$d/said" && grep -q "empty folder" "$d/said" "$d/log"; }
check "--status and the log name it" said
files() { echo new >"$w/new" && id2=$(once) && [ "$id2" != "$id" ] && same; }
check "files in it: it is the workspace" files
back
again() { once >/dev/null && same && echo 3 >>"$w/b" && once >/dev/null && same; }
check "the folder that was there before comes back" again
swap
restored() { "$build/recover" --workspace "$w" --store "$s" restore @ --yes >"$d/said" 2>&1 && diff -r "$w" "$d/away" || { cat "$d/said"; return 1; }; }
check "a restore into it works" restored
rm -rf "$d/away"; once >/dev/null
real() { rm -r "$w/src" "$w/b" && once >/dev/null && same; }
check "files that are deleted in the folder itself are deleted" real
# Its number may be given to the next folder at once.
anew() { rm -rf "$w" && mkdir "$w" && echo x >"$w/x" && once >/dev/null && same && echo y >"$w/x" && once >/dev/null && same; }
check "a folder that was deleted and made anew is watched anew" anew
check "and again" anew
rm "$w/x"; echo 4 >"$w/b"; once >/dev/null
stop

swap
check "--once without a daemon takes none" refused
start
check "a daemon that starts with it takes none" refused
[ "$(field present)" = false ] || echo "not ok it waits"
back
check "and takes it when it is there again" again
stop
swap
forced() { once --force >/dev/null && same; }
check "--force takes it as it is" forced
stays() { once >/dev/null && same; }
check "then it is the workspace" stays

mounted()
{
	unshare -Urm sh -c '
		w=$1 s=$2 snapd=$3
		mount -t tmpfs none "$w" 2>/dev/null || exit 77
		echo in >"$w/in" && "$snapd" -w "$w" --store "$s" --once >/dev/null && umount "$w" || exit 1
		"$snapd" -w "$w" --store "$s" --once >/dev/null 2>&1; [ $? -eq 4 ]' sh "$w" "$s" "$snapd"
}
mounted 2>/dev/null
case $? in
0) echo "ok a file system that was unmounted";;
77) echo "skip a file system that was unmounted: no user namespace that may mount";;
*) unshare -Urm true 2>/dev/null && echo "not ok a file system that was unmounted" || echo "skip no user namespace";;
esac
