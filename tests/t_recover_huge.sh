#!/bin/sh
# A file beyond 512 MiB (git's core.bigFileThreshold) is binary by that alone: no diff of it is made in memory.
. "$(dirname "$0")/recover/lib.sh"
mkdir -p "$w" "$HOME/.config/holdfast"
printf '[snapshot]\n\tmaxFileSize = 1G\n' >"$HOME/.config/holdfast/config"
truncate -s 513M "$w/huge.txt" && seq 9 >"$w/f"
first=$(snap a) && echo more >>"$w/huge.txt" && echo 10 >>"$w/f"
second=$(snap b)
few() { (ulimit -v 400000; "$bin/recover" -w "$w" "$@"); }
[ -z "${SAN-}" ] || few() { "$bin/recover" -w "$w" "$@"; }
told() { few diff "$@" >"$d/out"; grep -qx 'Binary files a/huge.txt and b/huge.txt differ' "$d/out" && grep -qx '+10' "$d/out"; }
check 'two snapshots: said without reading it' told @~1 @
counted() { few diff --stat @~1 @ >"$d/out"; grep -q 'huge.txt .*Bin 537919488 -> 537919493 bytes' "$d/out"; }
check 'the stat counts its bytes' counted
mv "$w/huge.txt" "$w/huger.txt"
moved() { few diff @ >"$d/out"; grep -q '^rename to huger.txt' "$d/out"; }
check 'the same under another name is a rename' moved
