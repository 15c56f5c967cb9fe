#!/bin/sh
# The store is damaged or taken away under a running daemon: the next snapshot is whole, and it says what happened.
. "$(dirname "$0")/snapd/lib.sh"

mkdir -p "$w/sub/deep"
echo one >"$w/a"; echo two >"$w/sub/b"; echo three >"$w/sub/deep/c"
start || { echo "not ok it starts"; exit 1; }
once >/dev/null
echo more >>"$w/a"; id=$(once)

said() { grep -q "$1" "$d/log"; }
taken() { rm -rf "$s/log" && echo 3 >>"$w/a" && id2=$(once) && [ "$id2" != "$id" ] && same && said 'log was taken away'; }
check "log/ deleted: a new one, with everything in it" taken
alone() { [ "$("$build/recover" --workspace "$w" --store "$s" list | wc -l)" = 1 ] && "$build/recover" --workspace "$w" --store "$s" verify --all >/dev/null 2>&1; }
check "... and nothing that is not there is listed" alone
moved() { mv "$s/log" "$d/log-away" && echo 4 >>"$w/a" && once >/dev/null && same && [ -s "$d/log-away/00000001.seg" ]; }
check "log/ moved away: likewise, and what was moved stays as it is" moved
segment() { rm "$s/log/"*.seg && echo 5 >>"$w/a" && once >/dev/null && same && said 'snapshots are lost'; }
check "its segment deleted" segment
idle() { once >/dev/null && rm -rf "$s/log" && once >/dev/null && [ -s "$s/log/00000001.seg" ] && same; }
check "... also when nothing has changed since" idle

# One flipped bit in each frame of the first snapshot: trees and files of folders that nobody touches.
damage() { python3 -B "$here/snapd/hurt.py" "$s"; }
healed()
{
	damage || return 1
	if "$build/recover" --workspace "$w" --store "$s" verify --all >"$d/said" 2>&1; then echo "not seen"; return 1; fi
	echo 6 >>"$w/a" && once >/dev/null && same && said 'it is read again' && said 'tree of "/" is damaged'
}
check "a damage that verify has found is not in the next snapshot" healed
quiet() { [ ! -e "$s/damaged" ] && n=$(grep -c 'read again' "$d/log") && echo 7 >>"$w/a" && once >/dev/null && same && [ "$(grep -c 'read again' "$d/log")" = "$n" ]; }
check "... and that is the end of it" quiet
stop

damage
found() { ! "$build/recover" --workspace "$w" --store "$s" verify --all >/dev/null 2>&1 && [ -s "$s/damaged" ] && once >/dev/null 2>&1 && same; }
check "--once without a daemon makes it good when nothing else has changed" found
gone() { start && rm -rf "$s" && echo 8 >>"$w/a" && until_true again && same; }
again() { "$build/recover" --workspace "$w" --store "$s" cat @:a 2>/dev/null | grep -q 8 || { once >/dev/null 2>&1; false; }; }
check "the whole store deleted: a new one" gone
